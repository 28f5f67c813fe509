"""`inputs` and `instances`: what C makes of them beside what MLflow and numpy make of them.

MLRACE_EXAMPLES=10 tries ten times as many.
"""

import json
import os

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st
from mlflow.types.schema import ColSpec, DataType, Schema, TensorSpec

import decoder

INTEGERS = ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"]
FLOATS = ["float16", "float32", "float64"]
DTYPES = ["bool", *INTEGERS, *FLOATS, "str", "bytes", "datetime64[ns]", "object"]
COLUMN_TYPES = [type.name for type in DataType]


def examples(n):
    return hypothesis.settings(max_examples=n * int(os.environ.get("MLRACE_EXAMPLES", 1)))


@pytest.fixture(scope="module")
def tool():
    tool = decoder.Decoder()
    yield tool
    tool.close()


def check(tool, body, inputs=None, may_be_raw=True):
    """Both decoders agree, or C leaves the request to MLflow where that is allowed."""
    text = body if isinstance(body, str) else json.dumps(body)
    ours = tool.ask(text, inputs)
    theirs = decoder.mlflow_answer(text, inputs)
    if ours.get("kind") == "raw" and (may_be_raw or theirs.get("kind") == "other"):
        return
    assert decoder.difference(ours, theirs) is None, f"{text} with {inputs}"


# --- payloads ------------------------------------------------------------------------------------

NUMBERS = {
    "small ints": st.integers(-3, 300),
    "ints": st.integers(-(2**63), 2**64 - 1),
    "edges": st.sampled_from(
        [s * 2**p + d for p in (7, 8, 15, 16, 31, 32, 53, 63, 64) for s in (1, -1) for d in (-1, 0, 1)]
    ),
    "bools": st.booleans(),
    "floats": st.floats(width=64),
    "short floats": st.sampled_from([0.0, -0.0, 0.5, 1.0, -1.5, 2.75, 127.5, 65504.0, 65520.0, 3.5e38]),
    "bigger": st.sampled_from([2**64, -(2**63) - 1, 10**30, 10**400, -(10**400)]),
}
TEXTS = st.one_of(
    st.sampled_from(["", "a", "12", " 7 ", "1_0", "-3.5", "1e3", "nan", "inf", "True", "x\0", "\0", "é", "\u0663"]),
    st.text(max_size=4),
    st.sampled_from(["300", "-1", "99999999999999999999", "0x1F", "1.", ".5", "1__0", "+4", "1e400"]),
)
DATES = st.one_of(
    st.sampled_from(
        ["2020-01-01", "2020-02-30", "2020", "2020-13", "-5", "NaT", "2020-01-01T10:20:30.5Z", "2020-01-01 10:20",
         "1969-12-31T23:59:59.999999999", "2262-04-12", "2020-01-01T00:30+01:00", "2020-01-01T24", "2020-01-01T"]
    ),
    st.datetimes().map(lambda moment: moment.isoformat()),
    st.from_regex(r"[-+ ]?\d{1,5}(-\d\d(-\d\d([T ]\d\d(:\d\d(:\d\d(\.\d{0,19})?)?)?(Z|[-+]\d\d:?\d?\d?)? ?)?)?)?", fullmatch=True),
)  # fmt: skip
ODD = st.one_of(st.none(), st.just({}), st.just({"k": 1}))
POOLS = [*NUMBERS.values(), TEXTS, DATES]
LEAVES = st.one_of(
    *[st.just(pool) for pool in POOLS],
    st.just(st.one_of(*NUMBERS.values())),
    st.just(st.one_of(*POOLS)),
    st.just(st.one_of(*POOLS, ODD)),
    st.just(st.one_of(st.none(), NUMBERS["floats"], NUMBERS["small ints"])),
)


@st.composite
def arrays(draw, max_dims=3, sizes=st.integers(0, 3), leaf=None):
    """Nested lists: regular mostly, sometimes with one value or list out of place."""
    leaf = leaf if leaf is not None else draw(LEAVES)
    shape = draw(st.lists(sizes, max_size=max_dims))

    def build(dims):
        return [build(dims[1:]) for _ in range(dims[0])] if dims else draw(leaf)

    value = build(shape)
    if draw(st.integers(0, 5)) == 0:
        place = value
        while isinstance(place, list) and place and isinstance(place[0], list) and draw(st.booleans()):
            place = place[0]
        if isinstance(place, list):
            place.insert(draw(st.integers(0, len(place))), draw(st.one_of(leaf, st.just([]), st.lists(leaf, max_size=2))))
    return value


NAMES = st.sampled_from(["a", "b", "c"])
# Of a signature's inputs; a DataFrame made of an array gives integers.
LABELS = st.one_of(
    st.lists(NAMES, unique=True, max_size=3),
    st.lists(NAMES, unique=True, max_size=3),
    st.integers(1, 3).map(lambda n: list(range(n))),
    st.lists(st.sampled_from([-1, 1, 2]), unique=True, max_size=3),
)


def dicts(values):
    return st.dictionaries(NAMES, values, max_size=3)


@st.composite
def payloads(draw):
    shape = draw(st.sampled_from(["array", "array", "dict", "rows", "mixed", "row dicts"]))
    leaf = draw(LEAVES)
    if shape == "array":
        return draw(arrays())
    if shape == "dict":
        return draw(dicts(draw(st.sampled_from([arrays(max_dims=2), arrays(1, leaf=leaf), leaf]))))
    if shape == "rows":
        keys = draw(st.lists(NAMES, unique=True, min_size=1))
        cells = draw(st.sampled_from([leaf, arrays(1, st.just(2), leaf), arrays()]))
        return draw(st.lists(st.fixed_dictionaries({key: cells for key in keys}), min_size=1, max_size=3))
    if shape == "row dicts":
        return draw(st.lists(dicts(draw(st.sampled_from([leaf, arrays(max_dims=1)]))), max_size=3))
    return draw(st.lists(st.one_of(leaf, dicts(leaf)), max_size=3))


FORMATS = st.sampled_from(["inputs", "instances"])


@examples(500)
@hypothesis.given(FORMATS, payloads())
def test_without_signature(tool, key, payload):
    check(tool, {key: payload})


# --- signatures of tensors -----------------------------------------------------------------------

SHAPES = st.lists(st.sampled_from([-1, -1, -1, 0, 1, 2, 3]), max_size=3).map(tuple)


@st.composite
def tensor_specs(draw, name=None):
    return TensorSpec(np.dtype(draw(st.sampled_from(DTYPES))), draw(SHAPES), name)


@st.composite
def tensor_schemas(draw):
    names = draw(LABELS)
    return Schema([draw(tensor_specs(name)) for name in names] or [draw(tensor_specs())])


def is_numeric(schema):
    """Whether all of it is numbers: no request may need Python then, for what it decodes to."""
    return all(np.dtype(spec.type).kind in "biuf" for spec in schema.inputs)


@examples(700)
@hypothesis.given(FORMATS, payloads(), tensor_schemas())
def test_tensor_signature(tool, key, payload, schema):
    check(tool, {key: payload}, schema, may_be_raw=not is_numeric(schema))


@examples(700)
@hypothesis.given(st.sampled_from(DTYPES), arrays(), st.booleans())
def test_each_dtype(tool, dtype, value, is_named):
    """Every value in every dtype, of the shape that fits."""
    depth = np.ndim(np.array(0)) if not isinstance(value, list) else 1
    place = value
    while isinstance(place, list) and place and isinstance(place[0], list):
        place, depth = place[0], depth + 1
    schema = Schema([TensorSpec(np.dtype(dtype), (-1,) * depth, "a" if is_named else None)])
    check(tool, {"inputs": {"a": value} if is_named else value}, schema, may_be_raw=dtype in ("str", "bytes"))


# --- signatures of columns -----------------------------------------------------------------------


@st.composite
def column_schemas(draw):
    types = st.sampled_from(COLUMN_TYPES)
    names = draw(LABELS)
    if names:
        return Schema([ColSpec(draw(types), name, required=draw(st.integers(0, 3)) > 0) for name in names])
    if draw(st.booleans()):
        return Schema([ColSpec(draw(types))] * draw(st.integers(1, 3)))
    return Schema([ColSpec(draw(types)) for _ in range(draw(st.integers(1, 3)))])


@examples(700)
@hypothesis.given(FORMATS, payloads(), column_schemas())
def test_column_signature(tool, key, payload, schema):
    numbers = ("integer", "long", "float", "double")
    is_number = all(spec.type.name in numbers for spec in schema.inputs)
    check(tool, {key: payload}, schema, may_be_raw=not is_number)


@st.composite
def tables(draw):
    """A payload that fits its signature, mostly."""
    leaf_of = {
        "boolean": st.booleans(), "integer": st.integers(-9, 9), "long": NUMBERS["ints"], "float": NUMBERS["floats"],
        "double": st.one_of(NUMBERS["floats"], st.none(), NUMBERS["ints"]), "string": TEXTS, "binary": st.text("ab\0"),
        "datetime": DATES,
    }  # fmt: skip
    schema = draw(column_schemas())
    n_rows = draw(st.integers(0, 3))
    names = schema.input_names()

    def cell(spec):
        return draw(leaf_of[spec.type.name])

    form = draw(st.sampled_from(["columns", "rows", "scalars", "array"]))
    if form == "columns":
        return schema, {str(name): [cell(spec) for _ in range(n_rows)] for name, spec in zip(names, schema.inputs)}
    if form == "rows":
        rows = [{str(name): cell(spec) for name, spec in zip(names, schema.inputs)} for _ in range(n_rows)]
        if rows and draw(st.integers(0, 3)) == 0:
            rows[-1].pop(str(names[0]))
        return schema, rows
    if form == "scalars":
        return schema, {str(name): cell(spec) for name, spec in zip(names, schema.inputs)}
    return schema, [[cell(schema.inputs[0]) for _ in names] for _ in range(n_rows)]


@examples(700)
@hypothesis.given(FORMATS, tables())
def test_table_that_fits(tool, key, table):
    schema, payload = table
    check(tool, {key: payload}, schema)


# --- cases worth a name --------------------------------------------------------------------------


def columns(**types):
    return Schema([ColSpec(type, name) for name, type in types.items()])


def unnamed(*types):
    return Schema([ColSpec(type) for type in types])


def tensor(dtype, *shape):
    return Schema([TensorSpec(np.dtype(dtype), shape)])


CASES = {
    "one row of floats": ('{"inputs": [[5.1, 3.5, 1.4, 0.2]]}', None),
    "row for a tensor": ('{"inputs": [[5.1, 3.5, 1.4, 0.2]]}', tensor("float64", -1, 4)),
    "row for unnamed columns": ('{"inputs": [[5.1, 3.5]]}', unnamed("double", "double")),
    "row for named columns": ('{"inputs": [[5.1, 3.5]]}', columns(a="double", b="double")),
    "too few columns": ('{"inputs": [[5.1]]}', unnamed("double", "double")),
    "more columns than declared": ('{"inputs": [[1.5, 2, 3]]}', unnamed("double", "double")),
    "three dimensions for columns": ('{"inputs": [[[1.0]]]}', unnamed("double")),
    "list for the only column": ('{"inputs": [1, 2]}', columns(a="double")),
    "list of dicts and more": ('{"inputs": [{"a": 1}, 2]}', columns(a="double")),
    "one value": ('{"inputs": 5}', unnamed("long")),
    "null": ('{"inputs": null}', unnamed("double")),
    "null without signature": ('{"inputs": null}', None),
    "empty list": ('{"inputs": []}', unnamed("double")),
    "empty dict": ('{"inputs": {}}', columns(a="double")),
    "duplicate keys": ('{"inputs": {"a": [1], "b": [2], "a": [3]}}', columns(a="long", b="long")),
    "duplicate key in a row": ('{"inputs": [{"a": 1, "a": 2}]}', columns(a="long")),
    "duplicate key in an instance": ('{"instances": [{"a": 1, "a": 2}, {"a": 3}]}', columns(a="long")),
    "overwritten ragged list": ('{"inputs": [{"x": [1, [2]], "a": 1, "x": 3}]}', columns(a="long")),
    "unequal instances": ('{"instances": {"a": [1, 2], "b": [3]}}', None),
    "a value beside lists of instances": ('{"instances": {"a": [1, 2], "b": 3}}', None),
    "instance that is no dict": ('{"instances": [{"a": 1}, 5]}', None),
    "uint64 beside negative": ('{"inputs": [9223372036854775808, -1]}', None),
    "overflowing float": ('{"inputs": [1e400, -1e400]}', None),
    "overflowing int": ('{"inputs": [128]}', tensor("int8", -1)),
    "NaN as an int": ('{"inputs": [NaN]}', tensor("int64", -1)),
    "negative zero": ('{"inputs": [-0, -0.0]}', tensor("float64", -1)),
    "dtype differs": ('{"inputs": [1]}', tensor("object", 1)),
    "any of ragged objects": ('{"inputs": [[1], [2, 3]]}', tensor("object", -1)),
    "zone of a date": ('{"inputs": ["2020-01-01T00:00:00+02:00"]}', tensor("datetime64[ns]", -1)),
    "bytes for a text": ('{"inputs": [["", ""]]}', unnamed("binary", "string")),
    "bytes of a dict for a text": ('{"inputs": {"a": ["x"], "b": ["y"]}}', columns(a="binary", b="string")),
    "numbered columns": ('{"inputs": [[1, 2]]}', Schema([ColSpec("long", 1), ColSpec("long", 0)][::-1])),
    "bytes for a column that is not there": ('{"inputs": [0]}', Schema([ColSpec("binary", 0), ColSpec("boolean", 1, required=False)])),
    "dates without a unit": ('{"inputs": ["2020-01-01", null]}', tensor("datetime64", -1)),
    "64 dimensions": ('{"inputs": ' + "[" * 64 + "1" + "]" * 64 + "}", None),
    "65 dimensions": ('{"inputs": ' + "[" * 65 + "1" + "]" * 65 + "}", None),
    "65 dimensions of objects": ('{"inputs": ' + "[" * 65 + "1" + "]" * 65 + "}", tensor("object", *[-1] * 64)),
    "missing bool": ('{"inputs": [{"a": true}, {}]}', columns(a="boolean")),
    "missing long": ('{"inputs": [{"a": 1}, {}]}', columns(a="long")),
    "missing double": ('{"inputs": [{"a": 1}, {}]}', columns(a="double")),
    "missing text": ('{"inputs": [{"a": "x"}, {}]}', columns(a="string")),
    "missing date": ('{"inputs": [{"a": "2020-01-01"}, {}]}', columns(a="datetime")),
    "empty list as a double": ('{"inputs": [{"a": []}, {"a": 1.5}]}', columns(a="double")),
    "list as a double": ('{"inputs": [{"a": [1]}, {"a": 1.5}]}', columns(a="double")),
    "lone surrogate in a column": ('{"inputs": {"a": ["\\ud800"]}}', columns(a="string")),
    "lone surrogate in an array": ('{"inputs": ["\\ud800"]}', None),
    "value spread over rows": ('{"inputs": {"a": [1, 2], "b": 3}}', columns(a="long", b="long")),
    "unknown value spread over rows": ('{"inputs": {"a": [1, 2], "x": 3}}', columns(a="long")),
    "unknown value in a row": ('{"inputs": {"a": 1, "x": 3}}', columns(a="long")),
    "unknown dict spread over rows": ('{"inputs": {"a": [1, 2], "x": {"k": 1, "l": 2}}}', columns(a="long")),
    "unknown dict of another size": ('{"inputs": {"a": [1, 2], "x": {"k": 1, "l": 2, "m": 3}}}', columns(a="long")),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_case(tool, name):
    check(tool, *CASES[name], may_be_raw=name in ("missing bool", "dates without a unit"))


# --- frames for signatures of tensors ------------------------------------------------------------


@st.composite
def frames(draw):
    """A body with dataframe_split or dataframe_records, and a signature of tensors."""
    names = draw(st.lists(NAMES, unique=True, min_size=1))
    n_rows = draw(st.integers(0, 3))
    dtype = draw(st.sampled_from(["bool", *INTEGERS, *FLOATS, "str", "bytes", "datetime64[ns]"]))
    leaf = draw(st.one_of(LEAVES, st.just(st.one_of(NUMBERS["small ints"], NUMBERS["short floats"]))))
    width = draw(st.integers(0, 4))
    cell = draw(st.sampled_from([leaf, st.lists(leaf, min_size=width, max_size=width), st.lists(leaf, max_size=2), arrays(2)]))
    rows = [[draw(cell) for _ in names] for _ in range(n_rows)]
    if draw(st.booleans()):
        body = {"dataframe_records": [dict(zip(names, row)) for row in rows]}
    else:
        body = {"dataframe_split": {"columns": names, "data": rows}}
        if draw(st.integers(0, 3)) == 0:
            label = st.one_of(st.integers(-1, 3), st.sampled_from(["0", "a"]))
            body["dataframe_split"]["index"] = draw(st.lists(label, min_size=n_rows, max_size=n_rows))
    shape = draw(st.sampled_from([(-1,), (-1, 1), (-1, width), (-1, 2, width // 2), (-1, len(names)), (-1, -1), (2, -1), ()]))
    schema = [TensorSpec(np.dtype(dtype), shape, name) for name in (names if draw(st.booleans()) else [None])]
    return body, Schema(schema)


@examples(700)
@hypothesis.given(frames())
def test_frame_for_tensors(tool, frame):
    body, schema = frame
    check(tool, body, schema)
