"""A host of the worker protocol: python -m mlrace.worker --socket FD --model FOLDER

Enters the model's environment, loads the model, replays its input example and says LOADED; then
forks workers, or, where that is not safe, answers calls itself. Ends when the server closes its end
of the socket.
"""

import argparse
import json
import os
import platform
import sys
import time
import traceback

from . import channel as channels
from . import environment, process, wire
from .problem import Problem


def main():
    """Does not return."""
    parser = argparse.ArgumentParser(prog="python -m mlrace.worker", allow_abbrev=False)
    parser.add_argument("--socket", type=int, required=True, metavar="FD")
    environment.add_arguments(parser)
    options = parser.parse_args()
    process.ignore_signals()
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=True)  # lines are logged when they are written
    channel = channels.Channel(options.socket)
    try:
        environment.enter(options, ["-m", "mlrace.worker", *sys.argv[1:]])
        os.set_inheritable(options.socket, False)  # by what the model starts
        work = prepare(channel, options.model)
    except Problem as problem:
        summary, _, details = str(problem).partition("\n")
        if details:
            print(problem, file=sys.stderr)  # in the log they keep their lines
        fail(channel, summary)
    except BaseException as error:
        traceback.print_exc()
        fail(channel, describe(error))
    live(work)


def fail(channel, message):
    """Say FAILED, and end. Does not return."""
    try:
        send_json(channel, wire.FAILED, {"message": message})
    except OSError:
        pass  # the server has gone
    process.leave(1)


def live(work):
    """Do a process' work, and end it. Does not return."""
    try:
        work()
    except BaseException as error:
        what = error if isinstance(error, wire.WireError) else describe(error)
        print(f"mlrace: a worker ends: {what}", file=sys.stderr, flush=True)
        process.leave(1)
    process.leave(0)


def prepare(channel, folder):
    """Load and warm up the model, say LOADED.  returns  the rest of the process' life"""
    started = time.monotonic()
    # Everything heavy is imported from here on.
    from mlflow.version import VERSION

    from . import aio, loop, model, template

    files = template.open_files()
    states = template.RandomStates()
    served = model.load(folder)
    states.remember()
    load_ms = milliseconds_since(started)
    new_loop = aio.Loop if served.is_async else loop.Loop
    why_not = template.why_not_fork(files) if served.is_async else None
    own_loop = None
    if served.is_async and not why_not:
        # What the model binds to an event loop would not be of use in another process.
        warm_up = "each worker replays the input example on its event loop"
    else:
        own_loop = new_loop(channel, served)
        warm_up = replay_example(served, own_loop)
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
        "load_ms": load_ms,
        "warm_up": warm_up,
    }
    send_json(channel, wire.LOADED, loaded)
    if why_not:
        return own_loop.run

    def work(worker_channel):
        states.diverge()
        worker_loop = new_loop(worker_channel, served)
        if served.is_async:
            print(f"mlrace: warm-up: {replay_example(served, worker_loop)}", file=sys.stderr)
            states.diverge()
        live(worker_loop.run)

    return template.Template(channel, work).run


def replay_example(served, loop):
    """Have the model answer its own input example.  returns  how that went"""
    name, replay = served.find_example()
    if not replay:
        return "the model has no input example"
    started = time.monotonic()
    try:
        loop.call_once(replay)
    except BaseException as error:
        return f"{name} failed: {describe(error)}"
    return f"{name}, {milliseconds_since(started)} ms"


def send_json(channel, kind, value):
    channel.send(kind, 0, json.dumps(value).encode("ascii"))


def describe(error):
    text = str(error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def milliseconds_since(started):
    return int((time.monotonic() - started) * 1000)


if __name__ == "__main__":
    main()
