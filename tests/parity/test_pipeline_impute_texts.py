"""SimpleImputer of texts, before an encoder, in the pipeline engine against scikit-learn itself."""

import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from predictor import Refused
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline, make_pipeline, make_union
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder
from test_pipeline import STORED
from test_pipeline_impute import assert_bits, assert_left_to_python, assert_raises_too, bits, chain

pytestmark = pytest.mark.filterwarnings("ignore")

TEXTS = ["Rome", "Oslo", "", "Nîmes", "a\0b", "missing_value", "nan", "None", " Rome"]


@pytest.fixture
def pandas_3(tmp_path):
    """The folder of a model that asks for it."""
    (tmp_path / "requirements.txt").write_text("mlflow==3.9.0\npandas==3.0.1\n")
    return str(tmp_path)


def of_csv(x):
    x = x.astype(object)
    x.attrs["is_csv"] = True
    return x


def texts(n=300, seed=0, rate=0.2):
    generator = np.random.default_rng(seed)
    x = pd.DataFrame({
        name: pd.Series(generator.choice(TEXTS, n), dtype="str").mask(generator.random(n) < rate)
        for name in ("city", "home", "plan")
    })
    assert not rate or x.isna().any().all()
    return x


ENCODERS = [
    OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1),
    OneHotEncoder(handle_unknown="ignore", sparse_output=False),
]


@pytest.mark.parametrize("stored", STORED)
def test_strategies(predictor, stored, pandas_3):
    x, more = texts(), texts(seed=1)
    more.loc[5, "home"] = "unknown"
    for encoder, fill in itertools.product(ENCODERS, (None, "Oslo", "new", "")):
        strategy = "most_frequent" if fill is None else "constant"
        model = make_pipeline(SimpleImputer(strategy=strategy, fill_value=fill), encoder)
        for fitted in (x, of_csv(x)):
            model.fit(fitted)
            whole = chain(model, fitted)
            assert_bits(predictor, whole, of_csv(more), stored)
            predictor.load(whole, stored=stored, folder=pandas_3)
            for rows in (more, more[:1], of_csv(more)):
                assert bits(predictor.predict(rows)) == bits(whole.predict(rows))


def test_without_a_fill_value(predictor):
    x = of_csv(texts())
    model = make_pipeline(SimpleImputer(strategy="constant"), OrdinalEncoder()).fit(x)
    assert_bits(predictor, chain(model, x), x)


def test_versions_of_pandas(predictor, tmp_path):
    x = texts()
    model = make_pipeline(SimpleImputer(strategy="most_frequent"), ENCODERS[0]).fit(x)
    model = chain(model, x)
    for requirement, is_taken in {"pandas==2.3.1": 0, "pandas>=3": 1, "numpy": 0}.items():
        (tmp_path / "requirements.txt").write_text(requirement)
        predictor.load(model, folder=str(tmp_path))
        assert bits(predictor.predict(of_csv(x))) == bits(model.predict(of_csv(x)))
        present = texts(rate=0)
        assert bits(predictor.predict(present)) == bits(model.predict(present))
        if is_taken:
            assert bits(predictor.predict(x)) == bits(model.predict(x))
        else:
            assert_left_to_python(predictor, x, "None or NaN")


def test_texts_that_count_as_missing(predictor):
    x = of_csv(texts(rate=0))
    for missing in ("", "nan", "a\0b", "nowhere"):
        imputer = SimpleImputer(missing_values=missing, strategy="most_frequent")
        model = chain(make_pipeline(imputer, ENCODERS[0]).fit(x), x)
        assert_bits(predictor, model, x)
        assert_raises_too(predictor, model, of_csv(texts()), "received a missing value")


def test_columns_without_any_text(predictor):
    x = of_csv(texts())
    x["home"] = pd.Series([np.nan] * len(x), dtype=object)
    for strategy, keeps in (("most_frequent", False), ("constant", False), ("constant", True)):
        imputer = SimpleImputer(strategy=strategy, keep_empty_features=keeps)
        model = make_pipeline(imputer, ENCODERS[0]).fit(x)
        assert model[0].transform(x).shape[1] == 2 + keeps
        assert_bits(predictor, chain(model, x), x)
        assert_bits(predictor, chain(model, x), of_csv(texts(seed=2)))


def test_beside_numbers(predictor, pandas_3):
    n = np.arange(300)
    x = texts().assign(n=np.where(n % 3, n, np.nan), flag=n % 2 == 0)
    onehot = OneHotEncoder(handle_unknown="ignore")
    columns = ColumnTransformer([
        ("texts", make_pipeline(SimpleImputer(strategy="most_frequent"), onehot), ["city", "plan"]),
        ("numbers", make_pipeline(SimpleImputer(add_indicator=True)), ["n"]),
        ("flags", make_pipeline(SimpleImputer(strategy="mean")), ["flag"]),
    ]).fit(x)
    model = chain(make_union(columns).fit(x), x)
    predictor.load(model, folder=pandas_3)
    for rows in (x, x[::-1], x[:1], x[["n", "plan", "flag", "city"]]):
        np.testing.assert_array_equal(predictor.predict(rows), model.predict(rows))
    assert_left_to_python(predictor, x.assign(city=1.5))
    assert_left_to_python(predictor, x.assign(city=pd.Series([None] * 300, dtype=object)))


def test_names(predictor):
    x = of_csv(texts())
    model = chain(make_pipeline(SimpleImputer(strategy="most_frequent"), ENCODERS[0]).fit(x), x)
    predictor.load(model)
    assert_raises_too(predictor, model, of_csv(x[["plan", "home", "city"]]), "fitted with")
    assert_raises_too(predictor, model, of_csv(x[["city", "home"]]), "features|fitted")


def test_refused(predictor):
    x = of_csv(texts())
    imputer = SimpleImputer(strategy="most_frequent").fit(x)
    columns = ColumnTransformer([("texts", imputer, ["city", "home", "plan"])]).fit(x)
    for step, match in ((columns, "give texts"), (make_union(imputer).fit(x), "give texts")):
        with pytest.raises(Refused, match=match):
            predictor.load(chain(make_pipeline(step, ENCODERS[0]).fit(x), x))
    mixed = x.assign(n=1.5)
    model = make_pipeline(SimpleImputer(strategy="most_frequent"), ENCODERS[0]).fit(mixed)
    with pytest.raises(Refused, match="statistics_.3. is none of its dtype"):
        predictor.load(Pipeline([("step", model), ("seen", chain(model, mixed)[-1])]))


CELLS = st.none() | st.sampled_from(TEXTS) | st.text(st.characters(codec="utf-8"), max_size=5)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=20))
def test_any_texts(predictor, rows):
    x = of_csv(pd.DataFrame(rows, columns=["a", "b"], dtype=object).fillna(np.nan))
    imputer = SimpleImputer(strategy="constant", fill_value="x", keep_empty_features=True)
    model = make_pipeline(imputer, ENCODERS[0])
    assert_bits(predictor, chain(model.fit(x), x), x)
