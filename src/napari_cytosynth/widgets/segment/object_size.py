"""Size of the objects in the Segment widget: given, measured, and offered for another run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from magicgui.widgets import Container, FloatSpinBox, PushButton
from psygnal import Signal

from napari_cytosynth.errors import CytosynthError
from napari_cytosynth.widgets.common.jobs import JobRunner
from napari_cytosynth.widgets.common.parts import align_captions, plain_label

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_cytosynth.progress import Progress
    from napari_cytosynth.tasks.segment.object_size import ObjectSize
    from napari_cytosynth.widgets.common.jobs import Outcome, Tick
    from napari_cytosynth.zoo.card import ModelCard

__all__ = ["ObjectSizePanel", "size_in_words"]

_LARGEST = 100_000.0
_FEWEST = 5  # objects whose median says something
_MEASURE, _CANCEL = "Measure", "Cancel"
_AS_IS = "as it is"


@dataclass(frozen=True)
class _Offer:
    """Resampling that the user may want."""

    diameter: float
    scale: float


def size_in_words(scale: float) -> str:
    """Return a factor of resampling as people say it, for example 'half size'."""
    words = ((1 / 3, "a third of its size"), (1 / 2, "half size"), (2.0, "twice its size"),
             (3.0, "three times its size"))  # fmt: skip
    for value, text in words:
        if 1 / 1.1 < scale / value < 1.1:
            return text
    return f"{scale:.2g} times its size"


class ObjectSizePanel(Container[Any]):
    """Diameter of the user's objects, a button that measures it, and what that found.

    Emits ``accepted`` when the user takes the offer of another size.

    Parameters
    ----------
    request
        Returns the arguments that a form of an image has now, or raises CytosynthError.
    measure
        Measures the objects; called in a thread with those arguments and `progress`. Default:
        :func:`napari_cytosynth.tasks.segment.object_size.estimate_object_size`.
    """

    accepted = Signal()

    def __init__(
        self,
        request: Callable[[], dict[str, Any]],
        measure: Callable[..., ObjectSize] | None = None,
    ) -> None:
        self._request, self._measure = request, measure
        self._offer: _Offer | None = None
        self._card: ModelCard | None = None
        self.diameter = FloatSpinBox(
            name="diameter",
            label="object size, px",
            max=_LARGEST,
            step=1.0,
            tooltip="Typical diameter of the objects, in pixels of the image. The image is "
            "resampled for the model until they are as large as those that it knows; the "
            "result keeps the image's own pixels. 0: the image stays as it is, or is resampled as "
            "those of the model's training were.",
        )
        self.diameter.native.setDecimals(1)
        self.diameter.native.setKeyboardTracking(False)
        self.measure = PushButton(
            text=_MEASURE,
            tooltip="Measure how large the objects are: the model tries a part of the image at "
            "several sizes. Nothing is changed.",
        )
        self.sentence = plain_label("sentence")
        self.rerun = PushButton(text="", visible=False)
        super().__init__(widgets=[self.diameter], labels=True)
        self.margins = (0, 0, 0, 0)
        align_captions(self)
        self._lay_out()
        self.jobs: JobRunner[ObjectSize] = JobRunner(self.native)
        self.measure.changed.connect(self._on_measure)
        self.rerun.changed.connect(self._on_rerun)
        self.diameter.changed.connect(self._on_diameter)
        self.on_card(None)

    def _lay_out(self) -> None:
        self.diameter.native.parentWidget().layout().addWidget(self.measure.native)
        for part in (self.sentence, self.rerun):
            self.native.layout().addWidget(part.native)
        self._say("")

    # -- what the form asks and tells -----------------------------------------------------

    def chosen(self) -> float | None:
        """Return the diameter in px of the image; None if none was given."""
        value = float(self.diameter.value)
        return value if value > 0 and self.visible_for_card else None

    @property
    def visible_for_card(self) -> bool:
        """Whether the model's own diameter is known, so that there is something to choose."""
        return self._card is not None and self._card.inference.diameter is not None

    def on_card(self, card: ModelCard | None) -> None:
        """Show the panel where a model knows the size of its objects; forget offers."""
        if card != self._card:
            self.jobs.forget()
            self._clear()
        self._card = card
        usual = None if card is None else card.inference.image_diameter
        text = _AS_IS if usual is None else f"{usual:.3g}, as in training"
        self.diameter.native.setSpecialValueText(text)
        self.visible = self.visible_for_card

    def on_image(self) -> None:
        """Forget the size of another image's objects."""
        self.jobs.forget()
        with self.diameter.changed.blocked():
            self.diameter.value = 0.0
        self._clear()

    def on_result(self, labels: np.ndarray, factor: float = 1.0) -> None:
        """Point out that the objects found are far from the model's, where that was not known.

        Parameters
        ----------
        labels
            (Y, X) of the plane in view.
        factor
            By which the image was resampled for the model, unasked. Default: 1.
        """
        areas = np.unique(labels[labels > 0], return_counts=True)[1]
        own = None if self._card is None else self._card.inference.diameter
        self._clear()
        if own is None or self.chosen() is not None or len(areas) < _FEWEST:
            return
        from napari_cytosynth.tasks.segment.object_size import DIFFERENT

        found = 2 * float(np.sqrt(np.median(areas) / np.pi))
        if not 1 / DIFFERENT <= factor * found / own <= DIFFERENT:
            self._say(
                f"The objects found are about {found:.3g} px across, those that the model knows "
                f"{own / factor:.3g} px. Measure their size, to see whether another one suits it "
                "better."
            )

    # -- measuring ------------------------------------------------------------------------

    def _on_measure(self, *_: Any) -> None:
        if self.jobs.busy:
            self.jobs.cancel()
            return
        try:
            arguments = self._arguments()
        except CytosynthError as error:
            self._say(f"⚠ {error}")
            return
        measure = self._measure
        self._clear()
        self._say("Measuring …")
        self.measure.text = _CANCEL

        def work(progress: Progress) -> ObjectSize:
            from napari_cytosynth.tasks.segment.object_size import estimate_object_size

            return (measure or estimate_object_size)(**arguments, progress=progress)

        self.jobs.start(work, self._on_measured, self._on_tick)

    def _arguments(self) -> dict[str, Any]:
        """Return the arguments of a measurement, in the plane in view."""
        common = self._request()
        names = ("image", "model", "axes", "channels", "device")
        return {name: common[name] for name in names} | {"planes": common["visible"]}

    def _on_tick(self, tick: Tick) -> None:
        if tick.total:
            self._say(f"{tick.message} … {tick.done} of {tick.total}")

    def _on_measured(self, outcome: Outcome[ObjectSize]) -> None:
        self.measure.text = _MEASURE
        size = outcome.value
        if size is None:
            self._say("" if outcome.stopped else f"⚠ {outcome.error}")
            return
        if not size.offers or size.diameter is None or size.ratio is None:
            self._say(size.sentence)
            return
        self._offer = _Offer(round(size.diameter, 1), size.scale)
        self._say(
            f"The objects look {size.ratio:.2g} times as large as those that the model knows "
            f"({size.diameter:.3g} px, not {size.model_diameter:.3g})."
        )
        self.rerun.text = f"Run at {size_in_words(size.scale)}"
        self.rerun.tooltip = (
            f"Resample the image by {size.scale:.2g} for the model, so that its objects have the "
            "size that it knows. The result keeps the image's own pixels."
        )
        self.rerun.visible = True

    def _on_rerun(self, *_: Any) -> None:
        if self._offer is None:
            return
        offer = self._offer
        self._clear()
        with self.diameter.changed.blocked():
            self.diameter.value = offer.diameter
        self.accepted.emit()

    def _on_diameter(self, *_: Any) -> None:
        self._clear()

    def _clear(self) -> None:
        self._offer = None
        self.rerun.visible = False
        if not self.jobs.busy:
            self.measure.text = _MEASURE
        self._say("")

    def _say(self, sentence: str) -> None:
        self.sentence.value = sentence
        self.sentence.visible = bool(sentence)
