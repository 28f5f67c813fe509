#!/usr/bin/env python3
"""Models that only Python can evaluate: mlrace's worker beside `mlflow models serve`

One row as dataframe_split over keep-alive connections, one worker process each, servers on core 0,
wrk on core 1, in turns. Answers are compared. The models: a custom pyfunc that sums a row, the same
over 64 connections where it may be asked for many rows together (--batch), a
k-nearest-neighbours classifier of scikit-learn, a small network of PyTorch, a regression of
statsmodels; one whose library is missing is named and left out.
"""

import argparse
import contextlib
import importlib.util
import json
import os
import pathlib
import sys
import tempfile
import time

from measure import (
    ROOT,
    free_port,
    load,
    machine,
    median,
    mlflow_command,
    mlrace_command,
    ratio,
    rss_mb,
    running,
)

# What was promised: (connections, factor) for requests/s, and for p99 at 16 connections.
MIN_RATIO_PYFUNC, MIN_RATIO_FLAVOR, MAX_P99_RATIO = 10, 3, 0.1
MIN_RATIO_BATCH = 60
COLUMNS = ["a", "b", "c", "d"]


def frame():
    import numpy as np
    import pandas as pd

    generator = np.random.default_rng(0)
    return pd.DataFrame(generator.normal(size=(200, 4)), columns=COLUMNS)


def save_row_sum(path):
    import mlflow
    from mlflow.models import infer_signature

    class RowSum(mlflow.pyfunc.PythonModel):
        def predict(self, context, model_input, params=None):
            return model_input.sum(axis=1)

    X = frame()
    signature = infer_signature(X, X.sum(axis=1))
    mlflow.pyfunc.save_model(path, python_model=RowSum(), signature=signature)


def save_neighbours(path):
    import mlflow
    from mlflow.models import infer_signature
    from sklearn.neighbors import KNeighborsClassifier

    X = frame()
    fitted = KNeighborsClassifier().fit(X, X["a"] > 0)
    signature = infer_signature(X, fitted.predict(X))
    mlflow.sklearn.save_model(fitted, path, signature=signature, serialization_format="cloudpickle")


def save_network(path):
    import mlflow
    import torch
    from mlflow.models import infer_signature

    torch.manual_seed(0)
    network = torch.nn.Sequential(
        torch.nn.Linear(4, 16), torch.nn.ReLU(), torch.nn.Linear(16, 1)
    )
    X = frame().astype("float32")
    with torch.no_grad():
        answer = network(torch.from_numpy(X.to_numpy())).numpy()
    signature = infer_signature(X, answer)
    mlflow.pytorch.save_model(network, path, signature=signature, serialization_format="pickle")


def save_regression(path):
    import mlflow
    import statsmodels.api
    from mlflow.models import infer_signature

    X = frame()
    fitted = statsmodels.api.OLS(X["a"] + X["b"] ** 2, X).fit()
    mlflow.statsmodels.save_model(fitted, path, signature=infer_signature(X, fitted.predict(X)))


# name: (what it is, the library it needs, how it is saved)
MODELS = {
    "row-sum": ("custom pyfunc, sum of a row", "mlflow", save_row_sum),
    "row-sum-batch": ("the same, --batch", "mlflow", save_row_sum),
    "knn": ("scikit-learn k-nearest neighbours", "sklearn", save_neighbours),
    "pytorch": ("PyTorch, 4-16-1", "torch", save_network),
    "statsmodels": ("statsmodels OLS", "statsmodels", save_regression),
}


def same(ours, theirs):
    """Whether two answers hold the same values; floats to 1e-12 of their size."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        return ours.keys() == theirs.keys() and all(same(ours[k], theirs[k]) for k in ours)
    if isinstance(ours, list) and isinstance(theirs, list):
        return len(ours) == len(theirs) and all(map(same, ours, theirs))
    if isinstance(ours, float) and isinstance(theirs, float):
        return abs(ours - theirs) <= 1e-12 * max(abs(ours), abs(theirs))
    return type(ours) is type(theirs) and ours == theirs


def connections_of(options, name):
    return [64] if name == "row-sum-batch" else options.connections


def flags_of(name):
    return ("--engine", "python", *(("--batch",) if name == "row-sum-batch" else ()))


def measure(options, name_of_model, model, folder):
    """Results by (server, connections), and each server's memory."""
    body = pathlib.Path(folder) / "body.json"
    row = [round(value, 6) for value in frame().iloc[0]]
    body.write_text(json.dumps({"dataframe_split": {"columns": COLUMNS, "data": [row]}}))
    results, memory, answers = {}, {}, []
    with contextlib.ExitStack() as stack:
        servers = {}
        for name, command in (("mlrace", mlrace_command), ("mlflow", mlflow_command)):
            port = free_port()
            flags = flags_of(name_of_model) if name == "mlrace" else ()
            server = running(command(model, port, *flags), port, folder, body)
            process, _, answer = stack.enter_context(server)
            servers[name] = process, port
            answers.append(json.loads(answer))
        if not same(*answers):
            sys.exit(f"bench: {model}: the answers differ: {answers}")
        for connections in connections_of(options, name_of_model):
            for round_ in range(options.rounds + 1):
                for name, (_, port) in servers.items():
                    result = load(port, connections, options.seconds, body)
                    if round_:  # the first round only warms up
                        results.setdefault((name, connections), []).append(result)
        for name, (process, _) in servers.items():
            memory[name] = rss_mb(process)
    return results, memory


def report_model(options, name, results, memory):
    """The model's rows of the table, and its checks: (value, sign, bound, what)."""
    rows, checks = [], []
    factors = {"row-sum": MIN_RATIO_PYFUNC, "row-sum-batch": MIN_RATIO_BATCH}
    factor = factors.get(name, MIN_RATIO_FLAVOR)
    for connections in connections_of(options, name):
        ours, theirs = results["mlrace", connections], results["mlflow", connections]
        rate = ratio(ours, theirs)
        rows.append(
            f"| {MODELS[name][0]} | {connections} "
            f"| {median(ours, 'rate'):,.0f} | {median(theirs, 'rate'):,.0f} | {rate:.1f} x "
            f"| {median(ours, 'p50') / 1000:.2f} / {median(theirs, 'p50') / 1000:.2f} ms "
            f"| {median(ours, 'p99') / 1000:.2f} / {median(theirs, 'p99') / 1000:.2f} ms "
            f"| {memory['mlrace']:.0f} / {memory['mlflow']:.0f} MB |"
        )
        checks.append((rate, ">=", factor, f"x MLflow: {name}, {connections} connections"))
        if name == "row-sum" and connections == 16:
            p99 = ratio(ours, theirs, "p99")
            checks.append((p99, "<=", MAX_P99_RATIO, "of MLflow's p99: row-sum, 16 connections"))
    return rows, checks


def report(options, rows, checks, missing):
    lines = [
        "# Benchmarks of Python models",
        "",
        "One row of four doubles as `dataframe_split`, keep-alive; one worker process each on",
        "core 0 (mlrace's I/O threads too), wrk on core 1. Medians of "
        f"{options.rounds} rounds of {options.seconds} s in",
        "which the servers take turns; a ratio is the median of the ratios within a round. Each",
        "pair of figures is mlrace / `mlflow models serve`.",
        "",
        "Made by `make bench-python` on " + time.strftime("%Y-%m-%d") + ":",
        "",
        *(f"- {line}" for line in machine(options.load_before)),
        *(f"- not installed, left out: {name}" for name in missing),
        "",
        "| model | connections | mlrace requests/s | MLflow requests/s | mlrace is | p50 | p99 | memory |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
        *rows,
        "",
        "| target | measured | |",
        "|---|---:|---|",
    ]
    missed = 0
    for value, sign, bound, what in checks:
        holds = value >= bound if sign == ">=" else value <= bound
        missed += not holds
        lines.append(f"| {sign} {bound} {what} | {value:.2f} | {'holds' if holds else 'MISSED'} |")
    return "\n".join(lines) + "\n", missed


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3, help="of each run of wrk")
    parser.add_argument("--connections", type=int, nargs="+", default=[1, 16])
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "docs/benchmarks-python.md")
    options = parser.parse_args()
    if (os.cpu_count() or 1) < 2:
        sys.exit("bench: needs two cores, one for the servers and one for the load")
    options.load_before = os.getloadavg()[0]
    rows, checks, missing = [], [], []
    for name in options.models:
        _, library, save = MODELS[name]
        if importlib.util.find_spec(library) is None:
            missing.append(library)
            continue
        with tempfile.TemporaryDirectory() as folder:
            model = pathlib.Path(folder) / "model"
            save(str(model))
            results, memory = measure(options, name, model, folder)
        more_rows, more_checks = report_model(options, name, results, memory)
        rows += more_rows
        checks += more_checks
        print("\n".join(more_rows), flush=True)
    text, missed = report(options, rows, checks, missing)
    options.out.write_text(text)
    print(text)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
