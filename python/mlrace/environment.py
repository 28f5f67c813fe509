"""The Python environment that a model runs in: this interpreter's, or one built for the model.

    python -m mlrace.environment --model FOLDER [options]

builds it ahead and prints the path of its interpreter (`mlrace prepare-env`). A process that is to
load a model calls `enter` first. Nothing here imports more than the standard library, but for
packages that compare versions and read YAML where they are installed.

Options are attributes, as add_arguments and argparse make them:
  model                      folder of MLmodel
  env_manager                None, "local", "virtualenv", "uv" or "conda"
  offline                    use no network
  wheel_dir                  a folder of wheels, None
  install_mlflow             install MLflow, in an environment that is built
  pip_requirements_override  list of requirements that are installed last; one entry may hold
                             several, separated by commas as on MLflow's command line, or be cut
                             at a comma of its own
"""

import argparse
import importlib.util
import os
import platform
import re
import shlex
import sys

from mlrace import env_build, env_cache, env_conda, python_env, requirements
from mlrace.problem import Problem

ENV_MANAGERS = ("local", "virtualenv", "uv", "conda")

# Says to the interpreter of an environment that it was chosen: the folder of the environment.
_CHOSEN = "MLRACE_CHOSEN_ENVIRONMENT"


def add_arguments(parser):
    """Adds the options above to an argparse parser."""
    parser.add_argument("--model", required=True)
    parser.add_argument("--env-manager", choices=ENV_MANAGERS)
    parser.add_argument("--offline", action="store_true")
    parser.add_argument("--wheel-dir")
    parser.add_argument("--install-mlflow", action="store_true")
    parser.add_argument("--pip-requirements-override", "-r", action="append", default=[])


def enter(options, argv):
    """Makes sure that this process runs in the model's environment.

    Returns when it does. Otherwise builds the environment if it was not built yet, and replaces the
    process by the environment's interpreter: argv are its arguments, ["-m", "mlrace.worker", ...]
    say; descriptors are inherited as they are. It will come here again, and return.

    Problem when neither is possible, which in the default case lists what differs.
    """
    chosen = os.environ.pop(_CHOSEN, None)
    if chosen:
        _check_prefix(chosen)
    elif options.env_manager in (None, "local"):
        _check_this_interpreter(options)
    else:
        folder = prepare(options)
        python = env_cache.interpreter_of(folder)
        environ = _activated(folder, options.env_manager)
        try:
            os.execve(python, [python, *argv], {**environ, _CHOSEN: folder})
        except OSError as error:
            raise Problem(f"{python} cannot be started: {error}") from None


def prepare(options):
    """The folder of the model's environment, which is built unless it was before. Problem"""
    options = _normalized(options)
    model = options.model
    if options.env_manager == "conda":
        conda_yaml = python_env.conda_yaml(model)
        recipe = _conda_recipe(conda_yaml, options)
        return env_cache.build_once(
            recipe, lambda folder, lock_fd: env_conda.build(conda_yaml, options, folder, lock_fd)
        )
    env = python_env.read(model)
    env = env._replace(python=env.python or platform.python_version())
    return env_cache.build_once(
        _venv_recipe(env, options),
        lambda folder, lock_fd: env_build.build_venv(model, env, options, folder, lock_fd),
    )


def _normalized(options):
    """The same options with absolute paths and one requirement in each override."""
    values = dict(vars(options), model=os.path.abspath(options.model))
    if options.wheel_dir:
        values["wheel_dir"] = os.path.abspath(options.wheel_dir)
        if not os.path.isdir(options.wheel_dir):
            raise Problem(f"--wheel-dir: expected a folder of wheels, received {options.wheel_dir}")
    overrides = ",".join(options.pip_requirements_override or [])
    values["pip_requirements_override"] = split_requirements(overrides)
    return argparse.Namespace(**values)


def split_requirements(text):
    """Splits "x==1,y>=2,<3" into ["x==1", "y>=2,<3"]: a name after a comma starts the next."""
    parts = re.split(r",(?![^\[]*\])\s*(?=[\w./])", text)
    return [part.strip() for part in parts if part.strip()]


def _venv_recipe(env, options):
    """All that decides what is in an environment: its identity."""
    recipe = _common_recipe(options)
    recipe["python"] = env.python
    if options.env_manager == "uv" and env_build.has_uv_lock(options.model):
        for name in ("uv.lock", "pyproject.toml"):
            recipe[name] = _text_of(os.path.join(options.model, name))
    else:
        lines = list(requirements.read(env.dependencies, options.model))
        recipe["build"] = env.build_dependencies
        recipe["requirements"] = lines
        recipe["file_bytes"] = _sizes_of_files(lines, options.model)
    return recipe


def _conda_recipe(conda_yaml, options):
    if not os.path.exists(conda_yaml):
        raise Problem(
            f"--env-manager conda needs {conda_yaml}, which the model lacks: use --env-manager uv, "
            "virtualenv or local"
        )
    return dict(_common_recipe(options), conda=_text_of(conda_yaml))


def _common_recipe(options):
    return {
        "machine": platform.machine(),
        "overrides": options.pip_requirements_override,
        "mlflow": env_build.MLFLOW_VERSION if options.install_mlflow else None,
    }


def _text_of(path):
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except (OSError, UnicodeDecodeError) as error:
        raise Problem(f"{path}: cannot be read: {error}") from None


def _sizes_of_files(lines, model):
    """Sizes of the files in the model that requirements name, such as its own wheels."""
    paths = {line.text: os.path.join(model, line.text) for line in lines}
    return {text: os.path.getsize(path) for text, path in paths.items() if os.path.isfile(path)}


def _activated(folder, env_manager):
    """The environment variables of a process in an environment, as its `activate` sets them."""
    if env_manager == "conda":
        return env_conda.activated(folder)
    environ = dict(os.environ, VIRTUAL_ENV=folder)
    environ.pop("PYTHONHOME", None)
    path = environ.get("PATH", os.defpath)
    return dict(environ, PATH=os.path.join(folder, "bin") + os.pathsep + path)


def _check_prefix(folder):
    if os.path.realpath(sys.prefix) != os.path.realpath(folder):
        raise Problem(
            f"{sys.executable} was to run in the environment {folder} but runs in {sys.prefix}: "
            "remove that folder, and it is built anew"
        )


def _check_this_interpreter(options):
    """Without an environment of its own the model takes this interpreter as it is: when nobody
    asked for that, its packages have to satisfy the model."""
    if options.pip_requirements_override:
        raise Problem(
            "--pip-requirements-override needs an environment to install into: use --env-manager "
            "uv, virtualenv or conda"
        )
    if options.env_manager is None:
        differences = _differences(options.model)
        if differences:
            raise Problem(_describe(differences, options.model))
    mlflow = importlib.util.find_spec("mlflow")
    if mlflow is None or mlflow.origin is None:  # a folder that happens to be called so has none
        raise Problem(
            f"mlflow, which loads the model, is not installed for {sys.executable}: install it, "
            f"name another Python by MLRACE_PYTHON, or {_remedy(options.model)}"
        )


def _differences(model):
    """What the model requires and this interpreter lacks: a list of requirements.Difference."""
    env = python_env.read(model)
    here = platform.python_version()
    found = []
    wanted = env.python.split(".")[:2] if env.python else []
    if here.split(".")[: len(wanted)] != wanted:
        found.append(requirements.Difference("python", env.python, here))
    return found + requirements.differences(requirements.read(env.dependencies, model))


def _describe(differences, model):
    listed = "".join(f"\n  {difference}" for difference in differences)
    return (
        f"{sys.executable} (Python {platform.python_version()}) does not satisfy the model's "
        f"requirements: {_remedy(model)}; or use this Python as it is with --env-manager local. "
        f"What differs:{listed}"
    )


def _remedy(model):
    """How to get an environment for the model, in words."""
    manager = "uv" if env_build.find_uv() else "virtualenv"
    command = f"mlrace prepare-env -m {shlex.quote(model)} --env-manager {manager}"
    return f"build an environment, `{command}`, and serve with --env-manager {manager}"


def main():
    parser = argparse.ArgumentParser(prog="mlrace.environment", allow_abbrev=False)
    add_arguments(parser)
    options = parser.parse_args()
    if options.env_manager is None:
        options.env_manager = "uv" if env_build.find_uv() else "virtualenv"
    try:
        print(env_cache.interpreter_of(prepare(options)))
    except Problem as problem:
        env_cache.say(str(problem))
        return 1
    except KeyboardInterrupt:
        env_cache.say("interrupted: nothing is left of the environment")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
