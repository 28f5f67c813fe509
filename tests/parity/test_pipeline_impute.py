"""SimpleImputer and MissingIndicator in the pipeline engine against scikit-learn itself.

The last estimator is a LinearRegression whose coefficients are an identity matrix: it answers with
what it gets, float32 where that is float32 or narrower.
"""

import contextlib
import itertools

import numpy as np
import pandas as pd
import pytest
import sklearn.base
from predictor import Refused
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.impute import MissingIndicator, SimpleImputer
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.tree import DecisionTreeRegressor
from test_pipeline import STORED

pytestmark = pytest.mark.filterwarnings("ignore")

TINY = np.nextafter(0.0, 1)
ODD = [0.0, -0.0, TINY, -TINY, 1e-310, 1e-40, 1e38, -1e38, 0.1, 1 / 3, 3.0, 2**24 + 1.0, -1.0, 7.5]


def seen(n, dtype=np.float64):
    """An estimator that answers with its X."""
    model = LinearRegression()
    model.coef_ = np.eye(n, dtype=dtype)
    model.intercept_ = np.zeros(n, dtype=dtype)
    model.n_features_in_ = n
    return model


def chain(step, x, dtype=np.float64):
    """A fitted transformer before an estimator that shows what it gives to such an X."""
    return Pipeline([("step", step), ("seen", seen(step.transform(x[:2]).shape[1], dtype))])


def bits(array):
    return array.dtype, array.shape, array.tobytes()


def assert_bits(predictor, model, x, stored="skops"):
    """All rows, some and one; a DataFrame and, where all are of one dtype, an array."""
    predictor.load(model, stored=stored)
    for rows in (x, x[len(x) // 2 :], x[:1]):
        assert bits(predictor.predict(rows)) == bits(np.array(model.predict(rows)))


def assert_raises_too(predictor, model, x, match=None):
    """What scikit-learn refuses is a bad request."""
    with pytest.raises(ValueError):
        model.predict(x)
    with pytest.raises(Refused, match=match) as refused:
        predictor.predict(x)
    assert refused.value.error_code == "BAD_REQUEST"


def assert_left_to_python(predictor, x, match=None):
    with pytest.raises(Refused, match=match) as refused:
        predictor.predict(x)
    assert refused.value.error_code == "NOT_IMPLEMENTED"


@contextlib.contextmanager
def saved_by(monkeypatch, version):
    with monkeypatch.context() as patch:
        patch.setattr(sklearn.base, "__version__", version)
        yield


def numbers(n=300, seed=0, dtype=np.float64, missing=np.nan, rate=0.2):
    """Columns of odd values that float32 has room for; the last two have none missing."""
    generator = np.random.default_rng(seed)
    x = generator.choice(ODD, (n, 6)).astype(dtype)
    x[:, 2] = generator.normal(0, 1, n)
    x[:, 3] = generator.integers(-5, 5, n)
    mask = generator.random((n, 6)) < rate
    mask[:, 4:] = False
    x[mask] = missing
    return x


def frame(x):
    return pd.DataFrame(x, columns=[f"c{i}" for i in range(x.shape[1])])


STRATEGIES = ["mean", "median", "most_frequent", "constant"]


@pytest.mark.parametrize("stored", STORED)
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_strategies(predictor, strategy, stored):
    for dtype, as_frame, adds in itertools.product((np.float64, np.float32), (0, 1), (0, 1)):
        x = numbers().astype(dtype)
        x = frame(x) if as_frame else x
        imputer = SimpleImputer(strategy=strategy, add_indicator=bool(adds), fill_value=None)
        model = chain(imputer.fit(x), x, np.float32)
        assert_bits(predictor, model, x, stored)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_fitted_to_one_width_and_given_another(predictor, strategy):
    x = numbers()
    for fitted, given in [(np.float32, np.float64), (np.float64, np.float32)]:
        model = chain(SimpleImputer(strategy=strategy).fit(x.astype(fitted)), x, np.float32)
        assert_bits(predictor, model, x.astype(given))


def test_fill_value(predictor):
    x = numbers()
    for fill in (-7, 0.1, np.float32(0.1), np.int64(3), -0.0, 1e300, 2**53):
        model = chain(SimpleImputer(strategy="constant", fill_value=fill).fit(x), x)
        assert_bits(predictor, model, x)
        if abs(fill) < 1e30:
            single = x.astype("f4")
            imputer = SimpleImputer(strategy="constant", fill_value=fill).fit(single)
            assert_bits(predictor, chain(imputer, single, "f4"), single)


@pytest.mark.parametrize("missing", [-1, 0, 3.0, np.float64(7.5), np.int32(-1), np.float32(-0.0)])
def test_numbers_that_count_as_missing(predictor, missing):
    for dtype, strategy in itertools.product((np.float64, np.float32), STRATEGIES):
        x = numbers(missing=missing).astype(dtype)
        imputer = SimpleImputer(missing_values=missing, strategy=strategy, add_indicator=True)
        model = chain(imputer.fit(x), x, np.float32)
        assert_bits(predictor, model, x)
        x = x.copy()
        x[1, 1] = np.nan
        assert_raises_too(predictor, model, x, "row 1, feature 1")


INTEGERS = [np.int8, np.int16, np.int32, np.int64, np.uint8, np.uint16, np.uint32]


@pytest.mark.parametrize("dtype", INTEGERS)
def test_integers_stay_integers(predictor, dtype):
    """float32 coefficients make float32 only of dtypes that are narrow enough."""
    generator = np.random.default_rng(1)
    x = generator.integers(0, 100, (270, 3)).astype(dtype)
    x[5, 0] = np.iinfo(dtype).max
    x[7, 1] = np.iinfo(dtype).min
    missing_values = (np.nan, 5, 7.5, -1)
    for strategy, missing, adds in itertools.product(STRATEGIES, missing_values, (False, True)):
        imputer = SimpleImputer(strategy=strategy, missing_values=missing, add_indicator=adds)
        fitted = imputer.fit(x)
        model = chain(fitted, x, np.float64 if adds else np.float32)
        assert_bits(predictor, model, x)
        assert bits(predictor.predict(frame(x[:9]))) == bits(model.predict(frame(x[:9])))


def test_large_integers(predictor):
    x = np.array([[2**53 + 1, 5], [2**62 + 1, 5], [-(2**63), 5], [5, 6]])
    model = chain(SimpleImputer(missing_values=5, strategy="most_frequent").fit(x), x)
    assert_bits(predictor, model, x)


def test_frames_of_several_dtypes(predictor):
    generator = np.random.default_rng(2)
    columns = {
        "i8": generator.integers(-100, 100, 300).astype(np.int8),
        "u1": generator.integers(0, 200, 300).astype(np.uint8),
        "i64": generator.integers(-5, 5, 300),
        "u32": generator.integers(0, 9, 300).astype(np.uint32),
        "flag": generator.random(300) < 0.5,
        "f4": generator.normal(0, 1, 300).astype(np.float32),
        "f8": generator.normal(0, 1, 300),
    }
    x = pd.DataFrame(columns)
    x.loc[::3, "f4"] = np.nan
    x.loc[::4, "f8"] = np.nan
    for names in itertools.combinations(columns, 2):
        part = x[list(names)]
        for strategy in STRATEGIES:
            imputer = SimpleImputer(strategy=strategy, add_indicator=True).fit(part)
            model = chain(imputer, part, np.float32)
            assert_bits(predictor, model, part)


def test_columns_without_any_value(predictor):
    x = numbers()
    x[:, 1] = np.nan
    for strategy, keeps, fill in itertools.product(STRATEGIES, (False, True), (None, 4.5)):
        imputer = SimpleImputer(
            strategy=strategy, keep_empty_features=keeps, fill_value=fill, add_indicator=True
        )
        for rows in (x, frame(x)):
            model = chain(imputer.fit(rows), rows)
            assert model[0].transform(rows[:1]).shape[1] == (10 if keeps else 9)
            assert_bits(predictor, model, rows)
    with pytest.raises(Refused, match="without any statistic"):
        predictor.load(chain(SimpleImputer().fit(x[:, 1:2]), x[:, 1:2]))


def test_booleans(predictor):
    x = np.random.default_rng(3).random((40, 2)) < 0.5
    for strategy in ("mean", "median"):
        for rows in (x, frame(x)):
            assert_bits(predictor, chain(SimpleImputer(strategy=strategy).fit(rows), rows), rows)
    for strategy in ("most_frequent", "constant"):
        model = chain(SimpleImputer(strategy=strategy).fit(x.astype(int)), x.astype(int))
        predictor.load(model)
        assert_raises_too(predictor, model, x, "fitted to int64, received bool")


def test_kinds_that_cannot_be_cast(predictor):
    dtypes = [np.uint8, np.uint32, np.int8, np.int64, np.float32, np.float64]
    x = np.arange(12).reshape(6, 2)
    for fitted, strategy in itertools.product(dtypes, ("constant", "most_frequent")):
        model = chain(SimpleImputer(strategy=strategy).fit(x.astype(fitted)), x.astype(fitted))
        predictor.load(model)
        for given in dtypes:
            rows = x.astype(given)
            try:
                want = model.predict(rows)
            except ValueError:
                assert_raises_too(predictor, model, rows, "was fitted to")
            else:
                assert bits(predictor.predict(rows)) == bits(want)


def test_fills_that_do_not_fit(predictor):
    """numpy leaves to C what becomes of them."""
    x = np.array([[300, 1], [300, 1], [-1, 2]])
    for strategy in ("most_frequent", "constant"):
        imputer = SimpleImputer(missing_values=-1, strategy=strategy, fill_value=300)
        model = chain(imputer.fit(x), x)
        assert_bits(predictor, model, x)
        assert_bits(predictor, model, x.astype(np.int16))
        assert_left_to_python(predictor, np.array([[-1, 1]], dtype=np.int8), "no room")


def test_none_all_over_a_column(predictor):
    """What JSON gives for a row of nulls is a column of Python objects."""
    x = numbers()
    for strategy in STRATEGIES:
        model = chain(SimpleImputer(strategy=strategy).fit(frame(x)), frame(x))
        predictor.load(model)
        rows = frame(x[:3]).astype({"c1": object})
        rows["c1"] = pd.Series([None, None, None], dtype=object)
        if strategy in ("mean", "median"):
            assert bits(predictor.predict(rows)) == bits(model.predict(rows))
        else:
            assert_left_to_python(predictor, rows)
        assert_left_to_python(predictor, rows.assign(c1="text"))
        assert_left_to_python(predictor, rows.assign(c1=pd.Timestamp(0)))


def test_infinity_and_names(predictor):
    x = frame(numbers())
    for strategy in STRATEGIES:
        model = chain(SimpleImputer(strategy=strategy).fit(x), x)
        predictor.load(model)
        assert_raises_too(predictor, model, x.replace(3.0, np.inf), "finite")
        assert_raises_too(predictor, model, x[x.columns[::-1]], "fitted with")
        assert_raises_too(predictor, model, x[x.columns[:3]], "features|fitted")
        assert bits(predictor.predict(x.to_numpy())) == bits(model.predict(x.to_numpy()))
    ints = frame(np.arange(12).reshape(6, 2))
    model = chain(SimpleImputer(strategy="most_frequent").fit(ints), ints)
    predictor.load(model)
    assert_raises_too(predictor, model, ints[["c1", "c0"]], "fitted with")
    assert_raises_too(predictor, model, ints[["c0"]], "features|fitted")


@pytest.mark.parametrize("stored", STORED)
def test_indicator(predictor, stored):
    x = numbers()
    parameters = itertools.product(("all", "missing-only"), (True, False), ("auto", False))
    for which, stops, sparse in parameters:
        indicator = MissingIndicator(features=which, error_on_new=stops, sparse=sparse)
        for rows in (x, frame(x), x.astype(np.float32)):
            model = chain(indicator.fit(rows), rows)
            assert_bits(predictor, model, rows, stored)
        new = numbers(seed=4)
        new[20, 4] = np.nan
        if which == "missing-only" and stops:
            assert_raises_too(predictor, model, new.astype(np.float32), "row 20, feature 4")
        else:
            assert bits(predictor.predict(new)) == bits(model.predict(new))


def test_indicator_of_other_numbers(predictor):
    x = np.random.default_rng(5).integers(-1, 3, (300, 4))
    for missing in (-1, 2.0, np.nan):
        model = chain(MissingIndicator(missing_values=missing, features="all").fit(x), x)
        for dtype in (np.int64, np.int8, np.float32, np.float64):
            assert_bits(predictor, model, x.astype(dtype))
            assert_bits(predictor, model, frame(x.astype(dtype)))
        assert_raises_too(predictor, model, x > 0, "booleans")
        if missing == missing:
            assert_raises_too(predictor, model, np.full((2, 4), np.nan), "row 0")
    assert_left_to_python(predictor, frame(x).astype(object))


def test_inside_of_columns(predictor):
    x = frame(numbers()).assign(n=np.arange(300), flag=True)
    twice = make_pipeline(SimpleImputer(), SimpleImputer(strategy="constant"))
    columns = ColumnTransformer(
        [
            ("mean", twice, ["c1", "c0"]),
            ("median", SimpleImputer(strategy="median", add_indicator=True), ["c2", "c3"]),
            ("most", SimpleImputer(strategy="most_frequent"), ["n", "flag"]),
            ("mask", MissingIndicator(error_on_new=False), ["c0", "c1", "c4"]),
        ],
        remainder="drop",
    )
    columns.fit(x)
    assert_bits(predictor, chain(columns, x), x)
    assert_bits(predictor, chain(columns, x), x[x.columns[::-1]])
    tree = make_pipeline(columns, DecisionTreeRegressor(random_state=0)).fit(x, x["n"])
    assert_bits(predictor, tree, x)


OLDER = {
    "1.1.3": {"keep_empty_features", "_fill_dtype"},
    "1.2.2": {"_fill_dtype"},
    "1.7.2": {"_fill_dtype"},
    "1.8.0": set(),
}


@pytest.mark.parametrize("version", OLDER)
def test_older_versions(predictor, monkeypatch, version):
    """As they saved it, and what their transform() answers: "constant" kept columns without a
    value, and had statistics of the dtype of X."""
    x = numbers()
    x[:, 1] = np.nan
    for strategy in STRATEGIES:
        model = chain(SimpleImputer(strategy=strategy, fill_value=4).fit(x), x)
        imputer = model[0]
        keeps = strategy == "constant" and version != "1.8.0"
        if keeps:
            imputer.statistics_ = np.full(6, 4.0)
        for name in OLDER[version]:
            delattr(imputer, name)
        if version < "1.3":
            imputer.verbose = "deprecated"
        kept = [i for i in range(6) if i != 1 or keeps]
        model.steps[1] = ("seen", seen(len(kept)))
        with saved_by(monkeypatch, version):
            predictor.load(model, stored="pickle")
        want = np.where(np.isnan(x), imputer.statistics_.astype(float), x)[:, kept]
        assert bits(predictor.predict(x)) == bits(want + 0.0)


def test_older_constants_of_integers(predictor, monkeypatch):
    x = np.arange(12).reshape(6, 2)
    model = chain(SimpleImputer(strategy="constant", missing_values=3, fill_value=9).fit(x), x)
    model[0].statistics_ = np.full(2, 9)
    del model[0]._fill_dtype
    for version in ("1.3.2", "1.4.2", "1.7.2"):
        with saved_by(monkeypatch, version):
            predictor.load(model, stored="pickle")
        assert bits(predictor.predict(x)) == bits(np.where(x == 3, 9.0, x))
    model[0].statistics_ = np.full(2, 9.5)
    model[0]._fit_dtype = np.dtype(float)
    with saved_by(monkeypatch, "1.3.2"):
        predictor.load(model, stored="pickle")
    assert bits(predictor.predict(x)) == bits(np.where(x == 3, 9.0, x))  # the fraction is lost
    with saved_by(monkeypatch, "1.4.2"):
        predictor.load(model, stored="pickle")
    with pytest.raises(Refused, match="was fitted to float64, received int64"):
        predictor.predict(x)


def changed(transformer, **attributes):
    for name, value in attributes.items():
        setattr(transformer, name, value)
    return transformer


def test_refused(predictor):
    x = numbers()
    ints = x[:, 3:4].copy()
    ints[np.isnan(ints)] = 2
    texts = pd.DataFrame({"c": ["a", "b", np.nan]}, dtype=object)
    nones = pd.DataFrame({"c": ["a", "b", None]}, dtype=object)
    empty = pd.DataFrame({"c": [None, np.nan]}, dtype=object)

    half, single = np.dtype("f2"), np.dtype("f4")
    changes = {
        "such a dtype": dict(_fit_dtype=half, _fill_dtype=half),
        "a dtype": dict(_fit_dtype=single),
        "the attribute new": dict(new=1),
        "should have 6 values": dict(statistics_=np.zeros(5)),
        "array of numbers or texts": dict(statistics_=np.zeros(6, dtype=complex)),
        "with that strategy": dict(strategy="best"),
    }
    refused = {match: changed(SimpleImputer().fit(x), **new) for match, new in changes.items()}
    for i, features in enumerate(([1, 0], [6], [0.0], [[0]], list(range(7)))):
        match = "features_ should be ascending" + " " * i
        refused[match] = changed(MissingIndicator().fit(x), features_=np.array(features))
    most, constant = SimpleImputer(strategy="most_frequent"), SimpleImputer(strategy="constant")
    refused |= {
        "writes into X itself": SimpleImputer(copy=False).fit(x),
        "with missing_values of float": SimpleImputer(missing_values=0.1).fit(ints),
        "with missing_values of int": SimpleImputer(missing_values=2**40 + 1).fit(ints),
        "with missing_values of NoneType": clone(most).set_params(missing_values=None).fit(nones),
        "strategy should be a text": SimpleImputer(strategy=np.median).fit(x),
        "with set_output": SimpleImputer().fit(x).set_output(transform="pandas"),
        "or with a sparse one": MissingIndicator(sparse=True).fit(x),
        "so few features_": MissingIndicator().fit(ints),
        "adds an indicator to texts": clone(most).set_params(add_indicator=True).fit(texts),
        "of what a Pipeline gives": clone(most).fit(texts),
        "none of its dtype": constant.set_params(missing_values=-1).fit(texts.dropna()),
        "statistics_.0. is none": clone(most).set_params(keep_empty_features=True).fit(empty),
    }
    for match, step in refused.items():
        with pytest.raises(Refused, match=match.strip()) as error:
            predictor.load(Pipeline([("step", step), ("seen", seen(6))]), stored="pickle")
        assert error.value.error_code in ("NOT_IMPLEMENTED", "INTERNAL_ERROR")
