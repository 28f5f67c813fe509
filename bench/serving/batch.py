"""Files: `mlrace predict` beside what else scores a CSV file, each on all cores."""

import json
import pathlib
import subprocess
import sys
import tempfile
import time

from measure import ROOT, Failed, cpu_seconds, environment, rss_mb
from serving import environments
from serving.answers import difference

HERE = pathlib.Path(__file__).parent
# model: (rows of the file, the library of its script)
FILES = {"iris": (1_000_000, "sklearn"), "xgboost": (100_000, "xgboost")}
SAMPLE_SECONDS = 0.1
LONG_SECONDS = 5  # what takes longer runs once
TOLERANCE = 1e-6  # scripts and Spark write floats in their own ways
# name: (label, environment, file that it writes)
CONTENDERS = {
    "mlflow": ("mlflow models predict", "mlflow", "out.json"),
    "script": ("a script of pandas and the library", "mlflow", "out.csv"),
    "spark": ("Spark, local mode", "spark", "spark"),
    "mlrace": ("mlrace predict", "mlflow", "mlrace.json"),
}


def make_file(model_folder, n_rows):
    """The rows of the model's largest request, over and over."""
    path = model_folder / f"rows-{n_rows}.csv"
    if not path.exists():
        header, *rows = (model_folder / "csv-10000-00.csv").read_text().splitlines(keepends=True)
        part = path.with_suffix(".part")
        with open(part, "w") as file:
            file.write(header)
            for _ in range(n_rows // len(rows)):
                file.writelines(rows)
        part.replace(path)
    return path


def command(name, library, model, rows, out):
    python = environments.python(CONTENDERS[name][1])
    return {
        "mlrace": [ROOT / "build/mlrace", "predict", "-m", model, "-i", rows, "-o", out],
        "mlflow": [
            python.parent / "mlflow", "models", "predict", "-m", model, "-i", rows, "-o", out,
            "-t", "csv", "--env-manager", "local",
        ],
        "script": [python, HERE / "batch_script.py", library, model, rows, out],
        "spark": [python, HERE / "batch_spark.py", model, rows, out],
    }[name]  # fmt: skip


def run(arguments, folder, python):
    """Seconds, seconds of processor time and largest resident memory of one run."""
    usage = folder / "usage.json"
    with open(folder / "log", "wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", HERE / "usage_of.py", usage, *map(str, arguments)],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=environment(folder, python),
        )
    # Nobody waits for Spark's Java, so that only a look at the processes tells what it takes.
    cpu = rss = 0
    while process.poll() is None:
        cpu, rss = max(cpu, sum(cpu_seconds(process))), max(rss, rss_mb(process))
        time.sleep(SAMPLE_SECONDS)
    if not usage.exists():
        raise Failed(f"did not start: {(folder / 'log').read_text()[-500:]}")
    result = json.loads(usage.read_text())
    usage.unlink()
    if exit_code := result.pop("exit_code"):
        raise Failed(f"ended with {exit_code}: {(folder / 'log').read_text()[-500:]}")
    if result["seconds"] > 10 * SAMPLE_SECONDS:  # else it was hardly seen
        result["cpu_seconds"] = max(cpu, result["cpu_seconds"])
        result["rss_mb"] = max(rss, result["rss_mb"])
    return result


def predictions(path):
    if path.suffix == ".json":
        return json.loads(path.read_text())["predictions"]
    parts = sorted(path.glob("part-*.csv")) if path.is_dir() else [path]
    return [float(line) for part in parts for line in part.read_text().split()[1:]]


def measure(model_name, model_folder, names, rounds):
    """By contender: its runs, or why the row is invalid. All must write what MLflow writes."""
    n_rows, library = FILES[model_name]
    rows, results, expected = make_file(model_folder, n_rows), {}, None
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        for round_ in range(rounds):
            for name in names:
                row = results.setdefault(name, {"runs": [], "n_rows": n_rows})
                if "invalid" in row or any(run["seconds"] > LONG_SECONDS for run in row["runs"]):
                    continue
                _, env, file = CONTENDERS[name]
                out = folder / file
                arguments = command(name, library, model_folder / "model", rows, out)
                try:
                    row["runs"].append(run(arguments, folder, environments.python(env)))
                    if round_ == 0:
                        given = predictions(out)
                        expected = given if expected is None else expected
                        differs = difference(list(map(float, expected)), list(map(float, given)))
                        if differs is None or differs > TOLERANCE:
                            raise Failed("the predictions differ from MLflow's")
                except Failed as failure:
                    row["invalid"] = str(failure)
    return results
