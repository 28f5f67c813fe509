"""What the pickle reader makes of a file is what Python makes of it: the same values, by every
protocol, by joblib too, and the same object graph for an estimator as from skops."""

import collections
import io
import json
import os
import pathlib
import pickle
import subprocess

import cloudpickle
import joblib
import numpy as np
import pytest
import skops.io
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.ensemble import (
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.linear_model import LogisticRegression, PoissonRegressor, RidgeClassifier
from sklearn.preprocessing import LabelEncoder
from sklearn.tree import DecisionTreeRegressor


PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)


class Reader:
    """A running tool_objects: files to descriptions of what is in them (tests/tools/objects.c)."""

    def __init__(self, folder):
        self._path = folder / "model"
        self._process = subprocess.Popen(
            [pathlib.Path(os.environ["MLRACE_BUILD"]) / "tool_objects"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def read(self, data, kind="pickle"):
        self._path.write_bytes(data)
        self._process.stdin.write(f"{kind} {self._path}\n")
        self._process.stdin.flush()
        return sort_sets(json.loads(self._process.stdout.readline()))

    def close(self):
        self._process.stdin.close()
        self._process.wait()


@pytest.fixture(scope="module")
def reader(tmp_path_factory):
    reader = Reader(tmp_path_factory.mktemp("pickle"))
    yield reader
    reader.close()


def sort_sets(description):
    if not isinstance(description, list):
        return description
    description = [sort_sets(item) for item in description]
    if description[:1] == ["set"]:
        description[2].sort(key=json.dumps)
    return description


def text_of(value):
    return value.encode("utf-8", "surrogatepass").hex()


def plain_name(dtype):
    """The name of a field's dtype if C reads it in place."""
    is_plain = dtype.kind in "biuf" and dtype.itemsize <= 8 and dtype.isnative
    return dtype.name if is_plain else None


def describe_array(value):
    """An ndarray or a scalar of numpy."""
    array = np.asarray(value)
    class_ = f"numpy.{type(value).__name__}"
    shape = list(array.shape)
    if array.dtype.names:
        fields = [
            [text_of(name), plain_name(array.dtype.fields[name][0]), array.dtype.fields[name][1]]
            for name in array.dtype.names
        ]
        return ["record", shape, array.dtype.itemsize, fields, array.tobytes().hex()]
    if array.dtype.kind in "US" and array.dtype.itemsize:
        encode = text_of if array.dtype.kind == "U" else bytes.hex
        name = "str" if array.dtype.kind == "U" else "bytes"
        return ["array", class_, name, shape, [encode(item) for item in array.ravel().tolist()]]
    if array.dtype.kind == "O":
        return ["array", class_, "object", shape, [describe(item) for item in array.ravel()]]
    if array.dtype.kind not in "biuf" or array.dtype.itemsize > 8:
        return ["array", class_, "unknown", shape, None]
    native = array.astype(array.dtype.newbyteorder("="))
    return ["array", class_, str(native.dtype), shape, native.tobytes().hex()]


def describe(value):
    """What tool_objects should print of a value."""
    if value is None or isinstance(value, (bool)):
        return value
    if isinstance(value, (np.ndarray, np.generic)):
        return describe_array(value)
    class_ = f"{type(value).__module__}.{type(value).__name__}"
    if isinstance(value, int):
        if -(2**63) <= value < 2**63:
            return ["int", str(value)]
        try:
            return ["int", repr(float(value))]
        except OverflowError:
            return ["int", "inf" if value > 0 else "-inf"]
    if isinstance(value, float):
        return ["float", repr(value)]
    if isinstance(value, str):
        return ["str", text_of(value)]
    if isinstance(value, (bytes, bytearray)):
        return ["bytes", value.hex()]
    if isinstance(value, dict):
        return ["dict", class_, [[describe(k), describe(v)] for k, v in value.items()]]
    kinds = {list: "list", tuple: "tuple", set: "set", frozenset: "set"}
    return sort_sets([kinds[type(value)], class_, [describe(item) for item in value]])


def dump_joblib(value, compress):
    file = io.BytesIO()
    joblib.dump(value, file, compress=compress)
    return file.getvalue()


scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(2**1100), 2**1100)
    | st.floats()
    | st.text(st.characters(), max_size=20)
    | st.binary(max_size=300)
    | st.binary(max_size=20).map(bytearray)
)
hashables = st.integers() | st.text() | st.binary() | st.tuples(st.integers(), st.text())
dtypes = (
    hnp.boolean_dtypes()
    | hnp.integer_dtypes()
    | hnp.unsigned_integer_dtypes()
    | hnp.floating_dtypes()
    | hnp.complex_number_dtypes()
    | hnp.unicode_string_dtypes()
    | hnp.byte_string_dtypes()
    | hnp.datetime64_dtypes()
    | hnp.array_dtypes(hnp.integer_dtypes(endianness="<") | hnp.floating_dtypes(), max_size=4)
)
arrays = st.tuples(
    hnp.arrays(dtypes, hnp.array_shapes(min_dims=0, min_side=0, max_side=4)), st.sampled_from("CF")
).map(lambda pair: np.asarray(pair[0], order=pair[1]))
objects = hnp.arrays(
    np.dtype(object), hnp.array_shapes(max_side=3), elements=st.none() | st.text() | st.integers()
)


def containers(values):
    return (
        st.lists(values)
        | st.lists(values).map(tuple)
        | st.sets(hashables)
        | st.frozensets(hashables)
        | st.dictionaries(hashables, values)
        | st.dictionaries(hashables, values).map(collections.OrderedDict)
    )


values = st.recursive(scalars | arrays | objects, containers, max_leaves=12)


@given(value=values, protocol=st.sampled_from(PROTOCOLS))
@settings(max_examples=400, suppress_health_check=list(HealthCheck))
def test_values(reader, value, protocol):
    expected = describe(pickle.loads(pickle.dumps(value, protocol)))
    assert reader.read(pickle.dumps(value, protocol)) == expected


@given(value=values, compress=st.sampled_from([0, 3, ("zlib", 1), ("gzip", 9)]))
@settings(max_examples=200, suppress_health_check=list(HealthCheck))
def test_joblib(reader, value, compress):
    got, expected = reader.read(dump_joblib(value, compress)), describe(value)
    if isinstance(got, list) and got[:1] == ["error"] and "unknown" in json.dumps(expected):
        assert "only Python reads arrays of dtype" in got[2]
    else:
        assert got == expected


random = np.random.RandomState(0)
X = random.randn(50, 4)
CLASSES = np.array(["no", "yes \u00e9", "maybe"])[np.digitize(X[:, 0] + X[:, 1], [-1, 1])]
ESTIMATORS = {
    "logistic": LogisticRegression().fit(X, CLASSES),
    "poisson": PoissonRegressor().fit(X, np.abs(X[:, 0])),
    "ridge": RidgeClassifier().fit(X, np.c_[X[:, 1] > 0, X[:, 2] > 0]),
    "tree": DecisionTreeRegressor(random_state=0).fit(X, X[:, :2]),
    "forest": RandomForestClassifier(n_estimators=3, random_state=0).fit(X, CLASSES),
    "boosting": GradientBoostingClassifier(n_estimators=2, random_state=0).fit(X, CLASSES),
    "histogram": HistGradientBoostingClassifier(max_iter=2).fit(X, CLASSES),
    "encoder": LabelEncoder().fit(CLASSES),
}


def without_state(description):
    """Random states and Cython's losses have a state of their own in each format; nobody reads it."""
    if not isinstance(description, list):
        return description
    if description[:1] == ["instance"] and description[1].startswith(
        ("numpy.random.", "sklearn._loss._loss.")
    ):
        return description[:2]
    return [without_state(item) for item in description]


@pytest.mark.parametrize("name", ESTIMATORS)
def test_estimators_are_as_from_skops(reader, name):
    estimator = ESTIMATORS[name]
    expected = without_state(reader.read(skops.io.dumps(estimator), "skops"))
    assert expected[:2] == ["instance", f"{type(estimator).__module__}.{type(estimator).__name__}"]
    files = [pickle.dumps(estimator, protocol) for protocol in PROTOCOLS]
    files += [cloudpickle.dumps(estimator), dump_joblib(estimator, 0), dump_joblib(estimator, 3)]
    for file in files:
        assert without_state(reader.read(file)) == expected
