"""The bytes of the worker protocol (docs/internals/worker-protocol.md): headers, requests, results.

Functions on memory; who sends it is channel.py's matter. What comes from the server is checked as
what comes from anywhere: each offset, size and enum before it is used. Standard library only.
"""

import json
import math
import re
import struct
from collections import namedtuple

VERSION = 1
MAGIC = 0x3157524D  # the bytes MRW1
HEADER_BYTES = 32
MAX_DATAGRAM_BYTES = 65536
MAX_FDS = 2
MAX_DIMS = 64

# Message types.
PREDICT, CANCEL, PAUSE, RESUME, FORK = range(1, 6)
LOADED, FAILED, FORKED, EXITED, RESULT, CHUNK, END = range(16, 23)
IN_MEMFD = 1  # flag of a header

# Kinds of a request, its flags, and formats of a raw body.
TABLE, TENSOR, TENSORS, RAW = range(4)
WANTS_STREAM, NAN_LITERAL, HAS_LABELS, HAS_PARTS, HAS_TRACE = 1, 2, 4, 8, 16
JSON, CSV, PARQUET = range(3)

# Kinds of a result, and its flags.
RESULT_TENSOR, RESULT_RECORDS, RESULT_JSON, RESULT_ERROR, RESULT_TEXTS, RESULT_ALONE = range(6)
IS_BARE, IS_FINAL = 1, 2

# Kinds of a name, dtypes, and flags of an item.
NO_NAME, TEXT_NAME, INTEGER_NAME = range(3)
DTYPE_NAMES = (
    "bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 float16 float32 float64 str bytes "
    "datetime64[ns]"
).split()
DTYPE_BYTES = (1, 1, 2, 4, 8, 1, 2, 4, 8, 2, 4, 8, 0, 0, 8)  # 0: texts, which have offsets
STR, BYTES, DATETIME = 12, 13, 14
AS_OBJECTS, IN_FORTRAN_ORDER = 1, 2

_HEADER = struct.Struct("=IHHQQII")
_REQUEST = struct.Struct("=IIIIQQQQ")
_RESULT = struct.Struct("=IIIIQQQQ")
_ITEM = struct.Struct("=QIBBBBQQQQQQ")
_REQUEST_BYTES, _ITEM_BYTES, _ALIGNMENT = 48, 64, 64
_TRACEPARENT = re.compile(rb"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
_TRACEPARENT_BYTES, _MAX_TRACESTATE = 55, 512

Header = namedtuple("Header", "type is_in_memfd id payload_size n_fds")

# layout: all that can be remembered from one request to the next that has the same bytes here.
Request = namedtuple(
    "Request", "kind flags format n_items n_rows layout_size text_offset text_size layout"
)

# shape: None for a column or a scalar. values, offsets, validity: places in the payload; validity 0
# means that all values are present. end: where the last byte is that depends on the layout alone.
Item = namedtuple("Item", "name dtype flags shape n_values values offsets validity end")


class WireError(Exception):
    """Bytes that break the protocol; the text says which and how."""


def write_header(kind, call_id, payload_size, is_in_memfd=False, n_fds=0):
    flags = IN_MEMFD if is_in_memfd else 0
    return _HEADER.pack(MAGIC, kind, flags, call_id, payload_size, n_fds, 0)


def read_header(datagram):
    """The header of a datagram from the server; a payload that follows it fills the rest."""
    if len(datagram) < HEADER_BYTES:
        raise WireError(f"a message of {len(datagram)} bytes, expected at least {HEADER_BYTES}")
    magic, kind, flags, call_id, payload_size, n_fds, zero = _HEADER.unpack_from(datagram)
    if magic != MAGIC or flags > IN_MEMFD or zero:
        raise WireError(
            f"a message with magic {magic:#x}, flags {flags}, reserved {zero}; "
            f"expected {MAGIC:#x}, 0 or 1, 0"
        )
    if not PREDICT <= kind <= FORK:
        raise WireError(f"a message of type {kind}, expected {PREDICT} to {FORK}")
    expected_fds = 2 if kind == FORK else flags
    if n_fds != expected_fds:
        raise WireError(f"{n_fds} file descriptors with a message that has {expected_fds}")
    n_bytes = len(datagram) - HEADER_BYTES
    if n_bytes != (0 if flags else payload_size):
        raise WireError(f"{n_bytes} bytes after the header, of a payload of {payload_size}")
    return Header(kind, flags == IN_MEMFD, call_id, payload_size, n_fds)


# --- requests -------------------------------------------------------------------------------------


def read_request(payload):
    """What stands at the start of a PREDICT's payload; its items are left to read_items."""
    size = len(payload)
    if size < _REQUEST_BYTES:
        raise WireError(f"a request of {size} bytes, expected at least {_REQUEST_BYTES}")
    fields = _REQUEST.unpack_from(payload)
    kind, flags, body_format, n_items, _, layout_size, text_offset, text_size = fields
    is_both = flags & HAS_PARTS and flags & HAS_TRACE
    if kind > RAW or flags > 31 or is_both or body_format > PARQUET:
        raise WireError(f"a request of kind {kind}, flags {flags}, format {body_format}")
    if not _REQUEST_BYTES + n_items * _ITEM_BYTES <= layout_size <= size:
        raise WireError(f"a layout of {layout_size} bytes with {n_items} items, of {size} in all")
    if text_size > size or text_offset > size - text_size:
        raise WireError(f"a text of {text_size} bytes at {text_offset}, of {size} in all")
    # The text's place and size, bytes 32 to 48, are no part of the layout.
    with memoryview(payload) as view:
        layout = b"".join((view[:32], view[48:layout_size]))
    return Request(*fields, layout)


def read_text(payload, request):
    """The params or the raw body: bytes."""
    with memoryview(payload) as view:
        return bytes(view[request.text_offset : request.text_offset + request.text_size])


def read_parts(payload, request):
    """How many rows each of the calls has that are asked together; None where there is one."""
    if not request.flags & HAS_PARTS:
        return None
    start = _tail(request)
    n, rest = divmod(len(payload) - start, 8)
    if n < 2 or rest or request.kind == RAW or request.flags & (WANTS_STREAM | HAS_LABELS):
        raise WireError(f"parts of {len(payload) - start} bytes, flags {request.flags}")
    counts = struct.unpack_from(f"={n}q", payload, start)
    if min(counts) < 1:
        raise WireError(f"a part of {min(counts)} rows")
    return counts


def read_trace(payload, request):
    """The trace that the call belongs to: traceparent and tracestate, "" when that is not given; None
    where there is none."""
    if not request.flags & HAS_TRACE:
        return None
    with memoryview(payload) as view:
        text = bytes(view[_tail(request) :])
    parent, state = text[:_TRACEPARENT_BYTES], text[_TRACEPARENT_BYTES:]
    if not _TRACEPARENT.fullmatch(parent) or len(state) > _MAX_TRACESTATE or not state.isascii():
        raise WireError(f"a trace of {len(text)} bytes")
    return parent.decode(), state.decode()


def _tail(request):
    """Where what comes behind the text begins."""
    return -(-(request.text_offset + request.text_size) // 8) * 8


def read_items(payload, request):
    """The request's items, whose places are in the payload but for the bytes of texts."""
    n_columns = None
    if request.kind == TABLE:
        n_columns = request.n_items - bool(request.flags & HAS_LABELS)
    if (
        (n_columns is not None and n_columns < 0)
        or (request.kind == TENSOR and request.n_items != 1)
        or (request.kind == RAW and request.n_items)
        or (request.kind != TABLE and request.flags & HAS_LABELS)
    ):
        raise WireError(
            f"a request of kind {request.kind}, flags {request.flags} with {request.n_items} items"
        )
    return [_read_item(payload, request, i) for i in range(request.n_items)]


def _read_item(payload, request, i):
    fields = _ITEM.unpack_from(payload, _REQUEST_BYTES + i * _ITEM_BYTES)
    name_offset, name_size, name_kind, dtype, flags, n_dims, n_values = fields[:7]
    shape_offset, values, offsets, validity, zero = fields[7:]
    names = _REQUEST_BYTES + request.n_items * _ITEM_BYTES
    size = len(payload)

    def check(start, n_bytes, low, high, what):
        if start < low or n_bytes > high or start > high - n_bytes:
            raise WireError(f"item {i}: {what}: {n_bytes} bytes at {start}, not in {low} to {high}")
        return start + n_bytes

    known_flags = AS_OBJECTS if request.kind == TABLE else AS_OBJECTS | IN_FORTRAN_ORDER
    if name_kind > INTEGER_NAME or dtype > DATETIME or flags & ~known_flags or zero:
        raise WireError(f"item {i}: name kind {name_kind}, dtype {dtype}, flags {flags}, {zero}")
    if n_dims > MAX_DIMS:
        raise WireError(f"item {i}: {n_dims} dimensions, at most {MAX_DIMS}")
    if request.kind == TABLE and (n_dims or n_values != request.n_rows):
        raise WireError(f"item {i}: {n_values} values in {n_dims} dimensions, a column has none")
    name = None
    if name_kind != NO_NAME:
        end = check(name_offset, name_size, names, request.layout_size, "name")
        name = _read_name(bytes(payload[name_offset:end]), name_kind, i)
    shape = None
    if request.kind != TABLE:
        check(shape_offset, 8 * n_dims, names if n_dims else 0, request.layout_size, "shape")
        shape = struct.unpack_from(f"={n_dims}q", payload, shape_offset)
        if any(n < 0 for n in shape) or math.prod(shape) != n_values:
            raise WireError(f"item {i}: {n_values} values of shape {shape}")

    end = 0
    if DTYPE_BYTES[dtype]:
        if n_values:
            n_bytes = n_values * DTYPE_BYTES[dtype]
            end = check(values, n_bytes, request.layout_size, size, "values")
            if values % DTYPE_BYTES[dtype]:
                raise WireError(f"item {i}: values at {values}, not aligned")
    else:
        end = check(offsets, 8 * (n_values + 1), request.layout_size, size, "offsets")
    if validity:
        end = max(end, check(validity, (n_values + 7) // 8, request.layout_size, size, "validity"))
    return Item(name, dtype, flags, shape, n_values, values, offsets, validity, end)


def _read_name(text, kind, i):
    try:
        name = text.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError as error:
        raise WireError(f"item {i}: name: {error}") from None
    if kind == TEXT_NAME:
        return name
    if not (name.isascii() and name.lstrip("-").isdigit() and len(name) <= 20):
        raise WireError(f"item {i}: the number {name!r} for a name")
    return int(name)


# --- results --------------------------------------------------------------------------------------


def write_json(text, is_bare=False):
    """A result's payload that holds JSON text."""
    return _write_text(RESULT_JSON, IS_BARE if is_bare else 0, 0, text.encode("ascii"))


def write_texts(texts):
    """A result's payload that holds a JSON text for each of the calls that were asked together."""
    texts = [text.encode("ascii") for text in texts]
    sizes = struct.pack(f"={len(texts)}Q", *map(len, texts))
    start = _RESULT.size + len(sizes)
    size = sum(map(len, texts))
    head = _RESULT.pack(RESULT_TEXTS, 0, 0, 0, len(texts), 0, start, size)
    return b"".join((head, sizes, *texts))


def write_alone(is_final):
    """A result's payload: the calls cannot be answered together.

    is_final  nor can any others of this model
    """
    return _RESULT.pack(RESULT_ALONE, IS_FINAL if is_final else 0, 0, 0, 0, 0, 0, 0)


def write_error(error_code, http_status, message, stack_trace=None):
    """A result's payload that says what went wrong."""
    if not 400 <= http_status <= 599:
        http_status = 500
    fields = {"error_code": error_code, "message": message}
    if stack_trace is not None:
        fields["stack_trace"] = stack_trace
    body = json.dumps(fields)
    return _write_text(RESULT_ERROR, 0, http_status, body.encode("ascii"))


def _write_text(kind, flags, http_status, text):
    start = _ALIGNMENT
    head = _RESULT.pack(kind, flags, 0, http_status, 0, 0, start, len(text))
    return b"".join((head, bytes(start - len(head)), text))


def write_result_head(kind, flags, n_rows, columns):
    """The start of a result of arrays, up to the values of the first.

    columns  for each item its name (JSON text or None), dtype, shape (() for a column) and size of
             its values in bytes
    returns  the bytes, and for each item how many zero bytes follow its values
    """
    n_items = len(columns)
    places = _RESULT.size + n_items * _ITEM_BYTES
    texts = []
    named = []
    for name, dtype, shape, n_bytes in columns:
        encoded = b"" if name is None else name.encode("ascii")
        named.append((places, len(encoded)))
        texts.append(encoded)
        places += len(encoded)
    shapes = []
    for _, _, shape, _ in columns:
        shapes.append(places if shape else 0)
        texts.append(struct.pack(f"={len(shape)}q", *shape))
        places += 8 * len(shape)
    values = first = -(-places // _ALIGNMENT) * _ALIGNMENT
    items, gaps = [], []
    for i, (name, dtype, shape, n_bytes) in enumerate(columns):
        n_values = n_bytes // DTYPE_BYTES[dtype]
        items.append(
            _ITEM.pack(
                *named[i],
                NO_NAME if name is None else TEXT_NAME,
                dtype,
                0,
                len(shape),
                n_values,
                shapes[i],
                values,
                0,
                0,
                0,
            )
        )
        gaps.append(-n_bytes % _ALIGNMENT)
        values += n_bytes + gaps[-1]
    head = _RESULT.pack(kind, flags, n_items, 0, n_rows, 0, 0, 0)
    return b"".join((head, *items, *texts, bytes(first - places))), gaps
