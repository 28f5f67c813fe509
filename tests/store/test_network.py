"""Stores behind a network: credentials, certificates, proxies, a registry elsewhere; and what a
user is told when one of them is wrong."""

import contextlib
import http.server
import shutil
import threading
import urllib.request

import backends as mlflow_backends
import pytest
import store_server
from test_errors import check_message


def test_a_wrong_password(backends, program, tmp_path):
    backend = backends["auth"]
    env = {"MLFLOW_TRACKING_PASSWORD": "sesame-42", "MLRACE_HOME": str(tmp_path)}
    for uri in ("models:/iris/1", backend.uri("{artifacts}/classic")):
        result = program(backend, "explain", "-m", uri, env=env)
        check_message(result, uri, backend.facts["url"], "401", "MLFLOW_TRACKING_USERNAME")
        assert "sesame-42" not in result.stderr


def test_no_credentials(backends, program):
    backend = backends["auth"]
    env = {"MLFLOW_TRACKING_USERNAME": "", "MLFLOW_TRACKING_PASSWORD": ""}
    result = program(backend, "explain", "-m", "models:/iris/1", env=env)
    check_message(result, backend.facts["url"], "401", "MLFLOW_TRACKING_USERNAME")


def test_credentials_in_the_tracking_uri_are_in_no_message(backends, program):
    backend = backends["auth"]
    url = backend.facts["url"].replace("//", "//admin:sesame-43@")
    env = {"MLFLOW_TRACKING_URI": url, "MLFLOW_TRACKING_USERNAME": ""}
    env["MLFLOW_TRACKING_PASSWORD"] = ""
    result = program(backend, "explain", "-m", "models:/iris/1", env=env)
    check_message(result, "127.0.0.1", "401")
    assert "sesame-43" not in result.stderr


def test_a_server_that_is_down(backends, program):
    url = f"http://127.0.0.1:{mlflow_backends.free_port()}"
    backend = backends["sqlite"]
    for uri in ("models:/iris/1", "runs:/abc/model", "mlflow-artifacts:/1/x"):
        result = program(backend, "explain", "-m", uri, env={"MLFLOW_TRACKING_URI": url})
        check_message(result, uri, url, "onnect")


def test_a_certificate_nobody_trusts(backends, program):
    backend = backends["tls"]
    env = {"MLFLOW_TRACKING_SERVER_CERT_PATH": ""}
    result = program(backend, "explain", "-m", "models:/iris/1", env=env)
    check_message(result, backend.facts["url"], "certificate", "MLFLOW_TRACKING_SERVER_CERT_PATH")


def test_a_certificate_that_is_not_checked(backends, program):
    backend = backends["tls"]
    env = {"MLFLOW_TRACKING_SERVER_CERT_PATH": "", "MLFLOW_TRACKING_INSECURE_TLS": "true"}
    assert program.predictions(backend, "models:/iris/1", env=env)[0] == 10


def test_credentials_from_a_file(backends, program):
    backend = backends["auth"]
    folder = program.home / ".mlflow"
    folder.mkdir()
    user, password = mlflow_backends.USER, mlflow_backends.PASSWORD.replace("%", "%%")
    lines = ["[mlflow]", f"mlflow_tracking_username = {user}"]
    lines.append(f"mlflow_tracking_password = {password}")
    (folder / "credentials").write_text("\n".join(lines))
    env = {"MLFLOW_TRACKING_USERNAME": "", "MLFLOW_TRACKING_PASSWORD": ""}
    try:
        assert program.predictions(backend, "models:/iris/2", env=env)[0] == 30
    finally:
        (folder / "credentials").unlink()
        folder.rmdir()


def test_s3_without_credentials(backends, program, tmp_path):
    backend = backends["s3"]
    env = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "MLRACE_HOME": str(tmp_path)}
    result = program(backend, "explain", "-m", "models:/iris/1", env=env)
    check_message(result, "models:/iris/1", "s3://", "AWS_ACCESS_KEY_ID")


def test_s3_without_such_a_bucket(backends, program):
    backend = backends["s3"]
    result = program(backend, "explain", "-m", "s3://no-such-bucket/x/y")
    check_message(result, "s3://no-such-bucket/x/y", "NoSuchBucket")
    assert mlflow_backends.S3_SECRET not in result.stderr


def test_ways_to_name_a_server(backends, compare):
    backend = backends["server"]
    uris = ["models:/iris/1", backend.uri("runs:/{run}/classic")]
    for url in (backend.facts["url"] + "/", backend.facts["url"].replace("127.0.0.1", "LOCALHOST")):
        compare(backend, uris, {"MLFLOW_TRACKING_URI": url})


def test_credentials_in_the_tracking_uri(backends, program):
    """Python's requests takes them out of the URL when it has no others, and so does MLflow."""
    backend = backends["auth"]
    password = urllib.request.quote(mlflow_backends.PASSWORD, safe="")
    url = backend.facts["url"].replace("//", f"//{mlflow_backends.USER}:{password}@")
    env = {"MLFLOW_TRACKING_URI": url, "MLFLOW_TRACKING_USERNAME": ""}
    env["MLFLOW_TRACKING_PASSWORD"] = ""
    assert program.predictions(backend, "models:/iris/1", env=env)[0] == 10
    explained = program(backend, "explain", "-m", "models:/iris/1", env=env).stdout
    assert mlflow_backends.PASSWORD not in explained
    assert password not in explained


def test_a_registry_elsewhere(backends, compare, tmp_path):
    """Versions in one database, their runs on a server."""
    server = backends["server"]
    shutil.copy(backends.database, tmp_path / "registry.db")
    env = {**server.env, "MLFLOW_REGISTRY_URI": f"sqlite:///{tmp_path}/registry.db"}
    backend = mlflow_backends.Backend("elsewhere", tmp_path, env, server.facts)
    sources = ["{artifacts}/classic", "runs:/{run}/deep/er/m\u00f6del two", "models:/{model_id}"]
    for source in sources:
        backends.side.call("register", "far", backend.uri(source), env=env, folder=tmp_path)
    uris = ["models:/far/1", "models:/far/2", "models:/far/3", "models:/far/latest"]
    compare(backend, [*uris, "models:/iris/1", backend.uri("runs:/{run}/model")])


def test_an_artifact_root_with_a_query(backends, compare, tmp_path):
    s3 = backends["s3"]
    shutil.copy(backends.database, tmp_path / "mlflow.db")
    env = {**s3.env, "MLFLOW_TRACKING_URI": "sqlite:///mlflow.db"}
    root = f"s3://{mlflow_backends.BUCKET}/root?versionId=3"
    facts = backends.side.call("log_one", root, env=env, folder=tmp_path)
    backend = mlflow_backends.Backend("query", tmp_path, env, facts)
    compare(backend, [backend.uri("runs:/{run}/model")])


class _ForwardProxy(http.server.BaseHTTPRequestHandler):
    def log_message(self, *arguments):
        """Not a word on the terminal."""

    def do_GET(self):
        self.server.asked.append(self.path)
        request = urllib.request.Request(self.path, headers={"Host": self.headers["Host"]})
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=10) as answer:
            data = answer.read()
            self.send_response(answer.status)
            self.send_header("Content-Type", answer.headers["Content-Type"])
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)


@pytest.fixture
def forward_proxy():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _ForwardProxy) as server:
        server.asked = []
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield server
        server.shutdown()


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
def test_a_proxy(program, forward_proxy, iris_model, tmp_path, variable):
    store = store_server.Store()
    for file in iris_model.iterdir():
        store.files[f"1/model/{file.name}"] = file.read_bytes()
    url = f"http://127.0.0.1:{forward_proxy.server_port}"
    backend = mlflow_backends.Backend("proxied", tmp_path, {"MLFLOW_TRACKING_URI": store.url})
    env = {variable: url, "NO_PROXY": "", "MLRACE_HOME": str(tmp_path / "home")}
    with contextlib.closing(store):
        uri = "mlflow-artifacts:/1/model"
        assert program(backend, "explain", "-m", uri, env=env).returncode == 0
        assert forward_proxy.asked != []
        assert all(path.startswith(store.url) for path in forward_proxy.asked)
        forward_proxy.asked.clear()
        env |= {"NO_PROXY": "127.0.0.1", "MLRACE_HOME": str(tmp_path / "home2")}
        assert program(backend, "explain", "-m", uri, env=env).returncode == 0
        assert forward_proxy.asked == []
