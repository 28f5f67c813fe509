"""Every form of a model's URI on every backend: the files are those that
mlflow.artifacts.download_artifacts brings, the predictions those of mlflow.pyfunc."""

import functools

import forms
import pytest
import trees


@pytest.fixture(scope="module")
def expected(backends):
    """expected(backend name): what MLflow makes of each URI; asked once for all of them."""

    @functools.cache
    def ask(name):
        backend = backends[name]
        uris = [backend.uri(forms.TEMPLATES[form]) for where, form in forms.CELLS if where == name]
        return backends.expect(backend, uris)

    return ask


@pytest.mark.parametrize("name, form", forms.CELLS)
def test_as_mlflow(backends, program, expected, name, form):
    backend = backends[name]
    uri = backend.uri(forms.TEMPLATES[form])
    answer = expected(name)[uri]
    assert "error" not in answer, f"MLflow itself: {answer['error']}"
    assert trees.digests(program.folder(backend, uri)) == answer["files"]
    assert program.predictions(backend, uri) == answer["predictions"]
