"""Pipelines in the pipeline engine against scikit-learn itself.

What the last estimator gets must be the same bits: decision trees tell, since they compare. Answers
of linear models are the same but for the order of sums.
"""

import json

import lightgbm
import numpy as np
import pandas as pd
import pytest
import xgboost
from predictor import Refused
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import (
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, OrdinalEncoder, StandardScaler

pytestmark = pytest.mark.filterwarnings("ignore")


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


# Searches, and what is behind the steps -------------------------------------------------------------


@pytest.mark.parametrize("stored", STORED)
def test_searches(predictor, stored):
    x = table()
    columns = ColumnTransformer([("some", "passthrough", NUMBERS)])
    pipeline = Pipeline([("columns", columns), ("ridge", Ridge())])
    grid = GridSearchCV(pipeline, {"ridge__alpha": [0.1, 10]}, cv=2).fit(x, target(x))
    assert_answers(predictor, grid, x, stored=stored)
    numbers = x[["age", "income"]]
    forest = RandomizedSearchCV(
        RandomForestClassifier(5, random_state=0), {"max_depth": [2, 3]}, n_iter=1, cv=2
    ).fit(numbers, x["city"])
    assert_answers(predictor, forest, numbers, "predict_proba", stored)
    assert_answers(predictor, forest, numbers, "predict", stored)


def test_a_search_without_its_best_estimator(predictor):
    x = table()[["age", "income"]]
    grid = GridSearchCV(Ridge(), {"alpha": [1, 2]}, cv=2, refit=False).fit(x, x["age"])
    with pytest.raises(Refused, match="best_estimator_|is no estimator"):
        predictor.load(grid)


def test_methods_of_the_last_step(predictor):
    x = table()
    columns = ColumnTransformer([("some", "passthrough", NUMBERS)])
    model = make_pipeline(columns, LogisticRegression()).fit(x, x["plan"])
    for method in ("predict", "predict_proba", "predict_log_proba", "decision_function"):
        assert_answers(predictor, model, x, method)
    with pytest.raises(Refused, match="no method"):
        predictor.load(model, "score_samples")


def test_libraries_behind_a_pipeline(predictor):
    x = table()
    columns = ColumnTransformer([("some", "passthrough", ["age", "debt", "score"])])
    for estimator in (
        HistGradientBoostingRegressor(max_iter=5),
        RandomForestRegressor(5),
        xgboost.XGBRegressor(n_estimators=5),
        lightgbm.LGBMRegressor(n_estimators=5, verbose=-1),
    ):
        model = make_pipeline(columns, estimator).fit(x, target(x))
        assert_answers(predictor, model, x, stored="pickle")


def test_a_pipeline_in_a_pipeline(predictor):
    x = table()[["age", "score"]]
    model = make_pipeline("passthrough", make_pipeline(None, Ridge())).fit(x, x["age"])
    assert_answers(predictor, model, x)
    for _ in range(10):
        model = make_pipeline("passthrough", model).fit(x, x["age"])
    with pytest.raises(Refused, match="inside of each other"):
        predictor.load(model)


def test_several_targets(predictor):
    x = table(600)[["age", "score"]]
    y = np.column_stack([x["age"] > 40, x["score"] > 0])
    columns = ColumnTransformer([("all", "passthrough", [0, 1])])
    model = make_pipeline(columns, RandomForestClassifier(3, random_state=0)).fit(x, y)
    for method in ("predict", "predict_proba"):
        assert_answers(predictor, model, x, method)


def test_categories_after_a_step(predictor):
    """They are numbers whatever the signature says of the columns of requests."""
    x = table(400)[["city", "age", "score"]]
    columns = ColumnTransformer([("texts", OrdinalEncoder(), ["city"])], remainder="passthrough")
    boosting = HistGradientBoostingRegressor(max_iter=5, categorical_features=[0])
    model = make_pipeline(columns, boosting).fit(x, x["score"])
    types = {"city": "string", "age": "long", "score": "double"}
    signature = json.dumps([{"type": kind, "name": name} for name, kind in types.items()])
    for options in ({}, {"inputs": signature}):
        predictor.load(model, **options)
        assert predictor.predict(x).tolist() == model.predict(x).tolist()


# What is refused ------------------------------------------------------------------------------------


class Custom(StandardScaler):
    pass


def test_refusals(predictor):
    x = table()[["age", "score"]]
    columns = ColumnTransformer([("all", "passthrough", ["age", "score"])])
    weighted = ColumnTransformer([("all", "passthrough", ["age"])], transformer_weights={"all": 2})
    frames = ColumnTransformer([("all", "passthrough", ["age"])]).set_output(transform="pandas")
    for model, why in (
        (make_pipeline(columns, KNeighborsRegressor()), "KNeighborsRegressor"),
        (make_pipeline(Custom(), Ridge()), "Custom"),
        (make_pipeline(weighted, Ridge()), "transformer_weights"),
        (make_pipeline(frames, Ridge()), "set_output"),
        (make_pipeline(FunctionTransformer(np.sin), Ridge()), "a function|sin"),
    ):
        with pytest.raises(Refused, match=why):
            predictor.load(model.fit(x, x["age"]), stored="cloudpickle")


def test_what_only_python_takes(predictor):
    x = table()
    columns = ColumnTransformer([("some", "passthrough", ["age", "score"])])
    predictor.load(make_pipeline(columns, LinearRegression()).fit(x, target(x)))
    for rows in (
        x.assign(age=x["age"].astype(str)),  # numbers in texts
        x.assign(age=x["age"].astype(object)),
        x.assign(age=pd.Timestamp("2026-01-01")),
        x.assign(age=x["age"].astype("uint64")),
        x.to_numpy(),
        x[:0],
        x.rename(columns={"score": 0}),
    ):
        with pytest.raises(Refused) as refused:
            predictor.predict(rows)
        assert refused.value.error_code == "NOT_IMPLEMENTED"


def test_what_only_python_takes_after_a_step(predictor):
    """What reaches a later step has a dtype that hangs on the request's."""
    integers = np.array([[1, 2], [3, 4], [1, 4], [3, 2]])
    reals = integers + 0.1
    steps = [SimpleImputer(strategy="most_frequent"), OneHotEncoder(handle_unknown="ignore")]
    encoding = make_pipeline(*steps, LinearRegression()).fit(reals, [1, 2, 3, 4])
    floor = [SimpleImputer(strategy="most_frequent"), FunctionTransformer(np.floor)]
    flooring = make_pipeline(*floor, LinearRegression()).fit(reals, [1, 2, 3, 4])
    both = make_pipeline(FeatureUnion([("floor", make_pipeline(*floor))]), LinearRegression())
    behind = make_pipeline(floor[0], ColumnTransformer([("one", floor[1], [1])]), LinearRegression())
    nested = make_pipeline(floor[0], make_pipeline(floor[1], LinearRegression()))
    for model, odd in (
        (encoding, reals.astype(np.float32)),
        (flooring, integers),
        (both.fit(reals, [1, 2, 3, 4]), integers),
        (behind.fit(reals, [1, 2, 3, 4]), integers),
        (nested.fit(reals, [1, 2, 3, 4]), integers),
    ):
        assert_answers(predictor, model, reals, stored="pickle")
        model.predict(odd)
        with pytest.raises(Refused, match="only Python takes this") as refused:
            predictor.predict(odd)
        assert refused.value.error_code == "NOT_IMPLEMENTED"


def test_rows_in_errors_are_those_of_the_request(predictor):
    """However many blocks of rows come before."""
    x = table(600)
    columns = ColumnTransformer([
        ("scaled", StandardScaler(), ["age"]),
        ("plan", OneHotEncoder(), ["plan"]),
    ])
    model = make_pipeline(columns, LinearRegression()).fit(x, x["age"])
    predictor.load(model)
    for row in (5, 513):
        for column, odd in (("age", np.inf), ("plan", "?")):
            rows = x.astype({"age": float})
            rows.loc[row, column] = odd
            with pytest.raises(Refused, match=f"\"{column}\", row {row}:") as refused:
                predictor.predict(rows)
            assert refused.value.error_code == "BAD_REQUEST"
