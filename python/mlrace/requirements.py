"""Requirements of a model: read as MLflow reads them, compared with what is installed."""

import importlib.metadata
import os
import re
from typing import NamedTuple, Optional

from mlrace.problem import Problem

try:
    from packaging.requirements import InvalidRequirement, Requirement
except ImportError:
    try:
        from pip._vendor.packaging.requirements import InvalidRequirement, Requirement
    except ImportError:
        Requirement = None

_MAX_DEPTH = 20  # of files that include each other

# Left out by MLflow too (warn_dependency_requirement_mismatches): nobody outside can install them.
_UNCHECKED = {"databricks-feature-lookup", "databricks-agents"}


class Line(NamedTuple):
    text: str
    is_constraint: bool  # it restricts a package but does not ask for it


class Difference(NamedTuple):
    package: str
    required: str
    installed: Optional[str]  # None: it is not

    def __str__(self):
        has = f"installed {self.installed}" if self.installed else "not installed"
        return f"{self.package}: required {self.required}, {has}"


def read(lines, folder, is_constraint=False, depth=0):
    """Yields a Line for each requirement, as MLflow's _parse_requirements does: continued lines
    joined, comments left out, `-r FILE` and `-c FILE` (from folder on) replaced by what they hold.
    """
    for text in _joined(re.sub(r" #.*", "", line.strip()).rstrip() for line in lines):
        match = re.match(r"(-r|--requirement|-c|--constraint) +(.+)", text)
        if match:
            path = os.path.join(folder, match[2])
            holds_constraints = match[1] in ("-c", "--constraint")
            yield from read(
                _lines(path, depth), os.path.dirname(path), holds_constraints, depth + 1
            )
        elif text and not text.startswith("#"):
            yield Line(text, is_constraint)


def _joined(lines):
    start = ""
    for line in lines:
        if line.endswith("\\"):
            start += line.rstrip("\\")
        else:
            yield start + line
            start = ""
    if start:
        yield start


def _lines(path, depth):
    if depth >= _MAX_DEPTH:
        raise Problem(f"{path}: requirements include each other more than {_MAX_DEPTH} deep")
    try:
        with open(path, encoding="utf-8-sig") as file:
            return file.read().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise Problem(f"{path}: cannot be read: {error}") from None


def differences(lines):
    """The list of Differences between requirements (Lines) and this interpreter's packages.

    What names no package, such as options, folders and URLs, cannot be compared and is left out, as
    in MLflow's _check_requirement_satisfied.
    """
    found = []
    for line in lines:
        found += _compare_line(line)
    return found


def _compare_line(line):
    text = re.split(r"\s--", line.text)[0].strip()  # options of one requirement: --hash=...
    wheel = re.search(r"([^/\\]+?)-([^-/\\]+)(-[^/\\]+)\.whl$", text)
    if wheel and "://" not in text:
        text = f"{wheel[1]}=={wheel[2]}"
    if Requirement is None:
        return _compare_exactly(text)
    try:
        requirement = Requirement(text)
    except InvalidRequirement:
        return []
    return _compare(requirement, line.is_constraint, set())


def _compare(requirement, is_constraint, seen):
    """The Differences of one requirement and of what its extras ask for.

    seen: names of (package, extra) that were followed already
    """
    if requirement.marker and not requirement.marker.evaluate({"extra": ""}):
        return []
    name = normalized(requirement.name)
    installed = installed_version(requirement.name)
    required = str(requirement.specifier) or "any version"
    if name in _UNCHECKED or (is_constraint and installed is None):
        return []
    if name == "mlflow" and installed is None:
        return _compare_skinny(requirement)
    if installed is None or not _satisfies(requirement, installed):
        return [Difference(requirement.name, required, installed)]
    found = []
    for extra in sorted(requirement.extras):
        if (name, extra) not in seen:
            seen.add((name, extra))
            for needed in _needs_of_extra(name, extra):
                found += _compare(needed, False, seen)
    return found


def _satisfies(requirement, installed):
    is_own_build = normalized(requirement.name) == "mlflow" and ".dev" in installed
    return is_own_build or requirement.specifier.contains(installed, prereleases=True)


def _needs_of_extra(name, extra):
    """What a package needs for an extra beyond what it always needs, markers cleared."""
    for text in importlib.metadata.requires(name) or []:
        needed = Requirement(text)
        marker = needed.marker
        if marker and marker.evaluate({"extra": extra}) and not marker.evaluate({"extra": ""}):
            needed.marker = None
            yield needed


def _compare_skinny(requirement):
    """mlflow-skinny of the right version stands in for mlflow where it can load models."""
    skinny = installed_version("mlflow-skinny")
    required = str(requirement.specifier) or "any version"
    if skinny is None:
        return [Difference(requirement.name, required, None)]
    if not _satisfies(requirement, skinny):
        return [Difference(requirement.name, required, f"{skinny} (mlflow-skinny)")]
    try:
        import mlflow.pyfunc  # noqa: F401
    except ImportError as error:
        reason = f"{skinny} (mlflow-skinny), which cannot load models: {error}"
        return [Difference(requirement.name, required, reason)]
    return []


def _compare_exactly(text):
    """Without the package packaging, which MLflow needs too: only NAME and NAME==VERSION."""
    match = re.match(r"(\w[\w.-]*)\s*(?:\[[^]]*\])?\s*(.*)$", text)
    if not match:
        return []
    installed = installed_version(match[1])
    pin = re.match(r"==\s*([\w.!+]+)$", match[2])
    if installed and (not match[2] or (pin and pin[1] == installed)):
        return []
    if pin or not match[2]:
        required = f"=={pin[1]}" if pin else "any version"
    else:
        required = f"{match[2]} (which only the package packaging can compare)"
    return [Difference(match[1], required, installed)]


def installed_version(name):
    """The version of an installed package; None when it is not installed."""
    for spelling in (name, normalized(name)):  # Python 3.8 and 3.9 do not normalize dots
        try:
            return importlib.metadata.version(spelling)
        except importlib.metadata.PackageNotFoundError:
            pass
    return None


def normalized(name):
    """A package's name by PEP 503."""
    return re.sub(r"[-_.]+", "-", name).lower()
