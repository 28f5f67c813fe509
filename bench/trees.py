#!/usr/bin/env python3
"""500 trees of XGBoost over HTTP: mlrace beside `mlflow models serve` and MLServer

One row of 50 columns over keep-alive connections; a hundred different rows in turns. The same model
in all servers, which take turns; answers are compared. mlrace has one thread on core 0; the others
may use both cores, wrk runs on core 1. The page is printed and written to docs/benchmarks-trees.md.
"""

import argparse
import contextlib
import dataclasses
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

from measure import (
    LOAD_CORE,
    ROOT,
    SERVER_CORE,
    ask,
    free_port,
    load,
    machine,
    median,
    mlflow_command,
    mlrace_command,
    output,
    ratio,
    rss_mb,
    running,
)

MLSERVER = ROOT / "build/bench-trees"
N_TREES, DEPTH, N_COLUMNS, N_BODIES = 500, 6, 50, 100
COLUMNS = [f"f{i}" for i in range(N_COLUMNS)]
# What was promised: factors of requests/s.
TARGETS = {"mlflow": 300, "mlserver": 60, "mlserver-xgboost": 60}


@dataclasses.dataclass
class Server:
    label: str
    path: str
    bodies: list  # files
    port: int = 0
    process: subprocess.Popen = None


def make_model(folder):
    """Trains, saves for MLflow and for MLServer's XGBoost runtime; the rows to ask."""
    import mlflow
    import numpy as np
    import pandas as pd
    import xgboost
    from mlflow.models import infer_signature

    generator = np.random.default_rng(0)
    X = pd.DataFrame(generator.normal(size=(20_000, N_COLUMNS)), columns=COLUMNS)
    y = X["f0"] * X["f1"] + np.sin(3 * X["f2"]) + X.abs().sum(axis=1) / 3
    y += generator.normal(size=len(X))
    model = xgboost.XGBRegressor(
        n_estimators=N_TREES, max_depth=DEPTH, learning_rate=0.1, n_jobs=1
    )
    model.fit(X, y)
    signature = infer_signature(X, model.predict(X[:5]))
    mlflow.xgboost.save_model(model, str(folder / "model"), signature=signature)
    model.save_model(folder / "model.ubj")
    return generator.normal(size=(N_BODIES, N_COLUMNS)).round(6).tolist()


def write_bodies(folder, name, rows, make):
    paths = [folder / f"{name}-{i}.json" for i in range(len(rows))]
    for path, row in zip(paths, rows):
        path.write_text(json.dumps(make(row)))
    return paths


def as_frame(row):
    return {"dataframe_split": {"columns": COLUMNS, "data": [row]}}


def as_columns(row):
    """What mlserver-mlflow makes a DataFrame of."""
    inputs = [
        {"name": name, "shape": [1, 1], "datatype": "FP64", "data": [value]}
        for name, value in zip(COLUMNS, row)
    ]
    return {"parameters": {"content_type": "pd"}, "inputs": inputs}


def as_tensor(row):
    tensor = {"name": "x", "shape": [1, N_COLUMNS], "datatype": "FP64", "data": row}
    return {"inputs": [tensor]}


def answer_of(answer):
    parsed = json.loads(answer)
    if "predictions" in parsed:
        return parsed["predictions"]
    return parsed["outputs"][0]["data"]


def install_mlserver():
    """MLServer's environment, made again when its list has changed."""
    listed = ROOT / "bench/mlserver-requirements.txt"
    stamp = MLSERVER / "installed"
    if not stamp.exists() or stamp.read_text() != listed.read_text():
        print(f"bench: installing {listed} into {MLSERVER}", flush=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", MLSERVER], check=True)
        pip = [MLSERVER / "bin/python", "-m", "pip", "install", "--quiet"]
        subprocess.run([*pip, "-r", listed], check=True)
        stamp.write_text(listed.read_text())


def mlserver_command(folder, port, runtime, uri):
    """Two workers and adaptive batching, as its documentation shows for throughput."""
    folder.mkdir()
    settings = {
        "http_port": port,
        "grpc_port": free_port(),
        "metrics_port": free_port(),
        "parallel_workers": 2,
        "debug": False,
    }
    model = {
        "name": "model",
        "implementation": runtime,
        "parameters": {"uri": str(uri)},
        "max_batch_size": 64,
        "max_batch_time": 0.005,
    }
    (folder / "settings.json").write_text(json.dumps(settings))
    (folder / "model-settings.json").write_text(json.dumps(model))
    return [MLSERVER / "bin/mlserver", "start", folder]


@contextlib.contextmanager
def started(folder, rows):
    """All servers by name, running."""
    frames = write_bodies(folder, "frame", rows, as_frame)
    columns = write_bodies(folder, "columns", rows, as_columns)
    tensors = write_bodies(folder, "tensor", rows, as_tensor)
    infer = "/v2/models/model/infer"
    model = folder / "model"
    servers = {
        "mlrace": Server("mlrace", "/invocations", frames),
        "mlflow": Server("mlflow models serve", "/invocations", frames),
        "mlserver": Server("MLServer, mlserver-mlflow, V2", infer, columns),
        "mlserver-xgboost": Server("MLServer, mlserver-xgboost, V2", infer, tensors),
    }
    both = f"{SERVER_CORE},{LOAD_CORE}"
    with contextlib.ExitStack() as stack:
        for name, server in servers.items():
            server.port = free_port()
            if name == "mlrace":
                command = mlrace_command(model, server.port)
            elif name == "mlflow":
                command = mlflow_command(model, server.port)
            else:
                runtime, uri = {
                    "mlserver": ("mlserver_mlflow.MLflowRuntime", model),
                    "mlserver-xgboost": ("mlserver_xgboost.XGBoostModel", folder / "model.ubj"),
                }[name]
                command = mlserver_command(folder / name, server.port, runtime, uri)
            # A folder of its own: MLServer leaves files where it is started.
            process, _, _ = stack.enter_context(
                running(
                    command,
                    server.port,
                    folder,
                    server.bodies[0],
                    path=server.path,
                    core=SERVER_CORE if name == "mlrace" else both,
                    work_folder=folder,
                )
            )
            server.process = process
        yield servers


def check_answers(servers):
    for i in range(N_BODIES):
        answers = {
            name: answer_of(ask(server.port, server.bodies[i], server.path))
            for name, server in servers.items()
        }
        # MLServer writes float32 with more digits than it has.
        if len({float_bits(answer) for answer in answers.values()}) != 1:
            sys.exit(f"bench: the answers differ: {answers}")


def float_bits(answer):
    import numpy as np

    return np.float32(answer[0]).tobytes()


def measure(options):
    results, memory = {}, {}
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        rows = make_model(folder)
        with started(folder, rows) as servers:
            check_answers(servers)
            for connections in options.connections:
                for round_ in range(options.rounds + 1):
                    for name, server in servers.items():
                        result = load(
                            server.port,
                            connections,
                            options.seconds if round_ else 1,
                            *server.bodies,
                            path=server.path,
                        )
                        if round_:  # the first round only warms up
                            results.setdefault((name, connections), []).append(result)
            for name, server in servers.items():
                memory[name] = rss_mb(server.process)
    labels = {name: server.label for name, server in servers.items()}
    return labels, results, memory


def milliseconds(results, key):
    return f"{median(results, key) / 1000:,.3f} ms"


def report(options, labels, results, memory):
    pip = [MLSERVER / "bin/python", "-m", "pip", "list", "--format=freeze"]
    versions = [line for line in output(*pip).splitlines() if line.startswith("mlserver")]
    lines = [
        "# Benchmarks of trees over HTTP",
        "",
        f"One row of {N_COLUMNS} doubles against {N_TREES} trees of XGBoost of depth {DEPTH},",
        f"keep-alive; {N_BODIES} different rows in turns. mlrace and MLflow get `dataframe_split`; MLServer, with two",
        "parallel workers and adaptive batching (64 rows, 5 ms), gets V2 requests: columns for its",
        "MLflow runtime, one tensor for its XGBoost runtime. mlrace has one thread on core 0, the",
        "others may use both cores; wrk is on core 1. Medians of "
        f"{options.rounds} rounds of {options.seconds} s in which",
        "the servers take turns; a ratio is the median of the ratios within a round. All servers",
        "gave the same answers.",
        "",
        "Made by `make bench-trees` on " + time.strftime("%Y-%m-%d") + ":",
        "",
        *(f"- {line}" for line in machine(options.load_before)),
        "- " + "; ".join(versions),
        "",
        "| connections | server | requests/s | p50 | p99 | mlrace is | its p99 is |",
        "|---:|---|---:|---:|---:|---:|---:|",
    ]
    for connections in options.connections:
        ours = results["mlrace", connections]
        for name, label in labels.items():
            runs = results[name, connections]
            factors = " | "
            if name != "mlrace":
                factors = f"{ratio(ours, runs):,.0f} x | 1/{ratio(runs, ours, 'p99'):,.0f}"
            lines.append(
                f"| {connections} | {label} | {median(runs, 'rate'):,.0f} "
                f"| {milliseconds(runs, 'p50')} | {milliseconds(runs, 'p99')} | {factors} |"
            )
    lines += ["", "| server | memory after the run |", "|---|---:|"]
    lines += [f"| {label} | {memory[name]:.0f} MB |" for name, label in labels.items()]
    lines += ["", "| target | measured | |", "|---|---:|---|"]
    missed = 0
    for name, bound in TARGETS.items():
        for connections in options.connections:
            value = ratio(results["mlrace", connections], results[name, connections])
            missed += value < bound
            verdict = "holds" if value >= bound else "MISSED"
            what = f"x {labels[name]}, {connections} connections"
            lines.append(f"| >= {bound} {what} | {value:.0f} | {verdict} |")
    return "\n".join(lines) + "\n", missed


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3, help="of each run of wrk")
    parser.add_argument("--connections", type=int, nargs="+", default=[1, 16, 64])
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "docs/benchmarks-trees.md")
    options = parser.parse_args()
    if (os.cpu_count() or 1) < 2:
        sys.exit("bench: needs two cores, one for the servers and one for the load")
    options.load_before = os.getloadavg()[0]
    install_mlserver()
    labels, results, memory = measure(options)
    text, missed = report(options, labels, results, memory)
    options.out.write_text(text)
    print(text)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
