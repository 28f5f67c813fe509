"""FunctionTransformer with numpy's functions in the pipeline engine against scikit-learn itself, bit
for bit."""

import numpy as np
import pandas as pd
import pytest
from predictor import Refused
from sklearn.compose import ColumnTransformer
from sklearn.feature_selection import VarianceThreshold
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.tree import DecisionTreeRegressor

pytestmark = pytest.mark.filterwarnings("ignore")


FUNCTIONS = [
    np.absolute, np.ceil, np.floor, np.negative, np.rint, np.sign, np.sqrt, np.square, np.trunc,
]
INTEGERS = [np.int8, np.uint8, np.int16, np.uint16, np.int32, np.uint32, np.int64]


def single(function, x, dtype=np.float64, **options):
    """A pipeline that answers the function of X's only column as it is; of float32 when that is."""
    transformer = FunctionTransformer(function, **options).fit(x)
    regression = LinearRegression().fit(np.zeros((2, 1)), [0.0, 0.0])
    regression.coef_, regression.intercept_ = np.ones(1, dtype), dtype(-0.0)
    return make_pipeline(transformer, regression)


def assert_bits(predictor, model, x):
    want, got = np.asarray(model.predict(x)), predictor.predict(x)
    assert got.dtype == want.dtype
    assert got.tobytes() == want.tobytes()


def assert_same(predictor, model, x, stored="skops"):
    predictor.load(model, stored=stored)
    for rows in (x, x[:1], x[1:3]):
        assert_bits(predictor, model, rows)


def reals(dtype, function):
    """Finite results only, which is what a regression takes."""
    info = np.finfo(dtype)
    generator = np.random.default_rng(0)
    special = [0.0, -0.0, 0.5, -0.5, 1.5, 2.5, -2.5, 1, -1, 2**23 + 0.5, 2**52 + 0.5, 1e15 + 0.5]
    edges = [info.tiny, -info.tiny, info.smallest_subnormal, info.max, info.min, 1 - info.epsneg]
    random = generator.normal(0, 10, 600) * 10.0 ** generator.integers(-30, 30, 600)
    x = np.concatenate([special, edges, random]).astype(dtype)
    return x[np.isfinite(function(x))].reshape(-1, 1)


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_reals(predictor, function, dtype):
    x = reals(dtype, function)
    for options in ({}, {"validate": True}):
        assert_same(predictor, single(function, x, dtype, **options), x)
        frame = pd.DataFrame(x, columns=["x"])
        model = single(function, frame, dtype, feature_names_out="one-to-one", **options)
        assert_same(predictor, model, frame)


def is_taken(function, dtype):
    """ceil and others of integers are floats before numpy 2.1; small ones have small roots."""
    if function is np.sqrt:
        return dtype().itemsize > 1
    if dtype is np.bool_:
        return function is np.absolute
    return function in (np.absolute, np.negative, np.sign, np.square)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_integers(predictor, function):
    n_taken = 0
    for dtype in [*INTEGERS, np.bool_]:
        info = np.iinfo(dtype if dtype is not np.bool_ else np.uint8)
        values = [0, 1] if dtype is np.bool_ else [info.min, info.min + 1, 0, 1, 3, 7, info.max]
        if function is np.sqrt:
            values = [value for value in values if value >= 0]
        x = np.array(values, dtype).reshape(-1, 1)
        for rows in (x, pd.DataFrame(x, columns=["x"])):
            if is_taken(function, dtype):
                # float32 results of a square root must stay that
                width = np.float32 if dtype().itemsize == 2 else np.float64
                assert_same(predictor, single(function, rows, width), rows)
                n_taken += 1
                continue
            reference = np.ones((2, 1))
            predictor.load(single(function, pd.DataFrame(reference, columns=["x"])))
            with pytest.raises(Refused) as refused:
                predictor.predict(rows)
            assert refused.value.error_code == "NOT_IMPLEMENTED"
    assert n_taken >= (10 if is_taken(function, np.int32) else 0)


@pytest.mark.parametrize("stored", ["skops", "pickle", "cloudpickle"])
def test_every_format(predictor, stored):
    x = reals(np.float64, np.sqrt)
    assert_same(predictor, single(np.sqrt, x, kw_args={}), x, stored)
    assert_same(predictor, single(np.abs, x, inverse_func=np.negative, check_inverse=False), x, stored)


def test_nan_and_infinity(predictor):
    """They pass a function that does not validate; a tree takes NaN."""
    x = np.array([[np.nan], [np.inf], [-np.inf], [-1.0], [4.0]])
    tree = DecisionTreeRegressor().fit([[0.0], [1], [2], [3], [np.nan]], range(5))
    for function in FUNCTIONS:
        for validate in (False, True):
            model = make_pipeline(FunctionTransformer(function, validate=validate).fit(x[4:]), tree)
            predictor.load(model)
            for rows in (x[:1], x[1:2], x[2:3], x[3:4], x[[0, 3, 4]], pd.DataFrame(x[[0, 4]])):
                try:
                    want = model.predict(rows)
                except ValueError:
                    with pytest.raises(Refused) as refused:
                        predictor.predict(rows)
                    assert refused.value.error_code == "BAD_REQUEST"
                    continue
                assert predictor.predict(rows).tolist() == want.tolist()


def columns_of(n):
    regression = LinearRegression().fit(np.zeros((2, n)), np.zeros((2, n)))
    regression.coef_, regression.intercept_ = np.eye(n), np.zeros(n)
    return regression


def table(n=700):
    generator = np.random.default_rng(1)
    return pd.DataFrame({
        "real": generator.exponential(1, n),
        "narrow": generator.exponential(1, n).astype(np.float32),
        "count": generator.integers(0, 2**62, n),
        "small": generator.integers(0, 100, n).astype(np.int32),
    })


@pytest.mark.parametrize("validate", [False, True])
def test_tables_of_several_dtypes(predictor, validate):
    """Each column by itself, unless X becomes an array before."""
    x = table()
    for function in (np.sqrt, np.square, np.negative):
        transformer = FunctionTransformer(function, validate=validate).fit(x)
        assert_same(predictor, make_pipeline(transformer, columns_of(4)), x)
        columns = ColumnTransformer([
            ("function", FunctionTransformer(function, validate=validate), ["small", "real"]),
            ("rest", "passthrough", ["narrow"]),
        ]).fit(x)
        assert_same(predictor, make_pipeline(columns, columns_of(3)), x)


def test_validation_without_a_function(predictor):
    x = table()
    model = make_pipeline(FunctionTransformer(validate=True).fit(x), columns_of(4))
    assert_same(predictor, model, x)
    for bad in (x[["real"]], x.rename(columns={"real": "other"}), x.assign(real=np.nan), x.assign(real=np.inf)):
        with pytest.raises(Refused) as refused:
            predictor.predict(bad)
        assert refused.value.error_code == "BAD_REQUEST"


def test_functions_behind_other_steps(predictor):
    x = table()
    selector = VarianceThreshold().fit(x)
    rest = FunctionTransformer(np.sqrt).fit(selector.transform(x))
    assert_same(predictor, make_pipeline(selector, rest, columns_of(4)), x)
    model = make_pipeline(FunctionTransformer(np.negative).fit(x), FunctionTransformer(np.abs).fit(x), columns_of(4))
    assert_same(predictor, model, x)
    small = x[["small"]].astype(np.int8)  # found out behind the selector only: no wrong answer
    selector, rest = VarianceThreshold().fit(small), FunctionTransformer(np.sqrt).fit(small.to_numpy())
    predictor.load(make_pipeline(selector, rest, columns_of(1)))
    with pytest.raises(Refused, match="dtype"):
        predictor.predict(small)


def test_other_columns_are_left_to_python(predictor):
    x = table()
    transformer = FunctionTransformer(np.sqrt, feature_names_out="one-to-one").fit(x)
    predictor.load(make_pipeline(transformer, columns_of(4)))
    assert len(predictor.predict(x)) == len(x)
    for rows in (x[["real"]], x.rename(columns={"real": "other"}), x.assign(real="?"), x["real"].to_numpy()):
        with pytest.raises(Refused) as refused:
            predictor.predict(rows)
        assert refused.value.error_code == "NOT_IMPLEMENTED"


DEPENDENT = [
    np.exp, np.exp2, np.expm1, np.log, np.log1p, np.log2, np.log10, np.cbrt, np.sin, np.tanh, np.arctan,
]


def refused_model(predictor, match, transformer, **attributes):
    x = np.ones((3, 2))
    transformer.fit(x)
    for name, value in attributes.items():
        setattr(transformer, name, value)
    with pytest.raises(Refused, match=match):
        predictor.load(make_pipeline(transformer, columns_of(2)))


def test_refused_models(predictor):
    for function in DEPENDENT:
        refused_model(predictor, "depend on the processor", FunctionTransformer(function))
    refused_model(predictor, "nan_to_num", FunctionTransformer(np.nan_to_num))
    refused_model(predictor, "kw_args", FunctionTransformer(np.sqrt, kw_args={"where": True}))
    refused_model(predictor, "attribute other", FunctionTransformer(np.sqrt), other=1)
    refused_model(predictor, "set_output", FunctionTransformer(np.sqrt).set_output(transform="pandas"))
    refused_model(predictor, "feature_names_out", FunctionTransformer(np.sqrt), feature_names_out=len)
    refused_model(predictor, "feature_names_out", FunctionTransformer(), feature_names_out=len)
    refused_model(predictor, "validate", FunctionTransformer(np.sqrt), validate=1)
    refused_model(predictor, "n_features_in_", FunctionTransformer(validate=True), n_features_in_="2")
