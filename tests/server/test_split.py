"""Two versions of a model behind one path: shares of the requests, and a shadow."""

import collections
import json
import time

import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families
from sklearn.linear_model import LinearRegression

SMALL = json.dumps({"inputs": [[1.0]]})
LARGE = json.dumps({"inputs": [[1.0]] * 20000})
HUGE = json.dumps({"inputs": [[1.0]] * 100000})
HEADERS = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def numbers(save_model):
    """numbers(n): a model that answers n to everything."""

    def save(number):
        estimator = LinearRegression().fit([[0.0], [1.0]], [number, number])
        estimator.coef_, estimator.intercept_ = np.zeros(1), float(number)
        return save_model(estimator, input_example=np.array([[1.0]]))

    return save


def ask(server, body=SMALL, path="/invocations", connection=None, **headers):
    return server.request("POST", path, body, {**HEADERS, **headers}, connection)


def test_split(serve, numbers):
    with serve(f"old={numbers(1)}", "-m", f"new={numbers(2)}", "--split", "old=75,new=25") as server:
        connection = server.connect()
        names = collections.Counter()
        for _ in range(150):
            answer = ask(server, connection=connection)
            names[answer.headers["x-model-name"]] += 1
            assert answer.json() == {"predictions": [{"old": 1.0, "new": 2.0}[answer.headers["x-model-name"]]]}
        assert 10 < names["new"] < 75
        chosen = collections.Counter()
        for client in range(20):
            headers = {"X-Request-Id": f"client-{client}"}
            answers = [ask(server, body, connection=connection, **headers) for body in (SMALL, LARGE, "{")]
            (name,) = {answer.headers["x-model-name"] for answer in answers}
            chosen[name] += 1
        assert chosen["old"] > chosen["new"] > 0
        for name in ("old", "new"):  # by their names as ever
            answer = ask(server, path=f"/models/{name}/invocations", **{"X-Request-Id": "client-1"})
            assert answer.headers["x-model-name"] == name


def results(server, expected):
    """Counts of the shadow's results, once their sum is as expected."""
    limit = time.monotonic() + 30
    while True:
        text = server.request("GET", "/metrics").body.decode()
        samples = [s for f in text_string_to_metric_families(text) for s in f.samples]
        found = {s.labels["result"]: s.value for s in samples if s.name == "mlrace_shadow_requests_total"}
        if sum(found.values()) == expected:
            return {result: value for result, value in found.items() if value}
        assert time.monotonic() < limit and sum(found.values()) < expected, found
        time.sleep(0.02)


def test_shadow(serve, numbers):
    """It is asked what the other one was asked; clients do not see it."""
    secret = json.dumps({"inputs": [[271828.0]]})
    flags = ["-m", f"same={numbers(1)}", "-m", f"other={numbers(2)}"]
    with serve(f"main={numbers(1)}", *flags, "--shadow", "same") as server:
        for body, status in ((SMALL, 200), (LARGE, 200), ("{", 400), ('{"inputs": [["x"]]}', 400)):
            answer = ask(server, body)
            assert (answer.status, answer.headers["x-model-name"]) == (status, "main")
        ask(server, path="/models/other/invocations")  # not its business
        assert results(server, 4) == {"same": 4}
        assert ask(server, HUGE).status == 200
        assert results(server, 5) == {"same": 4, "dropped": 1}
    with serve(f"main={numbers(1)}", *flags, "--shadow", "other") as server:
        for body in (secret, LARGE, "{"):
            assert ask(server, body).json().get("predictions", [1.0])[0] == 1.0
        assert results(server, 3) == {"same": 1, "different": 2}
        (line,) = [line for line in server.log().splitlines() if "shadow other" in line]
        assert "different" in line and "bytes" in line
        assert "271828" not in server.log()


def test_shadow_in_python(serve, numbers, save_python_model):
    """One that fails, is slow or has died is nothing that clients could notice."""
    shadow = save_python_model(
        """
        import os, time
        class Model(PythonModel):
            def predict(self, context, model_input, params=None):
                what = float(model_input[0][0])
                if what == 3:
                    raise ValueError("three")
                if what == 4:
                    os._exit(1)
                time.sleep(what)
                return [1.0]
        """
    )
    flags = ["-m", f"python={shadow}", "--env-manager", "local", "-w", "1", "--shadow", "python"]
    with serve(f"main={numbers(1)}", *flags) as server:
        began = time.monotonic()
        for what in (0.0, 2.0, 0.0, 3.0):
            assert ask(server, json.dumps({"inputs": [[what]]})).json() == {"predictions": [1.0]}
        assert time.monotonic() - began < 1.5
        assert results(server, 4) == {"same": 3, "error": 1}
        assert ask(server, json.dumps({"inputs": [[4.0]]})).status == 200
        assert results(server, 5) == {"same": 3, "error": 2}
        for _ in range(3):
            assert server.request("GET", "/ping").status == 200
        ask(server, json.dumps({"inputs": [[60.0]]}))  # is under way when the server ends


def test_what_is_refused(run, numbers):
    models = ["-m", "a=./a", "-m", "b=./b"]
    for arguments, words in [
        (["--split", "a=1,c=2"], "no model has the name 'c'"),
        (["--split", "a"], "expected shares such as"),
        (["--shadow", "c"], "no model has the name 'c'"),
        (["--shadow", "a"], "answers /invocations"),
        (["--shadow", "b", "--shadow", "b"], "--shadow"),
        (["--split", "a=1", "--split", "b=1"], "expected one such option, not two, received 'b=1'"),
    ]:
        result = run("serve", *models, *arguments)
        assert (result.returncode, result.stdout) == (2, "")
        assert words in result.stderr
