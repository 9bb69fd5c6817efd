"""Corrections that are saved, loaded again, and not lost when napari is closed."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFileDialog, QMenu, QMessageBox

from napari_cytosynth.tasks.common.provenance import KEY
from napari_cytosynth.widgets.common.closing import CloseGuard
from napari_cytosynth.widgets.common.jobs import JobRunner

from .form import CorrectingForm

if TYPE_CHECKING:
    from pathlib import Path

    from napari_cytosynth.progress import Progress
    from napari_cytosynth.tasks.correct import Corrections
    from napari_cytosynth.widgets.common.jobs import Outcome

__all__ = ["KeepingForm"]

_FILES = "Corrected results (*.json *.tif *.tiff)"
_BUTTONS = QMessageBox.StandardButton


class KeepingForm(CorrectingForm):
    """Form that saves and loads corrections, and asks before they are lost."""

    def _begin_correcting(self) -> None:
        self._saves: JobRunner[Any] = JobRunner(self.native)
        self._saved: Corrections | None = None
        self._loaded: Corrections | None = None
        self._left: list[weakref.ref[Any]] = []  # labels of earlier results, not saved
        super()._begin_correcting()
        self._hand.save.changed.connect(lambda *_: self.save_corrected())
        self._hand.load.changed.connect(lambda *_: self._choose_corrections())
        self._guard = CloseGuard(self.native, self._may_close)

    # -- for scripts ----------------------------------------------------------------

    @property
    def unsaved(self) -> list[str]:
        """Names of the labels layers with corrections that were not saved."""
        live, left = self._live, [layer() for layer in self._left]
        own = [live.labels_layer] if live is not None and self._to_save() else []
        return [one.name for one in (*left, *own) if one is not None and one in self._viewer.layers]

    def save_corrected(self, path: str | Path | None = None) -> None:
        """Save the corrected result, as it is shown, into a folder; without one, ask for it."""
        live = self._live
        if live is None:
            return
        if path is None:
            title = "Folder for the corrected labels"
            path = QFileDialog.getExistingDirectory(self.native, title)
            if not path:
                return
        from napari_cytosynth.widgets.segment.job import relabel

        segmentation, folder = live.segmentation, path
        options, images, own = (
            self._panel.label_options(), self._intensity_snapshot(), live.own_columns()
        )  # fmt: skip

        def work(progress: Progress) -> list[Path]:
            shown = relabel(segmentation, options, images, progress, live.stain, own)
            shown.segmentation.table = shown.table
            files: list[Path] = shown.segmentation.save(folder)
            return files

        def done(outcome: Outcome[list[Path]]) -> None:
            if outcome.value is not None:
                self._on_saved(segmentation.corrections, live is self._live)
                self._show_status(f"Saved {len(outcome.value)} files in {folder}")
            elif outcome.error:
                self._show_status(f"⚠ {outcome.error}")

        self._saves.start(work, done)

    def load_corrections(self, source: Any = None) -> None:
        """Take corrections of the same image that were saved, after those that there are.

        Parameters
        ----------
        source
            What :meth:`save_corrected` wrote: the folder or a file in it; or the Labels layer of
            an earlier result. Default: None, ask for a file.
        """
        live = self._live
        if live is None:
            return
        if source is None:
            title = "provenance.json or labels.tif of the corrected result"
            source, _ = QFileDialog.getOpenFileName(self.native, title, "", _FILES)
            if not source:
                return
        segmentation, chosen = live.segmentation, source

        def done(outcome: Outcome[Corrections]) -> None:
            if outcome.value is not None and live is self._live:
                self._take_loaded(outcome.value)
            elif outcome.error:
                self._show_status(f"⚠ {outcome.error}")

        def work(progress: Progress) -> Corrections:
            found: Corrections = segmentation.find_corrections(chosen)
            return found

        self._saves.start(work, done)

    # -- gestures -----------------------------------------------------------------------

    def _choose_corrections(self) -> None:
        """Load from a file, or from a layer where an earlier result of the image is shown."""
        layers = [layer for layer in self._viewer.layers if self._has_corrections(layer)]
        if not layers:
            self.load_corrections()
            return
        menu: Any = QMenu(self.native)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        for layer in layers:
            action = menu.addAction(f"of “{layer.name}”")
            action.triggered.connect(lambda *_, layer=layer: self.load_corrections(layer))
        menu.addAction("from a file…").triggered.connect(lambda *_: self.load_corrections())
        button = self._hand.load.native
        menu.popup(button.mapToGlobal(button.rect().bottomLeft()))

    def _has_corrections(self, layer: Any) -> bool:
        if self._live is None or layer is self._live.labels_layer:
            return False
        record = layer.metadata.get(KEY)
        return isinstance(record, dict) and isinstance(record.get("corrections"), dict)

    def _take_loaded(self, found: Corrections) -> None:
        live = self._live
        assert live is not None
        if not live.unedited:
            self._refuse("These labels were painted with napari's brush: press Run first.")
            return
        self._loaded = found
        self._take(live.segmentation.corrections.join(found))

    def _on_update(self, outcome: Outcome[Any]) -> None:
        super()._on_update(outcome)
        loaded = self._loaded
        if self._live is not None and loaded is not None and outcome.value is not None:
            from napari_cytosynth.tasks.segment.by_hand import said_of_open

            self._loaded = None
            lost = self._live.segmentation.open_among(loaded)
            self._show_status(said_of_open(lost, len(loaded.done)))

    # -- what is not saved ----------------------------------------------------------------

    def _to_save(self) -> bool:
        """Return whether the result has corrections that were not saved."""
        assert self._live is not None
        corrections = self._live.segmentation.corrections
        return bool(corrections) and corrections != self._saved

    def _on_saved(self, corrections: Corrections, current: bool) -> None:
        """Note what was saved: earlier results whose corrections are among it are saved, too."""
        if current:
            self._saved = corrections
        known = corrections.record()
        left = [(one, one()) for one in self._left]
        self._left = [one for one, layer in left if layer is not None and lacks(known, layer)]

    def _stop_following(self) -> None:
        if self._live is not None and self._to_save():
            self._left.append(weakref.ref(self._live.labels_layer))
        self._saved = self._loaded = None
        super()._stop_following()

    def _may_close(self) -> bool:
        """Ask what becomes of corrections that were not saved; return whether napari may close."""
        names = self.unsaved
        if not names:
            return True
        own = self._live is not None and self._to_save()
        choices = _BUTTONS.Discard | _BUTTONS.Cancel
        listed = ", ".join(f"“{name}”" for name in names)
        answer = QMessageBox.warning(
            self.native,
            "Corrections are not saved",
            f"Your corrections of {listed} are not saved, and are lost when napari closes.",
            (choices | _BUTTONS.Save) if own else choices,
            _BUTTONS.Save if own else _BUTTONS.Cancel,
        )
        if answer == _BUTTONS.Save:
            self.save_corrected()
            self._saves.wait()
            return not (self._live is not None and self._to_save())
        return bool(answer == _BUTTONS.Discard)


def lacks(known: dict[str, Any], layer: Any) -> bool:
    """Return whether a layer has corrections that are not among those of a record."""
    from napari_cytosynth.tasks.export.records import loses_corrections

    return loses_corrections(layer.metadata.get(KEY), {"corrections": known})
