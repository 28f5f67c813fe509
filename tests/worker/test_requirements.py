"""What a model's files say of its environment: read as MLflow and PyYAML read it."""

import importlib.metadata
import pathlib
import shutil
import subprocess
import sys

import mlflow.utils.environment
import mlflow.utils.requirements_utils
import mlflow.utils.virtualenv
import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st
from wheels import make_wheel

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "python"))
from mlrace import python_env, requirements, yaml_text  # noqa: E402
from mlrace.problem import Problem  # noqa: E402

# Requirements files.

LINES = """
# a comment
numpy==2.4.6   # why
  pandas >= 1 ; python_version > "3.0"

scikit-learn[extra] == \\
    1.9.1 \\
    --hash=sha256:0
url @ https://example.org/x.whl#egg=x
-r more/list.txt
--requirement  more/other.txt
-c bounds.txt
--constraint bounds.txt
--extra-index-url https://example.org/simple
# continued \\
by this
-e ./here
last \\"""


@pytest.fixture
def files(tmp_path):
    (tmp_path / "more").mkdir()
    (tmp_path / "requirements.txt").write_text(LINES)
    (tmp_path / "more/list.txt").write_text("one\n-c ../bounds.txt\n-r other.txt")
    (tmp_path / "more/other.txt").write_text("two\n")
    (tmp_path / "bounds.txt").write_text("three<3\n-r more/other.txt\n")
    return tmp_path


def test_requirements_are_read_as_mlflow_does(files):
    theirs = mlflow.utils.requirements_utils._parse_requirements(
        ["-r requirements.txt"], is_constraint=False, base_dir=str(files)
    )
    ours = requirements.read(["-r requirements.txt"], str(files))
    assert list(map(tuple, ours)) == list(map(tuple, theirs))


def test_requirements_that_cannot_be_read(tmp_path):
    (tmp_path / "loop.txt").write_text("one\n-r loop.txt")
    (tmp_path / "binary.txt").write_bytes(b"\xff\xfe")
    for line, words in [
        ("-r loop.txt", "include each other"),
        ("-r none.txt", "none.txt: cannot be read"),
        ("-r binary.txt", "binary.txt: cannot be read"),
    ]:
        with pytest.raises(Problem, match=words):
            list(requirements.read([line], str(tmp_path)))


# Comparison with what is installed.

PYTEST = importlib.metadata.version("pytest")


@pytest.mark.parametrize(
    "line",
    [
        "pytest",
        f"pytest=={PYTEST}",
        f"PyTest == {PYTEST}.0",
        f"pytest>=1,<={PYTEST}",
        f"pytest>{PYTEST}",
        "pytest~=1.0",
        f"pytest!={PYTEST}",
        f"pytest==={PYTEST}",
        "pytest==1.*",
        "pytest==1; python_version < '3'",
        "pytest==1; python_version > '3'",
        "pytest==1; extra == 'more'",
        "no-such-package-zz",
        "no_such.package-zz==1.0; sys_platform == 'linux'",
        "no-such-package-zz; sys_platform == 'win32'",
        "databricks-agents",
        "importlib_metadata",
        "typing.extensions",
        "git+https://example.org/x.git",
        "x @ https://example.org/x.zip",
        "./folder",
        "-e .",
        "--index-url https://example.org",
        "not a requirement",
    ],
)
def test_differences_are_mlflows(line):
    theirs = mlflow.utils.requirements_utils._check_requirement_satisfied(line)
    if theirs and theirs.package_name == "databricks-agents":
        theirs = None  # warn_dependency_requirement_mismatches leaves it out
    ours = requirements.differences([requirements.Line(line, False)])
    assert [(d.package, d.installed) for d in ours] == (
        [(theirs.package_name, theirs.installed_version)] if theirs else []
    )


def differences(*texts, is_constraint=False):
    lines = [requirements.Line(text, is_constraint) for text in texts]
    return [str(difference) for difference in requirements.differences(lines)]


def test_options_of_one_requirement():
    assert differences(f"pytest=={PYTEST} --hash=sha256:00 --hash=sha256:11") == []
    wrong = [f"pytest: required ==1, installed {PYTEST}"]
    assert differences("pytest==1 --hash=sha256:00") == wrong


def test_wheels_of_the_model():
    assert differences(f"wheels/pytest-{PYTEST}-py3-none-any.whl") == []
    assert differences("code/no_such_zz-1.5-2-cp39-cp39-linux_x86_64.whl") == [
        "no_such_zz: required ==1.5, not installed"
    ]


def test_constraints_ask_for_nothing():
    assert differences("no-such-package-zz==1", is_constraint=True) == []
    wrong = [f"pytest: required <1, installed {PYTEST}"]
    assert differences("pytest<1", is_constraint=True) == wrong


@pytest.fixture
def install(tmp_path, monkeypatch):
    """install(name, version, needs): a package is there, for this test."""
    monkeypatch.syspath_prepend(str(tmp_path))
    return lambda *package: shutil.unpack_archive(make_wheel(tmp_path, *package), tmp_path, "zip")


def test_what_extras_ask_for(install):
    needs = ["pytest<1", "none-zz", "extra-zz[x]"]
    needs = ["pytest>=1", *(f"{need}; extra == 'more'" for need in needs)]
    install("extra-zz", "1.0", needs)
    assert differences("extra-zz==1") == []
    assert differences("extra-zz[more,x]") == [
        f"pytest: required <1, installed {PYTEST}",
        "none-zz: required any version, not installed",
    ]


def test_local_versions_and_releases_before_the_first(install):
    install("torch-zz", "2.13.0+cpu")
    install("new-zz", "3.0rc1")
    assert differences("torch-zz==2.13.0", "torch-zz<3", "new-zz>=2", "new-zz==3.0rc1") == []
    assert len(differences("torch-zz==2.13.0+cu126", "new-zz==3.0")) == 2


def differences_in(folder, *texts):
    """The same in an interpreter that sees the packages in a folder and none that are installed."""
    code = (
        "import sys\n"
        "from mlrace.requirements import Line, differences\n"
        "for text in differences(Line(text, False) for text in sys.argv[1:]): print(text)"
    )
    environ = {"PYTHONPATH": f"{ROOT / 'python'}:{folder}"}
    command = [sys.executable, "-S", "-c", code, *texts]
    result = subprocess.run(command, env=environ, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return result.stdout.splitlines()


def test_mlflow_skinny_stands_in_for_mlflow(tmp_path):
    shutil.unpack_archive(make_wheel(tmp_path, "mlflow-skinny", "3.17.2"), tmp_path, "zip")
    packaging = importlib.metadata.distribution("packaging").locate_file("packaging")
    shutil.copytree(packaging, tmp_path / "packaging")
    assert differences_in(tmp_path, "mlflow==3.17.2", "mlflow==3.1") == [
        "mlflow: required ==3.17.2, installed 3.17.2 (mlflow-skinny), which cannot load models: "
        "No module named 'mlflow'",
        "mlflow: required ==3.1, installed 3.17.2 (mlflow-skinny)",
    ]
    (tmp_path / "mlflow/pyfunc").mkdir(parents=True)
    (tmp_path / "mlflow/pyfunc/__init__.py").touch()
    assert differences_in(tmp_path, "mlflow==3.17.2") == []


def test_without_the_package_packaging(tmp_path):
    shutil.unpack_archive(make_wheel(tmp_path, "here-zz", "1.0"), tmp_path, "zip")
    same = ["here-zz", "here-zz[x]==1.0", "-e ."]
    assert differences_in(tmp_path, *same, "here-zz == 2.0", "here-zz>=1", "none-zz") == [
        "here-zz: required ==2.0, installed 1.0",
        "here-zz: required >=1 (which only the package packaging can compare), installed 1.0",
        "none-zz: required any version, not installed",
    ]


# python_env.yaml and conda.yaml.


def check_python_env(folder):
    theirs = mlflow.utils.virtualenv._get_python_env(folder)
    ours = python_env.read(str(folder))
    version = ours.python or mlflow.utils.environment.PYTHON_VERSION
    assert (version, ours.build_dependencies, ours.dependencies) == (
        theirs.python,
        theirs.build_dependencies,
        theirs.dependencies,
    )


@pytest.fixture
def model(tmp_path, iris_model):
    return pathlib.Path(shutil.copytree(iris_model, tmp_path / "model"))


def test_python_env_is_read_as_mlflow_does(model):
    check_python_env(model)
    (model / "python_env.yaml").write_text("python: '3.10'\n")
    check_python_env(model)
    (model / "python_env.yaml").unlink()
    check_python_env(model)
    (model / "requirements.txt").unlink()
    check_python_env(model)


@pytest.mark.parametrize(
    "dependencies",
    [
        "[python=3.8.13, pip<=23, setuptools=1, wheel, {pip: [a==1, b]}]",
        "[python==3.8]",
        "[python>=3.8, scipy=1]",
        "[conda-forge::python=3.8, {pip: [a]}, {pip: [b]}]",
        "[pip]",
    ],
)
def test_conda_yaml_is_read_as_mlflow_does(model, dependencies):
    (model / "python_env.yaml").unlink()
    (model / "requirements.txt").unlink()
    (model / "conda.yaml").write_text(f"name: env\ndependencies: {dependencies}\n")
    check_python_env(model)


def test_mlmodel_names_the_files(model):
    (model / "python_env.yaml").rename(model / "other.yaml")
    (model / "conda.yaml").rename(model / "conda2.yaml")
    text = (model / "MLmodel").read_text()
    text = text.replace("python_env.yaml", "other.yaml").replace("conda.yaml", "conda2.yaml")
    (model / "MLmodel").write_text(text)
    check_python_env(model)
    assert python_env.conda_yaml(str(model)) == str(model / "conda2.yaml")
    # Before MLflow 2.0 there was only conda.
    content = yaml.safe_load(text)
    content["flavors"]["python_function"]["env"] = "conda2.yaml"
    (model / "MLmodel").write_text(yaml.safe_dump(content))
    (model / "other.yaml").unlink()
    check_python_env(model)
    assert python_env.conda_yaml(str(model)) == str(model / "conda2.yaml")


@pytest.mark.parametrize("text", ["python: [3]", "dependencies: 3", "dependencies: [{a: b}]"])
def test_a_python_env_that_is_none(model, text):
    (model / "python_env.yaml").write_text(text)
    with pytest.raises(Problem, match="python_env.yaml: expected"):
        python_env.read(str(model))


@pytest.mark.parametrize("text", ["", "- a", "text", "flavors: a", "flavors: {python_function: []}"])
def test_an_mlmodel_of_another_shape(model, text):
    (model / "MLmodel").write_text(text)
    assert python_env.read(str(model)).dependencies == ["-r requirements.txt"]


# YAML.


def read_blocks(text):
    return yaml_text._read_blocks(text, "file")


def test_yaml_of_models_without_pyyaml():
    for name in ("MLmodel", "conda.yaml", "python_env.yaml"):
        path = ROOT / "examples/iris/model" / name
        text = path.read_text()
        assert read_blocks(text) == yaml.load(text, Loader=yaml.BaseLoader) == yaml_text.read(path)


# Keys as MLflow's files have them; values of every kind that a text can have.
keys = st.text("ab_-1 .\"'#:", max_size=8).map(lambda text: "k" + text + "k") | st.just("null")
texts = st.text("ab \n\t'\"\\#:-[]{}&*!|>%@`,\u00e9\x01\U0001f600", max_size=30)
texts = texts | st.lists(texts, max_size=40).map(" ".join)
values = st.recursive(
    texts | st.integers() | st.none() | st.booleans(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=12,
)


@given(st.dictionaries(keys, values, min_size=1, max_size=4), st.booleans(), st.booleans())
@example({"a": "b: c", "d": ["- e", ["f"], {"g": []}]}, False, True)
def test_yaml_as_mlflow_writes_it(content, is_unicode, is_sorted):
    text = yaml.safe_dump(
        content, default_flow_style=False, allow_unicode=is_unicode, sort_keys=is_sorted
    )
    assert read_blocks(text) == yaml.load(text, Loader=yaml.BaseLoader)


@pytest.mark.parametrize(
    "text",
    [
        "# only\n\n---\na: 1 # one\n\nb:\n  c: 'd # e'\n",
        "a:\n- b\n-\n  c\n- d: e\n  f: g\n- - h\n  - i\n",
        "a:\n  plain\n  text\nb: more\n  of it\n",
        "- a\n- b: c\n",
        "text",
        "",
    ],
)
def test_yaml_by_hand(text):
    assert read_blocks(text) == (yaml.load(text, Loader=yaml.BaseLoader) or "")


@pytest.mark.parametrize(
    "text, line",
    [
        ("a: [b, c]", 1),
        ("a: 1\nb: &c d", 2),
        ("a: |\n  b", 1),
        ("a: 'b\nc", 1),
        ("a: 1\n- b", 1),
        ("- " * 5000, 1),
    ],
)
def test_yaml_that_cannot_be_read(text, line):
    with pytest.raises(Problem, match=f"file, near line {line}: .*pip install pyyaml"):
        read_blocks(text)


def test_a_file_that_is_no_yaml(tmp_path):
    (tmp_path / "bad").write_text("a: [")
    (tmp_path / "binary").write_bytes(b"\xff")
    for name, words in [("bad", "not YAML"), ("binary", "cannot be read"), ("none", "cannot be")]:
        with pytest.raises(Problem, match=words):
            yaml_text.read(tmp_path / name)
