"""URIs that mean nothing, stores that do not answer: exit code 1, and a message for a user who has
to put it right, without a password in it."""

import contextlib
import sqlite3

import backends as mlflow_backends
import pytest

NO_RUN = "0123456789abcdef0123456789abcdef"

# What a message calls each backend.
STORES = {"sqlite": "mlflow.db", "files": "mlruns", "server": "{url}", "auth": "{url}"}

# (URI, words of the message beside the URI and the store)
MISSING = [
    (f"runs:/{NO_RUN}/model", [NO_RUN]),
    ("runs:/{run}/nothing", ["nothing"]),
    ("models:/iris/9", ["version", "9"]),
    ("models:/iris/0", ["version", "0"]),
    ("models:/iris@nobody", ["alias", "nobody"]),
    ("models:/iris@Champion", ["alias", "Champion"]),
    ("models:/iris/Archived", ["Archived"]),
    ("models:/roses/1", ["roses"]),
    ("models:/roses/latest", ["roses"]),
    ("models:/roses@champion", ["roses"]),
    (f"models:/m-{NO_RUN}", [NO_RUN]),
]

# No store needs to be asked to know that these are wrong.
MALFORMED = [
    "models:/",
    "models:/iris/1/x/../../..",
    "models:/iris@",
    "models:/iris/no such stage",
    "models:iris/1",
    "runs:/",
    "runs:model",
    "runs:/../../etc/passwd",
    "mlflow-artifacts:/x",
    "s3:/bucket/x",
    "nonsense://x/y",
]


def check_message(result, *words):
    """One message, for people."""
    assert (result.returncode, result.stdout) == (1, ""), (result.stdout, result.stderr)
    assert result.stderr.count("\n") <= 3, result.stderr
    assert mlflow_backends.PASSWORD not in result.stderr
    for word in words:
        assert word in result.stderr


@pytest.mark.parametrize("uri, words", MISSING)
@pytest.mark.parametrize("name", STORES)
def test_what_is_not_there(backends, program, name, uri, words):
    backend = backends[name]
    uri = backend.uri(uri)
    store = STORES[name].format(**backend.facts)
    check_message(program(backend, "explain", "-m", uri), uri, store, *words)


@pytest.mark.parametrize("name", STORES)
def test_a_folder_that_is_no_model(backends, program, name):
    backend = backends[name]
    uri = backend.uri("runs:/{run}/classic/notes")
    check_message(program(backend, "explain", "-m", uri), uri, "MLmodel")


def test_mlflow_finds_none_of_these_either(backends):
    backend = backends["sqlite"]
    answers = backends.expect(backend, [backend.uri(uri) for uri, _ in MISSING])
    assert [uri for uri, answer in answers.items() if "error" not in answer] == []


@pytest.mark.parametrize("uri", MALFORMED)
def test_what_is_no_uri(backends, program, uri):
    backend = backends["sqlite"]
    check_message(program(backend, "explain", "-m", uri), uri)


def test_mlflow_refuses_the_same(backends):
    answers = backends.expect(backends["sqlite"], MALFORMED, has_predictions=False)
    assert [uri for uri, answer in answers.items() if "error" not in answer] == []


@pytest.mark.parametrize("command", ["explain", "predict", "serve", "prepare-env"])
def test_each_command_ends_alike(backends, program, command):
    result = program(backends["sqlite"], command, "-m", "models:/iris/9")
    check_message(result, "models:/iris/9", "sqlite:///mlflow.db")


@pytest.mark.parametrize("scheme", ["postgresql", "mysql", "mssql"])
def test_stores_that_only_a_server_reaches(backends, program, scheme):
    url = f"{scheme}://me:sesame-44@db.example/mlflow"
    result = program(
        backends["sqlite"], "explain", "-m", "models:/iris/1", env={"MLFLOW_TRACKING_URI": url}
    )
    check_message(result, "models:/iris/1", "MLFLOW_TRACKING_URI=http")
    assert "sesame-44" not in result.stderr


@pytest.mark.parametrize(
    "text",
    [
        "instr(hex(zeroblob(7000000)), hex(zeroblob(3500000)) || '1')",
        "trim(replace(hex(zeroblob(60000)), '0', 'a'), hex(zeroblob(60000)) || 'a')",
    ],
)
def test_a_database_that_computes_for_hours(backends, program, tmp_path, text):
    with contextlib.closing(sqlite3.connect(tmp_path / "hostile.db")) as writer:
        writer.execute(
            "CREATE VIEW runs AS SELECT 'abc' AS run_uuid, '1' AS experiment_id, "
            f"{text} AS artifact_uri"
        )
    env = {"MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path}/hostile.db"}
    result = program(backends["sqlite"], "explain", "-m", "runs:/abc/model", env=env)
    check_message(result, "hostile.db", "too big")
