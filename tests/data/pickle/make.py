"""Make tests/data/pickle/VERSION.zip: pickled estimators of the scikit-learn that runs this, and
what they answer.

    for version in 1.1.3 1.2.2 1.3.2 1.4.2 1.5.2 1.6.1 1.7.2 1.8.0 1.9.1; do
        uv venv --python 3.11 venv-$version
        uv pip install --python venv-$version/bin/python scikit-learn==$version cloudpickle pandas
        venv-$version/bin/python make.py
    done

1.1.3 to 1.4.2 were run with `numpy<2`, as they need it; 1.1.3 with Python 3.9, 1.2.2 and 1.3.2 with
3.10; 1.3.2 beside XGBoost 1.7.6 and LightGBM 3.3.5, 1.9.1 beside XGBoost 3.2.0 and LightGBM 4.7.0.
The zips hold models.bin, all pickles one after the other, because together they compress to half
the size, and expected.json: X, and for each model where it lies in models.bin, how it was pickled,
its class and the answers of its methods to X, floats with all their digits. X32 marks models that
were asked for float32. A model without "linear" is not one of the linear engine.
"""

import importlib
import inspect
import json
import pathlib
import pickle
import warnings
import zipfile

import cloudpickle
import numpy as np
import pandas as pd
import sklearn
from sklearn.ensemble import (
    AdaBoostClassifier,
    AdaBoostRegressor,
    BaggingClassifier,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    IsolationForest,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor, ExtraTreeClassifier

HERE = pathlib.Path(__file__).resolve().parent
METHODS = ("predict", "predict_proba", "predict_log_proba", "decision_function", "score_samples")
# As MLflow has pickled over the years, and the oldest protocols.
FORMATS = ("pickle 4", "cloudpickle 4", "cloudpickle 5", "pickle 2", "pickle 3", "pickle 0")

random = np.random.RandomState(7)
X = np.round(random.randn(40, 4), 3)
SUM = X @ [1.0, -2.0, 0.5, 0.0] + 0.3 * random.randn(40)
TWO = SUM > 0
THREE = np.digitize(SUM, [-1.0, 1.0])
TEXTS = np.array(["low", "mid \u00e9", "high"])[THREE]
BOTH = np.c_[SUM, X[:, 1] ** 2]
LABELS = np.c_[TWO, X[:, 1] > 0, X[:, 2] > 1].astype(int)
FRAME = pd.DataFrame(X, columns=["a", "b", "c d", "e"])
N_ASKED = 5

# (class, parameters, fitted to X or something else, target). "intercept" is set after the fit: with a
# scalar of float64, answers in float32 are float32 for numpy 1 and float64 for numpy 2.
LINEAR = [
    ("LinearRegression", {}, X, SUM),
    ("LinearRegression", {"fit_intercept": False}, X.astype("f4"), SUM.astype("f4")),
    ("LinearRegression", {"positive": True}, X, BOTH),
    ("Ridge", {}, FRAME, SUM),
    ("Ridge", {}, X.astype("f4"), BOTH.astype("f4")),
    ("RidgeCV", {}, X, SUM),
    ("Ridge", {"intercept": np.float64(0.1)}, X.astype("f4"), SUM.astype("f4")),
    ("Lasso", {"alpha": 0.1}, X, SUM),
    ("LassoCV", {"n_alphas": 3, "alphas": 3, "cv": 2}, X, SUM),
    ("ElasticNet", {"alpha": 0.1}, X, BOTH),
    ("ElasticNetCV", {"n_alphas": 3, "alphas": 3, "cv": 2}, X, SUM),
    ("MultiTaskLasso", {"alpha": 0.1}, X, BOTH),
    ("MultiTaskLassoCV", {"n_alphas": 3, "alphas": 3, "cv": 2}, X, BOTH),
    ("MultiTaskElasticNet", {"alpha": 0.1}, X, BOTH),
    ("MultiTaskElasticNetCV", {"n_alphas": 3, "alphas": 3, "cv": 2}, X, BOTH),
    ("Lars", {}, X, BOTH),
    ("LarsCV", {"cv": 2, "max_n_alphas": 5}, X, SUM),
    ("LassoLars", {"alpha": 0.1}, X, SUM),
    ("LassoLarsCV", {"cv": 2, "max_n_alphas": 5}, X, SUM),
    ("LassoLarsIC", {}, X, SUM),
    ("OrthogonalMatchingPursuit", {"n_nonzero_coefs": 2}, X, SUM),
    ("OrthogonalMatchingPursuitCV", {"cv": 2}, X, SUM),
    ("SGDRegressor", {"random_state": 0}, X, SUM),
    ("PassiveAggressiveRegressor", {"random_state": 0}, X, SUM),
    ("LinearSVR", {"random_state": 0}, X, SUM),
    ("HuberRegressor", {}, X, SUM),
    ("TheilSenRegressor", {"random_state": 0, "max_subpopulation": 50}, X, SUM),
    ("QuantileRegressor", {"alpha": 0.01, "solver": "highs"}, X, SUM),
    ("BayesianRidge", {}, X, SUM),
    ("ARDRegression", {}, X, SUM),
    ("PoissonRegressor", {}, X, np.abs(SUM)),
    ("GammaRegressor", {}, X, np.abs(SUM) + 0.1),
    ("TweedieRegressor", {"power": 1.5}, X, np.abs(SUM)),
    ("TweedieRegressor", {"power": 0, "link": "identity"}, X.astype("f4"), SUM.astype("f4")),
    ("LogisticRegression", {}, X, TWO),
    ("LogisticRegression", {}, FRAME, TEXTS),
    ("LogisticRegression", {"solver": "newton-cholesky"}, X, THREE),
    ("LogisticRegression", {"solver": "liblinear"}, X, THREE),
    ("LogisticRegression", {"solver": "liblinear", "multi_class": "auto"}, X, THREE),
    ("LogisticRegression", {"multi_class": "ovr"}, X, TEXTS.astype(object)),
    ("LogisticRegression", {"multi_class": "multinomial"}, X, TWO),
    ("LogisticRegression", {"multi_class": "multinomial"}, X, THREE),
    ("LogisticRegression", {"penalty": "l1", "solver": "saga", "random_state": 0}, X, THREE),
    ("LogisticRegression", {}, X.astype("f4"), THREE),
    ("LogisticRegressionCV", {"Cs": 2, "cv": 2}, X, THREE),
    ("SGDClassifier", {"random_state": 0}, X, THREE),
    ("SGDClassifier", {"loss": "log", "random_state": 0}, X, THREE),
    ("SGDClassifier", {"loss": "log_loss", "random_state": 0}, X, TWO),
    ("SGDClassifier", {"loss": "modified_huber", "random_state": 0}, X, THREE * 2.0),
    ("SGDClassifier", {"loss": "log_loss", "random_state": 0}, X.astype("f4"), THREE),
    ("Perceptron", {"random_state": 0}, X, THREE),
    ("PassiveAggressiveClassifier", {"random_state": 0}, X, THREE),
    ("LinearSVC", {"random_state": 0}, X, THREE),
    ("LinearDiscriminantAnalysis", {}, X, THREE),
    ("LinearDiscriminantAnalysis", {"solver": "lsqr", "shrinkage": 0.1}, X, TWO),
    ("RidgeClassifier", {}, X, TEXTS),
    ("RidgeClassifier", {}, X, TWO),
    ("RidgeClassifier", {}, X, LABELS),
    ("RidgeClassifierCV", {}, X, THREE),
    ("SGDOneClassSVM", {"random_state": 0}, X, None),
]
SMALL = {"n_estimators": 2, "max_depth": 2, "random_state": 0}
HISTOGRAM = {"max_iter": 2, "max_leaf_nodes": 4, "max_bins": 8, "early_stopping": False}
TREES = [
    (DecisionTreeClassifier, {"max_depth": 3, "random_state": 0}, X, TEXTS),
    (DecisionTreeRegressor, {"max_depth": 3, "random_state": 0}, X, BOTH),
    (ExtraTreeClassifier, {"max_depth": 2, "random_state": 0}, X, LABELS),
    (RandomForestClassifier, SMALL, X, TEXTS),
    (RandomForestRegressor, SMALL, X, BOTH),
    (ExtraTreesRegressor, SMALL, X, SUM),
    (GradientBoostingClassifier, SMALL, X, TEXTS),
    (GradientBoostingRegressor, {**SMALL, "loss": "huber"}, X, SUM),
    (HistGradientBoostingClassifier, HISTOGRAM, X, TEXTS),
    (HistGradientBoostingRegressor, {**HISTOGRAM, "loss": "poisson"}, X, np.abs(SUM)),
    (HistGradientBoostingRegressor, {**HISTOGRAM, "categorical_features": [3]}, np.abs(X.round()), SUM),
    (IsolationForest, {"n_estimators": 2, "max_samples": 16, "random_state": 0}, X, None),
    (AdaBoostClassifier, {"n_estimators": 2, "random_state": 0}, X, TEXTS),
    (AdaBoostRegressor, {"n_estimators": 2, "random_state": 0}, X, SUM),
    (BaggingClassifier, {"n_estimators": 2, "random_state": 0}, X, TEXTS),
]


def find_linear(name):
    for module in ("linear_model", "svm", "discriminant_analysis"):
        module = importlib.import_module(f"sklearn.{module}")
        if hasattr(module, name):
            return getattr(module, name)
    raise LookupError(name)


def boosters():
    """Models of XGBoost and LightGBM, where they are installed."""
    try:
        from lightgbm import LGBMClassifier
        from xgboost import XGBClassifier
    except ImportError:
        return
    yield XGBClassifier, {"n_estimators": 2, "max_depth": 2}, X, THREE
    yield LGBMClassifier, {"n_estimators": 2, "num_leaves": 3, "verbose": -1}, X, TEXTS


def fit(class_, params, data, target):
    """A fitted model; None when this version does not take the parameters."""
    known = inspect.signature(class_.__init__).parameters
    intercept = params.get("intercept")
    params = {name: value for name, value in params.items() if name != "intercept"}
    if class_.__name__ in ("LassoCV", "ElasticNetCV", "MultiTaskLassoCV", "MultiTaskElasticNetCV"):
        # `alphas` takes over from n_alphas.
        takes_number = getattr(known["alphas"], "default", None) == "warn"
        is_only_one = "n_alphas" not in known or takes_number
        params = {k: v for k, v in params.items() if k != ("n_alphas" if is_only_one else "alphas")}
    takes_any = any(param.kind is param.VAR_KEYWORD for param in known.values())
    if not takes_any and any(name not in known for name in params):
        return None
    try:
        model = class_(**params).fit(data, target)
    except (ValueError, TypeError) as error:
        print(f"{class_.__name__} {params}: {error}".splitlines()[0])
        return None
    if intercept is not None:
        model.intercept_ = intercept
    return model


def dump(model, how):
    library, protocol = how.split()
    library = {"pickle": pickle, "cloudpickle": cloudpickle}[library]
    return library.dumps(model, protocol=int(protocol))


def answer(model, method, data):
    try:
        values = np.asarray(getattr(model, method)(data))
    except (AttributeError, ValueError, NotImplementedError):
        return None
    dtype = "str" if values.dtype.kind in "OU" else str(values.dtype)
    values = values.astype(np.float64) if values.dtype == np.float32 else values
    return {"dtype": dtype, "shape": list(values.shape), "values": values.ravel().tolist()}


def describe(model, how, is_linear, data):
    asked = data[:N_ASKED] if isinstance(data, pd.DataFrame) else X[:N_ASKED].astype(data.dtype)
    answers = {method: answer(model, method, asked) for method in METHODS if hasattr(model, method)}
    kind = type(model)
    return {
        "pickled": how,
        "class": f"{kind.__module__}.{kind.__name__}",
        **({"linear": True} if is_linear else {}),
        **({"X32": True} if getattr(data, "dtype", None) == np.float32 else {}),
        "answers": {method: given for method, given in answers.items() if given},
    }


def main():
    warnings.simplefilter("ignore")
    models = [(find_linear(name), params, *rest) for name, params, *rest in LINEAR]
    others = [*TREES, *boosters()]
    expected = {
        "scikit-learn": sklearn.__version__,
        "numpy": np.__version__,
        "X": X[:N_ASKED].tolist(),
        "models": {},
    }
    pickles = b""
    for i, (class_, params, data, target) in enumerate([*models, *others]):
        model = fit(class_, params, data, target)
        if model is None:
            continue
        how = FORMATS[i % len(FORMATS)]
        entry = describe(model, how, i < len(models), data)
        dumped = dump(model, how)
        entry.update(offset=len(pickles), size=len(dumped))
        pickles += dumped
        expected["models"][f"{i:02}-{class_.__name__}"] = entry
    with zipfile.ZipFile(HERE / f"{sklearn.__version__}.zip", "w") as file:
        for name, content in {
            "models.bin": pickles,
            "expected.json": json.dumps(expected, ensure_ascii=False).encode(),
        }.items():
            info = zipfile.ZipInfo(name, date_time=(2020, 1, 1, 0, 0, 0))
            file.writestr(info, content, zipfile.ZIP_DEFLATED, 9)
    print(sklearn.__version__, len(expected["models"]), "models")


if __name__ == "__main__":
    main()
