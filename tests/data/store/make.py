#!/usr/bin/env python3
"""Makes the stores of this folder, and what MLflow says of URIs in them: from the repository's root,

    .venv/bin/python tests/data/store/make.py

mlflow.db and files/ hold the same runs, logged models and registered versions, made by MLflow. Each
artifact has an MLmodel with its own name in it, by which cases.h tells what a URI means. The paths
in the stores are relative to the root of the repository.
"""

import os
import pathlib
import shutil
import sqlite3
import tempfile
import warnings

os.environ["MLFLOW_ALLOW_FILE_STORE"] = "true"
warnings.filterwarnings("ignore")

import mlflow  # noqa: E402
from mlflow import MlflowClient  # noqa: E402

HERE = pathlib.Path("tests/data/store")
NAMES = ["mlflow.db", "files"]


def label(folder, text):
    path = pathlib.Path(folder)
    path.mkdir(parents=True, exist_ok=True)
    (path / "MLmodel").write_text(text + "\n")
    return str(path)


def log_model(client, scratch, experiment, run_id, name, text):
    model = client.create_logged_model(experiment, name=name, source_run_id=run_id)
    folder = label(scratch / model.model_id, text)
    label(scratch / model.model_id / "inner", text + ", inner")
    client.log_model_artifacts(model.model_id, folder)
    client.finalize_logged_model(model.model_id, "READY")
    return model.model_id


def create_run(client, experiment):
    """A run whose folder in a file store has no empty folders, which git would not keep."""
    run_id = client.create_run(experiment).info.run_id
    client.log_param(run_id, "a", 1)
    client.log_metric(run_id, "b", 2)
    return run_id


def fill(client, scratch, location):
    """Fills a store; returns its ids by name.

    location  folder of artifacts; None: within the store
    """
    experiment, gone = (
        client.create_experiment(name, artifact_location=location and str(location / name))
        for name in ("one", "gone")
    )
    run, deleted, lost = (create_run(client, e) for e in (experiment, experiment, gone))
    for run_id, text in ((run, "run"), (deleted, "deleted run"), (lost, "run of gone")):
        client.log_artifacts(run_id, label(scratch / text, text), "plain")
    client.log_artifacts(run, label(scratch / "deep", "deep"), "a b/c d")
    client.log_artifacts(run, label(scratch / "both", "of the run"), "both")
    client.log_artifacts(run, label(scratch / "undone", "undone, run"), "undone")
    older = log_model(client, scratch, experiment, run, "model", "older")
    newer = log_model(client, scratch, experiment, run, "model", "newer")
    other = log_model(client, scratch, experiment, deleted, "model", "of another run")
    log_model(client, scratch, experiment, run, "both", "of the model")
    undone = log_model(client, scratch, experiment, run, "undone", "undone")
    client.delete_logged_model(undone)

    client.create_registered_model("iris")
    client.create_registered_model("empty")
    client.create_registered_model("ä b.x")
    place = client.get_run(run).info.artifact_uri
    for source in (f"models:/{older}", f"runs:/{run}/plain", f"models:/{newer}", f"{place}/plain"):
        client.create_model_version("iris", source, run_id=run)
    for source in (f"models:/{other}", f"models:/{older}", "models:/iris/1"):
        client.create_model_version("iris", source)
    client.create_model_version("ä b.x", f"models:/{newer}")
    client.transition_model_version_stage("iris", "2", "Production")
    client.transition_model_version_stage("iris", "4", "Production")
    client.transition_model_version_stage("iris", "5", "Archived")
    client.set_registered_model_alias("iris", "champion", "2")
    client.set_registered_model_alias("iris", "chal-lenger_1", "3")
    client.delete_model_version("iris", "6")
    client.delete_run(deleted)
    client.delete_experiment(gone)
    return dict(
        run=run, deleted=deleted, lost=lost, older=older, newer=newer, other=other, undone=undone
    )


def uris(i):
    yield from (f"runs:/{i['run']}/{path}" for path in RUN_PATHS)
    yield from (f"runs:/{i[name]}/plain" for name in ("deleted", "lost"))
    yield f"runs:/{i['deleted']}/model"
    yield from (f"models:/{i[name]}" for name in ("older", "newer", "other", "undone"))
    yield f"models:/{i['older']}/inner"
    yield from (f"models:/{rest}" for rest in MODELS)
    yield from OTHERS


RUN_PATHS = ["plain", "plain/", "model", "model/inner", "model/inner/", "both", "undone", "absent"]
RUN_PATHS += ["a b/c d", "a b/c%20d", "plain/../plain", "%2e%2e", "plain?x", "plain#x", "model/absent"]
MODELS = [f"iris/{n}" for n in (1, 2, 3, 4, 5, 6, 7, 8, "01", "1/", "1/inner", "3/inner/")]
MODELS += ["iris/1/absent", "iris/1/../1", "iris/1/..", "empty/1", "absent/1", "ä b.x/1", "iris/"]
MODELS += [f"iris/{s}" for s in ("latest", "LATEST", "latest/inner", "None", "production")]
MODELS += [f"iris/{s}" for s in ("Production/inner", "staging", "Archived", "archived/inner")]
MODELS += ["empty/latest", "absent/latest", "empty/None", "iris/Best", "iris/ "]
MODELS += [f"iris@{s}" for s in ("champion", "chal-lenger_1", "chal-lenger_1/inner", "Champion")]
MODELS += ["iris@absent", "iris@latest", "iris@", "@champion", "iris@cham.pion", "absent@champion"]
MODELS += ["empty@latest", "iris@champion@champion", "iris/1@champion", "..", "", "/", "m-absent"]
OTHERS = ["models:iris/1", "MODELS:/iris/1", "models:///iris/1", "runs:/", "runs:/a", "runs:/./plain"]
OTHERS += ["runs:///a/b", "models:/iris/99999999999999999999", "models:/ /1"]


def meaning(uri):
    """What the MLmodel says that MLflow finds under a URI; None when it finds none."""
    with tempfile.TemporaryDirectory() as scratch:
        try:
            folder = mlflow.artifacts.download_artifacts(artifact_uri=uri, dst_path=scratch)
            return (pathlib.Path(folder) / "MLmodel").read_text().strip()
        except Exception:
            return None


def quoted(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("??", '?""?') + '"'


def make(name, cases):
    is_database = name.endswith(".db")
    mlflow.set_tracking_uri(f"sqlite:///{HERE / name}" if is_database else f"./{HERE / name}")
    with tempfile.TemporaryDirectory() as scratch:
        location = HERE / "artifacts" if is_database else None
        ids = fill(MlflowClient(), pathlib.Path(scratch), location)
    cases.append(f"static const struct store_case {name.split('.')[0]}_cases[] = {{\n")
    for case in uris(ids):
        found = meaning(case)
        cases.append(f"    {{{quoted(case)}, {quoted(found) if found else 'NULL'}}},\n")
    cases.append("};\n\n")


def make_paths_relative(here):
    for path in (HERE / "files").rglob("meta.yaml"):
        path.write_text(path.read_text().replace(f"file://{here}/", "file:").replace(f"{here}/", ""))
    database = sqlite3.connect(HERE / "mlflow.db")
    for column in ("runs.artifact_uri", "logged_models.artifact_location", "model_versions.source"):
        table, column = column.split(".")
        database.execute(f"UPDATE {table} SET {column} = replace({column}, ?, '')", (f"{here}/",))
    for table in ("experiments", "model_versions"):
        column = {"experiments": "artifact_location", "model_versions": "storage_location"}[table]
        database.execute(f"UPDATE {table} SET {column} = replace({column}, ?, '')", (f"{here}/",))
    database.commit()
    database.execute("PRAGMA page_size = 512")
    database.execute("VACUUM")
    database.close()


def main():
    for name in (*NAMES, "artifacts"):
        path = HERE / name
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    cases = [f"/* Made by make.py: what MLflow {mlflow.__version__} finds. */\n/* clang-format off */\n"]
    for name in NAMES:
        make(name, cases)
    make_paths_relative(pathlib.Path.cwd())
    (HERE / "cases.h").write_text("".join(cases).rstrip() + "\n")


if __name__ == "__main__":
    main()
