"""What a model's card says on its limits: the sentence that matters most, the rest on demand."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLabel, QSizePolicy, QToolButton, QVBoxLayout, QWidget

from napari_cytosynth.zoo.text import one_line

if TYPE_CHECKING:
    from napari_cytosynth.zoo.card import ModelCard

__all__ = ["CardRemarks", "figure_of_test", "main_sentence", "worth_of_spreads"]

_SENTENCE = re.compile(r"(?<=[.!?])\s+(?=[A-Z“])")
# what a user would be deceived by, before what the model has not seen
_WARNS = re.compile(
    r"\bnot there\b|\binvent|\bhallucinat|\bless true\b|\bnot for real\b|\bmade up\b", re.IGNORECASE
)
_UNMEASURED = (
    "Of this model it was not measured whether that says more about errors than the brightness."
)
_NO_MORE = "On left-out images this said no more about errors than the brightness does."
_MORE = "On left-out images errors were larger where this is larger than usual at that brightness."
_ENOUGH = 120  # characters that need no folding


def main_sentence(remarks: str) -> str:
    """Return the sentence of a card's remarks that a user must not miss.

    That is the first one that says that what the model shows may not be there, or that it is
    not for real images; without one, the first sentence. Short remarks are returned whole.
    """
    text = one_line(remarks)
    if len(text) <= _ENOUGH:
        return text
    sentences = _SENTENCE.split(text)
    return next((one for one in sentences if _WARNS.search(one)), sentences[0])


def figure_of_test(card: ModelCard | None, stain: str) -> str:
    """Return a sentence on how a model did on its test images; empty if its card has no figure.

    Parameters
    ----------
    card
        Of the model; None if unknown.
    stain
        Name of one of its stains.
    """
    metrics = [] if card is None else card.metrics
    found = next((m for m in metrics if m.name == f"{stain}: PCC"), None)
    if found is None:
        return ""
    return (
        f"On its test images ({one_line(found.dataset)}) this model reached a PCC of "
        f"{found.value:.2f} for {one_line(stain)}."
    )


def worth_of_spreads(staining: Any) -> tuple[str, str]:
    """Return what a result's uncertainty, and the spread of its samples, say beyond brightness.

    Both are sentences for tooltips: where a map says no more than the brightness does, this is
    what they say.
    """
    from napari_cytosynth.tasks.stain.excess import says_more_than_brightness

    inference = None if staining.run is None else staining.run.model.card.inference
    if inference is None or inference.uncertainty is None:
        return (_UNMEASURED, _UNMEASURED)
    taken = {"views": staining.view_std is not None, "samples": staining.sample_std is not None}
    views, samples = (says_more_than_brightness(inference, name) for name in ("views", "samples"))
    wider = [
        name for name, more in (("views", views), ("samples", samples)) if more and taken[name]
    ]
    sigma = (
        f"The typical error at that brightness, wider where {' and '.join(wider)} differ more than "
        "usual."
        if wider
        else "The typical error at that brightness: it says no more than the brightness does."
    )
    worth = {None: _UNMEASURED, True: _MORE, False: _NO_MORE}[samples]
    return sigma, worth


class CardRemarks(QWidget):
    """A line with the main sentence of a model's remarks, and a button that unfolds the rest."""

    def __init__(self) -> None:
        super().__init__()
        self._whole = self._short = ""
        self.label = QLabel()
        self.label.setWordWrap(True)
        self.label.setTextFormat(Qt.TextFormat.PlainText)
        self.label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.more = QToolButton()
        self.more.setCheckable(True)
        self.more.setAutoRaise(True)
        self.more.toggled.connect(self._show)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self.label)
        layout.addWidget(self.more)
        self.show_card(None)

    def show_card(self, card: ModelCard | None) -> None:
        """Show the remarks of a card; None, and a card without any, leave the line empty."""
        remarks = "" if card is None else one_line(card.training.remarks)
        if remarks == self._whole and remarks:
            return
        self._whole, self._short = remarks, main_sentence(remarks)
        self.more.setChecked(False)
        self._show(False)

    def _show(self, unfolded: bool) -> None:
        text = self._whole if unfolded else self._short
        self.label.setText(f"Limits: {text}" if text else "")
        self.more.setText("▼ less" if unfolded else "▶ all remarks on this model")
        self.more.setVisible(self._short != self._whole)
        self.setVisible(bool(self._whole))
