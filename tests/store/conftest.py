"""Fixtures of the tests of model URIs; a table of what `pytest tests/store/test_forms.py` found."""

import pathlib
import re

import backends as mlflow_backends
import forms
import pytest
import trees


class Program:
    """Commands of the program under test, as a user of a backend would type them."""

    def __init__(self, run, home, rows):
        self._run, self.home, self._rows = run, home, rows

    def environment(self, backend):
        values = {**mlflow_backends.CLEAN, **backend.env}
        values |= {"HOME": str(self.home), "MLRACE_HOME": str(self.home / backend.name)}
        return {name: value or "" for name, value in values.items()}  # empty is unset, for both

    def __call__(self, backend, *arguments, env=(), **options):
        env = {**self.environment(backend), **dict(env)}
        return self._run(*arguments, env=env, cwd=backend.folder, **options)

    def folder(self, backend, uri, env=()):
        """Where the program has a model's files."""
        result = self(backend, "explain", "-m", uri, env=env)
        assert result.returncode == 0, result.stderr
        path = re.search(r"^model: +(.+)$", result.stdout, re.MULTILINE)
        assert path, result.stdout
        return backend.folder / path[1]

    def predictions(self, backend, uri, env=()):
        result = self(backend, "predict", "-m", uri, "-i", self._rows, env=env)
        assert result.returncode == 0, result.stderr
        return [int(number) for number in re.findall(r"\d+", result.stdout)]


@pytest.fixture(scope="session")
def backends(tmp_path_factory):
    """backends[name]: a real backend, filled; started when a test first asks for it."""
    found = mlflow_backends.Backends(tmp_path_factory.mktemp("backends"))
    yield found
    found.close()


@pytest.fixture(scope="session")
def program(run, backends, tmp_path_factory):
    rows = tmp_path_factory.mktemp("rows") / "rows.csv"
    rows.write_text(backends.side.rows)
    return Program(run, tmp_path_factory.mktemp("home"), rows)


@pytest.fixture(scope="session")
def compare(backends, program):
    """compare(backend, uris): the program finds the files that MLflow does, or fails as it does."""

    def check(backend, uris, env=()):
        asked = mlflow_backends.Backend(backend.name, backend.folder, {**backend.env, **dict(env)})
        wrong = []
        for uri, expected in backends.expect(asked, uris, has_predictions=False).items():
            result = program(asked, "explain", "-m", uri)
            if result.returncode:
                if "error" not in expected or result.returncode != 1 or uri not in result.stderr:
                    wrong.append(f"{uri}: {result.returncode}: {result.stderr}")
            elif "error" in expected:
                wrong.append(f"{uri}: MLflow: {expected['error']}")
            elif trees.digests(program.folder(asked, uri)) != expected["files"]:
                wrong.append(f"{uri}: other files: {program.folder(asked, uri)}")
        assert not wrong, "\n".join(wrong)

    return check


def pytest_terminal_summary(terminalreporter):
    """Every form of URI on every backend that was asked, as `make store-table` shows them."""
    signs = {}
    for outcome, sign in (("passed", "="), ("failed", "FAIL"), ("error", "FAIL")):
        for report in terminalreporter.stats.get(outcome, ()):
            if cell := re.search(r"::test_as_mlflow\[(\w+)-(.+)\]$", getattr(report, "nodeid", "")):
                signs.setdefault(cell.groups(), sign)
    if not signs:
        return
    width = max(len(name) for name in forms.TEMPLATES)
    write = terminalreporter.write_line
    terminalreporter.section("the same files and predictions as MLflow's (=)")
    write(" ".join([" " * width, *(f"{name:>7}" for name in forms.BACKENDS)]))
    for name in forms.TEMPLATES:
        cells = [signs.get((backend, name), "") for backend in forms.BACKENDS]
        write(" ".join([name.ljust(width), *(f"{cell:>7}" for cell in cells)]).rstrip())
