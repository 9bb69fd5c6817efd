"""The run of a training: start, pause, stop, cancel, and what it shows meanwhile."""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Any, Literal

from napari_cytosynth.errors import CytosynthError
from napari_cytosynth.widgets.common.parts import single_shot

from .form import TrainForm
from .inputs.shift import ShiftOffer, move_stain
from .job import TrainOrder, TrainResult, train
from .preview import PreviewLayer, PreviewWindow

if TYPE_CHECKING:
    from collections.abc import Callable

    import napari.viewer

    from napari_cytosynth.progress import Progress
    from napari_cytosynth.training.teach.process.messages import Event, Tuned
    from napari_cytosynth.training.teach.runs import OwnRun
    from napari_cytosynth.widgets.common.jobs import Outcome, Tick

__all__ = ["RunningForm", "time_left"]

_TAKE_MS = 250
_WORDS = 0.25  # s between two sentences


class RunningForm(TrainForm):
    """Form that runs one training at a time, in another process.

    Parameters
    ----------
    viewer
        The viewer.
    tune
        Does the training. Default:
        :func:`~napari_cytosynth.training.teach.process.run.tune_in_process`.
    """

    def __init__(
        self, viewer: napari.viewer.Viewer, tune: Callable[..., Tuned] | None = None
    ) -> None:
        self._tune = tune
        self._events: deque[Event] = deque()
        self._enough = threading.Event()
        self._run: OwnRun | None = None
        self._found: TrainResult | None = None
        self._order_used = TrainOrder()
        self._ending: Literal["pause", "cancel"] = "pause"
        self._next_words = 0.0
        self._ticks: deque[tuple[float, int]] = deque(maxlen=200)
        self._preview = PreviewLayer(viewer)
        self._shift_offer: ShiftOffer | None = None
        super().__init__(viewer)
        self._take_soon = single_shot(self.native, _TAKE_MS, self._take_events)
        self._pause.changed.connect(lambda *_: self._on_pause())
        self._stop.changed.connect(lambda *_: self.stop())
        self._cancel.changed.connect(lambda *_: self._on_cancel())
        self._shift.changed.connect(lambda *_: self.shift())
        self._stains.changed.connect(self._forget_offer)
        self._find_waiting()

    # -- for subclasses ---------------------------------------------------------------------

    def _show_result(self, result: TrainResult) -> None:
        raise NotImplementedError

    def _clear_result(self) -> None:
        raise NotImplementedError

    # -- start and end ------------------------------------------------------------------------

    @property
    def busy(self) -> bool:
        """Whether a training is under way."""
        return self._runs.busy

    def wait(self, timeout: float = 600.0) -> bool:
        """Process events until no training is under way; return False after `timeout` seconds."""
        return self._runs.wait(timeout)

    def run(self) -> None:
        """Begin a training."""
        self._begin(self._order)

    def resume(self) -> None:
        """Go on with the training that was paused, or is waiting from an earlier session."""
        waiting = self._run
        if waiting is not None:
            used = self._order_used
            self._begin(lambda: TrainOrder(pairs=used.pairs, taught=used.taught, resume=waiting))

    def pause(self) -> None:
        """End the process; what was learned up to the last whole epoch waits for Resume."""
        self._end("pause")

    def stop(self) -> None:
        """End the training now, with the best that it has so far."""
        if self._runs.busy:
            self._enough.set()
            self._stop.enabled = False

    def cancel(self) -> None:
        """End the training now, and keep nothing of it."""
        self._end("cancel")

    def _end(self, how: Literal["pause", "cancel"]) -> None:
        if self._runs.busy and not self._runs.cancelling:
            self._ending = how
            self._runs.cancel()
            for button in (self._pause, self._stop, self._cancel):
                button.enabled = False

    def _begin(self, make: Callable[[], TrainOrder]) -> None:
        if self._runs.busy:
            self._show_status("⚠ A training is under way: wait for it, or press Stop or Cancel.")
            return
        try:
            order = make()
        except CytosynthError as error:
            self._show_status(f"⚠ {error}")
            return
        self._order_used, self._ending = order, "pause"
        self._run = order.resume
        self._enough = threading.Event()
        self._events.clear()
        self._ticks.clear()
        self.curves.clear()
        self._clear_result()
        self._show_running(True)
        self._show_status("Starting …")
        self._runs.start(self._training(order), self._on_result, self._on_tick)
        self._take_soon.start()

    def _training(self, order: TrainOrder) -> Callable[[Progress], TrainResult | ShiftOffer]:
        events, enough, given = self._events, self._enough, self._tune
        known: list[tuple[OwnRun, PreviewWindow | None]] = []
        self._known = known  # filled by the job

        def work(progress: Progress) -> TrainResult | ShiftOffer:
            from napari_cytosynth.training.teach.process.run import tune_in_process

            tune = tune_in_process if given is None else given
            return train(order, tune, known.append, events.append, enough, progress)

        return work

    # -- while it runs ------------------------------------------------------------------------

    def _on_button(self, *_: Any) -> None:
        self.run()

    def _on_pause(self) -> None:
        if self._runs.busy:
            self.pause()
        else:
            self.resume()

    def _on_cancel(self) -> None:
        if self._runs.busy:
            self.cancel()
        else:
            self.discard()

    def _on_tick(self, tick: Tick) -> None:
        self._bar.setRange(0, max(tick.total, 0))
        self._bar.setValue(tick.done)
        trains = tick.total > 0 and tick.message in ("training", "validation")
        now = time.monotonic()
        if trains:
            self._ticks.append((now, tick.done))
        if trains and now < self._next_words:  # a new text makes the layout of the form anew
            return
        self._next_words = now + _WORDS if trains else 0.0
        self._stop.enabled = trains and not self._enough.is_set() and not self._runs.cancelling
        words = [f"{tick.message[:1].upper()}{tick.message[1:]} …"] if tick.message else []
        if trains:
            words.append(time_left(self._ticks, tick.total))
        if self._enough.is_set() and trains:
            words = ["Stopping after a last validation …"]
        self._show_status(" ".join([*words, self.curves.text]).strip())

    def _take_events(self) -> None:
        """Show what the process has sent since."""
        found = []
        while self._events:
            found.append(self._events.popleft())
        if found:
            from napari_cytosynth.training.teach.process.messages import Previewed

            self.curves.add(found)
            self._preview.begin(self._known[0][1] if self._known else None)
            seen = [event for event in found if isinstance(event, Previewed)]
            for event in seen[-1:]:
                self._preview.show(event.probability)
        if self._runs.busy:
            self._take_soon.start()

    def _on_result(self, outcome: Outcome[TrainResult | ShiftOffer]) -> None:
        self._take_soon.stop()
        self._take_events()
        self._preview.remove()
        self._run = self._known[0][0] if self._known else self._run
        self._show_running(False)
        if isinstance(outcome.value, ShiftOffer):
            self._show_offer(outcome.value)
        elif outcome.value is not None:
            self._show_result(outcome.value)
            if not outcome.value.tuned.better and self._discard(self._run):
                self._run = self._found = None  # a copy of the start model
        elif outcome.stopped:
            self._show_stopped()
        else:
            self._leave_unless_begun()
            self._show_status(f"⚠ {outcome.error}")
        self._show_waiting()

    def _show_stopped(self) -> None:
        if self._ending == "cancel":
            self._discard(self._run)
            self._run = None
            self._show_status("Cancelled: nothing is kept. Your layers are as they were.")
        elif self._leave_unless_begun():
            self._show_status("Paused: Resume goes on from the last whole epoch.")
        else:
            self._show_status("Stopped before the first epoch had ended: nothing is kept.")

    def _leave_unless_begun(self) -> bool:
        """Return whether there is something to go on with; if not, delete what there is."""
        if self._run is not None and not self._run.begun:
            self._discard(self._run)
            self._run = None
        return self._run is not None

    def _discard(self, run: OwnRun | None) -> bool:
        """Delete a training; return whether it is gone."""
        if run is not None and run.folder.exists():
            try:
                run.discard()
            except CytosynthError as error:
                self._show_status(f"⚠ {error}")
                return False
        return True

    def _show_running(self, running: bool) -> None:
        self._bar.setRange(0, 0)
        self._bar.setVisible(running)
        self._run_button.enabled = not running
        self._enable_form(not running)
        self._pause.text, self._cancel.text = "Pause", "Cancel"
        self._pause.enabled = self._cancel.enabled = running
        self._stop.enabled = self._keep.enabled = False

    # -- a shift of stains --------------------------------------------------------------------

    def _may_offer_shift(self) -> bool:
        return self._teaches.value == "stain" and self._shift_offer is None

    def _show_offer(self, offer: ShiftOffer) -> None:
        self._shift_offer, self._shift.visible = offer, True
        self._show_status(f"⚠ {offer.sentence}")

    def shift(self) -> None:
        """Move the layers of stains that seem to lie beside their image onto it."""
        offer, (image, stains) = self._shift_offer, self._stains.value
        self._shift.visible = False
        moved = [name for name in (offer.shifts if offer else ()) if name in stains]
        if offer is None or image is None or not moved:
            return
        for name in moved:
            move_stain(image, stains[name], offer.shifts[name])
        layers = ", ".join(f"“{stains[name].name}”" for name in moved)
        self._show_status(f"Moved {layers}: look whether it fits now, and press Train.")

    def _forget_offer(self, *_: Any) -> None:
        self._shift_offer, self._shift.visible = None, False

    # -- trainings that wait ----------------------------------------------------------------

    @property
    def waiting(self) -> str:
        """Name of the training that Resume goes on with, or ""."""
        return "" if self._run is None or self._runs.busy else self._run.name

    def _find_waiting(self) -> None:
        """Offer a training of an earlier session."""
        from napari_cytosynth.training.teach.runs import waiting_runs

        self._run = next(iter(waiting_runs()), None)
        self._show_running(False)
        self._show_waiting()
        if self._run is not None:
            state = "trained, but neither kept nor discarded" if self._run.finished else "paused"
            press = "Resume shows it" if self._run.finished else "Resume goes on with it"
            text = f"“{self._run.name}” is {state}. {press}, Discard deletes it."
            self._show_status(text)

    def _show_waiting(self) -> None:
        """Show what can be done with the training that is there, if one is."""
        there, result = self._run is not None, self._found
        self._pause.text = "Resume" if there and result is None else "Pause"
        self._pause.enabled = there and result is None
        self._cancel.text = "Discard" if there else "Cancel"
        self._cancel.enabled = there
        self._keep.enabled = result is not None and result.tuned.better

    def discard(self) -> None:
        """Delete the training that is over, or that Resume would go on with."""
        run = self._run
        if run is not None and not self._runs.busy:
            self._clear_result()
            self._show_status(f"“{run.name}” is deleted.")
            self._run = None if self._discard(run) else run
            self._show_waiting()


def time_left(ticks: deque[tuple[float, int]], total: int) -> str:
    """Return how long a run still takes, by its speed in the latest reports; may be empty.

    Parameters
    ----------
    ticks
        (s, done) of reports.
    total
        What is done in the end.
    """
    (begun, first), (now, done) = ticks[0], ticks[-1]
    if done <= first or now <= begun:
        return ""
    seconds = (now - begun) / (done - first) * max(total - done, 0)
    if seconds < 60:
        return f"About {seconds:.0f} s left."
    return f"About {seconds / 60:.0f} min left."
