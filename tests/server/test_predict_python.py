"""`mlrace predict` with models that Python evaluates."""

import json

import numpy as np
import pandas as pd
import pytest


@pytest.fixture(scope="module")
def predict(run):
    """predict(model, *arguments): what the command writes to standard output."""

    def predict_file(model, *arguments, **options):
        result = run("predict", "-m", model, *arguments, timeout=120, **options)
        assert result.returncode == 0, result.stderr
        return result.stdout

    return predict_file


def mlflow_predict(model, path, folder):
    """What `mlflow models predict -t json` writes, without a process of its own."""
    from mlflow.pyfunc import scoring_server

    target = folder / "mlflow-answer"
    scoring_server._predict(str(model), str(path), str(target), "json")
    return target.read_text()


# --- models that may look at all rows -----------------------------------------------------------

SHARE = """
    class Model(PythonModel):
        def predict(self, context, model_input, params=None):
            return model_input["a"] / model_input["a"].sum()
"""


@pytest.fixture(scope="module")
def share_model(save_python_model):
    return save_python_model(SHARE)


@pytest.fixture(scope="module")
def large_csv(tmp_path_factory):
    """More than one block of rows."""
    path = tmp_path_factory.mktemp("large") / "rows.csv"
    path.write_text("a,note\n" + "".join(f"{i % 7 + 1},{'x' * 40}\n" for i in range(60000)))
    return path


def test_a_custom_model_gets_all_rows_of_a_csv_at_once(predict, share_model, large_csv, tmp_path):
    target = tmp_path / "shares.jsonl"
    predict(share_model, "-i", large_csv, "-o", target, "-w", "2")
    shares = [json.loads(line)["a"] for line in target.read_text().splitlines()]
    a = np.arange(60000) % 7 + 1
    assert np.array_equal(shares, a / a.sum())


def test_a_custom_model_gets_all_rows_of_a_json_file_at_once(predict, share_model, tmp_path):
    records = [{"a": float(i), "note": "x" * 40} for i in range(30000)]
    path = tmp_path / "rows.json"
    path.write_text(json.dumps({"dataframe_records": records}))
    assert path.stat().st_size > 1 << 20
    assert predict(share_model, "-i", path) == mlflow_predict(share_model, path, tmp_path)


def test_standard_input(predict, share_model):
    text = json.dumps({"dataframe_split": {"columns": ["a"], "data": [[1], [3]]}})
    assert predict(share_model, input=text) == '{"predictions": [{"a": 0.25}, {"a": 0.75}]}'
    assert predict(share_model, "-t", "csv", "--output-format", "csv", input="a\n1\n3\n") == (
        "a\n0.25\n0.75\n"
    )


def test_answers_of_all_kinds(predict, save_python_model, tmp_path):
    model = save_python_model("""
        import numpy as np
        import pandas as pd

        class Model(PythonModel):
            def predict(self, context, model_input, params=None):
                frame = pd.DataFrame({"n": [1, 2], "s": ["a", "\\u00fc"], "t": pd.Timestamp(0)})
                return {
                    "array": np.array([[1, np.nan], [0.1, 3]]),
                    "numbers": frame[["n"]],
                    "dict": {"a": np.float32(0.1), "b": [None, True, frame["s"][1]]},
                }[model_input["kind"][0]]
    """)
    for kind in ("array", "numbers", "dict"):
        path = tmp_path / f"{kind}.json"
        path.write_text(json.dumps({"dataframe_split": {"columns": ["kind"], "data": [[kind]]}}))
        ours = predict(model, "-i", path, "--nan", "literal")
        assert ours == mlflow_predict(model, path, tmp_path)


def test_bodies_that_only_python_reads(predict, save_python_model, tmp_path):
    hints = save_python_model("""
        class Model(PythonModel):
            def predict(self, model_input: list[str], params=None) -> list[str]:
                return [text.upper() for text in model_input]
    """)
    assert predict(hints, input='{"inputs": ["a", "b"]}') == '{"predictions": ["A", "B"]}'
    chat = save_python_model("""
        class Model(PythonModel):
            def predict(self, context, model_input, params=None):
                return {"heard": model_input["messages"]}
    """)
    text = '{"messages": [{"role": "user", "content": "hi"}]}'
    assert predict(chat, input=text) == '{"heard": [{"role": "user", "content": "hi"}]}'


def test_an_error_that_the_model_raises(run, save_python_model, tmp_path):
    model = save_python_model("""
        class Model(PythonModel):
            def predict(self, context, model_input, params=None):
                raise ValueError("no such luck")
    """)
    target = tmp_path / "out.json"
    result = run("predict", "-m", model, "-t", "csv", "-o", target, input="a\n1\n", timeout=120)
    assert result.returncode == 1
    assert "no such luck" in result.stderr
    assert not target.exists()


# --- models whose rows do not matter to each other ----------------------------------------------


@pytest.fixture(scope="module")
def neighbours(save_model):
    from mlflow.models import infer_signature
    from sklearn.neighbors import KNeighborsRegressor

    X = pd.DataFrame(np.random.default_rng(1).normal(size=(50, 3)).round(2), columns=list("abc"))
    model = KNeighborsRegressor(1, algorithm="brute").fit(X, np.arange(50))
    return model, save_model(model, infer_signature(X))


def test_rows_in_blocks_through_all_workers(predict, neighbours, tmp_path):
    estimator, model = neighbours
    rows = pd.DataFrame(
        np.random.default_rng(2).normal(size=(100_000, 3)).round(4), columns=list("abc")
    )
    csv, records = tmp_path / "rows.csv", tmp_path / "rows.json"
    rows.to_csv(csv, index=False)
    records.write_text(json.dumps({"dataframe_records": rows[:40000].to_dict("records")}))
    assert min(csv.stat().st_size, records.stat().st_size) > 1 << 20
    expected = estimator.predict(rows).tolist()
    answer = json.loads(predict(model, "-i", csv, "-w", "2"))
    assert answer == {"predictions": expected}
    answer = json.loads(predict(model, "-i", records, "-w", "2"))
    assert answer == {"predictions": expected[:40000]}


def test_the_place_of_an_error_in_a_large_file(run, neighbours, tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("a,b,c\n" + "0.25,0.5,0.75\n" * 150_000 + "1,2,x\n")
    result = run("predict", "-m", neighbours[1], "-i", path, timeout=120)
    assert result.returncode == 1
    assert "line 150002" in result.stderr
