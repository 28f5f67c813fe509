"""The model as MLflow loads it, and the ways to call it.

A request that C decoded keeps to the signature already (`predict`). A body that came raw goes
through MLflow's own functions from end to end (`parse`, `predict_parsed`).
"""

import asyncio
import inspect
import io
import json
import os

from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import BAD_REQUEST
from mlflow.pyfunc import scoring_server
from mlflow.utils.file_utils import path_to_local_file_uri

from . import direct, rowwise, wire

try:
    from mlflow.tracing.provider import trace_disabled
except ImportError:  # an older MLflow, without traces

    def trace_disabled(function):
        return function


class Served:
    """A loaded model.

    predict(data, params)  its answer to data that keeps to its signature; an awaitable where the
                           model's predict is a coroutine function (is_async)
    is_stream              it can answer in chunks
    is_rowwise             it is known to answer each row exactly as if it were alone
    new_context()          the context manager to have around what is awaited or iterated
    """

    def __init__(self, model, folder):
        self._model, self._folder = model, folder
        self.is_async = any(map(_is_coroutine_function, _predict_functions(model)))
        self.is_stream = getattr(model, "_predict_stream_fn", None) is not None
        self.is_rowwise = rowwise.is_known(model)
        self.new_context = direct.find_context(model)
        self._schema = model.metadata.get_input_schema()
        self._takes_params = "params" in inspect.signature(model.predict).parameters
        self.predict = direct.find_predict(model) or self.predict_parsed

    def parse(self, body, body_format):
        """A raw body, read as scoring_server.invocations does.

        returns  data and params for predict_parsed; whether the answer is not to be wrapped
        raises   MlflowException, or whatever a body makes MLflow's functions raise
        """
        if body_format == wire.CSV:
            text = io.StringIO(_decode(body))
            return scoring_server.parse_csv_input(text, self._schema), None, False
        if body_format == wire.PARQUET:
            return scoring_server.parse_parquet_input(io.BytesIO(body)), None, False
        return _parse_json(_read_json(body), self._model.metadata, self._schema)

    def predict_parsed(self, data, params):
        """The model's answer to data that MLflow is to check against the signature."""
        if self._takes_params:
            return self._model.predict(data, params=params)
        direct.warn_of_params(params)
        return self._model.predict(data)

    def stream(self, data, params):
        """A generator of the chunks of an answer, as PyFuncModel.predict_stream. Asynchronous
        generators, which MLflow does not take, are iterated on an event loop of their own."""
        with self.new_context():
            chunks = self._model._predict_stream(data, params)
            yield from (_iterate(chunks) if _is_async(chunks) else chunks)

    async def stream_async(self, data, params):
        """The same on the event loop that runs. Enter new_context around it."""
        chunks = self._model._predict_stream(data, params)
        if _is_async(chunks):
            chunks = await _start(chunks)
            try:
                async for chunk in chunks:
                    yield chunk
            finally:
                await _close(chunks)
        else:
            for chunk in chunks:
                yield chunk
                await asyncio.sleep(0)

    def find_example(self):
        """What the model was saved with as an example of a request.

        returns  the name of its file and a function that has it answered; two None without one
        """
        info = self._model.metadata.saved_input_example_info or {}
        name = info.get("serving_input_path")
        if name:
            return name, lambda: self._replay(name)
        example = getattr(self._model, "input_example", None)
        if example is not None:
            return info.get("artifact_path"), lambda: self.predict_parsed(example, None)
        return None, None

    def _replay(self, name):
        with open(os.path.join(self._folder, name), "rb") as file:
            data, params, _ = self.parse(file.read(), wire.JSON)
        return self.predict_parsed(data, params)


def load(folder):
    """The model of a folder, loaded as `mlflow models serve` does; raises what MLflow raises."""
    load_model = getattr(scoring_server, "load_model_with_mlflow_config", scoring_server.load_model)
    model = load_model(path_to_local_file_uri(folder))
    os.environ["_MLFLOW_IS_IN_SERVING_ENVIRONMENT"] = "true"
    return Served(model, folder)


def _predict_functions(model):
    """The function that answers, and what it is known to call."""
    python_model = getattr(getattr(model, "_model_impl", None), "python_model", None)
    yield getattr(model, "_predict_fn", None)
    yield getattr(python_model, "predict", None)
    yield getattr(python_model, "func", None)


def _is_coroutine_function(function):
    return inspect.iscoroutinefunction(inspect.unwrap(function))


def _is_async(chunks):
    return hasattr(type(chunks), "__aiter__") or hasattr(type(chunks), "__await__")


async def _start(chunks):
    """What a coroutine function or an asynchronous generator function returned."""
    return chunks if hasattr(type(chunks), "__aiter__") else await chunks


async def _close(chunks):
    if hasattr(chunks, "aclose"):
        await chunks.aclose()


def _iterate(chunks):
    """Asynchronous chunks as an ordinary generator."""
    events = asyncio.new_event_loop()
    try:
        chunks = events.run_until_complete(_start(chunks))
        try:
            while True:
                try:
                    chunk = events.run_until_complete(chunks.__anext__())
                except StopAsyncIteration:
                    return
                yield chunk
        finally:
            events.run_until_complete(_close(chunks))
    finally:
        events.close()


def _decode(body):
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise MlflowException(f"The body is not UTF-8: {error}", BAD_REQUEST) from error


def _read_json(body):
    """A JSON body as scoring_server takes it; a bare list of records is named."""
    try:
        decoded = json.loads(body)
    except ValueError:
        return body  # for MLflow's own error
    if isinstance(decoded, dict):
        return decoded
    return {"dataframe_records": decoded} if isinstance(decoded, list) else body


def _parse_json(body, metadata, schema):
    """scoring_server._parse_json_data, which before MLflow 2.20 was a part of `invocations`."""
    if hasattr(scoring_server, "_parse_json_data"):
        parsed = scoring_server._parse_json_data(body, metadata, schema)
        return parsed.data, parsed.params, parsed.is_unified_llm_input
    keys = getattr(scoring_server, "SUPPORTED_LLM_FORMATS", ())
    if isinstance(body, dict) and any(key in body for key in keys):
        params_schema = metadata.get_params_schema()
        return (*scoring_server._split_data_and_params_for_llm_input(body, params_schema), True)
    data, params = scoring_server._split_data_and_params(body)
    return scoring_server.infer_and_parse_data(data, schema), params, False
