"""Synthetic images with masks beside the annotated ones: how many crops are of them, and which."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

from napari_cytosynth.arguments import check_number
from napari_cytosynth.errors import InputError

from .pairs import AnnotatedPlane

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["MOST_BOOST", "MOST_SHARE", "OWN", "RARE", "SYNTHETIC", "SyntheticImages", "sources"]

SYNTHETIC, RARE, OWN = "synthetic", "synthetic-rare", "own"
"""Folders of the synthetic images, of those with the least covered, and of the others' images."""
MOST_SHARE, MOST_BOOST = 0.9, 10.0
_RARE_PART = 1 / 3  # of the images that hold anything


@dataclass(frozen=True, eq=False)
class SyntheticImages:
    """Synthetic images whose masks are known everywhere, as a generator made them.

    Attributes
    ----------
    images
        (N, Y, X).
    masks
        (N, Y, X), not 0 inside of objects.
    name
        Of the generator.
    share
        Part of the crops that is of them, from 0 to 0.9. Default: a half.
    rare_boost
        How many times as often the third of them with the least covered is drawn, from 1 to 10.
        Default: 1, all alike.
    pixel_size_um
        Of the images; None (default) if unknown.
    """

    images: NDArray[Any]
    masks: NDArray[Any]
    name: str = "generator"
    share: float = 0.5
    rare_boost: float = 1.0
    pixel_size_um: float | None = None

    @classmethod
    def of(cls, generation: Any, share: float = 0.5, rare_boost: float = 1.0) -> SyntheticImages:
        """Copy the images of a result of ``cytosynth.generate``.

        Raises
        ------
        InputError
            If it has no masks, or not one channel, or a number is out of range.
        """
        masks = getattr(generation, "masks", None)
        if masks is None:
            raise InputError(
                "The synthetic images have no masks: take a model that makes both, such as "
                "em-pairs-ddpm."
            )
        if generation.images.shape[1] != 1 or generation.part is not None:
            raise InputError("Synthetic images to learn from should be whole, of one channel.")
        return cls(
            np.array(generation.images[:, 0]),
            np.array(masks),
            str(generation.model),
            check_number(share, "synthetic_share", 0, MOST_SHARE),
            check_number(rare_boost, "rare_boost", 1, MOST_BOOST),
            generation.pixel_size_um,
        )

    @property
    def objects(self) -> list[NDArray[np.int32]]:
        """(Y, X) numbers of the objects of each image: the connected parts of its mask."""
        whole = np.ones((3, 3), bool)
        return [ndimage.label(mask != 0, whole)[0].astype(np.int32) for mask in self.masks]

    def planes(self) -> list[AnnotatedPlane]:
        """Return them as images that are wholly annotated: there are no others."""
        return [
            AnnotatedPlane(
                self.name, image, objects, np.ones(objects.shape, np.uint8), self.pixel_size_um
            )
            for image, objects in zip(self.images, self.objects, strict=True)
        ]

    def files(self, truth: str) -> dict[str, NDArray[Any]]:
        """Return their files: name in the data folder -> (Y, X)."""
        rare = self._rare()
        found: dict[str, NDArray[Any]] = {}
        for number, (image, objects) in enumerate(zip(self.images, self.objects, strict=True)):
            folder, name = RARE if rare[number] else SYNTHETIC, f"{number + 1:04d}.tif"
            found[f"{folder}/image/{name}"] = image
            found[f"{folder}/{truth}/{name}"] = objects.astype(np.uint16)
        return found

    def _rare(self) -> NDArray[np.bool_]:
        """Return which images are those with the least covered; none where all count alike."""
        covered = (self.masks != 0).mean(axis=(1, 2))
        rare = np.zeros(len(covered), bool)
        order = [n for n in np.argsort(covered, kind="stable") if covered[n] > 0]
        if self.rare_boost > 1:
            rare[order[: int(len(order) * _RARE_PART)]] = True
        return rare

    def shares(self) -> dict[str, float]:
        """Return the part of the crops of each folder."""
        rare = float(self._rare().mean())
        weight = self.rare_boost * rare
        boosted = weight / (weight + 1 - rare)
        parts = {RARE: self.share * boosted, SYNTHETIC: self.share * (1 - boosted)}
        return {name: part for name, part in parts.items() if part > 0}


def sources(
    shares: dict[str, float], split: dict[str, Any], magnify: float
) -> list[dict[str, Any]]:
    """Return the recipe's block of sources.

    Parameters
    ----------
    shares
        Folder -> part of the crops; the rest is of the user's images.
    split
        Of the user's images.
    magnify
        Of the synthetic images.
    """
    own = {"folder": OWN, "split": split, "share": 1 - sum(shares.values())}
    others = [
        {
            "folder": name,
            "split": {"kind": "pixels"},
            "share": share,
            "fully_annotated": True,
            "magnify": magnify,
        }
        for name, share in shares.items()
    ]
    return [own, *others]
