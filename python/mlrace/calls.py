"""From a PREDICT's payload to a call that can be made, and from what comes of it to a RESULT."""

import collections
import json

from . import answers, batches, inputs, wire

# predict: of data and params. wants_stream: in chunks, and the model can. parts: of several calls
# that are asked together, how many of the rows each has; else None. trace: see wire.read_trace.
Call = collections.namedtuple(
    "Call", "predict data params is_bare is_nan_literal wants_stream parts trace"
)


class Refused(Exception):
    """A call that does not get to the model. parts: the RESULT's payload."""

    def __init__(self, parts):
        super().__init__()
        self.parts = parts


class Reader:
    """Reads the calls of a worker."""

    def __init__(self, served):
        self._served = served
        self._plan = inputs.Planner()

    def read(self, payload):
        """The call that a payload asks for; raises Refused."""
        try:
            request = wire.read_request(payload)
            is_nan_literal = bool(request.flags & wire.NAN_LITERAL)
            trace = wire.read_trace(payload, request)
            wants_stream = self._served.is_stream and bool(request.flags & wire.WANTS_STREAM)
            if request.kind != wire.RAW:
                data = self._plan(payload, request)
                text = wire.read_text(payload, request)
                params = json.loads(text) if text else None
                predict = self._served.predict
                parts = wire.read_parts(payload, request)
                return Call(predict, data, params, False, is_nan_literal, wants_stream, parts, trace)
            wire.read_items(payload, request)  # checks that there are none
            body = wire.read_text(payload, request)
        except MemoryError as error:
            raise Refused(answers.body_error(error)) from error
        except Exception as error:
            raise Refused(answers.protocol_error(error)) from error
        try:
            data, params, is_bare = self._served.parse(body, request.format)
        except BaseException as error:
            raise Refused(answers.body_error(error)) from error
        predict = self._served.predict_parsed
        return Call(predict, data, params, is_bare, is_nan_literal, wants_stream, None, trace)


def encode(call, prediction):
    """The RESULT's payload for a prediction."""
    if call.parts:
        return batches.encode(prediction, call.parts, call.is_nan_literal)
    try:
        return answers.encode(prediction, call.is_bare, call.is_nan_literal)
    except BaseException as error:
        return answers.answer_error(error)


def encode_chunk(call, chunk):
    """The payload of a CHUNK: bytes; raises Refused where JSON cannot hold it."""
    try:
        return answers.to_json(chunk, call.is_nan_literal).encode("ascii")
    except BaseException as error:
        raise Refused(answers.answer_error(error)) from error
