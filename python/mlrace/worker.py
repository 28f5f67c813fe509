"""A host of the worker protocol: python -m mlrace.worker --socket FD --model FOLDER

Enters the model's environment, loads the model, replays its input example and says LOADED; then
forks workers, or, where that is not safe, answers calls itself. Ends when the server closes its end
of the socket.
"""

import argparse
import faulthandler
import gc
import os
import sys
import time
import traceback

from . import channel as channels
from . import environment, process, wire
from .problem import Problem


def main():
    """Does not return."""
    started = time.monotonic()
    parser = argparse.ArgumentParser(prog="python -m mlrace.worker", allow_abbrev=False)
    parser.add_argument("--socket", type=int, required=True, metavar="FD")
    parser.add_argument("--stack-traces", action="store_true")
    environment.add_arguments(parser)
    options = parser.parse_args()
    process.ignore_signals()
    faulthandler.enable()  # a crash of native code leaves a traceback in the log
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=True)  # lines are logged when they are written
    channel = channels.Channel(options.socket)
    try:
        environment.enter(options, ["-m", "mlrace.worker", *sys.argv[1:]])
        os.set_inheritable(options.socket, False)  # by what the model starts
        gc.disable()  # what is imported stays: to look for garbage in it takes a fifth of the time
        from . import answers, host  # imports everything heavy

        gc.freeze()
        gc.enable()
        answers.has_stack_traces = options.stack_traces
        work = host.prepare(channel, options.model, started)
    except Problem as problem:
        fail(channel, str(problem))
    except BaseException as error:
        traceback.print_exc()
        fail(channel, process.describe(error))
    process.live(work)


def fail(channel, message):
    """Say FAILED, and end. Does not return."""
    try:
        channel.send_json(wire.FAILED, {"message": message})
    except OSError:
        pass  # the server has gone
    process.leave(1)


if __name__ == "__main__":
    main()
