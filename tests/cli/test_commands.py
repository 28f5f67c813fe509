"""The program's commands and options: what they say, and how they end."""

import re
import signal
import socket
import sys

import pytest


@pytest.mark.parametrize(
    "command", [[], ["serve"], ["models", "serve"], ["explain"], ["prepare-env"]]
)
def test_help_goes_to_stdout_with_an_example(run, command):
    result = run(*command, "--help")
    assert (result.returncode, result.stderr) == (0, "")
    assert "Usage: mlrace" in result.stdout
    assert "Example" in result.stdout
    assert max(map(len, result.stdout.splitlines())) <= 100


def test_version_names_both_versions(run):
    result = run("--version")
    assert result.returncode == 0
    assert re.match(r"mlrace \d+\.\d+\.\d+ \(MLflow 3\.17\.2 protocol\)\n", result.stdout)


@pytest.mark.parametrize(
    "arguments, words",
    [
        ([], ["Usage"]),
        (["sreve"], ["sreve", "--help"]),
        (["serve"], ["-m"]),
        (["serve", "-m", "x", "--prot", "1"], ["--prot", "--help"]),
        (["serve", "-m", "x", "--no-conda=1"], ["--no-conda=1", "no value"]),
        (["serve", "-m", "x", "-p", "65536"], ["-p: expected", "65535", "65536"]),
        (["serve", "-m", "x", "--port=http"], ["--port: expected", "http"]),
        (["serve", "-m", "x", "-p", "-1"], ["-1"]),
        (["serve", "-m", "x", "-w", "0"], ["from 1", "'0'"]),
        (["serve", "-m", "x", "--max-body", "10Q"], ["512K", "10Q"]),
        (["serve", "-m", "x", "--max-body", "1 "], ["512K", "'1 '"]),
        (["serve", "-m", "x", "--nan", "zero"], ["literal", "zero"]),
        (["serve", "-m", "x", "more"], ["more"]),
        (["serve", "-m", "x", "--env-manager", "pip"], ["pip"]),
        (["serve", "-m", "x", "--engine", "c"], ["auto, native or python", "'c'"]),
        (["predict", "-m", "x", "--env", "COLOUR"], ["KEY=VALUE", "COLOUR"]),
        (["predict", "-m", "x", "-r", "x==1,,y"], ["-r: expected packages"]),
        (["explain", "-m", "x", "--engine=c"], ["--engine: expected"]),
        (["explain"], ["-m"]),
        (["prepare-env"], ["-m"]),
        (["prepare-env", "-m", "x", "--env-manager", "local"], ["virtualenv, uv or conda"]),
        (["prepare-env", "-m", "x", "--offline=1"], ["no value"]),
        (["prepare-env", "-m", "x", "--wheel-dir"], ["needs a value"]),
    ],
)
def test_bad_usage_says_what_is_wrong_and_ends_with_2(run, arguments, words):
    result = run(*arguments)
    assert (result.returncode, result.stdout) == (2, "")
    for word in words:
        assert word in result.stderr


@pytest.mark.parametrize("command", ["serve", "explain", "prepare-env"])
def test_a_model_that_is_not_there(run, tmp_path, monkeypatch, command):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").touch()
    for model, words in [
        (tmp_path / "nothing", ["nothing", "no such folder"]),
        (tmp_path / "empty", ["empty", "no file MLmodel"]),
        (tmp_path / "file", ["file", "give the folder"]),
        ("models:/iris/1", ["models:/iris/1", "mlflow.db", "MLFLOW_TRACKING_URI"]),
        ("models:/iris", ["models:/iris", "mlflow.db"]),
        ("m-1a2b", ["no folder m-1a2b", "models:/m-1a2b"]),
        ("", ["path is empty"]),
        ("file://", ["path is empty"]),
    ]:
        result = run(command, "-m", model)
        assert result.returncode == 1
        for word in words:
            assert word in result.stderr


@pytest.mark.parametrize(
    "command", [["serve", "--log-format", "text"], ["predict"], ["explain"], ["prepare-env"]]
)
def test_no_name_steers_the_terminal(run, tmp_path, command):
    result = run(*command, "-m", tmp_path / "clear\x1b[2J\x7fit")
    assert result.returncode == 1
    assert "clear?[2J?it" in result.stderr


def test_explain_shows_signature_and_engine(run, iris_model):
    result = run("explain", "-m", iris_model)
    assert result.returncode == 0
    for word in ("sepal length (cm)", "double", "linear", "LogisticRegression"):
        assert word in result.stdout


def test_a_model_that_no_native_engine_knows(run, save_model):
    from sklearn.neighbors import KNeighborsClassifier

    model = save_model(KNeighborsClassifier(1).fit([[0.0], [1.0]], [0, 1]))
    result = run("serve", "-m", model, "-p", "0", "--engine", "native")
    assert result.returncode == 1
    assert "no native engine" in result.stderr
    assert "KNeighborsClassifier" in result.stderr
    result = run("explain", "-m", model, "--engine", "native")
    assert result.returncode == 1
    assert "engine:   none: no native engine" in result.stdout
    result = run("explain", "-m", model)
    assert result.returncode == 0
    for words in ("engine:   python", "not C:    no native engine", f"python:   {sys.executable}"):
        assert words in result.stdout


def test_without_python_there_are_native_engines_only(run, save_model, iris_model):
    from sklearn.neighbors import KNeighborsClassifier

    env = {"MLRACE_PYTHON": "/nowhere/python"}
    assert run("explain", "-m", iris_model, env=env).returncode == 0
    model = save_model(KNeighborsClassifier(1).fit([[0.0], [1.0]], [0, 1]))
    result = run("explain", "-m", model, env=env)
    assert result.returncode == 1
    assert "no native engine" in result.stdout
    assert "/nowhere/python" in result.stdout
    result = run("serve", "-m", iris_model, "-p", "0", "--engine", "python", env=env)
    assert result.returncode == 1
    assert "/nowhere/python" in result.stderr


def test_a_port_in_use(run, iris_model):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        result = run("serve", "-m", iris_model, "-p", port)
    assert result.returncode == 1
    assert port in result.stderr


def test_settings_from_mlflows_environment_variables(serve, iris_model):
    with serve(iris_model, env={"MLFLOW_HOST": "127.0.0.2"}, is_loading=True) as server:
        assert "http://127.0.0.2:" in server.log()


def test_flags_of_mlflow_are_understood(serve, iris_model):
    flags = ["-h", "127.0.0.1", "-t", "30", "-w", "1", "--env-manager", "local"]
    with serve(iris_model, *flags, "--no-conda", "--install-mlflow") as server:
        assert server.request("GET", "/ping").status == 200


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_end_it_with_exit_code_0(serve, iris_model, number):
    with serve(iris_model) as server:
        server.process.send_signal(number)
        assert server.process.wait(timeout=10) == 0
