"""Make tests/data/lightgbm/VERSION.zip: models of the LightGBM that runs this, and their answers.

    for version in 2.2.3 2.3.1 3.0.0 3.3.5 4.0.0 4.6.0 4.7.0; do
        uv venv --python 3.11 venv-$version
        uv pip install --python venv-$version/bin/python lightgbm==$version scikit-learn pandas \\
            cloudpickle
        venv-$version/bin/python make.py
    done
    venv-4.7.0/bin/python make.py again

Versions up to 4.0.0 were run with numpy 1.23.5, scipy 1.10.1, scikit-learn 1.2.2 and pandas 1.5.3.
The zips hold models.bin, all files one after the other, and expected.json: X, and for each model
where it lies in models.bin, its format (text; pickle, cloudpickle for a wrapper), its class, and
the answers of its methods to X, floats with all their digits. `again` asks LightGBM 4.7.0 for the
same: "later" holds the answers that differ, and null for a file that 4.7.0 cannot read.
"""

import io
import json
import pathlib
import pickle
import sys
import tempfile
import warnings
import zipfile

import cloudpickle
import lightgbm as lgb
import numpy as np
import pandas as pd

warnings.simplefilter("ignore")
HERE = pathlib.Path(__file__).resolve().parent
VERSION = tuple(int(part) for part in lgb.__version__.split("."))
N_ASKED = 12
QUIET = {"verbose": -1, "num_leaves": 5, "min_data_in_leaf": 5, "num_threads": 1, "seed": 1}

random = np.random.RandomState(11)
X = np.round(random.randn(120, 4) * [1, 10, 0.1, 1], 3)
X[:, 3] = random.randint(0, 40, size=120)
X[random.rand(*X.shape) < 0.1] = np.nan
X[random.rand(*X.shape) < 0.1] = 0
SUM = np.nan_to_num(X) @ [2.0, 0.1, -5.0, 0.02] + 0.3 * random.randn(120)
TWO = (SUM > 0).astype(int)
THREE = np.digitize(SUM, [-1.0, 1.0])
POSITIVE = np.abs(SUM) + 0.1
TEXTS = np.array(["no", "maybe", "yes"])[THREE]


def train(objective, y, rounds=4, group=None, categories="auto", **params):
    params = {**QUIET, "objective": objective, **params}
    kept = {key: params[key] for key in ("zero_as_missing", "linear_tree") if key in params}
    data = lgb.Dataset(X, y, group=group, categorical_feature=categories, params=kept)
    return lgb.train(params, data, rounds)


def custom():
    def loss(scores, data):
        return scores - data.get_label(), np.ones_like(scores)

    data = lgb.Dataset(X, SUM)
    if VERSION < (4,):
        return lgb.train(QUIET, data, 3, fobj=loss)
    return lgb.train({**QUIET, "objective": loss}, data, 3)


def boosters():
    """Name and booster."""
    targets = {
        **{name: SUM for name in ("regression", "regression_l1", "huber", "fair", "quantile")},
        **{name: POSITIVE for name in ("mape", "poisson", "gamma", "tweedie")},
        **{name: TWO for name in ("binary", "cross_entropy", "cross_entropy_lambda")},
    }
    for objective, y in targets.items():
        yield objective, train(objective, y)
    yield "square roots", train("regression", SUM, reg_sqrt=True)
    yield "sigmoid", train("binary", TWO, sigmoid=0.7)
    yield "lambdarank", train("lambdarank", THREE, group=[40, 40, 40])
    if VERSION >= (3,):
        yield "rank_xendcg", train("rank_xendcg", THREE, group=[40, 40, 40])
    for objective in "multiclass", "multiclassova":
        yield objective, train(objective, THREE, num_class=3)
    yield "custom", custom()
    sets = {"min_data_per_group": 1, "cat_smooth": 0, "max_cat_to_onehot": 2}
    yield "categories", train("regression", SUM, categories=[3], **sets)
    forest = {"boosting": "rf", "bagging_freq": 1, "bagging_fraction": 0.6}
    yield "forest", train("binary", TWO, **forest)
    yield "forest of classes", train("multiclass", THREE, num_class=3, **forest)
    yield "dart", train("binary", TWO, 9, boosting="dart", drop_rate=0.5)
    yield "zeros missing", train("regression", SUM, zero_as_missing=True)
    yield "nothing missing", train("regression", SUM, use_missing=False)
    yield "one leaf", train("regression", SUM, min_data_in_leaf=1000)
    yield "monotone", train("regression", SUM, monotone_constraints=[1, 0, -1, 0])
    if VERSION >= (3, 2):
        yield "linear trees", train("regression", SUM, linear_tree=True)


def wrappers():
    """Name and fitted wrapper."""
    few = {"n_estimators": 4, "num_leaves": 5, "verbose": -1, "n_jobs": 1}
    yield "regressor", lgb.LGBMRegressor(**few).fit(X, SUM)
    yield "classifier of two", lgb.LGBMClassifier(**few).fit(X, TWO)
    yield "classifier of texts", lgb.LGBMClassifier(**few).fit(X, TEXTS)
    yield "ranker", lgb.LGBMRanker(**few).fit(X, THREE, group=[40, 40, 40])
    yield "model", lgb.LGBMModel(objective="poisson", **few).fit(X, POSITIVE)
    frame = pd.DataFrame(X, columns=["a", "b", "c", "d"])
    yield "classifier of a frame", lgb.LGBMClassifier(**few).fit(frame, TWO > 0)
    best = lgb.LGBMRegressor(**few).fit(X, SUM)
    best.booster_.best_iteration = 2
    yield "best iteration", best


def ask(model, x):
    """The answers of a model's methods, as JSON holds them."""
    answers = {"predict": model.predict(x)}
    if isinstance(model, lgb.LGBMClassifier):
        answers["predict_proba"] = model.predict_proba(x)
    return {
        name: {
            "dtype": "str" if a.dtype.kind in "UO" else str(a.dtype),
            "shape": list(a.shape),
            "values": a.ravel().tolist(),
        }
        for name, a in answers.items()
    }


def save(model, file_format):
    if file_format != "text":
        return {"pickle": pickle, "cloudpickle": cloudpickle}[file_format].dumps(model, protocol=4)
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "model.lgb")
        model.save_model(str(path))
        return path.read_bytes()


def load(entry, data):
    if entry["format"] != "text":
        return pickle.loads(data)
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "model.lgb")
        path.write_bytes(data)
        return lgb.Booster(model_file=str(path))


def add(models, data, name, model, file_format):
    saved = save(model, file_format)
    entry = {
        "format": file_format,
        "class": f"{type(model).__module__}.{type(model).__name__}",
        "offset": data.tell(),
        "size": len(saved),
    }
    # As MLflow would answer: with what comes out of the file.
    entry["answers"] = ask(load(entry, saved), X[:N_ASKED])
    models[f"{name}, {file_format}"] = entry
    data.write(saved)


def make():
    models, data = {}, io.BytesIO()
    for name, booster in boosters():
        add(models, data, name, booster, "text")
    for i, (name, wrapper) in enumerate(wrappers()):
        add(models, data, name, wrapper, ("pickle", "cloudpickle")[i % 2])
    expected = {"lightgbm": lgb.__version__, "X": X[:N_ASKED].tolist(), "models": models}
    write(HERE / f"{lgb.__version__}.zip", data.getvalue(), expected)


def write(path, data, expected):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as file:
        for name, content in ("models.bin", data), ("expected.json", json.dumps(expected)):
            file.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED, 9)


def again():
    assert lgb.__version__ == "4.7.0"
    for path in sorted(HERE.glob("*.zip")):
        with zipfile.ZipFile(path) as file:
            data, expected = file.read("models.bin"), json.loads(file.read("expected.json"))
        for name, entry in expected["models"].items():
            entry.pop("later", None)
            try:
                saved = data[entry["offset"] :][: entry["size"]]
                later = ask(load(entry, saved), X[:N_ASKED])
            except Exception as error:
                print(expected["lightgbm"], name, repr(error)[:200])
                later = None
            if str(later) != str(entry["answers"]):  # NaN is not itself
                entry["later"] = later
                print(expected["lightgbm"], name, "differs" if later else "cannot be used")
        write(path, data, expected)


if sys.argv[1:] == ["again"]:
    again()
else:
    make()
