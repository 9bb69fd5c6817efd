"""What a model's card says on its limits: the sentence that matters most, the rest on demand."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLabel, QSizePolicy, QToolButton, QVBoxLayout, QWidget

from napari_cytosynth.zoo.text import one_line

if TYPE_CHECKING:
    from napari_cytosynth.zoo.card import ModelCard

__all__ = ["CardRemarks", "figure_of_test", "main_sentence"]

_SENTENCE = re.compile(r"(?<=[.!?])\s+(?=[A-Z“])")
# what a user would be deceived by, before what the model has not seen
_WARNS = re.compile(
    r"\bnot there\b|\binvent|\bhallucinat|\bless true\b|\bnot for real\b|\bmade up\b", re.IGNORECASE
)
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
