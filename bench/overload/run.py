"""p99 of the requests that are answered, and how fast the others are refused, when a server is asked
as much as it can answer and twice as much, at a constant rate that does not wait for it.

    bench/overload/run.py [--build FOLDER] [--seconds N] [--case NAME] [-- FLAGS OF mlrace serve]
    bench/overload/run.py --connections ...     requests/s of wrk from 1 to 512 connections instead

Capacity is what wrk gets with 64 or 256 connections. The server, with its workers, has one processor, the
load the other. Prints a table.
"""

import argparse
import json
import pathlib
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import measure  # noqa: E402
from serving import models  # noqa: E402

# name: (model, flags, connections that the open loop may have). A model in C has no queue but the
# kernel's: its load has as many connections as the servers in front of it would keep.
CASES = {
    "Python, row sum": ("pyfunc", ["--no-batch"], 2000),
    "Python, row sum, --batch": ("pyfunc", ["--batch"], 256),
    "C, 500 trees": ("xgboost", [], 256),
}


def one_row(rows, path):
    split = {"columns": list(rows.columns), "data": rows.head(1).to_numpy().tolist()}
    path.write_text(json.dumps({"dataframe_split": split}))
    return path


def line_of(name, load, rate, result):
    answered = result.get("200", {"n": 0, "p50_us": 0, "p99_us": 0, "p99_sent_us": 0})
    refused = result.get("503", {"n": 0, "p50_us": 0, "p99_us": 0, "max_us": 0})
    others = sum(value["n"] for key, value in result.items() if key not in ("200", "503", "seconds", "connections"))
    ms = lambda us: f"{us / 1000:.1f}"  # noqa: E731
    return (
        f"| {name} | {load} | {rate:,.0f} | {answered['n'] / result['seconds']:,.0f} "
        f"| {ms(answered['p50_us'])} | {ms(answered['p99_us'])} | {ms(answered['p99_sent_us'])} | {refused['n'] / result['seconds']:,.0f} "
        f"| {ms(refused['p50_us'])} | {ms(refused['p99_us'])} | {others} |"
    )


def count_connections(name, options, command, port, folder, body):
    """Requests a second by connections; medians of three turns."""
    counts = (1, 4, 16, 64, 128, 256, 512)
    with measure.running([*command, *options.flags], port, folder, body):
        measure.load(port, 64, 1, body)
        turns = [[measure.load(port, n, options.seconds, body) for n in counts] for _ in range(3)]
    rates = [measure.median(results, "rate") for results in zip(*turns)]
    best = max(rates[2:])
    print(f"| {name} |", " | ".join(f"{rate:,.0f}" for rate in rates), f"| {min(rates[2:]) / best:.2f} |", flush=True)


def run_case(name, options, folder):
    kind, flags, n = CASES[name]
    path = folder / kind
    if not path.exists():
        models.MODELS[kind][2](path)
    rows = models.four_columns(10) if kind == "pyfunc" else models.random_frame(10, models.COLUMNS)
    body = one_row(rows, folder / f"{kind}.json")
    port = measure.free_port()
    command = [
        options.build / "mlrace", "serve", "-m", path, "-p", port, "-w", 1, "--no-access-log", *flags
    ]  # fmt: skip
    if options.connections:
        count_connections(name, options, command, port, folder, body)
        return
    with measure.running(command, port, folder, body):
        measure.load(port, 64, 1, body)
        capacity = max(measure.load(port, c, options.seconds, body)["rate"] for c in (64, 256))
    program = options.build / "bench_overload"
    with measure.running([*command, *options.flags], port, folder, body):
        measure.open_loop(port, body, capacity / 2, 1, n, program=program)
        for load, factor in (("half", 0.5), ("capacity", 1), ("2 x", 2)):
            rate = factor * capacity
            result = measure.open_loop(port, body, rate, options.seconds, n, program=program)
            print(line_of(name, load, rate, result), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", type=pathlib.Path, default=measure.ROOT / "build")
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--case", choices=CASES, action="append")
    parser.add_argument("--connections", action="store_true")
    parser.add_argument("flags", nargs="*")
    options = parser.parse_args()
    options.build = options.build.resolve()
    if options.connections:
        print("| model | 1 | 4 | 16 | 64 | 128 | 256 | 512 | least / best from 16 on |")
        print("|---|---|---|---|---|---|---|---|---|")
    else:
        print_head()
    with tempfile.TemporaryDirectory() as folder:
        for name in options.case or CASES:
            run_case(name, options, pathlib.Path(folder))


def print_head():
    print("| model | load | asked/s | answered/s | p50 ms | p99 ms | since sent | refused/s | p50 ms | p99 ms | other |")
    print("|---|---|---|---|---|---|---|---|---|---|---|")


if __name__ == "__main__":
    main()
