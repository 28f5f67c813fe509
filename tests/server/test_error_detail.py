"""--error-detail: what a client is told of an error, and what only the log has."""

import json

import pytest

FAULTY = """
    def inner(value):
        raise ValueError(f"secret {value}")

    class Model(PythonModel):
        def predict(self, context, model_input, params=None):
            inner(model_input["a"].iloc[0])

        def predict_stream(self, context, model_input, params=None):
            yield "first"
            inner(2)
"""
BODY = '{"dataframe_split": {"columns": ["a"], "data": [[1]]}}'
WRONG = '{"dataframe_split": {"columns": ["secret_column"], "data": [["x"]]}}'


@pytest.fixture(scope="module")
def faulty_model(save_python_model):
    return save_python_model(FAULTY)


def stream(server):
    headers = {"Content-Type": "application/json", "Accept": "text/event-stream"}
    answer = server.request("POST", "/invocations", BODY, headers)
    lines = answer.body.decode().split("\n\n")
    (error,) = (line for line in lines if '"error"' in line)
    return answer, json.loads(error.partition("data: ")[2])["error"]


def test_full(serve, faulty_model):
    with serve(faulty_model, "-w", "1", "--error-detail", "full") as server:
        answer = server.invoke(BODY)
        body = answer.json()
        assert (answer.status, body["error_code"]) == (400, "BAD_REQUEST")
        assert "secret 1" in body["message"]
        assert body["stack_trace"].startswith("Traceback (most recent call last)")
        assert "in inner" in body["stack_trace"]


def test_brief_is_the_default(serve, faulty_model):
    with serve(faulty_model, "-w", "1") as server:
        body = server.invoke(BODY).json()
        assert set(body) == {"error_code", "message"}
        assert "secret 1" in body["message"]
        assert "secret 2" in stream(server)[1]


def test_none(serve, faulty_model):
    with serve(faulty_model, "-w", "1", "--error-detail", "none") as server:
        headers = {"Content-Type": "application/json", "X-Request-Id": "mine-7"}
        answer = server.request("POST", "/invocations", BODY, headers)
        body = answer.json()
        assert (answer.status, body["error_code"]) == (400, "BAD_REQUEST")
        assert body["message"] == "The reason is in the server's log, at the request mine-7."
        assert answer.headers["x-request-id"] == "mine-7"
        (line,) = (one for one in server.log().splitlines() if "request mine-7 failed" in one)
        assert "secret 1" in line
        answer, message = stream(server)
        assert "secret" not in message
        assert answer.headers["x-request-id"] in message
        # Health checks have nothing to hide.
        assert server.request("GET", "/nowhere").json() == {"detail": "Not Found"}


def test_none_of_a_native_model(serve, iris_model):
    with serve(iris_model, "--error-detail", "none") as server:
        for body, kind, status, code in (
            (WRONG, "application/json", 400, "INVALID_PARAMETER_VALUE"),
            ("{", "application/json", 400, "BAD_REQUEST"),
            ("a,b\n1,2", "text/csv", 400, "INVALID_PARAMETER_VALUE"),
            ("x", "text/secret", 415, "UNSUPPORTED_MEDIA_TYPE"),
        ):
            answer = server.invoke(body, kind)
            assert (answer.status, answer.json()["error_code"]) == (status, code)
            assert answer.media_type == "application/json"
            assert set(answer.json()) == {"error_code", "message"}
            identity = answer.headers["x-request-id"]
            assert answer.json()["message"].endswith(f"at the request {identity}.")
            assert f"request {identity} failed" in server.log()
        with serve(iris_model) as open_server:
            for body in (WRONG, "{"):
                message = open_server.invoke(body).json()["message"]
                assert message and message.split('"')[0] in server.log()


def test_bad_value(run, iris_model):
    result = run("serve", "-m", iris_model, "--error-detail", "some")
    assert result.returncode == 2
    assert "full, brief or none" in result.stderr
