"""Pipelines saved by scikit-learn 1.1 to 1.9, with pickle, cloudpickle and skops, answer as the
version that saved them did (tests/data/pipeline), or are refused for the reason that stands here."""

import functools
import json
import zipfile

import numpy as np
import pandas as pd
import pytest
from predictor import ROOT, Refused

# Averages of leaves, and what the recordings make a LinearRegression do: it passes columns through.
EXACT = {
    "DecisionTreeRegressor",
    "ExtraTreesClassifier",
    "HistGradientBoostingRegressor",
    "LinearRegression",
    "RandomForestClassifier",
    "RandomForestRegressor",
}

# What Python answers, and why.
REFUSED = {
    "from tree": "SelectFromModel with sklearn.tree._classes.DecisionTreeRegressor",
    "function log1p": "FunctionTransformer with numpy.*log1p, whose last bits may depend",
    "normalizer": "Normalizer whose sums depend on how X lies in memory",
    "pandas output": "with set_output",
    "union weights": "FeatureUnion with transformer_weights",
    "weights": "ColumnTransformer with transformer_weights",
}


class Recording:
    """What one version saved and answered."""

    def __init__(self, path):
        self.version = path.stem
        with zipfile.ZipFile(path) as file:
            self.files = file.read("models.bin")
            self.expected = json.loads(file.read("expected.json"))
        self.models = self.expected["models"]
        # Else a missing text of JSON is None, which is not NaN for scikit-learn.
        self.is_missing_text_nan = int(self.expected["pandas"].split(".")[0]) >= 3

    def load(self, predictor, folder, name, method):
        model = self.models[name]
        path = folder / "model"
        path.write_bytes(self.files[model["offset"] :][: model["size"]])
        versions = [f"{library}=={self.expected[library]}\n" for library in ("numpy", "pandas")]
        (folder / "requirements.txt").write_text("".join(versions))
        options = {"serialization_format": model["saved"], "folder": str(folder)}
        return predictor.load_file(path, method, **options)

    def why_refused(self, name):
        """The reason why no engine takes the model, or None."""
        model = self.models[name]
        is_old = self.version < "1.5"
        if name in ("tfidf", "tfidf sgd", "words and letters") and model["saved"] == "skops" and is_old:
            return "TfidfTransformer whose _idf_diag cannot be read"
        if name == "tfidf sgd" and self.expected["numpy"] < "2":
            return "TfidfVectorizer with sublinear_tf but for float64 of numpy 2"
        if name in ("function absolute", "function sqrt") and self.version < "1.2":
            return "FunctionTransformer that does not know its features"
        return REFUSED.get(name)

    @functools.cache
    def rows(self, name, rows_name):
        """Rows as requests may have them, texts as `str` and as objects; whether it is sure what
        stands for missing texts."""
        recorded, columns = self.expected[rows_name], self.models[name]["columns"]
        if columns is None:
            return [(np.array(recorded), True)]
        frame = pd.DataFrame({
            name: pd.Series(recorded[name]["values"], dtype=recorded[name]["dtype"])
            for name in columns
        })
        texts = [name for name in columns if recorded[name]["dtype"] == "str"]
        is_sure = self.is_missing_text_nan or not frame[texts].isna().any(axis=None)
        if not texts:
            return [(frame, True)]
        objects = frame.astype({name: object for name in texts})
        objects.attrs["is_csv"] = True
        return [(frame, is_sure), (objects, True)]


RECORDINGS = [Recording(path) for path in sorted((ROOT / "tests/data/pipeline").glob("*.zip"))]
CASES = [
    pytest.param(recording, name, id=f"{recording.version} {name}")
    for recording in RECORDINGS
    for name in recording.models
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("model")


def assert_answer(got, want, is_exact):
    assert list(got.shape) == want["shape"]
    if want["dtype"] == "str" or want["dtype"].startswith("int") or is_exact:
        assert got.ravel().tolist() == want["values"]
    else:  # sums in the order of a BLAS, and numpy's own exp
        np.testing.assert_allclose(got.ravel(), want["values"], rtol=1e-12, atol=1e-12)
    if want["dtype"] != "str":
        assert got.dtype == want["dtype"]


def check_rows(predictor, recording, name, rows_name, method):
    """Each form of the rows gets what the version gave."""
    model = recording.models[name]
    wanted, of_none = model["answers"][rows_name], model.get("None")
    is_any_the_same = of_none == "the same" or (
        isinstance(wanted, str) and of_none not in ("the same", "others")
    )
    for rows, is_sure in recording.rows(name, rows_name):
        try:
            got = predictor.predict(rows)
        except Refused as refused:
            if not is_sure and refused.error_code == "NOT_IMPLEMENTED":
                assert "missing text" in str(refused)
                continue
            assert isinstance(wanted, str) and refused.error_code == "BAD_REQUEST", refused
        else:
            assert not isinstance(wanted, str), wanted
            assert_answer(got, wanted[method], model["last"] in EXACT)
        assert is_sure or is_any_the_same


@pytest.mark.parametrize("recording, name", CASES)
def test_answers(predictor, recording, name, folder):
    reason = recording.why_refused(name)
    if reason:
        with pytest.raises(Refused, match=reason):
            recording.load(predictor, folder, name, "predict")
        return
    answers = recording.models[name]["answers"]
    methods = {method for given in answers.values() if isinstance(given, dict) for method in given}
    for method in methods or {"predict"}:
        recording.load(predictor, folder, name, method)
        for rows_name in answers:
            check_rows(predictor, recording, name, rows_name, method)


def test_every_version_is_there_in_every_format():
    minors = [recording.version.rsplit(".", 1)[0] for recording in RECORDINGS]
    assert minors == [f"1.{minor}" for minor in range(1, 10)]
    for recording in RECORDINGS:
        formats = {model["saved"] for model in recording.models.values()}
        assert formats == {"skops", "pickle", "cloudpickle"}
