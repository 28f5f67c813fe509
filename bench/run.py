#!/usr/bin/env python3
"""How fast is one row? mlrace beside nginx and `mlflow models serve`: make bench

One row of iris as dataframe_split over keep-alive connections. Servers run on core 0, with one
thread or process, wrk on core 1. nginx answers a constant: what the machine's network stack allows
a good server that does nothing. The servers take turns, several rounds; figures are medians over
the rounds, ratios are medians of the ratios within a round. The table is printed and written, with
machine and versions, to docs/benchmarks.md.
"""

import argparse
import contextlib
import http.client
import json
import os
import pathlib
import platform
import re
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
MODEL = ROOT / "examples/iris/model"
ANSWER = b'{"predictions": [0]}'
SERVER_CORE, LOAD_CORE = "0", "1"
# What issue and documentation promise.
MIN_RATIO_TO_NGINX, MAX_START_MS, MAX_RSS_MB = 0.8, 30, 20

NGINX_CONF = """
daemon off; master_process off; worker_processes 1; pid {folder}/pid; error_log {folder}/error;
events {{ worker_connections 1024; }}
http {{
    access_log off; keepalive_requests 1000000000; default_type application/json;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{ listen 127.0.0.1:{port}; location / {{ return 200 '{answer}'; }} }}
}}
"""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def mlrace_command(port):
    return [ROOT / "build/mlrace", "serve", "-m", MODEL, "-p", port, "-w", 1]


def mlflow_command(port):
    mlflow = pathlib.Path(sys.executable).parent / "mlflow"
    return [mlflow, "models", "serve", "-m", MODEL, "-p", port, "--env-manager", "local"]


def nginx_command(port, folder):
    config = pathlib.Path(folder) / "nginx.conf"
    config.write_text(NGINX_CONF.format(folder=folder, port=port, answer=ANSWER.decode()))
    return [output(ROOT / "scripts/nginx"), "-p", folder, "-c", config, "-e", f"{folder}/error"]


def output(*command):
    result = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=True)
    return (result.stdout or result.stderr).strip()


@contextlib.contextmanager
def running(command, port, folder, seconds=120):
    """The server, pinned to its core, from its first answer on; yields process and seconds."""
    with open(pathlib.Path(folder) / f"log-{port}", "wb") as log:
        environment = {
            **os.environ,
            "PATH": f"{pathlib.Path(sys.executable).parent}:{os.environ['PATH']}",
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "MLFLOW_TRACKING_URI": f"sqlite:///{folder}/mlflow.db",
        }
        started = time.perf_counter()
        process = subprocess.Popen(
            ["taskset", "-c", SERVER_CORE, *map(str, command)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=environment,
            start_new_session=True,
        )
    try:
        while not answers(port):
            if process.poll() is not None or time.perf_counter() - started > seconds:
                sys.exit(f"bench: {command[0]} does not answer: {pathlib.Path(log.name).read_text()}")
            time.sleep(0.0005)
        yield process, time.perf_counter() - started
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        process.wait(timeout=30)


def answers(port):
    """Whether the one row gets its answer; anything else than silence is an error."""
    script = (ROOT / "bench/one_row.lua").read_text()
    body = "".join(re.findall(r"'([^']*)'", script.split("wrk.body")[1].split("function")[0]))
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("POST", "/invocations", body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        answer = response.read()
    except ConnectionRefusedError:
        return False
    finally:
        connection.close()
    if (response.status, answer) != (200, ANSWER):
        sys.exit(f"bench: port {port} answers {response.status} {answer!r}")
    return True


def load(port, connections, seconds):
    """One run of wrk: requests a second, p50 and p99 in microseconds."""
    text = output(
        "taskset", "-c", LOAD_CORE, "wrk", "-t1", f"-c{connections}", f"-d{seconds}s",
        "-s", ROOT / "bench/one_row.lua", f"http://127.0.0.1:{port}/invocations",
    )  # fmt: skip
    result = json.loads(text.splitlines()[-1])
    if result["errors"] or not result["requests"]:
        sys.exit(f"bench: port {port}: {text}")
    return {
        "rate": result["requests"] / result["microseconds"] * 1e6,
        "p50": result["p50_us"],
        "p99": result["p99_us"],
    }


def rss_mb(process):
    """Resident memory of a process and all that it started."""
    pages, wanted = 0, {process.pid}
    for folder in sorted(pathlib.Path("/proc").glob("[0-9]*"), key=lambda path: int(path.name)):
        with contextlib.suppress(OSError):
            parent = int((folder / "stat").read_text().rsplit(")", 1)[1].split()[1])
            if int(folder.name) in wanted or parent in wanted:
                wanted.add(int(folder.name))
                pages += int((folder / "statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def measure_starts(folder, repeats):
    """Milliseconds from exec to the answer to one row, for each start."""
    times = []
    for _ in range(repeats):
        port = free_port()
        with running(mlrace_command(port), port, folder) as (_, seconds):
            times.append(seconds * 1000)
    return times


def measure(options, folder):
    """Starts all servers and lets them take turns; returns results by server and connections."""
    results, memory, start_ms = {}, {}, {}
    with contextlib.ExitStack() as stack:
        servers = {}
        for name in ("nginx", "mlrace", "mlflow"):
            port = free_port()
            command = {
                "nginx": lambda: nginx_command(port, folder),
                "mlrace": lambda: mlrace_command(port),
                "mlflow": lambda: mlflow_command(port),
            }[name]()
            process, seconds = stack.enter_context(running(command, port, folder))
            servers[name], start_ms[name] = (process, port), seconds * 1000
        for connections in options.connections:
            for round_ in range(options.rounds + 1):
                for name, (_, port) in servers.items():
                    result = load(port, connections, options.seconds)
                    if round_:  # the first round only warms up
                        results.setdefault((name, connections), []).append(result)
        for name, (process, _) in servers.items():
            memory[name] = rss_mb(process)
    return results, memory, start_ms


def median(results, key):
    return statistics.median(result[key] for result in results)


def ratio(results, connections, other):
    pairs = zip(results["mlrace", connections], results[other, connections])
    return statistics.median(ours["rate"] / theirs["rate"] for ours, theirs in pairs)


def machine(load_before):
    cpu = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    system = platform.freedesktop_os_release().get("PRETTY_NAME", platform.system())
    compiler = re.search(
        r"CMAKE_C_COMPILER:\w+=(.*)", (ROOT / "build/CMakeCache.txt").read_text()
    )
    nginx = output(output(ROOT / "scripts/nginx"), "-v")
    versions = [
        output(ROOT / "build/mlrace", "--version").split("(")[0].strip(),
        output(compiler[1], "--version").splitlines()[0],
        nginx.split(": ")[1],
        output(sys.executable, "-c", "import mlflow; print('MLflow', mlflow.__version__)"),
        f"Python {platform.python_version()}",
    ]
    return [
        f"{cpu[1] if cpu else platform.machine()}, {os.cpu_count()} cores, {system}, "
        f"Linux {platform.release()}; load average before the run {load_before:.1f}",
        "; ".join(versions),
    ]


def report(options, results, memory, start_ms, starts):
    names = {"mlrace": "mlrace", "nginx": "nginx, a constant", "mlflow": "mlflow models serve"}
    lines = [
        "# Benchmarks",
        "",
        "One row of iris as `dataframe_split` (four named doubles, a logistic regression of three",
        "classes), keep-alive; each server with one thread or process on core 0, wrk on core 1.",
        f"Medians of {options.rounds} rounds of {options.seconds} s in which the servers take turns; a ratio is the median of",
        "the ratios within a round. nginx returns a constant without looking at the request.",
        "",
        "Made by `make bench` on " + time.strftime("%Y-%m-%d") + ":",
        "",
        *(f"- {line}" for line in machine(options.load_before)),
        "",
        "| connections | server | requests/s | p50 | p99 | mlrace is |",
        "|---:|---|---:|---:|---:|---:|",
    ]
    for connections in options.connections:
        for name, label in names.items():
            runs = results[name, connections]
            factor = "" if name == "mlrace" else f"{ratio(results, connections, name):.2f} x"
            lines.append(
                f"| {connections} | {label} | {median(runs, 'rate'):,.0f} "
                f"| {median(runs, 'p50') / 1000:.3f} ms | {median(runs, 'p99') / 1000:.3f} ms | {factor} |"
            )
    lines += [
        "",
        "| server | exec to first answer | memory after the run |",
        "|---|---:|---:|",
        f"| mlrace | {statistics.median(starts):.1f} ms | {memory['mlrace']:.1f} MB |",
        f"| nginx, a constant | {start_ms['nginx']:.1f} ms | {memory['nginx']:.1f} MB |",
        f"| mlflow models serve | {start_ms['mlflow']:,.0f} ms | {memory['mlflow']:.0f} MB |",
        "",
    ]
    most = max(options.connections)
    checks = [
        (ratio(results, most, "nginx"), ">=", MIN_RATIO_TO_NGINX, f"x nginx, {most} connections"),
        (statistics.median(starts), "<=", MAX_START_MS, "ms from exec to first answer"),
        (memory["mlrace"], "<=", MAX_RSS_MB, "MB after the run"),
    ]
    lines += ["| target | measured | |", "|---|---:|---|"]
    missed = 0
    for value, sign, bound, what in checks:
        holds = value >= bound if sign == ">=" else value <= bound
        missed += not holds
        lines.append(f"| {sign} {bound} {what} | {value:.2f} | {'holds' if holds else 'MISSED'} |")
    return "\n".join(lines) + "\n", missed


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=int, default=2, help="of each run of wrk")
    parser.add_argument("--connections", type=int, nargs="+", default=[1, 32])
    parser.add_argument("--starts", type=int, default=21, help="starts of mlrace to time")
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "docs/benchmarks.md")
    options = parser.parse_args()
    if (os.cpu_count() or 1) < 2:
        sys.exit("bench: needs two cores, one for the servers and one for the load")
    options.load_before = os.getloadavg()[0]
    if options.load_before > 0.5:
        print(f"bench: this machine is busy (load {options.load_before:.1f}): expect low figures")
    with tempfile.TemporaryDirectory() as folder:
        starts = measure_starts(folder, options.starts)
        results, memory, start_ms = measure(options, folder)
    text, missed = report(options, results, memory, start_ms, starts)
    options.out.write_text(text)
    print(text)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
