#!/usr/bin/env python3
"""Where do the microseconds of a request go that C evaluates? make bench-profile

perf samples servers under wrk, one core each: nginx with a constant and mlrace's HTTP alone
(tests/tools/http_echo.c, the same constant) are the floor; above it mlrace with a logistic
regression and with 500 trees. User time is grouped by the folder of src/ that a sample's source
line is in (inlined functions by their own), kernel time by system call. The page is
docs/benchmarks-profile.md.
"""

import argparse
import collections
import dataclasses
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

from measure import (
    LOAD_CORE,
    N_SERVER_CORES,
    ROOT,
    SERVER_CORE,
    cpu_seconds,
    free_port,
    load,
    machine,
    need_two_cores,
    running,
)
from serving import environments
from serving.charts import stacked
from serving.made import make_model
from serving.servers import nginx_command

BUILD = ROOT / "build-profile"
PAGE, CHART = ROOT / "docs/benchmarks-profile.md", ROOT / "docs/benchmarks/profile.svg"
CONNECTIONS, HERTZ, N_FUNCTIONS = 16, 1999, 24
LIBRARIES = {"libyyjson": "yyjson", "libc.so": "libc", "nginx": "nginx"}
SYSTEM_CALLS = {
    "sendto": "kernel: send",
    "sendmsg": "kernel: send",
    "writev": "kernel: send",
    "recvfrom": "kernel: receive",
    "epoll_wait": "kernel: wait",
    "write": "kernel: write the log",
}
# In the order of a request; what is not named here comes last.
GROUPS = {
    "kernel: wait": "#ced4da",
    "kernel: receive": "#adb5bd",
    "kernel: send": "#868e96",
    "kernel: write the log": "#ffd8a8",
    "kernel: other": "#dee2e6",
    "nginx": "#4c6ef5",
    "http": "#1c7ed6",
    "api": "#15aabf",
    "codec": "#12b886",
    "yyjson": "#94d82d",
    "schema": "#fab005",
    "engine": "#d6336c",
    "model": "#f783ac",
    "base": "#7950f2",
    "libc": "#b197fc",
}


@dataclasses.dataclass
class Target:
    label: str
    command: object  # of port and folder
    body: pathlib.Path  # and others beside it
    floor: bool = False


@dataclasses.dataclass
class Profile:
    label: str
    rate: float
    us: float  # of processor time for each request
    groups: dict  # share of the samples
    functions: list  # (share, group, name), the largest first


def targets():
    """In the order of the page."""
    iris, xgboost = make_model("iris"), make_model("xgboost")

    def serve(model):
        return lambda port, folder: [
            BUILD / "mlrace", "serve", "-m", model / "model", "-p", port, "-w", N_SERVER_CORES,
        ]  # fmt: skip

    echo = [BUILD / "tool_http_echo"]
    one_row = iris / "split-1-00.json"
    return [
        Target("nginx, a constant", nginx_command, one_row, floor=True),
        Target(
            "src/http, a constant", lambda port, _: [*echo, f"port={port}"], one_row, floor=True
        ),
        Target("mlrace, linear model", serve(iris), one_row),
        Target("mlrace, 500 trees", serve(xgboost), xgboost / "split-1-00.json"),
    ]


# --- samples ------------------------------------------------------------------------------------


def samples(perf_data):
    """(frames from the innermost on: (address, function, file)) of each sample."""
    text = subprocess.run(
        ["perf", "script", "-i", perf_data, "-F", "ip,sym,dso"],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    frame = re.compile(r"\s*([0-9a-f]+) (.*) \((.*)\)$")
    for block in text.split("\n\n"):
        frames = [match.groups() for match in map(frame.match, block.splitlines()) if match]
        if frames:
            yield frames


def source_lines(program, addresses):
    """By address: (folder of src/, function) of the innermost source line there, inlined or not."""
    if not addresses:
        return {}
    text = subprocess.run(
        ["addr2line", "-e", program, "-a", "-f", "-i", *(f"0x{address}" for address in addresses)],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    found = {}
    for block in re.split(r"^0x0*", text, flags=re.MULTILINE)[1:]:
        address, *pairs = block.splitlines()
        for function, file in zip(pairs[::2], pairs[1::2]):
            # What a compiler's header defines counts for who has called it.
            if match := re.search(r"/src/(\w+)/", file):
                found[address] = match[1], function
                break
    return found


def group_of(frames, lines):
    """The group of a sample, and the function."""
    address, function, file = frames[0]
    if "kernel" in file or "vmlinux" in file:
        for _, name, _ in frames:
            match = re.search(r"(?:sys|do|vfs)_(\w+)$", name)
            if match and match[1] in SYSTEM_CALLS:
                return SYSTEM_CALLS[match[1]], match[1]
        return "kernel: other", "other"
    if address.lstrip("0") in lines:
        return lines[address.lstrip("0")]
    for part, group in LIBRARIES.items():
        if part in file:
            return group, function
    return "libc", function  # the vdso, the loader


def analyse(label, perf_data, result, us):
    taken = list(samples(perf_data))
    own = {f[0][0].lstrip("0") for f in taken if str(BUILD) in f[0][2]}
    program = next((f[0][2] for f in taken if str(BUILD) in f[0][2]), None)
    lines = source_lines(program, sorted(own))
    counted = collections.Counter(group_of(frames, lines) for frames in taken)
    groups = collections.Counter()
    for (group, _), n in counted.items():
        groups[group] += n / len(taken)
    functions = [(n / len(taken), *key) for key, n in counted.most_common()]
    return Profile(label, result["rate"], us, dict(groups), functions)


def profile(target, folder, seconds):
    port = free_port()
    bodies = sorted(target.body.parent.glob("split-1-*.json"))
    with running(target.command(port, folder), port, folder, target.body) as (process, _, _):
        load(port, CONNECTIONS, 1, *bodies)
        data = pathlib.Path(folder) / "perf.data"
        recorder = subprocess.Popen(
            [
                "taskset",
                "-c",
                LOAD_CORE,
                "perf",
                "record",
                "-q",
                "-e",
                "cpu-clock",
                "-F",
                str(HERTZ),
            ]
            + ["-g", "-p", str(process.pid), "-o", str(data)],
            stderr=subprocess.DEVNULL,
        )
        time.sleep(0.3)
        before = sum(cpu_seconds(process))
        result = load(port, CONNECTIONS, seconds, *bodies)
        us = (sum(cpu_seconds(process)) - before) / result["requests"] * 1e6
        recorder.terminate()
        recorder.wait()
    return analyse(target.label, data, result, us)


# --- the page -----------------------------------------------------------------------------------


def user_us(one):
    return one.us * sum(v for group, v in one.groups.items() if not group.startswith("kernel"))


def floor_table(profiles, floor):
    yield "| server | requests/s | CPU us a request | user | kernel | user over src/http alone |"
    yield "|---|---:|---:|---:|---:|---:|"
    for one in profiles:
        over = "" if one.label.endswith("constant") else f"{user_us(one) - user_us(floor):.2f}"
        yield (
            f"| {one.label} | {one.rate:,.0f} | {one.us:.2f} | {user_us(one):.2f} "
            f"| {one.us - user_us(one):.2f} | {over} |"
        )
    yield ""


def group_table(profiles):
    yield "| where | " + " | ".join(one.label for one in profiles) + " |"
    yield "|---|" + "---:|" * len(profiles)
    for group in GROUPS:
        shares = [one.groups.get(group, 0) * one.us for one in profiles]
        if any(share >= 0.005 for share in shares):
            cells = " | ".join(f"{share:.2f}" if share >= 0.005 else "" for share in shares)
            yield f"| {group} | {cells} |"
    yield ""


def function_table(one):
    yield f"**{one.label}**: the functions with the most user time"
    yield ""
    yield "| function | where | us a request |"
    yield "|---|---|---:|"
    user = [line for line in one.functions if not line[1].startswith("kernel")]
    for share, group, function in user[:N_FUNCTIONS]:
        yield f"| `{function}` | {group} | {share * one.us:.3f} |"
    yield ""


def page(profiles, options):
    chart = stacked(
        "Microseconds of processor time in a request",
        f"one row, {CONNECTIONS} connections, one core; src/ by folder",
        [(one.label, {g: v * one.us for g, v in one.groups.items()}) for one in profiles],
        GROUPS,
    )
    CHART.parent.mkdir(exist_ok=True)
    CHART.write_text(chart)
    floor = profiles[1]
    lines = [
        "# Where a request's microseconds go",
        "",
        f"One row over {CONNECTIONS} keep-alive connections for {options.seconds} s, each server",
        f"alone on core {SERVER_CORE}, wrk on core {LOAD_CORE}; perf takes {HERTZ} samples a",
        "second (cpu-clock). The floor is the same constant answered by nginx and by src/http",
        "without a model. User time is grouped by the folder of src/ of a sample's source line,",
        "inlined functions by their own; `kernel: send` is TCP in both directions, since loopback",
        "delivers in the sender's system call. The access log is on, as it is by default.",
        "",
        f"Made by `make bench-profile` on {time.strftime('%Y-%m-%d')}:",
        "",
        *(f"- {line}" for line in machine(options.load_before, environments.python("mlflow"))),
        "",
        *floor_table(profiles, floor),
        "![microseconds of a request](benchmarks/profile.svg)",
        "",
        *group_table(profiles),
    ]
    for one in profiles[2:]:
        lines += function_table(one)
    return "\n".join(lines).rstrip() + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seconds", type=int, default=10, help="that each server is sampled")
    options = parser.parse_args()
    need_two_cores()
    options.load_before = os.getloadavg()[0]
    environments.install("mlflow")
    profiles = []
    for target in targets():
        with tempfile.TemporaryDirectory() as folder:
            print(f"bench: sampling {target.label}", flush=True)
            profiles.append(profile(target, folder, options.seconds))
    text = page(profiles, options)
    PAGE.write_text(text)
    print(text)


if __name__ == "__main__":
    sys.exit(main())
