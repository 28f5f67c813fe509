"""What the benchmarks share: servers on one core, wrk on another, medians over rounds."""

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
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
SERVER_CORE, LOAD_CORE = "0", "1"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def output(*command):
    result = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=True)
    return (result.stdout or result.stderr).strip()


def mlrace_command(model, port, *flags):
    return [ROOT / "build/mlrace", "serve", "-m", model, "-p", port, "-w", 1, *flags]


def mlflow_command(model, port):
    mlflow = pathlib.Path(sys.executable).parent / "mlflow"
    return [mlflow, "models", "serve", "-m", model, "-p", port, "--env-manager", "local"]


@contextlib.contextmanager
def running(
    command,
    port,
    folder,
    body,
    seconds=120,
    path="/invocations",
    core=SERVER_CORE,
    work_folder=None,
):
    """The server, pinned to its core, from its first answer to `body` (a file) on.

    Yields the process, the seconds that took, and the answer.
    """
    with open(pathlib.Path(folder) / f"log-{port}", "wb") as log:
        environment = {
            **os.environ,
            "PATH": f"{pathlib.Path(sys.executable).parent}:{os.environ['PATH']}",
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "MLFLOW_TRACKING_URI": f"sqlite:///{folder}/mlflow.db",
        }
        started = time.perf_counter()
        process = subprocess.Popen(
            ["taskset", "-c", core, *map(str, command)],
            cwd=work_folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=environment,
            start_new_session=True,
        )
    try:
        while (answer := ask(port, body, path)) is None:
            if process.poll() is not None or time.perf_counter() - started > seconds:
                sys.exit(f"bench: {command[0]} does not answer: {pathlib.Path(log.name).read_text()}")
            time.sleep(0.0005)
        yield process, time.perf_counter() - started, answer
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def ask(port, body, path="/invocations"):
    """The answer to one request; None while the server is not listening or not ready."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        headers = {"Content-Type": "application/json"}
        connection.request("POST", path, pathlib.Path(body).read_bytes(), headers)
        response = connection.getresponse()
        answer = response.read()
    except ConnectionRefusedError:
        return None
    finally:
        connection.close()
    if response.status == 503 or b"is not ready yet" in answer:  # MLServer: 400
        return None
    if response.status != 200:
        sys.exit(f"bench: port {port} answers {response.status} {answer!r}")
    return answer


def load(port, connections, seconds, *bodies, path="/invocations"):
    """One run of wrk, which posts the files `bodies` in turns: requests a second, p50 and p99 in
    microseconds."""
    text = output(
        "taskset", "-c", LOAD_CORE, "wrk", "-t1", f"-c{connections}", f"-d{seconds}s",
        "-s", ROOT / "bench/post.lua", f"http://127.0.0.1:{port}{path}", "--", *bodies,
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


def median(results, key):
    return statistics.median(result[key] for result in results)


def ratio(ours, theirs, key="rate"):
    """Median of the ratios within each round."""
    return statistics.median(a[key] / b[key] for a, b in zip(ours, theirs))


def machine(load_before):
    """Lines that say where the figures come from."""
    cpu = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    system = platform.freedesktop_os_release().get("PRETTY_NAME", platform.system())
    compiler = re.search(
        r"CMAKE_C_COMPILER:\w+=(.*)", (ROOT / "build/CMakeCache.txt").read_text()
    )
    versions = [
        output(ROOT / "build/mlrace", "--version").split("(")[0].strip(),
        output(compiler[1], "--version").splitlines()[0],
        output(sys.executable, "-c", "import mlflow; print('MLflow', mlflow.__version__)"),
        f"Python {platform.python_version()}",
    ]
    return [
        f"{cpu[1] if cpu else platform.machine()}, {os.cpu_count()} cores, {system}, "
        f"Linux {platform.release()}; load average before the run {load_before:.1f}",
        "; ".join(versions),
    ]
