"""`mlrace serve` with models' URIs: the model it answers with, and an alias that moves."""

import json
import time

import pytest


@pytest.fixture(scope="module")
def ask(backends):
    """ask(server): the predictions for the rows of the tests, and the version in the header."""
    lines = [line.split(",") for line in backends.side.rows.splitlines()]
    rows = [[float(cell) for cell in line] for line in lines[1:]]
    body = json.dumps({"dataframe_split": {"columns": lines[0], "data": rows}})

    def invoke(server):
        answer = server.invoke(body)
        assert answer.status == 200, answer.body
        return answer.json()["predictions"], answer.headers.get("x-model-version")

    return invoke


def environment(program, backend):
    """Servers of the tests run in folders of their own, where no store is the default."""
    env = program.environment(backend)
    env["MLFLOW_TRACKING_URI"] = env["MLFLOW_TRACKING_URI"] or (
        f"sqlite:///{backend.folder}/mlflow.db"
    )
    return env


@pytest.mark.parametrize(
    "name, uri, version",
    [
        ("sqlite", "models:/iris@champion", "1"),
        ("sqlite", "runs:/{run}/deep/er/m\u00f6del two", "{run}"),
        ("server", "models:/iris/2", "2"),
        ("auth", "models:/iris/latest", "3"),
        ("tls", "runs:/{run}/model", "{model_id}"),
        ("s3", "models:/{model_id}", "{model_id}"),
    ],
)
def test_the_model_of_a_uri_answers(serve, backends, program, ask, name, uri, version):
    backend = backends[name]
    uri = backend.uri(uri)
    expected = backends.expect(backend, [uri])[uri]["predictions"]
    with serve(uri, env=environment(program, backend)) as server:
        assert ask(server) == (expected, backend.uri(version))


def test_a_model_that_python_evaluates(serve, backends, program, ask):
    """Its workers get the folder, not the URI."""
    backend = backends["s3"]
    env = environment(program, backend)
    with serve("models:/iris@champion", "--engine", "python", "-w", "1", env=env) as server:
        assert (ask(server)[0][0], ask(server)[1]) == (10, "1")


def wait_for(condition, seconds=30):
    limit = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < limit
        time.sleep(0.05)
    return value


@pytest.mark.parametrize("name", ["sqlite", "server"])
def test_a_server_follows_an_alias(serve, backends, program, ask, name):
    backend = backends[name]
    call = {"env": backend.env, "folder": backend.folder}
    for path in ("classic", "deep/er/m\u00f6del two", "classic/notes"):
        source = backend.uri("{artifacts}/" + path)
        backends.side.call("register", "watched", source, backend.facts["run"], **call)

    def point_to(version):
        arguments = ["set_registered_model_alias", "watched", "live", version]
        backends.side.call("call_client", *arguments, **call)

    point_to("1")
    env = environment(program, backend)
    with serve("models:/watched@live", "--watch=1s", env=env) as server:
        assert (ask(server)[0][0], ask(server)[1]) == (30, "1")
        point_to("2")
        wait_for(lambda: ask(server)[1] == "2")
        assert ask(server)[0][0] == 40
        point_to("3")  # no model: the old one stays, and the log says why
        wait_for(lambda: "MLmodel" in server.log())
        assert (ask(server)[0][0], ask(server)[1]) == (40, "2")
        point_to("1")
        wait_for(lambda: ask(server)[1] == "1")
        assert ask(server)[0][0] == 30
