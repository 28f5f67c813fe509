"""New versions of a model take the place of old ones while clients ask.

The models of these tests say in each answer which version they are, so that the header can be
compared with it.
"""

import contextlib
import http.client
import io
import json
import os
import pathlib
import re
import shutil
import signal
import threading
import time

import numpy as np
import processes
import pytest
from clients import Clients
from prometheus_client.parser import text_string_to_metric_families
from sklearn.linear_model import LinearRegression

HEADERS = {"Content-Type": "application/json"}
SMALL = json.dumps({"inputs": [[1.0]]}).encode()
LARGE = json.dumps({"inputs": [[1.0]] * 20000}).encode()  # decoded by a compute thread, and sliced


def metric(server, name):
    text = server.request("GET", "/metrics").body.decode()
    samples = [s for f in text_string_to_metric_families(text) for s in f.samples]
    return next((s.value for s in samples if s.name == name), None)


def wait_until(condition, seconds=20):
    limit = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < limit
        time.sleep(0.01)


class Folder:
    """A model's folder whose version changes: `name` answers its number to whatever is asked."""

    def __init__(self, place, save_model):
        self.path = place / "model"
        self._sources = {}
        self._save_model = save_model
        self.put(1)

    def _source(self, number):
        if number not in self._sources:
            estimator = LinearRegression().fit([[0.0], [1.0]], [number, number])
            estimator.coef_, estimator.intercept_ = np.zeros(1), float(number)
            self._sources[number] = self._save_model(estimator, input_example=np.array([[1.0]]))
        return self._sources[number]

    def put(self, number):
        """Files first, as a careful writer would not: the reload comes when all are there."""
        shutil.copytree(self._source(number), self.path, dirs_exist_ok=True)
        self.label(number, f"v{number}")

    def label(self, number, label):
        mlmodel = (self._source(number) / "MLmodel").read_text()
        mlmodel = re.sub(r"(?m)^model_id:.*\n", "", mlmodel) + f"model_id: {label}\n"
        (self.path / "MLmodel").write_text(mlmodel)


class Load(Clients):
    """One for each body; an answer must be that of the version in its header."""

    def __init__(self, server, bodies):
        super().__init__(bodies)
        self.versions, self._server = set(), server

    def run(self, body):
        connection = self._server.connect()
        while not self.is_ending:
            fault = version = None
            try:
                connection.request("POST", "/invocations", body, HEADERS)
                response = connection.getresponse()
                answer = json.loads(response.read())
                version = response.getheader("X-Model-Version")
                numbers = {f"v{value:.0f}" for value in np.ravel(answer["predictions"])}
                if numbers != {version}:
                    fault = (version, numbers)
            except (OSError, http.client.HTTPException, KeyError, ValueError) as error:
                connection, fault = self._server.connect(), repr(error)
            self.versions.add(version)
            self.count(fault)
        connection.close()


def reload(server):
    answer = server.request("POST", "/reload", b"")
    return answer.status, answer.json()


def test_fifty_swaps_under_load(serve, save_model, tmp_path):
    """No request fails, and each answer is that of one version: the one in its header."""
    folder = Folder(tmp_path, save_model)
    with serve(folder.path, "--enable-reload", "--no-access-log") as server:
        with Load(server, [SMALL, SMALL, LARGE]) as load:
            for i in range(50):
                folder.put(2 - i % 2)
                status, outcome = reload(server)
                assert (status, outcome["changed"]) == (200, True)
                assert outcome["old"] == {"version": f"v{1 + i % 2}"}
                assert outcome["new"] == {"version": f"v{2 - i % 2}"}
        assert load.faults == []
        assert load.n_answers > 50 and load.versions == {"v1", "v2"}
        assert metric(server, "mlrace_model_swaps_total") == 50
        assert metric(server, "mlrace_model_reload_failures_total") == 0
        assert server.request("POST", "/models/default/reload", b"").json()["changed"] is False


def test_memory_stays_flat(serve, save_model, tmp_path, is_sanitized):
    folder = Folder(tmp_path, save_model)

    def rss_bytes(server):
        return int(open(f"/proc/{server.process.pid}/statm").read().split()[1]) * 4096

    with serve(folder.path, "--enable-reload", "--no-access-log") as server:
        for i in range(220):
            if i == 20:
                before = rss_bytes(server)
            folder.label(1, f"label-{i}")
            assert reload(server)[1]["new"] == {"version": f"label-{i}"}
            assert server.invoke(SMALL).headers["x-model-version"] == f"label-{i}"
        wait_until(lambda: is_sanitized or rss_bytes(server) < before + (2 << 20))
        n_threads = len(os.listdir(f"/proc/{server.process.pid}/task"))
        assert n_threads < 20
        assert metric(server, "process_open_fds") < 40


def test_what_is_broken_never_becomes_live(serve, save_model, tmp_path):
    folder = Folder(tmp_path, save_model)

    def truncate():
        name = next(path for path in folder.path.iterdir() if path.name.startswith("model."))
        name.write_bytes(name.read_bytes()[:500])

    def break_signature():
        with (folder.path / "MLmodel").open("a") as file:
            file.write("signature: {inputs: '[{\"type\":'}\n")

    def break_example():
        (folder.path / "serving_input_example.json").write_text('{"inputs": [["a", "b"]]}')

    def remove():
        (folder.path / "MLmodel").unlink()

    with serve(folder.path, "--enable-reload", "--engine", "native") as server:
        damages = [truncate, break_signature, break_example, remove]
        for n_failures, damage in enumerate(damages, 1):
            folder.put(2)
            damage()
            status, error = reload(server)
            assert (status, error.get("error_code")) == (409, "RESOURCE_CONFLICT"), (damage, error)
            assert "the one before stays" in error["message"]
            answer = server.invoke(SMALL)
            assert (answer.headers["x-model-version"], answer.json()) == ("v1", {"predictions": [1.0]})
            assert metric(server, "mlrace_model_reload_failures_total") == n_failures
        folder.put(3)
        assert reload(server)[0] == 200
        assert server.invoke(SMALL).json() == {"predictions": [3.0]}


def test_examples_beside_a_fallback(serve, save_model, tmp_path):
    """Only an example that Python would be asked is let pass without an answer."""
    folder = Folder(tmp_path, save_model)
    example = folder.path / "serving_input_example.json"
    with serve(folder.path, "--enable-reload") as server:
        folder.put(2)
        example.write_text('{"inputs": [["a", "b"]]}')
        status, error = reload(server)
        assert status == 409 and "input example" in error["message"], error
        assert server.invoke(SMALL).headers["x-model-version"] == "v1"
        example.write_text('{"dataframe_split": {"columns": [1.5], "data": [[1]]}}')
        assert reload(server)[1]["new"] == {"version": "v2"}


def test_python_loads_no_other_version(serve, save_model, tmp_path):
    """Files that were written over are not read for the version before: beside C, or again."""
    import pandas as pd

    folder = Folder(tmp_path, save_model)
    body = io.BytesIO()
    pd.DataFrame({"0": [1.0]}).to_parquet(body)
    parquet = {"Content-Type": "application/vnd.apache.parquet"}

    def ask(server):
        answer = server.request("POST", "/invocations", body.getvalue(), parquet)
        return answer.status, answer.headers["x-model-version"], answer.json()

    with serve(folder.path, "--enable-reload") as server:
        folder.put(2)
        status, _, error = ask(server)
        assert status == 503 and "have changed" in error["message"], error
        assert server.invoke(SMALL).headers["x-model-version"] == "v1"
        assert reload(server)[0] == 200
        assert ask(server) == (200, "v2", {"predictions": [2.0]})
        folder.put(1)
        assert ask(server) == (200, "v2", {"predictions": [2.0]})  # it has loaded
        for pid in processes.descendants_of(server.process.pid):
            os.kill(pid, signal.SIGKILL)
        wait_until(lambda: "have changed since they were loaded; tried again" in server.log())
        assert reload(server)[1]["new"] == {"version": "v1"}


def test_watch_waits_until_files_have_settled(serve, save_model, tmp_path):
    folder = Folder(tmp_path, save_model)
    with serve(folder.path, "--watch=200ms") as server:
        folder.put(2)
        for _ in range(15):  # a writer who is not done yet
            (folder.path / "part").write_text(str(time.monotonic_ns()))
            time.sleep(0.05)
            assert server.invoke(SMALL).headers["x-model-version"] == "v1"
        wait_until(lambda: server.invoke(SMALL).headers["x-model-version"] == "v2")
        assert metric(server, "mlrace_model_reload_failures_total") == 0
        assert server.request("POST", "/reload", b"").status == 404  # not without --enable-reload
        (folder.path / "MLmodel").write_text("flavors: {")
        wait_until(lambda: metric(server, "mlrace_model_reload_failures_total") >= 2)
        assert server.log().count("no new version, the one before stays") == 1
        assert server.invoke(SMALL).headers["x-model-version"] == "v2"


def test_watch_follows_an_alias(serve, save_model, tmp_path, monkeypatch):
    import mlflow

    uri = f"sqlite:///{tmp_path}/mlflow.db"
    folder = Folder(tmp_path, save_model)
    client = mlflow.MlflowClient(uri, uri)
    client.create_registered_model("numbers")
    for number in (1, 2):
        client.create_model_version("numbers", str(folder._source(number)))
    client.set_registered_model_alias("numbers", "champion", "1")
    env = {"MLFLOW_TRACKING_URI": uri}
    with serve("models:/numbers@champion", "--watch=100ms", env=env) as server:
        answer = server.invoke(SMALL)
        assert (answer.headers["x-model-version"], answer.json()) == ("1", {"predictions": [1.0]})
        client.set_registered_model_alias("numbers", "champion", "2")
        wait_until(lambda: server.invoke(SMALL).headers["x-model-version"] == "2")
        assert server.invoke(SMALL).json() == {"predictions": [2.0]}
        client.delete_registered_model_alias("numbers", "champion")
        wait_until(lambda: metric(server, "mlrace_model_reload_failures_total") >= 1)
        assert server.invoke(SMALL).headers["x-model-version"] == "2"
        (model,) = server.request("GET", "/models").json()["models"]
        assert (model["version"], model["uri"], model["swaps"]) == ("2", "models:/numbers@champion", 1)


SLOW = """
import pathlib, time
NUMBER = int(pathlib.Path(__file__).with_name("number.txt").read_text())
class Model(PythonModel):
    def predict(self, context, model_input, params=None):
        if NUMBER == 3:
            raise ValueError("three")
        time.sleep(float(model_input["seconds"].iloc[0]))
        return [NUMBER] * len(model_input)
    def predict_stream(self, context, model_input, params=None):
        for _ in range(5):
            time.sleep(0.2)
            yield NUMBER
"""


def test_swap_while_python_works(serve, save_python_model, tmp_path):
    """Requests that a worker has, wait for one or are streamed end with the version they began."""
    import pandas as pd

    sources = {}
    for number in (1, 2, 3):
        code = SLOW.replace('int(pathlib.Path(__file__).with_name("number.txt").read_text())', str(number))
        example = pd.DataFrame({"seconds": [0.0]})
        with contextlib.suppress(Exception):  # MLflow tries the example, and warns
            sources[number] = save_python_model(code, input_example=example)
    folder = tmp_path / "model"

    def put(number):
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(sources[number], folder)
        with (folder / "MLmodel").open("a") as file:
            file.write(f"model_id: v{number}\n")

    def body(seconds, **more):
        return json.dumps({"dataframe_records": [{"seconds": seconds}], **more})

    put(1)
    flags = ["--enable-reload", "-w", "1", "--env-manager", "local"]
    with serve(folder, *flags) as server:
        answers = []

        def ask(text, accept):
            headers = {**HEADERS, "Accept": accept}
            answers.append(server.request("POST", "/invocations", text, headers))

        jobs = [(body(1.0), "*/*"), (body(0.1), "*/*"), (body(0.0), "text/event-stream")]
        threads = [threading.Thread(target=ask, args=job) for job in jobs]
        for thread in threads:
            thread.start()
            time.sleep(0.2)
        put(2)
        status, outcome = reload(server)
        assert (status, outcome["new"]) == (200, {"version": "v2"}), outcome
        assert server.invoke(body(0.0)).json() == {"predictions": [2]}
        for thread in threads:
            thread.join()
        assert {answer.headers["x-model-version"] for answer in answers} == {"v1"}
        assert {answer.status for answer in answers} == {200}
        texts = sorted(answer.body.decode() for answer in answers)
        assert texts[:1] == ["data: 1\n\n" * 5 + "data: [DONE]\n\n"]
        assert [json.loads(text) for text in texts[1:]] == [{"predictions": [1]}] * 2
        put(3)
        status, error = reload(server)
        assert status == 409 and "input example" in error["message"], error
        assert server.invoke(body(0.0)).headers["x-model-version"] == "v2"


ENDLESS = """
import os, pathlib, time
class Model(PythonModel):
    def predict(self, context, model_input, params=None):
        if "MARK" in os.environ:
            pathlib.Path(os.environ["MARK"]).touch()
            time.sleep(60)
        return [2] * len(model_input)
"""


def test_sigterm_waits_for_no_new_version(serve, save_model, save_python_model, tmp_path):
    import pandas as pd

    mark, folder, answers = tmp_path / "mark", Folder(tmp_path, save_model), []
    example = pd.DataFrame({"x": [0.0]})
    endless = save_python_model(ENDLESS, input_example=example)
    flags = ["--enable-reload", "-w", "1", "--env-manager", "local"]
    with serve(folder.path, *flags, env={"MARK": str(mark)}) as server:
        shutil.rmtree(folder.path)
        shutil.copytree(endless, folder.path)
        asking = threading.Thread(target=lambda: answers.append(reload(server)))
        asking.start()
        wait_until(mark.exists, seconds=60)
        status, error = reload(server)
        assert (status, error["message"]) == (409, "a reload is under way already")
        start = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        asking.join()
        assert server.process.wait(timeout=60) == 0
        assert time.monotonic() - start < 10
        ((status, error),) = answers
        assert (status, error["message"]) == (503, "the server is shutting down")
        assert " is live" not in server.log()


def test_python_examples(serve, save_python_model, tmp_path):
    """A new version is asked its example once; where the one before refused its own, it may, too."""
    import pandas as pd

    code = """
import pathlib
class Model(PythonModel):
    def predict(self, context, model_input, params=None):
        if model_input["n"].iloc[0] == 0:
            with open("PLACE", "a") as file:
                file.write("asked")
            raise ValueError("no zeros")
        return [7] * len(model_input)
"""
    asked = tmp_path / "asked"
    with contextlib.suppress(Exception):  # MLflow tries the example, and warns
        example = pd.DataFrame({"n": [0]})
        folder = save_python_model(code.replace("PLACE", str(asked)), input_example=example)
    asked.unlink(missing_ok=True)
    with serve(folder, "--enable-reload", "-w", "1", "--env-manager", "local") as server:
        assert asked.read_text() == "asked"
        with (folder / "MLmodel").open("a") as file:
            file.write("model_id: v2\n")
        for pid in processes.descendants_of(server.process.pid):
            os.kill(pid, signal.SIGKILL)  # none takes their place: it would be v2's
        wait_until(lambda: "have changed since they were loaded; tried again" in server.log())
        wait_until(lambda: server.request("GET", "/ping").status == 503)  # the worker ended, too
        status, outcome = reload(server)
        assert (status, outcome["new"]) == (200, {"version": "v2"}), outcome
        assert asked.read_text() == "asked" * 2
        assert server.invoke('{"dataframe_records": [{"n": 1}]}').json() == {"predictions": [7]}
