"""Artifacts that only MLflow's own client can fetch: python artifacts.py FOLDER

Downloads what is at an artifact URI to FOLDER/files. The URI is read from standard input, since it
may hold a password, and arguments can be seen by everybody. Standard output gets one line of JSON:
{"problem": null}, or a text instead of null, with "has_no_mlflow": true where MLflow is missing.
Everything that libraries print goes to standard error.
"""

import json
import os
import sys

del sys.path[0]  # this folder, whose modules are not to be found by their bare names


def main(folder):
    uri = sys.stdin.read()
    report = os.dup(1)
    os.dup2(2, 1)
    answer = _fetch(uri, folder)
    os.write(report, json.dumps(answer).encode() + b"\n")
    return 0 if answer["problem"] is None else 1


def _fetch(uri, folder):
    try:
        from mlflow.artifacts import download_artifacts
    except Exception as error:  # noqa: BLE001  a broken installation raises anything
        return {"problem": f"{type(error).__name__}: {error}", "has_no_mlflow": True}
    try:
        here = os.path.join(folder, "python")
        os.makedirs(here)
        found = download_artifacts(artifact_uri=uri, dst_path=here)
        os.rename(found, os.path.join(folder, "files"))
    except Exception as error:  # noqa: BLE001  each store has errors of its own
        return {"problem": f"{type(error).__name__}: {error}"}
    return {"problem": None}


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
