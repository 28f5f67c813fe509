"""Selectors of features in the pipeline engine against scikit-learn itself: which columns reach the
last step, with which bits and which dtype."""

import itertools

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from predictor import Refused, shown
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import GradientBoostingRegressor, RandomForestClassifier
from sklearn.feature_selection import (
    RFE,
    RFECV,
    GenericUnivariateSelect,
    SelectFdr,
    SelectFpr,
    SelectFromModel,
    SelectFwe,
    SelectKBest,
    SelectPercentile,
    SequentialFeatureSelector,
    VarianceThreshold,
    f_regression,
)
from sklearn.linear_model import ElasticNet, Lasso, LinearRegression, LogisticRegression, Ridge
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import KBinsDiscretizer
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeRegressor

pytestmark = pytest.mark.filterwarnings("ignore")


def columns_of(x):
    """A regression whose answer is its X, if that has more than one column."""
    n = x.shape[1]
    regression = LinearRegression().fit(np.zeros((2, n)), np.zeros((2, n)))
    regression.coef_, regression.intercept_ = np.eye(n), np.zeros(n)
    return regression


def selecting(selector, x, y=None):
    """The fitted selector before a regression that answers what it keeps."""
    selector.fit(x, y)
    model = make_pipeline(selector, LinearRegression())
    model.steps[-1] = ("last", columns_of(selector.transform(x)))
    return model


def assert_same(predictor, model, x, stored="skops"):
    predictor.load(model, stored=stored)
    for rows in (x, x[1:3], x[:1]):
        want = np.asarray(model.predict(rows))
        got = predictor.predict(rows)
        assert got.dtype == want.dtype and got.shape == want.shape
        assert (got == want).all()  # adding zeros of other columns turns -0.0 into 0.0
    return want.shape[-1]


def data(n=300, n_features=9, seed=0):
    generator = np.random.default_rng(seed)
    x = generator.normal(0, 1, (n, n_features))
    x[:, 2] = x[:, -1]
    y = (x[:, 0] + x[:, 2] * 0.5 + generator.normal(0, 0.3, n) > 0).astype(int)
    return x, y


SELECTORS = [
    VarianceThreshold(0.9),
    VarianceThreshold(),
    SelectKBest(k=3),
    SelectKBest(f_regression, k="all"),
    SelectKBest(k=100),
    SelectPercentile(percentile=30),
    SelectPercentile(percentile=33.3),
    SelectPercentile(percentile=100),
    SelectFpr(alpha=0.2),
    SelectFdr(alpha=0.5),
    SelectFwe(alpha=0.3),
    GenericUnivariateSelect(mode="k_best", param=4),
    GenericUnivariateSelect(mode="k_best", param="all"),
    GenericUnivariateSelect(mode="percentile", param=50),
    GenericUnivariateSelect(mode="fpr", param=0.4),
    GenericUnivariateSelect(mode="fdr", param=0.6),
    GenericUnivariateSelect(mode="fwe", param=0.9),
    RFE(LogisticRegression(), n_features_to_select=4),
    RFE(DecisionTreeRegressor(), n_features_to_select=0.5, step=2),
    RFE(GradientBoostingRegressor(n_estimators=3), n_features_to_select=2),
    RFECV(Ridge(), cv=2, min_features_to_select=3),
    RFECV(RandomForestClassifier(n_estimators=3, random_state=0), cv=2, min_features_to_select=2),
    SequentialFeatureSelector(Ridge(), n_features_to_select=3, cv=2),
    SequentialFeatureSelector(LinearRegression(), direction="backward", tol=-0.1, cv=2),
    SelectFromModel(LinearRegression()),
    SelectFromModel(LogisticRegression(C=0.1), threshold="median"),
    SelectFromModel(LogisticRegression(), threshold="0.5*mean"),
    SelectFromModel(LinearSVC(), threshold="1.25 * median"),
    SelectFromModel(Ridge(), threshold=0.05),
    SelectFromModel(Ridge(), threshold=-np.inf, max_features=4),
    SelectFromModel(Ridge(), max_features=lambda x: x.shape[1] // 3, threshold=-1),
    SelectFromModel(Lasso(0.01)),
    SelectFromModel(ElasticNet(0.01)),
    SelectFromModel(LogisticRegression(solver="liblinear", penalty="l1", C=0.05)),
]


@pytest.mark.parametrize("selector", SELECTORS, ids=shown)
def test_every_selector(predictor, selector):
    x, y = data()
    n_kept = [assert_same(predictor, selecting(selector, x, y), x)]
    x = pd.DataFrame(x, columns=[f"x{i}" for i in range(x.shape[1])])
    n_kept.append(assert_same(predictor, selecting(selector, x, y), x))
    assert n_kept == [selector.get_support().sum()] * 2


@pytest.mark.parametrize("stored", ["skops", "pickle", "cloudpickle"])
def test_every_format(predictor, stored):
    x, y = data()
    for selector in [
        VarianceThreshold(0.9),
        SelectKBest(k=3),
        RFE(Ridge(), n_features_to_select=3),
        RFECV(Ridge(), cv=2, min_features_to_select=4),
        SequentialFeatureSelector(Ridge(), n_features_to_select=3, cv=2),
        SelectFromModel(LogisticRegression()),
    ]:
        assert_same(predictor, selecting(selector, x, y), x, stored)


def scored(selector, scores, pvalues=None):
    """A fitted selector that computed these scores."""
    n = len(scores)
    selector.fit(np.eye(n + 2)[:, :n], np.arange(n + 2) % 2)
    selector.scores_ = np.asarray(scores)
    selector.pvalues_ = None if pvalues is None else np.asarray(pvalues)
    return selector


def assert_mask(predictor, selector, n):
    """The same features as scikit-learn keeps, or a refusal."""
    x = np.arange(2.0 * n).reshape(2, n) + 1
    kept = selector.get_support()
    model = make_pipeline(selector, columns_of(x[:, kept] if kept.any() else x))
    if not kept.any():
        with pytest.raises(Refused, match="no features|infinite"):
            predictor.load(model)
        return 0
    try:
        predictor.load(model)
    except Refused as refused:
        assert "infinite" in str(refused)
        return 0
    assert predictor.predict(x).tolist() == x[:, kept].tolist()
    return 1


def test_ties_and_nan_among_scores(predictor):
    generator = np.random.default_rng(1)
    special = [np.nan, np.inf, -np.inf, 0.0, -0.0, np.finfo(float).min, 1.0, 1.0, 2.0]
    n_same = 0
    for i in range(90):
        n = int(generator.integers(1, 40))
        pool = special if i % 3 == 0 else [0.5, 1.0, np.nan, 2.0] if i % 3 == 1 else generator.random(n)
        scores = generator.choice(pool, n).astype(np.float32 if i % 5 == 4 else np.float64)
        k = int(generator.integers(0, n + 3))
        n_same += assert_mask(predictor, scored(SelectKBest(k=k), scores), n)
        if scores.dtype == np.float64:
            for percentile in (k * 100 / (n + 3), int(generator.integers(0, 101)), np.float64(12.5)):
                selector = scored(SelectPercentile(percentile=percentile), scores)
                n_same += assert_mask(predictor, selector, n)
    assert n_same > 200


def test_p_values(predictor):
    generator = np.random.default_rng(2)
    n_same = 0
    for i in range(60):
        n = int(generator.integers(1, 30))
        pool = [0.0, 0.01, 0.05, 0.05, np.nan, 1.0] if i % 2 else generator.random(n) ** 4
        pvalues = generator.choice(pool, n)
        for selector in (SelectFpr(), SelectFdr(), SelectFwe(), SelectFdr(alpha=1), SelectFwe(alpha=0.3)):
            n_same += assert_mask(predictor, scored(selector, pvalues, pvalues), n)
    assert n_same > 100


def test_coefficients(predictor):
    generator = np.random.default_rng(3)
    for i in range(24):
        n, n_rows = [1, 7, 9, 40, 300][i % 5], int(generator.integers(1, 8))
        x = np.arange(2.0 * n).reshape(2, n) + 1
        model = LogisticRegression(max_iter=1).fit(x, [0, 1])
        coef = generator.choice([-1, 0, 0.5, 3], (n_rows, n)) if i % 2 else generator.normal(0, 1, (n_rows, n))
        threshold = ["mean", "median", "1.25*mean", "0.1*median", None, 0.5][i % 6]
        max_features = [None, n // 2 + 1, 0, 5 * n][i % 4]
        selector = SelectFromModel(model, threshold=threshold, max_features=max_features, prefit=True).fit(x)
        selector.estimator_.coef_ = coef.astype(float)
        assert_mask(predictor, selector, n)


DTYPES = [bool, np.int8, np.uint8, np.int16, np.int32, np.uint32, np.int64, np.float32, np.float64]


def test_dtypes_of_arrays_and_tables(predictor):
    """The regression is float32 throughout, so that its answer has the dtype of X."""
    generator = np.random.default_rng(4)
    values = generator.integers(0, 2, (300, 4))
    n_float32 = 0
    for pair in itertools.product(DTYPES, DTYPES):
        x = pd.DataFrame({f"x{i}": values[:, i].astype(pair[i % 2]) for i in range(4)})
        selector = SelectKBest(k=2).fit(x, values[:, 0] ^ values[:, 2])
        model = make_pipeline(selector, columns_of(np.zeros((2, 2))))
        for attribute in ("coef_", "intercept_"):
            array = getattr(model[-1], attribute)
            setattr(model[-1], attribute, (array * np.float32(1)).astype(np.float32))
        assert_same(predictor, model, x)
        n_float32 += model.predict(x).dtype == np.float32
        if pair[0] == pair[1]:
            assert_same(predictor, model, x.to_numpy())
    assert n_float32


def test_large_integers_stay_integers(predictor):
    x = np.array([[2**53 + 1, 0, 3], [1, 2, 2**62 + 1]], dtype=np.int64)
    assert_same(predictor, selecting(VarianceThreshold(), x), x)


def test_zeros_keep_their_signs(predictor):
    """A tree behind a division would see it; the bits are looked at in a single column."""
    x = np.array([[-0.0, 1], [0.0, 1], [5e-324, 1], [-1e308, 1]])
    selector = VarianceThreshold().fit(x)
    regression = LinearRegression().fit(x[:, :1], [0, 1, 2, 3])
    regression.coef_, regression.intercept_ = np.array([1.0]), -0.0
    model = make_pipeline(selector, regression)
    predictor.load(model)
    assert predictor.predict(x).tobytes() == model.predict(x).tobytes()


def test_values_that_are_not_finite(predictor):
    """NaN and infinity pass a selector whose tag allows NaN; in a column that is dropped, too."""
    x, y = data(20, 4)
    x[0, 1], x[1, 3] = np.nan, np.inf
    clean = np.nan_to_num(x, posinf=0)
    tree = DecisionTreeRegressor(random_state=0)
    allowing = VarianceThreshold().fit(clean)
    allowing.variances_ = np.array([1.0, 1.0, 1.0, 0.0])
    strict = SelectKBest(k=2).fit(clean, y)
    strict.scores_ = np.array([3.0, 1.0, 2.0, 0.0])
    wrappers = [RFE(RandomForestClassifier(2), n_features_to_select=2), RFE(Ridge(), n_features_to_select=2)]
    for selector in [allowing, strict] + [wrapper.fit(clean, y) for wrapper in wrappers]:
        model = make_pipeline(selector, tree)
        tree.fit(selector.transform(clean), y)
        predictor.load(model)
        for rows in (x, x[:1], x[1:2], x[2:], pd.DataFrame(x)[:1], pd.DataFrame(x)[1:2]):
            try:
                want = model.predict(rows)
            except ValueError:
                with pytest.raises(Refused) as refused:
                    predictor.predict(rows)
                assert refused.value.error_code == "BAD_REQUEST"
                continue
            assert predictor.predict(rows).tolist() == want.tolist()


def test_sparse(predictor):
    x, y = data()
    binned = KBinsDiscretizer(4, strategy="uniform").fit(x)
    for selector in (SelectKBest(k=7), VarianceThreshold(0.1), SelectFromModel(LogisticRegression())):
        model = make_pipeline(binned, *[step for _, step in selecting(selector, binned.transform(x), y).steps])
        n_kept = selector.get_support().sum()
        assert 1 < n_kept < 36 and scipy.sparse.issparse(model[:-1].transform(x))
        model.steps[-1] = ("last", LogisticRegression().fit(selector.transform(binned.transform(x)), y))
        model[-1].coef_, model[-1].intercept_ = 2.0 ** -np.arange(n_kept)[None], np.zeros(1)  # exact sums
        predictor.load(model, "decision_function")
        for rows in (x, x[:1]):
            assert predictor.predict(rows).tolist() == model.decision_function(rows).tolist()


def test_inside_a_column_transformer(predictor):
    x, y = data()
    x = pd.DataFrame(x, columns=list("abcdefghi")).assign(flag=y > 0, count=np.arange(300))
    columns = ColumnTransformer([
        ("best", SelectKBest(k=2), ["a", "c", "flag"]),
        ("vary", VarianceThreshold(), ["count"]),
    ])
    assert_same(predictor, selecting(columns, x, y), x)


def test_requests_that_do_not_fit(predictor):
    x, y = data()
    predictor.load(selecting(SelectKBest(k=2), pd.DataFrame(x, columns=list("abcdefghi")), y))
    for rows in (x[:, :3], pd.DataFrame(x, columns=list("abcdefghj"))):
        with pytest.raises(Refused) as refused:
            predictor.predict(rows)
        assert refused.value.error_code == "BAD_REQUEST"
    with pytest.raises(Refused) as refused:
        predictor.predict(x.astype(str))
    assert refused.value.error_code == "NOT_IMPLEMENTED"


def refused(predictor, selector, match, **attributes):
    x, y = data()
    model = selecting(selector, x, y)
    for name, value in attributes.items():
        setattr(model[0], name, value)
    with pytest.raises(Refused, match=match):
        predictor.load(model)


def test_refused_models(predictor):
    refused(predictor, SelectKBest(k=2), "k should be", k=2.0)
    refused(predictor, SelectKBest(k=2), "k should be", k=-1)
    refused(predictor, SelectKBest(k=2), "k should be", k=True)
    refused(predictor, SelectKBest(k=2), "keeps no features", k=0)
    refused(predictor, SelectKBest(k=2), "attribute other", other=1)
    refused(predictor, SelectKBest(k=2), "scores_", scores_=np.zeros(3))
    refused(predictor, SelectKBest(k=2), "scores_", scores_=np.zeros(9, int))
    refused(predictor, SelectPercentile(), "percentile", percentile="10")
    refused(predictor, SelectPercentile(), "percentile", percentile=101)
    refused(predictor, SelectPercentile(), "percentile", percentile=np.float32(10))
    refused(predictor, SelectPercentile(), "infinite", scores_=np.full(9, np.inf))
    refused(predictor, SelectPercentile(), "float32", scores_=np.zeros(9, np.float32))
    refused(predictor, SelectFpr(alpha=0.9), "pvalues_", pvalues_=None)
    refused(predictor, SelectFpr(alpha=0.9), "alpha", alpha=np.nan)
    refused(predictor, GenericUnivariateSelect(param=50), "mode", mode="best")
    refused(predictor, VarianceThreshold(), "variances_", variances_=np.ones(8))
    refused(predictor, RFE(Ridge()), "support_", support_=np.ones(9))
    refused(predictor, RFE(Ridge()), "support_", support_=np.ones((9, 1), bool))
    refused(predictor, SequentialFeatureSelector(KNeighborsClassifier(), n_features_to_select=2, cv=2), "KNeigh")
    refused(predictor, RFE(DecisionTreeRegressor(splitter="random")), "DecisionTree")
    refused(predictor, RFE(DecisionTreeRegressor(criterion="absolute_error")), "DecisionTree")
    refused(predictor, SelectFromModel(RandomForestClassifier(3)), "RandomForest")
    refused(predictor, SelectFromModel(Ridge()), "norm_order", norm_order=2)
    refused(predictor, SelectFromModel(Ridge()), "importance_getter", importance_getter="coef_")
    refused(predictor, SelectFromModel(Ridge()), "threshold", threshold="2*mode")
    refused(predictor, SelectFromModel(Ridge()), "threshold", threshold="1e-3*mean")
    refused(predictor, SelectFromModel(ElasticNet(0.01, l1_ratio=1)), "l1_ratio")
    selector = VarianceThreshold().set_output(transform="pandas")
    refused(predictor, selector, "set_output")


def test_nan_in_coefficients_is_refused(predictor):
    x, y = data()
    model = selecting(SelectFromModel(Ridge()), x, y)
    for coef, match in [
        (np.full(9, np.nan), "infinite"),
        (np.ones(8), "9 columns"),
        (np.ones(9, np.float32), "float32"),
        (np.ones((8, 9)), "classes"),
    ]:
        model[0].estimator_.coef_ = coef
        with pytest.raises(Refused, match=match):
            predictor.load(model)
