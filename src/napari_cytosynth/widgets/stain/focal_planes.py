"""Row of the Stain widget for models of several focal planes: which planes of a stack they take."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from magicgui.widgets import CheckBox, Container, SpinBox

from napari_cytosynth.widgets.common.layers import shape_of
from napari_cytosynth.widgets.common.parts import plain_label

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_cytosynth.progress import Progress
    from napari_cytosynth.widgets.common.snapshot import LayerSnapshot
    from napari_cytosynth.zoo.card import ModelCard

__all__ = ["FocalPlanesRow", "find_focal_planes", "stack_depth", "without_z"]

_BOXES = 7
"""Most planes that are chosen by hand here; a script may give more."""


class FocalPlanesRow(Container[Any]):
    """Row with the planes along Z that a model takes: chosen automatically, or by hand.

    Attributes
    ----------
    automatic
        Check box: choose automatically.
    boxes
        One spin box for each focal plane, in the order of the model's channels.
    note
        Why they cannot be chosen automatically; empty otherwise.
    """

    def __init__(self) -> None:
        self.automatic = CheckBox(
            name="automatic",
            text="choose automatically",
            value=True,
            tooltip="In brightfield the plane with the least contrast is nearest to focus; those "
            "below and above it are the ones most like the planes of the training. Switch it off "
            "to choose them yourself, counted from 0 as on the slider.",
        )
        self.boxes = [SpinBox(name=f"plane_{number}", visible=False) for number in range(_BOXES)]
        self.note = plain_label("note", visible=False)
        row = Container(widgets=self.boxes, layout="horizontal", labels=False)
        row.margins = (0, 0, 0, 0)
        super().__init__(
            name="focal_planes",
            label="z planes",
            widgets=[self.automatic, row, self.note],
            labels=False,
            visible=False,
        )
        self.margins = (0, 0, 0, 0)
        self._count, self._found = 0, False
        self.automatic.changed.connect(self._on_automatic)

    def offer(self, names: Sequence[str], depth: int) -> None:
        """Show the row for a model with these focal planes and a stack of that depth; or hide it.

        Parameters
        ----------
        names
            Of the focal planes; none hides the row.
        depth
            Number of planes along Z.
        """
        self._count, self._found = len(names), False
        self._show_note("")
        self.visible = bool(names)
        for number, box in enumerate(self.boxes):
            box.visible = number < len(names)
            if number < len(names):
                box.max = max(depth - 1, 0)
                box.tooltip = f"{names[number]}: which plane of the stack, counted from 0"
                box.native.setAccessibleName(f"plane {names[number]}")
        self._on_automatic()

    def show_found(self, planes: Sequence[int] | None, problem: str = "") -> None:
        """Show the planes that would be chosen automatically, or why there are none."""
        if not self.automatic.value:
            return
        self._found = planes is not None
        for box, plane in zip(self.boxes, planes or (), strict=False):
            box.value = plane
        self._show_note(f"⚠ {problem}" if problem else "")

    def _show_note(self, text: str) -> None:
        self.note.value, self.note.visible = text, bool(text)

    @property
    def chosen(self) -> tuple[int, ...] | None:
        """The planes chosen by hand; None: automatically."""
        return None if self.automatic.value or not self._count else self._shown

    @chosen.setter
    def chosen(self, planes: Sequence[int] | None) -> None:
        self.automatic.value = planes is None
        for box, plane in zip(self.boxes, planes or (), strict=False):
            box.value = plane

    @property
    def known(self) -> tuple[int, ...] | None:
        """The planes that will be taken, as far as they are known before the run."""
        return self._shown if self._found or not self.automatic.value else None

    @property
    def _shown(self) -> tuple[int, ...]:
        return tuple(int(box.value) for box in self.boxes[: self._count])

    def _on_automatic(self, *_: Any) -> None:
        for box in self.boxes:
            box.enabled = not self.automatic.value
        if not self.automatic.value:
            self._show_note("")


def stack_depth(
    layer: Any, card: ModelCard | None, axes: str, channels: tuple[int, ...] | None
) -> int:
    """Return the length of Z if a model takes its focal planes from a layer's; else 0."""
    from napari_cytosynth.tasks.common.focal_reader import takes_from_z

    if layer is None or card is None or not axes:
        return 0
    shape = shape_of(layer)
    return shape[axes.index("Z")] if takes_from_z(card, axes, shape, channels) else 0


def without_z(index: tuple[int, ...], axes: str) -> tuple[int, ...]:
    """Return the index of a plane without its place along Z."""
    leading = [axis for axis in axes if axis not in "CYX"]
    return tuple(place for place, axis in zip(index, leading, strict=False) if axis != "Z")


def find_focal_planes(
    image: LayerSnapshot,
    card: ModelCard,
    axes: str,
    channels: tuple[int, ...] | None,
    index: tuple[int, ...],
    progress: Progress,
) -> tuple[int, ...] | None:
    """Return the planes along Z that a run would choose automatically.

    Parameters
    ----------
    image, axes, channels
        How the layer is read.
    card
        Card of a model of several focal planes.
    index
        Into the axes that count planes, without Z.
    progress
        Raises `Cancelled` to stop.

    Raises
    ------
    InputError
        If they cannot be chosen automatically.
    """
    from napari_cytosynth.tasks.common.layers import read_source
    from napari_cytosynth.tasks.common.planes import make_reader
    from napari_cytosynth.tasks.stain.focal_run import choose_at

    reader = make_reader(read_source(image), card, axes, channels)
    return choose_at(reader, index, card, None, progress)
