"""`mlrace predict`: the bytes of `mlflow models predict`, files whole or not at all, and memory that
does not grow."""

import json
import os
import pathlib
import pty
import re
import resource
import signal
import subprocess
import time

import numpy as np
import pandas as pd
import pytest

COLUMNS = ["sepal length (cm)", "sepal width (cm)", "petal length (cm)", "petal width (cm)"]
HEADER = ",".join(COLUMNS) + "\n"


def flowers(n, seed=0):
    return np.random.default_rng(seed).uniform(0.1, 8, (n, 4)).round(3)


def csv_of(rows):
    return HEADER + "".join(",".join(map(repr, row)) + "\n" for row in rows.tolist())


def split_of(rows, **more):
    return {"dataframe_split": {"columns": COLUMNS, **more, "data": rows.tolist()}}


@pytest.fixture(scope="module")
def predict(run, iris_model):
    """predict(*arguments): the command with the example's model, which must succeed."""

    def predict_file(*arguments, model=iris_model, **options):
        result = run("predict", "-m", model, *arguments, **options)
        assert (result.returncode, result.stderr) == (0, ""), result.stderr
        return result.stdout

    return predict_file


@pytest.fixture(scope="module")
def fail(run, iris_model):
    """fail(*arguments): the message of a command that must fail."""

    def fail_to_predict(*arguments, model=iris_model, code=1, **options):
        result = run("predict", "-m", model, *arguments, **options)
        assert result.returncode == code, result.stderr
        assert result.stderr.startswith("mlrace predict: ")
        return result.stderr

    return fail_to_predict


@pytest.fixture(scope="module")
def rows():
    return flowers(60000)


@pytest.fixture(scope="module")
def large_csv(rows, tmp_path_factory):
    """More than one block."""
    path = tmp_path_factory.mktemp("large") / "rows.csv"
    path.write_text(csv_of(rows))
    return path


@pytest.fixture(scope="module")
def answer(predict, large_csv):
    """What is to be answered to `rows`, from a single thread."""
    return predict("-i", large_csv, "-w", "1")


# --- the same as MLflow


def mlflow_predict(model, path, content_type, folder):
    """What `mlflow models predict` writes, without a process of its own."""
    from mlflow.pyfunc import scoring_server

    target = folder / "mlflow-answer"
    scoring_server._predict(str(model), str(path), str(target), content_type)
    return target.read_text()


@pytest.fixture(scope="module")
def models(save_model, iris_model):
    """Models whose answers have all shapes and types, trained on columns a, b and c."""
    from mlflow.models import infer_signature
    from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge

    X = pd.DataFrame(np.random.default_rng(1).normal(size=(60, 3)).round(2), columns=list("abc"))
    total = X.sum(axis=1)
    words = np.where(total > 0, "an \u00e9, \"x\"", "no")
    two = np.column_stack([total, -total])
    classes = LogisticRegression().fit(X, words)
    return {
        "floats": save_model(Ridge().fit(X, total), infer_signature(X, total)),
        "words": save_model(classes, infer_signature(X)),
        "two": save_model(LinearRegression().fit(X, two), infer_signature(X)),
        "odds": save_model(classes, infer_signature(X), pyfunc_predict_fn="predict_proba"),
        "bools": save_model(LogisticRegression().fit(X, total > 0), infer_signature(X)),
        "unsigned": save_model(Ridge().fit(X.values, total)),
        "tensor": save_model(Ridge().fit(X.values, total), infer_signature(X.values)),
    }


MODELS = ["floats", "words", "two", "odds", "bools", "unsigned", "tensor"]
BODIES = {
    "records": {"dataframe_records": [{"a": 1.5, "b": -2.0, "c": 0.25}, {"c": 9.0, "a": 1.0, "b": 0.5}]},
    "split": {"dataframe_split": {"columns": list("abc"), "index": [5, 7], "data": [[1.5, 2.5, 3.5]] * 2}},
    "inputs": {"inputs": [[0.5, 1.5, 2.5], [3.5, -1.5, 0.125], [0.5, 0.25, 0.75]]},
    "instances": {"instances": [[0.5, 1.5, 2.5]]},
}


@pytest.mark.parametrize("name", MODELS)
def test_csv_as_mlflow(predict, models, tmp_path, name):
    path = tmp_path / "in.csv"
    rows = flowers(50)[:, :3] - 4.0
    path.write_text("a,b,c\n" + "".join(",".join(map(repr, row)) + "\n" for row in rows.tolist()))
    theirs = mlflow_predict(models[name], path, "csv", tmp_path)
    ours = predict("-i", path, "-t", "csv", model=models[name])
    assert same(json.loads(ours), json.loads(theirs))
    if name in ("words", "bools"):
        assert ours == theirs


@pytest.mark.parametrize("shape", BODIES)
@pytest.mark.parametrize("name", MODELS)
def test_json_as_mlflow(run, models, tmp_path, name, shape):
    path = tmp_path / "in.json"
    path.write_text(json.dumps(BODIES[shape]))
    try:
        theirs = mlflow_predict(models[name], path, "json", tmp_path)
    except Exception:
        theirs = None
    ours = run("predict", "-m", models[name], "-i", path)
    assert (ours.returncode == 0) == (theirs is not None), ours.stderr
    if theirs is not None:
        assert same(json.loads(ours.stdout), json.loads(theirs))


def same(ours, theirs):
    """Equal but for the last digits of floats: BLAS adds up in an order of its own."""
    if isinstance(theirs, float):
        return isinstance(ours, float) and ours == pytest.approx(theirs, rel=1e-11, abs=1e-12)
    if isinstance(theirs, list):
        return len(ours) == len(theirs) and all(map(same, ours, theirs))
    if isinstance(theirs, dict):
        return ours.keys() == theirs.keys() and all(same(ours[key], theirs[key]) for key in ours)
    return type(ours) is type(theirs) and ours == theirs


def test_csv_is_read_by_the_signature(predict, save_model, tmp_path):
    """Whole numbers for doubles, which `mlflow models predict` refuses, its server does not."""
    from mlflow.models import infer_signature
    from sklearn.linear_model import LinearRegression

    X = pd.DataFrame({"a": [1.0, 2.0, 3.0], "b": [2.0, 1.0, 7.0]})
    model = save_model(LinearRegression().fit(X, X["a"] * 2), infer_signature(X))
    path = tmp_path / "in.csv"
    path.write_text("a,b\n5,1\n7,3\n")
    assert json.loads(predict("-i", path, model=model))["predictions"] == pytest.approx([10, 14])
    path.write_text("5,1\n7,3\n")  # and a first line that is data
    assert json.loads(predict("-i", path, model=model))["predictions"] == pytest.approx([10, 14])


# --- input and output


def test_standard_input_and_output(predict, large_csv, answer):
    with large_csv.open("rb") as file:
        assert predict("-t", "csv", stdin=file) == answer
    assert predict("-t", "csv", "-i", "-", "-o", "-", input=large_csv.read_text()) == answer
    body = json.dumps(split_of(flowers(3)))
    assert predict(input=body) == predict("--content-type", "json", input=body)


def test_threads_do_not_change_the_order(predict, large_csv, answer, rows):
    assert len(json.loads(answer)["predictions"]) == len(rows)
    for n in (2, 3, 8):
        assert predict("-i", large_csv, "-w", n) == answer


def test_output_formats(predict, large_csv, answer, tmp_path):
    predictions = json.loads(answer)["predictions"]
    for name, flags, kind in [
        ("out.json", [], "json"),
        ("out.csv", [], "csv"),
        ("out.CSV", [], "csv"),
        ("out.jsonl", [], "jsonl"),
        ("out", [], "json"),
        ("out.csv", ["--output-format", "json"], "json"),
        ("out.json", ["--output-format", "csv"], "csv"),
        ("out.txt", ["--output-format", "jsonl"], "jsonl"),
    ]:
        path = tmp_path / name
        assert predict("-i", large_csv, "-o", path, *flags) == ""
        text = path.read_text()
        if kind == "json":
            assert text == answer
        elif kind == "jsonl":
            assert [json.loads(line) for line in text.splitlines()] == predictions
        else:
            assert text == "predictions\n" + "".join(f"{value}\n" for value in predictions)
    assert sorted(os.listdir(tmp_path)) == ["out", "out.CSV", "out.csv", "out.json", "out.jsonl", "out.txt"]


@pytest.mark.parametrize("name", MODELS)
def test_csv_output_as_pandas(predict, models, tmp_path, name):
    path, target = tmp_path / "in.csv", tmp_path / "out.csv"
    path.write_text("a,b,c\n0.5,1.5,-2.5\n-3.5,0.5,0.25\n1.5,2.5,0.75\n")
    values = json.loads(predict("-i", path, model=models[name]))["predictions"]
    predict("-i", path, "-o", target, model=models[name])
    frame = pd.DataFrame(values)
    n = frame.shape[1]
    frame.columns = [f"predictions_{i}" for i in range(n)] if n > 1 else ["predictions"]
    assert target.read_text() == frame.to_csv(index=False)


def test_an_existing_file_is_replaced_as_it_is(predict, tmp_path, large_csv, answer):
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_text("old")
    target.chmod(0o640)
    link.symlink_to("target")
    predict("-i", large_csv, "-o", link)
    assert link.is_symlink() and target.read_text() == answer
    assert target.stat().st_mode & 0o777 == 0o640
    fresh = tmp_path / "fresh"
    umask = os.umask(0o027)
    try:
        predict("-i", large_csv, "-o", fresh)
    finally:
        os.umask(umask)
    assert fresh.stat().st_mode & 0o777 == 0o640
    predict("-i", large_csv, "-o", "/dev/null")


def test_a_file_may_be_scored_onto_itself(predict, tmp_path, large_csv, answer):
    path = tmp_path / "rows.csv"
    path.write_bytes(large_csv.read_bytes())
    predict("-i", path, "-o", path, "--output-format", "json")
    assert path.read_text() == answer


@pytest.mark.parametrize("shape", ["split", "index last", "records", "list", "inputs", "columns"])
def test_large_json(predict, tmp_path, rows, answer, shape):
    """Rows that come in blocks, and a document that must be read whole."""
    records = [dict(zip(COLUMNS, row)) for row in rows.tolist()]
    data = {
        "split": {**split_of(rows, index=list(range(len(rows)))), "params": {}},
        "index last": {"dataframe_split": {"data": rows.tolist(), "columns": COLUMNS,
                                           "index": list(range(len(rows)))}},
        "records": {"dataframe_records": records},
        "list": records,
        "inputs": {"params": None, "inputs": records},
        "columns": {"inputs": {name: rows[:, i].tolist() for i, name in enumerate(COLUMNS)}},
    }[shape]
    path = tmp_path / "rows.json"
    path.write_text(json.dumps(data))
    assert path.stat().st_size > 1 << 20
    assert predict("-i", path, "-w", "3") == answer
    assert predict(input=path.read_text()) == answer


def test_types_come_from_the_whole_file(predict, models, tmp_path):
    """Without a signature pandas infers them: whole numbers first, a point or a gap far below."""
    path = tmp_path / "in.csv"
    lines = ["1,2,3\n"] * 250000 + ["1,,3\n", "0.5,2,3\n"]
    path.write_text("a,b,c\n" + "".join(lines[:250000]) + "1.5,2,3\n")
    assert path.stat().st_size > 1 << 20
    values = json.loads(predict("-i", path, model=models["unsigned"]))["predictions"]
    assert len(values) == 250001 and values[0] != values[-1]
    assert predict("-t", "csv", model=models["unsigned"], input=path.read_text()) == predict(
        "-i", path, "-w", "1", model=models["unsigned"]
    )


# --- what goes wrong


@pytest.mark.parametrize("is_there", [False, True])
def test_a_bad_cell_leaves_nothing_behind(fail, tmp_path, rows, is_there):
    path, target = tmp_path / "in.csv", tmp_path / "out.json"
    lines = csv_of(rows).splitlines(keepends=True)
    lines[50000] = "1,2,high,4\n"
    path.write_text("".join(lines))
    if is_there:
        target.write_text("old")
    message = fail("-i", path, "-o", target)
    assert "line 50001" in message and "petal length (cm)" in message and '"high"' in message
    assert sorted(os.listdir(tmp_path)) == ["in.csv", "out.json"] if is_there else ["in.csv"]
    assert not is_there or target.read_text() == "old"


def test_a_bad_row_of_json(fail, tmp_path, rows):
    data = rows.tolist()
    data[50000][1] = "wide"
    path = tmp_path / "in.json"
    path.write_text(json.dumps({"dataframe_split": {"columns": COLUMNS, "data": data}}))
    message = fail("-i", path)
    first = int(re.search(r"from row (\d+) on", message)[1])
    row = int(re.search(r" row (\d+)[: ]", message.split("on, which counts")[1].split(":", 1)[1])[1])
    assert first + row == 50000 and "sepal width (cm)" in message


@pytest.mark.parametrize(
    "text, words",
    [
        ("", ["the body is empty|Expecting value|JSON"]),
        ("{\"dataframe_split\": {", ["ends too early"]),
        ("{\"dataframe_split\": {\"columns\": [\"a\"], \"data\": [[1],]}}", ["JSON"]),
        ("{\"dataframe_split\": {\"columns\": [\"a\"], \"index\": [1], \"data\": []}}", ["0 rows"]),
        ("{\"inputs\": [[1, 2], [3]]}", [""]),
        ("{\"rows\": [[1]]}", ["inputs"]),
        ("[1, 2", ["ends too early"]),
    ],
)
def test_bad_json(fail, text, words):
    message = fail(input=text)
    for word in words:
        assert re.search(word, message), message


def test_bad_csv(fail):
    assert "empty" in fail("-t", "csv", input="")
    assert "line 3" in fail("-t", "csv", input=HEADER + "1,2,3,4\n1,2,3,4,5\n")
    assert "quotes that open on line 2" in fail("-t", "csv", input=HEADER + '"1,2,3,4\n')
    broken = HEADER + "1,2,3,4\n1,2,\udcff,4\n"
    assert "byte 0xff" in fail("-t", "csv", input=broken, errors="surrogateescape")
    assert "lacks" in fail("-t", "csv", input="a,b\n1,2\n")


def test_files_that_cannot_be_opened(fail, tmp_path, large_csv):
    assert "nothing.csv" in fail("-i", tmp_path / "nothing.csv")
    assert "No such file" in fail("-i", large_csv, "-o", tmp_path / "no" / "out.csv")
    assert "directory" in fail("-i", large_csv, "-o", tmp_path)
    assert "directory" in fail("-i", tmp_path)


def test_a_full_disk(fail, large_csv, tmp_path):
    assert "No space left" in fail("-i", large_csv, "-o", "/dev/full")
    target = tmp_path / "out.json"

    def limit_file_size():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000))

    assert "too large" in fail("-i", large_csv, "-o", target, preexec_fn=limit_file_size)
    assert os.listdir(tmp_path) == []


def test_a_reader_that_has_gone(mlrace, iris_model, large_csv):
    reading, writing = os.pipe()
    os.close(reading)
    result = subprocess.run(
        [mlrace, "predict", "-m", iris_model, "-i", large_csv],
        stdout=writing, stderr=subprocess.PIPE, text=True, timeout=60,
    )
    os.close(writing)
    assert result.returncode == 1 and "Broken pipe" in result.stderr


@pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_leaves_nothing_behind(mlrace, iris_model, tmp_path, large_csv, signal_number):
    process = subprocess.Popen(
        [mlrace, "predict", "-m", iris_model, "-t", "csv", "-o", tmp_path / "out.json"],
        stdin=subprocess.PIPE,
    )
    process.stdin.write(large_csv.read_bytes())
    process.stdin.flush()
    limit = time.monotonic() + 30
    while not any(file.stat().st_size for file in tmp_path.iterdir()):
        assert time.monotonic() < limit and process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal_number)
    assert process.wait(timeout=30) == 128 + signal_number
    process.stdin.close()
    assert os.listdir(tmp_path) == []


# --- the command itself


@pytest.mark.parametrize(
    "arguments, words",
    [
        ([], ["-m"]),
        (["-m", "x", "-t", "xml"], ["xml", "json or csv"]),
        (["-m", "x", "--output-format", "yaml"], ["yaml", "jsonl"]),
        (["-m", "x", "--inptu-path", "y"], ["--inptu-path", "--help"]),
        (["-m", "x", "-w", "0"], ["0"]),
        (["-m", "x", "--env-manager", "pip"], ["pip", "virtualenv"]),
        (["-m", "x", "--env", "KEY"], ["KEY=VALUE"]),
        (["-m", "x", "--nan", "none"], ["literal"]),
        (["-m", "x", "more"], ["more"]),
        (["-m"], ["-m"]),
    ],
)
def test_bad_usage(run, arguments, words):
    result = run("predict", *arguments)
    assert (result.returncode, result.stdout) == (2, "")
    for word in words:
        assert word in result.stderr


def test_flags_of_mlflow(predict, run, iris_model):
    body = json.dumps(split_of(flowers(2)))
    plain = predict(input=body)
    flags = ["--env-manager", "uv", "--install-mlflow", "-r", "x==1", "--env", "A=b", "--env", "C="]
    assert predict(*flags, input=body) == plain
    result = run("models", "predict", "--model-uri", iris_model, "--content-type=json", input=body)
    assert result.stdout == plain
    help_page = run("predict", "--help").stdout
    assert "Examples" in help_page and max(map(len, help_page.splitlines())) <= 100


def test_nan(save_model, predict, tmp_path):
    from sklearn.linear_model import LinearRegression

    estimator = LinearRegression().fit([[1.0], [2.0]], [1.0, 2.0])
    estimator.coef_ = np.array([1e300])
    model = save_model(estimator)
    path, target = tmp_path / "in.csv", tmp_path / "out.csv"
    path.write_text("a\n1.5\n1e10\n")
    assert json.loads(predict("-i", path, model=model))["predictions"][1] is None
    assert "Infinity" in predict("-i", path, "--nan", "literal", model=model)
    predict("-i", path, "-o", target, model=model)
    assert target.read_text().splitlines()[2] == "inf"


def read_terminal(arguments, columns=100):
    """The output of a command on a terminal of its own."""
    parent, child = pty.openpty()
    import fcntl
    import struct
    import termios

    fcntl.ioctl(child, termios.TIOCSWINSZ, struct.pack("HHHH", 25, columns, 0, 0))
    process = subprocess.Popen(
        arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=child,
        env={**os.environ, "TERM": "xterm"},
    )
    os.close(child)
    return process, parent


def test_progress_on_a_terminal(mlrace, iris_model, large_csv, answer):
    command = [str(mlrace), "predict", "-m", str(iris_model), "-t", "csv"]
    process, terminal = read_terminal(command)
    text = large_csv.read_bytes()
    process.stdin.write(text)
    process.stdin.flush()
    seen = b""
    while b"rows/s" not in seen:
        seen += os.read(terminal, 4096)
    out, _ = process.communicate(timeout=60)
    try:
        while chunk := os.read(terminal, 4096):
            seen += chunk
    except OSError:  # the terminal has no writer any more
        pass
    os.close(terminal)
    assert out.decode() == answer
    assert re.search(rb"\r\x1b\[K60,000 rows in \d+\.\d s \([\d,]+ rows/s\)\r\n$", seen), seen

    process, terminal = read_terminal(command[:-2] + ["-i", str(large_csv)])
    process.communicate(timeout=60)
    assert b"rows in" in os.read(terminal, 4096)
    os.close(terminal)


def peak_memory(arguments):
    """The most memory a command took, in bytes, as seen from outside while it ran."""
    process = subprocess.Popen(arguments)
    peak, status = 0, pathlib.Path(f"/proc/{process.pid}/status")
    while process.poll() is None:
        found = re.search(r"Name:\s+mlrace\n[\s\S]*VmHWM:\s+(\d+) kB", status.read_text())
        peak = max(peak, int(found[1]) * 1024 if found else 0)
        time.sleep(0.002)
    assert process.returncode == 0 and peak
    return peak


@pytest.mark.parametrize("kind", ["csv", "json", "inferred"])
def test_memory_does_not_grow(mlrace, iris_model, models, tmp_path, rows, is_sanitized, kind):
    path, model = tmp_path / "rows", iris_model
    before, after = HEADER, ""
    block = csv_of(rows)[len(HEADER) :]
    if kind == "inferred":
        model, before = models["unsigned"], "a,b,c\n"
        block = "".join(f"{a!r},{b!r},{c!r}\n" for a, b, c, _ in rows.tolist())
    elif kind == "json":
        before, after = '{"dataframe_split": {"data": [', f'[1,2,3,4]], "columns": {json.dumps(COLUMNS)}}}}}'
        block = json.dumps(rows.tolist())[1:-1] + ","
    command = [mlrace, "predict", "-m", model, "-o", tmp_path / "out", "-i", path]
    command += ["-t", "json" if kind == "json" else "csv"]
    peaks = []
    for n in (10, 40):
        with path.open("w") as file:
            file.write(before)
            file.writelines(block for _ in range(n))
            file.write(after)
        peaks.append(peak_memory(command))
    assert path.stat().st_size > 30e6
    if not is_sanitized:
        assert max(peaks) < 40 << 20, peaks
        assert peaks[1] < 1.5 * peaks[0], peaks
