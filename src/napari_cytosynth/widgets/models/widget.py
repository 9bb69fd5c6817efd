"""The Models widget: what there is, here and on the Hub, and what is done with it."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtGui import QPixmap
from qtpy.QtWidgets import QFileDialog, QMessageBox

from napari_cytosynth.widgets.common.jobs import JobRunner
from napari_cytosynth.widgets.common.model_form import ModelForm
from napari_cytosynth.widgets.common.parts import plain_tooltip
from napari_cytosynth.widgets.common.preferences import follow_napari
from napari_cytosynth.widgets.common.remembered import recall, remember

from . import work
from .card_page import CardPage
from .details import details_of, page_of, picture_of
from .form import ModelsForm
from .rows import rows_of

if TYPE_CHECKING:
    from collections.abc import Callable

    import napari.viewer

    from napari_cytosynth.progress import Progress
    from napari_cytosynth.widgets.common.jobs import Outcome, Tick
    from napari_cytosynth.zoo.collection.searching import HubListing

    from .rows import ModelRow
    from .work import Done, Here

__all__ = ["ModelsWidget"]

_REMEMBERED = "models-folder"
_STOPPED = "Stopped. What has arrived of a download is kept: Fetch goes on from there."


class ModelsWidget(ModelsForm):
    """Lists models, tells what is to be known of them, fetches, stars, copies and removes them.

    A script drives it by value: ``widget.choose("em-cells-unet")``, ``widget.star()``,
    ``widget.search()``, ``widget.fetch()``, ``widget.wait()``.

    Parameters
    ----------
    napari_viewer
        The viewer, whose other widgets learn of new models.
    """

    def __init__(self, napari_viewer: napari.viewer.Viewer) -> None:
        self._viewer = napari_viewer
        self._found: HubListing | None = None
        follow_napari()
        super().__init__()
        self._jobs: JobRunner[Done] = JobRunner(self.native)
        self._lists: JobRunner[Here] = JobRunner(self.native)
        self._connect()
        self._show_chosen()
        self.refresh()

    def _connect(self) -> None:
        slots = {
            "star": self.star, "card": self.open_card, "fetch": self.fetch, "copy": self.copy,
            "remove": self.delete, "add": self.add,
        }  # fmt: skip
        for name, slot in slots.items():
            self._actions[name].changed.connect(lambda *_, slot=slot: slot())
        self._search.changed.connect(lambda *_: self.search())
        self._cancel_button.changed.connect(lambda *_: self.cancel())
        for part in (self._shown, self._find):
            part.changed.connect(self._narrow)
        choice = self._model_list.selectionModel()
        assert choice is not None
        choice.currentRowChanged.connect(self._show_chosen)
        self._model_list.doubleClicked.connect(self._on_double_click)
        self.native_parent_changed.connect(self._on_parent)

    # -- the list -----------------------------------------------------------------------------

    def refresh(self, choose: str | None = None) -> None:
        """List the models on this computer again.

        Parameters
        ----------
        choose
            The model to choose then. Default: the one that is chosen now.
        """
        now = self.chosen
        source = choose if choose is not None else now.source if now else ""
        found = self._found
        self._lists.start(
            lambda _: work.look_here(found), lambda outcome: self._on_listed(outcome, source)
        )

    def _on_listed(self, outcome: Outcome[Here], source: str) -> None:
        if outcome.value is None:
            if outcome.error:
                self._show_status(f"⚠ {outcome.error}")
            return
        here = outcome.value
        self._table.show(rows_of(here.infos, here.stars, self._found, here.kept, here.elsewhere))
        self.choose(source)
        self._show_chosen()
        if not self._status.value:
            self._show_status(here.sentence)

    def _narrow(self, *_: Any) -> None:
        self._order.narrow(str(self._shown.value), str(self._find.value))
        self._show_chosen()

    def _show_chosen(self, *_: Any) -> None:
        row = self.chosen
        self._details.value = "Choose a model in the list." if row is None else details_of(row)
        self._details.native.setToolTip("" if row is None else plain_tooltip(str(row.path or "")))
        picture = picture_of(row)
        self._picture.setPixmap(QPixmap() if picture is None else QPixmap(str(picture)))
        self._picture.setVisible(picture is not None)
        here = row is not None and row.here
        verb = row is not None and row.task in ("segment", "stain", "generate")
        new = row is not None and not row.problem and (not here or row.outdated)
        starred = row is not None and row.starred
        self._actions["star"].text = "★ Default" if starred else "☆ Default"
        allowed = {
            "star": (here and verb) or starred,
            "card": row is not None and not row.problem,
            "fetch": new,
            "copy": here,
            "remove": row is not None and (row.origin in ("own", "hub") or row.kept > 0),
            "add": True,
        }
        for name, button in self._actions.items():
            button.enabled = allowed[name] and not self._jobs.busy

    # -- what is done ---------------------------------------------------------------------------

    def star(self) -> None:
        """Make the chosen model the default of its verb, or take that back."""
        row = self.chosen
        if row is not None:
            self._start("Changing the default", partial(work.change_star, row))

    def open_card(self) -> CardPage | None:
        """Show the whole page of the chosen model in a window of its own."""
        row = self.chosen
        page = "" if row is None else page_of(row)
        if row is None or not page:
            self._show_status("⚠ There is no card that can be read. Choose another model.")
            return None
        shown = CardPage(page, row.name, self.native)
        shown.show()
        return shown

    def search(self) -> None:
        """Ask the Hub for models, and for newer revisions of those that are here."""
        text = str(self._find.value)
        self._start("Asking the Hub", partial(work.search, text))

    def fetch(self) -> None:
        """Download the chosen model, or its newest revision."""
        row = self.chosen
        if row is not None:
            self._start(f"Fetching {row.source}", partial(work.fetch, row))

    def copy(self, folder: str | Path | None = None) -> None:
        """Copy the chosen model to a folder; without one, ask for it."""
        row = self.chosen
        folder = folder or self._ask_folder("Folder to copy the model to")
        if row is not None and folder:
            self._start(f"Copying {row.name}", partial(work.copy, row, Path(folder)))

    def add(self, folder: str | Path | None = None) -> None:
        """Add a model from a folder; without one, ask for it."""
        folder = folder or self._ask_folder("Folder of a model")
        if folder:
            self._start(f"Adding {Path(folder).name}", partial(work.add, Path(folder)))

    def delete(self) -> None:
        """Delete the chosen model from this computer, after asking."""
        row = self.chosen
        if row is not None and self._confirm(row):
            self._start(f"Removing {row.name}", partial(work.remove, row))

    def cancel(self) -> None:
        """Stop what is under way within a second."""
        if self._jobs.busy:
            self._jobs.cancel()
            self._cancel_button.enabled = False
            self._show_status("Cancelling …")

    @property
    def busy(self) -> bool:
        """Whether anything is under way."""
        return self._jobs.busy or self._lists.busy

    def wait(self, timeout: float = 600.0) -> bool:
        """Process events until nothing is under way; return False after `timeout` seconds."""
        return self._jobs.wait(timeout) and self._lists.wait(timeout)

    def _start(self, message: str, action: Callable[[Progress], Done]) -> None:
        if self._jobs.busy:
            self._show_status("Something is under way. Cancel it first, or wait for it.")
            return
        follow_napari()
        self._bar.setRange(0, 0)
        self._bar.setVisible(True)
        self._show_status(f"{message} …")
        self._jobs.start(action, self._on_done, self._on_tick)
        self._cancel_button.enabled, self._search.enabled = True, False
        self._show_chosen()

    def _on_tick(self, tick: Tick) -> None:
        if tick.total > 1 and not self._jobs.cancelling:
            self._bar.setRange(0, 1000)
            self._bar.setValue(round(1000 * tick.done / tick.total))
            self._show_status(f"{tick.message}: {work.amount(tick.done, tick.total)}")

    def _on_done(self, outcome: Outcome[Done]) -> None:
        self._bar.setVisible(False)
        self._cancel_button.enabled, self._search.enabled = False, True
        done = outcome.value
        if done is None:
            self._show_status(_STOPPED if outcome.stopped else f"⚠ {outcome.error}")
            self.refresh()
            return
        follow_napari()  # it shows the stars, too
        self._found = done.found if done.found is not None else self._found
        self._show_status(done.sentence)
        self.refresh(done.source or self._first_new(done))
        if done.source is not None:
            self._tell_others()

    def _first_new(self, done: Done) -> str | None:
        """Return the first model that a search found, for which the list may have to scroll."""
        here = {row.source for row in self.rows if row.origin}
        found = () if done.found is None or self.chosen is not None else done.found.models
        return next((model.source for model in found if model.source not in here), None)

    def _tell_others(self) -> None:
        """Let the other widgets of the viewer list their models again."""
        for widget in self._viewer.window.dock_widgets.values():
            if isinstance(widget, ModelForm):
                widget.list_models_again()

    # -- dialogs and the dock --------------------------------------------------------------------

    def _ask_folder(self, title: str) -> str:
        folder = QFileDialog.getExistingDirectory(self.native, title, recall(_REMEMBERED))
        if folder:
            remember(_REMEMBERED, str(folder))
        return str(folder)

    def _confirm(self, row: ModelRow) -> bool:
        again = (
            "Add it again from its folder." if row.origin == "own" else "It can be fetched again."
        )
        answer = QMessageBox.question(
            self.native, "Remove a model", f"Delete {row.name} from this computer? {again}"
        )
        return bool(answer == QMessageBox.StandardButton.Yes)

    def _on_double_click(self, *_: Any) -> None:
        self.open_card()

    def _show_status(self, sentence: str) -> None:
        self._status.value = sentence

    def _on_parent(self, _: Any = None) -> None:
        if self.native.parent() is None:  # the dock was closed
            self._jobs.close()
            self._lists.close()
