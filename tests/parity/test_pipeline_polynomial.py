"""PolynomialFeatures in the pipeline engine against scikit-learn itself, bit for bit."""

import itertools

import numpy as np
import pandas as pd
import pytest
from predictor import Refused
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures
from sklearn.tree import DecisionTreeRegressor

pytestmark = pytest.mark.filterwarnings("ignore")


def columns_of(n, dtype=np.float64):
    """A regression whose answer is its X; of float32 when that is."""
    regression = LinearRegression().fit(np.zeros((2, n)), np.zeros((2, n)))
    regression.coef_, regression.intercept_ = np.eye(n, dtype=dtype), np.zeros(n, dtype)
    return regression


def expanding(polynomial, x, dtype=np.float64):
    polynomial.fit(x)
    return make_pipeline(polynomial, columns_of(polynomial.n_output_features_, dtype))


def assert_same(predictor, model, x, stored="skops"):
    predictor.load(model, stored=stored)
    for rows in (x, x[2:5], x[:1]):
        want, got = np.asarray(model.predict(rows)), predictor.predict(rows)
        assert got.dtype == want.dtype and got.shape == want.shape
        assert (got == want).all()  # zeros have lost their signs among the sums


DEGREES = [0, 1, 2, 3, 5, (0, 2), (1, 3), (2, 2), (2, 3), (3, 4), (4, 4)]


@pytest.mark.parametrize("degree", DEGREES, ids=str)
def test_every_parameter(predictor, degree):
    generator = np.random.default_rng(0)
    n_same = 0
    for n, interaction_only, include_bias in itertools.product([1, 2, 4], [False, True], [False, True]):
        x = generator.normal(0, 100, (300, n))
        polynomial = PolynomialFeatures(degree, interaction_only=interaction_only, include_bias=include_bias)
        try:
            model = expanding(polynomial, x)
        except ValueError:
            assert not include_bias  # no terms at all
            continue
        assert_same(predictor, model, x)
        n_same += 1
    assert n_same >= 6


@pytest.mark.parametrize("stored", ["skops", "pickle", "cloudpickle"])
def test_every_format(predictor, stored):
    x = np.random.default_rng(1).normal(0, 1, (10, 3))
    assert_same(predictor, expanding(PolynomialFeatures(3, order="F"), x), x, stored)


def test_many_features(predictor):
    x = np.random.default_rng(2).normal(0, 1, (300, 40))
    polynomial = PolynomialFeatures(2, interaction_only=True).fit(x)
    tree = DecisionTreeRegressor(random_state=0).fit(polynomial.transform(x), x[:, 0] * x[:, 39])
    model = make_pipeline(polynomial, tree)
    predictor.load(model)
    assert predictor.predict(x).tolist() == model.predict(x).tolist()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_extremes(predictor, dtype):
    """Denormal products, and the bits of a single term; products that overflow reach a tree."""
    info = np.finfo(dtype)
    x = np.array(
        [[info.tiny, 0.5], [info.smallest_subnormal, 3], [-0.0, 2], [1 / 3, 1 / 3], [info.eps, info.tiny]], dtype
    )
    model = expanding(PolynomialFeatures(4), x, dtype)
    assert model.predict(x).dtype == dtype
    assert_same(predictor, model, x)
    assert_same(predictor, expanding(PolynomialFeatures(4), pd.DataFrame(x), dtype), pd.DataFrame(x))
    single = PolynomialFeatures((3, 3), include_bias=False).fit(x[:, :1])
    regression = LinearRegression().fit([[0.0], [1]], [0.0, 0])
    regression.coef_, regression.intercept_ = np.ones(1, dtype), dtype(-0.0)
    model = make_pipeline(single, regression)
    predictor.load(model)
    assert predictor.predict(-x[:, :1]).tobytes() == model.predict(-x[:, :1]).tobytes()
    large = np.array([[info.max, 1], [info.max, 0]], dtype)
    predictor.load(make_pipeline(single, regression))
    with pytest.raises(Refused) as refused:
        predictor.predict(large[:, :1])
    assert refused.value.error_code == "BAD_REQUEST"


DTYPES = [bool, np.int8, np.uint16, np.int32, np.uint32, np.int64, np.float32, np.float64]


def test_dtypes(predictor):
    generator = np.random.default_rng(3)
    values = generator.integers(0, 100, (20, 2)) / 7
    n_float32 = 0
    for one, other in itertools.product(DTYPES, DTYPES):
        x = pd.DataFrame({"one": values[:, 0].astype(one), "other": values[:, 1].astype(other)})
        model = expanding(PolynomialFeatures(3), x, np.float32)
        n_float32 += model.predict(x).dtype == np.float32
        assert_same(predictor, model, x)
        if one == other:
            assert_same(predictor, expanding(PolynomialFeatures(3), x.to_numpy(), np.float32), x.to_numpy())
    assert n_float32 >= 7


def test_inside_a_column_transformer(predictor):
    x = pd.DataFrame(np.random.default_rng(4).normal(0, 1, (300, 4)), columns=list("abcd"))
    columns = ColumnTransformer([
        ("some", PolynomialFeatures(2), ["c", "a"]),
        ("more", make_pipeline(PolynomialFeatures((2, 2)), PolynomialFeatures(2, include_bias=False)), ["b"]),
        ("rest", "passthrough", ["d"]),
    ]).fit(x)
    assert_same(predictor, make_pipeline(columns, columns_of(columns.transform(x).shape[1])), x)


def test_requests_that_do_not_fit(predictor):
    x = pd.DataFrame(np.random.default_rng(5).normal(0, 1, (5, 2)), columns=["a", "b"])
    predictor.load(expanding(PolynomialFeatures(), x))
    for bad in (x[["a"]], x[["b", "a"]], x.assign(a=np.nan), x.assign(b=np.inf)):
        with pytest.raises(Refused) as refused:
            predictor.predict(bad)
        assert refused.value.error_code == "BAD_REQUEST"
    with pytest.raises(Refused) as refused:
        predictor.predict(x.assign(a="1"))
    assert refused.value.error_code == "NOT_IMPLEMENTED"


def refused_model(predictor, match, **attributes):
    polynomial = PolynomialFeatures(3).fit(np.zeros((2, 2)))
    for name, value in attributes.items():
        setattr(polynomial, name, value)
    with pytest.raises(Refused, match=match):
        predictor.load(make_pipeline(polynomial, columns_of(10)))


def test_refused_models(predictor):
    refused_model(predictor, "attribute other", other=1)
    refused_model(predictor, "set_output", _sklearn_output_config={"transform": "pandas"})
    refused_model(predictor, "include_bias", include_bias=1)
    refused_model(predictor, "order", order="K")
    refused_model(predictor, "_max_degree", _max_degree=3.0)
    refused_model(predictor, "_max_degree", _max_degree=-1)
    refused_model(predictor, "do not make 10", _max_degree=4)
    refused_model(predictor, "do not make 10", _max_degree=2**62)
    refused_model(predictor, "do not make 10", _max_degree=0)
    refused_model(predictor, "do not make 10", interaction_only=True, _max_degree=2**62)
    refused_model(predictor, "do not make 2 terms", _n_out_full=2, n_output_features_=2)
    refused_model(predictor, "cannot be its degrees", n_output_features_=9)
    refused_model(predictor, "cannot be its degrees", n_output_features_=11, _min_degree=2)
    refused_model(predictor, "cannot be its degrees", n_output_features_=0, _min_degree=2)
    refused_model(predictor, "so many terms", _n_out_full=2**40, n_output_features_=2**40)
    refused_model(predictor, "0 features", n_features_in_=0)
