"""Scalers, Normalizer and Binarizer before an estimator, against scikit-learn itself: the estimator
gets the same bits."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import sklearn.base
from predictor import Refused
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import (
    Binarizer,
    MaxAbsScaler,
    MinMaxScaler,
    Normalizer,
    RobustScaler,
    StandardScaler,
)
from sklearn.tree import DecisionTreeRegressor

pytestmark = pytest.mark.filterwarnings("ignore")

STORED = ["skops", "pickle", "cloudpickle"]

SCALERS = [
    StandardScaler(),
    StandardScaler(with_mean=False),
    StandardScaler(with_std=False),
    StandardScaler(with_mean=False, with_std=False),
    MinMaxScaler(),
    MinMaxScaler(clip=True),
    MinMaxScaler(feature_range=(-2.5, 7), clip=True),
    MinMaxScaler(feature_range=(-1, 0), clip=True),
    MaxAbsScaler(),
    MaxAbsScaler(clip=True),
    RobustScaler(),
    RobustScaler(with_centering=False),
    RobustScaler(with_scaling=False),
    RobustScaler(with_centering=False, with_scaling=False),
    RobustScaler(quantile_range=(10, 80), unit_variance=True),
]
OTHERS = [
    Normalizer("max"),
    Binarizer(),
    Binarizer(threshold=0.1),
    Binarizer(threshold=-3),
    Binarizer(threshold=0.9999),
]


def numbers(n_rows=300, n_cols=5, seed=0, dtype=float):
    """Of many magnitudes, and some that every array should have."""
    generator = np.random.default_rng(seed)
    exponents = generator.integers(-3, 4, n_cols) + generator.integers(-1, 2, (n_rows, n_cols))
    x = generator.normal(0, 1, (n_rows, n_cols)) * 10.0**exponents + generator.integers(-9, 9, n_cols)
    odd = [0.0, -0.0, 5e-324, -1e-310, 1e-45, 1, -1, 0.1, np.float32(0.1), 1e30, -1e30, 7]
    x[generator.integers(0, n_rows, 60), generator.integers(0, n_cols, 60)] = np.tile(odd, 5)
    return x.astype(dtype)


def tame(x):
    """What scalers are fitted to: without numbers that are 0 beside the others."""
    return np.select([np.abs(x) > 1e9, np.abs(x) < 1e-20], [7, 0], x).astype(x.dtype)


def frame(seed=0, n=300):
    """Columns of every dtype of numbers: numpy makes float64 of them."""
    generator = np.random.default_rng(seed)
    x = pd.DataFrame({"bool": generator.random(n) < 0.5, "float32": generator.normal(0, 1, n).astype("f4")})
    for name in ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32"):
        limits = np.iinfo(name)
        x[name] = generator.integers(limits.min, limits.max, n, dtype=name, endpoint=True)
    x["float64"] = generator.lognormal(3, 2, n)
    return x


def reveal(n):
    """An estimator whose answer is X."""
    model = LinearRegression().fit(np.eye(n), np.eye(n))
    model.coef_, model.intercept_ = np.eye(n), np.zeros(n)
    return model


def assert_bits(predictor, fitted, x, stored="skops"):
    """All rows (blocks of them), some, and one reach the estimator as scikit-learn makes them."""
    steps = fitted if isinstance(fitted, list) else [fitted]
    model = make_pipeline(*steps, reveal(x.shape[1]))
    predictor.load(model, stored=stored)
    for rows in (x, x[5:17], x[:1], x[1:2]):
        want, got = model.predict(rows), predictor.predict(rows)
        assert got.dtype == want.dtype
        assert got.tobytes() == want.tobytes()


def name_of(value):
    return str(value).replace(" ", "")


@pytest.mark.parametrize("scaler", SCALERS + OTHERS, ids=name_of)
@pytest.mark.parametrize("stored", STORED)
def test_arrays(predictor, scaler, stored):
    x = numbers()
    assert_bits(predictor, sklearn.base.clone(scaler).fit(tame(x)[:300]), x, stored)


@pytest.mark.parametrize("scaler", SCALERS + OTHERS, ids=name_of)
@pytest.mark.parametrize("fitted", ["float32", "float64"])
def test_float32(predictor, scaler, fitted):
    """The scaler's own numbers are of the dtype that it was fitted to."""
    for seed in range(2):
        x = numbers(seed=seed)
        scaler = sklearn.base.clone(scaler).fit(tame(x)[:40].astype(fitted))
        assert_bits(predictor, scaler, x.astype("float32"))
        assert_bits(predictor, scaler, x)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_results_that_are_denormal(predictor, dtype):
    generator = np.random.default_rng(7)
    low = -38 if dtype == "float32" else -308
    x = (generator.normal(size=(300, 6)) * 10.0 ** generator.uniform(low - 6, low + 12, (300, 6))).astype(dtype)
    for scaler in (StandardScaler(with_mean=False), MaxAbsScaler(), RobustScaler(), MinMaxScaler()):
        for parameters in ("float32", "float64"):
            scaler.fit(x)
            scaler.scale_ = 10.0 ** generator.uniform(-3, 12, 6).astype(parameters)
            if isinstance(scaler, MinMaxScaler):
                scaler.scale_ = 1 / scaler.scale_
                scaler.min_ = (scaler.min_ * 1e-9 * scaler.data_max_).astype(parameters)
            assert_bits(predictor, scaler, x)


@pytest.mark.parametrize("scaler", SCALERS + OTHERS, ids=name_of)
def test_frames(predictor, scaler):
    x = frame()
    columns = [
        list(x.columns),
        ["float32"],
        ["float32", "bool", "int8", "int16", "uint16"],
        ["int64", "int32"],
        ["bool"],
        ["int8", "uint8"],
    ]
    for names in columns:
        assert_bits(predictor, sklearn.base.clone(scaler).fit(x[names]), x[names])


@pytest.mark.parametrize("dtype", ["bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32"])
def test_arrays_of_integers(predictor, dtype):
    x = frame()[[dtype, dtype]].to_numpy()
    for scaler in [*SCALERS, *OTHERS]:
        assert_bits(predictor, sklearn.base.clone(scaler).fit(x), x)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_one_after_the_other(predictor, dtype):
    x = tame(numbers(dtype=dtype))
    steps, now = [], x
    for scaler in (StandardScaler(), RobustScaler(), MinMaxScaler(clip=True), Normalizer("max"), MaxAbsScaler()):
        steps.append(scaler.fit(now[:50]))
        now = scaler.transform(now)
    assert_bits(predictor, steps, x)


@pytest.mark.parametrize("dtype", ["bool", "int16", "int32", "int64", "float32", "float64"])
def test_binarizer_keeps_the_dtype(predictor, dtype):
    """A scaler of an array of integers computes in float64, and of float32 in that."""
    x = frame()[["float32", "float64"]].to_numpy().astype(dtype)
    binarizer = Binarizer(threshold=0.5).fit(x)
    scaler = StandardScaler().fit(binarizer.transform(x)[:31])
    assert_bits(predictor, [binarizer, scaler], x)
    table = pd.DataFrame(x, columns=["a", "b"])
    assert_bits(predictor, [Binarizer(threshold=0.5).fit(table), scaler], table)


@pytest.mark.parametrize("names", [["int16", "uint16"], ["int16", "uint16", "float32"], ["bool", "int8"]], ids=name_of)
def test_binarizer_of_columns_of_several_dtypes(predictor, names):
    x = frame()[names]
    binarizer = Binarizer(threshold=0.5).fit(x)
    scaler = StandardScaler().fit(binarizer.transform(x)[:31])
    assert_bits(predictor, [binarizer, scaler], x)


@pytest.mark.parametrize("scaler", SCALERS, ids=name_of)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_nan_passes(predictor, scaler, dtype):
    x = tame(numbers(n_rows=300, dtype=dtype))
    x[np.random.default_rng(1).random(x.shape) < 0.2] = np.nan
    scaler = sklearn.base.clone(scaler).fit(x[:100])
    y = np.random.default_rng(2).normal(size=len(x))
    tree = DecisionTreeRegressor().fit(scaler.transform(x), y)
    model = make_pipeline(scaler, tree)
    predictor.load(model)
    assert predictor.predict(x).tobytes() == model.predict(x).tobytes()
    table = pd.DataFrame(x)
    assert predictor.predict(table).tobytes() == model.predict(table).tobytes()


@pytest.mark.parametrize("scaler", [*SCALERS, *OTHERS], ids=name_of)
def test_bad_values(predictor, scaler):
    x = tame(numbers(n_rows=20))
    predictor.load(make_pipeline(sklearn.base.clone(scaler).fit(x), reveal(x.shape[1])))
    for value in (np.inf, -np.inf, np.nan):
        bad = x[:9].copy()
        bad[7, 2] = value
        with pytest.raises(Refused) as refused:
            predictor.predict(bad)
        assert refused.value.error_code == "BAD_REQUEST"
        if np.isinf(value):  # else the estimator may have said it
            assert f"row 7, feature 2: {type(scaler).__name__} expects" in str(refused.value)


def test_bad_columns(predictor):
    x = pd.DataFrame(numbers(n_rows=20, n_cols=3), columns=["a", "b", "c"])
    predictor.load(make_pipeline(StandardScaler().fit(x), reveal(3)))
    for bad in (x[["b", "a", "c"]], x[["a", "b"]], x.to_numpy()[:, :2], x.to_numpy()[:, 0]):
        with pytest.raises(Refused) as refused:
            predictor.predict(bad)
        assert refused.value.error_code == "BAD_REQUEST"
    others = [x.assign(b="1"), x.to_numpy().astype("float16"), x.assign(c=x["c"].abs().clip(0, 9).astype("uint64"))]
    for other in others:
        with pytest.raises(Refused) as refused:
            predictor.predict(other)
        assert refused.value.error_code == "NOT_IMPLEMENTED"


def test_columns_of_zeros_and_of_nan(predictor):
    x = tame(numbers(n_cols=3))
    x[:, 0] = 0
    x[:, 1] = 3.3
    for scaler in SCALERS:
        assert_bits(predictor, sklearn.base.clone(scaler).fit(x[:50]), x)
    x[:, 1] = np.nan
    scaler = StandardScaler().fit(x[:50])
    tree = DecisionTreeRegressor().fit(scaler.transform(x), x[:, 2])
    predictor.load(make_pipeline(scaler, tree))
    assert predictor.predict(x).tobytes() == tree.predict(scaler.transform(x)).tobytes()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("norm, n_cols", [("l1", 1), ("l1", 7), ("l2", 1), ("l2", 2), ("max", 1), ("max", 40)])
def test_normalizer(predictor, norm, n_cols, dtype):
    x = numbers(n_cols=n_cols, dtype=dtype)
    x[1] = 0
    x[7:9] = 1e-16
    x[9:12] = -3e-7
    normalizer = Normalizer(norm).fit(x)
    assert_bits(predictor, normalizer, x)
    table = pd.DataFrame({str(i): x[:, i] for i in range(n_cols)})
    assert_bits(predictor, Normalizer(norm).fit(table), table)


@pytest.mark.parametrize("threshold", [0, 1, 0.5, -0.5, 0.1, 1 / 3, 2**24, -(2**24), 1e-300, 127.5])
def test_binarizer(predictor, threshold):
    x = numbers()
    x[:50] = np.repeat(np.arange(10) * threshold / 3, 5).reshape(50, 1)
    x[:50, 1] = threshold
    x[:50, 2] = np.nextafter(threshold, 9e9)
    x[:50, 3] = np.nextafter(np.float32(threshold), np.float32(-9e9))
    binarizer = Binarizer(threshold=threshold).fit(x)
    for dtype in ("float64", "float32", "int64", "int8"):
        with np.errstate(all="ignore"):
            assert_bits(predictor, binarizer, x.astype(dtype))


class Sparse:
    """A pipeline in which steps get a sparse matrix that a ColumnTransformer makes of an array, fitted
    to one. scipy stacks nothing but dense arrays into no sparse matrix, so it is made here."""

    def __init__(self, x, *steps):
        columns = ColumnTransformer([("all", "passthrough", list(range(x.shape[1])))]).fit(x)
        columns.sparse_output_ = True
        self.steps = [sklearn.base.clone(step) for step in steps]
        now = scipy.sparse.csr_matrix(x)
        for step in self.steps:
            now = step.fit(now).transform(now)
        self.model = make_pipeline(columns, *self.steps, reveal(x.shape[1]))

    def predict(self, x):
        now = scipy.sparse.csr_matrix(x)
        for step in self.steps:
            now = step.transform(now)
        return self.model.steps[-1][1].predict(now)


def some_zeros(dtype, n_rows=300, n_cols=6):
    x = tame(numbers(n_rows, n_cols))
    x[np.random.default_rng(3).random(x.shape) < 0.6] = 0
    x[4] = 0
    x[:, 3] = 0
    x[9:12, 1] = 0.3
    return x.astype(dtype)


SPARSE = [
    [StandardScaler(with_mean=False)],
    [StandardScaler(with_mean=False, with_std=False)],
    [MaxAbsScaler()],
    [MaxAbsScaler(clip=True)],
    [RobustScaler(with_centering=False, quantile_range=(2, 98))],
    [RobustScaler(with_centering=False, with_scaling=False)],
    [Normalizer("l1")],
    [Normalizer("l2")],
    [Normalizer("max")],
    [Binarizer()],
    [Binarizer(threshold=0.3)],
    [Binarizer(), StandardScaler(with_mean=False), Normalizer()],
]


@pytest.mark.parametrize("steps", SPARSE, ids=name_of)
@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "bool"])
def test_sparse(predictor, steps, dtype):
    x = some_zeros(dtype)
    sparse = Sparse(x[:200], *steps)
    predictor.load(sparse.model)
    for rows in (x, x[5:17], x[:1], x[4:5]):
        assert predictor.predict(rows).tobytes() == sparse.predict(rows).tobytes()


@pytest.mark.parametrize("steps", SPARSE, ids=name_of)
def test_sparse_bad_values(predictor, steps):
    x = some_zeros(float)
    predictor.load(Sparse(x, *steps).model)
    for value in (np.inf, np.nan):
        bad = x[:9].copy()
        bad[7, 2] = value
        with pytest.raises(Refused) as refused:
            predictor.predict(bad)
        assert refused.value.error_code == "BAD_REQUEST"
        if np.isinf(value):
            assert f"row 7, feature 2: {type(steps[0]).__name__} expects" in str(refused.value)


def test_sparse_nan_passes(predictor):
    """Only the estimator refuses it."""
    x = some_zeros(float)
    predictor.load(Sparse(x, StandardScaler(with_mean=False), MaxAbsScaler()).model)
    x[7, 2] = np.nan
    with pytest.raises(Refused, match="a sparse matrix of the pipeline has NaN or infinity in column 2"):
        predictor.predict(x)


def test_sparse_rows_of_zeros_that_are_there(predictor):
    x = some_zeros(float)
    sparse = Sparse(x, MaxAbsScaler(), Normalizer())
    sparse.steps[0].scale_ = np.full(6, 1e300)
    x[:30] *= 1e-300
    predictor.load(sparse.model)
    assert predictor.predict(x).tobytes() == sparse.predict(x).tobytes()


def test_sparse_binarizer_keeps_the_dtype(predictor):
    """int16 beside float32 is float32, in which the next step computes."""
    x = frame()[["int16", "float32"]]
    columns = ColumnTransformer([("c", make_pipeline("passthrough"), ["int16"])]).fit(x)
    columns.sparse_output_ = True
    bits = Binarizer().fit(x[["int16"]].to_numpy())
    outer = ColumnTransformer([("a", make_pipeline("passthrough"), ["int16"]), ("b", "passthrough", ["float32"])]).fit(x)
    outer.transformers_[0] = ("a", make_pipeline(columns, bits), ["int16"])
    outer.sparse_output_ = True
    stacked = scipy.sparse.hstack([
        bits.transform(scipy.sparse.csr_matrix(x[["int16"]])),
        scipy.sparse.csr_matrix(x[["float32"]]),
    ]).tocsr()
    scaler = StandardScaler(with_mean=False).fit(stacked)
    predictor.load(make_pipeline(outer, scaler, reveal(2)))
    assert stacked.dtype == np.float32
    assert predictor.predict(x).tobytes() == scaler.transform(stacked).toarray().astype(float).tobytes()


def test_with_std_does_not_matter_to_sparse_matrices(predictor):
    x = some_zeros(float)
    sparse = Sparse(x, StandardScaler(with_mean=False))
    sparse.steps[0].with_std = False
    predictor.load(sparse.model)
    assert predictor.predict(x).tobytes() == sparse.predict(x).tobytes()


class TestVersions:
    def load(self, predictor, monkeypatch, version, *steps, stored="skops"):
        with monkeypatch.context() as patched:
            patched.setattr(sklearn.base, "__version__", version)
            predictor.load(Pipeline([(str(i), step) for i, step in enumerate(steps)]), stored=stored)

    @pytest.mark.parametrize("version", ["1.1.3", "1.7.2", "1.8.0", "1.9.1"])
    def test_float32_numbers_are_cast_since_1_8(self, predictor, monkeypatch, version):
        """Before, `X -= self.mean_` computes in float64 and rounds."""
        x = tame(numbers(seed=3))
        scaler = StandardScaler().fit(x[:77])
        self.load(predictor, monkeypatch, version, scaler, reveal(x.shape[1]))
        want = x.astype("float32")
        dtype = "float64" if version < "1.8" else "float32"
        want -= scaler.mean_.astype(dtype)
        want /= scaler.scale_.astype(dtype)
        assert predictor.predict(x.astype("float32")).tobytes() == want.astype(float).tobytes()

    def test_clip_of_max_abs_is_new_in_1_8(self, predictor, monkeypatch):
        x = numbers()
        scaler = MaxAbsScaler().fit(x[:5])
        del scaler.clip
        self.load(predictor, monkeypatch, "1.7.2", scaler, reveal(x.shape[1]))
        assert predictor.predict(x).tobytes() == (x / scaler.scale_ + 0.0).tobytes()  # no -0.0
        with pytest.raises(Refused, match="clip should be True or False"):
            self.load(predictor, monkeypatch, "1.8.0", scaler, reveal(x.shape[1]))

    def test_thresholds_that_old_numpy_rounds_to_integers(self, predictor, monkeypatch):
        x = numbers(n_cols=1)
        for threshold, is_refused in [(0.9999, True), (-1e-9, True), (0.99, False), (3.5, False)]:
            steps = [Binarizer(threshold=threshold).fit(x), reveal(1)]
            self.load(predictor, monkeypatch, "1.7.2", *steps)
            if is_refused:
                with pytest.raises(Refused, match="no native engine for Binarizer with such a threshold"):
                    self.load(predictor, monkeypatch, "1.6.1", *steps)
            else:
                self.load(predictor, monkeypatch, "1.6.1", *steps)


def changed(transformer, x, **attributes):
    fitted = transformer.fit(x)
    for name, value in attributes.items():
        setattr(fitted, name, value)
    return fitted


X = tame(numbers(n_cols=3))

REFUSED = [
    (changed(StandardScaler(copy=False), X.copy()), "copy=False"),
    (StandardScaler().set_output(transform="pandas").fit(X), "set_output"),
    (changed(StandardScaler(), X, mean_=None), "mean_"),
    (changed(StandardScaler(), X, scale_=None), "scale_"),
    (changed(StandardScaler(), X, mean_=np.zeros(2)), "mean_ should have 3 values"),
    (changed(StandardScaler(), X, mean_=np.zeros((1, 3))), "mean_ should have 3 values"),
    (changed(StandardScaler(), X, mean_=np.zeros(3, dtype=int)), "mean_ has dtype"),
    (changed(StandardScaler(), X, scale_=1.5), "scale_"),
    (changed(StandardScaler(), X, with_mean=1), "with_mean should be True or False"),
    (changed(StandardScaler(), X, n_features_in_=4), "mean_ should have 4 values"),
    (changed(StandardScaler(), X, n_features_in_=0), "0 features"),
    (changed(StandardScaler(), X, other=1), "attribute other"),
    (StandardScaler(), "n_features_in_"),
    (MinMaxScaler(feature_range=(-0.0, 1), clip=True).fit(X), "clips -0.0"),
    (changed(MinMaxScaler(clip=True), X, min_=np.array([1.0, 1e-30, 0.0])), "clips -0.0"),
    (changed(MinMaxScaler(clip=True), X, min_=np.array([1.0, -0.0, 0.0])), "clips -0.0"),
    (changed(MinMaxScaler(clip=True), X, feature_range=(0, np.inf)), "feature_range"),
    (changed(MinMaxScaler(clip=True), X, feature_range=(0, np.float64(2))), "feature_range"),
    (changed(MinMaxScaler(clip=True), X, feature_range=(0, 1, 2)), "feature_range"),
    (changed(MinMaxScaler(clip=True), X, feature_range=(1, 0)), "feature_range"),
    (changed(RobustScaler(), X, center_=None), "center_"),
    (Normalizer("l2").fit(X), "lies in memory"),
    (Normalizer("l1").fit(numbers(n_cols=8)), "lies in memory"),
    (changed(Normalizer("max"), X, norm="l3"), "norm should be"),
    (Binarizer(threshold=np.float64(0.5)).fit(X), "threshold"),
    (Binarizer(threshold=2.0**24 + 2).fit(X), "threshold"),
    (changed(Binarizer(), X, threshold=np.nan), "threshold"),
    (changed(Binarizer(), X, threshold=True), "threshold"),
]


@pytest.mark.parametrize("transformer, message", REFUSED, ids=name_of)
@pytest.mark.parametrize("stored", STORED)
def test_refused(predictor, transformer, message, stored):
    n = getattr(transformer, "n_features_in_", 3)
    with pytest.raises(Refused, match=message) as refused:
        predictor.load(make_pipeline(transformer, reveal(max(n, 1))), stored=stored)
    assert refused.value.error_code in ("NOT_IMPLEMENTED", "BAD_MODEL")


@pytest.mark.parametrize(
    "step, message",
    [
        (MinMaxScaler(), "of a sparse matrix"),
        (StandardScaler(), "with_mean of a sparse matrix"),
        (RobustScaler(), "with_centering of a sparse matrix"),
        (Binarizer(threshold=-1), "of a sparse matrix with threshold < 0"),
        (Binarizer(threshold=0.9999), "threshold"),
    ],
    ids=name_of,
)
def test_refused_of_sparse_matrices(predictor, step, message):
    columns = ColumnTransformer([("all", "passthrough", [0, 1, 2])]).fit(X)
    columns.sparse_output_ = True
    with pytest.raises(Refused, match=message):
        predictor.load(make_pipeline(columns, step.fit(X), reveal(3)))


def test_refused_of_a_column(predictor):
    table = pd.DataFrame(X, columns=["a", "b", "c"])
    columns = ColumnTransformer([("one", Normalizer("max"), ["a"])]).fit(table)
    name, transformer, _ = columns.transformers_[0]
    columns.transformers_[0] = (name, transformer, "a")
    with pytest.raises(Refused, match="of a single column"):
        predictor.load(make_pipeline(columns, reveal(1)))


def test_in_columns(predictor):
    x = frame()
    columns = ColumnTransformer([
        ("a", StandardScaler(), ["float64", "int64"]),
        ("b", MinMaxScaler(clip=True), ["float32"]),
        ("c", make_pipeline(RobustScaler(), MaxAbsScaler()), ["int8", "bool", "float32"]),
        ("d", Binarizer(threshold=40), ["uint8"]),
    ]).fit(x)
    model = make_pipeline(columns, reveal(7))
    predictor.load(model)
    assert predictor.predict(x).tobytes() == model.predict(x).tobytes()
