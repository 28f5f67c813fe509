"""What the tests of src/http share: the echo server, and a client that sends any bytes at all."""

import contextlib
import json
import os
import pathlib
import signal
import socket
import subprocess
import time

TOOL = pathlib.Path(os.environ["MLRACE_BUILD"]) / "tool_http_echo"


class Link:
    """A connection that sends raw bytes and reads responses one by one."""

    def __init__(self, port, host="127.0.0.1", timeout=10):
        self.socket = socket.create_connection((host, port), timeout=timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data.encode() if isinstance(data, str) else data)
        return self

    def _receive(self):
        data = self.socket.recv(1 << 16)
        self.buffer += data
        return data

    def response(self, has_body=True):
        """(status, headers with lower-case names, body) of the next response."""
        while b"\r\n\r\n" not in self.buffer:
            if not self._receive():
                raise EOFError(f"closed after {self.buffer!r}")
        head, self.buffer = self.buffer.split(b"\r\n\r\n", 1)
        lines = head.decode("latin-1").split("\r\n")
        assert lines[0].startswith("HTTP/1.1 "), lines[0]
        headers = {}
        for line in lines[1:]:
            name, value = line.split(": ", 1)
            assert name.lower() not in headers, line
            headers[name.lower()] = value
        status = int(lines[0].split(" ")[1])
        if has_body and headers.get("transfer-encoding") == "chunked":
            return status, headers, b"".join(iter(self.chunk, b""))
        size = int(headers.get("content-length", 0)) if has_body else 0
        while len(self.buffer) < size:
            if not self._receive():
                raise EOFError(f"closed inside the body of {lines[0]}")
        body, self.buffer = self.buffer[:size], self.buffer[size:]
        return status, headers, body

    def chunk(self):
        """The next chunk of a body; empty: the last."""
        while b"\r\n" not in self.buffer:
            if not self._receive():
                raise EOFError(f"closed before a chunk: {self.buffer!r}")
        digits, self.buffer = self.buffer.split(b"\r\n", 1)
        size = int(digits, 16)
        while len(self.buffer) < size + 2:
            if not self._receive():
                raise EOFError("closed inside a chunk")
        data, end, self.buffer = self.buffer[:size], self.buffer[size : size + 2], self.buffer[size + 2 :]
        assert end == b"\r\n"
        return data

    def rest(self):
        """Everything up to the end of the connection."""
        while self._receive():
            pass
        data, self.buffer = self.buffer, b""
        return data

    def is_closed(self):
        """Wait for the end of the stream; nothing but it may come."""
        try:
            return self._receive() == b"" and self.buffer == b""
        except ConnectionResetError:
            return self.buffer == b""


class Echo:
    def __init__(self, process, port):
        self.process, self.port = process, port

    def link(self, **options):
        return Link(self.port, **options)

    def ask(self, data, has_body=True):
        """The first response to some bytes on a connection of their own."""
        with self.link() as link:
            return link.send(data).response(has_body)

    def cpu_seconds(self):
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1]
        return sum(map(int, fields.split()[11:13])) / os.sysconf("SC_CLK_TCK")

    def resident_bytes(self):
        text = pathlib.Path(f"/proc/{self.process.pid}/statm").read_text()
        return int(text.split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def stop(self):
        """SIGTERM; the seconds it took. A sanitizer's report would show in exit code and stderr."""
        start = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        _, err = self.process.communicate(timeout=30)
        assert self.process.returncode == 0, err
        assert err == "", err
        return time.monotonic() - start


@contextlib.contextmanager
def echo_server(preexec_fn=None, pass_fds=(), **settings):
    """A tool_http_echo with these settings (read_ms=300, ...) on a port of its own."""
    process = subprocess.Popen(
        [str(TOOL), *(f"{name}={value}" for name, value in settings.items())],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=preexec_fn,
        pass_fds=pass_fds,
    )
    try:
        line = process.stdout.readline().split()
        assert line[:1] == ["port"], process.communicate()[1]
        echo = Echo(process, int(line[1]))
        yield echo
        if process.poll() is None:
            echo.stop()
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()


def post(path, body=b"", headers="", version="1.1"):
    """The bytes of a POST with a Content-Length."""
    body = body.encode() if isinstance(body, str) else body
    head = f"POST {path} HTTP/{version}\r\nHost: a\r\n{headers}Content-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def chunked(path, chunks, headers="", trailer=""):
    """The bytes of a POST in chunks."""
    head = f"POST {path} HTTP/1.1\r\nHost: a\r\n{headers}Transfer-Encoding: chunked\r\n\r\n"
    body = b"".join(b"%x\r\n%s\r\n" % (len(c), c) for c in chunks)
    return head.encode() + body + b"0\r\n" + trailer.encode() + b"\r\n"


def get(path, headers="", method="GET", version="1.1"):
    return f"{method} {path} HTTP/{version}\r\nHost: a\r\n{headers}\r\n".encode()


def counters(server):
    return json.loads(server.ask(get("/counters"))[2])


def wait_for(condition, seconds=5):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def cancelled(server, count):
    """Wait until that many jobs were cancelled."""
    wait_for(lambda: counters(server)["cancelled"] >= count)
    assert counters(server)["cancelled"] == count


def leave(link):
    """A reset, as of a client that was killed."""
    link.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
    link.socket.close()
