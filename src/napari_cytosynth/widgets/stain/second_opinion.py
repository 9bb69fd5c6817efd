"""Background job that asks another model for a second opinion on a virtual stain."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cytosynth.errors import InputError
from napari_cytosynth.tasks.common.provenance import KEY

from .comparison import real_source
from .job import layers_by_role, place_of, run_stainer

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_cytosynth.progress import Progress
    from napari_cytosynth.widgets.common.snapshot import LayerSnapshot

    from .job import LayerData, StainRequest

__all__ = ["COLOURS", "DisagreementResult", "RealStain", "compare_models"]

_POINT_PX = 16
_MET = 0.1
"""IoU with a real nucleus from which on that is taken for the same place, if not the shape."""
_OUTLINE_PX = 2
# of Okabe and Ito's palette, which colour-blind eyes tell apart
COLOURS = {
    "only in the first": "#e69f00",
    "only in the second": "#56b4e9",
    "differ": "#f0e442",
}
"""Kind of a disagreeing object -> colour of its outline."""


@dataclass(frozen=True, eq=False)
class RealStain:
    """A real image, the stain that it is of, and where the virtual one's layer lies."""

    image: LayerSnapshot
    stain: str
    place: dict[str, Any] | None


@dataclass(eq=False)
class DisagreementResult:
    """Disagreement of two models: a sentence for the user, layers, and the table of objects."""

    sentence: str
    layers: list[LayerData]
    table: Any = None


def compare_models(
    staining: Any,
    request: StainRequest,
    model: str,
    progress: Progress,
    stain: Callable[..., Any] | None,
    real: RealStain | None = None,
) -> DisagreementResult:
    """Stain the same image with another model; return what the two do not agree on.

    Parameters
    ----------
    staining, request
        Result of a run, and the request that it belongs to.
    model
        Source of the other model.
    progress
        Raises `Cancelled` to stop.
    stain
        Function that runs the network. None: :func:`napari_cytosynth.stain`.
    real
        The real stain that was chosen, which tells who is right if it is that of the nuclei.
        Default: None.

    Raises
    ------
    CytosynthError
        With the sentence that the user reads.
    """
    from napari_cytosynth.tasks.stain.second_opinion import (
        check_other,
        second_opinion,
        share_training,
    )

    check_other(staining, model)
    arguments = request.arguments() | {
        "views": None,
        "samples": None,
        "keep_samples": False,
        "stains": None,
        "inject_dropout": None,
    }
    arguments |= _planes_for(model, staining)
    other = run_stainer(stain)(request.image, model, progress=progress, **arguments)
    progress(0, 0, "Comparing the two models")
    measured = None if real is None else _measured(staining, other, real)
    found = second_opinion(staining, other, real=measured, progress=progress)
    layers = [_disagreement(staining, name, found.map[i]) for i, name in enumerate(found.channels)]
    if len(found.points):
        layers.append(_places(staining, found))
    if len(found.objects):
        layers += [_outlines(staining, found), _names(staining, found)]
    sentence = _objects_sentence(found) + _real_sentence(found) + _places_sentence(found)
    if share_training(staining, other):
        sentence += " Both models learned from the same images: errors that they share stay unseen."
    return DisagreementResult(sentence, layers, found.objects)


def _measured(staining: Any, other: Any, real: RealStain) -> Any:
    """Return the real stain on the grid of the virtual one; None if it is not of the nuclei."""
    from napari_cytosynth.tasks.stain.comparison import real_on_grid
    from napari_cytosynth.tasks.stain.objects.task import object_stain

    common = tuple(name for name in staining.channels if name in other.channels)
    if object_stain(common) != real.stain:
        return None
    try:
        return real_on_grid(staining, real_source(real.image, real.stain), real.place).pixels
    except InputError:  # the comparison with it says so
        return None


def _real_sentence(found: Any) -> str:
    """Return what the real stain shows of the nuclei that one model alone paints."""
    if "real_iou" not in found.objects:
        return ""
    alone = found.objects[found.objects["kind"] != "differ"]["real_iou"].dropna()
    if not len(alone):
        return ""
    shown = int((alone >= _MET).sum())
    return f" Of the {len(alone)} in one stain only, the real stain shows {shown}."


def _planes_for(model: str, staining: Any) -> dict[str, Any]:
    """Return the arguments by which another model sees what a result was made of."""
    if not staining.focal_planes:
        return {}
    from napari_cytosynth.zoo.loading import load_model

    if load_model(model).card.inference.focal_planes is not None:
        return {"focal_planes": staining.provenance["parameters"]["focal_planes"]}
    # a model of one plane sees the one in the middle of those
    return {"focal_planes": None, "planes": staining.position, "first_plane": None}


def _objects_sentence(found: Any) -> str:
    if not found.stain:
        return ""
    what = found.first.objects
    if not len(found.objects):
        return f"Both models paint the same {what}."
    # a pair of different outlines is one disagreement, seen from either side
    differ = int(((found.objects["kind"] == "differ") & (found.objects["image"] == "first")).sum())
    where = "" if what == found.stain else f" in {found.stain}"
    first, second = found.count("only in the first"), found.count("only in the second")
    return (
        f"Of {len(found.first.table)} {what}{where}, "
        f"{first} {'is' if first == 1 else 'are'} not in the other model's stain and {differ} "
        f"{'has' if differ == 1 else 'have'} another shape there; "
        f"{second} {'is' if second == 1 else 'are'} in its stain only."
    )


def _places_sentence(found: Any) -> str:
    count = len(found.points)
    places = "1 place" if count == 1 else f"{count} places"
    return (
        f" {places} where pixels differ more than is usual between the two at that brightness."
        if count
        else " Nowhere do pixels differ more than is usual between the two at that brightness."
    ).removeprefix(" " if not found.stain else "")


def _disagreement(staining: Any, stain: str, values: Any) -> LayerData:
    data, attributes, _ = layers_by_role(staining)[stain, "mean"]
    record = {**attributes["metadata"][KEY], "role": "disagreement"}
    return (
        np.asarray(values, np.float32).reshape(data.shape),
        {
            **place_of(attributes),
            "name": f"{stain} disagreement · two models",
            "colormap": "inferno",
            "blending": "additive",
            "visible": False,
            "metadata": {KEY: record},
        },
        "image",
    )


def _places(staining: Any, found: Any) -> LayerData:
    attributes, extra = _first_layer(staining)
    return (
        np.pad(np.asarray(found.points, float), ((0, 0), (extra, 0))),
        {
            **place_of(attributes),
            "name": "unusual differences",
            "face_color": "transparent",
            "border_color": "white",
            "symbol": "disc",
            "size": _POINT_PX,
            "visible": False,
            "features": found.features,
            "metadata": {KEY: {**attributes["metadata"][KEY], "role": "points"}},
        },
        "points",
    )


def _outlines(staining: Any, found: Any) -> LayerData:
    """Return the disagreeing objects as outlines in the colour of their kind."""
    attributes, extra = _first_layer(staining)
    labels = np.zeros(found.first.labels.shape, np.int32)
    colours: dict[int | None, str] = {None: "transparent"}
    for number, (kind, image, label) in enumerate(
        zip(*(found.objects[key] for key in ("kind", "image", "label")), strict=True), start=1
    ):
        own = found.first if image == "first" else found.second
        labels[(own.labels == label) & (labels == 0)] = number
        colours[number] = COLOURS[kind]
    features = found.objects.assign(index=np.arange(1, len(found.objects) + 1))
    return (
        labels.reshape((1,) * extra + labels.shape),
        {
            **place_of(attributes),
            "name": f"{found.stain} · in one model only",
            "colormap": colours,
            "features": features,
            "opacity": 1.0,
            "metadata": {KEY: {**attributes["metadata"][KEY], "role": "disagreeing objects"}},
            "contour": _OUTLINE_PX,
        },
        "labels",
    )


def _names(staining: Any, found: Any) -> LayerData:
    """Return points without a symbol that say what is wrong with each object."""
    attributes, extra = _first_layer(staining)
    axes = found.axes.removeprefix("C")
    columns = [f"centroid_{axis.lower()}_px" for axis in axes[-2:]]
    leading = [axis.lower() for axis in axes[:-2]]
    # a pair of different outlines needs one word
    twice = (found.objects["kind"] == "differ") & (found.objects["image"] == "second")
    table = found.objects[~twice]
    places = table[[*leading, *columns]].to_numpy(float)
    return (
        np.pad(places, ((0, 0), (extra, 0))),
        {
            **place_of(attributes),
            "name": f"{found.stain} · what differs",
            "size": 1,
            "face_color": "transparent",
            "border_color": "transparent",
            "features": table[["kind"]],
            "text": {
                "string": "{kind}",
                "color": [COLOURS[kind] for kind in table["kind"]],
                "size": 10,
                "anchor": "lower_left",
            },
            "metadata": {KEY: {**attributes["metadata"][KEY], "role": "names"}},
        },
        "points",
    )


def _first_layer(staining: Any) -> tuple[dict[str, Any], int]:
    """Return the attributes of the first layer, and how many axes it has more than a stain."""
    data, attributes, _ = next(iter(layers_by_role(staining).values()))
    return attributes, data.ndim - (staining.mean.ndim - 1)
