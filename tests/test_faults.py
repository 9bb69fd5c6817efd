"""The tables of faults, and of what users ask for, name tests that exist."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGES = {"faults.md": 40, "asked-for.md": 31}
"""Pages with tables of three columns, and how many rows they have at least."""
SEPARATOR = "|---|---|---|"
NONE = "–"
OPEN = re.compile(r"\*\*not (yet|tried)\*\*", re.IGNORECASE)

pytestmark = [
    pytest.mark.skipif(not (ROOT / "docs").is_dir(), reason="not a checkout of the repository"),
    pytest.mark.parametrize("page", PAGES),
]


def _rows(page: str) -> list[list[str]]:
    lines = (ROOT / "docs" / page).read_text("utf-8").splitlines()
    heads = {i for i, line in enumerate(lines) if SEPARATOR in lines[i : i + 2]}
    table = [line for i, line in enumerate(lines) if line.startswith("|") and i not in heads]
    # a | inside a cell is written \|
    rows = [line.replace("\\|", "¦").strip("|").split("|") for line in table]
    return [[cell.strip() for cell in row] for row in rows]


def _names(tests: str) -> list[tuple[str, str]]:
    """Return file and test of each name; one that begins with :: is in the file before."""
    found: list[tuple[str, str]] = []
    for name in tests.split(",") if tests != NONE else ():
        file, _, test = name.strip().partition("::")
        found.append((file or found[-1][0], test))
    return found


@cache
def _tests_of(path: Path) -> set[str]:
    nodes = ast.walk(ast.parse(path.read_text("utf-8")))
    return {node.name for node in nodes if isinstance(node, ast.FunctionDef)}


def test_every_row_has_three_cells_and_a_test_unless_it_says_not_yet(page: str) -> None:
    rows = _rows(page)
    assert not [row for row in rows if len(row) != 3 or not all(row)]
    assert not [row for row in rows if row[2] == NONE and not OPEN.search(row[1])]


def test_no_row_is_lost(page: str) -> None:
    """Each issue of another project counts, since several may share a row."""
    rows = _rows(page)
    issues = {name for row in rows for name in re.findall(r"[\w./-]+(?: PR)?#\d+", row[0])}
    assert len(issues if page == "asked-for.md" else rows) >= PAGES[page]


def test_every_test_of_the_table_exists(page: str) -> None:
    missing = []
    for row in _rows(page):
        for file, test in _names(row[2]):
            path = ROOT / file
            if not path.is_file() or (test and test.partition("[")[0] not in _tests_of(path)):
                missing.append(f"{file}::{test}")
    assert not missing, "\n".join(missing)
