"""What every process of ours does as a process: signals, forks, its end. Standard library only."""

import os
import signal
import sys
import warnings

from . import wire

_IGNORED = signal.SIGINT, signal.SIGTERM
_own_pid = os.getpid()


def ignore_signals():
    """Leave it to the server when a worker ends: whoever stops a service or presses Ctrl-C often
    signals all its processes at once. What the model itself starts is not concerned."""
    for number in _IGNORED:
        signal.signal(number, _ignore)


def _ignore(number, frame):
    """Other than SIG_IGN, programs that are started do not inherit a handler."""


# Nor do processes that the model forks. A signal that is sent to one before it heeds them waits.
_masks = []


def _before_fork():
    _masks.append(signal.pthread_sigmask(signal.SIG_BLOCK, _IGNORED))


def _after_in_parent():
    signal.pthread_sigmask(signal.SIG_SETMASK, _masks.pop())


def _after_in_child():
    for number in _IGNORED:
        if signal.getsignal(number) is _ignore:
            signal.signal(number, signal.SIG_DFL)
    _after_in_parent()


os.register_at_fork(
    before=_before_fork, after_in_parent=_after_in_parent, after_in_child=_after_in_child
)


def fork(child):
    """Fork a process of ours that runs `child` and ends.  returns  its id"""
    _flush()
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, _IGNORED)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 warns of threads
            pid = os.fork()
        if not pid:
            ignore_signals()
            _set_own_pid()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    if pid:
        return pid
    try:
        child()
        leave(0)
    except BaseException:
        sys.excepthook(*sys.exc_info())
        leave(1)


def _set_own_pid():
    global _own_pid
    _own_pid = os.getpid()


def end_if_forked(error=None):
    """After the model's code: end a process that it forked and that came back from there, where it
    would go on as a second one of ours.

    error  what it raised: a SystemExit's code is its exit code
    """
    if os.getpid() == _own_pid:
        return
    if isinstance(error, SystemExit) and isinstance(error.code, (int, type(None))):
        leave(error.code or 0)
    leave(1 if error else 0)


def lead_group(pid=0):
    """Make a process, 0: this one, the leader of a group of its own. Parent and child both do, so
    that it is so when either goes on."""
    try:
        os.setpgid(pid, pid)
    except OSError:
        pass  # the other was faster, or the child has ended


def live(work):
    """Do a process' work, and end it. Does not return."""
    try:
        work()
    except BaseException as error:
        what = error if isinstance(error, wire.WireError) else describe(error)
        print(f"mlrace: a worker ends: {what}", file=sys.stderr, flush=True)
        leave(1)
    leave(0)


def describe(error):
    """An exception in words."""
    try:
        text = str(error)
    except Exception:
        text = ""
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def leave(code):
    """End at once, whatever threads and exit handlers the model has left."""
    _flush()
    os._exit(code)


def _flush():
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (AttributeError, OSError, ValueError):
            pass  # there is none, or it is closed
