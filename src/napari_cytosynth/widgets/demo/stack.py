"""Scene of a z-stack: planes are segmented one by one and their objects linked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .scene import settle
from .segment import SegmentScene, found_sentence

if TYPE_CHECKING:
    from pathlib import Path

    from napari_cytosynth.phantoms.stack import StackPhantom

__all__ = ["StackScene"]

_SHAPE, _COUNT, _SEED = (20, 192, 192), 45, 1
_ANGLES = (0.0, -15.0, 50.0)  # of the camera in 3-D, in degrees
_ZOOM = 0.9
_OPACITY = 0.5


class StackScene(SegmentScene):
    """Scene that finds the nuclei of a stack and measures them in three dimensions.

    Parameters
    ----------
    viewer
        A napari viewer without layers.
    model
        Source of the model.
    shape
        (Z, Y, X) of the simulated stack in voxels. Default: (20, 192, 192).
    """

    def __init__(self, viewer: Any, model: str, shape: tuple[int, int, int] = _SHAPE) -> None:
        super().__init__(viewer, "stack", model)
        self.phantom = self._simulate(shape)

    @staticmethod
    def _simulate(shape: tuple[int, int, int]) -> StackPhantom:
        from napari_cytosynth.phantoms.stack import nuclei_stack

        count = round(_COUNT * np.prod(shape) / np.prod(_SHAPE))
        return nuclei_stack(shape, count, _SEED)

    def show(self) -> None:
        """Segment the stack, and show its middle plane and the table of its objects."""
        phantom, widget, viewer = self.phantom, self.widget, self._viewer
        self.add_image(phantom.image, phantom.voxel_size_um, "simulated stack of nuclei")
        widget.axes.value = "ZYX"
        widget.planes.value = "whole stack"
        self.run_model()
        viewer.dims.set_current_step(0, phantom.image.shape[0] // 2)
        self.labels.opacity = _OPACITY

    def section(self) -> None:
        """Show the stack from the side, where a plane of Z and X cuts most of its objects."""
        viewer, labels = self._viewer, np.asarray(self.labels.data)
        objects = [len(np.unique(labels[:, row])) for row in range(labels.shape[1])]
        viewer.dims.order = (1, 0, 2)
        viewer.dims.set_current_step(1, int(np.argmax(objects)))
        viewer.reset_view()

    def volume(self) -> None:
        """Show the objects in three dimensions."""
        viewer = self._viewer
        viewer.dims.order = (0, 1, 2)
        viewer.dims.ndisplay = 3
        viewer.reset_view()
        camera = getattr(viewer, "scene", viewer).camera  # napari 0.9 has moved it
        camera.angles = _ANGLES
        camera.zoom *= _ZOOM
        self.labels.opacity = 1.0

    def show_volumes(self) -> None:
        """Show napari's table of the objects in a tab of its own, from the volumes in µm³ on."""
        from qtpy.QtWidgets import QTableView

        viewer = self._viewer
        viewer.layers.selection.active = self.labels
        tab, table = viewer.window.add_plugin_dock_widget(
            "napari", "Features table widget", tabify=True
        )
        tab.raise_()
        settle(self.widget)  # it is laid out now
        view = getattr(table, "native", table).findChild(QTableView)
        names = list(self.labels.features.columns)
        if view is not None and "volume_um3" in names:
            column = names.index("volume_um3") + 1  # after the index of the rows
            view.setHorizontalScrollMode(QTableView.ScrollMode.ScrollPerItem)
            view.horizontalScrollBar().setValue(column)

    def plane(self) -> None:
        """Show planes again."""
        self._viewer.dims.ndisplay = 2
        self.labels.opacity = _OPACITY
        self._viewer.reset_view()

    def record(self, folder: Path) -> list[Path]:
        """Run everything; write screenshots, images and the table of volumes."""
        self.show()
        phantom = self.phantom
        found = found_sentence(phantom.labels, self.labels.data, "nuclei")
        written = [self.picture(folder / "stack.png", found)]
        written += self.save(folder, phantom.image, phantom.labels, phantom.voxel_size_um)
        self.section()
        side = "From the side (X and Z): an object has one colour in all its planes"
        written.append(self.picture(folder / "stack-section.png", side))
        self.volume()
        self.show_volumes()
        written.append(self.picture(folder / "stack-volume.png", self._volumes()))
        self.plane()
        return written

    def _volumes(self) -> str:
        """Return the volumes that were measured, beside those of the simulation."""
        voxel = float(np.prod(self.phantom.voxel_size_um))
        true = voxel * np.bincount(self.phantom.labels.ravel())[1:]
        table = self.labels.features
        if "volume_um3" not in table or not len(table) or not true.size:
            return ""
        found = np.median(table["volume_um3"])
        return f"Median volume {found:.0f} µm³, of the simulated nuclei {np.median(true):.0f} µm³"
