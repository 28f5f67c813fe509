"""Runs tests/tools/pool.c, the Python engine without a server, and what one can see of it."""

import contextlib
import json
import pathlib
import queue
import re
import subprocess
import threading
import time

import processes

SANITIZER_REPORT = re.compile(r"ERROR: \w+Sanitizer|runtime error:|WARNING: ThreadSanitizer")
LIMIT_S = 60  # for anything that is to happen


class Pool:
    """A running pool."""

    def __init__(self, process, log):
        self.process, self._log = process, log
        self.pid = process.pid
        self._others = []  # events that nobody has waited for yet
        self._events = queue.Queue()
        self._n_asked = self._n_pools = 0
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            self._events.put(json.loads(line))
        self._events.put(None)

    def log(self):
        return self._log.read_text(encoding="utf-8", errors="replace")

    def write(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def wait(self, event, name=""):
        """The next event of that kind and name."""
        end = time.monotonic() + LIMIT_S
        while True:
            for i, other in enumerate(self._others):
                if other["event"] == event and other["name"] == name:
                    return self._others.pop(i)
            try:
                received = self._events.get(timeout=max(0, end - time.monotonic()))
            except queue.Empty:
                raise AssertionError(f"no {event} {name}; {self._others}\n{self.log()}") from None
            assert received is not None, f"the pool has ended\n{self.log()}"
            self._others.append(received)

    def events(self):
        """All that have come and nobody has waited for."""
        while not self._events.empty():
            self._others.append(self._events.get())
        return self._others

    def ask(self, do, is_stream=False, **body):
        """Ask a worker to do something.  returns  the call's name"""
        self._n_asked += 1
        name = f"{do}-{self._n_asked}"
        verb = "stream" if is_stream else "ask"
        self.write(f"{verb} {name} {json.dumps({'do': do, **body})}")
        return name

    def answer(self, name):
        """Status and text, of JSON its value, of a call."""
        done = self.wait("done", name)
        text = json.loads(done["text"]) if done["status"] == 200 else done["text"]
        return done["http"] or done["status"], text

    def do(self, do, **body):
        return self.answer(self.ask(do, **body))

    def cancel(self, name):
        self.write(f"cancel {name}")
        return bool(self.wait("cancelled", name)["status"])

    def open(self, model):
        """Start another pool in the process.  returns  its number"""
        self._n_pools += 1
        self.write(f"open {model}")
        return self._n_pools

    def use(self, number):
        """What follows is for that pool; the first is 0."""
        self.write(f"use {number}")

    def close(self, number):
        """End a pool, when it must be gone."""
        self.write(f"close {number}")
        self.wait("closed", str(number))

    def state(self):
        self.write("state")
        return self.wait("state")["text"]

    def until(self, condition):
        """Wait until a condition holds, which gives its value."""
        end = time.monotonic() + LIMIT_S
        while not (value := condition()):
            assert time.monotonic() < end, self.log()
            time.sleep(0.01)
        return value

    def until_logged(self, text):
        self.until(lambda: text in self.log())

    def fds(self):
        return processes.count_fds(self.pid)

    def rss_bytes(self):
        return processes.rss_bytes(self.pid)

    def zombies(self):
        return processes.zombies_of(self.pid)


def start_pool(program, interpreter, package, model, log, n_workers=1, timeout_ms=0):
    """A pool that nobody ends."""
    command = [program, interpreter, package, model, n_workers, timeout_ms]
    process = subprocess.Popen(
        list(map(str, command)),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=log.open("wb"),
        text=True,
    )
    return Pool(process, log)


@contextlib.contextmanager
def run_pool(*arguments, **options):
    """The same, until its end, when it must leave no process and no descriptor."""
    pool = start_pool(*arguments, **options)
    process = pool.process
    try:
        yield pool
        family = processes.descendants_of(process.pid)
        process.stdin.close()
        before, after = pool.wait("end")["text"].split()
        assert before == after, f"descriptors before and after: {before}, {after}"
        assert process.wait(LIMIT_S) == 0, pool.log()
        left = [pid for pid in family if pathlib.Path(f"/proc/{pid}").exists()]
        assert not left, f"processes are left: {left}"
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    assert not SANITIZER_REPORT.search(pool.log()), pool.log()
