"""Models that Python evaluates, served by the real program: loading, answers, errors, the end."""

import json
import os
import pathlib
import signal
import threading
import time

import pytest

FRAME = {"dataframe_split": {"columns": ["a", "b"], "data": [[1.5, 2], [3, 4]]}}


def invoke(server, payload, **options):
    return server.invoke(json.dumps(payload), **options)


# --- a model that does what its request says ----------------------------------------------------

ACT = """
    import os, signal, sys, time
    import pandas as pd
    from mlflow.exceptions import MlflowException
    from mlflow.protos import databricks_pb2 as codes

    class Model(PythonModel):
        def predict(self, context, model_input, params=None):
            if isinstance(model_input, pd.DataFrame) and "do" not in model_input:
                return model_input.sum(axis=1).to_numpy()
            do = model_input["do"].iloc[0]
            if do == "raise":
                raise ValueError("no such luck")
            if do == "refuse":
                raise MlflowException("not for you", error_code=codes.PERMISSION_DENIED)
            if do == "busy":
                raise MlflowException("come back", error_code=codes.TEMPORARILY_UNAVAILABLE)
            if do == "die":
                os.kill(os.getpid(), signal.SIGKILL)
            if do == "exit":
                os._exit(3)
            if do == "sleep":
                time.sleep(60)
            if do == "print":
                print("said by the model", flush=True)
            if do == "environment":
                return [os.environ.get("COLOUR"), os.environ.get("OMP_NUM_THREADS")]
            if do == "pid":
                return [os.getpid()]
            return [do]
"""


def do(server, what):
    return invoke(server, {"dataframe_records": [{"do": what}]})


@pytest.fixture(scope="module")
def act_model(save_python_model):
    return save_python_model(ACT)


@pytest.fixture(scope="module")
def act_server(serve, act_model):
    flags = ["-w", "2", "-t", "5", "--env", "COLOUR=teal", "--env", "OMP_NUM_THREADS=3"]
    with serve(act_model, *flags) as server:
        yield server


def test_answers(act_server):
    answer = invoke(act_server, FRAME)
    assert (answer.status, answer.media_type) == (200, "application/json")
    assert answer.json() == {"predictions": [3.5, 7.0]}
    assert act_server.invoke("a,b\n1,2\n", "text/csv").json() == {"predictions": [3]}


def test_the_log_says_which_engine_and_why(act_server):
    log = act_server.log()
    assert "engine python" in log
    assert "no native engine for mlflow.pyfunc" in log


def test_many_requests_on_one_connection(act_server):
    connection = act_server.connect()
    for number in range(50):
        payload = {"dataframe_records": [{"do": f"echo {number}"}]}
        answer = invoke(act_server, payload, connection=connection)
        assert answer.json() == {"predictions": [f"echo {number}"]}
    connection.close()


@pytest.mark.parametrize(
    "what, status, code, words",
    [
        ("raise", 400, "BAD_REQUEST", "no such luck"),
        ("refuse", 403, "PERMISSION_DENIED", "not for you"),
        ("busy", 503, "TEMPORARILY_UNAVAILABLE", "come back"),
    ],
)
def test_errors_that_a_model_raises(act_server, what, status, code, words):
    answer = do(act_server, what)
    assert (answer.status, answer.media_type) == (status, "application/json")
    assert answer.json()["error_code"] == code
    assert words in answer.json()["message"]
    assert ("retry-after" in answer.headers) == (status == 503)


@pytest.mark.parametrize("what", ["die", "exit"])
def test_a_worker_that_dies_fails_its_own_request_only(act_server, what):
    answer = do(act_server, what)
    assert answer.status == 503
    assert answer.json()["error_code"] == "TEMPORARILY_UNAVAILABLE"
    assert int(answer.headers["retry-after"]) >= 1
    for _ in range(4):
        assert do(act_server, "echo").json() == {"predictions": ["echo"]}


def test_a_call_that_takes_too_long_is_504(act_server):
    start = time.monotonic()
    answer = do(act_server, "sleep")
    assert answer.status == 504
    assert answer.json()["error_code"] == "DEADLINE_EXCEEDED"
    assert 4.5 < time.monotonic() - start < 30
    assert do(act_server, "echo").status == 200


def test_what_a_model_prints_is_in_the_log(act_server):
    assert do(act_server, "print").status == 200
    deadline = time.monotonic() + 5
    while "said by the model" not in act_server.log() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert "said by the model" in act_server.log()


def test_env_reaches_the_model(act_server):
    assert do(act_server, "environment").json() == {"predictions": ["teal", "3"]}


def test_workers_are_processes(act_server):
    pids = set()

    def ask():
        pids.update(do(act_server, "pid").json()["predictions"])

    deadline = time.monotonic() + 30
    while len(pids) < 2 and time.monotonic() < deadline:
        threads = [threading.Thread(target=ask) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(pids) == 2
    assert act_server.process.pid not in pids


def test_clients_that_leave_do_no_harm(act_server):
    body = json.dumps({"dataframe_records": [{"do": "sleep"}]})
    for _ in range(6):
        connection = act_server.connect()
        connection.request("POST", "/invocations", body, {"Content-Type": "application/json"})
        connection.close()
    deadline = time.monotonic() + 40
    answer = do(act_server, "echo")
    while answer.status != 200 and time.monotonic() < deadline:
        answer = do(act_server, "echo")
    assert answer.json() == {"predictions": ["echo"]}


# --- the life of a server -----------------------------------------------------------------------

WAIT = """
    import os, time

    class Model(PythonModel):
        def load_context(self, context):
            print("waiting to be let in", flush=True)
            while not os.path.exists(os.environ["GATE"]):
                time.sleep(0.05)

        def predict(self, context, model_input, params=None):
            return len(model_input)
"""


def wait_for_log(server, words, seconds=60):
    deadline = time.monotonic() + seconds
    while words not in server.log():
        assert time.monotonic() < deadline, server.log()
        time.sleep(0.05)


@pytest.fixture(scope="module")
def wait_model(save_python_model):
    return save_python_model(WAIT)


def test_ping_is_503_until_the_model_is_loaded(serve, wait_model, tmp_path):
    gate = tmp_path / "gate"
    with serve(wait_model, env={"GATE": str(gate)}, is_loading=True) as server:
        wait_for_log(server, "waiting to be let in")
        for path in ("/ping", "/health"):
            answer = server.request("GET", path)
            assert (answer.status, answer.media_type) == (503, "application/json")
            assert "loading" in answer.json()["message"]
            assert int(answer.headers["retry-after"]) >= 1
            answer = server.request("HEAD", path)
            assert (answer.status, answer.body) == (503, b"")
        assert server.request("GET", "/version").status == 200
        gate.touch()
        wait_for_log(server, "ready after")
        for method in ("GET", "HEAD"):
            assert server.request(method, "/ping").status == 200
        assert server.request("GET", "/ping").body == b"\n"
        assert invoke(server, FRAME).json() == {"predictions": 2}


@pytest.mark.parametrize("has_request", [False, True])
def test_sigterm_while_loading_ends_at_once(serve, wait_model, tmp_path, has_request):
    with serve(wait_model, env={"GATE": str(tmp_path / "gate")}, is_loading=True) as server:
        wait_for_log(server, "waiting to be let in")
        connection = server.connect()
        if has_request:
            headers = {"Content-Type": "application/json"}
            connection.request("POST", "/invocations", json.dumps(FRAME), headers)
            time.sleep(0.2)
        start = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(timeout=20) == 0
        assert time.monotonic() - start < 5
        connection.close()


def test_a_model_that_cannot_be_loaded_ends_the_program(run, save_python_model):
    model = save_python_model("""
        import os

        class Model(PythonModel):
            def load_context(self, context):
                if "BROKEN" in os.environ:
                    raise ValueError("a part is missing")

            def predict(self, context, model_input, params=None):
                return 1
    """)
    result = run("serve", "-m", model, "-p", "0", env={"BROKEN": "1"}, timeout=120)
    assert result.returncode == 1
    assert "a part is missing" in result.stderr
    result = run("predict", "-m", model, "-i", os.devnull, env={"BROKEN": "1"}, timeout=120)
    assert (result.returncode, result.stdout) == (1, "")
    assert "a part is missing" in result.stderr


def test_no_process_is_left_behind(serve, act_model):
    with serve(act_model, "-w", "2") as server:
        pid = do(server, "pid").json()["predictions"][0]
        assert pathlib.Path(f"/proc/{pid}").exists()
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(timeout=20) == 0
        assert not pathlib.Path(f"/proc/{pid}").exists()


def test_requests_under_way_are_answered_at_sigterm(serve, save_python_model):
    model = save_python_model("""
        import time

        class Model(PythonModel):
            def predict(self, context, model_input, params=None):
                time.sleep(1)
                return len(model_input)
    """)
    with serve(model) as server:
        answers = []
        thread = threading.Thread(target=lambda: answers.append(invoke(server, FRAME)))
        thread.start()
        time.sleep(0.4)
        server.process.send_signal(signal.SIGTERM)
        thread.join(timeout=20)
        assert answers[0].json() == {"predictions": 2}
        assert server.process.wait(timeout=20) == 0


# --- which engine -------------------------------------------------------------------------------


def test_engine_python_gives_the_answers_of_c(serve, iris_server, iris_model, parquet_body):
    columns = ["sepal length (cm)", "sepal width (cm)", "petal length (cm)", "petal width (cm)"]
    rows = [[5.1, 3.5, 1.4, 0.2], [6.3, 3.3, 6.0, 2.5]]
    payload = {"dataframe_split": {"columns": columns, "data": rows}}
    with serve(iris_model, "--engine", "python") as server:
        assert "engine python" in server.log()
        assert invoke(server, payload).body == invoke(iris_server, payload).body
        bad = {"dataframe_split": {"columns": columns[:3], "data": [[1, 2, 3]]}}
        ours, theirs = invoke(server, bad), invoke(iris_server, bad)
        assert (ours.status, ours.body) == (theirs.status, theirs.body)
        assert parquet(server, parquet_body).json() == {"predictions": [0]}


def test_engine_native_refuses_what_only_python_can(run, act_model):
    result = run("serve", "-m", act_model, "-p", "0", "--engine", "native")
    assert result.returncode == 1
    assert "no native engine for mlflow.pyfunc" in result.stderr


PARQUET = {"Content-Type": "application/vnd.apache.parquet"}


def parquet(server, body):
    return server.request("POST", "/invocations", body, PARQUET)


@pytest.fixture(scope="module")
def parquet_body():
    import pandas

    sizes = [f"{part} {size} (cm)" for part in ("sepal", "petal") for size in ("length", "width")]
    return pandas.DataFrame([[5.1, 3.5, 1.4, 0.2]], columns=sizes).to_parquet()


def test_a_parquet_body_starts_python_beside_c(serve, iris_model, parquet_body):
    with serve(iris_model, "-w", "2") as server:
        assert "python" not in server.log()
        answers = []
        threads = [
            threading.Thread(target=lambda: answers.append(parquet(server, parquet_body)))
            for _ in range(3)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [answer.json() for answer in answers] == [{"predictions": [0]}] * 3
        answer = parquet(server, b"PAR1")
        assert (answer.status, answer.json()["error_code"]) == (400, "BAD_REQUEST")
        assert server.log().count("loads the model for 1 worker") == 1


def test_python_beside_c_that_cannot_load_the_model(serve, iris_model, parquet_body, tmp_path):
    (tmp_path / "mlflow.py").write_text("raise ImportError('no MLflow here')")
    with serve(iris_model, env={"PYTHONPATH": str(tmp_path)}) as server:
        for _ in range(2):
            answer = parquet(server, parquet_body)
            assert (answer.status, answer.media_type) == (503, "application/json")
            assert "no MLflow here" in answer.json()["message"]
        assert server.request("GET", "/ping").status == 200


def test_engine_native_and_parquet(serve, iris_model, parquet_body):
    with serve(iris_model, "--engine", "native") as server:
        answer = parquet(server, parquet_body)
        assert (answer.status, answer.json()["error_code"]) == (400, "BAD_REQUEST")
        assert "--engine python" in answer.json()["message"]


def test_a_request_that_only_pandas_can_type_starts_python_beside_c(serve, save_model):
    from sklearn.linear_model import LinearRegression

    model = save_model(LinearRegression().fit([[0, 0], [1, 0], [0, 1]], [0, 2, 3]))
    split = {"columns": [0.5, 1.5], "data": [[1, 1]] * 2}
    with serve(model) as server:
        answer = invoke(server, {"dataframe_split": split})
        assert [round(value, 9) for value in answer.json()["predictions"]] == [5, 5]
        assert "loads the model for 1 worker" in server.log()
        # Of a large body nothing is kept.
        split["data"] = [[1, 1]] * 10_000
        answer = invoke(server, {"dataframe_split": split})
        assert (answer.status, answer.json()["error_code"]) == (400, "BAD_REQUEST")
        assert "--engine python" in answer.json()["message"]


def test_type_hints_are_checked_by_python(serve, save_python_model):
    model = save_python_model("""
        class Model(PythonModel):
            def predict(self, model_input: list[str], params=None) -> list[str]:
                return [text.upper() for text in model_input]
    """)
    with serve(model) as server:
        assert invoke(server, {"inputs": ["a", "b"]}).json() == {"predictions": ["A", "B"]}
        answer = invoke(server, {"inputs": [1]})
        assert (answer.status, answer.json()["error_code"]) == (400, "INVALID_PARAMETER_VALUE")
        assert invoke(server, {"instances": ["a"]}).status == 400
        assert server.invoke("not json").status == 400
