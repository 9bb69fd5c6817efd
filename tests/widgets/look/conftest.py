"""A labels layer with a table, and the widget on it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from napari_cytosynth.widgets.look import LookWidget


@pytest.fixture
def table():
    """Five objects: the third without an area, the fourth the least confident."""
    return pd.DataFrame(
        {
            "label": [1, 2, 3, 4, 9],
            "area_px": [100.0, 100.0, np.nan, 400.0, 64.0],
            "confidence": [0.9, 0.5, 0.7, 0.1, np.nan],
            "kind": ["a", "b", "a", "b", "a"],
            "own": [1, 2, 3, 4, 5],
        }
    )


@pytest.fixture
def pixels():
    found = np.zeros((80, 100), np.int32)
    for label, (y, x), side in (
        (1, (5, 5), 10), (2, (5, 40), 10), (3, (5, 75), 10), (4, (40, 10), 20), (9, (60, 70), 8)
    ):  # fmt: skip
        found[y : y + side, x : x + side] = label
    return found


@pytest.fixture
def labels(viewer, pixels, table):
    return viewer.add_labels(pixels, features=table, name="cells")


@pytest.fixture
def make_look(viewer, dock):
    def make():
        widget = LookWidget(viewer)
        dock(widget, "Look")
        return widget

    return make


@pytest.fixture
def widget(labels, make_look):
    found = make_look()
    assert found.wait(20)
    return found


@pytest.fixture
def seen(labels):
    """Return a function with the numbers of the objects that are to be seen, by their colours."""

    def numbers():
        colours = labels.colormap.map(np.array([1, 2, 3, 4, 9]))
        return [n for n, c in zip((1, 2, 3, 4, 9), colours, strict=True) if c[3] > 0]

    return numbers


@pytest.fixture
def settle(qtbot):
    """Return a function that lets the timers of a widget run out."""

    def run_out(widget):
        qtbot.wait_until(lambda: not widget._soon.isActive() and not widget._reload.isActive())
        assert widget.wait(20)

    return run_out
