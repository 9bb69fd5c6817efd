"""Background job that compares a virtual stain with the real one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cytosynth.widgets.common.layers import KEY

from .job import layers_by_role

if TYPE_CHECKING:
    from napari_cytosynth.progress import Progress
    from napari_cytosynth.widgets.common.snapshot import LayerSnapshot

    from .job import LayerData

__all__ = ["ComparisonResult", "compare_with_real"]

_GEOMETRY = ("scale", "translate", "rotate", "shear", "affine", "units", "axis_labels")


@dataclass(eq=False)
class ComparisonResult:
    """Agreement of a virtual stain with the real one: scores, layers and a table of objects."""

    sentence: str
    layers: list[LayerData]
    table: Any = None


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


def _place(attributes: dict[str, Any]) -> dict[str, Any]:
    return {name: attributes[name] for name in _GEOMETRY if name in attributes}
