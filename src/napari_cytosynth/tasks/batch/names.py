"""Names of the results: one for each image, which no other has and no other run changes."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import defaultdict
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from napari_cytosynth.images.files import image_name

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["PLATES", "RESERVED", "result_names", "stem_of"]

RESERVED = "batch"
"""What the names of the summary begin with, in the folder of all results."""
PLATES = {"segment": "segmented", "stain": "stained"}
"""How the name of a new plate ends, of each task that makes one."""
_UNSAFE = re.compile(r'[<>:"/\\|?*\x00-\x1f]+')
_OTHER_KINDS = (".czi", ".nd2", ".lif", ".npy")


def stem_of(name: str) -> str:
    """Return the name of an image file without the suffix of an image."""
    stem = image_name(name)
    if stem == name or Path(stem).suffix.lower() in _OTHER_KINDS:
        path = PurePosixPath(stem)
        stem = path.stem if path.suffix.lower() in _OTHER_KINDS else stem
    return stem


def result_names(images: Sequence[tuple[str, int | str | None, int]]) -> list[tuple[Path, str]]:
    """Return folder and stem of the result of each image; no two are alike.

    They depend on the names of the images alone, not on what is there or done already.

    Parameters
    ----------
    images
        Of each image: the relative name of its file, with “/”; the number or name of the
        series; how many series the file has.

    Returns
    -------
    list of (Path, str)
        The folder is relative, too. The stem is that of the file; where files differ in their
        suffix alone, it holds the suffix (``a-png``); of a file of several series also the
        series (``a-series0``, ``plate-A-1-0``).
    """
    files: dict[tuple[str, str], set[str]] = defaultdict(set)
    for name, _, _ in images:
        files[_key(name)].add(name)
    stems = [
        _with_series(_file_stem(name, len(files[_key(name)]) > 1), series, count)
        for name, series, count in images
    ]
    folders = [PurePosixPath(name).parent for name, _, _ in images]
    used: dict[tuple[str, str], int] = defaultdict(int)
    for folder, stem in zip(folders, stems, strict=True):
        used[_folded(folder), _folded(stem)] += 1
    found = []
    for (name, series, _), folder, stem in zip(images, folders, stems, strict=True):
        if used[_folded(folder), _folded(stem)] > 1:
            whole = f"{name}\n{series}".encode("utf-8", "surrogateescape")
            stem = f"{stem}-{hashlib.sha256(whole).hexdigest()[:8]}"
        found.append((Path(folder), stem))
    return found


def _file_stem(name: str, shared: bool) -> str:
    file = PurePosixPath(name)
    stem = stem_of(file.name)
    if shared or (_folded(stem) == RESERVED and file.parent == PurePosixPath()):
        stem = file.name.replace(".", "-") if stem == file.name else stem + _suffix(file.name, stem)
    return _UNSAFE.sub("-", stem) or "image"


def _suffix(name: str, stem: str) -> str:
    return unicodedata.normalize("NFC", name)[len(stem) :].replace(".", "-")


def _with_series(stem: str, series: int | str | None, count: int) -> str:
    if series is None or count < 2:
        return stem
    if isinstance(series, int):
        return f"{stem}-series{series:0{len(str(count - 1))}}"
    return f"{stem}-{_UNSAFE.sub('-', series)}"


def _key(name: str) -> tuple[str, str]:
    file = PurePosixPath(name)
    return _folded(file.parent), _folded(stem_of(file.name))


def _folded(name: object) -> str:
    """Return a name as file systems compare it that know no capital letters."""
    return unicodedata.normalize("NFC", str(name)).casefold()
