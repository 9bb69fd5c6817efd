"""A widget with a result."""

from __future__ import annotations

import pytest


@pytest.fixture
def ran(viewer, make_widget, blobs):
    """A widget after one run on the two-and-a-half blobs."""
    viewer.add_image(blobs, name="cells")
    widget = make_widget()
    widget.run()
    assert widget.wait(20)
    return widget
