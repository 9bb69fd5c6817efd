"""Background job that compares a virtual stain with the real one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cytosynth.errors import InputError
from napari_cytosynth.tasks.common.layers import layer_geometry, read_source
from napari_cytosynth.tasks.common.provenance import KEY
from napari_cytosynth.tasks.stain.matching import channel_names, match_channel
from napari_cytosynth.widgets.common.snapshot import LayerSnapshot

from .job import layers_by_role, place_of

if TYPE_CHECKING:
    from napari_cytosynth.progress import Progress
    from napari_cytosynth.tasks.common.layers import Source

    from .job import LayerData

__all__ = [
    "DIFFERENCE",
    "ComparisonResult",
    "compare_with_real",
    "geometry_of",
    "real_source",
]

DIFFERENCE = {
    "name": "blue-black-orange",
    "colors": [[0.35, 0.65, 1.0, 1.0], [0.0, 0.0, 0.0, 1.0], [1.0, 0.6, 0.2, 1.0]],
}
"""Black where both agree, blue where the virtual stain is too dim, orange where too bright."""
_LEGEND = "In the picture, orange is too bright, blue too dim."


@dataclass(eq=False)
class ComparisonResult:
    """Agreement of a virtual stain with the real one: scores, layers and a table of objects."""

    sentence: str
    layers: list[LayerData]
    table: Any = None


def geometry_of(layer: Any) -> dict[str, Any] | None:
    """Return where a layer lies now; None without a layer."""
    return None if layer is None else read_source(LayerSnapshot.of(layer)).geometry


def compare_with_real(
    staining: Any,
    stain: str,
    real: LayerSnapshot,
    cells: LayerSnapshot | None,
    place: dict[str, Any] | None,
    progress: Progress,
    nuclei: Any = None,
) -> ComparisonResult:
    """Compare one virtual stain with the layer of the real one, where both lie.

    Parameters
    ----------
    staining
        Result of a run.
    stain
        Name of one of its stains.
    real
        Measured image; of several channels, the one that is named after the stain counts.
    cells
        Labels whose objects are compared one by one; None for none.
    place
        Geometry of the virtual stain's layer; None: where it was put.
    progress
        Raises `Cancelled` to stop.
    nuclei
        Those that were found in the virtual stain: objects that they share have their doubt.
        Default: None.

    Raises
    ------
    CytosynthError
        The layers do not fit each other.
    """
    from napari_cytosynth.tasks.stain.comparison import compare

    progress(0, 0, "Comparing")
    source = real_source(real, stain)
    comparison = compare(staining, stain, source, geometry=place)
    similarity = f" · SSIM {comparison.ssim:.3f}" if np.isfinite(comparison.ssim) else ""
    parts = [
        f"{stain}: PCC {comparison.pcc:.3f}{similarity} · PSNR {comparison.psnr:.1f} dB.",
        comparison.note,
        _LEGEND,
    ]
    sentence = " ".join(filter(None, parts))
    layers = [_difference(staining, stain, real.name, place, comparison.difference)]
    if cells is None:
        return ComparisonResult(sentence, layers)
    progress(0, 0, "Comparing object by object")
    table = _by_object(staining, stain, comparison.difference, cells, place, nuclei)
    return ComparisonResult(sentence, layers, table)


def real_source(real: LayerSnapshot, stain: str) -> Source:
    """Return the image of a layer, or of its channel that is named after the stain.

    Raises
    ------
    InputError
        If it has named channels, and none of them is the stain.
    """
    source = read_source(real)
    names = channel_names(real.metadata)
    sizes = [n for n, size in enumerate(source.shape[:-2]) if size == len(names)]
    if len(names) < 2 or not sizes:
        return source
    number = match_channel(names, stain)
    if number is None:
        raise InputError(
            f"“{real.name}” has the channels {', '.join(names)}: none of them is {stain}."
        )
    axis = sizes[0]
    rest = [n for n in range(len(source.shape)) if n != axis]
    index = (*(slice(None),) * axis, number)
    return replace(
        source,
        data=source.data[index],
        axis_labels=tuple(source.axis_labels[n] for n in rest if source.axis_labels),
        geometry=layer_geometry(source.geometry, rest),
    )


def _by_object(
    staining: Any,
    stain: str,
    difference: Any,
    cells: LayerSnapshot,
    place: dict[str, Any] | None,
    nuclei: Any,
) -> Any:
    """Return a table of the objects: real and virtual intensity, mean uncertainty, doubt."""
    from napari_cytosynth.tasks.measure.table import measure
    from napari_cytosynth.tasks.stain.comparison import real_on_grid

    number = list(staining.channels).index(stain)
    known = np.isfinite(difference)
    found = real_on_grid(staining, read_source(cells), place, labels=True).pixels
    labels = np.where(known, found, 0)  # objects in part where no real image is: that part
    virtual = staining.mean[number]
    images = {"real": np.where(known, virtual - difference, 0), "virtual": virtual}
    if staining.std is not None:
        images["uncertainty"] = staining.std[number]
    axes = staining.axes.removeprefix("C")
    tables = {name: measure(labels, image, axes=axes) for name, image in images.items()}
    size = "volume_px" if "volume_px" in tables["real"] else "area_px"
    table = tables["real"][["label", size]].copy()
    for name, measured in tables.items():
        table[name] = measured["mean_intensity"]
    table.insert(4, "difference", table["virtual"] - table["real"])
    if nuclei is not None and nuclei.doubt is not None:
        known = dict(zip(np.unique(found[found > 0]), nuclei.doubt_for(found), strict=True))
        table["doubt"] = table["label"].map(known)
    return table


def _difference(
    staining: Any, stain: str, real: str, place: dict[str, Any] | None, difference: Any
) -> LayerData:
    data, attributes, _ = layers_by_role(staining)[stain, "mean"]
    limit = float(np.nanquantile(np.abs(difference), 0.999)) or 1.0
    values = np.asarray(difference, np.float32).reshape(data.shape)
    # the part where both lie, and no more: black elsewhere would say that they agree
    found = [(int(n.min()), int(n.max()) + 1) for n in np.nonzero(np.isfinite(values))]
    box = tuple(slice(*ends) for ends in found)
    starts = {axis: float(first) for axis, (first, _) in enumerate(found)}
    place = place_of(attributes) if place is None else place
    return (
        values[box],  # NaN, which napari leaves transparent, where one of them is not known
        {
            **layer_geometry(place, range(values.ndim), starts),
            "name": f"{stain} difference · virtual − {real}",
            "colormap": DIFFERENCE,
            "contrast_limits": (-limit, limit),
            "metadata": {KEY: {**attributes["metadata"][KEY], "role": "difference"}},
        },
        "image",
    )
