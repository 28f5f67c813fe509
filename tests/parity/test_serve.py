"""mlrace and MLflow's own server asked the same, over HTTP, for each model of models.py.

A success must be the same bytes; only the digits of floats may differ, by the model's tolerance. An error must have the same status, media type and
error_code; its message is ours. Where MLflow crashes (a 500 that is no JSON), mlrace must say 4xx.
mlrace runs with --nan=literal here, so that NaN can be compared too.
"""

import concurrent.futures
import contextlib
import http.client
import json
import math
import re

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from cases import CSV, Request, by_column, csv_text, records, requests_for, split
from models import MODELS

OURS, THEIRS = 0, 1
FLOAT = re.compile(rb"-?\d+(?:\.\d+(?:[eE][-+]?\d+)?|[eE][-+]?\d+)")


class Pair:
    """Both servers with one model, each on a connection that is kept."""

    def __init__(self, model, ours, theirs, servers):
        self.model, self._servers, self._stack = model, (ours, theirs), servers
        self._connections = [None, None]

    def end(self):
        self.close(OURS)
        self.close(THEIRS)
        self._stack.close()

    def ask(self, request, which):
        """One answer; opens the connection anew where the last request ended it."""
        server = self._servers[which]
        try:
            if self._connections[which] is None:
                self._connections[which] = server.connect(timeout=60)
            answer = server.invoke(request.body, request.content_type, self._connections[which])
        except (OSError, http.client.HTTPException):
            self.close(which)
            if which == OURS:
                raise
            # After a crash MLflow's connection is gone without a word.
            answer = server.invoke(request.body, request.content_type)
        if answer.headers.get("connection", "").lower() == "close":
            self.close(which)
        return answer

    def close(self, which):
        if self._connections[which] is not None:
            self._connections[which].close()
            self._connections[which] = None

    def difference(self, request):
        """What is wrong with our answer, or None."""
        ours = self.ask(request, OURS)
        if request.status:
            return None if is_client_error(ours) else f"{show(ours)}, expected {request.status}"
        if request.refused and ours.status == 400 and request.refused in ours.json()["message"]:
            return None
        theirs = self.ask(request.instead or request, THEIRS)
        if theirs.status >= 500 and theirs.media_type != "application/json":
            return None if is_client_error(ours) else f"{show(ours)}, expected 4xx for a crash"
        return difference(ours, theirs, self.model.tolerance)


def is_client_error(answer):
    if not 400 <= answer.status < 500:
        return False
    return answer.media_type == "text/plain" or "error_code" in answer.json()


def difference(ours, theirs, tolerance):
    if (ours.status, ours.media_type) != (theirs.status, theirs.media_type):
        return f"{show(ours)}, MLflow: {show(theirs)}"
    if theirs.status >= 400:
        if theirs.media_type != "application/json":
            return None
        ours_json, code = ours.json(), theirs.json()["error_code"]
        if ours_json.get("error_code") == code and isinstance(ours_json.get("message"), str):
            return None
        return f"{show(ours)}, MLflow: {code}"
    if same_bytes(ours.body, theirs.body, tolerance):
        return None
    return f"{show(ours)}, MLflow: {show(theirs)}"


def same_bytes(ours, theirs, tolerance):
    if FLOAT.sub(b"#", ours) != FLOAT.sub(b"#", theirs):
        return False
    pairs = zip(FLOAT.findall(ours), FLOAT.findall(theirs))
    return all(
        a == b or math.isclose(float(a), float(b), rel_tol=tolerance, abs_tol=tolerance)
        for a, b in pairs
    )


def show(answer):
    return f"{answer.status} {answer.media_type} {answer.body[:300]!r}"


class Pairs:
    """The servers of one model after the other, in the order of the tests.

    The next model is trained, and its servers start, while this one's are asked.
    """

    def __init__(self, names, start):
        self._following = dict(zip(names, [*names[1:], None]))
        self._start, self._background = start, concurrent.futures.ThreadPoolExecutor(1)
        self._next, self._current = {}, None

    def get(self, name):
        if self._current is None or self._current.model.name != name:
            self._end()
            future = self._next.pop(name, None) or self._background.submit(self._start, name)
            self._current = future.result()
            if following := self._following[name]:
                self._next[following] = self._background.submit(self._start, following)
        return self._current

    def close(self):
        self._end()
        for future in self._next.values():
            future.result().end()
        self._background.shutdown()

    def _end(self):
        ended, self._current = self._current, None
        if ended:
            ended.end()


@pytest.fixture(scope="module")
def pairs(request, serve, serve_mlflow, save_model):
    def start(name):
        folder = MODELS[name].save(save_model)
        with contextlib.ExitStack() as stack:
            ours = stack.enter_context(serve(folder, "--nan", "literal"))
            theirs = stack.enter_context(serve_mlflow(folder))
            return Pair(MODELS[name], ours, theirs, stack.pop_all())

    tests = [item for item in request.session.items if item.path == request.path]
    pairs = Pairs(list(dict.fromkeys(item.callspec.params["model"] for item in tests)), start)
    yield pairs
    pairs.close()


@pytest.mark.parametrize(
    "model, case",
    [
        pytest.param(name, request, id=f"{name}-{request.name}")
        for name, model in MODELS.items()
        for request in requests_for(model)
    ],
)
def test_request(pairs, model, case):
    problem = pairs.get(model).difference(case)
    assert problem is None, f"{problem} on {case.content_type} {case.body[:500]!r}"


@pytest.mark.parametrize("model", ["every_numeric_type"])
def test_the_reference_is_the_command(serve_mlflow, save_model, model):
    """What all are compared with answers as a real `mlflow models serve` does, to the byte."""
    folder = MODELS[model].save(save_model)
    with serve_mlflow(folder) as fork, serve_mlflow(folder, is_command=True) as command:
        for request in requests_for(MODELS[model]):
            answer, expected = (
                server.invoke(request.body, request.content_type) for server in (fork, command)
            )
            assert (answer.status, answer.body) == (expected.status, expected.body), request.name
            assert without_date(answer) == without_date(expected), request.name


def without_date(answer):
    return {name: value for name, value in answer.headers.items() if name != "date"}


# --- generated requests -------------------------------------------------------------------------

NUMBERS = st.one_of(
    st.integers(-100, 100),
    st.floats(-1e6, 1e6).map(lambda value: round(value, 6)),
    st.floats(allow_nan=False, allow_infinity=False, width=32),
    st.integers(-(2**70), 2**70),
)
ODDITIES = st.one_of(
    st.none(),
    st.booleans(),
    st.floats(),
    st.integers(-200, 200).map(str),
    st.floats(-9, 9).map(str),
    st.text(max_size=4),
    st.lists(st.integers(0, 3), max_size=2),
)
JSON_FORMATS = ["split", "records", "inputs", "instances", "inputs-records", "inputs-columns"]


@st.composite
def generated(draw, model):
    """A request with cells of any kind, mostly those that the model takes."""
    names = list(model.columns or map(str, range(len(model.rows[0]))))
    if draw(st.integers(0, 9)) == 0:
        names = draw(st.permutations([*names, "extra"]))[: draw(st.integers(0, len(names) + 1))]
    valid = st.sampled_from([cell for row in model.rows for cell in row])
    kinds = [valid, NUMBERS, ODDITIES]
    columns = [draw(st.sampled_from([0, 0, 0, 1, 1, 2])) for _ in names]
    n_rows = draw(st.integers(0, 4))
    rows = [[draw(kinds[max(kind - draw(st.integers(0, 1)), 0)]) for kind in columns] for _ in range(n_rows)]
    format_ = draw(st.sampled_from([*JSON_FORMATS, "csv"]))
    if format_ == "csv":
        texts = [["" if cell is None else str(cell) for cell in row] for row in rows]
        return Request("", csv_text(names, texts), CSV)
    if format_ == "split":
        return Request("", split(names, rows))
    key, _, shape = format_.partition("-")
    value = {"records": records, "columns": by_column}.get(shape, lambda _, rows: rows)(names, rows)
    if format_ == "records":
        key, value = "dataframe_records", records(names, rows)
    return Request("", json.dumps({key: value}))


@pytest.mark.parametrize("model", [name for name, model in MODELS.items() if not model.is_repeat])
@settings(max_examples=200)
@given(data=st.data())
def test_generated_request(pairs, model, data):
    case = data.draw(generated(MODELS[model]))
    problem = pairs.get(model).difference(case)
    assert problem is None, f"{problem} on {case.content_type} {case.body[:500]!r}"
