"""Requests too large for an I/O thread: the same answers, and nobody else waits for them."""

import contextlib
import json
import re
import select
import time

import numpy as np
import pytest
from http_raw import Link, leave, post, wait_for
from test_observability import Scrape

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
            if round_ == 5:  # some have come whole: who leaves before that is not cancelled
                wait_for(lambda: Scrape(server).get("mlrace_requests_in_flight") >= 4)
            for link in links:
                leave(link)
            status, _, body = stays.response()
            stays.socket.close()
            assert status == 200 and expected in body
        cancelled = "mlrace_requests_cancelled_total"
        wait_for(lambda: 0 < Scrape(server).get(cancelled) <= 6 * 12)
        # What was left is not worked on for long.
        with contextlib.closing(server.connect()) as link:
            assert entries(server.invoke(as_csv(rows), "text/csv", connection=link)) == expected


@pytest.mark.parametrize("flags", [("--max-queue", "2"), ("--max-queue-delay", "1")])
def test_more_than_may_wait_is_refused_at_once(serve, models, rows, flags):
    large = post("/invocations", as_csv(rows), "Content-Type: text/csv\r\n")
    with serve(models["xgboost"], "-w", "1", *flags) as server:
        expected = server.invoke(as_csv(rows), "text/csv").body
        links = [Link(server.port, timeout=60).send(large) for _ in range(20)]
        answers = [link.response() for link in links]
        for link in links:
            link.socket.close()
        good = [body for status, _, body in answers if status == 200]
        refused = [(headers, body) for status, headers, body in answers if status == 503]
        assert len(good) >= 2 and refused and len(good) + len(refused) == 20
        assert set(good) == {expected}
        for headers, body in refused:
            assert headers["retry-after"] == "1" and b"try again later" in body
        assert server.invoke(as_csv(rows), "text/csv").body == expected


def test_a_time_limit_that_decoding_exceeds(serve, models, rows):
    with serve(models["labels"]) as server:
        headers = {"Content-Type": "text/csv", "X-Request-Timeout": "0.001"}
        answer = server.request("POST", "/invocations", as_csv(rows), headers)
        assert answer.status == 504 and answer.json()["error_code"] == "DEADLINE_EXCEEDED"
        assert re.fullmatch(
            r"no answer within 0.001 s: (the server was still decoding the request, which had "
            r"waited \d.\d{3} s in the queue|the request waited in the queue, no thread was free)",
            answer.json()["message"],
        )
        assert server.invoke(as_csv(rows[:2]), "text/csv").status == 200
        for value in ("0", "-1", "soon", "1e3"):
            headers["X-Request-Timeout"] = value
            answer = server.request("POST", "/invocations", as_csv(rows[:2]), headers)
            assert answer.status == 400 and "X-Request-Timeout" in answer.json()["message"]


def test_what_is_too_late_in_the_queue_does_not_begin(serve, models, rows):
    """Of many large requests at once those with little time are answered long before the last."""
    large = as_csv(rows)
    hurried = "Content-Type: text/csv\r\nX-Request-Timeout: 0.1\r\n"
    with serve(models["xgboost"], "-w", "1") as server:
        server.invoke(large, "text/csv")  # the cost of a row is known
        begun = time.monotonic()
        links = [Link(server.port, timeout=60) for _ in range(18)]
        patient, late = links[:12], links[12:]
        for link in patient:
            link.send(post("/invocations", large, "Content-Type: text/csv\r\n"))
        for link in late:
            link.send(post("/invocations", large, hurried))
        answers = [link.response() for link in late]
        late_s = time.monotonic() - begun
        assert {link.response()[0] for link in patient} == {200}
        patient_s = time.monotonic() - begun
        messages = {body.decode() for status, _, body in answers if status == 504}
        assert len(messages) >= 1 and all("within 0.1 s" in message for message in messages)
        assert any("no thread was free" in message for message in messages), messages
        assert late_s < patient_s / 2 + 0.5, (late_s, patient_s)
        for link in links:
            link.socket.close()


@pytest.fixture(scope="module")
def heavy_model(tmp_path_factory, rows):
    """Thousands of trees: a small body takes tens of milliseconds."""
    import mlflow.xgboost
    import xgboost

    noise = np.random.default_rng(3).normal(size=400)
    model = xgboost.XGBRegressor(
        n_estimators=3000, max_depth=6, learning_rate=0.01, tree_method="exact", n_jobs=1
    ).fit(rows[:400], noise)
    folder = tmp_path_factory.mktemp("heavy") / "model"
    mlflow.xgboost.save_model(model, folder, pip_requirements=["xgboost"])
    return folder


def late_by_stage(server):
    scrape = Scrape(server)
    name = "mlrace_requests_expired_total"
    return [scrape.get(name, stage=stage) for stage in ("decode", "queue", "predict")]


@pytest.fixture(scope="module")
def heavy_body():
    values = np.random.default_rng(4).integers(-2, 3, size=(7000, 5)).tolist()
    return json.dumps({"inputs": values}, separators=(",", ":"))


def test_a_time_limit_that_the_model_exceeds(serve, heavy_model, heavy_body):
    """Slices that have not begun do not begin."""
    with serve(heavy_model, "-w", "1") as server:
        assert server.invoke(heavy_body).status == 200
        begun = time.monotonic()
        assert server.invoke(heavy_body).status == 200
        usual_s = time.monotonic() - begun
        messages = []
        for share in np.linspace(0.1, 0.9, 30):  # it is decoded, waits, and is worked on
            limit = f"{share * usual_s:.6f}"
            headers = {"Content-Type": "application/json", "X-Request-Timeout": limit}
            answer = server.request("POST", "/invocations", heavy_body, headers)
            assert answer.status in (200, 504), answer.body
            messages.append(answer.body.decode())
        assert any("the model was still working on the request" in text for text in messages)
        n_late = sum("no answer within" in text for text in messages)
        wait_for(lambda: sum(late_by_stage(server)) == n_late)
        assert late_by_stage(server)[2] >= 1


def test_the_servers_own_time_limit(serve, heavy_model, heavy_body):
    many = post("/invocations", heavy_body, "Content-Type: application/json\r\n")
    with serve(heavy_model, "-w", "1", "-t", "1") as server:
        server.invoke(heavy_body)  # with a sanitizer this, too, may take longer than it may
        begun = time.monotonic()
        server.invoke(heavy_body)
        n = int(3 / (time.monotonic() - begun))  # three seconds' work
        links = [Link(server.port, timeout=60).send(many) for _ in range(max(100, min(n, 800)))]
        answers = [link.response() for link in links]
        assert {status for status, _, _ in answers} in ({200, 504}, {504})
        assert any(b"no answer within 1 s" in body for _, _, body in answers)
        for link in links:
            link.socket.close()
        assert server.invoke('{"inputs": [[1, 2, 3, 4, 5]]}').status == 200


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
