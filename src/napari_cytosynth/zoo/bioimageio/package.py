"""Reading of a package: its record and its weights, of which no code is run."""

from __future__ import annotations

import hashlib
import json
import lzma
import zipfile
import zlib
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING, Any

import yaml

from napari_cytosynth.errors import CorruptWeightsError, ModelError
from napari_cytosynth.zoo.model_files import parse_card
from napari_cytosynth.zoo.opening import open_regular, read_limited
from napari_cytosynth.zoo.text import one_line

from .record import KEY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_cytosynth.zoo.card import ModelCard

__all__ = ["GRAPH", "Package", "is_package", "open_package"]

_RECORDS = ("bioimageio.yaml", "rdf.yaml", "model.yaml")
_LARGEST_RECORD = 4_000_000  # bytes
_SLACK = 1_000_000  # bytes that weights may exceed twice their compressed size by
_CHUNK = 1 << 20
_LARGEST_ARRAY = 64_000_000  # bytes of an example, which may be packed tightly
_STATE_DICT = "pytorch_state_dict"
GRAPH = "onnx"
"""What the format calls weights that are an ONNX graph."""
_UNPACKING = (
    *(OSError, EOFError, RuntimeError, ValueError),
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError),
)
"""What the readers of the ways of packing raise for a damaged file."""


class _PlainLoader(yaml.SafeLoader):
    """Refuses references, by which a short text can stand for a record without end."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("it has references (*name)")
        return super().compose_node(parent, index)


@dataclass(frozen=True, eq=False)
class Package:
    """A package of the format.

    Attributes
    ----------
    path
        The ZIP file, or a folder with the same content.
    record
        What its record says.
    name
        Of the record within it.
    """

    path: Path
    record: dict[str, Any]
    name: PurePosixPath

    @property
    def file(self) -> Path:
        """The file by whose SHA-256 the package is known."""
        return self.path / self.name if self.path.is_dir() else self.path

    @property
    def is_foreign_graph(self) -> bool:
        """Whether it holds an ONNX graph, and no card of this program."""
        config = self.record.get("config")
        return GRAPH in self._weights() and not (isinstance(config, dict) and KEY in config)

    def card(self) -> ModelCard:
        """Return the card of a package that this program wrote.

        Raises
        ------
        ModelError
            If there is none, or none that can be read.
        """
        config = self.record.get("config")
        own = config.get(KEY) if isinstance(config, dict) else None
        if not isinstance(own, dict) or "card" not in own:
            raise ModelError(
                f"The package “{self.path.name}” was not written by napari-cytosynth: which of the "
                f"networks here it holds is not said. {self._what_to_do()}"
            )
        return parse_card(json.dumps(own["card"], default=str), self.path)

    def _what_to_do(self) -> str:
        weights = self._weights()
        if _STATE_DICT in weights:
            return (
                "If it is a U-Net, a generator of pix2pixHD or a model of Cellpose 1 to 3, convert "
                "it with --as UNet, Pix2PixHD or Cellpose."
            )
        return _unread(weights)

    def _weights(self) -> dict[str, Any]:
        found = self.record.get("weights")
        return (
            {str(name): value for name, value in found.items()} if isinstance(found, dict) else {}
        )

    def extract_weights(self, folder: Path, kind: str = _STATE_DICT) -> Path:
        """Write the weights of one kind to a folder, after checking their SHA-256.

        Raises
        ------
        ModelError
            If there are none, or if they are damaged.
        """
        entry = self._weights().get(kind)
        if not isinstance(entry, dict) or not isinstance(entry.get("source"), str):
            raise ModelError(
                f"The package “{self.path.name}” has no weights that can be read. "
                f"{_unread(self._weights())}"
            )
        return self._extract(entry, folder / f"{Path(self.path).stem}.pt", None)

    def extract_example(self, entry: Any, folder: Path) -> Path:
        """Write the array of an entry of the record to a folder.

        Raises
        ------
        ModelError
            If it is missing, damaged or too large.
        """
        entry = entry if isinstance(entry, dict) else {"source": entry}
        if not isinstance(entry.get("source"), str):
            raise _damaged(self.path, "its example has no name")
        return self._extract(entry, folder / "example.npy", _LARGEST_ARRAY)

    def _extract(self, entry: dict[str, Any], target: Path, most: int | None) -> Path:
        name = str(self.name.parent / entry["source"])
        try:
            with self._opened(name) as (source, size, packed):
                if size > (2 * packed + _SLACK if most is None else most):
                    raise CorruptWeightsError(
                        f"The weights of “{self.path.name}” are packed far tighter than weights "
                        "can be; they were not opened."
                        if most is None
                        else f"The example in “{self.path.name}” is larger than {most / 1e6:g} MB."
                    )
                found = _copy(source, target, size)
        except KeyError as error:
            raise _damaged(self.path, f"“{one_line(name, 100)}” is missing") from error
        except _UNPACKING as error:
            reason = one_line(error, 200) or "its weights end too early"
            raise _damaged(self.path, reason) from error
        if found != str(entry.get("sha256", found)).lower():
            what = "its weights" if most is None else "its example"
            raise _damaged(self.path, f"the SHA-256 of {what} is not the one that it says")
        return target

    @contextmanager
    def _opened(self, name: str) -> Iterator[tuple[IO[bytes], int, int]]:
        """Open a file of the package; yield it, its size, and the bytes that it takes up."""
        if self.path.is_dir():
            path = (self.path / name).resolve()
            if not path.is_relative_to(self.path.resolve()) or not path.exists():
                raise KeyError(name)
            with open_regular(path) as (file, size):
                yield file, size, size
            return
        with zipfile.ZipFile(self.path) as archive, archive.open(name) as source:
            info = archive.getinfo(name)
            # the archive says both sizes; it can hold no more than there is of it
            yield source, info.file_size, min(info.compress_size, self.path.stat().st_size)


def is_package(path: Path) -> bool:
    """Return whether a path is a ZIP file, or a folder, with a record of the format at its top."""
    try:
        if path.is_dir():
            return _record_in(path) is not None
        with zipfile.ZipFile(path) as archive:
            return _record_name(archive) is not None
    except (OSError, ValueError, NotImplementedError, zipfile.BadZipFile):
        return False


def open_package(path: Path) -> Package:
    """Read the record of a package.

    Raises
    ------
    ModelError
        If it is none, or not one of a model.
    """
    if not is_package(path):
        raise ModelError(
            f"“{path.name}” is no package of BioImage.IO: a ZIP file, or a folder, with "
            "“rdf.yaml” or “bioimageio.yaml”."
        )
    try:
        name, text = _record_text(path)
        record = yaml.load(text, _PlainLoader) if len(text) <= _LARGEST_RECORD else None
    except Exception as error:  # a record makes the readers fail in every way there is
        raise _damaged(path, f"its record cannot be read: {one_line(error, 200)}") from error
    if len(text) > _LARGEST_RECORD:
        raise _damaged(path, "its record is larger than 4 MB")
    if not isinstance(record, dict) or record.get("type") != "model":
        raise ModelError(f"The package “{path.name}” does not describe a model.")
    return Package(path, record, PurePosixPath(name))


def _record_text(path: Path) -> tuple[str, bytes]:
    """Return name and content of the record, cut off where it is too large."""
    if path.is_dir():
        name = _record_in(path) or ""
        return name, read_limited(path / name, _LARGEST_RECORD)
    with zipfile.ZipFile(path) as archive:
        name = _record_name(archive) or ""
        with archive.open(name) as file:
            return name, file.read(_LARGEST_RECORD + 1)


def _record_in(folder: Path) -> str | None:
    return next((name for name in _RECORDS if (folder / name).is_file()), None)


def _record_name(archive: zipfile.ZipFile) -> str | None:
    names = set(archive.namelist())
    return next((name for name in _RECORDS if name in names), None)


def _copy(source: IO[bytes], target: Path, size: int) -> str:
    """Copy no more than the size that was announced; return the SHA-256."""
    digest, left = hashlib.sha256(), size
    with target.open("wb") as file:
        while left > 0 and (chunk := source.read(min(_CHUNK, left))):
            digest.update(chunk)
            file.write(chunk)
            left -= len(chunk)
    return digest.hexdigest()


def _unread(weights: dict[str, Any]) -> str:
    """Return why weights of other formats are not read."""
    names = ", ".join(one_line(name, 40) for name in list(weights)[:6]) or "none"
    return (
        f"Its weights: {names}. Read are pytorch_state_dict and onnx alone: TorchScript is a "
        "program that opening would run, and the others are for libraries that are not part of "
        "this one."
    )


def _damaged(path: Path, reason: str) -> CorruptWeightsError:
    return CorruptWeightsError(
        f"The package “{path.name}” is damaged ({reason}). Please download or copy it again."
    )
