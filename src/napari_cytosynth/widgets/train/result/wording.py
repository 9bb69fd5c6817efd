"""Sentences on what a training has brought."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_cytosynth.training.teach.process.messages import Tuned
    from napari_cytosynth.widgets.train.order import TrainResult

__all__ = ["describe"]

_NOTHING = (
    "Nothing that was learned is better on what was held out than the start model: there is "
    "nothing to keep."
)
_ADVICE = {
    "segment": "Paint where the start model is wrong, background right beside objects too, and "
    "train again.",
    "stain": "Look whether the stains lie on the image, take more fields, or train longer.",
    "generate": "Take more images, or train longer.",
}
_NOT_VALIDATED = {
    "segment": "Not validated: too few objects to hold any out.",
    "stain": "Not validated: the images are too few and too small to hold any out.",
    "generate": "Not validated: the images are too few and too small to hold any out.",
}
_SCORE = {"stain": "PCC"}
_LOOK = "Left: before. Right: after. Keep it only if it is better."


def describe(result: TrainResult) -> str:
    """Return how a new model compares with the one that it began with."""
    if not result.tuned.better:
        return f"{_NOTHING} {_ADVICE[result.tuned.task]}"
    seen = [_LOOK] if result.after is not None else []
    return " ".join([_figures(result.tuned), *seen, *result.messages])


def _figures(tuned: Tuned) -> str:
    if not tuned.validated:
        return _NOT_VALIDATED[tuned.task]
    names = [name for name in ("score", "loss") if name in tuned.before and name in tuned.after]
    said = {"score": _SCORE.get(tuned.task, "score")}
    figures = ", ".join(
        f"{said.get(n, n)} {tuned.before[n]:.3f} → {tuned.after[n]:.3f}" for n in names
    )
    worse = "score" in names and tuned.after["score"] < tuned.before["score"]
    warning = f" ⚠ The {said['score']} got worse." if worse else ""
    return f"On what was held out, before → after: {figures}.{warning}"
