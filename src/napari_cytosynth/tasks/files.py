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
    from napari_cytosynth.tasks.staining import Staining

__all__ = ["save_segmentation", "save_staining", "write_tiff"]

_OME_AXES = "TCZYX"
_TILE = 1024  # px, side of a chunk in a zarr array
_SAMPLE_AXIS = "Q"  # OME has no letter for the samples of one prediction
_PREDICTED = "virtual stain (predicted, not measured)"


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
    if path.suffix.lower() == ".zarr":
        files, stem = [_write_segmentation_zarr(result, path)], _stem(path)
    else:
        names, stem = _names(path, ("probability", "labels"))
        files = list(names.values())
        for file, array in zip(files, (result.probability, _compact(result.labels)), strict=True):
            write_tiff(file, array, result.axes, result.pixel_size)
    return [*files, *_write_records(result, files[0].parent, stem)]


def save_staining(result: Staining, path: str | Path) -> list[Path]:
    """Write a virtual stain; see :meth:`Staining.save`.

    Returns
    -------
    list of Path
        The files, or the one ``.zarr`` folder, and the record.

    Raises
    ------
    OutputError
        If it cannot be written, or the file type is unknown.
    """
    path = Path(path)
    arrays = {"mean": result.mean, "std": result.std, "samples": result.samples}
    there = {name: array for name, array in arrays.items() if array is not None}
    if path.suffix.lower() == ".zarr":
        files, stem = [_write_staining_zarr(result, there, path)], _stem(path)
    else:
        names, stem = _names(path, tuple(there))
        files = list(names.values())
        for name, file in names.items():
            axes = _SAMPLE_AXIS + result.axes if name == "samples" else result.axes
            about = f"{_PREDICTED}: {_describe(result, name)}"
            write_tiff(file, there[name], axes, result.pixel_size, result.channels, about)
        _forget(_names(path, tuple(arrays))[0], there)
    folder = files[0].parent
    return [*files, _write_record(result.provenance, folder / _prefixed(stem, "provenance.json"))]


def _forget(files: dict[str, Path], there: dict[str, Any]) -> None:
    """Remove what an older result left: its uncertainty is not that of the new mean."""
    for name, file in files.items():
        if name not in there:
            with _explained(file):
                file.unlink(missing_ok=True)


def _names(path: Path, names: tuple[str, ...]) -> tuple[dict[str, Path], str]:
    """Return the TIFF files of a result and the stem of what lies beside them.

    A folder gets one file for each name; a TIFF's name is that of the first, and the stem
    of the others.
    """
    suffix = path.suffix.lower()
    if suffix in (".tif", ".tiff"):
        stem = _stem(path)
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
    with _explained(folder):
        folder.mkdir(parents=True, exist_ok=True)
    return files, stem


def _describe(result: Staining, name: str) -> str:
    unit = f", in {result.unit}" if result.unit else ""
    if name != "std":
        return ("single samples" if name == "samples" else "mean") + unit
    kind = "calibrated" if result.calibrated else "uncalibrated"
    return f"{kind} uncertainty, one standard deviation{unit}"


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
        One letter for each axis; in the file, Y and X come last. With axes that OME does
        not know (a position …), it is a plain TIFF whose description names them and the
        pixel size.
    pixel_size
        Along Y and X in µm, or None.
    channels
        Names along the axis C.
    description
        What a reader of the file should know of it.

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
    with _replacing(path) as temporary:
        tifffile.imwrite(temporary, array, photometric="minisblack", **options)


def _write_records(result: Segmentation, folder: Path, stem: str) -> list[Path]:
    table = folder / _prefixed(stem, "table.csv")
    with _replacing(table) as temporary:
        result.table.drop(columns="index").to_csv(temporary, index=False)
    return [table, _write_record(result.provenance, folder / _prefixed(stem, "provenance.json"))]


def _write_record(provenance: dict[str, Any], path: Path) -> Path:
    with _replacing(path) as temporary:
        text = json.dumps(provenance, indent=2, ensure_ascii=False)
        temporary.write_text(text, encoding="utf-8")
    return path


def _prefixed(stem: str, name: str) -> str:
    return f"{stem}-{name}" if stem else name


def _compact(labels: npt.NDArray[np.int32]) -> npt.NDArray[np.integer]:
    """uint16 where it is enough: more programs read it."""
    return labels.astype(np.uint16 if labels.max(initial=0) < 2**16 else np.uint32)


@contextmanager
def _zarr_root(path: Path, provenance: dict[str, Any]) -> Iterator[Any]:
    """Yield the root group of a new OME-Zarr, which replaces an older one."""
    try:
        import zarr
    except ImportError as error:
        raise OutputError(
            "Writing OME-Zarr needs the package zarr: pip install napari-cytosynth[distributed]."
        ) from error
    with _replacing(path) as temporary:
        root = zarr.open_group(temporary, mode="w", zarr_format=3)
        root.attrs["napari-cytosynth"] = provenance
        yield root


def _write_segmentation_zarr(result: Segmentation, path: Path) -> Path:
    axes, size = result.axes, result.pixel_size
    with _zarr_root(path, result.provenance) as root:
        _fill(root, result.probability, axes, size, "probability")
        group = root.create_group("labels")
        name = "".join(letter if letter.isalnum() else "_" for letter in result.objects)
        group.attrs["ome"] = {"version": "0.5", "labels": [name]}
        part: Any = group.create_group(name)
        _fill(part, result.labels, axes, size, name)
        part.attrs["ome"] = dict(part.attrs["ome"]) | {"image-label": {"version": "0.5"}}
    return path


def _write_staining_zarr(result: Staining, arrays: dict[str, Any], path: Path) -> Path:
    """Write the mean as the image, and the rest as further images in groups of their own."""
    with _zarr_root(path, result.provenance) as root:
        for name, array in arrays.items():
            group = root if name == "mean" else root.create_group(name)
            axes = _SAMPLE_AXIS + result.axes if name == "samples" else result.axes
            about = f"{_PREDICTED}: {_describe(result, name)}"
            _fill(group, array, axes, result.pixel_size, about, result.channels)
    return path


def _fill(
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
    kinds = {"T": "time", "C": "channel", _SAMPLE_AXIS: "sample"}
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
