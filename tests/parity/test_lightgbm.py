"""LightGBM's models in the tree engine against LightGBM itself: random and trained models, random
and odd inputs, every kernel that this processor has.

Predictions must be the same bits, leaves the same, labels and dtypes too, and whatever makes
LightGBM raise must be refused.
"""

import os
import pickle

os.environ.setdefault("OMP_NUM_THREADS", "1")  # threads that wait for each other take their time

import cloudpickle
import hypothesis.strategies as st
import lightgbm as lgb
import numpy as np
import pandas as pd
import pytest
import skops.io
from hypothesis import HealthCheck, given, settings
from predictor import Predictor, Refused, tree_kernels

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

SLOW = settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
QUIET = {"verbose": -1, "num_threads": 1, "min_data_in_leaf": 2}

# Values where a comparison, a conversion or a sum could go wrong; 1e-35 is LightGBM's zero.
ZERO = float(np.float32(1e-35))
SPECIAL = [
    *(0.0, -0.0, 5e-324, -5e-324, 2.2250738585072014e-308, 1.7976931348623157e308, 1e300, -1e300),
    *(0.1, -0.1, 1.0, -1.0, 0.1 + 2**-55, 16777217.0, 2.0**31, 2.0**53 + 2, -(2.0**63)),
    *(ZERO, -ZERO, np.nextafter(ZERO, 1), np.nextafter(-ZERO, -1), 1e-36, 1.1754943508222875e-38),
]


def start(tmp_path_factory, env):
    folder = tmp_path_factory.mktemp("models")
    predictor = Predictor(folder, env=env)
    predictor.folder = folder
    yield predictor
    predictor.close()


@pytest.fixture(scope="module")
def predictor(tmp_path_factory):
    yield from start(tmp_path_factory, {})


@pytest.fixture(scope="module", params=tree_kernels())
def each_predictor(request, tmp_path_factory):
    yield from start(tmp_path_factory, {"MLRACE_TREE_KERNEL": request.param})


# How MLflow saves and loads them (mlflow/lightgbm/__init__.py, _save_model and _load_model).


def load_text(predictor, text, **options):
    """A booster in the engine, and in LightGBM."""
    path = predictor.folder / "model.lgb"
    path.write_text(text)
    model = lgb.Booster(model_file=path)
    said = predictor.load_file(
        path, flavor="mlflow.lightgbm", model_class="lightgbm.basic.Booster", **options
    )
    return model, said


def load_booster(predictor, booster):
    path = predictor.folder / "saved.lgb"
    booster.save_model(path)
    return load_text(predictor, path.read_text())[0]


def load_wrapper(predictor, model, stored, **options):
    path = predictor.folder / f"model.{stored}"
    if stored == "skops":
        skops.io.dump(model, path)
        fresh = skops.io.load(path, trusted=skops.io.get_untrusted_types(file=path))
    else:
        library = {"pickle": pickle, "cloudpickle": cloudpickle}[stored]
        path.write_bytes(library.dumps(model))
        fresh = pickle.loads(path.read_bytes())
    name = type(model).__name__
    options = {"flavor": "mlflow.lightgbm", "model_class": f"lightgbm.sklearn.{name}", **options}
    predictor.load_file(path, serialization_format=stored, **options)
    return fresh


def assert_equal(got, want):
    assert got.dtype == want.dtype or (got.dtype == object and want.dtype.kind == "U")
    assert got.shape == want.shape
    if want.dtype == np.float64:
        got, want = (np.where(np.isnan(x), np.nan, x).view(np.uint64) for x in (got, want))
    np.testing.assert_array_equal(got, want)


def assert_same(predictor, model, x, method="predict"):
    """The same answer, to the bit, or a refusal where LightGBM raises."""
    try:
        want = getattr(model, method)(x)
    except Exception:
        with pytest.raises(Refused):
            predictor.predict(x)
        return
    assert_equal(predictor.predict(x), want)


# Random models -------------------------------------------------------------------------------


def number(value):
    return f"{value:.17g}"


def join(values):
    return " ".join(map(str, values))


def tree_text(rng, shape, n_splits, n_features, thresholds, leaves, n_categories, is_linear):
    """A tree as Tree::ToString writes it. Leaves are numbered as LightGBM does when it splits."""
    left, right = [], []
    feature, decisions, values = [], [], []
    bounds, words = [0], []
    parents = {0: None}
    order = [0]
    for split in range(n_splits):
        if shape == "complete":
            leaf = order.pop(0)
        else:
            leaf = order.pop(-1 if shape == "chain" else int(rng.integers(len(order))))
        if parents[leaf]:
            side, parent = parents[leaf]
            side[parent] = split
        left.append(~leaf), right.append(~(split + 1))
        parents[leaf], parents[split + 1] = (left, split), (right, split)
        order += [leaf, split + 1]
        feature.append(int(rng.integers(n_features)))
        if n_categories and rng.random() < 0.4:
            n_words = int(rng.integers(1, n_categories // 32 + 2))
            words += rng.integers(2**32, size=n_words).tolist()
            decisions.append(1 | int(rng.integers(2)) << 1 | int(rng.integers(3)) << 2)
            values.append(str(len(bounds) - 1))
            bounds.append(len(words))
        else:
            decisions.append(int(rng.integers(2)) << 1 | int(rng.integers(3)) << 2)
            values.append(number(rng.choice(thresholds)))
    n = n_splits + 1
    lines = [
        f"num_leaves={n}",
        f"num_cat={len(bounds) - 1}",
        f"split_feature={join(feature)}",
        f"split_gain={join([1] * n_splits)}",
        f"threshold={join(values)}",
        f"decision_type={join(decisions)}",
        f"left_child={join(left)}",
        f"right_child={join(right)}",
        f"leaf_value={join(number(leaves(rng, leaf)) for leaf in range(n))}",
        f"leaf_weight={join([1] * n)}",
        f"leaf_count={join([1] * n)}",
        f"internal_value={join([0] * n_splits)}",
        f"internal_weight={join([0] * n_splits)}",
        f"internal_count={join([1] * n_splits)}",
    ]
    if len(bounds) > 1:
        lines += [f"cat_boundaries={join(bounds)}", f"cat_threshold={join(words)}"]
    lines.append(f"is_linear={int(is_linear)}")
    if is_linear:
        terms = [rng.integers(n_features, size=rng.integers(4)).tolist() for _ in range(n)]
        slopes = [[number(rng.choice(SLOPES)) for _ in each] for each in terms]
        lines += [
            f"leaf_const={join(number(rng.normal()) for _ in range(n))}",
            f"num_features={join(map(len, terms))}",
            "leaf_features=" + "".join(f"{join(each)}  " if each else " " for each in terms),
            "leaf_coeff=" + "".join(f"{join(each)}  " if each else " " for each in slopes),
        ]
    lines.append("shrinkage=0.1")
    return "\n".join(lines) + "\n\n\n"


SLOPES = [0.1, -3.0, 1e-300, 2.5e17, 1 / 3]
SUMS = [0.1, -0.1, 1 / 3, 1e-3, 1e16, -1e16, 1e-300, 5e-324, 0.0, -0.0, 7.25]


def some_leaf(rng, leaf):
    return rng.choice(SUMS) if rng.random() < 0.5 else rng.normal()


def model_text(trees, n_features, n_outputs=1, objective=None, is_average=False, version="v4"):
    trees = [f"Tree={i}\n{tree}" for i, tree in enumerate(trees)]
    lines = [
        "tree",
        f"version={version}",
        f"num_class={n_outputs}",
        f"num_tree_per_iteration={n_outputs}",
        "label_index=0",
        f"max_feature_idx={n_features - 1}",
        *([f"objective={objective}"] if objective else []),
        *(["average_output"] if is_average else []),
        f"feature_names={join(f'Column_{i}' for i in range(n_features))}",
        f"feature_infos={join(['[-1:1]'] * n_features)}",
        f"tree_sizes={join(map(len, trees))}",
    ]
    end = "end of trees\n\nfeature_importances:\n\npandas_categorical:null\n"
    return "\n".join(lines) + "\n\n" + "".join(trees) + end


OBJECTIVES = {
    None: 1,
    "regression": 1,
    "regression sqrt": 1,
    "regression_l1": 1,
    "huber": 1,
    "fair sqrt": 1,
    "quantile": 1,
    "mape": 1,
    "poisson": 1,
    "gamma": 1,
    "tweedie": 1,
    "binary sigmoid:1": 1,
    "binary sigmoid:0.7": 1,
    "binary sigmoid:1.3e-05": 1,
    "binary sigmoid:0.12345678901234567890123456789": 1,
    "binary sigmoid:123456789.87654321e+2": 1,
    "multiclass num_class:3": 3,
    "multiclassova num_class:4 sigmoid:1.7": 4,
    "cross_entropy": 1,
    "cross_entropy_lambda": 1,
    "lambdarank": 1,
    "rank_xendcg": 1,
}


def some_thresholds(rng):
    n = int(rng.choice([3, 30, 1000]))
    values = np.concatenate([rng.normal(size=n), SPECIAL, [np.inf, -np.inf, np.nan]])
    return rng.choice(values, size=n)


def some_trees(rng, data, n_trees, n_features, leaves=some_leaf, n_categories=0, is_linear=False):
    thresholds = some_thresholds(rng)
    shape = data.draw(st.sampled_from(["bushy", "chain", "complete"]))
    n_splits = data.draw(st.sampled_from([0, 1, 2, 5, 30, 31, 63, 64, 100, 300]))
    options = leaves, n_categories, is_linear
    trees = [
        tree_text(rng, shape, n_splits, n_features, thresholds, *options) for _ in range(n_trees)
    ]
    return trees, thresholds


def some_rows(rng, n_rows, n_features, thresholds, n_categories=0):
    near = rng.choice(thresholds, size=(n_rows, n_features))
    with np.errstate(over="ignore"):
        near = np.nextafter(near, rng.choice([-np.inf, 0, np.inf], size=near.shape))
    odd = np.concatenate([SPECIAL, [np.inf, -np.inf]])
    x = np.where(rng.random(near.shape) < 0.5, near, rng.normal(size=near.shape))
    x = np.where(rng.random(near.shape) < 0.3, rng.choice(odd, size=near.shape), x)
    if n_categories:
        codes = rng.integers(-2, n_categories + 70, size=x.shape) + rng.choice([0, 0, 0.5, -0.5])
        x = np.where(rng.random(x.shape) < 0.6, codes, x)
    return np.where(rng.random(x.shape) < rng.choice([0, 0.1]), np.nan, x)


@pytest.mark.parametrize("kind", ["numbers", "categories", "average", "linear"])
@SLOW
@given(data=st.data())
def test_random_models(each_predictor, kind, data):
    predictor = each_predictor
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    objective = data.draw(st.sampled_from(list(OBJECTIVES)))
    n_outputs = OBJECTIVES[objective]
    n_features = data.draw(st.sampled_from([1, 2, 7, 60]))
    n_categories = data.draw(st.sampled_from([3, 40, 300])) if kind == "categories" else 0
    n_categories = data.draw(st.sampled_from([0, 40])) if kind == "linear" else n_categories
    n_trees = n_outputs * data.draw(st.sampled_from([1, 2, 17]))
    options = some_leaf, n_categories, kind == "linear"
    trees, thresholds = some_trees(rng, data, n_trees, n_features, *options)
    text = model_text(trees, n_features, n_outputs, objective, kind == "average")
    model, _ = load_text(predictor, text)
    n_rows = data.draw(st.sampled_from([1, 2, 7, 9, 64, 65, 200]))
    x = some_rows(rng, n_rows, n_features, thresholds, n_categories)
    with np.errstate(all="ignore"):
        assert_same(predictor, model, x)
        assert_same(predictor, model, x.astype(np.float32))
        assert_same(predictor, model, pd.DataFrame(x))


@SLOW
@given(data=st.data())
def test_leaves(each_predictor, data):
    predictor = each_predictor
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    n_categories = data.draw(st.sampled_from([0, 40]))
    trees, thresholds = some_trees(
        rng, data, 1, 5, leaves=lambda rng, leaf: leaf, n_categories=n_categories
    )
    model, _ = load_text(predictor, model_text(trees, 5))
    for n_rows in 1, 100:
        x = some_rows(rng, n_rows, 5, thresholds, n_categories)
        want = model.predict(x, pred_leaf=True)
        np.testing.assert_array_equal(predictor.predict(x), want[:, 0])


def test_many_features(predictor):
    """LightGBM goes another way with rows of more than 100000 features that are mostly zero."""
    rng = np.random.default_rng(0)
    for is_linear in False, True:
        trees = [
            tree_text(rng, "bushy", 60, 100001, [-0.5, 0.0, 0.5], some_leaf, 0, is_linear)
            for _ in range(9)
        ]
        model, _ = load_text(predictor, model_text(trees, 100001))
        x = np.where(rng.random((4, 100001)) < 0.005, rng.normal(size=(4, 100001)), 0)
        x[1:3] = np.where(rng.random((2, 100001)) < 0.3, np.nan, x[1:3])
        assert_same(predictor, model, x)


# Trained models ------------------------------------------------------------------------------


def make_data(n_rows=300, n_features=6, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n_rows, n_features)) * [1, 10, 1e-3, 1, 100, 1]
    x[rng.random(x.shape) < 0.05] = np.nan
    x[rng.random(x.shape) < 0.05] = 0
    return x, np.abs(np.nan_to_num(x[:, 0]) + rng.normal(size=n_rows))


TRAINED = [
    *({"objective": name} for name in ("regression", "regression_l1", "huber", "fair", "poisson")),
    *({"objective": name} for name in ("quantile", "mape", "gamma", "tweedie")),
    {"objective": "regression", "reg_sqrt": True},
    *({"objective": name} for name in ("binary", "cross_entropy", "cross_entropy_lambda")),
    {"objective": "binary", "sigmoid": 0.3},
    {"objective": "multiclass", "num_class": 4},
    {"objective": "multiclassova", "num_class": 4, "sigmoid": 1.7},
    *({"objective": name} for name in ("lambdarank", "rank_xendcg")),
    {"objective": "binary", "boosting": "dart", "drop_rate": 0.5},
    {"objective": "binary", "boosting": "rf", "bagging_freq": 1, "bagging_fraction": 0.6},
    {"objective": "multiclass", "num_class": 4, "boosting": "rf", "feature_fraction": 0.5},
    {"objective": "regression", "zero_as_missing": True},
    {"objective": "regression", "use_missing": False},
    {"objective": "regression", "boosting": "goss"},
    {"objective": "regression", "monotone_constraints": [1, 0, 0, 0, 0, -1]},
    {"objective": "regression", "max_bin": 3, "extra_trees": True},
    {"objective": "regression", "min_data_in_leaf": 1000},
    {"objective": "binary", "pred_early_stop": True, "pred_early_stop_margin": 0.01},
    {"objective": "regression", "linear_tree": True},
    {"objective": "multiclass", "num_class": 4, "linear_tree": True, "boosting": "dart"},
]


@pytest.mark.parametrize("params", TRAINED, ids=str)
def test_objectives(predictor, params):
    x, y = make_data()
    group = None
    if params["objective"].startswith(("lambda", "rank", "multi")):
        y = np.minimum(y.astype(int), 3)
        group = None if params["objective"].startswith("multi") else [50] * 6
    elif params["objective"] in ("binary", "cross_entropy", "cross_entropy_lambda"):
        y = (y > 0.8).astype(float)
    else:
        y = y + 0.1
    kept = {name: params[name] for name in ("zero_as_missing", "linear_tree") if name in params}
    data = lgb.Dataset(x, y, group=group, params=kept)
    if params.get("boosting") == "rf":
        params = {"bagging_freq": 1, "bagging_fraction": 0.6, **params}
    model = load_booster(predictor, lgb.train({**QUIET, **params}, data, 12))
    for n_rows in 1, 5, 300:
        assert_same(predictor, model, x[:n_rows])
        assert_same(predictor, model, x[:n_rows].astype(np.float32))
        assert_same(predictor, model, pd.DataFrame(x[:n_rows]))


def test_custom_objective(predictor):
    x, y = make_data()

    def loss(scores, data):
        return scores - data.get_label(), np.ones_like(scores)

    model = lgb.train({**QUIET, "objective": loss}, lgb.Dataset(x, y), 5)
    assert_same(predictor, load_booster(predictor, model), x)


def test_categories(predictor):
    x, y = make_data()
    rng = np.random.default_rng(1)
    codes = {"b": rng.integers(0, 90, 300), "c": rng.integers(0, 3, 300)}
    frame = pd.DataFrame({"a": x[:, 0], **codes})
    data = lgb.Dataset(frame, y, categorical_feature=["b", "c"])
    params = {**QUIET, "min_data_per_group": 1, "cat_smooth": 0, "max_cat_to_onehot": 2}
    model = load_booster(predictor, lgb.train(params, data, 10))
    assert "cat_boundaries" in model.model_to_string()
    assert_same(predictor, model, frame)
    assert_same(predictor, model, frame.assign(b=frame.b + 0.5, c=-frame.c.astype(float)))
    assert_same(predictor, model, frame.assign(b=1e9, c=np.nan))
    for value in -0.5, -1, 2.0**31, 2.0**32 + 1, np.inf, -np.inf, 1e300, 90, 1e-40:
        assert_same(predictor, model, frame.assign(b=value, c=value))


def test_pandas_categories(predictor):
    """Requests have no categorical columns, and LightGBM refuses tables without them."""
    x, y = make_data()
    frame = pd.DataFrame(x[:, :2], columns=["a", "b"]).assign(
        c=pd.Categorical(np.where(y > 1, "x", "y"))
    )
    model = load_booster(predictor, lgb.train(QUIET, lgb.Dataset(frame, y), 5))
    assert_same(predictor, model, frame.assign(c=1.0))
    assert_same(predictor, model, frame.assign(c=1.0).to_numpy(float))
    wrapper = lgb.LGBMRegressor(**QUIET, n_estimators=5).fit(frame, y)
    for stored in "skops", "pickle":
        fresh = load_wrapper(predictor, wrapper, stored)
        assert_same(predictor, fresh, frame.assign(c=1.0))
        assert_same(predictor, fresh, frame.assign(c=1.0).to_numpy(float))


def test_best_iteration(predictor):
    """A saved booster is cut at its best iteration; a pickled one remembers it."""
    x, y = make_data()
    data = [lgb.Dataset(x[:200], y[:200]), lgb.Dataset(x[200:], y[200:])]
    stop = [lgb.early_stopping(2, verbose=False)]
    booster = lgb.train(
        QUIET, data[0], 60, valid_sets=data[1:], callbacks=stop, keep_training_booster=True
    )
    assert 0 < booster.best_iteration < booster.num_trees()
    assert_same(predictor, load_booster(predictor, booster), x)
    for best in -1, 0, 1, 4, 9, 10:
        wrapper = lgb.LGBMRegressor(**QUIET, n_estimators=9).fit(x, y)
        wrapper.booster_.best_iteration = best
        for stored in "skops", "cloudpickle":
            assert_same(predictor, load_wrapper(predictor, wrapper, stored), x)


LABELS = {
    "texts": np.array(["no", "yes", "ümlaut"]),
    "objects": np.array(["no", "yes", "maybe"], dtype=object),
    "integers": np.array([7, -3, 2**40]),
    "booleans": np.array([False, True]),
    "floats": np.array([2.0, 5.0, -1.0]),
}
WRAPPERS = [
    (lgb.LGBMClassifier, 2, {}),
    (lgb.LGBMClassifier, 3, {}),
    (lgb.LGBMClassifier, 3, {"objective": "ova"}),
    (lgb.LGBMClassifier, 2, {"objective": "cross_entropy"}),
    (lgb.LGBMClassifier, 2, {"objective": "multiclass", "num_class": 2}),
    (lgb.LGBMClassifier, 3, {"boosting_type": "dart"}),
    (lgb.LGBMClassifier, 2, {"class_weight": "balanced", "n_jobs": -1, "random_state": 3}),
    (lgb.LGBMRegressor, 0, {}),
    (lgb.LGBMRegressor, 0, {"objective": "tweedie", "importance_type": "gain"}),
    (lgb.LGBMRegressor, 0, {"boosting_type": "rf", "subsample_freq": 1, "subsample": 0.5}),
    (lgb.LGBMRanker, 0, {}),
]


@pytest.mark.parametrize("stored", ["skops", "pickle", "cloudpickle"])
@pytest.mark.parametrize("wrapper, n_classes, params", WRAPPERS)
def test_wrappers(predictor, wrapper, n_classes, params, stored):
    """n_classes: 0 for numbers."""
    x, y = make_data()
    params = {**QUIET, "n_estimators": 9, **params}
    fit = {}
    if wrapper is lgb.LGBMRanker:
        y, fit = (y > 1).astype(int), {"group": [100, 100, 100]}
    for labels in LABELS if n_classes else ["numbers"]:
        target = y + 0.1 if wrapper is lgb.LGBMRegressor else y
        if n_classes:
            classes = np.digitize(y, np.quantile(y, np.linspace(0, 1, n_classes + 1)[1:-1]))
            if n_classes > len(LABELS[labels]):
                continue
            target = LABELS[labels][classes]
        model = wrapper(**params).fit(x, target, **fit)
        fresh = load_wrapper(predictor, model, stored)
        for n_rows in 0, 1, 5, 200:
            assert_same(predictor, fresh, x[:n_rows])
            assert_same(predictor, fresh, x[:n_rows].astype(np.float32))
            assert_same(predictor, fresh, pd.DataFrame(x[:n_rows]))


@pytest.mark.parametrize("stored", ["skops", "pickle"])
@pytest.mark.parametrize("method", ["predict", "predict_proba"])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_wrappers_of_sklearn(predictor, n_classes, method, stored):
    """As mlflow.sklearn saves them."""
    x, y = make_data()
    y = np.digitize(y, np.quantile(y, np.linspace(0, 1, n_classes + 1)[1:-1]))
    model = lgb.LGBMClassifier(**QUIET, n_estimators=9).fit(x, LABELS["texts"][y])
    predictor.load(model, method, stored)
    for n_rows in 0, 1, 5, 200:
        assert_same(predictor, model, x[:n_rows], method)
        assert_same(predictor, model, pd.DataFrame(x[:n_rows]), method)
    with pytest.raises(Refused, match="score"):
        predictor.load(model, "score", stored)
    with pytest.raises(Refused, match="predict_proba"):
        predictor.load(lgb.LGBMRegressor(**QUIET).fit(x, y), "predict_proba", stored)


def test_equal_classes(predictor):
    """The first of equal probabilities wins, as with numpy.argmax."""
    x, y = make_data()
    model = lgb.LGBMClassifier(**{**QUIET, "min_data_in_leaf": 1000}, n_estimators=2)
    fresh = load_wrapper(predictor, model.fit(x, np.arange(300) % 2), "skops")
    assert_same(predictor, fresh, x)


@pytest.mark.parametrize("method", ["predict", "predict_proba"])
def test_one_class(predictor, method):
    """LightGBM learns two all the same, and raises where it finds the other."""
    x, y = make_data()
    model = lgb.LGBMClassifier(**QUIET, n_estimators=2).fit(x, np.full(300, "only"))
    for steep in False, True:
        if steep:
            rng = np.random.default_rng(0)
            tree = tree_text(rng, "bushy", 9, 6, x[0], some_leaf, 0, False)
            text = model_text([tree], 6, objective="binary sigmoid:1")
            state = model.__dict__["_Booster"].__getstate__()
            model.__dict__["_Booster"].__setstate__({**state, "_handle": text})
        predictor.load(model, method, "pickle")
        for row in range(40):
            assert_same(predictor, model, x[row : row + 1], method)


# Inputs --------------------------------------------------------------------------------------


def odd_inputs():
    """Inputs that LightGBM takes, and such that make it raise."""
    x = np.array([[1.5, -2, 3], [0.25, 4, np.nan]])
    good = pd.DataFrame(x, columns=list("abc"))
    yield "frame", good
    yield "no rows", good[:0]
    yield "infinite", good.replace(1.5, np.inf)
    yield "a column more", good.assign(d=1.0)
    yield "a column less", good[["a", "b"]]
    yield "another order", good[["b", "a", "c"]]
    yield "numbered", pd.DataFrame(x)
    yield "two alike", pd.DataFrame(x, columns=list("aac"))
    yield "integers", good.assign(a=[2**60 + 1, -7], b=np.array([3, 4], np.int32))
    yield "booleans", good.assign(a=[True, False])
    yield "only booleans", good > 1
    yield "small integers", good.fillna(0).astype(np.int16).assign(a=np.array([1, 2], np.uint8))
    yield "long integers", pd.DataFrame(np.array([[2**60 + 1, 2**53 + 1, 16777217]] * 2))
    yield "unsigned", pd.DataFrame(np.array([[2**64 - 1, 2**53 + 1, 16777217]] * 2, np.uint64))
    yield "narrow", good.astype(np.float32)
    yield "texts", good.assign(a=["1", "2"])
    yield "objects", good.assign(a=pd.Series([1.0, None], dtype=object))
    yield "dates", good.assign(a=pd.to_datetime([1, 2]))
    yield "only dates", good.fillna(0).apply(pd.to_datetime)
    yield "array", x
    yield "no row", x[:0]
    yield "infinite array", np.where(x == 1.5, np.inf, x)
    yield "wide array", np.hstack([x, x])
    yield "one dimension", x[0]
    yield "three dimensions", x[None]
    yield "integer array", np.array([[2**40 + 1, 16777217, -(2**60) - 2**36 - 1]])
    yield "unsigned array", np.array([[2**64 - 1, 16777217, 2**60 + 2**36 + 1]], np.uint64)
    yield "small array", x[:1].astype(np.uint8)
    yield "boolean array", x > 1
    yield "half array", x.astype(np.float16)
    yield "object array", np.array([[None, True, 0.1], [7, "1e3", 1]], dtype=object)
    yield "object array of words", np.array([["x", 1, 2]], dtype=object)
    yield "object array of large integers", np.array([[2**70, 2**40 + 1, 16777217]], dtype=object)
    yield "texts array", x.astype(str)
    yield "words array", np.array([["x", "1", "2"]])
    yield "bytes array", x.astype(str).astype(bytes)
    yield "dates array", (x[:1] * 1e18).astype("datetime64[ns]")
    yield "dict", {"a": x[:, 0], "b": x[:, 1], "c": x[:, 2]}


def test_unused_features(predictor):
    """What is no number is refused in features that no tree asks for, too."""
    rng = np.random.default_rng(0)
    text = model_text([tree_text(rng, "bushy", 9, 1, [0.5, 1.5], some_leaf, 0, False)], 3)
    for is_wrapped in False, True:
        model, _ = load_text(predictor, text)
        if is_wrapped:
            model = load_wrapper(predictor, rewrapped(text), "pickle")
        for cell in "x", "1.5", "", 2.5, None, [1]:
            objects = np.array([[1.0, 2, 3]], dtype=object)
            objects[0, 1] = cell
            assert_same(predictor, model, objects)
        for cell in "x", "1.5", "nan", "1_0", " 7 ":
            assert_same(predictor, model, np.array([["1", cell, "3"]]))
            assert_same(predictor, model, np.array([["1", cell, "3"]]).astype(bytes))


def rewrapped(text):
    """A regressor around a booster of that text, with 3 features."""
    x, y = make_data()
    model = lgb.LGBMRegressor(**QUIET, n_estimators=1).fit(x[:, :3], y)
    booster = model.__dict__["_Booster"]
    booster.__setstate__({**booster.__getstate__(), "_handle": text})
    return model


def steep_model():
    """A booster whose answers tell values apart that differ in the last bits."""
    x = np.array([[2**40, 16777216, 2.0**60], [2**40 + 2, 16777217, 2.0**60 + 2**37], [0.1, 1, 2]])
    edges = np.concatenate([np.nextafter(x, -np.inf), x, np.nextafter(x, np.inf)])
    rng = np.random.default_rng(0)
    trees = [
        tree_text(rng, "bushy", 40, 3, edges.ravel(), some_leaf, 0, False) for _ in range(20)
    ]
    return model_text(trees, 3)


@pytest.mark.parametrize("x", [pytest.param(x, id=name) for name, x in odd_inputs()])
def test_inputs(predictor, x):
    model, _ = load_text(predictor, steep_model())
    assert_same(predictor, model, x)


@pytest.mark.parametrize("x", [pytest.param(x, id=name) for name, x in odd_inputs()])
@pytest.mark.parametrize("has_names", [True, False])
@pytest.mark.parametrize("wrapper", [lgb.LGBMRegressor, lgb.LGBMClassifier])
def test_inputs_of_wrappers(predictor, wrapper, has_names, x):
    features, y = make_data()
    features = pd.DataFrame(features[:, :3], columns=list("abc"))
    model = wrapper(**QUIET, n_estimators=5)
    model.fit(features if has_names else features.to_numpy(), y > 1)
    if wrapper is lgb.LGBMRegressor and not has_names:
        model = rewrapped(steep_model())
    assert_same(predictor, load_wrapper(predictor, model, "pickle"), x)


# What is refused -----------------------------------------------------------------------------


def test_refused_files(predictor):
    rng = np.random.default_rng(0)
    tree = tree_text(rng, "bushy", 3, 2, [0.5], some_leaf, 0, False)
    text = model_text([tree], 2)
    path = predictor.folder / "model.lgb"
    for old, new, message in (
        ("num_class=1", "num_class=2", "2 classes"),
        ("version=v4\n", "objective=new\n", '"new"'),
        ("version=v4\n", "objective=binary sigmoid:-1\n", "sigmoid"),
        ("max_feature_idx=1", "max_feature_idx=2", "feature_names"),
        ("num_leaves=4", "num_leaves=5", "leaf_value"),
        ("tree_sizes=", "tree_sizes=1", "tree_sizes"),
        ("Tree=0", "Tre0=0", "no tree"),
    ):
        assert old in text
        path.write_text(text.replace(old, new))
        with pytest.raises(Refused, match=message):
            predictor.load_file(path, flavor="mlflow.lightgbm")


def test_refused_wrappers(predictor):
    x, y = make_data()
    model = lgb.LGBMClassifier(**QUIET, n_estimators=2, pred_early_stop=True).fit(x, y > 1)
    with pytest.raises(Refused, match="pred_early_stop"):
        load_wrapper(predictor, model, "skops")
