"""The models in build/bench/models, made when they are asked for."""

import shutil

from measure import ROOT
from serving import environments

FOLDER, SCRIPT = ROOT / "build/bench/models", ROOT / "bench/serving/models.py"


def make_model(name):
    """The folder of a model and its requests, which bench/serving/models.py makes once."""
    folder = FOLDER / name
    stamp = folder / "made"
    source = SCRIPT.read_text()
    if not stamp.exists() or stamp.read_text() != source:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        path = environments.python_path(name)
        environments.run(environments.python("mlflow"), SCRIPT, name, folder, path=path)
        stamp.write_text(source)
    return folder
