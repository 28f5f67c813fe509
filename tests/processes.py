"""What can be seen of processes from outside: /proc."""

import os
import pathlib
import re


def _state_and_parent(pid):
    try:
        stat = pathlib.Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None, None
    state, parent = stat.rpartition(")")[2].split()[:2]
    return state, int(parent)


def state_of(pid):
    """A letter as in ps, None when the process is gone."""
    return _state_and_parent(pid)[0]


def children_of(pid):
    """Process ids and states of the children of a process, zombies too."""
    found = {}
    for number in filter(str.isdigit, os.listdir("/proc")):
        state, parent = _state_and_parent(number)
        if parent == pid:
            found[int(number)] = state
    return found


def descendants_of(pid):
    found = children_of(pid)
    for child in list(found):
        found.update(descendants_of(child))
    return found


def zombies_of(pid):
    return [child for child, state in children_of(pid).items() if state == "Z"]


def count_fds(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def rss_bytes(pid):
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+) kB", status)[1]) * 1024
