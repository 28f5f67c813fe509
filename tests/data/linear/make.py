"""Make the small models of tests/data/linear, and what scikit-learn itself answers.

    python make.py        with the packages of tests/requirements.txt: the folders of MODELS
    python make.py --old  with an old scikit-learn and skops, no MLflow: the folders of OLD_MODELS
                          that belong to that version

Each folder holds `model` (saved by MLflow; only model.skops for the old ones), X.npy, and one
METHOD.npy for each method that the unit tests call. Kept in the tree so that the unit tests need no
Python; made once, by scikit-learn 1.9.1, 1.2.2 and 1.7.2.
"""

import pathlib
import shutil
import sys
import warnings

import numpy as np
import sklearn
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import (
    LogisticRegression,
    MultiTaskLasso,
    PoissonRegressor,
    RidgeClassifier,
    Ridge,
    SGDClassifier,
    SGDOneClassSVM,
    TweedieRegressor,
)
from sklearn.svm import LinearSVC

HERE = pathlib.Path(__file__).resolve().parent
METHODS = ("predict", "predict_proba", "predict_log_proba", "decision_function")

random = np.random.RandomState(7)
X = random.randn(60, 4)
SUM = X @ [1.0, -2.0, 0.5, 0.0] + 0.3 * random.randn(60)
THREE = np.digitize(SUM, [-1.0, 1.0])
TWO = SUM > 0
BOTH = np.c_[SUM, X[:, 1] ** 2]

MODELS = {
    "logistic-bool": (LogisticRegression(), X, TWO),
    "logistic-text": (LogisticRegression(), X, np.array(["low", "mid \u00e9", "high"])[THREE]),
    "sgd-huber-float": (SGDClassifier(loss="modified_huber", random_state=0), X, THREE * 2.0),
    "sgd-log": (SGDClassifier(loss="log_loss", random_state=0), X, THREE.astype(np.int8)),
    "svc": (LinearSVC(random_state=0), X, THREE),
    "discriminant": (LinearDiscriminantAnalysis(), X, THREE),
    "ridge-labels": (RidgeClassifier(), X, np.c_[TWO, X[:, 1] > 0, X[:, 2] > 1].astype(int)),
    "ridge-outputs-float32": (Ridge(), X.astype(np.float32), BOTH.astype(np.float32)),
    "lasso-tasks": (MultiTaskLasso(alpha=0.1), X, BOTH),
    "poisson": (PoissonRegressor(), X, np.abs(SUM)),
    "tweedie-identity": (TweedieRegressor(power=0, link="identity"), X, SUM),
    "one-class": (SGDOneClassSVM(random_state=0), X, None),
}

# Parameters of LogisticRegression, which later versions do not have.
OLD_MODELS = {
    "1.2.2": {
        "old-multinomial": ({}, THREE),
        "old-newton": ({"solver": "newton-cholesky"}, THREE),
    },
    "1.7.2": {
        "old-ovr": ({"multi_class": "ovr"}, THREE),
        "old-binary": ({"multi_class": "multinomial"}, TWO),
    },
}


def save(name, model, data, target, save_model):
    folder = HERE / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    model.fit(data, target) if target is not None else model.fit(data)
    save_model(model, folder / "model")
    np.save(folder / "X.npy", data[:20])
    for method in METHODS:
        if hasattr(model, method):
            np.save(folder / f"{method}.npy", getattr(model, method)(data[:20]))


def save_with_mlflow(model, folder):
    import mlflow.sklearn

    mlflow.sklearn.save_model(
        model,
        folder,
        pip_requirements=["mlflow", "scikit-learn"],
        skops_trusted_types=["sklearn._loss.loss.HalfTweedieLossIdentity"],
    )


def save_with_skops(model, folder):
    import skops.io

    folder.mkdir()
    skops.io.dump(model, folder / "model.skops")


def main():
    warnings.simplefilter("ignore")
    if sys.argv[1:] == ["--old"]:
        for name, (params, target) in OLD_MODELS[sklearn.__version__].items():
            save(name, LogisticRegression(**params), X, target, save_with_skops)
    else:
        for name, (model, data, target) in MODELS.items():
            save(name, model, data, target, save_with_mlflow)


if __name__ == "__main__":
    main()
