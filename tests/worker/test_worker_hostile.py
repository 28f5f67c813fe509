"""Messages that break the protocol: the worker says what is wrong, and never hangs."""

import fcntl
import os
import struct
import tempfile

import numpy as np
import pytest
import worker_protocol as wire
from worker_protocol import Values, header


@pytest.fixture
def worker(doer_template):
    return doer_template()


def ends_with_a_reason(worker, doer_template):
    """The worker has closed its socket, with exit code 1 and a line in the log."""
    assert worker.receive() is None
    assert doer_template.host.exit_code(worker) == 1
    lines = [line for line in worker.log().splitlines() if line]
    assert len(lines) == 1 and lines[0].startswith("mlrace: a worker ends: "), lines
    return lines[0]


@pytest.mark.parametrize(
    "datagram",
    [
        b"x",
        header(wire.PREDICT)[:-1],
        header(wire.PREDICT, magic=0x3257524D),
        header(wire.PREDICT, zero=1),
        header(wire.PREDICT, flags=2),
        header(wire.PREDICT, size=1),
        header(wire.PREDICT) + b"x",
        header(wire.PREDICT, size=2**64 - 1) + b"x",
        header(wire.PREDICT, n_fds=1),
        header(wire.PREDICT, size=100, flags=1, n_fds=1),
        header(wire.PREDICT, size=100, flags=1),
        header(0),
        header(6),
        header(wire.RESULT),
        header(0xFFFF),
        header(wire.FORK, n_fds=2),
    ],
    ids=lambda datagram: datagram.hex()[:80],
)
def test_malformed_messages(worker, doer_template, datagram):
    worker.send_datagram(datagram)
    ends_with_a_reason(worker, doer_template)


def test_a_fork_for_a_worker(worker, doer_template):
    with open(os.devnull) as file:
        worker.send(wire.FORK, 1, fds=[file.fileno(), file.fileno()])
    assert "FORK" in ends_with_a_reason(worker, doer_template)


@pytest.mark.parametrize(
    "make",
    [
        lambda: wire.memfd(b"x" * 100, seals=0),
        lambda: wire.memfd(b"x" * 100, seals=fcntl.F_SEAL_SHRINK),
        lambda: wire.memfd(b"x" * 100, seals=fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW),
        lambda: wire.memfd(b"x" * 99),
        lambda: wire.memfd(b""),
        lambda: os.open(os.devnull, os.O_RDWR),
        lambda: tempfile.mkstemp()[0],
        lambda: os.pipe()[0],
    ],
)
def test_payloads_in_files_that_are_not_as_they_must(worker, doer_template, make):
    fd = make()
    worker.send_datagram(header(wire.PREDICT, 1, 100, flags=1, n_fds=1), [fd])
    os.close(fd)
    ends_with_a_reason(worker, doer_template)


@pytest.mark.parametrize("size", [0, 2**63, 2**64 - 1])
def test_sizes_of_payloads_in_a_memfd(worker, doer_template, size):
    fd = wire.memfd(b"x" * 100)
    worker.send_datagram(header(wire.PREDICT, 1, size, flags=1, n_fds=1), [fd])
    os.close(fd)
    ends_with_a_reason(worker, doer_template)


def test_more_descriptors_than_allowed(worker, doer_template):
    fds = [wire.memfd(b"x" * 100) for _ in range(8)]
    worker.send_datagram(header(wire.PREDICT, 1, 100, flags=1, n_fds=1), fds)
    for fd in fds:
        os.close(fd)
    ends_with_a_reason(worker, doer_template)


def test_a_datagram_that_is_too_large(worker, doer_template):
    worker.send_datagram(header(wire.PREDICT, 1, 70_000) + bytes(70_000))
    ends_with_a_reason(worker, doer_template)


# --- requests: the worker answers with an error and lives on --------------------------------------


GOOD = wire.table(
    [
        Values("do", ["python 7", "x"], "str"),
        Values("x", np.array([1.5, 2.5])),
        Values("y", np.array([True, False]), missing=(1,)),
    ],
    params={},
    labels=Values(None, np.array([5, 6])),
)
NAMES = "name_offset name_size name_kind dtype flags n_dims n_values shape_offset values_offset"
NAMES = NAMES.split() + ["offsets_offset", "validity_offset", "zero"]


def patch_item(payload, i, **fields):
    at = 48 + 64 * i
    values = dict(zip(NAMES, struct.unpack_from("=QIBBBBQQQQQQ", payload, at)))
    values.update(fields)
    item = struct.pack("=QIBBBBQQQQQQ", *values.values())
    return payload[:at] + item + payload[at + 64 :]


def patch_head(payload, **fields):
    names = "kind flags format n_items n_rows layout_size text_offset text_size".split()
    values = dict(zip(names, struct.unpack_from("=IIIIQQQQ", payload)))
    values.update(fields)
    return struct.pack("=IIIIQQQQ", *values.values()) + payload[48:]


SIZE = len(GOOD)
HUGE = [2**31, 2**32 - 1, 2**63 - 1, 2**63, 2**64 - 64, 2**64 - 1]
BAD = [
    ("empty", b""),
    ("half a head", GOOD[:47]),
    ("head only", GOOD[:48]),
    *((f"cut to {size}", GOOD[:size]) for size in range(49, SIZE, 61)),
    *((f"kind {n}", patch_head(GOOD, kind=n)) for n in (1, 2, 3, 4, 2**32 - 1)),
    *((f"flags {n}", patch_head(GOOD, flags=n)) for n in (8, 16, 24, 32, 2**32 - 1)),
    *((f"format {n}", patch_head(GOOD, format=n)) for n in (3, 2**32 - 1)),
    *((f"{n} items", patch_head(GOOD, n_items=n)) for n in (0, 5, 2**32 - 1)),
    *((f"{n} rows", patch_head(GOOD, n_rows=n)) for n in (0, 1, 3, *HUGE)),
    *((f"layout {n}", patch_head(GOOD, layout_size=n)) for n in (0, 48, 303, SIZE + 1, *HUGE)),
    *((f"text at {n}", patch_head(GOOD, text_offset=n)) for n in (SIZE, *HUGE)),
    *((f"text of {n}", patch_head(GOOD, text_size=n)) for n in (SIZE, *HUGE)),
    ("text that is no JSON", patch_head(GOOD, text_offset=SIZE - 9, text_size=9)),
    *((f"name at {n}", patch_item(GOOD, 1, name_offset=n)) for n in (0, 303, SIZE, *HUGE)),
    *((f"name of {n}", patch_item(GOOD, 1, name_size=n)) for n in (99, 2**32 - 1)),
    *((f"name kind {n}", patch_item(GOOD, 1, name_kind=n)) for n in (2, 3, 255)),
    *((f"dtype {n}", patch_item(GOOD, 2, dtype=n)) for n in (12, 13, 15, 255)),
    *((f"dtype of labels {n}", patch_item(GOOD, 0, dtype=n)) for n in (3, 11, 13, 14)),
    *((f"item flags {n}", patch_item(GOOD, 1, flags=n)) for n in (2, 255)),
    *((f"{n} dims", patch_item(GOOD, 1, n_dims=n)) for n in (1, 64, 255)),
    *((f"{n} values", patch_item(GOOD, 1, n_values=n)) for n in (0, 1, 3, *HUGE)),
    *((f"numbers at {n}", patch_item(GOOD, 2, values_offset=n)) for n in (0, SIZE - 8, *HUGE)),
    ("numbers not aligned", patch_item(GOOD, 2, values_offset=SIZE - 19)),
    *((f"texts at {n}", patch_item(GOOD, 1, values_offset=n)) for n in (SIZE, *HUGE)),
    *((f"offsets at {n}", patch_item(GOOD, 1, offsets_offset=n)) for n in (0, SIZE - 8, *HUGE)),
    *((f"validity at {n}", patch_item(GOOD, 3, validity_offset=n)) for n in (1, SIZE, *HUGE)),
    ("reserved", patch_item(GOOD, 1, zero=1)),
]


@pytest.mark.parametrize("payload", [bad for _, bad in BAD], ids=[name for name, _ in BAD])
def test_malformed_requests(doer, payload):
    result = doer.worker.ask(payload)
    assert (result.kind, result.status) == ("error", 500)
    assert result.value["error_code"] == "INTERNAL_ERROR"
    assert doer("python 7").value == 7


def test_the_good_request_is_good(doer):
    assert doer.worker.ask(GOOD).value == 7


@pytest.mark.parametrize(
    "offsets", [(-1, 8, 9), (0, 9, 8), (0, 2**62, 9), (0, -1, 9), (0, 8, -9), (0, 8, 2**63 - 1)]
)
def test_offsets_of_texts(doer, offsets):
    (at,) = struct.unpack_from("=Q", GOOD, 48 + 64 + 40)
    payload = GOOD[:at] + struct.pack("=3q", *offsets) + GOOD[at + 24 :]
    result = doer.worker.ask(payload)
    assert (result.kind, result.status) == ("error", 500)


def test_texts_that_are_not_utf8(doer):
    (at,) = struct.unpack_from("=Q", GOOD, 48 + 64 + 32)
    result = doer.worker.ask(GOOD[:at] + b"\xff" + GOOD[at + 1 :])
    assert (result.kind, result.status) == ("error", 500)


@pytest.mark.parametrize("text", [b"{", b"\xff\xff", b"[" * 50_000])
def test_params_that_are_no_json(doer, text):
    items = [Values("do", ["python 7"], "str")]
    result = doer.worker.ask(wire.request(wire.TABLE, items, text, n_rows=1))
    assert (result.kind, result.status) == ("error", 500)


SQUARE = np.ones((2, 2))


@pytest.mark.parametrize(
    "shape", [(2, 3), (4, -1), (-2, -2), (2**62, 4), (0, 2**63 - 1), (2**32, 2**32)]
)
def test_shapes(doer, shape):
    payload = wire.request(wire.TENSOR, [Values(None, SQUARE, shape=shape)])
    result = doer.worker.ask(payload)
    assert (result.kind, result.status) == ("error", 500)


@pytest.mark.parametrize("at", [0, 64, *HUGE])
def test_places_of_shapes(doer, at):
    payload = wire.request(wire.TENSOR, [Values(None, SQUARE, shape=SQUARE.shape)])
    result = doer.worker.ask(patch_item(payload, 0, shape_offset=at))
    assert (result.kind, result.status) == ("error", 500)


def test_tensors_with_missing_values(doer):
    array = np.ones(3)
    payload = wire.request(wire.TENSOR, [Values(None, array, shape=(3,), missing=(1,))])
    assert doer.worker.ask(payload).status == 500


PARENT = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.mark.parametrize(
    "trace",
    [
        b"",
        PARENT[:-1],
        PARENT.replace(b"a", b"A"),
        PARENT.replace(b"-", b"_"),
        b"01" + PARENT[2:],
        b"\xff" * 55,
        PARENT + b"x" * 513,
        PARENT + b"\xff",
        PARENT + b"x" * 60_000,
    ],
    ids=lambda trace: trace[:60].decode(errors="replace"),
)
def test_traces(doer, trace):
    head = patch_head(GOOD, flags=4 | 16) + bytes(-len(GOOD) % 8)
    result = doer.worker.ask(head + trace)
    assert (result.kind, result.status) == ("error", 500)
    assert doer.worker.ask(head + PARENT + b"a=1").value == 7


def test_a_remembered_layout_is_checked_against_each_payload(doer):
    """The texts' bytes may be where the layout says, but the payload ends before them."""
    assert doer.worker.ask(GOOD).value == 7
    head = struct.unpack_from("=IIIIQQQQ", GOOD)
    short = patch_head(GOOD[: head[5] + 8], text_offset=0, text_size=0)
    assert doer.worker.ask(short).status == 500
