"""Forks workers from a process that has loaded the model, so that they share its memory."""

import gc
import os
import pickle
import random
import select
import signal
import socket
import struct
import sys
import time

import numpy as np

from . import channel as channels
from . import process, wire

_PID = struct.Struct("=i")
# Threads of libraries that start them anew in a forked process.
_SAFE_THREADS = {"jemalloc_bg_thd"}
_PROBE_S = 30  # how long a process that only ends may take for it
_SAFE_FILES = {"/dev/null", "/dev/zero", "/dev/random", "/dev/urandom"}


# --- may it fork? ---------------------------------------------------------------------------------


def open_files():
    """What the process holds open: names by file descriptor."""
    names = {}
    for fd in os.listdir("/proc/self/fd"):
        try:
            names[int(fd)] = os.readlink("/proc/self/fd/" + fd)
        except OSError:
            pass  # the folder's own
    return names


def why_not_fork(files_before):
    """A phrase that says why forking is not safe; None where it is.

    files_before  open_files() before the model was loaded
    """
    gc.collect()  # files that nobody holds any more are closed
    new = {fd: name for fd, name in open_files().items() if files_before.get(fd) != name}
    for fd, name in sorted(new.items()):
        if name.startswith("/dev/nvidia"):
            return "the model uses a GPU"
        if name not in _SAFE_FILES:
            return f"the model keeps {name} open, as file descriptor {fd}"
    torch = sys.modules.get("torch")
    if torch and torch.cuda.is_initialized():
        return "the model uses a GPU"
    # OpenBLAS ends its threads at a fork, and starts them anew on both sides. What is left after
    # one are the threads that a worker would miss.
    if not _ends(process.fork(lambda: None)):
        return "a process that was forked did not end, likely for a lock that a thread holds"
    threads = [name for name in _thread_names() if name not in _SAFE_THREADS]
    if threads:
        names = ", ".join(sorted(set(threads)))
        return f"the model has started threads: {len(threads)} named {names}"
    return None


def _ends(pid):
    """Whether a child that has nothing to do ends; one that hangs is killed."""
    limit = time.monotonic() + _PROBE_S
    while not os.waitpid(pid, os.WNOHANG)[0]:
        if time.monotonic() > limit:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            return False
        time.sleep(0.001)
    return True


def _thread_names():
    """Names of all threads but the main one."""
    names = []
    for thread in os.listdir("/proc/self/task"):
        try:
            with open(f"/proc/self/task/{thread}/comm") as file:
                name = file.read().strip()
        except OSError:
            continue  # it has ended
        if int(thread) != os.getpid():
            names.append(name)
    return names


# --- random numbers -------------------------------------------------------------------------------


class RandomStates:
    """The states of Python's and numpy's global generators around the loading of a model.

    Workers share a state that the model has set: it wants the numbers that follow. Where it has
    not, each gets numbers of its own, as separate processes have.
    """

    def __init__(self):
        """Before loading."""
        self._before = self._loaded = _random_states()

    def remember(self):
        """After loading."""
        self._loaded = _random_states()

    def restore(self):
        """As after loading."""
        random.setstate(pickle.loads(self._loaded[0]))
        np.random.set_state(pickle.loads(self._loaded[1]))

    def diverge(self):
        """In a forked worker."""
        self.restore()
        if self._loaded[0] == self._before[0]:
            random.seed()
        if self._loaded[1] == self._before[1]:
            np.random.seed()


def _random_states():
    return pickle.dumps(random.getstate()), pickle.dumps(np.random.get_state())


# --- forking --------------------------------------------------------------------------------------


class Template:
    """A host that answers no calls itself."""

    def __init__(self, channel, work):
        """work: a function of a worker's channel that is its life; called in the worker."""
        self._channel, self._work = channel, work
        self._workers = set()  # process ids

    def run(self):
        """Returns when the server has closed its end; raises wire.WireError."""
        gc.freeze()  # collections in workers do not write to the memory they share
        receiver, sender = socket.socketpair()
        receiver.setblocking(False)
        sender.setblocking(False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(sender.fileno(), warn_on_full_buffer=False)
        self._wakeup = receiver, sender
        poll = select.poll()
        poll.register(self._channel, select.POLLIN)
        poll.register(receiver, select.POLLIN)
        try:
            while True:
                ready = {fd for fd, _ in poll.poll()}
                if receiver.fileno() in ready:
                    receiver.recv(4096)
                    self._reap()
                if self._channel.fileno() in ready and not self._take(self._channel.receive()):
                    return
        except (BrokenPipeError, ConnectionResetError):
            return

    def _take(self, message):
        if message is None:
            return False
        if message.type != wire.FORK:
            raise wire.WireError(f"a message of type {message.type} for a host that forks")
        worker_socket, log = message.fds
        try:
            pid = process.fork(lambda: self._become_worker(worker_socket, log))
            process.lead_group(pid)
            self._workers.add(pid)
        except OSError as error:
            pid = -error.errno
        finally:
            os.close(worker_socket)
            os.close(log)
        self._channel.send(wire.FORKED, message.id, _PID.pack(pid))
        return True

    def _become_worker(self, worker_socket, log):
        process.lead_group()
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for end in self._wakeup:
            end.close()
        self._channel.close()
        os.dup2(log, 1)
        os.dup2(log, 2)
        os.close(log)
        self._work(channels.Channel(worker_socket))

    def _reap(self):
        """Tell of workers that have ended. Other children are the model's to wait for."""
        for pid in list(self._workers):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                self._workers.remove(pid)
                self._channel.send(wire.EXITED, pid, _PID.pack(status))

