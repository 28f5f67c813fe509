"""Pipelines saved by scikit-learn 1.1 to 1.9, with pickle, cloudpickle and skops, answer as the
version that saved them did (tests/data/pipeline), or are refused for the reason that stands here."""

import json
import pathlib
import zipfile

import numpy as np
import pandas as pd
import pytest
from predictor import ROOT, Predictor, Refused

# Pipelines that Python answers in every version, and why.
REFUSED = {
    "pandas output": "with set_output",
    "weights": "with transformer_weights",
    "function": "FunctionTransformer with a function",
}

# Averages of leaves, and what the recordings make a LinearRegression do: it passes columns through.
EXACT = {
    "DecisionTreeRegressor",
    "ExtraTreesClassifier",
    "HistGradientBoostingRegressor",
    "LinearRegression",
    "RandomForestClassifier",
    "RandomForestRegressor",
}


class Recording:
    """What one version saved and answered."""

    def __init__(self, path):
        self.version = path.stem
        with zipfile.ZipFile(path) as file:
            self.files = file.read("models.bin")
            self.expected = json.loads(file.read("expected.json"))
        self.models = self.expected["models"]

    def save(self, name, path):
        model = self.models[name]
        path.write_bytes(self.files[model["offset"] :][: model["size"]])

    def rows(self, name, columns):
        """The rows of that name as a request may have them: texts as `str` and as objects."""
        recorded = self.expected[name]
        if columns is None:
            return [np.array(recorded)]
        frame = pd.DataFrame({
            name: pd.Series(recorded[name]["values"], dtype=recorded[name]["dtype"])
            for name in columns
        })
        objects = frame.copy()
        objects.attrs["is_csv"] = True
        for name in columns:
            if recorded[name]["dtype"] == "str":
                objects[name] = frame[name].astype(object)
        return [frame] if objects.dtypes.equals(frame.dtypes) else [frame, objects]


RECORDINGS = [Recording(path) for path in sorted((ROOT / "tests/data/pipeline").glob("*.zip"))]
CASES = [
    pytest.param(recording, name, id=f"{recording.version} {name}")
    for recording in RECORDINGS
    for name in recording.models
]


@pytest.fixture(scope="module")
def predictor(tmp_path_factory):
    predictor = Predictor(tmp_path_factory.mktemp("models"))
    yield predictor
    predictor.close()


def load(predictor, recording, name, method, path):
    recording.save(name, path)
    stored = recording.models[name]["saved"]
    return predictor.load_file(path, method, serialization_format=stored)


def assert_answer(got, want, is_exact):
    assert list(got.shape) == want["shape"]
    if want["dtype"] == "str" or want["dtype"].startswith("int") or is_exact:
        assert got.ravel().tolist() == want["values"]
    else:
        np.testing.assert_allclose(got.ravel(), want["values"], rtol=1e-12, atol=1e-12)
    if want["dtype"] != "str":
        assert got.dtype == want["dtype"]


@pytest.mark.parametrize("recording, name", CASES)
def test_answers(predictor, recording, name, tmp_path):
    model, path = recording.models[name], tmp_path / "model"
    if name in REFUSED:
        with pytest.raises(Refused, match=REFUSED[name]):
            load(predictor, recording, name, "predict", path)
        return
    n_asked = 0
    methods = {method for given in model["answers"].values() if isinstance(given, dict) for method in given}
    for method in methods or {"predict"}:
        load(predictor, recording, name, method, path)
        for rows_name, wanted in model["answers"].items():
            for rows in recording.rows(rows_name, model["columns"]):
                if isinstance(wanted, str):
                    with pytest.raises(Refused) as refused:
                        predictor.predict(rows)
                    assert refused.value.error_code == "BAD_REQUEST"
                else:
                    assert_answer(predictor.predict(rows), wanted[method], model["last"] in EXACT)
                n_asked += 1
    assert n_asked >= 2


def test_there_are_recordings_of_every_version():
    minors = [recording.version.rsplit(".", 1)[0] for recording in RECORDINGS]
    assert minors == [f"1.{minor}" for minor in range(1, 10)]
    for recording in RECORDINGS:
        assert {model["saved"] for model in recording.models.values()} == {"skops", "pickle", "cloudpickle"}
