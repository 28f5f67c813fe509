"""src/http: what a request is, and where it ends. Raw bytes against the echo server."""

import json
import random

import pytest
from http_raw import chunked, echo_server, get, post


@pytest.fixture(scope="module")
def echo():
    with echo_server(max_body=1 << 20, max_header=8192) as server:
        yield server


def test_get_and_its_headers(echo):
    status, headers, body = echo.ask(get("/ping"))
    assert (status, body) == (200, b'{"predictions": [0]}')
    assert headers["content-type"] == "application/json"
    assert headers["content-length"] == "20"
    assert headers["server"].startswith("mlrace/")
    assert headers["date"].endswith(" GMT")
    assert "connection" not in headers


def test_head_is_get_without_the_body(echo):
    with echo.link() as link:
        status, headers, body = link.send(get("/ping", method="HEAD")).response(has_body=False)
        assert (status, headers["content-length"], body) == (200, "20", b"")
        # The next response follows at once: no byte of a body was sent.
        assert link.send(get("/ping")).response()[0] == 200
    status, headers, _ = echo.ask(get("/echo", method="HEAD"), has_body=False)
    assert (status, headers["allow"]) == (405, "POST")


@pytest.mark.parametrize(
    "path", ["/", "/nope", "//ping", "/ping/x", "/pin", "/Ping", "/ping%00", "*", "/%2e/ping"]
)
def test_unknown_path(echo, path):
    status, headers, body = echo.ask(get(path))
    assert (status, body) == (404, b'{"detail":"Not Found"}')
    assert headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("POST", "/ping", "GET, HEAD"),
        ("GET", "/invocations", "POST"),
        ("get", "/ping", "GET, HEAD"),
        ("OPTIONS", "/echo", "POST"),
        ("DELETE", "/inspect", "GET, HEAD, POST, PUT"),
    ],
)
def test_wrong_method(echo, method, path, allow):
    status, headers, body = echo.ask(get(path, method=method))
    assert (status, body) == (405, b'{"detail":"Method Not Allowed"}')
    assert headers["allow"] == allow


@pytest.mark.parametrize(
    ("path", "location"),
    [
        ("/invocations/", "/invocations"),
        ("/ping///?a=1&b=%20x", "/ping?a=1&b=%20x"),
        ('/ping/?q="<>', "/ping?q=%22%3C%3E"),
        ("/ping%2f", "/ping"),
        ("/inspect/%2F/", "/inspect"),
    ],
)
def test_trailing_slashes_redirect(echo, path, location):
    # Starlette redirects whatever the method is: the target answers 405 itself.
    for method in ("GET", "POST", "PUT"):
        status, headers, body = echo.ask(get(path, method=method))
        assert (status, headers["location"], body) == (307, location, b"")
        assert headers["content-length"] == "0"


@pytest.mark.parametrize(
    "path", ["/pin%67", "/ping?x=1", "/ping?", "http://h:1/ping", "HTTPS://h/ping?x"]
)
def test_paths_that_are_the_route(echo, path):
    assert echo.ask(get(path))[0] == 200


def test_handler_sees_method_path_and_headers(echo):
    status, _, body = echo.ask(get("/insp%65ct?q", "X-ProBe: \t a b \t\r\n", method="PUT"))
    assert (status, body) == (200, b"PUT /inspect 0 [a b]")
    # Headers live on while the body comes in.
    with echo.link() as link:
        link.send(post("/inspect", b"12345", "X-Probe: kept\r\n")[:-3])
        assert echo.ask(get("/inspect", "X-Probe: other\r\n"))[2] == b"GET /inspect 0 [other]"
        link.send(b"345")
        assert link.response()[2] == b"POST /inspect 5 [kept]"


BODIES = [b"", b"x", b"{}" * 70, b"a" * 4087, b"b" * 4088, b"c" * 65536, bytes(range(256)) * 4096]


@pytest.mark.parametrize("body", BODIES, ids=len)
def test_bodies(echo, body):
    with echo.link() as link:
        for _ in range(3):  # the arena is used again
            status, _, answer = link.send(post("/echo", body)).response()
            assert status == 200
            assert answer == body


@pytest.mark.parametrize("sizes", [(1,), (1, 1, 1), (7, 0x10, 0x1AB), (4096, 1), (65536, 65535, 3)])
def test_chunked_bodies(echo, sizes):
    data = random.Random(1).randbytes(sum(sizes))
    chunks, at = [], 0
    for size in sizes:
        chunks.append(data[at : at + size])
        at += size
    for trailer in ("", "X-Trailer: 1\r\nOther: 2\r\n"):
        with echo.link() as link:
            for _ in range(2):
                link.send(chunked("/echo", chunks, trailer=trailer))
                assert link.response()[::2] == (200, data)


def test_chunk_extensions_and_digits(echo):
    head = "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: CHUNKED\r\n\r\n"
    body = '5;name=value;q="x y"\r\nhello\r\n0003 ;a\r\n!!!\r\n00;last\r\n\r\n'
    assert echo.ask(head + body)[::2] == (200, b"hello!!!")


def test_any_split_of_the_bytes(echo):
    """Requests of three kinds, cut in two at each byte, and sent byte by byte."""
    data = post("/echo", b"hello") + chunked("/echo", [b"ab", b"c" * 17]) + get("/ping")
    expected = [(200, b"hello"), (200, b"ab" + b"c" * 17), (200, b'{"predictions": [0]}')]
    with echo.link() as link:
        for cut in range(1, len(data)):
            link.send(data[:cut]).send(data[cut:])
            assert [link.response()[::2] for _ in expected] == expected, cut
        for i in range(len(data)):
            link.send(data[i : i + 1])
        assert [link.response()[::2] for _ in expected] == expected


def test_random_pieces(echo):
    rng = random.Random(7)
    with echo.link() as link:
        for _ in range(40):
            bodies = [rng.randbytes(rng.choice([0, 3, 200, 5000, 90000])) for _ in range(5)]
            data = b"".join(
                chunked("/echo", [b[i : i + 777] for i in range(0, len(b), 777)])
                if rng.random() < 0.4
                else post("/echo", b)
                for b in bodies
            )
            at = 0
            while at < len(data):
                size = rng.choice([1, 50, 3000, 70000])
                link.send(data[at : at + size])
                at += size
            for body in bodies:
                assert link.response()[::2] == (200, body)


def test_pipelining(echo):
    with echo.link() as link:
        link.send(b"".join(post("/echo", str(i)) for i in range(500)) + get("/nope") + get("/ping"))
        assert [link.response()[2] for _ in range(500)] == [str(i).encode() for i in range(500)]
        assert link.response()[0] == 404
        assert link.response()[0] == 200


def test_pipelining_against_a_full_socket(echo):
    """Responses of 1 MB each fill the sockets: requests wait, and none is lost."""
    with echo.link() as link:
        link.send(post("/large", "1000000") * 20)
        for _ in range(20):
            status, _, body = link.response()
            assert status == 200
            assert len(body) == 1000000
            assert body[22:25] == b"wab"


def test_http_1_0(echo):
    with echo.link() as link:
        link.send("GET /ping HTTP/1.0\r\n\r\n")
        status, headers, _ = link.response()
        assert (status, headers["connection"]) == (200, "close")
        assert link.is_closed()
    with echo.link() as link:
        for _ in range(3):
            link.send(post("/echo", b"x", "Connection: Keep-Alive\r\n", version="1.0"))
            status, headers, body = link.response()
            assert (status, headers["connection"], body) == (200, "keep-alive", b"x")


@pytest.mark.parametrize("value", ["close", "Close", "te, close", "close , keep-alive"])
def test_connection_close(echo, value):
    with echo.link() as link:
        link.send(get("/ping", f"Connection: {value}\r\n"))
        assert link.response()[1]["connection"] == "close"
        assert link.is_closed()


def test_half_closed_client_is_answered(echo):
    with echo.link() as link:
        link.send(post("/echo", b"x") + get("/ping"))
        link.socket.shutdown(1)
        assert link.response()[2] == b"x"
        assert link.response()[0] == 200
        assert link.is_closed()


def test_expect_continue(echo):
    with echo.link() as link:
        for data in (
            post("/echo", b"hello", "Expect: 100-continue\r\n"),
            chunked("/echo", [b"hello"], "Expect: 100-Continue\r\n"),
        ):
            head, body = data.split(b"\r\n\r\n", 1)
            link.send(head + b"\r\n\r\n")
            assert link.response()[0] == 100
            link.send(body)
            assert link.response()[::2] == (200, b"hello")
        # The body came along: no need to ask for it. Other expectations are no reason to refuse.
        link.send(post("/echo", b"hello", "Expect: 100-continue\r\n"))
        assert link.response()[::2] == (200, b"hello")
        link.send(post("/echo", b"hello", "Expect: the unexpected\r\n"))
        assert link.response()[::2] == (200, b"hello")


@pytest.mark.parametrize(("path", "status"), [("/nope", 404), ("/ping", 405), ("/echo/", 307)])
def test_expect_continue_of_an_unwanted_body(echo, path, status):
    with echo.link() as link:
        link.send(post(path, b"hello", "Expect: 100-continue\r\n")[:-5])
        answer = link.response()
        assert (answer[0], answer[1]["connection"]) == (status, "close")


def test_empty_lines_before_a_request(echo):
    with echo.link() as link:
        link.send(b"\r\n\r\n" + get("/ping") + b"\r\n" + get("/ping"))
        assert [link.response()[0], link.response()[0]] == [200, 200]


MALFORMED = {
    "bare LF": "GET /ping HTTP/1.1\nHost: a\n\n",
    "bare LF in a field": "GET /ping HTTP/1.1\r\nHost: a\nX: 1\r\n\r\n",
    "bare CR": "GET /ping HTTP/1.1\r\nHost: a\r\nX: 1\r2\r\n\r\n",
    "NUL": "GET /ping HTTP/1.1\r\nHost: a\r\nX: 1\x002\r\n\r\n",
    "DEL": "GET /ping HTTP/1.1\r\nHost: a\r\nX: \x7f\r\n\r\n",
    "no version": "GET /ping\r\nHost: a\r\n\r\n",
    "two spaces": "GET  /ping HTTP/1.1\r\nHost: a\r\n\r\n",
    "space at the end": "GET /ping HTTP/1.1 \r\nHost: a\r\n\r\n",
    "space in the target": "GET /pi ng HTTP/1.1\r\nHost: a\r\n\r\n",
    "tab": "GET\t/ping HTTP/1.1\r\nHost: a\r\n\r\n",
    "target": "GET ping HTTP/1.1\r\nHost: a\r\n\r\n",
    "fragment": "GET /ping#a HTTP/1.1\r\nHost: a\r\n\r\n",
    "raw UTF-8 in the target": "GET /é HTTP/1.1\r\nHost: a\r\n\r\n",
    "version": "GET /ping HTTP/11\r\nHost: a\r\n\r\n",
    "version name": "GET /ping http/1.1\r\nHost: a\r\n\r\n",
    "method": "G@T /ping HTTP/1.1\r\nHost: a\r\n\r\n",
    "no method": " /ping HTTP/1.1\r\nHost: a\r\n\r\n",
    "TLS": "\x16\x03\x01\x02\x00\x01\x00",
    "no Host": "GET /ping HTTP/1.1\r\n\r\n",
    "two Hosts": "GET /ping HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
    "Host with a space": "GET /ping HTTP/1.1\r\nHost: a b\r\n\r\n",
    "folded field": "GET /ping HTTP/1.1\r\nHost: a\r\nX: 1\r\n 2\r\n\r\n",
    "folded first field": "GET /ping HTTP/1.1\r\n Host: a\r\n\r\n",
    "space before the colon": "GET /ping HTTP/1.1\r\nHost : a\r\n\r\n",
    "no colon": "GET /ping HTTP/1.1\r\nHost: a\r\nX\r\n\r\n",
    "no field name": "GET /ping HTTP/1.1\r\nHost: a\r\n: 1\r\n\r\n",
}


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed_heads(echo, name):
    with echo.link() as link:
        # A second request stands behind: it must not be read as one. What is no HTTP at all is
        # refused at its first byte.
        link.send(MALFORMED[name].encode() + (b"" if name == "TLS" else get("/ping")))
        status, headers, body = link.response()
        assert (status, headers["connection"]) == (400, "close")
        assert json.loads(body)["error_code"] == "BAD_REQUEST"
        assert json.loads(body)["message"]
        assert link.is_closed()


# Where two servers in a row could disagree on the end of a request (request smuggling).
SMUGGLING = {
    "CL and TE": (400, "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"),
    "TE and CL": (400, "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n"),
    "two lengths": (400, "Content-Length: 5\r\nContent-Length: 6\r\n"),
    "the same length twice": (400, "Content-Length: 5\r\nContent-Length: 5\r\n"),
    "list of lengths": (400, "Content-Length: 5, 5\r\n"),
    "negative": (400, "Content-Length: -5\r\n"),
    "plus": (400, "Content-Length: +5\r\n"),
    "hexadecimal": (400, "Content-Length: 0x5\r\n"),
    "fraction": (400, "Content-Length: 5.0\r\n"),
    "empty": (400, "Content-Length:\r\n"),
    "inner space": (400, "Content-Length: 5 5\r\n"),
    "trailing garbage": (400, "Content-Length: 5abc\r\n"),
    "overflow": (413, "Content-Length: 18446744073709551621\r\n"),
    "two codings": (400, "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"),
    "identity": (501, "Transfer-Encoding: identity\r\n"),
    "gzip, chunked": (501, "Transfer-Encoding: gzip, chunked\r\n"),
    "chunked, identity": (501, "Transfer-Encoding: chunked, identity\r\n"),
    "xchunked": (501, "Transfer-Encoding: xchunked\r\n"),
    "empty coding": (501, "Transfer-Encoding:\r\n"),
    "vertical tab": (400, "Transfer-Encoding: \x0bchunked\r\n"),
    "space before the colon": (400, "Transfer-Encoding : chunked\r\n"),
    "tab before the colon": (400, "Content-Length\t: 5\r\n"),
    "folded length": (400, "Content-Length:\r\n 5\r\n"),
}


@pytest.mark.parametrize(("status", "fields"), SMUGGLING.values(), ids=SMUGGLING.keys())
def test_doubtful_framing_is_refused(echo, status, fields):
    with echo.link() as link:
        data = f"POST /echo HTTP/1.1\r\nHost: a\r\n{fields}\r\n0\r\n\r\n"
        link.send(data.encode() + get("/ping"))
        answer = link.response()
        assert (answer[0], answer[1]["connection"]) == (status, "close")
        assert json.loads(answer[2])["error_code"]
        assert link.is_closed()


def test_http_1_0_has_no_transfer_encoding(echo):
    data = "POST /echo HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    assert echo.ask(data)[0] == 400


def test_leading_zeros_of_a_length(echo):
    data = "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: " + "0" * 50 + "5\r\n\r\nhello"
    assert echo.ask(data)[::2] == (200, b"hello")


BAD_CHUNKS = {
    "no digits": "\r\nhello\r\n0\r\n\r\n",
    "not hexadecimal": "g\r\nhello\r\n0\r\n\r\n",
    "0x": "0x5\r\nhello\r\n0\r\n\r\n",
    "sign": "+5\r\nhello\r\n0\r\n\r\n",
    "space first": " 5\r\nhello\r\n0\r\n\r\n",
    "bare LF": "5\nhello\r\n0\r\n\r\n",
    "bare LF in an extension": "5;a\nhello\r\n0\r\n\r\n",
    "bare CR": "5\rhello\r\n0\r\n\r\n",
    "longer than its size": "4\r\nhello\r\n0\r\n\r\n",
    "LF behind the data": "5\r\nhello\n0\r\n\r\n",
    "overflow": "10000000000000005\r\nhello\r\n0\r\n\r\n",
    "control in an extension": "5;\x01\r\nhello\r\n0\r\n\r\n",
    "control in a trailer": "0\r\nA: \x00\r\n\r\n",
    "bare LF in a trailer": "0\r\nA: 1\n\r\n",
}


@pytest.mark.parametrize("body", BAD_CHUNKS.values(), ids=BAD_CHUNKS.keys())
def test_malformed_chunks(echo, body):
    head = "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    with echo.link() as link:
        status, headers, answer = link.send(head + body).send(get("/ping")).response()
        assert (status, headers["connection"]) == (400, "close")
        assert json.loads(answer)["error_code"] == "BAD_REQUEST"
        assert link.is_closed()


@pytest.mark.parametrize("version", ["2.0", "0.9", "3.1"])
def test_other_versions(echo, version):
    status, _, body = echo.ask(get("/ping", version=version))
    assert (status, json.loads(body)["error_code"]) == (505, "NOT_IMPLEMENTED")


def test_later_1_x_is_1_1(echo):
    assert echo.ask(get("/ping", version="1.9"))[0] == 200


def test_a_handler_cannot_split_a_response(echo):
    with echo.link() as link:
        status, headers, _ = link.send(post("/evil")).response()
        assert status == 204
        assert not {"location", "x-evil", "content-length"} & headers.keys()
        assert link.send(get("/ping")).response()[0] == 200
