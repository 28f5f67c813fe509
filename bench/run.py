#!/usr/bin/env python3
"""mlrace beside what else serves MLflow models: make bench, make bench-full

Servers take turns on the same cores, the load is on the others; answers are compared with MLflow's.
docs/benchmarks.md is made of what is measured. Results are kept in build/bench: a run that was
broken off goes on where it was, and bench/report.py makes the page again.
"""

import argparse
import os
import signal
import sys
import time

from measure import Failed, machine, need_two_cores
from serving import batch, environments, matrix, report
from serving.made import make_model
from serving.models import MODELS
from serving.session import Session
from serving.store import Store, program_hash

ROUNDS_OF_FILES = 3


def options_of(arguments):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--full", action="store_true", help="the whole matrix")
    parser.add_argument("--rounds", type=int, help="in which servers take turns")
    parser.add_argument("--seconds", type=int, help="of each run of wrk")
    parser.add_argument("--models", nargs="+", choices=MODELS, help="only these")
    parser.add_argument("--fresh", action="store_true", help="forget a run that was broken off")
    options = parser.parse_args(arguments)
    options.rounds = options.rounds or (5 if options.full else 4)
    options.seconds = options.seconds or (3 if options.full else 1)
    options.set = "full" if options.full else "short"
    return options


def install(options):
    environments.install("mlflow")
    for name in ("mlserver", "litserve", *(("spark",) if options.full else ())):
        try:
            environments.install(name)
        except Failed as failure:
            print(f"bench: goes on without {name}: {failure}", flush=True)
    if options.full:
        environments.install_library("torch")


class Progress:
    """Says what is measured, how much of it is done, and when it will be."""

    def __init__(self, n_steps):
        self.n_steps, self.done, self.started = n_steps, 0, time.monotonic()

    def say(self, what):
        minutes = (time.monotonic() - self.started) / 60
        left = f", {minutes * (self.n_steps / self.done - 1):.0f} min left" if self.done else ""
        print(f"[{self.done}/{self.n_steps}, {minutes:.0f} min{left}] {what}", flush=True)

    def step(self, n=1):
        self.done += n


def measure_model(options, store, name, cells, progress):
    """All cells of a model that have no result yet."""
    left = [cell for cell in cells if store.get(cell.name) is None]
    progress.step(len(cells) - len(left))
    if not left:
        return
    progress.say(f"{name}: making the model, starting its servers")
    folder = make_model(name)
    names = [one for one in matrix.SERVERS if any(cell.has(matrix.SERVERS[one]) for cell in cells)]
    with Session(folder, names) as session:
        for server, facts in session.facts.items():
            if "failure" in facts:
                print(f"bench: {server} does not serve {name}: {facts['failure']}", flush=True)
        for cell in left:
            progress.say(cell.name)
            store.put(cell.name, session.measure(cell, options.rounds, options.seconds))
            progress.step()
        store.put(f"servers-{name}", session.facts)


def measure_files(options, store, progress):
    for name in ["iris", "xgboost"] if options.full else ["iris"]:
        if store.get(f"file-{name}") is None:
            progress.say(f"a file for {name}")
            names = [one for one in batch.CONTENDERS if options.full or one != "spark"]
            store.put(f"file-{name}", batch.measure(name, make_model(name), names, ROUNDS_OF_FILES))
        progress.step()


def main():
    options = options_of(sys.argv[1:])
    need_two_cores()
    load_before = os.getloadavg()[0]
    if load_before > 0.5:
        print(f"bench: this machine is busy (load {load_before:.1f}): expect low figures")
    install(options)
    context = {
        "full": options.full,
        "rounds": options.rounds,
        "seconds": options.seconds,
        "program": program_hash(),
        "environments": [environments.text_of(name) for name in ("mlflow", "mlserver", "litserve")],
    }
    if options.fresh:
        Store(options.set, {})
    store = Store(options.set, context)
    if store.get("machine") is None:
        lines = machine(load_before, environments.python("mlflow"))
        store.put("machine", {"lines": lines, "date": time.strftime("%Y-%m-%d")})
    all_cells = matrix.FULL if options.full else matrix.SHORT
    wanted = options.models or list(MODELS)
    cells = [cell for cell in all_cells if cell.model in wanted]
    progress = Progress(len(cells) + (2 if options.full else 1))
    for name in wanted:
        measure_model(options, store, name, [c for c in cells if c.model == name], progress)
    measure_files(options, store, progress)
    progress.say("done")
    if not options.models:
        store.put("finished", True)
    return report.write(store)


def break_off(*_):
    raise KeyboardInterrupt


if __name__ == "__main__":
    # Also where a shell has started this in the background: no server stays.
    signal.signal(signal.SIGINT, break_off)
    signal.signal(signal.SIGTERM, break_off)
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("bench: broken off; the same command goes on from here")
