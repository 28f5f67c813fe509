"""CSV: random signatures and bodies through mlrace's decoder and through MLflow's own functions,
which call pandas.read_csv; doubles are compared to the bit. MLRACE_EXAMPLES: how many examples a
test tries.

What differs on purpose is kept out: a first line that is data (docs/differences.md), and a float
column where an integer beyond 64 bits stands beside one written with underscores.
"""

import os

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st
from mlflow.types.schema import Array, ColSpec, DataType, Schema, TensorSpec

import decoder

N_EXAMPLES = int(os.environ.get("MLRACE_EXAMPLES", "300"))
TYPES = "boolean integer long float double string binary datetime".split()

MISSING = (
    ",NA,NaN,nan,null,NULL,None,N/A,n/a,#N/A,<NA>,-nan,-NaN,#NA,1.#IND,1.#QNAN,-1.#IND,-1.#QNAN,"
    "#N/A N/A"
).split(",")

integers = st.one_of(
    st.integers(-3, 3).map(str),
    st.integers(-(2**66), 2**66).map(str),
    st.sampled_from([2**31, -(2**31) - 1, 2**53 + 1, 2**63, -(2**63) - 1, 2**64, 10**20]).map(str),
    st.sampled_from(["-0", "+7", " 7", "7 ", "\t-7\v", "007", "1_000", "--1", "- 1", "+-1", "-"]),
)
digits = st.text("0123456789", max_size=22)
floats = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.floats(-1000, 1000).map(lambda value: f"{value:.3f}"),
    st.builds("{}{}.{}{}".format, st.sampled_from(["", "-", "+"]), digits, digits,
              st.sampled_from(["", "e5", "E-7", "e+300", "e-310", "e400", "e-400", "e", "e+", "e 5"])),
    st.builds("{}{}{}.{}{}".format, st.sampled_from(["", " ", "\t"]), st.sampled_from(["+", "-"]),
              digits, digits, st.sampled_from(["", " ", "e-7", "e30 ", "e-330", "e 5"])),
    st.sampled_from("1e1 5. .5 . inf -inf +INF Infinity infinit 0x10 1.2.3 1e -0.0 NAN".split()),
    st.sampled_from([" inf", "inf ", " 1.5 ", "1 .5", "\u0663", "1\u00a0"]),
)
booleans = st.sampled_from("True False true false TRUE FALSE tRuE 1 0 1.0 0.0".split())
texts = st.one_of(
    st.text(st.characters(exclude_characters=',"\r\n', exclude_categories=["Cs"]), max_size=5),
    st.sampled_from(["one two", " lead", "trail ", 'a"b"', "none", "na", "\u65e5\u672c", "\ufeff"]),
)
quoted = st.text(
    st.sampled_from(list('ab,\n\r" ') + ["\u00e9"]), max_size=6
).map(lambda text: '"' + text.replace('"', '""') + '"')
odd = st.one_of(quoted, st.builds("{}{}".format, quoted, texts))
missing = st.sampled_from(MISSING)
kinds = [integers, floats, booleans, texts, odd]
names = st.one_of(
    st.sampled_from(["a", "b", "c", "a.1", "", "0", "Unnamed: 0", '"x,y"', "d e", "\u00e9"]),
    texts,
)


@st.composite
def bodies(draw):
    """A header and lines below it, mostly of one kind for each column."""
    header = draw(st.lists(names, min_size=1, max_size=4))
    n_index = draw(st.sampled_from([0, 0, 0, 0, 0, 1, 2]))
    columns = []
    for _ in range(n_index + len(header)):
        usual = draw(st.sampled_from(kinds))
        columns.append(st.one_of(usual, usual, usual, usual, usual, missing, *kinds[:4]))
    end = draw(st.sampled_from(["\n", "\n", "\r\n", "\r"]))
    lines = [",".join(header)]
    for _ in range(draw(st.integers(0, 6))):
        line = [draw(cell) for cell in columns]
        if draw(st.integers(0, 19)) == 0:
            line = draw(st.sampled_from([line[:-1], line + ["1"], ["", ""], [" "], ["\t "], []]))
        lines.append(",".join(line))
    body = end.join(lines) + draw(st.sampled_from([end, end, "", "\n\n", "\r\r,", " "]))
    return draw(st.sampled_from(["", "", "", "\ufeff", "\n", " \r"])) + body, header


@st.composite
def signatures(draw, header):
    """None, or a signature that mostly fits the header, in any order."""
    kind = draw(st.sampled_from(["named", "named", "named", "unnamed", "none"]))
    types = st.sampled_from(TYPES[:-1] * 5 + TYPES[-1:]).map(DataType.__getitem__)
    if kind == "none":
        return None
    if kind == "unnamed":
        return Schema([ColSpec(draw(types)) for _ in range(draw(st.integers(1, 4)))])
    wanted = [name for name in dict.fromkeys(header) if name and draw(st.integers(0, 9))]
    columns = [ColSpec(draw(types), name, draw(st.booleans())) for name in wanted or ["a"]]
    return Schema(draw(st.permutations(columns)))


@pytest.fixture(scope="module")
def tool():
    running = decoder.Decoder()
    yield running
    running.close()


def compare(tool, body, inputs):
    ours = tool.ask(body, inputs, content_type="text/csv")
    theirs = decoder.mlflow_answer(body, inputs, content_type="text/csv")
    if theirs.get("error_code") == "CRASH":  # MLflow's server answers 500
        assert "error_code" in ours, theirs
        return ours
    assert decoder.difference(ours, theirs) is None, decoder.difference(ours, theirs)
    return ours


def may_be_headerless(body, inputs):
    """Whether the first line might be taken for data: it has a cell for each column of the
    signature, and none of them is its name."""
    if not inputs or not inputs.has_input_names():
        return False
    first = body.lstrip("\ufeff\r\n\t ").replace("\r", "\n").split("\n")[0].split(",")
    cells = {cell.strip('"') for cell in first}
    return len(first) == len(inputs.inputs) and not cells & set(inputs.input_names())


@hypothesis.settings(max_examples=N_EXAMPLES)
@hypothesis.given(st.data())
def test_bodies(tool, data):
    body, header = data.draw(bodies())
    inputs = data.draw(signatures(header))
    hypothesis.assume(not may_be_headerless(body, inputs))
    is_underscored = any(text in body for text in ["1_000"]) and inputs
    hypothesis.assume(not is_underscored)
    answer = compare(tool, body, inputs)
    hypothesis.event(answer.get("kind") or answer["error_code"])


@hypothesis.settings(max_examples=N_EXAMPLES)
@hypothesis.given(
    st.sampled_from([integers, st.integers(-3, 3).map(str), texts, odd, missing | texts, booleans, floats]),
    st.sampled_from([None, "double", "string"]),
    st.booleans(),
    st.integers(1, 2),
    st.data(),
)
def test_row_labels(tool, cells, kind, is_named, n_labels, data):
    """Cells before those that have a name."""
    inputs = Schema([ColSpec(kind, "a" if is_named else None)]) if kind else None
    rows = data.draw(st.lists(st.tuples(*[cells] * n_labels), min_size=1, max_size=4))
    hypothesis.assume(not any("1_000" in label for labels in rows for label in labels))
    body = "a\n" + "".join(",".join([*labels, f"{i}.5"]) + "\n" for i, labels in enumerate(rows))
    compare(tool, body, inputs)


@hypothesis.settings(max_examples=N_EXAMPLES)
@hypothesis.given(st.text(st.sampled_from(list('a1,"\n\r \t.-')), max_size=40))
def test_any_text(tool, body):
    compare(tool, body, None)
    compare(tool, "a,b\n" + body, Schema([ColSpec("double", "a"), ColSpec("string", "b")]))


def as_float64(text):
    bits = np.frombuffer(text, np.uint64)
    values = bits.view(np.float64)
    return values[np.isfinite(values)]


@pytest.mark.parametrize("seed", range(4))
def test_doubles(tool, seed):
    """Fifty thousand numbers, written in many ways: to the last bit what pandas reads."""
    random = np.random.default_rng(seed)
    values = as_float64(random.bytes(8 * 20000))
    small = random.standard_normal(20000) * 10.0 ** random.integers(-12, 13, 20000)
    cells = [repr(value) for value in values.tolist()]
    cells += [f"{value:.{n}f}" for value, n in zip(small, random.integers(0, 21, 10000))]
    cells += [f"{value:.{n}e}" for value, n in zip(values[::-1], random.integers(0, 25, 10000))]
    for value in small[-5000:]:  # the middle between two doubles, exactly
        ratio = np.nextafter(value, np.inf).as_integer_ratio()
        other = float(value).as_integer_ratio()
        scale = max(ratio[1], other[1]).bit_length()
        middle = (ratio[0] * 2**scale // ratio[1] + other[0] * 2**scale // other[1]) * 5 ** (scale + 1)
        sign, text = "-" if middle < 0 else "", str(abs(middle)).rjust(scale + 2, "0")
        cells.append(f"{sign}{text[:-scale - 1]}.{text[-scale - 1:]}")
    cells += [f" +{value:.18g}" for value in values[:5000]]  # pandas' older algorithm
    body = "a,b\n" + "".join(f"{cell},1\n" for cell in cells)
    compare(tool, body, Schema([ColSpec("double", "a"), ColSpec("long", "b")]))
    compare(tool, body, Schema([ColSpec("float", "a"), ColSpec("double", "b")]))


@pytest.mark.parametrize(
    "inputs",
    [
        Schema([TensorSpec(np.dtype("float64"), (-1, 2))]),
        Schema([ColSpec(Array("double"), "a")]),
        Schema([ColSpec("datetime", "a"), ColSpec("double", "b")]),
    ],
    ids=["tensor", "array", "datetime"],
)
@pytest.mark.parametrize("body", ["a,b\n1,2\n", "a,b\n", "b\n1\n", "", "a\n2020-01-01\n"])
def test_signatures_that_csv_cannot_fill(tool, inputs, body):
    compare(tool, body, inputs)


def test_first_line_of_data(tool):
    """The documentation's own example, `1,2,3,4`, which MLflow answers with 400."""
    inputs = Schema([ColSpec("double", "a"), ColSpec("long", "b"), ColSpec("string", "c")])
    rows = "1.5,2,x\n,3,y\n"
    ours = tool.ask(rows, inputs, content_type="text/csv")
    theirs = decoder.mlflow_answer("a,b,c\n" + rows, inputs, content_type="text/csv")
    assert decoder.difference(ours, theirs) is None
    for header in ["a,b,d\n", "x,y,z\n", "1,2\n", "1.5,2.5,x\n"]:
        compare(tool, header + rows, inputs)


def test_bytes_that_are_no_text(tool):
    answer = tool.ask(b"a\n\xff\n", content_type="text/csv")
    assert answer["error_code"] == "BAD_REQUEST" and "offset 2" in answer["message"]
