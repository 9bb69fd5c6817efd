"""Objects of one block, from probability and flows of its window."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from scipy import ndimage

from napari_cytosynth.tasks.segment.flows.decoding import confidence_of, decode_flows
from napari_cytosynth.tasks.segment.flows.flow_error import grid_step
from napari_cytosynth.tasks.segment.flows.objects import FlowObjects
from napari_cytosynth.tasks.segment.instances import LabelOptions

from .seams import BlockObjects

if TYPE_CHECKING:
    from napari_cytosynth.tasks.segment.flows.decoding import FlowSettings
    from napari_cytosynth.zoo.card import Confidence

    from .grid import Block

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

    def decode(self, block: Block) -> BlockObjects:
        """Return the gaps (connected over sides) in the window of a block."""
        mask = np.asarray(self.probability[block.window]) >= self.threshold
        labels = ndimage.label(~mask, output=np.int32)[0]
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
    """

    probability: Any
    flows: Any
    settings: FlowSettings
    options: LabelOptions
    calibration: Confidence | None = None
    majority: bool = True

    def __post_init__(self) -> None:
        self.margin = math.ceil(_DIAMETERS * self.settings.diameter)
        # flow errors are measured on a grid, which is to be that of the plane
        self.align = grid_step(self.settings.diameter)

    def decode(self, block: Block) -> BlockObjects:
        """Return the objects in the window of a block."""
        probability = np.asarray(self.probability[block.window])
        flows = np.asarray(self.flows[(slice(None), *block.window)])
        owned = decode_flows(probability, flows, self.settings)
        thresholds = {self.settings.threshold, self.options.threshold}
        objects = FlowObjects(
            probability, owned, lowest=self.settings.lowest, extra_levels=thresholds
        )
        options = LabelOptions(self.options.threshold, fill_holes=self.options.fill_holes)
        view = objects.at(self.options.threshold, options)
        assert view.owners is not None
        number = np.zeros(len(owned.facts.area) + 1, np.int32)
        number[view.owners] = np.arange(1, len(view.owners) + 1)
        confidence = None
        if self.calibration is not None:
            confidence = confidence_of(owned.facts, self.calibration)[view.owners - 1]
        area = owned.facts.area[view.owners - 1]
        return BlockObjects(view.labels, number[owned.owner], area, confidence)
