"""W3C Trace Context: the client's trace is in the log, and the model's spans belong to it."""

import concurrent.futures
import json

import pytest
from test_observability import ROW, lines_of

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = "b7ad6b7169203331"
HEADER = f"00-{TRACE}-{PARENT}-01"

# Answers with the trace and the parent of the span that is current for OpenTelemetry, of one that
# MLflow begins, and the trace state.
MODEL = """
    import mlflow
    from opentelemetry import trace

    class Model(PythonModel):
        KIND predict(self, context, model_input, params=None):
            around = trace.get_current_span().get_span_context()
            with mlflow.start_span("inside") as span:
                own = span._span
                parent = own.parent.span_id if own.parent else 0
                return [f"{around.trace_id:032x} {around.span_id:016x} "
                        f"{own.get_span_context().trace_id:032x} {parent:016x} "
                        f"{around.trace_state.to_header()}"] * len(model_input)
"""


def answer_of(server, body, **headers):
    headers = {"Content-Type": "application/json", **headers}
    answer = server.request("POST", "/invocations", json.dumps(body), headers)
    assert answer.status == 200, answer.body
    return answer.json()["predictions"][0].split(" ")


@pytest.mark.parametrize("kind", ["def", "async def"])
def test_a_model_continues_the_trace(serve, save_python_model, tmp_path, kind):
    model = save_python_model(MODEL.replace("KIND", kind))
    store = f"MLFLOW_TRACKING_URI=sqlite:///{tmp_path}/traces.db"
    with serve(model, "--engine", "python", "-w", "1", "--env", store) as server:
        table = {"dataframe_split": {"columns": ["x"], "data": [[1.0]]}}
        raw = {"dataframe_records": [{"x": {"a": [1, "b"]}}]}  # a body that only Python can read
        for body in (table, raw):
            around, span, own, parent, state = answer_of(
                server, body, traceparent=HEADER, tracestate="vendor=1,other=2"
            )
            assert (around, span, own, parent) == (TRACE, PARENT, TRACE, PARENT)
            assert state == "vendor=1,other=2"
            around, _, own, parent, _ = answer_of(server, body)
            assert around == "0" * 32 and own != TRACE and parent == "0" * 16
        with concurrent.futures.ThreadPoolExecutor(8) as threads:
            traces = [f"{i:032x}" for i in range(1, 41)]
            headers = [f"00-{trace}-{PARENT}-01" for trace in traces]
            ask = lambda header: answer_of(server, table, traceparent=header)[0]  # noqa: E731
            assert list(threads.map(ask, headers)) == traces
        assert "Traceback" not in server.log()


@pytest.mark.parametrize(
    "header, is_good",
    [
        (HEADER, True),
        (f"cc-{TRACE}-{PARENT}-01", True),
        (f"cc-{TRACE}-{PARENT}-01-what-comes", True),
        (f"00-{TRACE}-{PARENT}-01-more", False),
        (f"cc-{TRACE}-{PARENT}-01.more", False),
        (f"ff-{TRACE}-{PARENT}-01", False),
        (f"00-{TRACE}-{PARENT}-0", False),
        (f"00-{TRACE}-{PARENT}-0x", False),
        (f"00-{TRACE.upper()}-{PARENT}-01", False),
        (f"00-{'0' * 32}-{PARENT}-01", False),
        (f"00-{TRACE}-{'0' * 16}-01", False),
        (f"00_{TRACE}_{PARENT}_01", False),
        ("00", False),
        ('", "x": "', False),
    ],
)
def test_the_log_tells_the_trace(serve, iris_model, header, is_good):
    """What is malformed is as if it were not there."""
    with serve(iris_model, "--log-format", "json") as server:
        headers = {"Content-Type": "application/json", "traceparent": header}
        assert server.request("POST", "/invocations", json.dumps(ROW), headers).status == 200
        (line,) = lines_of(server, 1)
        assert line.get("trace_id") == (TRACE if is_good else None)
