"""Buttons that copy a kept model to a folder, or publish it on the Hub."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from magicgui.widgets import PushButton
from qtpy.QtWidgets import QFileDialog, QInputDialog, QMessageBox

from napari_cytosynth.widgets.common.jobs import JobRunner
from napari_cytosynth.widgets.common.parts import plain_row

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_cytosynth.widgets.common.jobs import Outcome
    from napari_cytosynth.zoo.hub import Publication

__all__ = ["SharingRow"]

_BUTTONS = QMessageBox.StandardButton


class SharingRow:
    """A row of two buttons, seen once a model was kept.

    Parameters
    ----------
    owner
        The Qt widget that it belongs to.
    say
        Called with what is done.

    Attributes
    ----------
    row
        The buttons.
    """

    def __init__(self, owner: Any, say: Callable[[str], None]) -> None:
        self._owner, self._say = owner, say
        self._model: Path | None = None
        self.jobs: JobRunner[Any] = JobRunner(owner)
        export = PushButton(text="Export folder…", tooltip="Copy the new model to a folder.")
        publish = PushButton(
            text="Publish to the Hub…",
            tooltip="Upload the new model to the Hugging Face Hub. First it is only checked, and "
            "you are asked. Log in once with: hf auth login",
        )
        export.changed.connect(lambda *_: self.export())
        publish.changed.connect(lambda *_: self.publish())
        self.row = plain_row(export, publish)
        self.row.visible = False

    def offer(self, model: Path | None) -> None:
        """Take the model that was kept; None hides the buttons."""
        self._model = model
        self.row.visible = model is not None

    def export(self, folder: str | Path | None = None) -> None:
        """Copy the model to a folder; without one, ask for it."""
        model = self._model
        asked = folder or QFileDialog.getExistingDirectory(self._owner, "Folder for the model")
        if model is None or not asked or self._busy():
            return

        def work(progress: Any) -> str:
            from napari_cytosynth.zoo.collection.copying import copy_model

            return f"Copied to {copy_model(model, Path(asked), progress)}."

        self._say("Copying …")
        self.jobs.start(work, self._on_end)

    def publish(self, repository: str | None = None) -> None:
        """Check whether the model can be uploaded, ask, and upload it; ask for the place, too."""
        model = self._model
        if repository is None:
            repository, agreed = QInputDialog.getText(
                self._owner, "Publish to the Hub", "Repository, as organisation/name:"
            )
            repository = repository if agreed else ""
        wanted = repository.strip()
        if model is None or not wanted or self._busy():
            return
        self._say("Checking what would be uploaded …")
        self.jobs.start(
            lambda _: _publish(model, wanted, dry_run=True),
            lambda outcome: self._on_checked(model, outcome),
        )

    def _busy(self) -> bool:
        if self.jobs.busy:
            self._say("A copy or an upload is under way: wait for it.")
        return self.jobs.busy

    def _on_checked(self, model: Path, outcome: Outcome[Publication]) -> None:
        checked = outcome.value
        if checked is None:
            self._on_end(outcome)
            return
        files = "\n".join(f"{name}: {size:,} bytes" for name, size in checked.files.items())
        answer = QMessageBox.question(
            self._owner,
            "Publish to the Hub",
            f"These files would be public as {checked.repository}:\n\n{files}\n\nNone of your "
            "images is among them. The card names the layers that the model learned from. Upload?",
            _BUTTONS.Yes | _BUTTONS.No,
            _BUTTONS.No,
        )
        if answer != _BUTTONS.Yes:
            self._say("Nothing was uploaded.")
            return
        self._say("Uploading …")
        self.jobs.start(
            lambda _: _published(_publish(model, checked.repository, dry_run=False)), self._on_end
        )

    def _on_end(self, outcome: Outcome[Any]) -> None:
        stopped = "Stopped." if outcome.stopped else f"⚠ {outcome.error}"
        self._say(str(outcome.value) if outcome.value is not None else stopped)


def _publish(model: Path, repository: str, *, dry_run: bool) -> Publication:
    from napari_cytosynth.zoo import hub

    return hub.publish(model, repository, dry_run=dry_run)


def _published(done: Publication) -> str:
    return f"Published as {done.repository}, commit {done.commit}."
