"""Requests that wait are sent to the model together, and nobody can tell by the answers."""

import collections
import concurrent.futures
import json
import random
import re
import time

import numpy as np
import pandas as pd
import pytest
from mlflow.models import ModelSignature, infer_signature
from mlflow.types import ColSpec, ParamSchema, ParamSpec, Schema, TensorSpec

N_CLIENTS = 16

# Answers row by row, in the form that a param names, and says how many rows it got.
ROW_BY_ROW = """
    import sys, time
    import numpy as np
    import pandas as pd

    class Model(PythonModel):
        def predict(self, context, model_input, params=None):
            form, scale = params["form"], params["scale"]
            print("rows:", len(model_input), file=sys.stderr)
            time.sleep(0.01)
            if (model_input["id"] < 0).any():
                raise ValueError("no such id")
            x = model_input["x"] * scale + model_input["id"]
            if form == "numbers":
                return x.to_numpy()
            if form == "table of numbers":
                return pd.DataFrame({"x": x, "big": x > 1, "id": model_input["id"]})
            if form == "matrix":
                return np.column_stack([x, -x]).astype("float32")
            if form == "texts":
                return model_input["name"].to_numpy(dtype=object)
            if form == "table":
                return model_input[["name", "id"]].assign(x=x)
            if form == "list":
                return [{"id": int(i), "dtype": str(model_input["n"].dtype)}
                        for i in model_input["id"]]
            return x
"""
FORMS = "numbers", "table of numbers", "matrix", "texts", "table", "list", "series"
SIGNATURE = ModelSignature(
    inputs=Schema(
        [
            ColSpec("long", "id"),
            ColSpec("double", "x"),
            ColSpec("string", "name", required=False),
            ColSpec("integer", "n", required=False),
        ]
    ),
    params=ParamSchema([ParamSpec("form", "string", "series"), ParamSpec("scale", "double", 1.0)]),
)


def ask_all(server, bodies, n_clients=N_CLIENTS):
    """Status and bytes of the answers, asked by many at once, in the order of the bodies."""

    def ask(body):
        answer = server.invoke(body)
        return answer.status, answer.body

    with concurrent.futures.ThreadPoolExecutor(n_clients) as pool:
        return list(pool.map(ask, bodies))


def sent_rows(server):
    return [int(n) for n in re.findall(r"rows: (\d+)", server.log())]


def random_body(generator, i):
    rows = []
    for _ in range(generator.choice((1, 1, 1, 2, 5))):
        row = {"id": i, "x": generator.choice((generator.gauss(0, 1e3), 0.1, -0.0, 1e300))}
        if generator.random() < 0.8:
            row["name"] = generator.choice(("", "a", "é\U0001f600", "x" * generator.randrange(50)))
        if generator.random() < 0.9:
            row["n"] = generator.randrange(-5, 5)
        rows.append(row)
    if generator.random() < 0.05:
        rows[-1]["id"] = -1
    body = {"dataframe_records": rows}
    if generator.random() < 0.1:  # with labels, which go alone
        body = {"dataframe_split": json.loads(pd.DataFrame(rows).to_json(orient="split"))}
        body["dataframe_split"]["index"] = [f"row {n}" for n in range(len(rows))]
    if generator.random() < 0.7:
        body["params"] = {"form": generator.choice(FORMS)}
        if generator.random() < 0.2:
            body["params"]["scale"] = 0.5
    return json.dumps(body)


@pytest.mark.parametrize("seed", range(3))
def test_the_answers_are_those_of_requests_that_go_alone(serve, save_python_model, seed):
    model = save_python_model(ROW_BY_ROW, signature=SIGNATURE)
    generator = random.Random(seed)
    bodies = [random_body(generator, i) for i in range(250)]
    flags = "--engine", "python", "-w", "2"
    with serve(model, *flags, "--no-batch") as server:
        alone = ask_all(server, bodies)
        assert max(sent_rows(server)) <= 5
    with serve(model, *flags, "--batch", "--max-batch-rows", "16") as server:
        together = ask_all(server, bodies)
        assert 5 < max(sent_rows(server)) <= 16
    assert {status for status, _ in alone} == {200, 400}
    for body, expected, received in zip(bodies, alone, together):
        assert received == expected, body


def columns_of(n):
    return [f"c{i}" for i in range(n)]


def estimators():
    from sklearn.compose import ColumnTransformer
    from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestClassifier
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler
    from sklearn.svm import SVC

    encode = ColumnTransformer(
        [("one", OneHotEncoder(handle_unknown="ignore"), ["c0"])], remainder="passthrough"
    )
    return {
        "neighbours": KNeighborsClassifier(),
        "scaled vector machine": make_pipeline(StandardScaler(), SVC()),
        "encoded forest": make_pipeline(encode, RandomForestClassifier(n_estimators=10)),
        "histograms": HistGradientBoostingRegressor(max_iter=20),
    }


@pytest.mark.parametrize("name", estimators())
def test_estimators_known_to_go_row_by_row(serve, save_model, name):
    generator = np.random.default_rng(0)
    X = pd.DataFrame(generator.normal(size=(300, 9)).round(1), columns=columns_of(9))
    y = (X["c0"] + X["c1"] > 0).astype("int64")
    fitted = estimators()[name].fit(X, y)
    model = save_model(
        fitted,
        infer_signature(X, fitted.predict(X)),
        serialization_format="cloudpickle",
    )
    bodies = []
    for _ in range(200):
        rows = generator.normal(size=(generator.integers(1, 4), 9))
        rows[generator.random(rows.shape) < 0.002] = np.nan
        data = [[None if np.isnan(x) else x for x in row] for row in rows.tolist()]
        bodies.append(json.dumps({"dataframe_split": {"columns": columns_of(9), "data": data}}))
    flags = "--engine", "python", "-w", "1"
    with serve(model, *flags, "--no-batch") as server:
        assert "sent to the model together" not in server.log()
        alone = ask_all(server, bodies)
    with serve(model, *flags, "--enable-mlserver") as server:
        assert "sent to the model together" in server.log()
        together = ask_all(server, bodies)
    assert together == alone


def test_what_is_not_known_goes_alone(serve, save_model, save_python_model):
    from sklearn.neural_network import MLPRegressor

    X = np.random.default_rng(0).normal(size=(50, 3))
    fitted = MLPRegressor(max_iter=5).fit(X, X[:, 0])
    for model in (
        save_model(fitted, serialization_format="cloudpickle"),
        save_python_model(ROW_BY_ROW, signature=SIGNATURE),
    ):
        with serve(model, "--engine", "python", "-w", "1") as server:
            assert "sent to the model together" not in server.log()


TENSORS = """
    import sys, time

    class Model(PythonModel):
        def predict(self, context, model_input, params=None):
            print("rows:", len(model_input), file=sys.stderr)
            time.sleep(0.01)
            return model_input * 2
"""


def test_tensors(serve, save_python_model):
    signature = ModelSignature(inputs=Schema([TensorSpec(np.dtype("float64"), (-1, 2, 2))]))
    model = save_python_model(TENSORS, signature=signature)
    arrays = [np.full((1 + i % 3, 2, 2), i / 7).tolist() for i in range(100)]
    with serve(model, "--batch", "-w", "1") as server:
        answers = ask_all(server, [json.dumps({"inputs": array}) for array in arrays])
        assert max(sent_rows(server)) > 3
    for array, (status, body) in zip(arrays, answers):
        assert status == 200
        assert json.loads(body) == {"predictions": (np.array(array) * 2).tolist()}


def test_a_signature_with_a_fixed_number_of_rows(serve, save_python_model):
    signature = ModelSignature(inputs=Schema([TensorSpec(np.dtype("float64"), (1, 2))]))
    model = save_python_model(TENSORS, signature=signature)
    with serve(model, "--batch", "-w", "1") as server:
        answers = ask_all(server, [json.dumps({"inputs": [[i, i]]}) for i in range(40)])
        assert [status for status, _ in answers] == [200] * 40
        assert max(sent_rows(server)) == 1


NOT_ROW_BY_ROW = """
    import time

    class Model(PythonModel):
        def predict(self, context, model_input, params=None):
            time.sleep(0.01)
            return [float(model_input["x"].sum())]
"""


def test_a_model_that_does_not_answer_row_by_row(serve, save_python_model):
    model = save_python_model(NOT_ROW_BY_ROW)
    bodies = [json.dumps({"dataframe_records": [{"x": i}, {"x": 1.5}]}) for i in range(60)]
    with serve(model, "--batch", "-w", "1") as server:
        answers = ask_all(server, bodies)
        assert server.log().count("does not answer row by row") == 1
    assert [json.loads(body)["predictions"] for _, body in answers] == [[i + 1.5] for i in range(60)]


DIES = """
    import os, time

    class Model(PythonModel):
        def predict(self, context, model_input, params=None):
            time.sleep(0.01)
            if (model_input["x"] == 13).any():
                os._exit(3)
            return model_input["x"].to_numpy()
"""


def test_a_request_that_kills_its_worker_fails_alone(serve, save_python_model):
    model = save_python_model(DIES)
    bodies = [json.dumps({"dataframe_records": [{"x": i % 50}]}) for i in range(100)]
    with serve(model, "--batch", "-w", "2") as server:
        answers = ask_all(server, bodies)
    for i, (status, body) in enumerate(answers):
        assert status == (503 if i % 50 == 13 else 200), body
        assert i % 50 == 13 or json.loads(body) == {"predictions": [i % 50]}


# --- overload ---------------------------------------------------------------------------------------

SLOW = """
    import time

    class Model(PythonModel):
        def predict(self, context, model_input, params=None):
            time.sleep(float(model_input["seconds"].max()))
            return len(model_input)
"""


def sleep_body(seconds, n=1):
    return json.dumps({"dataframe_split": {"columns": ["seconds"], "data": [[seconds]] * n}})


@pytest.fixture(scope="module")
def slow_model(save_python_model):
    return save_python_model(SLOW)


def test_a_full_queue(serve, slow_model):
    with serve(slow_model, "-w", "1", "--max-queue", "2") as server:
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            waiting = [pool.submit(server.invoke, sleep_body(1.0)) for _ in range(3)]
            time.sleep(0.3)
            started = time.monotonic()
            refused = server.invoke(sleep_body(0.0))
            assert time.monotonic() - started < 0.5
            assert refused.status == 503 and refused.headers["retry-after"] == "1"
            assert refused.json()["error_code"] == "TEMPORARILY_UNAVAILABLE"
            assert "too many requests wait" in refused.json()["message"]
            assert [answer.result().status for answer in waiting] == [200] * 3
        assert server.invoke(sleep_body(0.0)).status == 200


@pytest.mark.parametrize(
    "flag, size, what", [("--max-queue-rows", "10", "rows"), ("--max-queue-bytes", "1K", "bytes")]
)
def test_a_full_queue_by_size(serve, slow_model, flag, size, what):
    with serve(slow_model, "-w", "1", flag, size) as server:
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            busy = pool.submit(server.invoke, sleep_body(1.0))
            time.sleep(0.2)
            only_one = pool.submit(server.invoke, sleep_body(0.0, n=1000))  # however large
            time.sleep(0.2)
            refused = server.invoke(sleep_body(0.0, n=2))
            assert refused.status == 503 and f"too many {what} wait" in refused.json()["message"]
            assert busy.result().status == only_one.result().status == 200


def invoke_within(server, body, seconds):
    headers = {"Content-Type": "application/json", "X-Request-Timeout": seconds}
    return server.request("POST", "/invocations", body, headers)


def test_the_clients_own_time_limit(serve, slow_model):
    with serve(slow_model, "-w", "1") as server:
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            working = pool.submit(invoke_within, server, sleep_body(1.5), "0.5")
            time.sleep(0.2)
            started = time.monotonic()
            waiting = invoke_within(server, sleep_body(0.0), "0.25")
            assert time.monotonic() - started < 1
            assert waiting.status == 504
            assert "within 0.25 s: the request waited in the queue" in waiting.json()["message"]
            assert working.result().status == 504
            assert "the model was still working" in working.result().json()["message"]
        assert server.invoke(sleep_body(0.0)).status == 200
        assert "was ended" not in server.log()  # the worker, since a client was impatient


def test_time_limits_that_are_none(serve, slow_model):
    with serve(slow_model, "-w", "1") as server:
        for value in ("0", "-1", "soon", "nan", "inf", "1e3", "1_0", "9" * 60):
            answer = invoke_within(server, sleep_body(0.0), value)
            assert answer.status == 400 and "X-Request-Timeout" in answer.json()["message"]


def test_large_requests_leave_a_worker_to_small_ones(serve, slow_model):
    with serve(slow_model, "-w", "2", "--max-batch-rows", "100") as server:
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            assert server.invoke(sleep_body(0.0)).status == 200
            large = [pool.submit(server.invoke, sleep_body(1.0, n=200)) for _ in range(2)]
            time.sleep(0.2)
            started = time.monotonic()
            assert server.invoke(sleep_body(0.0)).status == 200
            assert time.monotonic() - started < 0.6
            assert [answer.result().status for answer in large] == [200, 200]


def test_counts(serve, save_python_model):
    """Each request is answered once, whatever happens to it."""
    model = save_python_model(ROW_BY_ROW, signature=SIGNATURE)
    rows = [{"id": -1 if i % 7 == 0 else i, "x": 1.0} for i in range(140)]
    bodies = [json.dumps({"dataframe_records": [row]}) for row in rows]
    with serve(model, "--batch", "-w", "2") as server:
        answers = ask_all(server, bodies)
    assert collections.Counter(status for status, _ in answers) == {400: 20, 200: 120}
    for row, (status, body) in zip(rows, answers):
        if status == 200:
            assert json.loads(body) == {"predictions": [{"0": row["id"] + 1.0}]}
