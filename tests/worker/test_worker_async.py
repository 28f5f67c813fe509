"""Models whose predict is a coroutine function, and answers in chunks."""

import copy
import json
import time

import mlflow.pyfunc
import numpy as np
import pytest
import worker_models
import worker_protocol as wire
from worker_protocol import Values


def sleep(seconds):
    return wire.table([Values("seconds", np.array([float(seconds)]))])


@pytest.fixture(scope="module")
def async_template(start_template, save_python_model):
    folder = save_python_model(worker_models.Async(), input_example={"seconds": 0.01})
    with start_template(folder) as fork:
        assert fork.loaded["is_async"] is True
        yield fork


def test_many_calls_under_way(async_template):
    worker = async_template()
    started = time.monotonic()
    ids = {worker.start(sleep(0.5)) for _ in range(50)}
    results = {}
    for _ in ids:
        message = worker.receive()
        results[message.id] = wire.read_result(message.payload).value
    assert set(results) == ids and time.monotonic() - started < 5
    assert max(result["asleep"] for result in results.values()) == 50
    assert {result["pid"] for result in results.values()} == {worker.pid}
    assert all(result["has_context"] for result in results.values())


def test_short_calls_do_not_wait_for_long_ones(async_template):
    worker = async_template()
    long, short = worker.start(sleep(0.5)), worker.start(sleep(0))
    assert [worker.receive().id, worker.receive().id] == [short, long]


def test_raw_bodies_of_async_models(async_template):
    result = async_template().ask(wire.raw({"dataframe_records": [{"seconds": 0}]}))
    assert result.value["asleep"] == 1 and result.value["has_context"]


def test_exceptions_of_async_models(async_template):
    worker = async_template()
    result = worker.ask(sleep(-1))
    assert (result.status, result.value["error_code"]) == (400, "BAD_REQUEST")
    assert "cannot sleep" in result.value["message"]
    assert worker.ask(b"").status == 500
    assert worker.ask(wire.raw("{")).status == 400
    assert worker.ask(sleep(0)).value["asleep"] == 1


def test_a_cancelled_call_ends_at_once(async_template):
    worker = async_template()
    long = worker.start(sleep(60))
    assert worker.ask(sleep(0)).value["asleep"] == 2
    worker.send(wire.CANCEL, long)
    message = worker.receive()
    assert (message.type, message.id) == (wire.RESULT, long)
    assert wire.read_result(message.payload).kind == "error"
    assert worker.ask(sleep(0)).value["asleep"] == 1
    assert "cancelled" in worker.log()


def test_a_call_that_is_cancelled_before_it_begins(async_template):
    worker = async_template()
    call = worker.start(sleep(60))
    worker.send(wire.CANCEL, call)
    assert worker.receive().id == call


def test_the_end_of_an_async_worker(async_template):
    worker = async_template()
    worker.start(sleep(60))
    worker.close()
    assert async_template.host.exit_code(worker) == 0
    worker = async_template()
    worker.send_datagram(b"x")
    assert async_template.host.exit_code(worker) == 1
    assert "mlrace: a worker ends: a message of 1 bytes" in worker.log()


def test_async_workers_warm_up_on_their_own_event_loop(async_template):
    worker = async_template()
    assert worker.ask(sleep(0)).value["asleep"] == 1
    assert "warm-up: serving_input_example.json, " in worker.log()


class AsyncThread(worker_models.Async):
    def load_context(self, context):
        import threading

        threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()


def test_an_async_host_that_cannot_fork(start_host, save_python_model):
    folder = save_python_model(AsyncThread(), input_example={"seconds": 0.01})
    with start_host(folder) as host:
        loaded = host.receive().json()
        assert loaded["is_async"] and not loaded["can_fork"]
        assert loaded["warm_up"].startswith("serving_input_example.json, ")
        assert host.ask(sleep(0)).value["asleep"] == 1


# --- streams --------------------------------------------------------------------------------------

KINDS = ["Chunks", "AsyncChunks", "AllAsync", "AsyncWithChunks"]


@pytest.fixture(scope="module", params=KINDS)
def streaming(request, start_template, save_python_model):
    """fork() gives a worker of a model that answers in chunks."""
    folder = save_python_model(getattr(worker_models, request.param)())
    with start_template(folder) as fork:
        assert fork.loaded["is_stream"] is True
        assert fork.loaded["is_async"] is (request.param in ("AllAsync", "AsyncWithChunks"))
        yield fork


def ask_for(flags=wire.STREAM, **keys):
    """A payload of the kind that language models get."""
    return wire.raw({"input": "", **keys}, flags=flags)


def receive_stream(worker, call_id):
    """The chunks as JSON values; the last message."""
    chunks = []
    while (message := worker.receive()) and message.type == wire.CHUNK:
        assert message.id == call_id
        assert message.payload.isascii() and b"\n" not in message.payload
        chunks.append(json.loads(message.payload))
    assert message and message.id == call_id
    return chunks, message


def test_a_stream(streaming):
    worker = streaming()
    call = worker.start(ask_for(n=3))
    chunks, last = receive_stream(worker, call)
    assert last.type == wire.END and last.payload == b""
    assert chunks == [{"i": i, "array": list(range(i)), "has_context": True} for i in range(3)]
    assert worker.ask(ask_for(flags=0, n=3)).value == "whole"


def test_an_empty_stream(streaming):
    worker = streaming()
    chunks, last = receive_stream(worker, worker.start(ask_for(n=0)))
    assert (chunks, last.type) == ([], wire.END)


@pytest.mark.parametrize("n", [0, 2])
def test_a_stream_that_fails(streaming, n):
    worker = streaming()
    chunks, last = receive_stream(worker, worker.start(ask_for(n=5, fails=n)))
    assert len(chunks) == n and last.type == wire.RESULT
    result = wire.read_result(last.payload)
    assert result.status == 400 and "ValueError: no more" in result.value["message"]
    assert worker.ask(ask_for(flags=0, n=3)).value == "whole"


def test_a_stream_that_is_cancelled(streaming):
    worker = streaming()
    call = worker.start(ask_for(n=100_000, seconds=0.001))
    assert worker.receive().type == wire.CHUNK
    worker.send(wire.CANCEL, call)
    chunks, last = receive_stream(worker, call)
    assert len(chunks) < 1000 and last.type in (wire.END, wire.RESULT)
    assert worker.ask(ask_for(flags=0, n=3)).value == "whole"
    assert "closed" in worker.log()


def test_a_stream_that_is_paused(streaming):
    worker = streaming()
    call = worker.start(ask_for(n=2000))
    assert worker.receive().type == wire.CHUNK
    worker.send(wire.PAUSE, call)
    n_chunks = 1
    worker.link.settimeout(0.5)
    with pytest.raises(TimeoutError):
        while worker.receive().type == wire.CHUNK:
            n_chunks += 1
    worker.link.settimeout(60)
    worker.send(wire.RESUME, call)
    chunks, last = receive_stream(worker, call)
    assert n_chunks + len(chunks) == 2000 and last.type == wire.END


def test_a_stream_that_is_cancelled_while_it_is_paused(streaming):
    worker = streaming()
    call = worker.start(ask_for(n=100_000, seconds=0.001))
    worker.send(wire.PAUSE, call)
    worker.send(wire.CANCEL, call)
    _, last = receive_stream(worker, call)
    assert last.type in (wire.END, wire.RESULT)


def test_a_call_that_waits_for_a_stream(streaming):
    worker = streaming()
    stream, other = worker.start(ask_for(n=50)), worker.start(ask_for(flags=0, n=1))
    ends = []
    while len(ends) < 2:
        message = worker.receive()
        if message.type != wire.CHUNK:
            ends.append(message.id)
    assert set(ends) == {stream, other}


def test_the_end_of_a_worker_that_streams(streaming):
    worker = streaming()
    worker.start(ask_for(n=1_000_000_000, seconds=0.001))
    assert worker.receive().type == wire.CHUNK
    worker.close()
    assert streaming.host.exit_code(worker) == 0


def test_chunks_are_json(streaming):
    worker = streaming()
    chunk = {"text": "\u00e9\n", "nan": float("nan")}
    chunks, _ = receive_stream(worker, worker.start(ask_for(n=1, chunk=chunk)))
    assert chunks == [{"text": "\u00e9\n", "nan": None}]


def test_a_model_that_has_no_stream_answers_once(doer):
    result = doer("python 7", flags=wire.STREAM)
    assert result.value == 7


# --- MLflow's interfaces for language models ------------------------------------------------------


class Chat(mlflow.pyfunc.ChatModel):
    def predict(self, context, messages, params):
        from mlflow.types.llm import ChatChoice, ChatCompletionResponse

        answer = messages[0].content.upper()
        choice = ChatChoice(index=0, message={"role": "assistant", "content": answer})
        return ChatCompletionResponse(choices=[choice], model="m", created=1, id="1")

    def predict_stream(self, context, messages, params):
        from mlflow.types.llm import ChatChoiceDelta, ChatChunkChoice, ChatCompletionChunk

        for word in [*messages[0].content.split(), str(params.max_tokens), str(params.stream)]:
            choice = ChatChunkChoice(index=0, delta=ChatChoiceDelta(role="assistant", content=word))
            yield ChatCompletionChunk(choices=[choice], model="m", created=1, id="1")


class Agent(mlflow.pyfunc.ChatAgent):
    def predict(self, messages, context=None, custom_inputs=None):
        from mlflow.types.agent import ChatAgentMessage, ChatAgentResponse

        answer = ChatAgentMessage(role="assistant", content=messages[0].content.upper(), id="1")
        return ChatAgentResponse(messages=[answer])

    def predict_stream(self, messages, context=None, custom_inputs=None):
        from mlflow.types.agent import ChatAgentChunk, ChatAgentMessage

        for word in messages[0].content.split():
            yield ChatAgentChunk(delta=ChatAgentMessage(role="assistant", content=word, id="1"))


class Responder(mlflow.pyfunc.ResponsesAgent):
    def predict(self, request):
        from mlflow.types.responses import ResponsesAgentResponse

        item = self.create_text_output_item(text=request.input[0].content.upper(), id="1")
        return ResponsesAgentResponse(output=[item])

    def predict_stream(self, request):
        from mlflow.types.responses import ResponsesAgentStreamEvent

        for word in request.input[0].content.split():
            delta = self.create_text_delta(delta=word, item_id="1")
            yield ResponsesAgentStreamEvent(**delta)


MESSAGES = [{"role": "user", "content": "two words"}]
INTERFACES = [
    (Chat, {"messages": MESSAGES, "max_tokens": 7, "stream": True}),
    (Agent, {"messages": MESSAGES, "stream": True}),
    (Responder, {"input": MESSAGES, "stream": True}),
]


@pytest.mark.parametrize("kind, body", INTERFACES)
def test_language_models(start_host, save_python_model, tmp_path, monkeypatch, kind, body):
    """What is answered, at once and in chunks, is what MLflow itself answers."""
    monkeypatch.chdir(tmp_path)  # agents write traces
    folder = save_python_model(kind(), pip_requirements=["mlflow"])
    model = mlflow.pyfunc.load_model(folder)
    with start_host(folder) as host:
        loaded = host.receive().json()
        assert loaded["is_stream"] and not loaded["is_async"]
        # Its example leaves no trace, whose export would have started a thread.
        assert loaded["warm_up"].startswith("serving_input_example.json, "), loaded
        assert loaded["can_fork"], loaded
        worker = host.fork(host.log_path.with_name("worker"))
        result = worker.ask(wire.raw(body))
        assert result.is_bare and result.value == model.predict(copy.deepcopy(body))
        chunks, last = receive_stream(worker, worker.start(wire.raw(body, flags=wire.STREAM)))
        assert last.type == wire.END and len(chunks) >= 2
        assert chunks == list(model.predict_stream(copy.deepcopy(body)))
