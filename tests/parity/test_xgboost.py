"""XGBoost's models in the tree engine against XGBoost itself: random and trained models, random and
odd inputs, every kernel that this processor has.

Predictions and sums must be the same bits, leaves the same, labels and dtypes too, and whatever
makes XGBoost raise must be refused.

MLRACE_EXAMPLES=10 tries ten times as many random models and inputs.
"""

import json
import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # threads that wait for each other take their time

import hypothesis.strategies as st
import mlflow
import mlflow.sklearn
import mlflow.xgboost
import numpy as np
import pandas as pd
import pytest
import xgboost as xgb
from hypothesis import HealthCheck, given, settings
from predictor import Predictor, Refused, tree_kernels

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

# float32 values where a comparison, a conversion or a sum could go wrong.
TINY, SMALLEST, LARGEST = 1.4e-45, 1.1754944e-38, 3.4028235e38
SPECIAL = [0.0, -0.0, TINY, -TINY, SMALLEST, LARGEST, -LARGEST, 0.1, -0.1, 1.0, 16777216.0, 1e-35]
PARAMS = json.dumps(
    [
        {"name": "output_margin", "default": False, "shape": None, "type": "boolean"},
        {"name": "strict_shape", "default": False, "shape": None, "type": "boolean"},
        {"name": "iteration_range", "default": [0, 0], "shape": [-1], "type": "long"},
    ]
)


SLOW = settings(
    max_examples=20 * int(os.environ.get("MLRACE_EXAMPLES", 1)),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def start(folder, env=None):
    predictor = Predictor(folder, env=env)
    predictor.folder = folder
    return predictor


@pytest.fixture(scope="module")
def predictor(tmp_path_factory):
    predictor = start(tmp_path_factory.mktemp("models"))
    yield predictor
    predictor.close()


@pytest.fixture(scope="module", params=tree_kernels())
def kernel(request, tmp_path_factory):
    """A predictor with a kernel that may not be the best one."""
    predictor = start(tmp_path_factory.mktemp("kernel"), {"MLRACE_TREE_KERNEL": request.param})
    yield predictor
    predictor.close()


def load(predictor, model, suffix="ubj", **options):
    """The engine with a model; says what `mlrace explain` says."""
    path = predictor.folder / f"model.{suffix}"
    model.save_model(path)
    return predictor.load_file(
        path,
        flavor="mlflow.xgboost",
        model_class=f"{type(model).__module__}.{type(model).__name__}",
        **options,
    )


def predict(model, x, **params):
    """As MLflow calls XGBoost (mlflow/xgboost/__init__.py, _wrapped_xgboost_model_predict_fn)."""
    if isinstance(model, xgb.Booster):
        return model.predict(xgb.DMatrix(x), validate_features=True, **params)
    return model.predict(x, validate_features=True, **params)


def reload(model, folder, suffix="ubj"):
    """The model as MLflow gets it from its file."""
    path = folder / f"reload.{suffix}"
    model.save_model(path)
    fresh = type(model)()
    fresh.load_model(path)
    return fresh


def assert_same(predictor, model, x, **params):
    """The same answer, to the bit, or a refusal where XGBoost raises."""
    try:
        want = predict(model, x, **params)
    except Exception:
        with pytest.raises(Refused):
            predictor.predict(x, params)
        return
    got = predictor.predict(x, params)
    assert got.dtype == want.dtype
    assert got.shape == want.shape
    if want.dtype == np.float32:  # a NaN is a NaN
        got, want = (np.where(np.isnan(a), -1, a.view(np.int32)) for a in (got, want))
    np.testing.assert_array_equal(got, want)


# Random models -------------------------------------------------------------------------------


@st.composite
def trees(draw, n_features, n_targets, thresholds, categories):
    """A tree as XGBoost's JSON has it. Leaves are numbered in the order of their nodes."""
    left, right, parent, feature, threshold, default = [-1], [-1], [2147483647], [0], [0.0], [0]
    kinds = [0]
    nodes, sizes, chosen = [], [], []
    shape = draw(st.sampled_from(["bushy", "chain", "complete"]))
    n_splits = draw(st.sampled_from([0, 1, 2, 5, 30, 31, 63, 64, 100, 300]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    leaves = [0]
    for _ in range(n_splits):
        if shape == "complete":
            node = leaves.pop(0)
        else:
            node = leaves.pop(-1 if shape == "chain" else int(rng.integers(len(leaves))))
        children = len(left), len(left) + 1
        left[node], right[node] = children
        feature[node] = int(rng.integers(n_features))
        default[node] = int(rng.integers(2))
        if categories and rng.random() < 0.3:
            kinds[node] = 1
            members = np.flatnonzero(rng.random(categories) < 0.5)
            if rng.random() < 0.3 or not len(members):
                members = rng.integers(categories, size=1)
            nodes.append(node)
            sizes.append(len(members))
            chosen.append(members.tolist())
        else:
            threshold[node] = float(thresholds[rng.integers(len(thresholds))])
        for child in children:
            left.append(-1), right.append(-1), parent.append(node)
            feature.append(0), threshold.append(0.0), default.append(0), kinds.append(0)
            leaves.append(child)
    n = len(left)
    order = np.argsort(nodes, kind="stable").tolist()
    starts = np.cumsum([0] + [sizes[i] for i in order])[:-1].tolist() if order else []
    tree = {
        "tree_param": {
            "num_deleted": "0",
            "num_feature": str(n_features),
            "num_nodes": str(n),
            "size_leaf_vector": str(n_targets),
        },
        "left_children": left,
        "right_children": right,
        "parents": parent,
        "split_indices": feature,
        "split_conditions": threshold,
        "default_left": default,
        "split_type": kinds,
        "base_weights": [0.0] * (n * n_targets),
        "loss_changes": [0.0] * n,
        "sum_hessian": [1.0] * n,
        "categories": [c for i in order for c in chosen[i]],
        "categories_nodes": [nodes[i] for i in order],
        "categories_segments": starts,
        "categories_sizes": [sizes[i] for i in order],
    }
    values = rng.choice(LEAVES, size=(n, n_targets)).astype(np.float32)
    if n_targets == 1:
        for node in leaves:
            threshold[node] = float(values[node, 0])
    else:
        tree["leaf_weights"] = values[sorted(leaves)].ravel().tolist()
        for i, node in enumerate(sorted(leaves)):
            right[node] = i
    return tree


LEAVES = np.concatenate([np.array(SPECIAL) * 1e-3, np.random.default_rng(0).normal(size=50)])


def number_leaves(model):
    """Makes the sum of a model tell the leaf of each of at most two trees."""
    for t, tree in enumerate(model["learner"]["gradient_booster"]["model"]["trees"]):
        for node, child in enumerate(tree["left_children"]):
            if child == -1:
                tree["split_conditions"][node] = float(node * 1024**t)


@st.composite
def models(draw, booster="gbtree", is_vector=False, categories=0):
    n_features = draw(st.sampled_from([1, 2, 7, 40, 200]))
    n_outputs = draw(st.sampled_from([2, 3]) if is_vector else st.sampled_from([1, 1, 3]))
    n_thresholds = draw(st.sampled_from([3, 20, 2000]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    thresholds = np.concatenate([SPECIAL, rng.normal(size=n_thresholds).astype(np.float32)])
    n_rounds = draw(st.sampled_from([1, 2, 9]))
    n_trees = n_rounds if is_vector else n_rounds * n_outputs
    all_trees = [
        {**draw(trees(n_features, n_outputs if is_vector else 1, thresholds, categories)), "id": t}
        for t in range(n_trees)
    ]
    gbtree = {
        "name": "gbtree",
        "model": {
            "gbtree_model_param": {"num_trees": str(n_trees), "num_parallel_tree": "1"},
            "iteration_indptr": list(range(0, n_trees + 1, n_trees // n_rounds)),
            "tree_info": [0 if is_vector else t % n_outputs for t in range(n_trees)],
            "trees": all_trees,
        },
    }
    if booster == "dart":
        weights = rng.random(n_trees).astype(np.float32).tolist()
        gbtree = {"name": "dart", "gbtree": gbtree, "weight_drop": weights}
    is_softmax = n_outputs == 3 and not is_vector
    return {
        "version": [3, 2, 0],
        "learner": {
            "attributes": {},
            "feature_names": [],
            "feature_types": [],
            "learner_model_param": {
                "base_score": draw(st.sampled_from(["5E-1", "[5E-1]", "[0]", "(1.25E-7)"])),
                "boost_from_average": "1",
                "num_class": str(n_outputs if is_softmax else 0),
                "num_feature": str(n_features),
                "num_target": str(n_outputs if is_vector else 1),
            },
            "gradient_booster": gbtree,
            "objective": {
                "name": "multi:softprob",
                "softmax_multiclass_param": {"num_class": str(n_outputs)},
            }
            if is_softmax
            else {"name": "reg:squarederror", "reg_loss_param": {"scale_pos_weight": "1"}},
        },
    }, thresholds


def rows(rng, n_rows, n_features, thresholds, categories, is_finite=True):
    """Thresholds hit exactly, their neighbours, special values, missing ones, categories."""
    shape = (n_rows, n_features)
    x = rng.choice(thresholds, size=shape).astype(np.float32)
    with np.errstate(over="ignore"):
        nearby = np.nextafter(x, rng.choice([-np.inf, np.inf], size=shape).astype(np.float32))
    x = np.where(rng.random(shape) < 0.3, nearby, x)
    odd = SPECIAL if is_finite else [*SPECIAL, np.inf, -np.inf]
    x = np.where(rng.random(shape) < 0.1, rng.choice(odd, size=shape), x)
    if categories:
        codes = rng.integers(-2, categories + 40, size=shape) + rng.choice([0, 0, 0.5], size=shape)
        x = np.where(rng.random(shape) < 0.6, codes, x)
    x = np.where(rng.random(shape) < rng.choice([0, 0.1]), np.nan, x).astype(np.float32)
    return np.where(np.isinf(x) & is_finite, 0, x)


@pytest.mark.parametrize("kind", ["scalar", "vector", "dart", "category"])
@SLOW
@given(data=st.data())
def test_random_models(kernel, kind, data):
    categories = data.draw(st.sampled_from([3, 40, 300])) if kind == "category" else 0
    booster = "dart" if kind == "dart" else "gbtree"
    file, thresholds = data.draw(models(booster, kind == "vector", categories))
    path = kernel.folder / "random.json"
    path.write_text(json.dumps(file))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    n_features = int(file["learner"]["learner_model_param"]["num_feature"])
    suffix = data.draw(st.sampled_from(["json", "ubj"]))
    n_rows = data.draw(st.sampled_from([1, 2, 7, 9, 64, 65, 200]))
    n_rounds = 0
    for model in xgb.Booster(), xgb.XGBRegressor():
        model.load_model(path)
        load(kernel, model, suffix, params=PARAMS)
        is_booster = isinstance(model, xgb.Booster)
        x = rows(rng, n_rows, n_features, thresholds, categories, is_finite=is_booster)
        assert_same(kernel, model, x, output_margin=True)
        assert_same(kernel, model, x)
        n_rounds = model.num_boosted_rounds() if is_booster else n_rounds
        first = int(rng.integers(n_rounds))
        end = int(rng.integers(first, n_rounds)) + 1
        assert_same(kernel, model, x, output_margin=True, iteration_range=(first, end))


@SLOW
@given(data=st.data())
def test_leaves(kernel, data):
    file, thresholds = data.draw(models(categories=data.draw(st.sampled_from([0, 40]))))
    booster = file["learner"]["gradient_booster"]["model"]
    n_trees = min(2, len(booster["trees"]))
    booster.update(
        gbtree_model_param={"num_trees": str(n_trees), "num_parallel_tree": "1"},
        iteration_indptr=list(range(n_trees + 1)),
        tree_info=[0] * n_trees,
        trees=booster["trees"][:n_trees],
    )
    file["learner"]["learner_model_param"].update(num_class="0", base_score="0")
    file["learner"]["objective"] = {"name": "reg:squarederror"}
    number_leaves(file)
    path = kernel.folder / "leaves.json"
    path.write_text(json.dumps(file))
    model = xgb.Booster(model_file=path)
    load(kernel, model)
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    n_features = int(file["learner"]["learner_model_param"]["num_feature"])
    for n_rows in 1, 100:
        x = rows(rng, n_rows, n_features, thresholds, categories=40)
        want = model.predict(xgb.DMatrix(x), pred_leaf=True).reshape(n_rows, n_trees)
        got = kernel.predict(x).astype(int)
        np.testing.assert_array_equal(got % 1024, want[:, 0])
        if n_trees > 1:
            np.testing.assert_array_equal(got // 1024, want[:, 1])


# Transforms ----------------------------------------------------------------------------------

ONE_OUTPUT = ["reg:squarederror", "reg:logistic", "reg:gamma", "reg:tweedie", "count:poisson"]
ONE_OUTPUT += ["survival:cox", "survival:aft", "binary:logistic", "binary:logitraw", "binary:hinge"]
# Where a sigmoid or an exponential function ends, and the floats around it.
EDGES = [0, 16.6355, 17.3287, 88.37, 88.7, 88.722839, 88.72284, 103.9, 104.1, 1e30, 3.4028235e38]


def stairs(leaves, tree):
    """A tree whose leaf for x = i is leaves[i]."""
    n = len(leaves)
    inner = range(n - 1)
    return {
        "id": tree,
        "tree_param": {"num_deleted": "0", "num_feature": "1", "num_nodes": str(2 * n - 1)}
        | {"size_leaf_vector": "1"},
        "left_children": [v for i in inner for v in (2 * i + 1, -1)] + [-1],
        "right_children": [v for i in inner for v in (2 * i + 2, -1)] + [-1],
        "parents": [2147483647] + [2 * (i // 2) for i in range(2 * n - 2)],
        "split_indices": [0] * (2 * n - 1),
        "split_conditions": [v for i in inner for v in (i + 0.5, leaves[i])] + [leaves[-1]],
        "default_left": [0] * (2 * n - 1),
        "base_weights": [0.0] * (2 * n - 1),
        "loss_changes": [0.0] * (2 * n - 1),
        "sum_hessian": [1.0] * (2 * n - 1),
    }


def model_of_sums(objective, sums, base_score="0"):
    """A model file whose sums for x = i are sums[i], before the base score."""
    n_outputs = sums.shape[1]
    n_classes = n_outputs if objective.startswith("multi") else 0
    trees = [stairs([float(v) for v in sums[:, k]], k) for k in range(n_outputs)]
    return {
        "version": [3, 2, 0],
        "learner": {
            "attributes": {},
            "feature_names": [],
            "feature_types": [],
            "learner_model_param": {
                "base_score": base_score,
                "boost_from_average": "1",
                "num_class": str(n_classes),
                "num_feature": "1",
                "num_target": str(1 if n_classes else n_outputs),
            },
            "gradient_booster": {
                "name": "gbtree",
                "model": {
                    "gbtree_model_param": {"num_trees": str(n_outputs), "num_parallel_tree": "1"},
                    "iteration_indptr": [0, n_outputs],
                    "tree_info": list(range(n_outputs)),
                    "trees": trees,
                },
            },
            # What an objective of that name was saved with, of all of them.
            "objective": {
                "name": objective,
                "reg_loss_param": {"scale_pos_weight": "1"},
                "poisson_regression_param": {"max_delta_step": "0.7"},
                "tweedie_regression_param": {"tweedie_variance_power": "1.5"},
                "softmax_multiclass_param": {"num_class": str(n_outputs)},
                "aft_loss_param": {
                    "aft_loss_distribution": "normal",
                    "aft_loss_distribution_scale": "1",
                },
            },
        },
    }


def assert_same_file(predictor, file, x):
    """The answers to a model file, or a refusal of it where XGBoost raises."""
    path = predictor.folder / "model.json"
    path.write_text(json.dumps(file))
    try:
        model = xgb.Booster(model_file=path)
        model.predict(xgb.DMatrix(x))
    except xgb.core.XGBoostError:
        with pytest.raises(Refused):
            predictor.load_file(path, flavor="mlflow.xgboost", params=PARAMS)
        return
    predictor.load_file(path, flavor="mlflow.xgboost", params=PARAMS)
    assert_same(predictor, model, x)
    assert_same(predictor, model, x, output_margin=True)


@pytest.mark.parametrize("objective", [*ONE_OUTPUT, "multi:softprob", "multi:softmax"])
@SLOW
@given(data=st.data())
def test_transforms(predictor, objective, data):
    """Sums of all sizes: floats of random bits, and those where functions overflow."""
    n_outputs = data.draw(st.sampled_from([2, 3, 17])) if objective.startswith("multi") else 1
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    shape = (100, n_outputs)
    bits = rng.integers(0, 2**32, size=shape, dtype=np.uint32).view(np.float32)
    small = rng.normal(size=shape) * rng.choice([1e-3, 1, 10, 90], size=shape)
    edges = rng.choice(EDGES, size=shape) * rng.choice([-1, 1], size=shape)
    kind = rng.integers(0, 4, size=shape)
    with np.errstate(over="ignore", invalid="ignore"):
        sums = np.select([kind == 0, kind == 1], [bits, edges], small).astype(np.float32)
    sums[~np.isfinite(sums)] = 0
    base = "5E-1" if "logistic" in objective else "1" if objective in EXPONENTIAL else "0"
    assert_same_file(predictor, model_of_sums(objective, sums, base), np.arange(100.0)[:, None])


EXPONENTIAL = ["reg:gamma", "reg:tweedie", "count:poisson", "survival:cox", "survival:aft"]
BASES = ["0", "1", "5E-1", "1E-7", "9.99999E-1", "9.9999999E-1", "1E-45", "3.4028235E38", "-1", "2"]
BASES += ["[2.5E-1]", "(0.3)", "0.30000000000000004", "1e-300", "[1E0,2E0]", "[0.2,0.3,5E-1]"]
BASES += ["(0.2,0.3,0.5)", "", "[]", "half"]


@pytest.mark.parametrize("objective", [*ONE_OUTPUT, "multi:softprob"])
def test_base_scores(predictor, objective):
    sums = np.full((2, 3 if objective.startswith("multi") else 1), 0.125, np.float32)
    for base in BASES:
        assert_same_file(predictor, model_of_sums(objective, sums, base), np.zeros((2, 1)))


# Trained models ------------------------------------------------------------------------------

OBJECTIVES = {
    "reg:squarederror": {},
    "reg:squaredlogerror": {},
    "reg:pseudohubererror": {},
    "reg:absoluteerror": {},
    "reg:quantileerror": {"quantile_alpha": [0.2, 0.7]},
    "reg:logistic": {},
    "reg:gamma": {},
    "reg:tweedie": {},
    "count:poisson": {},
    "survival:cox": {},
    "survival:aft": {},
    "binary:logistic": {},
    "binary:logitraw": {},
    "binary:hinge": {},
    "multi:softprob": {"num_class": 4},
    "multi:softmax": {"num_class": 4},
    "rank:pairwise": {},
    "rank:ndcg": {},
    "rank:map": {},
}


def make_data(n_rows=300, n_features=6, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n_rows, n_features)) * [1, 10, 1e-3, 1, 100, 1]
    x[rng.random(x.shape) < 0.05] = np.nan
    return x, np.abs(np.nan_to_num(x[:, 0]) + rng.normal(size=n_rows))


def labels_for(objective, y):
    if objective.startswith(("binary", "rank")) or objective == "reg:logistic":
        return (y > 0.8).astype(float)
    return np.minimum(y.astype(int), 3) if objective.startswith("multi") else y + 0.1


@pytest.mark.parametrize("booster", ["gbtree", "dart", "gblinear"])
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_objectives(predictor, objective, booster):
    if booster == "gblinear" and objective in ("reg:absoluteerror", "reg:quantileerror"):
        return  # XGBoost does not train those
    x, y = make_data()
    y = labels_for(objective, y)
    matrix = xgb.DMatrix(x, label=y)
    if objective == "survival:aft":
        matrix = xgb.DMatrix(x, label_lower_bound=y, label_upper_bound=y * 2)
    if objective.startswith("rank"):
        matrix.set_info(group=[50] * 6)
    params = {"objective": objective, "booster": booster, "max_depth": 4, **OBJECTIVES[objective]}
    params |= {"rate_drop": 0.4} if booster == "dart" else {}
    model = xgb.train(params, matrix, 12)
    for suffix in "ubj", "json":
        fresh = reload(model, predictor.folder, suffix)
        load(predictor, fresh, suffix, params=PARAMS)
        for n_rows in 1, 5, 300:
            for params in {}, {"output_margin": True}, {"strict_shape": True}:
                assert_same(predictor, fresh, x[:n_rows], **params)


WRAPPERS = [
    (xgb.XGBClassifier, 2, {}),
    (xgb.XGBClassifier, 4, {}),
    (xgb.XGBClassifier, 4, {"objective": "multi:softmax"}),
    (xgb.XGBClassifier, 2, {"objective": "binary:hinge"}),
    (xgb.XGBClassifier, 2, {"objective": "binary:logitraw"}),
    (xgb.XGBClassifier, 2, {"booster": "gblinear"}),
    (xgb.XGBClassifier, 3, {"booster": "dart", "rate_drop": 0.5}),
    (xgb.XGBRFClassifier, 3, {}),
    (xgb.XGBRegressor, 0, {}),
    (xgb.XGBRegressor, 0, {"booster": "gblinear"}),
    (xgb.XGBRegressor, 0, {"booster": "dart", "rate_drop": 0.5}),
    (xgb.XGBRegressor, 0, {"objective": "count:poisson", "base_score": 0.3}),
    (xgb.XGBRegressor, 0, {"num_parallel_tree": 3, "subsample": 0.5}),
    (xgb.XGBRegressor, 0, {"early_stopping_rounds": 2, "n_estimators": 60}),
    (xgb.XGBRegressor, -2, {}),
    (xgb.XGBRegressor, -2, {"multi_strategy": "multi_output_tree"}),
    (xgb.XGBClassifier, -2, {}),
    (xgb.XGBRFRegressor, 0, {}),
    (xgb.XGBRanker, 0, {}),
]


def fit_wrapper(wrapper, n_classes, params):
    """n_classes: 0 for numbers, negative for several outputs."""
    x, y = make_data()
    params = {"n_estimators": 9, "max_depth": 5, **params}
    fit = {}
    if wrapper is xgb.XGBRanker:
        y, fit = (y > 1).astype(int), {"group": [100, 100, 100]}
    elif n_classes > 0:
        y = np.digitize(y, np.quantile(y, np.linspace(0, 1, n_classes + 1)[1:-1]))
    elif n_classes < 0:
        y = np.stack([y, -y], axis=1)
        y = (y > y.mean(axis=0)).astype(int) if wrapper is xgb.XGBClassifier else y
    if "early_stopping_rounds" in params:
        fit = {"eval_set": [(x[200:], y[200:])], "verbose": False}
        x, y = x[:200], y[:200]
    return wrapper(**params).fit(x, y, **fit)


@pytest.mark.parametrize("wrapper, n_classes, params", WRAPPERS)
def test_wrappers(predictor, wrapper, n_classes, params):
    x, _ = make_data()
    model = reload(fit_wrapper(wrapper, n_classes, params), predictor.folder)
    for options in {}, {"params": PARAMS}:
        load(predictor, model, **options)
        for n_rows in 0, 1, 5, 200:
            assert_same(predictor, model, x[:n_rows])
            assert_same(predictor, model, x[:n_rows].astype(np.float32))
    assert_same(predictor, model, x, output_margin=True)
    for bounds in (0, 0), (0, 1), (0, 3), (2, 5), (3, 3), (3, 2), (0, 999):
        if model.booster != "dart" or bounds != (3, 3):
            assert_same(predictor, model, x[:5], iteration_range=bounds)
    if model.booster == "dart":
        with pytest.raises(Refused):  # XGBoost answers what its memory happens to hold
            predictor.predict(x[:5], {"iteration_range": (3, 3)})
    if model.booster != "gblinear":
        with pytest.raises(Refused):  # XGBoost reads outside of its memory
            predictor.predict(x[:5], {"iteration_range": (-1, 2)})


@pytest.mark.parametrize("max_cat_to_onehot", [1, 100])
def test_categories(kernel, max_cat_to_onehot):
    x, y = make_data()
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({"a": x[:, 0], "b": rng.integers(0, 40, 300), "c": rng.integers(0, 3, 300)})
    typed = frame.astype({"b": "category", "c": "category"})
    params = {"max_cat_to_onehot": max_cat_to_onehot, "max_depth": 6}
    model = xgb.train(params, xgb.DMatrix(typed, y, enable_categorical=True), 10)
    model = reload(model, kernel.folder)
    load(kernel, model)
    assert_same(kernel, model, frame)
    assert_same(kernel, model, frame.assign(b=frame.b + 0.5, c=-frame.c.astype(float)))
    assert_same(kernel, model, frame.assign(b=1e9, c=np.nan))


@SLOW
@given(data=st.data())
def test_random_linear_models(predictor, data):
    """Weights and values whose products overflow, vanish or cancel out, one after the other."""
    n_features = data.draw(st.sampled_from([1, 2, 7, 40]))
    n_outputs = data.draw(st.sampled_from([1, 3]))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    objective = "multi:softprob" if n_outputs == 3 else "binary:logistic"
    file = model_of_sums(objective, np.zeros((2, n_outputs)), "[3E-1]")
    weights = rng.normal(size=(n_features + 1) * n_outputs).astype(np.float32)
    odd = rng.choice([*SPECIAL, 3e38], size=weights.shape)
    weights = np.where(rng.random(weights.shape) < 0.1, odd, weights).astype(np.float32)
    learner = file["learner"]
    learner["learner_model_param"]["num_feature"] = str(n_features)
    learner["gradient_booster"] = {
        "name": "gblinear",
        "model": {"boosted_rounds": 1, "weights": [float(w) for w in weights]},
    }
    x = rows(rng, 50, n_features, [*SPECIAL, *rng.normal(size=20)], categories=0)
    with np.errstate(over="ignore"):
        assert_same_file(predictor, file, x)


# Inputs --------------------------------------------------------------------------------------


def odd_inputs():
    """Inputs that XGBoost takes, and such that make it raise."""
    x = np.array([[1.5, -2, 3], [0.25, 4, np.nan]])
    good = pd.DataFrame(x, columns=list("abc"))
    yield "frame", good
    yield "no rows", good[:0]
    yield "infinite", good.replace(1.5, np.inf)
    yield "too large", good.replace(1.5, -1e300)
    yield "a column more", good.assign(d=1.0)
    yield "another order", good[["b", "a", "c"]]
    yield "numbered", pd.DataFrame(x)
    yield "two alike", pd.DataFrame(x, columns=list("aac"))
    yield "bracket", pd.DataFrame(x, columns=["a[", "b", "c"])
    yield "integers", good.assign(a=[2**60 + 1, -7], b=np.array([3, 4], np.int32))
    yield "booleans", good.assign(a=[True, False])
    yield "narrow", good.astype(np.float32)
    yield "texts", good.assign(a=["1", "2"])
    yield "objects", good.assign(a=pd.Series([1.0, None], dtype=object))
    yield "dates", good.assign(a=pd.to_datetime([1, 2]))
    yield "array", x
    yield "no row", x[:0]
    yield "infinite array", np.where(x == 1.5, np.inf, x)
    yield "wide array", np.hstack([x, x])
    yield "one dimension", x[0]
    yield "three dimensions", x[None]
    yield "integer array", x[:1].astype(np.int64) + 2**40
    yield "unsigned array", x[:1].astype(np.uint8)
    yield "boolean array", x > 1
    yield "half array", x.astype(np.float16)
    yield "object array", np.array([[None, True, 2.5], [7, "1e3", 1]], dtype=object)
    yield "object array of words", np.array([["x", 1, 2]], dtype=object)
    yield "texts array", x.astype(str)
    yield "dates array", x[:1].astype("datetime64[ns]")
    yield "dict", {"a": x[:, 0], "b": x[:, 1], "c": x[:, 2]}


@pytest.mark.parametrize("x", [pytest.param(x, id=name) for name, x in odd_inputs()])
@pytest.mark.parametrize("has_names", [True, False])
@pytest.mark.parametrize("booster", ["gbtree", "gblinear"])
@pytest.mark.parametrize("wrapper", [xgb.Booster, xgb.XGBRegressor])
def test_inputs(predictor, wrapper, booster, has_names, x):
    features, y = make_data(n_features=6)
    features = pd.DataFrame(features[:, :3], columns=list("abc"))
    if not has_names:
        features = features.to_numpy()
    if wrapper is xgb.Booster:
        model = xgb.train({"booster": booster}, xgb.DMatrix(features, y), 5)
    else:
        model = wrapper(booster=booster, n_estimators=5).fit(features, y)
    model = reload(model, predictor.folder)
    load(predictor, model)
    assert_same(predictor, model, x)


DTYPES = ["bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"]
DTYPES += ["float16", "float32", "float64", "str", "object", "datetime64[ns]"]
# Doubles that floats round: to themselves, to a neighbour, to infinity, to nothing.
DOUBLES = [0.0, -0.0, 1.0, 0.1, 16777217.0, 1 + 2**-24, 1 + 3 * 2**-24, 1e-46, 1e-45, 1e300]
DOUBLES += [3.4028235677973366e38, 3.4028234663852886e38, -1e300, np.nan, np.inf, -np.inf]


@st.composite
def odd_columns(draw, n_rows):
    dtype = draw(st.sampled_from(DTYPES + 5 * ["float64", "float32", "int64"]))
    if dtype == "object":
        cell = st.one_of(st.none(), st.booleans(), st.integers(-(2**40), 2**40), st.floats())
    elif dtype == "str":
        cell = st.sampled_from(["1", "a", ""])
    elif dtype[0] in "iu":
        info = np.iinfo(dtype)
        edges = [2**24 + 1, 2**53 + 1, info.max - 1, info.max, info.min]
        cell = st.sampled_from([v for v in [0, 1, 3, *edges] if v <= info.max])
    elif dtype == "bool":
        cell = st.booleans()
    elif dtype == "datetime64[ns]":
        cell = st.integers(0, 2**60)
    else:
        cell = st.one_of(st.sampled_from(DOUBLES), st.floats())
    values = draw(st.lists(cell, min_size=n_rows, max_size=n_rows))
    if dtype == "object":
        return pd.Series(values, dtype=object)
    with np.errstate(over="ignore"):
        return pd.Series(np.array(values, "O" if dtype[0] in "iu" else None).astype(dtype))


@pytest.fixture(scope="module", params=["booster", "wrapper", "names", "linear", "stored"])
def saved(request, tmp_path_factory):
    """A model that MLflow saved, as pyfunc loads it, and how mlrace is to load it."""
    x, y = make_data(n_features=6)
    x = np.where(np.isnan(x), 0.1, x)[:, :3] * [1, 1e7, 1]  # thresholds where floats are sparse
    path = tmp_path_factory.mktemp("saved") / "model"
    flavor, options = mlflow.xgboost, {"model_format": "json"}
    if request.param == "booster":
        model = xgb.train({"max_depth": 5}, xgb.DMatrix(x, y), 20)
    elif request.param == "linear":
        model = xgb.XGBRegressor(booster="gblinear", n_estimators=5).fit(x, y)
    elif request.param == "stored":
        model = xgb.XGBClassifier(n_estimators=9).fit(x, y > 1)
        flavor, options = mlflow.sklearn, {"serialization_format": "pickle"}
    else:
        names = list("abc") if request.param == "names" else None
        model = xgb.XGBRegressor(n_estimators=9).fit(pd.DataFrame(x, columns=names), y)
    flavor.save_model(model, path, pip_requirements=["xgboost"], **options)
    conf = mlflow.models.Model.load(path).flavors[flavor.FLAVOR_NAME]
    source = {"flavor": "mlflow.xgboost", "model_class": conf.get("model_class")}
    if flavor is mlflow.sklearn:
        source = {"flavor": "mlflow.sklearn", "serialization_format": "pickle"}
    data_path = path / conf.get("data", conf.get("pickled_model"))
    return mlflow.pyfunc.load_model(str(path)), data_path, source


@SLOW
@given(data=st.data())
def test_pyfunc(predictor, saved, data):
    """Columns of all dtypes, through MLflow."""
    model, path, source = saved
    predictor.load_file(path, **source)
    n_rows = data.draw(st.sampled_from([1, 3, 70]))
    frame = pd.DataFrame({name: data.draw(odd_columns(n_rows)) for name in "abc"})
    try:
        want = model.predict(frame)
    except Exception:
        with pytest.raises(Refused):
            predictor.predict(frame)
        return
    got = predictor.predict(frame)
    assert got.dtype == want.dtype
    np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("wrapper", [xgb.Booster, xgb.XGBRegressor])
@pytest.mark.parametrize("cell", [2, None, "3", "x", np.inf, 1e300, True])
def test_unused_columns(predictor, wrapper, cell):
    """Those that no tree asks for are looked at all the same."""
    x, y = make_data()
    if wrapper is xgb.Booster:
        model = xgb.train({"max_depth": 1}, xgb.DMatrix(x, x[:, 0] > 0), 1)
    else:
        model = wrapper(n_estimators=1, max_depth=1).fit(x, x[:, 0] > 0)
    model = reload(model, predictor.folder)
    load(predictor, model)
    odd = x[:300].astype(object)
    odd[299, 3] = cell
    assert_same(predictor, model, odd)
    if not isinstance(cell, str):
        assert_same(predictor, model, odd.astype(float))
        assert_same(predictor, model, pd.DataFrame(odd.astype(float)))


@pytest.mark.parametrize("wrapper", [xgb.Booster, xgb.XGBRegressor])
def test_names_of_a_signature(serve, save_model, wrapper):
    """A DMatrix takes no bracket in a name, a prediction in place does."""
    x, y = make_data()
    frame = pd.DataFrame(x[:, :2], columns=["length", "wid[th"])
    if wrapper is xgb.Booster:
        model = xgb.train({}, xgb.DMatrix(frame.to_numpy(), y), 3)
    else:
        model = wrapper(n_estimators=3).fit(frame.to_numpy(), y)
    signature = mlflow.models.infer_signature(frame, y)
    body = json.dumps({"dataframe_split": {"columns": list(frame), "data": [[0.5, 2.0]]}})
    folder = save_model(model, signature, flavor="xgboost")
    with serve(folder, "--engine=native") as server:
        answer = server.invoke(body)
    if wrapper is xgb.Booster:
        assert answer.status == 400 and "wid[th" in answer.json()["message"]
    else:
        assert answer.json()["predictions"] == model.predict([[0.5, 2.0]]).tolist()


@pytest.mark.parametrize("wrapper", [xgb.Booster, xgb.XGBRegressor])
def test_fewer_columns(predictor, wrapper):
    """XGBoost takes them for a booster without names, and answers one row otherwise than several."""
    x, y = make_data()
    if wrapper is xgb.Booster:
        model = xgb.train({}, xgb.DMatrix(x, y), 5)
    else:
        model = wrapper(n_estimators=5).fit(x, y)
    load(predictor, model)
    with pytest.raises(Refused):
        predictor.predict(x[:, :2])


def test_one_feature(predictor):
    x, y = make_data()
    model = reload(xgb.XGBRegressor(n_estimators=5).fit(x[:, :1], y), predictor.folder)
    load(predictor, model)
    assert_same(predictor, model, x[:9, 0])
    assert_same(predictor, model, x[:9, :1])


# What is refused -----------------------------------------------------------------------------


def test_refused_params(predictor):
    x, y = make_data()
    booster = xgb.train({}, xgb.DMatrix(x, y), 2)
    wrapper = xgb.XGBRegressor(n_estimators=2).fit(x, y)
    leaf = json.dumps([{"name": "pred_leaf", "default": False, "shape": None, "type": "boolean"}])
    with pytest.raises(Refused, match="pred_leaf"):
        load(predictor, booster, params=leaf)
    load(predictor, wrapper, params=leaf)  # no argument of the wrapper's predict: ignored
    assert_same(predictor, wrapper, x)


def test_refused_files(predictor):
    x, y = make_data()
    wrapper = xgb.XGBRegressor(n_estimators=2).fit(x, y)
    path = predictor.folder / "model.ubj"
    wrapper.save_model(path)
    options = {"flavor": "mlflow.xgboost"}
    for name in "dask.DaskXGBRegressor", "sklearn.XGBModel", "sklearn.XGBClassifier":
        with pytest.raises(Refused, match=name.split(".")[1]):
            predictor.load_file(path, model_class=f"xgboost.{name}", **options)
    model = json.loads(wrapper.get_booster().save_raw("json"))
    for change in "objective", "version":
        damaged = json.loads(json.dumps(model))
        if change == "objective":
            damaged["learner"]["objective"]["name"] = "reg:new"
        else:
            damaged["version"] = [3, 3, 0]
        path = predictor.folder / "model.json"
        path.write_text(json.dumps(damaged))
        with pytest.raises(Refused, match="reg:new|3.3.0"):
            predictor.load_file(path, **options)
    path.write_bytes(b"binf" + bytes(200))
    with pytest.raises(Refused, match="binary format"):
        predictor.load_file(path, **options)


def test_refused_sets(predictor):
    """A small file cannot ask for gigabytes of categories, nor for reading them again and again."""
    x, y = make_data()
    codes = np.random.default_rng(0).integers(0, 40, size=(300, 2))
    matrix = xgb.DMatrix(codes, y, feature_types=["c", "c"], enable_categorical=True)
    booster = xgb.train({"max_cat_to_onehot": 1, "max_depth": 6}, matrix, 20)
    for fault, reason in ("large", "so many bits"), ("shared", "not among those of the tree"):
        model = json.loads(booster.save_raw("json"))
        for tree in model["learner"]["gradient_booster"]["model"]["trees"]:
            n_all, n = len(tree["categories"]), len(tree["categories_nodes"])
            if fault == "large":
                tree["categories"] = [2**24 - 1] * n_all
            elif n > 1:
                tree.update(categories_segments=[0] * n, categories_sizes=[n_all] * n)
        path = predictor.folder / "model.json"
        path.write_text(json.dumps(model))
        with pytest.raises(Refused, match=reason):
            predictor.load_file(path, flavor="mlflow.xgboost")


def test_refused_vectors(predictor):
    """Leaves cannot share their values: a few would do for any number of leaves."""
    x, y = make_data()
    y = np.stack([y, -y], axis=1)
    booster = xgb.train({"multi_strategy": "multi_output_tree"}, xgb.DMatrix(x, y), 1)
    model = json.loads(booster.save_raw("json"))
    tree = model["learner"]["gradient_booster"]["model"]["trees"][0]
    leaves = [i for i, child in enumerate(tree["left_children"]) if child == -1]
    for leaf in leaves:
        tree["right_children"][leaf] = 0
    tree["leaf_weights"] = tree["leaf_weights"][:2]
    path = predictor.folder / "model.json"
    path.write_text(json.dumps(model))
    with pytest.raises(Refused, match="not in the tree"):
        predictor.load_file(path, flavor="mlflow.xgboost")


@pytest.mark.parametrize("content", ["ubj", "json"])
@pytest.mark.parametrize("suffix", ["", ".xgb", ".model"])
def test_other_suffixes(predictor, suffix, content):
    """XGBoost guesses the format."""
    x, y = make_data()
    booster = xgb.train({}, xgb.DMatrix(x, y), 3)
    path = predictor.folder / f"other{suffix}"
    path.write_bytes(booster.save_raw(content))
    predictor.load_file(path, flavor="mlflow.xgboost")
    assert_same(predictor, xgb.Booster(model_file=path), x)


def test_base_wrapper(predictor):
    x, y = make_data()
    model = reload(xgb.XGBModel(n_estimators=3).fit(x, y), predictor.folder)
    load(predictor, model)
    assert_same(predictor, model, x)


def test_query_column(predictor):
    """XGBRanker leaves out a column of that name."""
    x, y = make_data()
    frame = pd.DataFrame(x[:, :2], columns=["a", "b"]).assign(qid=np.arange(300) // 30)
    model = reload(xgb.XGBRanker(n_estimators=3).fit(frame, (y > 1).astype(int)), predictor.folder)
    load(predictor, model)
    for odd in (
        frame,
        frame[["qid", "a", "b"]],
        frame[["a", "b"]],
        frame[["b", "a"]],
        frame.assign(qid="x"),
        frame.iloc[:, [0, 1, 2, 2]],
        frame.to_numpy(),
        frame[["a", "b"]].to_numpy(),
    ):
        assert_same(predictor, model, odd)


# Wrappers that mlflow.sklearn saves ---------------------------------------------------------


def assert_same_method(predictor, model, method, x):
    try:
        want = getattr(model, method)(x)
    except Exception:
        with pytest.raises(Refused):
            predictor.predict(x)
        return
    got = predictor.predict(x, {"output_margin": True})  # params go nowhere
    assert got.dtype == want.dtype
    np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("stored", ["pickle", "cloudpickle", "skops"])
@pytest.mark.parametrize("wrapper, n_classes, params", WRAPPERS)
def test_stored_wrappers(predictor, wrapper, n_classes, params, stored):
    x, _ = make_data()
    model = fit_wrapper(wrapper, n_classes, params)
    for method in "predict", "predict_proba":
        if method == "predict" or n_classes and wrapper is not xgb.XGBRegressor:
            if method == "predict_proba" and params.get("objective") == "multi:softmax":
                with pytest.raises(Refused, match="multi:softmax"):
                    predictor.load(model, method, stored)
                continue
            predictor.load(model, method, stored)
            for n_rows in 0, 1, 5, 200:
                assert_same_method(predictor, model, method, x[:n_rows])
        else:
            with pytest.raises(Refused, match="has no method"):
                predictor.load(model, method, stored)


@pytest.mark.parametrize("booster", ["gbtree", "gblinear"])
@pytest.mark.parametrize("missing", [-999, -999.0, 0, 1.5, 2.0**100, 0.1, np.inf, None])
def test_missing(predictor, missing, booster):
    x, y = make_data()
    x[::3, 0] = missing if isinstance(missing, (int, float)) and np.isfinite(missing) else 0
    model = xgb.XGBRegressor(n_estimators=3, booster=booster).fit(x, y)
    model.missing = missing
    if missing is None or missing in (np.inf, 0.1):
        with pytest.raises(Refused, match="missing"):
            predictor.load(model, stored="pickle")
        return
    predictor.load(model, stored="pickle")
    frame = pd.DataFrame(x, columns=list("abcdef"))
    whole = np.nan_to_num(x, nan=-999).clip(-1e9, 1e9).astype(np.int64)
    for odd in x, frame, frame.astype(np.float32), whole:
        assert_same_method(predictor, model, "predict", odd)


def test_changed_wrappers(predictor):
    """Attributes that no longer fit the model inside."""
    x, y = make_data()
    y = (y > 1).astype(int)
    for changes in (
        {"booster": "gblinear"},
        {"objective": "multi:softmax"},
        {"n_classes_": 3},
        {"_Booster": None},
        {"missing": "x"},
    ):
        model = xgb.XGBClassifier(n_estimators=2).fit(x, y)
        vars(model).update(changes)
        with pytest.raises(Refused, match="XGBClassifier"):
            predictor.load(model, stored="pickle")
    with pytest.raises(Refused, match="not fitted"):
        predictor.load(xgb.XGBRegressor(), stored="pickle")
