"""A virtual stain of three nuclei, run and searched by stand-ins."""

from __future__ import annotations

import numpy as np
import pytest

CENTRES = [(9.5, 9.5), (34.5, 34.5), (54.5, 9.5)]  # of the squares, with doubts 0.9, 0.2, 0.6


@pytest.fixture
def cells(viewer, blobs):
    return viewer.add_image(blobs, name="cells", scale=(0.5, 0.5), units=("µm", "µm"))


@pytest.fixture
def run(make_stain_widget, stainer, knowing_card):
    """Return a function that runs the stand-in once, with a card that knows the doubt of DNA."""

    def once(widget=None, card=None, stains=None, views=True):
        stainer.card = (card or knowing_card()) if views else None
        widget = widget or make_stain_widget()
        widget.samples.value = 2
        if stains:
            widget._chosen_stains = lambda: stains
        widget.run()
        assert widget.wait(20)
        return widget

    return once


@pytest.fixture
def find():
    """Return the function that searches a widget's result for nuclei, and the widget."""

    def search(widget):
        widget.doubt.find.native.click()
        assert widget.wait(20)
        return widget

    return search


@pytest.fixture
def found(cells, run, find):
    return find(run())


@pytest.fixture
def centres():
    """(y, x) of the three nuclei in px."""
    return CENTRES


@pytest.fixture
def hidden_nuclei(viewer):
    """Return the function that tells of each nucleus whether it is hidden."""

    def hidden():
        data = viewer.layers["DNA · virtual · cells"].data
        return [bool(np.isnan(data[round(y), round(x)])) for y, x in CENTRES]

    return hidden
