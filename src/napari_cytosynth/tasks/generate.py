"""Generate images: a model and seeds in, a :class:`Generation` out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cytosynth.errors import Cancelled, InputError
from napari_cytosynth.progress import resolve_progress
from napari_cytosynth.tasks._wishes import Wishes, whole_number
from napari_cytosynth.tasks.generation import Generation
from napari_cytosynth.tasks.provenance import record

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    import numpy.typing as npt

    from napari_cytosynth.inference.generation import Generated, Generator, Request
    from napari_cytosynth.progress import Progress
    from napari_cytosynth.zoo.loading import Model

    Floats = npt.NDArray[np.float32]
    OnPreview = Callable[[int, int, Floats, Sequence[int]], None]
    OnImage = Callable[[int, Floats], None]

__all__ = ["Generation", "generate", "vary"]


def generate(
    model: str | Path | Model = "nuclei-ddpm",
    *,
    count: int = 16,
    seed: int = 0,
    label: str | int | None = None,
    conditions: Mapping[str, float] | None = None,
    sampler: str | None = None,
    steps: int | None = None,
    guidance: float | None = None,
    size: int | Sequence[int] | None = None,
    keep_trajectory: bool = False,
    device: str = "auto",
    precision: str = "auto",
    batch_size: int | None = None,
    on_preview: OnPreview | None = None,
    on_image: OnImage | None = None,
    enough: Callable[[], bool] | None = None,
    progress: Progress | None = None,
) -> Generation:
    """Make up images like those that a model was trained on: synthetic, not measured.

    The same seed gives the same image on the same device, whatever the number of images,
    the batch size and the order.

    Parameters
    ----------
    model
        Whatever :func:`~napari_cytosynth.zoo.loading.load_model` takes.
    count
        Number of images.
    seed
        The first image's; the others have the seeds that follow.
    label
        Name or number (from 0) of the class, for models that know classes; None: of any.
    conditions
        Properties that the images are to have, such as ``{"foreground fraction": 0.2}``, for
        models that know them, in the units of the model's card.
    sampler
        Of diffusion models: ``ddpm``, ``ddim``, ``dpm++`` (Lu et al. 2022, arXiv:2211.01095)
        or ``unipc`` (Zhao et al. 2023, arXiv:2302.04867); None: the model's own.
    steps
        Of diffusion models, up to those of the training: more take longer, and are better
        up to a point. None: the model's own.
    guidance
        How strongly class and conditions count (classifier-free guidance, Ho and Salimans
        2022, arXiv:2207.12598): 0 not at all, 1 as trained, more exaggerates. None: the
        model's own.
    size
        In px, one number or those of Y and X; None: that of the training images. Diffusion
        models make larger ones from overlapping windows (MultiDiffusion, Bar-Tal et al.
        2023, arXiv:2302.08113).
    keep_trajectory
        Keep what the images looked like on the way from noise, at most 51 states.
    device, precision
        See :class:`~napari_cytosynth.inference.generation.Generator`.
    batch_size
        Images that are made at the same time; None: as many as the memory allows. It does
        not change them.
    on_preview
        Called after a step with its number, the number of steps, what the images of the
        batch look like so far, (n, C, Y, X) in [0, 1] without a mask's channel, and their
        numbers.
    on_image
        Called with the number of each finished image, and the image (C, Y, X).
    enough
        Polled between steps: once it is true the run ends, and what is finished is kept.
    progress
        Called after each step; None shows a bar in a console. Raising
        :class:`~napari_cytosynth.errors.Cancelled` from it stops the run there.

    Returns
    -------
    Generation

    Raises
    ------
    InputError
        If a parameter is impossible, or the model does not know such a class or property.
    ModelError
        If the model cannot be loaded, or gives no numbers.
    Cancelled
        From `progress`, or if `enough` ended the run before the first image was finished.
    """
    first = whole_number(seed, "seed", 0)
    seeds = tuple(range(first, first + whole_number(count, "number of images", 1)))
    run = _Run.load(model, device, precision, progress)
    run.wish(
        label=label,
        conditions=conditions,
        size=size,
        sampler=sampler,
        steps=steps,
        guidance=guidance,
        keep_trajectory=bool(keep_trajectory),
    )
    request = run.request(seeds, batch_size)
    made = run.generator.run(request, **run.calls(on_preview, on_image, enough, progress))
    own = {"count": len(made.images), "seed": first, "sampler": sampler}
    return run.result(made, "generate", own)


def vary(
    model: str | Path | Model,
    seed_a: int,
    seed_b: int,
    count: int = 9,
    *,
    label: str | int | None = None,
    conditions: Mapping[str, float] | None = None,
    steps: int | None = None,
    guidance: float | None = None,
    size: int | Sequence[int] | None = None,
    keep_trajectory: bool = False,
    device: str = "auto",
    precision: str = "auto",
    batch_size: int | None = None,
    on_preview: OnPreview | None = None,
    on_image: OnImage | None = None,
    enough: Callable[[], bool] | None = None,
    progress: Progress | None = None,
) -> Generation:
    """Walk from the image of one seed to that of another.

    The steps are equal along the arc between the two latent vectors (of a β-VAE or WGAN) or
    fields of noise (of a diffusion model, which then samples by DDIM, Song et al. 2021,
    arXiv:2010.02502).

    Parameters
    ----------
    model
        Whatever :func:`~napari_cytosynth.zoo.loading.load_model` takes.
    seed_a, seed_b
        Seeds of the first and the last image.
    count
        Number of images, both ends included: at least 2.
    label, conditions, steps, guidance, size, keep_trajectory
        As of :func:`generate`.
    device, precision, batch_size, on_preview, on_image, enough, progress
        As of :func:`generate`.

    Returns
    -------
    Generation
        With :attr:`~Generation.walk`.

    Raises
    ------
    InputError, ModelError, Cancelled
        As :func:`generate`.
    """
    ends = whole_number(seed_a, "seed", 0), whole_number(seed_b, "seed", 0)
    number = whole_number(count, "number of images", 2)
    run = _Run.load(model, device, precision, progress)
    run.wish(
        label=label,
        conditions=conditions,
        size=size,
        sampler=None,
        steps=steps,
        guidance=guidance,
        keep_trajectory=bool(keep_trajectory),
    )
    arguments = run.wishes.arguments() | {"batch_size": batch_size}
    calls = run.calls(on_preview, on_image, enough, progress)
    made = run.generator.walk(ends[0], ends[1], number, **arguments, **calls)
    return run.result(made, "vary", {"seed_a": ends[0], "seed_b": ends[1], "count": number})


@dataclass(eq=False)
class _Run:
    """One run of a generative model."""

    model: Model
    generator: Generator
    device: str
    precision: str

    @classmethod
    def load(
        cls, model: str | Path | Model, device: str, precision: str, progress: Progress | None
    ) -> _Run:
        from napari_cytosynth.inference.generation import Generator
        from napari_cytosynth.zoo.loading import load_model

        loaded = load_model(model, device, progress=progress)
        inference = loaded.card.inference
        if inference.task != "generate":
            raise InputError(
                f"The model “{loaded.card.name}” does not generate: it is made to {inference.task}."
            )
        where = device if device != "auto" else loaded.device
        generator = Generator(loaded.network, inference, device=where, precision=precision)
        return cls(loaded, generator, device, precision)

    def wish(self, **wanted: Any) -> None:
        """Check what the images are to be."""
        self.wishes = Wishes.check(self.model.card.inference, **wanted)

    def request(self, seeds: tuple[int, ...], batch_size: int | None) -> Request:
        from napari_cytosynth.inference.generation import Request

        return Request(
            count=len(seeds),
            seeds=seeds,
            sampler=self.wishes.sampler,
            batch_size=batch_size,
            **self.wishes.arguments(),
        )

    @property
    def shown(self) -> list[int]:
        """Indices of the output channels that are images, not the mask."""
        names = self.model.card.inference.output_channels
        return [index for index, name in enumerate(names) if name != self.wishes.card.mask_channel]

    def calls(
        self,
        on_preview: OnPreview | None,
        on_image: OnImage | None,
        enough: Callable[[], bool] | None,
        progress: Progress | None,
    ) -> dict[str, Any]:
        """Return the callables as the generator calls them, with the mask among the channels."""
        shown = self.shown

        def preview(step: int, steps: int, images: Floats, numbers: Sequence[int]) -> None:
            assert on_preview is not None
            on_preview(step, steps, images[:, shown], numbers)

        def finished(number: int, image: Floats) -> None:
            assert on_image is not None
            on_image(number, image[shown])

        return {
            "on_preview": None if on_preview is None else preview,
            "on_image": None if on_image is None else finished,
            "enough": enough,
            "progress": resolve_progress(progress),
        }

    def result(self, made: Generated, task: str, own: dict[str, Any]) -> Generation:
        """Sort what was made into images, masks and what is known of them."""
        if not len(made.images):
            raise Cancelled("Stopped before the first image was finished.")
        inference, card, shown = self.model.card.inference, self.wishes.card, self.shown
        names, states, masks = inference.output_channels, made.trajectory, None
        if card.mask_channel is not None:
            masks = made.images[:, names.index(card.mask_channel)] > 0.5
        walked = made.positions is not None
        return Generation(
            images=made.images[:, shown],
            channels=tuple(names[index] for index in shown),
            seeds=_nearer(made) if walked else made.seeds,
            model=self.model.card.name,
            masks=masks,
            objects=card.mask_objects,
            label=self.wishes.class_name,
            conditions=self.wishes.conditions,
            walk=made.positions,
            ends=(made.seeds[0], made.seeds[1]) if walked else None,
            trajectory=None if states is None else np.moveaxis(states[:, :, shown], 0, 1),
            pixel_size_um=inference.pixel_size_um,
            messages=[*self.wishes.remarks(), *made.messages],
            provenance=self._record(made, task, own),
        )

    def _record(self, made: Generated, task: str, own: dict[str, Any]) -> dict[str, Any]:
        here = {"device": self.device, "precision": self.precision}
        parameters = own | self.wishes.parameters() | here
        engine = {"device": str(self.generator.device), "precision": self.generator.precision}
        engine |= self.wishes.used() | ({"sampler": "ddim"} if task == "vary" else {})
        made_by = record(task, self.model, None, parameters, engine)
        return made_by | {"synthetic": True, "seeds": list(made.seeds)}


def _nearer(made: Generated) -> tuple[int, ...]:
    """Return for each image of a walk the seed of the end that it is nearer to."""
    return tuple(made.seeds[place > 0.5] for place in made.positions or ())
