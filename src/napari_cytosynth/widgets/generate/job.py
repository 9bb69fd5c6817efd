"""Background jobs of the Generate widget: values in, values out, no Qt.

Nothing heavy is imported before a job runs, so that the widget opens at once.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cytosynth.errors import Cancelled, CytosynthError
from napari_cytosynth.tasks.common.provenance import KEY

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Sequence
    from pathlib import Path

    import numpy.typing as npt

    from napari_cytosynth.progress import Progress
    from napari_cytosynth.tasks.generate.nearest import Nearest
    from napari_cytosynth.tasks.generate.part import Part
    from napari_cytosynth.tasks.generate.result import Generation
    from napari_cytosynth.tasks.generate.task import SamplingOptions
    from napari_cytosynth.widgets.common.preview_queue import PreviewQueue
    from napari_cytosynth.zoo.card import ModelCard

__all__ = [
    "GenerateJob",
    "GenerationPreview",
    "NearestResult",
    "RunResult",
    "Tasks",
    "compute",
    "describe",
    "look_up",
    "real_tasks",
]

LayerData = tuple[Any, dict[str, Any], str]

_GAP_PX = 4  # between a synthetic image and its nearest training image
_MAX_NAMED = 3  # samples that a sentence names


@dataclass(frozen=True)
class Tasks:
    """Functions that load, run and check a generator; tests replace them."""

    load_model: Callable[..., Any]
    sample: Callable[..., Generation]
    nearest_training: Callable[..., Nearest]
    training_crops: Callable[..., Any]


def real_tasks() -> Tasks:
    """Return the functions of this package."""
    from napari_cytosynth.tasks.generate.nearest import nearest_training
    from napari_cytosynth.tasks.generate.task import sample
    from napari_cytosynth.zoo.loading import load_model

    return Tasks(load_model, sample, nearest_training, _training_crops)


def _training_crops(folder: str | Path) -> Any:
    """Return the training crops of a folder; reading them needs the extra ``train``."""
    try:
        from napari_cytosynth.training.generate.evaluate.training_crops import training_crops
    except ImportError as error:
        raise CytosynthError(
            "Reading the training images needs more packages: pip install "
            '"napari-cytosynth[train]".'
        ) from error
    return training_crops(folder)


@dataclass(frozen=True, eq=False)
class GenerateJob:
    """Input of a run: model, device, sampling options, and shapes that the images fill."""

    model: str
    device: str
    options: SamplingOptions
    region: Any = None
    at_border: str = "keep"


@dataclass(eq=False)
class GenerationPreview:
    """Images of the running batch after a sampling step."""

    layers: list[LayerData]
    """Layers of the whole stack, still empty."""
    numbers: list[int]
    """Indices of the images in that stack."""
    planes: dict[str, tuple[npt.NDArray[Any], Any]]
    """Images and their contrast limits (None for RGB) by the name of the layer."""


@dataclass(eq=False)
class RunResult:
    """Result of a run: the images and their layers."""

    job: GenerateJob
    generation: Generation
    layers: list[LayerData]
    messages: list[str] = field(default_factory=list)


@dataclass(eq=False)
class NearestResult:
    """Result of looking up the nearest training images."""

    sentence: str
    table: Any
    layers: list[LayerData]


class PreviewBuilder:
    """Turns the images after each step into previews, in the thread of the model."""

    def __init__(
        self,
        queue: PreviewQueue[GenerationPreview],
        options: SamplingOptions,
        card: ModelCard,
        part: Part | None,
    ) -> None:
        self._queue = queue
        self._part = part
        self._options = options
        self._card = card
        self._layers: list[LayerData] = []
        self.begun = False
        """Whether a step was done; from then on a stopped run keeps its finished images."""

    def update(
        self, step: int, steps: int, images: npt.NDArray[np.float32], numbers: Sequence[int]
    ) -> None:
        """Queue a preview of the images (n, C, Y, X) of a batch."""
        self.begun = True
        if not self._layers:
            empty = np.zeros((self._options.count, *images.shape[1:]), np.float32)
            self._layers = self._drawn(empty if self._part is None else self._part.clear(empty))
        planes = {
            attributes["name"]: (data, attributes.get("contrast_limits"))
            for data, attributes, _ in self._drawn(images)
        }
        self._queue.put(numbers[0], GenerationPreview(self._layers, list(numbers), planes))

    def finished(self, number: int, image: npt.NDArray[np.float32]) -> None:
        """Queue a finished image (C, Y, X)."""
        self.update(1, 1, image[None], [number])

    def _drawn(self, images: npt.NDArray[np.float32]) -> list[LayerData]:
        """Return the layers of images, with an axis of steps where the result will have one."""
        from napari_cytosynth.tasks.generate.result import Generation

        keep = self._options.keep_trajectory
        inference = self._card.inference
        first = self._options.seed if isinstance(self._options.seed, int) else 0
        mask = None if inference.generation is None else inference.generation.mask_channel
        layers = Generation(
            images=images,
            channels=tuple(name for name in inference.output_channels if name != mask),
            seeds=tuple(range(first, first + len(images))),
            model=self._card.name,
            trajectory=np.stack([images, images], 1) if keep else None,
            pixel_size_um=inference.pixel_size_um,
            part=self._part,
            provenance={"synthetic": True},
        ).to_layers()
        return layers[: len(layers) // 2] if keep else layers


def compute(
    job: GenerateJob,
    progress: Progress,
    queue: PreviewQueue[GenerationPreview],
    enough: threading.Event,
    tasks: Tasks | None,
) -> RunResult:
    """Run the model and leave a preview after each step.

    Parameters
    ----------
    job
        Model, device and options of the run.
    progress
        Raises `Cancelled` to stop the run.
    queue
        Gets the previews.
    enough
        Set to stop the run and keep the images that are finished.
    tasks
        Functions that run the model. None: those of this package.

    Raises
    ------
    CytosynthError
        With the sentence that the user reads.
    Cancelled
        Stopped before the first image was finished.
    """
    from napari_cytosynth.tasks.generate.part import find_part

    progress(0, 0, "Loading the model")
    tasks = tasks or real_tasks()
    builder: PreviewBuilder | None = None

    def report(done: int, total: int, message: str, /) -> None:
        if enough.is_set() and (builder is None or not builder.begun):
            raise Cancelled("Stopped.")
        progress(done, total, message)

    model = tasks.load_model(job.model, job.device, progress=report)
    part = find_part(job.region, model.card.inference, job.at_border)
    builder = PreviewBuilder(queue, job.options, model.card, part)
    generation = tasks.sample(
        model,
        job.options,
        region=part,
        device=job.device,
        on_preview=builder.update,
        on_image=builder.finished,
        enough=enough.is_set,
        progress=report,
    )
    if not len(generation):
        raise Cancelled("Stopped.")
    return RunResult(job, generation, generation.to_layers(), list(generation.messages))


def look_up(
    result: RunResult, data_dir: str | Path | None, progress: Progress, tasks: Tasks | None
) -> NearestResult:
    """Look up the nearest training image of each image of a result.

    Parameters
    ----------
    result
        Result of a run; its images get the distances.
    data_dir
        Folder of the training data, to show the nearest images; None to show none.
    progress
        Raises `Cancelled` to stop before the look-up.
    tasks
        Functions that look it up. None: those of this package.

    Raises
    ------
    CytosynthError
        With the sentence that the user reads.
    """
    progress(0, 0, "Looking up the nearest training images")
    tasks, generation = tasks or real_tasks(), result.generation
    job = result.job
    crops = None if data_dir is None else tasks.training_crops(data_dir)
    nearest = tasks.nearest_training(generation, job.model, crops, device=job.device)
    progress(0, 0, "Looked up")
    columns = ["sample", "seed", "position", "nearest_distance", "suspicious"]
    table = generation.table.filter(columns)  # of a walk only the ends have a seed
    return NearestResult(_sentence(nearest), table, _neighbours(generation, nearest))


def describe(generation: Generation, number: int) -> str:
    """Return a sentence on an image: number, seed, distance to the training images."""
    text = f"In view: sample {number} (0 to {len(generation) - 1}), "
    if generation.walk is None or generation.ends is None:
        text += f"seed {generation.seeds[number]}."
    else:
        first, last = generation.ends
        text += f"{generation.walk[number]:.0%} of the way from seed {first} to {last}."
    if generation.nearest is not None:
        text += f" {generation.nearest.describe(number)}"
    return text


def _sentence(nearest: Nearest) -> str:
    """Return a sentence that summarises the distances of all images."""
    low, middle, high = np.percentile(nearest.distance, (0, 50, 100))
    text = f"Distance to the nearest training image: {middle:.3g} ({low:.3g} to {high:.3g})"
    if not nearest.usual:
        return f"{text}. What is usual for real images is not known for this model."
    usual = f"{nearest.usual[2]:.3g} ({nearest.usual[0]:.3g} to {nearest.usual[-1]:.3g})"
    text = f"{text}; of real images never trained on: {usual}."
    close = np.flatnonzero(nearest.suspicious)
    if not len(close):
        return f"{text} None is unusually near."
    more = " …" if len(close) > _MAX_NAMED else ""
    which = ", ".join(str(number) for number in close[:_MAX_NAMED]) + more
    noun = "sample" if len(close) == 1 else "samples"
    return (
        f"{text} ⚠ Unusually near, as one real image in twenty is: {noun} {which}. Look at both "
        "images."
    )


def _neighbours(generation: Generation, nearest: Nearest) -> list[LayerData]:
    """Return layers of the training images, to the right of the synthetic ones."""
    if nearest.images is None:
        return []
    pixels = nearest.images[:, : len(generation.channels)]
    states = None
    if generation.trajectory is not None:  # at the step where the synthetic images lie
        states = np.broadcast_to(
            pixels[:, None], (len(pixels), generation.trajectory.shape[1], *pixels.shape[1:])
        )
    real = dataclasses.replace(
        generation, images=pixels, masks=None, trajectory=states, nearest=None, provenance={}
    )
    count = 1 if real.is_rgb else len(real.channels)
    layers = []
    for number, (data, attributes, kind) in enumerate(real.to_layers()[:count]):
        width = (generation.images.shape[-1] + _GAP_PX) * attributes["scale"][-1]
        channel = "" if real.is_rgb else f" – {generation.channels[number]}"
        attributes["name"] = f"nearest training image{channel}"
        attributes["metadata"] = {KEY: {"role": "training image"}}
        *before, at = attributes.get("translate", (0.0,) * 3)
        attributes["translate"] = (*before, at + width)
        if not real.is_rgb:  # as bright as the synthetic image beside it
            attributes["contrast_limits"] = generation.contrast_limits(number)
        layers.append((data, attributes, kind))
    return layers
