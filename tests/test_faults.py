"""The table of faults names tests that exist."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "faults.md"

pytestmark = pytest.mark.skipif(not PAGE.is_file(), reason="not a checkout of the repository")


def _rows() -> list[list[str]]:
    lines = PAGE.read_text("utf-8").splitlines()
    table = lines[lines.index("|---|---|---|") + 1 :]
    # a | inside a cell is written \|
    rows = [line.replace("\\|", "¦").strip("|").split("|") for line in table if line]
    return [[cell.strip() for cell in row] for row in rows]


def _names(tests: str) -> list[tuple[str, str]]:
    """Return file and test of each name; one that begins with :: is in the file before."""
    found: list[tuple[str, str]] = []
    for name in tests.split(","):
        file, _, test = name.strip().partition("::")
        found.append((file or found[-1][0], test))
    return found


def test_every_row_has_a_fault_a_message_and_a_test() -> None:
    rows = _rows()
    assert len(rows) >= 40
    assert not [row for row in rows if len(row) != 3 or not all(row)]


def test_every_test_of_the_table_exists() -> None:
    missing = []
    for row in _rows():
        for file, test in _names(row[2]):
            path = ROOT / file
            names = {
                node.name
                for node in ast.walk(ast.parse(path.read_text("utf-8") if path.is_file() else ""))
                if isinstance(node, ast.FunctionDef)
            }
            if not path.is_file() or (test and test.partition("[")[0] not in names):
                missing.append(f"{file}::{test}")
    assert not missing, "\n".join(missing)
