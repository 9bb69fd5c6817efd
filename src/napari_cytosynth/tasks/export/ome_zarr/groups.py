"""Image groups and label groups of OME-Zarr 0.5, with their metadata."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cytosynth.tasks.common.axes import plane_slices
from napari_cytosynth.tasks.common.colours import rgb_of, stain_colours
from napari_cytosynth.tasks.common.provenance import KEY
from napari_cytosynth.tasks.export.formats import SAMPLE_AXIS, axis_sizes, xml_text
from napari_cytosynth.tasks.export.objects.rasters import label_properties
from napari_cytosynth.tasks.export.records import PixelDigest, as_json, sealed

from .pyramid import create_levels, datasets, halved

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

__all__ = [
    "create_labels_group",
    "describe_image",
    "describe_labels",
    "embed_in_zarr",
    "fill_group",
]

VERSION = "0.5"


def embed_in_zarr(root: Any, provenance: dict[str, Any], pixels: dict[str, str]) -> None:
    """Embed the record in the root group of an OME-Zarr, with the digest of each array."""
    root.attrs[KEY] = json.loads(as_json(sealed(provenance | {"pixels": pixels})))


def fill_group(
    group: Any,
    array: Any,
    axes: str,
    pixel_size: Sequence[float] | None,
    name: str,
    channels: Sequence[str] = (),
    *,
    labels: bool = False,
) -> dict[str, str]:
    """Write an array with its pyramid into an image group, plane by plane.

    Parameters
    ----------
    group
        Of zarr, empty.
    array
        Array of these axes.
    axes
        One letter for each axis.
    pixel_size
        In µm along Y and X, or along Z, Y and X; None if unknown.
    name
        Name of the image.
    channels
        Names along the axis C. Default: none.
    labels
        Whether the pixels are numbers of objects. Default: False.

    Returns
    -------
    dict
        Digest of the pixels of each level, by the name of its array.
    """
    levels = create_levels(group, array.shape, axes, array.dtype)
    digests = [PixelDigest(level.shape) for level in levels]
    leading = [size for axis, size in zip(axes, array.shape, strict=True) if axis not in "YX"]
    limits = (np.inf, -np.inf)
    for index in np.ndindex(*leading):
        where = plane_slices(axes, index)
        values = np.asarray(array[where])
        for number, (level, digest) in enumerate(zip(levels, digests, strict=True)):
            values = halved(values, labels=labels) if number else values
            level[where] = values
            digest.add(values)
        if channels and values.size:
            limits = min(limits[0], float(values.min())), max(limits[1], float(values.max()))
    describe_image(group, axes, pixel_size, name, len(levels), labels=labels)
    if channels:
        _describe_channels(group, channels, limits)
    return {str(number): digest.text for number, digest in enumerate(digests)}


def describe_image(
    group: Any,
    axes: str,
    pixel_size: Sequence[float] | None,
    name: str,
    levels: int,
    *,
    labels: bool = False,
) -> None:
    """Write the metadata of an image group.

    Parameters
    ----------
    group, axes, pixel_size, name, labels
        As :func:`fill_group` takes them.
    levels
        Number of levels of its pyramid.
    """
    sizes = axis_sizes(axes, pixel_size)
    kinds = {"T": "time", "C": "channel", SAMPLE_AXIS: "sample"}
    entries: list[dict[str, str]] = []
    for axis in axes:
        kind = kinds.get(axis, "space" if axis in "ZYX" else "plane")
        entry = {"name": axis.lower(), "type": kind}
        entries.append(entry | ({"unit": "micrometer"} if axis in sizes else {}))
    scale = [float(sizes.get(axis, 1.0)) for axis in axes]
    block: dict[str, Any] = {
        "name": xml_text(name),
        "axes": entries,
        "datasets": datasets(axes, scale, levels),
    }
    if levels > 1:
        block["type"] = "mode" if labels else "mean"
    group.attrs["ome"] = {"version": VERSION, "multiscales": [block]}


def _describe_channels(group: Any, channels: Sequence[str], limits: tuple[float, float]) -> None:
    """Add names, colours and one window of brightness for all channels."""
    low, high = limits if limits[0] < limits[1] else (0.0, 1.0)
    window = {"min": low, "max": high, "start": low, "end": high}
    colours = [np.rint(255 * rgb_of(name)).astype(int) for name in stain_colours(channels)]
    entries = [
        {"label": xml_text(label), "color": "{:02X}{:02X}{:02X}".format(*rgb), "window": window}
        for label, rgb in zip(channels, colours, strict=True)
    ]
    group.attrs["ome"] = dict(group.attrs["ome"]) | {"omero": {"channels": entries}}


def create_labels_group(root: Any, objects: str) -> tuple[str, Any]:
    """Create the group ``labels`` of an image, and in it that of one label image.

    Parameters
    ----------
    root
        Group of the image.
    objects
        Name of the objects.

    Returns
    -------
    name
        Of the label image, within `root`.
    group
        Of the label image.
    """
    group = root.create_group("labels")
    name = "".join(letter if letter.isalnum() else "_" for letter in objects)
    group.attrs["ome"] = {"version": VERSION, "labels": [name]}
    return f"labels/{name}", group.create_group(name)


def describe_labels(group: Any, table: pd.DataFrame | None = None) -> None:
    """Add the metadata ``image-label`` to a label image that has those of an image.

    Parameters
    ----------
    group
        Of the label image, in the group ``labels`` of its image.
    table
        The objects. Default: None.
    """
    about: dict[str, Any] = {"version": VERSION, "source": {"image": "../../"}}
    if table is not None and (properties := label_properties(table)):
        about["properties"] = properties
    group.attrs["ome"] = dict(group.attrs["ome"]) | {"image-label": about}
