"""Servers that follow one another while clients ask: no request fails. make test-restarts

The clients are http.client's: they keep connections alive, and repeat nothing.
"""

import contextlib
import http.client
import os
import random
import re
import signal
import socket
import subprocess
import time

import pytest
from clients import Clients

ROW = b'{"dataframe_split": {"columns": ["sepal length (cm)", "sepal width (cm)", '
ROW += b'"petal length (cm)", "petal width (cm)"], "data": [[5.1, 3.5, 1.4, 0.2]]}}'
HEADERS = {"Content-Type": "application/json"}
# Seconds from an answer to the next request, at most, of the clients; one does not keep connections.
PAUSES = [0, 0, 0.01, 0.1, 1, None]


class Load(Clients):
    """One for each pause; an answer must be the one of the beginning."""

    def __init__(self, port):
        super().__init__(PAUSES)
        self.port, self.seconds = port, []
        self.answer = self._ask(self._connect())

    def _connect(self):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)

    def _ask(self, connection):
        connection.request("POST", "/invocations", ROW, HEADERS)
        response = connection.getresponse()
        return response.status, response.read()

    def run(self, pause):
        connection, noise = self._connect(), random.Random(str(pause))
        while not self.is_ending:
            if pause:
                time.sleep(noise.uniform(0, pause))
            start = time.monotonic()
            try:
                answer = self._ask(connection)
                fault = None if answer == self.answer else answer
            except (OSError, http.client.HTTPException) as error:
                connection, fault = self._connect(), repr(error)
            self.seconds.append(time.monotonic() - start)
            self.count(fault)
            if pause is None:
                connection.close()
        connection.close()


class Series:
    """Servers that follow one another, on one port or with one listening socket."""

    def __init__(self, mlrace, model, folder, port, listener=None):
        self._command = [str(mlrace), "serve", "-m", str(model), "-p", str(port)]
        self._command += [] if listener else ["--reuse-port"]
        self._folder, self._listener, self._processes = folder, listener, []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in self._processes:
            if process.poll() is None:
                process.kill()
                process.wait()

    def start(self):
        """Start the next one; it listens."""
        log = self._folder / f"log-{len(self._processes)}"
        process = subprocess.Popen(
            self._command,
            preexec_fn=self._hand_over if self._listener else None,
            close_fds=not self._listener,
            stdout=log.open("wb"),
            stderr=subprocess.STDOUT,
        )
        self._processes.append(process)
        end = time.monotonic() + 60
        while not re.search(r"listening on http://\S+:\d+", log.read_text()):
            assert process.poll() is None and time.monotonic() < end, log.read_text()
            time.sleep(0.005)
        return process

    def _hand_over(self):
        os.dup2(self._listener.fileno(), 3, inheritable=True)
        os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1")
        os.execv(self._command[0], self._command)


def stop(process):
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0


@contextlib.contextmanager
def series_by(way, mlrace, model, folder):
    """A series, and the port."""
    if way == "one socket":
        with socket.create_server(("127.0.0.1", 0), backlog=512) as listener:
            port = listener.getsockname()[1]
            with Series(mlrace, model, folder, port, listener) as series:
                yield series, port
        return
    with socket.socket() as reserved:  # a free port; what does not listen gets no connections
        reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        reserved.bind(("127.0.0.1", 0))
        port = reserved.getsockname()[1]
        with Series(mlrace, model, folder, port) as series:
            yield series, port


def check_restarts(way, mlrace, model, folder, n_restarts):
    with series_by(way, mlrace, model, folder) as (series, port):
        current = series.start()
        with Load(port) as load:
            assert load.answer[0] == 200
            for _ in range(n_restarts):
                following = series.start()
                stop(current)
                current = following
        stop(current)
    print(f"{way}: {n_restarts} restarts, {load.n_answers} answers, at most {max(load.seconds):.2f} s")
    assert load.faults == []
    assert load.n_answers > 10 * n_restarts


@pytest.mark.parametrize("way", ["one port", "one socket"])
def test_restarts_under_load(way, mlrace, iris_model, tmp_path):
    check_restarts(way, mlrace, iris_model, tmp_path, 5)


@pytest.mark.restarts
@pytest.mark.parametrize("way", ["one port", "one socket"])
def test_a_hundred_restarts_under_load(way, mlrace, iris_model, tmp_path):
    check_restarts(way, mlrace, iris_model, tmp_path, 100)


def test_one_socket_and_a_gap(mlrace, iris_model, tmp_path):
    """As `systemctl restart` does: the next server starts when the previous one has ended."""
    with series_by("one socket", mlrace, iris_model, tmp_path) as (series, port):
        current = series.start()
        with Load(port) as load:
            for _ in range(3):
                stop(current)
                current = series.start()
        stop(current)
    assert load.faults == []
