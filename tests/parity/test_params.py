"""`params`: what C makes of them beside MLflow's own _enforce_params_schema.

MLRACE_EXAMPLES=10 tries ten times as many.
"""

import json
import os

import hypothesis
import pytest
from hypothesis import strategies as st
from mlflow.exceptions import MlflowException
from mlflow.types.schema import AnyType, Array, DataType, Map, Object, ParamSchema, ParamSpec, Property

import decoder

TYPES = {
    "boolean": True, "integer": 1, "long": 2, "float": 0.5, "double": 3.25, "string": "é\"\\\n\x7f", "datetime": "2020-01-02T03:04:05",
}  # fmt: skip
NAMES = ["p", "q", "r"]


def examples(n):
    return hypothesis.settings(max_examples=n * int(os.environ.get("MLRACE_EXAMPLES", 1)))


@pytest.fixture(scope="module")
def tool():
    tool = decoder.Decoder()
    yield tool
    tool.close()


def check(tool, params, schema, order_matters=True):
    body = json.dumps({"inputs": [1]} | ({} if params is ... else {"params": params}))
    check_body(tool, body, schema)


def check_body(tool, body, schema):
    ours, theirs = tool.ask(body, None, schema), decoder.mlflow_answer(body, None, schema)
    assert decoder.difference(ours, theirs) is None, f"{body} with {schema}"
    if "params" in theirs:
        assert list(ours["params"]) == list(theirs["params"]), "order"


INTS = st.one_of(st.integers(-3, 3), st.integers(), st.sampled_from([2**31, -(2**63) - 1, 2**64, 10**400]))
FLOATS = st.one_of(st.floats(), st.sampled_from([0.0, -0.0, 1.0, 1e16, 1e-7, 1e22]))
DATES = st.one_of(
    st.sampled_from(
        ["NaT", "nat", "", "2020", "0", "-0001", "9999-12-31", "10000", "2020-02-29", "2021-02-29", "0001-01-01T00:30+01:00",
         "2020-01-01T01", "2020-01-01T01:02", "2020-01-01 01:02:03", "2020-01-01T01:02:03.4", "2020-01-01T01:02:03.123456",
         "2020-01-01T01:02:03.1234567", "2020-12-31T23:59-01:00", "2020-01-01T00:00Z", "2020-01-01T00:00Z ", "2020-01-01Z",
         "600000000-01-01T00:00:00.000", "99999999999999999999", "1537228672809129302-01", "2020-1-1", "20200101",
         "2020-01-01T00:00:00.5+24:00", "today or so"]
    ),
    st.dates().map(lambda day: day.isoformat()),
    st.datetimes().map(lambda moment: moment.isoformat()),
    st.from_regex(r"[-+ \t]?\d{1,20}(-\d\d(-\d\d([T ]\d\d(:\d\d(:\d\d(\.\d{0,7})?)?)?(Z|[-+]\d\d:?(\d\d)?)? ?)?)?)?", fullmatch=True),
)  # fmt: skip
SCALARS = st.one_of(st.none(), st.booleans(), INTS, FLOATS, st.text(max_size=5), DATES)
VALUES = st.one_of(
    SCALARS,
    st.lists(SCALARS, max_size=3),
    st.recursive(SCALARS, lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.sampled_from("ab"), inner)), max_leaves=5),
)  # fmt: skip
VALUE_OF = {
    "boolean": st.booleans(), "integer": INTS, "long": INTS, "float": st.one_of(FLOATS, INTS), "double": st.one_of(FLOATS, INTS),
    "string": st.text(), "datetime": DATES,
}  # fmt: skip


@st.composite
def specs(draw, name):
    type, is_list = draw(st.sampled_from(list(TYPES))), draw(st.booleans())
    default = [TYPES[type]] * draw(st.integers(0, 2)) if is_list else TYPES[type]
    return ParamSpec(name, type, default, (-1,) if is_list else None)


@st.composite
def requests(draw):
    names = draw(st.lists(st.sampled_from(NAMES), unique=True, min_size=1))
    schema = ParamSchema([draw(specs(name)) for name in names])
    params = {}
    for name in draw(st.permutations([*names, "unknown"])):
        if draw(st.integers(0, 2)) == 0:
            continue
        spec = next((spec for spec in schema if spec.name == name), None)
        if spec is None or draw(st.integers(0, 2)) == 0:
            params[name] = draw(VALUES)
        elif spec.shape:
            params[name] = draw(st.lists(VALUE_OF[spec.dtype.name], max_size=3))
        else:
            params[name] = draw(VALUE_OF[spec.dtype.name])
    return schema, params


@examples(800)
@hypothesis.given(requests())
def test_params(tool, request):
    schema, params = request
    check(tool, params, schema)


@examples(600)
@hypothesis.given(DATES)
def test_dates(tool, text):
    check(tool, {"p": text}, ParamSchema([ParamSpec("p", "datetime", "2020-01-01")]))


# --- objects -------------------------------------------------------------------------------------

LEAF_TYPES = st.sampled_from(["boolean", "long", "double", "string", "float", "binary", "integer", "datetime"]).map(lambda name: DataType[name])


def object_types(inner):
    names = st.lists(st.sampled_from("abc"), unique=True, min_size=1, max_size=2)
    properties = names.flatmap(
        lambda keys: st.tuples(*[st.builds(Property, st.just(key), inner, st.booleans()) for key in keys])
    )
    return properties.map(lambda properties: Object(list(properties)))


NESTED_TYPES = st.recursive(
    st.one_of(LEAF_TYPES, LEAF_TYPES, st.just(AnyType())),
    lambda inner: st.one_of(st.builds(Array, inner), st.builds(Map, inner), object_types(inner)),
    max_leaves=4,
)
LEAF_VALUES = {
    **VALUE_OF, "float": st.sampled_from([0, 1, 0.5]), "double": st.sampled_from([1.5, 0, 1, 2, float("nan")]),
    "integer": st.integers(-5, 5), "long": st.integers(-5, 5), "binary": st.text(max_size=2), "datetime": DATES | st.none(),
}  # fmt: skip


@st.composite
def fitting(draw, type):
    """A value of a type, mostly."""
    odd = draw(st.integers(0, 15))
    if odd == 0:
        return draw(VALUES)
    if odd == 1:
        return draw(st.sampled_from([None, [], {}]))
    if isinstance(type, DataType):
        return draw(LEAF_VALUES[type.name])
    if isinstance(type, Array):
        return draw(st.lists(fitting(type.dtype), max_size=3))
    if isinstance(type, Map):
        return draw(st.dictionaries(st.sampled_from("ab"), fitting(type.value_type), max_size=2))
    if isinstance(type, Object):
        wanted = {item.name: item for item in type.properties if item.required or draw(st.booleans())}
        return {name: draw(fitting(item.dtype)) for name, item in wanted.items()}
    return draw(VALUES)


SMALLEST = {"boolean": True, "long": 1, "double": 1.5, "float": 1, "string": "s", "binary": "b"}


def smallest(type):
    """A value that passes, where there is one: ints never pass for "integer", texts never for dates."""
    if isinstance(type, DataType):
        return SMALLEST.get(type.name)
    if isinstance(type, Object):
        return {item.name: smallest(item.dtype) for item in type.properties if item.required}
    return [] if isinstance(type, Array) else {}


@examples(300)
@hypothesis.given(st.data())
def test_objects(tool, data):
    type = data.draw(object_types(NESTED_TYPES))
    try:
        schema = ParamSchema([ParamSpec("p", type, smallest(type))])
    except MlflowException:
        hypothesis.reject()
    check(tool, {"p": data.draw(fitting(type))}, schema)


@examples(200)
@hypothesis.given(VALUES, st.booleans())
def test_what_is_no_dict(tool, value, has_schema):
    check(tool, value, ParamSchema([ParamSpec("p", "long", 1)]) if has_schema else None)


@pytest.mark.parametrize("type", TYPES)
@pytest.mark.parametrize("is_list", [False, True])
def test_default(tool, type, is_list):
    default = [TYPES[type]] if is_list else TYPES[type]
    check(tool, ..., ParamSchema([ParamSpec("p", type, default, (-1,) if is_list else None)]))


def test_default_is_converted(tool):
    """1 for a double is 1.0 when the model is loaded."""
    check(tool, {}, ParamSchema([ParamSpec("p", "double", 1), ParamSpec("q", "float", [1, 2], (-1,)), ParamSpec("r", "long", None)]))  # fmt: skip


def test_default_that_is_not_json(tool):
    check(tool, {}, ParamSchema([ParamSpec("p", "double", float("inf")), ParamSpec("q", "long", 2**70)]))


@pytest.mark.parametrize(
    "params",
    ['{"p": 1, "p": 2}', '{"p": "x", "p": 2}', '{"q": 1, "p": 2, "q": 3}', '{"p": 1e400}', '{"p": "\\ud800"}', '{"p": NaN}', "null"],
)  # fmt: skip
@pytest.mark.parametrize("type", ["double", "string"])
def test_text(tool, params, type):
    schema = ParamSchema([ParamSpec("p", type, None), ParamSpec("q", "long", 0)])
    check_body(tool, f'{{"inputs": 1, "params": {params}}}', schema)


def test_all_types_are_here():
    assert {type.name for type in DataType} - {"binary"} == set(TYPES)
