"""Downloads that somebody ends, that hardly move, and what is seen of them on a terminal."""

import os
import pty
import signal
import subprocess
import threading
import time

import pytest
from opening import MODEL, TOOL, proxy_uri, put
from store_server import etag_of

BIG = bytes(3 << 20)


@pytest.fixture
def stall(store):
    """The file big.bin comes up to its middle, and then not until the gate opens."""
    put(store, "m", MODEL | {"big.bin": BIG})
    gate, has_begun = threading.Event(), threading.Event()

    def hook(request):
        if not request.path.endswith("/big.bin") or gate.is_set():
            return False
        request.send_response(200)
        request.send_header("Content-Length", str(len(BIG)))
        request.send_header("ETag", etag_of(BIG))
        request.end_headers()
        request.wfile.write(BIG[: 1 << 20])
        request.wfile.flush()
        has_begun.set()
        gate.wait(20)
        request.close_connection = True
        return True

    store.hook = hook
    yield gate, has_begun
    gate.set()


@pytest.mark.parametrize("command", ["serve", "predict", "explain"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_at_once(here, store, stall, command, number):
    gate, has_begun = stall
    process = subprocess.Popen(
        [TOOL.parent / "mlrace", command, "-m", proxy_uri("m")]
        + {"serve": ["-p", "0"], "predict": ["-i", "/dev/null"]}.get(command, []),
        env=here.environ | {"MLFLOW_TRACKING_URI": store.url},
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    assert has_begun.wait(20)
    time.sleep(0.1)
    process.send_signal(number)
    _, err = process.communicate(timeout=5)
    assert process.returncode in (-number, 1, 128 + number), err
    assert "Sanitizer" not in err
    assert not here.entries()
    gate.set()
    store.requests.clear()
    assert here.open(proxy_uri("m")) == MODEL | {"big.bin": BIG}
    ranges = [headers.get("Range") for _, path, headers in store.requests if "big.bin" in path]
    assert len(ranges) == 1 and ranges[0].startswith("bytes=")


def test_what_only_drips_is_given_up(here, store):
    put(store, "m")

    def hook(request):
        if not request.path.endswith("weights.bin"):
            return False
        request.send_response(200)
        request.send_header("Content-Length", "10240")
        request.end_headers()
        request.close_connection = True
        try:
            for _ in range(200):
                request.wfile.write(b"x")
                request.wfile.flush()
                time.sleep(0.1)
        except OSError:
            pass
        return True

    store.hook = hook
    hurry = {"MLFLOW_HTTP_REQUEST_TIMEOUT": "1", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"}
    said = here.fail(proxy_uri("m"), **hurry)
    assert "weights.bin" in said and "MLFLOW_HTTP_REQUEST_TIMEOUT" in said


def test_progress_on_a_terminal(here, store, stall):
    gate, has_begun = stall
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [TOOL, proxy_uri("m"), store.url],
        env=here.environ | {"TERM": "xterm"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=theirs,
    )
    os.close(theirs)
    assert has_begun.wait(20)
    seen = b""
    while b"1.1 MB of 3.2 MB" not in seen:
        seen += os.read(ours, 1000)
    gate.set()
    try:
        while True:
            seen += os.read(ours, 1000)
    except OSError:
        pass  # the terminal's other end is closed
    os.close(ours)
    assert process.wait(20) == 0
    assert b"B/s  ETA" in seen and b"rows" not in seen
    assert b"5 files, 3.2 MB in" in seen.rsplit(b"\x1b[K", 1)[1]
