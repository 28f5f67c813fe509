"""The models that tests/parity/test_serve.py asks: each one saved by MLflow when its turn comes.

A model is a name, what a valid request holds (column names, rows) and a function that trains and
saves it. Training is seeded and small.
"""

import dataclasses
import typing

import lightgbm
import numpy as np
import pandas as pd
import xgboost
from mlflow.models import ModelSignature, infer_signature
from mlflow.types import ColSpec, ParamSchema, ParamSpec, Schema, TensorSpec
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import (
    ElasticNet,
    LinearRegression,
    LogisticRegression,
    Ridge,
    RidgeClassifier,
    SGDClassifier,
)

MODELS = {}
TRUSTED = {"skops_trusted_types": ["sklearn.tree._tree.Tree"]}


@dataclasses.dataclass
class Model:
    name: str
    columns: list  # names, or None where the signature is a tensor or there is none
    rows: list  # valid rows
    save: typing.Callable  # save(save_model) -> folder
    is_mixed: bool = False  # its columns differ in type
    has_signature: bool = True
    tolerance: float = 1e-12  # of floats, relative: BLAS adds up in an order of its own
    is_repeat: bool = False  # its inputs are those of another model: only its answers differ


def model(columns, rows, **options):
    def register(function):
        name = function.__name__
        MODELS[name] = Model(name, columns, rows, function, **options)
        return function

    return register


def numbers(n_cols, n_rows=60, seed=3):
    return np.random.default_rng(seed).normal(size=(n_rows, n_cols)).round(3)


def labels(X, names):
    """A class for each row, by how large its sum is."""
    ranks = np.argsort(np.argsort(X.sum(axis=1)))
    return np.array(names)[ranks * len(names) // len(X)]


def column_schema(**types):
    return Schema([ColSpec(kind, name) for name, kind in types.items()])


FLOWER = ["length", "width"]
FLOWER_ROWS = [[0.5, -1.25], [2.5, 3.0], [-1.5, 0.125]]
FOUR_ROWS = [[5.1, 3.5, 1.4, 0.2], [6.3, 3.3, 6.0, 2.5], [-1.0, 0.0, 2.0, 1e-3]]
OUTPUT = Schema([TensorSpec(np.dtype("float64"), (-1,))])


# --- columns ------------------------------------------------------------------------------------


@model(FLOWER, FLOWER_ROWS)
def classifier(save_model):
    X = pd.DataFrame(numbers(2), columns=FLOWER)
    fitted = LogisticRegression().fit(X, labels(X.to_numpy(), [0, 1, 2]))
    return save_model(fitted, infer_signature(X, fitted.predict(X)))


@model(["flag", "count", "total", "ratio", "size"], [[True, 3, 70, 0.5, 1.25], [False, -2, 0, 1.5, -7.75]], is_mixed=True)
def every_numeric_type(save_model):
    X = pd.DataFrame(numbers(5), columns=["flag", "count", "total", "ratio", "size"])
    schema = column_schema(flag="boolean", count="integer", total="long", ratio="float", size="double")
    fitted = LinearRegression().fit(X, X.sum(axis=1) + numbers(1)[:, 0])
    return save_model(fitted, ModelSignature(schema, OUTPUT))


FLOAT32_TOLERANCE = 1e-6  # where float32 features and coefficients make the answer float32


def regressor_of(kind, dtype):
    def save(save_model):
        X = pd.DataFrame((numbers(2) * 10).astype(dtype), columns=FLOWER)
        schema = column_schema(length=kind, width=kind)
        fitted = Ridge().fit(X, X.sum(axis=1) + numbers(1)[:, 0])
        return save_model(fitted, ModelSignature(schema, OUTPUT))

    save.__name__ = f"all_{kind}"
    return save


model(FLOWER, FLOWER_ROWS, tolerance=FLOAT32_TOLERANCE)(regressor_of("float", "float32"))
model(FLOWER, [[1, -2], [30, 4]])(regressor_of("integer", "int32"))
model(FLOWER, [[1, -2], [30, 4]])(regressor_of("long", "int64"))
model(FLOWER, [[True, False], [False, False]])(regressor_of("boolean", "bool"))


@model([0, 1], FLOWER_ROWS)
def numbered_columns(save_model):
    """The names in the signature are integers, as of any DataFrame made of an array."""
    X = pd.DataFrame(numbers(2))
    fitted = LinearRegression().fit(X, X.sum(axis=1))
    return save_model(fitted, infer_signature(X, fitted.predict(X)))


@model(["length", ""], FLOWER_ROWS, is_repeat=True)
def empty_name(save_model):
    """MLflow takes the place of a column for its name where that is empty, and finds it nowhere."""
    X = pd.DataFrame(numbers(2), columns=["length", ""])
    fitted = LinearRegression().fit(X, X.sum(axis=1))
    return save_model(fitted, infer_signature(X, fitted.predict(X)))


@model(["length", "width", "height"], [[0.5, -1.25, 3.0], [2.5, 3.0, 1.0]])
def optional_columns(save_model):
    names = ["length", "width", "height"]
    X = pd.DataFrame(numbers(3), columns=names)
    columns = [ColSpec("double", name, required=name == "length") for name in names]
    fitted = LinearRegression().fit(X, X.sum(axis=1))
    return save_model(fitted, ModelSignature(Schema(columns), OUTPUT))


@model(FLOWER, FLOWER_ROWS)
def with_params(save_model):
    X = pd.DataFrame(numbers(2), columns=FLOWER)
    params = ParamSchema([
        ParamSpec("temperature", "double", 0.5),
        ParamSpec("top_k", "long", 3),
        ParamSpec("seed", "integer", 7),
        ParamSpec("is_greedy", "boolean", False),
        ParamSpec("suffix", "string", "."),
        ParamSpec("stops", "string", ["a"], (-1,)),
        ParamSpec("weights", "double", [0.5], (-1,)),
    ])
    fitted = ElasticNet(alpha=0.01).fit(X, X.sum(axis=1))
    return save_model(fitted, ModelSignature(column_schema(length="double", width="double"), OUTPUT, params))


@model(FLOWER, FLOWER_ROWS, is_repeat=True)
def text_classes(save_model):
    X = pd.DataFrame(numbers(2), columns=FLOWER)
    fitted = LogisticRegression().fit(X, labels(X.to_numpy(), ["rosé", 'quo"ted', "汉字\n"]))
    return save_model(fitted, infer_signature(X, fitted.predict(X)))


@model(FLOWER, FLOWER_ROWS, is_repeat=True)
def boolean_classes(save_model):
    X = pd.DataFrame(numbers(2), columns=FLOWER)
    fitted = LogisticRegression().fit(X, labels(X.to_numpy(), [False, True]))
    return save_model(fitted, infer_signature(X, fitted.predict(X)))


@model(FLOWER, FLOWER_ROWS, is_repeat=True)
def float_classes(save_model):
    X = pd.DataFrame(numbers(2), columns=FLOWER)
    fitted = RidgeClassifier().fit(X, labels(X.to_numpy(), [-1.0, 1.0, 2.0]))
    return save_model(fitted, infer_signature(X, fitted.predict(X)))


@model(FLOWER, FLOWER_ROWS, is_repeat=True)
def cloudpickled(save_model):
    X = pd.DataFrame(numbers(2), columns=FLOWER)
    fitted = RidgeClassifier().fit(X, labels(X.to_numpy(), ["a", "b", "c"]))
    signature = infer_signature(X, fitted.predict(X))
    return save_model(fitted, signature, serialization_format="cloudpickle")


@model(FLOWER, FLOWER_ROWS, is_repeat=True)
def pickled_without_saying_so(save_model):
    """As early versions of MLflow saved models: pickle was the only format."""
    X = pd.DataFrame(numbers(2), columns=FLOWER)
    fitted = LogisticRegression().fit(X, labels(X.to_numpy(), [0, 1, 2]))
    signature = infer_signature(X, fitted.predict(X))
    folder = save_model(fitted, signature, serialization_format="pickle")
    mlmodel = folder / "MLmodel"
    lines = mlmodel.read_text().splitlines(keepends=True)
    mlmodel.write_text("".join(line for line in lines if "serialization_format" not in line))
    return folder


def classifier_answering(predict_fn, names):
    def save(save_model):
        X = pd.DataFrame(numbers(2), columns=FLOWER)
        fitted = LogisticRegression().fit(X, labels(X.to_numpy(), names))
        signature = infer_signature(X, fitted.predict_proba(X))
        return save_model(fitted, signature, pyfunc_predict_fn=predict_fn)

    save.__name__ = f"{predict_fn}_of_{len(names)}"
    return save


for function in ("predict_proba", "predict_log_proba"):
    for classes in ([0, 1], ["a", "b", "c"]):
        model(FLOWER, FLOWER_ROWS, is_repeat=True)(classifier_answering(function, classes))


@model(FLOWER, FLOWER_ROWS, is_repeat=True)
def many_outputs(save_model):
    X = pd.DataFrame(numbers(2), columns=FLOWER)
    fitted = LinearRegression().fit(X, X.to_numpy() @ [[1.0, 2.0, 0.5], [0.25, -1.0, 3.0]])
    return save_model(fitted, infer_signature(X, fitted.predict(X)))


# --- scikit-learn's trees ------------------------------------------------------------------------


@model(FLOWER, FLOWER_ROWS, tolerance=0)
def forest(save_model):
    X = pd.DataFrame(numbers(2), columns=FLOWER)
    fitted = RandomForestRegressor(5, random_state=0).fit(X, X.sum(axis=1))
    return save_model(fitted, infer_signature(X, fitted.predict(X)), **TRUSTED)


@model(FLOWER, FLOWER_ROWS, has_signature=False, tolerance=0)
def forest_of_targets(save_model):
    """Probabilities are a list of arrays, and no signature makes types of the values."""
    X = pd.DataFrame(numbers(2), columns=FLOWER)
    y = np.c_[labels(X.to_numpy(), ["a", "b", "c"]), labels(-X.to_numpy(), ["d", "e", "f"])]
    fitted = RandomForestClassifier(3, random_state=0).fit(X, y)
    return save_model(fitted, pyfunc_predict_fn="predict_proba", **TRUSTED)


@model(["size", "colour"], [[1.5, "red"], [None, "blue"], [-2.0, "mauve"]], is_mixed=True)
def categories(save_model):
    """One feature of two is a category, which its own encoder finds by name."""
    X = pd.DataFrame({"size": numbers(1).ravel(), "colour": ["red", "blue", "green"] * 20})
    fitted = HistGradientBoostingClassifier(max_iter=3, categorical_features=["colour"])
    fitted.fit(X, labels(X[["size"]].to_numpy(), [False, True]))
    signature = infer_signature(X, fitted.predict_proba(X))
    options = {"pyfunc_predict_fn": "predict_proba", "serialization_format": "cloudpickle"}
    return save_model(fitted, signature, **options)


# --- XGBoost -----------------------------------------------------------------------------------


@model(FLOWER, FLOWER_ROWS, tolerance=0)
def xgboost_booster(save_model):
    """Without names of features: XGBoost makes a DMatrix, which takes no infinity."""
    X = pd.DataFrame(numbers(2), columns=FLOWER)
    booster = xgboost.train({}, xgboost.DMatrix(X.to_numpy(), X.sum(axis=1)), 5)
    return save_model(booster, infer_signature(X, X["length"]), flavor="xgboost")


@model(FLOWER, FLOWER_ROWS, has_signature=False, tolerance=0)
def xgboost_classifier(save_model):
    """With names of features and no signature: every column's type is that of its values."""
    X = pd.DataFrame(numbers(2), columns=FLOWER)
    fitted = xgboost.XGBClassifier(n_estimators=5).fit(X, labels(X.to_numpy(), [0, 1, 2]))
    return save_model(fitted, flavor="xgboost", model_format="json")


@model(FLOWER, FLOWER_ROWS, is_repeat=True, tolerance=0)
def xgboost_stored_by_sklearn(save_model):
    X = pd.DataFrame(numbers(2), columns=FLOWER)
    fitted = xgboost.XGBClassifier(n_estimators=5).fit(X, labels(X.to_numpy(), [0, 1]))
    signature = infer_signature(X, fitted.predict_proba(X))
    options = {"pyfunc_predict_fn": "predict_proba", "serialization_format": "cloudpickle"}
    return save_model(fitted, signature, **options)


# --- LightGBM ----------------------------------------------------------------------------------

FEW = {"n_estimators": 5, "min_child_samples": 2, "verbose": -1}


@model(FLOWER, FLOWER_ROWS, is_repeat=True, tolerance=0)
def lightgbm_booster(save_model):
    X = pd.DataFrame(numbers(2), columns=FLOWER)
    params = {"verbose": -1, "min_data_in_leaf": 2, "objective": "poisson"}
    booster = lightgbm.train(params, lightgbm.Dataset(X, X.sum(axis=1).abs()), 5)
    return save_model(booster, infer_signature(X, X["length"]), flavor="lightgbm")


@model(FLOWER, FLOWER_ROWS, has_signature=False, tolerance=0)
def lightgbm_classifier(save_model):
    """Without a signature: every column's type is that of its values."""
    X = pd.DataFrame(numbers(2), columns=FLOWER)
    fitted = lightgbm.LGBMClassifier(**FEW).fit(X, labels(X.to_numpy(), ["a", "b", "c"]))
    return save_model(fitted, flavor="lightgbm")


@model(None, FOUR_ROWS, is_repeat=True, tolerance=0)
def lightgbm_tensor(save_model):
    X = numbers(4)
    fitted = lightgbm.LGBMRegressor(**FEW).fit(X, X.sum(axis=1))
    signature = ModelSignature(Schema([TensorSpec(np.dtype("float64"), (-1, 4))]), OUTPUT)
    return save_model(fitted, signature, flavor="lightgbm", serialization_format="cloudpickle")


@model(FLOWER, FLOWER_ROWS, is_repeat=True, tolerance=0)
def lightgbm_stored_by_sklearn(save_model):
    X = pd.DataFrame(numbers(2), columns=FLOWER)
    fitted = lightgbm.LGBMClassifier(**FEW).fit(X, labels(X.to_numpy(), [0, 1]))
    options = {"pyfunc_predict_fn": "predict_proba", "serialization_format": "cloudpickle"}
    return save_model(fitted, infer_signature(X, fitted.predict_proba(X)), **options)


# --- tensors and no signature -------------------------------------------------------------------


def tensor_model(dtype):
    def save(save_model):
        X = (numbers(4) * 4).astype(dtype)
        fitted = SGDClassifier(random_state=0).fit(X, labels(X, [10, 20, 30]))
        signature = ModelSignature(Schema([TensorSpec(np.dtype(dtype), (-1, 4))]), OUTPUT)
        return save_model(fitted, signature)

    save.__name__ = f"tensor_{dtype}"
    return save


model(None, FOUR_ROWS)(tensor_model("float64"))
model(None, FOUR_ROWS)(tensor_model("float32"))
model(None, [[5, 3, 1, 0], [6, 3, 6, 2]])(tensor_model("int64"))


@model(None, FOUR_ROWS, is_repeat=True, tolerance=FLOAT32_TOLERANCE)
def float32_regressor(save_model):
    """Trained on float32, so that its answers are float32 too."""
    X = numbers(4).astype("float32")
    fitted = LinearRegression().fit(X, X.sum(axis=1) + numbers(1)[:, 0].astype("float32"))
    signature = ModelSignature(Schema([TensorSpec(np.dtype("float32"), (-1, 4))]), OUTPUT)
    return save_model(fitted, signature)


@model(None, FOUR_ROWS, has_signature=False)
def no_signature(save_model):
    X = numbers(4)
    return save_model(LogisticRegression().fit(X, labels(X, [0, 1, 2])))


@model(FLOWER, FLOWER_ROWS, has_signature=False)
def no_signature_but_names(save_model):
    """scikit-learn compares the names it was trained with, and their order."""
    X = pd.DataFrame(numbers(2), columns=FLOWER)
    return save_model(LinearRegression().fit(X, X.sum(axis=1)))
