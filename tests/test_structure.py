"""Limits on the sources: short functions, short files, small folders."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = (ROOT / "src" / "napari_cytosynth", ROOT / "training")
MOST_LINES_OF_A_FUNCTION = 80
MOST_LINES_OF_A_FILE = 399

pytestmark = pytest.mark.skipif(
    not (ROOT / "training").is_dir(), reason="not a checkout of the repository"
)


TREES = {
    path: ast.parse(path.read_text("utf-8"))
    for folder in FOLDERS
    for path in sorted(folder.rglob("*.py"))
    if path.name != "_version.py"
}


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
