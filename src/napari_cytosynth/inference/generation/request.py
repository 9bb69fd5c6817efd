"""Options of a sampling run, and their validation against the model card.

No torch is needed for it, so that options can be made and checked before a model runs.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, get_args

import numpy as np

from napari_cytosynth.arguments import (
    check_flag,
    check_number,
    check_text,
    check_whole,
    shown,
    unsuitable,
)
from napari_cytosynth.errors import InputError, ModelError
from napari_cytosynth.memory import require_memory
from napari_cytosynth.zoo.card import SamplerName

from .checks import check_count, check_guidance, check_seed, check_size, is_sequence

if TYPE_CHECKING:
    from napari_cytosynth.zoo.card import Condition, GenerationSettings, Inference

    Conditions = Mapping[str, float] | Sequence[float] | None

__all__ = [
    "SAMPLERS",
    "ResolvedRequest",
    "SamplingOptions",
    "check_count",
    "check_guidance",
    "check_seed",
    "check_size",
    "generation_of",
    "resolve",
]

SAMPLERS: tuple[SamplerName, ...] = get_args(SamplerName)
KEPT_STATES = 50  # of a trajectory, besides the image


@dataclass(frozen=True, kw_only=True, eq=False)
class SamplingOptions:
    """Options of a sampling run; None stands for the model's own default.

    Attributes
    ----------
    count
        Number of images, by default 16.
    seed
        Seed of the first image, by default 0: the others have the seeds that follow. Or one
        seed of each image.
    walk_to
        Seed of the last image of a latent walk that starts at `seed`, sampled by DDIM; None,
        the default, for images that are independent of each other.
    label
        Name or number (from 0) of the class; None for any.
    conditions
        Properties by name, in the units of the card. Or a value for each condition of the
        card in its order, standardised: (value - mean) / std, NaN for none.
    size
        In px, one number or (Y, X); None for the size of the training images.
    sampler, steps, guidance
        Of diffusion models. Guidance 0 is unconditional, 1 as trained, more exaggerates class
        and conditions.
    keep_trajectory
        Keep the states between noise and image, about 50 at most; by default not.
    batch_size
        Images that run at the same time; None chooses by the memory. It changes no image.
    """

    count: int = 16
    seed: int | Sequence[int] = 0
    walk_to: int | None = None
    label: str | int | None = None
    conditions: Conditions = None
    size: int | Sequence[int] | None = None
    sampler: str | None = None
    steps: int | None = None
    guidance: float | None = None
    keep_trajectory: bool = False
    batch_size: int | None = None


@dataclass(frozen=True, eq=False)
class ResolvedRequest:
    """Validated options with the card's defaults filled in, in the network's terms.

    Attributes
    ----------
    options
        The validated options as plain values: the class by its name, the size as (Y, X); None
        where the default of the card is used.
    seeds
        One of each image; of a walk, those of its two ends.
    positions
        Of a walk, how far each image is from the first end (0) to the second (1).
    size
        (Y, X) of the images in px.
    label
        Number of the class; None for any.
    condition
        Standardised conditions in the card's order, NaN for none; None without conditions.
    sampler, steps, guidance
        Of diffusion models; other models have 1 step.
    keep_trajectory
        Whether states are kept: never of a model with a single step.
    batch_size
        Images that run at the same time; None chooses by the memory.
    messages
        Warnings for the user about options that change nothing, or are unusual.
    """

    options: SamplingOptions
    seeds: tuple[int, ...]
    positions: tuple[float, ...] | None
    size: tuple[int, int]
    label: int | None
    condition: tuple[float, ...] | None
    sampler: SamplerName
    steps: int
    guidance: float
    keep_trajectory: bool
    batch_size: int | None
    messages: tuple[str, ...]

    @property
    def count(self) -> int:
        """Number of images."""
        return len(self.seeds if self.positions is None else self.positions)


def generation_of(inference: Inference) -> GenerationSettings:
    """Return a generator's sampling settings, or raise ModelError for another model."""
    if inference.generation is None:
        raise ModelError(
            "This model does not generate images: it works on images of yours. Choose a "
            "generative model, for example nuclei-ddpm."
        )
    return inference.generation


def resolve(options: SamplingOptions, inference: Inference) -> ResolvedRequest:
    """Validate options against the card, and fill in its defaults.

    Parameters
    ----------
    options
        As entered by the user, of any type.
    inference
        The block of the model's card.

    Raises
    ------
    InputError
        If an option is impossible, or the model does not know such a class or condition.
    ModelError
        If the model is no generator.
    """
    card = generation_of(inference)
    stepwise = _is_stepwise(card)
    classes = inference.classes if stepwise else []
    size = None if options.size is None else check_size(options.size)
    pixels = _possible_size(size, inference)
    kept = stepwise and check_flag(options.keep_trajectory, "keep_trajectory")
    _require_memory(_asked_count(options), pixels, len(inference.output_channels), states=kept)
    seeds, positions = _seeds(options)
    label = _class_number(options.label, classes)
    named, condition = _conditions(options.conditions, card.conditions if stepwise else [], classes)
    guidance = None if options.guidance is None else check_guidance(options.guidance)
    sampler = _sampler(options, inference)
    steps = _steps(options.steps, card, inference.training_steps if stepwise else None)
    checked = replace(
        options,
        label=None if label is None else classes[label],
        conditions=named or condition,
        size=size,
        steps=None if options.steps is None else int(options.steps),
        guidance=guidance,
        keep_trajectory=check_flag(options.keep_trajectory, "keep_trajectory"),
    )
    return ResolvedRequest(
        options=checked,
        seeds=seeds,
        positions=positions,
        size=pixels,
        label=label,
        condition=condition,
        sampler="ddim" if positions and sampler != "euler" else sampler,
        steps=steps,
        guidance=float(card.guidance) if guidance is None else guidance,
        keep_trajectory=checked.keep_trajectory and stepwise,
        batch_size=_batch_size(options.batch_size),
        messages=tuple(_warnings(checked, inference, named)),
    )


# -- rules that need no card ------------------------------------------------------------------


def _batch_size(value: Any) -> int | None:
    return None if value is None else check_whole(value, "The batch_size", 1, unit=" image")


def _asked_count(options: SamplingOptions) -> int:
    if options.walk_to is None and is_sequence(options.seed):
        return len(options.seed)  # type: ignore[arg-type]
    return check_count(options.count, 1 if options.walk_to is None else 2)


def _require_memory(count: int, size: tuple[int, int], channels: int, *, states: bool) -> None:
    """Refuse more or larger images than the memory can hold."""
    # float32 images, float16 states of a trajectory, and all that one image needs to be made
    each = channels * (4 + (2 * 2 * (KEPT_STATES + 1) if states else 0))
    needed = size[0] * size[1] * (count * each + 64 * channels) + 128 * count
    what = f"{count:,} image{'s' * (count != 1)} of {size[0]} × {size[1]} pixels"
    if states:
        what += " with the states of their trajectories"
    require_memory(needed, what, "Ask for fewer (count) or smaller ones (size).")


def _seeds(options: SamplingOptions) -> tuple[tuple[int, ...], tuple[float, ...] | None]:
    """Return the seed of each image, or the end seeds and the positions of a latent walk."""
    if options.walk_to is not None:
        ends = check_seed(options.seed), check_seed(options.walk_to, "second seed")
        count = check_count(options.count, 2)
        return ends, tuple(number / (count - 1) for number in range(count))
    if is_sequence(options.seed):
        given: Sequence[Any] = options.seed  # type: ignore[assignment]
        if not len(given) or len(given) != options.count:
            raise InputError(
                "Ask for at least one image, and for one seed of each: there are "
                f"{len(given)} seeds for {options.count} images (count)."
            )
        return tuple(check_seed(seed) for seed in given), None
    first, count = check_seed(options.seed), check_count(options.count)
    check_seed(first + count - 1)
    return tuple(range(first, first + count)), None


# -- rules that the card decides --------------------------------------------------------------


def _is_stepwise(card: GenerationSettings) -> bool:
    """Return whether the model goes from noise to image in steps, and not in one pass."""
    return "diffusion" in card.family


def _sampler(options: SamplingOptions, inference: Inference) -> SamplerName:
    card, name = generation_of(inference), options.sampler
    if name is None:
        return card.sampler
    text = check_text(name, "sampler", f"one of {', '.join(SAMPLERS)}")
    known = next((one for one in SAMPLERS if one == text), None)
    if known is None:
        raise InputError(f"There is no sampler “{shown(name)}”; use one of {', '.join(SAMPLERS)}.")
    flow = inference.prediction_type == "flow"
    if not _is_stepwise(card) or flow == (known == "euler"):
        return known
    if flow:
        raise InputError("This model is a rectified flow: its only sampler is euler.")
    others = ", ".join(one for one in SAMPLERS if one != "euler")
    raise InputError(f"Euler's sampler is for rectified flows: use one of {others}.")


def _steps(wanted: Any, card: GenerationSettings, most: int | None) -> int:
    """Return the number of steps, at most `most`; 1 for models of a single pass (None)."""
    if most is None:
        if wanted is not None:
            check_whole(wanted, "The number of steps", 1)
        return 1
    if wanted is None:
        return min(card.steps, most)
    steps = check_whole(wanted, "The number of steps")
    if not 1 <= steps <= most:
        raise InputError(
            f"The number of steps must lie between 1 and {most}, which the model was "
            f"trained with, not be {steps}."
        )
    return steps


def _possible_size(size: tuple[int, int] | None, inference: Inference) -> tuple[int, int]:
    """Return the size of the images; models of one pass have a fixed size."""
    native = inference.example_size
    if size is None or size == native:
        return native
    if not _is_stepwise(generation_of(inference)):
        raise InputError(
            f"This model only makes images of {native[0]} × {native[1]} pixels. "
            "For others, choose a diffusion model (ddpm or ldm)."
        )
    return size


def _class_number(label: Any, classes: list[str]) -> int | None:
    """Return the index of a class from its name or number."""
    if label is None:
        return None
    if not classes:
        raise InputError("This model knows no classes: leave the class out.")
    lower = [name.lower() for name in classes]
    if isinstance(label, str) and label.lower() in lower:
        return lower.index(label.lower())
    number = isinstance(label, (int, np.integer)) and not isinstance(label, bool)
    if number and 0 <= label < len(classes):
        return int(label)
    raise InputError(f"There is no class “{shown(label)}”: this model knows {', '.join(classes)}.")


def _conditions(
    wanted: Any, known: list[Condition], classes: list[str]
) -> tuple[dict[str, float], tuple[float, ...] | None]:
    """Return the named conditions in their units, and all conditions standardised."""
    if wanted is not None and not isinstance(wanted, Mapping):
        if not is_sequence(wanted):
            raise unsuitable("conditions", wanted, "numbers by name, such as {'name': 0.2}")
        return {}, _standardised(wanted, len(known), classes)
    named = _named_conditions(wanted or {}, [condition.name for condition in known])
    if not named:
        return {}, None
    return named, tuple(
        (named.get(condition.name, math.nan) - condition.mean) / condition.std
        for condition in known
    )


def _named_conditions(wanted: Mapping[str, Any], names: list[str]) -> dict[str, float]:
    for name in wanted:
        if name not in names:
            knows = f"it knows {', '.join(names)}" if names else "leave the conditions out"
            raise InputError(f"This model has no property “{shown(name)}” (conditions): {knows}.")
    return {name: check_number(value, f"The property “{name}”") for name, value in wanted.items()}


def _standardised(wanted: Sequence[float], known: int, classes: list[str]) -> tuple[float, ...]:
    if len(wanted) and not known and not classes:
        raise InputError("This model knows no classes or properties: leave them out.")
    if len(wanted) != known:
        raise InputError(f"This model takes {known} properties, not {len(wanted)}.")
    return tuple(_number_or_nan(value) for value in wanted)


def _number_or_nan(value: Any) -> float:
    """Return a standardised condition; NaN is none."""
    missing = isinstance(value, float | np.floating) and math.isnan(value)
    return math.nan if missing else check_number(value, "Each of the conditions")


def _warnings(options: SamplingOptions, inference: Inference, named: dict[str, float]) -> list[str]:
    """Return warnings about options without effect or outside the training range."""
    card = generation_of(inference)
    found, stepwise = [], _is_stepwise(card)
    if not stepwise and not (options.sampler is None and options.steps is None):
        found.append("This model makes an image in one pass: sampler and steps change nothing.")
    if inference.classes and options.label is None:
        known = ", ".join(inference.classes)
        found.append(f"No class was chosen ({known}): the images may be of any.")
    if options.guidance is not None and options.label is None and options.conditions is None:
        found.append("Without a class or a property, guidance changes nothing.")
    for condition in card.conditions:
        value = named.get(condition.name, condition.mean)
        if condition.name in named and not condition.low <= value <= condition.high:
            found.append(
                f"The training images had a {condition.name} of {condition.low:g} to "
                f"{condition.high:g}: with {value:g} the model may fail."
            )
    if options.keep_trajectory and not stepwise:
        found.append("This model makes an image in one step: there is no trajectory to keep.")
    return found
