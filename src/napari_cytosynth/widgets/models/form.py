"""The parts of the Models widget."""

from __future__ import annotations

from typing import Any

from magicgui.widgets import ComboBox, Container, PushButton
from qtpy.QtCore import QSortFilterProxyModel, Qt
from qtpy.QtWidgets import QHeaderView, QLabel

from napari_cytosynth.widgets.common.messages import Messages
from napari_cytosynth.widgets.common.parts import (
    find_box,
    heading,
    make_scrollable,
    plain_label,
    plain_row,
    progress_bar,
)
from napari_cytosynth.widgets.common.row_list import RowList

from .rows import ModelRow, ModelTable

__all__ = ["ModelsForm"]

_SHOWN = (
    ("all models", ""),
    ("that segment", "segment"),
    ("that stain", "stain"),
    ("that generate", "generate"),
    ("that give features", "encode"),
)


class ModelsForm(Container[Any]):
    """The parts of the Models widget: list, details, and what can be done.

    Attributes
    ----------
    shown
        Task of the models that are listed; empty for all.
    find
        Text that the names of the listed models, and of those to be searched, hold.
    details, status
        What is to be known of the chosen model; what is under way or was done.
    """

    def __init__(self) -> None:
        super().__init__(labels=False)
        self._make_list()
        self._make_actions()
        self._lay_out()

    def _make_list(self) -> None:
        self._shown = ComboBox(choices=_SHOWN, tooltip="Which models are listed.")
        self._find = find_box("List, and search for, models with this in their name.")
        self._search = PushButton(
            text="Search the Hub",
            tooltip="Ask the Hugging Face Hub for models for this plugin, and for newer revisions "
            "of those that you downloaded. It is asked only when you press this.",
        )
        self._table = ModelTable(self.native)
        self._order = _Narrowed(self._table)
        self._model_list = RowList()
        self._model_list.setAccessibleName("Models")
        columns = self._model_list.show_rows(self._order)
        columns.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        columns.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)

    def _make_actions(self) -> None:
        self._details = plain_label("details")
        self._picture = QLabel()
        self._picture.setVisible(False)
        self._details.native.setTextInteractionFlags(
            Qt.TextInteractionFlag.TextSelectableByMouse
            | Qt.TextInteractionFlag.TextSelectableByKeyboard
        )
        tips = {
            "star": "Segment, Stain or Generate begins with this model from now on.",
            "card": "The whole page: how it was trained, how good it is, its limits, whom to cite.",
            "fetch": "Download it, or its newest revision; one that was stopped goes on.",
            "copy": "Copy it to a folder or a stick, for a computer without internet.",
            "remove": "Delete it from this computer.",
            "add": "Copy a model from a folder or a stick to this computer.",
        }
        texts = {
            "star": "☆ Default", "card": "Open card", "fetch": "Fetch", "copy": "Copy to…",
            "remove": "Remove…", "add": "Add from a folder…",
        }  # fmt: skip
        self._actions = {
            name: PushButton(text=text, tooltip=tips[name]) for name, text in texts.items()
        }
        self._cancel_button = PushButton(text="Cancel", enabled=False)
        self._bar = progress_bar()
        self._status = plain_label("status")

    def _lay_out(self) -> None:
        layout = self.native.layout()
        star, card, fetch, copy, remove, add = self._actions.values()
        for part in (
            self._row(self._shown, self._find),
            self._row(self._search, add, self._cancel_button),
            Messages(self._bar, self._status.native),
            self._model_list,
            self._row(star, card, fetch), self._row(copy, remove),
            heading("About the model"), self._picture, self._details.native,
        ):  # fmt: skip
            layout.addWidget(part)
        make_scrollable(self.native)

    def _row(self, *parts: Any) -> Any:
        row = plain_row(*parts)
        self.__dict__.setdefault("_rows", []).append(row)
        return row.native

    # -- for scripts ------------------------------------------------------------------------

    @property
    def shown(self) -> Any:
        """Task of the models that are listed."""
        return self._shown

    @property
    def find(self) -> Any:
        """Text that the names of the listed models hold."""
        return self._find

    @property
    def details(self) -> Any:
        """What is to be known of the chosen model."""
        return self._details

    @property
    def status(self) -> Any:
        """What is under way, or was done."""
        return self._status

    @property
    def rows(self) -> tuple[ModelRow, ...]:
        """All models, also those that are not shown."""
        return tuple(self._table.rows)

    @property
    def chosen(self) -> ModelRow | None:
        """The model that is chosen in the list; None without one."""
        index = self._model_list.currentIndex()
        if not index.isValid():
            return None
        return self._table.rows[self._order.mapToSource(index).row()]

    def choose(self, source: str) -> None:
        """Choose a model of the list by what `load_model` takes; another leaves none chosen."""
        for number, row in enumerate(self._table.rows):
            index = self._order.mapFromSource(self._table.index(number, 0))
            if row.source == source and index.isValid():
                self._model_list.setCurrentIndex(index)
                return
        self._model_list.clearSelection()
        self._model_list.setCurrentIndex(self._order.index(-1, 0))


class _Narrowed(QSortFilterProxyModel):
    """The rows of one task whose names hold a text."""

    def __init__(self, table: ModelTable) -> None:
        super().__init__(table)
        self._task = self._text = ""
        self.setSourceModel(table)

    def narrow(self, task: str, text: str) -> None:
        """Show other rows."""
        self._task, self._text = task, text.strip().casefold()
        self.invalidate()

    def filterAcceptsRow(self, source_row: int, source_parent: Any) -> bool:
        """Return whether a row is shown."""
        table = self.sourceModel()
        assert isinstance(table, ModelTable)
        row = table.rows[source_row]
        return self._task in ("", row.task) and self._text in row.name.casefold()
