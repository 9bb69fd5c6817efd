"""Limits on the sources: short functions, short files, small folders."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = "napari_cytosynth"
# training is a part of the package that lies beside it
FOLDERS = {ROOT / "src" / PACKAGE: PACKAGE, ROOT / "training": f"{PACKAGE}.training"}
MOST_LINES_OF_A_FUNCTION = 80
MOST_LINES_OF_A_FILE = 399
MOST_FILES_OF_A_FOLDER = 14
REASON = re.compile(r"\bfiles\b.*\bbecause\b", re.DOTALL)

pytestmark = pytest.mark.skipif(
    not (ROOT / "training").is_dir(), reason="not a checkout of the repository"
)


def _module(path: Path) -> str:
    """Return the dotted name of a source file."""
    folder = next(folder for folder in FOLDERS if path.is_relative_to(folder))
    parts = path.relative_to(folder).with_suffix("").parts
    return ".".join([FOLDERS[folder], *(part for part in parts if part != "__init__")])


TREES = {
    path: ast.parse(path.read_text("utf-8"))
    for folder in FOLDERS
    for path in sorted(folder.rglob("*.py"))
    if path.name != "_version.py"
}
MODULES = {_module(path): path for path in TREES}


def test_the_sources_were_found():
    assert len(TREES) >= 220, "the sources have moved: nothing of them would be checked here"


def _lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Return the number of lines of a function without its docstring."""
    first = node.body[0]
    described = ast.get_docstring(node) is not None
    docstring = (first.end_lineno or 0) - first.lineno + 1 if described else 0
    return (node.end_lineno or 0) - node.lineno + 1 - docstring


def test_no_function_is_long():
    long = [
        f"{path.relative_to(ROOT)}:{node.lineno} {node.name}"
        for path, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and _lines(node) > MOST_LINES_OF_A_FUNCTION
    ]
    assert not long, "\n".join(long)


def test_no_file_is_long():
    long = [
        str(path.relative_to(ROOT))
        for path in TREES
        if len(path.read_text("utf-8").splitlines()) > MOST_LINES_OF_A_FILE
    ]
    assert not long, "\n".join(long)


def test_every_folder_says_what_lives_there():
    folders = {path.parent for path in TREES}
    silent = [
        str(folder.relative_to(ROOT))
        for folder in folders
        if folder / "__init__.py" not in TREES
        or not ast.get_docstring(TREES[folder / "__init__.py"])
    ]
    assert not silent, "\n".join(silent)


def test_no_folder_is_crowded_without_a_reason():
    """A docstring that says “…  files, because …” gives a reason."""
    folders = {path.parent for path in TREES}
    crowded = [
        str(folder.relative_to(ROOT))
        for folder in sorted(folders)
        if sum(p.parent == folder and p.stem != "__init__" for p in TREES) > MOST_FILES_OF_A_FOLDER
        and not REASON.search(ast.get_docstring(TREES[folder / "__init__.py"]) or "")
    ]
    assert not crowded, "\n".join(crowded)


def _imports(path: Path) -> list[tuple[str, str]]:
    """Return what a file imports of this package: module and name, "" for the module itself."""
    here, found = _module(path).split("."), []
    package = here if path.stem == "__init__" else here[:-1]
    for node in ast.walk(TREES[path]):
        if isinstance(node, ast.Import):
            found += [(alias.name, "") for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*above, *(node.module or "").split(".")]).strip(".")
            for alias in node.names:
                whole = f"{module}.{alias.name}"
                found.append((whole, "") if whole in MODULES else (module, alias.name))
    return [pair for pair in found if pair[0].split(".")[0] == PACKAGE]


def _private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


def test_names_that_cross_files_have_no_underscore():
    crossing = [
        f"{path.relative_to(ROOT)}: {module}.{name}"
        for path in TREES
        for module, name in _imports(path)
        if _private(name)
    ]
    assert not crossing, "\n".join(crossing)


def test_private_modules_are_private_to_their_folder():
    strangers = [
        f"{path.relative_to(ROOT)}: {module}"
        for path in TREES
        for module, _ in _imports(path)
        if module in MODULES
        and _private(module.rpartition(".")[2])
        and MODULES[module].parent != path.parent
    ]
    assert not strangers, "\n".join(strangers)


def _calls(tree: ast.AST, function: str) -> list[ast.Call]:
    return [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and (
            (isinstance(node.func, ast.Name) and node.func.id == function)
            or (isinstance(node.func, ast.Attribute) and node.func.attr == function)
        )
    ]


def test_own_modules_are_imported_by_statements():
    """What is imported by a string is seen by neither mypy nor the import contracts."""
    resolvers = {MODULES[PACKAGE], MODULES[f"{PACKAGE}.models"]}

    def foreign(name: ast.expr) -> bool:
        text = name.value if isinstance(name, ast.Constant) else None
        return isinstance(text, str) and text.split(".")[0] not in ("", PACKAGE)

    hidden = [
        f"{path.relative_to(ROOT)}:{call.lineno}"
        for path, tree in TREES.items()
        if path not in resolvers
        for function in ("import_module", "__import__")
        for call in _calls(tree, function)
        if not foreign(call.args[0])
    ]
    assert not hidden, "\n".join(hidden)


def test_a_class_has_a_name_of_its_own():
    places: dict[str, list[str]] = {}
    for path, tree in TREES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                places.setdefault(node.name.lstrip("_"), []).append(str(path.relative_to(ROOT)))
    twice = [f"{name}: {', '.join(w)}" for name, w in sorted(places.items()) if len(w) > 1]
    assert not twice, "\n".join(twice)


def test_only_a_task_asks_for_the_kind_of_its_recipe():
    tasks = [ROOT / "training" / task for task in ("segment", "stain", "generate")]
    asked = [
        f"{path.relative_to(ROOT)}:{call.lineno}"
        for path, tree in TREES.items()
        if path.parent not in tasks and not set(path.parents) & set(tasks)
        for call in _calls(tree, "isinstance")
        if any(
            getattr(node, "id", getattr(node, "attr", "")).endswith("Recipe")
            for node in ast.walk(call.args[1])
        )
    ]
    assert not asked, "\n".join(asked)
