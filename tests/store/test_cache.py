"""Models of a registry on a server that can be stopped, slow or dishonest: what is downloaded and
when, and what a user sees of it. tests/artifacts looks at each download itself."""

import concurrent.futures
import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import sqlite3
import subprocess
import time
import urllib.parse

import backends as mlflow_backends
import pytest
import store_server
import yaml

API = "/api/2.0/mlflow/"
ROOT = "1/abc/artifacts/model"
DATA = pathlib.Path(__file__).resolve().parent.parent / "data/store"
COLUMNS = [f"{part} {size} (cm)" for part in ("sepal", "petal") for size in ("length", "width")]


class Registry:
    """Answers for a registry what a tracking server would, as a hook of a Store.

    versions  {(name, version): path of its artifacts}
    created   when versions were registered
    aliases   {(name, alias): version}
    send      function of a request for a file; true when it has answered
    is_away   answer 503 to everything
    """

    def __init__(self, store):
        self.versions, self.aliases = {}, {}
        self.send = lambda request: False
        self.created = 1795928564383
        self.is_away = False
        self._store = store
        store.hook = self

    def __call__(self, request):
        if self.is_away:
            return request.answer(503) or True
        url = urllib.parse.urlsplit(request.path)
        if not url.path.startswith(API):
            is_file = url.path.startswith(store_server.PROXY + "/")
            return is_file and self.send(request)
        query = dict(urllib.parse.parse_qsl(url.query))
        name, version = query.get("name"), query.get("version")
        if url.path.endswith("/alias"):
            version = self.aliases.get((name, query["alias"]))
        path = self.versions.get((name, version))
        if path is None:
            request.answer(404, json.dumps({"error_code": "RESOURCE_DOES_NOT_EXIST"}))
        elif url.path.endswith("/get-download-uri"):
            request.answer(200, json.dumps({"artifact_uri": f"mlflow-artifacts:/{path}"}))
        else:
            found = {"name": name, "version": version, "source": f"mlflow-artifacts:/{path}"}
            found["creation_timestamp"] = self.created
            request.answer(200, json.dumps({"model_version": found}))
        return True

    def files_asked_for(self):
        """But for MLmodel, of which the program asks whether it is the one that is here."""
        paths = self._store.asked(store_server.PROXY + "/")
        return [path for path in paths if not path.endswith("/MLmodel")]


@pytest.fixture
def store():
    store = store_server.Store()
    yield store
    store.close()


@pytest.fixture
def put(store, iris_model):
    """put(path, **files): the model of the example there, and more files."""

    def put_model(path, **more):
        for file in iris_model.iterdir():
            store.files[f"{path}/{file.name}"] = file.read_bytes()
        for name, data in more.items():
            store.files[f"{path}/{name}"] = data

    return put_model


@pytest.fixture
def registry(store, put):
    """Version 1 of iris is its champion; version 2 has a file more."""
    registry = Registry(store)
    put(ROOT)
    put("1/other/model", more=b"more")
    registry.versions = {("iris", "1"): ROOT, ("iris", "2"): "1/other/model"}
    registry.aliases = {("iris", "champion"): "1"}
    return registry


@pytest.fixture
def backend(store, tmp_path):
    env = {
        "MLFLOW_TRACKING_URI": store.url,
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
        "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "0",
        "MLFLOW_HTTP_REQUEST_BACKOFF_JITTER": "0",
        "MLFLOW_HTTP_REQUEST_TIMEOUT": "1",
    }
    return mlflow_backends.Backend("registry", tmp_path, env)


@pytest.fixture
def home(tmp_path):
    return tmp_path / "home"


@pytest.fixture
def explain(program, backend, home):
    """explain(uri): the command, with a cache of its own."""

    def run_command(uri, **options):
        env = {"MLRACE_HOME": str(home)}
        return program(backend, "explain", "-m", uri, env=env, timeout=60, **options)

    return run_command


def test_a_second_start_downloads_nothing(explain, store, registry):
    assert explain("models:/iris/1").returncode == 0
    files = registry.files_asked_for()
    assert len(files) == len(set(files)) > 0
    n_asked = len(store.asked(store_server.PROXY))
    assert explain("models:/iris/1").returncode == 0
    assert len(store.asked(store_server.PROXY)) == n_asked
    # Other names for the same files.
    assert explain("models:/iris@champion").returncode == 0
    assert explain(f"mlflow-artifacts:/{ROOT}").returncode == 0
    assert registry.files_asked_for() == files


@pytest.mark.parametrize(
    "uri", ["models:/iris/1", "models:/iris@champion", f"mlflow-artifacts:/{ROOT}"]
)
def test_what_is_here_starts_without_the_server(explain, store, registry, uri):
    before = explain(uri)
    store.close()
    after = explain(uri)
    assert (after.returncode, after.stdout) == (0, before.stdout), after.stderr
    result = explain("models:/iris/2")
    assert result.returncode == 1
    assert "models:/iris/2" in result.stderr


def test_an_alias_that_is_gone_is_not_served_from_the_cache(explain, registry):
    """A server that answers is believed."""
    assert explain("models:/iris@champion").returncode == 0
    del registry.aliases["iris", "champion"]
    assert explain("models:/iris@champion").returncode == 1


def test_an_alias_is_asked_for_each_time(explain, store, registry):
    assert "version:  1" in explain("models:/iris@champion").stdout
    registry.aliases["iris", "champion"] = "2"
    assert "version:  2" in explain("models:/iris@champion").stdout
    registry.aliases["iris", "champion"] = "1"
    n_asked = len(store.asked(store_server.PROXY))
    assert "version:  1" in explain("models:/iris@champion").stdout
    assert len(store.asked(store_server.PROXY)) == n_asked


def register_in_database(path, uri, created):
    with contextlib.closing(sqlite3.connect(path)) as database, database:
        database.execute(
            "UPDATE model_versions SET storage_location = ?, creation_time = ? WHERE version = 1",
            (uri, created),
        )


def register_in_folder(path, uri, created):
    meta = path / "models/iris/version-1/meta.yaml"
    facts = yaml.safe_load(meta.read_text())
    meta.write_text(yaml.safe_dump({**facts, "storage_location": uri, "creation_timestamp": created}))


@pytest.fixture(params=["server", "database", "folder"])
def register(request, registry, store, backend, tmp_path):
    """register(created): version 1 of iris is at ROOT since then, in each kind of store."""
    if request.param == "server":
        return lambda created: setattr(registry, "created", created)
    write = register_in_database if request.param == "database" else register_in_folder
    name, scheme = ("mlflow.db", "sqlite:///") if request.param == "database" else ("files", "")
    path = tmp_path / name
    copy = shutil.copy if request.param == "database" else shutil.copytree
    copy(DATA / name, path)
    for file in [name for name in store.files if name.startswith(ROOT)]:
        store.files[f"bucket/{file}"] = store.files.pop(file)
    key, secret = store_server.KEYS
    backend.env |= {
        "MLFLOW_TRACKING_URI": f"{scheme}{path}",
        "MLFLOW_S3_ENDPOINT_URL": store.url,
        "AWS_ACCESS_KEY_ID": key,
        "AWS_SECRET_ACCESS_KEY": secret,
        "AWS_DEFAULT_REGION": store.region,
    }
    return lambda created: write(path, f"s3://bucket/{ROOT}", created)


def test_a_version_that_is_registered_again(explain, store, register):
    """Deleted and registered anew it has the same number, and maybe the same place."""

    def mlmodel():
        result = explain("models:/iris/1")
        assert result.returncode == 0, result.stderr
        folder = re.search(r"^model: +(.+)$", result.stdout, re.MULTILINE)[1]
        return (pathlib.Path(folder) / "MLmodel").read_bytes()

    register(1795928564383)
    old = mlmodel()
    (name,) = [name for name in store.files if name.endswith(f"{ROOT}/MLmodel")]
    store.files[name] += b"# saved again\n"
    assert mlmodel() == old
    register(1795928564384)
    assert mlmodel() == store.files[name]
    assert len(store.files[name]) > len(old)


def test_processes_that_start_at_once_download_once(explain, registry):
    registry.send = lambda request: time.sleep(0.1)
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        results = list(pool.map(explain, ["models:/iris/1"] * 6))
    assert [result.stderr for result in results if result.returncode] == []
    assert len({result.stdout for result in results}) == 1
    files = registry.files_asked_for()
    assert len(files) == len(set(files)) > 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("command", [["explain"], ["serve", "-p", "0"]])
def test_a_download_ends_when_the_process_is_to(
    mlrace, program, backend, home, explain, registry, command, number
):
    """At once, and another goes on with what is here."""
    is_stopped = []

    def send(request):
        while request.path.endswith("/model.skops") and not is_stopped:
            time.sleep(0.02)

    registry.send = send
    env = {**os.environ, **program.environment(backend), "MLRACE_HOME": str(home)}
    env["MLFLOW_HTTP_REQUEST_TIMEOUT"] = "30"
    arguments = [mlrace, *command, "-m", "models:/iris/1"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    process = subprocess.Popen(arguments, env=env, cwd=backend.folder, **pipes)
    limit = time.monotonic() + 30
    while not any(path.endswith("/model.skops") for path in registry.files_asked_for()):
        assert process.poll() is None and time.monotonic() < limit
        time.sleep(0.01)
    process.send_signal(number)
    process.communicate(timeout=10)
    assert process.returncode != 0 or command[0] == "serve"
    is_stopped.append(True)
    assert explain("models:/iris/1").returncode == 0


def silent(request):
    request.send_response(200)
    request.send_header("Content-Length", "10")
    request.end_headers()
    request.wfile.flush()
    time.sleep(1.5)


def in_circles(request):
    request.answer(302, b"", {"Location": request.path})


def elsewhere(request):
    request.answer(302, b"", {"Location": "file:///etc/passwd"})


def refused(request):
    request.answer(503)


def no_http(request):
    request.wfile.write(b"\x00\x01\x02" * 1000)
    request.close_connection = True


@pytest.mark.parametrize(
    "send", [silent, in_circles, elsewhere, refused, no_http], ids=lambda send: send.__name__
)
def test_servers_that_do_not_send_the_file(explain, registry, home, send):
    registry.send = lambda request: send(request) or True
    result = explain("models:/iris/1")
    assert result.returncode == 1
    assert "models:/iris/1" in result.stderr
    assert list(home.rglob("entry.json")) == []
    registry.send = lambda request: False
    assert explain("models:/iris/1").returncode == 0


def test_a_server_that_stumbles(explain, registry):
    """The first answer for each file is an error: the next try brings it."""
    seen = set()

    def send(request):
        is_first = request.path not in seen
        seen.add(request.path)
        return is_first and (refused(request) or True)

    registry.send = send
    result = explain("models:/iris/1")
    assert result.returncode == 0, result.stderr
    assert "503" in result.stderr


def test_a_registry_that_is_away_for_a_while(serve, program, backend, home, registry):
    """The model that is there goes on answering; what has changed meanwhile is noticed after."""
    env = {**program.environment(backend), "MLRACE_HOME": str(home)}

    def version(server):
        assert server.request("GET", "/ping").status == 200
        body = json.dumps({"dataframe_split": {"columns": COLUMNS, "data": [[5.1, 3.5, 1.4, 0.2]]}})
        answer = server.invoke(body)
        assert (answer.status, answer.json()) == (200, {"predictions": [0]})
        return answer.headers["x-model-version"]

    with serve("models:/iris@champion", "--watch=100ms", env=env) as server:
        assert version(server) == "1"
        registry.is_away = True
        registry.aliases["iris", "champion"] = "2"
        limit = time.monotonic() + 30
        while "503" not in server.log():
            assert time.monotonic() < limit
            time.sleep(0.05)
        assert version(server) == "1"
        registry.is_away = False
        while version(server) != "2":
            assert time.monotonic() < limit
            time.sleep(0.05)
