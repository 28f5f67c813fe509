"""Requests too large for an I/O thread: the same answers, and nobody else waits for them."""

import contextlib
import json
import re
import select
import time

import numpy as np
import pytest
from http_raw import Link, leave, post, wait_for

COLUMNS = ["a", "b", "c", "d", "e"]
N_ROWS = 40_000
N_SMALL = 500  # rows of a request that is answered at once


@pytest.fixture(scope="module")
def rows():
    values = np.random.default_rng(7).normal(size=(N_ROWS, len(COLUMNS)))
    values[::7] = np.round(values[::7], 1)
    return values


@pytest.fixture(scope="module")
def models(save_model, rows):
    """Models by name: linear and trees; floats, matrices, texts; tables and arrays."""
    import mlflow.xgboost
    import pandas as pd
    import xgboost
    from mlflow.models import infer_signature
    from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
    from sklearn.linear_model import LogisticRegression

    frame, y = pd.DataFrame(rows[:400], columns=COLUMNS), rows[:400, 0] * rows[:400, 1]
    labels = np.where(y > 0.5, "high", np.where(y < -0.5, "low", "middling"))
    options = {"n_estimators": 60, "random_state": 0, "n_jobs": 1}
    boosted = xgboost.XGBRegressor(n_estimators=200, max_depth=6, n_jobs=1).fit(frame, y)
    folder = save_model(LogisticRegression().fit(frame, labels)).parent / "xgboost"
    mlflow.xgboost.save_model(
        boosted, folder, signature=infer_signature(frame, y), pip_requirements=["xgboost"]
    )
    tensor = infer_signature(rows[:10], y[:10])
    return {
        "xgboost": folder,
        "labels": save_model(
            LogisticRegression().fit(frame, labels), infer_signature(frame, labels)
        ),
        "forest": save_model(
            RandomForestClassifier(**options).fit(frame, labels),
            infer_signature(frame, labels),
            pyfunc_predict_fn="predict_proba",
            serialization_format="cloudpickle",
        ),
        "tensor": save_model(
            RandomForestRegressor(**options).fit(rows[:400], y),
            tensor,
            serialization_format="cloudpickle",
        ),
    }


def as_json(values, kind="dataframe_split"):
    data = [[None if value != value else value for value in row] for row in values.tolist()]
    if kind == "dataframe_split":
        return json.dumps({kind: {"columns": COLUMNS, "data": data}})
    return json.dumps({kind: data})


def as_csv(values):
    lines = [",".join(map(repr, row)) for row in values.tolist()]
    return "\n".join([",".join(COLUMNS), *lines, ""])


def entries(answer):
    """The predictions as they are written, so that equal means: to the last byte."""
    assert answer.status == 200, answer.body[:500]
    head, tail = b'{"predictions": [', b"]}"
    assert answer.body.startswith(head) and answer.body.endswith(tail)
    return answer.body[len(head) : -len(tail)]


@pytest.mark.parametrize("name", ["xgboost", "labels", "forest", "tensor"])
def test_rows_have_the_answers_that_few_of_them_have(serve, models, rows, name):
    kind = "inputs" if name == "tensor" else "dataframe_split"
    with serve(models[name]) as server:
        with contextlib.closing(server.connect()) as link:
            parts = [
                entries(server.invoke(as_json(rows[at : at + N_SMALL], kind), connection=link))
                for at in range(0, N_ROWS, N_SMALL)
            ]
        for _ in range(3):  # slices change with what the server learns
            assert entries(server.invoke(as_json(rows, kind))) == b", ".join(parts)
        if kind != "inputs":
            assert entries(server.invoke(as_csv(rows), "text/csv")) == b", ".join(parts)
        # A number of rows that no block divides.
        odd = entries(server.invoke(as_json(rows[: N_ROWS - N_SMALL + 77], kind)))
        parts[-1] = entries(server.invoke(as_json(rows[N_ROWS - N_SMALL :][:77], kind)))
        assert odd == b", ".join(parts)


@pytest.mark.parametrize("name", ["labels", "forest", "tensor"])
def test_the_first_row_in_order_that_fails_is_named(serve, models, rows, name):
    """As when all rows are evaluated in one call, whichever slice fails first."""
    kind = "inputs" if name == "tensor" else "dataframe_split"
    bad = rows.copy()
    first = N_ROWS // 2 + 3
    bad[N_ROWS - 5, 1] = bad[first, 2] = bad[first + 900, 0] = (
        float("nan") if name == "labels" else 1e300
    )
    with serve(models[name]) as server:
        for _ in range(2):
            answer = server.invoke(as_json(bad, kind))
            assert answer.status == 400
            assert re.search(r"row (\d+)", answer.json()["message"])[1] == str(first)
            assert server.invoke(as_json(rows, kind)).status == 200


@pytest.mark.parametrize("body", ["not JSON", "columns", "text"])
def test_faults_of_large_bodies(serve, iris_model, body):
    columns = ["sepal length (cm)", "sepal width (cm)", "petal length (cm)", "petal width (cm)"]
    data = [[5.1, 3.5, 1.4, 0.2]] * N_ROWS
    if body == "columns":
        columns[1] = "other"
    if body == "text":
        data[N_ROWS - 2] = [5.1, 3.5, "x", 0.2]
    text = json.dumps({"dataframe_split": {"columns": columns, "data": data}})
    small = json.dumps({"dataframe_split": {"columns": columns, "data": data[-3:]}})
    if body == "not JSON":
        text, small = text[:-2], small[:-2]
    with serve(iris_model) as server:
        answers = [server.invoke(text), server.invoke(small)]
        assert [answer.status for answer in answers] == [400, 400]
        assert answers[0].json()["error_code"] == answers[1].json()["error_code"]
        assert answers[0].headers["content-type"] == "application/json"


def test_one_row_does_not_wait_for_many(serve, models, rows):
    """With one I/O thread, which used to evaluate them itself, and more large requests than
    processors: many rounds of one row fit into the time that they take."""
    header, lines = as_csv(rows).split("\n", 1)
    large = post("/invocations", header + "\n" + 8 * lines, "Content-Type: text/csv\r\n")
    one = as_csv(rows[:1])
    with serve(models["xgboost"], "-w", "1") as server:
        links = [Link(server.port, timeout=60).send(large) for _ in range(3)]
        n_small = 0
        with contextlib.closing(server.connect()) as link:
            expected = entries(server.invoke(one, "text/csv", connection=link))
            while len(select.select([link.socket for link in links], [], [], 0)[0]) < 3:
                assert entries(server.invoke(one, "text/csv", connection=link)) == expected
                n_small += 1
        bodies = {link.response()[2] for link in links}
        for link in links:
            link.socket.close()
        assert len(bodies) == 1 and b"error" not in bodies.pop()
        assert n_small > 30


def test_clients_that_leave(serve, models, rows):
    """While a large request waits, is decoded, or is evaluated: nobody else notices."""
    large = post("/invocations", as_csv(rows), "Content-Type: text/csv\r\n")
    with serve(models["xgboost"]) as server:
        expected = entries(server.invoke(as_csv(rows), "text/csv"))
        for round_ in range(6):
            links = [Link(server.port).send(large) for _ in range(12)]
            stays = Link(server.port, timeout=60).send(large)
            time.sleep(0.01 * round_)
            for link in links:
                leave(link)
            status, _, body = stays.response()
            stays.socket.close()
            assert status == 200 and expected in body
        # What was left is not worked on for long.
        with contextlib.closing(server.connect()) as link:
            assert entries(server.invoke(as_csv(rows), "text/csv", connection=link)) == expected


def test_stop_finishes_them(serve, models, rows):
    large = post("/invocations", as_csv(rows), "Content-Type: text/csv\r\n")
    with serve(models["xgboost"]) as server:
        links = [Link(server.port, timeout=60).send(large) for _ in range(8)]
        gone = Link(server.port).send(large)
        wait_for(lambda: server.request("GET", "/ping").status == 200)
        leave(gone)
        server.process.terminate()
        for link in links:
            status, headers, _ = link.response()
            assert (status, headers["connection"]) == (200, "close")
            link.socket.close()
        server.process.wait(timeout=30)


def test_python_gets_large_bodies_too(serve, save_python_model):
    """Decoded by a compute thread, asked for by the connection's."""
    code = """
        class Model(PythonModel):
            def predict(self, context, model_input, params=None):
                return [float(row.sum()) for row in model_input.to_numpy()]
    """
    rows = np.arange(60_000.0).reshape(-1, 5)
    with serve(save_python_model(code), "--engine", "python", "-w", "1") as server:
        answer = server.invoke(as_json(rows))
        assert answer.json() == {"predictions": rows.sum(axis=1).tolist()}
        left = [Link(server.port).send(post("/invocations", as_json(rows), "Content-Type: application/json\r\n"))
                for _ in range(5)]  # fmt: skip
        for link in left:
            leave(link)
        assert server.invoke(as_json(rows)).json() == answer.json()
