"""Segment an image: array or layer in, :class:`Segmentation` out. (Interface; being filled.)"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_cytosynth.tasks.instances import LabelOptions

if TYPE_CHECKING:
    import pandas as pd

    from napari_cytosynth.progress import Progress
    from napari_cytosynth.tasks.tree import ComponentTree
    from napari_cytosynth.zoo.loading import Model

__all__ = ["Segmentation", "segment"]


def segment(
    image: Any,
    model: str | Path | Model = "em-mitochondria-unet",
    *,
    threshold: float | None = None,
    min_size: int = 0,
    fill_holes: bool = False,
    split_touching: bool = False,
    drop_border: bool = False,
    axes: str | None = None,
    channels: Sequence[int] | None = None,
    pixel_size: float | Sequence[float] | None = None,
    resample: bool = False,
    planes: tuple[int, ...] | None = None,
    device: str = "auto",
    precision: str = "auto",
    tile_size: int | None = None,
    out: Any = None,
    progress: Progress | None = None,
) -> Segmentation:
    """`image`: numpy, dask, zarr or napari layer; `planes`: index into the leading axes."""
    raise NotImplementedError


class Segmentation:
    """Result: probability, and labels and table at a threshold."""

    probability: npt.NDArray[np.float32]
    """Shape of the image without its channel axis ((Y, X) if `planes` was given)."""
    extra: dict[str, npt.NDArray[np.float32]]
    axes: str  # of probability, e.g. "TZYX"
    options: LabelOptions
    messages: list[str]
    provenance: dict[str, Any]

    @property
    def threshold(self) -> float:
        raise NotImplementedError

    @property
    def labels(self) -> npt.NDArray[np.int32]:
        """Computed on first use, whole stack."""
        raise NotImplementedError

    @property
    def table(self) -> pd.DataFrame:
        raise NotImplementedError

    def measure(self, intensity: Any = None) -> pd.DataFrame:
        """Table with intensities of another array or layer."""
        raise NotImplementedError

    def at_threshold(
        self, threshold: float | None = None, *, progress: Progress | None = None, **options: Any
    ) -> Segmentation:
        """Options: min_size, fill_holes, split_touching, drop_border; unnamed ones stay."""
        raise NotImplementedError

    def plane_indices(self) -> Iterator[tuple[int, ...]]:
        """Indices into the leading axes, one per plane; () for a single plane."""
        raise NotImplementedError

    def label_plane(
        self, plane: tuple[int, ...] = (), options: LabelOptions | None = None
    ) -> npt.NDArray[np.int32]:
        """Labels (Y, X) of one plane, ids from 1; for the visible plane only."""
        raise NotImplementedError

    def tree(self, plane: tuple[int, ...] = ()) -> ComponentTree:
        """Build the component tree of one plane (seconds: do it in a worker)."""
        raise NotImplementedError

    def to_layers(self) -> list[tuple[Any, dict[str, Any], str]]:
        """[(probability, {...}, "image"), (labels, {..., "features": table}, "labels")].

        A result of one plane of a stack comes with leading axes of length 1 and the
        translate of that plane, so that it lies where the plane lies.
        """
        raise NotImplementedError

    def add_to(self, viewer: Any) -> list[Any]:
        """Add both layers (main thread only), return them."""
        raise NotImplementedError

    def save(self, path: str | Path) -> list[Path]:
        """Folder, or .tif, or .zarr."""
        raise NotImplementedError
