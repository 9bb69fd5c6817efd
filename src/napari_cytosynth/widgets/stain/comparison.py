"""Background jobs that compare a virtual stain with the real one or with another model's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cytosynth.widgets.common.layers import KEY

from .job import layers_by_role, run_stainer

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_cytosynth.progress import Progress
    from napari_cytosynth.widgets.common.snapshot import LayerSnapshot

    from .job import LayerData, StainRequest

__all__ = ["ComparisonResult", "DisagreementResult", "compare_models", "compare_with_real"]

_GEOMETRY = ("scale", "translate", "rotate", "shear", "affine", "units", "axis_labels")
_POINT_PX = 16
_SAMPLES = 16


@dataclass(eq=False)
class ComparisonResult:
    """Agreement of a virtual stain with the real one: scores, layers and a table of objects."""

    sentence: str
    layers: list[LayerData]
    table: Any = None


@dataclass(eq=False)
class DisagreementResult:
    """Disagreement of two models: a sentence for the user, and layers."""

    sentence: str
    layers: list[LayerData]


def compare_with_real(
    staining: Any,
    stain: str,
    real: LayerSnapshot,
    cells: LayerSnapshot | None,
    progress: Progress,
) -> ComparisonResult:
    """Compare one virtual stain with the layer of the real one.

    Parameters
    ----------
    staining
        Result of a run.
    stain
        Name of one of its stains.
    real
        Measured image of the same field.
    cells
        Labels whose objects are compared one by one; None for none.
    progress
        Raises `Cancelled` to stop.

    Raises
    ------
    CytosynthError
        The layers do not fit each other.
    """
    from napari_cytosynth.tasks.stain.comparison import compare

    progress(0, 0, "Comparing")
    image = real.pixels(staining.mean.ndim - 1, staining.position)
    comparison = compare(staining, stain, image)
    sentence = (
        f"{stain}: PCC {comparison.pcc:.3f} · SSIM {comparison.ssim:.3f} "
        f"· PSNR {comparison.psnr:.1f} dB"
    )
    layers = [_difference(staining, stain, real.name, comparison.difference)]
    if cells is None:
        return ComparisonResult(sentence, layers)
    progress(0, 0, "Comparing object by object")
    return ComparisonResult(sentence, layers, _by_object(staining, stain, image, cells))


def _by_object(staining: Any, stain: str, real: Any, cells: LayerSnapshot) -> Any:
    """Return a table of the objects: real and virtual intensity, mean uncertainty."""
    from napari_cytosynth.tasks.measure.table import measure

    number = list(staining.channels).index(stain)
    labels = cells.pixels(staining.mean.ndim - 1, staining.position)
    images = {"real": real, "virtual": staining.mean[number]}
    if staining.std is not None:
        images["uncertainty"] = staining.std[number]
    axes = staining.axes.removeprefix("C")
    tables = {name: measure(labels, image, axes=axes) for name, image in images.items()}
    size = "volume_px" if "volume_px" in tables["real"] else "area_px"
    table = tables["real"][["label", size]].copy()
    for name, measured in tables.items():
        table[name] = measured["mean_intensity"]
    table.insert(4, "difference", table["virtual"] - table["real"])
    return table


def _difference(staining: Any, stain: str, real: str, difference: Any) -> LayerData:
    data, attributes, _ = layers_by_role(staining)[stain, "mean"]
    limit = float(np.nanquantile(np.abs(difference), 0.999)) or 1.0
    return (
        np.asarray(difference, np.float32).reshape(data.shape),
        {
            **_place(attributes),
            "name": f"virtual {stain} − {real}",
            "colormap": "PiYG",
            "contrast_limits": (-limit, limit),
            "metadata": {KEY: {**attributes["metadata"][KEY], "role": "difference"}},
        },
        "image",
    )


def _planes_for(model: str, staining: Any) -> dict[str, Any]:
    """Return the arguments by which another model sees what a result was made of."""
    if not staining.focal_planes:
        return {}
    from napari_cytosynth.zoo.loading import load_model

    if load_model(model).card.inference.focal_planes is not None:
        return {"focal_planes": staining.provenance["parameters"]["focal_planes"]}
    # a model of one plane sees the one in the middle of those
    return {"focal_planes": None, "planes": staining.position, "first_plane": None}


def compare_models(
    staining: Any,
    request: StainRequest,
    model: str,
    progress: Progress,
    stain: Callable[..., Any] | None,
) -> DisagreementResult:
    """Stain the same image with another model; return where the two disagree.

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

    Raises
    ------
    CytosynthError
        With the sentence that the user reads.
    """
    from napari_cytosynth.tasks.stain.comparison import second_opinion

    # one of the two needs an uncertainty
    samples = 0 if staining.std is not None else _SAMPLES
    arguments = request.arguments() | {"samples": samples, "keep_samples": False, "stains": None}
    arguments |= _planes_for(model, staining)
    other = run_stainer(stain)(request.image, model, progress=progress, **arguments)
    progress(0, 0, "Comparing the two models")
    found = second_opinion(staining, other)
    layers = [_disagreement(staining, name, found.map[i]) for i, name in enumerate(found.channels)]
    count = len(found.points)
    if count:
        layers.append(_points(staining, found))
    places = "1 place" if count == 1 else f"{count} places"
    return DisagreementResult(
        f"{places} where the two models disagree by more than the "
        + ("" if found.calibrated else "(uncalibrated) ")
        + "uncertainty allows"
        + (": the layer “possible hallucinations” marks them." if count else "."),
        layers,
    )


def _disagreement(staining: Any, stain: str, values: Any) -> LayerData:
    data, attributes, _ = layers_by_role(staining)[stain, "mean"]
    record = {**attributes["metadata"][KEY], "role": "disagreement"}
    return (
        np.asarray(values, np.float32).reshape(data.shape),
        {
            **_place(attributes),
            "name": f"{stain}: disagreement of two models",
            "colormap": "inferno",
            "blending": "additive",
            "visible": False,
            "metadata": {KEY: record},
        },
        "image",
    )


def _points(staining: Any, found: Any) -> LayerData:
    data, attributes, _ = next(iter(layers_by_role(staining).values()))
    extra = data.ndim - (staining.mean.ndim - 1)
    coordinates = np.asarray(found.points, float)
    return (
        np.pad(coordinates, ((0, 0), (extra, 0))),
        {
            **_place(attributes),
            "name": "possible hallucinations",
            "face_color": "transparent",
            "border_color": "yellow",
            "symbol": "disc",
            "size": _POINT_PX,
            "features": found.features,
            "metadata": {KEY: {**attributes["metadata"][KEY], "role": "points"}},
        },
        "points",
    )


def _place(attributes: dict[str, Any]) -> dict[str, Any]:
    return {name: attributes[name] for name in _GEOMETRY if name in attributes}
