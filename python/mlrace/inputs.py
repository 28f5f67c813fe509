"""From a request's buffers to what the model is called with: a DataFrame, an ndarray or a dict.

What MLflow would have made of the same request is made here: the same types, dtypes, labels and
order, in memory of its own that may be written to. Numbers are not copied.

A request's layout says everything but the values, so it is read once and becomes a plan: a function
from a payload to the data.
"""

import numpy as np
import pandas as pd

from . import wire

try:
    import pyarrow as pa
except ImportError:
    pa = None
try:
    from pandas.api.internals import create_dataframe_from_blocks
except ImportError:
    create_dataframe_from_blocks = None  # before pandas 3

_MAX_PLANS = 256
_DTYPES = [
    np.dtype(name) if n_bytes else None
    for name, n_bytes in zip(wire.DTYPE_NAMES, wire.DTYPE_BYTES)
]
_INT64 = np.dtype("int64")
# What pandas makes of texts: its own dtype, from pandas 3 on, or Python objects.
_TEXT_DTYPE = pd.Series(["text"]).dtype
_HAS_TEXT_DTYPE = _TEXT_DTYPE != object
_IS_ARROW = pa is not None and getattr(_TEXT_DTYPE, "storage", None) == "pyarrow"


class Planner:
    """Makes the data of requests, remembering the plans of the last layouts."""

    def __init__(self):
        self._plans = {}

    def __call__(self, payload, request):
        """The data of a request of any kind but RAW; WireError when the request is malformed."""
        end, plan = self._plans.get(request.layout) or self._learn(payload, request)
        if end > len(payload):
            raise wire.WireError(f"values up to {end}, of {len(payload)} bytes in all")
        return plan(payload)

    def _learn(self, payload, request):
        items = wire.read_items(payload, request)
        end = max((item.end for item in items), default=0)
        if request.kind == wire.TABLE:
            plan = _plan_table(request, items)
        elif request.kind == wire.TENSOR:
            plan = _plan_tensor(items[0])
        else:
            plan = _plan_tensors(items)
        if len(self._plans) >= _MAX_PLANS:
            self._plans.clear()
        self._plans[request.layout] = end, plan
        return end, plan


# --- tables ---------------------------------------------------------------------------------------


def _plan_table(request, items):
    n_rows = request.n_rows
    read_index = None
    if request.flags & wire.HAS_LABELS:
        labels, *items = items
        read_index = _plan_labels(labels)
    rows = pd.RangeIndex(n_rows)
    if not items:
        return lambda payload: pd.DataFrame(index=read_index(payload) if read_index else rows)
    columns = _columns([item.name if item.name is not None else i for i, item in enumerate(items)])
    blocks, start = [], 0
    for run in _runs(items):
        blocks.append((_plan_block(run, n_rows), np.arange(start, start + len(run))))
        start += len(run)

    # A model may rename an Index: each frame gets a view of its own.
    def plan(payload):
        index = read_index(payload) if read_index else rows.view()
        return _frame([(read(payload), at) for read, at in blocks], index, columns.view())

    return plan


def _columns(names):
    """The columns' Index, as pandas makes it from the keys of a dict or the labels of a list."""
    if len(set(names)) == len(names):
        return pd.DataFrame({name: () for name in names}).columns
    return pd.Index(names)


def _runs(items):
    """Neighbouring columns whose values are one array of (columns, rows)."""
    run = []
    for item in items:
        if run and not _continues(run[-1], item):
            yield run
            run = []
        run.append(item)
    yield run


def _continues(before, item):
    n_bytes_each = wire.DTYPE_BYTES[before.dtype]
    n_bytes = before.n_values * n_bytes_each
    if before.dtype != item.dtype or before.validity or item.validity or not n_bytes_each:
        return False
    return not n_bytes or item.values == before.values + n_bytes


def _frame(blocks, index, columns):
    """A frame of pairs of values and the columns they are."""
    if create_dataframe_from_blocks:
        return create_dataframe_from_blocks(blocks, index, columns)
    if len(blocks) == 1 and isinstance(blocks[0][0], np.ndarray):
        frame = pd.DataFrame(blocks[0][0].T, index=index, copy=False)
    else:
        arrays = {}
        for values, places in blocks:
            rows = values if isinstance(values, np.ndarray) else [values]
            arrays.update(zip(places.tolist(), rows))
        frame = pd.DataFrame(arrays, index=index, copy=False)
    frame.columns = columns
    return frame


def _plan_block(run, n_rows):
    """A function from a payload to the values of a run of columns: (columns, rows), or a pandas
    array of one."""
    item = run[0]
    dtype = _DTYPES[item.dtype]
    if dtype is None:
        return _plan_text_block(item)
    shape, start = (len(run), n_rows), item.values
    if not item.validity:
        return lambda payload: np.ndarray(shape, dtype, payload, start if n_rows else 0)

    def plan(payload):
        values = np.ndarray(shape, dtype, payload, start)
        missing = _missing(item, payload)
        if dtype.kind in "fM":
            values[0, missing] = np.nan if dtype.kind == "f" else np.datetime64("NaT")
        elif missing.any():
            values = values.astype(object)
            values[0, missing] = None
        return values

    return plan


def _plan_text_block(item):
    if item.dtype == wire.STR and not item.flags and _IS_ARROW:
        return lambda payload: _arrow_texts(item, payload)
    is_text_dtype = item.dtype == wire.STR and not item.flags & wire.AS_OBJECTS and _HAS_TEXT_DTYPE
    # MLflow's JSON gives None where pandas has no dtype for texts; its CSV gives NaN, and of bytes
    # only those are missing whose key a row lacks.
    is_none = item.dtype == wire.STR and not _HAS_TEXT_DTYPE and not item.flags
    hole = None if is_none else np.nan
    make = _TEXT_DTYPE.construct_array_type()._from_sequence if is_text_dtype else None

    def plan(payload):
        texts = _texts(item, payload)
        if item.validity:
            for i in np.flatnonzero(_missing(item, payload)).tolist():
                texts[i] = hole
        if make:
            return make(texts, dtype=_TEXT_DTYPE)
        values = np.empty((1, len(texts)), dtype=object)
        values[0] = texts
        return values

    return plan


def _plan_labels(item):
    if item.dtype == wire.STR:
        return lambda payload: pd.Index(_texts(item, payload), dtype=object if item.flags else None)
    if _DTYPES[item.dtype] != _INT64:
        raise wire.WireError(f"row labels of dtype {wire.DTYPE_NAMES[item.dtype]}")
    return lambda payload: pd.Index(_values(item, payload))


# --- tensors --------------------------------------------------------------------------------------


def _plan_tensors(items):
    plans = [(item.name, _plan_tensor(item)) for item in items]
    return lambda payload: {name: plan(payload) for name, plan in plans}


def _plan_tensor(item):
    if item.validity:
        raise wire.WireError("a tensor with missing values")
    dtype = _DTYPES[item.dtype]
    if dtype is not None:
        start = item.values if item.n_values else 0

        def plan(payload):
            return np.ndarray(item.shape, dtype, payload, start)

        is_fortran = item.flags & wire.IN_FORTRAN_ORDER
        return (lambda payload: np.array(plan(payload), order="F")) if is_fortran else plan
    kind = object if item.flags & wire.AS_OBJECTS else "U" if item.dtype == wire.STR else "S"
    return lambda payload: np.array(_texts(item, payload), dtype=kind).reshape(item.shape)


# --- values ---------------------------------------------------------------------------------------


def _values(item, payload):
    start = item.values if item.n_values else 0
    return np.ndarray(item.n_values, _DTYPES[item.dtype], payload, start)


def _missing(item, payload):
    """Which values are not there: an array of bool."""
    n_bytes = (item.n_values + 7) // 8
    bits = np.ndarray(n_bytes, np.uint8, payload, item.validity)
    return np.unpackbits(bits, count=item.n_values, bitorder="little") == 0


def _arrow_texts(item, payload):
    """The pandas array of a column of texts, which is laid out as in the payload."""
    n, size = item.n_values, len(payload)
    if item.values > size:
        raise wire.WireError(f"texts at {item.values}, of {size} bytes in all")
    whole = pa.py_buffer(payload)
    validity = whole.slice(item.validity, (n + 7) // 8) if item.validity else None
    offsets = whole.slice(item.offsets, 8 * (n + 1))
    texts = pa.LargeStringArray.from_buffers(n, offsets, whole.slice(item.values), validity)
    try:
        texts.validate(full=True)
    except pa.ArrowInvalid as error:
        raise wire.WireError(f"texts: {error}") from None
    return pd.arrays.ArrowStringArray(texts, dtype=_TEXT_DTYPE)


def _texts(item, payload):
    """A list of str or bytes."""
    offsets = np.ndarray(item.n_values + 1, _INT64, payload, item.offsets).tolist()
    size = len(payload)
    start, end = item.values + offsets[0], item.values + offsets[-1]
    if offsets[0] < 0 or end > size or offsets != sorted(offsets):
        raise wire.WireError(f"texts of {offsets[0]} to {offsets[-1]} bytes at {item.values}")
    text = bytes(payload[start:end])
    places = [place - offsets[0] for place in offsets]
    places = zip(places, places[1:])
    if item.dtype == wire.BYTES:
        return [text[start:end] for start, end in places]
    if text.isascii():
        text = text.decode("ascii")
        return [text[start:end] for start, end in places]
    try:
        return [text[start:end].decode("utf-8", "surrogatepass") for start, end in places]
    except UnicodeDecodeError as error:
        raise wire.WireError(f"a text: {error}") from None
