#!/usr/bin/env python3
"""Does memory stay flat? A million mixed requests to a model in Python workers: make soak

JSON and CSV, one row and thousands, requests that only MLflow itself can parse, wrong ones; 16
connections. Resident memory and open files of the server and each of its processes are read after
each part of the run; the first part warms up, and what grows by more than a tenth after it is a
failure.
"""

import argparse
import json
import os
import pathlib
import sys
import tempfile

from measure import ROOT, free_port, mlrace_command, output, process_tree, running
from serving.models import FOUR, four_columns, save_row_sum

PARTS = 20
MAX_GROWTH = 1.1


def write_bodies(folder):
    """The requests as pairs of Content-Type and file."""
    table = four_columns()
    long = table.sample(5000, replace=True, random_state=0)
    row = [float(value) for value in table.iloc[0]]
    bodies = [
        ("application/json", {"dataframe_split": {"columns": FOUR, "data": [row]}}),
        ("application/json", {"dataframe_records": table.head(50).to_dict("records")}),
        ("application/json", {"inputs": table.head(20).to_dict("list")}),
        ("application/json", {"instances": table.head(5).to_dict("records")}),
        # Row labels of two kinds: only pandas itself can tell what that makes.
        ("application/json", {"dataframe_split": {
            "columns": FOUR, "index": [1, "one"], "data": [row, row]}}),
        ("application/json", {"dataframe_split": {"columns": FOUR[:3], "data": [row[:3]]}}),
        ("application/json", "{"),
        ("text/csv", table.to_csv(index=False)),
        ("text/csv", table.head(1).to_csv(index=False)),
        ("text/csv", "a,b\n1\n2,3,4"),
    ]  # fmt: skip
    bodies = bodies * 5 + [("text/csv", long.to_csv(index=False))]
    arguments = []
    for number, (content_type, body) in enumerate(bodies):
        path = pathlib.Path(folder) / f"body-{number}"
        path.write_text(body if isinstance(body, str) else json.dumps(body))
        arguments += [content_type, path]
    return arguments


def usage(pid):
    """Resident bytes and open files."""
    pages = int(pathlib.Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE"), len(os.listdir(f"/proc/{pid}/fd"))


def drive(port, seconds, bodies):
    text = output(
        "wrk", "-t1", "-c16", f"-d{seconds}s", "-s", ROOT / "bench/mixed.lua",
        f"http://127.0.0.1:{port}/invocations", "--", *bodies,
    )  # fmt: skip
    result = json.loads(text.splitlines()[-1])
    if result["errors"] or not result["requests"]:
        sys.exit(f"soak: {text}")
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--requests", type=int, default=1_000_000)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        model = f"{folder}/model"
        save_row_sum(model)
        bodies = write_bodies(folder)
        port = free_port()
        command = [*mlrace_command(model, port), "-w", options.workers]
        with running(command, port, folder, bodies[1]) as (process, *_):
            failed = soak(port, process.pid, bodies, options.requests)
    return 1 if failed else 0


def soak(port, pid, bodies, wanted):
    """Runs the parts; returns how many processes grew."""
    first, done, seconds = None, 0, 10
    while done < wanted:
        result = drive(port, seconds, bodies)
        done += result["requests"]
        rate = result["requests"] / (result["microseconds"] / 1e6)
        seconds = max(1, min(60, round(wanted / PARTS / rate)))
        now = {one: usage(one) for one in process_tree(pid)}
        first = first or now
        line = ", ".join(
            f"{one}: {rss / 1e6:.1f} MB, {files} files" for one, (rss, files) in now.items()
        )
        print(f"{done:>9,} requests, {rate:,.0f} a second; {line}", flush=True)
    if first.keys() != now.keys():
        print(f"soak: processes have changed: {sorted(first)} -> {sorted(now)}")
        return 1
    failed = 0
    for one, (rss, files) in now.items():
        if rss > MAX_GROWTH * first[one][0] or files > first[one][1] + 2:
            print(f"soak: process {one} grew: {first[one]} -> {(rss, files)}")
            failed += 1
    print(f"soak: {done:,} requests, {failed} of {len(now)} processes grew")
    return failed


if __name__ == "__main__":
    sys.exit(main())
