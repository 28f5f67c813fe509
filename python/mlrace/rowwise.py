"""Which models are known to answer each row exactly, to the last bit, as if it were alone.

That the rows are independent is not enough: a matrix product adds up in another order for many rows
than for one, and a mean over rows that lie side by side in memory in another than over one row. The
models below go through each row by itself, or do with each value what they do with any other.
Whatever is not known is answered alone, unless the server was told otherwise (--batch).
"""

_KNOWN_FLAVORS = "mlflow.sklearn", "mlflow.xgboost", "mlflow.lightgbm"

# Transformers that change each value by itself.
_ELEMENTWISE = set(
    "Binarizer KBinsDiscretizer MaxAbsScaler MinMaxScaler MissingIndicator OneHotEncoder "
    "OrdinalEncoder PolynomialFeatures RobustScaler SimpleImputer StandardScaler".split()
)
_TREES = set(
    "DecisionTreeClassifier DecisionTreeRegressor ExtraTreeClassifier ExtraTreeRegressor".split()
)
_FORESTS = set(
    "ExtraTreesClassifier ExtraTreesRegressor RandomForestClassifier RandomForestRegressor".split()
)
_BOOSTED = set(
    "GradientBoostingClassifier GradientBoostingRegressor HistGradientBoostingClassifier "
    "HistGradientBoostingRegressor".split()
)
_VECTOR_MACHINES = set("NuSVC NuSVR OneClassSVM SVC SVR".split())


def is_known(model):
    """Whether that is known of a loaded pyfunc model."""
    try:
        flavor = model.metadata.flavors["python_function"]
        if flavor.get("loader_module") not in _KNOWN_FLAVORS:
            return False
        wrapper = model._model_impl
        raw = wrapper.get_raw_model() if hasattr(wrapper, "get_raw_model") else wrapper
        schema = model.metadata.get_input_schema()
        n_inputs = len(schema.inputs) if schema and not schema.is_tensor_spec() else None
        return _is_known(raw, flavor.get("predict_fn", "predict"), n_inputs)
    except Exception:
        return False  # of another version, or not fitted


def _is_known(estimator, function, n_inputs):
    """n_inputs: columns of the signature, which nothing has changed yet; None: not known."""
    package, name = type(estimator).__module__.split(".")[0], type(estimator).__name__
    if function not in ("predict", "predict_proba"):
        return False
    if package == "lightgbm":
        return True
    if package == "xgboost":
        # What is missing of a row that is too short depends on its place among others.
        booster = estimator.get_booster() if hasattr(estimator, "get_booster") else estimator
        return booster.num_features() == n_inputs
    if package != "sklearn":
        return False
    if name == "Pipeline":
        *steps, (_, last) = estimator.steps
        return all(_is_elementwise(step) for _, step in steps) and _is_known(last, function, None)
    if name in _TREES:
        return True
    if name in _FORESTS:
        return estimator.n_jobs in (None, 1)  # threads add up their trees in any order
    if name in _BOOSTED:
        # The probabilities of many classes are divided by their sum.
        if name.endswith("Classifier"):
            return len(estimator.classes_) == 2
        return estimator.loss in ("squared_error", "absolute_error", "quantile", "huber")
    if name in _VECTOR_MACHINES:
        return function == "predict" and estimator.kernel in ("linear", "poly", "rbf", "sigmoid")
    if name == "KNeighborsClassifier":
        is_searched = estimator._fit_method in ("kd_tree", "ball_tree")
        return function == "predict" and is_searched and estimator.weights == "uniform"
    return False


def _is_elementwise(step):
    if isinstance(step, str):
        return step in ("passthrough", "drop")
    if step is None:
        return True
    if type(step).__module__.split(".")[0] != "sklearn":
        return False
    name = type(step).__name__
    if name == "Pipeline":
        return all(_is_elementwise(inner) for _, inner in step.steps)
    if name == "ColumnTransformer":
        return all(_is_elementwise(inner) for _, inner, _ in step.transformers_)
    if name == "FunctionTransformer":
        return step.func is None  # what "passthrough" becomes
    return name in _ELEMENTWISE
