"""Scene of a result that is not to be trusted: a model on an image of another kind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .scene import settle
from .segment import SegmentScene, found_sentence

if TYPE_CHECKING:
    from pathlib import Path

    from napari_cytosynth.phantoms.simulate import Phantom

__all__ = ["DoubtScene"]

_SIDE, _COUNT, _SEED = 384, 24, 1
_HIDDEN_BELOW = 0.5


class DoubtScene(SegmentScene):
    """Scene that runs a model for nuclei in fluorescence on unstained cells in brightfield.

    The widget doubts the image before the run, and the result after it.

    Parameters
    ----------
    viewer
        A napari viewer without layers.
    model
        Source of the model.
    side
        Of the simulated field in pixels. Default: 384.
    """

    def __init__(self, viewer: Any, model: str, side: int = _SIDE) -> None:
        super().__init__(viewer, "doubt", model)
        self.phantom, self.nuclei = self._simulate(side)

    @staticmethod
    def _simulate(side: int) -> tuple[Phantom, Any]:
        """Return cells in brightfield, and the true labels of their nuclei."""
        from napari_cytosynth.phantoms.scene import cell_scene, inside
        from napari_cytosynth.phantoms.simulate import brightfield_cells

        field, count = (side, side), round(_COUNT * (side / _SIDE) ** 2)
        scene = cell_scene(field, count, _SEED)
        return brightfield_cells(field, count, _SEED), inside(scene.nuclei, scene.margin)

    def choose(self) -> None:
        """Choose the image and the model that does not fit it; the widget compares the two."""
        phantom = self.phantom
        size = (phantom.pixel_size_um,) * 2
        self.add_image(phantom.image, size, "simulated cells in brightfield")
        settle(self.widget)
        self._viewer.reset_view()

    @property
    def doubt(self) -> str:
        """What the widget says of the image before the run; empty if nothing."""
        return str(self.widget.checked.value)

    def show(self) -> None:
        """Choose, and run the model all the same."""
        self.choose()
        self.run_anyway()

    def run_anyway(self) -> None:
        """Run the model on the image that does not fit it, and show the outlines."""
        self.run_model()
        self.labels.contour = 2

    def hide_doubtful(self) -> bool:
        """Hide the doubtful objects, if the model knows them; return whether it does."""
        if not self.widget.segmentation.has_confidence:
            return False
        self.widget.min_confidence.value = _HIDDEN_BELOW
        settle(self.widget)
        return True

    def record(self, folder: Path) -> list[Path]:
        """Run everything; write screenshots, images and the table of objects."""
        phantom = self.phantom
        self.choose()
        before = "Before the run: brightfield, and a model for fluorescence"
        written = [self.picture(folder / "doubt-before.png", before)]
        self.run_anyway()
        found = found_sentence(self.nuclei, self.labels.data, "nuclei")
        written.append(self.picture(folder / "doubt.png", f"Run anyway: {found}"))
        size = (phantom.pixel_size_um,) * 2
        written += self.save(folder, phantom.image, self.nuclei, size)
        if self.hide_doubtful():
            found = found_sentence(self.nuclei, self.labels.data, "nuclei")
            written.append(self.picture(folder / "doubt-hidden.png", f"Doubtful hidden: {found}"))
        return written
