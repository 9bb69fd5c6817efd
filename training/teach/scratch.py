"""A model that has learned nothing yet, in the form of another one."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from napari_cytosynth.zoo.card import ModelCard, Training
from napari_cytosynth.zoo.card.record import LONGEST_NAME

from .plan import shipped_block

if TYPE_CHECKING:
    from typing import Any

    from napari_cytosynth.zoo.loading import Model

__all__ = ["scratch_settings", "untrained"]

# what says how a network of this form is used; all else on a card was learned or measured
_FORM = (
    "task", "input_channels", "output_channels", "channel_roles", "axes", "pixel_size_um",
    "focal_planes", "normalisation", "activation", "output_range", "output_scaling", "output_unit",
    "total_stride", "receptive_radius", "norm", "dropout", "threshold", "min_size", "diameter",
    "image_diameter", "objects", "object_channel", "splitting", "flows", "classes",
    "prediction_type", "schedule", "training_steps", "generation", "modality", "example_size",
)  # fmt: skip

_RATE = 1e-3  # of models whose recipe does not ship


def untrained(model: Model, seed: int) -> Model:
    """Return a model with the network, channels and scaling of another, and random weights.

    Parameters
    ----------
    model
        The other one, of which nothing that it has learned is taken over.
    seed
        Of the weights.
    """
    import torch

    from napari_cytosynth.models import build_network

    card = model.card
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = build_network(card.architecture, card.arguments)
    name = f"untrained-{card.name}"[:LONGEST_NAME]
    kept = card.inference.model_dump(include=set(_FORM))
    started = f"random weights (seed {seed}), in the form of {card.name}"
    fresh = ModelCard(
        name=name,
        title=card.title,
        architecture=card.architecture,
        arguments=card.arguments,
        inference=type(card.inference).model_validate(kept),
        training=Training(recipe=card.training.recipe, started_from=started),
        tags=card.tags,
    )
    network = network.float().eval().requires_grad_(False)
    return replace(model, card=fresh, network=network, path=None, source=name)


def scratch_settings(card: ModelCard, settings: dict[str, Any]) -> dict[str, Any]:
    """Return a recipe's block `train` for weights that are random: nothing of them is to be kept.

    Parameters
    ----------
    card
        Of the untrained model.
    settings
        The block as for weights that know something.
    """
    changed: dict[str, Any] = {name: 0.0 for name in ("keep", "self_train") if name in settings}
    changed["learning_rate"] = float(shipped_block(card, "train").get("learning_rate", _RATE))
    return settings | changed
