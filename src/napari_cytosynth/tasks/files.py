"""Writing results: TIFF with OME axes and pixel size, OME-Zarr, CSV, JSON."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cytosynth.tasks._contact_sheet import write_contact_sheet
from napari_cytosynth.tasks._montage import to_bytes
from napari_cytosynth.tasks._pictures import about, seeds_in_words
from napari_cytosynth.tasks._writing import (
    SAMPLE_AXIS,
    file_names,
    fill_group,
    forget,
    prefixed,
    replacing,
    stem_of,
    write_record,
    write_tiff,
    zarr_root,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from napari_cytosynth.tasks.generation import Generation
    from napari_cytosynth.tasks.segmentation import Segmentation
    from napari_cytosynth.tasks.staining import Staining

__all__ = ["save_generation", "save_segmentation", "save_staining", "write_tiff"]

_GENERATION_FILES = ("images", "masks", "labels", "trajectory")
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
        files, stem = [_write_segmentation_zarr(result, path)], stem_of(path)
    else:
        names, stem = file_names(path, ("probability", "labels"))
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
        files, stem = [_write_staining_zarr(result, there, path)], stem_of(path)
    else:
        names, stem = file_names(path, tuple(there))
        files = list(names.values())
        for name, file in names.items():
            axes = SAMPLE_AXIS + result.axes if name == "samples" else result.axes
            about = f"{_PREDICTED}: {_describe(result, name)}"
            write_tiff(file, there[name], axes, result.pixel_size, result.channels, about)
        forget(file_names(path, tuple(arrays))[0], there)
    folder = files[0].parent
    return [*files, write_record(result.provenance, folder / prefixed(stem, "provenance.json"))]


def save_generation(result: Generation, path: str | Path, *, separate: bool = False) -> list[Path]:
    """Write synthetic images; see :meth:`Generation.save`.

    Returns
    -------
    list of Path
        The files, or the one ``.zarr`` folder, the table, the contact sheet and the record.

    Raises
    ------
    OutputError
        If it cannot be written there, or the file type is unknown.
    """
    path = Path(path)
    if path.suffix.lower() == ".zarr":
        files, stem = [_write_generation_zarr(result, path)], stem_of(path)
    else:
        parts = _generation_parts(result)
        names, stem = file_names(path, tuple(parts))
        files = list(names.values())
        size = _pixel_size(result)
        for name, (array, axes, said) in parts.items():
            channels = result.channels if "C" in axes else ()
            write_tiff(names[name], array, axes, size, channels, said)
        forget(file_names(path, _GENERATION_FILES)[0], parts)
    folder = files[0].parent
    table, sheet = (folder / prefixed(stem, name) for name in ("samples.csv", "contact-sheet.png"))
    with replacing(table) as temporary:
        result.table.assign(synthetic=True, model=result.model).to_csv(temporary, index=False)
    write_contact_sheet(result, sheet)
    record = write_record(_marked(result), folder / prefixed(stem, "provenance.json"))
    singles = _write_singles(result, folder) if separate else []
    return [*files, table, sheet, record, *singles]


def _marked(result: Generation) -> dict[str, Any]:
    """Return the record, which says that it is synthetic even of a result made by hand."""
    return result.provenance | {"synthetic": True}


def _write_singles(result: Generation, folder: Path) -> list[Path]:
    """Write each image, and each mask, into a file of its own."""
    name = "".join(c if c.isalnum() or c in "-_." else "_" for c in result.model) or "synthetic"
    size, colour = _pixel_size(result), result.is_rgb
    files = []
    for number, image in enumerate(result.images):
        if result.ends is None:
            which = said = f"seed {result.seeds[number]}"
        else:
            which = f"walk {result.ends[0]} {result.ends[1]} {number:03}"
            said = f"{seeds_in_words(result)}, image {number}"
        file = f"{name}-{which.replace(' ', '-')}.tif"
        said = f"{about(result)}; {said}"
        axes, names = ("YXS", ()) if colour else ("CYX", result.channels)
        write_tiff(folder / "image" / file, _pixels(image, colour), axes, size, names, said)
        files.append(folder / "image" / file)
        if result.masks is not None:
            mask = result.masks[number].astype(np.uint8) * 255
            write_tiff(folder / "mask" / file, mask, "YX", size, (), f"{said}; {result.objects}")
            files.append(folder / "mask" / file)
    return files


def _generation_parts(result: Generation) -> dict[str, tuple[Any, str, str]]:
    """Return array, axes and description of each TIFF; T counts the samples, Z the steps."""
    said = f"{about(result)}; axis T counts the samples, {seeds_in_words(result)}"
    parts: dict[str, tuple[Any, str, str]] = {}
    colour = result.is_rgb
    axes = "TYXS" if colour else "TCYX"
    parts["images"] = (_pixels(result.images, colour), axes, said)
    if result.masks is not None and result.labels is not None:
        what = f"{said}; {result.objects}"
        parts["masks"] = (result.masks.astype(np.uint8) * 255, "TYX", what)
        parts["labels"] = (_compact(result.labels), "TYX", what)
    if result.trajectory is not None:
        what = f"{said}; axis Z counts the states from noise to image"
        parts["trajectory"] = (_pixels(result.trajectory, colour), f"TZ{axes[1:]}", what)
    return parts


def _pixels(images: npt.NDArray[np.floating], colour: bool) -> npt.NDArray[Any]:
    """Colour pictures get 8 bits and their colours last, as every program reads them."""
    if colour:
        return to_bytes(np.moveaxis(images, -3, -1))
    return np.asarray(images, np.float32)


def _pixel_size(result: Generation) -> tuple[float, float] | None:
    size = result.pixel_size_um
    return (size, size) if size else None


def _describe(result: Staining, name: str) -> str:
    unit = f", in {result.unit}" if result.unit else ""
    if name != "std":
        return ("single samples" if name == "samples" else "mean") + unit
    kind = "calibrated" if result.calibrated else "uncalibrated"
    return f"{kind} uncertainty, one standard deviation{unit}"


def _write_records(result: Segmentation, folder: Path, stem: str) -> list[Path]:
    table = folder / prefixed(stem, "table.csv")
    with replacing(table) as temporary:
        result.table.drop(columns="index").to_csv(temporary, index=False)
    return [table, write_record(result.provenance, folder / prefixed(stem, "provenance.json"))]


def _compact(labels: npt.NDArray[np.int32]) -> npt.NDArray[np.integer]:
    """uint16 where it is enough: more programs read it."""
    return labels.astype(np.uint16 if labels.max(initial=0) < 2**16 else np.uint32)


def _write_segmentation_zarr(result: Segmentation, path: Path) -> Path:
    axes, size = result.axes, result.pixel_size
    with zarr_root(path, result.provenance) as root:
        fill_group(root, result.probability, axes, size, "probability")
        _fill_labels(root, result.labels, axes, size, result.objects)
    return path


def _write_staining_zarr(result: Staining, arrays: dict[str, Any], path: Path) -> Path:
    """Write the mean as the image, and the rest as further images in groups of their own."""
    with zarr_root(path, result.provenance) as root:
        for name, array in arrays.items():
            group = root if name == "mean" else root.create_group(name)
            axes = SAMPLE_AXIS + result.axes if name == "samples" else result.axes
            about = f"{_PREDICTED}: {_describe(result, name)}"
            fill_group(group, array, axes, result.pixel_size, about, result.channels)
    return path


def _write_generation_zarr(result: Generation, path: Path) -> Path:
    size, said = _pixel_size(result), f"{about(result)}; {seeds_in_words(result)}"
    with zarr_root(path, _marked(result)) as root:
        fill_group(root, result.images, "TCYX", size, said, result.channels)
        if result.labels is not None:
            _fill_labels(root, result.labels, "TYX", size, result.objects)
        if result.trajectory is not None:
            states = np.asarray(np.moveaxis(result.trajectory, 1, 2), np.float32)
            group = root.create_group("trajectory")
            fill_group(group, states, "TCZYX", size, f"{said}; Z: states", result.channels)
    return path


def _fill_labels(
    root: Any, labels: Any, axes: str, pixel_size: Sequence[float] | None, objects: str
) -> None:
    group = root.create_group("labels")
    name = "".join(letter if letter.isalnum() else "_" for letter in objects)
    group.attrs["ome"] = {"version": "0.5", "labels": [name]}
    part: Any = group.create_group(name)
    fill_group(part, labels, axes, pixel_size, name)
    part.attrs["ome"] = dict(part.attrs["ome"]) | {"image-label": {"version": "0.5"}}
