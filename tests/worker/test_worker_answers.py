"""What becomes of a model's answers and exceptions."""

import io
import json

import numpy as np
import pandas as pd
import pytest
import worker_protocol as wire
from mlflow.pyfunc.scoring_server import predictions_to_json

NAMES = {"np": np, "pd": pd}


def as_json(result):
    """A result as the JSON value that the server makes of it."""
    if result.kind == "json":
        return result.value
    if result.kind == "tensor":
        return result.value.tolist()
    assert result.kind == "records", result
    columns = {json.loads(name): values.tolist() for name, values in result.value.items()}
    return [dict(zip(columns, row)) for row in zip(*columns.values())]


def mlflow_text(value):
    """What MLflow writes for the value of `predictions`."""
    text = io.StringIO()
    predictions_to_json(value, text)
    return text.getvalue()[len('{"predictions": ') : -1]


ARRAYS = [
    "np.arange(6.0).reshape(2, 3)",
    "np.arange(6.0).reshape(2, 3).T",
    "np.arange(6)[::2]",
    "np.array(4.25)",
    "np.empty((0, 3))",
    "np.array([True, False])",
    "np.array([[[1]]], 'int8')",
    "np.array([1.5, np.nan, np.inf], 'float32')",
    "np.array([0.1, 65504], 'float16')",
    "np.array([2**64 - 1], 'uint64')",
    "np.ones((40_000,))",
]
RECORDS = [
    "pd.DataFrame({'a': [1, 2], 'b': [0.5, np.nan], 'c': [True, False]})",
    "pd.DataFrame({'a': [1, 2], 'b': [0.5, np.nan]}).astype('float32')",
    "pd.DataFrame([[1, 2], [3, 4]])",
    "pd.DataFrame({'a': [1.5]}, index=['x'])",
    "pd.DataFrame({'a': []}, dtype=float)",
    "pd.DataFrame({'\u00e9\"': [1]})",
    "pd.DataFrame(np.arange(12).reshape(2, 6)[:, ::2])",
    "pd.Series([1.5, 2.5])",
    "pd.Series([1, 2], name='score', index=[7, 8])",
    "pd.Series(np.arange(30_000), name=7)",
]
TEXTS = [
    "None",
    "3",
    "'\u00e9\\ud800'",
    "[1, 2.0, 'three', None, True, {'four': [5]}]",
    "{'a': np.array([1.0, 2.0]), 1: np.array([[1], [2]]), None: 1, True: 2, 1.5: 3}",
    "[np.float32(0.1), np.int8(-3), np.bool_(True)]",
    "[b'', b'hello', bytearray(60)]",
    "np.array([1, 'x', None], dtype=object)",
    "np.array(['\u00e5', 'b'])",
    "np.array([b'ab'])",
    "np.array(['2024-05-06'], 'datetime64[ns]')",
    "np.array([1, 2], '>i4')",
    "np.matrix([[1.0]])",
    "np.ma.array([1.0, 2.0], mask=[True, False])",
    "pd.DataFrame({'a': [1, 2], 's': ['x', '\u00fc']})",
    "pd.DataFrame({'n': [1], 't': [pd.Timestamp('2024-05-06 07:08:09.123456')]})",
    "pd.DataFrame({'a': pd.array([1, None], dtype='Int64')})",
    "pd.DataFrame({'a': pd.Categorical(['x'])})",
    "pd.DataFrame([[1, 2]], columns=['a', 'a'])",
    "pd.DataFrame([[1, 2]], columns=['1', 1])",
    "pd.DataFrame([[1, 2]], columns=[1.5, None])",
    "pd.DataFrame(index=[1, 2])",
    "pd.Series(['x'])",
    "pd.Series([1.5], name=2.5)",
    "[pd.Timestamp('2024-05-06'), pd.Timestamp('2024-05-06').date(), np.datetime64('2024-05-06')]",
    "['x' * 70_000]",
]


@pytest.mark.parametrize("code", [*ARRAYS, *RECORDS, *TEXTS])
def test_answers_are_those_of_mlflow(doer, code):
    result = doer("python " + code, flags=wire.NAN_LITERAL)
    kinds = {**dict.fromkeys(ARRAYS, "tensor"), **dict.fromkeys(RECORDS, "records")}
    assert result.kind == kinds.get(code, "json")
    expected = mlflow_text(eval(code, dict(NAMES)))
    if result.kind == "json":
        assert result.text == expected
    else:
        assert json.dumps(as_json(result)) == expected
    assert not result.is_bare


def test_not_finite_numbers_in_json_are_null(doer):
    code = "python [np.nan, {'NaN': -np.inf, 'x\"Infinity\\\\': 'NaN', np.nan: 1}, 1.5, [np.inf]]"
    assert doer(code, flags=wire.NAN_LITERAL).text == (
        '[NaN, {"NaN": 1, "x\\"Infinity\\\\": "NaN"}, 1.5, [Infinity]]'.replace(
            '{"NaN": 1, ', '{"NaN": -Infinity, '
        ).replace('"NaN"}', '"NaN", "NaN": 1}')
    )
    assert doer(code).text == (
        '[null, {"NaN": null, "x\\"Infinity\\\\": "NaN", "NaN": 1}, 1.5, [null]]'
    )


@pytest.mark.parametrize(
    "code",
    [
        "{1, 2}",
        "object()",
        "{(1, 2): 3}",
        "{np.int64(1): 2}",
        "np.array([1j])",
        "[pd.Timedelta(1)]",
        "(lambda deep: [deep := [deep] for _ in range(100_000)][-1])([])",
        "(lambda ring: ring.append(ring) or ring)([])",
        "(x for x in 'ab')",
        "pd.DataFrame({('a', 'b'): [1]})",
    ],
)
def test_answers_that_json_cannot_hold(doer, code):
    result = doer("python " + code)
    assert (result.kind, result.status) == ("error", 500)
    assert result.value["error_code"] == "INTERNAL_ERROR"
    assert "cannot be written as JSON" in result.value["message"]


@pytest.mark.parametrize(
    "error_code, status",
    [
        ("BAD_REQUEST", 400),
        ("INVALID_PARAMETER_VALUE", 400),
        ("PERMISSION_DENIED", 403),
        ("RESOURCE_DOES_NOT_EXIST", 404),
        ("INTERNAL_ERROR", 500),
        ("TEMPORARILY_UNAVAILABLE", 503),
    ],
)
def test_an_exception_of_mlflow_keeps_its_code(doer, error_code, status):
    result = doer("fail " + error_code)
    assert (result.kind, result.status) == ("error", status)
    assert result.value == {"error_code": error_code, "message": "as asked"}


@pytest.mark.parametrize(
    "code", ["ValueError('no \u00e9')", "SystemExit(3)", "KeyboardInterrupt()", "GeneratorExit()"]
)
def test_an_exception_of_the_model(doer, code):
    result = doer("raise " + code)
    assert (result.kind, result.status) == ("error", 400)
    assert result.value["error_code"] == "BAD_REQUEST"
    assert result.value["message"].startswith("Encountered an unexpected error while evaluating")
    assert code.split("(")[0] in result.value["message"]
    assert "Traceback" not in result.value["message"]
    wire.wait_for(lambda: code.split("(")[0] in doer.worker.log())
    assert doer("python 7").value == 7


def test_no_memory(doer):
    result = doer("raise MemoryError()")
    assert (result.status, result.value["error_code"]) == (503, "RESOURCE_EXHAUSTED")
    result = doer("python bytearray(1 << 60)")
    assert (result.status, result.value["error_code"]) == (503, "RESOURCE_EXHAUSTED")
    assert doer("python 7").value == 7


def test_an_exception_whose_text_fails(doer):
    failing = "type('Odd', (Exception,), {'__str__': lambda self: 1 / 0})()"
    assert "Odd" in doer("raise " + failing).value["message"]


def test_a_long_message_is_cut(doer):
    result = doer("raise ValueError('x' * 1_000_000)")
    assert len(result.value["message"]) < 5000


def test_what_the_model_prints_is_in_the_log(doer):
    doer("python print('to stdout') or print('to stderr', file=sys.stderr)")
    wire.wait_for(lambda: {"to stdout", "to stderr"} <= set(doer.worker.log().splitlines()))
