"""Objects of all blocks of a plane, joined where blocks meet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .grid import plan_blocks
from .seams import JoinedObjects, SeamJoiner

if TYPE_CHECKING:
    from napari_cytosynth.progress import Progress

    from .decoding import BlockDecoder
    from .inside import InsidePlane

__all__ = ["join_blocks", "number_objects"]


def join_blocks(
    decoder: BlockDecoder, labels: Any, progress: Progress, inside: InsidePlane | None = None
) -> JoinedObjects:
    """Find the objects of all blocks; write their own numbers, and return which belong together.

    Blocks without a pixel of a region are passed over.
    """
    blocks = list(plan_blocks(labels.shape, decoder.margin, decoder.align))
    joiner = SeamJoiner(labels.shape, decoder.majority)
    for done, block in enumerate(blocks):
        progress(done, len(blocks), "finding objects")
        if inside is not None and not inside.touches((block.rows, block.columns), 1):
            joiner.skip(block)
            continue
        labels[block.rows, block.columns] = joiner.add(block, decoder.decode(block))
    progress(len(blocks), len(blocks), "finding objects")
    return joiner.result()


def number_objects(labels: Any, found: JoinedObjects, progress: Progress) -> None:
    """Write over the numbers in blocks those of the objects of the plane."""
    blocks = list(plan_blocks(labels.shape))
    for done, block in enumerate(blocks):
        progress(done, len(blocks), "numbering objects")
        where = block.rows, block.columns
        labels[where] = found.number[np.asarray(labels[where])]
