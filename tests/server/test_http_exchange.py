"""src/http: what is told of each request when it is over. Raw bytes against the echo server."""

import contextlib
import json
import socket
import time

import pytest
from http_raw import chunked, echo_server, get, leave, post, wait_for


class Observed:
    def __init__(self, server, file):
        self.server, self.file = server, file

    def ask(self, data, has_body=True):
        return self.server.ask(data, has_body)

    def wait(self, count):
        """That many exchanges, in the order of their ends."""
        wait_for(lambda: self.file.read_text().count("\n") >= count)
        time.sleep(0.02)  # for one too many
        lines = [json.loads(line) for line in self.file.read_text().splitlines()]
        assert len(lines) == count
        return lines


@pytest.fixture
def observed(tmp_path):
    with contextlib.ExitStack() as stack:

        def start(**settings):
            file = tmp_path / "observed"
            return Observed(stack.enter_context(echo_server(observe=file, **settings)), file)

        yield start


def test_a_request(observed):
    server = observed()
    server.ask(post("/echo?a=b", "abc"))
    server.ask(chunked("/inspect", [b"12", b"3456"], "X-Probe: p\r\n"))
    server.ask(get("/ping", method="HEAD"), has_body=False)
    first, second, third = server.wait(3)
    assert (first["method"], first["path"], first["route"], first["status"]) == ("POST", "/echo", "/echo", 200)
    assert (first["received"], first["sent"], first["is_cut"], first["notes"]) == (3, 3, 0, "")
    assert (second["received"], second["notes"]) == (6, "p")
    assert (third["method"], third["sent"]) == ("HEAD", 0)
    for exchange in (first, second, third):
        times = [exchange[name] for name in ("first", "whole", "answered", "end")]
        assert times == sorted(times) and 0 < times[0] and times[3] - times[0] < 5e9


def test_times_of_a_slow_client_and_handler(observed):
    server = observed()
    body = post("/slow", b"50 ")
    with server.server.link() as link:
        link.send(body[:10])
        time.sleep(0.1)
        link.send(body[10:-1])
        time.sleep(0.1)
        link.send(body[-1:]).response()
    (exchange,) = server.wait(1)
    assert exchange["whole"] - exchange["first"] >= 0.05e9  # a busy server sees the first byte late
    assert exchange["answered"] - exchange["whole"] >= 0.05e9
    assert exchange["received"] == 3


def test_a_large_answer_to_a_slow_reader(observed):
    """The strings outlive the input buffer, which serves others meanwhile."""
    server = observed(threads=1)
    with server.server.link() as link:
        link.send(post("/large", "40000000", "X-Request-Id: slow-1\r\n"))
        time.sleep(0.05)
        for _ in range(3):
            server.ask(post("/echo", "y" * 5000))
        size = int(link.response(has_body=False)[1]["content-length"]) - len(link.buffer)
        while size > 0:
            size -= len(link.socket.recv(1 << 20))
    exchange = server.wait(4)[3]
    assert (exchange["id"], exchange["method"], exchange["path"]) == ("slow-1", "POST", "/large")
    assert (exchange["sent"], exchange["is_cut"]) == (40000000, 0)
    assert exchange["end"] > exchange["answered"]


def test_pipelined(observed):
    server = observed()
    with server.server.link() as link:
        link.send(b"".join(post("/echo", "x" * i, f"X-Request-Id: {i}\r\n") for i in range(5)))
        for i in range(5):
            assert link.response()[1]["x-request-id"] == str(i)
    assert [(e["id"], e["sent"]) for e in server.wait(5)] == [(str(i), i) for i in range(5)]


@pytest.mark.parametrize("sent", ["abc-DEF_1.2:3/4", "x" * 128, "1"])
def test_the_id_of_the_client(observed, sent):
    server = observed()
    assert server.ask(post("/echo", "", f"X-Request-Id: {sent}\r\n"))[1]["x-request-id"] == sent
    assert server.wait(1)[0]["id"] == sent


@pytest.mark.parametrize("sent", ["", "a b", 'a"b', "a\\b", "x" * 129, "\xe9"])
def test_an_id_that_is_not_taken_over(observed, sent):
    server = observed()
    data = post("/echo", "", "X-Request-Id: @\r\n").replace(b"@", sent.encode("latin-1"))
    ids = [server.ask(data)[1]["x-request-id"] for _ in range(100)]
    assert len(set(ids)) == 100
    assert all(len(i) == 16 and set(i) <= set("0123456789abcdef") for i in ids)
    assert [e["id"] for e in server.wait(100)] == ids


@pytest.mark.parametrize(
    "data, method, path, status",
    [
        (get("/nowhere"), "GET", "/nowhere", 404),
        (get("/echo"), "GET", "/echo", 405),
        (post("/echo", "x" * 101), "POST", "/echo", 413),
        (b"\x16\x03\x01", "", "", 400),
        (b"GET / HTTP/1.1\r\nA" + b"a" * 2000, "", "", 431),
        (b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n", "", "", 501),
    ],
)
def test_refused(observed, data, method, path, status):
    server = observed(max_body=100, max_header=1000)
    answer = server.ask(data)
    (exchange,) = server.wait(1)
    assert answer[0] == exchange["status"] == status
    assert (exchange["method"], exchange["path"], exchange["route"]) == (method, path, "")
    assert exchange["id"] == answer[1]["x-request-id"]
    assert exchange["sent"] == len(answer[2])


def test_too_slow(observed):
    server = observed(read_ms=50)
    with server.server.link() as link:
        assert link.send(post("/echo", "abc")[:-1]).response()[0] == 408
    (exchange,) = server.wait(1)
    assert (exchange["path"], exchange["status"], exchange["whole"]) == ("/echo", 408, 0)


def test_too_many_connections(observed):
    server = observed(connections=1)
    with server.server.link() as link:
        link.send(get("/ping")).response()
        assert server.ask(b"")[0] == 503
    assert sorted(e["status"] for e in server.wait(2)) == [200, 503]


def test_clients_that_leave(observed):
    """Before a head nobody asked anything; later it counts, with what was not sent."""
    server = observed()
    link = server.server.link()
    link.send(b"POST /ec")
    leave(link)
    link = server.server.link()
    link.send(post("/echo", "abc")[:-1])
    time.sleep(0.02)
    leave(link)
    (exchange,) = server.wait(1)
    assert (exchange["path"], exchange["status"], exchange["answered"]) == ("/echo", 0, 0)
    link = server.server.link()
    link.send(post("/later", "5000"))
    time.sleep(0.02)
    leave(link)
    exchange = server.wait(2)[1]
    assert (exchange["path"], exchange["status"], exchange["received"]) == ("/later", 0, 4)
    link = server.server.link()
    link.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    link.send(post("/large", "9000000"))
    link.socket.recv(1)
    leave(link)
    exchange = server.wait(3)[2]
    assert (exchange["status"], exchange["is_cut"]) == (200, 1)
    assert 0 < exchange["sent"] < 9000000


def test_a_stream(observed):
    server = observed()
    status, headers, body = server.ask(post("/stream", "3 5 10 200"))
    (exchange,) = server.wait(1)
    assert status == exchange["status"] == 200
    assert headers["x-request-id"] == exchange["id"]
    assert exchange["sent"] >= len(body) > 0
    assert exchange["is_cut"] == 0
