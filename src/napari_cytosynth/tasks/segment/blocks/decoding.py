"""Objects of one block, from probability and flows of its window."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from scipy import ndimage

from napari_cytosynth.tasks.segment.flows.decoding import confidence_of, decode_flows
from napari_cytosynth.tasks.segment.flows.flow_error import grid_step
from napari_cytosynth.tasks.segment.flows.objects import FlowObjects
from napari_cytosynth.tasks.segment.instances import LabelOptions

from .seams import BlockObjects

if TYPE_CHECKING:
    import numpy.typing as npt

    from napari_cytosynth.tasks.segment.flows.decoding import FlowSettings, OwnedPlane
    from napari_cytosynth.zoo.card import Confidence

    from .grid import Block
    from .inside import InsidePlane

__all__ = ["BlockDecoder", "ComponentDecoder", "FlowDecoder", "GapDecoder"]

_DIAMETERS = 4  # of a typical object, around a block: as long as a walk along the flows
_EIGHT = np.ones((3, 3), bool)


class BlockDecoder(Protocol):
    """What finds the objects of a block.

    Attributes
    ----------
    margin
        Pixels around a block that its objects depend on.
    align
        Windows begin at multiples of this.
    majority
        As :class:`~.seams.SeamJoiner` takes it.
    """

    margin: int
    align: int
    majority: bool

    def decode(self, block: Block) -> BlockObjects:
        """Return the objects in the window of a block."""


@dataclass(eq=False)
class ComponentDecoder:
    """Connected pixels at or above a threshold; joined over seams, they are those of the plane.

    Attributes
    ----------
    probability
        Array-like (Y, X).
    threshold
        In [0, 1].
    holes
        Array-like (Y, X) of bool, pixels of holes that are filled. Default: None.
    """

    probability: Any
    threshold: float
    holes: Any = None
    margin: int = 1
    align: int = 1
    majority: bool = False

    def decode(self, block: Block) -> BlockObjects:
        """Return the components (over sides and corners) in the window of a block."""
        mask = np.asarray(self.probability[block.window]) >= self.threshold
        if self.holes is not None:
            mask |= np.asarray(self.holes[block.window])
        labels = ndimage.label(mask, _EIGHT, output=np.int32)[0]
        return BlockObjects(labels, labels)


@dataclass(eq=False)
class GapDecoder:
    """Connected pixels below a threshold: what does not reach the border of the plane is a hole.

    The attributes are those of :class:`ComponentDecoder`.
    """

    probability: Any
    threshold: float
    margin: int = 1
    align: int = 1
    majority: bool = False
    inside: InsidePlane | None = None

    def decode(self, block: Block) -> BlockObjects:
        """Return the gaps (connected over sides) in the window of a block; of a region inside."""
        gaps = np.asarray(self.probability[block.window]) < self.threshold
        if self.inside is not None:
            gaps &= self.inside.mask(block.window)
        labels = ndimage.label(gaps, output=np.int32)[0]
        return BlockObjects(labels, labels)


@dataclass(eq=False)
class FlowDecoder:
    """Objects that flows separate.

    Each block decodes four typical diameters around it, too: within these its objects are those of
    the whole plane.

    Attributes
    ----------
    probability, flows
        Array-like (Y, X) and (2, Y, X).
    settings
        How flows are decoded.
    options
        Threshold and ``fill_holes`` apply.
    calibration
        How confidences follow. Default: None, unknown.
    inside
        To which the objects are limited, once they are found with what lies around it. Default:
        None, the whole plane.
    """

    probability: Any
    flows: Any
    settings: FlowSettings
    options: LabelOptions
    calibration: Confidence | None = None
    majority: bool = True
    inside: InsidePlane | None = None

    def __post_init__(self) -> None:
        self.margin = math.ceil(_DIAMETERS * self.settings.diameter)
        # flow errors are measured on a grid, which is to be that of the plane
        self.align = grid_step(self.settings.diameter)

    def decode(self, block: Block) -> BlockObjects:
        """Return the objects in the window of a block."""
        probability = np.asarray(self.probability[block.window])
        flows = np.asarray(self.flows[(slice(None), *block.window)])
        # the error of an object that the window cuts is not that of the object
        owned = decode_flows(probability, flows, replace(self.settings, error_limit=None))
        poor = np.zeros(len(owned.facts.area), bool)
        if self.settings.error_limit is not None:
            poor = owned.facts.flow_error > self.settings.error_limit
            poor &= ~self._cut(block, owned, probability)
        confidence = None
        if self.calibration is not None:
            confidence = confidence_of(owned.facts, self.calibration)
        order = owned.owner  # the first pixel of an object may lie outside of the region
        if self.inside is not None:
            mask = self.inside.mask(block.window)
            probability = probability * mask
            owned = replace(owned, owner=owned.owner * mask, heights=owned.heights * mask)
        labels = self._labels(probability, owned, poor)
        return BlockObjects(labels, order, owned.facts.area, confidence, poor)

    def _cut(
        self, block: Block, owned: OwnedPlane, probability: npt.NDArray[np.floating]
    ) -> npt.NDArray[np.bool_]:
        """Return which owners reach the end of the window where the plane goes on.

        Those whose error is measured on other pixels than in the whole plane: see `ObjectFacts`.
        """
        owner, limit = owned.owner, self.settings.threshold
        summit = np.zeros(len(owned.facts.area) + 1, probability.dtype)
        np.maximum.at(summit, owner[owner > 0], probability[owner > 0])
        least = np.where(summit >= limit, limit, summit / 2)
        cut = np.zeros(len(summit), bool)
        high, wide = block.window
        rows, columns = self.probability.shape
        for side, goes_on in (
            (np.s_[0], high.start > 0),
            (np.s_[-1], high.stop < rows),
            (np.s_[:, 0], wide.start > 0),
            (np.s_[:, -1], wide.stop < columns),
        ):
            if goes_on:
                cut[owner[side][probability[side] >= least[owner[side]]]] = True
        return cut[1:]

    def _labels(
        self,
        probability: npt.NDArray[np.floating],
        owned: OwnedPlane,
        poor: npt.NDArray[np.bool_],
    ) -> npt.NDArray[np.int32]:
        """Return the owner of each pixel that belongs to an object at the threshold."""
        good = np.append(False, ~poor)
        owner = owned.owner * good[owned.owner]
        left = replace(owned, owner=owner, heights=owned.heights * good[owner])
        objects = FlowObjects(
            probability,
            left,
            lowest=self.settings.lowest,
            extra_levels={self.settings.threshold, self.options.threshold},
        )
        options = LabelOptions(self.options.threshold, fill_holes=self.options.fill_holes)
        view = objects.at(self.options.threshold, options)
        assert view.owners is not None
        return np.append(np.int32(0), view.owners)[view.labels]
