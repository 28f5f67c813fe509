"""What MLflow allows and few people do: the program finds the same files, or neither finds any."""

import contextlib
import shutil
import sqlite3

import backends as mlflow_backends
import pytest
import trees

ODD = [
    "runs:/{run}/twice",
    "runs:/{run}/",
    "runs:/{run}/sub/m x",
    "runs:/{run}/sub/m%20x",
    "runs:/{deleted}/model",
    "runs://{run}/both",
    "runs:////{run}/both",
    "{artifacts}",
    "{artifacts}/",
    "{artifacts}/sub/m x",
    "file:{artifacts}/sub/m x",
    "file://localhost{artifacts}/both",
    "./a rel ative/root/{run}/artifacts/both",
    "a rel ative/root/{run}/artifacts/sub/../both",
    "models:/odd/2",
    "models:/odd/3",
    "models:/odd/3/m x",
    "models:/odd/3/m%20x",
    "models:/odd/4",
    "models:/odd/5",
    "models:/odd/6",
    "models:/odd/7",
    "models:/odd/8",
    "models:/odd/9",
    "models:/odd/latest",
    "models:/odd/archived",
    "models:/odd/none",
    "models:/odd/Production",
    "models:/odd@none",
    "models:/odd@a",
    "models:/odd@a/m x",
    "models:/odd@latest",
    "models:/odd@2",
    "models:/odd/002",
    "models:/odd/ 2",
    "models:/odd/2 ",
    "models:/ odd/2",
    "models:/odd//2",
    "models://odd/2",
    "models:///odd/2",
    "models:/odd/2/x/y",
    "models:/odd/99999999999999999999999",
    "models:/odd/-1",
    "models:/odd/1.0",
    "models:/Odd/2",
    "models:/odd%20/2",
    "models:/empty/latest",
    "models:/empty/1",
    "models:/{older}",
    "models:/{older}/",
    "models:/{older}/x",
    "models:/M{older}",
    "MODELS:/odd/2",
]


# A logged model with the name of a run's own artifact: MLflow adds the files of that.
FILES_OF_TWO = ["runs:/{run}/both", "runs:/{run}//both", "RUNS:/{run}/both"]


@pytest.mark.parametrize("name", ["odd", "odd_files"])
def test_odd_uris(backends, compare, name):
    backend = backends[name]
    compare(backend, [backend.uri(uri) for uri in ODD])


@pytest.mark.parametrize("name", ["odd", "odd_files"])
def test_a_logged_model_with_the_name_of_a_run_s_artifact(backends, program, name):
    backend = backends[name]
    uris = [backend.uri(uri) for uri in FILES_OF_TWO]
    for uri, expected in backends.expect(backend, uris).items():
        assert program.predictions(backend, uri) == expected["predictions"]
        assert trees.digests(program.folder(backend, uri)).items() <= expected["files"].items()


def test_an_escaped_path_in_a_file_uri(backends, program):
    """MLflow's client stumbles over it."""
    backend = backends["odd"]
    uri = backend.uri("file://{artifacts}/sub/m%20x")
    assert program.predictions(backend, uri)[0] == 50


@pytest.mark.parametrize(
    "tracking_uri",
    [
        "sqlite:///mlflow.db",
        "sqlite:///{folder}/mlflow.db",
        "sqlite:///./mlflow.db",
        "sqlite+pysqlite:///mlflow.db",
        "sqlite:///mlflow.db?timeout=5",
    ],
)
def test_ways_to_name_a_database(backends, compare, tracking_uri):
    backend = backends["sqlite"]
    env = {"MLFLOW_TRACKING_URI": tracking_uri.format(folder=backend.folder)}
    uris = ["models:/iris/1", backend.uri("runs:/{run}/classic")]
    compare(backend, uris, env)


@pytest.mark.parametrize(
    "tracking_uri",
    ["mlruns", "./mlruns/", "{folder}/mlruns", "file:{folder}/mlruns", "file://{folder}/mlruns"],
)
def test_ways_to_name_a_folder_of_runs(backends, compare, tracking_uri):
    backend = backends["files"]
    env = {"MLFLOW_TRACKING_URI": tracking_uri.format(folder=backend.folder)}
    uris = ["models:/iris/1", backend.uri("runs:/{run}/classic")]
    compare(backend, uris, env)


def test_versions_in_a_database_that_is_being_written(backends, program, tmp_path):
    """In WAL mode what was committed is in a file beside the database."""
    shutil.copytree(backends["sqlite"].folder, tmp_path, dirs_exist_ok=True, symlinks=True)
    backend = mlflow_backends.Backend("wal", tmp_path, {})
    with contextlib.closing(sqlite3.connect(tmp_path / "mlflow.db")) as writer:
        writer.execute("PRAGMA journal_mode = WAL")
        writer.execute("UPDATE registered_model_aliases SET version = 3 WHERE alias = 'champion'")
        writer.commit()
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("UPDATE registered_model_aliases SET version = 2 WHERE alias = 'champion'")
        before = (tmp_path / "mlflow.db").read_bytes()
        assert program.predictions(backend, "models:/iris@champion")[0] == 40
        assert (tmp_path / "mlflow.db").read_bytes() == before
        writer.rollback()


def test_links_to_stores_and_models(backends, program, compare, tmp_path):
    source = backends["sqlite"]
    (tmp_path / "mlflow.db").symlink_to(source.folder / "mlflow.db")
    (tmp_path / "model").symlink_to(source.uri("{artifacts}/classic"))
    backend = mlflow_backends.Backend("links", tmp_path, {})
    compare(backend, ["models:/iris/1"])
    assert program.predictions(backend, "model")[0] == 30  # MLflow refuses a link there


def test_a_model_with_links_in_it(program, iris_model, tmp_path):
    """A folder of the user's own is used as it is."""
    (tmp_path / "model").mkdir()
    for file in iris_model.iterdir():
        (tmp_path / "model" / file.name).symlink_to(file)
    backend = mlflow_backends.Backend("links", tmp_path, {})
    assert program(backend, "explain", "-m", "model").returncode == 0
