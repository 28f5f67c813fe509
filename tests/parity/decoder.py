"""Two decoders side by side: build/tool_decode and MLflow's own functions, in one process.

`Decoder.ask` gives what mlrace makes of a request before a model sees it, `mlflow_answer` what
MLflow makes of it, both in the same shape, and `difference` says where they part:

    {"error_code": "BAD_REQUEST", "message": ...}
    {"kind": "table", "n_rows": 1, "columns": [{"name", "is_named", "dtype", "values"}], "params"}
    {"kind": "tensor" | "tensors", "tensors": [{"name", "is_named", "dtype", "shape", "values"}],
     "params": {}}
    {"kind": "raw", ...}          C leaves the request to MLflow's own code
    {"kind": "other", "type": T}  MLflow passes the model something that is no frame or array
    {"error_code": "CRASH"}       MLflow's server answers 500: an exception it does not foresee

MLflow's has "details" besides: of a DataFrame dtypes, missing values, Index of rows and of columns,
of arrays their dtypes. Ours has "python": what a model in a Python worker would get, in the same
shape as MLflow's, or None where the worker gets the body. It must be the same in everything.

Floats are compared bit by bit except that every NaN is one value.
"""

import base64
import datetime
import io
import json
import logging
import math
import os
import pathlib
import struct
import subprocess
import sys
import warnings

import numpy as np
import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.pyfunc import _validate_prediction_input
from mlflow.pyfunc import scoring_server
from mlflow.types.schema import ParamSchema, Schema

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "python"))

import mlrace.inputs
import mlrace.wire

logging.getLogger("mlflow").setLevel(logging.ERROR)  # a line for each extra column


class Decoder:
    """A running build/tool_decode and build/tool_wire; answers are kept for as long as they live."""

    def __init__(self, build=None):
        folder = pathlib.Path(build or os.environ.get("MLRACE_BUILD") or ROOT / "build")
        self._processes = [
            subprocess.Popen([folder / name, *more], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            for name, *more in [("tool_decode",), ("tool_wire", "requests")]
        ]
        self._plan = mlrace.inputs.Planner()

    def ask(self, body, inputs=None, params=None, content_type="application/json"):
        """body: bytes or text. inputs, params: mlflow Schema and ParamSchema, or None."""
        if isinstance(body, str):
            body = body.encode("utf-8", "surrogatepass")
        request = {
            "signature": {
                "inputs": inputs.to_json() if inputs else None,
                "params": params.to_json() if params else None,
            },
            "content_type": content_type,
            "body_b64": base64.b64encode(body).decode(),
        }
        for process in self._processes:
            process.stdin.write(json.dumps(request).encode() + b"\n")
            process.stdin.flush()
        line = self._processes[0].stdout.readline()
        head = self._processes[1].stdout.read(16)
        if not line or len(head) < 16:
            codes = [process.poll() for process in self._processes]
            raise AssertionError(f"a tool died (exits {codes}) on {request}")
        answer = json.loads(line)
        is_refused, size = struct.unpack("=QQ", head)
        payload = self._processes[1].stdout.read(size)
        assert bool(is_refused) == ("error_code" in answer), answer
        if not is_refused:
            answer["python"] = self._python_input(bytearray(payload), answer, body)
        return answer

    def _python_input(self, payload, answer, body):
        """What the worker makes of a request; None when it gets the body."""
        request = mlrace.wire.read_request(payload)
        text = mlrace.wire.read_text(payload, request)
        if request.kind == mlrace.wire.RAW:
            assert text == body
            return None
        for name, value in json.loads(text or "{}").items():
            assert _key(answer["params"][name]) == _key(value), (name, answer["params"], text)
        return _input_of(self._plan(payload, request))

    def close(self):
        for process in self._processes:
            process.stdin.close()
            process.wait(10)


class _Metadata:
    """As much of a model's metadata as _parse_json_data looks at."""

    def __init__(self, params):
        self._params = params

    def get_params_schema(self):
        return self._params

    def _is_signature_from_type_hint(self):
        return False


def mlflow_answer(body, inputs=None, params=None, content_type="application/json"):
    """What the scoring server would pass to the model's predict (its invocations function)."""
    if isinstance(body, str):
        body = body.encode("utf-8", "surrogatepass")
    inputs = Schema.from_json(inputs.to_json()) if inputs else None
    params = ParamSchema.from_json(params.to_json()) if params else None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            if content_type == "text/csv":
                data = scoring_server.parse_csv_input(io.StringIO(body.decode()), inputs)
                given = None
            else:
                data, given, _ = scoring_server._parse_json_data(body, _Metadata(params), inputs)
        except MlflowException as error:
            return {"error_code": error.error_code, "message": error.message}
        except (Exception, RecursionError) as error:
            return {"error_code": "CRASH", "message": repr(error)}
        try:
            data, given = _validate_prediction_input(data, given, inputs, params)
        except MlflowException as error:
            return {"error_code": error.error_code, "message": error.message}
        except Exception as error:
            # invocations turns everything else that predict raises into this
            return {"error_code": "BAD_REQUEST", "message": repr(error)}
        return {**_input_of(data), "params": _plain(given or {})}


def difference(ours, theirs):
    """None when two answers are the same, else a sentence."""
    if "error_code" in ours or "error_code" in theirs:
        mine, wanted = ours.get("error_code"), theirs.get("error_code")
        if mine == wanted:
            return None
        return f"error {mine} ({ours.get('message')}), MLflow {wanted} ({theirs.get('message')})"
    if ours["kind"] != theirs["kind"]:
        return f"a {ours['kind']}, MLflow has a {theirs['kind']}"
    where = "params"
    if _key(ours["params"]) != _key(theirs["params"]):
        return f"{where}: {ours['params']}, MLflow {theirs['params']}"
    parts = "columns" if ours["kind"] == "table" else "tensors"
    if ours.get("n_rows") != theirs.get("n_rows"):
        return f"{ours.get('n_rows')} rows, MLflow {theirs.get('n_rows')}"
    if len(ours[parts]) != len(theirs[parts]):
        return f"{len(ours[parts])} {parts}, MLflow {len(theirs[parts])}"
    for mine, wanted in zip(ours[parts], theirs[parts]):
        if not wanted["values"] and (mine["dtype"], wanted["dtype"]) == ("bytes", "object"):
            continue  # bytes are objects in pandas, which shows in a column without rows
        for field in wanted:
            if _key(mine[field]) != _key(wanted[field]):
                return f"{wanted['name']!r}.{field}: {mine[field]!r}, MLflow {wanted[field]!r}"
    for field, mine in (ours.get("python") or {}).items():
        if _key(mine) != _key(theirs[field]):
            return f"in Python, {field}: {mine!r}, MLflow {theirs[field]!r}"
    return None


def _key(value):
    """A value that is equal to another's only when both are the same to the last bit."""
    if isinstance(value, float):
        return ("float", "nan" if math.isnan(value) else value.hex())
    if isinstance(value, list):
        return [_key(item) for item in value]
    if isinstance(value, dict):
        return {key: _key(item) for key, item in value.items()}
    return (type(value).__name__, value)


def _input_of(data):
    if isinstance(data, pd.DataFrame):
        columns = [data.iloc[:, i] for i in range(data.shape[1])]
        return {
            "kind": "table",
            "n_rows": len(data),
            "columns": [_column_of(label, column) for label, column in zip(data.columns, columns)],
            "details": {
                "dtypes": [str(column.dtype) for column in columns],
                "missing": [_missing_of(column) for column in columns],
                "index": _index_of(data.index),
                "labels": _index_of(data.columns),
            },
        }
    kind = "tensor" if isinstance(data, np.ndarray) else "tensors"
    arrays = {"": data} if kind == "tensor" else data
    if not isinstance(arrays, dict) or not all(isinstance(a, np.ndarray) for a in arrays.values()):
        return {"kind": "other", "type": type(data).__name__}
    return {
        "kind": kind,
        "tensors": [_tensor_of(name, array) for name, array in arrays.items()],
        "details": [[str(array.dtype), array.flags.writeable] for array in arrays.values()],
    }


def _missing_of(column):
    """None or nan where a column of objects has no value."""
    return [repr(value) for value in column if _is_missing(value)] if column.dtype == object else []


def _index_of(index):
    return [type(index).__name__, str(index.dtype), index.name, list(map(repr, index.tolist()))]


def _column_of(label, series):
    is_named = isinstance(label, str)
    dtype = str(series.dtype)
    values = series.tolist()
    if dtype == "str" or (dtype == "object" and _all(values, str)):
        # Which of both it is say the details.
        dtype = "str"
        values = [None if _is_missing(value) else value for value in values]
    elif dtype == "object" and _all(values, bytes):
        dtype = "bytes"
        values = [None if _is_missing(value) else value.hex() for value in values]
    elif series.dtype.kind == "M" and "," not in dtype:
        dtype = "datetime64[ns]" if dtype.startswith("datetime64") else dtype
        values = series.astype("datetime64[ns]").astype("int64").tolist()
    elif dtype == "object":
        values = [_plain(value) for value in values]
    return {"name": str(label), "is_named": is_named, "dtype": dtype, "values": values}


def _tensor_of(label, array):
    dtype = str(array.dtype)
    if array.dtype.kind == "U":
        dtype, values = "str", array.ravel().tolist()
    elif array.dtype.kind == "S":
        dtype, values = "bytes", [value.hex() for value in array.ravel().tolist()]
    elif array.dtype.kind == "M":
        dtype = "datetime64[ns]"
        values = array.ravel().astype("datetime64[ns]").astype("int64").tolist()
    elif array.dtype == np.float16:
        values = [f"{bits:04x}" for bits in array.ravel().view(np.uint16).tolist()]
    else:
        values = [_plain(value) for value in array.ravel().tolist()]
    return {
        "name": str(label),
        "is_named": isinstance(label, str),
        "dtype": dtype,
        "shape": list(array.shape),
        "values": values,
    }


def _is_missing(value):
    return value is None or (isinstance(value, float) and math.isnan(value))


def _all(values, kind):
    """Whether all present values are of that type, and there is at least one."""
    present = [value for value in values if not _is_missing(value)]
    return bool(present) and all(isinstance(value, kind) for value in present)


def _plain(value):
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, datetime.date):
        return value.isoformat()
    return str(value)
