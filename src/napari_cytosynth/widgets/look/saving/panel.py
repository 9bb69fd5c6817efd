"""The buttons by which what is looked at leaves the viewer, and the jobs behind them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from magicgui.widgets import Container, PushButton
from qtpy.QtWidgets import QFileDialog, QMessageBox

from napari_cytosynth.errors import InputError
from napari_cytosynth.widgets.common.jobs import JobRunner

from .figure import figure_request
from .keeping import Kept, KeptRequest, keep, write

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_cytosynth.progress import Progress
    from napari_cytosynth.widgets.common.jobs import Outcome, Tick

    from .seen import ViewedObjects

__all__ = ["SavingPanel"]

_OBJECT_KINDS = (
    "GeoJSON for QuPath (*.geojson);;Table (*.csv);;Parquet (*.parquet);;Regions for ImageJ (*.zip)"
)
_FIGURE_KINDS = "PNG and SVG (*.png *.svg);;PNG (*.png);;SVG (*.svg)"
_NOTHING = "⚠ No object passes the filters: there is nothing to write."


class SavingPanel(Container[Any]):
    """The buttons “Keep as new layer”, “Save objects…” and “Save figure…”.

    The button of a job that runs cancels it.
    """

    def __init__(self) -> None:
        self.keep_button = PushButton(
            text="Keep as new layer",
            tooltip="Write the objects that are shown into a new labels layer, with their rows.",
        )
        self.objects_button = PushButton(
            text="Save objects…",
            tooltip="Write the objects that are shown, with their rows: GeoJSON for QuPath, "
            "regions for ImageJ, or the table.",
        )
        self.figure_button = PushButton(
            text="Save figure…",
            tooltip="What is in the view, with outlines in their colours, scale bar, legend and "
            "plots, as PNG and SVG.",
        )
        buttons = [self.keep_button, self.objects_button, self.figure_button]
        below = Container(widgets=buttons[1:], layout="horizontal", labels=False)
        below.margins = (0, 0, 0, 0)
        super().__init__(widgets=[self.keep_button, below], labels=False)
        self.margins = (0, 0, 0, 0)
        self._buttons = {button: button.text for button in buttons}
        self._there = False
        self.keep_button.changed.connect(lambda *_: self.keep_shown())
        self.objects_button.changed.connect(lambda *_: self.save_objects())
        self.figure_button.changed.connect(lambda *_: self.save_figure())

    def follow(
        self, viewer: Any, seen: Callable[[], ViewedObjects | None], show: Callable[[str], None]
    ) -> None:
        """Begin to work for a widget.

        Parameters
        ----------
        viewer
            The napari viewer.
        seen
            Returns what is looked at; None without a table.
        show
            Shows a sentence to the user.
        """
        self._viewer, self._seen, self._show = viewer, seen, show
        self.jobs: JobRunner[Any] = JobRunner(self.native)

    def enable(self, there: bool) -> None:
        """Let the buttons be used if there is a table."""
        self._there = there
        for button in self._buttons:
            button.enabled = there

    def keep_shown(self) -> None:
        """Write the objects that are shown into a new labels layer; pressed again, cancel."""
        request = None if self._cancelled() else self._request()
        if request is not None:
            self._start(self.keep_button, lambda progress: keep(request, progress), self._on_kept)

    def save_objects(self, path: str | Path | None = None) -> None:
        """Write the objects that are shown to a file; without a path, ask for one."""
        request = None if self._cancelled() else self._request()
        if request is None:
            return
        name = f"{_file_name(request.source.name)}.geojson"
        path = path or self._ask("Save objects", name, _OBJECT_KINDS)
        if not path:
            return

        def work(progress: Progress) -> str:
            count = write(request, path, progress)
            return f"Saved {count} object{'s' * (count != 1)} to {path}"

        self._start(self.objects_button, work, self._show)

    def save_figure(self, path: str | Path | None = None) -> None:
        """Write what is in the view as a figure; without a path, ask for one.

        A path without an ending is that of both, PNG and SVG.
        """
        seen = None if self._cancelled() else self._seen()
        if seen is None:
            return
        try:
            request, left_out = figure_request(self._viewer, seen)
        except InputError as error:
            self._show(f"⚠ {error}")
            return
        path = path or self._ask("Save figure", _file_name(seen.layer.name), _FIGURE_KINDS)
        if not path:
            return

        def work(progress: Progress) -> str:
            from napari_cytosynth.tasks.look.figure.task import write_figure

            written = write_figure(path, request, progress, overwrite=True)
            files = " and ".join(str(file) for file in written.files)
            return " ".join([f"Saved {files}.", *written.messages, *left_out])

        self._start(self.figure_button, work, self._show)

    def _request(self) -> KeptRequest | None:
        seen = self._seen()
        if seen is None:
            return None
        if not len(seen.view.shown(seen.look.filters)):
            self._show(_NOTHING)
            return None
        return KeptRequest.of(seen.layer, seen.view.table, seen.look.filters)

    def _ask(self, title: str, name: str, kinds: str) -> str:
        """Return the path that the user gives, with the ending of the kind; empty: none."""
        given, kind = QFileDialog.getSaveFileName(self.native, title, name, kinds)
        endings = kind.partition("(*")[2].rstrip(")").split(" *")
        known = tuple(kinds.replace(")", " ").replace("*", " ").split())
        path = given
        if given and endings[0] and given.endswith(name) and not given.endswith(tuple(endings)):
            path = given.removesuffix(Path(name).suffix)  # another kind for the name as offered
        if not path or path.lower().endswith(known):
            return path
        files = [Path(f"{path}{ending}") for ending in endings]
        there = [file.name for file in files if file.exists()]
        if there and not self._may_replace(title, there):  # Qt knows of the bare name alone
            return ""
        return path if len(endings) > 1 else str(files[0])

    def _may_replace(self, title: str, names: list[str]) -> bool:
        buttons = QMessageBox.StandardButton
        question = f"{' and '.join(names)} {'are' if len(names) > 1 else 'is'} there. Replace?"
        return bool(QMessageBox.question(self.native, title, question) == buttons.Yes)

    def _cancelled(self) -> bool:
        if self.jobs.busy:
            self.jobs.cancel()
        return self.jobs.busy

    def _start(self, pressed: PushButton, work: Callable[[Progress], Any], then: Any) -> None:
        for button in self._buttons:
            button.enabled = button is pressed
        pressed.text = "Cancel"
        self.jobs.start(work, lambda outcome: self._on_end(outcome, then), self._on_tick)

    def _on_tick(self, tick: Tick) -> None:
        self._show(f"{tick.message} … {100 * tick.done / max(tick.total, 1):.0f} %")

    def _on_end(self, outcome: Outcome[Any], then: Callable[[Any], None]) -> None:
        for button, text in self._buttons.items():
            button.text = text
        self.enable(self._there)
        if outcome.value is None:
            self._show("Stopped." if outcome.stopped else f"⚠ {outcome.error}")
        else:
            then(outcome.value)

    def _on_kept(self, kept: Kept) -> None:
        layer = self._viewer.add_labels(kept.data, **kept.attributes)
        self._show(f"“{layer.name}” holds {kept.count} objects with their rows.")


def _file_name(layer: str) -> str:
    """Return the name of a layer as that of a file."""
    return "".join("-" if letter in '/\\:*?"<>|' else letter for letter in layer) or "objects"
