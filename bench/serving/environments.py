"""The Python environments of those that mlrace is compared with, in build/bench/envs.

Each has a list, bench/envs/NAME.txt, and is made again when its list has changed.
"""

import os
import pathlib
import shutil
import subprocess
import sys

from measure import ROOT, Failed

LISTS, FOLDER = ROOT / "bench/envs", ROOT / "build/bench/envs"
# Without its dependencies, which are there already but for NVIDIA's NCCL: hundreds of megabytes.
XGBOOST = "xgboost==3.2.0"
# What a model needs beside the environments; only where the model is measured.
LIBRARIES = {"pytorch": "torch"}


def python(name):
    return FOLDER / name / "bin/python"


def python_path(model):
    """PYTHONPATH for what loads a model, or None."""
    return FOLDER / LIBRARIES[model] if model in LIBRARIES else None


def site_packages_mb(name):
    """What the files of its packages take; None where it could not be installed."""
    path = FOLDER / name / "megabytes"
    return float(path.read_text()) if path.exists() else None


def install(name):
    """Makes the environment of bench/envs/NAME.txt."""
    folder, wanted = FOLDER / name, text_of(name)
    if stamp(name) == wanted:
        return
    print(f"bench: installing bench/envs/{name}.txt", flush=True)
    run(sys.executable, "-m", "venv", "--clear", folder)
    run(python(name), "-m", "pip", "install", "-r", LISTS / f"{name}.txt")
    run(python(name), "-m", "pip", "install", "--no-deps", XGBOOST)
    files = (folder / "lib").rglob("*")
    size = sum(path.lstat().st_size for path in files if path.is_file())
    (folder / "megabytes").write_text(str(size / 1e6))
    (folder / "installed").write_text(wanted)


def install_library(name):
    """The packages of bench/envs/NAME.txt in a folder of their own, for PYTHONPATH: whatever finds
    PyTorch beside it imports it, which would cost servers of other models time and memory."""
    folder, wanted = FOLDER / name, text_of(name)
    if stamp(name) == wanted:
        return
    print(f"bench: installing bench/envs/{name}.txt", flush=True)
    shutil.rmtree(folder, ignore_errors=True)
    pip = [python("mlflow"), "-m", "pip", "install"]
    run(*pip, "--target", folder, "-r", LISTS / f"{name}.txt")
    (folder / "installed").write_text(wanted)


def text_of(name):
    """The list with all that it includes."""
    text = (LISTS / f"{name}.txt").read_text()
    included = (LISTS / "models.txt").read_text() if "-r models.txt" in text else ""
    return f"{text}{included}{XGBOOST}\n"


def stamp(name):
    path = FOLDER / name / "installed"
    return path.read_text() if path.exists() else None


def run(*command, path=None):
    """A command that says nothing unless it fails; `path` is its PYTHONPATH."""
    more = {"PYTHONPATH": str(path)} if path else {}
    result = subprocess.run(
        list(map(str, command)), capture_output=True, text=True, env={**os.environ, **more}
    )
    if result.returncode:
        end = (result.stdout + result.stderr)[-2000:]
        raise Failed(f"bench: {pathlib.Path(command[0]).name} failed: {end}")


def versions(name):
    """Installed versions by package."""
    if stamp(name) is None:
        return {}
    lines = subprocess.run(
        [python(name), "-m", "pip", "list", "--format=freeze"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    return dict(line.split("==") for line in lines if "==" in line)
