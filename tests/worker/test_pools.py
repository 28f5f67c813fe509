"""Several pools in one process: each sees how its own processes end, and only that."""

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
ENDS = {0: ("kill", {"signal": "SIGSEGV"}, "signal 11"), 1: ("exit", {"code": 7}, "exit code 7")}


@pytest.fixture(params=[True, False], ids=["forked", "separate"])
def can_fork(request):
    return request.param


@pytest.fixture
def model(tmp_path, can_fork):
    """model(name, **conduct): a model's folder."""

    def make(name, **conduct):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "host.json").write_text(json.dumps({"can_fork": can_fork, **conduct}))
        return folder

    return make


@pytest.fixture
def start(tmp_path, model):
    """with start(n_workers) as pool: the first pool, of the model "0"."""

    def start_pool(n_workers):
        arguments = TOOL, sys.executable, FAKE, model("0"), tmp_path / "log"
        return pool_driver.run_pool(*arguments, n_workers=n_workers)

    return start_pool


def test_each_sees_its_own_ends(start, model):
    with start(2) as pool:
        pool.wait("loaded")
        assert pool.open(model("1")) == 1
        pool.wait("loaded", "1")
        for _ in range(20):
            asked = []
            for number, (do, body, how) in ENDS.items():
                pool.use(number)
                asked += [(pool.ask(do, **body), how), (pool.ask(do, **body), how)]
            for name, how in asked:
                status, text = pool.answer(name)
                assert (status, how in text) == (503, True), text
            for number in ENDS:
                pool.use(number)
                assert pool.do("echo", text=str(number)) == (200, str(number))
        assert "nobody knows how" not in pool.log()
        pool.until(lambda: pool.zombies() == [])


def test_one_ends_while_others_work(start, model):
    """No process of it stays, no call of the others is lost, and their ends go on being seen."""
    with start(2) as pool:
        pool.wait("loaded")
        pool.until(lambda: pool.state() == "ready")
        before = set(processes.descendants_of(pool.pid))
        pool.use(0)
        first = pool.do("echo")[1]
        for _ in range(5):
            number = pool.open(model(f"model-{time.monotonic_ns()}"))
            pool.wait("loaded", str(number))
            pool.use(number)
            assert pool.do("echo", text="new") == (200, "new")
            pool.use(0)
            busy = [pool.ask("echo", seconds=0.3, text=str(i)) for i in range(4)]
            begun = time.monotonic()
            pool.close(number)
            assert time.monotonic() - begun < 5
            assert [pool.answer(name) for name in busy] == [(200, str(i)) for i in range(4)]
        family = processes.descendants_of(pool.pid)
        assert first in family and len(family) <= len(before) + 2, family
        status, text = pool.do("exit", code=9)
        assert status == 503 and "exit code 9" in text
        pool.until(lambda: pool.zombies() == [])


def test_the_first_ends_before_the_second(start, model):
    with start(2) as pool:
        pool.wait("loaded")
        pool.open(model("1"))
        pool.wait("loaded", "1")
        pool.close(0)
        pool.use(1)
        status, text = pool.do("kill", signal="SIGKILL")
        assert status == 503 and "signal 9" in text
        assert pool.do("echo", text="x") == (200, "x")
        pool.until(lambda: pool.zombies() == [])


def test_orphans_of_one_that_has_ended(start, model):
    """What a model left behind, out of reach, is reaped by the pools that are there."""
    with start(1) as pool:
        pool.wait("loaded")
        number = pool.open(model("1"))
        pool.wait("loaded", str(number))
        pool.use(number)
        assert pool.do("daemon", seconds=1)[0] == 200
        (orphan,) = set(processes.children_of(pool.pid)) - set(hosts_of(pool))
        pool.close(number)
        pool.until(lambda: processes.state_of(orphan) is None)
        pool.use(0)
        assert pool.do("echo", text="x") == (200, "x")


def hosts_of(pool):
    return map(int, re.findall(r"host \(pid (\d+)\)", pool.log()))


def test_kills_from_outside(start, model):
    """At the same time, in all pools, of whatever process: each comes back."""
    with start(2) as pool:
        pool.wait("loaded")
        for number in (1, 2):
            pool.open(model(str(number)))
            pool.wait("loaded", str(number))
        for _ in range(5):
            family = processes.descendants_of(pool.pid)
            for pid in family:
                os.kill(pid, signal.SIGKILL)
            for number in (0, 1, 2):
                pool.use(number)
                pool.until(lambda: pool.do("echo", text="x")[0] == 200)
        pool.until(lambda: pool.zombies() == [])
