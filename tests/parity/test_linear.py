"""The linear engine against scikit-learn itself: random models, random and odd inputs.

Floats must agree to 1e-12 of the sum of the products' magnitudes (BLAS adds in another order, so
what cancels cannot agree better), labels and dtypes exactly, and whatever makes scikit-learn raise
must be refused.
"""

import itertools
import re
import zipfile

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pandas as pd
import pytest
import sklearn.datasets
import sklearn.discriminant_analysis
import sklearn.linear_model
import sklearn.neighbors
import sklearn.preprocessing
import sklearn.svm
from hypothesis import HealthCheck, given, settings
from predictor import ROOT, Refused, compare_methods

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::RuntimeWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]

MODULES = (sklearn.linear_model, sklearn.svm, sklearn.discriminant_analysis)
FORMATS = ("skops", "pickle", "cloudpickle")
METHODS = ("predict", "predict_proba", "predict_log_proba", "decision_function")

# Estimator -> what it is fitted to, and parameters to draw from.
CLASSES, ONE, SEVERAL, ANY = "classes", "one output", "several outputs", "one or several outputs"
LINEAR = {"fit_intercept": [True, False]}
SEEDED = {**LINEAR, "random_state": [0]}
SGD = {**SEEDED, "max_iter": [20], "average": [False, 5]}
ESTIMATORS = {
    "LogisticRegression": (CLASSES, {**LINEAR, "solver": ["lbfgs", "newton-cg", "saga"]}),
    "LogisticRegressionCV": (CLASSES, {**LINEAR, "Cs": [2], "cv": [2]}),
    "SGDClassifier": (
        CLASSES,
        {**SGD, "loss": ["hinge", "log_loss", "modified_huber", "squared_error", "perceptron"]},
    ),
    "Perceptron": (CLASSES, {**SEEDED, "max_iter": [20]}),
    "PassiveAggressiveClassifier": (CLASSES, SGD),
    "LinearSVC": (CLASSES, {**SEEDED, "multi_class": ["ovr", "crammer_singer"], "max_iter": [50]}),
    "LinearDiscriminantAnalysis": (CLASSES, {"solver": ["svd", "lsqr", "eigen"]}),
    "RidgeClassifier": (CLASSES, LINEAR),
    "RidgeClassifierCV": (CLASSES, LINEAR),
    "LinearRegression": (ANY, {**LINEAR, "positive": [False, True]}),
    "Ridge": (ANY, LINEAR),
    "RidgeCV": (ANY, LINEAR),
    "Lasso": (ANY, {**LINEAR, "alpha": [0.01]}),
    "LassoCV": (ONE, {**LINEAR, "cv": [2]}),
    "ElasticNet": (ANY, {**LINEAR, "alpha": [0.01]}),
    "ElasticNetCV": (ONE, {**LINEAR, "cv": [2]}),
    "MultiTaskLasso": (SEVERAL, {**LINEAR, "alpha": [0.01]}),
    "MultiTaskLassoCV": (SEVERAL, {**LINEAR, "cv": [2]}),
    "MultiTaskElasticNet": (SEVERAL, {**LINEAR, "alpha": [0.01]}),
    "MultiTaskElasticNetCV": (SEVERAL, {**LINEAR, "cv": [2]}),
    "Lars": (ANY, LINEAR),
    "LarsCV": (ONE, {**LINEAR, "cv": [2]}),
    "LassoLars": (ANY, {**LINEAR, "alpha": [0.01]}),
    "LassoLarsCV": (ONE, {**LINEAR, "cv": [2]}),
    "LassoLarsIC": (ONE, {**LINEAR, "noise_variance": [0.1]}),
    "OrthogonalMatchingPursuit": (ANY, LINEAR),
    "OrthogonalMatchingPursuitCV": (ONE, {**LINEAR, "cv": [2]}),
    "SGDRegressor": (ONE, SGD),
    "PassiveAggressiveRegressor": (ONE, SGD),
    "LinearSVR": (ONE, {**SEEDED, "max_iter": [50]}),
    "HuberRegressor": (ONE, {**LINEAR, "max_iter": [20]}),
    "TheilSenRegressor": (ONE, {**SEEDED, "max_subpopulation": [50], "max_iter": [10]}),
    "BayesianRidge": (ONE, LINEAR),
    "ARDRegression": (ONE, LINEAR),
    "QuantileRegressor": (ONE, LINEAR),
    "PoissonRegressor": (ONE, LINEAR),
    "GammaRegressor": (ONE, LINEAR),
    "TweedieRegressor": (ONE, {**LINEAR, "power": [0, 1.5], "link": ["auto", "log"]}),
    "SGDOneClassSVM": (ONE, {**SEEDED, "max_iter": [20]}),
}

LABELS = {
    "int": lambda codes: codes * 3 - 1,
    "int8": lambda codes: codes.astype(np.int8),
    "float": lambda codes: codes * 2.0,
    "bool": lambda codes: codes > 0,
    "text": lambda codes: np.array(["a", "long \u00e9\U0001f600", "c", ""])[codes],
    "object": lambda codes: np.array(["x", "y", "zz", "w"], dtype=object)[codes],
}


def class_of(name):
    return next(getattr(module, name) for module in MODULES if hasattr(module, name))


def is_single(estimator, x):
    """Whether numpy multiplies in float32, where BLAS rounds sums in an order of its own."""
    x = np.asarray(x)
    return estimator.coef_.dtype == np.float32 == np.result_type(x.dtype, np.float32)


def fit_iris(name, x, y):
    """An estimator with the first of its parameters, fitted to the flowers."""
    kind, parameters = ESTIMATORS[name]
    params = {key: values[0] for key, values in parameters.items()}
    return class_of(name)(**params).fit(x, np.c_[y, y] + 0.5 if kind == SEVERAL else y + 1)


def assert_same(estimator, method, x, want, got):
    assert got.shape == want.shape
    if want.dtype.kind in "OU":
        assert got.tolist() == want.tolist()
        return
    assert got.dtype == want.dtype
    if want.dtype.kind != "f":
        np.testing.assert_array_equal(got, want)
        return
    if method == "predict_log_proba":  # of probabilities near 0, all digits may be noise
        likely = want > -7
        assert_floats(estimator, method, x, np.where(likely, want, 0), np.where(likely, got, 0))
        want, got, method = np.exp(want), np.exp(got), "predict_proba"
    assert_floats(estimator, method, x, want, got)


def assert_floats(estimator, method, x, want, got):
    tolerance = 2e-6 if is_single(estimator, x) else 1e-12
    error = tolerance * tolerance_scale(estimator, method, x, want)
    if method == "predict_proba":  # 1 - p
        error += 2 * np.finfo(want.dtype).eps
    same = (got == want) | (np.isnan(got) & np.isnan(want)) | (np.abs(got - want) <= error)
    assert same.all(), (want[~same][:5], got[~same][:5])


def tolerance_scale(estimator, method, x, want):
    """How far rounding of the products moves an answer: their magnitudes, and what a link or a
    probability makes of them. Products that are not finite have no rounding."""
    values = np.abs(np.asarray(x, dtype=np.float64))
    weights = np.abs(np.atleast_2d(np.asarray(estimator.coef_, dtype=np.float64)))
    weights[~np.isfinite(weights)] = 0
    offset = np.abs(getattr(estimator, "intercept_", getattr(estimator, "offset_", 0.0)))
    scale = (values @ weights.T).max(axis=1) + np.max(offset)
    scale = scale.reshape((-1,) + (1,) * (want.ndim - 1))
    if method == "predict_log_proba":
        return (1 + scale) * 1e3
    if method == "predict_proba" or hasattr(estimator, "_base_loss"):
        return (1 + scale) * np.abs(want)
    return scale


def compare(predictor, estimator, x, methods=METHODS, stored="skops"):
    """All methods of the estimator, of all rows at once and of the first alone."""

    def same(method, rows, want, got):
        assert_same(estimator, method, rows, want, got)

    return compare_methods(predictor, estimator, (x, x[:1]), methods, stored, same)


def draw_labels(draw, name, score, x):
    n_classes = draw(st.integers(2, 4))
    codes = np.argsort(np.argsort(score)) * n_classes // len(score)
    if name.startswith("RidgeClassifier") and draw(st.booleans()):
        return np.c_[score > 0, x[:, 0] > 0, codes > 0].astype(int)
    return LABELS[draw(st.sampled_from(sorted(LABELS)))](codes)


def draw_outputs(draw, kind, score, x):
    n_outputs = {ONE: 0, SEVERAL: 2, ANY: draw(st.integers(0, 3))}[kind]
    positive = np.abs(score) + 0.1
    if n_outputs == 0:
        return positive
    return np.column_stack([positive * (i + 1) + x[:, 0] * i for i in range(n_outputs)])


@st.composite
def problems(draw, name):
    """A fitted estimator and inputs for it."""
    kind, parameters = ESTIMATORS[name]
    random = np.random.RandomState(draw(st.integers(0, 2**32 - 1)))
    n_features = draw(st.sampled_from([2, 1, 3, 4, 5, 7, 16, 33]))
    dtype = draw(st.sampled_from([np.float64, np.float64, np.float32]))
    x = random.randn(40, n_features) * draw(st.sampled_from([1.0, 1e-3, 30.0]))
    params = {key: draw(st.sampled_from(values)) for key, values in parameters.items()}
    score = x @ random.randn(n_features) / np.abs(x).max() + 0.2 * random.randn(40)
    if kind == CLASSES:
        y = draw_labels(draw, name, score, x)
    else:
        y = draw_outputs(draw, kind, score, x).astype(dtype)
    try:
        estimator = class_of(name)(**params).fit(x.astype(dtype), y)
    except ValueError:  # parameters or data that this estimator does not take
        hypothesis.reject()
    # OrthogonalMatchingPursuit of one feature squeezes its coefficients, and cannot predict.
    if estimator.coef_.ndim == 0 or estimator.coef_.shape[-1] != n_features:
        hypothesis.reject()
    n_rows = draw(st.sampled_from([1, 2, 3, 40, 130, 700]))
    rows = random.randn(n_rows, n_features) * draw(st.sampled_from([1.0, 1e-300, 1e4, 1e9]))
    as_type = draw(st.sampled_from([np.float64, np.float32, np.int32, np.int64, np.int16]))
    limit = 1e4 if as_type is np.int16 else 2e9
    return estimator, np.clip(rows, -limit, limit).astype(as_type)


@pytest.mark.parametrize("name", ESTIMATORS)
def test_random_models(predictor, name):
    @settings(max_examples=12, suppress_health_check=list(HealthCheck))
    @given(problems(name), st.sampled_from(FORMATS))
    def check(problem, stored):
        estimator, x = problem
        assert compare(predictor, estimator, x, stored=stored) >= 2

    check()


def iris(as_frame=False):
    return sklearn.datasets.load_iris(return_X_y=True, as_frame=as_frame)


@pytest.mark.parametrize("kind", ["float64", "float32"])
@pytest.mark.parametrize(
    "params",
    [
        {"loss": "modified_huber", "random_state": 0},
        {"loss": "log_loss", "random_state": 0},
    ],
)
def test_probabilities_that_are_all_zero(predictor, params, kind):
    """Rows far from every class: clip and expit give 0 for all of them."""
    x, y = iris()
    estimator = sklearn.linear_model.SGDClassifier(**params).fit(x.astype(kind), y)
    estimator.coef_ = -np.abs(estimator.coef_)
    rows = np.array([[1e4] * 4, [1e6] * 4, [-1e3] * 4, [1.0] * 4]).astype(kind)
    assert compare(predictor, estimator, rows, ["predict_proba", "predict_log_proba"]) == 4


@pytest.mark.parametrize("n_classes", [2, 3])
def test_extreme_scores(predictor, n_classes):
    """Scores that overflow, and probabilities of exactly 0 and 1."""
    x, y = iris()
    keep = y < n_classes
    for cls in (
        sklearn.linear_model.LogisticRegression,
        sklearn.discriminant_analysis.LinearDiscriminantAnalysis,
    ):
        estimator = cls().fit(x[keep], y[keep])
        rows = np.array([[a, b, 1.0, 1.0] for a in (-1e308, -800, 0, 900, 1e308) for b in (0, 1e3)])
        assert compare(predictor, estimator, rows) >= 8


def test_ties_go_to_the_first_class(predictor):
    x, y = iris()
    estimator = sklearn.linear_model.LogisticRegression().fit(x, y)
    estimator.coef_[:] = estimator.coef_[0]
    estimator.intercept_[:] = 0
    assert compare(predictor, estimator, x) == 8
    estimator.coef_[:] = 0
    assert compare(predictor, estimator, x) == 8
    binary = sklearn.linear_model.LogisticRegression().fit(x, y > 0)
    binary.coef_[:] = 0
    binary.intercept_[:] = 0
    assert compare(predictor, binary, x) == 8


def test_coefficients_that_are_not_finite(predictor):
    x, y = iris()
    estimator = sklearn.linear_model.LogisticRegression().fit(x, y)
    estimator.coef_[1, 2] = np.nan
    assert compare(predictor, estimator, x[:3]) == 8
    estimator.coef_[1, 2] = np.inf
    assert compare(predictor, estimator, x[:3]) == 8


def test_intercepts(predictor):
    """Every type of intercept_ gives numpy's result type."""
    x, y = iris()
    estimator = sklearn.linear_model.Ridge().fit(x.astype(np.float32), np.c_[y, y])
    for intercept in (
        0.5,
        2,
        np.float32(0.1),
        np.float64(0.1),
        np.array([0.1]),
        np.array([0.1, 0.2]),
        np.array([0.1, 0.2], dtype=np.float32),
        np.array(0.1),
    ):
        estimator.intercept_ = intercept
        for kind, stored in itertools.product(("float32", "float64", "int16", "bool"), FORMATS):
            assert compare(predictor, estimator, x.astype(kind), stored=stored) == 2


@pytest.mark.parametrize("stored", FORMATS)
@pytest.mark.parametrize("name", ESTIMATORS)
def test_models_saved_by_mlflow(predictor, name, stored, tmp_path):
    import mlflow.sklearn

    x, y = iris(as_frame=True)
    estimator = fit_iris(name, x, y)
    mlflow.sklearn.save_model(
        estimator,
        tmp_path / "model",
        pip_requirements=["mlflow"],
        serialization_format=stored,
        skops_trusted_types=["sklearn._loss.loss.HalfTweedieLossIdentity"],
    )
    file = "model.skops" if stored == "skops" else "model.pkl"
    said = predictor.load_file(tmp_path / "model" / file, serialization_format=stored)
    assert said["engine"] == "linear" and name in said["description"]
    assert_same(estimator, "predict", x, estimator.predict(x), predictor.predict(x))


# Inputs ------------------------------------------------------------------------------------------

ROW = [5.1, 3.5, 1.4, 0.2]
TIME = pd.Timestamp("1970-01-01T00:00:00.000000003")


def frame(*columns, names=None):
    names = names or [f"c{i}" for i in range(len(columns))]
    data = pd.concat([pd.Series(column) for column in columns], axis=1)
    data.columns = names
    return data


def objects(*values):
    series = pd.Series([None] * len(values), dtype=object)
    for i, value in enumerate(values):
        series[i] = value
    return series


NUMBERS = [[1.0], [1.0], [1.0]]
INPUTS = {
    "floats": frame(*[[v] for v in ROW]),
    "text of numbers": frame(["5.1"], *NUMBERS),
    "all texts": frame(["5.1"], ["1"], ["2e3"], ["-1"]),
    "no number": frame(["abc"], *NUMBERS),
    "empty text": frame([""], *NUMBERS),
    "spaces and underscores": frame([" 5_1\t"], *NUMBERS),
    "other digits": frame(["\u0663"], *NUMBERS),
    "text nan": frame(["nan"], *NUMBERS),
    "text inf": frame(["-inf"], *NUMBERS),
    "text too large": frame(["1e400"], *NUMBERS),
    "text and missing": frame(["1", None], *[[1.0, 2.0]] * 3),
    "text and bool": frame([" 5_1 "], [True], [1.0], [2]),
    "text and float32": frame(["1"], *[np.ones(1, np.float32)] * 3),
    "object texts": frame(objects("5.1"), *NUMBERS),
    "object int": frame(objects(10**30), *NUMBERS),
    "object bool": frame(objects(True), *NUMBERS),
    "object mixed": frame(objects("1", 2, 2.5, False), *[[1.0, 2.0, 3.0, 4.0]] * 3),
    "object none": frame(objects(None), *NUMBERS),
    "object list": frame(objects([1]), *NUMBERS),
    "object empty list": frame(objects([]), *NUMBERS),
    "object dict": frame(objects({"a": 1}), *NUMBERS),
    "bytes": frame(objects(b" 5_1 "), *NUMBERS),
    "bytes and bool": frame(objects(b"5"), [True], [1.0], [2.0]),
    "bytes no number": frame(objects(b"x"), *NUMBERS),
    "bool": frame([True], *NUMBERS),
    "all bool": frame([True], [False], [True], [True]),
    "int64 and uint64": frame(
        np.array([2**63 + 1025], "u8"), np.array([-1]), np.array([2**53 + 1]), [2]
    ),
    "int32 and float32": frame(np.ones(1, "i4"), *[np.ones(1, "f4")] * 3),
    "bool and float32": frame(np.ones(1, "?"), *[np.ones(1, "f4")] * 3),
    "nan": frame([np.nan], *NUMBERS),
    "inf": frame([-np.inf], *NUMBERS),
    "inf in float32": frame(np.array([np.inf], "f4"), *[np.ones(1, "f4")] * 3),
    "nan in a later row": frame([1.0] * 699 + [np.nan], *[[1.0] * 700] * 3),
    "sum overflows": frame(*[[1e308]] * 4),
    "datetime": frame([TIME], *NUMBERS),
    "all datetimes": frame(*[[TIME]] * 4),
    "datetime and text": frame([TIME], ["1"], [1.0], [1.0]),
    "datetime and bool": frame([TIME], [True], [1.0], [1.0]),
    "datetime and object": frame([TIME], objects(1), [1.0], [1.0]),
    "NaT": frame(*[[pd.NaT]] * 4).astype("datetime64[ns]"),
    "no rows": frame(*[np.zeros(0)] * 4),
    "three columns": frame(*NUMBERS),
    "five columns": frame(*NUMBERS, [1.0], [2.0]),
    "fitted names": frame(*[[v] for v in ROW], names=list("abcd")),
    "names in another order": frame(*[[v] for v in ROW], names=list("abdc")),
    "other names": frame(*[[v] for v in ROW], names=list("wxyz")),
    "numbered names": frame(*[[v] for v in ROW], names=[0, 1, 2, 3]),
    "names and numbers": frame(*[[v] for v in ROW], names=["a", "b", 0, 1]),
    "one name twice": frame(*[[v] for v in ROW], names=["x", "y", "z", "z"]),
    "one number twice": frame(*[[v] for v in ROW], names=[0, 1, 2, 2]),
    "three names": frame(*NUMBERS, names=list("abc")),
    "vector": np.array(ROW),
    "scalar": np.array(1.0),
    "cube": np.ones((1, 1, 4)),
    "empty matrix": np.ones((0, 4)),
    "matrix of texts": np.array([["1", "2.5", "3", "4"]]),
    "matrix of words": np.array([["1", "x", "3", "4"]]),
    "matrix of bytes": np.array([[b"1", b" 2_5", b"3e0", b"4"]]),
    "matrix of other bytes": np.array([[b"1", b"x", b"3", b"4"]]),
    "matrix of NaT": np.array([["NaT"] * 4], "M8[ns]"),
    "matrix of datetimes": np.array([[TIME.to_datetime64()] * 4]),
    "matrix of objects": np.array([["1", 2, True, 2.5]], dtype=object),
    "matrix with none": np.array([[1, 2, None, 4]], dtype=object),
    "matrix with list": np.array([[1, 2, [3], 4]], dtype=object),
    "dict of arrays": {"a": np.ones(2), "b": np.ones(2)},
    **{
        f"matrix of {dtype}": np.ones((2, 4), dtype)
        for dtype in ("f2 f4 f8 i1 i2 i4 i8 u1 u2 u4 u8 ?").split()
    },
}


def make_models():
    x, y = iris()
    names = pd.DataFrame(x, columns=list("abcd"))
    small = x.astype(np.float32)
    positive = x[:, 0] / 10 + 0.1
    return {
        "regression": sklearn.linear_model.LinearRegression().fit(x, positive),
        "named": sklearn.linear_model.LinearRegression().fit(names, positive),
        "float32": sklearn.linear_model.LinearRegression().fit(small, positive.astype(np.float32)),
        "classes": sklearn.linear_model.LogisticRegression().fit(names, y),
        "glm": sklearn.linear_model.PoissonRegressor().fit(x, positive),
        "glm float32": sklearn.linear_model.PoissonRegressor().fit(small, positive),
    }


MODELS = make_models()


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("name", INPUTS)
def test_inputs(predictor, model, name):
    """What scikit-learn takes is answered the same; what makes it raise is a bad request."""
    estimator, x = MODELS[model], INPUTS[name]
    predictor.load(estimator)
    try:
        want = estimator.predict(x)
    except Exception:
        with pytest.raises(Refused) as refused:
            predictor.predict(x)
        assert refused.value.error_code == "BAD_REQUEST"
        return
    got = predictor.predict(x)
    assert got.shape == want.shape and got.dtype == want.dtype
    if want.dtype.kind == "f":
        np.testing.assert_allclose(got, want, rtol=2e-5 if want.dtype == np.float32 else 1e-12)
    else:
        assert got.tolist() == want.tolist()


CELLS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.text("0123456789+-._eE naifNIF\u0663", max_size=6),
    st.just([]),
    st.just({}),
)


@given(st.lists(st.lists(CELLS, min_size=4, max_size=4), min_size=1, max_size=3))
def test_random_objects(predictor, rows):
    estimator = MODELS["regression"]
    predictor.load(estimator)
    x = pd.DataFrame({f"c{i}": objects(*[row[i] for row in rows]) for i in range(4)})
    try:
        want = estimator.predict(x)
    except (ValueError, TypeError, OverflowError):
        with pytest.raises(Refused):
            predictor.predict(x)
        return
    np.testing.assert_allclose(predictor.predict(x), want, rtol=1e-12)


def test_raw_bodies_are_bad_requests(predictor):
    predictor.load(MODELS["regression"])
    with pytest.raises(Refused, match="only Python can type"):
        predictor.predict(b"")


# What no engine may touch --------------------------------------------------------------------------


class Custom(sklearn.linear_model.Ridge):
    pass


def altered(**attributes):
    x, y = iris()
    estimator = sklearn.linear_model.LogisticRegression().fit(x, y)
    for name, value in attributes.items():
        setattr(estimator, name, value)
    return estimator


def sparsified():
    return altered().sparsify()


def sparse_labels():
    x, y = iris()
    labels = sklearn.preprocessing.MultiLabelBinarizer(sparse_output=True).fit_transform(y[:, None])
    return sklearn.linear_model.RidgeClassifier().fit(x, labels)


REFUSALS = {
    "another class": (lambda: sklearn.neighbors.NearestCentroid().fit(*iris()),
                      "no native engine for sklearn.neighbors._nearest_centroid.NearestCentroid yet"),
    "custom class": (lambda: Custom().fit(*iris()), "Custom yet: it is no class of scikit-learn"),
    "not fitted": (lambda: sklearn.linear_model.Ridge(), "is not fitted: it has no coef_"),
    "sparse coefficients": (sparsified, "coef_ is scipy.sparse"),
    "integer coefficients": (lambda: altered(coef_=np.ones((3, 4), int)), "has dtype <i8"),
    "float16 coefficients": (lambda: altered(coef_=np.ones((3, 4), "f2")), "has dtype <f2"),
    "complex coefficients": (lambda: altered(coef_=np.ones((3, 4), complex)), "has dtype <c16"),
    "cube": (lambda: altered(coef_=np.ones((3, 4, 1))), "1 or 2 dimensions"),
    "other width": (lambda: altered(coef_=np.ones((3, 5))), "n_features_in_"),
    "other height": (lambda: altered(coef_=np.ones((2, 4)), intercept_=np.ones(2)), "coef_ should have 3 rows"),
    "intercepts": (lambda: altered(intercept_=np.ones(2)), "intercept_ should have 1 or 3"),
    "no intercept": (lambda: altered(intercept_=None), "intercept_ is no floating-point"),
    "one label": (lambda: altered(classes_=np.array([1])), "with 1 labels"),
    "odd labels": (lambda: altered(classes_=np.array([1, 2, 3], complex)), "dtype <c16"),
    "mixed labels": (lambda: altered(classes_=np.array([1, "a", "b"], object)), "of type int"),
    "names": (lambda: altered(feature_names_in_=np.array(["a"], object)), "array of 4 names"),
    "a new attribute": (lambda: altered(threshold=0.7), "the attribute threshold yet"),
    "sparse labels": (sparse_labels, "sparse labels"),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_refusals(predictor, name):
    make, reason = REFUSALS[name]
    with pytest.raises(Refused, match=re.escape(reason)):
        predictor.load(make())


@pytest.mark.parametrize(
    "version, reason",
    [("1.10.0", "versions 1.1 to 1.9"), ("1.0.2", "versions 1.1"), ("x", "no version")],
)
def test_unknown_versions(predictor, version, reason, tmp_path):
    source = ROOT / "examples/iris/model/model.skops"
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(tmp_path / "model", "w") as new:
        for entry in old.namelist():
            text = old.read(entry)
            if entry == "schema.json":
                text = text.replace(sklearn.__version__.encode(), version.encode())
            new.writestr(entry, text)
    with pytest.raises(Refused, match=reason):
        predictor.load_file(tmp_path / "model")


class Ridge(sklearn.linear_model.Ridge):
    """Somebody's own estimator."""


@pytest.mark.parametrize("stored", ["pickle", "cloudpickle"])
def test_pickles_of_unknown_classes(predictor, stored):
    x, y = iris()
    with pytest.raises(Refused, match="needs Python: it uses test_linear.Ridge"):
        predictor.load(Ridge().fit(x, y), stored=stored)
    with pytest.raises(Refused, match="no native engine for sklearn.preprocessing._label.LabelEnc"):
        predictor.load(sklearn.preprocessing.LabelEncoder().fit(y), stored=stored)


def test_compressed_files(predictor, tmp_path):
    import skops.io

    for compression in (zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED):
        skops.io.dump(MODELS["classes"], tmp_path / "model", compression=compression)
        predictor.load_file(tmp_path / "model")
        assert predictor.predict(np.array([ROW])).tolist() == [0]


def test_known_attributes():
    """The engine's list names what today's estimators have: a new one means a look at its code."""
    source = (ROOT / "src/engine/linear/attributes.c").read_text()
    listed = re.search(r"attributes\[\] = \{(.*?)\};", source, re.DOTALL)[1]
    known = re.findall(r'"(\w+)"', listed)
    assert known == sorted(known)
    x, y = iris()
    for name in ESTIMATORS:
        assert set(fit_iris(name, x, y).__getstate__()) <= set(known), name
