"""What two models make of the same image, or of the same noise: no Qt."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cytosynth.errors import InputError
from napari_cytosynth.tasks.common.layers import Source
from napari_cytosynth.widgets.common.snapshot import finest
from napari_cytosynth.widgets.train.material import most_painted, position_axes

if TYPE_CHECKING:
    from pathlib import Path

    from napari_cytosynth.progress import Progress
    from napari_cytosynth.training.teach.process.messages import Tuned
    from napari_cytosynth.training.teach.runs import OwnRun
    from napari_cytosynth.widgets.train.order import TrainOrder

__all__ = ["compare_models"]

_COUNT = 9  # images of a generator


def compare_models(
    order: TrainOrder, run: OwnRun, tuned: Tuned, progress: Progress
) -> tuple[Any, Any]:
    """Return the results of the start model and of the new one.

    Raises
    ------
    CytosynthError
        If the image is gone, or a model cannot take it.
    """
    models = (run.model, tuned.model)
    if tuned.task == "generate":
        from napari_cytosynth.tasks.generate import generate

        return _two(generate(model=m, count=_COUNT, progress=progress) for m in models)
    image, options = _image(order, run)
    options |= {"device": "cpu", "progress": progress}
    if tuned.task == "segment":
        from napari_cytosynth.tasks.segment import segment

        return _two(segment(image, model=model, **options) for model in models)
    from napari_cytosynth.tasks.stain import stain
    from napari_cytosynth.zoo.model_files import read_card

    stains = read_card(tuned.model).inference.output_channels
    return _two(stain(image, m, samples=0, views=1, stains=stains, **options) for m in models)


def _two(results: Any) -> tuple[Any, Any]:
    before, after = results
    return before, after


def _image(order: TrainOrder, run: OwnRun) -> tuple[Any, dict[str, Any]]:
    """Return an image of the material, and how its plane is read."""
    if order.pairs:
        pair = most_painted(order.pairs)
        ndim = pair.image.ndim
        if ndim == 2:
            return pair.image, {"axes": "YX"}
        return pair.image, {"axes": position_axes(ndim), "planes": pair.place}
    if order.taught:
        image = order.taught[0][0]
        ndim = len(finest(image).shape)
        first = {"planes": (0,) * (ndim - 2)} if ndim > 2 else {}
        return image, {"axes": position_axes(ndim), **first}
    from napari_cytosynth.images.reading import read_image
    from napari_cytosynth.training.teach.material import FOLDER

    file = _first_image(run.data_dir or run.folder / FOLDER)
    data = np.squeeze(np.asarray(read_image(file).data))
    return Source(data, run.name), {"axes": "YX"}


def _first_image(folder: Path) -> Path:
    """Return the first image of a data folder, or of a part of it."""
    from napari_cytosynth.training.data.image_files import image_files
    from napari_cytosynth.training.teach.held_out import ALL, VALIDATING
    from napari_cytosynth.training.teach.material import IMAGES
    from napari_cytosynth.training.teach.segment.synthetic import OWN

    places = [folder / part / IMAGES for part in ("", OWN, VALIDATING, ALL)]
    found = next((place for place in places if place.is_dir()), None)
    if found is None:
        raise InputError("there is no image of one channel to compare them on.")
    return next(iter(image_files(found).values()))
