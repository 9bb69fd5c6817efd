"""Base of the widgets that run a model: start, progress, cancellation and result."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QApplication

from napari_cytosynth.errors import CytosynthError, InputError

from .jobs import JobRunner
from .messages import Messages
from .model_choice import CHOOSE, OTHER
from .model_form import ModelForm
from .parts import plain_label, progress_bar

if TYPE_CHECKING:
    from collections.abc import Callable

    import napari.viewer

    from napari_cytosynth.progress import Progress

    from .jobs import Outcome, Tick

__all__ = ["RunWidget"]


class RunWidget(ModelForm):
    """A form whose button starts a job, shows how far it is, and cancels it.

    A subclass defines the computation (`_work`), shows or discards its result (`_accept`,
    `_reject`) and releases it (`_forget_result`).

    Parameters
    ----------
    viewer
        The viewer that gets the result.
    """

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        self._run_text = "Run"
        super().__init__(viewer)
        self._bar = progress_bar()
        self.status = plain_label("status")
        self._messages = Messages(self._bar, self.status.native)
        self._runs: JobRunner[Any] = JobRunner(self.native)
        self._run_button.changed.connect(self._on_button)
        self.native_parent_changed.connect(self._on_parent)

    # -- for subclasses -----------------------------------------------------------------

    def _work(self) -> Callable[[Progress], Any]:
        """Return the function that the job runs; raise `CytosynthError` if input is missing."""
        raise NotImplementedError

    def _accept(self, value: Any) -> None:
        """Show the result of a run."""
        raise NotImplementedError

    def _reject(self) -> None:
        """Remove the previews of an unfinished run."""

    def _provenance(self) -> dict[str, Any] | None:
        """Return the record of the present result; None without one."""
        return None

    def _all_jobs(self) -> tuple[JobRunner[Any], ...]:
        """Return every runner, to be stopped when the dock is closed."""
        return (self._runs,)

    def _forget_result(self) -> None:
        """Release the present result; its layers stay."""

    # -- the run --------------------------------------------------------------------------

    def run(self) -> None:
        """Run the model in the background; `wait` waits for the result."""
        self._launch(self._work)

    def _launch(self, prepare: Callable[[], Callable[[Progress], Any]]) -> None:
        """Start the work that `prepare` returns, or show why it cannot start now."""
        if self._runs.busy:
            self._show_status("A run is under way. Cancel it first, or wait for it.")
            return
        try:
            work = prepare()
        except CytosynthError as error:
            self._show_status(f"⚠ {error}")
            return
        self._show_running(True)
        self._show_status("Starting …")
        self._runs.start(work, self._on_result, self._on_tick)

    def cancel(self) -> None:
        """Stop the run after the tile, or the step, that is being computed."""
        if self._runs.busy:
            self._runs.cancel()
            self._run_button.text = "Cancelling …"
            self._run_button.enabled = False

    def _on_button(self, *_: Any) -> None:
        if self._runs.busy:
            self.cancel()
        else:
            self.run()

    def _on_tick(self, tick: Tick) -> None:
        self._bar.setRange(0, max(tick.total, 0))
        self._bar.setValue(tick.done)
        if tick.message:
            self._show_status(f"{tick.message} …")

    def _on_result(self, outcome: Outcome[Any]) -> None:
        self._show_running(False)
        if outcome.value is None:
            self._reject()
            stopped = "Stopped. Your layers are as they were."
            self._show_status(stopped if outcome.stopped else f"⚠ {outcome.error}")
            return
        self._model.refresh()
        self._on_model()  # a downloaded model's card is known only now
        self._accept(outcome.value)
        self._show_status(" ".join([self._headline(outcome.value), *outcome.value.messages]))

    def _headline(self, value: Any) -> str:
        """Return the sentence on a finished run that precedes its messages."""
        return "Done."

    def _show_running(self, running: bool) -> None:
        self._run_button.text = "Cancel" if running else self._run_text
        self._run_button.enabled = True
        self._bar.setRange(0, 0)
        self._bar.setVisible(running)

    def _chosen_model(self) -> str:
        """Return the source of the chosen model, as `load_model` takes it.

        Raises
        ------
        InputError
            No model is chosen.
        """
        if self._model.value == CHOOSE:
            raise InputError("Choose a model first: one that was trained on images like yours.")
        if self._model.value == OTHER:
            raise InputError("Choose a folder, or type a Hub id and press Enter.")
        return self._model.value

    # -- the script -------------------------------------------------------------------------

    def as_python(self) -> str:
        """Return a script that reproduces the present result."""
        provenance = self._provenance()
        if provenance is None:
            raise InputError("There is no result yet: press Run first.")
        from napari_cytosynth.tasks.common.provenance import as_python

        return as_python(provenance)

    def copy_as_python(self) -> None:
        """Copy a script that reproduces the present result to the clipboard."""
        clipboard = QApplication.clipboard()
        try:
            text = self.as_python()
        except CytosynthError as error:
            self._show_status(f"⚠ {error}")
            return
        if clipboard is not None:
            clipboard.setText(text)
        self._show_status("The script is on the clipboard: paste it into an editor or a notebook.")

    # -- events of the viewer and the dock ---------------------------------------------------

    def _on_parent(self, parent: Any = None) -> None:
        # The dock was closed: it takes this widget out of the window before it goes.
        if self.native.parent() is None:
            for jobs in self._all_jobs():
                jobs.close()
            self._reject()
            self._forget_result()

    def _show_status(self, sentence: str) -> None:
        self.status.value = sentence
