"""Builds and activates conda environments as mlflow/utils/conda.py does, each in a folder."""

import json
import os
import shutil
import subprocess

from mlrace import env_build, env_cache
from mlrace.problem import Problem

_PROGRAMS = ("conda", "mamba", "micromamba")


def find_conda():
    """The path of conda or its like: in MLFLOW_CONDA_HOME/bin, beside CONDA_EXE, or in PATH; if
    MLFLOW_CONDA_CREATE_ENV_CMD names a program, that one. Problem when there is none."""
    named = os.environ.get("MLFLOW_CONDA_CREATE_ENV_CMD")
    home = os.environ.get("MLFLOW_CONDA_HOME")
    beside = os.environ.get("CONDA_EXE")
    if home:
        place = os.path.join(home, "bin")
    else:
        place = os.path.dirname(beside) if beside else None
    for name in [named] if named else _PROGRAMS:
        program = shutil.which(name, path=place)
        if program:
            return program
    raise Problem(
        f"--env-manager conda needs {named or 'conda, mamba or micromamba'}, and there is none in "
        f"{place or 'PATH'}: install it, or name its folder by MLFLOW_CONDA_HOME; or use "
        "--env-manager uv or virtualenv"
    )


def build(conda_yaml, options, folder, lock_fd):
    """Fills folder with the environment that a conda.yaml file describes."""
    conda = find_conda()
    commands = env_build.Commands(lock_fd)
    commands.environ.update(CONDA_ALWAYS_YES="true", MAMBA_ALWAYS_YES="true")
    if options.offline:
        commands.environ.update(CONDA_OFFLINE="true", MAMBA_OFFLINE="true", PIP_NO_INDEX="1")
    if options.wheel_dir:
        others = commands.environ.get("PIP_FIND_LINKS", "")
        commands.environ["PIP_FIND_LINKS"] = f"{options.wheel_dir} {others}".strip()
    env_cache.say(f"{conda} creates the environment of {conda_yaml}")
    is_micro = os.path.basename(conda) == "micromamba"
    with env_build.explained(options):
        create = ["create"] if is_micro else ["env", "create"]
        commands.run([conda, *create, "-p", folder, "--file", conda_yaml])
        if options.pip_requirements_override:
            # conda pins with a single =, as in PyFuncBackend.predict
            packages = [text.replace("==", "=") for text in options.pip_requirements_override]
            commands.run([conda, "install", "-p", folder, "--yes", *packages])
        installer = env_build.installer_of(folder, options)
        env_build.finish(commands, installer, options, folder)


def activated(folder):
    """The environment variables as they are when the environment is active: packages have scripts
    for that, which set paths to their data."""
    conda = find_conda()
    code = "import json, os; print(json.dumps(dict(os.environ)))"
    result = subprocess.run(
        [conda, "run", "-p", folder, "python", "-c", code],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        return json.loads(result.stdout.decode().strip().split("\n")[-1])
    except ValueError:
        error = result.stderr.decode("utf-8", "replace").strip()[-500:]
        raise Problem(f"{conda} run -p {folder} failed: {error}") from None
