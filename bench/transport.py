#!/usr/bin/env python3
"""What does src/http itself cost? bench/transport.py [TOOL_HTTP_ECHO...]

The echo server of the tests (build-gcc/tool_http_echo) and nginx answer the same constant to the
same POST. Beside requests a second it prints the processor time of a request, user and kernel,
which the load on the rest of the machine moves less. Several tools, such as that of another
branch, are compared in turns.
"""

import contextlib
import json
import os
import pathlib
import statistics
import sys
import tempfile

import run
from measure import ROOT, free_port, load, running

CONNECTIONS, ROUNDS, SECONDS = (1, 32), 5, 2


def cpu_ns(pid):
    """Processor time of all threads of a process."""
    tasks = pathlib.Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(task.read_text().split()[0]) for task in tasks)


def measure(process, port, connections):
    before = cpu_ns(process.pid)
    result = load(port, connections, SECONDS, run.BODY)
    result["cpu_us"] = (cpu_ns(process.pid) - before) / 1000 / (result["rate"] * SECONDS)
    return result


def main():
    tools = sys.argv[1:] or [str(ROOT / "build-gcc/tool_http_echo")]
    if (os.cpu_count() or 1) < 2:
        sys.exit("bench: needs two cores, one for the servers and one for the load")
    results = {}
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        servers = {}
        for name in ["nginx", *tools]:
            port = free_port()
            echo = [name, f"port={port}"]
            command = run.nginx_command(port, folder) if name == "nginx" else echo
            servers[name] = (*stack.enter_context(running(command, port, folder, run.BODY))[:1], port)
        for connections in CONNECTIONS:
            for _ in range(ROUNDS):
                for name, (process, port) in servers.items():
                    result = measure(process, port, connections)
                    results.setdefault((name, connections), []).append(result)
    for (name, connections), runs in results.items():
        line = {key: round(statistics.median(one[key] for one in runs), 2) for key in runs[0]}
        print(json.dumps({"server": name, "connections": connections, **line}))


if __name__ == "__main__":
    main()
