"""mlrace prepare-env: the command around the package's environments, which tests/worker tests."""

import os
import pathlib
import shutil
import subprocess
import sys

import pytest
from wheels import make_wheel

ROOT = pathlib.Path(__file__).resolve().parents[2]


@pytest.fixture
def model(tmp_path, iris_model):
    """A model that requires an mlflow of its own."""
    folder = tmp_path / "my model"
    shutil.copytree(iris_model, folder)
    make_wheel(folder, "mlflow", "3.17.2")
    (folder / "requirements.txt").write_text("./mlflow-3.17.2-py3-none-any.whl")
    version = "%d.%d.%d" % sys.version_info[:3]
    (folder / "python_env.yaml").write_text(
        f"python: {version}\ndependencies:\n- -r requirements.txt\n"
    )
    return folder


@pytest.fixture
def environ(tmp_path):
    return {
        "MLRACE_HOME": str(tmp_path / "home"),
        "MLRACE_PYTHON": sys.executable,
        "PIP_CONFIG_FILE": os.devnull,
        "PYTHONPATH": "/nowhere",
    }


def test_it_prints_the_interpreter(run, model, environ, tmp_path):
    built = run("prepare-env", "-m", model, "--offline", env=environ, timeout=300)
    assert built.returncode == 0, built.stderr
    python = pathlib.Path(built.stdout.strip())
    assert python.parent.parent.parent == tmp_path / "home/envs"
    assert "Python" in built.stderr  # how it goes
    code = "import mlflow, sys; print(sys.prefix)"
    prefix = subprocess.check_output([python, "-c", code], text=True).strip()
    assert prefix == str(python.parent.parent)
    # Once is enough; MLflow's spelling is the same command.
    again = run("models", "prepare-env", "-m", f"file://{model}", env=environ)
    assert (again.returncode, again.stdout, again.stderr) == (0, built.stdout, "")


def test_what_python_is_told(run, model, tmp_path):
    python = tmp_path / "python"
    python.write_text('#!/bin/sh\nprintf "%s\\n" "$@" "$PYTHONPATH"; exit 7\n')
    python.chmod(0o755)
    environ = {"MLRACE_PYTHON": str(python), "PYTHONPATH": "/mine"}
    start = ["-m", "mlrace.environment", "--model", str(model)]
    end = [f"{ROOT}/python:/mine"]

    plain = run("prepare-env", "-m", model, env=environ)
    assert (plain.returncode, plain.stdout.splitlines()) == (7, start + end)
    flags = ["--env-manager", "virtualenv", "--wheel-dir", "a b", "--offline", "--install-mlflow"]
    flags += ["-r", "x==1,y==2"]
    told = run("prepare-env", "-m", model, *flags, env=environ).stdout.splitlines()
    options = ["--env-manager", "virtualenv", "--install-mlflow", "--offline", "--wheel-dir", "a b"]
    for requirement in ("x==1", "y==2"):
        options += ["--pip-requirements-override", requirement]
    assert told == start + options + end


def test_a_failure_is_one_sentence(run, model, environ, tmp_path):
    flags = ["--offline", "--wheel-dir", tmp_path, "-r", "x-zz>=1,<2"]
    result = run("prepare-env", "-m", model, *flags, env=environ)
    assert (result.returncode, result.stdout) == (1, "")
    last = result.stderr.splitlines()[-1]
    assert "x-zz" in last and "--offline" in last
    assert "Traceback" not in result.stderr


def test_no_python(run, model):
    result = run("prepare-env", "-m", model, env={"MLRACE_PYTHON": "/nowhere/python"})
    assert result.returncode == 1
    assert "MLRACE_PYTHON" in result.stderr and "/nowhere/python" in result.stderr
    result = run("prepare-env", "-m", model, env={"MLRACE_PYTHON": "", "PATH": "/nowhere"})
    assert result.returncode == 1
    assert "no python3 or python in PATH" in result.stderr


def test_an_installed_program_finds_its_package(mlrace, model, environ, tmp_path):
    place = tmp_path / "place"
    install = ["cmake", "--install", mlrace.parent, "--prefix", place]
    subprocess.run(install, check=True, stdout=subprocess.DEVNULL)
    package = place / "share/mlrace/python/mlrace"
    here = {path.name for path in (ROOT / "python/mlrace").glob("*.py")}
    assert {path.name for path in package.iterdir()} == here
    command = [place / "bin/mlrace", "prepare-env", "-m", model, "--offline"]
    result = subprocess.run(
        command, env={**os.environ, **environ}, capture_output=True, text=True, timeout=300
    )
    assert result.returncode == 0, result.stderr

    shutil.rmtree(place / "share")
    result = subprocess.run(command, env={**os.environ, **environ}, capture_output=True, text=True)
    assert result.returncode == 1
    assert f"{place}/share/mlrace/python" in result.stderr
