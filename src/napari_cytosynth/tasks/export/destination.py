"""Where a result goes: the names of its files, and whether they may be written there."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NoReturn

from napari_cytosynth.arguments import check_flag
from napari_cytosynth.errors import OutputError
from napari_cytosynth.files import check_space, existing_parent, explained_errors, user_path

from .records import (
    embedded_record,
    family,
    file_digest,
    files_of,
    image_of,
    is_sealed,
    loses_corrections,
    read_record,
    same_pixels,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

__all__ = [
    "RECORD",
    "Destination",
    "Earlier",
    "check_destination",
    "find_destination",
    "refuse_foreign_file",
]

RECORD = "provenance.json"
TIFF_SUFFIXES = (".tif", ".tiff")
_LAYOUTS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "segment": (("probability", "labels", "annotated"), ("table.csv",)),
    "stain": (("mean", "std", "samples", "labels"), ("table.csv",)),
    "generate": (
        ("images", "masks", "labels", "trajectory"),
        ("samples.csv", "contact-sheet.png"),
    ),
    "measure": ((), ("table.csv",)),
    "batch": ((), ("files.csv", "report.html", "table.csv")),
}
"""Images, and further files, of the results of each task."""
_ON_DEMAND = ("annotated",)
_OTHER_KINDS = frozenset(
    ".png .jpg .jpeg .jp2 .gif .bmp .webp .svg .pdf .npy .npz .h5 .hdf5 .hdf .csv .tsv .txt .json "
    ".xml .yaml .yml .xls .xlsx .md .html .zip .tar .gz .mat .czi .nd2 .lif .lsm .stk .ims .oib "
    ".oif .vsi .svs .qptiff .btf .tf8 .tf2 .flex .mrc .nii .nrrd .n5 .avi .mp4 .mov .pkl .pt .pth "
    ".safetensors .py .parquet .feather".split()
)
"""Endings that ask for another kind of file than a result can be."""
_REMEDY = (
    "Choose another folder or name. To replace it, use --overwrite, or overwrite=True in Python."
)
_NAMES = {
    "segment": "a segmentation",
    "stain": "a virtual stain",
    "generate": "synthetic images",
    "measure": "a table of objects",
    "batch": "the summary of many files",
}


@dataclass(frozen=True)
class Destination:
    """The files of a result, by their names in its folder.

    Attributes
    ----------
    path
        The folder, TIFF or OME-Zarr that was asked for.
    task
        ``segment``, ``stain``, ``generate``, ``measure`` or ``batch``.
    folder
        Folder of all files.
    images
        Names of the images' files; of an OME-Zarr the one name under "".
    others
        Names of the table and the contact sheet.
    record
        Name of the provenance record.
    singles
        Names of files of one image each, written too.
    optional
        Names of files that an earlier result may have left, and that are not written now.
    """

    path: Path
    task: str
    folder: Path
    images: dict[str, str]
    others: tuple[str, ...]
    record: str
    singles: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()

    @property
    def names(self) -> list[str]:
        """Names of the files that are written, but for the record."""
        return [*self.images.values(), *self.others, *self.singles]

    @property
    def files(self) -> list[Path]:
        """The files in the order in which a result returns them."""
        first, last = [*self.images.values(), *self.others], self.singles
        return [self.folder / name for name in (*first, self.record, *last)]


@dataclass(frozen=True)
class Earlier:
    """What lies at a destination and will be replaced.

    Attributes
    ----------
    record
        Provenance record of the earlier result; None if there is none.
    stale
        Names of its files that the new result lacks.
    kept
        Its files of single images that stay, with their digests.
    """

    record: dict[str, Any] | None = None
    stale: tuple[str, ...] = ()
    kept: dict[str, dict[str, Any]] = field(default_factory=dict)


def find_destination(
    path: Any,
    task: str,
    images: Sequence[str] | None = None,
    singles: Iterable[str] = (),
    others: Sequence[str] | None = None,
    *,
    stem: str = "",
    zarr: bool = False,
) -> Destination:
    """Return the files of a result.

    Parameters
    ----------
    path
        A folder, or a name that ends in .tif or .zarr; ``~`` is expanded. A TIFF's name is
        that of the first image, and the stem of the other files.
    task
        ``segment``, ``stain``, ``generate``, ``measure`` or ``batch``.
    images
        Names of the images that are written. Default: all but those of corrections by hand.
    singles
        Names of files of single images. Default: none.
    others
        Names of the further files that are written. Default: all that the task may write.
    stem
        What the names of all files begin with; then `path` is a folder, whatever its suffix.
        Default: "", none.
    zarr
        With a `stem`: the images are one OME-Zarr group of that name, such as a field of a
        plate. Default: False, they are TIFFs.

    Raises
    ------
    OutputError
        If no result can have a name of that suffix, or zarr is missing.
    """
    path, given = user_path(path), stem
    known, further = _LAYOUTS[task]
    others = further if others is None else others
    if images is None:
        images = [name for name in known if name not in _ON_DEMAND]
    suffix = "" if given else path.suffix.lower()
    if given:
        folder, path = path, path / given
    elif suffix in (*TIFF_SUFFIXES, ".zarr"):
        folder, stem = path.parent, path.stem.removesuffix(".ome")
    else:
        if suffix in _OTHER_KINDS and not path.is_dir():
            raise OutputError(
                f"A result cannot be written as “{suffix}”: give a folder, or a name that ends in "
                ".tif or .zarr."
            )
        folder, stem = path, ""
    if known and (suffix == ".zarr" or (given and zarr)):
        _check_zarr()
        files, optional = {"": path.name}, []
    else:
        files = {name: f"{_prefixed(stem, name)}.tif" for name in known}
        files |= {known[0]: path.name} if known and stem and not given else {}
        optional = [file for name, file in files.items() if name not in images]
        files = {name: files[name] for name in images}
    beside = tuple(_prefixed(stem, name) for name in others)
    optional += [_prefixed(stem, name) for name in further if name not in others]
    record = _prefixed(stem, RECORD)
    return Destination(
        path, task, folder, files, beside, record, tuple(singles), optional=tuple(optional)
    )


def _prefixed(stem: str, name: str) -> str:
    return f"{stem}-{name}" if stem else name


def _check_zarr() -> None:
    try:
        import zarr  # noqa: F401
    except ImportError as error:
        raise OutputError("Writing OME-Zarr needs the package zarr: pip install zarr.") from error


# -- may it be written? -----------------------------------------------------------------------


def check_destination(
    destination: Destination,
    sources: Iterable[Path] = (),
    *,
    size: int = 0,
    overwrite: bool = False,
    provenance: dict[str, Any] | None = None,
) -> Earlier:
    """Check, without writing anything, that a result may go where it is to go.

    Parameters
    ----------
    destination
        The files of the result.
    sources
        Files that the image was read from: they are never replaced. Default: none.
    size
        Bytes that are known to be needed. Default: 0.
    overwrite
        Replace files that another task, another program or a person wrote, and results that
        were corrected by hand. Default: False, only unchanged results of the same task.
    provenance
        Record of the result, which may replace corrections by hand that it has itself. Default:
        None, it has none.

    Returns
    -------
    Earlier
        What will be replaced.

    Raises
    ------
    OutputError
        If it may not, with the reason and a remedy.
    """
    overwrite = check_flag(overwrite, "overwrite")  # "no" would replace what is there
    with explained_errors(destination.path):
        record = read_record(destination.folder / destination.record)
        listed = {} if record is None else files_of(record)
        stale = tuple(name for name in destination.optional if name in listed)
        ours = record is not None and family(record) == destination.task
        stale = tuple(name for name in stale if ours and (destination.folder / name).is_file())
        _refuse_sources(destination, [*destination.names, *stale], list(sources))
        _check_folder(destination)
        _refuse_in_the_way(destination)
        if not overwrite:
            _refuse_another_task(destination, record)
            if loses_corrections(record, provenance):
                _refuse(
                    destination.path, "holds corrections by hand that this result does not have"
                )
            for name in (*destination.names, *stale):
                _refuse_others(destination, name, listed.get(name))
        check_space(destination.path, size)
        kept = {
            name: facts
            for name, facts in (listed if ours else {}).items()
            if name.startswith(("image/", "mask/")) and name not in destination.singles
        }
        if record is None:
            record = embedded_record(destination.files[0])
        same = record is not None and family(record) == destination.task
    return Earlier(record if same else None, stale, kept)


def refuse_foreign_file(path: Path, task: str) -> None:
    """Refuse to replace a single file that holds no record of this task.

    Raises
    ------
    OutputError
        If there is one.
    """
    if not os.path.lexists(path):
        return
    own = None if path.is_symlink() else embedded_record(path)
    if own is None or family(own) != task:
        _refuse(path, "is there already, and napari-cytosynth did not write it")


def _check_folder(destination: Destination) -> None:
    folder = existing_parent(destination.folder)
    if not folder.is_dir():
        raise OutputError(
            f"“{destination.folder}” cannot be the folder of the results: “{folder.name}” is a "
            "file, or a link that leads nowhere, and in the way. Choose another name."
        )
    missing = destination.folder.absolute().relative_to(folder).parts
    for name in (*missing, *(file.name for file in destination.files)):
        with suppress(FileNotFoundError):  # others: too long, or with characters it cannot have
            (folder / name).lstat()
    with tempfile.TemporaryFile(dir=folder):
        pass


def _refuse_sources(
    destination: Destination, names: Iterable[str], sources: Sequence[Path]
) -> None:
    same = False
    for name in names:
        target = destination.folder / name
        for source in sources:
            with suppress(ValueError):  # a source of a name that no file can have
                same = _overlap(target, source)
            if same:
                raise OutputError(
                    f"“{target}” is the image that the result is made from, and is never "
                    "replaced by it. Choose another folder or name."
                )


def _overlap(target: Path, source: Path) -> bool:
    """Return whether two paths are one file, or one lies within the other."""
    if target.exists() and source.exists() and target.samefile(source):
        return True
    one, other = (os.path.realpath(path) for path in (target, source))
    return (
        one == other
        or f"{other}{os.sep}".startswith(f"{one}{os.sep}")
        or (
            source.is_dir()
            and source.suffix.lower() == ".zarr"
            and one.startswith(f"{other}{os.sep}")
        )
    )


def _refuse_in_the_way(destination: Destination) -> None:
    """Refuse to replace a folder by a file, or a file by a folder, whatever was said."""
    for name in (*destination.names, destination.record):
        target = destination.folder / name
        if not os.path.lexists(target) or target.is_symlink():
            continue
        if target.is_dir() != (name == destination.images.get("")):
            kind = "folder" if target.is_dir() else "file"
            raise OutputError(
                f"“{target}” cannot be written: a {kind} of that name is in the way. Choose "
                "another name."
            )


def _refuse_another_task(destination: Destination, record: dict[str, Any] | None) -> None:
    target = destination.folder / destination.record
    if record is None:
        if os.path.lexists(target):
            _refuse(target, "is there already, and napari-cytosynth did not write it")
    elif family(record) != destination.task:
        _refuse(destination.path, f"holds {_described(record)}")
    elif not is_sealed(record):
        _refuse(target, "was changed after it was written")


def _refuse_others(destination: Destination, name: str, listed: dict[str, Any] | None) -> None:
    """Refuse to replace a file that is not an unchanged one of the same task."""
    target = destination.folder / name
    if not os.path.lexists(target):
        return
    if target.is_symlink():
        _refuse(target, "is a link")
    if listed is not None and listed.get("sha256") == file_digest(target):
        return
    own = embedded_record(target)
    known = [facts["pixels"] for facts in (listed, own) if facts and facts.get("pixels")]
    if own is not None and family(own) != destination.task:
        _refuse(target, f"is part of {_described(own)}")
    if own is None and listed is None:
        _refuse(target, "is there already, and napari-cytosynth did not write it")
    if not same_pixels(target, known):
        _refuse(target, "was changed after it was written, perhaps corrected by hand")


def _described(record: dict[str, Any]) -> str:
    image = image_of(record)
    what = _NAMES.get(family(record), "a result")
    return f"{what} of {image}" if image else what


def _refuse(target: Path, reason: str) -> NoReturn:
    raise OutputError(f"“{target}” {reason}. {_REMEDY}")
