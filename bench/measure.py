"""What the benchmarks share: servers on some cores, wrk on the others, a process tree's figures."""

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
# The lower half of the cores is every server's, the rest is the load's.
_CORES = sorted(os.sched_getaffinity(0))
N_SERVER_CORES = max(1, len(_CORES) // 2)
SERVER_CORE = ",".join(map(str, _CORES[:N_SERVER_CORES]))
LOAD_CORE = ",".join(map(str, _CORES[N_SERVER_CORES:]))
TICK_SECONDS = 1 / os.sysconf("SC_CLK_TCK")


class Failed(SystemExit):
    """Ends a script that does not catch it, with its message."""


def need_two_cores():
    if not LOAD_CORE:
        raise Failed("bench: needs two cores, one for the servers and one for the load")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def output(*command):
    result = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=True)
    return (result.stdout or result.stderr).strip()


def mlrace_command(model, port, *flags):
    mlrace = ROOT / "build/mlrace"
    return [mlrace, "serve", "-m", model, "-p", port, "-w", N_SERVER_CORES, *flags]


def environment(folder, python=sys.executable, python_path=None):
    """What a server or a command runs with: the programs beside `python` first, no telemetry, and
    no word of this shell's about the kernels of BLAS."""
    more = {"PYTHONPATH": str(python_path)} if python_path else {}
    variables = {key: value for key, value in os.environ.items() if "OPENBLAS_" not in key}
    return {
        **variables,
        "PATH": f"{pathlib.Path(python).parent}:{os.environ['PATH']}",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_TRACKING_URI": f"sqlite:///{folder}/mlflow.db",
        **more,
    }


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
    python=sys.executable,
    python_path=None,
):
    """The server, pinned to its cores, from its first answer to `body` (a file) on.

    Yields the process, the seconds that took, and the answer. Its log is in `folder`.
    """
    with open(pathlib.Path(folder) / f"log-{port}", "wb") as log:
        started = time.perf_counter()
        process = subprocess.Popen(
            ["taskset", "-c", core, *map(str, command)],
            cwd=work_folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=environment(folder, python, python_path),
            start_new_session=True,
        )
    try:
        while (answer := ask(port, body, path)) is None:
            if process.poll() is not None or time.perf_counter() - started > seconds:
                end = pathlib.Path(log.name).read_text(errors="replace")[-2000:]
                raise Failed(f"bench: {command[0]} does not answer: {end}")
            time.sleep(0.0005)
        yield process, time.perf_counter() - started, answer
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
            os.killpg(process.pid, signal.SIGCONT)  # where it was stopped
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            pass
        with contextlib.suppress(ProcessLookupError):  # and what it left behind
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def content_type(body):
    return "text/csv" if pathlib.Path(body).suffix == ".csv" else "application/json"


def ask(port, body, path="/invocations"):
    """The answer to one request, a file; None while the server is not listening or not ready."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        headers = {"Content-Type": content_type(body)}
        connection.request("POST", path, pathlib.Path(body).read_bytes(), headers)
        response = connection.getresponse()
        answer = response.read()
    except (ConnectionRefusedError, ConnectionResetError):
        return None
    except OSError as error:
        raise Failed(f"bench: port {port}: {error}") from error
    finally:
        connection.close()
    if response.status == 503 or b"is not ready yet" in answer:  # MLServer: 400
        return None
    if response.status != 200:
        raise Failed(f"bench: port {port} answers {response.status} {answer[:500]!r}")
    return answer


def load(port, connections, seconds, *bodies, path="/invocations", core=LOAD_CORE):
    """One run of wrk, which posts the files `bodies` in turns: how many requests in how many
    seconds, requests a second, p50 and p99 in microseconds."""
    threads = min(len(LOAD_CORE.split(",")), connections)
    text = output(
        "taskset", "-c", core, "wrk", f"-t{threads}", f"-c{connections}", f"-d{seconds}s",
        "--timeout", "60s", "-s", ROOT / "bench/post.lua", f"http://127.0.0.1:{port}{path}",
        "--", *bodies,
    )  # fmt: skip
    result = json.loads(text.splitlines()[-1])
    if result["errors"] or not result["requests"]:
        raise Failed(f"bench: port {port}: {text}")
    return {
        "requests": result["requests"],
        "seconds": result["microseconds"] / 1e6,
        "rate": result["requests"] / result["microseconds"] * 1e6,
        "p50": result["p50_us"],
        "p99": result["p99_us"],
    }


def open_loop(
    port, body, rate, seconds, max_connections, core=LOAD_CORE, program=ROOT / "build/bench_overload"
):
    """One run of bench/overload/load.c, which posts a file at a rate: what it prints, as a dict."""
    command = ["taskset", "-c", core, program, port, body, round(rate, 1), seconds, max_connections]
    return json.loads(output(*command))


def process_tree(root):
    """The ids of a process and of all that it started, by generation."""
    found = [root]
    for pid in found:
        with contextlib.suppress(OSError):
            for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
                found += map(int, (task / "children").read_text().split())
    return found


def rss_mb(process):
    """Resident memory of a process and all that it started; shared pages count for each."""
    pages = 0
    for pid in process_tree(process.pid):
        with contextlib.suppress(OSError):
            pages += int(pathlib.Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def cpu_seconds(process):
    """Processor time of a process and all that it started: (in user mode, in the kernel)."""
    user = system = 0
    for pid in process_tree(process.pid):
        with contextlib.suppress(OSError):
            fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
            # utime and stime, and those of children that have ended
            user += int(fields[11]) + int(fields[13])
            system += int(fields[12]) + int(fields[14])
    return user * TICK_SECONDS, system * TICK_SECONDS


def load_with_cpu(process, *arguments, **options):
    """`load`, and the processor time of the server for each request, in microseconds."""
    before = cpu_seconds(process)
    result = load(*arguments, **options)
    after = cpu_seconds(process)
    for name, start, end in zip(("user_us", "system_us"), before, after):
        result[name] = (end - start) / result["requests"] * 1e6
    return result


def median(results, key):
    return statistics.median(result[key] for result in results)


def ratio(ours, theirs, key="rate"):
    """Median of the ratios within each round."""
    return statistics.median(a[key] / b[key] for a, b in zip(ours, theirs))


def machine(load_before, python=sys.executable):
    """Lines that say where the figures come from."""
    cpu = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    system = platform.freedesktop_os_release().get("PRETTY_NAME", platform.system())
    compiler = re.search(r"CMAKE_C_COMPILER:\w+=(.*)", (ROOT / "build/CMakeCache.txt").read_text())
    versions = [
        output(ROOT / "build/mlrace", "--version").split("(")[0].strip(),
        output(compiler[1], "--version").splitlines()[0],
        output(python, "-c", "import mlflow; print('MLflow', mlflow.__version__)"),
        output(python, "--version"),
    ]
    return [
        f"{cpu[1] if cpu else platform.machine()}, {os.cpu_count()} cores, {system}, "
        f"Linux {platform.release()}; load average before the run {load_before:.1f}",
        "; ".join(versions),
    ]
