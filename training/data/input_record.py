"""What a card keeps of the training images, to compare a user's image with before a run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cytosynth.tasks.common.looks import look_limits, looks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_cytosynth.zoo.card import ModelCard

__all__ = ["QUANTILES", "input_looks", "input_quantiles", "start_inputs", "widened"]

QUANTILES = ("0.1", "1", "5", "25", "50", "75", "95", "99", "99.9")


def input_quantiles(images: Sequence[NDArray[np.float32]]) -> dict[str, tuple[float, float]]:
    """Return the range of each quantile over the scaled training images.

    Parameters
    ----------
    images
        (C, Y, X) of each image, scaled as at inference.
    """
    wanted = [float(name) for name in QUANTILES]
    found = np.array([np.percentile(image, wanted) for image in images])
    return {
        name: (round(float(low), 4), round(float(high), 4))
        for name, low, high in zip(QUANTILES, found.min(0), found.max(0), strict=True)
    }


def input_looks(images: Sequence[NDArray[np.float32]]) -> dict[str, tuple[float, float]]:
    """Return the limits of the looks of the training images' first channel.

    Parameters
    ----------
    images
        (C, Y, X) of each image, scaled as at inference.
    """
    return look_limits([looks(image[0]) for image in images])


def start_inputs(card: ModelCard) -> dict[str, Any]:
    """Return the record of a model whose knowledge a run keeps: see :func:`widened`."""
    return {"quantiles": card.inference.input_quantiles, "looks": card.inference.input_looks}


def widened(
    ranges: dict[str, tuple[float, float]], summary: dict[str, Any], name: str
) -> dict[str, tuple[float, float]]:
    """Return ranges of the training images, and of those of the model that the run starts from.

    Parameters
    ----------
    ranges
        What is measured -> its smallest and largest value.
    summary
        Of the run; ``start_inputs`` are those of the model that it starts from.
    name
        Entry of them.
    """
    before = summary.get("start_inputs", {}).get(name, {})
    return {
        key: (min(low, before[key][0]), max(high, before[key][1])) if key in before else (low, high)
        for key, (low, high) in ranges.items()
    }
