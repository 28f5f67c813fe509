"""From what a model answered, or raised, to the payload of a RESULT.

Plain arrays of numbers go as they lie in memory; everything else as the JSON text that MLflow's
scoring server would have written (predictions_to_json), but for what stands there for NaN.
"""

import json
import re
import sys
import traceback

import numpy as np
import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.utils.proto_json_utils import NumpyEncoder, _get_jsonable_obj

from . import process, wire

_MAX_MESSAGE_CHARACTERS = 4096
_MAX_STACK_TRACE_CHARACTERS = 65536
_MAX_HEADS = 256
_DTYPE_CODES = {
    np.dtype(name): code for code, name in enumerate(wire.DTYPE_NAMES) if code < wire.STR
}
_BARE_TOKEN_OR_TEXT = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|NaN|-?Infinity')
_heads = {}

has_stack_traces = False  # errors tell how they came to be: --stack-traces


class NotJson(Exception):
    """A prediction that JSON cannot hold."""


class JsonText(str):
    """A prediction that is JSON text already, ASCII."""


def encode(prediction, is_bare, is_nan_literal):
    """The parts of a RESULT's payload: bytes-like objects.

    is_bare         the prediction is the whole answer, not to be wrapped in {"predictions": ...}
    is_nan_literal  JSON text has NaN and infinities as MLflow writes them; else null
    raises          NotJson
    """
    arrays = encode_arrays(prediction, wire.IS_BARE if is_bare else 0)
    return arrays or (wire.write_json(to_json(prediction, is_nan_literal), is_bare),)


def encode_arrays(prediction, flags):
    """The parts of a RESULT's payload that holds arrays of numbers; None for other predictions."""
    if type(prediction) is np.ndarray:
        code = _DTYPE_CODES.get(prediction.dtype)
        if code is not None and prediction.ndim <= wire.MAX_DIMS:
            column = None, code, prediction.shape, prediction.nbytes
            return _arrays(wire.RESULT_TENSOR, flags, 0, (column,), (prediction,))
    elif type(prediction) is pd.DataFrame or type(prediction) is pd.Series:
        columns, arrays = _columns(prediction)
        if columns:
            return _arrays(wire.RESULT_RECORDS, flags, len(prediction), columns, arrays)
    return None


def to_json(prediction, is_nan_literal):
    """JSON text, ASCII, as json.dump of MLflow's unwrapped_predictions_to_json; raises NotJson."""
    if isinstance(prediction, JsonText):
        text = prediction
    else:
        try:
            text = json.dumps(_get_jsonable_obj(prediction), cls=NumpyEncoder)
        except MemoryError:
            raise
        except Exception as error:
            raise NotJson(f"{type(error).__name__}: {error}") from error
    if is_nan_literal or ("NaN" not in text and "Infinity" not in text):
        return text
    return _BARE_TOKEN_OR_TEXT.sub(lambda match: match[0] if match[0][0] == '"' else "null", text)


def _columns(frame):
    """What write_result_head wants of each column, and the columns' values; two empty tuples where
    only JSON can hold them."""
    if type(frame) is pd.Series:
        items = ((0 if frame.name is None else frame.name, frame),)
    else:
        items = frame.items()
    columns, arrays = {}, []
    for name, column in items:
        code = _DTYPE_CODES.get(column.dtype)
        if code is None or type(name) not in (str, int):
            return (), ()
        key = json.dumps(str(name))
        columns[key] = key, code, (), len(frame) * wire.DTYPE_BYTES[code]
        arrays.append(column.to_numpy())
    if len(columns) < len(arrays):
        return (), ()  # of some name there are two
    return tuple(columns.values()), arrays


def _arrays(kind, flags, n_rows, columns, arrays):
    found = _heads.get((kind, flags, n_rows, columns))
    if not found:
        found = wire.write_result_head(kind, flags, n_rows, columns)
        if len(_heads) >= _MAX_HEADS:
            _heads.clear()
        _heads[kind, flags, n_rows, columns] = found
    head, gaps = found
    parts = [head]
    for array, gap in zip(arrays, gaps):
        parts.append(array.tobytes())
        if gap:
            parts.append(bytes(gap))
    return parts


# --- errors ---------------------------------------------------------------------------------------


def model_error(error):
    """The RESULT for what was raised while the model was evaluated. Call it from the except clause:
    what is not MLflow's own is also printed to standard error, with its traceback."""
    if isinstance(error, MlflowException):
        return _mlflow_error(error)
    traceback.print_exc(file=sys.stderr)
    if isinstance(error, MemoryError):
        return _memory_error()
    return _error(
        "BAD_REQUEST",
        400,
        "Encountered an unexpected error while evaluating the model. Verify that the input is "
        f"compatible with the model for inference. {process.describe(error)}",
    )


def body_error(error):
    """The RESULT for what was raised while MLflow's own functions parsed a body."""
    if isinstance(error, MlflowException):
        return _mlflow_error(error)
    if isinstance(error, MemoryError):
        return _memory_error()
    return _error("BAD_REQUEST", 400, f"The body cannot be read. {process.describe(error)}")


def answer_error(error):
    """The RESULT for a prediction that cannot be sent."""
    if isinstance(error, MemoryError):
        return _memory_error()
    if not isinstance(error, NotJson):
        traceback.print_exc(file=sys.stderr)
        error = process.describe(error)
    return _error(
        "INTERNAL_ERROR", 500, f"The model's prediction cannot be written as JSON. {error}"
    )


def protocol_error(error):
    return _error("INTERNAL_ERROR", 500, f"The worker cannot read the server's request: {error}")


def cancelled():
    """The RESULT that ends a call whose answer nobody waits for."""
    return _error("CANCELLED", 499, "The call was cancelled.")


def _mlflow_error(error):
    http_status = error.get_http_status_code()
    if http_status >= 500:
        traceback.print_exc(file=sys.stderr)
    return _error(error.error_code, http_status, str(error.message))


def _memory_error():
    return _error("RESOURCE_EXHAUSTED", 503, "There is not enough memory for this request.")


def _error(error_code, http_status, message):
    if len(message) > _MAX_MESSAGE_CHARACTERS:
        message = message[:_MAX_MESSAGE_CHARACTERS] + "..."
    return (wire.write_error(error_code, http_status, message, _stack_trace()),)


def _stack_trace():
    """What is raised at the moment, as MLflow shows it (_handle_serving_error); None: not wanted."""
    if not has_stack_traces or sys.exc_info()[0] is None:
        return None
    return traceback.format_exc()[-_MAX_STACK_TRACE_CHARACTERS:]
