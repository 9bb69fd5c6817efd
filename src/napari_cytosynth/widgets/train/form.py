"""The form of the Train widget: start model, material, limits."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from magicgui.widgets import CheckBox, ComboBox, FloatSpinBox, LineEdit, PushButton, RadioButtons
from magicgui.widgets import SpinBox as WholeBox

from napari_cytosynth.errors import CytosynthError, InputError
from napari_cytosynth.outcome import TRAIN_EXTRA
from napari_cytosynth.tasks.common.provenance import KEY
from napari_cytosynth.widgets.common.layers import region_layers
from napari_cytosynth.widgets.common.parts import make_scrollable, narrow, plain_label, plain_row
from napari_cytosynth.widgets.common.run_widget import RunWidget

from .curves import CurvePanel
from .folder_panel import FolderPanel
from .inputs.images import ImageRows
from .inputs.stains import StainRows
from .inputs.synthetic import SyntheticRows
from .job import TrainOrder
from .material import PairCopy, copy_pairs
from .painting import HOW, add_phantom, add_strokes
from .pair_rows import PairRows
from .result.sharing import SharingRow

if TYPE_CHECKING:
    import napari.viewer

__all__ = ["FOLDER", "LAYERS", "TrainForm"]

LAYERS, FOLDER = "layers", "a folder"
_NEEDED = ("lightning", "tensorboard", "filelock")
_HINT = (
    "Paint background also right beside objects, and where the start model finds something that "
    "is none. Of five objects or more, one in five is held out to measure before and after."
)
_MINUTES, _MOST_MINUTES, _MOST_STEPS = 3.0, 7 * 24 * 60.0, 1_000_000


class TrainForm(RunWidget):
    """The parts of the Train widget, and what is chosen in them.

    Parameters
    ----------
    viewer
        The viewer whose layers are offered.
    """

    _task = "segment"
    _begins_without_model = True

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        super().__init__(viewer)
        self._run_text = self._run_button.text = "Train"
        self._source.changed.connect(self._on_kind)
        self._teaches.changed.connect(self._on_task)
        self._kind.changed.connect(self._on_kind)
        self._paint.changed.connect(lambda *_: self.paint())
        self._phantom.changed.connect(lambda *_: self.add_phantom())
        self._add.changed.connect(lambda *_: self._on_rows(1))
        self._remove.changed.connect(lambda *_: self._on_rows(-1))
        self._lay_out()
        self._on_kind()
        self._on_model()
        if missing := missing_extra():
            self._show_status(f"⚠ {missing}")

    # -- building ---------------------------------------------------------------------------

    def _make_choices(self) -> list[Any]:
        *model, run = super()._make_choices()
        self._model.label = "start from"
        self._teaches = RadioButtons(
            name="teaches",
            label="model that",
            choices=[("segments", "segment"), ("stains", "stain"), ("generates", "generate")],
            orientation="horizontal",
        )
        self._teaches.value = "segment"
        self._kind = RadioButtons(
            name="kind", label="learns from", choices=[LAYERS, FOLDER], orientation="horizontal"
        )
        self._kind.value = LAYERS
        return [
            self._teaches,
            *model,
            self._kind,
            *self._make_material(),
            *self._make_limits(),
            run,
        ]

    def _make_material(self) -> list[Any]:
        self._pairs = PairRows(self._viewer)
        self._pairs.label = "pairs"
        self._paint = PushButton(text="Paint", tooltip="Add a labels layer to paint strokes on.")
        self._add = PushButton(text="More", tooltip="Add another image with its labels.")
        self._remove = PushButton(text="Fewer", tooltip="Leave out the last image.")
        self._phantom = PushButton(
            text="Phantom", tooltip="Add simulated cells with their truth, to try it without data."
        )
        self._next = PushButton(
            text="Where next?",
            tooltip="Go to the place, in the planes in view, of which the model is least certain.",
        )
        self._painting = plain_row(self._paint, self._phantom, self._next, self._add, self._remove)
        self._painting.label = " "
        self._sparse = CheckBox(
            name="sparse",
            text="sparse strokes: 0 unpainted, 1 background, 2… objects",
            value=True,
            tooltip="Without it everything is outlined: 0 is background, 1… are objects. Of labels "
            "that were corrected in Segment, what was corrected, accepted or looked at counts.",
        )
        self._outlined = ComboBox(
            name="outlined",
            label="outlined in",
            choices=lambda _: region_layers(self._viewer),
            nullable=True,
            tooltip="A Shapes layer: inside its rectangles every object is painted whole, and what "
            "is not painted is background. So models that separate objects learn outlines.",
        )
        narrow(self._outlined)
        self._hint = plain_label("hint")
        self._hint.value = _HINT
        self._stains, self._images = StainRows(self._viewer), ImageRows(self._viewer)
        self._stains.label, self._images.label = "layers", "images"
        self._synthetic = SyntheticRows()
        self._shift = PushButton(text="Shift", tooltip="Move the stain onto its image.")
        self._shift.label, self._shift.visible = " ", False
        self._folder = FolderPanel()
        self._folder.label = "folder"
        rows = [self._pairs, self._painting, self._sparse, self._outlined, self._hint]
        return [*rows, *self._synthetic.rows, self._stains, self._images, self._shift, self._folder]

    def _make_limits(self) -> list[Any]:
        self.minutes = FloatSpinBox(
            name="minutes",
            value=_MINUTES,
            min=0.1,
            max=_MOST_MINUTES,
            step=1,
            tooltip="Time of training and validation.",
        )
        self.new_name = LineEdit(name="new_name", label="new name")
        self.new_name.native.setPlaceholderText("that of the start model, -tuned")
        return [self.minutes, self.new_name]

    def _advanced_rows(self) -> list[Any]:
        self.from_scratch = CheckBox(
            name="from_scratch",
            text="from scratch, with random weights",
            tooltip="Forget what the start model knows: only its network, channels and pixel size "
            "are kept. That needs far more images, painted throughout, and far more minutes.",
        )
        self.seed = WholeBox(name="seed", max=2**31 - 1, tooltip="Of all draws.")
        self.steps = WholeBox(
            name="steps",
            max=_MOST_STEPS,
            tooltip="Optimiser steps instead of minutes, which can be repeated to the bit. 0: the "
            "minutes decide.",
        )
        return [self.from_scratch, self.seed, self.steps]

    def _lay_out(self) -> None:
        layout = self.native.layout()
        self._pause = PushButton(text="Pause", tooltip="End the process; Resume goes on later.")
        self._stop = PushButton(text="Stop", tooltip="End now, with the best so far.")
        self._cancel = PushButton(text="Cancel", tooltip="End now, and keep nothing.")
        self._keep = PushButton(
            text="Keep", tooltip="Put the new model among your own, and choose it in its widget."
        )
        self._buttons = plain_row(self._pause, self._stop, self._cancel, self._keep)
        self.curves = CurvePanel()
        self._sharing = SharingRow(self.native, self._show_status)
        share = self._sharing.row.native
        for part in (self._buttons.native, share, self._messages, self.curves, self._advanced):
            layout.addWidget(part)
        make_scrollable(self.native)

    # -- for scripts ------------------------------------------------------------------------

    @property
    def model(self) -> Any:
        """The model to start from."""
        return self._model

    @property
    def teaches(self) -> Any:
        """Task of the model: ``segment``, ``stain`` or ``generate``."""
        return self._teaches

    @property
    def stains(self) -> Any:
        """Image layer and stains of it: (layer, {name: layer}) as ``value``."""
        return self._stains

    @property
    def synthetic(self) -> Any:
        """Synthetic images beside the pairs: sliders ``share`` and ``boost``."""
        return self._synthetic

    @property
    def images(self) -> Any:
        """Images of a generator: a list of (layer, class) as ``value``."""
        return self._images

    @property
    def kind(self) -> Any:
        """Whether it learns from :data:`LAYERS` or :data:`FOLDER`."""
        return self._kind

    @property
    def pairs(self) -> Any:
        """(image, labels) layers: a list as ``value``."""
        return self._pairs

    @property
    def sparse(self) -> Any:
        """Whether labels that were painted are sparse strokes."""
        return self._sparse

    @property
    def outlined(self) -> Any:
        """The Shapes layer in which everything is outlined, or None."""
        return self._outlined

    @property
    def folder(self) -> Any:
        """Path of the folder of images and truth."""
        return self._folder.path

    def use_synthetic(self, generation: Any) -> None:
        """Learn from the images and masks of a result of Generate, too.

        Parameters
        ----------
        generation
            A :class:`~napari_cytosynth.tasks.generate.Generation` with masks.
        """
        self._teaches.value, self._kind.value = "segment", LAYERS
        self._pairs.value = [
            (None, None) if any(map(_is_synthetic, pair)) else pair for pair in self._pairs.value
        ]
        self._synthetic.take(generation)
        self._show_status(
            "Choose the model to start from, paint on an image of yours too if you have one, and "
            "press Train."
        )

    def add_phantom(self) -> None:
        """Add simulated cells with their truth, and choose both in the first row that is free."""
        image, labels = add_phantom(self._viewer)
        rows = [pair for pair in self._pairs.value if pair[1] is not None]
        self.reset_choices()
        self._pairs.value = [*rows, (image, labels)]
        self._sparse.value = False
        self._show_status(
            "Simulated cells: “truth” is what is right, everywhere (so “sparse strokes” is off). "
            "Erase from it, or press Paint for strokes of your own instead."
        )

    def paint(self) -> None:
        """Add a labels layer to paint on to the image of the first row without labels."""
        rows = self._pairs.value
        number = next((n for n, (_, labels) in enumerate(rows) if labels is None), 0)
        image = rows[number][0]
        if image is None:
            self._show_status("⚠ Open an image, and choose it as the image of the row.")
            return
        layer = add_strokes(self._viewer, image)
        self._pairs.reset_choices()
        self._pairs[number][1].value = layer
        self._show_status(HOW)

    # -- what is chosen ------------------------------------------------------------------------

    def _order(self) -> TrainOrder:
        """Return what is to be trained, with a copy of the labels.

        Raises
        ------
        CytosynthError
            If something is missing.
        """
        if missing := missing_extra():
            raise CytosynthError(missing)
        model = self._chosen_model()
        card = self._model.card(model)
        task, layers = str(self._teaches.value), self._kind.value == LAYERS
        sparse = bool(self._sparse.value)
        steps = int(self.steps.value)
        pairs: tuple[PairCopy, ...] = ()
        taught: tuple[Any, ...] = ()
        synthetic = None
        if layers and task == "segment":
            shapes = self._outlined.value
            synthetic = self._synthetic.copies()
            if synthetic is None or any(labels is not None for _, labels in self._pairs.value):
                pairs = tuple(copy_pairs(self._pairs.value, sparse=sparse, outlined=shapes))
        elif layers:
            taught = (self._stains if task == "stain" else self._images).copies()
        return TrainOrder(
            model,
            card,
            self.new_name.value.strip() or f"{card.name if card else Path(model).name}-tuned",
            pairs,
            sparse,
            None if layers else self._chosen_folder(),
            None if steps else float(self.minutes.value),
            steps or None,
            int(self.seed.value),
            taught=taught,
            offer_shift=self._may_offer_shift(),
            synthetic=synthetic,
            from_scratch=bool(self.from_scratch.value),
        )

    def _may_offer_shift(self) -> bool:
        """Whether a shift of stains is looked for: not again what was offered."""
        raise NotImplementedError

    def _chosen_folder(self) -> Path:
        text = self._folder.path.value.strip()
        if not text:
            raise InputError("Choose the folder that holds the images and their truth.")
        return Path(text).expanduser().absolute()

    def _on_rows(self, change: int) -> None:
        if change > 0:
            self._pairs.add_row()
        else:
            self._pairs.remove_row()

    def _on_kind(self, *_: Any) -> None:
        layers, task = self._kind.value == LAYERS, self._teaches.value
        for part in (self._pairs, self._painting, self._sparse, self._outlined, self._hint):
            part.visible = layers and task == "segment"
        shown = layers and task == "segment" and self._synthetic.generation is not None
        self._synthetic.show(shown)
        self._stains.visible = layers and task == "stain"
        self._images.visible = layers and task == "generate"
        self._shift.visible = False
        self._folder.visible = not layers

    def _on_task(self, *_: Any) -> None:
        task = str(self._teaches.value)
        if task == self._task:  # the same again, as when layers come and go
            return
        self._task = task
        self._model.offer(self._task)
        self._folder.expect(self._task)
        self._show_status("")
        self._on_kind()

    def _on_model(self, *arguments: Any) -> None:
        super()._on_model(*arguments)
        card = self._model.card()
        if card is not None and card.inference.task == "stain":
            self._stains.offer(card.inference.output_channels)
        elif card is not None and card.inference.task == "generate":
            self._images.offer(card.inference.classes)

    def reset_choices(self, *_: Any) -> None:
        """Offer the layers that there are now."""
        super().reset_choices()
        self._pairs.reset_choices()
        for part in (self._outlined, self._stains, self._images):
            part.reset_choices()

    def _enable_form(self, enabled: bool) -> None:
        for part in (
            self._teaches, self._model, self._source, self._browse, self._kind, self._pairs,
            self._painting, self._stains, self._images, self._shift,
            self._sparse, self._outlined, self._folder, self.minutes, self.new_name, self.seed,
            self.steps, self.from_scratch,
        ):  # fmt: skip
            part.enabled = enabled
        self._synthetic.enable(enabled)


def _is_synthetic(layer: Any) -> bool:
    return layer is not None and bool(layer.metadata.get(KEY, {}).get("synthetic"))


def missing_extra() -> str:
    """Return the sentence with the line that installs the packages of a training; else empty."""
    lacking = [name for name in _NEEDED if find_spec(name) is None]
    return f"{TRAIN_EXTRA}\nThen start napari again." if lacking else ""
