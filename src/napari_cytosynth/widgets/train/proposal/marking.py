"""The rectangle around the place to paint next, and the way of the camera there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cytosynth.tasks.common.layers import geometry_of
from napari_cytosynth.tasks.common.provenance import KEY
from napari_cytosynth.widgets.common.canvas import camera_of, look_at
from napari_cytosynth.widgets.common.layers import take_out

if TYPE_CHECKING:
    from .finding import Proposal

__all__ = ["PlaceMark"]

_WIDTH = 1 / 90  # of the window's side
_ON_SCREEN = 420.0  # px that the window takes, in a small canvas too


class PlaceMark:
    """A Shapes layer with one rectangle, as long as there is a place to show.

    Parameters
    ----------
    viewer
        The napari viewer.
    """

    def __init__(self, viewer: Any) -> None:
        self._viewer = viewer
        self.layer: Any = None

    def show(self, proposal: Proposal) -> None:
        """Draw the rectangle in place of an earlier one, and bring it into view."""
        self.remove()
        rows, columns = proposal.window
        corners = [
            (*proposal.candidate.place, y - 0.5, x - 0.5)
            for y, x in (
                (rows.start, columns.start),
                (rows.start, columns.stop),
                (rows.stop, columns.stop),
                (rows.stop, columns.start),
            )
        ]
        image = proposal.candidate.layer
        active = self._viewer.layers.selection.active
        self.layer = self._viewer.add_shapes(
            [np.array(corners)],
            shape_type="rectangle",
            face_color="transparent",
            edge_color="yellow",
            edge_width=max(1.0, (rows.stop - rows.start) * _WIDTH),
            name=f"paint here – {image.name}",
            metadata={KEY: {"role": "proposal"}},
            **geometry_of(image),
        )
        if active is not None:
            self._viewer.layers.selection.active = active
        self._bring_into_view(proposal)

    def remove(self) -> None:
        """Take the rectangle out of the viewer."""
        take_out(self._viewer, self.layer)
        self.layer = None

    def _bring_into_view(self, proposal: Proposal) -> None:
        image, (rows, columns) = proposal.candidate.layer, proposal.window
        if self._viewer.dims.ndisplay == 3:
            self._viewer.dims.ndisplay = 2
        middle = ((rows.start + rows.stop - 1) / 2, (columns.start + columns.stop - 1) / 2)
        look_at(self._viewer, image, (*proposal.candidate.place, *middle), rows.stop - rows.start)
        corner = (*proposal.candidate.place, rows.start, columns.start)
        far = (*proposal.candidate.place, rows.stop, columns.stop)
        across = np.abs(np.subtract(image.data_to_world(far), image.data_to_world(corner)))
        if across.max() > 0:
            camera_of(self._viewer).zoom = _ON_SCREEN / float(across.max())
