"""Builds Python environments as MLflow's _create_virtualenv does, with uv or with venv and pip.

What the user set for pip and uv (indexes, proxies, certificates) holds, since it is inherited.
"""

import contextlib
import glob
import itertools
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections import deque

from mlrace import env_cache
from mlrace.problem import Problem

MLFLOW_VERSION = "3.17.2"  # what --install-mlflow installs: the MLflow whose answers are given

# What would lead an installer out of the environment it is to fill, or show it packages that are
# not in there.
_FOREIGN = ("PYTHONPATH", "PYTHONHOME", "PIP_USER", "PIP_TARGET", "PIP_PREFIX", "PIP_ROOT")
# uv does not read pip's settings; where it has none of its own, pip's hold.
_PIP_SETTING_OF_UV = {
    "UV_INDEX_URL": "PIP_INDEX_URL",
    "UV_EXTRA_INDEX_URL": "PIP_EXTRA_INDEX_URL",
    "SSL_CERT_FILE": "PIP_CERT",
}


class Failed(Exception):
    """A command ended with an error; lines: the end of what it printed."""

    def __init__(self, command, lines):
        super().__init__(command, lines)
        self.command, self.lines = command, lines


class Commands:
    """Runs the commands of one build.

    lock_fd   they inherit it
    environ   their environment variables, for additions
    """

    def __init__(self, lock_fd):
        self._lock_fd = lock_fd
        self.environ = {name: value for name, value in os.environ.items() if name not in _FOREIGN}
        self.environ["PIP_NO_INPUT"] = "1"  # nobody is there to answer
        for uv_name, pip_name in _PIP_SETTING_OF_UV.items():
            if pip_name in os.environ:
                self.environ.setdefault(uv_name, os.environ[pip_name])

    def run(self, command, cwd=None, is_shown=True):
        """Runs a command and shows what it prints. Failed; Problem when it cannot be started."""
        last_lines = deque(maxlen=60)
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                cwd=cwd,
                env=self.environ,
                pass_fds=(self._lock_fd,),
            )
        except OSError as error:
            raise Problem(f"{command[0]} cannot be started: {error}") from None
        with process:
            try:
                for line in process.stdout:
                    text = line.decode("utf-8", "replace").rstrip()
                    if is_shown:
                        print(text, file=sys.stderr, flush=True)
                    last_lines.append(text)
            except BaseException:
                process.terminate()
                raise
        if process.returncode != 0:
            raise Failed(command, list(last_lines))


def build_venv(model, env, options, folder, lock_fd):
    """Fills folder with an environment for a model.

    env       its PythonEnv, python set
    options   see environment.py
    """
    commands = Commands(lock_fd)
    uv = find_uv()
    if options.env_manager == "uv" and not uv:
        raise Problem(
            "--env-manager uv needs uv, which is not in PATH: pip install uv; or use --env-manager "
            "virtualenv"
        )
    if uv:
        _create_with_uv(commands, uv, env.python, options, folder)
    else:
        _create_with_venv(commands, env.python, folder)
    installer = installer_of(folder, options, uv)
    with explained(options), _model_items(model) as here:
        if options.env_manager == "uv" and has_uv_lock(model):
            _sync_with_uv(commands, uv, options, folder, here)
        else:
            _install_build_dependencies(commands, installer, env, options)
            _install_dependencies(commands, installer, env, here)
        if options.pip_requirements_override:
            commands.run([*installer, *options.pip_requirements_override])
        finish(commands, installer, options, folder)


def installer_of(folder, options, uv=None):
    """The command that installs packages into an environment, up to what is to be installed."""
    python = env_cache.interpreter_of(folder)
    if uv:
        command = [uv, "pip", "install", "--python", python] + ["--offline"] * options.offline
    else:
        command = [python, "-m", "pip", "install"] + ["--no-index"] * options.offline
    return command + (["--find-links", options.wheel_dir] if options.wheel_dir else [])


def finish(commands, installer, options, folder):
    """The end of each build: MLflow, which loads the model."""
    if options.install_mlflow:
        commands.run([*installer, f"mlflow=={MLFLOW_VERSION}"])
    has_mlflow = "import importlib.util as u, sys; sys.exit(u.find_spec('mlflow') is None)"
    try:
        commands.run([env_cache.interpreter_of(folder), "-c", has_mlflow], cwd=folder)
    except Failed:
        raise Problem(
            "the model's requirements bring no mlflow, which loads it: use --install-mlflow"
        ) from None


def find_uv():
    """The path of uv, from PATH or beside this interpreter; None."""
    return shutil.which("uv") or shutil.which("uv", path=os.path.dirname(sys.executable))


def has_uv_lock(model):
    """Whether the model carries its environment as a uv project (mlflow/utils/uv_utils.py)."""
    return all(os.path.exists(os.path.join(model, name)) for name in ("uv.lock", "pyproject.toml"))


def _create_with_uv(commands, uv, version, options, folder):
    """An empty environment. The version is found or fetched; else another of the same minor is."""
    for wanted in dict.fromkeys([version, _minor(version)]):
        env_cache.say(f"uv creates an environment with Python {wanted}")
        command = [uv, "venv", "--python", wanted, *["--offline"] * options.offline, folder]
        try:
            return commands.run(command, cwd=os.path.dirname(folder), is_shown=False)
        except Failed as failed:
            cause = error_text(failed.lines)
            env_cache.say(f"uv has no Python {wanted}: {cause}")
    raise Problem(
        f"Python {version} is needed; uv neither found it nor could fetch it ({cause}). Where "
        f"there is a network, `uv python install {_minor(version)}` fetches it"
    )


def _create_with_venv(commands, version, folder):
    python = find_python(version)
    env_cache.say(f"venv creates an environment with {python}")
    try:
        commands.run([python, "-m", "venv", folder])
    except Failed as failed:
        raise Problem(f"{python} -m venv failed: {error_text(failed.lines)}") from None


def find_python(version):
    """An interpreter of a version, if need be of another one with the same minor number.

    Looks at this one, at pyenv's, and at pythonX.Y in PATH. Problem when there is none.
    """
    minor = _minor(version)
    root = os.environ.get("PYENV_ROOT") or os.path.expanduser("~/.pyenv")
    candidates = [sys.executable]
    candidates += sorted(glob.glob(f"{root}/versions/{glob.escape(minor)}*/bin/python"))[::-1]
    candidates += filter(None, map(shutil.which, (f"python{minor}", "python3", "python")))
    similar = None
    for python in dict.fromkeys(candidates):
        found = _version_of(python)
        if found == version or found.startswith(version + "."):
            return python
        if not similar and _minor(found) == minor:
            similar = python
    if similar:
        env_cache.say(f"Python {version} is not here; {_version_of(similar)} takes its place")
        return similar
    raise Problem(
        f"Python {version} is needed, and there is no Python {minor} here: not in PATH, nor among "
        "pyenv's. Install it; or install uv, which fetches it: pip install uv"
    )


def _version_of(python):
    """The version of an interpreter, such as 3.11.7; empty when it does not run."""
    code = "import sys; print('%d.%d.%d' % sys.version_info[:3])"
    try:
        result = subprocess.run(
            [python, "-I", "-c", code],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=60,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return result.stdout.decode("ascii", "replace").strip() if result.returncode == 0 else ""


def _minor(version):
    return ".".join(version.split(".")[:2])


@contextlib.contextmanager
def _model_items(model):
    """A temporary folder with links to all that the model's folder holds: requirements may name
    files in it, and the model's own folder may not be writable."""
    with tempfile.TemporaryDirectory(prefix="mlrace-") as here:
        for name in os.listdir(model):
            os.symlink(os.path.join(os.path.abspath(model), name), os.path.join(here, name))
        yield here


def _install_build_dependencies(commands, installer, env, options):
    """pip, setuptools, wheel. Folders of wheels usually lack them, and most models do without."""
    if not options.offline:
        return env.build_dependencies and commands.run([*installer, *env.build_dependencies])
    for dependency in env.build_dependencies:
        try:
            commands.run([*installer, dependency], is_shown=False)
        except Failed:
            env_cache.say(f"{dependency} is to be had only with a network: left out")


def _install_dependencies(commands, installer, env, here):
    if env.dependencies:
        name = "requirements.mlrace.txt"
        with open(os.path.join(here, name), "w", encoding="utf-8") as file:
            file.write("\n".join(env.dependencies))
        commands.run([*installer, "-r", name], cwd=here)


def _sync_with_uv(commands, uv, options, folder, here):
    """The packages of the model's uv.lock. The project itself is not there, only its list."""
    commands.environ["UV_PROJECT_ENVIRONMENT"] = folder
    command = [uv, "sync", "--frozen", "--no-dev", "--no-install-project"]
    command += ["--offline"] * options.offline
    command += ["--find-links", options.wheel_dir] if options.wheel_dir else []
    commands.run(command, cwd=here)


_NETWORK_FAULT = re.compile(
    r"Failed to (?:fetch|download)|error sending request|connection broken by|NewConnectionError"
    r"|ConnectTimeoutError|ConnectionError|ProxyError|CondaHTTPError|CONNECTION FAILED"
    r"|Could not resolve host|Network is unreachable"
)
_FETCHED = re.compile(r"distribution found for ([\w.-]+)|/simple/([\w.-]+)/|/([\w.]+)-\d[^/]*\.whl")
_ERROR = re.compile(r"\s*(?:error|ERROR|×|Error|\w+Error)\b")


@contextlib.contextmanager
def explained(options):
    """Makes a Problem of a Failed installation: what is missing, and what can be done."""
    try:
        yield
    except Failed as failed:
        raise Problem(_explanation(failed, options)) from None


def _explanation(failed, options):
    name = _name_of(failed.command)
    list_of_packages = shlex.quote(os.path.join(options.model, "requirements.txt"))
    download = f"`pip download -r {list_of_packages} -d DIR`"
    if options.offline:
        return (
            f"{name} failed: {error_text(failed.lines)}. With --offline all packages have to lie "
            f"in --wheel-dir, or in uv's cache: where there is a network, {download} collects them "
            "for --wheel-dir DIR"
        )
    text = "\n".join(failed.lines)
    if _NETWORK_FAULT.search(text):
        last = max(_FETCHED.finditer(text), key=lambda match: match.start(), default=None)
        package = next(filter(None, last.groups())) if last else "a package"
        return (
            f"{name} could not fetch {package} over the network: PIP_INDEX_URL, UV_INDEX_URL and "
            f"HTTPS_PROXY can name another way to it; or, where there is a network, {download} "
            "collects the packages, and --offline --wheel-dir DIR builds from them"
        )
    return f"{name} failed: {error_text(failed.lines)}"


def _name_of(command):
    """What a command does, such as "uv pip install"."""
    if command[1] == "-m":
        return " ".join(command[2:4])
    words = [word for word in command[1:3] if not word.startswith("-")]
    return " ".join([os.path.basename(command[0]), *words])


def error_text(lines):
    """The part of a command's output that tells what went wrong, in one line."""
    first = next((i for i, line in enumerate(lines) if _ERROR.match(line)), -3)
    told = itertools.takewhile(lambda line: not line.startswith("hint"), lines[first:])
    return "; ".join(line.strip() for line in told if line.strip())[:400].rstrip(".")
