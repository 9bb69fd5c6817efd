"""Distances between a set of images and real ones: features, textures, intensities, copies."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_cytosynth.inference.features import Reference
from napari_cytosynth.metrics import (
    area_distance,
    frechet_distance,
    gaussian_matched,
    intensity_distance,
    kernel_distance,
    manifold_scores,
    memorisation,
    pairwise_diversity,
    spectrum_distance,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_cytosynth.inference.features import Features
    from napari_cytosynth.metrics import Memorisation

__all__ = ["FRECHET", "KERNEL", "Copies", "DistributionScorer", "ImageSet", "lies_nearer_to_real"]

FRECHET, KERNEL = "Fréchet distance", "kernel distance"
_NEIGHBOURS = 5
_SUBSET = 200


@dataclass(frozen=True, eq=False)
class ImageSet:
    """Images of one origin with their masks and features.

    Attributes
    ----------
    images
        (N, C, Y, X) float32, [0, 1], without the mask's channel.
    masks
        (N, Y, X) bool; None where there are none.
    features
        (N, D) float32.
    """

    images: NDArray[np.float32]
    masks: NDArray[np.bool_] | None
    features: NDArray[np.float32]

    @classmethod
    def of(cls, channels: NDArray[np.float32], mask: int | None, extractor: Features) -> ImageSet:
        """Split off the mask's channel and extract the features.

        Parameters
        ----------
        channels
            (N, C, Y, X) in [0, 1], a mask being above 0.5 inside.
        mask
            Number of the mask's channel; None if there is none.
        extractor
            Of the features.
        """
        images = channels if mask is None else np.delete(channels, mask, axis=1)
        masks = None if mask is None else channels[:, mask] > 0.5
        return cls(images, masks, extractor.embed(images))

    def first(self, count: int) -> ImageSet:
        """Return the first `count` images as a set."""
        masks = None if self.masks is None else self.masks[:count]
        return ImageSet(self.images[:count], masks, self.features[:count])


@dataclass(frozen=True, eq=False)
class Copies:
    """Results of the search for copies of training images.

    Attributes
    ----------
    features
        By the reduced features stored with a model: finds images that look alike.
    pixels
        By pixels, in all eight views: finds copies.
    """

    features: Memorisation
    pixels: Memorisation

    def figures(self) -> dict[str, float]:
        """Return the fractions of images that lie nearer than 99 % of the unseen real ones."""
        return {
            "share nearer to training than real images, by features": self.features.fraction,
            "share nearer to training than real images, by pixels": self.pixels.fraction,
            "probability of that share by chance, by features": self.features.p,
            "probability of that share by chance, by pixels": self.pixels.p,
        }


class DistributionScorer:
    """Scores sets of images against real ones that no model was trained on.

    Parameters
    ----------
    real
        N images of other files than the training's.
    training
        M ≥ N crops of the training images; the first N of them are the real baseline.
    channels
        Names of the image channels.
    seed
        Of random draws. Default: 0.
    index
        (M, 4): where each training crop was cut, kept in the reference; None (default) for none.

    Attributes
    ----------
    reference
        The training crops' reduced embeddings, as stored with a model.
    """

    def __init__(
        self,
        real: ImageSet,
        training: ImageSet,
        channels: Sequence[str],
        seed: int = 0,
        index: NDArray[np.int32] | None = None,
    ) -> None:
        self.real, self.training, self.channels, self.seed = real, training, channels, seed
        self.reference = Reference.from_features(training.features, index)

    def baselines(self, extractor: Features) -> dict[str, ImageSet]:
        """Return the baselines: training images as the best case, shapeless noise as the worst.

        Each set holds as many images as the real one does: most of the figures depend on
        the number.
        """
        count = len(self.real.images)
        training = self.training.first(count)
        parts = training.images
        if training.masks is not None:
            parts = np.concatenate([parts, training.masks[:, None].astype(np.float32)], axis=1)
        noise = gaussian_matched(parts, self.seed, count)
        mask = None if training.masks is None else noise.shape[1] - 1
        return {"real": training, "noise": ImageSet.of(noise, mask, extractor)}

    def figures(self, found: ImageSet) -> dict[str, float]:
        """Return the scores of a set of images against the real ones, by name.

        Parameters
        ----------
        found
            As many images as the real set holds.

        Returns
        -------
        dict of str to float
            Distances of features in squared units of the extractor; fractions in [0, 1];
            spectra in dB; intensities in units of the range [0, 1].
        """
        real = self.real
        # of subsets that hold nearly all images the standard deviation would be meaningless
        subset = min(_SUBSET, max(len(real.features) // 2, 2))
        kernel, std = kernel_distance(real.features, found.features, subset, seed=self.seed)
        scores = {
            FRECHET: frechet_distance(real.features, found.features),
            KERNEL: kernel,
            f"{KERNEL}, std": std,
            **asdict(manifold_scores(real.features, found.features, _NEIGHBOURS)),
            "MS-SSIM between images": pairwise_diversity(found.images, seed=self.seed),
        }
        spectra = spectrum_distance(real.images, found.images)
        levels = intensity_distance(real.images, found.images)
        for name, spectrum, level in zip(self.channels, spectra, levels, strict=True):
            scores[f"spectrum distance, {name}"] = float(spectrum)
            scores[f"intensity distance, {name}"] = float(level)
        if real.masks is not None and found.masks is not None:
            scores["mask area distance"] = area_distance(real.masks, found.masks)
        return scores

    def copies(self, found: ImageSet) -> Copies:
        """Search a set of images for copies of training images."""
        reduced = (self.reference.project(part.features) for part in (found, self.real))
        generated, held_out = reduced
        return Copies(
            memorisation(generated, self.reference.embeddings, held_out),
            memorisation(found.images, self.training.images, self.real.images),
        )


def lies_nearer_to_real(figure: float, real: float, noise: float) -> bool:
    """Return whether a distance is nearer to that of real images than to that of noise."""
    return figure - real < noise - figure
