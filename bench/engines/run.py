#!/usr/bin/env python3
"""How fast are trees, beside the libraries that they come from and those that speed them up?

The same rows, the same models, one thread on one core, all contenders in turn (see bench.c). The
models and the libraries, in an environment of their own, are made below build/bench-engines and
kept. The table is printed and written, with machine and versions, to docs/benchmarks-engines.md.
"""

import argparse
import importlib.metadata
import json
import os
import pathlib
import pickle
import statistics
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE)]
from measure import ROOT, machine  # noqa: E402
from models import Case, contenders, make, make_rows, predict  # noqa: E402

FOLDER = ROOT / "build/bench-engines"
VENV = FOLDER / "venv"
# Rows of a call and rounds, of the short list and of the whole sweep.
CALLS, FULL_CALLS = [1, 10, 100, 1000, 10000], [1, 10, 100, 1000]
ROUNDS, FULL_ROUNDS = 15, 5
CORE = 0
# What was promised: a row alone, and rows of a block of 1000, so many times the fastest other.
TARGETS = {1: 3, 1000: 4}
PROMISED = {Case("xgboost", 500, 6)}
# Error that is no other model: others add in another order, and ONNX rounds thresholds to float, so
# that a value beside one takes another way through a tree.
MAX_ERROR = 0.05

SHORT = [
    *(Case("xgboost", n, 6) for n in (5, 50, 500)),
    Case("lightgbm", 500, 31),
    Case("forest", 100, 0),
]
FULL = [
    *SHORT,
    Case("xgboost", 5000, 6),
    *(Case("xgboost", 500, depth) for depth in (3, 8, 10)),
    *(Case("xgboost", n, 6, columns) for columns in (10, 200) for n in (5, 50, 500)),
]
LABELS = {
    "mlrace": "mlrace",
    "mlrace-forest": "its trees alone",
    "xgboost": "XGBoost",
    "lightgbm": "LightGBM",
    "gtil": "Treelite GTIL",
    "tl2cgen": "TL2cgen",
    "onnxruntime": "ONNX Runtime",
    "sklearn": "scikit-learn in Python",
}
OTHERS = ["xgboost", "lightgbm", "gtil", "tl2cgen", "onnxruntime"]


def enter_environment():
    """Goes on in the benchmark's own environment, which is made when its list has changed."""
    wanted = (HERE / "requirements.txt").read_text()
    stamp = VENV / "installed"
    if not stamp.exists() or stamp.read_text() != wanted:
        print(f"bench: installing {HERE / 'requirements.txt'} into {VENV}", flush=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", VENV], check=True)
        pip = [VENV / "bin/python", "-m", "pip", "install", "--quiet"]
        subprocess.run([*pip, "-r", HERE / "requirements.txt"], check=True)
        stamp.write_text(wanted)
    if pathlib.Path(sys.prefix) != VENV:
        python = VENV / "bin/python"
        os.execv(python, [python, __file__, *sys.argv[1:]])


def refusal(folder):
    """Why mlrace does not evaluate a model natively; None: it does."""
    command = [ROOT / "build/mlrace", "explain", "-m", folder / "mlflow", "--engine", "native"]
    result = subprocess.run(command, capture_output=True, text=True)
    return None if result.returncode == 0 else (result.stdout + result.stderr).strip()


def measure_sklearn(case, folder, calls):
    """The forest in Python, which has no C API: nanoseconds per row by rows of a call."""
    model = pickle.loads((folder / "model.pickle").read_bytes())
    X = make_rows(case, max(calls), 2)[0]
    results = {}
    for n_rows in calls:
        rows, times = X[:n_rows], []
        for _ in range(5 if n_rows < 1000 else 3):
            start = time.process_time_ns()
            predict(case, model, rows)
            times.append((time.process_time_ns() - start) / n_rows)
        results["sklearn", n_rows] = {"ns_per_row": times, "n_different": 0, "largest_error": 0}
    return results


def measure(case, options):
    """Results by contender and rows of a call; None, and why, when mlrace refuses the model."""
    folder = make(case, FOLDER)
    reason = refusal(folder)
    if reason:
        return None, reason
    described = {
        "rows": str(folder / "rows.bin"),
        "answers": str(folder / "answers.bin"),
        "n_columns": case.n_columns,
        "n_outputs": case.n_outputs,
        "calls": options.calls,
        "rounds": options.rounds,
        "core": CORE,
        "contenders": contenders(case, folder),
    }
    (folder / "case.json").write_text(json.dumps(described))
    command = [ROOT / "build/bench_engines", folder / "case.json"]
    result = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    listed = json.loads(result.stdout)["results"]
    results = {(item["contender"], item["call_rows"]): item for item in listed}
    if case.library == "forest":
        results.update(measure_sklearn(case, folder, options.calls))
    check(case, results)
    return results, None


def check(case, results):
    for (contender, n_rows), result in results.items():
        where = f"bench: {case.title}, {n_rows} rows: {LABELS[contender]}"
        if contender == "mlrace" and result["n_different"]:
            sys.exit(f"{where}: {result['n_different']} answers are not the library's")
        if contender in OTHERS and not result["largest_error"] <= MAX_ERROR:
            sys.exit(f"{where}: an answer is off by {result['largest_error']}")


def median(results, contender, n_rows):
    return statistics.median(results[contender, n_rows]["ns_per_row"])


def fastest_other(results, n_rows):
    present = [name for name in OTHERS if (name, n_rows) in results]
    return min(present, key=lambda name: median(results, name, n_rows))


def ratio(results, n_rows):
    """Of the fastest other's time to mlrace's: median of the ratios within a round."""
    theirs = results[fastest_other(results, n_rows), n_rows]["ns_per_row"]
    return statistics.median(
        a / b for a, b in zip(theirs, results["mlrace", n_rows]["ns_per_row"])
    )


def cell(result):
    """Microseconds per row, and half of the middle half of the rounds as a share of them."""
    times = result["ns_per_row"]
    middle = statistics.median(times)
    text = f"{middle / 1000:,.2f}" if middle < 100_000 else f"{middle / 1000:,.0f}"
    if len(times) < 4:
        return text
    low, _, high = statistics.quantiles(times, n=4)
    return f"{text} ±{(high - low) / 2 / middle * 100:.0f}%"


def report_case(case, results, calls):
    present = [name for name in LABELS if (name, calls[0]) in results]
    lines = [
        f"## {case.title}",
        "",
        "| rows a call | " + " | ".join(LABELS[name] for name in present) + " | mlrace is |",
        "|---:|" + "---:|" * (len(present) + 1),
    ]
    for n_rows in calls:
        cells = " | ".join(cell(results[name, n_rows]) for name in present)
        other = LABELS[fastest_other(results, n_rows)]
        lines.append(f"| {n_rows} | {cells} | {ratio(results, n_rows):.1f} x {other} |")
    different = []
    for name in present:
        if name in ("sklearn", "mlrace-forest"):
            continue
        listed = [results[name, n_rows] for n_rows in calls]
        worst = max(result["largest_error"] for result in listed)
        is_equal = not any(result["n_different"] for result in listed)
        different.append(f"{LABELS[name]} {'equal' if is_equal else f'within {worst:.0e}'}")
    lines += ["", "Answers beside the library's own: " + ", ".join(different) + "."]
    if "tl2cgen" not in present:
        lines.append("Without TL2cgen's code, which takes gcc minutes for so many leaves.")
    if "gtil" not in present:
        lines.append("Without GTIL, which takes a millisecond a row.")
    return [*lines, ""]


def versions():
    names = ["xgboost", "lightgbm", "scikit-learn", "treelite", "tl2cgen", "onnxruntime"]
    return ", ".join(f"{name} {importlib.metadata.version(name)}" for name in names)


def report(options, measured, refused):
    lines = [
        "# Benchmarks of tree engines",
        "",
        "Microseconds of CPU time per row, one thread on one core, no server: mlrace's engine from",
        "the decoded columns of a request to its answer, and its trees alone; libxgboost by",
        "XGBoosterPredictFromDense, lib_lightgbm by LGBM_BoosterPredictForMatSingleRowFast and",
        "LGBM_BoosterPredictForMat, Treelite's GTIL, the C code that TL2cgen makes of the model",
        "(gcc -O3, called without TL2cgen's runtime), ONNX Runtime by its C API with bound buffers.",
        f"Contenders take turns; medians of {options.rounds} rounds with half of the interquartile range; the",
        f"ratio is the median of the ratios within a round. Rows differ from call to call.",
        "",
        f"Made by `make bench-engines{' FULL=1' if options.full else ''}` on "
        + time.strftime("%Y-%m-%d")
        + ":",
        "",
        *(f"- {line}" for line in machine(options.load_before)),
        f"- {versions()}",
        "",
    ]
    checks = []
    for case, results in measured.items():
        lines += report_case(case, results, options.calls)
        for n_rows, bound in TARGETS.items():
            if case in PROMISED and n_rows in options.calls:
                checks.append((ratio(results, n_rows), bound, f"{case.title}, {n_rows} rows"))
    for case, reason in refused.items():
        lines += [f"## {case.title}", "", f"Not measured: {reason}", ""]
    missed = 0
    if checks:
        lines += ["| target | measured | |", "|---|---:|---|"]
    for value, bound, what in checks:
        missed += value < bound
        verdict = "holds" if value >= bound else "MISSED"
        lines.append(f"| >= {bound} x the fastest other: {what} | {value:.2f} | {verdict} |")
    return "\n".join(lines).rstrip() + "\n", missed


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--full", action="store_true", help="the whole sweep: half an hour at first")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--calls", type=int, nargs="+", help="rows of a call")
    parser.add_argument("--cases", nargs="+", help="names such as xgboost-500-6-50")
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "docs/benchmarks-engines.md")
    options = parser.parse_args()
    options.rounds = options.rounds or (FULL_ROUNDS if options.full else ROUNDS)
    options.calls = options.calls or (FULL_CALLS if options.full else CALLS)
    enter_environment()
    options.load_before = os.getloadavg()[0]
    cases = FULL if options.full or options.cases else SHORT
    measured, refused = {}, {}
    for case in cases:
        if options.cases and case.name not in options.cases:
            continue
        results, reason = measure(case, options)
        if results is None:
            refused[case] = reason
            print(f"{case.title}: not measured: {reason}", flush=True)
            continue
        measured[case] = results
        print("\n".join(report_case(case, results, options.calls)), flush=True)
    text, missed = report(options, measured, refused)
    options.out.write_text(text)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
