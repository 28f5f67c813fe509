"""scikit-learn's trees in the tree engine against scikit-learn itself: random models, random and odd
inputs.

Sums of leaves, labels and dtypes must be the same bits, and whatever makes scikit-learn raise must
be refused. Where an answer goes through exp, log or a power, numpy's own functions for processors
with AVX-512 and the C library's may differ in the last place; without them all bits are the same.
"""

import json
import os
import re
import subprocess
import sys

os.environ.setdefault("OMP_NUM_THREADS", "1")  # threads that wait for each other take their time

import hypothesis.strategies as st
import numpy as np
import pandas as pd
import pytest
import sklearn.ensemble
import sklearn.tree
from hypothesis import HealthCheck, given, settings
from predictor import ROOT, Refused, compare_methods
from test_linear import INPUTS, LABELS

pytestmark = pytest.mark.filterwarnings("ignore")

# numpy has functions of its own for processors with AVX-512.
IS_PLAIN_NUMPY = "X86_V4" in os.environ.get("NPY_DISABLE_CPU_FEATURES", "")

METHODS = ("predict", "predict_proba", "predict_log_proba", "decision_function", "score_samples")
SLOW = settings(max_examples=4 if IS_PLAIN_NUMPY else 15, suppress_health_check=list(HealthCheck))

# Estimator -> what it is fitted to, and parameters to draw from.
CLASSES, ONE, ANY, NOTHING = "classes", "one output", "one or several outputs", "nothing"
SEEDED = {"random_state": [0]}
TREE = {**SEEDED, "max_depth": [4, 1, None], "splitter": ["best", "random"]}
FOREST = {**SEEDED, "n_estimators": [7, 1, 40], "max_depth": [4, None], "bootstrap": [True, False]}
BAGGING = {
    **SEEDED,
    "n_estimators": [5, 1],
    "max_features": [1.0, 0.5],
    "bootstrap_features": [False, True],
    "max_samples": [1.0, 0.3],
}
GRADIENT = {
    **SEEDED,
    "n_estimators": [6, 1, 30],
    "init": [None, "zero"],
    "learning_rate": [0.1, 0.7],
    "subsample": [1.0, 0.5],
}
HISTOGRAM = {**SEEDED, "max_iter": [6, 1, 30], "max_leaf_nodes": [7, 31], "min_samples_leaf": [2]}
CLASSIFIER_CRITERIA = {"criterion": ["gini", "entropy"]}
REGRESSOR_CRITERIA = {"criterion": ["squared_error", "friedman_mse", "absolute_error", "poisson"]}
ESTIMATORS = {
    "DecisionTreeClassifier": (CLASSES, {**TREE, **CLASSIFIER_CRITERIA}),
    "ExtraTreeClassifier": (CLASSES, {**TREE, **CLASSIFIER_CRITERIA}),
    "DecisionTreeRegressor": (ANY, {**TREE, **REGRESSOR_CRITERIA}),
    "ExtraTreeRegressor": (ANY, {**TREE, **REGRESSOR_CRITERIA}),
    "RandomForestClassifier": (CLASSES, FOREST),
    "ExtraTreesClassifier": (CLASSES, FOREST),
    "RandomForestRegressor": (ANY, FOREST),
    "ExtraTreesRegressor": (ANY, FOREST),
    "BaggingClassifier": (CLASSES, BAGGING),
    "BaggingRegressor": (ANY, BAGGING),
    "IsolationForest": (
        NOTHING,
        {
            **SEEDED,
            "n_estimators": [7, 40],
            "max_features": [1.0, 0.5],
            "contamination": ["auto", 0.2],
            "max_samples": ["auto", 1, 2, 10],
        },
    ),
    "AdaBoostClassifier": (CLASSES, {**SEEDED, "n_estimators": [12, 1]}),
    "AdaBoostRegressor": (ONE, {**SEEDED, "n_estimators": [12, 1, 30]}),
    "GradientBoostingClassifier": (CLASSES, {**GRADIENT, "loss": ["log_loss", "exponential"]}),
    "GradientBoostingRegressor": (
        ONE,
        {**GRADIENT, "loss": ["squared_error", "absolute_error", "huber", "quantile"]},
    ),
    "HistGradientBoostingClassifier": (CLASSES, HISTOGRAM),
    "HistGradientBoostingRegressor": (
        ONE,
        {**HISTOGRAM, "loss": ["squared_error", "absolute_error", "poisson", "gamma"]},
    ),
}

# Values where a comparison, a rounding to float32 or a sum could go wrong.
SPECIAL = [
    0.0, -0.0, 1.4e-45, -1.4e-45, 1e-46, 5e-324, 1.1754944e-38, 0.1, -0.1, 16777217.0, 3.4028234e38,
    3.4028235677973366e38, 1e39, -1e300, np.inf, -np.inf, np.nan,
]  # fmt: skip


def class_of(name):
    return getattr(sklearn.ensemble, name, None) or getattr(sklearn.tree, name)


# Comparison --------------------------------------------------------------------------------------


def is_exact(estimator, method):
    """Whether the answer is made by sums, divisions and comparisons alone, or numpy has exp, log and
    power from the C library."""
    if IS_PLAIN_NUMPY:
        return True
    name = type(estimator).__name__
    if method in ("predict_log_proba", "score_samples") or name == "IsolationForest":
        return method == "predict"
    if method == "predict_proba":
        return "Boost" not in name
    if method == "predict" and name == "HistGradientBoostingRegressor":
        return estimator.loss not in ("poisson", "gamma")
    if name == "GradientBoostingClassifier" and method == "decision_function":
        return estimator.init_ == "zero"
    return True


def assert_same(estimator, method, want, got):
    assert got.shape == want.shape
    if want.dtype.kind in "OU":
        assert got.tolist() == want.tolist()
        return
    assert got.dtype == want.dtype
    if want.dtype.kind == "f" and is_exact(estimator, method):
        np.testing.assert_array_equal(got.view(np.int64), want.view(np.int64))
    elif want.dtype.kind == "f":
        scale = np.maximum(np.abs(want), 0.5)  # 1 - p, score - offset
        close = (got == want) | (np.abs(got - want) <= 16 * np.finfo(float).eps * scale)
        assert close.all(), (want[~close][:5], got[~close][:5])
    else:
        np.testing.assert_array_equal(got, want)


def compare(predictor, estimator, x, methods=METHODS, stored="skops"):
    """All methods of the estimator, of all rows at once and of some alone; how many were equal."""

    def same(method, _, want, got):
        assert_same(estimator, method, want, got)

    return compare_methods(predictor, estimator, (x, x[:1], x[-1:]), methods, stored, same)


# Random models -----------------------------------------------------------------------------------


def trees_of(estimator):
    for item in np.ravel(getattr(estimator, "estimators_", [estimator])):
        if hasattr(item, "tree_"):
            yield item.tree_


def thresholds_of(estimator):
    """Thresholds of all nodes; what a value must not be rounded across."""
    found = [tree.threshold[tree.children_left != -1] for tree in trees_of(estimator)]
    for predictors in getattr(estimator, "_predictors", []):
        found += [item.nodes["num_threshold"] for item in predictors]
    found = np.concatenate([np.ravel(values) for values in found] or [np.zeros(1)])
    return found if len(found) else np.zeros(1)


@st.composite
def rows_for(draw, estimator):
    """Rows with thresholds hit exactly and missed by one unit in the last place, and odd values."""
    random = np.random.RandomState(draw(st.integers(0, 2**32 - 1)))
    n_rows = draw(st.sampled_from([3, 1, 64, 65, 200]))
    n_features = estimator.n_features_in_
    x = random.randn(n_rows, n_features) * draw(st.sampled_from([1.0, 1e-3, 30.0]))
    near = random.choice(thresholds_of(estimator), x.shape)
    near = np.where(random.rand(*x.shape) < 0.3, near.astype(np.float32), near)
    near = np.nextafter(near, random.choice([-np.inf, np.inf], x.shape) * 1.0, where=random.rand(*x.shape) < 0.5, out=near)
    x = np.where(random.rand(*x.shape) < 0.5, near, x)
    odd = draw(st.lists(st.sampled_from(SPECIAL), max_size=3))
    if odd:
        x = np.where(random.rand(*x.shape) < 0.2, random.choice(odd, x.shape), x)
    as_type = draw(st.sampled_from([np.float64, np.float64, np.float32, np.int64]))
    if as_type is np.int64:
        x = np.nan_to_num(x, posinf=2.0**62, neginf=-(2.0**62)).clip(-(2.0**62), 2.0**62)
    x = x.astype(as_type)
    if draw(st.booleans()):
        return pd.DataFrame(x, columns=[f"c{i}" for i in range(n_features)])
    return x


def draw_target(draw, name, kind, score, x):
    n_classes = draw(st.integers(2, 4))
    codes = np.argsort(np.argsort(score)) * n_classes // len(score)
    if kind == CLASSES and "Boost" not in name and name != "BaggingClassifier" and draw(st.booleans()):
        return np.c_[codes, (codes + 1) % n_classes, codes[::-1]]
    if kind == CLASSES:
        return LABELS[draw(st.sampled_from(sorted(LABELS)))](codes)
    positive = np.abs(score) + 0.1
    if kind == ANY and draw(st.booleans()):
        return np.c_[positive, np.abs(x[:, 0]) + 1]
    return positive


@st.composite
def problems(draw, name):
    """A fitted estimator and rows for it."""
    kind, parameters = ESTIMATORS[name]
    random = np.random.RandomState(draw(st.integers(0, 2**32 - 1)))
    n_features = draw(st.sampled_from([2, 1, 3, 5, 17]))
    x = random.randn(60, n_features).round(draw(st.sampled_from([0, 1, 9])))
    score = x @ random.randn(n_features) + 0.2 * random.randn(60)
    params = {key: draw(st.sampled_from(values)) for key, values in parameters.items()}
    estimator = class_of(name)(**params)
    y = draw_target(draw, name, kind, score, x)
    if kind == NOTHING:
        return draw(rows_for(estimator.fit(x))), estimator
    if len(np.unique(y)) != 2 and params.get("loss") == "exponential":
        y = score > 0
    if draw(st.booleans()):
        x[random.rand(*x.shape) < 0.1] = np.nan
    try:
        estimator.fit(x, y)
    except ValueError:  # NaN that this estimator does not take
        estimator.fit(np.nan_to_num(x), y)
    return draw(rows_for(estimator)), estimator


@pytest.mark.parametrize("name", ESTIMATORS)
def test_random_models(predictor, name):
    @SLOW
    @given(problems(name), st.sampled_from(["skops", "pickle", "cloudpickle"]))
    def check(problem, stored):
        rows, estimator = problem
        compare(predictor, estimator, rows, stored=stored)

    check()


def test_random_models_to_the_last_bit():
    """With exp, log and power from the C library under numpy, nothing differs at all."""
    env = {**os.environ, "NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL AVX512_SPR"}
    tests = [f"{__file__}::test_random_models", f"{__file__}::test_extreme_raw_predictions"]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:xdist", "-p", "no:cacheprovider"]
    done = subprocess.run([*command, *tests], cwd=ROOT, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def flowers(as_frame=False):
    return sklearn.datasets.load_iris(return_X_y=True, as_frame=as_frame)


def fit_flowers(name, x, y, **params):
    kind, parameters = ESTIMATORS[name]
    params = {**{key: values[0] for key, values in parameters.items()}, **params}
    return class_of(name)(**params).fit(x, y if kind == CLASSES else y + 1.0)


@pytest.mark.parametrize(
    "name", [name for name in ESTIMATORS if "Hist" not in name and "Ada" not in name]
)
def test_leaves(predictor, name):
    """With numbers of nodes as the values of leaves, sums are those of the leaves that are met."""
    x, y = flowers()
    estimator = fit_flowers(name, x, y)
    if "Classifier" in name or name == "IsolationForest":
        estimator = fit_flowers(name.replace("Classifier", "Regressor").replace("IsolationForest", "ExtraTreesRegressor"), x, y)
    for tree in trees_of(estimator):
        tree.value[:, 0, 0] = np.arange(tree.node_count)
    if name.startswith("Gradient"):
        estimator.learning_rate, estimator.init_ = 1.0, "zero"
    predictor.load(estimator)
    trees = list(trees_of(estimator))
    features = getattr(estimator, "estimators_features_", [np.arange(4)] * len(trees))
    leaves = sum(tree.apply(x[:, some].astype(np.float32)) for tree, some in zip(trees, features))
    divisor = 1 if name.startswith("Gradient") else len(trees)
    np.testing.assert_array_equal(predictor.predict(x), leaves / divisor)


def test_classes_that_a_sample_lacks(predictor):
    """BaggingClassifier's trees number the classes that they met."""
    x, y = flowers()
    estimator = sklearn.ensemble.BaggingClassifier(max_samples=4, random_state=3).fit(x, y)
    assert compare(predictor, estimator, x) == 9


def test_one_class(predictor):
    x, y = flowers()
    for name in ("DecisionTreeClassifier", "RandomForestClassifier"):
        assert compare(predictor, fit_flowers(name, x, y * 0 + 5), x) == 9


def test_ties_go_to_the_first_class(predictor):
    x = np.zeros((4, 2))
    for name in ("DecisionTreeClassifier", "ExtraTreesClassifier", "GradientBoostingClassifier",
                 "HistGradientBoostingClassifier"):  # fmt: skip
        for labels in (["b", "a", "b", "a"], ["c", "a", "b", "d"]):
            estimator = class_of(name)(**({"n_estimators": 5} if "Decision" not in name and "Hist" not in name else {}))
            compare(predictor, estimator.fit(x, labels), x)


def test_minus_zero(predictor):
    """A single tree's -0.0 stays one; a mean begins with 0.0."""
    x, _ = flowers()
    for name in ("DecisionTreeRegressor", "RandomForestRegressor", "AdaBoostRegressor",
                 "BaggingRegressor", "GradientBoostingRegressor"):  # fmt: skip
        estimator = fit_flowers(name, x, np.zeros(150))
        for tree in trees_of(estimator):
            tree.value[:] = -0.0
        assert compare(predictor, estimator, x, ["predict"]) == 3


def test_probabilities_of_targets_that_differ(predictor):
    x, y = flowers()
    estimator = sklearn.tree.DecisionTreeClassifier(max_depth=2).fit(x, np.c_[y, y > 0])
    assert compare(predictor, estimator, x, ["predict"]) == 3
    with pytest.raises(Refused, match="targets that differ"):
        predictor.load(estimator, "predict_proba")


# Gradient boosting's exotic classes ---------------------------------------------------------------


@pytest.mark.parametrize("n_classes", [2, 3, 9, 20])
def test_extreme_raw_predictions(predictor, n_classes):
    """Probabilities of exactly 0 and 1, and sums over many classes."""
    random = np.random.RandomState(0)
    x = random.randn(200, 3)
    y = np.argsort(np.argsort(x[:, 0])) * n_classes // 200
    for name in ("GradientBoostingClassifier", "HistGradientBoostingClassifier"):
        estimator = fit_flowers(name, x, y, learning_rate=20.0)
        compare(predictor, estimator, x * 3, ["predict", "predict_proba", "decision_function"])


# Categorical features -----------------------------------------------------------------------------

TEXTS = np.array(["b", "", "a", "\u00e9", "\U0001f600", "ab", "B", "nan"])
KINDS = {
    "double": lambda codes: np.where(codes == 7, np.nan, codes * 1.5 - 2),
    "long": lambda codes: codes * 3 - 4,
    "boolean": lambda codes: codes % 2 == 0,
    "string": lambda codes: TEXTS[codes].astype(object),
}


def signature_of(frame, kinds):
    names = frame.columns if isinstance(frame, pd.DataFrame) else kinds
    return json.dumps([{"name": name, "type": kinds[name]} for name in names])


def as_enforced(frame, kinds):
    """Columns as MLflow gives them to the model."""
    dtypes = {"double": "float64", "long": "int64", "boolean": "bool", "string": object}
    return frame.astype({name: dtypes[kind] for name, kind in kinds.items()})


@st.composite
def category_problems(draw):
    """An estimator fitted to categorical columns among others, and a frame with unknown ones."""
    random = np.random.RandomState(draw(st.integers(0, 2**32 - 1)))
    kinds = {f"c{i}": draw(st.sampled_from([*KINDS, "plain"])) for i in range(draw(st.integers(1, 5)))}
    codes = {name: random.randint(0, 6, 120) for name in kinds}
    frame, rows = {}, {}
    for name, kind in kinds.items():
        n_known = draw(st.sampled_from([6, 3]))
        if kind == "plain":
            frame[name], rows[name] = codes[name] + random.randn(120), random.randn(80) * 4
            continue
        frame[name] = KINDS[kind](codes[name] % n_known)
        rows[name] = KINDS[kind](random.randint(0, 8, 80))
        if kind == "string" and draw(st.booleans()):
            frame[name] = np.where(random.rand(120) < 0.1, None, frame[name])
            rows[name] = np.where(random.rand(80) < 0.1, None, rows[name])
        if kind == "double":
            odd = draw(st.sampled_from([[0.0], [-0.0, 1e300, -1e-300, 0.25], [np.inf]]))
            rows[name] = np.where(random.rand(80) < 0.05, random.choice(odd, 80), rows[name])
    score = sum(random.randn(6)[values] for values in codes.values()) + 0.1 * random.randn(120)
    some = [name for name, kind in kinds.items() if kind == "string" or draw(st.booleans())]
    names = some if draw(st.booleans()) or not some else [list(kinds).index(name) for name in some]
    params = {"max_iter": 5, "min_samples_leaf": 2, "categorical_features": names or None}
    types = {name: "double" if kind == "plain" else kind for name, kind in kinds.items()}
    frame, rows = as_enforced(pd.DataFrame(frame), types), as_enforced(pd.DataFrame(rows), types)
    if draw(st.booleans()):
        rows = rows.astype({name: "str" for name, kind in kinds.items() if kind == "string"})
    if draw(st.booleans()):
        estimator = class_of("HistGradientBoostingRegressor")(**params).fit(frame, score)
    else:
        labels = np.argsort(np.argsort(score)) * draw(st.integers(2, 3)) // len(score)
        estimator = class_of("HistGradientBoostingClassifier")(**params).fit(frame, labels)
    return estimator, rows, types, draw(st.sampled_from(["skops", "cloudpickle"]))


@settings(SLOW, max_examples=25)
@given(problem=category_problems())
def test_categories(predictor, problem):
    estimator, rows, types, stored = problem
    predictor.load(estimator, stored=stored, inputs=signature_of(rows, types))
    for some in (rows, rows[:1], rows[-1:], rows[::-1], rows[rows.columns[::-1]]):
        try:
            want = estimator.predict(some)
        except ValueError:
            with pytest.raises(Refused) as refused:
                predictor.predict(some)
            assert refused.value.error_code == "BAD_REQUEST"
            continue
        assert_same(estimator, "predict", want, predictor.predict(some))


def fit_categories(x, **params):
    return class_of("HistGradientBoostingRegressor")(max_iter=2, **params).fit(x, np.arange(len(x)))


def test_categories_of_an_array(predictor):
    x = np.c_[np.arange(100) % 7 * 2.0, np.arange(100) % 3]
    estimator = fit_categories(x, categorical_features=[1])
    tensor = '[{"type": "tensor", "tensor-spec": {"dtype": "float64", "shape": [-1, 2]}}]'
    predictor.load(estimator, inputs=tensor)
    rows = np.array([[3, 1], [4, 7], [1e300, -1], [np.nan, np.nan], [2, 0.5], [np.inf, 2]])
    assert_same(estimator, "predict", estimator.predict(rows), predictor.predict(rows))
    with pytest.raises(Refused, match="row 2, feature 1.*infinity"):
        predictor.predict(np.array([[1, 1], [1, 2], [1, np.inf]]))


def test_categories_whose_type_is_not_known(predictor):
    frame = pd.DataFrame({"a": np.arange(60) % 3, "b": np.array(["x", "y"])[np.arange(60) % 2]})
    estimator = fit_categories(frame, categorical_features=["a", "b"])
    with pytest.raises(Refused, match="with categorical features and no signature"):
        predictor.load(estimator)
    for a, b in (("string", "string"), ("long", "long"), ("datetime", "string")):
        with pytest.raises(Refused, match="signature's type of feature"):
            predictor.load(estimator, inputs=signature_of(frame, {"a": a, "b": b}))
    predictor.load(estimator, inputs=signature_of(frame, {"a": "long", "b": "string"}))
    with pytest.raises(Refused, match='expects a column "b"'):
        predictor.predict(frame[["a"]])


# Inputs ------------------------------------------------------------------------------------------


def make_models():
    x, y = flowers()
    names = pd.DataFrame(x, columns=list("abcd"))
    missing = x.copy()
    missing[::7, 1] = np.nan
    tree = sklearn.tree.DecisionTreeClassifier(max_depth=3)
    return {
        "tree": tree.fit(missing, y),
        "named": sklearn.tree.DecisionTreeRegressor(max_depth=3).fit(names, y),
        "no missing": sklearn.tree.ExtraTreeRegressor(splitter="best").fit(x, y),
        "forest": fit_flowers("RandomForestClassifier", missing, y),
        "bagging": fit_flowers("BaggingRegressor", missing, y, max_features=2, n_estimators=1),
        "isolation": fit_flowers("IsolationForest", missing, y),
        "ada": fit_flowers("AdaBoostClassifier", x, y),
        "ada regressor": fit_flowers("AdaBoostRegressor", x, y),
        "gradient": fit_flowers("GradientBoostingRegressor", names, y),
        "histogram": fit_flowers("HistGradientBoostingRegressor", missing, y),
    }


MODELS = make_models()
BIG = 2**60 + 2**36 + 1  # rounds to float32 in one step to another value than in two
MORE_INPUTS = {
    **INPUTS,
    "big integers": pd.DataFrame({c: [BIG] for c in "abcd"}),
    "big integers and a float": pd.DataFrame({"a": [BIG], "b": [BIG], "c": [0.5], "d": [1]}),
    "big integers and a boolean": pd.DataFrame({"a": [BIG], "b": [BIG], "c": [True], "d": [1]}),
    "all three": pd.DataFrame({"a": [BIG], "b": [BIG], "c": [True], "d": [0.5]}),
    "array of big integers": np.full((1, 4), BIG),
    "unsigned and signed": pd.DataFrame({"a": np.array([BIG], "u8"), "b": [BIG], "c": [1], "d": [1]}),
    "too large for float32": np.array([[1e39, 1, 1, 1]]),
    "missing": np.array([[np.nan, 1, 1, 1]]),
    "missing in the last": np.array([[1, 1, 1, np.nan]]),
}  # fmt: skip


def with_thresholds_at_the_middle(estimator):
    """Where BIG rounds to in two steps, so that the two ways of rounding part."""
    for tree in trees_of(estimator):
        state = tree.__getstate__()
        state["nodes"]["threshold"] = np.where(state["nodes"]["left_child"] == -1, -2, 2.0**60)
        tree.__setstate__(state)
    return estimator


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("name", MORE_INPUTS)
def test_inputs(predictor, model, name):
    """What scikit-learn takes is answered the same; what makes it raise is a bad request."""
    estimator, x = MODELS[model], MORE_INPUTS[name]
    if "big" in name or name in ("all three", "unsigned and signed"):
        estimator = with_thresholds_at_the_middle(fit_copy(estimator))
    predictor.load(estimator)
    try:
        want = estimator.predict(x)
    except Exception:
        with pytest.raises(Refused) as refused:
            predictor.predict(x)
        assert refused.value.error_code == "BAD_REQUEST"
        return
    assert_same(estimator, "predict", want, predictor.predict(x))


def fit_copy(estimator):
    import copy

    return copy.deepcopy(estimator)


# What no engine may touch --------------------------------------------------------------------------


def altered(estimator=None, **attributes):
    x, y = flowers()
    estimator = estimator or sklearn.ensemble.RandomForestClassifier(2).fit(x, y)
    for name, value in attributes.items():
        setattr(estimator, name, value)
    return estimator


def fitted(name, **params):
    return fit_flowers(name, *flowers(), **params)


def linear():
    return sklearn.linear_model.LogisticRegression()


REFUSALS = {
    "another class": (
        lambda: sklearn.ensemble.RandomTreesEmbedding(2).fit(flowers()[0]),
        "no native engine for sklearn.ensemble._forest.RandomTreesEmbedding yet",
    ),
    "not fitted": (lambda: sklearn.ensemble.RandomForestClassifier(), "n_features_in_ should be"),
    "a new attribute": (lambda: altered(threshold=0.7), "the attribute threshold yet"),
    "no trees": (lambda: altered(estimators_=[]), "estimators_ should be a list"),
    "a tree twice": (
        lambda: altered(estimators_=[sklearn.tree.DecisionTreeClassifier().fit(*flowers())] * 2),
        "trees 0 and 1 are one",
    ),
    "another tree": (
        lambda: altered(estimators_=[sklearn.tree.DecisionTreeRegressor().fit(*flowers())]),
        "RandomForestClassifier of sklearn.tree._classes.DecisionTreeRegressor",
    ),
    "other features": (
        lambda: altered(estimators_=[sklearn.tree.DecisionTreeClassifier().fit(flowers()[0][:, :2], flowers()[1])]),
        "has 2 features, expected 4",
    ),
    "other classes": (
        lambda: altered(estimators_=[sklearn.tree.DecisionTreeClassifier().fit(flowers()[0], flowers()[1] > 0)]),
        "classes of a tree are not those",
    ),
    "bagging of others": (
        lambda: fitted("BaggingClassifier", estimator=linear()),
        "BaggingClassifier of sklearn.linear_model._logistic.LogisticRegression",
    ),
    "boosting of others": (
        lambda: fitted("AdaBoostClassifier", estimator=linear()),
        "AdaBoostClassifier of sklearn.linear_model._logistic.LogisticRegression",
    ),
    "an estimator before": (
        lambda: fitted("GradientBoostingClassifier", init=linear()),
        "an init estimator of its own",
    ),
    "another prior": (
        lambda: fitted("GradientBoostingClassifier", init=sklearn.dummy.DummyClassifier(strategy="uniform")),
        "another strategy",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSALS)
def test_refusals(predictor, name):
    make, reason = REFUSALS[name]
    with pytest.raises(Refused, match=re.escape(reason)):
        predictor.load(make())


def test_signatures_that_only_python_types(predictor, tmp_path):
    import skops.io

    skops.io.dump(MODELS["tree"], tmp_path / "model")
    with pytest.raises(Refused, match="array, object, map or any columns"):
        predictor.load_file(tmp_path / "model", nested=True)


# Files -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ESTIMATORS)
def test_models_saved_by_mlflow(predictor, name, tmp_path):
    import mlflow.sklearn
    import skops.io

    x, y = flowers(as_frame=True)
    estimator = fit_flowers(name, x, y)
    trusted = skops.io.get_untrusted_types(data=skops.io.dumps(estimator))
    mlflow.sklearn.save_model(
        estimator, tmp_path / "model", pip_requirements=["mlflow"], skops_trusted_types=trusted
    )
    said = predictor.load_file(tmp_path / "model/model.skops")
    assert said["engine"] == "tree" and name in said["description"]
    assert_same(estimator, "predict", np.array(estimator.predict(x)), predictor.predict(x))


def test_known_attributes():
    """The engine's list names what today's estimators have: a new one means a look at its code."""
    source = (ROOT / "src/engine/sktree/attributes.c").read_text()
    listed = re.search(r"attributes\[\] = \{(.*?)\};", source, re.DOTALL)[1]
    known = re.findall(r'"(\w+)"', listed)
    assert known == sorted(known)
    x, y = flowers()
    for name in ESTIMATORS:
        assert set(fit_flowers(name, x, y).__getstate__()) <= set(known), name
