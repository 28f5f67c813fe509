"""OneHotEncoder, OrdinalEncoder and TargetEncoder in the pipeline engine against scikit-learn.

The last estimator is a linear model whose coefficients are the unit matrix, so that it answers with
what the encoder gives.
"""

import numpy as np
import pandas as pd
import pytest
from predictor import Refused
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, TargetEncoder
from sklearn.tree import DecisionTreeRegressor

pytestmark = pytest.mark.filterwarnings("ignore")

STORED = ["skops", "pickle", "cloudpickle"]


def mirror(n):
    """A model that answers with its n features."""
    model = LinearRegression()
    model.coef_, model.intercept_ = np.eye(n), np.zeros(n)
    model.n_features_in_, model.rank_, model.singular_ = n, n, np.ones(n)
    return model


def model_of(encoder, x):
    """A pipeline that answers with what the fitted encoder makes of such an x."""
    return make_pipeline(encoder, mirror(encoder.transform(x).shape[1]))


def answer(predictor, x):
    """What C answers, or the code of its error."""
    try:
        return predictor.predict(x)
    except Refused as refused:
        return refused.error_code


def assert_same(predictor, model, x):
    got = answer(predictor, x)
    try:
        want = np.array(model.predict(x))
    except ValueError:
        assert isinstance(got, str) and got == "BAD_REQUEST", f"scikit-learn raises: {got}"
        return
    assert not isinstance(got, str), f"{got}: scikit-learn answers {want}"
    assert got.dtype == want.dtype
    assert got.tolist() == want.tolist()


def assert_answers(predictor, model, x, stored="skops"):
    """To all rows and to one."""
    predictor.load(model, "predict", stored)
    assert_same(predictor, model, x)
    assert_same(predictor, model, x[:1])


CITIES = ["Rome", "Oslo", "Bern", "Nîmes", "", "São Paulo", "東京", "a" * 300, "nan", "None", "0"]


def table(n=300, seed=0, missing=0.0):
    generator = np.random.default_rng(seed)
    x = pd.DataFrame({
        "city": generator.choice(CITIES, n),
        "word": generator.choice([f"word {i}" for i in range(60)], n),
        "size": generator.choice([-3, 0, 1, 2, 2**40], n),
        "score": generator.choice([-0.5, 0.0, 1.0, 1e300, 5e-324, 0.1], n),
        "small": generator.choice([-0.0, 1.5, 0.1, 2.0], n).astype(np.float32),
        "member": generator.random(n) < 0.5,
    })
    for name in ("score", "small"):
        x[name] = x[name].mask(generator.random(n) < missing)
    return x


def unknown_rows(x, seed=1):
    """Some cells are of no category."""
    generator = np.random.default_rng(seed)
    x = x.copy()
    others = {"city": "Rom", "word": "word 60", "size": 3, "score": 0.25, "small": np.float32(7)}
    for name, value in others.items():
        x.loc[generator.random(len(x)) < 0.2, name] = value
    return x


# OneHotEncoder


@pytest.mark.parametrize("stored", STORED)
@pytest.mark.parametrize("sparse", [False, True])
def test_onehot(predictor, sparse, stored):
    x = table()
    encoder = OneHotEncoder(sparse_output=sparse).fit(x)
    assert_answers(predictor, model_of(encoder, x), x, stored)
    with pytest.raises(Refused, match='column "city", row 0: .* its 11 cat.*, received "Rom"') as refused:
        predictor.predict(x[:1].assign(city="Rom"))
    assert refused.value.error_code == "BAD_REQUEST"
    with pytest.raises(Refused, match='column "size", row 1: .*, received 7'):
        predictor.predict(x[:2].assign(size=[0, 7]))


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int8, np.uint16, np.int32, np.int64,
                                   "float32", float, int])
@pytest.mark.parametrize("sparse", [False, True])
def test_onehot_dtypes(predictor, sparse, dtype):
    x = table()
    encoder = OneHotEncoder(dtype=dtype, sparse_output=sparse).fit(x)
    assert_answers(predictor, model_of(encoder, x), x)


DROPS = [None, "first", "if_binary", ["Oslo", "word 9", 1, 0.1, np.float32(1.5), True]]
UNKNOWN = ["error", "ignore", "infrequent_if_exist", "warn"]
INFREQUENT = [{}, {"min_frequency": 0.18}, {"max_categories": 3}, {"max_categories": 1},
              {"min_frequency": 8, "max_categories": 20}]


@pytest.mark.parametrize("infrequent", INFREQUENT)
@pytest.mark.parametrize("unknown", UNKNOWN)
@pytest.mark.parametrize("drop", DROPS, ids=["none", "first", "if_binary", "array"])
def test_onehot_parameters(predictor, drop, unknown, infrequent):
    x = table(missing=0.1)
    # What is dropped by name must be frequent.
    x = pd.concat([x, pd.DataFrame([DROPS[3]] * 200, columns=x.columns).astype(x.dtypes)])
    encoder = OneHotEncoder(drop=drop, handle_unknown=unknown, sparse_output=bool(infrequent), **infrequent)
    try:
        encoder.fit(x)
    except (ValueError, AttributeError):
        assert infrequent and drop == DROPS[3]
        return
    if encoder.transform(x).shape[1] == 0:
        with pytest.raises(Refused, match="gives no columns"):
            predictor.load(make_pipeline(encoder, mirror(1)))
        return
    assert_answers(predictor, model_of(encoder, x), unknown_rows(x)[:40])


def test_onehot_in_columns(predictor):
    x = table(missing=0.1)
    columns = ColumnTransformer(
        [("texts", OneHotEncoder(handle_unknown="ignore"), ["word", "city"]),
         ("codes", OrdinalEncoder(encoded_missing_value=-7), ["score", "member"]),
         ("rest", "passthrough", ["size"])], sparse_threshold=0.9)
    columns.fit(x)
    model = model_of(columns, x)
    assert_answers(predictor, model, x)
    rows = unknown_rows(x).assign(score=x["score"])
    assert_answers(predictor, model, rows[rows.columns[::-1]])


def test_onehot_then_encoder(predictor):
    """A second encoder gets an array of numbers."""
    x = table()
    first = OrdinalEncoder(dtype=np.int32, handle_unknown="use_encoded_value", unknown_value=-1).fit(x)
    second = OneHotEncoder(handle_unknown="ignore").fit(first.transform(x))
    model = make_pipeline(first, second, mirror(second.transform(first.transform(x)).shape[1]))
    assert_answers(predictor, model, unknown_rows(x))
    third = TargetEncoder().fit(first.transform(x), x["size"])
    model = make_pipeline(first, third, mirror(6))
    assert_answers(predictor, model, unknown_rows(x))


# OrdinalEncoder


@pytest.mark.parametrize("stored", STORED)
def test_ordinal(predictor, stored):
    x = table()
    encoder = OrdinalEncoder().fit(x)
    assert_answers(predictor, model_of(encoder, x), x, stored)
    with pytest.raises(Refused, match='column "word", row 2: OrdinalEncoder expects one of its 60'):
        predictor.predict(x[:3].assign(word=["word 3", "word 4", ""]))


@pytest.mark.parametrize("infrequent", INFREQUENT)
@pytest.mark.parametrize("unknown", [{}, {"handle_unknown": "use_encoded_value", "unknown_value": -2},
                                     {"handle_unknown": "use_encoded_value", "unknown_value": 99}])
@pytest.mark.parametrize("dtype", [np.float32, np.int8])
def test_ordinal_parameters(predictor, dtype, unknown, infrequent):
    x = table(missing=0.1)
    encoder = OrdinalEncoder(dtype=dtype, encoded_missing_value=-100, **unknown, **infrequent).fit(x)
    model = model_of(encoder, x)
    assert_answers(predictor, model, x[:40])
    assert_answers(predictor, model, unknown_rows(x)[:40])


@pytest.mark.parametrize("dtype", [np.float64, np.int16, np.uint32, np.int64, "float32", float, int])
def test_ordinal_dtypes(predictor, dtype):
    x = table()
    encoder = OrdinalEncoder(dtype=dtype).fit(x)
    assert_answers(predictor, model_of(encoder, x), x)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_ordinal_gives_nan(predictor, dtype):
    x = table(missing=0.2)
    for options in ({}, {"handle_unknown": "use_encoded_value", "unknown_value": np.nan}):
        encoder = OrdinalEncoder(dtype=dtype, **options)
        model = make_pipeline(encoder, DecisionTreeRegressor()).fit(x, np.arange(len(x)))
        assert_answers(predictor, model, x)
        assert_answers(predictor, model, unknown_rows(x) if options else x)


@pytest.mark.parametrize("options", [
    {"dtype": np.uint8, "encoded_missing_value": 256},
    {"dtype": np.int8, "encoded_missing_value": -129},
    {"dtype": np.int16, "encoded_missing_value": 5.5},
    {"dtype": np.uint32, "encoded_missing_value": 3, "handle_unknown": "use_encoded_value",
     "unknown_value": -1},
    {"dtype": np.float64, "encoded_missing_value": 2**53 + 1},
])
def test_ordinal_codes_that_the_dtype_lacks(predictor, options):
    encoder = OrdinalEncoder(**options).fit(pd.DataFrame({"a": [1.0, np.nan]}))
    with pytest.raises(Refused, match="with the code"):
        predictor.load(make_pipeline(encoder, mirror(1)))


# TargetEncoder


@pytest.mark.parametrize("stored", STORED)
@pytest.mark.parametrize("target", ["continuous", "float32", "binary", "multiclass"])
def test_target(predictor, target, stored):
    x = table(missing=0.1)
    generator = np.random.default_rng(0)
    y = {
        "continuous": generator.normal(size=len(x)),
        "float32": generator.normal(size=len(x)).astype(np.float32),
        "binary": generator.random(len(x)) < 0.4,
        "multiclass": generator.choice(["a", "b", "c"], len(x)),
    }[target]
    encoder = TargetEncoder().fit(x, y)
    model = model_of(encoder, x)
    assert_answers(predictor, model, x, stored)
    assert_answers(predictor, model, unknown_rows(x), stored)


# Categories of one dtype, columns of another


def text(values, is_csv=False):
    x = pd.DataFrame({"x": pd.Series(values, dtype=object if is_csv else "str")})
    x.attrs["is_csv"] = is_csv
    return x


def column(values, dtype):
    return pd.DataFrame({"x": pd.Series(values, dtype=dtype)})


FITTED = {
    "texts": text(["b", "a", "1", "True", "b"]),
    "texts, NaN": text(["b", "a", np.nan, "nan", "b"], is_csv=True),
    "texts, None": text(["b", "a", None, "None", "b"], is_csv=True),
    "texts, None, NaN": text(["b", None, np.nan, "b", "a"], is_csv=True),
    "NaN": text([np.nan, np.nan], is_csv=True),
    "None": text([None, None], is_csv=True),
    "numpy texts": np.array([["b"], ["long text"], ["1"]]),
    "booleans": column([True, False, True], bool),
    "True": column([True, True], bool),
    "objects: booleans, NaN": column([True, False, np.nan], object),
    "objects: True, None": column([True, True, None], object),
    "objects: numbers": column([0, 1, 2.5], object),
    "objects: numbers above 1": column([2, 3.5], object),
    "int64": column([0, 1, 7, -2], np.int64),
    "int64, not 0 and 1": column([5, 7], np.int64),
    "int64, large": column([-2**62, 2**53, 2**53 + 1, 2**62], np.int64),
    "int32": column([0, 1, 7, -2], np.int32),
    "uint8": column([0, 1, 200], np.uint8),
    "float64": column([0.0, 1.0, 7.0], float),
    "float64, NaN": column([0.0, 1.0, np.nan], float),
    "float64, only NaN": column([np.nan, np.nan], float),
    "float64, fractions": column([-0.25, 0.1, 1.0], float),
    "float64, large": column([2.0**53, 2.0**60, 1e300], float),
    "float32": column([0.1, 1.0, 2.5, np.nan], np.float32),
}

COLUMNS = {
    "texts": text(["a", "b", "c", "", "1", "0", "True", "nan", "None", "long", "long text"]),
    "texts, missing": text(["a", np.nan, "c"]),
    "texts, csv": text(["b", "a", "zzz"], is_csv=True),
    "texts, csv, missing": text(["b", np.nan, "zzz", np.nan], is_csv=True),
    "known texts": text(["b", "1"]),
    "booleans": column([True, False], bool),
    "True": column([True], bool),
    "int64": column([0, 1, 7, 2, -2, 200], np.int64),
    "int64, large": column([2**53, 2**60, -2**62], np.int64),
    "int64, larger": column([2**53 + 1], np.int64),
    "int64, known": column([0, 1], np.int64),
    "int32": column([0, 1, 7, 2, -2], np.int32),
    "int16": column([0, 1, 7, 2, -2], np.int16),
    "int8": column([0, 1, 7, 2, -2], np.int8),
    "uint8": column([0, 1, 7, 200], np.uint8),
    "uint32": column([0, 1, 7, 2**32 - 1], np.uint32),
    "float64": column([0.0, 1.0, 0.1, -0.25, 7.0, 2.5, 5e-324], float),
    "float64, -0.0": column([-0.0], float),
    "float64, NaN": column([0.0, np.nan, 0.3], float),
    "float64, large": column([2.0**53, 2.0**62, 1e300, 1e308], float),
    "float64, infinite": column([0.0, np.inf], float),
    "float64, known": column([1.0, 0.0], float),
    "float32": column([0.0, 1.0, 0.1, -0.25, 7.0, np.nan], np.float32),
}

INTEGERS = ["int64", "int64, large", "int64, larger", "int64, known", "int32", "int16", "int8",
            "uint8", "uint32"]
NARROW = ["int16", "int8", "uint8", "uint32", "float32"]

# What Python is left to answer, though scikit-learn does not raise. The last ones: TargetEncoder
# alone, since what unknown values are replaced by is no category there.
LEFT = {
    "texts, NaN": ["texts, missing"],
    "texts, None": ["texts, missing"],
    "texts, None, NaN": ["texts, missing"],
    "NaN": ["texts, missing"],
    "None": ["texts, missing"],
    "numpy texts": ["booleans", "True"],
    "objects: booleans, NaN": ["texts, missing"],
    "objects: True, None": ["texts, missing"],
    "int64, large": ["float32"],
    "float64, NaN": ["texts, missing"],
    "float64, only NaN": ["texts, missing"],
    "float64, fractions": ["booleans", "True", *NARROW],
    "float64, large": NARROW,
    "float32": ["texts, missing"],
}
LEFT_OF_TARGETS = {
    "int64, large": ["int32", *NARROW],
    "float64, only NaN": INTEGERS,
    "float64, fractions": INTEGERS,
    "float64, large": ["int32", *NARROW],
    "float32": INTEGERS,
}


def assert_pairs(predictor, encoder, fitted):
    predictor.load(model_of(encoder, FITTED[fitted]))
    left = list(LEFT.get(fitted, []))
    if isinstance(encoder, TargetEncoder):
        left += LEFT_OF_TARGETS.get(fitted, [])
    for name, x in COLUMNS.items():
        got = answer(predictor, x)
        place = f"{encoder} fitted to {fitted}, {name}: {got}"
        try:
            want = encoder.transform(x)
        except (ValueError, TypeError, IndexError):
            assert isinstance(got, str), place
            continue
        if name in left:
            assert isinstance(got, str) and got == "NOT_IMPLEMENTED", place
        else:
            assert not isinstance(got, str), place
            assert got.tolist() == (want if isinstance(want, np.ndarray) else want.toarray()).tolist(), place


@pytest.mark.parametrize("fitted", FITTED)
def test_pairs_of_dtypes(predictor, fitted):
    x = FITTED[fitted]
    y = np.arange(len(x)) * 0.5
    assert_pairs(predictor, OneHotEncoder(handle_unknown="ignore").fit(x), fitted)
    assert_pairs(predictor, OrdinalEncoder(encoded_missing_value=-5).fit(x), fitted)
    assert_pairs(predictor, TargetEncoder(target_type="continuous").fit(x, y), fitted)
    encoder = OneHotEncoder(handle_unknown="infrequent_if_exist", max_categories=2).fit(x)
    assert_pairs(predictor, encoder, fitted)


@pytest.mark.parametrize("fitted", FITTED)
def test_arrays(predictor, fitted):
    """The columns as arrays, of numbers; infinities raise in all of them."""
    encoder = OneHotEncoder(handle_unknown="ignore").fit(FITTED[fitted])
    predictor.load(model_of(encoder, FITTED[fitted]))
    for name, x in COLUMNS.items():
        if name in LEFT.get(fitted, []) or x.x.dtype.kind not in "biuf":
            continue
        got = answer(predictor, x.to_numpy())
        try:
            want = encoder.transform(x.to_numpy()).toarray().tolist()
        except (ValueError, TypeError):
            assert isinstance(got, str), name
        else:
            assert got.tolist() == want, (name, got)


def test_missing_texts_in_blocks_of_rows(predictor):
    """More rows than are transformed at once, and some of those blocks lack no text."""
    generator = np.random.default_rng(0)
    cities = generator.choice(np.array(CITIES, dtype=object), 900)
    cities[600:][generator.random(300) < 0.3] = np.nan
    cities[3] = np.nan
    x = text(cities, is_csv=True)
    for encoder in (OneHotEncoder(), OrdinalEncoder(encoded_missing_value=-1)):
        assert_answers(predictor, model_of(encoder.fit(x), x), x)
    encoder = OneHotEncoder(handle_unknown="ignore").fit(text(CITIES[:-2]))
    predictor.load(model_of(encoder, x))
    for is_csv in (False, True):
        got = predictor.predict(text(cities, is_csv))
        assert got.tolist() == encoder.transform(x).toarray().tolist()


def test_integers_beyond_doubles(predictor):
    """Floating-point categories are compared to the double that an integer is."""
    x = column([2.0**53, 2.0**60], float)
    encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1).fit(x)
    predictor.load(model_of(encoder, x))
    for value in (2**53, 2**53 + 1, 2**53 + 2, 2**60 + 64, 2**60 + 65, 2**60 - 64):
        rows = column([value], np.int64)
        assert predictor.predict(rows).tolist() == encoder.transform(rows).tolist()
    x = column([2**53, 2**53 + 1, 2**60, 2**60 + 1], np.int64)
    encoder.fit(x)
    predictor.load(model_of(encoder, x))
    for rows in (x, x.astype(float), x + 1, x.astype(float) * 2):
        assert predictor.predict(rows).tolist() == encoder.transform(rows).tolist()


# X that is refused, and models


def test_columns(predictor):
    x = table()
    model = model_of(OneHotEncoder().fit(x), x)
    predictor.load(model)
    for rows in (x.rename(columns={"city": "town"}), x[["city", "word"]], x.assign(more=1)):
        assert_same(predictor, model, rows)
    for rows in (x[x.columns[::-1]], x.assign(city=pd.Timestamp(0)), x.assign(city=b"Rome"), x.assign(size=[1, "2"] * 150)):
        assert answer(predictor, rows) == "NOT_IMPLEMENTED"
    assert answer(predictor, np.zeros((2, 6))) == "NOT_IMPLEMENTED"
    assert answer(predictor, np.array([["a"] * 6])) == "NOT_IMPLEMENTED"


def test_names_are_not_asked_of_arrays(predictor):
    x = table()[["size", "score"]]
    model = model_of(OneHotEncoder().fit(x), x)
    predictor.load(model)
    assert_same(predictor, model, x.to_numpy())
    for rows in (np.zeros(2), np.zeros((2, 3)), np.zeros((1, 2, 1))):
        assert answer(predictor, rows) == "BAD_REQUEST"


def refusal(predictor, encoder):
    with pytest.raises(Refused) as refused:
        predictor.load(make_pipeline(encoder, mirror(2)))
    return str(refused.value)


def fitted(encoder, values, **attributes):
    encoder.fit(values)
    vars(encoder).update(attributes)
    return encoder


def test_refused_models(predictor):
    x = column([1, 2], np.int64)
    for dtype in (bool, np.float16, np.uint64, np.complex128, object, str):
        assert "with the dtype" in refusal(predictor, OneHotEncoder(dtype=dtype).fit(x))
    assert "set_output" in refusal(
        predictor, OneHotEncoder(sparse_output=False).set_output(transform="pandas").fit(x))
    times = OneHotEncoder().fit(column(["2020-01-01", "2021-01-01"], "datetime64[ns]"))
    assert "with categories" in refusal(predictor, times)
    assert "with categories" in refusal(predictor, OneHotEncoder().fit(column([1, 2], np.uint64)))
    assert "with categories" in refusal(predictor, OneHotEncoder().fit(np.array([[b"a"], [b"b"]])))
    texts = OneHotEncoder().fit(column([b"a", b"b"], object))
    assert "with a category of type bytes" in refusal(predictor, texts)


@pytest.mark.parametrize("attributes", [
    {"categories_": [np.array([2, 1])]},
    {"categories_": [np.array([1, 1])]},
    {"categories_": [np.array([np.nan, 1.0])]},
    {"categories_": [np.array([1.0, np.inf])]},
    {"categories_": [np.array(["a", "a"], dtype=object)]},
    {"categories_": [np.array([np.nan, "a"], dtype=object)]},
    {"categories_": [np.array([True, 1], dtype=object)]},
    {"categories_": [np.array([[1, 2]])]},
    {"categories_": [np.array([], dtype=int)]},
    {"categories_": [[1, 2]]},
    {"categories_": []},
    {"categories_": [np.array([1, 2, 3])]},
    {"n_features_in_": 2},
    {"_n_features_outs": [1]},
    {"_n_features_outs": []},
    {"_drop_idx_after_grouping": np.array([2], dtype=object)},
    {"_drop_idx_after_grouping": np.array([-1], dtype=object)},
    {"_drop_idx_after_grouping": np.array([], dtype=object)},
    {"_drop_idx_after_grouping": 0},
    {"_infrequent_enabled": True},
    {"_infrequent_enabled": True, "_infrequent_indices": [None], "_default_to_infrequent_mappings": []},
    {"_infrequent_enabled": True, "_infrequent_indices": [np.array([1])],
     "_default_to_infrequent_mappings": [None]},
    {"_infrequent_enabled": True, "_infrequent_indices": [np.array([2])],
     "_default_to_infrequent_mappings": [np.array([0, 1])]},
    {"_infrequent_enabled": True, "_infrequent_indices": [np.array([1])],
     "_default_to_infrequent_mappings": [np.array([0, 2])]},
    {"_infrequent_enabled": True, "_infrequent_indices": [np.array([0, 1, 1])],
     "_default_to_infrequent_mappings": [np.array([0, 0])]},
    {"handle_unknown": "use_encoded_value"},
    {"sparse_output": "yes"},
    {"other": 1},
])
def test_malformed_onehot(predictor, attributes):
    encoder = fitted(OneHotEncoder(), column([1, 2], np.int64), **attributes)
    assert "OneHotEncoder" in refusal(predictor, encoder)


@pytest.mark.parametrize("attributes", [
    {"_missing_indices": {}},
    {"_missing_indices": {0: 1}},
    {"_missing_indices": {1: 2}},
    {"_missing_indices": {0: 2, 1: 2}},
    {"_missing_indices": {"0": 2}},
    {"_missing_indices": None},
    {"encoded_missing_value": None},
    {"encoded_missing_value": "a"},
    {"handle_unknown": "use_encoded_value", "unknown_value": None},
    {"handle_unknown": "ignore"},
])
def test_malformed_ordinal(predictor, attributes):
    encoder = fitted(OrdinalEncoder(), column([1, 2, np.nan], float), **attributes)
    assert "OrdinalEncoder" in refusal(predictor, encoder)


@pytest.mark.parametrize("attributes", [
    {"encodings_": [np.zeros(3)]},
    {"encodings_": [np.zeros(2, dtype=np.float32)]},
    {"encodings_": [np.zeros(2), np.zeros(2)]},
    {"target_mean_": np.zeros(2)},
    {"target_type_": "multiclass"},
    {"target_type_": "other"},
    {"_infrequent_enabled": True},
])
def test_malformed_target(predictor, attributes):
    encoder = TargetEncoder().fit(column([1, 2], np.int64), [0.5, 1.5])
    vars(encoder).update(attributes)
    assert "TargetEncoder" in refusal(predictor, encoder)


def test_an_encoder_of_what_has_the_dtype_of_the_request(predictor):
    """An imputer keeps integers, which the encoder behind it was not fitted to: Python answers."""
    x, y = pd.DataFrame({"c": [0.5, 1.0, 2.0, np.nan] * 20}), np.arange(80) + 0.5
    steps = [SimpleImputer(strategy="most_frequent"), TargetEncoder(random_state=0)]
    model = make_pipeline(*steps, LinearRegression()).fit(x, y)
    predictor.load(model)
    np.testing.assert_allclose(predictor.predict(x), model.predict(x), rtol=1e-12, atol=1e-12)
    with pytest.raises(Refused) as refused:
        predictor.predict(pd.DataFrame({"c": [1, 2]}))
    assert refused.value.error_code == "NOT_IMPLEMENTED"
