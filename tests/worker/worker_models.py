"""Models for the worker's tests. They are saved with cloudpickle by value, and do what their input
says."""

import json
import os
import sys
import time

import numpy as np
import pandas as pd
from mlflow.pyfunc import PythonModel


def describe(value):
    """All that a model can see of what it is called with, as JSON."""
    kind = f"{type(value).__module__}.{type(value).__qualname__}"
    if isinstance(value, pd.DataFrame):
        return {
            "is": kind,
            "columns": describe_index(value.columns),
            "index": describe_index(value.index),
            "dtypes": [repr(dtype) for dtype in value.dtypes],
            "rows": [[describe(cell) for cell in value.iloc[:, i]] for i in range(value.shape[1])],
            "flags": describe_flags(value.to_numpy()),
            "attrs": repr(value.attrs),
        }
    if isinstance(value, np.ndarray):
        return {
            "is": kind,
            "dtype": repr(value.dtype),
            "shape": value.shape,
            "flags": describe_flags(value),
            "values": [describe(cell) for cell in value.ravel().tolist()],
        }
    if isinstance(value, dict):
        return {"is": kind, "items": [[repr(key), describe(item)] for key, item in value.items()]}
    if isinstance(value, (list, tuple)):
        return {"is": kind, "items": [describe(item) for item in value]}
    return {"is": kind, "repr": repr(value)}


def describe_index(index):
    names = list(index.names)
    return {"is": type(index).__name__, "repr": repr(index), "names": repr(names)}


def describe_flags(array):
    flags = array.flags
    return [flags.c_contiguous, flags.f_contiguous, flags.writeable, flags.aligned]


class Recorder(PythonModel):
    """Answers with what it was called with."""

    def predict(self, context, model_input, params=None):
        return json.dumps([describe(model_input), describe(params)])


class Doer(PythonModel):
    """Does what its column `do` says."""

    kept = []

    def predict(self, context, model_input, params=None):
        word, _, rest = str(model_input["do"].iloc[0]).partition(" ")
        return getattr(self, "do_" + word)(rest, model_input)

    def do_python(self, code, model_input):
        """The value of an expression."""
        names = {"np": np, "pd": pd, "os": os, "sys": sys, "self": self, "frame": model_input}
        return eval(code, names)

    def do_raise(self, code, model_input):
        raise eval(code)

    def do_fail(self, code, model_input):
        """An MlflowException of an error code by its name."""
        from mlflow.exceptions import MlflowException
        from mlflow.protos.databricks_pb2 import ErrorCode

        raise MlflowException("as asked", error_code=ErrorCode.Value(code))

    def do_sleep(self, seconds, model_input):
        time.sleep(float(seconds))
        return seconds

    def do_keep(self, _, model_input):
        self.kept.append(model_input)
        return [frame["x"].tolist() for frame in self.kept]


class Async(PythonModel):
    """Sleeps as long as its column `seconds` says, and counts who sleeps."""

    asleep = 0

    async def predict(self, context, model_input, params=None):
        import asyncio

        from mlflow.pyfunc.context import get_prediction_context

        seconds = float(model_input["seconds"].iloc[0])
        if seconds < 0:
            raise ValueError("cannot sleep")
        self.asleep += 1
        try:
            await asyncio.sleep(seconds)
            has_context = get_prediction_context() is not None
            return {"asleep": self.asleep, "pid": os.getpid(), "has_context": has_context}
        except asyncio.CancelledError:
            print("cancelled", flush=True)
            raise
        finally:
            self.asleep -= 1


class Chunks(PythonModel):
    """Answers with n chunks, or fails after so many."""

    def predict(self, context, model_input, params=None):
        return "whole"

    def predict_stream(self, context, model_input, params=None):
        from mlflow.pyfunc.context import get_prediction_context

        try:
            for i in range(model_input["n"]):
                if i == model_input.get("fails"):
                    raise ValueError("no more")
                time.sleep(model_input.get("seconds", 0))
                has_context = get_prediction_context() is not None
                chunk = {"i": i, "array": np.arange(i), "has_context": has_context}
                yield model_input.get("chunk", chunk)
        except GeneratorExit:
            print("closed", flush=True)
            raise


class AsyncChunks(Chunks):
    """The same as an asynchronous generator, beside a predict that is none."""

    async def predict_stream(self, context, model_input, params=None):
        import asyncio

        try:
            for chunk in super().predict_stream(context, model_input, params):
                await asyncio.sleep(0.001)
                yield chunk
        except (GeneratorExit, asyncio.CancelledError):
            print("closed", flush=True)
            raise


class AllAsync(AsyncChunks):
    async def predict(self, context, model_input, params=None):
        return "whole"


class AsyncWithChunks(Chunks):
    """An ordinary generator beside a coroutine function."""

    async def predict(self, context, model_input, params=None):
        return "whole"
