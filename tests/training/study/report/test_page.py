from __future__ import annotations

from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from napari_cytosynth.errors import OutputError
from napari_cytosynth.training.study.report.page import (
    Section,
    markdown_table,
    write_page,
    write_tables,
)


class Reader(HTMLParser):
    """Collects the text of a page, and what it would load from elsewhere."""

    def __init__(self) -> None:
        super().__init__()
        self.text, self.loads = "", []

    def handle_data(self, data):
        self.text += data

    def handle_starttag(self, tag, attrs):
        self.loads += [value for name, value in attrs if name in ("src", "href")]


def _write(folder, **changes):
    table = pd.DataFrame({"arm": ["a<b", "c"], "score": [1.23456, np.nan]})
    figure = Figure()
    figure.add_subplot().plot([1, 2])
    values = {
        "title": "Width & depth",
        "question": "Which?",
        "answer": ["No significant difference between “a<b” and “c”."],
        "sections": [Section("The arms", ["Two of them."], table, [(figure, "A line")], "x: 1")],
        "records": table,
        "command": "cytosynth study widths --data-dir cells",
    }
    path = write_page(folder, **values | changes)
    reader = Reader()
    reader.feed(path.read_text("utf-8"))
    return reader


def test_the_page_says_the_answer_first_and_needs_no_other_file(tmp_path) -> None:
    page = _write(tmp_path / "new")
    order = ["Width & depth", "Which?", "No significant", "Two of them.", "1.235", "A line"]
    order += ["Every run", "Made by napari-cytosynth", "cytosynth study widths --data-dir cells"]
    places = [page.text.index(words) for words in order]
    assert places == sorted(places)
    assert "a<b" in page.text
    assert len(page.loads) == 1
    assert page.loads[0].startswith("data:image/svg+xml;base64,")


def test_the_figures_are_files_too(tmp_path) -> None:
    _write(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"study.html", "figure-1.svg"}
    assert "<svg" in (tmp_path / "figure-1.svg").read_text("utf-8")


def test_a_page_without_runs_is_a_page(tmp_path) -> None:
    assert "Every run" in _write(tmp_path, sections=[], records=pd.DataFrame()).text


def test_tables_are_written_for_programs_and_for_people(tmp_path) -> None:
    records = pd.DataFrame({"arm": ["a", "a"], "score": [1.0, 2.0]})
    summary = pd.DataFrame({"arm": ["a"], "score": [1.5]})
    shown = pd.DataFrame({"arm": ["a"], "score": ["1.5 [0, 3]"]})
    write_tables(tmp_path, records, summary, shown)
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "results.csv"), records)
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "summary.csv"), summary)
    assert (tmp_path / "summary.md").read_text().splitlines()[-1] == "| a | 1.5 [0, 3] |"


def test_markdown_shows_four_digits_and_what_is_missing() -> None:
    table = pd.DataFrame({"a": [0.123456, 12345.6], "b|c": ["x|y", None]})
    assert markdown_table(table).splitlines() == [
        "| a | b/c |",
        "| --- | --- |",
        "| 0.1235 | x/y |",
        "| 12346 | – |",
    ]


def test_a_folder_that_cannot_be_written_is_named(tmp_path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="file"):
        _write(tmp_path / "file")
