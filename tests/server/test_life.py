"""The life of a server as operators see it: health, shutdown, handed-over sockets, process 1."""

import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import threading
import time

import processes
import pytest

SUM = """
    import time

    class Model(PythonModel):
        def predict(self, context, model_input, params=None):
            time.sleep(float(model_input["a"].iloc[0]))
            return model_input.sum(axis=1).to_numpy()
"""
BODY = '{"dataframe_split": {"columns": ["a", "b"], "data": [[%s, 2]]}}'
ROW = '{"dataframe_split": {"columns": ["sepal length (cm)", "sepal width (cm)", '
ROW += '"petal length (cm)", "petal width (cm)"], "data": [[5.1, 3.5, 1.4, 0.2]]}}'
READY_PATHS = ["/readyz", "/ping", "/health"]


@pytest.fixture(scope="module")
def slow_model(save_python_model):
    return save_python_model(SUM)


def wait_for(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def problem_of(server, path):
    """Why the server is not ready; None: it is."""
    answer = server.request("GET", path)
    if answer.status == 200:
        return None
    assert answer.status == 503
    assert answer.headers["retry-after"]
    body = answer.json()
    assert body["error_code"] == "TEMPORARILY_UNAVAILABLE"
    return body["message"]


def problems_of(server):
    (problem,) = {problem_of(server, path) for path in READY_PATHS}
    return problem


def is_live(server):
    answer = server.request("GET", "/livez")
    return answer.status == 200 and answer.json() == {"status": "live"}


# --- health ---------------------------------------------------------------------------------------


def test_health_of_a_native_model(iris_server):
    assert is_live(iris_server)
    answer = iris_server.request("GET", "/readyz")
    assert (answer.status, answer.json()) == (200, {"status": "ready"})
    assert answer.media_type == "application/json"
    assert iris_server.request("HEAD", "/readyz").status == 200
    assert iris_server.request("POST", "/readyz", "").status == 405


def test_health_while_loading(serve, save_python_model):
    """Not ready before the model has answered its input example."""
    model = save_python_model(
        """
        import os, pathlib, time

        class Model(PythonModel):
            def predict(self, context, model_input, params=None):
                while not pathlib.Path(os.environ["GO_ON"]).exists():
                    time.sleep(0.01)
                return [0]
        """,
        input_example=None,
    )
    # Written by hand: MLflow itself would call the model to infer its signature.
    example = {"columns": ["a"], "data": [[1.0]]}
    (model / "input_example.json").write_text(json.dumps(example))
    with (model / "MLmodel").open("a") as file:
        file.write("saved_input_example_info:\n  artifact_path: input_example.json\n")
        file.write("  pandas_orient: split\n  type: dataframe\n")
    go_on = model.parent / "go_on"
    env = {"GO_ON": str(go_on)}
    with serve(model, "-w", "1", env=env, is_loading=True) as server:
        end = time.monotonic() + 5
        while time.monotonic() < end:
            assert is_live(server)
            assert problems_of(server) == "the model is loading"
            time.sleep(0.05)
        go_on.write_text("")
        wait_for(lambda: problem_of(server, "/ping") is None)
        assert "warmed up" in server.log()


def test_no_worker_is_alive(serve, slow_model):
    with serve(slow_model, "-w", "2") as server:
        assert problems_of(server) is None
        for _ in range(2):
            (template,) = (
                pid
                for pid, state in processes.children_of(server.process.pid).items()
                if state != "Z"
            )
            workers = list(processes.children_of(template))
            os.kill(template, signal.SIGKILL)  # so that it takes a while to replace them
            for pid in workers:
                os.kill(pid, signal.SIGKILL)
            wait_for(lambda: problem_of(server, "/readyz") is not None, 10)
            assert "no worker process is alive" in problems_of(server)
            assert is_live(server)
            # Who asks nevertheless waits for the next worker.
            assert server.invoke(BODY % 0).json() == {"predictions": [2]}
            assert problems_of(server) is None


# --- shutdown -------------------------------------------------------------------------------------


def test_shutdown_delay(serve, iris_model):
    with serve(iris_model, "--shutdown-delay", "1") as server:
        old = server.connect()
        assert "connection" not in server.invoke(ROW, connection=old).headers
        server.process.send_signal(signal.SIGTERM)
        start = time.monotonic()
        wait_for(lambda: problem_of(server, "/health") is not None, 1)
        assert problems_of(server) == "the server is shutting down"
        assert is_live(server)
        for connection in (old, server.connect()):
            answer = server.invoke(ROW, connection=connection)
            assert (answer.status, answer.headers["connection"]) == (200, "close")
        assert server.process.wait(10) == 0
        assert time.monotonic() - start > 0.9


def test_second_signal_ends_at_once(serve, iris_model):
    for first, second in ((signal.SIGTERM, signal.SIGTERM), (signal.SIGTERM, signal.SIGINT)):
        with serve(iris_model, "--shutdown-delay", "60") as server:
            server.process.send_signal(first)
            wait_for(lambda s=server: problem_of(s, "/readyz") is not None)
            server.process.send_signal(second)
            assert server.process.wait(5) == 128 + second
            # What the fixture checks at its end is of another server.
            server.process.returncode = 0


def test_interrupt_waits_for_nobody(serve, iris_model):
    """At a terminal neither balancers nor idle clients are to be thought of."""
    with serve(iris_model, "--shutdown-delay", "60") as server:
        idle = server.connect()
        assert server.invoke(ROW, connection=idle).status == 200
        start = time.monotonic()
        server.process.send_signal(signal.SIGINT)
        assert server.process.wait(5) == 0
        assert time.monotonic() - start < 4.5
        idle.close()


def test_shutdown_timeout(serve, slow_model):
    with serve(slow_model, "-w", "2", "--shutdown-timeout", "2") as server:
        answers = {}

        def ask(seconds):
            try:
                answers[seconds] = server.invoke(BODY % seconds).json()
            except OSError as error:
                answers[seconds] = error

        threads = [threading.Thread(target=ask, args=(n,)) for n in (1, 40)]
        for thread in threads:
            thread.start()
        time.sleep(0.3)
        start = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(20) == 0
        assert 1.5 < time.monotonic() - start < 10
        for thread in threads:
            thread.join()
        assert answers[1] == {"predictions": [3]}
        assert isinstance(answers[40], OSError)


def test_max_connections(serve, iris_model):
    with serve(iris_model, "--max-connections", "2", "-w", "2") as server:
        links = [server.connect() for _ in range(2)]
        for link in links:
            assert server.invoke(ROW, connection=link).status == 200
        answer = server.invoke(ROW)
        assert answer.status == 503
        assert answer.headers["retry-after"] == "1"
        assert answer.json()["error_code"] == "RESOURCE_EXHAUSTED"
        for link in links:
            link.close()
        wait_for(lambda: server.invoke(ROW).status == 200, 5)


@pytest.mark.parametrize(
    "arguments",
    [("--max-connections", "0"), ("--shutdown-timeout", "0"), ("--shutdown-delay", "-1")],
)
def test_bad_values(run, iris_model, arguments):
    result = run("serve", "-m", iris_model, *arguments)
    assert result.returncode == 2
    assert arguments[0] in result.stderr


def test_process_one(mlrace, iris_model, tmp_path):
    """In a container the kernel ignores signals that process 1 does not handle."""
    if shutil.which("unshare") is None or os.geteuid() != 0:
        pytest.skip("no right to make a PID namespace")
    for second in (None, signal.SIGTERM):
        log = tmp_path / f"log-{second}"
        command = ["unshare", "-p", "-f", "--kill-child", mlrace, "serve", "-m", iris_model]
        command += ["-p", "0", "--shutdown-delay", "60" if second else "0"]
        process = subprocess.Popen(
            list(map(str, command)), stdout=log.open("wb"), stderr=subprocess.STDOUT
        )
        try:
            wait_for(lambda log=log: "listening on" in log.read_text(), 30)
            (inner,) = processes.children_of(process.pid)
            status = pathlib.Path(f"/proc/{inner}/status").read_text()
            assert re.search(r"NSpid:\s+\d+\s+1$", status, re.MULTILINE)
            os.kill(inner, signal.SIGTERM)
            if second:
                wait_for(lambda log=log: "serving for" in log.read_text())
                os.kill(inner, second)
            assert process.wait(10) == (128 + second if second else 0)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()


# --- sockets that were handed over ----------------------------------------------------------------


def activated(mlrace, arguments, sockets, log, n_fds=None):
    """The program with sockets as systemd hands them over."""
    fds = [one.fileno() for one in sockets]
    n_fds = len(fds) if n_fds is None else n_fds

    def hand_over():
        copies = [os.dup2(fd, 100 + i) for i, fd in enumerate(fds)]
        for i, fd in enumerate(copies):
            os.dup2(fd, 3 + i, inheritable=True)
            os.close(fd)
        os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(n_fds))
        # The environment is read by exec, which comes next, in this process.
        os.execv(str(mlrace), [str(mlrace), *map(str, arguments)])

    return subprocess.Popen(
        ["true"],
        preexec_fn=hand_over,
        close_fds=False,
        stdout=log.open("wb"),
        stderr=subprocess.STDOUT,
    )


def test_socket_activation(mlrace, iris_model, tmp_path):
    log = tmp_path / "log"
    with socket.create_server(("127.0.0.1", 0)) as first, socket.create_server(
        ("127.0.0.1", 0)
    ) as second:
        ports = [first.getsockname()[1], second.getsockname()[1]]
        process = activated(
            mlrace, ["serve", "-m", iris_model, "-h", "1.2.3.4"], [first, second], log
        )
        try:
            wait_for(lambda: "listening on" in log.read_text(), 30)
            assert f"http://127.0.0.1:{ports[0]}" in log.read_text()
            for port in ports:
                with socket.create_connection(("127.0.0.1", port), 10) as link:
                    link.sendall(b"GET /readyz HTTP/1.1\r\nHost: a\r\n\r\n")
                    assert link.recv(1000).startswith(b"HTTP/1.1 200 ")
            environment = pathlib.Path(f"/proc/{process.pid}/environ").read_bytes()
            assert b"LISTEN_FDS=2" in environment
            process.send_signal(signal.SIGTERM)
            assert process.wait(10) == 0
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()


def test_sockets_that_cannot_be_served_on(mlrace, iris_model, tmp_path):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
        for n_fds, message in ((1, "is not a TCP socket that listens"), (99, "from 0 to 8")):
            log = tmp_path / f"log-{n_fds}"
            process = activated(mlrace, ["serve", "-m", iris_model], [datagrams], log, n_fds)
            assert process.wait(30) == 1
            assert message in log.read_text()


def test_sockets_for_another_process(serve, iris_model):
    with serve(iris_model, env={"LISTEN_PID": "1", "LISTEN_FDS": "1"}) as server:
        assert problems_of(server) is None


def test_a_python_model_that_shares_its_port_listens_when_it_is_ready(serve, slow_model):
    with serve(slow_model, "-w", "1", "--reuse-port", is_loading=True) as server:
        assert problems_of(server) is None
        assert server.log().index("the model is loaded (") < server.log().index("listening on")
