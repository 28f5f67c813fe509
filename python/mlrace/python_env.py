"""What a model says about the Python it wants: python_env.yaml, conda.yaml, requirements.txt."""

import os
import re
from typing import List, NamedTuple, Optional

from mlrace import yaml_text
from mlrace.problem import Problem

# mlflow/utils/environment.py, _CONDA_DEPENDENCY_REGEX
_BUILD_PACKAGE = re.compile(
    r"^(?P<package>python|pip|setuptools|wheel)"
    r"(?P<operator><|>|<=|>=|=|==|!=)?(?P<version>[\d.]+)?$"
)


class PythonEnv(NamedTuple):
    """Versions and requirements are texts as in the files; python is None when none is named."""

    python: Optional[str]
    build_dependencies: List[str]
    dependencies: List[str]


def read(model):
    """The PythonEnv of a model's folder, as MLflow's _get_python_env finds it."""
    python_env_file = _named_file(model, "virtualenv", "python_env.yaml")
    conda_file = conda_yaml(model)
    has_requirements = os.path.exists(os.path.join(model, "requirements.txt"))
    if os.path.exists(python_env_file):
        return _from_python_env_yaml(python_env_file)
    if os.path.exists(conda_file):
        env = _from_conda_yaml(conda_file)
    else:
        env = PythonEnv(None, [], [])
    return env._replace(dependencies=["-r requirements.txt"]) if has_requirements else env


def conda_yaml(model):
    """Where the model's conda environment is described; the file may not exist."""
    return _named_file(model, "conda", "conda.yaml")


def _named_file(model, kind, usual):
    """The path of a file that the MLmodel file may name (flavors.python_function.env)."""
    mlmodel = os.path.join(model, "MLmodel")
    env = yaml_text.read(mlmodel) if os.path.exists(mlmodel) else {}
    for key in ("flavors", "python_function", "env"):
        env = env.get(key, {}) if isinstance(env, dict) else {}
    if isinstance(env, dict):
        name = env.get(kind)
    else:
        name = env if kind == "conda" else None  # before MLflow 2.0: the conda file alone
    return os.path.join(model, name if isinstance(name, str) and name else usual)


def _from_python_env_yaml(path):
    content = yaml_text.read(path)
    content = content if isinstance(content, dict) else {}
    python = content.get("python") or None
    lists = [content.get(key) or [] for key in ("build_dependencies", "dependencies")]
    if not isinstance(python, (str, type(None))) or not all(map(_is_texts, lists)):
        raise Problem(
            f"{path}: expected python: VERSION, and lists of requirements as build_dependencies "
            f"and dependencies, received {str(content)[:200]}"
        )
    return PythonEnv(python, *lists)


def _from_conda_yaml(path):
    """As MLflow's get_dependencies_from_conda_yaml: what pip cannot install is left out."""
    content = yaml_text.read(path)
    listed = content.get("dependencies") or [] if isinstance(content, dict) else []
    python, build_dependencies, dependencies = None, [], []
    for entry in listed:
        if isinstance(entry, dict) and _is_texts(entry.get("pip")):
            dependencies = entry["pip"]
            continue
        match = _BUILD_PACKAGE.match(entry) if isinstance(entry, str) else None
        if not match:
            continue
        package, operator, version = match["package"], match["operator"], match["version"]
        if package != "python":
            operator = "==" if operator == "=" else operator
            build_dependencies.append(package + (operator or "") + (version or ""))
        elif operator in ("=", "==", "<=", ">="):
            python = python or version
        else:
            raise Problem(f"{path}: expected a pinned version of Python, received {entry!r}")
    return PythonEnv(python, build_dependencies, dependencies)


def _is_texts(value):
    return isinstance(value, list) and all(isinstance(item, str) for item in value)
