"""Has what a model records of a call belong to the trace of the client: MLflow's spans and those of
OpenTelemetry. Where neither is installed nothing happens."""

import contextlib
import traceback


def continued(trace):
    """A context manager for a call.

    trace  pair of traceparent and tracestate, as HTTP's headers have them; None: there is none
    """
    return _continued(*trace) if trace else contextlib.nullcontext()


@contextlib.contextmanager
def _continued(parent, state):
    headers = {"traceparent": parent}
    if state:
        headers["tracestate"] = state
    with contextlib.ExitStack() as stack:
        for enter in (_opentelemetry, _mlflow):
            try:
                stack.enter_context(enter(headers))
            except Exception:  # the answer is worth more than its trace
                traceback.print_exc()
        yield


@contextlib.contextmanager
def _opentelemetry(headers):
    try:
        from opentelemetry import context
        from opentelemetry.trace.propagation import tracecontext
    except ImportError:
        yield
        return
    found = tracecontext.TraceContextTextMapPropagator().extract(headers)
    token = context.attach(found)
    try:
        yield
    finally:
        context.detach(token)


def _mlflow(headers):
    """MLflow keeps a context of its own, and a register of traces, since 3.9."""
    try:
        from mlflow.tracing import distributed
    except ImportError:
        return contextlib.nullcontext()
    function = distributed.set_tracing_context_from_http_request_headers
    # What it decorates: without a usage event for each request.
    return getattr(function, "__wrapped__", function)(headers)
