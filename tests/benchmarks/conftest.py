"""The table that all benchmarks fill, printed at the end of a run."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from .table import Table

TABLE = pytest.StashKey[Table]()


def pytest_configure(config):
    config.stash[TABLE] = Table()


@pytest.fixture
def table(request):
    """The table of this run; a benchmark adds its rows to it."""
    return request.config.stash[TABLE]


def pytest_terminal_summary(terminalreporter, config):
    table = config.stash[TABLE]
    if not table.rows:
        return
    terminalreporter.section("benchmarks")
    terminalreporter.write_line(table.text())
    if page := os.environ.get("CYTOSYNTH_BENCHMARK_PAGE"):
        table.write(Path(page))
