"""Writers of results: TIFF with OME axes and pixel size, OME-Zarr, CSV, JSON."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from .contact_sheet import write_contact_sheet
from .formats import SAMPLE_AXIS, write_tiff
from .montage import to_bytes
from .ome_zarr.groups import create_labels_group, describe_labels, embed_in_zarr, fill_group

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import numpy.typing as npt
    import pandas as pd

    from .captions import SyntheticArrays, SyntheticFacts
    from .formats import ImageFacts
    from .saving import Saving

__all__ = [
    "generation_images",
    "single_names",
    "write_generation",
    "write_label_group",
    "write_segmentation",
    "write_staining",
    "write_tiff",
]


def write_segmentation(
    files: Saving,
    probability: Any,
    labels: Any,
    table: pd.DataFrame,
    facts: ImageFacts,
    annotated: Any = None,
) -> None:
    """Write probability, labels and table of a segmentation.

    Parameters
    ----------
    files
        Where they are written.
    probability, labels
        Arrays of the axes that `facts` names.
    table
        The objects; its column ``index`` is left out.
    facts
        Axes, pixel size, and the name of the objects.
    annotated
        Where the labels are known to be right, of labels that were corrected by hand. Default:
        None, nothing was.
    """
    names = files.destination.images
    known = None if annotated is None else np.asarray(annotated, np.uint8)
    if "" in names:
        with _zarr_root(files) as (root, pixels):
            size = facts.pixel_size
            pixels |= fill_group(root, probability, facts.axes, size, "probability")
            if known is not None:
                group = root.create_group("annotated")
                digests = fill_group(group, known, facts.axes, size, "annotated", labels=True)
                pixels |= _within("annotated", digests)
            pixels |= _fill_labels(root, labels, facts.axes, size, facts.objects, table)
    else:
        images = {"probability": probability, "labels": _compact(labels)}
        for name, array in (images | ({} if known is None else {"annotated": known})).items():
            _write_image(files, names[name], array, facts.axes, facts.pixel_size)
    _write_table(files, table)


def write_label_group(
    root: Any, labels: Any, table: pd.DataFrame, facts: ImageFacts
) -> dict[str, str]:
    """Write labels with their table into a group, under ``labels/NAME``.

    Parameters
    ----------
    root
        The group of a new OME-Zarr.
    labels
        Of the axes that `facts` names.
    table
        The objects.
    facts
        Axes, pixel size, and the name of the objects.

    Returns
    -------
    dict
        Digest of each array, by its name.
    """
    return _fill_labels(root, labels, facts.axes, facts.pixel_size, facts.objects, table)


def write_staining(
    files: Saving,
    arrays: Mapping[str, Any],
    descriptions: Mapping[str, str],
    facts: ImageFacts,
    table: pd.DataFrame | None = None,
) -> None:
    """Write the images of a virtual stain, and its objects.

    Parameters
    ----------
    files
        Where they are written.
    arrays
        ``mean`` and ``std`` of the axes that `facts` names, ``samples`` with one axis before
        them, ``labels`` of the objects without C; those that are None are left out.
    descriptions
        Description of each array, for its file's metadata.
    facts
        Axes, pixel size, and the names of the stains and of the objects.
    table
        The objects; its column ``index`` is left out. None (default): there are none.
    """
    present = {name: array for name, array in arrays.items() if array is not None}
    labels = present.pop("labels", None)
    if table is not None:
        _write_table(files, table)
    names, size, channels = files.destination.images, facts.pixel_size, facts.channels
    plain = facts.axes.replace("C", "")
    if "" not in names:
        for name, array in present.items():
            axes, about = _stain_axes(name, facts), descriptions[name]
            _write_image(files, names[name], array, axes, size, channels, about)
        if labels is not None:
            about = descriptions["labels"]
            _write_image(files, names["labels"], _compact(labels), plain, size, (), about)
        return
    with _zarr_root(files) as (root, pixels):  # the mean is the image; the rest are further ones
        if labels is not None:
            pixels |= _fill_labels(root, labels, plain, size, facts.objects, table)
        for name, array in present.items():
            group = root if name == "mean" else root.create_group(name)
            axes, about = _stain_axes(name, facts), descriptions[name]
            digests = fill_group(group, array, axes, size, about, channels)
            pixels |= digests if name == "mean" else _within(name, digests)


def write_generation(
    files: Saving, arrays: SyntheticArrays, table: pd.DataFrame, facts: SyntheticFacts
) -> None:
    """Write synthetic images, their table and contact sheet, and the single images if named.

    Parameters
    ----------
    files
        Where they are written.
    arrays
        The pixels.
    table
        One row for each image; each is marked as synthetic, with the name of the model.
    facts
        Facts for the files and captions.
    """
    names, size = files.destination.images, facts.pixel_size
    if "" in names:
        _write_generation_zarr(files, arrays, facts)
    else:
        for name, (array, axes, about) in _generation_parts(arrays, facts).items():
            channels = facts.channels if "C" in axes else ()
            _write_image(files, names[name], array, axes, size, channels, about, "S" in axes)
    rows, sheet = files.destination.others
    marked = table.assign(synthetic=True, model=facts.model)
    marked.to_csv(files.place(rows), index=False)
    write_contact_sheet(files.place(sheet), arrays, facts)
    if files.destination.singles:
        _write_singles(files, arrays, facts)


def generation_images(arrays: SyntheticArrays) -> tuple[str, ...]:
    """Return the names of the images that a generation writes."""
    masks = ("masks", "labels") if arrays.masks is not None else ()
    return ("images", *masks, *(() if arrays.trajectory is None else ("trajectory",)))


def single_names(arrays: SyntheticArrays, facts: SyntheticFacts) -> list[str]:
    """Return the names of the files of one image each, and of their masks."""
    kinds = ("image",) if arrays.masks is None else ("image", "mask")
    return [f"{kind}/{_single_file(facts, n)}" for n in range(len(arrays)) for kind in kinds]


# -- TIFF and tables --------------------------------------------------------------------------


def _write_table(files: Saving, table: pd.DataFrame) -> None:
    """Write a table of objects; napari's column ``index`` repeats their labels."""
    table.drop(columns="index").to_csv(files.place(files.destination.others[0]), index=False)


def _write_image(
    files: Saving,
    name: str,
    array: Any,
    axes: str,
    pixel_size: Sequence[float] | None,
    channels: Sequence[str] = (),
    description: str = "",
    rgb: bool = False,
) -> None:
    """Write a TIFF with the record in it, and note the digest of its pixels."""
    files.pixels[name] = write_tiff(
        files.place(name),
        array,
        axes,
        pixel_size,
        channels,
        description,
        rgb=rgb,
        record=files.provenance,
    )


def _stain_axes(name: str, facts: ImageFacts) -> str:
    if name != "samples":
        return facts.axes
    free = next(letter for letter in f"{SAMPLE_AXIS}RVMLAIEH" if letter not in facts.axes)
    return free + facts.axes


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


def _write_singles(files: Saving, arrays: SyntheticArrays, facts: SyntheticFacts) -> None:
    """Write each image, and each mask, into a file of its own."""
    size, colour = facts.pixel_size, facts.is_rgb
    axes, channels = ("YXS", ()) if colour else ("CYX", facts.channels)
    for number, image in enumerate(arrays.images):
        file, about = _single_file(facts, number), f"{facts.title}; {_single(facts, number)[1]}"
        pixels = _pixels(image, colour)
        _write_image(files, f"image/{file}", pixels, axes, size, channels, about, colour)
        if arrays.masks is not None:
            mask = arrays.masks[number].astype(np.uint8) * 255
            _write_image(files, f"mask/{file}", mask, "YX", size, (), f"{about}; {facts.objects}")


def _single_file(facts: SyntheticFacts, number: int) -> str:
    model = "".join(c if c.isalnum() or c in "-_." else "_" for c in facts.model) or "synthetic"
    return f"{model}-{_single(facts, number)[0].replace(' ', '-')}.tif"


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


@contextmanager
def _zarr_root(files: Saving) -> Iterator[tuple[Any, dict[str, str]]]:
    """Yield the root group of the new OME-Zarr, and where to note the digests of its arrays."""
    import zarr

    name = files.destination.images[""]
    root = zarr.open_group(files.place(name), mode="w", zarr_format=3)
    pixels: dict[str, str] = {}
    yield root, pixels
    embed_in_zarr(root, files.provenance, pixels)
    files.pixels[name] = pixels


def _write_generation_zarr(files: Saving, arrays: SyntheticArrays, facts: SyntheticFacts) -> None:
    size, about = facts.pixel_size, f"{facts.title}; {facts.seeds_in_words()}"
    with _zarr_root(files) as (root, pixels):
        pixels |= fill_group(root, arrays.images, "TCYX", size, about, facts.channels)
        if arrays.labels is not None:
            pixels |= _fill_labels(root, arrays.labels, "TYX", size, facts.objects)
        if arrays.trajectory is not None:
            states = np.asarray(np.moveaxis(arrays.trajectory, 1, 2), np.float32)
            group, about = root.create_group("trajectory"), f"{about}; Z: states"
            digests = fill_group(group, states, "TCZYX", size, about, facts.channels)
            pixels |= _within("trajectory", digests)


def _fill_labels(
    root: Any,
    labels: Any,
    axes: str,
    pixel_size: Sequence[float] | None,
    objects: str,
    table: pd.DataFrame | None = None,
) -> dict[str, str]:
    """Write the labels as OME-Zarr has them; return the digests of their arrays, by their names."""
    name, group = create_labels_group(root, objects)
    digests = fill_group(group, labels, axes, pixel_size, name.rpartition("/")[2], labels=True)
    describe_labels(group, table)
    return _within(name, digests)


def _within(group: str, digests: dict[str, str]) -> dict[str, str]:
    return {f"{group}/{name}": digest for name, digest in digests.items()}
