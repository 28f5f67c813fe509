"""The Python environments of models: compared with this interpreter, built, kept, entered.

Packages come from wheels made here, so that only the tests that say so need a network.
"""

import argparse
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import time

import pytest
from wheels import make_wheel

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
ROOT = pathlib.Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "python"
BASE_PYTHON = os.path.realpath(sys.executable)  # without what is installed beside pytest

# A process as the worker is one: says where it is, once it is in its environment.
ENTER = """
import argparse, json, os, sys
from mlrace import environment
from mlrace.problem import Problem
parser = argparse.ArgumentParser()
environment.add_arguments(parser)
parser.add_argument("--fd", type=int)
options = parser.parse_args()
try:
    environment.enter(options, ["-c", sys.orig_argv[2], *sys.argv[1:]])
except Problem as problem:
    sys.exit(str(problem))
here = {"prefix": sys.prefix, "environ": dict(os.environ)}
try:
    import tiny_pack
    here["tiny"] = tiny_pack.__version__
except ImportError:
    pass
os.write(options.fd or 1, json.dumps(here).encode())
"""


@pytest.fixture(scope="session")
def wheels(tmp_path_factory):
    """What `pip download` would have filled; its mlflow is only as large as these tests need."""
    folder = tmp_path_factory.mktemp("wheels")
    make_wheel(folder, "mlflow", "3.17.2")
    make_wheel(folder, "tiny-pack", "1.0")
    make_wheel(folder, "tiny-pack", "2.0")
    make_wheel(folder, "leaning", "0.1", ["tiny-pack>=1", "not-there-zz; extra == 'more'"])
    return folder


@pytest.fixture(scope="session")
def saved_model(tmp_path_factory):
    """A model as MLflow saves it."""
    import mlflow.pyfunc

    class Same(mlflow.pyfunc.PythonModel):
        def predict(self, context, model_input, params=None):
            return model_input

    folder = tmp_path_factory.mktemp("saved") / "model"
    mlflow.pyfunc.save_model(
        folder, python_model=Same(), pip_requirements=["tiny-pack==1.0", "leaning"]
    )
    return folder


@pytest.fixture
def make_model(saved_model, tmp_path):
    """make_model(*requirements): the model with other requirements."""

    def make(*requirements, name="model", python=None):
        folder = tmp_path / name
        shutil.copytree(saved_model, folder)
        if requirements:
            (folder / "requirements.txt").write_text("\n".join(requirements))
        if python:
            text = (folder / "python_env.yaml").read_text()
            text = re.sub("python: .*", f"python: {python}", text)
            (folder / "python_env.yaml").write_text(text)
        return folder

    return make


def without_build_dependencies(model):
    """The model, for whose environment pip, setuptools and wheel need not be fetched."""
    text = (model / "python_env.yaml").read_text()
    text = re.sub("build_dependencies:\n(- .*\n)*?(?=dependencies)", "", text)
    (model / "python_env.yaml").write_text(text)
    return model


def uv_folder():
    for path in [*os.environ["PATH"].split(os.pathsep), os.path.dirname(sys.executable)]:
        if os.access(os.path.join(path, "uv"), os.X_OK):
            return path
    return None


class Tool:
    """How environments are built: "uv", or "venv" where there is no uv."""

    def __init__(self, name, home):
        self.name, self.home = name, home
        if name == "uv" and not uv_folder():
            pytest.skip("uv is not installed: pip install uv")
        self.python = sys.executable if name == "uv" else BASE_PYTHON
        foreign = ("PIP_", "UV_", "MLRACE_", "PYTHONPATH", "VIRTUAL_ENV", "CONDA", "MLFLOW_CONDA")
        self.environ = {k: v for k, v in os.environ.items() if not k.startswith(foreign)}
        self.environ.update(
            MLRACE_HOME=str(home / "mlrace"),
            PYTHONPATH=str(PACKAGE),
            PIP_CONFIG_FILE=os.devnull,
            PIP_DISABLE_PIP_VERSION_CHECK="1",
            PIP_RETRIES="0",
            UV_NO_CONFIG="1",
            UV_HTTP_RETRIES="0",
            UV_CACHE_DIR=str(home / "uv"),
            PYENV_ROOT=str(home / "no-pyenv"),
            PATH="/usr/bin:/bin" if name == "venv" else f"{uv_folder()}:/usr/bin:/bin",
        )

    def command(self, model, *flags, manager=None):
        manager = manager or ("uv" if self.name == "uv" else "virtualenv")
        options = ["--model", str(model), "--env-manager", manager, *map(str, flags)]
        return [self.python, "-m", "mlrace.environment", *options]

    def start(self, model, *flags, **environ):
        return subprocess.Popen(
            self.command(model, *flags),
            env={**self.environ, **environ},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def prepare(self, model, *flags, manager=None, **environ):
        """Runs to the end; the result has exit code, stdout and stderr."""
        return subprocess.run(
            self.command(model, *flags, manager=manager),
            env={**self.environ, **environ},
            capture_output=True,
            text=True,
            timeout=300,
        )

    def enter(self, model, *flags, python=None, pass_fds=(), **environ):
        return subprocess.run(
            [python or self.python, "-c", ENTER, "--model", str(model), *map(str, flags)],
            env={**self.environ, **environ},
            capture_output=True,
            text=True,
            timeout=300,
            pass_fds=pass_fds,
        )

    def kept(self):
        """Names of the environments, whole or not."""
        envs = self.home / "mlrace/envs"
        return [path.name for path in envs.glob("*") if path.is_dir()] if envs.exists() else []


@pytest.fixture(params=["uv", "venv"])
def tool(request, tmp_path):
    return Tool(request.param, tmp_path)


@pytest.fixture
def uv(tmp_path):
    return Tool("uv", tmp_path)


@pytest.fixture
def venv(tmp_path):
    return Tool("venv", tmp_path)


def offline(wheels):
    return ("--offline", "--wheel-dir", wheels)


# Building and entering.


def test_an_environment_is_built_and_entered(tool, make_model, wheels):
    model = make_model()
    built = tool.prepare(model, *offline(wheels))
    assert built.returncode == 0, built.stderr
    python = pathlib.Path(built.stdout.strip())
    assert python.parent.parent.parent == tool.home / "mlrace/envs"

    reading, writing = os.pipe()
    with os.fdopen(reading) as pipe:
        manager = "uv" if tool.name == "uv" else "virtualenv"
        flags = ("--env-manager", manager, "--fd", writing)
        entered = tool.enter(model, *flags, pass_fds=[writing])
        os.close(writing)
        assert entered.returncode == 0, entered.stderr
        here = json.load(pipe)  # descriptors survive
    folder = str(python.parent.parent)
    assert (here["prefix"], here["tiny"]) == (folder, "1.0")
    environ = here["environ"]
    assert environ["PATH"].split(":")[0] == f"{folder}/bin"
    assert environ["VIRTUAL_ENV"] == folder
    assert environ["PYTHONPATH"] == str(PACKAGE)
    assert [name for name in environ if name.startswith("MLRACE")] == ["MLRACE_HOME"]


def test_entering_builds_what_was_not_built(uv, make_model, wheels):
    entered = uv.enter(make_model(), "--env-manager", "uv", *offline(wheels))
    assert json.loads(entered.stdout)["tiny"] == "1.0", entered.stderr


def test_the_second_time_nothing_is_done(uv, make_model, wheels):
    model = make_model()
    first = uv.prepare(model, *offline(wheels))
    start = time.monotonic()
    again = uv.prepare(model)  # neither wheels nor network
    assert time.monotonic() - start < 2
    assert (again.returncode, again.stdout, again.stderr) == (0, first.stdout, "")


def test_what_decides_about_an_environment(uv, make_model, wheels):
    model = make_model()
    flags = offline(wheels)
    plain = uv.prepare(model, *flags).stdout
    assert plain
    # virtualenv and uv build the same.
    assert uv.prepare(model, *flags, manager="virtualenv").stdout == plain
    others = {
        uv.prepare(model, *flags, "--install-mlflow").stdout,
        uv.prepare(model, *flags, "-r", "tiny-pack>=1,<3").stdout,
        uv.prepare(make_model("tiny-pack==2.0", "mlflow", name="other"), *flags).stdout,
    }
    assert len(others) == 3 and plain not in others and "" not in others


def test_overrides_come_last(tool, make_model, wheels):
    model = make_model()
    manager = "uv" if tool.name == "uv" else "virtualenv"
    flags = ("--env-manager", manager, "-r", "tiny-pack>=1,<3,leaning==0.1", "-r", "tiny-pack==2.0")
    entered = tool.enter(model, *flags, *offline(wheels))
    assert json.loads(entered.stdout)["tiny"] == "2.0", entered.stderr


def test_requirements_that_name_files_of_the_model(tool, make_model, wheels):
    model = make_model("-r more/list.txt", "wheels/tiny_pack-2.0-py3-none-any.whl")
    (model / "more").mkdir()
    (model / "more/list.txt").write_text("mlflow # for loading\n-c bounds.txt")
    (model / "more/bounds.txt").write_text("tiny-pack>1")
    (model / "wheels").mkdir()
    shutil.copy(wheels / "tiny_pack-2.0-py3-none-any.whl", model / "wheels")
    before = sorted(path.name for path in model.iterdir())
    for path in [model, *model.rglob("*")]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    manager = "uv" if tool.name == "uv" else "virtualenv"
    entered = tool.enter(model, "--env-manager", manager, *offline(wheels))
    assert json.loads(entered.stdout)["tiny"] == "2.0", entered.stderr
    assert sorted(path.name for path in model.iterdir()) == before
    (model / "wheels").chmod(0o755)
    (model / "more").chmod(0o755)
    model.chmod(0o755)


def test_a_model_from_before_python_env_yaml(uv, make_model, wheels):
    model = make_model()
    (model / "python_env.yaml").unlink()
    (model / "requirements.txt").unlink()
    entered = uv.enter(model, "--env-manager", "uv", *offline(wheels))
    assert json.loads(entered.stdout)["tiny"] == "1.0", entered.stderr


def test_a_lock_file_of_uv_is_followed(uv, make_model, wheels):
    """As MLflow's run_uv_sync: uv.lock says which packages, not requirements.txt."""
    model = make_model()
    version = "%d.%d" % sys.version_info[:2]
    (model / "pyproject.toml").write_text(
        f'[project]\nname = "p"\nversion = "0"\nrequires-python = ">={version}"\n'
        'dependencies = ["mlflow", "tiny-pack"]\n'
        '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n'
    )
    lock = ["uv", "lock", "--offline", "--no-index", "--find-links", wheels, "--python"]
    subprocess.run([*lock, sys.executable], cwd=model, env=uv.environ, check=True)
    entered = uv.enter(model, "--env-manager", "uv", "--offline")
    assert json.loads(entered.stdout)["tiny"] == "2.0", entered.stderr
    # MLflow's virtualenv knows no lock files.
    entered = uv.enter(model, "--env-manager", "virtualenv", *offline(wheels))
    assert json.loads(entered.stdout)["tiny"] == "1.0", entered.stderr


def test_install_mlflow(uv, make_model, wheels):
    model = make_model("tiny-pack==1.0")
    without = uv.prepare(model, *offline(wheels))
    assert without.returncode == 1
    assert "--install-mlflow" in without.stderr
    assert uv.kept() == []
    installed = uv.prepare(model, *offline(wheels), "--install-mlflow")
    assert installed.returncode == 0, installed.stderr
    code = "import mlflow; print(mlflow.__version__)"
    version = subprocess.check_output([installed.stdout.strip(), "-c", code], text=True)
    header = (ROOT / "src/api/endpoints.h").read_text()
    assert f'MR_MLFLOW_VERSION "{version.strip()}"' in header  # what the program speaks


@pytest.mark.parametrize("name", ["uv", "venv"])
def test_from_the_network(name, tmp_path, make_model, wheels):
    """A package of PyPI, beside one that only the folder of wheels has."""
    tool = Tool(name, tmp_path)
    settings = {k: v for k, v in os.environ.items() if k.startswith(("PIP_", "UV_", "SSL_"))}
    settings.pop("PIP_CONFIG_FILE", None)
    model = without_build_dependencies(make_model("iniconfig==2.0.0", "leaning"))
    flags = ("--wheel-dir", wheels, "-r", wheels / "mlflow-3.17.2-py3-none-any.whl")
    built = tool.prepare(model, *flags, **settings)
    assert built.returncode == 0, built.stderr
    code = "import iniconfig, leaning, mlflow"
    subprocess.run([built.stdout.strip(), "-c", code], check=True)


# Builds that do not end well.


def slow_uv(folder, seconds):
    """A folder for PATH whose uv says that it installs, then takes its time."""
    folder.mkdir()
    real = os.path.join(uv_folder(), "uv")
    program = folder / "uv"
    program.write_text(
        f'#!/bin/sh\nif [ "$1" = pip ]; then touch {folder}/installing; sleep {seconds}; fi\n'
        f'exec {real} "$@"\n'
    )
    program.chmod(0o755)
    return {"PATH": f"{folder}:/usr/bin:/bin"}


def wait_for(path):
    limit = time.monotonic() + 30
    while not path.exists():
        assert time.monotonic() < limit
        time.sleep(0.01)


def test_a_killed_build_does_not_count(uv, tmp_path, make_model, wheels):
    model = make_model()
    process = uv.start(model, *offline(wheels), **slow_uv(tmp_path / "slow", 60))
    wait_for(tmp_path / "slow/installing")
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert len(uv.kept()) == 1  # half of one
    assert uv.enter(model, "--env-manager", "uv", "--offline").returncode == 1
    entered = uv.enter(model, "--env-manager", "uv", *offline(wheels))
    assert json.loads(entered.stdout)["tiny"] == "1.0", entered.stderr


def test_an_installer_that_outlives_its_parent_is_waited_for(uv, tmp_path, make_model, wheels):
    model = make_model()
    process = uv.start(model, *offline(wheels), **slow_uv(tmp_path / "slow", 3))
    wait_for(tmp_path / "slow/installing")
    process.kill()
    start = time.monotonic()
    built = uv.prepare(model, *offline(wheels))
    assert built.returncode == 0, built.stderr
    assert "waiting" in built.stderr
    assert time.monotonic() - start > 1
    process.communicate()


def test_an_interrupted_build_leaves_nothing(uv, tmp_path, make_model, wheels):
    process = uv.start(make_model(), *offline(wheels), **slow_uv(tmp_path / "slow", 60))
    wait_for(tmp_path / "slow/installing")
    os.killpg(process.pid, signal.SIGINT)
    _, stderr = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "interrupted" in stderr and "Traceback" not in stderr
    assert uv.kept() == []


def test_two_at_once_build_one(uv, make_model, wheels):
    model = make_model()
    processes = [uv.start(model, *offline(wheels)) for _ in range(3)]
    results = [process.communicate(timeout=120) for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0], results
    assert len({stdout for stdout, _ in results}) == 1
    assert sum("creates an environment" in stderr for _, stderr in results) == 1


def test_an_environment_whose_python_is_gone_is_built_anew(uv, make_model, wheels):
    model = make_model()
    python = pathlib.Path(uv.prepare(model, *offline(wheels)).stdout.strip())
    python.unlink()
    python.symlink_to("/nowhere/python")
    again = uv.prepare(model, *offline(wheels))
    assert again.returncode == 0
    subprocess.run([python, "-c", "import tiny_pack"], check=True)


def test_a_requirement_that_does_not_exist(tool, make_model, wheels):
    result = tool.prepare(make_model("mlflow", "tiny-pack==99"), *offline(wheels))
    assert (result.returncode, result.stdout) == (1, "")
    assert "tiny-pack==99" in result.stderr
    assert "pip download" in result.stderr and "--wheel-dir" in result.stderr
    assert "Traceback" not in result.stderr
    assert tool.kept() == []


def test_no_network(tool, make_model):
    """The settings of pip lead uv too."""
    model = without_build_dependencies(make_model("tiny-pack==99"))
    settings = {"PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_RETRIES": "1"}
    result = tool.prepare(model, **settings)
    assert result.returncode == 1
    last = result.stderr[result.stderr.rindex("mlrace: ") :]
    assert "could not fetch tiny-pack over the network" in last
    for word in ("--offline --wheel-dir", "pip download", "PIP_INDEX_URL"):
        assert word in last
    assert tool.kept() == []


def test_a_python_that_is_not_there(tool, make_model, wheels):
    result = tool.prepare(make_model(python="3.4.10"), *offline(wheels))
    assert result.returncode == 1
    assert "Python 3.4.10 is needed" in result.stderr
    assert ("uv python install 3.4" if tool.name == "uv" else "pip install uv") in result.stderr


def test_another_python_of_the_same_minor_version_will_do(uv, make_model, wheels):
    version = "%d.%d" % sys.version_info[:2]
    built = uv.prepare(make_model(python=f"{version}.99"), *offline(wheels))
    assert built.returncode == 0, built.stderr
    assert f"{version}.99" in built.stderr


def test_a_home_that_cannot_be_written(uv, make_model, wheels, tmp_path):
    (tmp_path / "file").touch()
    home = str(tmp_path / "file")
    result = uv.prepare(make_model(), *offline(wheels), MLRACE_HOME=home)
    assert result.returncode == 1
    assert home in result.stderr and "MLRACE_HOME" in result.stderr


def test_no_folder_of_wheels(uv, make_model, tmp_path):
    result = uv.prepare(make_model(), "--wheel-dir", tmp_path / "none")
    assert result.returncode == 1
    assert f"--wheel-dir: expected a folder of wheels, received {tmp_path}/none" in result.stderr


def test_no_uv(venv, make_model, wheels):
    model = make_model()
    result = venv.prepare(model, manager="uv")
    assert result.returncode == 1
    assert "pip install uv" in result.stderr and "virtualenv" in result.stderr
    # What was built before needs none.
    built = venv.prepare(model, *offline(wheels))
    assert venv.prepare(model, manager="uv").stdout == built.stdout != ""


# conda.


def test_no_conda(venv, make_model):
    result = venv.prepare(make_model(), manager="conda")
    assert result.returncode == 1
    for word in ("conda, mamba or micromamba", "MLFLOW_CONDA_HOME", "--env-manager uv"):
        assert word in result.stderr
    result = venv.prepare(make_model(name="2"), manager="conda", MLFLOW_CONDA_HOME="/nowhere")
    assert "/nowhere/bin" in result.stderr


def test_the_commands_for_conda(venv, make_model, tmp_path, wheels):
    """A stand-in for conda, which has to come from the network: it says what it was told."""
    model = make_model()
    program = tmp_path / "bin/conda"
    program.parent.mkdir()
    program.write_text(
        f'#!/bin/sh\necho "$@ $CONDA_OFFLINE" >> {tmp_path}/calls\n'
        f'case "$1 $2" in "env create") {BASE_PYTHON} -m venv "$4" &&\n'
        f'"$4/bin/python" -m pip install -q --no-index --find-links {wheels} mlflow tiny-pack;;\n'
        'run*) shift 4; export MADE_ACTIVE=yes; exec python3 "$@";; esac\n'
    )
    program.chmod(0o755)
    flags = ("--env-manager", "conda", "--offline", "-r", "tiny-pack==2.0")
    entered = venv.enter(model, *flags, MLFLOW_CONDA_HOME=str(tmp_path))
    assert entered.returncode == 0, entered.stderr
    here = json.loads(entered.stdout)
    assert (here["tiny"], here["environ"]["MADE_ACTIVE"]) == ("2.0", "yes")
    folder = here["prefix"]
    assert (tmp_path / "calls").read_text().splitlines() == [
        f"env create -p {folder} --file {model}/conda.yaml true",
        f"install -p {folder} --yes tiny-pack=2.0 true",
        f"run -p {folder} python -c import json, os; print(json.dumps(dict(os.environ))) ",
    ]


# This interpreter.


def test_this_python_when_it_satisfies_the_model(uv, make_model):
    entered = uv.enter(make_model("mlflow==3.17.2", "pytest"))
    assert json.loads(entered.stdout)["prefix"] == sys.prefix


def test_what_differs_is_listed_with_the_command_that_helps(uv, make_model, wheels):
    model = make_model(
        "mlflow==3.17.2", "numpy==1.2.3", "tiny-pack==1.0", "pandas<1,>0.1", python="3.7.1"
    )
    entered = uv.enter(model)
    assert entered.returncode == 1
    import numpy
    import pandas

    version = sys.version.split()[0]
    assert sys.executable in entered.stderr
    assert entered.stderr.split("What differs:\n")[1] == (
        f"  python: required 3.7.1, installed {version}\n"
        f"  numpy: required ==1.2.3, installed {numpy.__version__}\n"
        "  tiny-pack: required ==1.0, not installed\n"
        f"  pandas: required <1,>0.1, installed {pandas.__version__}\n"
    )
    assert f"`mlrace prepare-env -m {model} --env-manager uv`" in entered.stderr
    assert "--env-manager local" in entered.stderr
    assert json.loads(uv.enter(model, "--env-manager", "local").stdout)["prefix"] == sys.prefix


def test_a_host_says_what_differs(start_host, make_model):
    with start_host(make_model("mlflow", "tiny-pack==1.0")) as host:
        host.expected_exit_code = 1
        message = host.receive().json()["message"]
        assert "mlrace prepare-env" in message
        assert "  tiny-pack: required ==1.0, not installed" in message.splitlines()


def test_a_python_without_mlflow(venv, make_model):
    for flags in [(), ("--env-manager", "local")]:
        entered = venv.enter(make_model("pip", name=f"m{len(flags)}"), *flags)
        assert entered.returncode == 1
        assert BASE_PYTHON in entered.stderr and "mlflow" in entered.stderr
        assert "MLRACE_PYTHON" in entered.stderr


def test_overrides_need_an_environment(uv, make_model):
    for flags in [(), ("--env-manager", "local")]:
        model = make_model("mlflow", name=f"m{len(flags)}")
        entered = uv.enter(model, *flags, "-r", "tiny-pack==2.0")
        assert entered.returncode == 1
        assert "--pip-requirements-override needs an environment" in entered.stderr
