"""Which image files are meant: by name, by glob, or all of a folder."""

from __future__ import annotations

import glob
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_cytosynth.arguments import unsuitable
from napari_cytosynth.errors import InputError
from napari_cytosynth.files import user_path
from napari_cytosynth.images.files import PICTURE_SUFFIXES, TIFF_SUFFIXES, is_hidden
from napari_cytosynth.images.ome_zarr import is_zarr
from napari_cytosynth.images.vendors import VENDOR_SUFFIXES
from napari_cytosynth.tasks.export.records import embedded_record, family

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["InputFile", "InputFiles", "find_inputs"]

SUFFIXES = (*TIFF_SUFFIXES, *PICTURE_SUFFIXES, *VENDOR_SUFFIXES, ".npy")
_WILD = "*?["
_KINDS = "TIFF, PNG, JPEG, OME-Zarr, CZI, ND2, LIF or .npy"


@dataclass(frozen=True)
class InputFile:
    """A file that is to be read.

    Attributes
    ----------
    path
        The file, or the OME-Zarr.
    root
        Folder that the user named it by.
    named
        Whether the user named the file itself, not its folder or a pattern.
    """

    path: Path
    root: Path
    named: bool


@dataclass
class InputFiles:
    """Files of all inputs, each once, and what the user ought to know of them."""

    files: list[InputFile] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)

    @property
    def base(self) -> Path:
        """Folder that all inputs lie in: the names of the results are relative to it."""
        roots = {str(found.root) for found in self.files}
        try:
            return Path(os.path.commonpath(roots)) if roots else Path()
        except ValueError:  # on several drives
            return Path(self.files[0].root.anchor)


def find_inputs(
    inputs: Iterable[Any], out: Path | None, task: str, *, recursive: bool = False
) -> InputFiles:
    """Return the image files that the user means.

    Parameters
    ----------
    inputs
        Paths of files, folders, OME-Zarr images and plates, or patterns with ``*``, ``?``,
        ``[…]`` and ``**``. A file that is there is never taken for a pattern.
    out
        Folder of the results: nothing inside is an input, unless it is named, or `out` holds
        the inputs, too. None: there is no such folder.
    task
        Of a folder, results of this task are left out.
    recursive
        Look in folders of folders, too; links that lead in a circle are followed once. Default:
        False.

    Raises
    ------
    InputError
        If nothing is given, or a folder or a pattern holds no image.
    """
    try:
        inputs = [inputs] if isinstance(inputs, str | os.PathLike) else list(inputs)
    except TypeError:
        raise unsuitable("inputs", inputs, "a path, or a sequence of paths") from None
    if not inputs:
        raise InputError("Name at least one image, folder or pattern.")
    found, seen, twice = InputFiles(), set[str](), 0
    search = _Search(None if out is None else Path(os.path.abspath(out)), task, recursive)
    for one in inputs:
        before = len(found.files) + twice
        for file in search.files(user_path(one)):
            key = os.path.realpath(file.path)
            if key in seen:
                twice += 1
            else:
                seen.add(key)
                found.files.append(file)
        if len(found.files) + twice == before:
            raise InputError(search.nothing(user_path(one)))
    found.files = _common_root(found.files)
    if twice:
        found.messages.append(
            f"{twice:,} files were named more than once: each of them is read once."
        )
    found.messages += search.messages()
    return found


def _common_root(files: list[InputFile]) -> list[InputFile]:
    """Give files that were named one by one the folder that all of these lie in."""
    named = [str(found.root) for found in files if found.named]
    if not named:
        return files
    try:
        shared = Path(os.path.commonpath(named))
    except ValueError:  # on several drives
        return files
    return [InputFile(f.path, shared, True) if f.named else f for f in files]


class _Search:
    """Finds the files of an input, and counts what it leaves out."""

    def __init__(self, out: Path | None, task: str, recursive: bool) -> None:
        self.out, self.task, self.recursive = out, task, recursive
        self.own = self.below = 0
        self.closed: list[str] = []

    def files(self, path: Path) -> Iterator[InputFile]:
        path = Path(os.path.abspath(path))
        if is_zarr(path) or path.is_file():
            yield InputFile(path, _parent(path), named=True)
        elif path.is_dir():
            yield from self._in_folder(path)
        elif any(letter in str(path) for letter in _WILD):
            yield from self._of_pattern(path)
        else:  # said when it is read: the others go on
            yield InputFile(path, path.parent, named=True)

    def _of_pattern(self, path: Path) -> Iterator[InputFile]:
        parts = [index for index, part in enumerate(path.parts) if set(part) & set(_WILD)]
        root = Path(*path.parts[: parts[0]])
        for match in sorted(glob.glob(str(path), recursive=True)):
            file = Path(match)
            if any(parent.suffix.lower() == ".zarr" for parent in file.parents if parent != root):
                continue
            if is_zarr(file) or (file.is_file() and _is_image(file)):
                yield from self._kept(file, root)

    def _in_folder(self, root: Path) -> Iterator[InputFile]:
        inside_out = self.out == root or self.out in root.parents
        visited = {os.path.realpath(root)}
        for folder, folders, names in os.walk(root, onerror=self._closed, followlinks=True):
            here, deeper = Path(folder), []
            images = [here / name for name in names if _is_image(here / name)]
            for name in sorted(folders):
                path = here / name
                if is_hidden(path) or (path == self.out and not inside_out):
                    continue
                if is_zarr(path):
                    images.append(path)
                elif (real := os.path.realpath(path)) not in visited:
                    visited.add(real)
                    deeper.append(name)
            if not self.recursive:
                self.below += sum(_holds_image(here / name) for name in deeper[:100])
                deeper = []
            folders[:] = deeper
            for path in sorted(images):
                yield from self._kept(path, root)

    def _closed(self, error: OSError) -> None:
        self.closed.append(f"“{error.filename}” cannot be entered: {error.strerror or error}.")

    def _kept(self, file: Path, root: Path) -> Iterator[InputFile]:
        if self._is_result(file):
            self.own += 1
        else:
            yield InputFile(file, root, named=False)

    def _is_result(self, file: Path) -> bool:
        record = embedded_record(file)
        return record is not None and family(record) == self.task

    def nothing(self, path: Path) -> str:
        """Return why an input holds no image."""
        if self.closed:
            return self.closed[-1]
        if self.own:
            return f"“{path}” holds nothing but results of “cytosynth {self.task}”."
        if not path.is_dir():
            return f"No image file has a name like “{path}”."
        below = " Its folders do: add --recursive." if self.below and not self.recursive else ""
        return f"“{path}” holds no image file ({_KINDS}).{below}"

    def messages(self) -> list[str]:
        """Return what was left out."""
        if not self.own:
            return self.closed
        return [
            f"{self.own:,} files that “cytosynth {self.task}” wrote itself were left out. Name "
            "them one by one if they are meant.",
            *self.closed,
        ]


def _parent(path: Path) -> Path:
    """Return the folder of a file; for an image inside a Zarr that of the whole Zarr."""
    outer = [parent for parent in path.parents if parent.suffix.lower() == ".zarr"]
    return (outer[-1] if outer else path).parent


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES and not is_hidden(path)


def _holds_image(folder: Path) -> bool:
    try:
        return any(_is_image(path) or is_zarr(path) for path in folder.iterdir())
    except OSError:
        return False
