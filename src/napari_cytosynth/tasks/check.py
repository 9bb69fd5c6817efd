"""Is an image like those that a model was trained on? A few sentences, before the run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_cytosynth.zoo.card import ModelCard

__all__ = ["check_image"]


def check_image(
    plane: Any, card: ModelCard, pixel_size: float | Sequence[float] | None = None
) -> list[str]:
    """Say in what a plane is unlike the images that a model was trained on.

    Parameters
    ----------
    plane
        (Y, X) or (C, Y, X), as the model would see it.
    card
        Of the model.
    pixel_size
        In µm, one number or those of Y and X; None if unknown.

    Returns
    -------
    list of str
        Sentences for the user; empty if nothing is wrong.
    """
    raise NotImplementedError
