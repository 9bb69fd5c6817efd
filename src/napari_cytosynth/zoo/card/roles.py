"""Roles of a network's output channels, and the activation that each role has."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "Activation",
    "ChannelRole",
    "NamedChannels",
    "activation_of",
    "check_roles",
    "derived_roles",
]

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
    "encode": ("other",),
}
_PROBABILITIES = ("foreground", "seed", "boundary")


def activation_of(role: ChannelRole, task: str) -> Activation:
    """Return what follows the raw output of a channel, in float32.

    Foreground, seeds and boundaries are probabilities (``sigmoid``), and so are the other
    channels of a segmentation; flows, mean, log-variance and images are ``linear``.
    """
    sigmoid = role in _PROBABILITIES or (role == "other" and task == "segment")
    return "sigmoid" if sigmoid else "linear"


class NamedChannels(NamedTuple):
    """Output channels of a card, and those that its other fields name."""

    task: str
    names: Sequence[str]
    objects: str | None = None
    seeds: str | None = None
    mask: str | None = None


def derived_roles(channels: NamedChannels) -> list[ChannelRole]:
    """Return the roles of the output channels of a card that states none (always in version 1)."""
    names, task = channels.names, channels.task
    if task == "stain":
        return ["mean"] * len(names)
    if task == "encode":
        return ["other"] * len(names)
    if task == "generate":
        return ["mask" if name == channels.mask else "image" for name in names]
    roles: list[ChannelRole] = ["seed" if name == channels.seeds else "other" for name in names]
    first = 0 if channels.objects is None else names.index(channels.objects)
    roles[first] = "foreground"  # the seeds may be the foreground itself
    return roles


def check_roles(channels: NamedChannels, roles: Sequence[ChannelRole]) -> None:
    """Check the roles that a card states against each other and its other fields.

    Raises
    ------
    ValueError
        With what contradicts what.
    """
    names, task = channels.names, channels.task
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
    needed = {"stain": "mean", "generate": "image"}.get(task)
    if needed and needed not in roles:
        raise ValueError(f"{task} needs at least one channel of role {needed}")
    _check_named(channels, dict(zip(names, roles, strict=True)))


def _check_named(channels: NamedChannels, role: dict[str, ChannelRole]) -> None:
    """Check the roles of the channels that other fields name."""
    objects, seeds = channels.objects, channels.seeds
    if channels.task == "segment" and objects is not None and role[objects] != "foreground":
        raise ValueError(f"object_channel is {objects}, but its role is {role[objects]}")
    if seeds is not None and role[seeds] not in ("seed", "foreground"):
        raise ValueError(f"splitting.channel is {seeds}, but its role is not seed")
    masks = [name for name, own in role.items() if own == "mask"]
    if masks != ([] if channels.mask is None else [channels.mask]):
        raise ValueError("generation.mask_channel names the one channel of role mask")
