"""FeatureUnion in the pipeline engine against scikit-learn itself."""

import numpy as np
import pandas as pd
import pytest
from predictor import Refused
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.feature_selection import VarianceThreshold
from sklearn.impute import MissingIndicator, SimpleImputer
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline, make_union
from sklearn.tree import DecisionTreeRegressor
from test_pipeline import STORED
from test_pipeline_impute import assert_bits, assert_left_to_python, assert_raises_too
from test_pipeline_impute import chain, frame, numbers, seen

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.mark.parametrize("stored", STORED)
def test_side_by_side(predictor, stored):
    narrow = numbers(dtype=np.float32)
    for x in (numbers(), frame(numbers()), narrow, frame(narrow)):
        union = FeatureUnion([
            ("median", SimpleImputer(strategy="median")),
            ("none", "drop"),
            ("two", make_pipeline(SimpleImputer(), SimpleImputer(strategy="constant"))),
            ("mask", MissingIndicator(error_on_new=False)),
            ("inner", make_union(SimpleImputer(strategy="most_frequent"))),
        ])
        assert_bits(predictor, chain(union.fit(x), x, np.float32), x, stored)


def test_passthrough(predictor):
    generator = np.random.default_rng(0)
    x = pd.DataFrame({
        "a": generator.integers(-9, 9, 300).astype(np.int16),
        "b": generator.integers(0, 9, 300).astype(np.uint8),
        "c": generator.random(300) < 0.5,
        "d": generator.normal(0, 1, 300).astype(np.float32),
        "e": generator.normal(0, 1, 300),
    })
    for names in (["a", "b"], ["b"], ["a", "d"], ["d"], ["a", "c"], ["c"], list(x.columns)):
        part = x[names]
        for order in ("passthrough", SimpleImputer()), (SimpleImputer(), "passthrough"):
            model = chain(make_union(*order).fit(part), part, np.float32)
            assert_bits(predictor, model, part)
            assert_bits(predictor, model, part.to_numpy(np.float32))
    assert_left_to_python(predictor, part.assign(e="text"))
    assert_raises_too(predictor, model, part[["a", "b"]])
    assert_raises_too(predictor, model, part.to_numpy(float)[:, :2])


def test_integers_that_share_no_16_bits_beside_float32(predictor):
    """Each of them fits float32, which numpy.result_type makes of all, in whatever order."""
    x = pd.DataFrame({
        "signed": np.array([-3, 7, 5], dtype=np.int16),
        "unsigned": np.array([3, 70, 0], dtype=np.uint16),
        "real": np.array([0.1, -0.5, 3], dtype=np.float32),
    })
    for step in (
        make_union("passthrough", SimpleImputer(strategy="most_frequent")),
        ColumnTransformer([("all", "passthrough", list(x.columns))]),
        VarianceThreshold(),
        SimpleImputer(strategy="most_frequent"),
    ):
        for names in (list(x.columns), ["real", "unsigned", "signed"]):
            model = chain(clone(step).fit(x[names]), x[names], np.float32)
            assert model.predict(x[names]).dtype == np.float32
            assert_bits(predictor, model, x[names])


def test_columns_of_it(predictor):
    x = frame(numbers())
    both = make_union(SimpleImputer(), MissingIndicator())
    columns = ColumnTransformer([("both", both, ["c1", "c3"])])
    after = make_union("passthrough", SimpleImputer(strategy="constant"))
    model = make_pipeline(columns, after, DecisionTreeRegressor(random_state=0)).fit(x, x["c5"])
    assert_bits(predictor, model, x)
    beside = make_union(columns, SimpleImputer()).fit(x)
    assert_bits(predictor, chain(beside, x), x)
    assert_left_to_python(predictor, x[["c1", "c2"]], "missing")


def test_refused(predictor):
    x = numbers()
    texts = pd.DataFrame({"c": ["a", "b", np.nan]}, dtype=object)
    refused = {
        "transformer_weights": FeatureUnion([("a", SimpleImputer())], transformer_weights={"a": 2}),
        "with set_output": make_union(SimpleImputer()).set_output(transform="pandas"),
        "passes such an X through": make_union("passthrough"),
        "gives 0 columns": FeatureUnion([("a", "drop")]),
        "for .*LinearRegression in a FeatureUnion": FeatureUnion([("a", seen(6))]),
        "is not fitted": FeatureUnion([("a", "passthrough"), ("b", SimpleImputer().fit(x))]),
        "may change the X that others get": FeatureUnion([
            ("a", make_pipeline(SimpleImputer(copy=False))), ("b", SimpleImputer())]),
    }
    for match, union in refused.items():
        with pytest.raises(Refused, match=match):
            if "fitted" not in match and "Linear" not in match:
                union.fit(x)
            predictor.load(Pipeline([("step", union), ("seen", seen(6))]), stored="pickle")
    union = make_union(SimpleImputer(strategy="most_frequent")).fit(texts)
    with pytest.raises(Refused, match="give texts"):
        predictor.load(Pipeline([("step", union), ("seen", LinearRegression())]), stored="pickle")
