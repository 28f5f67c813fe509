"""Environments that were built once, kept by what is in them: ENVS/<key> is one.

ENVS is ${MLRACE_HOME or XDG_CACHE_HOME/mlrace or ~/.cache/mlrace}/envs. An environment counts from
the moment its file `mlrace.json` is there, which is written last: what a killed build left behind
does not. It is built in its final place, since environments cannot be moved: their programs name
their interpreter by its path. A lock file beside it lets one process build and the others wait; the
installers hold the lock too, so that one which outlives its parent is waited for.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import sys
import time

from mlrace.problem import Problem

_MARKER = "mlrace.json"
_FORMAT = 1  # of the environments; another number and all are built anew


def folder_of(recipe):
    """Where the environment of a recipe (any JSON value) lies, be it built or not."""
    text = json.dumps([_FORMAT, recipe], sort_keys=True)
    return os.path.join(_home(), "envs", hashlib.sha256(text.encode()).hexdigest()[:16])


def _home():
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return os.path.abspath(os.environ.get("MLRACE_HOME") or os.path.join(base, "mlrace"))


def interpreter_of(folder):
    return os.path.join(folder, "bin", "python")


def is_complete(folder):
    """Whether it was built to its end, and the Python it rests on is still there."""
    return os.path.exists(os.path.join(folder, _MARKER)) and os.access(
        interpreter_of(folder), os.X_OK
    )


def build_once(recipe, build):
    """The folder of a recipe's environment, built by build(folder, lock_fd) if it is not there yet.

    build  raises what it likes when it fails; nothing stays then. lock_fd: for its child processes
    """
    folder = folder_of(recipe)
    if is_complete(folder):
        return folder
    try:
        os.makedirs(os.path.dirname(folder), exist_ok=True)
        with _locked(folder + ".lock") as lock_fd:
            if not is_complete(folder):
                _build(recipe, folder, build, lock_fd)
    except OSError as error:
        raise Problem(
            f"the environment cannot be built in {folder}: {error}; MLRACE_HOME can name another "
            "folder for environments"
        ) from None
    return folder


def _build(recipe, folder, build, lock_fd):
    start = time.monotonic()
    shutil.rmtree(folder, ignore_errors=True)  # what a killed build left, or lost its Python
    try:
        build(folder, lock_fd)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    marker = os.path.join(folder, _MARKER)
    with open(marker + ".new", "w", encoding="utf-8") as file:
        json.dump(recipe, file, indent=1)
    os.rename(marker + ".new", marker)
    say(f"environment {folder} built in {time.monotonic() - start:.1f} s")


@contextlib.contextmanager
def _locked(path):
    """Holds an exclusive lock on a file; yields its descriptor."""
    with open(path, "w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another process builds this environment: waiting for it")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield file.fileno()


def say(text):
    """A line for the user."""
    print(f"mlrace: {text}", file=sys.stderr, flush=True)
