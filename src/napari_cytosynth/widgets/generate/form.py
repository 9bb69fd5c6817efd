"""Form of the Generate widget: model, number of images, seed and options."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

from magicgui.widgets import CheckBox, ComboBox, Container, FloatSpinBox, PushButton, SpinBox

from napari_cytosynth.errors import InputError
from napari_cytosynth.widgets.common.model_choice import OTHER
from napari_cytosynth.widgets.common.region_rows import RegionRows
from napari_cytosynth.widgets.common.run_widget import RunWidget

from .condition_rows import ConditionRows
from .job import GenerateJob

if TYPE_CHECKING:
    import napari.viewer

    from napari_cytosynth.zoo.card import ModelCard

__all__ = ["GenerateForm"]

_LARGEST_SEED = 2**31 - 1
_SEED_LIMIT = 1_000_000  # so that a seed can be read out loud
_MAX_IMAGES, _MAX_SIZE, _MAX_STEPS, _MAX_GUIDANCE = 1024, 4096, 1000, 30.0
_MANY, _FEW, _LARGE_PX = 16, 4, 128
_SAMPLERS = (
    ("DPM-Solver++ (few steps)", "dpm++"),
    ("UniPC (few steps)", "unipc"),
    ("DDIM (without noise on the way)", "ddim"),
    ("DDPM (as trained, many steps)", "ddpm"),
)
_OF_FLOWS = (("Euler (straight lines)", "euler"),)
_ANY = "of any class"
_INSIDE = (
    "A Shapes layer: rectangles, polygons and ellipses. The synthetic images are as large as the "
    "box around them, lie there in the view, and are empty outside of the shapes. Nothing there "
    "was measured."
)
_NO_MODEL = (
    "No generator is on this machine yet. Choose the folder of a trained model, or type the "
    "id of one on the Hugging Face Hub."
)


class GenerateForm(RunWidget):
    """Form for the options of a sampling run.

    Parameters
    ----------
    viewer
        The viewer that gets the result.
    """

    _task = "generate"

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        self._preset: dict[str, Any] = {}
        self._preset_of: tuple[str, bool] | None = None
        super().__init__(viewer)
        self._run_text = self._run_button.text = "Generate"
        self._dice.changed.connect(self.roll)

    # -- building -----------------------------------------------------------------------

    def _make_choices(self) -> list[Any]:
        *model, run = super()._make_choices()
        self._class_name = ComboBox(
            name="class_name",
            label="class",
            choices=self._class_choices,
            tooltip="The kind of image to make, for models that know several.",
            visible=False,
        )
        self._how_many = SpinBox(
            name="how_many",
            label="how many",
            value=_MANY,
            min=1,
            max=_MAX_IMAGES,
            tooltip="Number of images. Each has a seed of its own: seed, seed + 1 …",
        )
        self._image_size = SpinBox(
            name="image_size",
            label="size, px",
            value=64,
            min=1,
            max=_MAX_SIZE,
            tooltip="Width and height. Diffusion models also make larger images than those that "
            "they were trained on; that takes longer.",
        )
        return [*model, self._class_name, self._how_many, self._seed_row(), self._image_size, run]

    def _seed_row(self) -> Container[Any]:
        self.seed = SpinBox(
            name="seed",
            max=_LARGEST_SEED,
            tooltip="Of the first image. The same seed makes the same image again.",
        )
        self._dice = PushButton(name="dice", text="⚄", tooltip="Another seed, by chance.")
        self._dice.native.setMaximumWidth(36)
        parts: list[Any] = [self.seed, self._dice]
        row = Container(widgets=parts, layout="horizontal", labels=False, label="seed")
        row.margins = (0, 0, 0, 0)
        return row

    def _advanced_rows(self) -> list[Any]:
        self.sampler = ComboBox(
            name="sampler",
            choices=list(_SAMPLERS),
            tooltip="How a diffusion model gets from noise to an image.",
        )
        self.steps = SpinBox(
            name="steps",
            min=1,
            max=_MAX_STEPS,
            value=25,
            tooltip="Steps from noise to image. More take longer, and are better up to a point.",
        )
        self.guidance = FloatSpinBox(
            name="guidance",
            max=_MAX_GUIDANCE,
            step=0.5,
            value=1.0,
            tooltip="How strongly class and properties count: 0 not at all, 1 as trained, more "
            "exaggerates.",
        )
        self.conditions = ConditionRows()
        self.keep_trajectory = CheckBox(
            name="keep_trajectory",
            text="keep trajectory",
            tooltip="Keep what the images looked like on the way from noise, as a second slider "
            "and for an animation. Takes memory.",
        )
        self._inside = RegionRows(self._viewer)
        self.region, self.at_border = self._inside.rows()
        self.region.tooltip = _INSIDE
        self.region.changed.connect(self._on_region)
        own = [self.sampler, self.steps, self.guidance, self.conditions, self.keep_trajectory]
        own += self._inside.rows()
        return [*own, *super()._advanced_rows()]

    def _class_choices(self, _: Any = None) -> list[tuple[str, str | None]]:
        card = self._model.card()
        names = [] if card is None else card.inference.classes
        return [(_ANY, None), *((name, name) for name in names)]

    # -- the model ------------------------------------------------------------------------

    def _on_model(self, *_: Any) -> None:
        super()._on_model()
        card = self._model.card()
        if card is None and self._model.value == OTHER and len(self._model.choices) == 1:
            self._about.value = _NO_MODEL
        now = (self._model.value, card is not None)
        if now != self._preset_of:
            self._preset_of = now
            self._offer(card)

    def _offer(self, card: ModelCard | None) -> None:
        """Set the defaults of the card, and enable the options of this family of models."""
        self._class_name.reset_choices()
        self._class_name.visible = len(self._class_name.choices) > 1
        generation = None if card is None else card.inference.generation
        self.conditions.offer([] if generation is None else generation.conditions)
        stepwise = generation is None or "diffusion" in generation.family
        for part in (self.sampler, self.steps, self.guidance, self.keep_trajectory):
            part.enabled = stepwise
        self._on_region()
        if card is None or generation is None:
            self._preset = {"sampler": self.sampler.value, "steps": self.steps.value}
            self._preset |= {"guidance": self.guidance.value, "size": self._image_size.value}
            return
        side, inference = max(card.inference.example_size), card.inference
        self.steps.max = inference.training_steps or _MAX_STEPS
        self.steps.value = min(generation.steps, self.steps.max)
        flow = generation.sampler == "euler"
        self.sampler.choices = list(_OF_FLOWS if flow else _SAMPLERS)
        self.sampler.value, self.guidance.value = generation.sampler, generation.guidance
        self._image_size.value = side
        self._image_size.step = max(1, inference.total_stride)
        if self._how_many.value in (_MANY, _FEW):
            self._how_many.value = _MANY if side < _LARGE_PX else _FEW
        self._preset = {"sampler": self.sampler.value, "steps": self.steps.value}
        self._preset |= {"guidance": self.guidance.value, "size": side}

    def _on_region(self, *_: Any) -> None:
        """Show what counts: a region has a size of its own, and only masks have objects to cut."""
        card, region = self._model.card(), self.region.value
        generation = None if card is None else card.inference.generation
        stepwise = generation is None or "diffusion" in generation.family
        self._image_size.enabled = stepwise and region is None
        masks = generation is None or generation.mask_channel is not None
        self.at_border.visible = masks and region is not None

    def reset_choices(self, *_: Any) -> None:
        """List the layers again; napari calls this when layers come and go."""
        super().reset_choices()
        if hasattr(self, "_inside"):
            self.region.reset_choices()

    def _unless_preset(self, name: str, value: Any) -> Any:
        """Return a value that the user changed; None where it is the model's default."""
        return None if value == self._preset.get(name) else value

    # -- the seed -------------------------------------------------------------------------

    def roll(self, *_: Any) -> None:
        """Set a random seed."""
        self.seed.value = secrets.randbelow(_SEED_LIMIT)

    # -- the run ----------------------------------------------------------------------------

    def _job(self, walk: tuple[int, int] | None = None, count: int = 0) -> GenerateJob:
        """Return the run that the form describes now.

        Parameters
        ----------
        walk
            Seeds of the two ends of a walk. None (default): independent images.
        count
            Number of images. Default: 0, as the form has it.

        Raises
        ------
        InputError
            No model is chosen.
        """
        from napari_cytosynth.tasks.generate.task import SamplingOptions

        if self._model.value == OTHER and len(self._model.choices) == 1:
            raise InputError(_NO_MODEL)
        seed, walk_to = (self.seed.value, None) if walk is None else walk
        region, at_border = self._inside.drawn()
        size = self._unless_preset("size", self._image_size.value) if region is None else None
        options = SamplingOptions(
            count=count or self._how_many.value,
            seed=seed,
            walk_to=walk_to,
            label=self._class_name.value,
            conditions=self.conditions.values(),
            size=size,
            sampler=self._unless_preset("sampler", self.sampler.value) if walk is None else None,
            steps=self._unless_preset("steps", self.steps.value),
            guidance=self._unless_preset("guidance", self.guidance.value),
            keep_trajectory=self.keep_trajectory.value and self.keep_trajectory.enabled,
        )
        return GenerateJob(self._chosen_model(), self.device.value, options, region, at_border)
