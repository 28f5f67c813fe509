"""src/http: a server that stops, and the next on its port, lose no request. Raw bytes."""

import contextlib
import signal
import socket
import threading
import time

import pytest
from clients import Clients
from http_raw import Link, chunked, echo_server, get, leave, post, wait_for


@contextlib.contextmanager
def stopping(server):
    """The server stops meanwhile, and has at the end; yields a function: the seconds so far."""
    start = time.monotonic()
    stopper = threading.Thread(target=server.stop)
    stopper.start()
    time.sleep(0.1)
    yield lambda: time.monotonic() - start
    stopper.join()


def wait_until_closed(links):
    for link in links:
        assert link.is_closed()


def test_what_has_connected_is_accepted():
    """To clients, connections that wait to be accepted are open; the kernel would reset them."""
    with echo_server(drain_ms=5000, drain_idle_ms=2000, threads=2) as server:
        server.process.send_signal(signal.SIGSTOP)
        links = [server.link() for _ in range(100)]
        for i, link in enumerate(links[:70]):
            link.send(post("/echo", f"{i}"))
        server.process.send_signal(signal.SIGTERM)
        server.process.send_signal(signal.SIGCONT)
        time.sleep(0.1)
        for i, link in enumerate(links[70:], 70):
            link.send(post("/echo", f"{i}"))
        for i, link in enumerate(links):
            status, _, body = link.response()
            assert (status, body) == (200, f"{i}".encode())
            link.socket.close()
        _, err = server.process.communicate(timeout=10)
        assert (server.process.returncode, err) == (0, "")


@pytest.mark.parametrize("has_asked", [True, False])
def test_an_idle_connection_may_be_used_once_more(has_asked):
    with echo_server(drain_ms=5000, drain_idle_ms=1000) as server:
        used, unused = server.link(), server.link()
        for link in (used, unused):
            if has_asked:
                assert "connection" not in link.send(get("/ping")).response()[1]
        with stopping(server) as seconds:
            time.sleep(0.2)
            _, headers, body = used.send(post("/echo", "on its way")).response()
            assert (headers["connection"], body) == ("close", b"on its way")
            wait_until_closed([used, unused])
            assert seconds() > 0.7
            used.socket.close()
            unused.socket.close()
        assert seconds() < 4


def test_a_connection_that_has_long_been_idle_is_closed_at_once():
    with echo_server(drain_ms=10000, drain_idle_ms=1500) as server:
        old = server.link()
        assert old.send(get("/ping")).response()[0] == 200
        time.sleep(1.6)
        with server.link() as new:
            assert new.send(get("/ping")).response()[0] == 200
            with stopping(server) as seconds:
                assert old.is_closed()
                assert seconds() < 1.4
                assert new.send(get("/ping")).response()[1]["connection"] == "close"
                new.socket.close()
        old.socket.close()


def test_the_next_request_after_a_promise_to_stay_open():
    """A response that was sent before the stop began has not said that it is the last one."""
    with echo_server(drain_ms=5000, drain_idle_ms=2000) as server:
        for _ in range(3):
            assert server.ask(get("/ping"))[0] == 200
        busy, link = server.link(), server.link()
        assert "connection" not in link.send(post("/echo", "a")).response()[1]
        busy.send(post("/slow", "300"))
        with stopping(server):
            assert link.send(post("/echo", "b")).response()[2] == b"b"
            link.socket.close()
            assert busy.response()[2] == b"done"
            busy.socket.close()


def test_all_of_a_pipeline_is_answered():
    with echo_server(drain_ms=5000) as server, server.link() as link:
        pipeline = post("/slow", "400") + post("/echo", "2") + chunked("/echo", [b"3"])
        link.send(pipeline)
        time.sleep(0.1)
        with stopping(server):
            answers = [link.response() for _ in range(3)]
            assert link.is_closed()
            link.socket.close()
        assert [body for _, _, body in answers] == [b"done", b"2", b"3"]
        assert [headers.get("connection") for _, headers, _ in answers] == [None, None, "close"]


def test_an_announced_stop():
    """Everything goes on, but each response is the last one of its connection."""
    with echo_server(drain_ms=5000, announce_ms=900) as server:
        old = server.link()
        assert "connection" not in old.send(get("/ping")).response()[1]
        server.process.send_signal(signal.SIGTERM)
        time.sleep(0.2)
        with server.link() as new:
            for link in (old, new):
                status, headers, _ = link.send(get("/ping")).response()
                assert (status, headers["connection"]) == (200, "close")
                assert link.is_closed()
        old.socket.close()
        assert server.process.wait(10) == 0
        assert server.process.communicate()[1] == ""


class Connecting(Clients):
    """Each time on a new connection."""

    def __init__(self, port, n):
        super().__init__(range(n))
        self.port = port

    def run(self, _):
        while not self.is_ending:
            fault = None
            try:
                with Link(self.port) as link:
                    assert link.send(post("/echo", "x")).response()[2] == b"x"
            except (OSError, EOFError, AssertionError) as error:
                fault = repr(error)
            self.count(fault)


def test_servers_that_share_a_port():
    """Clients that connect all the time do not notice that the server becomes another one."""
    settings = {"shares_port": 1, "drain_ms": 5000, "drain_idle_ms": 2000}
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(echo_server(**settings))
        with Connecting(server.port, 8) as clients:
            for _ in range(10):
                n_before = clients.n_answers
                wait_for(lambda n=n_before: clients.n_answers > n + 20)
                following = stack.enter_context(echo_server(**settings, port=server.port))
                assert server.stop() < 20
                server = following
        assert not clients.faults


def test_a_socket_that_others_have_too():
    """What comes between two servers waits for the second one."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        settings = {"listener": listener.fileno(), "pass_fds": [listener.fileno()]}
        with echo_server(**settings, drain_ms=2000) as first:
            assert first.port == listener.getsockname()[1]
            assert first.ask(get("/ping"))[0] == 200
            first.stop()
            links = [first.link().send(post("/echo", f"{i}")) for i in range(20)]
        with echo_server(**settings) as second:
            for i, link in enumerate(links):
                assert link.response()[2] == f"{i}".encode()
                link.socket.close()
            assert second.ask(get("/ping"))[0] == 200


def test_a_refused_client_learns_why():
    """Even when it sends before it reads: a reset would take the answer away."""
    with echo_server(connections=1) as server, server.link() as first:
        assert first.send(get("/ping")).response()[0] == 200
        for _ in range(20):
            with server.link() as link:
                time.sleep(0.01)
                for byte in post("/echo", b"x" * 100_000)[:2000:100]:
                    link.send(bytes([byte]))
                status, headers, _ = link.response()
                assert (status, headers["connection"], headers["retry-after"]) == (503, "close", "1")
        for _ in range(300):
            server.link()  # and does not care
        for _ in range(300):
            leave(server.link())
        assert first.send(get("/ping")).response()[0] == 200
