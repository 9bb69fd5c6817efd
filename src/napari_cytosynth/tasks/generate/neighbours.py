"""Distances of synthetic images to their nearest training images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

__all__ = ["Nearest"]


@dataclass(frozen=True, eq=False)
class Nearest:
    """Nearest training image of each synthetic image, in the space of an encoder.

    Attributes
    ----------
    distance
        (N,) Euclidean distance between the embeddings.
    index
        (N,) rows of the model's embeddings of training images.
    usual
        The same distance for real images that the model was never trained on: its
        quantiles 5, 25, 50, 75 and 95 %; empty if the model's card has none.
    suspicious
        (N,) bool: nearer than 95 % of those real images are, so that both images should be
        inspected. Without copying, too, one image in twenty is that near.
    extractor
        Name of the encoder.
    place
        (N, 4) int32, where the training image was cut: number of the file, y, x and view
        (0 to 7: quarter turns, from 4 on mirrored); None (default) if unknown.
    images
        (N, C, Y, X) in [0, 1], the training images themselves, mask channel last; None
        (default) without the training data.
    """

    distance: npt.NDArray[np.float32]
    index: npt.NDArray[np.int64]
    usual: tuple[float, ...]
    suspicious: npt.NDArray[np.bool_]
    extractor: str
    place: npt.NDArray[np.int32] | None = None
    images: npt.NDArray[np.float32] | None = None

    def describe(self, sample: int) -> str:
        """Return a sentence on the distance of one image to its nearest training image."""
        text = f"Sample {sample} lies {self.distance[sample]:.3g} from its nearest training image"
        if not self.usual:
            return f"{text}; what is usual for real images is not known for this model."
        low, high = self.usual[0], self.usual[-1]
        text = f"{text}; real images that were not trained on lie {low:.3g} to {high:.3g} away"
        if not self.suspicious[sample]:
            return f"{text}."
        return f"{text}. Unusually near, as one real image in twenty is: look at both."
