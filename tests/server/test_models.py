"""Several models on one port, each under its name."""

import json
import shutil
import threading
import time

import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families
from sklearn.linear_model import LinearRegression

BODY = json.dumps({"inputs": [[1.0]]})
LARGE = json.dumps({"inputs": [[1.0]] * 20000})


@pytest.fixture(scope="module")
def numbers(save_model):
    """numbers(n): a model that answers n to everything."""
    saved = {}

    def save(number):
        if number not in saved:
            estimator = LinearRegression().fit([[0.0], [1.0]], [number, number])
            estimator.coef_, estimator.intercept_ = np.zeros(1), float(number)
            saved[number] = save_model(estimator, input_example=np.array([[1.0]]))
        return saved[number]

    return save


@pytest.fixture(scope="module")
def sleeper(save_python_model):
    return save_python_model(
        """
        import os, time
        class Model(PythonModel):
            def predict(self, context, model_input, params=None):
                time.sleep(float(model_input[0][0]))
                return [os.environ.get("WHO", "nobody")]
        """
    )


def ask(server, name, body=BODY):
    path = f"/models/{name}/invocations" if name else "/invocations"
    return server.request("POST", path, body, {"Content-Type": "application/json"})


def samples(server):
    text = server.request("GET", "/metrics").body.decode()
    families = text_string_to_metric_families(text)
    return {(s.name, tuple(sorted(s.labels.items()))): s.value for f in families for s in f.samples}


def test_each_answers_under_its_name(serve, numbers):
    with serve(f"one={numbers(1)}", "-m", f"two={numbers(2)}") as server:
        for name, number in (("one", 1.0), ("two", 2.0), (None, 1.0)):
            for body, n_rows in ((BODY, 1), (LARGE, 20000)):
                answer = ask(server, name, body)
                assert answer.json() == {"predictions": [number] * n_rows}
                assert answer.headers["x-model-name"] == (name or "one")
        assert ask(server, "two", "{").headers["x-model-name"] == "two"
        assert ask(server, "three").status == 404
        assert server.request("GET", "/models/two/invocations").status == 405
        assert server.request("POST", "/models/two/invocations/", BODY).headers["location"] == "/models/two/invocations"
        assert server.request("GET", "/models/two/ping").status == 200
        assert server.request("GET", "/models/three/ping").status == 404
        models = server.request("GET", "/models").json()["models"]
        assert [(m["name"], m["state"], m["engine"]) for m in models] == [("one", "ready", "linear"), ("two", "ready", "linear")]
        assert models[1]["uri"] == str(numbers(2)) and models[1]["version"] is None
        found = samples(server)
        assert found[("mlrace_model_requests_total", (("model", "one"), ("status", "200")))] == 4
        assert found[("mlrace_model_requests_total", (("model", "two"), ("status", "400")))] == 1
        assert found[("mlrace_model_rows_total", (("model", "two"),))] == 20001
        assert found[("mlrace_model_ready", (("model", "two"),))] == 1
        assert found[("mlrace_requests_total", (("route", "/models/{name}/invocations"), ("status", "200")))] == 4
        time.sleep(0.2)
        lines = [json.loads(line) for line in server.log().splitlines() if '"request"' in line]
        assert {line["model"] for line in lines if line["status"] == 200} == {"one", "two"}


def test_one_is_reloaded_alone(serve, numbers, tmp_path):
    folder = tmp_path / "models"
    for name, number in (("a", 1), ("b", 2)):
        shutil.copytree(numbers(number), folder / name)
    with serve(f"first={numbers(3)}", "--models", folder, "--enable-reload") as server:
        assert [ask(server, name).json()["predictions"] for name in ("first", "a", "b")] == [[3.0], [1.0], [2.0]]
        shutil.copytree(numbers(4), folder / "b", dirs_exist_ok=True)
        outcome = server.request("POST", "/models/a/reload", b"").json()
        assert (outcome["model"], outcome["changed"]) == ("a", False)
        outcome = server.request("POST", "/models/b/reload", b"").json()
        assert (outcome["model"], outcome["changed"]) == ("b", True)
        assert [ask(server, name).json()["predictions"] for name in ("first", "a", "b")] == [[3.0], [1.0], [4.0]]
        swaps = [model["swaps"] for model in server.request("GET", "/models").json()["models"]]
        assert swaps == [0, 0, 1]


def test_a_file_gives_each_its_own(serve, numbers, sleeper, tmp_path):
    """Workers, queues and variables are a model's own: one that is busy holds up no other."""
    file = tmp_path / "models.yaml"
    file.write_text(
        f"""
models:
- {{name: slow, uri: "{sleeper}", workers: 1, max_queue: 1, env_manager: local, env: {{WHO: me}}}}
- {{name: other, uri: "{sleeper}", workers: 2, env-manager: local}}
- {{name: native, uri: "{numbers(5)}", engine: native}}
"""
    )
    with serve(f"lead={numbers(6)}", "--models", file) as server:
        models = {model["name"]: model for model in server.request("GET", "/models").json()["models"]}
        assert [models[name]["engine"] for name in ("lead", "slow", "other", "native")] == ["linear", "python", "python", "linear"]
        assert ask(server, "slow", '{"inputs": [[0.0]]}').json() == {"predictions": ["me"]}
        busy = [threading.Thread(target=ask, args=(server, "slow", '{"inputs": [[1.5]]}')) for _ in range(2)]
        for thread in busy:
            thread.start()
            time.sleep(0.2)
        began = time.monotonic()
        assert ask(server, "slow").status == 503  # its worker and its queue are taken
        assert ask(server, "other", '{"inputs": [[0.0]]}').json() == {"predictions": ["nobody"]}
        assert ask(server, "native", LARGE).json()["predictions"][0] == 5.0
        assert time.monotonic() - began < 1.0
        found = samples(server)
        assert found[("mlrace_workers", (("model", "slow"),))] == 1
        assert found[("mlrace_workers", (("model", "other"),))] == 2
        assert ("mlrace_workers", (("model", "native"),)) not in found
        assert found[("mlrace_queue_refused_total", (("model", "slow"),))] == 1
        for thread in busy:
            thread.join()


def test_ready_when_all_are(serve, numbers, save_python_model):
    late = save_python_model(
        """
        import time
        time.sleep(1.5)
        class Model(PythonModel):
            def predict(self, context, model_input, params=None):
                return ["late"]
        """
    )
    flags = ["-m", f"late={late}", "--env-manager", "local"]
    with serve(f"early={numbers(1)}", *flags, is_loading=True) as server:
        assert ask(server, "early").status == 200
        answer = server.request("GET", "/readyz")
        assert answer.status == 503 and "model late: the model is loading" in answer.json()["message"]
        assert server.request("GET", "/models/early/ping").status == 200
        assert server.request("GET", "/models/late/ping").status == 503
        limit = time.monotonic() + 60
        while server.request("GET", "/readyz").status != 200:
            assert time.monotonic() < limit
            time.sleep(0.05)
        assert ask(server, "late").json() == {"predictions": ["late"]}


def test_what_cannot_be_served(run, numbers, tmp_path):
    (tmp_path / "bad.yaml").write_text("models:\n- {name: a, uri: b, colour: red}\n")
    for arguments, code, words in [
        (["-m", numbers(1), "-m", numbers(2)], 2, "of several models each needs a name"),
        (["-m", f"a={numbers(1)}", "-m", f"a={numbers(2)}"], 2, "two models have the name a"),
        (["--models", tmp_path / "bad.yaml"], 2, "line 2: a model has no colour"),
        (["--models", tmp_path / "none"], 2, "none"),
        (["-m", f"a={numbers(1)}", "-m", "b=./nothing", "-p", "0"], 1, "model b: "),
    ]:
        result = run("serve", *arguments)
        assert (result.returncode, result.stdout) == (code, "")
        assert words in result.stderr
