"""Answers calls, one at a time in the order of their arrival, until the server closes its end."""

import asyncio
import collections
import time
import traceback

from . import answers, batches, calls, process, traces, wire

# After a call that took longer, what has come meanwhile is looked through: a call that waits may
# have been cancelled.
_LONG_CALL_S = 0.005


class Loop:
    """A worker's life after its model is loaded."""

    def __init__(self, channel, served):
        self._channel, self._served = channel, served
        self._reader = calls.Reader(served)
        self._waiting = collections.deque()  # pairs of id and payload
        self._streamed = None  # the id of the call whose chunks are under way
        self._is_paused = self._is_cancelled = False  # that call

    def call_once(self, function):
        """Call a function before anything else.  returns  what it does"""
        return function()

    def run(self):
        """Returns when the server has closed its end; raises wire.WireError."""
        try:
            while True:
                if not self._waiting:
                    self._take(self._channel.receive())
                    continue
                started = time.monotonic()
                self._answer(*self._waiting.popleft())
                if time.monotonic() - started > _LONG_CALL_S:
                    self._take_all()
        except (EOFError, BrokenPipeError, ConnectionResetError):
            return

    def _take_all(self):
        """Whatever has come."""
        try:
            while True:
                self._take(self._channel.receive(wait=False))
        except BlockingIOError:
            pass

    def _take(self, message):
        """Raises EOFError when the server has closed its end."""
        if message is None:
            raise EOFError
        if message.type == wire.PREDICT:
            self._waiting.append((message.id, message.payload))
        elif message.type == wire.FORK:
            raise wire.WireError("a FORK for a worker")
        elif message.id == self._streamed:
            self._is_cancelled |= message.type == wire.CANCEL
            self._is_paused = message.type == wire.PAUSE
        elif message.type == wire.CANCEL:
            self._forget(message.id)

    def _forget(self, call_id):
        for call in self._waiting:
            if call[0] == call_id:
                self._waiting.remove(call)
                self._channel.send(wire.RESULT, call_id, *answers.cancelled())
                return

    def _answer(self, call_id, payload):
        try:
            call = self._reader.read(payload)
            if not call.wants_stream:
                self._channel.send(wire.RESULT, call_id, *self._evaluate(call))
                return
            with traces.continued(call.trace):
                self._stream(call_id, call)
            self._channel.send(wire.END, call_id)
        except calls.Refused as refused:
            self._channel.send(wire.RESULT, call_id, *refused.parts)

    def _evaluate(self, call):
        try:
            with traces.continued(call.trace):
                prediction = call.predict(call.data, call.params)
                if hasattr(type(prediction), "__await__"):
                    prediction = asyncio.run(_await(prediction))
        except BaseException as error:
            process.end_if_forked(error)
            # Of calls that are asked together, one that is wrong is to fail alone.
            return batches.alone() if call.parts else answers.model_error(error)
        process.end_if_forked()
        return calls.encode(call, prediction)

    def _stream(self, call_id, call):
        """Send the chunks; raises calls.Refused when the model or one of them fails."""
        self._streamed, self._is_paused, self._is_cancelled = call_id, False, False
        stream = self._served.stream(call.data, call.params)
        try:
            while True:
                self._take_all()
                while self._is_paused and not self._is_cancelled:
                    self._take(self._channel.receive())
                if self._is_cancelled:
                    return
                try:
                    chunk = next(stream)
                except StopIteration:
                    return
                except BaseException as error:
                    process.end_if_forked(error)
                    raise calls.Refused(answers.model_error(error)) from error
                process.end_if_forked()
                self._channel.send(wire.CHUNK, call_id, calls.encode_chunk(call, chunk))
        finally:
            self._streamed = None
            _close(stream)


def _close(stream):
    """The model sees GeneratorExit where it waits to go on, and may raise what it likes."""
    try:
        stream.close()
    except BaseException:
        traceback.print_exc()


async def _await(awaitable):
    return await awaitable
