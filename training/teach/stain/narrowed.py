"""A stainer that makes some of its stains only, with their weights."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch

from napari_cytosynth.errors import ModelError
from napari_cytosynth.models import build_network

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_cytosynth.zoo.card import ModelCard
    from napari_cytosynth.zoo.loading import Model

    from .pairs import StainedPlane

__all__ = ["narrowed"]


def narrowed(model: Model, planes: Sequence[StainedPlane]) -> Model:
    """Return a model of the stains that are taught: the others would drift unseen.

    Parameters
    ----------
    model
        The stainer to start from.
    planes
        What it is taught.

    Raises
    ------
    ModelError
        If the network's last layer cannot be cut.
    """
    names, wanted = model.card.inference.output_channels, list(planes[0].names)
    if wanted == names:
        return model
    index = [names.index(name) for name in wanted]
    arguments = {**model.card.arguments, "out_channels": len(index)}
    network = build_network(model.card.architecture, arguments)
    state = model.network.state_dict()
    empty = network.state_dict()
    refused = f"“{model.card.name}” can only be taught all of its stains: {', '.join(names)}."
    try:
        network.load_state_dict(
            {name: _cut(state[name], empty[name], index, len(names)) for name in empty}
        )
    except (KeyError, RuntimeError, IndexError) as error:
        raise ModelError(refused) from error
    if not _same(model, network.eval(), index):
        raise ModelError(refused)
    card = _card(model.card, arguments, index)
    return replace(model, card=card, network=network, path=None)


def _cut(value: torch.Tensor, like: torch.Tensor, index: list[int], count: int) -> torch.Tensor:
    """Return the rows of the wanted stains of a last layer, which may have several for each."""
    if value.shape == like.shape:
        return value
    rows = value.reshape(count, -1, *value.shape[1:])
    kept: torch.Tensor = rows[index].flatten(0, 1)
    return kept


def _same(model: Model, network: torch.nn.Module, index: list[int]) -> bool:
    """Return whether a network makes what the whole one makes of these stains."""
    side = model.card.inference.total_stride * -(-64 // model.card.inference.total_stride)
    draws = torch.Generator().manual_seed(0)
    image = torch.rand(1, len(model.card.inference.input_channels), side, side, generator=draws)
    with torch.no_grad():
        return torch.allclose(model.network(image)[:, index], network(image), atol=1e-4)


def _card(card: ModelCard, arguments: dict[str, Any], index: list[int]) -> ModelCard:
    """Return the card without what was measured: of other stains, or with them."""
    inference = card.inference
    cut = {
        name: [values[i] for i in index]
        for name in ("output_channels", "channel_roles", "output_scaling")
        if (values := getattr(inference, name))
    }
    nothing: dict[str, Any] = {
        "uncertainty": None, "doubt": [], "sigma_scale": None, "sigma_slope": None,
        "sigma_floor": None, "sigma_samples": None, "object_channel": None,
    }  # fmt: skip
    own = inference.model_copy(update=cut | nothing)
    return card.model_copy(
        update={
            "inference": own,
            "arguments": arguments,
            "metrics": [],
            "confidence_tests": [],
        }
    )
