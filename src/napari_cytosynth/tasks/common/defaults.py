"""What a model's card says of a task: that it is its own, and options that the user left open.

The function, the command line, the widget and the evaluation all take them from here, so that
they find the same objects.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_cytosynth.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_cytosynth.zoo.card import Expected, Inference, ModelCard

__all__ = ["DEFAULT_THRESHOLD", "NEAR", "card_options", "check_task", "fitting_diameter"]

DEFAULT_THRESHOLD = 0.5
"""Threshold of a model whose card has none."""

NEAR = 1.2
"""Objects within this factor of a fitting diameter are as large: no resampling."""

_LARGEST = 10**7  # px, as in the card


def check_task(card: ModelCard, task: str) -> None:
    """Check that a model is made for a task: ``segment``, ``stain`` or ``generate``.

    Raises
    ------
    InputError
        If it is made for another one.
    """
    own = card.inference.task
    if own != task:
        raise InputError(f"The model “{card.name}” does not {task}: it is made to {own}.")


def card_options(
    inference: Inference,
    pixel_size: Sequence[float] | None = None,
    diameter: float | None = None,
) -> dict[str, Any]:
    """Return the card's options for an image.

    Parameters
    ----------
    inference
        The card's block of that name.
    pixel_size
        Of the image along Y and X in µm; None (default) if unknown. The smallest object
        keeps its physical size where the model's pixel size is known too.
    diameter
        Typical diameter of the image's objects in px of the image; None (default) if not
        known. Where the card has one too, the smallest object keeps its size in pixels that
        the network sees (see :func:`fitting_diameter`), whatever the pixel sizes.

    Returns
    -------
    dict
        ``threshold`` in [0, 1] (0.5 where the card has none), ``min_size`` in px of the image (0
        where the card has none), and ``split_touching``: whether the model was made to separate
        objects.
    """
    own = inference.threshold
    return {
        "threshold": DEFAULT_THRESHOLD if own is None else own,
        "min_size": _smallest(inference, pixel_size, diameter),
        "split_touching": inference.separates_objects,
    }


def _smallest(
    inference: Inference, pixel_size: Sequence[float] | None, diameter: float | None
) -> int:
    """Return the number of pixels of the image that the smallest object has."""
    smallest, own = inference.min_size or 0, inference.pixel_size_um
    if diameter is not None and inference.diameter is not None:
        # it counts pixels that the network sees
        fitting = fitting_diameter(inference.diameter, inference.expected, diameter)
        ratio = (diameter / fitting) ** 2
    elif pixel_size is None or own is None:
        return smallest
    else:
        ratio = own * own / (pixel_size[0] * pixel_size[1])
    return min(round(smallest * ratio), _LARGEST)


def fitting_diameter(training: float, expected: Expected | None, diameter: float) -> float:
    """Return the diameter in px that an image's objects have when a model sees them.

    Their own where that is within :data:`NEAR` of the fitting one: the image stays as it is. The
    fitting one is that of the training objects; but an image is enlarged no more than until its
    objects are as large as those of the validation images, where these are the smaller ones: what
    is enlarged further is blurred more, and no better known.

    Parameters
    ----------
    training
        Typical diameter of the training objects in px.
    expected
        Of the card: what results on validation images look like; None if unknown.
    diameter
        Of the image's objects, in px of the image.
    """
    known = None if expected is None or expected.diameter is None else expected.diameter[1]
    least = training if known is None else min(training, known)
    fitting = min(max(diameter, least), training)
    return diameter if 1 / NEAR <= fitting / diameter <= NEAR else fitting
