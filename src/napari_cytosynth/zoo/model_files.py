"""A model on disk: ``config.json``, ``model.safetensors`` and ``README.md``.

The weights file carries the same JSON as ``config.json`` in its metadata, so that a lone
``model.safetensors`` explains itself. Nothing else than safetensors is ever read: the
other weight formats can run code when they are opened.
"""

from __future__ import annotations

import hashlib
import json
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from napari_cytosynth.errors import (
    CardTooNewError,
    ModelError,
    OutputError,
)
from napari_cytosynth.files import replace_file

from .bundled import bundled_folder
from .card import FORMAT_VERSION, ModelCard
from .model_page import render_readme
from .opening import existing_path, open_regular, read_limited
from .text import one_line
from .weights import (
    REFERENCE,
    SCALE,
    WEIGHTS_FILE,
    check_fit,
    find_weights,
    load_weights,
    read_header,
    read_weights,
    stored_state,
    stored_tensor,
)

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

    import torch
    from torch import nn

    from .weights import Header

__all__ = [
    "CARD_FILE",
    "README_FILE",
    "WEIGHTS_FILE",
    "file_sha256",
    "load_network",
    "parse_card",
    "read_card",
    "read_reference",
    "save_model",
    "update_card",
    "weights_file",
    "write_reference",
]

CARD_FILE = "config.json"
README_FILE = "README.md"


def save_model(
    folder: str | os.PathLike[str],
    network: nn.Module,
    card: ModelCard,
    *,
    dtype: torch.dtype | None = None,
) -> Path:
    """Write the three files of a model.

    Parameters
    ----------
    folder
        Folder to write into; made if it does not exist. Files of these names in it are
        replaced, each at once, so that a reader never sees half a file.
    network
        Network of the architecture and arguments that the card names, on any device.
    card
        The model's card. An empty ``package_version`` is filled in.
    dtype
        Type that floating-point tensors are stored in; ``torch.float16`` if None (default).
        BatchNorm statistics, and tensors that do not fit into half precision, are
        stored as float32. ``torch.int8``: large weights are rounded to 8 bits, with a factor
        for each row of NAME in NAME.scale, the rest as by default; the card says so.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    OutputError
        If the folder cannot be written: no space or no permission.
    """
    folder = Path(folder)
    card = card if card.package_version else card.model_copy(update=_written_by())
    _write(folder, stored_state(network, dtype), card)
    return folder


def update_card(folder: str | os.PathLike[str], card: ModelCard) -> Path:
    """Replace the card of a model, for example to add test figures; keep the weights.

    The tensors stay as they are, bit by bit; the file's SHA-256 changes, because it holds
    the card too: pin it afterwards.

    Parameters
    ----------
    folder
        Model's folder as `save_model` wrote it.
    card
        The new card, of the same architecture and arguments.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    ModelError
        If there is no readable model, or the card does not fit its weights.
    OutputError
        If the folder cannot be written: no space or no permission.
    """
    folder = Path(folder)
    weights = find_weights(folder)
    header = read_header(weights)
    check_fit(card, header.shapes, weights)
    tensors = read_weights(weights, header)
    load_weights(card, tensors)
    _write(folder, tensors, card)
    return folder


def read_reference(source: str | os.PathLike[str]) -> dict[str, torch.Tensor]:
    """Read the embeddings of training images stored with a generator.

    Parameters
    ----------
    source
        A model's folder, or a lone ``model.safetensors`` file.

    Returns
    -------
    dict of str to Tensor
        As `write_reference` stored it; empty for a model that carries none.

    Raises
    ------
    ModelError
        If there is no readable model.
    """
    tensors = _stored_tensors(Path(source))
    return {
        name.removeprefix(REFERENCE): tensor
        for name, tensor in tensors.items()
        if name.startswith(REFERENCE)
    }


def write_reference(folder: str | os.PathLike[str], reference: Mapping[str, torch.Tensor]) -> Path:
    """Store embeddings of training images, never their pixels, in a model's weights file.

    Weights and card stay as they are; the file's SHA-256 changes: pin it afterwards.

    Parameters
    ----------
    folder
        Model's folder as `save_model` wrote it; an older reference is replaced.
    reference
        ``embeddings`` (M, D), a row for each training image, and what belongs to them, such
        as ``index``; empty to remove the reference. Floats are stored as float16.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    ModelError
        If there is no readable model.
    OutputError
        If the folder cannot be written: no space or no permission.
    """
    folder = Path(folder)
    tensors = _stored_tensors(folder)
    kept = {name: tensor for name, tensor in tensors.items() if not name.startswith(REFERENCE)}
    added = {f"{REFERENCE}{name}": stored_tensor(value) for name, value in reference.items()}
    _write(folder, kept | added, read_card(folder))
    return folder


def _stored_tensors(source: Path) -> dict[str, torch.Tensor]:
    """Read all tensors of a model, which are no more than its card declares."""
    weights, header, card = _opened(source)
    check_fit(card, header.shapes, weights)
    return read_weights(weights, header)


def _opened(source: Path) -> tuple[Path, Header, ModelCard]:
    """Return the weights file of a model, its header, and the card; read no tensor."""
    weights = find_weights(source)
    header = read_header(weights)
    config = source / CARD_FILE
    if source.is_dir() and config.is_file():
        return weights, header, parse_card(read_limited(config), config)
    return weights, header, _embedded_card(header, weights)


def _write(folder: Path, tensors: dict[str, torch.Tensor], card: ModelCard) -> None:
    from safetensors.torch import save

    bits = 8 if any(name + SCALE in tensors for name in tensors) else None
    card = card.model_copy(update={"format_version": FORMAT_VERSION, "weight_bits": bits})
    text = card.model_dump_json(indent=1)
    # A single metadata key: the order of several is random and would change the hash.
    weights = save(tensors, metadata={"card": text})
    try:
        folder.mkdir(parents=True, exist_ok=True)
        replace_file(folder / WEIGHTS_FILE, weights)  # a full disk leaves no card of others
        replace_file(folder / CARD_FILE, text.encode() + b"\n")
        page = render_readme(card, _bundled_name(folder, card))
        replace_file(folder / README_FILE, page.encode())
    except OSError as error:
        reason = error.strerror or str(error)
        raise OutputError(f"The model cannot be saved in “{folder}”: {reason}.") from error


def _bundled_name(folder: Path, card: ModelCard) -> str | None:
    ours = bundled_folder(card.name)
    return card.name if ours is not None and ours.resolve() == folder.resolve() else None


def read_card(source: str | os.PathLike[str]) -> ModelCard:
    """Read the card of a model without loading its weights.

    Parameters
    ----------
    source
        A model's folder, or a lone ``model.safetensors`` file.

    Raises
    ------
    ModelNotFoundError
        If there is nothing at that place.
    NotSafetensorsError
        If the file is a pickle or of another format.
    CorruptWeightsError
        If the weights file is truncated.
    CardTooNewError
        If a newer version of this package wrote the card.
    ModelError
        If there is no card, or it is not valid.
    """
    path = Path(source)
    config = path / CARD_FILE
    if existing_path(config) and config.is_file():
        return parse_card(read_limited(config), config)
    weights = find_weights(path)
    return _embedded_card(read_header(weights), weights)


def load_network(source: str | os.PathLike[str]) -> tuple[nn.Module, ModelCard]:
    """Load a model's network and card.

    Parameters
    ----------
    source
        A model's folder, or a lone ``model.safetensors`` file.

    Returns
    -------
    tuple of (nn.Module, ModelCard)
        The network in float32 on the CPU, in evaluation mode, without gradients; and
        its card.

    Raises
    ------
    ModelNotFoundError
        If there is nothing at that place.
    NotSafetensorsError
        If the weights are a pickle or of another format.
    CorruptWeightsError
        If the weights are truncated or altered, or do not fit the architecture.
    UnknownArchitectureError
        If this version does not have the network that the card names.
    CardTooNewError
        If a newer version of this package wrote the card.
    ModelError
        If there is no card, or it is not valid.
    """
    weights, header, card = _opened(Path(source))
    check_fit(card, header.shapes, weights)  # before a byte of the tensors is read
    return load_weights(card, read_weights(weights, header)), card


def file_sha256(path: str | os.PathLike[str]) -> str:
    """Return the SHA-256 of a file as 64 lower-case hexadecimal digits."""
    with open_regular(Path(path)) as (file, _):
        return hashlib.file_digest(file, "sha256").hexdigest()


def weights_file(source: str | os.PathLike[str]) -> Path:
    """Return the weights file of a model's folder, or the file itself; see `load_network`."""
    return find_weights(Path(source))


def _written_by() -> dict[str, str]:
    try:
        return {"package_version": version("napari-cytosynth")}
    except PackageNotFoundError:  # run from a source tree that is not installed
        return {}


def _embedded_card(header: Header, path: Path) -> ModelCard:
    if not isinstance(header.metadata.get("card"), str):
        raise ModelError(
            f"“{path.name}” has no card that says how to use it: put its {CARD_FILE} beside it "
            "and open the folder. Models made by other programs cannot be used as they are."
        )
    return parse_card(header.metadata["card"], path)


def parse_card(text: str | bytes, path: Path) -> ModelCard:
    """Read a card from JSON; `path` is named in errors (ModelError)."""
    try:
        record = json.loads(text)
        written = record.get("format_version", FORMAT_VERSION)
    except (ValueError, AttributeError, RecursionError) as error:
        raise ModelError(f"The model's card in “{path}” is not valid JSON.") from error
    if isinstance(written, int) and written > FORMAT_VERSION:
        raise CardTooNewError(
            f"The model in “{path}” was made by a newer version of napari-cytosynth (card "
            f"version {one_line(written, 20)}; this one reads up to {FORMAT_VERSION}). Please "
            "update the plugin."
        )
    try:
        return ModelCard.model_validate_json(text)
    except ValidationError as error:
        raise ModelError(_explain(error, path)) from error


def _explain(error: ValidationError, path: Path) -> str:
    first = error.errors()[0]
    place = one_line(".".join(map(str, first["loc"])), 100) or "the card"
    return f"The model's card in “{path}” cannot be used: {place}: {one_line(first['msg'], 300)}."
