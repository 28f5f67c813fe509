"""Fixtures of all Python tests: the program under test, models to serve, and MLflow's own server.

MLRACE_BUILD names the folder of the build under test: build-gcc by default, else build.
"""

import contextlib
import dataclasses
import functools
import http.client
import importlib
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import textwrap
import time

import hypothesis
import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent
SANITIZER_REPORT = re.compile(r"ERROR: \w+Sanitizer|runtime error:|WARNING: ThreadSanitizer")
# Messages of MLflow list sets.
SAME_HASHES = {"PYTHONHASHSEED": "0"}

if "MLRACE_BUILD" not in os.environ:
    has_tests = (ROOT / "build-gcc/mlrace").exists()
    os.environ["MLRACE_BUILD"] = str(ROOT / ("build-gcc" if has_tests else "build"))
BUILD = (ROOT / os.environ["MLRACE_BUILD"]).resolve()

# Shells have what runs in the background ignore it, and programs would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)

# In CI the same examples in each run: a change is judged by what it changes.
hypothesis.settings.register_profile("default", deadline=None, max_examples=100)
hypothesis.settings.register_profile(
    "ci", parent=hypothesis.settings.get_profile("default"), derandomize=True
)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") == "true" else "default")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Files are dealt out to the processes of `pytest -n`, but those of tests/store go together:
    they share servers that take seconds to start."""
    from xdist.scheduler import LoadFileScheduling

    class Scheduling(LoadFileScheduling):
        def _split_scope(self, nodeid):
            file = super()._split_scope(nodeid)
            return "tests/store" if file.startswith("tests/store/") else file

    return Scheduling(config, log) if config.getvalue("dist") == "loadfile" else None


@dataclasses.dataclass
class Answer:
    status: int
    headers: dict  # names in lower case
    body: bytes

    @property
    def media_type(self):
        return self.headers.get("content-type", "").split(";")[0].strip().lower()

    def json(self):
        return json.loads(self.body)


class Server:
    """A server process on a port of 127.0.0.1."""

    def __init__(self, process, port, log):
        self.process, self.port, self._log = process, port, log

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def log(self):
        return self._log.read_text(encoding="utf-8", errors="replace")

    def connect(self, timeout=30):
        """A keep-alive connection; give it to `request` to use it more than once."""
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)

    def request(self, method, path, body=None, headers=(), connection=None):
        """One request; no header is sent but those given, Host and Content-Length."""
        link = connection or self.connect()
        try:
            link.putrequest(method, path, skip_accept_encoding=True)
            for name, value in dict(headers).items():
                link.putheader(name, value)
            if body is not None:
                body = body.encode() if isinstance(body, str) else body
                link.putheader("Content-Length", str(len(body)))
            link.endheaders(body)
            response = link.getresponse()
            fields = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, fields, response.read())
        finally:
            if not connection:
                link.close()

    def invoke(self, body, content_type="application/json", connection=None):
        headers = {} if content_type is None else {"Content-Type": content_type}
        return self.request("POST", "/invocations", body, headers, connection)

    def peak_rss_bytes(self):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) * 1024


def environment(env=None):
    """The environment of a program under test: its Python models run in this interpreter."""
    return {**os.environ, "MLRACE_PYTHON": sys.executable, **(env or {})}


def start(command, log, env=None):
    return subprocess.Popen(
        list(map(str, command)),
        stdin=subprocess.DEVNULL,
        stdout=log.open("wb"),
        stderr=subprocess.STDOUT,
        env=environment(env),
        cwd=log.parent,  # where agents leave their traces
        start_new_session=True,
    )


def wait_until(condition, process, log, seconds):
    """Waits for a value of condition() that is true; fails when the process ends or time is up."""
    limit = time.monotonic() + seconds
    while not (value := condition()):
        if process.poll() is not None or time.monotonic() > limit:
            why = "ended" if process.poll() is not None else f"is not ready after {seconds} s"
            pytest.fail(f"{process.args[0]} {why}:\n{log.read_text(errors='replace')[-2000:]}")
        time.sleep(0.01)
    return value


@pytest.fixture(scope="session", autouse=True)
def tracking_store(tmp_path_factory):
    """Agents that run here or in a server under test keep their traces away from the sources."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("tracking")
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder}/mlflow.db")
        patch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
        patch.setenv("MLFLOW_ENABLE_ASYNC_TRACE_LOGGING", "false")
        yield


@pytest.fixture(scope="session")
def mlrace():
    """The program under test."""
    program = BUILD / "mlrace"
    if not program.exists():
        pytest.fail(f"{program} is not built: scripts/build gcc, or set MLRACE_BUILD")
    return program


@pytest.fixture(scope="session")
def run(mlrace):
    """run(*arguments): a command of the program, to its end; texts in stdout and stderr."""

    def run_command(*arguments, timeout=60, env=None, **options):
        result = subprocess.run(
            [str(mlrace), *map(str, arguments)],
            capture_output=True,
            text=True,
            timeout=timeout,
            env=environment(env),
            **options,
        )
        assert not SANITIZER_REPORT.search(result.stderr), result.stderr
        return result

    return run_command


@pytest.fixture(scope="session")
def serve(mlrace, tmp_path_factory):
    """with serve(model, *flags) as server: the program, answering on a port of its own.

    The model is loaded, unless is_loading says not to wait for that. At the end the program must
    stop at SIGTERM with exit code 0 and without a sanitizer's report.
    """

    @contextlib.contextmanager
    def serve_model(model, *flags, env=None, is_loading=False):
        log = tmp_path_factory.mktemp("mlrace") / "log"
        process = start([mlrace, "serve", "-m", model, "-p", "0", *flags], log, env)
        try:
            listening = wait_until(
                lambda: re.search(r"listening on http://\S+:(\d+)", log.read_text()),
                process,
                log,
                30,
            )
            server = Server(process, int(listening[1]), log)
            if not is_loading:
                wait_until(functools.partial(_answers, server), process, log, 120)
            yield server
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
            code = process.wait(timeout=30)
            assert not SANITIZER_REPORT.search(server.log()), server.log()[-8000:]
            assert code == 0, f"exit code {code}:\n{server.log()[-4000:]}"
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()

    return serve_model


@pytest.fixture(scope="session")
def mlflow_template(tmp_path_factory):
    """The socket of a process that has imported MLflow: tests/mlflow_serve.py."""
    folder = tmp_path_factory.mktemp("mlflow_template")
    log, path = folder / "log", folder / "socket"
    command = [sys.executable, ROOT / "tests/mlflow_serve.py", "template", path]
    process = start(command, log, SAME_HASHES)
    wait_until(path.exists, process, log, 120)
    yield path
    process.kill()
    process.wait()


@pytest.fixture(scope="session")
def serve_mlflow(tmp_path_factory, mlflow_template):
    """with serve_mlflow(model) as server: MLflow's own server, the reference.

    It is a fork that spares the imports, or, with is_command, a real `mlflow models serve`.
    """

    @contextlib.contextmanager
    def serve_model(model, is_command=False):
        folder = tmp_path_factory.mktemp("mlflow")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        # `mlflow` is the one of this interpreter, and its server is started by the same name.
        scripts = os.path.dirname(sys.executable)
        env = {**SAME_HASHES, "PATH": os.pathsep.join([scripts, os.environ["PATH"]])}
        if is_command:
            command = [shutil.which("mlflow", path=env["PATH"]), "models", "serve"]
            command += ["-h", "127.0.0.1", "--env-manager", "local"]
        else:
            command = [sys.executable, ROOT / "tests/mlflow_serve.py", "serve", mlflow_template]
        log = folder / "log"
        process = start([*command, "-m", model, "-p", port], log, env)
        try:
            server = Server(process, port, log)
            wait_until(functools.partial(_answers, server), process, log, 120)
            yield server
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    return serve_model


def _answers(server):
    with contextlib.suppress(OSError):
        if server.request("GET", "/ping").status == 200:
            return True
    time.sleep(0.1)
    return False


@pytest.fixture(scope="session")
def iris_model():
    """The example's model: iris, four named doubles in, a class number out."""
    return ROOT / "examples/iris/model"


@pytest.fixture(scope="session")
def iris_server(serve, iris_model):
    """The program with the example's model: for tests that leave it as it is."""
    with serve(iris_model) as server:
        yield server


@pytest.fixture(scope="session")
def save_model(tmp_path_factory):
    """save_model(estimator, signature=None, flavor="sklearn", **options): the folder MLflow saved it
    to."""

    def save(estimator, signature=None, flavor="sklearn", **options):
        library = importlib.import_module(f"mlflow.{flavor}")
        folder = tmp_path_factory.mktemp("model") / "model"
        options.setdefault("pip_requirements", ["mlflow", "scikit-learn"])
        library.save_model(estimator, folder, signature=signature, **options)
        return folder

    return save


@pytest.fixture(scope="session")
def save_python_model(tmp_path_factory):
    """save_python_model(code, **options): the folder MLflow saved a model from code to.

    The code defines a class Model; mlflow and its PythonModel are imported.
    """

    def save(code, **options):
        import mlflow.pyfunc

        folder = tmp_path_factory.mktemp("python_model")
        lines = ["import mlflow", "from mlflow.pyfunc import PythonModel", textwrap.dedent(code)]
        script = folder / "model.py"
        script.write_text("\n".join([*lines, "mlflow.models.set_model(Model())"]))
        options.setdefault("pip_requirements", ["mlflow"])
        mlflow.pyfunc.save_model(folder / "model", python_model=str(script), **options)
        return folder / "model"

    return save


@pytest.fixture(scope="session")
def is_sanitized():
    """Whether the program was built with sanitizers, whose own memory no limit counts."""
    cache = (BUILD / "CMakeCache.txt").read_text()
    return re.search(r"^MR_SANITIZE:\w+=.+", cache, re.MULTILINE) is not None
