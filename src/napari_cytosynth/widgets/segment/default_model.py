"""Model that is chosen before the user chooses: starred, else last used, else by the looks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_cytosynth.widgets.common.jobs import JobRunner
from napari_cytosynth.widgets.common.layer_check import read_plane
from napari_cytosynth.widgets.common.model_choice import CHOOSE, OTHER
from napari_cytosynth.widgets.common.remembered import recall, remember

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_cytosynth.widgets.common.jobs import Outcome
    from napari_cytosynth.widgets.common.model_choice import ModelChoice
    from napari_cytosynth.widgets.common.snapshot import LayerSnapshot

__all__ = ["ASK", "DefaultModel", "look_at"]

_NAME = "segment/model"
ASK = (
    "Which model? The image shows neither bright objects on a dark ground nor phase contrast: "
    "choose the model that was trained on images like it."
)

Seen = tuple["LayerSnapshot", str, "tuple[int, ...] | None", tuple[int, ...]]
"""A layer, its axes, channels, and the index of the plane to look at."""


class DefaultModel:
    """Chooses a model until the user, or a script, chooses one.

    Parameters
    ----------
    choice
        The widget's choice of a model.
    say
        Shows a sentence; an empty one takes the last one back.
    """

    def __init__(self, choice: ModelChoice, say: Callable[[str], None]) -> None:
        self._choice, self._say = choice, say
        self._suggested = CHOOSE
        self._by_hand = False
        self.jobs: JobRunner[str | None] = JobRunner(choice.native)
        choice.changed.connect(self._on_choice)
        choice.native.activated.connect(self.on_hand)  # not emitted where a script chooses
        last = recall(_NAME)
        if choice.value == CHOOSE and choice.knows(last):  # none has a star
            choice.value = last

    @property
    def open(self) -> bool:
        """Whether nobody has chosen a model yet."""
        return not self._by_hand and self._choice.value in (CHOOSE, self._suggested)

    def on_hand(self, *_: Any) -> None:
        """Note that the user chooses a model."""
        self._by_hand = self._choice.value != CHOOSE

    def look(self, seen: Seen) -> None:
        """Choose by the looks of an image, in the background, while nobody else has chosen."""
        if self.open:
            self.jobs.start(lambda progress: look_at(*seen), self._on_kind)

    def used(self) -> None:
        """Keep the model of a finished run, if the user chose it."""
        if self._by_hand and self._choice.value != OTHER:
            remember(_NAME, self._choice.value)

    def _on_choice(self, value: str) -> None:
        if value != CHOOSE:
            self._say("")

    def _on_kind(self, outcome: Outcome[str | None]) -> None:
        if outcome.stopped or outcome.error or not self.open:
            return
        suited = self._choice.suited(outcome.value) if outcome.value else None
        self._suggested = suited or CHOOSE
        self._choice.value = self._suggested
        self._say("" if suited else ASK)


def look_at(
    image: LayerSnapshot,
    axes: str,
    channels: tuple[int, ...] | None,
    plane: tuple[int, ...],
) -> str | None:
    """Return the kind of microscopy that a plane looks like; None if it may be any, or a picture.

    Parameters
    ----------
    image, axes, channels, plane
        How the layer is read, and the index of the plane into the axes that count planes.
    """
    from napari_cytosynth.tasks.common.looks import guess_kind

    if not axes:
        return None
    pixels = read_plane(image, axes, channels, plane)
    return guess_kind(pixels[0]) if len(pixels) == 1 or image.rgb else None
