"""What the model is called with, for requests of each kind."""

import json

import mlflow.models.signature
import numpy as np
import pandas as pd
import pytest
import worker_models
import worker_protocol as wire
from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema
from worker_protocol import Values


def called_with(worker, payload):
    """What the recorder saw: data and params."""
    result = worker.ask(payload)
    assert result.kind == "json", result
    return json.loads(result.value)


def same(data):
    """What the recorder would see of data: through JSON, as it answers."""
    return json.loads(json.dumps(worker_models.describe(data)))


NUMBERS = [*wire.DTYPES[1:], "bool", "datetime64[ns]"]


@pytest.mark.parametrize("dtype", NUMBERS)
@pytest.mark.parametrize("n_rows", [1, 3, 0])
def test_columns_of_one_dtype(recorder, dtype, n_rows):
    columns = {name: np.arange(n_rows).astype(dtype) for name in "abc"}
    data, params = called_with(recorder, wire.table([Values(*item) for item in columns.items()]))
    assert data == same(pd.DataFrame(columns))
    assert params == same(None)


def test_columns_of_many_dtypes(recorder):
    columns = {
        "a": np.array([1.5, np.nan]),
        "b": np.array([1, 2]),
        "c": np.array([3, 4]),
        "d": np.array([0.5, 2.5]),
        "e": np.array([True, False]),
        "f": np.array(["2024-02-29T12:30", "NaT"], "datetime64[ns]"),
    }
    items = [Values(*item) for item in columns.items()]
    items.insert(3, Values("s", ["x", "ü\U0001f600"], "str"))
    expected = pd.DataFrame(columns)
    expected.insert(3, "s", ["x", "ü\U0001f600"])
    data, _ = called_with(recorder, wire.table(items))
    assert data == same(expected)


def test_texts(recorder):
    missing = Values("a", ["x", None, "", "\U0001f600"], "str")
    objects = Values("b", ["x", None, "", "y"], "str", objects=True)
    binary = Values("c", [b"\0\xff", b"", b"abc", b"\n"], "bytes")
    data, _ = called_with(recorder, wire.table([missing, objects, binary]))
    expected = pd.DataFrame({"a": ["x", None, "", "\U0001f600"]})
    expected["b"] = pd.Series(["x", np.nan, "", "y"], dtype=object)
    expected["c"] = np.array([b"\0\xff", b"", b"abc", b"\n"], dtype=object)
    assert data == same(expected)


def test_missing_values(recorder):
    items = [
        Values("x", np.array([1.5, 2.5, 3.5]), missing=(1,)),
        Values("t", np.array([1, 2, 3], "datetime64[ns]"), missing=(0, 2)),
        Values("b", np.array([True, False, True]), missing=(2,)),
    ]
    data, _ = called_with(recorder, wire.table(items))
    expected = pd.DataFrame({"x": [1.5, np.nan, 3.5]})
    expected["t"] = np.array(["NaT", 2, "NaT"], "datetime64[ns]")
    expected["b"] = np.array([True, False, None], dtype=object)
    assert data == same(expected)


@pytest.mark.parametrize(
    "names", [["b", "a"], [0, 1], [2, 1], [7, 3], ["é", "\U0001f600"], ["x", "x"], [0, "x"]]
)
def test_names_of_columns(recorder, names):
    arrays = np.array([[1.0, 2.0], [3.0, 4.0]])
    data, _ = called_with(
        recorder, wire.table([Values(name, array) for name, array in zip(names, arrays)])
    )
    if len(set(names)) == 2:
        expected = pd.DataFrame(dict(zip(names, arrays)))
    else:
        expected = pd.DataFrame(arrays.T, columns=names)
    assert data["columns"] == same(expected)["columns"]
    assert data["rows"] == same(expected)["rows"]


@pytest.mark.parametrize("labels", [[5, 7], ["x", "ü"]])
def test_row_labels(recorder, labels):
    is_text = isinstance(labels[0], str)
    item = Values(None, labels if is_text else np.array(labels), "str" if is_text else None)
    data, _ = called_with(recorder, wire.table([Values("a", np.array([1.5, 2.5]))], labels=item))
    assert data == same(pd.DataFrame(index=labels, columns=["a"], data=[[1.5], [2.5]]))


def test_a_table_without_columns(recorder):
    data, _ = called_with(recorder, wire.request(wire.TABLE, n_rows=2))
    assert data == same(pd.DataFrame(data=[[], []]))


def test_an_index_that_a_model_renames(doer):
    rename = "python setattr(frame.columns, 'name', 'n') or setattr(frame.index, 'name', 'i')"
    asks = "python [frame.columns.name, frame.index.name]"
    assert doer(rename).value is None
    assert doer(asks).value == [None, None]


def test_data_that_a_model_keeps(doer):
    """Each message has memory of its own."""
    assert doer("keep", x=np.array([1.5])).value == [[1.5]]
    assert doer("keep", x=np.array([2.5])).value == [[1.5], [2.5]]


@pytest.mark.parametrize("dtype", NUMBERS)
@pytest.mark.parametrize("shape", [(2, 3), (4,), (), (0, 3), (1, 1, 2, 2)])
def test_a_tensor(recorder, dtype, shape):
    array = np.array(np.arange(np.prod(shape)).reshape(shape)).astype(dtype)
    data, _ = called_with(recorder, wire.tensor(array))
    assert data == same(array)


@pytest.mark.parametrize("texts", [["a", "ü\U0001f600"], [b"ab", b"\xff"]])
def test_a_tensor_of_texts(recorder, texts):
    item = Values(None, texts, type(texts[0]).__name__, shape=(2, 1))
    data, _ = called_with(recorder, wire.request(wire.TENSOR, [item]))
    assert data == same(np.array(texts).reshape(2, 1))
    item.objects = True
    data, _ = called_with(recorder, wire.request(wire.TENSOR, [item]))
    assert data == same(np.array(texts, dtype=object).reshape(2, 1))


def test_named_tensors(recorder):
    arrays = {"x": np.ones((2, 3), "float32"), "id": np.array([[7], [8]])}
    items = [Values(name, array, shape=array.shape) for name, array in arrays.items()]
    data, _ = called_with(recorder, wire.request(wire.TENSORS, items))
    assert data == same(arrays)


def test_large_requests_come_in_a_memfd(recorder):
    """Their arrays may be written to, and no copy is made of them."""
    array = np.arange(100_000.0).reshape(10, -1)
    data, _ = called_with(recorder, wire.tensor(array))
    assert data == same(array)
    columns = {str(i): row for i, row in enumerate(array)}
    data, _ = called_with(recorder, wire.table([Values(*item) for item in columns.items()]))
    assert data == same(pd.DataFrame(columns))


def test_writing_to_the_data(doer):
    write = "python frame.__setitem__('x', frame['x'] + 1) or frame['x'].tolist()"
    assert doer(write, x=np.array([1.5])).value == [2.5]
    n_rows = 20_000  # in a memfd
    assert doer(write, x=np.ones(n_rows)).value == [2.0] * n_rows


# --- params ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def with_params(start_template, save_python_model):
    specs = [
        ParamSpec("shift", DataType.double, 0.5),
        ParamSpec("stops", DataType.string, ["a", "b"], (-1,)),
        ParamSpec("since", DataType.datetime, np.datetime64("2024-02-29T12:30:00")),
    ]
    signature = mlflow.models.signature.ModelSignature(
        Schema([ColSpec("double", "x")]), params=ParamSchema(specs)
    )
    with start_template(save_python_model(worker_models.Recorder(), signature)) as fork:
        yield fork()


@pytest.mark.parametrize(
    "given", [None, {}, {"shift": 2}, {"stops": [], "since": "2020-01-01"}, {"unknown": 1}]
)
def test_params(with_params, given):
    body = {"dataframe_records": [{"x": 1.5}]}
    if given is not None:
        body["params"] = given
    payload = wire.table([Values("x", np.array([1.5]))], given)
    assert called_with(with_params, payload) == called_with(with_params, wire.raw(body))


def test_params_that_are_refused(with_params):
    result = with_params.ask(wire.table([Values("x", np.array([1.5]))], {"shift": "no"}))
    assert (result.status, result.value["error_code"]) == (400, "INVALID_PARAMETER_VALUE")
    assert "shift" in result.value["message"]


# --- raw bodies -----------------------------------------------------------------------------------


def test_raw_json(recorder):
    records = [{"a": 1, "b": "x"}, {"a": 2, "b": None}]
    data, _ = called_with(recorder, wire.raw({"dataframe_records": records}))
    assert data == same(pd.DataFrame(records))
    assert called_with(recorder, wire.raw(records))[0] == data  # as MLflow's documentation shows
    assert called_with(recorder, wire.raw(json.dumps(records).encode("utf-16")))[0] == data


def test_raw_csv(recorder):
    data, _ = called_with(recorder, wire.raw("a,b\n1,x\n2,\n", wire.CSV))
    assert data == same(pd.DataFrame({"a": [1, 2], "b": ["x", None]}))


def test_raw_parquet(recorder, tmp_path):
    frame = pd.DataFrame({"a": [1, 2], "b": [[1.5], []]})
    frame.to_parquet(tmp_path / "rows")
    body = (tmp_path / "rows").read_bytes()
    data, _ = called_with(recorder, wire.raw(body, wire.PARQUET))
    assert data == same(pd.read_parquet(tmp_path / "rows"))


def test_raw_language_model_payloads_are_answered_bare(recorder):
    result = recorder.ask(wire.raw({"messages": [{"role": "user", "content": "hi"}], "n": 2}))
    assert result.is_bare
    data, _ = json.loads(result.value)
    assert data == same({"messages": [{"role": "user", "content": "hi"}], "n": 2})


@pytest.mark.parametrize(
    "body, body_format",
    [
        (b"{", wire.JSON),
        (b'"text"', wire.JSON),
        (b"{}", wire.JSON),
        (b'{"dataframe_split": {"index": [1]}}', wire.JSON),
        (b'{"inputs": "\xff"}', wire.JSON),
        (b"[" * 100_000, wire.JSON),
        (b'{"inputs": ' + b"1" * 5000 + b"}", wire.JSON),
        (b"\xff,b\n1,2", wire.CSV),
        (b"", wire.CSV),
        (b"PAR1", wire.PARQUET),
    ],
)
def test_raw_bodies_that_cannot_be_read(recorder, body, body_format):
    result = recorder.ask(wire.raw(body, body_format))
    assert (result.kind, result.status, result.value["error_code"]) == ("error", 400, "BAD_REQUEST")
