"""Make tests/data/pipeline/VERSION.zip: small pipelines of the scikit-learn that runs this, and what
they answer.

    venv-1.9.1/bin/python make.py    and so on, in the environments of ../sktree/make.py

1.1.3 and 1.2.2 were run beside pandas 1.5.3, 1.3.2 beside 2.0.3, 1.4.2 to 1.6.1 beside 2.2.3, 1.7.2
beside 2.3.3, and the later ones beside 3.1.1.

The zips hold models.bin, all files one after the other, and expected.json, both compressed by bzip2,
which finds what the files of skops have in common:

    PLAIN, MISSING   rows that were asked, by column; NaN and null are missing values
    ARRAY, HOLES     rows of numbers, the second with missing values
    texts            what pandas here makes of a list of texts and None: the dtype of its column, and
                     what stands for None. Rows were asked with NaN instead.
    models           how each was saved, where it lies, the class of its last step, the columns that
                     it was fitted to (null: it was fitted to an array), and its answers: rows -> method -> floats with all
                     their digits, or the error. "None" says what comes of None among texts instead
                     of NaN: "the same", "others" or the error; Python objects only hold it.
"""

import io
import json
import pathlib
import pickle
import warnings
import zipfile

import cloudpickle
import numpy as np
import pandas as pd
import skops.io
import sklearn
from sklearn.base import clone
from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.ensemble import (
    ExtraTreesClassifier,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.feature_selection import (
    SelectFromModel,
    SelectKBest,
    SelectPercentile,
    VarianceThreshold,
    chi2,
    f_regression,
)
from sklearn.impute import MissingIndicator, SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge, SGDClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import (
    Binarizer,
    FunctionTransformer,
    KBinsDiscretizer,
    MaxAbsScaler,
    MinMaxScaler,
    Normalizer,
    OneHotEncoder,
    OrdinalEncoder,
    PolynomialFeatures,
    RobustScaler,
    StandardScaler,
)
from sklearn.tree import DecisionTreeRegressor

HERE = pathlib.Path(__file__).resolve().parent
METHODS = ("predict", "predict_proba")
FORMATS = ("skops", "pickle", "cloudpickle", "pickle", "cloudpickle")
VERSION = tuple(map(int, sklearn.__version__.split(".")[:2]))
N_ASKED = 5

# Data --------------------------------------------------------------------------------------------

random = np.random.RandomState(7)
N = 80
WORDS = "good bad fine cheap slow Na\u00efve it's 42 a x1 very".split()
TABLE = pd.DataFrame({
    "age": random.randint(18, 90, N),
    "income": random.lognormal(3, 1, N).round(2),
    "debt": np.where(random.rand(N) < 0.2, np.nan, random.exponential(10, N).round(2)),
    "member": random.rand(N) < 0.5,
    "small": random.randn(N).astype(np.float32),
    "rooms": random.randint(0, 5, N).astype(np.int32),
    "city": random.choice(["Rome", "Oslo", "Bern", "N\u00eemes", "Oslo", ""], N).tolist(),
    "plan": [np.nan if r < 0.15 else "free" if r < 0.6 else "pro" for r in random.rand(N)],
    "note": [" ".join(random.choice(WORDS, random.randint(1, 6))) for _ in range(N)],
})
SUM = TABLE["age"] / 20 - TABLE["income"] / 30 + TABLE["member"] + (TABLE["plan"] == "pro")
SUM = (SUM + 0.3 * random.randn(N)).round(3).to_numpy()
TWO = (SUM > np.median(SUM)).astype(int)
THREE = np.array(["low", "mid \u00e9", "high"])[np.digitize(SUM, np.quantile(SUM, [0.3, 0.7]))]

NUMBERS = ["age", "income", "debt"]
WHOLE = ["age", "income", "member", "small", "rooms"]  # without missing values
TEXTS = ["city", "plan"]
MANY = random.randn(N, 4).round(3)
MANY[random.rand(N, 4) < 0.1] = np.nan


def asked_rows():
    plain = TABLE.head(N_ASKED).copy()
    plain["debt"] = plain["debt"].fillna(12.25)
    plain["plan"] = plain["plan"].fillna("pro")
    plain.loc[1, ["city", "plan", "note"]] = ["Z\u00fcrich", "gold", "unseen words only"]
    plain.loc[2, ["city", "note"]] = ["", ""]
    plain.loc[3, ["age", "income"]] = [-400, 1e6]
    missing = plain.copy()
    missing.loc[[0, 3], "debt"] = np.nan
    missing.loc[4, "income"] = np.nan
    missing.loc[[1, 4], "plan"] = np.nan
    missing.loc[0, "city"] = np.nan
    holes = MANY[np.isnan(MANY).any(axis=1)][:N_ASKED]
    return {"PLAIN": plain, "MISSING": missing, "ARRAY": np.nan_to_num(holes), "HOLES": holes}


# Pipelines ---------------------------------------------------------------------------------------


def one_hot(**params):
    if "sparse_output" in params and VERSION < (1, 2):
        params["sparse"] = params.pop("sparse_output")
    return OneHotEncoder(**params)


def select(*parts, **params):
    parts = [(f"part {i}", *part) for i, part in enumerate(parts)]
    return ColumnTransformer(parts, **params)


def ordinal(**params):
    return OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, **params)


def numbers():
    return make_pipeline(SimpleImputer(), StandardScaler())


def texts(**params):
    return make_pipeline(
        SimpleImputer(strategy="most_frequent"), one_hot(handle_unknown="ignore", **params)
    )


def usual():
    """Name, model, columns (None: an array), target."""
    both = (numbers(), NUMBERS), (texts(), TEXTS)
    logistic = LogisticRegression()
    table = NUMBERS + TEXTS
    yield "usual", make_pipeline(select(*both), logistic), table, TWO
    yield "usual dense", make_pipeline(select(*both, sparse_threshold=0), logistic), table, THREE
    yield "usual sparse", make_pipeline(select(*both, sparse_threshold=1), logistic), table, THREE
    arrays = (numbers(), NUMBERS), (texts(sparse_output=False), TEXTS)
    yield "dense encoder", make_pipeline(select(*arrays), logistic), table, TWO
    yield "sparse forest", make_pipeline(
        select(*both, sparse_threshold=1), RandomForestClassifier(2, max_depth=2, random_state=0)
    ), table, THREE
    weighted = select(*both, transformer_weights={"part 0": 2.0})
    yield "weights", make_pipeline(weighted, logistic), table, TWO
    inner = make_pipeline(select(*both), MaxAbsScaler(), "passthrough")
    outer = Pipeline([("prepare", inner), ("none", None), ("model", make_pipeline(logistic))])
    yield "nested", outer, table, TWO
    nested = select((select((numbers(), NUMBERS), remainder=texts()), table), ("drop", ["note"]))
    yield "nested columns", make_pipeline(nested, logistic), [*table, "note"], TWO
    prepared = clone(make_pipeline(select(*both), logistic))
    search = GridSearchCV(prepared, {"logisticregression__C": [0.1, 1.0]}, cv=2)
    yield "search", search, table, TWO
    if VERSION >= (1, 2):
        framed = clone(make_pipeline(select(*arrays), logistic)).set_output(transform="pandas")
        yield "pandas output", framed, table, TWO


def passing():
    tree = DecisionTreeRegressor(max_depth=2, random_state=0)
    columns = select(("passthrough", ["income", "age"]), remainder="passthrough")
    yield "all pass", make_pipeline(columns, tree), WHOLE, SUM
    columns = select(("passthrough", ["rooms", "member"]), ("drop", ["age"]), ("passthrough", ["small"]))
    yield "some pass", make_pipeline(columns, "passthrough", tree), [*WHOLE, "city"], SUM
    columns = select(("passthrough", [3, 0]), ("passthrough", slice(1, 2)))
    yield "array passes", make_pipeline(columns, HistGradientBoostingRegressor(max_iter=1, max_leaf_nodes=3)), None, SUM


def encoders():
    small = {"max_iter": 2, "max_leaf_nodes": 4, "min_samples_leaf": 5, "random_state": 0}
    forest = {"n_estimators": 2, "max_depth": 2, "random_state": 0}
    table = NUMBERS + TEXTS
    columns = select((ordinal(), TEXTS), remainder="passthrough")
    yield "ordinal", make_pipeline(columns, HistGradientBoostingClassifier(**small)), table, THREE
    model = HistGradientBoostingRegressor(categorical_features=[0], **small)
    columns = select((ordinal(), ["city"]), ("passthrough", NUMBERS))
    yield "ordinal categories", make_pipeline(columns, model), [*NUMBERS, "city"], SUM
    columns = select((ordinal(encoded_missing_value=-2), TEXTS), (SimpleImputer(), NUMBERS))
    yield "ordinal missing", make_pipeline(columns, RandomForestClassifier(**forest)), table, TWO
    columns = select((OrdinalEncoder(dtype=np.float32), ["city", "rooms"]))
    model = make_pipeline(columns, ExtraTreesClassifier(**forest))
    yield "ordinal known", model, ["city", "rooms"], TWO
    if VERSION >= (1, 3):
        columns = select((ordinal(min_frequency=15), ["city"]), ("passthrough", WHOLE))
        model = make_pipeline(columns, RandomForestRegressor(**forest))
        yield "ordinal infrequent", model, [*WHOLE, "city"], SUM
    for name, params in {
        "first": {"drop": "first"},
        "first ignore": {"drop": "first", "handle_unknown": "ignore"},
        "if_binary": {"drop": "if_binary", "handle_unknown": "ignore"},
        "given": {"drop": ["Oslo", "free"], "sparse_output": False},
        "missing": {"handle_unknown": "ignore"},
        "infrequent": {"handle_unknown": "infrequent_if_exist", "min_frequency": 15},
        "most": {"handle_unknown": "infrequent_if_exist", "max_categories": 2, "dtype": np.float32},
        "most first": {"handle_unknown": "ignore", "max_categories": 3, "drop": "first"},
    }.items():
        model = make_pipeline(select((one_hot(**params), TEXTS)), Ridge())
        yield f"one-hot {name}", model, TEXTS, SUM
    columns = select((one_hot(handle_unknown="ignore"), ["rooms", "member"]))
    yield "one-hot numbers", make_pipeline(columns, LogisticRegression()), ["rooms", "member"], TWO
    some = one_hot(categories=[["Bern", "Oslo", "Rome"], ["free", "pro"]], handle_unknown="ignore")
    yield "one-hot some", make_pipeline(select((some, TEXTS)), Ridge()), TEXTS, SUM


def scalers():
    for scaler in (
        StandardScaler(),
        StandardScaler(with_mean=False),
        StandardScaler(with_std=False),
        MinMaxScaler(),
        MinMaxScaler((-1, 2), clip=True),
        RobustScaler(),
        RobustScaler(with_centering=False, quantile_range=(10, 90), unit_variance=True),
        MaxAbsScaler(),
    ):
        model = make_pipeline(scaler, LinearRegression())
        yield f"scale {scaler}", model, WHOLE, SUM
    for scaler in (StandardScaler(), MinMaxScaler(clip=True), RobustScaler(), MaxAbsScaler()):
        model = make_pipeline(select((scaler, ["small"])), LinearRegression())
        yield f"scale float32 {scaler}", model, ["small", "rooms"], SUM
    columns = select((StandardScaler(), ["age", "income"]), remainder=MinMaxScaler())
    yield "scale the rest", make_pipeline(columns, LinearRegression()), WHOLE, SUM
    columns = select((StandardScaler(), ["income"]), remainder="passthrough")
    yield "pass the rest", make_pipeline(columns, LinearRegression()), WHOLE, SUM
    picked = select(
        (StandardScaler(), make_column_selector(dtype_include=np.number)),
        (one_hot(handle_unknown="ignore"), make_column_selector(pattern="^ci")),
        (StandardScaler(), make_column_selector(pattern="nothing")),
        ("passthrough", make_column_selector(dtype_include=bool)),
    )
    yield "selector", make_pipeline(picked, LogisticRegression()), [*WHOLE, "city"], TWO
    picked = select(
        (StandardScaler(), slice("age", "income")), ("passthrough", [False, False, True, False, True]),
        (MaxAbsScaler(), [-2]), ("drop", [0]), (RobustScaler(), []),
    )
    yield "slice and mask", make_pipeline(picked, LinearRegression()), WHOLE, SUM


def others():
    linear = LinearRegression()
    yield "union", make_pipeline(
        FeatureUnion([("a", StandardScaler()), ("b", "passthrough"), ("c", MinMaxScaler()), ("d", "drop")]),
        linear,
    ), WHOLE, SUM
    union = FeatureUnion([("a", StandardScaler()), ("b", MaxAbsScaler())], transformer_weights={"b": 3})
    yield "union weights", make_pipeline(union, linear), WHOLE, SUM
    yield "polynomial", make_pipeline(PolynomialFeatures(), linear), ["income", "small"], SUM
    cross = PolynomialFeatures((2, 3), interaction_only=True, include_bias=False)
    yield "interactions", make_pipeline(cross, linear), ["age", "income", "rooms"], SUM
    yield "best", make_pipeline(SelectKBest(f_regression, k=2), linear), WHOLE, SUM
    yield "percentile", make_pipeline(SelectPercentile(f_regression, percentile=50), linear), WHOLE, SUM
    yield "variance", make_pipeline(VarianceThreshold(1.0), linear), WHOLE, SUM
    model = SelectFromModel(DecisionTreeRegressor(max_depth=2, random_state=0))
    yield "from tree", make_pipeline(model, linear), WHOLE, SUM
    model = SelectFromModel(Ridge(), threshold="0.5*mean")
    yield "from linear", make_pipeline(model, linear), WHOLE, SUM
    chosen = make_pipeline(one_hot(handle_unknown="ignore"), SelectKBest(chi2, k=3))
    yield "best sparse", make_pipeline(select((chosen, TEXTS)), LogisticRegression()), TEXTS, TWO
    quiet = {"subsample": None} if VERSION >= (1, 2) else {}
    for encode, strategy in {"onehot": "quantile", "ordinal": "uniform", "onehot-dense": "kmeans"}.items():
        bins = KBinsDiscretizer(3, encode=encode, strategy=strategy, **quiet)
        yield f"bins {encode}", make_pipeline(bins, LinearRegression()), ["age", "income"], SUM
    for function, columns in (np.abs, ["income", "small"]), (np.sqrt, ["income"]), (np.log1p, ["income"]):
        model = make_pipeline(FunctionTransformer(function), linear)
        yield f"function {function.__name__}", model, columns, SUM
    yield "identity", make_pipeline(FunctionTransformer(validate=True), linear), WHOLE, SUM
    yield "normalizer", make_pipeline(Normalizer(), linear), WHOLE, SUM
    yield "binarizer", make_pipeline(Binarizer(threshold=0.5), linear), WHOLE, SUM


def imputers():
    logistic = LogisticRegression()
    yield "array", make_pipeline(SimpleImputer(), StandardScaler(), logistic), None, THREE
    for name, params in {
        "median": {"strategy": "median"},
        "most_frequent": {"strategy": "most_frequent"},
        "constant": {"strategy": "constant", "fill_value": -1.5},
        "indicator": {"add_indicator": True},
    }.items():
        yield f"impute {name}", make_pipeline(SimpleImputer(**params), LinearRegression()), None, SUM
    columns = select((SimpleImputer(add_indicator=True), NUMBERS), (MissingIndicator(), ["debt"]))
    yield "impute and indicate", make_pipeline(columns, LinearRegression()), NUMBERS, SUM
    constant = make_pipeline(SimpleImputer(strategy="constant", fill_value="?"), ordinal())
    tree = RandomForestClassifier(2, max_depth=2, random_state=0)
    yield "impute texts", make_pipeline(select((constant, TEXTS)), tree), TEXTS, TWO


def words():
    logistic = LogisticRegression()
    yield "tfidf", make_pipeline(select((TfidfVectorizer(), "note")), logistic), ["note"], TWO
    sgd = SGDClassifier(loss="log_loss", random_state=0, max_iter=5, tol=None)
    both = select((TfidfVectorizer(ngram_range=(1, 2), min_df=4, sublinear_tf=True), "note"), (StandardScaler(), ["age"]))
    yield "tfidf sgd", make_pipeline(both, sgd), ["age", "note"], THREE
    count = CountVectorizer(binary=True, min_df=3, lowercase=False)
    yield "count", make_pipeline(select((count, "note"), (numbers(), NUMBERS)), logistic), [*NUMBERS, "note"], TWO
    letters = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 2), max_features=10, use_idf=False)
    union = FeatureUnion([("words", TfidfVectorizer(stop_words=["a"], norm="l1")), ("letters", letters)])
    yield "words and letters", make_pipeline(select((union, "note")), logistic), ["note"], TWO


# Recording ---------------------------------------------------------------------------------------


def last_step(model):
    return getattr(model, "best_estimator_", model)[-1]


def fit(model, data, target):
    """Fitted. A LinearRegression at the end then answers with the very columns that it gets."""
    model.fit(data, target)
    last = last_step(model)
    if isinstance(last, LinearRegression):
        last.coef_ = np.eye(last.n_features_in_)
        last.intercept_ = 0.0


def dump(model, how):
    if how != "skops":
        return {"pickle": pickle, "cloudpickle": cloudpickle}[how].dumps(model, 4)
    file = io.BytesIO()
    skops.io.dump(model, file)
    return file.getvalue()


def describe_error(error):
    return f"{type(error).__name__}: {error}".splitlines()[0]


def answer(model, rows):
    """method -> answer, or the error."""
    answers = {}
    for method in METHODS:
        if not hasattr(model, method):
            continue
        try:
            values = np.asarray(getattr(model, method)(rows))
        except (ValueError, TypeError, AttributeError) as error:
            return describe_error(error)
        dtype = "str" if values.dtype.kind in "OU" else str(values.dtype)
        values = values.astype(np.float64) if dtype == "float32" else values
        answers[method] = {"dtype": dtype, "shape": list(values.shape), "values": values.ravel().tolist()}
    return answers


def with_none(rows):
    """With None for the missing texts, which pandas keeps in a column of objects only."""
    rows = rows.copy()
    for name in {*TEXTS, "note"} & {*rows.columns}:
        rows[name] = pd.Series([None if pd.isna(text) else text for text in rows[name]], dtype=object)
    return rows


def describe(model, columns, asked):
    if columns is None:
        return {"answers": {name: answer(model, asked[name]) for name in ("ARRAY", "HOLES")}}
    answers = {name: answer(model, asked[name][columns]) for name in ("PLAIN", "MISSING")}
    entry = {"answers": answers}
    if asked["MISSING"][columns].select_dtypes(["bool", "number"]).shape[1] < len(columns):
        given = answer(model, with_none(asked["MISSING"][columns]))
        entry["None"] = (
            given if isinstance(given, str) else "the same" if given == answers["MISSING"] else "others"
        )
    return entry


def describe_rows(rows):
    if isinstance(rows, np.ndarray):
        return rows.tolist()
    return {
        name: {
            "dtype": "str" if name in (*TEXTS, "note") else str(column.dtype),
            "values": [None if isinstance(value, str) is False and pd.isna(value) else value
                       for value in column.tolist()],
        }
        for name, column in rows.items()
    }


def main():
    warnings.simplefilter("ignore")
    asked = asked_rows()
    column = pd.DataFrame({"texts": ["a", None]})["texts"]
    expected = {
        **{library.__name__: library.__version__ for library in (sklearn, np, pd, skops, cloudpickle)},
        "texts": {"dtype": str(column.dtype), "None": repr(column[1])},
        **{name: describe_rows(rows) for name, rows in asked.items()},
        "models": {},
    }
    saved = b""
    pipelines = [*usual(), *passing(), *encoders(), *scalers(), *others(), *imputers(), *words()]
    for i, (name, model, columns, target) in enumerate(pipelines):
        fit(model, MANY if columns is None else TABLE[columns], target)
        how = FORMATS[(i + VERSION[1]) % len(FORMATS)]
        dumped = dump(model, how)
        assert name not in expected["models"]
        expected["models"][name] = {
            "saved": how,
            "last": type(last_step(model)).__name__,
            "columns": columns,
            "offset": len(saved),
            "size": len(dumped),
            **describe(model, columns, asked),
        }
        saved += dumped
    with zipfile.ZipFile(HERE / f"{sklearn.__version__}.zip", "w") as file:
        for name, content in {
            "models.bin": saved,
            "expected.json": json.dumps(expected, ensure_ascii=False).encode(),
        }.items():
            info = zipfile.ZipInfo(name, date_time=(2020, 1, 1, 0, 0, 0))
            file.writestr(info, content, zipfile.ZIP_BZIP2)
    print(sklearn.__version__, len(expected["models"]), "models")


if __name__ == "__main__":
    main()
