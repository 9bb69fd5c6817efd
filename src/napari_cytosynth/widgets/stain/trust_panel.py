"""Panel of the Stain widget for comparisons."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from magicgui.widgets import ComboBox, Container, PushButton, Table

from napari_cytosynth.widgets.common.folds import Folds
from napari_cytosynth.widgets.common.layers import format_number
from napari_cytosynth.widgets.common.model_choice import ModelChoice
from napari_cytosynth.widgets.common.parts import align_captions, narrow, plain_label

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari_cytosynth.zoo.card import ModelCard

__all__ = ["MODEL_COMPARISON", "REAL_COMPARISON", "TrustPanel"]

REAL_COMPARISON, MODEL_COMPARISON = "Compare with a real stain", "Second opinion of another model"
"""Titles of the folded parts."""
_TABLE_PX = 150


class TrustPanel(Container[Any]):
    """Controls that compare with a real stain or another model.

    Parameters
    ----------
    images, labels
        Return the image layers to compare with, and the labels layers of objects.
    """

    def __init__(
        self,
        images: Callable[[Any], Sequence[Any]],
        labels: Callable[[Any], Sequence[Any]],
    ) -> None:
        super().__init__(labels=True)
        self.margins = (0, 0, 0, 0)
        self._folds = Folds(self.native.layout())
        self._make_compare(images, labels)
        self._make_model_comparison()

    def _make_compare(self, images: Any, labels: Any) -> None:
        self.compare_with = ComboBox(
            name="compare_with",
            label="real stain",
            choices=images,
            nullable=True,
            tooltip="A layer with the real fluorescence of the same field.",
        )
        self.compare_as = ComboBox(
            name="compare_as",
            label="stands for",
            choices=(),
            tooltip="The virtual stain it stands for.",
        )
        self.compare_cells = ComboBox(
            name="compare_cells",
            label="objects of",
            choices=labels,
            nullable=True,
            tooltip="A labels layer: also compare object by object.",
        )
        for box in (self.compare_with, self.compare_as, self.compare_cells):
            narrow(box)
        self.agreement = plain_label("agreement")
        # a line that a full panel would otherwise squeeze away
        self.agreement.native.setMinimumHeight(self.agreement.native.fontMetrics().height() + 4)
        rows = [self.compare_with, self.compare_as, self.compare_cells]
        self._comparison = Container(widgets=rows, labels=True)
        self._comparison.margins = (0, 0, 0, 0)
        align_captions(self._comparison)
        self.cells = Table(name="cells")
        self.cells.native.setAccessibleName("The real and the virtual stain, compared")
        self.cells.native.setFixedHeight(_TABLE_PX)
        self.cells.native.verticalHeader().hide()
        self.save_cells = PushButton(
            text="Save CSV…", tooltip="Save the table to a file that spreadsheets open."
        )
        shown = (self.agreement, self.cells, self.save_cells)
        self._folds.add(REAL_COMPARISON, self._comparison, *shown)
        self.show_cells(None)

    def _make_model_comparison(self) -> None:
        self.other_model = ModelChoice(
            name="other_model",
            label="model",
            task="stain",
            tooltip="A model of another kind, for the same image. What only one of two models "
            "paints may not be there.",
        )
        self.ask = PushButton(
            text="Ask it",
            tooltip="Stain the same image with this model, show where the two disagree, and mark "
            "the places where they disagree by more than is usual between them. A real stain that "
            "is chosen above tells who is right.",
        )
        self.opinion = plain_label("opinion")
        self._other = Container(widgets=[self.other_model, self.ask], labels=True)
        self._other.margins = (0, 0, 0, 0)
        align_captions(self._other)
        self._folds.add(MODEL_COMPARISON, self._other, self.opinion)

    def unfold(self, title: str) -> None:
        """Open a folded part by its title."""
        self._folds.unfold(title)

    def is_open(self, title: str) -> bool:
        """Return whether a folded part is open."""
        return self._folds.is_open(title)

    def on_fold(self, title: str, action: Callable[[bool], Any]) -> None:
        """Call `action` when a folded part is opened (True) or closed (False)."""
        self._folds.on_fold(title, action)

    def parts(self) -> dict[str, Any]:
        """Return the widgets that a script may set, by name."""
        named = (
            self.compare_with, self.compare_as, self.compare_cells, self.other_model,
        )  # fmt: skip
        return {part.name: part for part in named}

    def reset_choices(self, *_: Any) -> None:
        """List layers again."""
        super().reset_choices()
        for part in (self.compare_with, self.compare_cells):
            part.reset_choices()

    def offer_stains(self, names: Sequence[str]) -> None:
        """Offer the stains of a result, keeping the chosen one if it is among them."""
        self.compare_as.choices = list(names)

    def offer_models(self, card: ModelCard | None) -> None:
        """Offer the models that may judge the stains of another one; of an unknown one, all."""
        from napari_cytosynth.tasks.stain.second_opinion import may_judge

        self.other_model.limit_to(None if card is None else partial(may_judge, card))

    def show_cells(self, table: Any) -> None:
        """Show a table of objects; None hides it."""
        self.table = table
        there = table is not None
        if there:
            self.cells.value = table.map(format_number)
            self.cells.native.resizeColumnsToContents()
        self.cells.native.setVisible(there)
        self.save_cells.native.setVisible(there)

    def enable(self, *, result: bool) -> None:
        """Enable the controls where there is a result."""
        for part in (self.compare_with, self.compare_as, self.compare_cells, self.ask):
            part.enabled = result
