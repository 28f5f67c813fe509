"""The pool of workers against hosts that do everything wrong: see fake/mlrace/worker.py."""

import importlib.util
import json
import os
import pathlib
import re
import signal
import sys
import time

import pool_driver
import processes
import pytest

TOOL = pathlib.Path(os.environ["MLRACE_BUILD"]).resolve() / "tool_pool"
FAKE = pathlib.Path(__file__).parent / "fake"


def rubbish():
    """Names of the messages that make no sense."""
    spec = importlib.util.spec_from_file_location("fake_worker", FAKE / "mlrace/worker.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return list(module.RUBBISH)


@pytest.fixture
def start(tmp_path):
    """with start(n_workers=1, timeout_ms=0, **conduct) as pool: conduct goes to host.json."""

    def start_pool(n_workers=1, timeout_ms=0, **conduct):
        (tmp_path / "host.json").write_text(json.dumps(conduct))
        return pool_driver.run_pool(
            TOOL,
            sys.executable,
            FAKE,
            tmp_path,
            tmp_path / "log",
            n_workers,
            timeout_ms,
        )

    return start_pool


@pytest.fixture(params=[True, False], ids=["forked", "separate"])
def can_fork(request):
    return request.param


def wait_for_workers(pool, n_workers, can_fork=True):
    """Until each of them has answered."""
    pids = set()
    while len(pids) < n_workers:
        names = [pool.ask("echo", seconds=0.02) for _ in range(n_workers)]
        pids = {pool.answer(name)[1] for name in names}
    pool.until(lambda: len(processes.descendants_of(pool.pid)) == n_workers + can_fork)


def n_starts(tmp_path):
    return len((tmp_path / "starts").read_text().splitlines())


# --- answers --------------------------------------------------------------------------------------


def test_answers(start, can_fork):
    with start(2, can_fork=can_fork) as pool:
        assert pool.wait("loaded")["status"] == 0
        assert pool.state() == "ready"
        names = [pool.ask("echo", text=str(i)) for i in range(20)]
        assert [pool.answer(name) for name in names] == [(200, str(i)) for i in range(20)]
        assert pool.do("model_error") == (400, {"error_code": "BAD_REQUEST", "message": "no"})
        assert pool.do("large", size=3_000_000) == (200, "x" * 3_000_000)
        assert pool.do("echo", text="x" * 500_000) == (200, "x" * 500_000)


def test_all_workers_work(start, can_fork):
    with start(3, can_fork=can_fork) as pool:
        pool.wait("loaded")
        wait_for_workers(pool, 3, can_fork)


def test_first_in_first_out(start):
    with start() as pool:
        pool.wait("loaded")
        names = [pool.ask("echo", seconds=0.02) for _ in range(20)]
        for name in names:
            pool.answer(name)
        assert not pool.events()


def test_async_worker_has_many_calls(start):
    with start(is_async=True) as pool:
        pool.wait("loaded")
        begun = time.monotonic()
        names = [pool.ask("echo", seconds=0.5) for _ in range(40)]
        assert {pool.answer(name)[0] for name in names} == {200}
        assert time.monotonic() - begun < 5


def test_answers_that_nobody_waits_for(start):
    with start() as pool:
        pool.wait("loaded")
        assert pool.do("twice") == (200, "first")
        assert pool.do("unknown") == (200, "mine")
        assert pool.do("echo", text="x") == (200, "x")
        assert not pool.events()


def test_last_words_count(start, can_fork):
    """A worker that answers and then dies has answered."""
    with start(can_fork=can_fork) as pool:
        pool.wait("loaded")
        for _ in range(10):
            assert pool.do("answer_and_die") == (200, "last words")


# --- streams --------------------------------------------------------------------------------------


def chunks(pool, name):
    """Ends with the answer."""
    found = []
    while not any(e["event"] == "done" and e["name"] == name for e in pool.events()):
        time.sleep(0.01)
    for event in pool.events():
        if event["event"] == "chunk" and event["name"] == name:
            found.append(event["text"])
    return found, pool.wait("done", name)


def test_stream(start):
    with start() as pool:
        pool.wait("loaded")
        texts, done = chunks(pool, pool.ask("stream", is_stream=True, n=100))
        assert texts == [str(i) for i in range(100)]
        assert (done["status"], done["text"]) == (200, "(streamed)")
        texts, done = chunks(pool, pool.ask("stream", is_stream=True, n=0))
        assert (texts, done["text"]) == ([], "(streamed)")
        texts, done = chunks(pool, pool.ask("large_chunk", is_stream=True, size=300_000))
        assert texts == [json.dumps("x" * 300_000)]


def test_stream_that_fails(start):
    with start() as pool:
        pool.wait("loaded")
        texts, done = chunks(pool, pool.ask("stream_then_fail", is_stream=True))
        assert (texts, done["http"]) == (["1"], 400)
        texts, done = chunks(pool, pool.ask("stream_then_die", is_stream=True))
        assert (texts, done["status"]) == (["1"], 503)


def test_stream_is_cancelled(start):
    with start() as pool:
        pool.wait("loaded")
        name = pool.ask("stream", is_stream=True, n=1000, seconds=0.05)
        pool.wait("chunk", name)
        assert pool.cancel(name)
        assert pool.do("echo", text="free") == (200, "free")
        time.sleep(0.2)
        n_events = len(pool.events())
        time.sleep(0.2)
        assert len(pool.events()) == n_events


def test_stream_is_paused(start):
    with start() as pool:
        pool.wait("loaded")
        name = pool.ask("stream", is_stream=True, n=20, seconds=0.02)
        pool.wait("chunk", name)
        pool.write(f"pause {name}")
        time.sleep(0.2)
        n_events = len(pool.events())
        time.sleep(0.3)
        assert len(pool.events()) == n_events < 19
        pool.write(f"resume {name}")
        assert pool.wait("done", name)["text"] == "(streamed)"


def test_chunk_that_cannot_be_taken(start):
    with start() as pool:
        pool.wait("loaded")
        texts, done = chunks(pool, pool.ask("refused_chunk", is_stream=True))
        assert (texts, done["status"]) == (['"refuse"'], 503)
        assert pool.do("echo", text="next") == (200, "next")


# --- cancelling -----------------------------------------------------------------------------------


def test_cancelled_in_queue_is_never_sent(start, tmp_path):
    with start() as pool:
        pool.wait("loaded")
        pool.do("echo", seconds=0.05)
        busy = pool.ask("echo", seconds=0.5)
        waiting = pool.ask("exit", code=1)
        assert pool.cancel(waiting)
        assert pool.answer(busy)[0] == 200
        assert pool.do("echo", text="alive") == (200, "alive")
        assert not re.search("exit code 1", pool.log())


def test_cancelled_in_flight_keeps_its_worker(start):
    with start() as pool:
        pool.wait("loaded")
        begun = time.monotonic()
        assert pool.cancel(pool.ask("echo", seconds=0.5))
        assert pool.do("echo", text="next") == (200, "next")
        assert time.monotonic() - begun > 0.4
        assert not pool.events()


# --- loading --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "load, message",
    [
        ("fail", "could not load the model: ImportError: no such module"),
        ("exit", "ended with exit code 3"),
        ("kill", "was ended by signal 9 (Killed), likely for lack of memory"),
        ("garbage", "was ended, since it sent a message from Python has 7 bytes"),
        ("no_json", "was ended, since it sent LOADED holds no JSON object"),
        ("close", "was ended, since it closed its connection"),
    ],
)
def test_first_load_fails_for_good(start, tmp_path, load, message):
    with start(2, load=[load]) as pool:
        loaded = pool.wait("loaded")
        assert loaded["status"] != 0
        assert message in loaded["text"]
        assert pool.state() == "failed"
        done = pool.wait("done", pool.ask("echo"))
        assert done["status"] == 503
        assert message in done["text"]
        time.sleep(0.3)
        assert n_starts(tmp_path) == 1
        assert pool.zombies() == []


def test_no_interpreter(tmp_path):
    arguments = "/no/such/python", FAKE, tmp_path, tmp_path / "log"
    with pool_driver.run_pool(TOOL, *arguments) as pool:
        assert "/no/such/python cannot be started" in pool.wait("loaded")["text"]
        assert pool.state() == "failed"


def test_calls_while_loading(start):
    with start(seconds=0.5) as pool:
        assert pool.state() == "loading"
        done = pool.wait("done", pool.ask("echo"))
        assert (done["status"], done["text"]) == (503, "the model is loading")
        pool.wait("loaded")
        assert pool.do("echo", text="x") == (200, "x")


def test_unloaded_while_loading(start):
    with start(2, load=["hang"]) as pool:
        assert pool.state() == "loading"
        time.sleep(0.3)


def test_later_loads_may_fail(start, tmp_path):
    """The model works: a worker that cannot be started is tried again, the others answer."""
    with start(2, can_fork=False, load=["ok", "fail", "exit", "garbage", "ok"]) as pool:
        pool.wait("loaded")
        pool.until(lambda: n_starts(tmp_path) == 5)
        assert pool.do("echo", text="x") == (200, "x")
        for message in ("could not load the model", "exit code 3", "has 7 bytes"):
            assert message in pool.log()
        assert "replaced in 0.1 s" in pool.log()


# --- workers that die -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "do, body, how",
    [
        ("exit", {"code": 3}, "ended with exit code 3"),
        ("exit", {"code": 0}, "ended with exit code 0"),
        ("kill", {"signal": "SIGKILL"}, "signal 9 (Killed), likely for lack of memory"),
        ("kill", {"signal": "SIGSEGV"}, "signal 11 (Segmentation fault)"),
        ("heir", {}, "ended with exit code 7"),
        ("flooding_heir", {}, "ended with exit code 7"),
        ("close_socket", {}, "was ended, since it closed its connection"),
    ],
)
def test_death(start, can_fork, do, body, how):
    with start(2, can_fork=can_fork) as pool:
        pool.wait("loaded")
        other = pool.ask("echo", seconds=0.5, text="other")
        time.sleep(0.1)
        begun = time.monotonic()
        status, text = pool.do(do, **body)
        assert time.monotonic() - begun < 5
        assert status == 503
        assert re.fullmatch(f"the worker process that worked on the request .*{re.escape(how)}", text)
        assert pool.answer(other) == (200, "other")
        assert pool.do("echo", text="again") == (200, "again")
        pool.until_logged(how)
        pool.until(lambda: pool.zombies() == [])


def test_death_while_others_wait(start, can_fork):
    """Calls in the queue, and one that was sent ahead, are answered by the next worker."""
    with start(can_fork=can_fork) as pool:
        pool.wait("loaded")
        for _ in range(20):
            pool.do("echo", text="short")
        names = [pool.ask("echo", text=str(i)) for i in range(5)]
        dead = pool.ask("exit", code=1)
        names += [pool.ask("echo", text=str(i)) for i in range(5, 30)]
        assert pool.answer(dead)[0] == 503
        assert [pool.answer(name) for name in names] == [(200, str(i)) for i in range(30)]


def test_killed_from_outside(start, can_fork):
    with start(can_fork=can_fork) as pool:
        pool.wait("loaded")
        for _ in range(5):
            pid = pool.do("echo")[1]
            os.kill(pid, signal.SIGKILL)
            pool.until(lambda: processes.state_of(pid) in (None, "Z"))
            status, new_pid = pool.do("echo")  # waits for the next one
            assert (status, new_pid == pid) == (200, False)
        assert "no request was lost, and is replaced at once" in pool.log()


def test_death_of_async_worker(start):
    with start(is_async=True) as pool:
        pool.wait("loaded")
        names = [pool.ask("echo", seconds=10) for _ in range(10)]
        names.append(pool.ask("exit", code=4))
        for name in names:
            status, text = pool.answer(name)
            assert status == 503
            assert "exit code 4" in text


def test_death_of_template(start):
    """Workers go on; their deaths are seen, and a new template forks their successors."""
    with start(2, seconds=0.3) as pool:
        pool.wait("loaded")
        (template,) = processes.children_of(pool.pid)
        pool.until(lambda: len(processes.children_of(template)) == 2)
        os.kill(template, signal.SIGKILL)
        pool.until_logged("workers go on, and it is replaced at once")
        assert pool.do("echo", text="x") == (200, "x")
        assert pool.state() == "ready"
        status, text = pool.do("kill", signal="SIGSEGV")
        assert status == 503 and "signal 11" in text
        assert pool.do("exit", code=9)[0] == 503
        assert pool.do("echo", text="y") == (200, "y")  # by one of the new template
        assert pool.zombies() == []


def test_template_that_is_stopped(start):
    """Nobody says how a worker of it ended: that is not waited for."""
    with start(2) as pool:
        pool.wait("loaded")
        wait_for_workers(pool, 2)
        (template,) = processes.children_of(pool.pid)
        os.kill(template, signal.SIGSTOP)
        name = pool.ask("exit", code=1)
        status, text = pool.answer(name)
        assert (status, text[-23:]) == (503, "ended, nobody knows how")
        assert pool.do("echo", text="x") == (200, "x")
        os.kill(template, signal.SIGCONT)
        wait_for_workers(pool, 2)


def test_all_die(start):
    """Calls wait for workers to come back."""
    with start(2, seconds=0.3) as pool:
        pool.wait("loaded")
        pool.until(lambda: len(processes.descendants_of(pool.pid)) == 3)
        for pid in processes.descendants_of(pool.pid):
            os.kill(pid, signal.SIGKILL)
        pool.until(lambda: pool.state() == "down")
        assert pool.do("echo", text="x") == (200, "x")
        assert pool.state() == "ready"


@pytest.mark.parametrize(
    "conduct, message",
    [
        (["error", "error", "ok"], "could not be forked: Resource temporarily unavailable"),
        (["stillborn"] * 4 + ["ok"], "ended with exit code 5"),  # the host says so in time, once
        (["wrong_pid", "ok"], "ended, nobody knows how"),
        (["unknown_number", "ok"], "word of a worker that nobody asked for"),
        (["die", "ok"], "ended with exit code 3"),
    ],
)
def test_forks_that_fail(start, conduct, message):
    with start(fork=conduct, load=["ok"]) as pool:
        pool.until_logged(message)
        if conduct[0] in ("unknown_number", "die"):
            return  # each template begins with that
        assert pool.wait("loaded")["status"] == 0
        assert pool.do("echo", text="x") == (200, "x")


# --- workers that lie -----------------------------------------------------------------------------


@pytest.mark.parametrize("what", rubbish())
def test_rubbish(start, what):
    """The worker is replaced, its call fails, and nothing stays of what it sent."""
    with start(2) as pool:
        pool.wait("loaded")
        wait_for_workers(pool, 2)
        n_fds = pool.fds()
        is_stream = "chunk" in what and "plain" not in what or "payload" in what
        for _ in range(2):
            status, text = pool.answer(pool.ask("rubbish", is_stream=is_stream, what=what))
            assert status == 503
            assert "was ended, since it" in text
            assert pool.do("echo", text="x") == (200, "x")
            wait_for_workers(pool, 2)
            pool.until(lambda: pool.fds() == n_fds)


# --- time -----------------------------------------------------------------------------------------


def test_timeout_in_flight(start, can_fork):
    with start(can_fork=can_fork, timeout_ms=500) as pool:
        pool.wait("loaded")
        begun = time.monotonic()
        status, text = pool.do("hang")
        assert status == 504
        assert text.startswith("no answer within 0.5 s: the model was still working")
        assert 0.4 < time.monotonic() - begun < 10
        pool.until_logged("was ended, since it did not end a call in time")
        assert 1.4 < time.monotonic() - begun < 10
        assert pool.do("echo", text="x") == (200, "x")


def test_timeout_in_queue(start):
    with start(timeout_ms=500) as pool:
        pool.wait("loaded")
        pool.do("echo", seconds=0.05)
        busy = pool.ask("hang")
        time.sleep(0.1)
        waiting = pool.ask("echo")
        assert pool.answer(busy)[0] == 504
        status, text = pool.answer(waiting)
        assert status == 504
        assert "the request waited in the queue" in text


def test_answer_within_grace(start):
    """A worker that is late, but not stuck, lives."""
    with start(timeout_ms=300) as pool:
        pool.wait("loaded")
        pid = pool.do("echo")[1]
        assert pool.do("echo", seconds=0.8)[0] == 504
        time.sleep(0.6)
        assert pool.do("echo")[1] == pid
        time.sleep(1.2)
        assert pool.do("echo")[1] == pid


def test_timeout_of_async_worker(start):
    """One call that hangs does not cost the others their worker, as long as it answers."""
    with start(is_async=True, timeout_ms=500) as pool:
        pool.wait("loaded")
        pid = pool.do("echo")[1]
        stuck = pool.ask("hang")
        for _ in range(25):
            assert pool.do("echo", seconds=0.1)[1] == pid
        assert pool.answer(stuck)[0] == 504
        pool.until_logged("was ended, since it did not end a call in time")
        assert pool.do("echo")[1] != pid


def test_timeout_of_stream(start):
    """It counts from the last chunk."""
    with start(timeout_ms=500) as pool:
        pool.wait("loaded")
        name = pool.ask("stream", is_stream=True, n=8, seconds=0.2)
        assert pool.wait("done", name)["text"] == "(streamed)"
        name = pool.ask("stream", is_stream=True, n=8, seconds=2)
        assert pool.answer(name)[0] == 504
        assert pool.do("echo", text="x") == (200, "x")


# --- what else processes do -----------------------------------------------------------------------


def test_output(start, can_fork):
    with start(can_fork=can_fork) as pool:
        pool.wait("loaded")
        pid = pool.do("echo")[1]
        pool.do("print_line")
        name = "worker 0" if can_fork else "host"
        for stream in ("stdout", "stderr"):
            pool.until_logged(f"mlrace: {name} (pid {pid}): hello from {stream}\n")


def test_flood(start):
    """Megabytes of output neither stop the worker nor stay in memory, and others answer."""
    with start(2) as pool:
        pool.wait("loaded")
        pool.until(lambda: len(processes.descendants_of(pool.pid)) == 3)
        pool.do("flood", megabytes=1)
        rss = pool.rss_bytes()
        flood = pool.ask("flood", megabytes=30)
        slowest = 0
        for _ in range(50):
            begun = time.monotonic()
            assert pool.do("echo", text="x") == (200, "x")
            slowest = max(slowest, time.monotonic() - begun)
        assert pool.answer(flood) == (200, "flooded")
        assert pool.rss_bytes() < rss + 4_000_000
        assert slowest < 1
        lines = [line for line in pool.log().splitlines() if "xxx" in line]
        assert max(map(len, lines)) < 1100


def test_orphans_are_reaped(start, can_fork):
    with start(can_fork=can_fork) as pool:
        pool.wait("loaded")
        n_children = len(processes.children_of(pool.pid))
        for _ in range(5):
            assert pool.do("daemon", seconds=0.3) == (200, "left")
        pool.until(lambda: len(processes.children_of(pool.pid)) > n_children)
        pool.until(lambda: len(processes.children_of(pool.pid)) == n_children)


def test_hosts_die_with_the_server(tmp_path):
    """Even with a call that never ends, and a server that cannot say goodbye."""
    (tmp_path / "host.json").write_text('{"can_fork": false}')
    pool = pool_driver.start_pool(TOOL, sys.executable, FAKE, tmp_path, tmp_path / "log", 2)
    pool.wait("loaded")
    pool.until(lambda: len(processes.descendants_of(pool.pid)) == 2)
    family = processes.descendants_of(pool.pid)
    pool.ask("hang")
    time.sleep(0.2)
    pool.process.kill()
    pool.process.wait()
    pool.until(lambda: not any(pathlib.Path(f"/proc/{pid}").exists() for pid in family))


# --- a long time ----------------------------------------------------------------------------------


def test_many_deaths(start, can_fork, is_sanitized):
    """A hundred workers die in a row, each with a call: nothing is left of them."""
    with start(can_fork=can_fork) as pool:
        pool.wait("loaded")
        for round_ in range(100):
            pid = pool.do("echo")[1]
            name = pool.ask("hang")
            # A call that has not begun is given to the next one.
            pool.until(lambda: pool.log().count("hangs") == round_ + 1)
            os.kill(pid, signal.SIGKILL)
            assert pool.answer(name)[0] == 503
            if round_ == 20:
                pool.do("echo")
                usage = pool.fds(), pool.rss_bytes()
        pool.do("echo")
        pool.until(lambda: pool.zombies() == [])
        assert pool.fds() == usage[0]
        assert pool.rss_bytes() < usage[1] + (20_000_000 if is_sanitized else 1_000_000)
        assert "replaced in" not in pool.log()


def test_crash_loop(start, tmp_path):
    """What dies without ever having answered is started again ever later."""
    with start(can_fork=False) as pool:
        pool.wait("loaded")
        begun = time.monotonic()
        for _ in range(5):
            assert pool.do("exit", code=1)[0] == 503
        delays = re.findall(r"replaced (at once|in [\d.]+ s)", pool.log())
        assert delays == ["at once", "in 0.1 s", "in 0.2 s", "in 0.4 s", "in 0.8 s"]
        assert pool.do("echo", text="x") == (200, "x")
        assert time.monotonic() - begun > 1.5
        assert pool.do("exit", code=1)[0] == 503  # it has answered before
        delays = re.findall(r"replaced (at once|in [\d.]+ s)", pool.log())
        assert delays[-1] == "at once"
