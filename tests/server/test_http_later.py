"""src/http: requests whose answer is made by another thread. Raw bytes against the echo server."""

import resource
import socket
import threading
import time

import pytest
from http_raw import cancelled, chunked, counters, echo_server, get, leave, post, wait_for


@pytest.fixture(scope="module")
def echo():
    with echo_server(threads=2) as server:
        yield server


@pytest.mark.parametrize("path", ["/later", "/at_once", "/stubborn"])
@pytest.mark.parametrize("ms", ["0", "1", "30"])
def test_the_request_is_as_it_was(echo, path, ms):
    """Whole at once, in pieces, or in chunks: the answer sees all of it."""
    body = ms.ljust(50)
    expected = f"POST {path} 50 [a b]".encode()
    with echo.link() as link:
        for data in (post(path, body, "X-Probe: a b\r\n"), chunked(path, [body.encode()], "X-Probe: a b\r\n")):
            assert link.send(data).response()[2] == expected
            link.send(data[:-20])
            time.sleep(0.02)
            assert link.send(data[-20:]).response()[2] == expected


def test_others_do_not_disturb_it(echo):
    """The scratch of the thread is used by others meanwhile."""
    links = [echo.link() for _ in range(20)]
    for i, link in enumerate(links):
        link.send(post("/later", "100", f"X-Probe: {i}\r\n"))
    for _ in range(20):
        assert echo.ask(post("/echo", b"y" * 3000, "X-Probe: other\r\n"))[0] == 200
    for i, link in enumerate(links):
        assert link.response()[2] == f"POST /later 3 [{i}]".encode()
        link.socket.close()


def test_a_thousand_wait_on_two_threads():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, hard), hard))
    with echo_server(threads=2, connections=1100) as server:
        links = [server.link() for _ in range(1000)]
        start = time.monotonic()
        for _ in range(2):
            for i, link in enumerate(links):
                link.send(post("/later", f"{300 + i % 100}"))
            before = server.cpu_seconds()
            for link in links:
                assert link.response()[2] == b"POST /later 3 []"
        assert time.monotonic() - start < 10
        assert server.cpu_seconds() - before < 5
        for link in links:
            link.socket.close()
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_waiting_has_no_deadline_and_takes_no_cpu():
    with echo_server(read_ms=200, idle_ms=200) as server, server.link() as link:
        link.send(post("/later", "900"))
        before = server.cpu_seconds()
        assert link.response()[0] == 200
        assert server.cpu_seconds() - before < 0.1
        start = time.monotonic()  # and idle afterwards
        assert link.is_closed()
        assert 0.1 < time.monotonic() - start < 2


def test_pipelined_requests_wait_for_the_answer(echo):
    with echo.link() as link:
        parts = [post("/later", "150"), get("/ping"), post("/echo", "x" * 5000), post("/later", "1")]
        link.send(b"".join(parts[:2]))
        time.sleep(0.05)
        link.send(b"".join(parts[2:]))
        start = time.monotonic()
        assert link.response()[2] == b"POST /later 3 []"
        assert time.monotonic() - start > 0.05
        assert link.response()[2] == b'{"predictions": [0]}'
        assert link.response()[2] == b"x" * 5000
        assert link.response()[2] == b"POST /later 1 []"


def test_a_flood_behind_a_waiting_request_stays_in_the_socket(echo):
    with echo.link() as link:
        before = echo.resident_bytes()
        link.send(post("/later", "600"))
        link.socket.settimeout(0.3)
        with pytest.raises(TimeoutError):
            while True:
                link.send(get("/ping") * 1000)
        assert echo.resident_bytes() - before < 8 << 20
        link.socket.settimeout(10)
        assert link.response()[2] == b"POST /later 3 []"
        assert link.response()[2] == b'{"predictions": [0]}'


def test_retry_after(echo):
    """Said with whatever response has it; a stream has its own header test."""
    assert echo.ask(post("/later", "1"))[1]["retry-after"] == "7"
    assert "retry-after" not in echo.ask(get("/ping"))[1]


def test_http_1_0_and_close(echo):
    with echo.link() as link:
        _, headers, body = link.send(post("/later", "10", version="1.0")).response()
        assert (headers["connection"], body) == ("close", b"POST /later 2 []")
        assert link.is_closed()
    with echo.link() as link:
        link.send(post("/later", "10", "Connection: keep-alive\r\n", version="1.0"))
        assert link.response()[1]["connection"] == "keep-alive"
        assert link.send(post("/later", "1", "Connection: close\r\n")).response()[0] == 200
        assert link.is_closed()


@pytest.mark.parametrize("path", ["/later", "/stubborn"])
@pytest.mark.parametrize("way", ["reset", "closed", "half-closed", "closed behind a request"])
def test_clients_that_leave(path, way):
    with echo_server(threads=2) as server:
        links = [server.link().send(post(path, "300")) for _ in range(30)]
        stays = server.link().send(post(path, "300"))
        time.sleep(0.1)
        for link in links:
            if way == "reset":
                leave(link)
                continue
            if way == "closed behind a request":
                link.send(get("/ping"))
            if way == "half-closed":
                link.socket.shutdown(socket.SHUT_WR)
            else:
                link.socket.close()
        cancelled(server, 30)
        if way == "half-closed":
            assert all(link.is_closed() for link in links)
        assert stays.response()[0] == 200
        stays.socket.close()
        stubborn = path == "/stubborn"  # those are waited for, and then seen to
        wait_for(lambda: counters(server)["answered"] == (31 if stubborn else 1))


@pytest.mark.parametrize("first", ["0", "1", "30"])
@pytest.mark.parametrize("second", ["1", "30"])
def test_suspended_again(echo, first, second):
    """`answer` may put it off once more."""
    body = f"{first} {second}".ljust(40)
    with echo.link() as link:
        for _ in range(5):
            link.send(post("/twice", body, "X-Probe: a b\r\n") + get("/ping"))
            assert link.response()[2] == b"POST /twice 40 [a b]"
            assert link.response()[0] == 200


@pytest.mark.parametrize("body, n_answered", [("0 100000", 0), ("100000 1", 0), ("300 1!", 20)])
def test_clients_that_leave_what_is_suspended_again(body, n_answered):
    """While they wait for the first time, the second, or one that cannot be cancelled."""
    with echo_server(threads=2) as server:
        links = [server.link().send(post("/twice", body)) for _ in range(20)]
        time.sleep(0.1)
        for link in links:
            leave(link)
        cancelled(server, 20)
        wait_for(lambda: counters(server)["answered"] == n_answered)


def test_a_client_that_had_left_before(echo):
    """The end of the stream comes along with the request: known before the handler runs."""
    before = counters(echo)["cancelled"]
    with echo.link() as link:
        busy = echo.link().send(post("/slow", "200"))
        other = echo.link().send(post("/slow", "200"))  # both threads are busy
        time.sleep(0.05)
        link.send(post("/later", "100000"))
        link.socket.shutdown(socket.SHUT_WR)
        assert link.is_closed()
        assert busy.response()[0] == other.response()[0] == 200
        busy.socket.close()
        other.socket.close()
    cancelled(echo, before + 1)


def test_at_once_is_answered_to_the_half_closed_too(echo):
    with echo.link() as link:
        link.send(post("/at_once"))
        link.socket.shutdown(socket.SHUT_WR)
        assert link.response()[0] == 200


def test_leaving_races_with_answers():
    """Answers and ends of connections at the same moment, many times; sanitizers look on."""
    with echo_server(threads=2) as server:
        for turn in range(20):
            links = [server.link().send(post("/later", str(i % 4))) for i in range(20)]
            for i, link in enumerate(links):
                if (turn + i) % 3:
                    leave(link)
                else:
                    assert link.response()[0] == 200
                    link.socket.close()
        assert server.ask(post("/later", "1"))[0] == 200


def test_left_connections_make_room():
    with echo_server(connections=3) as server:
        for link in [server.link().send(post("/later", "-1")) for _ in range(3)]:
            leave(link)
        wait_for(lambda: server.ask(get("/ping"))[0] == 200)
        cancelled(server, 3)


def test_stop_lets_them_finish():
    with echo_server(threads=2, drain_ms=5000) as server:
        links = [server.link().send(post("/later", "500")) for _ in range(10)]
        time.sleep(0.1)
        took = []
        stopper = threading.Thread(target=lambda: took.append(server.stop()))
        stopper.start()
        for link in links:
            status, headers, body = link.response()
            assert (status, headers["connection"], body) == (200, "close", b"POST /later 3 []")
            assert link.is_closed()
            link.socket.close()
        stopper.join()
        assert 0.2 < took[0] < 3


def test_stop_cancels_at_the_deadline():
    with echo_server(threads=2, drain_ms=300) as server:
        links = [server.link().send(post("/later", "-1")) for _ in range(10)]
        time.sleep(0.1)
        assert 0.2 < server.stop() < 2
        for link in links:
            assert link.is_closed()
            link.socket.close()


def test_stop_waits_for_those_that_cannot_be_cancelled():
    with echo_server(threads=2, drain_ms=200) as server:
        links = [server.link().send(post("/stubborn", "900")) for _ in range(10)]
        leave(links.pop())
        time.sleep(0.1)
        assert 0.6 < server.stop() < 2.5
        for link in links:
            assert link.is_closed()
            link.socket.close()
