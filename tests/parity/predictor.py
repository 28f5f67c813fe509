"""Engines and scikit-learn side by side: tool_predict, which loads a model file and predicts.

`Predictor.predict` gives what mlrace answers for a DataFrame or an array as a numpy array, or raises
`Refused`; `Predictor.load` raises it too, when no engine can evaluate the model.
"""

import json
import os
import pathlib
import pickle
import re
import subprocess

import cloudpickle
import numpy as np
import pandas as pd
import pytest
import skops.io

ROOT = pathlib.Path(__file__).resolve().parents[2]


def tree_kernels():
    """The kernels that this processor has, as MLRACE_TREE_KERNEL names them."""
    flags = set(pathlib.Path("/proc/cpuinfo").read_text().split())
    needed = {
        "avx512": {"avx512f", "avx512bw", "avx512vl", "avx512dq", "avx512vbmi", "avx512_vbmi2"},
        "avx2": {"avx2"},
        "scalar": set(),
    }
    return [kernel for kernel, names in needed.items() if names <= flags]


def shown(value):
    """The value as a test's id, which must be the same in every process: without addresses."""
    return re.sub(r" at 0x[0-9a-f]+", "", str(value))


class Refused(Exception):
    def __init__(self, answer):
        super().__init__(answer["message"])
        self.error_code = answer["error_code"]


class Predictor:
    """A running tool_predict with one model in it."""

    def __init__(self, folder, build=None, env=None):
        build = pathlib.Path(build or os.environ.get("MLRACE_BUILD") or ROOT / "build")
        self._path = folder / "model"
        self._process = subprocess.Popen(
            [build / "tool_predict"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, **(env or {})},
        )

    def load(self, estimator, method="predict", stored="skops", **options):
        """Save the estimator and load the file; what `mlrace explain` says of it."""
        if stored == "skops":
            skops.io.dump(estimator, self._path)
        else:
            library = {"pickle": pickle, "cloudpickle": cloudpickle}[stored]
            self._path.write_bytes(library.dumps(estimator, protocol=pickle.DEFAULT_PROTOCOL))
        return self.load_file(self._path, method, serialization_format=stored, **options)

    def load_file(self, path, method="predict", **options):
        source = {
            "flavor": "mlflow.sklearn",
            "data_path": str(path),
            "serialization_format": "skops",
            "predict_fn": method,
        }
        return self._ask({"load": {**source, **options}})

    def predict(self, x, params=None):
        """x: DataFrame, array, dict of arrays, or bytes (a body that only Python can type)."""
        answer = self._ask({**request_of(x), "params": params or {}})
        dtype = object if answer["dtype"] == "str" else answer["dtype"]
        return np.array(answer["values"], dtype=dtype).reshape(answer["shape"])

    def _ask(self, request):
        self._process.stdin.write(json.dumps(request).encode() + b"\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise AssertionError(f"tool_predict died (exit {self._process.wait()}) on {request}")
        answer = json.loads(line)
        if "error_code" in answer:
            assert answer["error_code"] != "INTERNAL_ERROR", answer
            raise Refused(answer)
        return answer

    def close(self):
        self._process.stdin.close()
        self._process.wait(10)


def compare_methods(predictor, estimator, parts, methods, stored, assert_same):
    """Answers of an estimator's methods to each of the parts beside its own, which are given to
    assert_same(method, rows, want, got); how many there were. What it lacks, and rows that it does
    not take, must be refused."""
    n = 0
    for method in methods:
        if not hasattr(estimator, method):
            with pytest.raises(Refused, match="has no method"):
                predictor.load(estimator, method, stored)
            continue
        predictor.load(estimator, method, stored)
        for rows in parts:
            try:
                want = np.array(getattr(estimator, method)(rows))
            except ValueError:
                with pytest.raises(Refused) as refused:
                    predictor.predict(rows)
                assert refused.value.error_code == "BAD_REQUEST"
                continue
            assert_same(method, rows, want, predictor.predict(rows))
            n += 1
    return n


def request_of(x):
    if isinstance(x, bytes):
        return {"raw": "a body that only Python can type"}
    if isinstance(x, dict):
        return {"tensors": [tensor_of(value) for value in x.values()]}
    if isinstance(x, pd.DataFrame):
        is_csv = x.attrs.get("is_csv", False)  # texts as objects, which mlrace's CSV decoder gives
        columns = [column_of(name, x.iloc[:, i], is_csv) for i, name in enumerate(x.columns)]
        return {"table": {"n_rows": len(x), "columns": columns}}
    return {"tensor": tensor_of(x)}


def tensor_of(array):
    values = array.ravel()
    dtype = str(array.dtype)
    if array.dtype.kind == "M":
        dtype, values = "datetime64[ns]", values.astype("datetime64[ns]").astype(np.int64)
    elif array.dtype.kind == "S":
        dtype, values = "bytes", values.astype(str)
    elif array.dtype.kind == "U":
        dtype = "str"
    return {"dtype": dtype, "shape": list(array.shape), "values": values.tolist()}


def column_of(name, series, is_csv=False):
    """As mlrace holds what pandas holds; bytes must be ASCII."""
    is_text = isinstance(series.dtype, pd.StringDtype)
    column = {"name": str(name), "is_named": isinstance(name, str)}
    if is_text or (is_csv and series.dtype == object):
        column["is_object"] = not is_text
        values = [None if pd.isna(value) else value for value in series]
        return {**column, "dtype": "str", "values": values}
    if series.dtype.kind == "M":
        values = series.to_numpy("datetime64[ns]").astype(np.int64).tolist()
        return {**column, "dtype": "datetime64[ns]", "values": values}
    values = series.tolist()
    if series.dtype == object and values and all(isinstance(value, bytes) for value in values):
        return {**column, "dtype": "bytes", "values": [value.decode() for value in values]}
    return {**column, "dtype": str(series.dtype), "values": values}
