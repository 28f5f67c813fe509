#!/usr/bin/env python3
"""How long does `mlrace serve` take to be ready with a model's URI, its files being in the cache?

From exec to 200 of /ping, for URIs of real MLflow backends, those of tests/store: each is started
once to fill the cache, then all of them in turns. The page is printed and written to
docs/benchmarks-uris.md.
"""

import argparse
import os
import pathlib
import socket
import statistics
import subprocess
import sys
import tempfile
import time

from measure import ROOT, Failed, free_port, machine

sys.path.insert(0, str(ROOT / "tests/store"))
import backends as mlflow_backends  # noqa: E402

BACKENDS = {
    "sqlite": "sqlite, files on disk",
    "files": "file store",
    "server": "`mlflow server`",
    "auth": "the same, password, S3 behind it",
    "tls": "the same, TLS",
    "s3": "sqlite, files in S3",
}
FORMS = {
    "runs:/RUN_ID/model": "runs:/{run}/model",
    "models:/NAME/VERSION": "models:/iris/1",
    "models:/NAME@ALIAS": "models:/iris@champion",
    "models:/MODEL_ID": "models:/{model_id}",
    "where its files are": "{location}",
}
FOLDER = "a folder"
MAX_MS = 50  # what was promised
MAX_SECONDS = 60


def is_ready(port):
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
            connection.sendall(b"GET /ping HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n")
            return connection.recv(100).startswith(b"HTTP/1.1 200 ")
    except ConnectionError:
        return False


def start_ms(uri, folder, environment):
    """One start, in a folder with these variables."""
    port = free_port()
    command = [ROOT / "build/mlrace", "serve", "-m", uri, "-p", str(port)]
    with open(os.devnull, "wb") as nowhere:
        begun = time.perf_counter()
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=nowhere, stderr=nowhere
        )
    try:
        while not is_ready(port):
            if process.poll() is not None or time.perf_counter() - begun > MAX_SECONDS:
                raise Failed(f"bench: mlrace serve -m {uri} does not serve")
            time.sleep(0.0002)
        return (time.perf_counter() - begun) * 1e3
    finally:
        process.terminate()
        process.wait(timeout=30)


def environment_of(backend, home):
    values = {**os.environ, **mlflow_backends.CLEAN, **backend.env}
    values |= {"HOME": str(home), "MLRACE_HOME": str(home / backend.name)}
    return {name: value for name, value in values.items() if value is not None}


def measure(rounds, home):
    """Medians, by form and backend."""
    found = mlflow_backends.Backends(home)
    try:
        starts = {(FOLDER, "sqlite"): (ROOT / "examples/iris/model", home, dict(os.environ))}
        for name in BACKENDS:
            backend = found[name]
            environment = environment_of(backend, home)
            for form, template in FORMS.items():
                starts[form, name] = (backend.uri(template), backend.folder, environment)
        for arguments in starts.values():  # fills the cache
            start_ms(*arguments)
        times = {key: [] for key in starts}
        for _ in range(rounds):
            for key, arguments in starts.items():
                times[key].append(start_ms(*arguments))
        return {key: statistics.median(several) for key, several in times.items()}
    finally:
        found.close()


def report(options, medians):
    missed = sum(ms > MAX_MS for ms in medians.values())
    lines = [
        "# Benchmarks of URIs",
        "",
        "Milliseconds from the exec of `mlrace serve` to 200 of /ping, the model's files being in the",
        f"cache; medians of {options.rounds} starts, in turns. The model is a small one that C evaluates. What",
        "servers need for their answers counts; they run on this machine: a network adds its round",
        f"trips. A folder: {medians[FOLDER, 'sqlite']:.1f}.",
        "",
        "Made by `make bench-uris` on " + time.strftime("%Y-%m-%d") + ":",
        "",
        *(f"- {line}" for line in machine(options.load_before)),
        "",
        "| | " + " | ".join(BACKENDS.values()) + " |",
        "|---|" + "---:|" * len(BACKENDS),
    ]
    for form in FORMS:
        cells = [f"{medians[form, name]:.1f}" for name in BACKENDS]
        lines.append(f"| {form} | {' | '.join(cells)} |")
    verdict = f"MISSED in {missed} cells." if missed else "Holds in all cells."
    lines += ["", f"Promised: no more than {MAX_MS} ms. {verdict}"]
    return "\n".join(lines) + "\n", missed


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=25)
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "docs/benchmarks-uris.md")
    options = parser.parse_args()
    options.load_before = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as home:
        medians = measure(options.rounds, pathlib.Path(home))
    text, missed = report(options, medians)
    options.out.write_text(text)
    print(text)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
