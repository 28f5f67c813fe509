"""Workers of a served model that are killed, again and again, while clients ask."""

import asyncio
import collections
import os
import signal
import threading
import time

import processes
import pytest

SUM = """
    class Model(PythonModel):
        def predict(self, context, model_input, params=None):
            return model_input.sum(axis=1).to_numpy()
"""
BODY = b'{"dataframe_split": {"columns": ["a", "b"], "data": [[1, 2]]}}'
ANSWER = b'{"predictions": [3]}'
N_WORKERS = 2


class Load:
    """Connections that ask one request after the other, from a thread of their own."""

    def __init__(self, port, n_connections):
        self.port, self._n_connections = port, n_connections
        self.counts = collections.Counter()  # by status; other keys are faults
        self._is_ending = False
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()))

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._is_ending = True
        self._thread.join()

    async def _run(self):
        await asyncio.gather(*(self._ask() for _ in range(self._n_connections)))

    async def _ask(self):
        head = b"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        request = head + b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            while not self._is_ending:
                writer.write(request)
                self.counts[await asyncio.wait_for(self._read(reader), 30)] += 1
        except (OSError, EOFError, TimeoutError, asyncio.TimeoutError) as error:
            self.counts[repr(error)] += 1
        finally:
            writer.close()

    async def _read(self, reader):
        """A response's status; or what is wrong with it."""
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        status = int(head.split()[1])
        size = int(head.partition(b"content-length:")[2].split()[0])
        body = await reader.readexactly(size)
        if status == 200 and body != ANSWER:
            return f"200 with {body}"
        if status == 503 and b"worker process" not in body:
            return f"503 with {body}"
        return status


def workers_of(server):
    """Process ids of living workers that a template has forked."""
    return [
        pid
        for host in processes.children_of(server.process.pid)
        for pid, state in processes.children_of(host).items()
        if state != "Z"
    ]


def is_ready(server):
    return server.request("GET", "/ping").status == 200


def wait_for_workers(server):
    end = time.monotonic() + 30
    while len(workers_of(server)) < N_WORKERS or not is_ready(server):
        assert time.monotonic() < end, server.log()[-4000:]
        time.sleep(0.01)


@pytest.fixture(scope="module")
def model(save_python_model):
    return save_python_model(SUM)


def kill_one(pids, i):
    try:
        os.kill(pids[i % len(pids)], signal.SIGKILL)
        return True
    except (ProcessLookupError, ZeroDivisionError):
        return False  # there is none, or it has ended of the last one


def kill_workers(server, n_kills, load):
    """Kill one after the other, each time one of those that are there.

    returns  descriptors and resident bytes after a tenth of it, and at the end; the longest time
             in seconds that the server was not ready
    """
    usage, longest = [], 0
    for i in range(n_kills):
        while not kill_one(workers_of(server), i):
            time.sleep(0.001)
        begun = time.monotonic()
        time.sleep(0.005)
        while not is_ready(server):
            time.sleep(0.005)
        longest = max(longest, time.monotonic() - begun)
        # One that is killed before its first answer is taken for one that cannot work: it, and what
        # follows it, waits longer and longer to be started again.
        enough, limit = load.counts[200] + 20, time.monotonic() + 30
        while load.counts[200] < enough:
            assert time.monotonic() < limit, load.counts
            time.sleep(0.001)
        assert all(isinstance(status, int) for status in load.counts), load.counts
        if i in (n_kills // 10, n_kills - 1):
            wait_for_workers(server)
            pid = server.process.pid
            usage.append((processes.count_fds(pid), processes.rss_bytes(pid)))
    return usage, longest


def check_kills(serve, model, n_kills, n_connections, more_bytes):
    # What was freed counts under the address sanitizer, which keeps 256 MB of it by default.
    options = f"{os.environ.get('ASAN_OPTIONS', '')}:quarantine_size_mb=8"
    with serve(model, "-w", str(N_WORKERS), env={"ASAN_OPTIONS": options}) as server:
        wait_for_workers(server)
        with Load(server.port, n_connections) as load:
            time.sleep(0.5)
            usage, longest = kill_workers(server, n_kills, load)
        print(f"{dict(load.counts)}, not ready for {longest:.3f} s at most, {usage}")
        # Each request is answered; a kill costs the one that its worker had begun.
        assert set(load.counts) <= {200, 503}, load.counts
        assert load.counts[503] <= n_kills
        assert load.counts[200] > n_kills
        assert longest < 5
        assert server.invoke(BODY).status == 200
        assert abs(usage[1][0] - usage[0][0]) <= 5, usage  # connections for /ping may linger
        assert usage[1][1] < usage[0][1] + more_bytes, usage
        assert processes.zombies_of(server.process.pid) == []
        assert "nobody knows how" not in server.log()


def test_workers_are_killed_under_load(serve, model, is_sanitized):
    check_kills(serve, model, 30, 64, (50 if is_sanitized else 5) * 1_000_000)


@pytest.mark.kills
def test_a_thousand_workers_are_killed(serve, model, is_sanitized):
    check_kills(serve, model, 1000, 64, (50 if is_sanitized else 5) * 1_000_000)


def test_idle_workers_are_killed(serve, model):
    """Nobody had asked them, and nobody notices."""
    with serve(model, "-w", str(N_WORKERS)) as server:
        wait_for_workers(server)
        for _ in range(20):
            for pid in workers_of(server):
                os.kill(pid, signal.SIGKILL)
                while processes.state_of(pid) not in (None, "Z"):
                    time.sleep(0.001)
            assert server.invoke(BODY).body == ANSWER
        assert processes.zombies_of(server.process.pid) == []


def test_the_template_is_killed_under_load(serve, model):
    with serve(model, "-w", str(N_WORKERS)) as server:
        wait_for_workers(server)
        (template,) = processes.children_of(server.process.pid)
        workers = workers_of(server)
        with Load(server.port, 16) as load:
            time.sleep(0.3)
            os.kill(template, signal.SIGKILL)
            end = time.monotonic() + 60
            while server.log().count("the model is loaded") < 2:
                assert time.monotonic() < end
                assert is_ready(server)
                time.sleep(0.05)
        assert set(load.counts) == {200}
        for pid in workers:
            os.kill(pid, signal.SIGKILL)  # the next ones are forked by the new template
            while processes.state_of(pid) not in (None, "Z"):
                time.sleep(0.001)
        assert server.invoke(BODY).body == ANSWER
        wait_for_workers(server)
        assert processes.zombies_of(server.process.pid) == []
