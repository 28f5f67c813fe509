"""Real MLflow backends, started by the tests: a database, a folder of files, tracking servers with
and without passwords, TLS and S3, each filled by MLflow itself."""

import contextlib
import dataclasses
import json
import os
import pathlib
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
import urllib.request

import certificates

HERE = pathlib.Path(__file__).resolve().parent
USER, PASSWORD = "admin", "a pass:word/@%41"
S3_KEY, S3_SECRET, BUCKET = "AKIATESTS", "s3cret/+key", "mlflow-tests"

# No backend of another test, no account of whoever runs these.
CLEAN = {
    "MLFLOW_TRACKING_URI": None,
    "MLFLOW_REGISTRY_URI": None,
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ALLOW_FILE_STORE": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "AWS_EC2_METADATA_DISABLED": "true",
    "PYTHONWARNINGS": "ignore",
}

# MLflow's default but for the cache: a password costs a third of a second of work to check.
AUTH_CONFIG = f"""[mlflow]
default_permission = READ
database_uri = sqlite:///basic_auth.db
admin_username = {USER}
authorization_function = mlflow.server.auth:authenticate_request_basic_auth
auth_cache_ttl_seconds = 3600
"""


class MlflowSide:
    """The process of mlflow_side.py: MLflow imported once, a fork of it for each call."""

    def __init__(self, log):
        self._process = subprocess.Popen(
            [sys.executable, HERE / "mlflow_side.py"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log.open("wb"),
            text=True,
        )
        self.rows = json.loads(self._process.stdout.readline())["rows"]

    def call(self, function, *arguments, env=(), folder):
        request = {
            "function": function,
            "arguments": arguments,
            "env": {**CLEAN, **dict(env)},
            "folder": str(folder),
        }
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        assert "error" not in answer, answer["error"]
        return answer["value"]

    def close(self):
        self._process.stdin.close()
        self._process.wait(timeout=30)


@dataclasses.dataclass
class Backend:
    name: str
    folder: pathlib.Path  # the current one of whoever asks
    env: dict  # what MLflow's client and the program need to reach it
    facts: dict = dataclasses.field(default_factory=dict)  # for the templates of forms.py
    process: subprocess.Popen = None  # of its server

    def uri(self, template):
        return template.format(**self.facts)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def stop(process):
    """Ends a server with all its processes."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(timeout=10)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


class Backends:
    """Starts backends, each when it is first asked for, and ends them all."""

    def __init__(self, folder):
        self._folder = folder
        self._found = {}
        self._cleanup = contextlib.ExitStack()
        self.side = MlflowSide(folder / "mlflow_side.log")
        self._cleanup.callback(self.side.close)

    def close(self):
        self._cleanup.close()

    def __getitem__(self, name):
        if name not in self._found:
            self._found[name] = getattr(self, f"_make_{name}")()
        return self._found[name]

    def expect(self, backend, uris, has_predictions=True):
        """{uri: {"files", "predictions"} or {"error"}}: what MLflow makes of them."""
        arguments = [uris, has_predictions]
        return self.side.call("expect", *arguments, env=backend.env, folder=backend.folder)

    def start(self, name, command, url, env=()):
        """A server in a folder of its own, once it answers; the process and its log."""
        folder = self._folder / name
        folder.mkdir(exist_ok=True)
        values = {**os.environ, **CLEAN, **dict(env)}
        log = folder / "server.log"
        process = subprocess.Popen(
            list(map(str, command)),
            cwd=folder,
            env={key: value for key, value in values.items() if value is not None},
            stdin=subprocess.DEVNULL,
            stdout=log.open("wb"),
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self._cleanup.callback(stop, process)
        limit = time.monotonic() + 120
        while True:
            with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=10):
                return process
            why = f"{command[0]} does not answer:\n{log.read_text(errors='replace')[-3000:]}"
            assert process.poll() is None and time.monotonic() < limit, why
            time.sleep(0.05)

    def mlflow_server(self, name, *flags, env=()):
        """`mlflow server` on a database of its own; the process and its URL."""
        folder = self._folder / name
        folder.mkdir()
        shutil.copy(self.database, folder / "mlflow.db")
        port = free_port()
        command = [sys.executable, "-m", "mlflow", "server", "-h", "127.0.0.1", "-p", port]
        command += ["-w", 1, "--backend-store-uri", "sqlite:///mlflow.db", *flags]
        url = f"http://127.0.0.1:{port}"
        env = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", **dict(env)}
        return self.start(name, command, f"{url}/health", env), url

    @property
    def database(self):
        """An empty database."""
        path = self._folder / "empty.db"
        if not path.exists():
            self.side.call("make_database", str(path), folder=self._folder)
        return path

    def _make_sqlite(self):
        """What a user has who sets nothing: mlflow.db and mlruns/ in the current folder."""
        folder = self._folder / "sqlite"
        folder.mkdir()
        shutil.copy(self.database, folder / "mlflow.db")
        return self._filled(Backend("sqlite", folder, {}))

    def _make_files(self):
        """What a user has who began with an MLflow before 3.7: mlruns/ alone."""
        folder = self._folder / "files"
        folder.mkdir()
        env = {"MLFLOW_TRACKING_URI": str(folder / "mlruns")}
        backend = self._filled(Backend("files", folder, env))
        backend.env = {}
        return backend

    def _make_server(self):
        process, url = self.mlflow_server("server", "--artifacts-destination", "./stored")
        backend = Backend("server", self._client_folder("server"), {"MLFLOW_TRACKING_URI": url})
        backend.process = process
        return self._filled(backend)

    def _make_tls(self):
        """The same server behind TLS, with a certificate that only the tests trust."""
        server = self["server"]
        folder = self._client_folder("tls")
        authority = certificates.make(folder)
        port = int(server.facts["url"].rpartition(":")[2])
        proxy = TlsProxy(port, folder / "server.pem")
        self._cleanup.callback(proxy.close)
        url = f"https://localhost:{proxy.port}"
        env = {"MLFLOW_TRACKING_URI": url, "MLFLOW_TRACKING_SERVER_CERT_PATH": str(authority)}
        facts = {**server.facts, "url": url, "host": f"localhost:{proxy.port}"}
        return Backend("tls", folder, env, facts)

    def _make_auth(self):
        """A server with passwords that keeps its artifacts in S3."""
        s3 = self["moto"]
        config = self._folder / "basic_auth.ini"
        config.write_text(AUTH_CONFIG)
        env = {
            **s3.env,
            "MLFLOW_FLASK_SERVER_SECRET_KEY": "tests",
            "MLFLOW_AUTH_ADMIN_PASSWORD": PASSWORD,
            "MLFLOW_AUTH_CONFIG_PATH": str(config),
        }
        destination = f"s3://{BUCKET}/behind a server"
        flags = ["--app-name", "basic-auth", "--artifacts-destination", destination]
        process, url = self.mlflow_server("auth", *flags, env=env)
        client = {
            "MLFLOW_TRACKING_URI": url,
            "MLFLOW_TRACKING_USERNAME": USER,
            "MLFLOW_TRACKING_PASSWORD": PASSWORD,
        }
        backend = Backend("auth", self._client_folder("auth"), client)
        backend.process = process
        return self._filled(backend)

    def _make_moto(self):
        """S3 itself: what holds the bucket."""
        port = free_port()
        url = f"http://127.0.0.1:{port}"
        command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", port]
        process = self.start("moto", command, url)
        env = {
            "MLFLOW_S3_ENDPOINT_URL": url,
            "AWS_ACCESS_KEY_ID": S3_KEY,
            "AWS_SECRET_ACCESS_KEY": S3_SECRET,
            "AWS_DEFAULT_REGION": "us-east-1",
        }
        self.side.call("make_bucket", url, BUCKET, env=env, folder=self._folder)
        return Backend("moto", self._folder, env, {"url": url}, process)

    def _make_s3(self):
        """A database whose artifacts are in S3, which the client asks itself."""
        folder = self._folder / "s3"
        folder.mkdir()
        shutil.copy(self.database, folder / "mlflow.db")
        env = {**self["moto"].env, "MLFLOW_TRACKING_URI": f"sqlite:///{folder}/mlflow.db"}
        return self._filled(Backend("s3", folder, env), f"s3://{BUCKET}/di re\u00e7t/root")

    def _make_odd(self):
        """A database with what mlflow_side.fill_odd makes, in a folder with an odd name."""
        return self._odd("odd", "sqlite:///mlflow.db")

    def _make_odd_files(self):
        return self._odd("odd_files", "mlruns")

    def _odd(self, name, tracking_uri):
        folder = self._folder / name / "it's \u00fc+ & so"
        folder.mkdir(parents=True)
        shutil.copy(self.database, folder / "mlflow.db")
        backend = Backend(name, folder, {"MLFLOW_TRACKING_URI": tracking_uri})
        backend.facts = self.side.call("fill_odd", env=backend.env, folder=folder)
        return backend

    def _client_folder(self, name):
        folder = self._folder / f"{name}-client"
        folder.mkdir()
        return folder

    def _filled(self, backend, artifact_location=None):
        backend.facts = self.side.call(
            "fill", artifact_location, env=backend.env, folder=backend.folder
        )
        url = backend.env.get("MLFLOW_TRACKING_URI", "")
        backend.facts |= {"url": url, "host": url.rpartition("/")[2]}
        return backend


class TlsProxy:
    """Speaks TLS on a port of its own and hands the bytes on to another."""

    def __init__(self, target_port, certificate):
        self._target = target_port
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate)
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        self._socket.close()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._socket.accept()
                threading.Thread(target=self._connect, args=(client,), daemon=True).start()

    def _connect(self, client):
        with contextlib.suppress(OSError), client:
            with self._context.wrap_socket(client, server_side=True) as secure:
                with socket.create_connection(("127.0.0.1", self._target)) as server:
                    for side in (secure, server):
                        side.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    back = threading.Thread(target=_copy, args=(server, secure), daemon=True)
                    back.start()
                    _copy(secure, server)
                    back.join()


def _copy(source, target):
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)
