"""The models and rows of the benchmark of engines, each in the form that a contender reads.

Runs in the benchmark's own environment. What a case needs is made once and kept.
"""

import dataclasses
import importlib.util
import json
import os
import pathlib
import pickle
import shutil

N_ROWS = 10_000  # that are predicted
N_TRAINING_ROWS = {"xgboost": 20_000, "lightgbm": 20_000, "forest": 5_000}
MAX_INTERPRETED_TREES = 1000  # GTIL takes a millisecond a row for 5000
MAX_COMPILED_LEAVES = 100_000  # gcc takes many minutes for more


@dataclasses.dataclass(frozen=True)
class Case:
    library: str  # "xgboost", "lightgbm", "forest"
    n_trees: int
    size: int  # depth; of LightGBM leaves; of a forest 0, its trees are grown out
    n_columns: int = 50

    @property
    def name(self):
        return f"{self.library}-{self.n_trees}-{self.size}-{self.n_columns}"

    @property
    def title(self):
        what = {
            "xgboost": f"XGBoost, {self.n_trees} trees of depth {self.size}",
            "lightgbm": f"LightGBM, {self.n_trees} trees of {self.size} leaves",
            "forest": f"scikit-learn random forest, {self.n_trees} trees, grown out",
        }
        return f"{what[self.library]}, {self.n_columns} columns"

    @property
    def n_outputs(self):
        return 2 if self.library == "forest" else 1


def make_rows(case, n, seed):
    """Values of normal distribution as float32, and a target that takes many splits to follow."""
    import numpy as np
    import pandas as pd

    generator = np.random.default_rng(seed)
    X = generator.normal(size=(n, case.n_columns)).astype("float32")
    y = X[:, 0] * X[:, 1] + np.sin(3 * X[:, 2]) + np.abs(X[:, 3:]).sum(axis=1) / 3
    y = y + generator.normal(size=n)
    columns = [f"f{i}" for i in range(case.n_columns)]
    return pd.DataFrame(X.astype("float64"), columns=columns), y


def train(case):
    import lightgbm
    import numpy as np
    import xgboost
    from sklearn.ensemble import RandomForestClassifier

    X, y = make_rows(case, N_TRAINING_ROWS[case.library], 1)
    if case.library == "forest":
        forest = RandomForestClassifier(case.n_trees, random_state=0, n_jobs=1)
        return forest.fit(X, y > np.median(y)), X
    if case.library == "lightgbm":
        model = lightgbm.LGBMRegressor(
            n_estimators=case.n_trees, num_leaves=case.size, n_jobs=1, verbose=-1
        )
        return model.fit(X, y), X
    model = xgboost.XGBRegressor(
        n_estimators=case.n_trees, max_depth=case.size, learning_rate=0.1, n_jobs=1
    )
    return model.fit(X, y), X


def predict(case, model, X):
    return (model.predict_proba if case.library == "forest" else model.predict)(X).astype("float64")


def save_mlflow(case, model, X, folder):
    import mlflow
    from mlflow.models import infer_signature

    signature = infer_signature(X, predict(case, model, X[:5]))
    if case.library == "forest":
        mlflow.sklearn.save_model(
            model,
            folder,
            signature=signature,
            serialization_format="cloudpickle",
            pyfunc_predict_fn="predict_proba",
        )
    elif case.library == "lightgbm":
        mlflow.lightgbm.save_model(model.booster_, folder, signature=signature)
    else:
        mlflow.xgboost.save_model(model, folder, signature=signature)


def convert_onnx(case, model):
    """The ONNX model, and the name of its output."""
    from onnxmltools import convert_lightgbm, convert_xgboost
    from onnxmltools.convert.common.data_types import FloatTensorType
    from skl2onnx import convert_sklearn
    from skl2onnx.common import data_types as sklearn_types

    types = [("x", FloatTensorType([None, case.n_columns]))]
    if case.library == "forest":
        types = [("x", sklearn_types.FloatTensorType([None, case.n_columns]))]
        converted = convert_sklearn(model, initial_types=types, options={"zipmap": False})
        return converted, "probabilities"
    if case.library == "xgboost":
        # The converter knows columns by number only.
        model.get_booster().feature_names = None
        converted = convert_xgboost(model, initial_types=types)
    else:
        converted = convert_lightgbm(model, initial_types=types, zipmap=False)
    return converted, converted.graph.output[0].name


def convert_treelite(case, model, folder):
    import treelite

    if case.library == "forest":
        return treelite.sklearn.import_model(model)
    if case.library == "xgboost":
        return treelite.frontend.load_xgboost_model(folder / "model.ubj")
    return treelite.frontend.load_lightgbm_model(folder / "model.txt")


def compile_treelite(trees, n_leaves, folder):
    """gcc -O3 of the C code that TL2cgen makes: once for a model, and nothing for huge ones."""
    import tl2cgen

    if n_leaves > MAX_COMPILED_LEAVES:
        return
    n_files = max(1, n_leaves // 500)
    tl2cgen.export_lib(
        trees,
        toolchain="gcc",
        libpath=folder / "compiled.so",
        params={"parallel_comp": n_files} if n_files > 1 else {},
        nthread=os.cpu_count(),
    )


def count_leaves(trees):
    model = json.loads(trees.dump_as_json(pretty_print=False))
    return sum("leaf_value" in node for tree in model["trees"] for node in tree["nodes"])


def make(case, folder):
    """Makes all files of a case in a folder of its own below `folder`; returns that."""
    target, folder = folder / case.name, folder / f"{case.name}.part"
    if target.exists():
        return target
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    model, X = train(case)
    save_mlflow(case, model, X, folder / "mlflow")
    if case.library == "xgboost":
        model.get_booster().save_model(folder / "model.ubj")
    elif case.library == "lightgbm":
        model.booster_.save_model(folder / "model.txt")
    trees = convert_treelite(case, model, folder)
    trees.serialize(folder / "treelite.bin")
    n_leaves = count_leaves(trees)
    (folder / "model.pickle").write_bytes(pickle.dumps(model))
    rows, _ = make_rows(case, N_ROWS, 2)
    rows.to_numpy(dtype="float32").tofile(folder / "rows.bin")
    predict(case, model, rows).tofile(folder / "answers.bin")
    onnx, output = convert_onnx(case, model)
    (folder / "model.onnx").write_bytes(onnx.SerializeToString())
    about = {"onnx_output": output, "n_leaves": n_leaves}
    (folder / "about.json").write_text(json.dumps(about))
    compile_treelite(trees, n_leaves, folder)
    folder.rename(target)
    return target


def library_path(package, pattern):
    """A shared object of an installed package."""
    folder = pathlib.Path(importlib.util.find_spec(package).origin).parent
    return str(next(folder.glob(pattern)))


def contenders(case, folder):
    """The contenders of a case, as bench_engines reads them."""
    about = json.loads((folder / "about.json").read_text())
    treelite = library_path("treelite", "lib/libtreelite.so")
    listed = [
        {"kind": "mlrace", "model": str(folder / "mlflow")},
        {"kind": "mlrace-forest", "model": str(folder / "mlflow")},
    ]
    if case.library == "xgboost":
        library = library_path("xgboost", "lib/libxgboost.so")
        listed.append({"kind": "xgboost", "library": library, "model": str(folder / "model.ubj")})
    elif case.library == "lightgbm":
        library = library_path("lightgbm", "lib/lib_lightgbm.so")
        listed.append({"kind": "lightgbm", "library": library, "model": str(folder / "model.txt")})
    if case.n_trees <= MAX_INTERPRETED_TREES:
        model = str(folder / "treelite.bin")
        listed.append({"kind": "gtil", "library": treelite, "model": model, "format": "treelite"})
    if (folder / "compiled.so").exists():
        listed.append({"kind": "tl2cgen", "library": str(folder / "compiled.so")})
    library = library_path("onnxruntime", "capi/libonnxruntime.so.*")
    model = str(folder / "model.onnx")
    output = about["onnx_output"]
    listed.append({"kind": "onnxruntime", "library": library, "model": model, "format": output})
    return listed
