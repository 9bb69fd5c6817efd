"""Load a model from a path, the bundled weights, the cache or the Hub: in this order."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from napari_cytosynth.zoo.files import file_sha256, load_network, weights_file

if TYPE_CHECKING:
    import os

    from torch import nn

    from napari_cytosynth.progress import Progress
    from napari_cytosynth.zoo.card import ModelCard

__all__ = ["Model", "load_model"]


@dataclass(frozen=True, eq=False)
class Model:
    """A network, the card that says how to use it, and where both came from."""

    card: ModelCard
    network: nn.Module
    source: str
    """What `load_model` was asked for."""
    origin: Literal["bundled", "path", "hub"]
    sha256: str
    """SHA-256 of the weights file."""
    revision: str | None
    """Commit of the Hub repository, where the weights came from one."""
    device: str = "auto"
    """Device that tasks run it on if they are not told otherwise."""


def load_model(
    source: str | os.PathLike[str] | Model,
    device: str = "auto",
    *,
    progress: Progress | None = None,
) -> Model:
    """Load a model (path only, so far)."""
    if isinstance(source, Model):
        return source
    path = Path(source)
    network, card = load_network(path)
    return Model(card, network, str(source), "path", file_sha256(weights_file(path)), None, device)
