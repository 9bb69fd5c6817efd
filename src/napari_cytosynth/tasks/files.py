"""Writing results: TIFF with OME axes and pixel size, OME-Zarr, CSV, JSON.

Every file is written under a temporary name and then renamed, so that a full disk or a
cancelled run leaves no half a file, and nothing that was there before is lost.
"""

from __future__ import annotations

import errno
import json
import shutil
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cytosynth.errors import OutputError
from napari_cytosynth.tasks.axes import plane_slices

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy.typing as npt

    from napari_cytosynth.tasks.segmentation import Segmentation

__all__ = ["save_segmentation", "write_tiff"]

_OME_AXES = "TCZYX"
_TILE = 1024  # px, side of a chunk in a zarr array


def save_segmentation(result: Segmentation, path: str | Path) -> list[Path]:
    """Write a segmentation; see :meth:`Segmentation.save`.

    Returns
    -------
    list of Path
        The files, or the one ``.zarr`` folder and the table beside it.

    Raises
    ------
    OutputError
        If it cannot be written, or the file type is unknown.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix == ".zarr":
        return [_write_zarr(result, path), *_write_records(result, path.parent, _stem(path))]
    if suffix in (".tif", ".tiff"):
        files = {"probability": path, "labels": path.with_name(f"{_stem(path)}-labels.tif")}
        folder, stem = path.parent, _stem(path)
    elif suffix and not path.is_dir() and suffix in (".png", ".jpg", ".npy", ".h5", ".csv"):
        raise OutputError(
            f"A result cannot be written as “{suffix}”: give a folder, or a name that ends in "
            ".tif or .zarr."
        )
    else:
        files = {name: path / f"{name}.tif" for name in ("probability", "labels")}
        folder, stem = path, ""
    with _explained(folder):
        folder.mkdir(parents=True, exist_ok=True)
    write_tiff(files["probability"], result.probability, result.axes, result.pixel_size)
    write_tiff(files["labels"], _compact(result.labels), result.axes, result.pixel_size)
    return [*files.values(), *_write_records(result, folder, stem)]


def write_tiff(
    path: Path, array: Any, axes: str, pixel_size: Sequence[float] | None = None
) -> None:
    """Write an OME-TIFF.

    Parameters
    ----------
    path
        Name of the file; one that exists is replaced.
    array
        Array with these axes; integers are compressed without loss.
    axes
        One letter for each axis; in the file, Y and X come last. With axes that OME does
        not know (a position …), it is a plain TIFF whose description names them and the
        pixel size.
    pixel_size
        Along Y and X in µm, or None.

    Raises
    ------
    OutputError
        If it cannot be written there.
    """
    import tifffile

    array = np.moveaxis(np.asarray(array), [axes.index(axis) for axis in "YX"], [-2, -1])
    axes = "".join(axis for axis in axes if axis not in "YX") + "YX"
    metadata: dict[str, Any] = {"axes": axes}
    if pixel_size is not None:
        for axis, size in zip("YX", pixel_size, strict=True):
            metadata |= {f"PhysicalSize{axis}": size, f"PhysicalSize{axis}Unit": "µm"}
    ome = set(axes) <= set(_OME_AXES)
    options: dict[str, Any] = {"ome": ome, "metadata": metadata}
    if not ome and pixel_size is not None:
        per_cm = (1e4 / pixel_size[1], 1e4 / pixel_size[0])
        options |= {"resolution": per_cm, "resolutionunit": "CENTIMETER"}
    if array.dtype.kind in "iu":
        options["compression"] = "zlib"
    with _replacing(path) as temporary:
        tifffile.imwrite(temporary, array, photometric="minisblack", **options)


def _write_records(result: Segmentation, folder: Path, stem: str) -> list[Path]:
    prefix = f"{stem}-" if stem else ""
    table, record = folder / f"{prefix}table.csv", folder / f"{prefix}provenance.json"
    with _replacing(table) as temporary:
        result.table.drop(columns="index").to_csv(temporary, index=False)
    with _replacing(record) as temporary:
        text = json.dumps(result.provenance, indent=2, ensure_ascii=False)
        temporary.write_text(text, encoding="utf-8")
    return [table, record]


def _compact(labels: npt.NDArray[np.int32]) -> npt.NDArray[np.integer]:
    """uint16 where it is enough: more programs read it."""
    return labels.astype(np.uint16 if labels.max(initial=0) < 2**16 else np.uint32)


def _write_zarr(result: Segmentation, path: Path) -> Path:
    try:
        import zarr
    except ImportError as error:
        raise OutputError(
            "Writing OME-Zarr needs the package zarr: pip install napari-cytosynth[distributed]."
        ) from error
    with _replacing(path) as temporary:
        root = zarr.open_group(temporary, mode="w", zarr_format=3)
        _fill(root, result, result.probability, "probability")
        root.attrs["napari-cytosynth"] = result.provenance
        group = root.create_group("labels")
        name = "".join(letter if letter.isalnum() else "_" for letter in result.objects)
        group.attrs["ome"] = {"version": "0.5", "labels": [name]}
        part: Any = group.create_group(name)
        _fill(part, result, result.labels, name)
        part.attrs["ome"] = dict(part.attrs["ome"]) | {"image-label": {"version": "0.5"}}
    return path


def _fill(group: Any, result: Segmentation, array: Any, name: str) -> None:
    axes = result.axes
    chunks = tuple(
        min(_TILE, size) if axis in "YX" else 1
        for axis, size in zip(axes, array.shape, strict=True)
    )
    target = group.create_array(
        "0",
        shape=array.shape,
        chunks=chunks,
        dtype=array.dtype,
        dimension_names=list(axes.lower()),
    )
    for plane in result.plane_indices():
        where = plane_slices(axes, plane)
        target[where] = np.asarray(array[where])
    group.attrs["ome"] = {"version": "0.5", "multiscales": [_multiscale(result, name)]}


def _multiscale(result: Segmentation, name: str) -> dict[str, Any]:
    sizes = dict(zip("YX", result.pixel_size or (), strict=False))
    kinds = {"T": "time", "C": "channel"}
    axes: list[dict[str, str]] = []
    for axis in result.axes:
        entry = {"name": axis.lower(), "type": kinds.get(axis, "space")}
        axes.append(entry | ({"unit": "micrometer"} if axis in sizes else {}))
    scale = [float(sizes.get(axis, 1.0)) for axis in result.axes]
    transforms = [{"type": "scale", "scale": scale}]
    return {
        "name": name,
        "axes": axes,
        "datasets": [{"path": "0", "coordinateTransformations": transforms}],
    }


def _stem(path: Path) -> str:
    return path.stem.removesuffix(".ome")


@contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary name beside `path` that takes its place once all went well."""
    temporary = path.with_name(f".{path.stem}-unfinished{path.suffix}")
    with _explained(path):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            yield temporary
            if path.is_dir() and temporary.is_dir():
                shutil.rmtree(path)
            temporary.replace(path)
        finally:
            if temporary.is_dir():
                shutil.rmtree(temporary, ignore_errors=True)
            else:
                temporary.unlink(missing_ok=True)


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Turn the system's errors into sentences."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            reason = "there is no space left. Free some, or choose another disk."
        elif isinstance(error, PermissionError) or error.errno == errno.EROFS:
            reason = "you may not write there. Choose another folder."
        elif isinstance(error, (FileExistsError, NotADirectoryError)):
            reason = "a file of that name is in the way. Choose another name."
        else:
            reason = f"{error.strerror or error}."
        raise OutputError(f"“{path}” cannot be written: {reason}") from error
