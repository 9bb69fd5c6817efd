"""Roles of a network's output channels, and the activation that each role has."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .inference import Inference

__all__ = ["Activation", "ChannelRole", "activation_of", "check_roles", "derived_roles"]

Activation = Literal["sigmoid", "linear"]
ChannelRole = Literal[
    "foreground",
    "flow-y",
    "flow-x",
    "seed",
    "boundary",
    "mean",
    "log-variance",
    "image",
    "mask",
    "other",
]

_ROLES_OF_TASKS: dict[str, tuple[ChannelRole, ...]] = {
    "segment": ("foreground", "flow-y", "flow-x", "seed", "boundary", "other"),
    "stain": ("mean", "log-variance", "other"),
    "generate": ("image", "mask", "other"),
}
_PROBABILITIES = ("foreground", "seed", "boundary")


def activation_of(role: ChannelRole, task: str) -> Activation:
    """Return what follows the raw output of a channel, in float32.

    Foreground, seeds and boundaries are probabilities (``sigmoid``), and so are the other
    channels of a segmentation; flows, mean, log-variance and images are ``linear``.
    """
    sigmoid = role in _PROBABILITIES or (role == "other" and task == "segment")
    return "sigmoid" if sigmoid else "linear"


def derived_roles(inference: Inference) -> list[ChannelRole]:
    """Return the roles of the output channels of a card that states none (version 1)."""
    names, task = inference.output_channels, inference.task
    if task == "stain":
        return ["mean"] * len(names)
    found: dict[str, ChannelRole] = {}
    if task == "generate":
        if inference.generation and inference.generation.mask_channel:
            found[inference.generation.mask_channel] = "mask"
        return [found.get(name, "image") for name in names]
    if inference.splitting:
        found[inference.splitting.channel] = "seed"
    roles = [found.get(name, "other") for name in names]
    first = names.index(inference.object_channel) if inference.object_channel else 0
    roles[first] = "foreground"  # the seeds may be the foreground itself
    return roles


def check_roles(inference: Inference) -> None:
    """Check the roles that a card states against each other and its other fields.

    Raises
    ------
    ValueError
        With what contradicts what.
    """
    roles, names, task = inference.channel_roles, inference.output_channels, inference.task
    if len(roles) != len(names):
        raise ValueError("channel_roles needs one role for each output channel")
    if len(set(names)) != len(names):
        raise ValueError("output channels with roles need names that differ")
    strange = sorted(set(roles) - set(_ROLES_OF_TASKS[task]))
    if strange:
        raise ValueError(f"a model that is made to {task} has no channel of role {strange[0]}")
    count = Counter(roles)
    if task == "segment":
        if count["foreground"] != 1:
            raise ValueError("segment needs exactly one channel of role foreground")
        if (count["flow-y"], count["flow-x"]) not in ((0, 0), (1, 1)):
            raise ValueError("flow-y and flow-x come together, one channel each")
    if task == "stain" and not count["mean"]:
        raise ValueError("stain needs at least one channel of role mean")
    if task == "generate" and not count["image"]:
        raise ValueError("generate needs at least one channel of role image")
    _check_named(inference, roles)


def _check_named(inference: Inference, roles: Sequence[ChannelRole]) -> None:
    """Check the roles of the channels that other fields name."""
    of = dict(zip(inference.output_channels, roles, strict=True))
    objects, generation = inference.object_channel, inference.generation
    if inference.task == "segment" and objects is not None and of[objects] != "foreground":
        raise ValueError(f"object_channel is {objects}, but its role is {of[objects]}")
    splitting = inference.splitting
    if splitting and of[splitting.channel] not in ("seed", "foreground"):
        raise ValueError(f"splitting.channel is {splitting.channel}, but its role is not seed")
    masks = [name for name, role in of.items() if role == "mask"]
    named = [generation.mask_channel] if generation and generation.mask_channel else []
    if inference.task == "generate" and masks != named:
        raise ValueError("generation.mask_channel names the one channel of role mask")
