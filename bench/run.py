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
import os
import pathlib
import statistics
import sys
import tempfile
import time

from measure import (
    ROOT,
    free_port,
    load,
    machine,
    median,
    mlflow_command,
    mlrace_command,
    output,
    ratio,
    rss_mb,
    running,
)

MODEL, BODY = ROOT / "examples/iris/model", ROOT / "bench/one_row.json"
ANSWER = b'{"predictions": [0]}'
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


def nginx_command(port, folder):
    config = pathlib.Path(folder) / "nginx.conf"
    config.write_text(NGINX_CONF.format(folder=folder, port=port, answer=ANSWER.decode()))
    return [output(ROOT / "scripts/nginx"), "-p", folder, "-c", config, "-e", f"{folder}/error"]


def measure_starts(folder, repeats):
    """Milliseconds from exec to the answer to one row, for each start."""
    times = []
    for _ in range(repeats):
        port = free_port()
        with running(mlrace_command(MODEL, port), port, folder, BODY) as (_, seconds, answer):
            check(answer)
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
                "mlrace": lambda: mlrace_command(MODEL, port),
                "mlflow": lambda: mlflow_command(MODEL, port),
            }[name]()
            server = running(command, port, folder, BODY)
            process, seconds, answer = stack.enter_context(server)
            check(answer)
            servers[name], start_ms[name] = (process, port), seconds * 1000
        for connections in options.connections:
            for round_ in range(options.rounds + 1):
                for name, (_, port) in servers.items():
                    result = load(port, connections, options.seconds, BODY)
                    if round_:  # the first round only warms up
                        results.setdefault((name, connections), []).append(result)
        for name, (process, _) in servers.items():
            memory[name] = rss_mb(process)
    return results, memory, start_ms


def check(answer):
    if answer != ANSWER:
        sys.exit(f"bench: expected {ANSWER!r}, received {answer!r}")


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
        "- " + output(output(ROOT / "scripts/nginx"), "-v").split(": ")[1],
        "",
        "| connections | server | requests/s | p50 | p99 | mlrace is |",
        "|---:|---|---:|---:|---:|---:|",
    ]
    for connections in options.connections:
        for name, label in names.items():
            runs = results[name, connections]
            times = ratio(results["mlrace", connections], runs)
            factor = "" if name == "mlrace" else f"{times:.2f} x"
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
    times_nginx = ratio(results["mlrace", most], results["nginx", most])
    checks = [
        (times_nginx, ">=", MIN_RATIO_TO_NGINX, f"x nginx, {most} connections"),
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
