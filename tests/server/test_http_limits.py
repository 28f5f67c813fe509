"""src/http: limits and timeouts. Raw bytes against the echo server."""

import contextlib
import json
import select
import time

import pytest
from http_raw import chunked, echo_server, get, post


def refusal(link):
    """(status, error_code, message) of an answer that closes the connection."""
    status, headers, body = link.response()
    assert headers["connection"] == "close"
    assert headers["content-type"] == "application/json"
    error = json.loads(body)
    return status, error["error_code"], error["message"]


@pytest.fixture(scope="module")
def small():
    """Tight limits: a body of 1000 bytes, a head of 600."""
    with echo_server(max_body=1000, max_header=600) as server:
        yield server


def test_body_limit_of_a_declared_length(small):
    assert small.ask(post("/echo", b"x" * 1000))[0] == 200
    with small.link() as link:
        link.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1001\r\n\r\n")
        status, code, message = refusal(link)  # before any byte of the body
        assert (status, code) == (413, "REQUEST_LIMIT_EXCEEDED")
        assert "1000" in message
        assert "--max-body" in message


def test_body_limit_answers_expect_continue(small):
    with small.link() as link:
        link.send(post("/echo", b"x" * 1001, "Expect: 100-continue\r\n")[:-1001])
        assert refusal(link)[0] == 413


def test_body_limit_of_chunks(small):
    assert small.ask(chunked("/echo", [b"x" * 500, b"y" * 500]))[0] == 200
    with small.link() as link:
        link.send(chunked("/echo", [b"x" * 500, b"y" * 501])[:-5])
        status, code, message = refusal(link)
        assert (status, code) == (413, "REQUEST_LIMIT_EXCEEDED")
        assert "--max-body" in message


def test_the_refusal_reaches_one_who_sends_on(small):
    """The body is far larger than the sockets' buffers: without lingering the client would see a
    reset instead of the answer."""
    size = 20 << 20
    with small.link() as link:
        link.send(f"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: {size}\r\n\r\n")
        link.send(bytes(size))
        assert refusal(link)[0] == 413
        assert link.is_closed()


def test_header_limits(small):
    exact = "GET /ping HTTP/1.1\r\nHost: a\r\nX: \r\n\r\n"
    exact = exact.replace("X: ", "X: " + "y" * (600 - len(exact)))
    assert len(exact) == 600
    assert small.ask(exact)[0] == 200
    for data in (exact.replace("X: ", "X: y"), "GET /" + "p" * 600, "A: " * 300):
        with small.link() as link:
            link.send(data)
            assert refusal(link)[:2] == (431, "REQUEST_LIMIT_EXCEEDED")


def test_number_of_headers():
    with echo_server() as server:
        assert server.ask(get("/ping", "X: 1\r\n" * 99))[0] == 200
        with server.link() as link:
            link.send(get("/ping", "X: 1\r\n" * 100))
            assert refusal(link)[:2] == (431, "REQUEST_LIMIT_EXCEEDED")


def test_chunk_overhead_is_limited(small):
    for body in ("5;" + "e" * 700, "0\r\n" + "T: 1\r\n" * 200):
        with small.link() as link:
            link.send("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + body)
            assert refusal(link)[:2] == (431, "REQUEST_LIMIT_EXCEEDED")


def test_memory_cap_of_a_request():
    with echo_server(max_body=1 << 20, max_request=100000) as server:
        assert server.ask(post("/echo", b"x" * 50000))[0] == 200
        for data in (post("/echo", b"x" * 200000), chunked("/echo", [b"x" * 200000])):
            with server.link() as link:
                link.send(data)
                assert refusal(link)[:2] == (413, "REQUEST_LIMIT_EXCEEDED")


def test_memory_cap_grows_with_the_body():
    with echo_server(max_body=1 << 20, max_request=40000, per_body_byte=10) as server:
        for body, status in ((b"100000", 503), (b"100000".ljust(10000), 200), (b"100000", 503)):
            assert server.ask(post("/large", body))[0] == status
            assert server.ask(chunked("/large", [body]))[0] == status
        assert server.ask(post("/echo", b"x" * 1000000))[0] == 200


def test_a_declared_length_takes_no_memory():
    with echo_server(max_body=1 << 30) as server:
        before = server.resident_bytes()
        head = f"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: {1 << 28}\r\n\r\n"
        links = [server.link().send(head) for _ in range(8)]
        assert server.ask(get("/ping"))[0] == 200
        assert server.resident_bytes() - before < 8 << 20
        for link in links:
            link.socket.close()


@pytest.fixture(scope="module")
def hasty():
    with echo_server(read_ms=400, idle_ms=700, max_body=100 << 20) as server:
        yield server


def drip(link, data, seconds):
    """Send a byte every 50 ms, which would keep a timeout that only measures inactivity from ever
    running out, until the server has something to say; the seconds it took."""
    start = time.monotonic()
    for byte in data:
        if time.monotonic() - start > seconds:
            break
        link.send(bytes([byte]))
        if select.select([link.socket], [], [], 0.05)[0]:
            break
    return time.monotonic() - start


def test_slow_head(hasty):
    with hasty.link() as link:
        assert 0.3 < drip(link, get("/ping", "X: y\r\n" * 20), 5) < 2
        assert refusal(link)[:2] == (408, "REQUEST_TIMEOUT")


@pytest.mark.parametrize(
    "data", [post("/echo", b"x" * 100), chunked("/echo", [b"x"] * 50)], ids=["sized", "chunked"]
)
def test_slow_body(hasty, data):
    at = data.index(b"\r\n\r\n") + 4
    with hasty.link() as link:
        link.send(data[:at])
        assert 0.3 < drip(link, data[at:], 5) < 2
        assert refusal(link)[:2] == (408, "REQUEST_TIMEOUT")


@pytest.mark.parametrize("data", [b"", b"\r\n" * 60, get("/ping")], ids=["silent", "CRLF", "kept"])
def test_idle_connection(hasty, data):
    """Closed without a word, which a client might take for the answer to its next request."""
    with hasty.link() as link:
        if data.startswith(b"GET"):
            assert link.send(data).response()[0] == 200
            data = b""
        start = time.monotonic()
        drip(link, data, 5)
        assert link.is_closed()
        assert 0.5 < time.monotonic() - start < 2.5


def test_reader_that_stalls():
    with echo_server(read_ms=400) as server, server.link() as link:
        link.send(post("/large", "50000000"))
        received = len(link.socket.recv(1))
        time.sleep(1.2)
        with contextlib.suppress(ConnectionResetError):
            while data := link.socket.recv(1 << 20):
                received += len(data)
        assert received < 50000000
        assert server.ask(get("/ping"))[0] == 200


def test_slow_reader_who_gets_on():
    with echo_server(read_ms=400) as server, server.link() as link:
        link.send(post("/large", "8000000"))
        received, start = 0, time.monotonic()
        while received < 8000000:
            received += len(link.socket.recv(400000))
            time.sleep(0.05)
        assert time.monotonic() - start > 0.8  # longer than read_ms


def test_waiting_takes_no_cpu():
    with echo_server(read_ms=5000) as server:
        links = [server.link().send(data) for data in [b"GET /pi", b"", post("/echo", "xy")[:-1]] * 9]
        assert server.ask(get("/ping"))[0] == 200
        before = server.cpu_seconds()
        time.sleep(0.4)
        assert server.cpu_seconds() - before < 0.1
        for link in links:
            link.socket.close()
