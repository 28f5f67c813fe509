"""The server's side of the worker protocol, as docs/internals/worker-protocol.md has it: written
apart from python/mlrace/wire.py, so that the tests compare two readings of one page."""

import array
import contextlib
import dataclasses
import fcntl
import json
import mmap
import os
import signal
import socket
import struct
import subprocess
import sys
import time

import numpy as np

PREDICT, CANCEL, PAUSE, RESUME, FORK = 1, 2, 3, 4, 5
LOADED, FAILED, FORKED, EXITED, RESULT, CHUNK, END = 16, 17, 18, 19, 20, 21, 22
TABLE, TENSOR, TENSORS, RAW = 0, 1, 2, 3
JSON, CSV, PARQUET = 0, 1, 2
STREAM, NAN_LITERAL, LABELS = 1, 2, 4
DTYPES = "bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 float16 float32 float64".split()
CODES = {name: code for code, name in enumerate([*DTYPES, "str", "bytes", "datetime64[ns]"])}
SEALS = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW


def align(n):
    return -(-n // 64) * 64


def header(kind, call_id=0, size=0, flags=0, n_fds=0, magic=0x3157524D, zero=0):
    return struct.pack("=IHHQQII", magic, kind, flags, call_id, size, n_fds, zero)


def memfd(content, seals=SEALS):
    fd = os.memfd_create("test", os.MFD_ALLOW_SEALING)
    os.write(fd, content)
    if seals:
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, seals)
    return fd


# --- requests -------------------------------------------------------------------------------------


@dataclasses.dataclass
class Values:
    """A column or tensor: an ndarray, or for texts a list of str or bytes, None where missing."""

    name: object  # None, str or int
    values: object
    dtype: str = None  # of texts: "str" or "bytes"; else the array's own
    objects: bool = False
    shape: tuple = None  # a tensor's
    missing: tuple = ()  # rows of an array that are missing

    def code(self):
        return CODES[self.dtype or str(self.values.dtype)]


def request(kind, items=(), text=b"", flags=0, body_format=0, n_rows=0):
    """A PREDICT's payload; buffers lie as in the server: values, offsets, validity, bytes."""
    names, shapes, fields = b"", b"", []
    at = 48 + 64 * len(items)
    for item in items:
        name = b"" if item.name is None else str(item.name).encode("utf-8", "surrogatepass")
        fields.append({"name": (at + len(names), len(name))})
        names += name
    at = align(at + len(names)) if any(item.shape for item in items) else at + len(names)
    names += bytes(at - 48 - 64 * len(items) - len(names))
    for item, field in zip(items, fields):
        shape = item.shape or ()
        field["shape"] = at + len(shapes) if shape else 0
        shapes += struct.pack(f"={len(shape)}q", *shape)
    layout_size = at + len(shapes)
    body = bytearray(layout_size)
    before = None
    for item, field in zip(items, fields):
        if isinstance(item.values, np.ndarray):
            if before != item.code() or item.missing:
                body += bytes(align(len(body)) - len(body))
            before = None if item.missing else item.code()
            field["values"] = len(body)
            field["n"] = item.values.size
            body += item.values.tobytes()
        else:
            before = None
            field["n"] = len(item.values)
    n_bytes = 0
    for item, field in zip(items, fields):
        field["offsets"] = field["validity"] = 0
        if not isinstance(item.values, np.ndarray):
            body += bytes(align(len(body)) - len(body))
            field["offsets"] = len(body)
            sizes = [len(encode_text(value)) for value in item.values]
            body += np.cumsum([n_bytes, *sizes]).astype("int64").tobytes()
            n_bytes += sum(sizes)
            present = [value is not None for value in item.values]
        else:
            present = [i not in item.missing for i in range(field["n"])]
        if not all(present):
            body += bytes(align(len(body)) - len(body))
            field["validity"] = len(body)
            body += np.packbits(present, bitorder="little").tobytes()
    body += bytes(align(len(body)) - len(body))
    start_of_bytes = len(body)
    for item, field in zip(items, fields):
        if not isinstance(item.values, np.ndarray):
            field["values"] = start_of_bytes
            body += b"".join(map(encode_text, item.values))
    body += bytes(align(len(body)) - len(body))
    head = struct.pack(
        "=IIIIQQQQ", kind, flags, body_format, len(items), n_rows, layout_size, len(body), len(text)
    )
    for item, field in zip(items, fields):
        head += struct.pack(
            "=QIBBBBQQQQQQ",
            *field["name"],
            0 if item.name is None else 1 if isinstance(item.name, str) else 2,
            item.code(),
            int(item.objects),
            len(item.shape or ()),
            field["n"],
            field["shape"],
            field["values"],
            field["offsets"],
            field["validity"],
            0,
        )
    head += names + shapes
    body[: len(head)] = head
    return bytes(body) + text


def encode_text(value):
    if isinstance(value, str):
        return value.encode("utf-8", "surrogatepass")
    return value or b""


def table(columns, params=None, labels=None, flags=0):
    """columns: Values; labels: Values of the rows' labels."""
    n_rows = len(columns[0].values) if columns else 0
    items = columns if labels is None else [labels, *columns]
    flags |= LABELS if labels else 0
    text = b"" if params is None else json.dumps(params).encode()
    return request(TABLE, items, text, flags, n_rows=n_rows)


def tensor(array, params=None, flags=0):
    text = b"" if params is None else json.dumps(params).encode()
    return request(TENSOR, [Values(None, array, shape=array.shape)], text, flags)


def raw(body, body_format=JSON, flags=0):
    if not isinstance(body, bytes):
        body = body.encode() if isinstance(body, str) else json.dumps(body).encode()
    return request(RAW, (), body, flags, body_format)


# --- results --------------------------------------------------------------------------------------


@dataclasses.dataclass
class Result:
    kind: str  # tensor, records, json, error
    value: object  # an ndarray; a dict of them by their names' JSON; a JSON value; an error's
    text: str = ""  # of JSON
    is_bare: bool = False
    status: int = 0


def read_result(payload):
    """Checks all that the page promises."""
    kind, flags, n_items, status, n_rows, zero, at, size = struct.unpack_from("=IIIIQQQQ", payload)
    assert flags in (0, 1) and zero == 0 and kind in (0, 1, 2, 3)
    is_bare = bool(flags)
    if kind >= 2:
        assert n_items == 0 and at >= 48 and at + size <= len(payload)
        text = bytes(payload[at : at + size]).decode("ascii")
        value = json.loads(text)
        if kind == 3:
            assert 400 <= status <= 599 and set(value) == {"error_code", "message"}
        else:
            assert status == 0
        return Result("json" if kind == 2 else "error", value, text, is_bare, status)
    assert status == 0 and at == 0 and size == 0
    items = [_read_item(payload, i, n_items) for i in range(n_items)]
    if kind == 0:
        ((name, values),) = items
        assert name is None
        return Result("tensor", values, is_bare=is_bare)
    assert items and all(values.shape == (n_rows,) for _, values in items)
    names = [name for name, _ in items]
    assert len(set(names)) == len(names)
    assert all(isinstance(json.loads(name), str) for name in names)
    return Result("records", dict(items), is_bare=is_bare)


def _read_item(payload, i, n_items):
    fields = struct.unpack_from("=QIBBBBQQQQQQ", payload, 48 + 64 * i)
    name_at, name_size, name_kind, dtype, flags, n_dims, n = fields[:7]
    shape_at, values, offsets, validity, zero = fields[7:]
    assert flags == offsets == validity == zero == 0 and dtype < len(DTYPES)
    assert values % 64 == 0 and values >= 48 + 64 * n_items
    name = None if name_kind == 0 else bytes(payload[name_at : name_at + name_size]).decode("ascii")
    shape = struct.unpack_from(f"={n_dims}q", payload, shape_at) if n_dims else ()
    kind = np.dtype(DTYPES[dtype])
    assert values + n * kind.itemsize <= len(payload)
    flat = np.frombuffer(payload, kind, n, values) if n else np.empty(0, kind)
    if name is None:
        assert int(np.prod(shape)) == n
        return name, flat.reshape(shape)
    return name, flat


# --- processes ------------------------------------------------------------------------------------


@dataclasses.dataclass
class Message:
    type: int
    id: int
    payload: bytes

    def json(self):
        return json.loads(self.payload)

    def number(self):
        return struct.unpack("=i", self.payload)[0]


class Peer:
    """The server's end of a socket to a host or worker."""

    def __init__(self, link, process=None, log=None, pid=None):
        self.link, self.process, self.log_path, self.pid = link, process, log, pid
        self.exited = {}  # exit codes of a host's workers by their process ids
        self._ids = iter(range(1, 1 << 62))
        self.link.settimeout(60)

    def send(self, kind, call_id=0, payload=b"", fds=()):
        if 32 + len(payload) > 65536:
            fd = memfd(payload)
            self.send_datagram(header(kind, call_id, len(payload), flags=1, n_fds=1), [fd])
            os.close(fd)
        else:
            self.send_datagram(header(kind, call_id, len(payload), n_fds=len(fds)) + payload, fds)

    def send_datagram(self, datagram, fds=()):
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
        self.link.sendmsg([datagram], rights)

    def receive(self):
        """The next message, checked; None when the other side has ended."""
        try:
            data, ancillary, flags, _ = self.link.recvmsg(65536 + 1, 64)
        except ConnectionError:
            return None
        if not data:
            return None
        magic, kind, has_memfd, call_id, size, n_fds, zero = struct.unpack_from("=IHHQQII", data)
        assert magic == 0x3157524D and has_memfd in (0, 1) and zero == 0 and len(data) <= 65536
        fds = array.array("i")
        for _, _, rights in ancillary:
            fds.frombytes(rights)
        assert len(fds) == n_fds == has_memfd and not flags & socket.MSG_CTRUNC
        if not has_memfd:
            assert len(data) == 32 + size
            return Message(kind, call_id, data[32:])
        assert len(data) == 32 and 32 + size > 65536
        assert fcntl.fcntl(fds[0], fcntl.F_GET_SEALS) & SEALS == SEALS
        assert os.fstat(fds[0]).st_size >= size
        with mmap.mmap(fds[0], size, prot=mmap.PROT_READ) as mapping:
            payload = mapping[:]
        os.close(fds[0])
        return Message(kind, call_id, payload)

    def start(self, payload):
        call_id = next(self._ids)
        self.send(PREDICT, call_id, payload)
        return call_id

    def ask(self, payload):
        """The result of one call."""
        call_id = self.start(payload)
        message = self.receive()
        assert message and (message.type, message.id) == (RESULT, call_id), (message, self.log())
        return read_result(message.payload)

    def log(self):
        return self.log_path.read_text(errors="replace") if self.log_path else ""

    def fork(self, log_path):
        """A worker of a host."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs, log_path.open("wb") as log:
            self.send(FORK, 7, fds=[theirs.fileno(), log.fileno()])
        message = self._receive_but_exited()
        assert (message.type, message.id) == (FORKED, 7) and message.number() > 0
        return Peer(ours, log=log_path, pid=message.number())

    def exit_code(self, worker):
        """Of a worker that a host has forked; waits for its end. Below 0: a signal's number."""
        while worker.pid not in self.exited:
            message = self.receive()
            assert message.type == EXITED, message
            self.exited[message.id] = os.waitstatus_to_exitcode(message.number())
        return self.exited[worker.pid]

    def _receive_but_exited(self):
        while (message := self.receive()) and message.type == EXITED:
            self.exited[message.id] = os.waitstatus_to_exitcode(message.number())
        return message

    def close(self):
        self.link.close()


PACKAGE = os.path.join(os.path.dirname(__file__), "../../python")


@contextlib.contextmanager
def start_host(model, log_path, *options, env=None):
    """A host process, not waited for; at the end it must leave by itself with host.expected_exit_code, 0."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    command = [sys.executable, "-m", "mlrace.worker", "--socket", str(theirs.fileno())]
    command += ["--model", str(model), *options]
    env = {**os.environ, "PYTHONPATH": PACKAGE, "OMP_NUM_THREADS": "1", **(env or {})}
    env.setdefault("OPENBLAS_NUM_THREADS", "1")
    with theirs, log_path.open("wb") as log:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=env,
            pass_fds=[theirs.fileno()],
            start_new_session=True,
        )
    host = Peer(ours, process, log_path, process.pid)
    host.expected_exit_code = 0
    try:
        yield host
        host.close()
        assert process.wait(timeout=20) == host.expected_exit_code, host.log()[-4000:]
    finally:
        host.close()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def wait_for(condition, seconds=10):
    limit = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < limit
        time.sleep(0.01)
