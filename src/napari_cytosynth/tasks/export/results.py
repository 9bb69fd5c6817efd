"""Writers of results: TIFF with OME axes and pixel size, OME-Zarr, CSV, JSON."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cytosynth.files import replacing

from .contact_sheet import write_contact_sheet
from .formats import (
    SAMPLE_AXIS,
    file_names,
    fill_group,
    prefixed,
    remove_stale,
    stem_of,
    write_record,
    write_tiff,
    zarr_root,
)
from .montage import to_bytes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt
    import pandas as pd

    from .captions import SyntheticArrays, SyntheticFacts
    from .formats import ImageFacts

__all__ = ["save_generation", "save_segmentation", "save_staining", "write_tiff"]

_GENERATION_FILES = ("images", "masks", "labels", "trajectory")


def save_segmentation(
    path: str | Path,
    probability: Any,
    labels: npt.NDArray[np.int32],
    table: pd.DataFrame,
    facts: ImageFacts,
) -> list[Path]:
    """Write probability, labels, table and record of a segmentation.

    Parameters
    ----------
    path
        A folder, or a name that ends in .tif or .zarr.
    probability, labels
        Arrays of the axes that `facts` names.
    table
        The objects; its column ``index`` is left out.
    facts
        Axes, pixel size, record, and the name of the objects.

    Returns
    -------
    list of Path
        The files, or the one ``.zarr`` folder, then the table and the record.

    Raises
    ------
    OutputError
        If it cannot be written, or the file type is unknown.
    """
    path = Path(path)
    if path.suffix.lower() == ".zarr":
        files, stem = [_write_segmentation_zarr(path, probability, labels, facts)], stem_of(path)
    else:
        names, stem = file_names(path, ("probability", "labels"))
        files = list(names.values())
        for file, array in zip(files, (probability, _compact(labels)), strict=True):
            write_tiff(file, array, facts.axes, facts.pixel_size)
    folder = files[0].parent
    rows = _write_table(table.drop(columns="index"), folder / prefixed(stem, "table.csv"))
    record = write_record(facts.provenance, folder / prefixed(stem, "provenance.json"))
    return [*files, rows, record]


def save_staining(
    path: str | Path,
    arrays: Mapping[str, Any],
    descriptions: Mapping[str, str],
    facts: ImageFacts,
) -> list[Path]:
    """Write the images and the record of a virtual stain.

    Parameters
    ----------
    path
        A folder, or a name that ends in .tif or .zarr.
    arrays
        ``mean`` and ``std`` of the axes that `facts` names, ``samples`` with one axis before
        them; a file that an older result left of one that is None here is removed.
    descriptions
        Description of each array, for its file's metadata.
    facts
        Axes, pixel size, record, and the names of the stains.

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
    present = {name: array for name, array in arrays.items() if array is not None}
    if path.suffix.lower() == ".zarr":
        files, stem = [_write_staining_zarr(path, present, descriptions, facts)], stem_of(path)
    else:
        names, stem = file_names(path, tuple(present))
        files = list(names.values())
        for name, file in names.items():
            axes, about = _stain_axes(name, facts), descriptions[name]
            write_tiff(file, present[name], axes, facts.pixel_size, facts.channels, about)
        remove_stale(file_names(path, tuple(arrays))[0], present)
    record = files[0].parent / prefixed(stem, "provenance.json")
    return [*files, write_record(facts.provenance, record)]


def save_generation(
    path: str | Path,
    arrays: SyntheticArrays,
    table: pd.DataFrame,
    facts: SyntheticFacts,
    provenance: dict[str, Any],
    *,
    separate: bool = False,
) -> list[Path]:
    """Write synthetic images, their table, contact sheet and record.

    Parameters
    ----------
    path
        A folder, or a name that ends in .tif or .zarr.
    arrays
        The pixels.
    table
        One row for each image; each is marked as synthetic, with the name of the model.
    facts
        Facts for the files and captions.
    provenance
        Provenance record, of plain values.
    separate
        Write each image, and each mask, into a file of its own too. Default: False.

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
        files, stem = [_write_generation_zarr(path, arrays, facts, provenance)], stem_of(path)
    else:
        files, stem = _write_generation_tiffs(path, arrays, facts)
    folder = files[0].parent
    marked = table.assign(synthetic=True, model=facts.model)
    rows = _write_table(marked, folder / prefixed(stem, "samples.csv"))
    sheet = write_contact_sheet(folder / prefixed(stem, "contact-sheet.png"), arrays, facts)
    record = write_record(provenance, folder / prefixed(stem, "provenance.json"))
    singles = _write_singles(folder, arrays, facts) if separate else []
    return [*files, rows, sheet, record, *singles]


# -- TIFF and tables --------------------------------------------------------------------------


def _write_table(table: pd.DataFrame, path: Path) -> Path:
    with replacing(path) as temporary:
        table.to_csv(temporary, index=False)
    return path


def _stain_axes(name: str, facts: ImageFacts) -> str:
    return SAMPLE_AXIS + facts.axes if name == "samples" else facts.axes


def _write_generation_tiffs(
    path: Path, arrays: SyntheticArrays, facts: SyntheticFacts
) -> tuple[list[Path], str]:
    parts = _generation_parts(arrays, facts)
    names, stem = file_names(path, tuple(parts))
    for name, (array, axes, about) in parts.items():
        channels = facts.channels if "C" in axes else ()
        write_tiff(names[name], array, axes, facts.pixel_size, channels, about)
    remove_stale(file_names(path, _GENERATION_FILES)[0], parts)
    return list(names.values()), stem


def _generation_parts(
    arrays: SyntheticArrays, facts: SyntheticFacts
) -> dict[str, tuple[Any, str, str]]:
    """Return array, axes and description of each TIFF; T counts the samples, Z the steps."""
    about = f"{facts.title}; axis T counts the samples, {facts.seeds_in_words()}"
    parts: dict[str, tuple[Any, str, str]] = {}
    colour = facts.is_rgb
    axes = "TYXS" if colour else "TCYX"
    parts["images"] = (_pixels(arrays.images, colour), axes, about)
    if arrays.masks is not None and arrays.labels is not None:
        described = f"{about}; {facts.objects}"
        parts["masks"] = (arrays.masks.astype(np.uint8) * 255, "TYX", described)
        parts["labels"] = (_compact(arrays.labels), "TYX", described)
    if arrays.trajectory is not None:
        described = f"{about}; axis Z counts the states from noise to image"
        parts["trajectory"] = (_pixels(arrays.trajectory, colour), f"TZ{axes[1:]}", described)
    return parts


def _write_singles(folder: Path, arrays: SyntheticArrays, facts: SyntheticFacts) -> list[Path]:
    """Write each image, and each mask, into a file of its own."""
    model = "".join(c if c.isalnum() or c in "-_." else "_" for c in facts.model) or "synthetic"
    size, colour = facts.pixel_size, facts.is_rgb
    axes, channels = ("YXS", ()) if colour else ("CYX", facts.channels)
    files = []
    for number, image in enumerate(arrays.images):
        which, about = _single(facts, number)
        file = f"{model}-{which.replace(' ', '-')}.tif"
        about = f"{facts.title}; {about}"
        write_tiff(folder / "image" / file, _pixels(image, colour), axes, size, channels, about)
        files.append(folder / "image" / file)
        if arrays.masks is not None:
            mask = arrays.masks[number].astype(np.uint8) * 255
            write_tiff(folder / "mask" / file, mask, "YX", size, (), f"{about}; {facts.objects}")
            files.append(folder / "mask" / file)
    return files


def _single(facts: SyntheticFacts, number: int) -> tuple[str, str]:
    """Return the name of a single image for its file, and its description."""
    if facts.ends is None:
        seed = f"seed {facts.seeds[number]}"
        return seed, seed
    which = f"walk {facts.ends[0]} {facts.ends[1]} {number:03}"
    return which, f"{facts.seeds_in_words()}, image {number}"


def _pixels(images: npt.NDArray[np.floating], colour: bool) -> npt.NDArray[Any]:
    """Return float32, or 8-bit colour pictures with their colours last, as programs read them."""
    if colour:
        return to_bytes(np.moveaxis(images, -3, -1))
    return np.asarray(images, np.float32)


def _compact(labels: npt.NDArray[np.int32]) -> npt.NDArray[np.integer]:
    """Return uint16 labels where these suffice, since more programs read them, else uint32."""
    return labels.astype(np.uint16 if labels.max(initial=0) < 2**16 else np.uint32)


# -- OME-Zarr ---------------------------------------------------------------------------------


def _write_segmentation_zarr(path: Path, probability: Any, labels: Any, facts: ImageFacts) -> Path:
    axes, size = facts.axes, facts.pixel_size
    with zarr_root(path, facts.provenance) as root:
        fill_group(root, probability, axes, size, "probability")
        _fill_labels(root, labels, axes, size, facts.objects)
    return path


def _write_staining_zarr(
    path: Path, arrays: Mapping[str, Any], descriptions: Mapping[str, str], facts: ImageFacts
) -> Path:
    """Write the mean as the image, and the rest as further images in groups of their own."""
    with zarr_root(path, facts.provenance) as root:
        for name, array in arrays.items():
            group = root if name == "mean" else root.create_group(name)
            axes, about = _stain_axes(name, facts), descriptions[name]
            fill_group(group, array, axes, facts.pixel_size, about, facts.channels)
    return path


def _write_generation_zarr(
    path: Path, arrays: SyntheticArrays, facts: SyntheticFacts, provenance: dict[str, Any]
) -> Path:
    size, about = facts.pixel_size, f"{facts.title}; {facts.seeds_in_words()}"
    with zarr_root(path, provenance) as root:
        fill_group(root, arrays.images, "TCYX", size, about, facts.channels)
        if arrays.labels is not None:
            _fill_labels(root, arrays.labels, "TYX", size, facts.objects)
        if arrays.trajectory is not None:
            states = np.asarray(np.moveaxis(arrays.trajectory, 1, 2), np.float32)
            group = root.create_group("trajectory")
            fill_group(group, states, "TCZYX", size, f"{about}; Z: states", facts.channels)
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
