"""Answers calls of models whose predict is a coroutine function: all at once, on an event loop."""

import asyncio
import traceback

from . import answers, calls, process, traces, wire


class Loop:
    """A worker's life after its model is loaded. What the model binds to the event loop, such as
    connections, lives as long."""

    def __init__(self, channel, served):
        self._channel, self._served = channel, served
        self._reader = calls.Reader(served)
        self._events = asyncio.new_event_loop()
        asyncio.set_event_loop(self._events)
        self._ended = self._events.create_future()
        self._tasks = {}  # those of calls under way, by their ids
        self._cancelled = set()  # ids of some of them
        self._may_go_on = {}  # asyncio.Events of those that are streamed

    def call_once(self, function):
        """Call a function before anything else.  returns  what it does, awaited"""

        async def call():
            with self._served.new_context():
                result = function()
                return await result if _is_awaitable(result) else result

        return self._events.run_until_complete(call())

    def run(self):
        """Returns when the server has closed its end; raises wire.WireError."""
        self._events.add_reader(self._channel.fileno(), self._read)
        self._events.run_until_complete(self._ended)

    def _read(self):
        try:
            while not self._ended.done():
                self._take(self._channel.receive(wait=False))
        except BlockingIOError:
            pass
        except wire.WireError as error:
            self._end(error)

    def _end(self, error=None):
        if self._ended.done():
            return
        if error:
            self._ended.set_exception(error)
        else:
            self._ended.set_result(None)

    def _take(self, message):
        if message is None:
            self._end()
        elif message.type == wire.PREDICT:
            task = self._events.create_task(self._answer(message.id, message.payload))
            self._tasks[message.id] = task
            task.add_done_callback(lambda task: self._finish(message.id, task))
        elif message.type == wire.FORK:
            raise wire.WireError("a FORK for a worker")
        elif message.type == wire.CANCEL and message.id in self._tasks:
            self._cancelled.add(message.id)
            self._tasks[message.id].cancel()
        elif message.type == wire.PAUSE and message.id in self._may_go_on:
            self._may_go_on[message.id].clear()
        elif message.type == wire.RESUME and message.id in self._may_go_on:
            self._may_go_on[message.id].set()

    def _finish(self, call_id, task):
        del self._tasks[call_id]
        self._cancelled.discard(call_id)
        if task.cancelled():  # before it had begun
            self._send(wire.RESULT, call_id, *answers.cancelled())
        elif task.exception():
            self._end(task.exception())

    async def _answer(self, call_id, payload):
        kind, parts = wire.END, ()
        try:
            with self._served.new_context():
                call = self._reader.read(payload)
                with traces.continued(call.trace):
                    if call.wants_stream:
                        await self._stream(call_id, call)
                    else:
                        kind, parts = wire.RESULT, calls.encode(call, await self._evaluate(call))
        except calls.Refused as refused:
            kind, parts = wire.RESULT, refused.parts
        except asyncio.CancelledError as error:
            is_ours = call_id in self._cancelled
            kind = wire.RESULT
            parts = answers.cancelled() if is_ours else answers.model_error(error)
        self._send(kind, call_id, *parts)

    def _send(self, *message):
        try:
            self._channel.send(*message)
        except (BrokenPipeError, ConnectionResetError):
            self._end()

    async def _evaluate(self, call):
        try:
            prediction = call.predict(call.data, call.params)
            if _is_awaitable(prediction):
                prediction = await prediction
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            process.end_if_forked(error)
            raise calls.Refused(answers.model_error(error)) from error
        process.end_if_forked()
        return prediction

    async def _stream(self, call_id, call):
        may_go_on = self._may_go_on[call_id] = asyncio.Event()
        may_go_on.set()
        stream = self._served.stream_async(call.data, call.params)
        try:
            while True:
                await may_go_on.wait()
                try:
                    chunk = await stream.__anext__()
                except StopAsyncIteration:
                    return
                except asyncio.CancelledError:
                    raise
                except BaseException as error:
                    process.end_if_forked(error)
                    raise calls.Refused(answers.model_error(error)) from error
                process.end_if_forked()
                self._send(wire.CHUNK, call_id, calls.encode_chunk(call, chunk))
        finally:
            del self._may_go_on[call_id]
            await _close(stream)


async def _close(stream):
    try:
        await stream.aclose()
    except BaseException:
        traceback.print_exc()


def _is_awaitable(value):
    return hasattr(type(value), "__await__")
