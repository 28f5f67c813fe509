"""src/http: responses in pieces, made by another thread. Raw bytes against the echo server."""

import socket
import threading
import time

import pytest
from http_raw import cancelled, counters, echo_server, get, leave, post, wait_for

FEW = 64 << 10  # MR_HTTP_STREAM_FEW_BYTES


@pytest.fixture(scope="module")
def echo():
    with echo_server(threads=2) as server:
        yield server


def stream(n, size=10, pause_ms=0, status=200, tail="", **options):
    return post("/stream", f"{n} {size} {pause_ms} {status}{tail}", **options)


def pieces(n, size=10):
    return [f"{i} ".encode().ljust(size, b".") for i in range(n, 0, -1)]


@pytest.mark.parametrize(
    ("n", "size", "pause_ms"), [(0, 1, 0), (1, 10, 0), (3, 10, 30), (500, 11, 0), (300, 20000, 0)]
)
def test_pieces_come_in_order(echo, n, size, pause_ms):
    with echo.link() as link:
        for _ in range(2):  # the connection goes on behind a stream
            status, headers, body = link.send(stream(n, size, pause_ms)).response()
            assert status == 200
            assert headers["transfer-encoding"] == "chunked"
            assert headers["cache-control"] == "no-cache"
            assert "content-length" not in headers
            assert "connection" not in headers
            assert body == b"".join(pieces(n, size))
        assert link.send(get("/ping")).response()[2] == b'{"predictions": [0]}'


def test_each_piece_comes_at_once(echo):
    with echo.link() as link:
        link.send(stream(4, 10, 150))
        start, times = time.monotonic(), []
        assert link.response(has_body=False)[0] == 200
        while link.chunk():
            times.append(time.monotonic() - start)
        assert len(times) == 4
        assert times[0] < 0.1
        assert 0.35 < times[3] < 1.5


def test_pipelined_requests_wait_for_the_end(echo):
    with echo.link() as link:
        link.send(stream(3, 10, 40) + get("/ping") + stream(2) + post("/later", "1"))
        assert link.response()[2] == b"".join(pieces(3))
        assert link.response()[2] == b'{"predictions": [0]}'
        assert link.response()[2] == b"".join(pieces(2))
        assert link.response()[2] == b"POST /later 1 []"


def test_http_1_0(echo):
    for headers in ("", "Connection: keep-alive\r\n"):
        with echo.link() as link:
            link.send(stream(100, 1000, headers=headers, version="1.0"))
            _, headers, _ = link.response(has_body=False)
            assert headers["connection"] == "close"
            assert not {"transfer-encoding", "content-length"} & set(headers)
            assert link.rest() == b"".join(pieces(100, 1000))


def test_connection_close(echo):
    with echo.link() as link:
        link.send(stream(3, headers="Connection: close\r\n"))
        _, headers, body = link.response()
        assert (headers["connection"], body) == ("close", b"".join(pieces(3)))
        assert link.is_closed()


def test_no_body_where_there_may_be_none(echo):
    with echo.link() as link:
        link.send(stream(50, 10000).replace(b"POST", b"HEAD", 1) + get("/ping"))
        assert link.response(has_body=False)[0] == 200
        assert link.response()[2] == b'{"predictions": [0]}'
        link.send(stream(50, 10000, 0, 204) + get("/ping"))
        status, headers, body = link.response()
        assert (status, body) == (204, b"")
        assert "transfer-encoding" not in headers
        assert link.response()[2] == b'{"predictions": [0]}'


def test_other_statuses(echo):
    status, headers, body = echo.ask(stream(2, 10, 0, 503))
    assert (status, headers["retry-after"], body) == (503, "7", b"".join(pieces(2)))


def test_many_streams_at_once(echo):
    links = [echo.link().send(stream(20, 50, 5)) for _ in range(60)]
    for link in links:
        assert link.response()[2] == b"".join(pieces(20, 50))
        link.socket.close()


def test_a_slow_reader_holds_the_producer_back():
    with echo_server() as server, server.link() as link:
        link.send(stream(2000, 20000))  # 40 MB
        assert link.response(has_body=False)[0] == 200
        time.sleep(0.5)
        seen = counters(server)
        assert seen["ended"] == 0
        assert seen["max_unsent"] < 4 * FEW
        body = b"".join(iter(link.chunk, b""))
        assert body == b"".join(pieces(2000, 20000))
        assert counters(server)["drained"] > 0
        assert counters(server)["max_unsent"] < 4 * FEW


def test_a_reader_that_stalls_is_cancelled():
    with echo_server(read_ms=400) as server, server.link() as link:
        link.send(stream(100000, 20000))
        link.socket.recv(1)
        start = time.monotonic()
        cancelled(server, 1)
        assert 0.2 < time.monotonic() - start < 2
        assert counters(server)["ended"] == 0


def test_small_pieces_do_not_help_one_who_stalls():
    """Pieces that are added are no progress of the client."""
    with echo_server(read_ms=500) as server, server.link() as link:
        link.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        link.send(stream(100000, 8000, 1))
        cancelled(server, 1)


def test_a_slow_reader_who_gets_on():
    with echo_server(read_ms=400) as server, server.link() as link:
        link.send(stream(500, 20000))
        received, start = 0, time.monotonic()
        while received < 10_000_000:
            received += len(link.socket.recv(500000))
            time.sleep(0.05)
        assert time.monotonic() - start > 0.8


def test_waiting_for_pieces_has_no_deadline():
    with echo_server(read_ms=200, idle_ms=200) as server, server.link() as link:
        before = server.cpu_seconds()
        assert link.send(stream(2, 10, 700)).response()[2] == b"".join(pieces(2))
        assert server.cpu_seconds() - before < 0.2


@pytest.mark.parametrize("tail", ["", "!"], ids=["cancelled", "waited for"])
@pytest.mark.parametrize("way", ["reset", "closed", "half-closed", "full"])
def test_clients_that_leave(way, tail):
    with echo_server(threads=2) as server:
        links = []
        for _ in range(10):
            links.append(server.link())
            links[-1].send(stream(30, 20000, 20, tail=tail))
        for link in links:
            if way != "full":
                assert link.response(has_body=False)[0] == 200
                assert link.chunk()
            else:
                time.sleep(0.02)
        stays = server.link().send(stream(3, 10, 100))
        for link in links:
            if way == "half-closed":
                link.socket.shutdown(socket.SHUT_WR)
            elif way == "closed":
                link.socket.close()
            else:
                leave(link)
        cancelled(server, 10)
        assert stays.response()[2] == b"".join(pieces(3))
        stays.socket.close()
        wait_for(lambda: counters(server)["ended"] == (11 if tail else 1))
        for link in links:
            link.socket.close()


def test_the_end_reaches_one_who_half_closes_late():
    """Nobody works for it any more: what waits to be sent is sent."""
    size = 12_000_000  # more than the kernel takes; a sanitizer looks at all of it in each call
    with echo_server() as server, server.link() as link:
        link.send(stream(1, size))
        wait_for(lambda: counters(server)["ended"] == 1)
        link.socket.shutdown(socket.SHUT_WR)
        time.sleep(0.1)
        assert link.response()[2] == pieces(1, size)[0]
        assert link.is_closed()
        assert counters(server)["cancelled"] == 0


def test_leaving_after_the_end():
    with echo_server() as server:
        for n in range(1, 4):
            link = server.link().send(stream(1, 30_000_000))
            wait_for(lambda n=n: counters(server)["ended"] == n)
            leave(link)
        assert counters(server)["cancelled"] == 0
        assert server.ask(stream(2))[2] == b"".join(pieces(2))


def test_leaving_races_with_pieces():
    with echo_server(threads=2) as server:
        for turn in range(15):
            links = [server.link().send(stream(1 + i % 5, 5000, i % 3)) for i in range(20)]
            for i, link in enumerate(links):
                if (turn + i) % 3:
                    leave(link)
                else:
                    assert link.response()[2] == b"".join(pieces(1 + i % 5, 5000))
                    link.socket.close()
        assert server.ask(stream(2))[2] == b"".join(pieces(2))


def test_stop_lets_streams_finish():
    """And the connection is closed behind it, though its head could not say so."""
    with echo_server(threads=2, drain_ms=5000) as server:
        links = [server.link().send(stream(5, 10, 100)) for _ in range(4)]
        time.sleep(0.15)
        took = []
        stopper = threading.Thread(target=lambda: took.append(server.stop()))
        stopper.start()
        for link in links:
            assert link.response()[2] == b"".join(pieces(5))
            assert link.is_closed()
            link.socket.close()
        stopper.join()
        assert 0.1 < took[0] < 3


@pytest.mark.parametrize("tail", ["", "!"], ids=["cancelled", "waited for"])
def test_stop_at_the_deadline(tail):
    with echo_server(threads=2, drain_ms=300) as server:
        stuck = server.link().send(stream(3000, 20000, 0, tail=tail))
        links = [server.link().send(stream(10, 10, 100, tail=tail)) for _ in range(4)]
        time.sleep(0.1)
        seconds = server.stop()
        assert (0.6 if tail else 0.2) < seconds < 2.5
        for link in links:
            assert link.response(has_body=False)[0] == 200
            with pytest.raises(EOFError):  # the client sees that it is not whole
                while link.chunk():
                    pass
            link.socket.close()
        stuck.socket.close()
