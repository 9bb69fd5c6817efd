"""What is wanted of a generative model: checked against its card, and put into its terms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cytosynth.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_cytosynth.zoo.card import Condition, Generation, Inference

__all__ = ["Wishes", "whole_number"]


@dataclass(frozen=True, eq=False)
class Wishes:
    """What the images are to be, and how they are to be sampled; None leaves it to the card.

    Attributes
    ----------
    inference, card
        Of the model.
    label
        Number of the class.
    conditions
        Properties, in the units of the card.
    size
        (Y, X) in px.
    sampler, steps, guidance, keep_trajectory
        As of :func:`~napari_cytosynth.tasks.generate.generate`.
    """

    inference: Inference
    card: Generation
    label: int | None
    conditions: dict[str, float]
    size: tuple[int, int] | None
    sampler: str | None
    steps: int | None
    guidance: float | None
    keep_trajectory: bool

    @classmethod
    def check(
        cls,
        inference: Inference,
        *,
        label: str | int | None,
        conditions: Mapping[str, float] | None,
        size: int | Sequence[int] | None,
        **sampling: Any,
    ) -> Wishes:
        """Read them as a user gives them; raise InputError for what the model does not know."""
        card = inference.generation
        assert card is not None
        wanted = _checked_conditions(conditions or {}, card.conditions)
        number = _class_number(label, inference.classes)
        if sampling["steps"] is not None:
            sampling["steps"] = whole_number(sampling["steps"], "number of steps", 1)
        if sampling["guidance"] is not None:
            sampling["guidance"] = _number(sampling["guidance"], "The guidance")
        return cls(inference, card, number, wanted, _both(size), **sampling)

    @property
    def class_name(self) -> str | None:
        """Name of the class."""
        return None if self.label is None else self.inference.classes[self.label]

    @property
    def standardised(self) -> tuple[float, ...] | None:
        """The conditions as the network is told them, NaN where there is no wish."""
        if not self.conditions:
            return None
        return tuple(
            (self.conditions.get(known.name, float("nan")) - known.mean) / known.std
            for known in self.card.conditions
        )

    @property
    def one_pass(self) -> bool:
        """Whether the model has no steps."""
        return "diffusion" not in self.card.family

    def arguments(self) -> dict[str, Any]:
        """Return what the generator is told, but for the sampler."""
        return {
            "label": self.label,
            "condition": self.standardised,
            "size": self.size,
            "steps": self.steps,
            "guidance": self.guidance,
            "keep_trajectory": self.keep_trajectory,
        }

    def parameters(self) -> dict[str, Any]:
        """Return the same as plain values for the record, as a user gives them."""
        return {
            "label": self.class_name,
            "conditions": self.conditions or None,
            "size": None if self.size is None else list(self.size),
            "steps": self.steps,
            "guidance": self.guidance,
            "keep_trajectory": self.keep_trajectory,
        }

    def used(self) -> dict[str, Any]:
        """Return the settings that a run really has, for the record."""
        if self.one_pass:
            return {}
        most = self.inference.training_steps or self.card.steps
        return {
            "sampler": self.sampler or self.card.sampler,
            "steps": self.steps or min(self.card.steps, most),
            "guidance": self.card.guidance if self.guidance is None else self.guidance,
        }

    def remarks(self) -> list[str]:
        """Say which wishes change nothing, or more than the model can."""
        found, classes = [], self.inference.classes
        if self.one_pass and not (self.sampler is None and self.steps is None):
            found.append("This model makes an image in one pass: sampler and steps change nothing.")
        if classes and self.label is None:
            found.append(f"No class was chosen ({', '.join(classes)}): the images may be of any.")
        if self.guidance is not None and self.label is None and not self.conditions:
            found.append("Without a class or a property, guidance changes nothing.")
        for known in self.card.conditions:
            value = self.conditions.get(known.name, known.mean)
            if known.name in self.conditions and not known.low <= value <= known.high:
                found.append(
                    f"The training images had a {known.name} of {known.low:g} to "
                    f"{known.high:g}: with {value:g} the model may fail."
                )
        return found


def whole_number(value: Any, what: str, least: int) -> int:
    """Return a whole number; raise InputError, naming `what` it is, if it is none."""
    try:
        number = int(value)
        whole = not isinstance(value, bool) and number == value
    except (TypeError, ValueError, OverflowError):  # no number, NaN, infinite
        whole = False
    if not whole or number < least:
        raise InputError(f"The {what} must be a whole number of at least {least}, not {value}.")
    return number


def _number(value: Any, what: str) -> float:
    """Return a finite number; raise InputError, naming `what` it is, if it is none."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = float("nan")
    if not np.isfinite(number):
        raise InputError(f"{what} must be a number, not {value}.")
    return number


def _both(size: int | Sequence[int] | None) -> tuple[int, int] | None:
    """Return the size as (Y, X)."""
    if size is None:
        return None
    sizes: list[Any] = [size, size]
    if isinstance(size, (Sequence, np.ndarray)) and not isinstance(size, str):
        sizes = list(size)
    if len(sizes) != 2:
        raise InputError(f"The size is one number of pixels, or two (Y, X), not {len(sizes)}.")
    return whole_number(sizes[0], "size", 1), whole_number(sizes[1], "size", 1)


def _class_number(label: str | int | None, classes: list[str]) -> int | None:
    """Return the number of a class that is named, or numbered."""
    if label is None:
        return None
    if not classes:
        raise InputError("This model knows no classes: leave the class out.")
    lower = [name.lower() for name in classes]
    if isinstance(label, str) and label.lower() in lower:
        return lower.index(label.lower())
    if isinstance(label, (int, np.integer)) and not isinstance(label, bool):
        if 0 <= label < len(classes):
            return int(label)
    raise InputError(f"There is no class “{label}”: this model knows {', '.join(classes)}.")


def _checked_conditions(wanted: Mapping[str, Any], known: list[Condition]) -> dict[str, float]:
    names = [condition.name for condition in known]
    for name in wanted:
        if name not in names:
            knows = f"it knows {', '.join(names)}" if names else "leave the conditions out"
            raise InputError(f"This model cannot be told the property “{name}”: {knows}.")
    return {name: _number(value, f"The property “{name}”") for name, value in wanted.items()}
