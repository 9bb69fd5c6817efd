"""Segmentation of an image by a model: from an array or layer to a :class:`Segmentation`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from napari_cytosynth.arguments import check_choice, check_flag
from napari_cytosynth.progress import resolve_progress
from napari_cytosynth.tasks.common.defaults import DEFAULT_THRESHOLD, card_options, check_task
from napari_cytosynth.tasks.common.layers import known_voxel_size, read_source
from napari_cytosynth.tasks.common.planes import make_reader
from napari_cytosynth.tasks.common.region import AT_BORDER
from napari_cytosynth.tasks.measure.doubt import check_doubted

from .instances import LabelOptions
from .object_size.diameter import AUTO, check_diameter, plan_resizing
from .object_size.estimate import measure_plane
from .remarks import about_confidence, about_depth
from .result import Segmentation
from .run import SegmentationRun

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from napari_cytosynth.progress import Progress
    from napari_cytosynth.zoo.loading import Model

__all__ = ["Segmentation", "check_options", "segment"]


def segment(
    image: Any,
    model: str | Path | Model = "em-mitochondria-unet",
    *,
    threshold: float | None = None,
    min_size: int | None = None,
    fill_holes: bool = False,
    split_touching: bool | None = None,
    drop_border: bool = False,
    link_planes: bool = True,
    min_confidence: float = 0.0,
    axes: str | None = None,
    channels: Sequence[int] | None = None,
    pixel_size: float | Sequence[float] | None = None,
    resample: bool = False,
    diameter: float | Literal["auto"] | None = None,
    planes: tuple[int, ...] | None = None,
    device: str = "auto",
    precision: str = "auto",
    tile_size: int | None = None,
    out: Any = None,
    doubt: Any = None,
    region: Any = None,
    at_border: Literal["keep", "drop", "mark"] = "keep",
    progress: Progress | None = None,
) -> Segmentation:
    """Segment objects in an image with a trained network.

    Parameters
    ----------
    image
        numpy, dask or zarr array or napari layer, of bool, integers or real numbers. Dask
        and zarr are read one plane at a time. NaN and infinite pixels count as 0 after
        scaling, with a message; another says if the (middle) plane looks unlike the images that
        the model was trained on.
    model
        As :func:`~napari_cytosynth.zoo.loading.load_model` takes it. Default:
        ``"em-mitochondria-unet"``.
    threshold
        In [0, 1]; None (default) takes the model's own.
    min_size
        Objects of fewer pixels of the image are dropped; None (default) takes the model's own,
        scaled to the image's pixel size where both are known; 0 where the model has none.
    split_touching
        Separate touching objects; None (default): if the model was made to separate them.
    fill_holes, drop_border, link_planes, min_confidence
        See :class:`~napari_cytosynth.tasks.segment.instances.LabelOptions`. Default: True for
        `link_planes`, 0 for `min_confidence`, and False for the others.
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
    diameter
        Typical diameter of the image's objects in px: the image is resampled for the model
        until they are as large as those of its training images, in place of any resampling by
        pixel size. ``"auto"`` measures it and resamples only where the objects clearly differ
        (see :func:`~napari_cytosynth.tasks.segment.object_size.estimate_object_size`). The
        result has the image's own grid, and all sizes stay in its pixels. None (default) leaves
        the image as it is, unless the model's training resampled its images: then the diameter is
        taken to be that of those (the card's ``image_diameter``).
    planes
        Index into the axes that count planes: run on this plane only; the result is (Y, X).
        None (default) runs on all.
    device, precision, tile_size
        See :class:`~napari_cytosynth.inference.predictor.Predictor`. Default: ``"auto"``,
        ``"auto"`` and None.
    out
        float32 array (zarr, memmap …) of the result's shape that the probability is
        written into, tile by tile; None (default) allocates it.
    doubt
        Where the image is a virtual stain, its objects as ``stained.objects()`` returns them, or
        their Labels layer, of the shape of the result: the table then has the column ``doubt`` (see
        :func:`~napari_cytosynth.tasks.measure.measure`). Default: None.
    region
        Only what lies inside counts: a napari Shapes layer (rectangles, polygons, ellipses), where
        napari shows it on the image; or polygons as arrays (N, 2) of rows and columns in px of the
        image. Shapes that were all drawn in the same plane of a stack hold in all of its planes;
        else each holds in its own. Outside, the probability is 0; the network runs on the box
        around the region and what it sees beside it. None (default) is the whole image.
    at_border
        What becomes of objects at the border of the region, which cuts them: ``"keep"`` (default)
        keeps the part inside, ``"drop"`` leaves them out, ``"mark"`` keeps the part inside, and the
        table has the column ``at_region_border``.
    progress
        Called between tiles; None (default) shows a bar in a console. Raising
        :class:`~napari_cytosynth.errors.Cancelled` from it stops the run there.

    Returns
    -------
    Segmentation

    Raises
    ------
    InputError
        If the image, its axes or a parameter cannot be used.
    ModelError
        If the model cannot be loaded or is for another task.
    Cancelled
        From `progress`.
    """
    from napari_cytosynth.inference.cancelling import cancellable
    from napari_cytosynth.zoo.loading import load_model

    chosen = {
        "threshold": threshold,
        "min_size": min_size,
        "split_touching": split_touching,
        "fill_holes": fill_holes,
        "drop_border": drop_border,
        "link_planes": link_planes,
        "min_confidence": min_confidence,
    }
    check_options(chosen)  # before anything is loaded
    asked = check_diameter(diameter)
    check_choice(at_border, "at_border", AT_BORDER)
    if doubt is not None:
        check_doubted(doubt)
    with cancellable(resolve_progress(progress)) as tick:
        source = read_source(image)
        loaded = load_model(model, device, progress=progress)
        card = loaded.card
        check_task(card, "segment")
        reader = make_reader(source, card, axes, channels)
        z_size, size = known_voxel_size(source, reader.axes, pixel_size)
        run = SegmentationRun(source, reader, loaded, size, planes, z_size=z_size)
        if asked == AUTO:
            run.check_memory(out)
        run.plan = plan_resizing(
            asked,
            card,
            check_flag(resample, "resample"),
            lambda: measure_plane(reader, loaded, run.chosen_plane, device, precision, tick),
            by_size=resample and None not in (size, card.inference.pixel_size_um),
        )
        known_size = None if run.plan.seen_as_is else size
        defaults = card_options(card.inference, known_size, run.plan.diameter)
        run.options = LabelOptions(**(defaults | _given(chosen)))
        run.set_resampling(resample, run.plan.factor)
        run.add_messages(*run.plan.messages)
        run.check_memory(out)
        run.limit_to(region, at_border)
        if doubt is not None:
            check_doubted(doubt, run.whole_shape)
        run.make_predictor(device if device != "auto" else loaded.device, precision, tile_size)
        run.allocate(out)
        run.execute(tick)
        linked = about_depth(run, run.options, guessed=axes is None)
        run.add_messages(*linked, *about_confidence(run.options, run.owned))
        run.doubted = doubt
        return run.result(run.common_parameters(channels, resample, device, precision))


def _given(options: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}


def check_options(options: dict[str, Any]) -> None:
    """Raise InputError for an impossible option; None is one that the card gives."""
    for name in ("fill_holes", "drop_border", "link_planes"):
        check_flag(options[name], name)
    LabelOptions(**({"threshold": DEFAULT_THRESHOLD} | _given(options)))
