"""KBinsDiscretizer in the pipeline engine against scikit-learn itself."""

import itertools

import numpy as np
import pandas as pd
import pytest
from predictor import Refused
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import KBinsDiscretizer

pytestmark = pytest.mark.filterwarnings("ignore")


def binning(bins, x, dtype=np.float64):
    """Bins before a regression that answers them: as they are, or, of a sparse matrix, by numbers
    whose sums are exact."""
    bins.fit(x)
    n = bins.transform(x[:1]).shape[1]
    if bins.encode == "onehot":
        regression = LinearRegression().fit(np.zeros((2, n)), [0.0, 0.0])
        regression.coef_, regression.intercept_ = 2.0 ** np.arange(n), 0.0
    else:
        regression = LinearRegression().fit(np.zeros((2, n)), np.zeros((2, n)))
        regression.coef_, regression.intercept_ = np.eye(n, dtype=dtype), np.zeros(n, dtype)
    return make_pipeline(bins, regression)


def assert_same(predictor, model, x, stored="skops"):
    predictor.load(model, stored=stored)
    for rows in (x, x[2:5], x[:1]):
        want, got = np.asarray(model.predict(rows)), predictor.predict(rows)
        assert got.dtype == want.dtype and got.shape == want.shape
        assert (got == want).all()


def data(n=300, seed=0):
    """With a constant feature, and one of few values."""
    generator = np.random.default_rng(seed)
    x = generator.normal(0, 10, (n, 4))
    x[:, 2], x[:, 3] = 7, generator.integers(0, 3, n)
    return x


def edges_and_beyond(model, x):
    """The edges of all bins, what is next to them, and what lies outside."""
    inner = [np.asarray(edges)[np.isfinite(edges)] for edges in model[0].bin_edges_]
    values = np.concatenate([*inner, [0.0, -0.0, 1e300, -1e300, 5e-324]])
    values = np.concatenate([values, np.nextafter(values, np.inf), np.nextafter(values, -np.inf)])
    return np.repeat(values[:, None], x.shape[1], axis=1)


ENCODINGS = ["ordinal", "onehot-dense", "onehot"]


@pytest.mark.parametrize("encode", ENCODINGS)
@pytest.mark.parametrize("strategy", ["uniform", "quantile", "kmeans"])
def test_every_parameter(predictor, encode, strategy):
    x = data()
    for n_bins in (2, 5, [3, 2, 4, 7]):
        model = binning(KBinsDiscretizer(n_bins, encode=encode, strategy=strategy), x)
        assert_same(predictor, model, x)
        assert_same(predictor, model, edges_and_beyond(model, x))


@pytest.mark.parametrize("stored", ["skops", "pickle", "cloudpickle"])
def test_every_format(predictor, stored):
    x = data()
    for encode, dtype in itertools.product(ENCODINGS, [None, np.float32, np.float64]):
        assert_same(predictor, binning(KBinsDiscretizer(3, encode=encode, dtype=dtype), x), x, stored)
        single = binning(KBinsDiscretizer(3, encode=encode), x[:, :1])
        assert_same(predictor, single, x[:, :1], stored)


def test_many_bins(predictor):
    x = np.random.default_rng(1).normal(0, 1, (2000, 1))
    model = binning(KBinsDiscretizer(1000, encode="ordinal", strategy="uniform"), x)
    assert_same(predictor, model, x)
    assert_same(predictor, model, edges_and_beyond(model, x))


@pytest.mark.parametrize("dtype", [None, np.float32, np.float64])
def test_dtypes(predictor, dtype):
    """float32 values are compared with edges of float64, and dtype=float32 rounds before that."""
    x = data(40)
    n_float32 = 0
    for columns, encode in itertools.product([np.float32, np.float64, np.int64, np.int16, bool], ENCODINGS):
        rows = x.astype(columns)
        numbers = rows.astype(np.int8) if columns is bool else rows  # bins have no edges of booleans
        model = binning(KBinsDiscretizer(4, encode=encode, dtype=dtype), numbers, np.float32)
        more = np.concatenate([rows, (rows + 0.5).astype(columns)])
        if np.dtype(columns).kind == "f":
            more = np.concatenate([rows, np.clip(edges_and_beyond(model, x), -1e30, 1e30).astype(columns)])
        assert_same(predictor, model, more)
        frame = pd.DataFrame(more, columns=list("abcd")).astype({"d": np.float32})
        numbers = pd.DataFrame(numbers, columns=list("abcd"))
        model = binning(KBinsDiscretizer(4, encode=encode, dtype=dtype), numbers, np.float32)
        assert_same(predictor, model, frame)
        n_float32 += model.predict(frame).dtype == np.float32
    assert n_float32 >= (0 if dtype is np.float64 else 4)


def test_large_integers_and_float32(predictor):
    """An integer is rounded to float32 at once; a float64 beyond its range is infinite there."""
    x = np.array([[2**24 + 1], [2**54 + 2**30 + 1], [0], [2**62 - 1]], np.int64)
    model = binning(KBinsDiscretizer(3, encode="ordinal", dtype=np.float32), x)
    for value in (x[0, 0], x[1, 0]):
        model[0].bin_edges_[0] = np.array([0, float(np.float32(value)), 2.0**63])
        assert_same(predictor, model, x)
    with pytest.raises(Refused) as refused:
        predictor.predict(np.array([[1e300]]))
    assert refused.value.error_code == "BAD_REQUEST"


def test_edges_of_other_files(predictor):
    x = data()
    model = binning(KBinsDiscretizer(3, encode="ordinal"), x)
    for edges in (
        np.array([1.0]),
        np.array([1.0, 2.0]),
        np.array([-np.inf, -np.inf, 0, np.inf, np.inf]),
        np.array([0, 1, 1, 1, 2.0]),
        np.array([0, 0.1, 0.3, 2], np.float32),
    ):
        model[0].bin_edges_[1] = edges
        assert_same(predictor, model, edges_and_beyond(model, x))


def test_inside_a_column_transformer(predictor):
    x = pd.DataFrame(data(), columns=list("abcd"))
    columns = ColumnTransformer([
        ("dense", KBinsDiscretizer(3, encode="onehot-dense"), ["d", "a"]),
        ("ordinal", KBinsDiscretizer(3, encode="ordinal"), ["b"]),
        ("rest", "passthrough", ["c"]),
    ]).fit(x)
    regression = binning(KBinsDiscretizer(2, encode="ordinal"), columns.transform(x))[-1]
    assert_same(predictor, make_pipeline(columns, regression), x)
    columns.set_params(ordinal__encode="onehot", dense__encode="onehot", sparse_threshold=1).fit(x)
    n = columns.transform(x).shape[1]
    regression = LinearRegression().fit(np.zeros((2, n)), [0.0, 0.0])
    regression.coef_, regression.intercept_ = 2.0 ** np.arange(n), 0.0
    assert columns.sparse_output_
    assert_same(predictor, make_pipeline(columns, regression), x)


def test_requests_that_do_not_fit(predictor):
    x = pd.DataFrame(data(), columns=list("abcd"))
    predictor.load(binning(KBinsDiscretizer(3), x))
    for bad in (x[["a"]], x[["b", "a", "c", "d"]], x.assign(a=np.nan), x.assign(b=np.inf)):
        with pytest.raises(Refused) as refused:
            predictor.predict(bad)
        assert refused.value.error_code == "BAD_REQUEST"
    with pytest.raises(Refused) as refused:
        predictor.predict(x.assign(a="1"))
    assert refused.value.error_code == "NOT_IMPLEMENTED"


def test_nothing_but_booleans(predictor):
    """With pandas 3 scikit-learn raises: transform() writes into a read-only array."""
    x = pd.DataFrame({"a": [True, False, True, False], "b": [True, True, False, False]})
    bins = KBinsDiscretizer(2, encode="ordinal", strategy="uniform")
    assert_same(predictor, binning(bins, x.to_numpy(float)), x.to_numpy())
    assert_same(predictor, binning(bins, x.astype(float)), x.assign(b=[0.5, 1, 0, 2]))
    with pytest.raises(Refused, match="only Python takes this"):
        predictor.predict(x)


def refused_model(predictor, match, encoder=(), **attributes):
    model = binning(KBinsDiscretizer(3), data())
    for name, value in attributes.items():
        setattr(model[0], name, value)
    for name, value in dict(encoder).items():
        setattr(model[0]._encoder, name, value)
    with pytest.raises(Refused, match=match):
        predictor.load(model)


def edges_with(edges):
    array = np.zeros(4, dtype=object)
    array[:] = [np.array([0.0, 1, 2]), edges, np.array([0.0, 1]), np.array([0.0, 1, 2])]
    return array


def test_refused_models(predictor):
    refused_model(predictor, "attribute other", other=1)
    refused_model(predictor, "set_output", _sklearn_output_config={"transform": "pandas"})
    refused_model(predictor, "encode", encode="one")
    refused_model(predictor, "dtype", dtype=np.float16)
    refused_model(predictor, "dtype", dtype="float32")
    refused_model(predictor, "no array of 4", bin_edges_=np.zeros((4, 3)))
    refused_model(predictor, "no array of 4", bin_edges_=edges_with(np.ones(1))[:3])
    for edges in (np.array([0.0, 2, 1, 3]), np.array([0, np.nan, 1]), np.zeros((2, 2)), np.array([1, 2, 3]), np.ones(0), 3):
        refused_model(predictor, "ascending", bin_edges_=edges_with(edges))
    refused_model(predictor, "no estimator", _encoder=None)
    refused_model(predictor, "such an encoder", _encoder=KBinsDiscretizer())
    refused_model(predictor, "leaves out", {"drop": "first"})
    refused_model(predictor, "leaves out", {"min_frequency": 2})
    refused_model(predictor, "attribute other", {"other": 2})
    refused_model(predictor, "set_output", {"_sklearn_output_config": {"transform": "pandas"}})
    refused_model(predictor, "other categories", {"sparse_output": False})
    refused_model(predictor, "other categories", {"categories_": [np.arange(3)] * 3})
    refused_model(predictor, "other categories", {"categories_": [np.array([0.0, 2, 1])] * 4})
