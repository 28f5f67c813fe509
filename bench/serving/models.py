#!/usr/bin/env python3
"""The models of the comparison, one function each, and the requests that ask them.

    models.py NAME FOLDER

trains and saves NAME with MLflow in FOLDER/model, and writes requests beside it as
FORMAT-ROWS-NUMBER.json or .csv: `split` and `records` for MLflow's calls (`inputs` takes the place
of split where the signature is a tensor's), `csv`, and `v2` for MLServer. It runs in the
environment of MLflow (bench/envs/mlflow.txt); everything comes from a seed.
"""

import json
import pathlib
import sys

# rows: how many different requests of so many rows
REQUESTS = {1: 32, 100: 4, 10_000: 1}
N_COLUMNS = 50
COLUMNS = [f"f{i}" for i in range(N_COLUMNS)]
FOUR = ["a", "b", "c", "d"]


def random_frame(n_rows, columns, seed=0):
    import numpy as np
    import pandas as pd

    values = np.random.default_rng(seed).normal(size=(n_rows, len(columns)))
    return pd.DataFrame(values.round(6), columns=columns)


def four_columns(n_rows=200, seed=0):
    return random_frame(n_rows, FOUR, seed)


def regression(n_rows=20_000):
    """Columns and a target that no tree learns in one split."""
    import numpy as np

    X = random_frame(n_rows, COLUMNS)
    y = X["f0"] * X["f1"] + np.sin(3 * X["f2"]) + X.abs().sum(axis=1) / 3
    return X, y + np.random.default_rng(1).normal(size=n_rows)


def save_iris(path):
    import mlflow
    import numpy as np
    from mlflow.models import infer_signature
    from sklearn.datasets import load_iris
    from sklearn.linear_model import LogisticRegression

    X, y = load_iris(as_frame=True, return_X_y=True)
    model = LogisticRegression(max_iter=1000).fit(X, y)
    mlflow.sklearn.save_model(model, path, signature=infer_signature(X, model.predict(X)))
    noise = np.random.default_rng(0).normal(scale=0.3, size=(10_000, 4))
    more = X.sample(10_000, replace=True, random_state=0).reset_index(drop=True)
    return (more + noise).abs().round(2)


def save_xgboost(path):
    import mlflow
    import xgboost
    from mlflow.models import infer_signature

    X, y = regression()
    model = xgboost.XGBRegressor(n_estimators=500, max_depth=6, learning_rate=0.1, n_jobs=1)
    model.fit(X, y)
    signature = infer_signature(X, model.predict(X[:5]))
    mlflow.xgboost.save_model(model, path, signature=signature)
    return random_frame(10_000, COLUMNS, seed=2)


def save_lightgbm(path):
    import lightgbm
    import mlflow
    from mlflow.models import infer_signature

    X, y = regression()
    model = lightgbm.LGBMRegressor(n_estimators=500, num_leaves=31, n_jobs=1, verbose=-1).fit(X, y)
    signature = infer_signature(X, model.predict(X[:5]))
    mlflow.lightgbm.save_model(model, path, signature=signature)
    return random_frame(10_000, COLUMNS, seed=2)


def save_forest(path):
    import mlflow
    from mlflow.models import infer_signature
    from sklearn.ensemble import RandomForestRegressor

    X, y = regression(5_000)
    model = RandomForestRegressor(100, max_features=10, random_state=0).fit(X, y)
    mlflow.sklearn.save_model(
        model,
        path,
        signature=infer_signature(X, model.predict(X[:5])),
        skops_trusted_types=["sklearn.tree._tree.Tree"],
    )
    return random_frame(10_000, COLUMNS, seed=2)


def save_pickled(model, path, X):
    import mlflow
    from mlflow.models import infer_signature

    signature = infer_signature(X, model.predict(X[:5]))
    mlflow.sklearn.save_model(model, path, signature=signature, serialization_format="cloudpickle")


def save_pipeline(path):
    import numpy as np
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    numbers = COLUMNS[:8]
    X = random_frame(10_000, numbers)
    generator = np.random.default_rng(0)
    for name, n_kinds in (("city", 50), ("plan", 4), ("device", 8)):
        X[name] = [f"{name} {i}" for i in generator.integers(n_kinds, size=len(X))]
    columns = ColumnTransformer(
        [
            ("numbers", make_pipeline(SimpleImputer(), StandardScaler()), numbers),
            ("words", OneHotEncoder(handle_unknown="ignore"), ["city", "plan", "device"]),
        ]
    )
    y = X["f0"] + (X["plan"] == "plan 1") > 0.5
    model = make_pipeline(columns, LogisticRegression(max_iter=1000)).fit(X, y.astype(int))
    save_pickled(model, path, X)
    return X


def save_text(path):
    import numpy as np
    import pandas as pd
    from sklearn.compose import ColumnTransformer
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    generator = np.random.default_rng(0)
    letters = np.array(list("abcdefghijklmnopqrstuvwxyz"))
    words = ["".join(generator.choice(letters, generator.integers(2, 10))) for _ in range(5_000)]
    picks = generator.zipf(1.3, size=(10_000, 15)) % len(words)
    X = pd.DataFrame({"text": [" ".join(words[i] for i in row) for row in picks]})
    tfidf = ColumnTransformer([("text", TfidfVectorizer(), "text")])
    model = make_pipeline(tfidf, LogisticRegression(max_iter=1000))
    model.fit(X, (picks.sum(axis=1) % 2).astype(int))
    save_pickled(model, path, X)
    return X


def save_onnx(path):
    import mlflow
    import numpy as np
    from mlflow.models import infer_signature
    from skl2onnx import to_onnx
    from sklearn.neural_network import MLPRegressor

    X, y = regression(5_000)
    values = X.to_numpy().astype(np.float32)
    network = MLPRegressor(hidden_layer_sizes=(64, 32), max_iter=20, random_state=0).fit(values, y)
    signature = infer_signature(values, np.zeros((1, 1), np.float32))
    mlflow.onnx.save_model(to_onnx(network, values[:1]), path, signature=signature)
    return random_frame(10_000, COLUMNS, seed=2).to_numpy().astype(np.float32)


def save_row_sum(path):
    import mlflow
    from mlflow.models import infer_signature

    class RowSum(mlflow.pyfunc.PythonModel):
        def predict(self, context, model_input, params=None):
            return model_input.to_numpy().sum(axis=1)

    X = four_columns()
    signature = infer_signature(X, X.to_numpy().sum(axis=1))
    mlflow.pyfunc.save_model(path, python_model=RowSum(), signature=signature)
    return four_columns(10_000, seed=2)


def save_pytorch(path):
    import mlflow
    import torch
    from mlflow.models import infer_signature

    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Linear(4, 16), torch.nn.ReLU(), torch.nn.Linear(16, 1))
    values = four_columns().to_numpy("float32")
    with torch.no_grad():
        answer = network(torch.from_numpy(values)).numpy()
    signature = infer_signature(values, answer)
    mlflow.pytorch.save_model(network, path, signature=signature, serialization_format="pickle")
    return four_columns(10_000, seed=2).to_numpy("float32")


# name: (what it is, what is in it, how it is saved)
MODELS = {
    "iris": ("Logistic regression", "4 columns, 3 classes", save_iris),
    "xgboost": ("XGBoost", "500 trees of depth 6, 50 columns", save_xgboost),
    "lightgbm": ("LightGBM", "500 trees of 31 leaves, 50 columns", save_lightgbm),
    "forest": ("Random forest", "100 trees grown out, 50 columns", save_forest),
    "pipeline": ("Pipeline", "impute, scale, one-hot, linear", save_pipeline),
    "text": ("Text pipeline", "tf-idf of 15 words, linear", save_text),
    "onnx": ("ONNX perceptron", "tensor, 50-64-32-1", save_onnx),
    "pyfunc": ("Custom pyfunc", "in Python, sum of 4 columns", save_row_sum),
    "pytorch": ("PyTorch", "tensor, 4-16-1", save_pytorch),
}
TITLES = {name: title for name, (title, *_) in MODELS.items()}


def v2_tensor(name, values):
    """An input of the V2 protocol; texts and numbers."""
    is_text = values.dtype.kind not in "iuf"
    tensor = {
        "name": name,
        "shape": [len(values), 1] if values.ndim == 1 else list(values.shape),
        "datatype": "BYTES" if is_text else "FP32" if values.dtype == "float32" else "FP64",
        "data": as_json(values.ravel()),
    }
    return {**tensor, "parameters": {"content_type": "str"}} if is_text else tensor


def as_json(values):
    """Lists, with float32 in as few digits as tell them apart."""
    if values.dtype == "float32":
        values = values.astype(str).astype(float)
    return values.tolist()


def tensor_requests(rows):
    yield "split", "json", json.dumps({"inputs": as_json(rows)})
    v2 = {"parameters": {"content_type": "np"}, "inputs": [v2_tensor("x", rows)]}
    yield "v2", "json", json.dumps(v2)


def frame_requests(rows):
    split = rows.to_dict("split", index=False)
    yield "split", "json", json.dumps({"dataframe_split": split})
    yield "records", "json", json.dumps({"dataframe_records": rows.to_dict("records")})
    yield "csv", "csv", rows.to_csv(index=False)
    inputs = [v2_tensor(name, rows[name].to_numpy()) for name in rows.columns]
    yield "v2", "json", json.dumps({"parameters": {"content_type": "pd"}, "inputs": inputs})


def make(name, folder):
    rows = MODELS[name][2](str(folder / "model"))
    requests = frame_requests if hasattr(rows, "columns") else tensor_requests
    for n_rows, n_requests in REQUESTS.items():
        for i in range(n_requests):
            for format_, suffix, text in requests(rows[i * n_rows : (i + 1) * n_rows]):
                (folder / f"{format_}-{n_rows}-{i:02}.{suffix}").write_text(text)


if __name__ == "__main__":
    make(sys.argv[1], pathlib.Path(sys.argv[2]))
