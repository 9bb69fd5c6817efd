"""Atomic writers of TIFF, OME-Zarr and JSON, shared by all results.

Every file is written under a temporary name and then renamed, so that a full disk or a
cancelled run leaves no incomplete file and no earlier file is lost.
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cytosynth.errors import OutputError
from napari_cytosynth.files import explained_errors, replacing
from napari_cytosynth.tasks.common.axes import plane_slices

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

__all__ = [
    "SAMPLE_AXIS",
    "ImageFacts",
    "file_names",
    "fill_group",
    "prefixed",
    "remove_stale",
    "stem_of",
    "write_record",
    "write_tiff",
    "zarr_root",
]

SAMPLE_AXIS = "Q"
"""Axis of the samples of one prediction, for which OME has no letter."""
_OME_AXES = "TCZYXS"
_TILE = 1024  # px, side of a chunk in a zarr array


@dataclass(frozen=True)
class ImageFacts:
    """Plain facts of a result for its files, beside the pixels.

    Attributes
    ----------
    axes
        One letter for each axis of the arrays.
    pixel_size
        Along Y and X in µm, or None if unknown.
    provenance
        Provenance record, of plain values.
    channels
        Names along the axis C. Default: none.
    objects
        Name of the labelled objects. Default: "objects".
    """

    axes: str
    pixel_size: tuple[float, ...] | None
    provenance: dict[str, Any]
    channels: tuple[str, ...] = ()
    objects: str = "objects"


def write_tiff(
    path: Path,
    array: Any,
    axes: str,
    pixel_size: Sequence[float] | None = None,
    channels: Sequence[str] = (),
    description: str = "",
) -> None:
    """Write an OME-TIFF.

    Parameters
    ----------
    path
        Name of the file; one that exists is replaced.
    array
        Array with these axes; integers are compressed without loss.
    axes
        One letter for each axis; in the file, Y and X come last, and after them S: the red,
        green and blue of a colour picture. With axes that OME does not know (a position …),
        it is a plain TIFF whose description names them and the pixel size.
    pixel_size
        Along Y and X in µm. Default: None.
    channels
        Names along the axis C. Default: none.
    description
        Description in the file's metadata. Default: none.

    Raises
    ------
    OutputError
        If it cannot be written there.
    """
    import tifffile

    last = "YXS" if "S" in axes else "YX"
    places = [axes.index(axis) for axis in last]
    array = np.moveaxis(np.asarray(array), places, range(-len(last), 0))
    axes = "".join(axis for axis in axes if axis not in last) + last
    metadata: dict[str, Any] = {"axes": axes}
    if pixel_size is not None:
        for axis, size in zip("YX", pixel_size, strict=True):
            metadata |= {f"PhysicalSize{axis}": size, f"PhysicalSize{axis}Unit": "µm"}
    if channels:
        metadata["Channel"] = {"Name": list(channels)}
    if description:
        metadata["Description"] = description
    ome = set(axes) <= set(_OME_AXES)
    options: dict[str, Any] = {"ome": ome, "metadata": metadata}
    if not ome and pixel_size is not None:
        per_cm = (1e4 / pixel_size[1], 1e4 / pixel_size[0])
        options |= {"resolution": per_cm, "resolutionunit": "CENTIMETER"}
    if array.dtype.kind in "iu":
        options["compression"] = "zlib"
    photometric = "rgb" if "S" in axes else "minisblack"
    with replacing(path) as temporary:
        tifffile.imwrite(temporary, array, photometric=photometric, **options)


def write_record(provenance: dict[str, Any], path: Path) -> Path:
    """Write a provenance record as JSON and return the file."""
    with replacing(path) as temporary:
        text = json.dumps(provenance, indent=2, ensure_ascii=False)
        temporary.write_text(text, encoding="utf-8")
    return path


def remove_stale(files: dict[str, Path], written: dict[str, Any]) -> None:
    """Remove files of an older result that the new one lacks, such as its uncertainty."""
    for name, file in files.items():
        if name not in written:
            with explained_errors(file):
                file.unlink(missing_ok=True)


def file_names(path: Path, names: tuple[str, ...]) -> tuple[dict[str, Path], str]:
    """Return the TIFF files of a result, and the stem of the files beside them.

    A folder gets one file for each name; a TIFF's name is that of the first, and the stem
    of the others.
    """
    suffix = path.suffix.lower()
    if suffix in (".tif", ".tiff"):
        stem = stem_of(path)
        others = {name: path.with_name(f"{stem}-{name}.tif") for name in names[1:]}
        files = {names[0]: path} | others
    elif suffix and not path.is_dir() and suffix in (".png", ".jpg", ".npy", ".h5", ".csv"):
        raise OutputError(
            f"A result cannot be written as “{suffix}”: give a folder, or a name that ends in "
            ".tif or .zarr."
        )
    else:
        files, stem = {name: path / f"{name}.tif" for name in names}, ""
    folder = files[names[0]].parent
    with explained_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    return files, stem


def prefixed(stem: str, name: str) -> str:
    """Return the name of a file with the stem of the files beside it, if there is one."""
    return f"{stem}-{name}" if stem else name


def stem_of(path: Path) -> str:
    """Return the name of a file without ``.tif`` or ``.ome.tif``."""
    return path.stem.removesuffix(".ome")


@contextmanager
def zarr_root(path: Path, provenance: dict[str, Any]) -> Iterator[Any]:
    """Yield the root group of a new OME-Zarr, which replaces an older one at the end."""
    try:
        import zarr
    except ImportError as error:
        raise OutputError(
            "Writing OME-Zarr needs the package zarr: pip install napari-cytosynth[distributed]."
        ) from error
    with replacing(path) as temporary:
        root = zarr.open_group(temporary, mode="w", zarr_format=3)
        root.attrs["napari-cytosynth"] = provenance
        yield root


def fill_group(
    group: Any,
    array: Any,
    axes: str,
    pixel_size: Sequence[float] | None,
    name: str,
    channels: Sequence[str] = (),
) -> None:
    """Write an array into an image group, plane by plane."""
    sizes = list(zip(axes, array.shape, strict=True))
    target = group.create_array(
        "0",
        shape=array.shape,
        chunks=tuple(min(_TILE, size) if axis in "YX" else 1 for axis, size in sizes),
        dtype=array.dtype,
        dimension_names=list(axes.lower()),
    )
    for plane in np.ndindex(*(size for axis, size in sizes if axis not in "YX")):
        where = plane_slices(axes, plane)
        target[where] = np.asarray(array[where])
    ome: dict[str, Any] = {"version": "0.5", "multiscales": [_multiscale(axes, pixel_size, name)]}
    if channels:
        ome["omero"] = {"channels": [{"label": label} for label in channels]}
    group.attrs["ome"] = ome


def _multiscale(axes: str, pixel_size: Sequence[float] | None, name: str) -> dict[str, Any]:
    sizes = dict(zip("YX", pixel_size or (), strict=False))
    kinds = {"T": "time", "C": "channel", SAMPLE_AXIS: "sample"}
    entries: list[dict[str, str]] = []
    for axis in axes:
        entry = {"name": axis.lower(), "type": kinds.get(axis, "space")}
        entries.append(entry | ({"unit": "micrometer"} if axis in sizes else {}))
    scale = [float(sizes.get(axis, 1.0)) for axis in axes]
    transforms = [{"type": "scale", "scale": scale}]
    return {
        "name": name,
        "axes": entries,
        "datasets": [{"path": "0", "coordinateTransformations": transforms}],
    }
