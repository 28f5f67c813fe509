"""Fixtures: models, hosts that have loaded them, and workers that those have forked."""

import contextlib
import itertools
import sys

import pytest
import worker_models
import worker_protocol as wire


@pytest.fixture(scope="session")
def save_python_model(tmp_path_factory):
    """save_python_model(python_model, signature=None, **options): the folder MLflow saved it to."""
    import cloudpickle
    import mlflow.pyfunc

    def save(python_model, signature=None, **options):
        folder = tmp_path_factory.mktemp("model") / "model"
        cloudpickle.register_pickle_by_value(worker_models)
        cloudpickle.register_pickle_by_value(sys.modules[type(python_model).__module__])
        options.setdefault("pip_requirements", ["mlflow"])
        mlflow.pyfunc.save_model(folder, python_model=python_model, signature=signature, **options)
        return folder

    return save


@pytest.fixture(scope="session")
def start_host(tmp_path_factory):
    """with start_host(model, *options, env=None) as host: a host process that has begun to load."""

    def start(model, *options, env=None):
        return wire.start_host(model, tmp_path_factory.mktemp("host") / "log", *options, env=env)

    return start


@pytest.fixture(scope="session")
def start_template(start_host, tmp_path_factory):
    """with start_template(model) as fork: a host that can fork; fork() gives a worker."""
    numbers = itertools.count()

    @contextlib.contextmanager
    def start(model, *options, env=None):
        with start_host(model, *options, env=env) as host:
            loaded = host.receive()
            assert loaded and loaded.type == wire.LOADED, (loaded, host.log())
            assert loaded.json()["can_fork"], loaded.json()
            logs = tmp_path_factory.mktemp("worker")

            def fork():
                return host.fork(logs / str(next(numbers)))

            fork.host, fork.loaded = host, loaded.json()
            yield fork

    return start


@pytest.fixture(scope="session")
def recorder(start_template, save_python_model):
    """A worker with a model that answers with what it was called with; no signature."""
    with start_template(save_python_model(worker_models.Recorder())) as fork:
        yield fork()


@pytest.fixture(scope="session")
def doer_template(start_template, save_python_model):
    """fork() gives a worker that does what its column `do` says."""
    with start_template(save_python_model(worker_models.Doer())) as fork:
        yield fork


@pytest.fixture(scope="session")
def doer(doer_template):
    """do(word, **columns): the result of a worker's model."""
    worker = doer_template()

    def do(text, flags=0, **columns):
        n_rows = len(next(iter(columns.values()), [text]))
        items = [wire.Values("do", [text] * n_rows, "str")]
        items += [wire.Values(name, values) for name, values in columns.items()]
        return worker.ask(wire.table(items, flags=flags))

    do.worker = worker
    return do
