"""The README of a model: a Hugging Face model card, made from our typed card."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_cytosynth.zoo.card import ModelCard

__all__ = ["render_readme"]


def render_readme(card: ModelCard) -> str:
    """Return the Hub model card (YAML front matter and Markdown) of a model."""
    return f"# {card.name}\n"
