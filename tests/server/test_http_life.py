"""src/http: connections, addresses, and the stop of the server. Raw bytes against the echo server."""

import resource
import socket
import threading
import time

import pytest
from http_raw import Link, chunked, echo_server, get, post


def close_all(links):
    for link in links:
        link.socket.close()


def test_many_connections_over_threads():
    with echo_server(threads=3) as server:
        links = [server.link() for _ in range(50)]
        for _ in range(3):
            for i, link in enumerate(links):
                link.send(post("/echo", f"{i}"))
            for i, link in enumerate(links):
                assert link.response()[2] == f"{i}".encode()
        close_all(links)


def test_connections_are_dealt_evenly():
    """With as many threads as slow requests, all of them run at once."""
    with echo_server(threads=4) as server:
        links = [server.link() for _ in range(4)]
        for link in links:
            assert link.send(get("/ping")).response()[0] == 200
        start = time.monotonic()
        for link in links:
            link.send(post("/slow", "400"))
        for link in links:
            assert link.response()[2] == b"done"
        assert time.monotonic() - start < 0.75
        close_all(links)


def test_max_connections():
    with echo_server(connections=3) as server:
        links = [server.link() for _ in range(3)]
        for link in links:
            assert link.send(get("/ping")).response()[0] == 200
        with server.link() as link:
            status, headers, body = link.response()
            assert (status, headers["connection"]) == (503, "close")
            assert b'"error_code": "RESOURCE_EXHAUSTED"' in body
        links.pop().socket.close()
        deadline = time.monotonic() + 5
        while True:
            with server.link() as link:
                if link.send(get("/ping")).response()[0] == 200:
                    break
            assert time.monotonic() < deadline
        close_all(links)


def test_out_of_descriptors():
    """The acceptor neither spins nor dies, and goes on when there is room again."""

    def limit():
        resource.setrlimit(resource.RLIMIT_NOFILE, (20, 20))

    with echo_server(preexec_fn=limit) as server:
        links = [server.link() for _ in range(30)]
        assert links[0].send(get("/ping")).response()[0] == 200
        before = server.cpu_seconds()
        time.sleep(0.4)
        assert server.cpu_seconds() - before < 0.1
        close_all(links[:20])
        for link in links[20:]:
            assert link.send(get("/ping")).response()[0] == 200
        close_all(links[20:])


def test_clients_that_vanish():
    """A reset in the middle of everything: no signal, no leak, no harm to others."""
    with echo_server(threads=2) as server:
        for data in (
            b"",
            b"GET",
            post("/echo", b"xyz")[:-1],
            post("/large", "9000000"),
            post("/slow", "20"),
            chunked("/echo", [b"a"])[:-3],
        ):
            for _ in range(10):
                link = server.link().send(data)
                reset_on_close = b"\x01\x00\x00\x00\x00\x00\x00\x00"
                link.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset_on_close)
                link.socket.close()
        assert server.ask(get("/ping"))[0] == 200


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0.0.0.0", "127.0.0.2", "::1", "::"])
def test_hosts(host):
    to = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    if ":" in host:
        try:
            with socket.socket(socket.AF_INET6) as probe:
                probe.bind(("::1", 0))
        except OSError:
            # Then the refusal is what there is to see.
            with pytest.raises(AssertionError, match="cannot listen"), echo_server(host=host):
                pass
            return
    with echo_server(host=host) as server, Link(server.port, to) as link:
        assert link.send(get("/ping")).response()[0] == 200


@pytest.mark.parametrize("host", ["no.such.host.invalid", "203.0.113.1", "1.2.3.4.5"])
def test_bad_hosts(host):
    with pytest.raises(AssertionError, match=f"cannot listen on {host}"), echo_server(host=host):
        pass


def test_port_in_use():
    with echo_server() as server, pytest.raises(AssertionError, match="in use"):
        with echo_server(port=server.port):
            pass


def test_port_is_free_again_at_once():
    with echo_server() as server:
        link = server.link()
        assert link.send(get("/ping")).response()[0] == 200
        server.stop()  # closes first: its end of the connection is in TIME_WAIT
        link.socket.close()
        with echo_server(port=server.port) as again:
            assert again.ask(get("/ping"))[0] == 200


def test_stop_lets_requests_under_way_finish():
    with echo_server(threads=2, drain_ms=5000) as server:
        idle, idle2, slow, half, head = (server.link() for _ in range(5))
        assert idle.send(get("/ping")).response()[0] == 200
        slow.send(post("/slow", "400"))
        half.send(post("/echo", b"hello")[:-2])
        head.send(b"GET /ping HTTP/1.1\r\n")
        time.sleep(0.1)
        took = []
        stopper = threading.Thread(target=lambda: took.append(server.stop()))
        stopper.start()
        assert idle.is_closed()
        assert idle2.is_closed()
        with pytest.raises(ConnectionRefusedError):
            server.link()
        half.send(b"lo")
        head.send(b"Host: a\r\n\r\n")
        for link, body in ((slow, b"done"), (half, b"hello"), (head, b'{"predictions": [0]}')):
            status, headers, answer = link.response()
            assert (status, headers["connection"], answer) == (200, "close", body)
            assert link.is_closed()
        close_all([idle, idle2, slow, half, head])
        stopper.join()
        assert took[0] < 3


def test_stop_answers_what_has_arrived():
    """A request that waits in a socket while the thread is busy is answered, not dropped."""
    with echo_server(drain_ms=5000) as server:
        busy, waiting = server.link(), server.link()
        assert waiting.send(get("/ping")).response()[0] == 200
        busy.send(post("/slow", "400"))
        time.sleep(0.1)
        stopper = threading.Thread(target=server.stop)
        stopper.start()
        time.sleep(0.1)
        waiting.send(post("/echo", b"hello"))
        assert busy.response()[2] == b"done"
        assert waiting.response()[2] == b"hello"
        close_all([busy, waiting])
        stopper.join()


def test_stop_does_not_wait_for_ever():
    with echo_server(drain_ms=300) as server:
        stuck = [server.link().send(post("/echo", b"hello")[:-2]) for _ in range(3)]
        stuck.append(server.link().send(post("/large", "50000000")))
        time.sleep(0.1)
        assert 0.2 < server.stop() < 10
        close_all(stuck)


def test_stop_of_an_idle_server_is_quick():
    with echo_server(threads=4) as server:
        links = [server.link() for _ in range(20)]
        assert server.ask(get("/ping"))[0] == 200
        assert server.stop() < 1
        for link in links:
            assert link.is_closed()
        close_all(links)
