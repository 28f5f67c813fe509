"""Make tests/data/xgboost/VERSION.zip: models of the XGBoost that runs this, and what they answer.

    for version in 1.7.6 2.0.3 2.1.4 3.0.5 3.1.3 3.2.0; do
        uv venv --python 3.11 venv-$version
        uv pip install --python venv-$version/bin/python xgboost==$version scikit-learn pandas \\
            cloudpickle
        venv-$version/bin/python make.py
    done
    venv-3.2.0/bin/python make.py again

1.7.6 and 2.0.3 were run with Python 3.10, `numpy<2` and scikit-learn 1.4 and 1.5; 2.1.4
and 3.0.5 with scikit-learn 1.6; 3.1.3 and earlier with pandas 2. From 2.1.4 on it was the package
xgboost-cpu.
The zips hold models.bin, all files one after the other, and expected.json: X, and for each model
where it lies in models.bin, its format (ubj, json; pickle, cloudpickle for a wrapper as
mlflow.sklearn saves it), its class, whether its columns have the names a, b, c d, e, and the answers
of its methods to X, floats with all their digits. `again` asks XGBoost 3.2.0 for the same: "later" holds the answers that differ, and null for
a file that 3.2.0 cannot read.
"""

import io
import json
import multiprocessing
import pathlib
import pickle
import sys
import tempfile
import warnings
import zipfile

import cloudpickle
import numpy as np
import pandas as pd
import xgboost as xgb

warnings.simplefilter("ignore")
HERE = pathlib.Path(__file__).resolve().parent
VERSION = tuple(int(part) for part in xgb.__version__.split("."))
N_ASKED = 12
NAMES = ["a", "b", "c d", "e"]

random = np.random.RandomState(11)
X = np.round(random.randn(120, 4) * [1, 10, 0.1, 1], 3)
X[:, 3] = random.randint(0, 7, size=120)
X[random.rand(*X.shape) < 0.1] = np.nan
SUM = np.nan_to_num(X) @ [2.0, 0.1, -5.0, 0.3] + 0.3 * random.randn(120)
TWO = (SUM > 0).astype(int)
THREE = np.digitize(SUM, [-1.0, 1.0])
POSITIVE = np.abs(SUM) + 0.1
BOTH = np.c_[SUM, np.nan_to_num(X[:, 1]) ** 2]
LABELS = np.c_[TWO, np.nan_to_num(X[:, 1]) > 0, THREE > 1].astype(int)
GROUPS = [40, 40, 40]


def train(params, y, rounds=4, x=X, **matrix):
    return xgb.train({"max_depth": 3, "seed": 1, **params}, xgb.DMatrix(x, y, **matrix), rounds)


def boosters():
    """Name and booster."""
    targets = {
        "reg:squarederror": SUM,
        "reg:squaredlogerror": POSITIVE,
        "reg:pseudohubererror": SUM,
        "reg:absoluteerror": SUM,
        "reg:logistic": TWO * 0.8 + 0.1,
        "reg:gamma": POSITIVE,
        "reg:tweedie": POSITIVE,
        "count:poisson": np.round(POSITIVE),
        "survival:cox": np.where(TWO, POSITIVE, -POSITIVE),
        "binary:logistic": TWO,
        "binary:logitraw": TWO,
        "binary:hinge": TWO,
    }
    for objective, y in targets.items():
        yield objective, train({"objective": objective}, y)
    for objective in "rank:pairwise", "rank:ndcg", "rank:map":
        yield objective, train({"objective": objective}, TWO, group=GROUPS)
    for objective in "multi:softprob", "multi:softmax":
        yield objective, train({"objective": objective, "num_class": 3}, THREE)
    bounds = {"label_lower_bound": POSITIVE, "label_upper_bound": POSITIVE + TWO}
    yield "survival:aft", train({"objective": "survival:aft"}, None, **bounds)
    if VERSION >= (2,):
        quantiles = {"objective": "reg:quantileerror", "quantile_alpha": np.array([0.2, 0.8])}
        yield "reg:quantileerror", train(quantiles, SUM)
    yield "custom", xgb.train({}, xgb.DMatrix(X, SUM), 3, obj=lambda p, m: (p - SUM, np.ones(120)))
    yield "intercept", train({"base_score": 0.25, "objective": "binary:logistic"}, TWO)
    yield "intercept of classes", train(
        {"base_score": 0.7, "objective": "multi:softprob", "num_class": 3}, THREE
    )
    yield "no rounds", train({"objective": "binary:logistic"}, TWO, 0)
    yield "names", train({}, SUM, feature_names=NAMES)
    yield "forest", train({"num_parallel_tree": 3, "subsample": 0.5}, SUM, 3)
    dart = {"booster": "dart", "rate_drop": 0.5}
    yield "dart", train(dart, SUM, 9)
    yield "dart of classes", train({**dart, "objective": "multi:softprob", "num_class": 3}, THREE)
    yield "linear", train({"booster": "gblinear"}, SUM)
    linear = {"booster": "gblinear", "objective": "multi:softprob", "num_class": 3}
    yield "linear of classes", train(linear, THREE)
    kinds = {"feature_types": ["q", "q", "q", "c"], "enable_categorical": True}
    yield "categories one by one", train({"tree_method": "hist"}, SUM, **kinds)
    parts = {"tree_method": "hist", "max_cat_to_onehot": 1}
    yield "sets of categories", train(parts, SUM, **kinds)
    if VERSION >= (2,):
        frame = pd.DataFrame(X, columns=NAMES)
        frame["e"] = pd.Categorical([None if np.isnan(e) else f"v{e}" for e in frame["e"]])
        yield "categories of a frame", train(parts, SUM, x=frame, enable_categorical=True)
    yield "two outputs", train({}, BOTH)
    if VERSION >= (2,):
        yield "vectors", train({"multi_strategy": "multi_output_tree", "tree_method": "hist"}, BOTH)


def wrappers():
    """Name and fitted wrapper."""
    few = {"n_estimators": 4, "max_depth": 3}
    frame = pd.DataFrame(X, columns=NAMES)
    yield "regressor", xgb.XGBRegressor(**few).fit(frame, SUM)
    yield "classifier of two", xgb.XGBClassifier(**few).fit(X, TWO)
    yield "classifier of three", xgb.XGBClassifier(**few).fit(X, THREE)
    yield "classifier of labels", xgb.XGBClassifier(**few).fit(X, LABELS)
    softmax = xgb.XGBClassifier(objective="multi:softmax", **few)
    yield "classifier by softmax", softmax.fit(X, THREE)
    yield "ranker", xgb.XGBRanker(**few).fit(X, TWO, group=GROUPS)
    yield "forest regressor", xgb.XGBRFRegressor(n_estimators=4, max_depth=3).fit(X, SUM)
    yield "forest classifier", xgb.XGBRFClassifier(n_estimators=4, max_depth=3).fit(X, TWO)
    stopped = xgb.XGBClassifier(n_estimators=60, max_depth=3, early_stopping_rounds=2)
    stopped.fit(X[:80], TWO[:80], eval_set=[(X[80:], TWO[80:])], verbose=False)
    assert stopped.best_iteration + 1 < stopped.get_booster().num_boosted_rounds()
    yield "stopped early", stopped
    drop = xgb.XGBRegressor(booster="dart", rate_drop=0.5, **few)
    yield "dart regressor", drop.fit(X, SUM)
    yield "linear regressor", xgb.XGBRegressor(booster="gblinear", n_estimators=5).fit(X, SUM)
    if VERSION < (2,) or VERSION >= (2, 1):  # 2.0 has no linear classifier that predicts in place
        linear = xgb.XGBClassifier(booster="gblinear", n_estimators=5)
        yield "linear classifier", linear.fit(X, TWO)
    filled = np.where(np.isnan(X), -999, X)
    yield "missing -999", xgb.XGBRegressor(missing=-999, **few).fit(filled, SUM)
    yield "two outputs of a regressor", xgb.XGBRegressor(**few).fit(X, BOTH)


def names_of(model):
    return (model if isinstance(model, xgb.Booster) else model.get_booster()).feature_names


def ask(model, x):
    """The answers of a model's methods, as JSON holds them."""
    if isinstance(model, xgb.Booster):
        matrix = xgb.DMatrix(x, feature_names=model.feature_names)
        margin = model.predict(matrix, output_margin=True)
        answers = {"predict": model.predict(matrix), "margin": margin}
    else:
        if names_of(model):
            x = pd.DataFrame(x, columns=names_of(model))
        answers = {"predict": model.predict(x)}
        is_classifier = isinstance(model, xgb.XGBClassifier)
        if is_classifier and model.objective != "multi:softmax":
            answers["predict_proba"] = model.predict_proba(x)
    return {
        name: {"dtype": str(a.dtype), "shape": list(a.shape), "values": a.ravel().tolist()}
        for name, a in answers.items()
    }


def save(model, file_format):
    if file_format == "pickle":
        return pickle.dumps(model, protocol=4)
    if file_format == "cloudpickle":
        return cloudpickle.dumps(model, protocol=4)
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, f"model.{file_format}")
        model.save_model(path)
        return path.read_bytes()


def load(entry, data):
    if entry["format"] in ("pickle", "cloudpickle"):
        return pickle.loads(data)
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, f"model.{entry['format']}")
        path.write_bytes(data)
        module, name = entry["class"].rsplit(".", 1)
        model = getattr(sys.modules[module], name)()
        model.load_model(path)
        return model


def add(models, data, name, model, file_format):
    saved = save(model, file_format)
    entry = {
        "format": file_format,
        "class": f"{type(model).__module__}.{type(model).__name__}",
        "has_names": bool(names_of(model)),
        "offset": data.tell(),
        "size": len(saved),
    }
    # As MLflow would answer: with what comes out of the file.
    entry["answers"] = ask(load(entry, saved), X[:N_ASKED])
    models[f"{name}, {file_format}"] = entry
    data.write(saved)


def make():
    models, data = {}, io.BytesIO()
    for i, (name, booster) in enumerate(boosters()):
        add(models, data, name, booster, ("ubj", "json")[i % 2])
    for i, (name, wrapper) in enumerate(wrappers()):
        if "missing" not in name:  # which is no part of a model file
            add(models, data, name, wrapper, ("json", "ubj")[i % 2])
        add(models, data, name, wrapper, ("pickle", "cloudpickle")[i % 2])
    expected = {"xgboost": xgb.__version__, "X": X[:N_ASKED].tolist(), "models": models}
    write(HERE / f"{xgb.__version__}.zip", data.getvalue(), expected)


def write(path, data, expected):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as file:
        for name, content in ("models.bin", data), ("expected.json", json.dumps(expected)):
            file.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED, 9)


def answer_later(entry, data, pipe):
    pipe.send(ask(load(entry, data), X[:N_ASKED]))


def again():
    assert xgb.__version__ == "3.2.0"
    for path in sorted(HERE.glob("*.zip")):
        with zipfile.ZipFile(path) as file:
            data, expected = file.read("models.bin"), json.loads(file.read("expected.json"))
        for name, entry in expected["models"].items():
            entry.pop("later", None)
            ours, theirs = multiprocessing.Pipe(False)
            saved = data[entry["offset"] :][: entry["size"]]
            process = multiprocessing.Process(target=answer_later, args=(entry, saved, theirs))
            process.start()  # a file may end it
            theirs.close()
            try:
                later = ours.recv()
            except EOFError:
                later = None
            process.join()
            if str(later) != str(entry["answers"]):  # NaN is not itself
                entry["later"] = later
                print(expected["xgboost"], name, "differs" if later else "cannot be read")
        write(path, data, expected)


if sys.argv[1:] == ["again"]:
    again()
else:
    make()
