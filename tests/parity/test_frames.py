"""dataframe_split and dataframe_records: random signatures and payloads through mlrace's decoder
and through MLflow's own functions.

Cells are JSON texts, so that a body can hold what no Python value prints as: 1e400, -0, a key given
twice, a lone surrogate. MLRACE_EXAMPLES: how many examples a test tries.
"""

import collections
import json
import os

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st
from mlflow.types.schema import ColSpec, Schema, TensorSpec

import decoder

NUMBER_DTYPES = "bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 float32 float64".split()
TYPES = ["boolean", "integer", "long", "float", "double", "string", "binary", "datetime"]
N_EXAMPLES = int(os.environ.get("MLRACE_EXAMPLES", "100"))
KINDS = collections.Counter()


@pytest.fixture(scope="module")
def tool():
    running = decoder.Decoder()
    yield running
    running.close()


def compare(tool, body, inputs):
    """Both decoders agree, or C leaves the request to Python."""
    ours, theirs = tool.ask(body, inputs), decoder.mlflow_answer(body, inputs)
    KINDS[ours.get("kind") or ours["error_code"]] += 1
    if ours.get("kind") == "raw":
        return
    if theirs.get("error_code") == "CRASH":  # MLflow's server answers 500
        assert "error_code" in ours, theirs
        return
    assert decoder.difference(ours, theirs) is None, decoder.difference(ours, theirs)


integers = st.one_of(
    st.integers(-3, 3),
    st.integers(-(2**70), 2**70),
    st.sampled_from([2**31, -(2**31) - 1, 2**32, 2**53 + 1, 2**63 - 1, 2**63, 2**64 - 1, 2**64]),
    st.sampled_from([-(2**63), -(2**63) - 1, 16777217, 2**62 + 2**38 + 1]),
).map(str)
reals = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.sampled_from("-0 -0.0 1.0 2.7 -2.7 1e400 -1e400 1E5 1e-400 3e9 1e19 -1e19 NaN".split()),
    st.sampled_from("Infinity -Infinity 9223372036854775807.0 0.1 1e39 0.5 1e22".split()),
)
number_texts = st.one_of(
    st.integers(-(10**20), 10**20).map(str),
    st.floats().map(repr),
    st.sampled_from([" 12 ", "1_000", "+5", "0x10", "1e3", "\u0663", "12.0", "-", ".5", "5.", ""]),
    st.sampled_from(["nan", "NaN", "inf", "-Infinity", "1e400", "3000000000", "\u00a07\u2003"]),
    st.sampled_from(["_1", "1__0", "1_", "- 1", "--1", "infinit", "1e", "1e+", "1.e5", "\t5\n"]),
)
words = st.one_of(
    st.text(max_size=6),
    st.sampled_from(["abc", "", "true", "false", "x\u0000y", "\u65e5\u672c", "\U0001f600"]),
)
base64_texts = st.one_of(
    st.sampled_from(["aGk=", "aGk", "YQ==", "====", "a", "aG k=\n", "AAH/gA==", "aGk=aGk=", ""]),
    st.text("AQag/+=! \n", max_size=8),
)
instants = st.datetimes().map(str) | st.datetimes().map(lambda day: day.isoformat())
near_instants = st.builds(
    "{:04d}-{:02d}-{:02d}{}{:02d}:{:02d}{}{}".format,
    st.integers(1670, 2270),
    st.integers(0, 13),
    st.integers(0, 32),
    st.sampled_from(["T", " ", "t", "  "]),
    st.integers(0, 24),
    st.integers(0, 60),
    st.sampled_from(["", ":00", ":59", ":60", ":30.5", ":30.123456789", ":30.1234567891", ":7"]),
    st.sampled_from(["", "", "Z", "+00:00", "+0200", "-02", "+24:00", "z", " Z", "+02:60"]),
)
dates = st.one_of(
    instants,
    near_instants,
    st.dates().map(str),
    st.sampled_from(["NaT", "nan", "", "now", "2024-1-2", "20240102", "2024", "May 5 2024", "12"]),
    st.sampled_from(["1677-09-21T00:12:43.145224193", "1677-09-21T00:12:43.145224192"]),
    st.sampled_from(["2262-04-11T23:47:16.854775807", "2262-04-11 23:47:16.854775808", "x"]),
)
quoted = st.one_of(number_texts, words, base64_texts, dates).map(json.dumps)
surrogates = st.sampled_from(['"\\ud800"', '"a\\udc00b"', '"\\ud83d\\ude00"', '"\\ud83dx\\ude00"'])
nested = st.sampled_from(["[]", "{}", "[1]", '{"a": 1}', "[[1, 2]]", '[null, "x"]'])
truths = st.sampled_from(["true", "false"])
nulls = st.just("null")

BY_TYPE = {
    "boolean": truths,
    "integer": integers,
    "long": integers,
    "float": reals | integers,
    "double": reals | integers,
    "string": words.map(json.dumps),
    "binary": base64_texts.map(json.dumps),
    "datetime": dates.map(json.dumps) | integers | reals,
}
ANY = st.one_of(integers, reals, quoted, truths, nulls, nested)


PLAIN = {
    "boolean": ["true", "false"],
    "integer": ["7", "-7"],
    "long": ["7", "-7"],
    "float": ["0.5", "-2.25"],
    "double": ["0.5", "-2.25"],
    "string": ['"x"', '"y"'],
    "binary": ['"aGk="', '"YQ=="'],
    "datetime": ['"2024-02-03"', '"2023-11-30"'],
}


def column_cells(kind):
    """How the cells of one column are drawn: all of a type, or with others among them."""
    plain, own = st.sampled_from(PLAIN[kind]), BY_TYPE[kind]
    texts = number_texts.map(json.dumps)
    mixtures = [plain, plain, plain, plain | nulls, own, own | nulls, own | quoted, texts, ANY]
    return st.sampled_from(mixtures)


NAMES = ["a", "b", "c", "d", "e", "\u540d", "a b", "0", "1", ""]


@st.composite
def frames(draw, named=True, with_schema=True):
    """A signature or None, cell texts by column name, the number of rows."""
    n_specs = draw(st.integers(1, 4))
    names = draw(st.permutations(NAMES[:9]))[:n_specs]
    kinds = [draw(st.sampled_from(TYPES)) for _ in names]
    specs = []
    for name, kind in zip(names, kinds):
        optional = named and draw(st.integers(0, 5)) == 0
        specs.append(ColSpec(kind, name if named else None, required=not optional))
    n_rows = draw(st.integers(0, 4))
    columns = {}
    extra = [name for name in NAMES if name not in names and draw(st.integers(0, 9)) == 0]
    given = [name for name in names if draw(st.integers(0, 12))] + extra
    if draw(st.booleans()):
        given = draw(st.permutations(given))
    for name in given:
        kind = kinds[names.index(name)] if name in names else "string"
        cells = draw(column_cells(kind))
        columns[name] = [draw(cells) for _ in range(n_rows)]
    return (Schema(specs) if with_schema else None), columns, n_rows


def split_body(columns, n_rows, labels=None, index=None):
    rows = ["[" + ", ".join(cells[i] for cells in columns.values()) + "]" for i in range(n_rows)]
    labels = json.dumps(list(columns)) if labels is None else labels
    parts = [f'"columns": {labels}', f'"data": [{", ".join(rows)}]']
    if index is not None:
        parts.append(f'"index": {index}')
    return '{"dataframe_split": {' + ", ".join(parts) + "}}"


def records_body(columns, n_rows, leave_out=frozenset(), twice=frozenset()):
    """leave_out: (row, name) of cells that are not there; twice: rows that end on their first key
    again, with the value 1."""
    rows = []
    for i in range(n_rows):
        pairs = [
            f"{json.dumps(name)}: {cells[i]}"
            for name, cells in columns.items()
            if (i, name) not in leave_out
        ]
        if i in twice and columns:
            pairs.append(f"{json.dumps(next(iter(columns)))}: 1")
        rows.append("{" + ", ".join(pairs) + "}")
    return '{"dataframe_records": [' + ", ".join(rows) + "]}"


@hypothesis.settings(max_examples=N_EXAMPLES)
@hypothesis.given(frames())
def test_split(tool, frame):
    inputs, columns, n_rows = frame
    compare(tool, split_body(columns, n_rows), inputs)


@hypothesis.settings(max_examples=N_EXAMPLES)
@hypothesis.given(frames(), st.data())
def test_records(tool, frame, data):
    inputs, columns, n_rows = frame
    places = [(i, name) for i in range(n_rows) for name in columns]
    leave_out = data.draw(st.sets(st.sampled_from(places), max_size=2)) if places else set()
    twice = {0} if data.draw(st.integers(0, 9)) == 0 else set()
    compare(tool, records_body(columns, n_rows, leave_out, twice), inputs)


@hypothesis.settings(max_examples=N_EXAMPLES)
@hypothesis.given(frames(named=False), st.booleans())
def test_without_names(tool, frame, with_labels):
    inputs, columns, n_rows = frame
    labels = None if with_labels else json.dumps(list(range(len(columns))))
    compare(tool, split_body(columns, n_rows, labels), inputs)


row_labels = st.one_of(
    *[
        st.just(cells)
        for cells in [
            st.integers(-3, 3).map(str),
            integers,
            words.map(json.dumps),
            surrogates | words.map(json.dumps),
            words.map(json.dumps) | nulls,
            dates.map(json.dumps),
            truths,
            reals | integers,
            ANY,
        ]
    ]
)


@hypothesis.settings(max_examples=N_EXAMPLES)
@hypothesis.given(frames() | frames(named=False) | frames(with_schema=False), st.data())
def test_row_labels(tool, frame, data):
    """`index` reaches the model, also through the enforcement of a signature."""
    inputs, columns, n_rows = frame
    cells = data.draw(row_labels)
    labels = [data.draw(cells) for _ in range(n_rows)]
    if data.draw(st.integers(0, 3)) == 0:
        columns = {}
    compare(tool, split_body(columns, n_rows, index=f"[{', '.join(labels)}]"), inputs)


@hypothesis.settings(max_examples=N_EXAMPLES)
@hypothesis.given(frames(with_schema=False), st.booleans())
def test_without_signature(tool, frame, is_split):
    _, columns, n_rows = frame
    compare(tool, (split_body if is_split else records_body)(columns, n_rows), None)


@hypothesis.settings(max_examples=N_EXAMPLES)
@hypothesis.given(st.lists(ANY, max_size=4), st.sampled_from(TYPES), st.booleans())
def test_one_column_of_anything(tool, cells, kind, has_schema):
    inputs = Schema([ColSpec(kind, "a")]) if has_schema else None
    compare(tool, split_body({"a": cells}, len(cells)), inputs)


@hypothesis.settings(max_examples=N_EXAMPLES)
@hypothesis.given(st.lists(ANY, max_size=3), st.sampled_from([*NUMBER_DTYPES, "str", "object"]))
def test_tensor_signature(tool, cells, dtype):
    inputs = Schema([TensorSpec(np.dtype(dtype), (-1,), "a")])
    compare(tool, split_body({"a": cells}, len(cells)), inputs)


@hypothesis.settings(max_examples=N_EXAMPLES)
@hypothesis.given(
    st.lists(surrogates | words.map(json.dumps) | integers, max_size=3),
    st.sampled_from(TYPES),
    st.sampled_from(["a", "b", None]),
)
def test_surrogates(tool, cells, kind, wanted):
    inputs = Schema([ColSpec(kind, wanted, required=False)]) if wanted else None
    compare(tool, split_body({"a": cells}, len(cells)), inputs)
    compare(tool, records_body({"a": cells}, len(cells)), inputs)


odd_values = st.recursive(
    st.sampled_from(["1", "2.5", '"x"', "null", "true", "NaN", '"a"', '""', "0"]),
    lambda inner: st.lists(inner, max_size=3).map(lambda items: "[" + ", ".join(items) + "]")
    | st.dictionaries(st.sampled_from(["a", "b", "x"]), inner, max_size=3).map(
        lambda items: "{" + ", ".join(f'"{key}": {value}' for key, value in items.items()) + "}"
    ),
    max_leaves=8,
)
odd_inputs = st.sampled_from(
    [
        None,
        Schema([ColSpec("double", "a")]),
        Schema([ColSpec("double", "a"), ColSpec("string", "b", required=False)]),
        Schema([ColSpec("long")]),
        Schema([ColSpec("double"), ColSpec("string")]),
        Schema([ColSpec("boolean", "a", required=False)]),
    ]
)


@hypothesis.settings(max_examples=N_EXAMPLES)
@hypothesis.given(odd_values, odd_values | st.none(), odd_values | st.none(), odd_inputs)
def test_odd_split(tool, data, columns, index, inputs):
    parts = [f'"data": {data}']
    if columns is not None:
        parts.append(f'"columns": {columns}')
    if index is not None:
        parts.append(f'"index": {index}')
    compare(tool, '{"dataframe_split": {' + ", ".join(parts) + "}}", inputs)


@hypothesis.settings(max_examples=N_EXAMPLES)
@hypothesis.given(odd_values, st.sampled_from(["dataframe_records", "dataframe_split"]), odd_inputs)
def test_odd_values(tool, value, key, inputs):
    compare(tool, f'{{"{key}": {value}}}', inputs)


@hypothesis.settings(max_examples=N_EXAMPLES)
@hypothesis.given(
    st.lists(st.sampled_from(["a", "b", "c"]) | st.integers(0, 2), min_size=1, max_size=4),
    st.lists(st.sampled_from(["1", '"x"', '"2024-01-02"', "true", '"aGk="']), min_size=4),
    st.lists(st.sampled_from(TYPES), min_size=1, max_size=3),
    st.booleans(),
)
def test_labels(tool, labels, cells, kinds, named):
    """Columns given twice, out of order, as numbers."""
    specs = [ColSpec(kind, "abc"[i] if named else None) for i, kind in enumerate(kinds)]
    row = "[" + ", ".join(cells[: len(labels)]) + "]"
    body = f'{{"dataframe_split": {{"columns": {json.dumps(labels)}, "data": [{row}]}}}}'
    compare(tool, body, Schema(specs))


GOOD = '{"dataframe_split": {"columns": ["a"], "data": [[1.5]]}}'
MUTATED = Schema([ColSpec("double", "a")])


@hypothesis.settings(max_examples=N_EXAMPLES)
@hypothesis.given(
    st.integers(0, len(GOOD)),
    st.integers(0, 4),
    st.text('{}[]",:\\ \t\n0123456789eE+-.truefalsnNaIityu\u00e9\x00\x7f', max_size=4),
    st.sampled_from("utf-8 utf-8-sig utf-16 utf-16-le utf-16-be utf-32 utf-32-be".split()),
)
def test_syntax(tool, at, n_removed, inserted, encoding):
    text = GOOD[:at] + inserted + GOOD[at + n_removed :]
    compare(tool, text.encode(encoding, "surrogatepass"), MUTATED)


@hypothesis.settings(max_examples=N_EXAMPLES)
@hypothesis.given(st.binary(max_size=12), st.integers(0, len(GOOD)))
def test_bytes(tool, noise, at):
    body = GOOD.encode()
    compare(tool, body[:at] + noise + body[at:], MUTATED)


def one_cell(cell, more=""):
    return f'{{"dataframe_split": {{"columns": ["a"], "data": [[{cell}]]}}{more}}}'


BODIES = [
    "",
    " ",
    "null",
    "1",
    '"x"',
    "[]",
    "[1]",
    "[[1]]",
    "{}",
    '{"params": {}}',
    '{"dataframe_split": {"data": []}, "dataframe_records": []}',
    '{"dataframe_split": 1, "dataframe_split": {"columns": ["a"], "data": [[1]]}}',
    '{"dataframe_split": {"columns": ["a"], "data": [[1]], "data": [[2]]}, "other": 1}',
    '{"dataframe_split": {"columns": ["a"], "data": [[1]], "dtypes": []}}',
    '{"dataframe_split": {"columns": ["a"]}}',
    one_cell("nan"),
    one_cell("-NaN"),
    one_cell("infinity"),
    one_cell("Inf"),
    one_cell("-Infinity], [NaN"),
    one_cell("1", ', "x": nan'),
    one_cell("0e99999999999999999999"),
    one_cell("1e-99999999999999999999"),
    one_cell("1e99999999999999999999"),
    one_cell('"\\ud83d\\ude00"'),
    one_cell('"\ud800"').encode("utf-8", "surrogatepass"),
    one_cell('"x"').encode().replace(b"x", b"\xed\xa0"),
    b"\xef\xbb\xbf" + one_cell("1").encode(),
    b"\xef\xbb\xbf\xef\xbb\xbf" + one_cell("1").encode(),
    b"\xff\xfe",
    b"\x00",
    one_cell("9" * 4300),
    one_cell("9" * 4301),
    one_cell("-" + "9" * 4300),
    one_cell("1", f', "x": {"9" * 4301}'),
    one_cell(f'"{"9" * 4301}"'),
    one_cell("9" * 5000 + ".5"),
    one_cell("1", f', "x": {"[" * 900}{"]" * 900}'),
    one_cell("1", f', "x": {"[" * 99999}{"]" * 99999}'),
    one_cell("[" * 99999 + "]" * 99999),
    one_cell('{"a":' * 99999 + "1" + "}" * 99999),
]


@pytest.mark.parametrize("body", BODIES, ids=range(len(BODIES)))
def test_bodies(tool, body):
    compare(tool, body, MUTATED)


def test_bare_records(tool):
    """A list of records by itself is dataframe_records here, and 400 in MLflow."""
    rows = '[{"a": 1.5}, {"a": null}]'
    bare, records = tool.ask(rows, MUTATED), tool.ask(f'{{"dataframe_records": {rows}}}', MUTATED)
    assert decoder.difference(bare, {**records, **records["python"]}) is None


@pytest.mark.parametrize(
    "body",
    [
        {"messages": []},
        {"prompt": "x", "dataframe_split": 1},
        {"input": 1.5},
        {"input": [1.5, 2.5]},
        {"input": [1.5], "b": [2.5], "params": 5},
        {"input": [1.5, 2.5], "b": [1.5]},
        {"input": [1.5, 2.5], "b": 3.5},
        {"input": "x"},
        {"input": 7},
    ],
)
def test_language_model_payloads(tool, body):
    """The body itself is the data, cast to nothing."""
    inputs = Schema([ColSpec("double", "input"), ColSpec("double", "b", required=False)])
    compare(tool, json.dumps(body), inputs)


@pytest.mark.parametrize("n", [17, 100])
def test_wide_tables(tool, n):
    """Beyond the size up to which names are compared one by one."""
    names = [f"c{i}" for i in range(n)]
    inputs = Schema([ColSpec("double", name) for name in names])
    for order in (names, names[::-1], names[1:] + ["x"]):
        row = {name: 0.5 + i for i, name in enumerate(order)}
        compare(tool, json.dumps({"dataframe_records": [row, row]}), inputs)
        compare(tool, json.dumps({"dataframe_records": [row, dict(reversed(row.items()))]}), inputs)
        for columns in (order, order[:-1] + order[:1]):
            data = {"columns": columns, "data": [list(row.values())]}
            compare(tool, json.dumps({"dataframe_split": data}), inputs)


MANY = 6000  # more rows than are cast in one go


@pytest.mark.parametrize("kind", TYPES)
def test_many_rows(tool, kind):
    """At most one odd cell at the end of a long column, beside one that is as it should be."""
    inputs = Schema([ColSpec(kind, "a"), ColSpec("double", "b")])
    for odd in [None, "null", "2.5", '"x"']:
        cells = [PLAIN[kind][i % 2] for i in range(MANY)]
        if odd:
            cells[-1] = odd
        columns = {"a": cells, "b": [f"{i}.5" for i in range(MANY)]}
        compare(tool, split_body(columns, MANY), inputs)
        compare(tool, records_body(columns, MANY), inputs)
        data = ", ".join(f'"{name}": [{", ".join(values)}]' for name, values in columns.items())
        compare(tool, f'{{"dataframe_split": {{"data": {{{data}}}}}}}', inputs)


def test_few_requests_are_left_to_python():
    """The raw lane is for odd requests: most of what the tests above send C decides itself."""
    total = sum(KINDS.values())
    if total > 500:
        assert KINDS["raw"] < 0.35 * total, KINDS
