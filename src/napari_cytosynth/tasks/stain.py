"""Stain an image virtually: an array or layer in, a :class:`Staining` out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_cytosynth.tasks.staining import Staining

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    import numpy as np
    import numpy.typing as npt

    from napari_cytosynth.progress import Progress
    from napari_cytosynth.zoo.loading import Model

    Floats = npt.NDArray[np.float32]
    OnUpdate = Callable[[tuple[int, ...], int, Floats, Floats | None], None]

__all__ = ["Staining", "stain"]


def stain(
    image: Any,
    model: str | Path | Model = "u2os-brightfield-pix2pixhd",
    *,
    samples: int = 16,
    seed: int = 0,
    stains: Sequence[str] | None = None,
    tolerance: float | None = None,
    keep_samples: bool = False,
    inject_dropout: float | None = None,
    axes: str | None = None,
    channels: Sequence[int] | None = None,
    pixel_size: float | Sequence[float] | None = None,
    resample: bool = False,
    planes: tuple[int, ...] | None = None,
    first_plane: tuple[int, ...] | None = None,
    device: str = "auto",
    precision: str = "auto",
    tile_size: int | None = None,
    on_start: Callable[[Staining], None] | None = None,
    on_update: OnUpdate | None = None,
    enough: Callable[[], bool] | None = None,
    progress: Progress | None = None,
) -> Staining:
    """Predict fluorescent stains from a label-free image, and how uncertain they are.

    The uncertainty is the spread of samples that differ by the dropout of the network
    (MC dropout, Gal and Ghahramani 2016, arXiv:1506.02142), calibrated as the model's card
    says (σ-scaling, Laves et al. 2020, arXiv:2006.11584). It knows only what the model
    knows: on images unlike those of its training it may be wrong and sure.

    Parameters
    ----------
    image
        numpy, dask or zarr array or napari layer, of bool, integers or real numbers. Dask
        and zarr are read one plane at a time. NaN and infinite pixels count as 0 after
        scaling, with a message.
    model
        Whatever :func:`~napari_cytosynth.zoo.loading.load_model` takes.
    samples
        How many to draw, at least 2; 0 gives a single prediction without uncertainty.
    seed
        The same seed gives the same result.
    stains
        Names of those of the model's stains that are wanted; None for all.
    tolerance
        Stop a plane early once the relative standard error of the uncertainty is below
        this (0.1: 10 %); None draws all samples.
    keep_samples
        Keep each sample in :attr:`Staining.samples` (as large as mean and std together,
        times half their number).
    inject_dropout
        Switch dropout on with this probability, in (0, 1), in a model that was not trained
        with it; the uncertainty is then labelled uncalibrated.
    axes
        One letter for each axis, for example ``"TCYX"``: Y and X span a plane, C holds
        channels, all others count planes. None takes a layer's ``axis_labels`` if they are
        real names, and guesses otherwise.
    channels
        Indices into the axis C of the channels that the model is to see; None for all.
    pixel_size
        In µm, one number or those of Y and X; None takes the layer's.
    resample
        Bring the image to the model's pixel size first where both are known and differ by
        more than 1.5 times. The result has the image's own grid.
    planes
        Index into the axes that count planes: run on this plane only; the result is
        (C, Y, X).
    first_plane
        Such an index of the plane that is computed first; None for the first one.
    device, precision, tile_size
        See :class:`~napari_cytosynth.inference.sampling.Sampler`.
    on_start
        Called once before the first sample with the result, still empty (all 0).
    on_update
        Called after each sample with the plane's index (``()`` with `planes`), the number
        of samples so far, and mean and std (C, Y, X) of that plane as the final ones will
        be; std is None after the first sample and without samples.
    enough
        Polled between samples: once it is true, no more are drawn (two at least are), and
        the planes that follow get as many.
    progress
        Called between tiles and samples; None shows a bar in a console. Raising
        :class:`~napari_cytosynth.errors.Cancelled` from it stops the run there.

    Returns
    -------
    Staining

    Raises
    ------
    InputError
        If the image, its axes or a parameter cannot be used, or samples are wanted of a
        model that was trained without dropout.
    ModelError
        If the model cannot be loaded or is for another task.
    Cancelled
        From `progress`.
    """
    raise NotImplementedError
