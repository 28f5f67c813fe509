#!/usr/bin/env python3
"""How late are answers while models of 100 MB take each other's place?

Two versions of a forest follow one another, by POST /reload, while clients ask for one row. Each
round measures the server as it is, then with such swaps one after another, then, without swaps,
beside a process at the priority at which models are loaded (SCHED_IDLE) that only counts: what it
costs, the machine costs. The page is printed and written to docs/benchmarks-swaps.md.
"""

import argparse
import contextlib
import dataclasses
import http.client
import json
import os
import pathlib
import statistics
import subprocess
import sys
import threading
import time

import measure
from load import model_mb
from measure import ROOT

FOLDER = ROOT / "build/bench-swaps"
N_ROWS, N_COLUMNS, N_TREES = 10_000, 8, 70  # which make a file of 100 MB
PAUSE_SECONDS = 0.2  # between two swaps
MAX_RATIO, MIN_SWAPS = 1.5, 50  # what was promised


@dataclasses.dataclass(frozen=True)
class Case:
    title: str
    rate: int  # requests a second; 0: as many as eight connections get
    server_core: str
    load_core: str


ALL_CORES = f"{measure.SERVER_CORE},{measure.LOAD_CORE}"
CASES = [
    Case("2,000 requests/s", 2000, measure.SERVER_CORE, measure.LOAD_CORE),
    Case("8 connections, no pause", 0, measure.SERVER_CORE, measure.LOAD_CORE),
    Case("the same, all on all cores", 0, ALL_CORES, ALL_CORES),
]


def make(number):
    """The folder of a version of the model, which is made once."""
    folder = FOLDER / f"version-{number}"
    if folder.exists():
        return folder
    import mlflow
    import numpy as np
    from sklearn.ensemble import ExtraTreesRegressor

    print(f"bench: making {folder}", flush=True)
    noise = np.random.default_rng(number)
    x = noise.normal(size=(N_ROWS, N_COLUMNS))
    trees = ExtraTreesRegressor(N_TREES, random_state=number, n_jobs=1)
    trees.fit(x, noise.normal(size=N_ROWS))
    part = folder.with_suffix(".part")
    mlflow.sklearn.save_model(
        trees, str(part), serialization_format="cloudpickle", input_example=x[:1]
    )
    part.rename(folder)
    return folder


def ask(case, port, body, seconds):
    """One run of the load: p50 and p99, in microseconds."""
    if not case.rate:
        return measure.load(port, 8, seconds, body, core=case.load_core)
    result = measure.open_loop(port, body, case.rate, seconds, 64, core=case.load_core)
    if {key for key in result if key.isdigit()} != {"200"}:
        raise measure.Failed(f"bench: not all requests were answered: {result}")
    return {"p50": result["200"]["p50_us"], "p99": result["200"]["p99_us"]}


class Versions:
    """A folder that is one version or the other."""

    def __init__(self, folder):
        self.path, self._next = folder / "model", folder / "next"
        self._sources, self.n_swaps = [make(1), make(2)], 0
        self.path.unlink(missing_ok=True)
        self.path.symlink_to(self._sources[0])

    def swap(self, port):
        self._next.symlink_to(self._sources[(self.n_swaps + 1) % 2])
        self._next.rename(self.path)
        connection = http.client.HTTPConnection("127.0.0.1", port)
        connection.request("POST", "/reload", b"")
        response = connection.getresponse()
        outcome = json.loads(response.read())
        connection.close()
        if response.status != 200 or not outcome["changed"]:
            raise measure.Failed(f"bench: the model was not swapped: {outcome}")
        self.n_swaps += 1

    @contextlib.contextmanager
    def swapping(self, port):
        """Swaps them all the time."""
        is_ending, failures = threading.Event(), []

        def run():
            try:
                while not is_ending.wait(PAUSE_SECONDS):
                    self.swap(port)
            except (OSError, measure.Failed) as failure:
                failures.append(failure)

        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield
        finally:
            is_ending.set()
            thread.join()
        if failures:
            raise failures[0]


@contextlib.contextmanager
def idle_loop(core):
    command = ["chrt", "-i", "0", "taskset", "-c", core, "sh", "-c", "while :; do :; done"]
    loop = subprocess.Popen(command)
    try:
        yield
    finally:
        loop.kill()
        loop.wait()


def run_case(case, options):
    """A list of the rounds' figures under each condition, and how many swaps there were."""
    versions = Versions(FOLDER)
    body = FOLDER / "row.json"
    body.write_text(json.dumps({"inputs": [[0.5] * N_COLUMNS]}))
    port = measure.free_port()
    flags = ["--enable-reload", "--no-access-log"]
    command = measure.mlrace_command(versions.path, port, *flags)
    figures = {"steady": [], "swaps": [], "loop": []}
    with measure.running(command, port, FOLDER, body, core=case.server_core):
        ask(case, port, body, 1)
        for _ in range(options.rounds):
            figures["steady"].append(ask(case, port, body, options.seconds))
            with versions.swapping(port):
                figures["swaps"].append(ask(case, port, body, options.seconds))
            with idle_loop(case.server_core):
                figures["loop"].append(ask(case, port, body, options.seconds))
    return figures, versions.n_swaps


class Row:
    """A line of the table."""

    def __init__(self, case, figures, n_swaps):
        p50, p99 = (
            {name: statistics.median(one[key] for one in runs) for name, runs in figures.items()}
            for key in ("p50", "p99")
        )
        self.n_swaps, self.ratio = n_swaps, p99["swaps"] / p99["steady"]
        cells = [p50["steady"], p50["swaps"], p99["steady"], p99["swaps"]]
        cells = [f"{us:,.0f}" for us in cells] + [f"{self.ratio:.2f}"]
        cells += [f"{p99['loop']:,.0f}", f"{p99['loop'] / p99['steady']:.2f}"]
        self.line = f"| {case.title} | {n_swaps} | {' | '.join(cells)} |"


def report(options, rows):
    file_mb = model_mb(make(1))
    missed = sum(row.ratio > MAX_RATIO for row in rows)
    missed += sum(row.n_swaps for row in rows) < MIN_SWAPS
    verdict = f"MISSED {missed} times." if missed else "All hold."
    lines = [
        "# Benchmarks of swaps",
        "",
        f"Two forests of {file_mb:.0f} MB take each other's place, by POST /reload, {PAUSE_SECONDS} s after one",
        "another, while clients ask for one row. Microseconds, medians of",
        f"{options.rounds} rounds of {options.seconds} s, in turns: as it is, with swaps, and, without swaps, beside a",
        "process of the priority at which models are loaded (SCHED_IDLE) that only counts: what it",
        "costs, the machine costs. Requests at a rate are counted from the moment they were due. The",
        "server has one half of the cores and the load the other, but in the last row.",
        "",
        "Made by `make bench-swaps` on " + time.strftime("%Y-%m-%d") + ":",
        "",
        *(f"- {line}" for line in measure.machine(options.load_before)),
        "",
        "| load | swaps | p50 | with swaps | p99 | with swaps | ratio | p99 beside a loop | ratio |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|",
        *(row.line for row in rows),
        "",
        f"Promised: p99 with swaps no more than {MAX_RATIO} x the one without, and no request that is not",
        f"answered in {MIN_SWAPS} swaps. {verdict} A request that was not answered ends this benchmark.",
    ]
    return "\n".join(lines) + "\n", missed


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "docs/benchmarks-swaps.md")
    options = parser.parse_args()
    measure.need_two_cores()
    options.load_before = os.getloadavg()[0]
    FOLDER.mkdir(parents=True, exist_ok=True)
    rows = []
    for case in CASES:
        rows.append(Row(case, *run_case(case, options)))
        print(rows[-1].line, flush=True)
    text, missed = report(options, rows)
    options.out.write_text(text)
    print(text)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
