"""Stores in states that MLflow does not make on demand: written to meanwhile, old, damaged; servers
of MLflow 2. The stores of tests/data/store, copied and changed; tests/store has the real ones."""

import contextlib
import http.server
import json
import os
import pathlib
import shutil
import signal
import sqlite3
import subprocess
import threading
import time
import urllib.parse

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
STORE = ROOT / "tests/data/store"
IRIS = ROOT / "examples/iris/model"


@pytest.fixture
def database(tmp_path):
    """A copy of the sqlite store, whose versions 1 and 2 of iris are models that can be served."""
    path = tmp_path / "mlflow.db"
    shutil.copy(STORE / "mlflow.db", path)
    with contextlib.closing(sqlite3.connect(path)) as link:
        link.execute("UPDATE model_versions SET storage_location = ? WHERE version < 3", (str(IRIS),))
        link.commit()
    return path


@pytest.fixture
def explain(run):
    def explain_uri(uri, store):
        env = {"MLFLOW_TRACKING_URI": f"sqlite:///{store}" if os.path.isabs(store) else store}
        return run("explain", "-m", uri, env=env)

    return explain_uri


def change(database, *statements):
    with contextlib.closing(sqlite3.connect(database)) as link:
        for statement in statements:
            link.execute(statement)
        link.commit()


def test_a_change_that_is_only_in_the_write_ahead_log(explain, database):
    """MLflow with WAL, open and not yet checkpointed: its newest alias is what counts."""
    with contextlib.closing(sqlite3.connect(database)) as link:
        link.execute("PRAGMA journal_mode = WAL")
        link.execute("UPDATE registered_model_aliases SET version = 1 WHERE alias = 'champion'")
        link.commit()
        before = database.read_bytes(), pathlib.Path(f"{database}-wal").read_bytes()
        result = explain("models:/iris@champion", database)
        assert "version:  1 of iris, alias champion\n" in result.stdout, result.stderr
        assert before == (database.read_bytes(), pathlib.Path(f"{database}-wal").read_bytes())


def test_a_writer_is_waited_for(explain, database):
    with contextlib.closing(sqlite3.connect(database, check_same_thread=False)) as link:
        link.execute("BEGIN EXCLUSIVE")
        link.execute("UPDATE registered_model_aliases SET version = 1")
        timer = threading.Timer(0.5, link.commit)
        timer.start()
        result = explain("models:/iris@champion", database)
        timer.join()
    assert "version:  1 of iris, alias champion\n" in result.stdout, result.stderr


def test_write_ahead_log_that_cannot_be_opened(explain, database):
    """As on a read-only mount: what WAL wants beside the file cannot be made."""
    change(database, "PRAGMA journal_mode = WAL")
    pathlib.Path(f"{database}-shm").mkdir()
    result = explain("models:/iris/1", database)
    assert "version:  1 of iris\n" in result.stdout, result.stderr


def test_the_store_of_mlflow_2_0(explain, database):
    """Without logged models, aliases and workspaces."""
    change(
        database,
        "DROP TABLE logged_models",
        "DROP TABLE registered_model_aliases",
        "CREATE TABLE old AS SELECT name, version, creation_time, current_stage, source,"
        " storage_location, run_id FROM model_versions",
        "DROP TABLE model_versions",
        "ALTER TABLE old RENAME TO model_versions",
        "CREATE TABLE old AS SELECT name FROM registered_models",
        "DROP TABLE registered_models",
        "ALTER TABLE old RENAME TO registered_models",
    )
    assert "version:  2 of iris\n" in explain("models:/iris/2", database).stdout
    run_id = sqlite3.connect(database).execute("SELECT run_uuid FROM runs").fetchone()[0]
    for uri, words in [
        ("models:/iris@champion", "no registered model iris with the alias champion"),
        ("models:/m-1", "no logged model m-1"),
        (f"runs:/{run_id}/plain", f"runs:/{run_id}/plain: MLmodel: expected a YAML mapping"),
    ]:
        result = explain(uri, database)
        assert result.returncode == 1 and words in result.stderr


def test_tables_of_another_mlflow(explain, database):
    change(database, "ALTER TABLE model_versions RENAME COLUMN current_stage TO phase")
    result = explain("models:/iris/1", database)
    assert result.returncode == 1
    assert "current_stage" in result.stderr and "mlflow db upgrade" in result.stderr


def test_a_workspace(run, database):
    change(
        database,
        "INSERT INTO registered_models(workspace, name) VALUES ('team', 'iris')",
        "INSERT INTO model_versions(workspace, name, version, current_stage, source)"
        f" VALUES ('team', 'iris', 70, 'None', '{IRIS}')",
    )
    env = {"MLFLOW_TRACKING_URI": f"sqlite:///{database}", "MLFLOW_WORKSPACE": "team"}
    assert "version:  70" not in run("explain", "-m", "models:/iris/latest", env=env).stdout
    env["MLFLOW_ENABLE_WORKSPACES"] = "true"
    assert "version:  70 of iris\n" in run("explain", "-m", "models:/iris/latest", env=env).stdout


@pytest.mark.parametrize(
    "value", ["X'00'", "'a' || char(10) || 'b'", "char(27) || '[2J'", "''", "NULL", "zeroblob(100000)"]
)
def test_texts_that_no_mlflow_writes(explain, database, value):
    change(database, f"UPDATE model_versions SET source = {value}, storage_location = NULL")
    result = explain("models:/iris/1", database)
    assert result.returncode == 1
    assert "models:/iris/1" in result.stderr and "\x1b" not in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_damaged_files(explain, database):
    """Whatever is read then, it ends with a message."""
    whole = database.read_bytes()
    for size in (0, 1, 100, 600, len(whole) // 2, len(whole) - 512):
        database.write_bytes(whole[:size])
        result = explain("models:/iris/1", database)
        assert result.returncode in (0, 1)
        assert result.stdout or str(database) in result.stderr


def test_links_within_artifacts(run, tmp_path):
    """A path of a URI does not leave its artifact, not by a link either."""
    store = tmp_path / "files"
    shutil.copytree(STORE / "files", store)
    meta = store / "models/iris/version-1/meta.yaml"
    (tmp_path / "artifact").mkdir()
    (tmp_path / "artifact/in").symlink_to(IRIS)
    shutil.copytree(IRIS, tmp_path / "artifact/real")
    (tmp_path / "artifact/link").symlink_to("real")
    meta.write_text(f"source: {tmp_path}/artifact\nversion: 1\ncurrent_stage: None\n")
    env = {"MLFLOW_TRACKING_URI": str(store)}
    result = run("explain", "-m", "models:/iris/1/in", env=env)
    assert result.returncode == 1 and "leads out of its artifacts" in result.stderr
    assert run("explain", "-m", "models:/iris/1/link", env=env).returncode == 0


def test_damaged_metadata(run, tmp_path):
    store = tmp_path / "files"
    shutil.copytree(STORE / "files", store)
    meta = store / "models/iris/version-1/meta.yaml"
    for text in ("", "- a\n", "a: [\n", "source: [a]\n", "source: models:/iris/1\n", "x" * 2000000):
        meta.write_text(text)
        result = run("explain", "-m", "models:/iris/1", env={"MLFLOW_TRACKING_URI": str(store)})
        assert result.returncode == 1
        assert "models:/iris/1" in result.stderr
    (store / "models/iris/aliases/champion").write_text("two")
    result = run("explain", "-m", "models:/iris@champion", env={"MLFLOW_TRACKING_URI": str(store)})
    assert result.returncode == 1 and "aliases/champion" in result.stderr


def test_default_stores(run, tmp_path):
    """mlflow.db, unless mlruns/ has experiments: what MLflow takes when nothing says otherwise."""
    env = {"MLFLOW_TRACKING_URI": ""}
    (tmp_path / "mlruns/0").mkdir(parents=True)
    result = run("explain", "-m", "models:/iris/1", env=env, cwd=tmp_path)
    assert "sqlite:///mlflow.db" in result.stderr
    (tmp_path / "mlruns/0/meta.yaml").touch()
    result = run("explain", "-m", "models:/iris/1", env=env, cwd=tmp_path)
    assert "no registered model iris in ./mlruns" in result.stderr
    assert "MLFLOW_TRACKING_URI is not set" in result.stderr


@contextlib.contextmanager
def server(answers, port=0, missing=404):
    """A server of these answers, by path; a status without JSON to all else."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def answer(self):
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            asked.append((self.path, dict(self.headers), body and json.loads(body)))
            path = urllib.parse.urlsplit(self.path).path
            found = answers.get(path.removeprefix("/api/2.0/mlflow/"))
            found = found(json.loads(body)) if callable(found) else found
            self.send_response(200 if found else missing)
            self.end_headers()
            if not isinstance(found, bytes):
                found = json.dumps(found).encode() if found else b"<html>not found</html>"
            self.wfile.write(found)

        do_GET = do_POST = answer

        def log_message(self, *_):
            pass

    asked = []
    web = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
    thread = threading.Thread(target=web.serve_forever)
    thread.start()
    try:
        yield f"127.0.0.1:{web.server_port}", asked
    finally:
        web.shutdown()
        thread.join()
        web.server_close()


RUN = {"run": {"info": {"experiment_id": "1", "artifact_uri": str(IRIS.parent)}}}


def test_a_server_of_mlflow_2(explain):
    """It knows no logged models: the artifact of the run is meant."""
    with server({"runs/get": RUN}) as (host, asked):
        result = explain("runs:/abc/model", f"http://me:secret@{host}/")
    assert result.returncode == 0, result.stderr
    assert f"store:    http://{host}/\n" in result.stdout and "secret" not in result.stdout
    assert f"model:    {IRIS}\n" in result.stdout
    assert asked[0][0] == "/api/2.0/mlflow/runs/get?run_uuid=abc&run_id=abc"
    assert asked[0][1]["Authorization"].startswith("Basic ")


def test_logged_models_on_several_pages(explain):
    def models(question):
        assert question["experiment_ids"] == ["1"] and question["filter"] == "name = 'model'"
        ours = {"model_id": "m-2", "artifact_uri": str(IRIS), "source_run_id": "abc"}
        other = {"model_id": "m-1", "artifact_uri": "/none", "source_run_id": "other"}
        if question.get("page_token") == "more":
            return {"models": [{"info": ours}]}
        return {"models": [{"info": other}], "next_page_token": "more"}

    with server({"runs/get": RUN, "logged-models/search": models}) as (host, _):
        result = explain("runs:/abc/model", f"http://{host}")
    assert "logged:   m-2\n" in result.stdout, result.stderr


def test_lists_that_do_not_end(explain):
    endless = {"models": [], "next_page_token": "more"}
    with server({"runs/get": RUN, "logged-models/search": endless}) as (host, _):
        result = explain("runs:/abc/model", f"http://{host}")
    assert result.returncode == 1 and "does not end" in result.stderr


def test_a_server_that_keeps_its_files(explain):
    with server({"runs/get": {"run": {"info": {"experiment_id": "1", "artifact_uri": "/x/y"}}}}) as (
        host,
        _,
    ):
        result = explain("runs:/abc/model", f"http://{host}")
    assert result.returncode == 1
    for word in ("runs:/abc/model", host, "/x/y/model", "--serve-artifacts"):
        assert word in result.stderr


def test_a_server_that_is_down_is_not_waited_for_after_sigterm(mlrace):
    """The program has blocked its signals by then, and reads them only when it serves."""
    env = {**os.environ, "MLFLOW_TRACKING_URI": "http://127.0.0.1:1"}
    command = [mlrace, "serve", "-m", "models:/iris/1", "-p", "0"]
    with subprocess.Popen(command, env=env, stderr=subprocess.PIPE, text=True) as process:
        for line in process.stderr:
            if "retry 2" in line:
                break
        process.send_signal(signal.SIGTERM)
        start = time.monotonic()
        assert process.wait(timeout=60) == 1
        assert time.monotonic() - start < 3


def test_a_server_that_is_no_mlflow(explain):
    with server({"runs/get": {"hello": 1}}) as (host, _):
        result = explain("runs:/abc/model", f"http://{host}")
        assert result.returncode == 1 and "is it an MLflow server?" in result.stderr
        result = explain("models:/iris/1", f"http://{host}")
        assert result.returncode == 1 and "404" in result.stderr and host in result.stderr


def test_a_server_that_is_down_when_its_models_are_here(run, tmp_path):
    """They are served as they were, whether nobody answers or a proxy does in its place."""
    paths = [path for path in IRIS.iterdir() if path.is_file()]
    files = [{"path": p.name, "is_dir": False, "file_size": p.stat().st_size} for p in paths]
    version = {"model_version": {"name": "iris", "version": "3", "run_id": "abc"}}
    answers = {
        "registered-models/alias": version,
        "model-versions/get": version,
        "model-versions/get-download-uri": {"artifact_uri": "mlflow-artifacts:/3"},
        "/api/2.0/mlflow-artifacts/artifacts": {"files": files},
    }
    for path in paths:
        answers[f"/api/2.0/mlflow-artifacts/artifacts/3/{path.name}"] = path.read_bytes()
    env = {"MLRACE_HOME": str(tmp_path), "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"}
    uris = ["models:/iris/3", "models:/iris@champion"]

    def explain_all():
        return [run("explain", "-m", uri, env=env) for uri in uris]

    with server(answers) as (host, _):
        env["MLFLOW_TRACKING_URI"] = f"http://{host}"
        there = explain_all()
    port = int(host.rpartition(":")[2])
    with server({}, port, missing=503):
        proxy = explain_all()
    for before, *afters in zip(there, proxy, explain_all()):
        assert before.returncode == 0, before.stderr
        for after in afters:
            assert "what it meant the last time is used" in after.stderr
            assert after.stdout == before.stdout
    assert run("explain", "-m", "models:/iris/4", env=env).returncode == 1
