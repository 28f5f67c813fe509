"""Pipelines in the pipeline engine against scikit-learn itself.

What the last estimator gets must be the same bits: decision trees tell, since they compare. Answers
of linear models are the same but for the order of sums.
"""

import numpy as np
import pandas as pd
import pytest
from predictor import Predictor, Refused
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import Pipeline, make_pipeline

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def predictor(tmp_path_factory):
    predictor = Predictor(tmp_path_factory.mktemp("models"))
    yield predictor
    predictor.close()


def table(n=200, seed=0):
    """Columns of the types that tables have."""
    generator = np.random.default_rng(seed)
    return pd.DataFrame({
        "age": generator.integers(18, 90, n),
        "income": generator.lognormal(10, 1, n),
        "score": generator.normal(0, 1, n),
        "debt": np.where(generator.random(n) < 0.2, np.nan, generator.exponential(100, n)),
        "member": generator.random(n) < 0.5,
        "small": generator.normal(0, 1, n).astype(np.float32),
        "city": generator.choice(["Rome", "Oslo", "Bern", "Nîmes", ""], n),
        "plan": generator.choice(["free", "pro"], n),
    })


NUMBERS = ["age", "income", "score", "member", "small"]


def target(x):
    return x["score"] * 3 + x["age"] / 10 + (x["plan"] == "pro")


def assert_answers(predictor, model, x, method="predict", stored="skops"):
    """The native answer to all rows, some of them and one is scikit-learn's."""
    predictor.load(model, method, stored)
    for rows in (x, x[3:12], x[:1]):
        want = np.array(getattr(model, method)(rows))
        got = predictor.predict(rows)
        assert got.shape == want.shape
        if want.dtype.kind == "f":
            assert got.dtype == want.dtype
            np.testing.assert_allclose(got, want, rtol=1e-12, atol=1e-12)
        else:
            assert got.tolist() == want.tolist()


STORED = ["skops", "pickle", "cloudpickle"]


@pytest.mark.parametrize("stored", STORED)
def test_columns_by_name_number_mask_slice(predictor, stored):
    x = table()
    selections = [["age", "income"], [1, 2], slice(0, 3), np.arange(8) < 3, slice("age", "score")]
    for selection in selections:
        columns = ColumnTransformer([("some", "passthrough", selection)])
        model = make_pipeline(columns, LinearRegression()).fit(x, target(x))
        assert_answers(predictor, model, x, stored=stored)


def test_columns_in_another_order_and_more(predictor):
    x = table()
    columns = ColumnTransformer([("some", "passthrough", ["score", "age"]), ("none", "drop", ["city"])])
    model = make_pipeline(columns, LinearRegression()).fit(x, target(x))
    assert_answers(predictor, model, x[x.columns[::-1]])
    assert_answers(predictor, model, x[["age", "score"]].assign(other="?"))
    with pytest.raises(Refused, match="missing") as refused:
        predictor.predict(x[["age"]])
    assert refused.value.error_code == "NOT_IMPLEMENTED"  # Python says what MLflow says


def test_the_rest_passes_through(predictor):
    x = table()[NUMBERS]
    columns = ColumnTransformer([("some", "passthrough", ["score"])], remainder="passthrough")
    assert_answers(predictor, Pipeline([("c", columns), ("r", LinearRegression())]).fit(x, x["score"]), x)


def test_arrays(predictor):
    x = table()[NUMBERS].to_numpy(float)
    columns = ColumnTransformer([("some", "passthrough", [4, 0]), ("more", "passthrough", [-3])])
    assert_answers(predictor, make_pipeline(columns, LinearRegression()).fit(x, x[:, 2]), x)
    assert_answers(predictor, make_pipeline("passthrough", None, LinearRegression()).fit(x, x[:, 2]), x)
