"""One model served by all servers at once, which take turns in being asked."""

import concurrent.futures
import contextlib
import dataclasses
import json
import math
import os
import pathlib
import signal
import statistics
import subprocess
import tempfile
import time

from measure import Failed, ask, free_port, load_with_cpu, process_tree, rss_mb, running
from serving import environments
from serving.answers import difference
from serving.servers import SERVERS

N_STARTS = 5  # of a server that starts within a second, for a median
N_TOGETHER = 16  # clients that ask at the same time while answers are compared
WARM_UP_SECONDS, MAX_RUN_SECONDS = 2, 12


@dataclasses.dataclass
class Running:
    server: object
    port: int
    process: subprocess.Popen

    @contextlib.contextmanager
    def turn(self):
        """While others have theirs a restless server is stopped."""
        self.signal(signal.SIGCONT)
        try:
            yield
        finally:
            self.signal(signal.SIGSTOP)

    def signal(self, number):
        if self.server.is_restless:
            for pid in process_tree(self.process.pid):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)

    def ask(self, body):
        answer = ask(self.port, body, self.server.path)
        if answer is None:
            raise Failed(f"bench: {self.server.name} does not answer any more")
        return answer


def start_seconds(server, model_folder, wanted):
    """How long a server takes from exec to its first answer, a time for each start."""
    body = server.bodies(model_folder, "split", 1)[0]
    times = []
    while len(times) < wanted:
        with tempfile.TemporaryDirectory() as folder:
            started = start(server, model_folder, pathlib.Path(folder), body)
            with started as (_, _, seconds):
                times.append(seconds)
        if seconds > 1:
            break
    return times


@contextlib.contextmanager
def start(server, model_folder, folder, body):
    port = free_port()
    with running(
        server.command(model_folder / "model", port, folder),
        port,
        folder,
        body,
        path=server.path,
        work_folder=folder,  # some leave files where they are started
        python=server.python(),
        python_path=environments.python_path(model_folder.name),
    ) as (process, seconds, _):
        yield port, process, seconds


class Session:
    """Servers of one model, and what they answered to each of its requests.

    facts   by server: seconds of each start, memory, or `failure`, why it does not take part
    """

    def __init__(self, model_folder, names):
        self.model_folder, self.names = model_folder, names
        self.running, self.facts, self.reference = {}, {name: {} for name in names}, {}
        self.warm = set()

    def __enter__(self):
        with contextlib.ExitStack() as stack:
            for name in self.names:
                # Twice: somebody else may have taken the port.
                if not self.try_to_start(stack, name):
                    self.try_to_start(stack, name)
            self.stack = stack.pop_all()
        return self

    def __exit__(self, *exception):
        self.stack.close()

    def try_to_start(self, stack, name):
        try:
            self.start(stack, SERVERS[name])
        except Failed as failure:
            self.facts[name]["failure"] = str(failure)
        return name in self.running

    def start(self, stack, server):
        folder = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory()))
        body = server.bodies(self.model_folder, "split", 1)[0]
        port, process, seconds = stack.enter_context(start(server, self.model_folder, folder, body))
        starts = [seconds]
        if seconds < 1:
            starts += start_seconds(server, self.model_folder, N_STARTS - 1)
        self.facts[server.name] = {"starts": starts}
        self.running[server.name] = Running(server, port, process)
        self.running[server.name].signal(signal.SIGSTOP)

    def expected(self, format_, n_rows):
        """MLflow's answers to the requests of such rows; what they are compared with."""
        key = format_, n_rows
        if "mlflow" not in self.running:
            raise Failed("MLflow does not serve this model")
        if key not in self.reference:
            one = self.running["mlflow"]
            bodies = one.server.bodies(self.model_folder, format_, n_rows)
            self.reference[key] = [json.loads(one.ask(body))["predictions"] for body in bodies]
        return self.reference[key]

    def check(self, cell, name):
        """Compares a server's answers, asked for one by one and, if requests are small, many at a
        time. Returns (largest relative difference, median seconds of an answer)."""
        one = self.running[name]
        bodies = one.server.bodies(self.model_folder, cell.format, cell.rows)
        times, answers, together = [], [], []
        with one.turn():
            for body in bodies:
                before = time.perf_counter()
                answers.append(one.ask(body))
                times.append(time.perf_counter() - before)
            if cell.rows == 1:
                with concurrent.futures.ThreadPoolExecutor(N_TOGETHER) as threads:
                    together = list(threads.map(one.ask, bodies))
        if name == "nginx":
            return 0.0, statistics.median(times)
        worst = max(self.compare(cell, one.server, given) for given in (answers, together))
        return worst, statistics.median(times)

    def compare(self, cell, server, answers):
        worst = 0.0
        for expected, answer in zip(self.expected(cell.format, cell.rows), answers):
            differs = difference(expected, server.predictions(answer))
            if differs is None or differs > server.digits:
                shown = answer[:200].decode(errors="replace")
                raise Failed(f"answers {shown} where MLflow answers {str(expected)[:200]}")
            worst = max(worst, differs)
        return worst

    def measure(self, cell, rounds, seconds):
        """Rounds in which the servers take turns. By server: runs and the largest difference of the
        answers before and after them, or why the row is invalid."""
        rows, lengths = {}, {}
        names = [server.name for server in cell.servers() if server.name in self.names]
        for name in names:
            rows[name] = {"runs": [], "difference": 0.0}
            if name not in self.running:
                rows[name]["invalid"] = self.facts[name]["failure"]
                continue
            with invalid_when_failed(rows[name]):
                rows[name]["difference"], each = self.check(cell, name)
                # Long enough for each connection to have several answers.
                enough = math.ceil(3 * each * cell.connections)
                lengths[name] = max(seconds, min(enough, MAX_RUN_SECONDS))
                if name not in self.warm:
                    self.load(cell, name, WARM_UP_SECONDS)
                    self.warm.add(name)
        for _ in range(rounds):
            for name in names:
                if "invalid" not in rows[name]:
                    with invalid_when_failed(rows[name]):
                        rows[name]["runs"].append(self.load(cell, name, lengths[name]))
        for name in names:
            if "invalid" not in rows[name]:
                with invalid_when_failed(rows[name]):
                    worst, _ = self.check(cell, name)
                    rows[name]["difference"] = max(worst, rows[name]["difference"])
                    rows[name]["rss_mb"] = rss_mb(self.running[name].process)
        return rows

    def load(self, cell, name, seconds):
        one = self.running[name]
        bodies = one.server.bodies(self.model_folder, cell.format, cell.rows)
        with one.turn():
            return load_with_cpu(
                one.process, one.port, cell.connections, seconds, *bodies, path=one.server.path
            )


@contextlib.contextmanager
def invalid_when_failed(row):
    try:
        yield
    except Failed as failure:
        row["invalid"] = str(failure).removeprefix("bench: ")
