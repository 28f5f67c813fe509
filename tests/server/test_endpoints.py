"""The endpoints as a client sees them, with the example's model."""

import json

import pytest

COLUMNS = ["sepal length (cm)", "sepal width (cm)", "petal length (cm)", "petal width (cm)"]
SETOSA, VIRGINICA = [5.1, 3.5, 1.4, 0.2], [6.3, 3.3, 6.0, 2.5]
SPLIT = {"dataframe_split": {"columns": COLUMNS, "data": [SETOSA, VIRGINICA]}}
RECORDS = [dict(zip(COLUMNS, row)) for row in (SETOSA, VIRGINICA)]
CSV = "\n".join(
    [",".join(COLUMNS), *(",".join(map(str, row)) for row in (SETOSA, VIRGINICA)), ""]
)
PREDICTIONS = b'{"predictions": [0, 2]}'


@pytest.mark.parametrize(
    "payload",
    [
        SPLIT,
        {"dataframe_records": RECORDS},
        {"inputs": {name: [row[name] for row in RECORDS] for name in COLUMNS}},
        {"inputs": RECORDS},
        {"instances": RECORDS},
        RECORDS,
    ],
    ids=["split", "records", "inputs-dict", "inputs-list", "instances", "bare-list"],
)
def test_json_formats_give_the_same_bytes(iris_server, payload):
    answer = iris_server.invoke(json.dumps(payload))
    assert (answer.status, answer.media_type, answer.body) == (200, "application/json", PREDICTIONS)


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "application/json;",  # as MLflow's documentation writes it
        "Application/JSON",
        "application/json; charset=utf-8",
        "application/json; charset=utf8",
        "application/json ; charset=UTF-8",
    ],
)
def test_json_content_types(iris_server, content_type):
    answer = iris_server.invoke(json.dumps(SPLIT), content_type)
    assert (answer.status, answer.body) == (200, PREDICTIONS)


@pytest.mark.parametrize("content_type", ["text/csv", "application/csv", "text/csv; charset=utf-8"])
def test_csv_content_types(iris_server, content_type):
    answer = iris_server.invoke(CSV, content_type)
    assert (answer.status, answer.body) == (200, PREDICTIONS)


def test_csv_without_header_is_data_when_it_fits(iris_server):
    rows = CSV.split("\n", 1)[1]
    answer = iris_server.invoke(rows, "text/csv")
    assert (answer.status, answer.body) == (200, PREDICTIONS)


@pytest.mark.parametrize("content_type", ["text/plain", "application/xml", "image/png", "json"])
def test_other_content_types_are_415(iris_server, content_type):
    answer = iris_server.invoke(json.dumps(SPLIT), content_type)
    assert (answer.status, answer.media_type) == (415, "text/plain")


def test_a_missing_content_type_is_the_clients_mistake(iris_server):
    answer = iris_server.invoke(json.dumps(SPLIT), content_type=None)
    assert 400 <= answer.status < 500


@pytest.mark.parametrize("path", ["/ping", "/health"])
def test_ping(iris_server, path):
    answer = iris_server.request("GET", path)
    assert (answer.status, answer.media_type, answer.body) == (200, "application/json", b"\n")


def test_version_is_that_of_the_protocol(iris_server):
    answer = iris_server.request("GET", "/version")
    assert (answer.status, answer.media_type, answer.body) == (200, "application/json", b"3.17.2")
    assert answer.headers["server"].startswith("mlrace/")


@pytest.mark.parametrize("path", ["/ping", "/health", "/version"])
def test_head_is_get_without_the_body(iris_server, path):
    get, head = iris_server.request("GET", path), iris_server.request("HEAD", path)
    assert (head.status, head.body) == (200, b"")
    for name in ("content-type", "content-length", "server"):
        assert head.headers[name] == get.headers[name]


@pytest.mark.parametrize("method", ["GET", "POST", "PUT"])
def test_unknown_paths_are_404(iris_server, method):
    answer = iris_server.request(method, "/nothing/here", b"" if method != "GET" else None)
    assert (answer.status, answer.media_type) == (404, "application/json")
    assert answer.json() == {"detail": "Not Found"}


@pytest.mark.parametrize(
    "method, path, allowed",
    [
        ("GET", "/invocations", "POST"),
        ("PUT", "/invocations", "POST"),
        ("DELETE", "/invocations", "POST"),
        ("POST", "/ping", "GET"),
        ("POST", "/version", "GET"),
    ],
)
def test_other_methods_are_405(iris_server, method, path, allowed):
    answer = iris_server.request(method, path, b"" if method != "GET" else None)
    assert (answer.status, answer.media_type) == (405, "application/json")
    assert answer.json() == {"detail": "Method Not Allowed"}
    assert allowed in answer.headers["allow"]


def test_a_trailing_slash_redirects(iris_server):
    answer = iris_server.request(
        "POST", "/invocations/", json.dumps(SPLIT), {"Content-Type": "application/json"}
    )
    assert answer.status == 307
    assert answer.headers["location"].endswith("/invocations")


@pytest.mark.parametrize(
    "body, error_code, words",
    [
        ("", "BAD_REQUEST", []),
        ("{", "BAD_REQUEST", []),
        ('{"rows": []}', "BAD_REQUEST", ["dataframe_split"]),
        (
            '{"dataframe_split": {"columns": ["a"], "data": [[1]]}}',
            "INVALID_PARAMETER_VALUE",
            [COLUMNS[0]],
        ),
        (
            json.dumps({"dataframe_records": [RECORDS[0], {**RECORDS[1], COLUMNS[2]: "tall"}]}),
            "BAD_REQUEST",
            [COLUMNS[2], "double", "tall"],
        ),
    ],
    ids=["empty", "cut", "no-format", "missing-column", "wrong-type"],
)
def test_errors_say_where_and_what(iris_server, body, error_code, words):
    answer = iris_server.invoke(body)
    assert (answer.status, answer.media_type) == (400, "application/json")
    error = answer.json()
    assert error["error_code"] == error_code
    for word in words:
        assert word in error["message"]
    assert "Traceback" not in answer.body.decode()


def test_a_body_over_the_limit_is_413_that_names_limit_and_flag(serve, iris_model):
    with serve(iris_model, "--max-body", "10K") as server:
        assert server.invoke(json.dumps(SPLIT)).status == 200
        answer = server.invoke(json.dumps(SPLIT) + " " * 10240)
        assert (answer.status, answer.media_type) == (413, "application/json")
        assert "10240" in answer.json()["message"]
        assert "--max-body" in answer.json()["message"]
        assert server.invoke(json.dumps(SPLIT)).status == 200


def test_one_connection_carries_many_requests(iris_server):
    connection = iris_server.connect()
    for _ in range(100):
        assert iris_server.invoke(json.dumps(SPLIT), connection=connection).body == PREDICTIONS
        assert iris_server.invoke("[", connection=connection).status == 400
    connection.close()


def test_not_a_number_in_an_answer_is_null_unless_asked_for(serve, overflowing_model):
    body = json.dumps({"inputs": [[1e308], [1.0]]})
    with serve(overflowing_model) as server:
        assert server.invoke(body).body == b'{"predictions": [null, 10.0]}'
    with serve(overflowing_model, "--nan", "literal") as server:
        assert server.invoke(body).body == b'{"predictions": [Infinity, 10.0]}'


@pytest.fixture(scope="module")
def overflowing_model(save_model):
    """Ten times its input, which may be too much for a double."""
    import numpy as np
    from mlflow.models import infer_signature
    from sklearn.linear_model import LinearRegression

    X = np.array([[0.0], [1.0], [2.0]])
    model = LinearRegression(fit_intercept=False).fit(X, X[:, 0])
    model.coef_ = np.array([10.0])
    return save_model(model, infer_signature(X, X[:, 0]))
