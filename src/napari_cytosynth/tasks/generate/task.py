"""Generation of images: from a model and seeds to a :class:`Generation`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cytosynth.arguments import check_callable
from napari_cytosynth.errors import (
    Cancelled,
    NotFiniteError,
    not_finite,
)
from napari_cytosynth.inference.generation.request import SamplingOptions, check_seed, resolve
from napari_cytosynth.progress import resolve_progress
from napari_cytosynth.tasks.common.provenance import record

from .loading import load_generator
from .result import Generation

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    import numpy.typing as npt

    from napari_cytosynth.inference.generation.generator import Generated
    from napari_cytosynth.inference.generation.request import ResolvedRequest
    from napari_cytosynth.progress import Progress
    from napari_cytosynth.zoo.card import Inference
    from napari_cytosynth.zoo.loading import Model

    Floats = npt.NDArray[np.float32]
    OnPreview = Callable[[int, int, Floats, Sequence[int]], None]
    OnImage = Callable[[int, Floats], None]

__all__ = ["Generation", "SamplingOptions", "generate", "sample", "vary"]


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
    """Generate images like those that a model was trained on: synthetic, not measured.

    The same seed gives the same image on the same device, whatever the number of images,
    the batch size and the order.

    Parameters
    ----------
    model
        As :func:`~napari_cytosynth.zoo.loading.load_model` takes it. Default:
        ``"nuclei-ddpm"``.
    count
        Number of images. Default: 16.
    seed
        Seed of the first image; the others have the seeds that follow. Default: 0.
    label
        Name or number (from 0) of the class, for class-conditional models; None (default):
        any class.
    conditions
        Properties of the images, such as ``{"foreground fraction": 0.2}``, for models with
        such conditions, in the units of the model's card. Default: None.
    sampler
        Of diffusion models: ``ddpm``, ``ddim``, ``dpm++`` (Lu et al. 2022, arXiv:2211.01095)
        or ``unipc`` (Zhao et al. 2023, arXiv:2302.04867). None (default): the model's own.
    steps
        Sampling steps of diffusion models, at most those of the training: more take longer,
        and are better up to a point. None (default): the model's own.
    guidance
        Weight of class and conditions (classifier-free guidance, Ho and Salimans 2022,
        arXiv:2207.12598): 0 ignores them, 1 is as trained, more exaggerates. None (default):
        the model's own.
    size
        In px, one number or those of Y and X. None (default): that of the training images.
        Diffusion models make larger ones from overlapping windows (MultiDiffusion, Bar-Tal
        et al. 2023, arXiv:2302.08113).
    keep_trajectory
        Keep the states from noise to image, at most 51. Default: False.
    device, precision
        See :class:`~napari_cytosynth.inference.generation.generator.Generator`. Default:
        ``"auto"``.
    batch_size
        Images that are made at the same time, without effect on them. None (default): as many
        as the memory allows.
    on_preview
        Called after a step with its number, the number of steps, the current estimate of the
        batch's images, (n, C, Y, X) in [0, 1] without a mask's channel, and their numbers.
        Default: None.
    on_image
        Called with the number of each finished image, and the image (C, Y, X). Default: None.
    enough
        Called between steps: once it returns True the run ends, and the finished images are
        kept. Default: None.
    progress
        Called after each step; None (default) shows a bar in a console. Raising
        :class:`~napari_cytosynth.errors.Cancelled` from it stops the run there.

    Returns
    -------
    Generation

    Raises
    ------
    InputError
        If a parameter is invalid, or the model has no such class or condition.
    ModelError
        If the model cannot be loaded, or its output is not finite.
    Cancelled
        From `progress`, or if `enough` ended the run before the first image was finished.
    """
    options = SamplingOptions(
        count=count,
        seed=seed,
        label=label,
        conditions=conditions,
        size=size,
        sampler=sampler,
        steps=steps,
        guidance=guidance,
        keep_trajectory=keep_trajectory,
        batch_size=batch_size,
    )
    return sample(
        model,
        options,
        device=device,
        precision=precision,
        on_preview=on_preview,
        on_image=on_image,
        enough=enough,
        progress=progress,
    )


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
    """Generate a latent walk from the image of one seed to that of another.

    The steps are equal along the arc between the two latent vectors (of a β-VAE or WGAN) or
    fields of noise (of a diffusion model, which then samples by DDIM, Song et al. 2021,
    arXiv:2010.02502).

    Parameters
    ----------
    model
        As :func:`~napari_cytosynth.zoo.loading.load_model` takes it.
    seed_a, seed_b
        Seeds of the first and the last image.
    count
        Number of images, both ends included, at least 2. Default: 9.
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
    check_seed(seed_a, "first seed (seed_a)")
    options = SamplingOptions(
        count=count,
        seed=seed_a,
        walk_to=check_seed(seed_b, "second seed (seed_b)"),
        label=label,
        conditions=conditions,
        size=size,
        steps=steps,
        guidance=guidance,
        keep_trajectory=keep_trajectory,
        batch_size=batch_size,
    )
    return sample(
        model,
        options,
        device=device,
        precision=precision,
        on_preview=on_preview,
        on_image=on_image,
        enough=enough,
        progress=progress,
    )


def sample(
    model: str | Path | Model,
    options: SamplingOptions,
    *,
    device: str = "auto",
    precision: str = "auto",
    on_preview: OnPreview | None = None,
    on_image: OnImage | None = None,
    enough: Callable[[], bool] | None = None,
    progress: Progress | None = None,
) -> Generation:
    """Generate images from sampling options: independent ones, or a latent walk.

    Parameters
    ----------
    model
        As :func:`~napari_cytosynth.zoo.loading.load_model` takes it.
    options
        Options of the run, validated here against the model's card.
    device, precision, on_preview, on_image, enough, progress
        As of :func:`generate`.

    Returns
    -------
    Generation

    Raises
    ------
    InputError, ModelError, Cancelled
        As :func:`generate`.
    """
    from napari_cytosynth.inference.cancelling import cancellable
    from napari_cytosynth.inference.generation.generator import Generator

    named = {"on_preview": on_preview, "on_image": on_image, "enough": enough}
    for name, function in named.items():
        check_callable(function, name)
    with cancellable(resolve_progress(progress)) as tick:
        loaded = load_generator(model, device, progress, tick)
        inference = loaded.card.inference
        request = resolve(options, inference)
        where = device if device != "auto" else loaded.device
        generator = Generator(loaded.network, inference, device=where, precision=precision)
        callbacks = _without_mask(_image_channels(inference), on_preview, on_image)
        try:
            made = generator.run(request, **callbacks, enough=enough, progress=tick)
        except NotFiniteError:
            raise not_finite(loaded.card.name) from None
    if not len(made.images):
        raise Cancelled("Stopped before the first image was finished.")
    parameters = _parameters(request, made) | {"device": device, "precision": precision}
    engine = {"device": str(generator.device), "precision": generator.precision}
    engine |= _settings_in_use(request, inference)
    task = "generate" if made.positions is None else "vary"
    made_by = record(task, loaded, None, parameters, engine)
    made_by |= {"synthetic": True, "seeds": list(made.seeds)}
    return _result(loaded, request, made, made_by)


def _mask_channel(inference: Inference) -> str | None:
    return None if inference.generation is None else inference.generation.mask_channel


def _image_channels(inference: Inference) -> list[int]:
    """Return the indices of the output channels other than the mask."""
    mask = _mask_channel(inference)
    return [index for index, name in enumerate(inference.output_channels) if name != mask]


def _without_mask(
    channels: list[int], on_preview: OnPreview | None, on_image: OnImage | None
) -> dict[str, Any]:
    """Return callbacks for the generator that drop the mask's channel."""

    def preview(step: int, steps: int, images: Floats, numbers: Sequence[int]) -> None:
        assert on_preview is not None
        on_preview(step, steps, images[:, channels], numbers)

    def finished(number: int, image: Floats) -> None:
        assert on_image is not None
        on_image(number, image[channels])

    return {
        "on_preview": None if on_preview is None else preview,
        "on_image": None if on_image is None else finished,
    }


def _result(
    model: Model, request: ResolvedRequest, made: Generated, provenance: dict[str, Any]
) -> Generation:
    """Return the generated channels as images and masks, with their facts."""
    inference = model.card.inference
    card = inference.generation
    assert card is not None
    names, shown, mask = inference.output_channels, _image_channels(inference), card.mask_channel
    walked, states = made.positions is not None, made.trajectory
    conditions = request.options.conditions
    return Generation(
        images=made.images[:, shown],
        channels=tuple(names[index] for index in shown),
        seeds=_nearer_seeds(made) if walked else made.seeds,
        model=model.card.name,
        masks=None if mask is None else made.images[:, names.index(mask)] > 0.5,
        objects=card.mask_objects,
        label=None if request.label is None else inference.classes[request.label],
        conditions=dict(conditions) if isinstance(conditions, Mapping) else {},
        walk=made.positions,
        ends=(made.seeds[0], made.seeds[1]) if walked else None,
        trajectory=None if states is None else np.moveaxis(states[:, :, shown], 0, 1),
        pixel_size_um=inference.pixel_size_um,
        messages=list(made.messages),
        provenance=provenance,
    )


def _nearer_seeds(made: Generated) -> tuple[int, ...]:
    """Return the seed of the nearer end for each image of a walk."""
    return tuple(made.seeds[place > 0.5] for place in made.positions or ())


# -- the record -------------------------------------------------------------------------------


def _parameters(request: ResolvedRequest, made: Generated) -> dict[str, Any]:
    """Return the options as plain values, named as the parameters of `generate` or `vary`."""
    options = request.options
    if request.positions is None:
        own = {"count": len(made.images), "seed": request.seeds[0], "sampler": options.sampler}
    else:
        first, last = request.seeds
        own = {"seed_a": first, "seed_b": last, "count": request.count}
    return own | {
        "label": options.label,
        "conditions": options.conditions,
        "size": None if request.options.size is None else list(request.size),
        "steps": options.steps,
        "guidance": options.guidance,
        "keep_trajectory": options.keep_trajectory,
    }


def _settings_in_use(request: ResolvedRequest, inference: Inference) -> dict[str, Any]:
    """Return the sampling settings in use, for the record."""
    card = inference.generation
    if card is None or "diffusion" not in card.family:
        return {} if request.positions is None else {"sampler": request.sampler}
    names = ("sampler", "steps", "guidance")
    return {name: getattr(request, name) for name in names}
