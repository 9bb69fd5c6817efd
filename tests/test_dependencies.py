"""Dependencies declared in pyproject.toml against those imported, in both directions."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
EXTRAS = PROJECT["project"]["optional-dependencies"]
OWN = {"napari_cytosynth", "tests"}

# folder -> the extras that its imports may come from, beside the dependencies of everyone;
# the evaluations of the command line import the training package, which is part of the wheel
EXTRAS_OF = {
    "src": ("distributed", "onnx", "parquet", "plots", "readers"),
    "training": ("train", "distributed"),
    "scripts": ("train", "docs"),
    "tests": ("train", "distributed", "onnx", "parquet", "plots", "readers", "test", "bench"),
}

# declared, but not imported: for tests by tests, all else by the product itself
USED_BY = {
    "build": "tests/test_wheel.py runs python -m build",
    "dask": "arrays larger than memory, which the tasks read one plane at a time",
    "dask-jobqueue": "starts the workers under SLURM, in docs/plates.md",
    "import-linter": ".ci/run checks the contracts in pyproject.toml",
    "mkdocs": "make docs; scripts/model-pages.py is its hook",
    "mkdocs-material": "the theme in mkdocs.yml",
    "mkdocstrings": "the plugin in mkdocs.yml that writes the reference",
    "mypy": ".ci/run checks the types",
    "npe2": "napari finds the plugin through it; .ci/run validates napari.json",
    "pandas-stubs": "types for mypy",
    "pre-commit": ".pre-commit-config.yaml",
    "pytest-qt": "its fixture qtbot, in tests/widgets",
    "pytest-timeout": "the setting timeout in pyproject.toml",
    "pytest-xdist": "make test and make test-quick, for their two processes",
    "ruff": ".ci/run checks style and format",
    "setuptools": "builds the wheel in tests/test_wheel.py, which is not isolated",
    "setuptools-scm": "the same",
    "tensorboard": "Lightning's TensorBoardLogger writes with it",
    "types-pyyaml": "types for mypy",
}

requires_checkout = pytest.mark.skipif(
    not (ROOT / "scripts").is_dir(), reason="not a checkout of the repository"
)


def _names(lines: Iterable[str]) -> set[str]:
    return {canonicalize_name(Requirement(line).name) for line in lines}


def _allowed(extras: Iterable[str]) -> set[str]:
    lines = [
        *PROJECT["project"]["dependencies"],
        *(line for extra in extras for line in EXTRAS[extra]),
    ]
    return _names(lines)


def _modules(source: str) -> Iterator[str]:
    """Yield the top-level names of all imports, in functions and for types alone too."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import(names=names):
                yield from (alias.name.partition(".")[0] for alias in names)
            case ast.ImportFrom(module=str(module), level=0):
                yield module.partition(".")[0]
            case ast.Call(
                func=ast.Attribute(attr="importorskip" | "import_module")
                | ast.Name(id="import_module"),
                args=[ast.Constant(value=str(module)), *_],
            ):
                yield module.partition(".")[0]


def _imported(folder: str) -> dict[str, str]:
    """Return the third-party modules that a folder imports, each with a file that does."""
    files = sorted((ROOT / folder).rglob("*.py"))
    assert files
    found = {module: path for path in files for module in _modules(path.read_text("utf-8"))}
    return {
        module: str(path.relative_to(ROOT))
        for module, path in found.items()
        if module not in sys.stdlib_module_names | OWN
    }


@pytest.fixture(scope="module")
def distributions() -> dict[str, set[str]]:
    """Return the distributions that provide each installed module."""
    return {
        module: set(map(canonicalize_name, names))
        for module, names in packages_distributions().items()
    }


@requires_checkout
@pytest.mark.parametrize("folder", EXTRAS_OF)
def test_what_is_imported_is_declared(folder, distributions):
    allowed = _allowed(EXTRAS_OF[folder])
    missing = {
        module: path
        for module, path in _imported(folder).items()
        if not allowed & distributions.get(module, {canonicalize_name(module)})
    }
    assert not missing


@requires_checkout
def test_what_is_declared_is_imported_or_has_a_user(distributions):
    product, tests = (
        {
            name
            for folder in folders
            for module in _imported(folder)
            for name in distributions.get(module, {canonicalize_name(module)})
        }
        for folders in (("src", "training"), ("tests",))
    )
    of_tests = {"test", "bench"}
    for_tests = _names(line for extra in of_tests for line in EXTRAS[extra])
    others = _allowed(set(EXTRAS) - of_tests) | _names(PROJECT["dependency-groups"]["lint"])
    idle = (others - product) | (for_tests - tests)
    assert idle == {*USED_BY}


@requires_checkout
def test_the_tests_use_what_make_installs():
    script = (ROOT / "scripts" / "make-venv.sh").read_text("utf-8")
    (installed,) = re.findall(r"-e '\.\[([\w,-]+)\]'", script)
    # make bench installs the rivals, and without one its row says so
    assert {*EXTRAS_OF["tests"]} - {"bench"} <= {*installed.split(",")}


def test_imports_in_functions_and_for_types_are_seen():
    source = (
        "import a.b as c\nif TYPE_CHECKING:\n    from d import e\nfrom .own import f\n"
        "def g():\n    import h\n    pytest.importorskip('i.j')\n    import_module('k')\n"
    )
    assert set(_modules(source)) == {"a", "d", "h", "i", "k"}
