"""Vectorizers of texts in the pipeline engine against scikit-learn itself.

What they give must be the same bits. A linear regression whose coefficients are the identity matrix
answers with its X; where that would be large, one whose coefficients are integers, which are summed
exactly.
"""

import pathlib
import pickle
import re
import time

import numpy as np
import pandas as pd
import pytest
import sklearn.base
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from predictor import ROOT, Refused, shown
from sklearn.compose import ColumnTransformer
from sklearn.feature_extraction.text import (
    ENGLISH_STOP_WORDS,
    CountVectorizer,
    HashingVectorizer,
    TfidfTransformer,
    TfidfVectorizer,
    strip_tags,
)
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline

pytestmark = pytest.mark.filterwarnings("ignore")

STORED = ["skops", "pickle", "cloudpickle"]

DOCUMENTS = [
    "The quick brown fox jumps over the lazy dog",
    "the THE tHe dog's dog_house 42 4 a b cd",
    "",
    " \t\n ",
    "ΟΔΥΣΣΕΥΣ ΑΣ Σ ΣΑ 'ΑΣ' ΑΣ'Α",
    "İstanbul IĞDIR ısı Straße STRASSE ẞ Ⱥ K Å",
    "naïve café CAFÉ cafe\u0301 œuvre ǅ ﬁ",
    "日本語のテキスト 한국어 ไทย हिन्दी العربية ١٢٣ ²³ ½",
    "tabs\tand\nnew lines\r\n\r\nand  two   three\u00a0\u2003\u3000spaces\x1c\x1d\x85 x",
    "emoji 😀 👩‍💻 🏳️‍🌈 \ufffd \u200b zero\u200dwidth",
    "lazy lazy lazy LAZY fox fox",
]


def regression(coefficients):
    """A fitted LinearRegression."""
    model = LinearRegression()
    model.coef_ = coefficients
    model.intercept_ = np.zeros(len(coefficients)) if coefficients.ndim == 2 else 0.0
    model.n_features_in_ = coefficients.shape[-1]
    return model


def before_regression(*steps, documents=DOCUMENTS):
    """The steps fitted to texts, before a regression that answers with what it gets."""
    steps = make_pipeline(*steps)
    n = steps.fit_transform(documents).shape[1]
    return Pipeline([*steps.steps, ("r", regression(np.eye(n)))])


def of_column(*steps, documents=DOCUMENTS):
    """The same of the texts in the column "text"."""
    columns = ColumnTransformer([("t", make_pipeline(*steps), "text")], sparse_threshold=1.0)
    n = columns.fit_transform(frame(documents)).shape[1]
    return Pipeline([("c", columns), ("r", regression(np.eye(n)))])


def frame(documents):
    return pd.DataFrame({"n": np.arange(len(documents)), "text": list(documents)})


def assert_same(predictor, model, x):
    want, got = model.predict(x), predictor.predict(x)
    assert got.dtype == want.dtype and got.shape == want.shape
    assert got.tobytes() == want.tobytes()


def assert_answers(predictor, model, x, stored="pickle"):
    predictor.load(model, stored=stored)
    for rows in (x, x[2:9], x[:1]):
        assert_same(predictor, model, rows)


PARAMETERS = [
    {},
    {"lowercase": False},
    {"binary": True},
    {"ngram_range": (1, 3)},
    {"ngram_range": (2, 2)},
    {"ngram_range": (3, 50)},
    {"stop_words": "english"},
    {"stop_words": ["the", "dog", "fox", "the"], "ngram_range": (1, 2)},
    {"stop_words": []},
    {"token_pattern": r"(?u)\b\w+\b"},
    {"token_pattern": r"\w+", "ngram_range": (1, 2)},
    {"token_pattern": r"\w\w+"},
    {"token_pattern": r"\b\w\w+\b"},
    {"analyzer": "char"},
    {"analyzer": "char", "ngram_range": (1, 4)},
    {"analyzer": "char", "ngram_range": (3, 5), "lowercase": False},
    {"analyzer": "char_wb"},
    {"analyzer": "char_wb", "ngram_range": (2, 4)},
    {"analyzer": "char_wb", "ngram_range": (5, 7), "stop_words": "english"},
    {"analyzer": "char_wb", "ngram_range": (1, 30)},
]


@pytest.mark.parametrize("parameters", PARAMETERS, ids=str)
@pytest.mark.parametrize("kind", [CountVectorizer, TfidfVectorizer, HashingVectorizer])
def test_parameters_of_analyzers(predictor, kind, parameters):
    if kind is HashingVectorizer:
        parameters = {**parameters, "n_features": 97}
    model = before_regression(kind(**parameters))
    assert_answers(predictor, model, np.array(DOCUMENTS))
    unknown = ["quick Brown unknown dogs", "x", "the lazy  fox", "ΑΣ ΣΣ"]
    assert_same(predictor, model, np.array(unknown))
    assert_answers(predictor, of_column(kind(**parameters)), frame(DOCUMENTS))


@pytest.mark.parametrize("dtype", [np.int64, np.int32, np.float64, np.float32, int, float])
@pytest.mark.parametrize("kind", [CountVectorizer, TfidfVectorizer, HashingVectorizer])
def test_dtypes(predictor, kind, dtype):
    for norm in [{"norm": "l1"}, {"norm": "l2"}, {"norm": None}] if kind is not CountVectorizer else [{}]:
        more = {"n_features": 64} if kind is HashingVectorizer else {}
        model = before_regression(kind(dtype=dtype, analyzer="char", ngram_range=(1, 2), **norm, **more))
        assert_answers(predictor, model, np.array(DOCUMENTS))


WEIGHTS = [
    {},
    {"norm": "l1"},
    {"norm": None},
    {"use_idf": False},
    {"use_idf": False, "norm": None},
    {"smooth_idf": False},
    {"smooth_idf": False, "norm": "l1"},
]


@pytest.mark.parametrize("weights", WEIGHTS, ids=str)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_weights(predictor, weights, dtype):
    model = before_regression(TfidfVectorizer(dtype=dtype, **weights))
    assert_answers(predictor, model, np.array(DOCUMENTS))
    model = before_regression(CountVectorizer(dtype=dtype, binary=True), TfidfTransformer(**weights))
    assert_answers(predictor, model, np.array(DOCUMENTS))


def test_logarithms_of_counts(predictor, tmp_path):
    def load(model, requirements="numpy==2.4.6\n"):
        (tmp_path / "requirements.txt").write_text(requirements)
        predictor.load(model, stored="pickle", folder=str(tmp_path))

    counts = [*range(1, 200), 1000, 2047, 2048, 2729]
    documents = np.array([" ".join(["ab"] * n + ["cd"] * 2) for n in counts])
    for parameters in ({}, {"norm": None}, {"norm": "l1", "use_idf": False}, {"binary": True}):
        vectorizer = TfidfVectorizer(sublinear_tf=True, **parameters)
        model = before_regression(vectorizer, documents=documents)
        load(model)
        assert_same(predictor, model, documents)
    with pytest.raises(Refused, match="very long") as refused:
        predictor.predict(np.array(["ab" * 5000]))
    assert refused.value.error_code == "NOT_IMPLEMENTED"
    for requirements in ("numpy==1.26.4\n", "numpy\n", "pandas==3.0.0\n"):
        with pytest.raises(Refused, match="sublinear_tf"):
            load(model, requirements)
    for steps in (
        [TfidfVectorizer(sublinear_tf=True, dtype=np.float32)],
        [CountVectorizer(), TfidfTransformer(sublinear_tf=True)],
    ):
        with pytest.raises(Refused, match="sublinear_tf"):
            load(before_regression(*steps))


@pytest.mark.parametrize("parameters", [
    {},
    {"alternate_sign": False},
    {"binary": True},
    {"binary": True, "norm": None},
    {"norm": None},
    {"n_features": 1},
    {"n_features": np.int64(7), "norm": "l1"},
], ids=str)
def test_hashing(predictor, parameters):
    parameters = {"n_features": 50, "analyzer": "char_wb", "ngram_range": (1, 4), **parameters}
    for dtype in (np.float64, np.float32):
        model = before_regression(HashingVectorizer(dtype=dtype, **parameters))
        assert_answers(predictor, model, np.array(DOCUMENTS))


def test_hashing_to_many_columns(predictor):
    step = HashingVectorizer()
    numbers = np.random.default_rng(0).integers(-(2**20), 2**20, step.n_features)
    model = Pipeline([("h", step), ("r", regression(numbers.astype(float)))])
    predictor.load(model, stored="pickle")
    want = model.predict(np.array(DOCUMENTS))
    np.testing.assert_allclose(predictor.predict(np.array(DOCUMENTS)), want, rtol=1e-13)


@pytest.mark.parametrize("n", [1, 2, 127, 128, 129, 200, 255, 256, 257, 300, 32767, 40000, 2**23 + 1])
def test_columns_are_in_order(predictor, n):
    """Norms are of sums by column: a column that came twice would tell."""
    step = HashingVectorizer(n_features=n, analyzer="char", ngram_range=(1, 5), alternate_sign=False)
    coefficients = np.eye(n) if n < 1000 else np.arange(n, dtype=float)
    model = Pipeline([("h", step), ("r", regression(coefficients))])
    predictor.load(model, stored="pickle")
    documents = np.array([*DOCUMENTS, " ".join(DOCUMENTS)])
    np.testing.assert_allclose(
        predictor.predict(documents), model.predict(documents), rtol=0 if n < 1000 else 1e-13
    )


@pytest.mark.parametrize("stored", STORED)
def test_formats(predictor, stored):
    for vectorizer in (
        CountVectorizer(stop_words=["the"], max_features=9),  # whose numbers are numpy's
        CountVectorizer(vocabulary=["fox", "dog", "the dog", "lazy"], ngram_range=(1, 2)),
        TfidfVectorizer(vocabulary={"fox": 1, "dog": 0, "ΑΣ": 2}, norm=None),
        TfidfVectorizer(min_df=2, dtype=np.float32, stop_words="english"),
        HashingVectorizer(n_features=32),
    ):
        assert_answers(predictor, of_column(vectorizer), frame(DOCUMENTS), stored)
        assert_answers(predictor, before_regression(vectorizer), np.array(DOCUMENTS), stored)


def test_beside_other_columns(predictor):
    x = frame(DOCUMENTS * 3).assign(other=DOCUMENTS[::-1] * 3)
    for threshold in (0, 1):
        columns = ColumnTransformer(
            [
                ("a", TfidfVectorizer(), "text"),
                ("b", CountVectorizer(analyzer="char"), "other"),
                ("c", "passthrough", ["n"]),
            ],
            sparse_threshold=threshold,
        )
        n = columns.fit_transform(x).shape[1]
        assert_answers(predictor, Pipeline([("c", columns), ("r", regression(np.eye(n)))]), x)


def test_many_rows_and_blocks(predictor):
    documents = np.array([f"{DOCUMENTS[i % 11]} row{i} row{i * 7 % 1000}" for i in range(1000)])
    model = before_regression(TfidfVectorizer(), documents=documents[:300])
    predictor.load(model, stored="pickle")
    assert_same(predictor, model, documents)
    model = of_column(CountVectorizer(analyzer="char_wb"))
    predictor.load(model, stored="pickle")
    assert_same(predictor, model, frame(documents))


def test_classifiers(predictor):
    documents = np.array(DOCUMENTS * 4)
    y = np.arange(len(documents)) % 2
    model = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(documents, y)
    predictor.load(model, "predict_proba")
    np.testing.assert_allclose(
        predictor.predict(documents), model.predict_proba(documents), rtol=1e-12
    )


def test_texts_as_pandas_holds_them(predictor):
    model = of_column(CountVectorizer())
    predictor.load(model, stored="pickle")
    x = frame(DOCUMENTS)
    assert_same(predictor, model, x)
    as_objects = x.astype({"text": object})
    as_objects.attrs["is_csv"] = True
    assert_same(predictor, model, as_objects)


def test_missing_texts(predictor):
    for vectorizer in (CountVectorizer(), CountVectorizer(analyzer="char", lowercase=False)):
        predictor.load(of_column(vectorizer), stored="pickle")
        x = frame(["a fox", None, "a dog"])
        with pytest.raises(Refused, match="row 1 should be a text") as refused:
            predictor.predict(x)
        assert refused.value.error_code == "BAD_REQUEST"


def test_requests_for_python(predictor):
    """What scikit-learn makes of them is Python's to say."""
    predictor.load(before_regression(CountVectorizer()), stored="pickle")
    for x in (
        frame(["a fox"]),  # it would take the names of the columns for texts
        np.array([["a fox"]]),
        np.array([b"a fox"]),
        np.array([1.5]),
    ):
        with pytest.raises(Refused, match="one column of texts") as refused:
            predictor.predict(x)
        assert refused.value.error_code == "NOT_IMPLEMENTED"
    predictor.load(of_column(CountVectorizer()), stored="pickle")
    with pytest.raises(Refused, match="one column of texts"):
        predictor.predict(pd.DataFrame({"n": [1], "text": [2]}))


def test_arrays_end_before_their_trailing_nuls(predictor):
    documents = np.array(["ab\0", "a\0b\0\0", "b"])
    model = before_regression(CountVectorizer(analyzer="char"), documents=["a\0b"])
    predictor.load(model, stored="pickle")
    texts = {"dtype": "str", "shape": [3], "values": ["ab\0", "a\0b\0\0", "b"]}
    got = predictor._ask({"tensor": texts, "params": {}})
    assert got["values"] == model.predict(documents).ravel().tolist()
    model = of_column(CountVectorizer(analyzer="char"), documents=["a\0b"])
    predictor.load(model, stored="pickle")
    assert_same(predictor, model, frame(["ab\0", "\0", "\0\0a"]))


REFUSED = [
    (CountVectorizer(strip_accents="unicode"), "strip_accents"),
    (CountVectorizer(preprocessor=strip_tags), "preprocessor"),
    (CountVectorizer(tokenizer=list), "tokenizer"),
    (CountVectorizer(analyzer=list), "analyzer"),
    (CountVectorizer(token_pattern=r"(?u)\b\w\w\w+\b"), "token_pattern"),
    (CountVectorizer(token_pattern="(?u)\\w+\0?"), "token_pattern"),
    (CountVectorizer(dtype=np.uint8), "dtype"),
    (CountVectorizer(analyzer="char", ngram_range=(1, 70)), "such long n-grams"),
    (HashingVectorizer(ngram_range=(1, 65)), "such long n-grams"),
    (HashingVectorizer(n_features=2**25), "n_features"),
]


@pytest.mark.parametrize("vectorizer, reason", REFUSED, ids=shown)
def test_refused_parameters(predictor, vectorizer, reason):
    steps = make_pipeline(vectorizer).fit(["a " * 80 + "longer text of words"])
    model = Pipeline([*steps.steps, ("r", regression(np.ones(10)))])
    with pytest.raises(Refused, match=reason):
        predictor.load(model, stored="cloudpickle")


def test_refused_positions(predictor):
    x = frame(DOCUMENTS)
    columns = ColumnTransformer([("t", CountVectorizer(), ["text"])])
    columns.fit(frame([DOCUMENTS[0]]))
    with pytest.raises(Refused, match="one column of texts"):
        predictor.load(Pipeline([("c", columns), ("r", regression(np.ones(1)))]), stored="pickle")
    dense = ColumnTransformer([("t", TfidfTransformer(), ["n"])]).fit(x)
    with pytest.raises(Refused, match="of a dense matrix"):
        predictor.load(Pipeline([("c", dense), ("r", regression(np.ones(1)))]), stored="pickle")


@pytest.mark.parametrize("vocabulary", [
    {},
    {"fox": 1},
    {"fox": 0, "dog": 0},
    {"fox": 0, "dog": 2},
    {"fox": -1, "dog": 0},
    {"fox": 0, "dog": 1.0},
    {"fox": 0, "dog": 2**40},
    {"fox": 0, 7: 1},
    {"fox": 0, "dog": np.array([1])},
    ["fox"],
], ids=str)
def test_hostile_vocabularies(predictor, vocabulary):
    vectorizer = CountVectorizer().fit(["fox dog"])
    vectorizer.vocabulary_ = vocabulary
    for stored in ("pickle", "skops"):
        with pytest.raises(Refused, match="vocabulary_"):
            predictor.load(
                Pipeline([("v", vectorizer), ("r", regression(np.ones(2)))]), stored=stored
            )


def test_hostile_weights(predictor):
    for change, reason in (
        ({"idf_": np.ones(3)}, "idf_ should have 2 values"),
        ({"idf_": np.array(["a", "b"])}, "idf_"),
        ({"idf_": [1.0, 2.0]}, "idf_"),
        ({"n_features_in_": 3}, "n_features_in_ should be 2"),
        ({"norm": "max"}, "norm"),
        ({"_idf_diag": None}, "older"),
        ({"extra": 1}, "extra"),
    ):
        vectorizer = TfidfVectorizer().fit(["fox dog"])
        vectorizer._tfidf.__dict__.update(change)
        with pytest.raises(Refused, match=reason):
            predictor.load(
                Pipeline([("v", vectorizer), ("r", regression(np.ones(2)))]), stored="pickle"
            )
    vectorizer._tfidf = LinearRegression()
    with pytest.raises(Refused, match="without a TfidfTransformer"):
        predictor.load(Pipeline([("v", vectorizer), ("r", regression(np.ones(2)))]), stored="pickle")


def test_infinite_weights(predictor):
    """A word of the vocabulary that no document had has an infinite idf."""
    for norm in ("l2", None):
        vectorizer = TfidfVectorizer(vocabulary=["fox", "dog"], smooth_idf=False, norm=norm)
        model = Pipeline([("v", vectorizer.fit(["fox"])), ("r", regression(np.ones(2)))])
        predictor.load(model, stored="pickle")
        assert_same(predictor, model, np.array(["fox", "cat"]))
        x = np.array(["fox", "fox dog"])
        with pytest.raises(ValueError, match="infinity"):
            model.predict(x)
        with pytest.raises(Refused) as refused:
            predictor.predict(x)
        assert refused.value.error_code == "BAD_REQUEST"


# Older versions ---------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("norm", ["l1", "l2", None])
def test_diagonal_matrix_before_1_5(predictor, monkeypatch, dtype, norm):
    """idf was the diagonal of a sparse matrix, the product with which has each row backwards."""
    import scipy.sparse

    documents = [" ".join(DOCUMENTS[i % 11] for i in range(n, n + 5)) for n in range(40)]
    model = before_regression(
        TfidfVectorizer(dtype=dtype, norm=norm, analyzer="char"), documents=documents
    )
    vectorizer = model.steps[0][1]
    idf = vectorizer._tfidf.__dict__.pop("idf_")
    vectorizer._tfidf._idf_diag = scipy.sparse.csr_matrix(scipy.sparse.diags(idf, dtype=dtype))
    want = CountVectorizer.transform(vectorizer, documents).astype(dtype).toarray() * idf
    for row in want:
        terms = [abs(value) if norm == "l1" else value * value for value in row[::-1]]
        total = sum(map(float, terms))
        if norm:
            row[:] = row.astype(float) / (total if norm == "l1" else np.sqrt(total))
    monkeypatch.setattr(sklearn.base, "__version__", "1.4.2")
    predictor.load(model, stored="pickle")
    got = predictor.predict(np.array(documents))
    assert got.tobytes() == want.astype(float).tobytes()
    with pytest.raises(Refused, match="_idf_diag"):
        predictor.load(model, stored="skops")
    vectorizer._tfidf._idf_diag.indices[:2] = [1, 0]
    with pytest.raises(Refused, match="_idf_diag"):
        predictor.load(model, stored="pickle")


# Unicode ----------------------------------------------------------------------------------------


def unsure_code_points():
    """What unicode_runs.h says, and the surrogates."""
    path = pathlib.Path(ROOT, "src/engine/pipeline/text/unicode_runs.h")
    records, runs = path.read_text().split("unicode_runs[]")
    unsure = len(re.findall(r"\{\d+, -?\d+\}", records)) - 1  # the last one
    runs = [int(run, 16) for run in re.findall(r"0x[0-9a-f]+", runs)]
    ends = [run >> 8 for run in runs[1:]] + [0x110000]
    points = set(range(0xD800, 0xE000))
    for run, end in zip(runs, ends):
        if run & 0xFF == unsure:
            points.update(range(run >> 8, end))
    return points


def code_points():
    return [*range(1, 0x3200), *range(0x4DB0, 0x4E10), *range(0x9FF0, 0xAC10), *range(0xD790, 0x20000),
            *range(0x2A6D0, 0x2A720), *range(0xE0000, 0xE0200), *range(0x10FFF0, 0x110000)]


def assert_counts(predictor, vectorizer, documents):
    n = len(vectorizer.fit(documents).vocabulary_)
    numbers = np.random.default_rng(0).integers(-(2**40), 2**40, n).astype(float)
    model = Pipeline([("v", vectorizer), ("r", regression(numbers))])
    predictor.load(model, stored="pickle")
    documents = np.array(documents)
    assert predictor.predict(documents).tolist() == model.predict(documents).tolist()


def test_every_code_point(predictor):
    unsure = unsure_code_points()
    sure = [chr(point) for point in code_points() if point not in unsure]
    assert len(unsure) < 13000
    contexts = ["a{0}B", "A{0}Σ", "{0}Σ", "AΣ{0}A"]
    documents = [
        " ".join(context.format(point) for point in sure[i : i + 200] for context in contexts)
        for i in range(0, len(sure), 200)
    ]
    assert_counts(predictor, CountVectorizer(token_pattern=r"(?u)\b\w+\b"), documents)
    assert_counts(predictor, CountVectorizer(analyzer="char", ngram_range=(1, 2)), documents[::20])
    assert_counts(predictor, CountVectorizer(analyzer="char_wb", lowercase=False), documents[::9])


def test_unsure_code_points_are_for_python(predictor):
    predictor.load(before_regression(CountVectorizer()), stored="pickle")
    points = sorted(unsure_code_points() - set(range(0xD800, 0xE000)))
    for point in [*points[::200], 0x1734, 0x1C89, 0xA7CB, points[-1]]:
        with pytest.raises(Refused, match="versions of Unicode") as refused:
            predictor.predict(np.array(["a fox", f"plain ASCII and {chr(point)}"]))
        assert refused.value.error_code == "NOT_IMPLEMENTED"


TEXTS = st.lists(
    st.one_of(
        st.sampled_from(["fox", "dog", "the", "a", " ", "  ", "\n", "\n\n", "Σ", "ΑΣ", "İ", "_", "'", "9"]),
        st.text(st.characters(max_codepoint=0x2FF), max_size=6),
        st.text("aAΣς'\u0345 \t\u00a0İI", max_size=9),
    ),
    max_size=12,
).map("".join)


@pytest.mark.parametrize("vectorizer", [
    TfidfVectorizer(),
    TfidfVectorizer(ngram_range=(1, 3), stop_words="english", dtype=np.float32),
    TfidfVectorizer(analyzer="char", ngram_range=(1, 3), norm="l1"),
    CountVectorizer(analyzer="char_wb", ngram_range=(2, 5)),
    HashingVectorizer(n_features=40, ngram_range=(1, 2), token_pattern=r"\w+"),
    HashingVectorizer(n_features=40, analyzer="char_wb", ngram_range=(3, 4)),
], ids=str)
def test_any_texts(predictor, vectorizer):
    model = of_column(vectorizer, documents=[*DOCUMENTS, "fox fox ΑΣΣ aΑΣ ΣΣ \n i i̇"])
    predictor.load(model, stored="pickle")

    @settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(TEXTS, min_size=1, max_size=5))
    def answers(documents):
        assert_same(predictor, model, frame(documents))

    answers()


def test_stop_words_are_all_there(predictor):
    words = sorted(ENGLISH_STOP_WORDS)
    model = before_regression(
        CountVectorizer(stop_words="english", token_pattern=r"\w+", vocabulary=[*words, "fox"])
    )
    assert_answers(predictor, model, np.array([" ".join([*words, "fox"]), *words]))


# Size -------------------------------------------------------------------------------------------


def test_large_vocabulary_and_texts(predictor, tmp_path):
    generator = np.random.default_rng(0)
    words = [f"w{number}" for number in range(100_000)]
    vectorizer = CountVectorizer(vocabulary=words, ngram_range=(1, 2)).fit(["x"])
    numbers = generator.integers(-(2**30), 2**30, len(words)).astype(float)
    model = Pipeline([("v", vectorizer), ("r", regression(numbers))])
    (tmp_path / "model").write_bytes(pickle.dumps(model))
    start = time.monotonic()
    predictor.load_file(tmp_path / "model", serialization_format="pickle")
    assert time.monotonic() - start < 2
    documents = np.array([" ".join(generator.choice(words, n)) for n in (1, 31, 32, 33, 300, 20_000)])
    start = time.monotonic()
    got = predictor.predict(documents)
    assert time.monotonic() - start < 2
    assert got.tolist() == model.predict(documents).tolist()


def test_long_texts(predictor):
    """Neither runs of sigmas and what case ignores, nor of words are quadratic."""
    predictor.load(before_regression(CountVectorizer(ngram_range=(1, 2))), stored="pickle")
    for document in ("Σ'" * 300_000, "'" * 500_000 + "Σ" + "'" * 500_000, "a " * 500_000, "fox " * 200_000):
        start = time.monotonic()
        predictor.predict(np.array([document]))
        assert time.monotonic() - start < 3
    with pytest.raises(Refused, match="very long"):
        predictor.predict(np.array(["fox " * 2**21 + "x"]))
