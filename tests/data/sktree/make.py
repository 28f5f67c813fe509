"""Make tests/data/sktree/VERSION.zip: small trees and ensembles of the scikit-learn that runs this,
and what they answer.

    venv-1.9.1/bin/python make.py    and so on, in the environments of ../pickle/make.py with skops

The zips are laid out as those of ../pickle/make.py: models.bin, and expected.json with rows X,
MISSING and WILD, and for each model how it was saved, which of the rows it was asked (MISSING where
it takes missing values), and the answers of its methods, floats with all their digits.
"""

import io
import json
import pathlib
import pickle
import warnings
import zipfile

import cloudpickle
import numpy as np
import skops.io
import sklearn
from sklearn.ensemble import (
    AdaBoostClassifier,
    AdaBoostRegressor,
    BaggingClassifier,
    BaggingRegressor,
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    IsolationForest,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.tree import (
    DecisionTreeClassifier,
    DecisionTreeRegressor,
    ExtraTreeClassifier,
    ExtraTreeRegressor,
)

HERE = pathlib.Path(__file__).resolve().parent
METHODS = ("predict", "predict_proba", "predict_log_proba", "decision_function", "score_samples")
FORMATS = ("skops", "pickle", "skops", "cloudpickle")
VERSION = tuple(map(int, sklearn.__version__.split(".")[:2]))
N_ASKED = 6

random = np.random.RandomState(7)
X = random.randn(60, 4).round(2)
SUM = X @ [1.0, -2.0, 0.5, 0.0] + 0.3 * random.randn(60)
THREE = np.digitize(SUM, [-1.0, 1.0])
TWO = SUM > 0
TEXTS = np.array(["low", "mid \u00e9", "high"])[THREE]
BOTH = np.c_[np.abs(SUM) + 0.1, X[:, 1] ** 2]
TARGETS = np.c_[THREE, (THREE + 1) % 3]
MISSING = np.where(random.rand(60, 4) < 0.15, np.nan, X)
CODES = np.c_[(X[:, :2] * 2).round() + 5, MISSING[:, 2:]]  # the first two columns are categories
WILD = CODES.copy()  # categories that are none
WILD[:5, 0] = [256 + CODES[0, 0], CODES[1, 0] - 256, -0.5, 1e300, CODES[4, 0] + 0.5]
WEIGHTS = random.rand(60)

FEW = {"n_estimators": 2, "random_state": 0}
SMALL = {"max_depth": 3, "random_state": 0}
PART = {"max_samples": 8, "max_features": 0.5}
HISTOGRAM = {"max_iter": 2, "max_leaf_nodes": 5, "min_samples_leaf": 3, "random_state": 0}


def trees():
    yield DecisionTreeClassifier(**SMALL), X, TEXTS
    yield DecisionTreeClassifier(**SMALL), X, TARGETS
    yield DecisionTreeClassifier(**SMALL), MISSING, THREE
    yield DecisionTreeClassifier(splitter="random", **SMALL), X, TEXTS.astype(object)
    yield ExtraTreeClassifier(**SMALL), X, TWO
    yield DecisionTreeRegressor(**SMALL), X, BOTH
    yield DecisionTreeRegressor(criterion="absolute_error", **SMALL), X, SUM
    yield ExtraTreeRegressor(**SMALL), MISSING, SUM
    yield RandomForestClassifier(max_depth=3, **FEW), X, TEXTS
    yield RandomForestClassifier(max_depth=3, **FEW), MISSING, THREE * 2.0
    yield RandomForestClassifier(max_depth=2, **FEW), X, TARGETS
    yield RandomForestRegressor(max_depth=3, **FEW), X, BOTH
    yield ExtraTreesClassifier(max_depth=3, **FEW), X, THREE
    yield ExtraTreesRegressor(max_depth=3, **FEW), MISSING, SUM


def ensembles():
    """Trees come first, because `estimator` was `base_estimator` before 1.2."""
    tree = DecisionTreeClassifier(max_depth=2)
    yield BaggingClassifier(tree, **PART, **FEW), X, THREE
    yield BaggingRegressor(DecisionTreeRegressor(max_depth=3), **FEW), MISSING, SUM
    yield IsolationForest(max_samples=16, **FEW), X, None
    yield IsolationForest(contamination=0.2, max_features=2, **FEW), X, None
    yield AdaBoostClassifier(tree, **FEW), X, TEXTS
    yield AdaBoostClassifier(tree, **FEW), X, TWO
    yield AdaBoostRegressor(DecisionTreeRegressor(max_depth=2), **FEW), X, SUM
    if VERSION < (1, 6):
        yield AdaBoostClassifier(tree, algorithm="SAMME", **FEW), X, THREE
        yield AdaBoostClassifier(tree, algorithm="SAMME", **FEW), X, TWO


def boosting():
    depth = {"max_depth": 2}
    yield GradientBoostingClassifier(**depth, **FEW), X, TWO
    yield GradientBoostingClassifier(**depth, **FEW), X, TEXTS
    yield GradientBoostingClassifier(loss="exponential", **depth, **FEW), X, TWO
    yield GradientBoostingClassifier(init="zero", **depth, **FEW), X, TWO
    yield GradientBoostingClassifier(init="zero", **depth, **FEW), X, THREE
    for loss in ("squared_error", "absolute_error", "huber", "quantile"):
        yield GradientBoostingRegressor(loss=loss, **depth, **FEW), X, SUM
    yield HistGradientBoostingClassifier(**HISTOGRAM), MISSING, TWO
    yield HistGradientBoostingClassifier(**HISTOGRAM), MISSING, TEXTS
    yield HistGradientBoostingRegressor(**HISTOGRAM), MISSING, SUM
    yield HistGradientBoostingRegressor(loss="poisson", **HISTOGRAM), MISSING, BOTH[:, 0]
    categories = {"categorical_features": [0, 1], **HISTOGRAM}
    yield HistGradientBoostingRegressor(**categories), CODES, SUM
    yield HistGradientBoostingClassifier(**categories), CODES, THREE


def fit(model, data, target):
    """Fitted; to 0 instead of missing values where this version takes none."""
    if target is None:
        return model.fit(data)
    weights = {} if "Bagging" in type(model).__name__ else {"sample_weight": WEIGHTS}
    try:
        return model.fit(data, target, **weights)
    except ValueError:
        return model.fit(np.nan_to_num(data), target, **weights)


def dump(model, how):
    if how != "skops":
        return {"pickle": pickle, "cloudpickle": cloudpickle}[how].dumps(model, 4)
    file = io.BytesIO()
    skops.io.dump(model, file)
    return file.getvalue()


def answer(model, method, rows):
    try:
        values = np.asarray(getattr(model, method)(rows))
    except (AttributeError, NotImplementedError):
        return None
    dtype = "str" if values.dtype.kind in "OU" else str(values.dtype)
    return {"dtype": dtype, "shape": list(values.shape), "values": values.ravel().tolist()}


def takes_missing(model):
    try:
        model.predict(MISSING[:N_ASKED])
    except ValueError:
        return False
    return True


def describe(model, how, data):
    rows = "WILD" if data is CODES else "MISSING" if takes_missing(model) else "X"
    asked = {"X": X, "MISSING": MISSING, "WILD": WILD}[rows][:N_ASKED]
    answers = {method: answer(model, method, asked) for method in METHODS if hasattr(model, method)}
    kind = type(model)
    return {
        "saved": how,
        "class": f"{kind.__module__}.{kind.__name__}",
        "rows": rows,
        "answers": {method: given for method, given in answers.items() if given},
    }


def main():
    warnings.simplefilter("ignore")
    assert np.isnan(MISSING[:N_ASKED]).any()
    expected = {
        "scikit-learn": sklearn.__version__,
        "numpy": np.__version__,
        **{name: rows[:N_ASKED].tolist() for name, rows in
           {"X": X, "MISSING": MISSING, "WILD": WILD}.items()},
        "models": {},
    }
    saved = b""
    for i, (model, data, target) in enumerate([*trees(), *ensembles(), *boosting()]):
        fit(model, data, target)
        how = FORMATS[(i + VERSION[1]) % len(FORMATS)]
        entry = describe(model, how, data)
        dumped = dump(model, how)
        entry.update(offset=len(saved), size=len(dumped))
        saved += dumped
        expected["models"][f"{i:02}-{type(model).__name__}"] = entry
    with zipfile.ZipFile(HERE / f"{sklearn.__version__}.zip", "w") as file:
        for name, content in {
            "models.bin": saved,
            "expected.json": json.dumps(expected, ensure_ascii=False).encode(),
        }.items():
            info = zipfile.ZipInfo(name, date_time=(2020, 1, 1, 0, 0, 0))
            file.writestr(info, content, zipfile.ZIP_DEFLATED, 9)
    print(sklearn.__version__, len(expected["models"]), "models")


if __name__ == "__main__":
    main()
