"""A run of a staining model whose input channels may be focal planes along Z."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari_cytosynth.progress import silent
from napari_cytosynth.tasks.common.focal_reader import FocalPlaneReader, choice_messages
from napari_cytosynth.tasks.common.region import RegionalRun

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_cytosynth.progress import Progress
    from napari_cytosynth.tasks.common.axes import PlaneReader
    from napari_cytosynth.zoo.card import ModelCard

__all__ = ["FocalRun", "choose_at"]


def choose_at(
    reader: PlaneReader,
    index: tuple[int, ...],
    card: ModelCard,
    given: Sequence[int] | None,
    tick: Progress = silent,
) -> tuple[int, ...] | None:
    """Choose the focal planes at one index; None where a reader takes none along Z.

    Parameters
    ----------
    reader
        Reader of the image, whose plane at `index` can be read afterwards.
    index
        Into the reader's axes that count planes.
    card
        Card of the model.
    given
        Planes that were chosen by hand; None to choose.
    tick
        Called after each plane; may raise Cancelled. Default: nothing.
    """
    known, normalisation = card.inference.focal_planes, card.inference.normalisation
    if not isinstance(reader, FocalPlaneReader) or known is None:
        return None
    checked = None if given is None else reader.checked(given)
    return reader.choose(index, known, normalisation, checked, tick).planes


@dataclass(eq=False)
class FocalRun(RegionalRun):
    """A run over the planes of an image, or over groups of focal planes along Z."""

    given: tuple[int, ...] | None = None

    def choose_focal_planes(self, given: Sequence[int] | None, tick: Progress) -> None:
        """Choose the planes along Z at each index, by hand if some are given.

        Raises
        ------
        InputError
            If they cannot be chosen, or those given are not in the stack.
        """
        reader, inference = self.reader, self.model.card.inference
        if not isinstance(reader, FocalPlaneReader) or inference.focal_planes is None:
            return
        self.given = None if given is None else reader.checked(given)
        for index in self.indices:
            reader.choose(index, inference.focal_planes, self._normalisation(), self.given, tick)
        found = choice_messages(
            {index: reader.chosen[index] for index in sorted(reader.chosen)},
            inference.focal_plane_names,
            reader.leading_axes,
            self.given is not None,
        )
        self.add_messages(*found)

    @property
    def focal_planes(self) -> tuple[tuple[int, ...], ...]:
        """Planes along Z at each index, in the order of the result; empty for other models."""
        chosen = getattr(self.reader, "chosen", {})
        return tuple(chosen[index].planes for index in sorted(chosen))

    def focal_parameters(self) -> dict[str, Any]:
        """Return the argument that takes the same planes again; None where they differ."""
        same = set(self.focal_planes)
        return {"focal_planes": list(same.pop()) if len(same) == 1 else None}

    def focal_record(self) -> dict[str, Any]:
        """Return what was chosen and how, for the record; empty for other models."""
        if not self.focal_planes:
            return {}
        how = "by hand" if self.given is not None else "automatically"
        return {"focal_planes": {"chosen": how, "planes": [list(p) for p in self.focal_planes]}}

    def placement_arguments(self) -> dict[str, Any]:
        """Return the arguments of a result's class that place it where its source lies."""
        arguments = super().placement_arguments() | {"focal_planes": self.focal_planes}
        if isinstance(self.reader, FocalPlaneReader) and len(self.axes) == 2 and self.focal_planes:
            # of a single plane: its place in the whole stack, at the middle of its focal planes
            taken = sorted(self.focal_planes[0])
            whole = list(self.reader.along_z(self.position))
            arguments["position"] = whole[taken[len(taken) // 2]]
        return arguments
