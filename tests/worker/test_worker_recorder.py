"""What a model is called with, under MLflow and under mlrace: the same body goes through MLflow's
scoring server in this process, and through C and a worker; a model that records what it sees must
see the same: types, dtypes, values, labels, their order, and how arrays lie in memory."""

import base64
import contextlib
import json
import os
import pathlib
import struct
import subprocess

import mlflow.pyfunc
import numpy as np
import pytest
import worker_models
import worker_protocol as wire
from mlflow.exceptions import MlflowException
from mlflow.models import ModelSignature
from mlflow.pyfunc import scoring_server
from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema, TensorSpec

CONTENT_TYPES = {"json": "application/json", "csv": "text/csv"}


class Decoder:
    """The server's way from a body to a PREDICT's payload: build/tool_wire."""

    def __init__(self):
        self._process = subprocess.Popen(
            [pathlib.Path(os.environ["MLRACE_BUILD"]) / "tool_wire", "requests"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def request(self, body, signature, content_type):
        """A payload, or None for a body that is refused."""
        request = {
            "signature": {
                "inputs": signature.inputs.to_json() if signature and signature.inputs else None,
                "params": signature.params.to_json() if signature and signature.params else None,
            },
            "content_type": content_type,
            "body_b64": base64.b64encode(body).decode(),
        }
        self._process.stdin.write(json.dumps(request).encode() + b"\n")
        self._process.stdin.flush()
        is_refused, size = struct.unpack("=QQ", self._process.stdout.read(16))
        content = self._process.stdout.read(size)
        return None if is_refused else content

    def close(self):
        self._process.stdin.close()
        self._process.wait(10)


@pytest.fixture(scope="module")
def decoder():
    decoder = Decoder()
    yield decoder
    decoder.close()


@pytest.fixture(scope="module")
def reference(save_python_model):
    """The recorder under MLflow: a function of body, signature and content type. None: refused."""
    model = mlflow.pyfunc.load_model(save_python_model(worker_models.Recorder()))

    def ask(body, signature, content_type):
        model.metadata.signature = signature
        schema = model.metadata.get_input_schema()
        try:
            answer = scoring_server.invocations(body, content_type, model, schema)
        except MlflowException:
            return None
        assert answer.status == 200, answer
        answer = json.loads(answer.response)
        return json.loads(answer["predictions"] if isinstance(answer, dict) else answer)

    return ask


def named(**types):
    return Schema([ColSpec(kind, name) for name, kind in types.items()])


def tensor(dtype, shape, name=None):
    return TensorSpec(np.dtype(dtype), shape, name)


NUMBERS = named(a="double", b="double", c="double")
MIXED = named(
    t="string", l="long", d="double", i="integer", f="float", b="boolean", x="binary", w="datetime"
)
OPTIONAL = Schema([
    ColSpec("long", "id"),
    *(ColSpec(kind, kind.name, required=False) for kind in DataType),
])
ROW = {
    "t": "x",
    "l": 1,
    "d": 2.5,
    "i": 3,
    "f": 0.1,
    "b": True,
    "x": "aGk=",
    "w": "2024-02-29T12:30:00.123456789",
}


def split(columns, data, **rest):
    return {"dataframe_split": {"columns": columns, "data": data, **rest}}


def records(*rows):
    return {"dataframe_records": list(rows)}


# Signature, bodies: JSON values, or texts of CSV.
CASES = {
    "none": (
        None,
        split(["a", "b"], [[1, 2.5], [3, 4.5]]),
        split(["a", "b"], [[1, "x"], [3, None]]),
        split(["a", "b"], [[True, "\u00e9\ud83d\ude00"], [False, ""]]),
        split(["a", "b", "c"], [[1, 2.5, "x"], [None, None, "y"]]),
        split(["b", "a"], [[1, 2]], index=[7]),
        split(["a"], [[1.5], [2.5]], index=["x", "y"]),
        split(["a"], [[1.5], [2.5]], index=[3, 3]),
        split([0, 1], [[1, 2], [3, 4]]),
        split([5, 3], [[1, 2], [3, 4]]),
        split([], []),
        split(["a", "b"], []),
        {"dataframe_split": {"data": [[1, 2.5], [3, 4.5]]}},
        {"dataframe_split": {"data": [[], []]}},
        records({"a": 1, "b": 2.5}, {"a": 2, "b": 3.5}),
        records({"a": 1}, {"b": "x"}),
        records({"b": "x", "a": True}),
        records(),
        {"inputs": [[1, 2], [3, 4]]},
        {"inputs": [1.5, 2.5]},
        {"inputs": [[[1]]]},
        {"inputs": 3},
        {"inputs": "text"},
        {"inputs": ["a", "long text"]},
        {"inputs": [True, False]},
        {"inputs": {"a": [1, 2], "b": [[1.5], [2.5]]}},
        {"inputs": {"a": "x"}},
        {"instances": [[1, 2], [3, 4]]},
        {"instances": [{"a": 1, "b": [1.5]}, {"a": 2, "b": [2.5]}]},
        "a,b,c\n1,2.5,x\n2,,\n",
        "a,b\n1,true\n2,false\n",
        "a,b\n1,2,3\n4,5,6\n",
        "a\n2024-01-01\n",
    ),
    "numbers": (
        NUMBERS,
        split(["a", "b", "c"], [[1.5, 2, 3]]),
        split(["c", "b", "a"], [[1.5, 2, 3], [4, 5, None]]),
        split(["a", "b", "c", "z"], [[1.5, 2, 3, "x"]] * 5),
        split(["a", "b", "c"], [[1.5, 2, 3]] * 2, index=["r", "s"]),
        split(["a", "b", "c"], [[1.5, 2, 3]] * 2, index=[9, 8]),
        split(["a", "b", "c"], []),
        records({"c": 1, "a": 2, "b": 3}),
        records({"c": 1, "a": 2, "b": 3, "z": {}}),
        {"inputs": {"a": [1.5], "b": [2], "c": [3]}},
        {"instances": [{"a": 1.5, "b": 2, "c": 3}]},
        "a,b,c\n1,2,3\n",
        "c,b,a\n1,,3\n4,5,6\n",
        "z,a,b,c\nx,1,2,3\n",
        "7,1,2,3\n",
        "a,b,c\n9,1,2,3\n8,4,5,6\n",
    ),
    "mixed": (
        MIXED,
        records(ROW),
        records(ROW, {**ROW, "t": "\u00e9\ud83d\ude00", "d": None, "w": None}),
        records({**ROW, "t": None}),
        records({**ROW, "t": "\ud800"}),
        split(list(ROW), [list(ROW.values())] * 3),
        split(list(ROW)[::-1], [list(ROW.values())[::-1]], index=[5]),
        split(list(ROW), []),
        {"inputs": {name: [value] for name, value in ROW.items()}},
        {"instances": [ROW, ROW]},
    ),
    "csv": (
        named(t="string", l="long", d="double", i="integer", f="float", b="boolean"),
        "t,l,d,i,f,b\nx,1,2.5,3,0.1,true\n",
        "t,l,d,i,f,b\n,1,,3,,False\n1,1,1,1,1,True\n",
        "b,f,i,d,l,t\ntrue,0.1,3,2.5,1,NA\n",
    ),
    "optional": (
        OPTIONAL,
        records({"id": 1}),
        records({"id": 1, "long": 2, "string": None}, {"id": 2, "long": 3, "string": "x"}),
        records({"id": 1, "boolean": None, "datetime": None, "double": None, "float": None}),
        split(["id", "string", "boolean"], [[1, "x", True], [2, None, False]]),
        {"inputs": {"id": [1, 2], "string": ["a", "b"]}},
        "id,string,double\n1,,\n2,x,2.5\n",
    ),
    "text": (
        named(text="string"),
        records({"text": "x"}, {"text": "y"}),
        split(["text"], [["x"], [None]]),
        {"inputs": ["a", "b"]},
        {"inputs": "a"},
        {"inputs": {"text": "a"}},
        {"inputs": {"text": ["a", "b"]}},
        {"instances": ["a", "b"]},
        {"messages": [], "text": "x"},
        {"input": "x", "text": "y"},
        "text\nx\n\ny\n",
        'text\n"a,b"\n',
    ),
    "unnamed": (
        Schema([ColSpec("double"), ColSpec("long"), ColSpec("string")]),
        split(["x", "y", "z"], [[1.5, 2, "a"]]),
        split(["x", "y", "z", "w"], [[1.5, 2, "a", 0]]),
        {"dataframe_split": {"data": [[1.5, 2, "a"]]}},
        records({"q": 1.5, "r": 2, "s": "a"}),
        "x,y,z\n1.5,2,a\n",
    ),
    "one unnamed": (
        Schema([ColSpec("double")]),
        {"inputs": [1.5, 2]},
        {"inputs": [[1.5], [2]]},
        {"inputs": 3},
        {"instances": [1.5, 2]},
    ),
    "tensor": (
        Schema([tensor("float32", (-1, 3))]),
        {"inputs": [[1, 2, 3], [4, 5, 6.5]]},
        {"inputs": [[1, None, 3]]},
        {"instances": [[1, 2, 3]]},
        {"inputs": []},
        split(["a", "b", "c"], [[1, 2, 3], [4, 5, 6]]),
        split(["a", "b", "c"], [[1, 2, 3], [4, 5, 6]], index=[4, 5]),
        records({"a": 1, "b": 2, "c": 3}),
    ),
    "dtypes of tensors": (
        Schema([
            tensor("int8", (-1, 2), "a"),
            tensor("bool", (-1,), "b"),
            tensor("str", (-1,), "c"),
        ]),
        {"inputs": {"a": [[1, 2]], "b": [True], "c": ["x"]}},
        {"inputs": {"c": ["x", "long"], "b": [1, 0], "a": [[1, 2], [3, 4]]}},
        {"instances": [{"a": [1, 2], "b": True, "c": "\u00e9"}]},
    ),
    "tensors": (
        Schema([tensor("float64", (-1, 2), "x"), tensor("int64", (-1, 1), "id")]),
        {"inputs": {"x": [[1, 2]], "id": [[7]]}},
        {"inputs": {"id": [[7]], "x": [[1, 2]], "z": [1]}},
        {"instances": [{"x": [1, 2], "id": [7]}, {"x": [3, 4], "id": [8]}]},
        records({"x": [1.5, 2], "id": 7}),
        split(["x", "id"], [[[1.5, 2], 7]]),
    ),
    "half": (
        Schema([tensor("float16", (2, 2))]),
        {"inputs": [[1, 2.5], [1e-3, 65504]]},
    ),
}
FLAT = [
    pytest.param(schema, body, id=f"{name}-{i}")
    for name, (schema, *bodies) in CASES.items()
    for i, body in enumerate(bodies)
]


@pytest.fixture(scope="module")
def worker_of(start_template, save_python_model, recorder):
    """worker_of(signature): a worker with a recorder of that signature."""
    workers = {None: recorder}
    with contextlib.ExitStack() as stack:

        def find(signature):
            key = signature and json.dumps(signature.to_dict())
            if key not in workers:
                folder = save_python_model(worker_models.Recorder(), signature)
                workers[key] = stack.enter_context(start_template(folder))()
            return workers[key]

        yield find


def kind_of(payload):
    return struct.unpack_from("=I", payload)[0]


def compare(decoder, reference, worker_of, signature, body):
    """Fails where the model sees another thing."""
    content_type = CONTENT_TYPES["csv" if isinstance(body, str) else "json"]
    content = body.encode() if isinstance(body, str) else json.dumps(body).encode()
    payload = decoder.request(content, signature, content_type)
    expected = reference(content, signature, content_type)
    assert (payload is None) == (expected is None), (payload, expected)
    if payload is not None:
        # What C has decoded is not looked at again: then any recorder does.
        is_raw = kind_of(payload) == wire.RAW
        has_params = signature and signature.params
        result = worker_of(signature if is_raw or has_params else None).ask(payload)
        assert result.kind == "json", result
        assert json.loads(result.value) == expected


@pytest.mark.parametrize("schema, body", FLAT)
def test_data(decoder, reference, worker_of, schema, body):
    compare(decoder, reference, worker_of, ModelSignature(schema) if schema else None, body)


PARAMS = ParamSchema([
    ParamSpec("shift", DataType.double, 0.5),
    ParamSpec("top", DataType.long, 3),
    ParamSpec("mode", DataType.string, "plain"),
    ParamSpec("loud", DataType.boolean, False),
    ParamSpec("since", DataType.datetime, np.datetime64("2024-02-29T12:30:00")),
    ParamSpec("stops", DataType.string, ["a", "b"], (-1,)),
])
ONE_COLUMN = ModelSignature(named(x="double"), params=PARAMS)


@pytest.mark.parametrize(
    "given",
    [
        None,
        {},
        {"unknown": 1},
        {"shift": 2, "top": 5, "mode": "\u00e9", "loud": True, "stops": []},
        {"since": "2020-01-01", "stops": ["x"], "top": None},
        {"since": "2020-01-01T01:02:03.5", "shift": 1e300},
        {"shift": "no"},
        {"top": 1.5},
        [],
    ],
)
def test_params(decoder, reference, worker_of, given):
    compare(decoder, reference, worker_of, ONE_COLUMN, {**records({"x": 1.5}), "params": given})
    if isinstance(given, dict):
        compare(decoder, reference, worker_of, ONE_COLUMN, {"messages": [], "x": 1.5, **given})


@pytest.mark.parametrize("given", [None, {}, {"unknown": 1}, []])
@pytest.mark.parametrize("schema", [None, NUMBERS])
def test_params_of_a_model_that_has_none(decoder, reference, worker_of, schema, given):
    body = {**records({"a": 1, "b": 2, "c": 3}), "params": given}
    compare(decoder, reference, worker_of, ModelSignature(schema) if schema else None, body)
