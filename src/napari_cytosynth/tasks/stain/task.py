"""Virtual staining of an image: from an array or layer to a :class:`Staining`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from napari_cytosynth.arguments import check_callable, check_choice
from napari_cytosynth.progress import resolve_progress
from napari_cytosynth.tasks.common.defaults import check_task
from napari_cytosynth.tasks.common.layers import known_voxel_size, read_source
from napari_cytosynth.tasks.common.planes import make_reader
from napari_cytosynth.tasks.common.region import AT_BORDER

from .focal_run import choose_at
from .plan import SamplingPlan
from .result import Staining
from .run import StainingRun

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    import numpy as np
    import numpy.typing as npt

    from napari_cytosynth.progress import Progress
    from napari_cytosynth.zoo.card import ModelCard
    from napari_cytosynth.zoo.loading import Model

    Floats = npt.NDArray[np.float32]
    OnUpdate = Callable[[tuple[int, ...], int, Floats, Floats | None], None]

__all__ = ["Staining", "first_plane_of", "stain"]

PATCHED_PIXELS = 9 * 64 * 64


def stain(
    image: Any,
    model: str | Path | Model = "u2os-brightfield-unet",
    *,
    views: int | None = None,
    samples: int | None = None,
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
    focal_planes: Sequence[int] | None = None,
    device: str = "auto",
    precision: str = "auto",
    tile_size: int | None = None,
    region: Any = None,
    at_border: Literal["keep", "drop", "mark"] = "keep",
    on_start: Callable[[Staining], None] | None = None,
    on_update: OnUpdate | None = None,
    enough: Callable[[], bool] | None = None,
    progress: Progress | None = None,
) -> Staining:
    """Predict fluorescent stains and their uncertainty from a label-free image.

    The uncertainty is the typical error at that brightness, as it was on images that the model
    had not learned from (a curve of each stain on the model's card), widened where the views or
    samples of a pixel differ more than usual, if that told more about errors. It does not tell
    which of two equally bright pixels is wrong; :meth:`Staining.objects` tells which nuclei are
    doubtful. On the card of an older model it is the standard deviation of samples that differ
    by the dropout of the network (MC dropout, Gal and Ghahramani 2016, arXiv:1506.02142), with
    the calibration of the card (σ-scaling, Laves et al. 2020, arXiv:2006.11584). On images unlike
    those of the training, a model may be wrong at a small uncertainty.

    Parameters
    ----------
    image
        numpy, dask or zarr array or napari layer, of bool, integers or real numbers. Dask
        and zarr are read one plane at a time. NaN and infinite pixels count as 0 after
        scaling, with a message.
    model
        As :func:`~napari_cytosynth.zoo.loading.load_model` takes it. Default:
        ``"u2os-brightfield-unet"``.
    views
        Number of flips and rotations of the image, from 1 to 8, that are stained and turned
        back; the result is their mean. Each costs as much as a single prediction. None
        (default): as the model's card says, which is 1 for older cards.
    samples
        Number of dropout samples, at least 2; 0 for none. None (default): as the model's card
        says; for older cards 16, and 0 where the model was trained without dropout.
    seed
        Seed of the dropout: the same seed gives the same result. Default: 0.
    stains
        Names of the selected stains of the model; None (default) for all.
    tolerance
        Stop a plane early once the relative standard error of the uncertainty is below
        this (0.1: 10 %); None (default) draws all samples.
    keep_samples
        Keep each sample in :attr:`Staining.samples` (as large as mean and std together,
        times half their number). Default: False.
    inject_dropout
        Switch dropout on with this probability, in (0, 1), in a model that was not trained
        with it; the uncertainty is then labelled uncalibrated. Default: None.
    axes
        One letter for each axis, for example ``"TCYX"``: Y and X span a plane, C holds
        channels, all others count planes. None (default) takes a layer's ``axis_labels`` if
        they are real names, and guesses otherwise.
    channels
        Indices into the axis C of the input channels; None (default) for all.
    pixel_size
        In µm, one number, those of Y and X, or those of Z, Y and X, where Z is the distance of
        planes. None (default), or a missing Z, takes the layer's.
    resample
        Resample the image to the model's pixel size where both are known and differ by
        more than 1.5 times. The result has the image's own grid. Default: False.
    planes
        Index into the axes that count planes: run on this plane only; the result is
        (C, Y, X). None (default) runs on all. Without Z where focal planes are taken from it.
    first_plane
        Index of the plane to compute first; None (default) keeps the order.
    focal_planes
        For a model of several focal planes and an image with an axis Z: the indices along Z of
        the planes that it takes, in the order of its channels; downwards if Z runs the other
        way than in its training. The result has no Z.
        None (default) takes all of a stack of just as many planes, and else chooses for each
        position: in brightfield the plane of least contrast is nearest to focus, and those
        below and above it are the ones whose contrast comes nearest to the training images'.
        Where the images show that Z runs the other way, their order is reversed. What was
        taken is in :attr:`Staining.focal_planes`, how in the messages and the record.
    device, precision, tile_size
        See :class:`~napari_cytosynth.inference.dropout.sampler.Sampler`. Default:
        ``"auto"``, ``"auto"`` and None.
    region
        Only what lies inside is stained: a napari Shapes layer or polygons, as
        :func:`~napari_cytosynth.tasks.segment.task.segment` takes them. The network runs on the
        box around the region and what it sees beside it; brightness is scaled by the whole
        plane. Outside, all values are NaN: nothing is known there. None (default) is the
        whole image.
    at_border
        What becomes of :meth:`Staining.objects` that touch the border of the region: ``"keep"``
        (default) keeps the part inside, ``"drop"`` leaves them out, ``"mark"`` keeps the part
        inside, and the table has the column ``at_region_border``.
    on_start
        Called once before the first sample with the result, still empty (all 0, and NaN outside
        of a region). Default: None.
    on_update
        Called after each view and sample with the plane's index (``()`` with `planes`), the
        number of both so far, and mean and std (C, Y, X) of that plane as the final ones will
        be; std is None where it needs more samples. Not called of a single prediction.
        Default: None.
    enough
        Called between views and samples: once it returns True, no more are made (of samples,
        two at least are), and the planes that follow get as many. Default: None.
    progress
        Called between tiles and samples; None (default) shows a bar in a console. Raising
        :class:`~napari_cytosynth.errors.Cancelled` from it stops the run there.

    Returns
    -------
    Staining

    Raises
    ------
    InputError
        If the image, its axes or a parameter cannot be used, or the model was trained
        without dropout and samples are requested.
    ModelError
        If the model cannot be loaded or is for another task.
    Cancelled
        From `progress`.
    """
    from napari_cytosynth.inference.cancelling import cancellable
    from napari_cytosynth.inference.dropout.masks import check_dropout

    plan = SamplingPlan.of(views, samples, seed, tolerance, keep_samples, inject_dropout)
    for name, function in (("on_start", on_start), ("on_update", on_update), ("enough", enough)):
        check_callable(function, name)
    check_choice(at_border, "at_border", AT_BORDER)
    with cancellable(resolve_progress(progress)) as tick:
        source = read_source(image)
        loaded = _load_stainer(model, device, progress)
        plan = plan.completed(loaded.card.inference)
        check_dropout(loaded.network, plan.samples, plan.injected, name=loaded.card.name)
        reader = make_reader(source, loaded.card, axes, channels, from_z=focal_planes is not None)
        z_size, size = known_voxel_size(source, reader.axes, pixel_size)
        run = StainingRun(source, reader, loaded, size, planes, z_size=z_size, plan=plan)
        run.select_stains(stains)
        run.move_to_front(first_plane)
        run.set_resampling(resample)
        run.limit_to(region, at_border)
        run.make_sampler(device if device != "auto" else loaded.device, precision, tile_size)
        run.check_memory()
        run.choose_focal_planes(focal_planes, tick)
        run.allocate()
        given = run.common_parameters(channels, resample, device, precision)
        if on_start is not None:
            on_start(run.result(given))
        run.execute(tick, on_update, enough)
        return run.result(given)


def _load_stainer(model: str | Path | Model, device: str, progress: Progress | None) -> Model:
    from napari_cytosynth.zoo.loading import load_model

    loaded = load_model(model, device, progress=progress)
    check_task(loaded.card, "stain")
    return loaded


def first_plane_of(
    image: Any,
    card: ModelCard,
    *,
    axes: str | None = None,
    channels: Sequence[int] | None = None,
    focal_planes: Sequence[int] | None = None,
) -> npt.NDArray[Any]:
    """Return the first plane (C, Y, X) of an image with a model's input channels, unscaled.

    Parameters and errors as for :func:`stain`.
    """
    from_z = focal_planes is not None
    reader = make_reader(read_source(image), card, axes, channels, from_z=from_z)
    first = next(reader.indices())
    choose_at(reader, first, card, focal_planes)
    return reader.read(first)
