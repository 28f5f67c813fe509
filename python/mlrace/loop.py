"""Answers calls, one at a time in the order of their arrival, until the server closes its end."""

import collections
import json
import time

from . import answers, inputs, wire

# After a call that took longer, what has come meanwhile is looked through: a call that waits may
# have been cancelled.
_LONG_CALL_S = 0.005

# predict: of data and params.
Call = collections.namedtuple("Call", "predict data params is_bare is_nan_literal")


class Refused(Exception):
    """A call that does not get to the model. parts: the RESULT's payload."""

    def __init__(self, parts):
        super().__init__()
        self.parts = parts


class Reader:
    """Makes calls of PREDICT's payloads."""

    def __init__(self, served):
        self._served = served
        self._plan = inputs.Planner()

    def read(self, payload):
        """The call that a payload asks for; raises Refused."""
        try:
            request = wire.read_request(payload)
            is_nan_literal = bool(request.flags & wire.NAN_LITERAL)
            if request.kind == wire.RAW:
                return self._read_raw(payload, request, is_nan_literal)
            data = self._plan(payload, request)
            params = None
            if request.text_size:
                params = json.loads(wire.read_text(payload, request))
            return Call(self._served.predict, data, params, False, is_nan_literal)
        except Refused:
            raise
        except MemoryError as error:
            raise Refused(answers.body_error(error)) from error
        except Exception as error:
            raise Refused(answers.protocol_error(error)) from error

    def _read_raw(self, payload, request, is_nan_literal):
        wire.read_items(payload, request)  # there are none
        body = wire.read_text(payload, request)
        try:
            data, params, is_bare = self._served.parse(body, request.format)
        except BaseException as error:
            raise Refused(answers.body_error(error)) from error
        return Call(self._served.predict_parsed, data, params, is_bare, is_nan_literal)


class Loop:
    """A worker's life after its model is loaded."""

    def __init__(self, channel, served):
        self._channel = channel
        self._reader = Reader(served)
        self._waiting = collections.deque()  # pairs of id and payload

    def run(self):
        """Returns when the server has closed its end; raises wire.WireError."""
        try:
            while True:
                if not self._waiting:
                    if not self._take(self._channel.receive()):
                        return
                    continue
                started = time.monotonic()
                self._answer(*self._waiting.popleft())
                if time.monotonic() - started > _LONG_CALL_S and not self._take_all():
                    return
        except (BrokenPipeError, ConnectionResetError):
            return

    def _take_all(self):
        """Whatever has come; False when the server has closed its end."""
        try:
            while self._take(self._channel.receive(wait=False)):
                pass
            return False
        except BlockingIOError:
            return True

    def _take(self, message):
        if message is None:
            return False
        if message.type == wire.PREDICT:
            self._waiting.append((message.id, message.payload))
        elif message.type == wire.CANCEL:
            for call in self._waiting:
                if call[0] == message.id:
                    self._waiting.remove(call)
                    self._channel.send(wire.RESULT, message.id, *answers.cancelled())
                    break
        elif message.type == wire.FORK:
            raise wire.WireError("a FORK for a worker")
        return True

    def _answer(self, call_id, payload):
        self._channel.send(wire.RESULT, call_id, *self._evaluate(payload))

    def _evaluate(self, payload):
        try:
            call = self._reader.read(payload)
        except Refused as refused:
            return refused.parts
        try:
            prediction = call.predict(call.data, call.params)
        except BaseException as error:
            return answers.model_error(error)
        try:
            return answers.encode(prediction, call.is_bare, call.is_nan_literal)
        except BaseException as error:
            return answers.answer_error(error)
