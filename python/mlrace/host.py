"""Loads the model, warms it up, and finds out what the rest of a host's life is."""

import platform
import sys
import time

from mlflow.version import VERSION

from . import aio, loop, model, process, template, wire


def prepare(channel, folder, started):
    """Load and warm up the model of a folder, and say LOADED.

    started  time.monotonic() when the process began
    returns  the rest of its life: a function
    raises   what loading the model raises
    """
    files = template.open_files()
    states = template.RandomStates()
    served = load(folder)
    states.remember()
    load_ms = milliseconds_since(started)
    new_loop = aio.Loop if served.is_async else loop.Loop
    own_loop = is_warm = None
    why_not = template.why_not_fork(files) if served.is_async else None
    if served.is_async and not why_not:
        # What the model binds to an event loop would not be of use in another process.
        warm_up = "each worker replays the input example on its event loop"
    else:
        own_loop = new_loop(channel, served)
        warm_up, is_warm = replay_example(served, own_loop)
        states.restore()
        why_not = why_not or template.why_not_fork(files)
    loaded = {
        "protocol": wire.VERSION,
        "python": platform.python_version(),
        "mlflow": VERSION,
        "can_fork": not why_not,
        "reason": why_not or "the model holds no threads, files or sockets",
        "is_async": served.is_async,
        "is_stream": served.is_stream,
        "is_rowwise": served.is_rowwise,
        "load_ms": load_ms,
        "warm_up": warm_up,
        "is_warm": is_warm,
    }
    channel.send_json(wire.LOADED, loaded)
    if why_not:
        return own_loop.run

    def work(worker_channel):
        states.diverge()
        worker_loop = new_loop(worker_channel, served)
        if served.is_async:
            print(f"mlrace: warm-up: {replay_example(served, worker_loop)[0]}", file=sys.stderr)
            states.diverge()
        process.live(worker_loop.run)

    return template.Template(channel, work).run


def load(folder):
    try:
        served = model.load(folder)
    except BaseException as error:
        process.end_if_forked(error)
        raise
    process.end_if_forked()
    return served


def replay_example(served, worker_loop):
    """Have the model answer its own input example.

    returns  how that went, in words; whether it did, None: there is no example
    """
    name, replay = served.find_example()
    if not replay:
        return "the model has no input example", None
    started = time.monotonic()
    try:
        model.trace_disabled(worker_loop.call_once)(replay)  # nobody has asked for that trace
        process.end_if_forked()
    except BaseException as error:
        process.end_if_forked(error)
        return f"{name} failed: {process.describe(error)}", False
    return f"{name}, {milliseconds_since(started)} ms", True


def milliseconds_since(started):
    return int((time.monotonic() - started) * 1000)
