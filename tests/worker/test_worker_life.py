"""The life of hosts and workers: loading, forking, ends."""

import os
import pathlib
import signal
import struct
import time

import pytest
import worker_models
import worker_protocol as wire
from mlflow.models.signature import ModelSignature
from mlflow.types import ColSpec, Schema
from worker_protocol import Values

SEVEN = wire.table([Values("do", ["python 7"], "str")])


def do(worker, text):
    return worker.ask(wire.table([Values("do", [text], "str")])).value


def test_loaded(doer_template):
    loaded = doer_template.loaded
    assert loaded["protocol"] == 1 and loaded["can_fork"] is True
    assert loaded["python"].count(".") == 2 and loaded["mlflow"]
    assert loaded["load_ms"] > 0 and loaded["reason"] and loaded["warm_up"]
    assert loaded["is_async"] is False and loaded["is_stream"] is False


def test_a_model_that_cannot_be_loaded(start_host, tmp_path):
    with pytest.raises(AssertionError), start_host(tmp_path) as host:
        failed = host.receive()
        assert failed.type == wire.FAILED and "MLmodel" in failed.json()["message"]
        assert host.receive() is None
        assert host.process.wait() == 1
        assert "Traceback" in host.log()


def test_workers_share_memory_and_nothing_else(doer_template):
    first, second = doer_template(), doer_template()
    assert do(first, "python os.getppid()") == doer_template.host.pid
    assert do(first, "python self.kept.append(1) or len(self.kept)") == 1
    assert do(second, "python len(self.kept)") == 0
    for worker in (first, second):
        assert do(worker, "python os.getpid()") == worker.pid
        assert do(worker, "python os.getpgid(0)") == worker.pid
        files = do(worker, "python os.listdir('/proc/self/fd')")
        assert len(files) == 5  # standard ones, the socket, and the folder just listed


def test_a_worker_ends_when_its_socket_is_closed(doer_template):
    worker = doer_template()
    worker.close()
    assert doer_template.host.exit_code(worker) == 0


def test_a_worker_that_is_busy_ends_when_it_is_done(doer_template):
    worker = doer_template()
    worker.start(wire.table([Values("do", ["sleep 0.2"], "str")]))
    worker.close()
    assert doer_template.host.exit_code(worker) == 0


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
def test_a_worker_that_dies(doer_template, number):
    worker, other = doer_template(), doer_template()
    os.kill(worker.pid, number)
    assert worker.receive() is None
    assert doer_template.host.exit_code(worker) == -number
    assert not pathlib.Path(f"/proc/{worker.pid}").exists()
    assert other.ask(SEVEN).value == 7


def test_a_worker_that_ends_itself(doer_template):
    worker = doer_template()
    worker.start(wire.table([Values("do", ["python os._exit(3)"], "str")]))
    assert worker.receive() is None
    assert doer_template.host.exit_code(worker) == 3


def test_signals_of_a_service_manager_are_left_to_the_server(doer_template):
    worker = doer_template()
    worker.start(wire.table([Values("do", ["sleep 0.3"], "str")]))
    for pid in (worker.pid, doer_template.host.pid):
        os.kill(pid, signal.SIGTERM)
        os.kill(pid, signal.SIGINT)
    assert wire.read_result(worker.receive().payload).value == "0.3"
    assert worker.ask(SEVEN).value == 7
    assert doer_template().ask(SEVEN).value == 7


def test_signals_end_what_a_model_starts(doer_template):
    code = (
        "python (lambda p: [p.start(), p.terminate(), p.join(10), p.exitcode])"
        "(__import__('multiprocessing').get_context('fork')"
        ".Process(target=__import__('time').sleep, args=(60,)))"
    )
    assert do(doer_template(), code)[-1] == -signal.SIGTERM


@pytest.mark.parametrize("code", ["0", "sys.exit(3)", "1 / 0"])
def test_a_model_that_forks(doer_template, code):
    """A child that comes back from predict does not answer calls beside its parent."""
    worker = doer_template()
    wait = "os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])"
    outcome = do(worker, f"python (lambda pid: {wait} if pid else {code})(os.fork())")
    assert outcome == {"0": 0, "sys.exit(3)": 3, "1 / 0": 1}[code]
    assert do(worker, "python os.getpid()") == worker.pid


class Forking(worker_models.Doer):
    def load_context(self, context):
        import os

        if not os.fork():
            return
        os.wait()


def test_a_model_that_forks_when_it_is_loaded(start_template, save_python_model):
    with start_template(save_python_model(Forking())) as fork:
        assert do(fork(), "python os.getppid()") == fork.host.pid


def test_many_forks(doer_template):
    pids = set()
    for _ in range(50):
        worker = doer_template()
        assert worker.ask(SEVEN).value == 7
        worker.close()
        assert doer_template.host.exit_code(worker) == 0
        pids.add(worker.pid)
    files = os.listdir(f"/proc/{doer_template.host.pid}/fd")
    assert len(files) < 12


def test_forking_while_workers_die(doer_template):
    """EXITED and FORKED may come in any order, each once."""
    workers = [doer_template() for _ in range(5)]
    for worker in workers:
        os.kill(worker.pid, signal.SIGKILL)
    codes = [doer_template.host.exit_code(worker) for worker in workers]
    assert codes == [-signal.SIGKILL] * 5
    assert doer_template().ask(SEVEN).value == 7


def test_a_template_answers_no_calls(start_template, save_python_model):
    with pytest.raises(AssertionError):
        with start_template(save_python_model(worker_models.Doer())) as fork:
            fork.host.send(wire.PREDICT, 1, SEVEN)
            assert fork.host.receive() is None
            assert "mlrace: a worker ends" in fork.host.log()


def test_waiting_calls_are_answered_in_turn(doer_template):
    worker = doer_template()
    ids = [worker.start(SEVEN) for _ in range(5)]
    assert [worker.receive().id for _ in ids] == ids


def test_a_waiting_call_that_is_cancelled(doer_template):
    worker = doer_template()
    first = worker.start(wire.table([Values("do", ["sleep 0.2"], "str")]))
    second = worker.start(wire.table([Values("do", ["keep"], "str")]))
    third = worker.start(wire.table([Values("do", ["python len(self.kept)"], "str")]))
    worker.send(wire.CANCEL, second)
    answers = {}
    for _ in range(3):
        message = worker.receive()
        assert message.type == wire.RESULT
        answers[message.id] = wire.read_result(message.payload)
    assert answers[first].value == "0.2" and answers[third].value == 0
    assert answers[second].kind == "error"


def test_messages_about_calls_that_are_over(doer_template):
    worker = doer_template()
    for kind in (wire.CANCEL, wire.PAUSE, wire.RESUME):
        worker.send(kind, 12345)
    assert worker.ask(SEVEN).value == 7


# --- what a model does when it is loaded ----------------------------------------------------------


class Thread(worker_models.Doer):
    def load_context(self, context):
        import threading

        threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()


class Socket(worker_models.Doer):
    def load_context(self, context):
        import socket

        Socket.link = socket.socketpair()


class File(worker_models.Doer):
    def load_context(self, context):
        import tempfile

        File.file = tempfile.TemporaryFile()


@pytest.mark.parametrize("kind, why", [(Thread, "thread"), (Socket, "socket"), (File, "open")])
def test_models_that_are_not_forked(start_host, save_python_model, kind, why):
    """The host is the one worker then."""
    with start_host(save_python_model(kind())) as host:
        loaded = host.receive().json()
        assert loaded["can_fork"] is False and why in loaded["reason"]
        assert do(host, "python os.getpid()") == host.pid
        assert host.ask(SEVEN).value == 7


def test_threads_of_openblas_are_no_reason_not_to_fork(start_template, save_python_model):
    python_model = worker_models.Doer()
    env = {"OPENBLAS_NUM_THREADS": "2"}
    with start_template(save_python_model(python_model), env=env) as fork:
        square = "python (np.ones((500, 500)) @ np.ones((500, 500))).sum().item()"
        assert do(fork(), square) == 500.0**3


class Seeded(worker_models.Doer):
    def load_context(self, context):
        import random

        import numpy as np

        random.seed(1)
        np.random.seed(1)


def test_random_numbers(start_template, save_python_model, doer_template):
    draw = "python [__import__('random').random(), np.random.random()]"
    drawn = [do(doer_template(), draw) for _ in range(2)]
    assert drawn[0][0] != drawn[1][0] and drawn[0][1] != drawn[1][1]
    with start_template(save_python_model(Seeded())) as fork:
        assert do(fork(), draw) == do(fork(), draw) == [0.13436424411240122, 0.417022004702574]


class WarmUp(worker_models.Doer):
    def do_count(self, _, model_input):
        import random

        self.kept.append(random.random())
        return len(self.kept)


SIGNATURE = ModelSignature(Schema([ColSpec("string", "do")]))


@pytest.mark.parametrize(
    "example, outcome, count",
    [
        ([{"do": "count"}], "serving_input_example.json, ", 1),
        ([{"do": "raise SystemExit(3)"}], "serving_input_example.json failed: SystemExit: 3", 0),
    ],
)
def test_warm_up(start_template, save_python_model, example, outcome, count):
    import pandas as pd

    options = {"signature": SIGNATURE, "input_example": pd.DataFrame(example)}
    with start_template(save_python_model(WarmUp(), **options)) as fork:
        assert fork.loaded["warm_up"].startswith(outcome)
        assert fork.loaded["is_warm"] == bool(count)
        assert do(fork(), "python len(self.kept)") == count


def test_the_environment_of_a_served_model(doer_template):
    code = "python os.environ['_MLFLOW_IS_IN_SERVING_ENVIRONMENT']"
    assert do(doer_template(), code) == "true"


class Configured(worker_models.Doer):
    def load_context(self, context):
        self.config = context.model_config


def test_model_config(start_template, save_python_model):
    env = {"SERVING_MODEL_CONFIG": '{"depth": 3}'}
    folder = save_python_model(Configured(), model_config={"depth": 1, "width": 2})
    with start_template(folder, env=env) as fork:
        assert do(fork(), "python self.config") == {"depth": 3, "width": 2}


def test_a_message_that_is_no_request_for_a_host(start_host, save_python_model):
    with pytest.raises(AssertionError):
        with start_host(save_python_model(worker_models.Doer())) as host:
            assert host.receive().type == wire.LOADED
            host.send_datagram(struct.pack("=8I", *range(8)))
            assert host.receive() is None
            assert "mlrace: a worker ends: a message with magic" in host.log()
