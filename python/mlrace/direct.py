"""Calls a model with data that keeps to its signature, as PyFuncModel.predict does after its own
checks: the same context, params and arguments. What depends on the model alone is found out once.
"""

import contextlib
import inspect
import logging

import mlflow.pyfunc
import mlflow.pyfunc.model

_logger = logging.getLogger("mlflow.pyfunc")

# The names used by MLflow's functions that are replaced here, in the versions that this was written
# for. A function with other names does something else, and is called itself.
_PYFUNC_NAMES = set(
    "_try_get_prediction_context Context set_prediction_context update _model_meta model_id "
    "_get_dependencies_schema_from_model _predict metadata get_input_schema input_schema "
    "get_params_schema params_schema _is_signature_from_type_hint _enforce_params_schema "
    "_validate_prediction_input loader_module isinstance pandas DataFrame input_example "
    "_is_type_hint_from_example _convert_dataframe_to_example_format inspect signature _predict_fn "
    "parameters get kind Parameter VAR_KEYWORD _log_warning_if_params_not_in_predict_signature "
    "_logger".split()
)
_WRAPPER_NAMES = set(
    "inspect signature python_model predict parameters _convert_input context _logger "
    "_is_context_in_predict_function_signature _log_warning_if_params_not_in_predict_signature "
    "predict_type_hints _get_type_hints input isinstance pd DataFrame _is_list_str "
    "_get_first_string_column MlflowException invalid_parameter_value tolist _is_list_dict_str len "
    "inputs next iter name to_dict columns type issubclass ChatCompletionRequest "
    "SplitChatMessagesRequest _hydrate_dataclass iloc".split()
)


def find_predict(model):
    """A function of data and params that answers as model.predict would, given data that passes its
    checks unchanged; None when only model.predict itself does."""
    kind = mlflow.pyfunc.PyFuncModel
    functions = "predict", "_predict"
    if type(model) is not kind or not _is_known(model, kind, functions, _PYFUNC_NAMES):
        return None
    if model.metadata._is_signature_from_type_hint() or model.metadata._is_type_hint_from_example():
        return None
    # Attributes that PyFuncModel._predict leaves behind, from the metadata as it is now.
    model.input_schema = model.metadata.get_input_schema()
    model.params_schema = params_schema = model.metadata.get_params_schema()
    new_context = find_context(model)
    enforce_params = mlflow.pyfunc._enforce_params_schema
    evaluate = _find_wrapped(model) or _find_function(model)

    def predict(data, params):
        with new_context():
            return evaluate(data, enforce_params(params, params_schema))

    return predict


def find_context(model):
    """A function that gives the context manager that PyFuncModel.predict has around a call."""
    pyfunc = mlflow.pyfunc
    if not hasattr(pyfunc, "_get_dependencies_schema_from_model"):
        return contextlib.nullcontext  # an older MLflow
    about = dict(pyfunc._get_dependencies_schema_from_model(model.metadata) or {})
    if getattr(model, "model_id", None):
        about["model_id"] = model.model_id
    new_context, use_context = pyfunc.Context, pyfunc.set_prediction_context
    return lambda: use_context(new_context(**about))


def warn_of_params(params):
    """Params that a model does not take are left out, and MLflow says so."""
    mlflow.pyfunc.model._log_warning_if_params_not_in_predict_signature(_logger, params)


def _find_function(model):
    """The end of PyFuncModel._predict."""
    predict = model._predict_fn
    parameter = inspect.signature(predict).parameters.get("params")
    if parameter and parameter.kind != inspect.Parameter.VAR_KEYWORD:
        return lambda data, params: predict(data, params=params)

    def without_params(data, params):
        warn_of_params(params)
        return predict(data)

    return without_params


def _find_wrapped(model):
    """The end of _PythonModelPyfuncWrapper.predict for a PythonModel whose type hints ask for
    nothing; None for other models."""
    wrapper, kind = model._model_impl, mlflow.pyfunc.model._PythonModelPyfuncWrapper
    if type(wrapper) is not kind or model._predict_fn != wrapper.predict:
        return None
    if not _is_known(wrapper, kind, ("predict", "_convert_input"), _WRAPPER_NAMES):
        return None
    python_model = wrapper.python_model
    hints = getattr(python_model, "predict_type_hints", None)
    if hints is None or hints.input is not None:
        return None
    parameters = inspect.signature(python_model.predict).parameters
    takes_params = "params" in parameters
    takes_context = mlflow.pyfunc.model._is_context_in_predict_function_signature(
        parameters=parameters
    )

    def evaluate(data, params):
        arguments = (wrapper.context, data) if takes_context else (data,)
        if takes_params:
            return python_model.predict(*arguments, params=params)
        warn_of_params(params)
        return python_model.predict(*arguments)

    return evaluate


def _is_known(instance, kind, functions, names):
    """Whether functions of a class are MLflow's own and use no names but those."""
    for function in functions:
        code = getattr(getattr(kind, function, None), "__code__", None)
        if function in vars(instance) or code is None or set(code.co_names) - names:
            return False
    return True
