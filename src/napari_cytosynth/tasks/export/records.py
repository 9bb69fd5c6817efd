"""Provenance in files: how it is embedded and found again, and digests of what was written."""

from __future__ import annotations

import hashlib
import html
import json
import re
from pathlib import Path, PureWindowsPath
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cytosynth.console import shown_name
from napari_cytosynth.tasks.common.axes import plane_slices
from napari_cytosynth.tasks.common.provenance import KEY

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy.typing as npt

__all__ = [
    "TAG",
    "PixelDigest",
    "as_json",
    "embedded_record",
    "family",
    "file_digest",
    "files_of",
    "image_of",
    "is_sealed",
    "loses_corrections",
    "pixel_digest",
    "read_record",
    "same_pixels",
    "sealed",
    "stored_pixels",
]

TAG = 65122
"""Private TIFF tag of the record, as JSON."""
_LARGEST = 64_000_000  # bytes of a record that is read
_BLOCK = 1 << 20
_DESCRIPTION = re.compile(rb"<dc:description>(.*?)</dc:description>", re.DOTALL)


def sealed(record: dict[str, Any]) -> dict[str, Any]:
    """Return a record with the name of this program and a digest of its content."""
    marked: dict[str, Any] = json.loads(as_json({**record, "program": KEY}))  # as it reads back
    marked.pop("seal", None)
    return marked | {"seal": _seal(marked)}


def is_sealed(record: dict[str, Any]) -> bool:
    """Return whether a record is as it was written."""
    return record.get("seal") == _seal({k: v for k, v in record.items() if k != "seal"})


def _seal(record: dict[str, Any]) -> str:
    text = json.dumps(record, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def as_json(record: dict[str, Any], indent: int | None = None) -> bytes:
    """Return a record as JSON; file names that are no valid text are escaped."""
    options: dict[str, Any] = {"indent": indent, "default": _plain}
    try:
        return json.dumps(record, ensure_ascii=indent is None, **options).encode()
    except UnicodeEncodeError:
        return json.dumps(record, **options).encode()


def _plain(value: Any) -> Any:
    """Return a value of numpy, or a path, as JSON can hold it."""
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else str(value)


def family(record: dict[str, Any]) -> str:
    """Return the task whose results replace each other: a walk is one of generation."""
    task = str(record.get("task"))
    return "generate" if task == "vary" else task


def image_of(record: dict[str, Any]) -> str | None:
    """Return how to name the image that a result was made from; None if there was none."""
    source = record.get("source")
    if not isinstance(source, dict):
        return None
    name = source.get("path") or source.get("layer")
    if name:  # a record may come from anywhere: nothing in it steers a terminal
        return f"“{shown_name(name)}”"
    shape = source.get("shape")
    sizes = " × ".join(map(str, shape)) if isinstance(shape, list | tuple) else "?"
    return f"an image of {sizes} values without a name"


def files_of(record: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the files that a record lists: their names, and digests of each.

    Names that lead out of the folder are left out: a record may come from anywhere.
    """
    listed = record.get("files")
    if not isinstance(listed, dict):
        return {}
    return {
        name: facts for name, facts in listed.items() if isinstance(facts, dict) and _within(name)
    }


def _within(name: str) -> bool:
    path = PureWindowsPath(name)  # knows the separators of all systems
    return bool(name) and not path.drive and not path.root and ".." not in path.parts


def loses_corrections(before: dict[str, Any] | None, now: dict[str, Any] | None) -> bool:
    """Return whether a record holds corrections by hand, or marks, that another does not."""
    return bool(_by_hand(before) - _by_hand(now))


def _by_hand(record: dict[str, Any] | None) -> set[bytes]:
    found = (record or {}).get("corrections")
    if not isinstance(found, dict):
        return set()
    lists = ((key, found.get(key)) for key in ("done", "looked_at"))
    return {as_json({key: one}) for key, many in lists if isinstance(many, list) for one in many}


# -- reading ----------------------------------------------------------------------------------


def read_record(path: Path) -> dict[str, Any] | None:
    """Return the record in a JSON file; None if it is not one of ours."""
    try:
        if path.is_symlink() or not path.is_file() or path.stat().st_size > _LARGEST:
            return None
        return _ours(json.loads(path.read_bytes()))
    except (OSError, ValueError, RecursionError):
        return None


def _ours(record: Any) -> dict[str, Any] | None:
    if isinstance(record, dict) and record.get("program") == KEY and "task" in record:
        return record
    return None


def embedded_record(path: Path) -> dict[str, Any] | None:
    """Return the record within a TIFF, an OME-Zarr, a GIF or a figure; None without one of ours."""
    readers = {
        ".tif": _of_tiff, ".tiff": _of_tiff, ".zarr": _of_zarr, ".gif": _of_gif, ".png": _of_png,
        ".svg": _of_svg,
    }  # fmt: skip
    try:
        # a group within an OME-Zarr has no suffix
        reader = _of_zarr if path.is_dir() else readers.get(path.suffix.lower())
        if reader is None or not (path.is_file() or path.is_dir()):  # a pipe would wait for ever
            return None
        return _ours(reader(path))
    except Exception:  # whatever a file of others holds, it holds no record of ours
        return None


def _of_tiff(path: Path) -> Any:
    import tifffile

    with tifffile.TiffFile(path) as file:
        return json.loads(file.pages[0].tags[TAG].value)  # type: ignore[union-attr]


def _of_zarr(path: Path) -> Any:
    return json.loads((path / "zarr.json").read_bytes())["attributes"][KEY]


def _of_gif(path: Path) -> Any:
    from PIL import Image

    with Image.open(path) as film:
        return json.loads(bytes(film.info["comment"]).split(b"\n", 1)[1])


def _of_png(path: Path) -> Any:
    from PIL import Image

    with Image.open(path) as picture:
        return json.loads(picture.info[KEY])


def _of_svg(path: Path) -> Any:
    with path.open("rb") as file:
        head = file.read(_LARGEST)  # the record stands before the drawing
    found = _DESCRIPTION.search(head)
    return None if found is None else json.loads(html.unescape(found[1].decode()))


# -- digests ----------------------------------------------------------------------------------


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file, or of all names and files of a folder."""
    whole = hashlib.sha256()
    if not path.is_dir():
        _add_file(whole, path)
        return whole.hexdigest()
    for file in sorted(path.rglob("*")):
        name = file.relative_to(path).as_posix().encode("utf-8", "surrogateescape")
        whole.update(name + b"\0")
        if file.is_file():
            _add_file(whole, file)
    return whole.hexdigest()


def _add_file(whole: Any, path: Path) -> None:
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            whole.update(block)


class PixelDigest:
    """SHA-256 of the values of an array, plane by plane, whatever type holds them."""

    def __init__(self, shape: Iterable[int]) -> None:
        sizes = [int(size) for size in shape if size != 1]  # readers drop axes of length 1
        self._hash = hashlib.sha256(repr(sizes).encode())

    def add(self, plane: npt.NDArray[Any]) -> None:
        """Add the next plane."""
        plain = "<i8" if plane.dtype.kind in "iub" else "<f4"
        self._hash.update(np.ascontiguousarray(plane, plain).tobytes())

    @property
    def text(self) -> str:
        """The digest in hexadecimal digits."""
        return self._hash.hexdigest()


def pixel_digest(array: npt.NDArray[Any]) -> str:
    """Return the digest of the values of an array."""
    digest = PixelDigest(array.shape)
    for plane in array.reshape(-1, *array.shape[-2:]) if array.ndim > 2 else [array]:
        digest.add(plane)
    return digest.text


def stored_pixels(path: Path) -> Any:
    """Return the digest of the pixels of a TIFF, or of each array of an OME-Zarr.

    None for other files, and for those that cannot be read.
    """
    try:
        if path.suffix.lower() in (".tif", ".tiff"):
            import tifffile

            return pixel_digest(tifffile.imread(path))
        if path.is_dir():
            return _zarr_pixels(path)
    except Exception:  # damaged, or of a kind that another program wrote
        return None
    return None


def _zarr_pixels(path: Path) -> dict[str, str]:
    import zarr

    root = zarr.open_group(path, mode="r")
    digests: dict[str, str] = {}
    for name, member in root.members(max_depth=None):
        if isinstance(member, zarr.Array):
            digest = PixelDigest(member.shape)
            names: Any = getattr(member.metadata, "dimension_names", None) or ()
            axes = "".join(names).upper()
            sizes = zip(axes, member.shape, strict=True)
            for plane in np.ndindex(*(size for axis, size in sizes if axis not in "YX")):
                digest.add(np.asarray(member[plane_slices(axes, plane)]))
            digests[name] = digest.text
    return digests


def same_pixels(target: Path, known: list[Any]) -> bool:
    """Return whether the pixels are as a record says, though the file's bytes may be others.

    Of an OME-Zarr, whose listed digest covers every file in it, that is not enough.
    """
    whole = target.is_dir() and len(known) > 1
    return bool(known) and not whole and stored_pixels(target) in known
