"""What makes a row of docs/benchmarks.md invalid, and that the page says so."""

import pathlib
import sys

import pytest

sys.path.append(str(pathlib.Path(__file__).resolve().parents[2] / "bench"))

from serving import report, store, targets  # noqa: E402
from serving.answers import difference  # noqa: E402
from serving.matrix import FULL, SHORT, Cell  # noqa: E402
from serving.models import MODELS  # noqa: E402
from serving.results import Results  # noqa: E402


@pytest.mark.parametrize(
    ("reference", "answer"),
    [
        ([1, 0], [1, 0]),
        ([0.25, "a"], [0.25, "a"]),
        ([[1.5], [2.5]], [1.5, 2.5]),
        ({"x": [1.5]}, [1.5]),
        ([float("nan")], [float("nan")]),
        ([None, True], [None, True]),
        ([1.0], [1]),
    ],
)
def test_the_same_answers(reference, answer):
    assert difference(reference, answer) == 0


@pytest.mark.parametrize(
    ("reference", "answer"),
    [
        ([1, 0], [1, 1]),
        ([1, 0], [1]),
        ([1], [1.0000001]),
        (["a"], ["b"]),
        ([0.5], ["0.5"]),
        ([0.5], [None]),
        ([0.5], [float("nan")]),
        ([0.5], [float("inf")]),
        ([], [0.5]),
    ],
)
def test_other_answers(reference, answer):
    assert difference(reference, answer) is None


def test_floats_differ_by_a_part_of_their_size():
    assert difference([2.0, -100.0], [2.0, -101.0]) == pytest.approx(1 / 101)
    assert difference([0.0], [1e-300]) == 1


def test_every_cell_has_mlflow_to_compare_with():
    for cell in SHORT + FULL:
        names = [server.name for server in cell.servers()]
        assert names[0] == "mlflow" and "mlrace" in names, cell
    assert {cell.model for cell in FULL} == set(MODELS)
    assert set(SHORT) <= set(FULL)


CELL = Cell("xgboost", 1, "split", 16)


def row(rate, **more):
    run = {"requests": 1000, "seconds": 1, "rate": rate, "p50": 10, "p99": 20 * 1e6 / rate}
    run |= {"user_us": 1.0, "system_us": 2.0}
    return {"runs": [run, run], "difference": 0.0, "rss_mb": 5, **more}


class Store(dict):
    """Results that were not measured."""


def results_of(**rows):
    return Results(Store({CELL.name: rows}))


def test_what_is_not_far_ahead_is_named_first():
    results = results_of(mlflow=row(100), litserve=row(500), mlrace=row(1000))
    text = "\n".join(report.weaknesses(results))
    assert "1 of 1 cells" in text
    assert "| XGBoost | 1 row, split, 16 connections | LitServe | 500 | 1,000 | 2.0 x |" in text
    assert "2.0 x" not in "\n".join(
        report.weaknesses(results_of(mlflow=row(100), mlrace=row(1000)))
    )


def test_a_server_that_is_faster_stands_out():
    text = "\n".join(report.weaknesses(results_of(mlflow=row(2000), mlrace=row(1000))))
    assert "**0.50 x**" in text
    assert "p99 of another server is shorter" in text


def test_wrong_answers_make_a_row_invalid():
    wrong = row(9000, invalid="answers [1] where MLflow answers [2]")
    results = results_of(mlflow=row(100), litserve=wrong, mlrace=row(1000))
    text = "\n".join(report.model_tables(results))
    assert "| LitServe | INVALID |" in text and "answers [1] where MLflow answers [2]" in text
    assert [one.server for _, one, _ in results.compared()] == ["mlflow"]
    broken = results_of(mlflow=row(100), mlrace=wrong)
    assert "INVALID" in "\n".join(report.weaknesses(broken))


def test_promises_are_held_against_the_figures():
    missed = results_of(mlflow=row(100), mlrace=row(29_000))
    (what, sign, bound, value), *_ = targets.measured(missed)
    assert what == "x MLflow, XGBoost, 16 connections" and (sign, bound, value) == (">=", 300, 290)
    assert "**missed**" in "\n".join(report.promises(missed))
    held = results_of(mlflow=row(100), mlrace=row(31_000))
    assert "| 310 | holds |" in "\n".join(report.promises(held))


def test_a_run_goes_on_until_it_has_finished(tmp_path, monkeypatch):
    monkeypatch.setattr("serving.store.ROOT", tmp_path)
    store.Store("short", {"rounds": 1}).put("cell", 1)
    assert store.Store("short", {"rounds": 1}).get("cell") == 1
    assert store.Store("short").get("cell") == 1
    assert store.Store("short", {"rounds": 2}).get("cell") is None
    store.Store("short", {"rounds": 2}).put("finished", True)
    assert store.Store("short").get("finished")
    assert store.Store("short", {"rounds": 2}).get("finished") is None
