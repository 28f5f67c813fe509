"""Answers in chunks, as server-sent events: from a model's predict_stream to the client."""

import json
import re
import time

import pytest

STREAM = """
    import time

    class Model(PythonModel):
        def predict(self, context, model_input, params=None):
            return {"whole": True}

        def predict_stream(self, context, model_input, params=None):
            prompt = model_input["prompt"]
            if prompt == "nothing":
                return
            if prompt == "fail at once":
                raise ValueError("not even one")
            for number in range(int(model_input.get("n", 3))):
                if prompt == "fail" and number == 2:
                    raise ValueError("lost the thread")
                if prompt == "slow":
                    time.sleep(0.3)
                if prompt == "endless":
                    print("chunk", number, flush=True)
                    time.sleep(0.05)
                yield {"number": number, "text": "x" * int(model_input.get("size", 1))}
"""


@pytest.fixture(scope="module")
def stream_server(serve, save_python_model):
    with serve(save_python_model(STREAM), "-w", "1") as server:
        yield server


def stream(server, payload, headers=()):
    return server.request(
        "POST",
        "/invocations",
        json.dumps(payload),
        {"Content-Type": "application/json", **dict(headers)},
    )


def events(answer):
    assert (answer.status, answer.media_type) == (200, "text/event-stream")
    lines = answer.body.decode().split("\n\n")
    assert lines.pop() == ""
    assert all(line.startswith("data: ") for line in lines)
    assert lines.pop() == "data: [DONE]"
    return [json.loads(line[len("data: "):]) for line in lines]


@pytest.mark.parametrize(
    "payload, headers",
    [
        ({"prompt": "x", "stream": True}, {}),
        ({"prompt": "x"}, {"Accept": "text/event-stream"}),
        ({"prompt": "x", "stream": False}, {"Accept": "application/json, Text/Event-Stream;q=0.9"}),
    ],
)
def test_a_stream_is_server_sent_events(stream_server, payload, headers):
    found = events(stream(stream_server, payload, headers))
    assert found == [{"number": number, "text": "x"} for number in range(3)]


@pytest.mark.parametrize("headers", [{}, {"Accept": "*/*"}, {"Accept": "text/event-streams"}])
def test_who_asks_for_no_stream_gets_one_answer(stream_server, headers):
    answer = stream(stream_server, {"prompt": "x"}, headers)
    assert (answer.status, answer.media_type) == (200, "application/json")
    assert answer.json() == {"whole": True}


def test_models_that_answer_once_do_so(serve, iris_server, iris_model):
    body = "sepal length (cm),sepal width (cm),petal length (cm),petal width (cm)\n6,3,6,2\n"
    headers = {"Content-Type": "text/csv", "Accept": "text/event-stream"}
    with serve(iris_model, "--engine", "python", "-w", "1") as server:
        for each in (iris_server, server):
            answer = each.request("POST", "/invocations", body, headers)
            assert (answer.media_type, answer.json()) == ("application/json", {"predictions": [2]})


def test_a_stream_of_nothing(stream_server):
    assert events(stream(stream_server, {"prompt": "nothing", "stream": True})) == []


def test_an_error_in_the_middle_of_a_stream(stream_server):
    found = events(stream(stream_server, {"prompt": "fail", "stream": True, "n": 5}))
    assert [event["number"] for event in found[:2]] == [0, 1]
    assert list(found[2]) == ["error"]
    assert "lost the thread" in found[2]["error"]
    assert len(found) == 3


def test_an_error_before_the_first_chunk_is_an_ordinary_one(stream_server):
    answer = stream(stream_server, {"prompt": "fail at once", "stream": True})
    assert (answer.status, answer.media_type) == (400, "application/json")
    assert "not even one" in answer.json()["message"]


def test_chunks_come_as_they_are_made(stream_server):
    connection = stream_server.connect()
    body = json.dumps({"prompt": "slow", "stream": True, "n": 4})
    start = time.monotonic()
    connection.request("POST", "/invocations", body, {"Content-Type": "application/json"})
    response = connection.getresponse()
    assert response.readline().startswith(b'data: {"number": 0')
    first = time.monotonic() - start
    response.read()
    assert first < 0.8 < time.monotonic() - start
    connection.close()


def test_a_stream_ends_when_the_client_leaves(stream_server):
    connection = stream_server.connect()
    body = json.dumps({"prompt": "endless", "stream": True, "n": 1000})
    connection.request("POST", "/invocations", body, {"Content-Type": "application/json"})
    response = connection.getresponse()
    response.readline()
    response.close()
    connection.close()
    # The only worker is free again soon, not after 1000 chunks.
    start = time.monotonic()
    assert stream(stream_server, {"prompt": "x"}).json() == {"whole": True}
    assert time.monotonic() - start < 20


def test_a_slow_reader_holds_the_model_back(stream_server, is_sanitized):
    connection = stream_server.connect()
    size, n = 100_000, 300
    body = json.dumps({"prompt": "x", "stream": True, "n": n, "size": size})
    before = stream_server.peak_rss_bytes()
    connection.request("POST", "/invocations", body, {"Content-Type": "application/json"})
    time.sleep(1.5)
    assert is_sanitized or stream_server.peak_rss_bytes() - before < 20_000_000
    text = connection.getresponse().read().decode()
    connection.close()
    assert text.endswith("data: [DONE]\n\n")
    numbers = [int(number) for number in re.findall(r'"number": (\d+)', text)]
    assert numbers == list(range(n))


# --- the agents of MLflow -----------------------------------------------------------------------

CHAT = """
    from mlflow.types.llm import ChatCompletionChunk, ChatCompletionResponse

    class Model(mlflow.pyfunc.ChatModel):
        def predict(self, context, messages, params):
            message = {"role": "assistant", "content": messages[-1].content.upper()}
            return ChatCompletionResponse.from_dict({"choices": [{"message": message}]})

        def predict_stream(self, context, messages, params):
            for word in messages[-1].content.split():
                choice = {"index": 0, "delta": {"role": "assistant", "content": word + "\\u00e9"}}
                yield ChatCompletionChunk.from_dict({"choices": [choice], "created": 1, "id": "c"})
"""

AGENT = """
    from mlflow.types.responses import ResponsesAgentResponse, ResponsesAgentStreamEvent

    class Model(mlflow.pyfunc.ResponsesAgent):
        def predict(self, request):
            item = self.create_text_output_item(text="all of it", id="1")
            return ResponsesAgentResponse(output=[item])

        def predict_stream(self, request):
            for word in request.input[-1].content.split():
                yield ResponsesAgentStreamEvent(
                    type="response.output_text.delta", item_id="1", content_index=0,
                    output_index=0, delta=word,
                )
            item = self.create_text_output_item(text="all of it", id="1")
            yield ResponsesAgentStreamEvent(type="response.output_item.done", item=item)
"""

MESSAGES = [{"role": "user", "content": "one two three"}]


@pytest.mark.parametrize(
    "code, payload, n_chunks",
    [(CHAT, {"messages": MESSAGES}, 3), (AGENT, {"input": MESSAGES}, 4)],
    ids=["ChatModel", "ResponsesAgent"],
)
def test_agents_stream_what_predict_stream_gives(
    serve, save_python_model, monkeypatch, tmp_path, code, payload, n_chunks
):
    import mlflow.pyfunc

    monkeypatch.chdir(tmp_path)  # where agents leave their traces
    model = save_python_model(code)
    expected = list(mlflow.pyfunc.load_model(str(model)).predict_stream(dict(payload)))
    assert len(expected) == n_chunks
    with serve(model, "-w", "1") as server:
        assert events(stream(server, {**payload, "stream": True})) == expected
        assert events(stream(server, payload, {"Accept": "text/event-stream"})) == expected
        answer = stream(server, payload)
        assert (answer.status, answer.media_type) == (200, "application/json")
        assert "predictions" not in answer.json()
