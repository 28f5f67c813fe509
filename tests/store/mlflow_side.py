"""MLflow's side of the tests of model URIs: a process that imports MLflow once, since that takes
seconds, and forks a child with an environment and a folder of its own for everything asked of it.

It reads a line of JSON for each call: {"function", "arguments", "env", "folder"}; the answer is a
line of JSON with "value" or "error". A variable of the environment that is null is unset.
"""

import contextlib
import json
import os
import pathlib
import shutil
import sys
import tempfile
import traceback
import urllib.parse

import boto3
import mlflow
import mlflow.pyfunc
import mlflow.sklearn
import trees
from mlflow.store.db.utils import _initialize_tables, create_sqlalchemy_engine_with_retry
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

FLOWERS = load_iris(as_frame=True)
ROWS = FLOWERS.data.iloc[::10]

def classifier(number):
    """Model number `number`, that answers otherwise than all others: it adds that to the class."""
    return LogisticRegression(max_iter=500).fit(FLOWERS.data, FLOWERS.target + 10 * number)


def options():
    signature = mlflow.models.infer_signature(FLOWERS.data, FLOWERS.target)
    return {"signature": signature, "pip_requirements": ["mlflow", "scikit-learn"]}


def save(number, folder, extra=None):
    """A model in a folder, with more files beside its own."""
    mlflow.sklearn.save_model(classifier(number), folder, **options())
    for name, data in (extra or {}).items():
        path = pathlib.Path(folder, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def log_folder(number, artifact_path, extra=None):
    """A model among a run's artifacts, as all were before MLflow 3."""
    with tempfile.TemporaryDirectory() as folder:
        save(number, f"{folder}/model", extra)
        mlflow.log_artifacts(f"{folder}/model", artifact_path)


def make_database(path):
    """An empty database of MLflow's; a copy of it spares a server the migrations."""
    _initialize_tables(create_sqlalchemy_engine_with_retry(f"sqlite:///{path}"))


def make_bucket(endpoint, name):
    boto3.client("s3", endpoint_url=endpoint).create_bucket(Bucket=name)


def fill(artifact_location=None):
    """Models of all kinds; what the templates of forms.py name."""
    client = mlflow.MlflowClient()
    experiment = mlflow.create_experiment("flowers", artifact_location=artifact_location)
    with mlflow.start_run(experiment_id=experiment) as run:
        logged = mlflow.sklearn.log_model(classifier(1), name="model", **options())
        spaced = mlflow.sklearn.log_model(classifier(2), name="my m\u00f6del", **options())
        log_folder(3, "classic", trees.EXTRA_FILES)
        log_folder(4, "deep/er/m\u00f6del two")
    run_id = run.info.run_id
    mlflow.register_model(logged.model_uri, "iris")
    mlflow.register_model(f"runs:/{run_id}/classic", "iris")
    mlflow.register_model(f"runs:/{run_id}/deep/er/m\u00f6del two", "iris")
    client.transition_model_version_stage("iris", "1", "Production")
    client.transition_model_version_stage("iris", "2", "Staging")
    client.set_registered_model_alias("iris", "champion", "1")
    client.set_registered_model_alias("iris", "Contender_2-b", "2")
    mlflow.register_model(spaced.model_uri, "my iris \u00fc")
    client.set_registered_model_alias("my iris \u00fc", "champion", "1")
    return {
        "run": run_id,
        "artifacts": run.info.artifact_uri,
        "artifacts_path": urllib.parse.urlsplit(run.info.artifact_uri).path,
        "model_id": logged.model_id,
        "location": client.get_logged_model(logged.model_id).artifact_location,
    }


def log_one(artifact_location=None):
    """The artifact URI of a run in an experiment of its own, with a model at "model"."""
    experiment = mlflow.create_experiment("one", artifact_location=artifact_location)
    with mlflow.start_run(experiment_id=experiment) as run:
        log_folder(8, "model", trees.EXTRA_FILES)
    return {"run": run.info.run_id, "artifacts": run.info.artifact_uri}


def fill_odd():
    """What is allowed but seldom: names twice, sources that are URIs themselves, deleted runs."""
    client = mlflow.MlflowClient()
    experiment = mlflow.create_experiment("odd", artifact_location="./a rel%20ative/root")
    with mlflow.start_run(experiment_id=experiment) as run:
        older = mlflow.sklearn.log_model(classifier(1), name="twice", **options())
        newer = mlflow.sklearn.log_model(classifier(2), name="twice", **options())
        log_folder(3, "both", trees.EXTRA_FILES)
        mlflow.sklearn.log_model(classifier(4), name="both", **options())
        log_folder(5, "sub/m x")
        log_folder(6, None)
    with mlflow.start_run(experiment_id=experiment) as deleted:
        log_folder(7, "model")
    run_id = run.info.run_id
    client.create_registered_model("odd")
    for source in (
        f"runs:/{run_id}/both",
        older.model_uri,
        f"{run.info.artifact_uri}/sub",
        "models:/odd/2",
        f"runs:/{run_id}/sub/m x",
        f"file://{run.info.artifact_uri}",
        os.path.relpath(run.info.artifact_uri),
    ):
        client.create_model_version("odd", source, run_id)
    client.create_model_version("odd", f"runs:/{deleted.info.run_id}/model", deleted.info.run_id)
    for stage, version in (("Archived", "6"), ("Staging", "3"), ("Staging", "2")):
        client.transition_model_version_stage("odd", version, stage)
    client.create_model_version("odd", run.info.artifact_uri, run_id)
    client.delete_model_version("odd", "9")
    client.delete_run(deleted.info.run_id)
    client.set_registered_model_alias("odd", "a", "3")
    client.set_registered_model_alias("odd", "none", "2")
    client.create_registered_model("empty")
    return {
        "run": run_id,
        "deleted": deleted.info.run_id,
        "older": older.model_id,
        "newer": newer.model_id,
        "artifacts": run.info.artifact_uri,
    }


def expect(uris, has_predictions):
    """What MLflow makes of each URI: the files it downloads, and the predictions for ROWS."""
    found = {}
    for uri in uris:
        folder = tempfile.mkdtemp(dir=".")
        try:
            local = mlflow.artifacts.download_artifacts(artifact_uri=uri, dst_path=folder)
            found[uri] = {"files": trees.digests(local)}
            if has_predictions:
                values = mlflow.pyfunc.load_model(local).predict(ROWS)
                found[uri]["predictions"] = [int(value) for value in values]
            elif "MLmodel" not in found[uri]["files"]:
                mlflow.models.Model.load(local)
        except Exception as error:  # whatever MLflow raises is what a user sees
            found[uri] = {"error": f"{type(error).__name__}: {error}"}
        shutil.rmtree(folder)
    return found


def register(name, source, run_id=None):
    """A new version of a model, made if need be, whose artifacts are at a URI as it is."""
    client = mlflow.MlflowClient()
    with contextlib.suppress(mlflow.MlflowException):
        client.create_registered_model(name)
    return client.create_model_version(name, source, run_id).version


def call_client(method, *arguments):
    """A method of MlflowClient."""
    getattr(mlflow.MlflowClient(), method)(*arguments)


def answer(request):
    for name, value in request["env"].items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
    os.chdir(request["folder"])
    try:
        return {"value": globals()[request["function"]](*request["arguments"])}
    except Exception:
        return {"error": traceback.format_exc()}


def main():
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what MLflow prints is not an answer
    print(json.dumps({"rows": ROWS.to_csv(index=False)}), file=out, flush=True)
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            print(json.dumps(answer(json.loads(line))), file=out, flush=True)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if status:
            print(json.dumps({"error": f"wait status {status}"}), file=out, flush=True)


if __name__ == "__main__":
    main()
