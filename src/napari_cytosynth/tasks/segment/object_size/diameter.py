"""The diameter of the user's objects: given or measured, and the resampling that follows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from napari_cytosynth.arguments import check_number, unsuitable
from napari_cytosynth.errors import InputError
from napari_cytosynth.tasks.common.defaults import fitting_diameter
from napari_cytosynth.tasks.common.resample import LARGEST_FACTOR

from .passes import known_diameter

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_cytosynth.zoo.card import ModelCard, Splitting

    from .estimate import ObjectSize

__all__ = ["AUTO", "Resizing", "as_in_training", "check_diameter", "plan_resizing", "resized"]

AUTO: Literal["auto"] = "auto"

_STAYS = (
    "Both the diameter of the objects and resampling to the model's pixel size were asked for: "
    "by the diameter, the image stays as it is."
)
_BOTH = (
    "Both the diameter of the objects and resampling to the model's pixel size were asked for: "
    "the image was resampled once, by the diameter."
)


@dataclass(frozen=True)
class Resizing:
    """Resampling that brings the user's objects to the size of the model's.

    Attributes
    ----------
    diameter
        Typical diameter of the user's objects in px of the image; None (default) leaves the
        image as it is.
    factor
        Factor to resample the image by, whatever its pixel size; 1 leaves it as it is. None
        (default) where no diameter is known.
    messages
        Sentences for the user. Default: none.
    measured
        Facts of the measurement, for the record; None (default) without one.
    """

    diameter: float | None = None
    factor: float | None = None
    messages: tuple[str, ...] = ()
    measured: dict[str, Any] | None = None

    @property
    def seen_as_is(self) -> bool:
        """Whether objects were measured that are of the model's size, whatever the pixel size."""
        return self.diameter is None and self.factor is not None


def check_diameter(diameter: Any) -> float | Literal["auto"] | None:
    """Return a diameter in px, ``"auto"`` or None, else raise InputError."""
    if diameter is None:
        return None
    if isinstance(diameter, str):
        if diameter == AUTO:
            return AUTO
        raise unsuitable("diameter", diameter, "a number of pixels above 0 or “auto”")
    return check_number(diameter, "diameter", 0, within=True)


def plan_resizing(
    asked: float | Literal["auto"] | None,
    card: ModelCard,
    resample: bool,
    measure: Callable[[], ObjectSize],
    *,
    by_size: bool = False,
) -> Resizing:
    """Return the resampling for a diameter that was asked for.

    Parameters
    ----------
    asked
        In px of the image, ``"auto"`` to measure it, or None.
    card
        Of the model.
    resample
        Whether resampling by pixel size was asked for, too.
    measure
        Measures the size of the objects; called for ``"auto"`` only.
    by_size
        Whether pixel sizes decide where no diameter is known, and not the diameter that the model's
        training images had. Default: False.

    Raises
    ------
    InputError
        If the card has no diameter, or the objects are too far from its own.
    """
    if asked is None:
        return Resizing() if by_size else as_in_training(card)
    own = known_diameter(card)
    if asked != AUTO:
        return _resizing(asked, card, resample)
    size = measure()
    if size.diameter is None:
        usual = Resizing() if by_size else as_in_training(card)
        messages = (size.sentence, *usual.messages)
        return replace(usual, messages=messages, measured=size.record())
    if not size.offers:  # what was seen at this scale outweighs a pixel size
        said = (size.sentence, *([_STAYS] if resample else []))
        return Resizing(factor=1.0, messages=said, measured=size.record())
    plan = _resizing(float(size.diameter or own), card, resample)
    messages = (size.sentence, *plan.messages)
    return Resizing(plan.diameter, plan.factor, messages, size.record())


def as_in_training(card: ModelCard) -> Resizing:
    """Return the resampling of the model's training, where that resampled its images."""
    usual = card.inference.image_diameter
    if usual is None:
        return Resizing()
    plan = _resizing(usual, card, resample=False)
    said = (
        f"The objects were taken to be about {usual:.3g} px across, as in the images that this "
        "model was trained on. If yours are not, give their diameter."
    )
    return replace(plan, messages=(said, *plan.messages))


def _resizing(diameter: float, card: ModelCard, resample: bool) -> Resizing:
    own = known_diameter(card)
    fitting = fitting_diameter(own, card.inference.expected, diameter)
    factor = fitting / diameter
    if not 1 / LARGEST_FACTOR <= factor <= LARGEST_FACTOR:
        raise InputError(
            f"Objects of {diameter:.3g} px are too far from those of {own:.3g} px that the model "
            f"“{card.name}” was trained on: resampling by a factor of more than {LARGEST_FACTOR} "
            "is refused. Correct the diameter, which is in pixels of the image, or choose another "
            "model."
        )
    if factor == 1:
        return Resizing(diameter, factor, (_STAYS,) if resample else ())
    messages = (
        f"The image was resampled by a factor of {factor:.2g} for the model, so that objects of "
        f"{diameter:.3g} px have the {fitting:.3g} px that it knows; the result was brought back.",
    )
    return Resizing(diameter, factor, (*messages, _BOTH) if resample else messages)


def resized(splitting: Splitting | None, factors: tuple[float, float]) -> Splitting | None:
    """Return the settings that separate objects, in px of the image instead of the model's.

    Parameters
    ----------
    splitting
        The card's block of that name, or None.
    factors
        Factors along Y and X that the image was resampled by for the model.
    """
    area = factors[0] * factors[1]
    if splitting is None or area == 1:
        return splitting
    smoothing = splitting.smoothing / area**0.5
    seed_size = round(splitting.min_seed_size / area)
    return splitting.model_copy(update={"smoothing": smoothing, "min_seed_size": seed_size})
