"""Generation of images: from a model and seeds to a :class:`Generation`."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from napari_cytosynth.arguments import check_callable
from napari_cytosynth.errors import (
    Cancelled,
    InputError,
    NotFiniteError,
    not_finite,
)
from napari_cytosynth.inference.generation.request import SamplingOptions, check_seed, resolve
from napari_cytosynth.progress import resolve_progress
from napari_cytosynth.tasks.common.provenance import record

from .loading import load_generator
from .outcome import image_channels, inside, parameters_of, result_of, settings_in_use
from .part import find_part
from .result import Generation

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    import numpy as np
    import numpy.typing as npt

    from napari_cytosynth.progress import Progress
    from napari_cytosynth.zoo.loading import Model

    from .part import Part

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
    region: Any = None,
    at_border: Literal["keep", "drop", "mark"] = "keep",
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
    region
        Shapes that the images fill: they are as large as the box around these, lie at its place
        in the world, and are NaN outside of the shapes. A napari Shapes layer; polygons as arrays
        (N, 2) or what :func:`~napari_cytosynth.tasks.export.region_file.read_region` returns, in
        px of the model; or the record of an earlier result. Not together with `size`. None
        (default): no region.
    at_border
        Objects of masks that touch the border of the region: ``"keep"`` (default) their part
        inside, ``"drop"`` them from the mask, or ``"mark"`` them in the table and the layer.
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
        region=region,
        at_border=at_border,
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
    region: Any = None,
    at_border: Literal["keep", "drop", "mark"] = "keep",
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
    label, conditions, steps, guidance, size, region, at_border, keep_trajectory
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
        region=region,
        at_border=at_border,
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
    region: Any = None,
    at_border: str = "keep",
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
    region
        As of :func:`generate`, or a :class:`~napari_cytosynth.tasks.generate.part.Part`.
    at_border, device, precision, on_preview, on_image, enough, progress
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
        part = find_part(region, inference, at_border)
        request = resolve(_of_size(options, part), inference)
        where = device if device != "auto" else loaded.device
        generator = Generator(loaded.network, inference, device=where, precision=precision)
        callbacks = _shown_alone(image_channels(inference), part, on_preview, on_image)
        try:
            made = generator.run(request, **callbacks, enough=enough, progress=tick)
        except NotFiniteError:
            raise not_finite(loaded.card.name) from None
    if not len(made.images):
        raise Cancelled("Stopped before the first image was finished.")
    parameters = parameters_of(request, made, part) | {"device": device, "precision": precision}
    engine = {"device": str(generator.device), "precision": generator.precision}
    engine |= settings_in_use(request, inference)
    task = "generate" if made.positions is None else "vary"
    made_by = record(task, loaded, None, parameters, engine)
    made_by |= {"synthetic": True, "seeds": list(made.seeds)}
    if part is not None:
        made_by["place"] = {name: list(values) for name, values in part.place.items()}
    return result_of(loaded, request, made, part, made_by)


def _of_size(options: SamplingOptions, part: Part | None) -> SamplingOptions:
    """Return options of the size that a region has."""
    if part is None:
        return options
    if options.size is not None:
        raise InputError("The region says how large the images are: leave the size out.")
    return replace(options, size=part.size)


def _shown_alone(
    channels: list[int],
    part: Part | None,
    on_preview: OnPreview | None,
    on_image: OnImage | None,
) -> dict[str, Any]:
    """Return callbacks that get no channel of a mask, and nothing outside of a region."""

    def preview(step: int, steps: int, images: Floats, numbers: Sequence[int]) -> None:
        assert on_preview is not None
        on_preview(step, steps, inside(images[:, channels], part), numbers)

    def finished(number: int, image: Floats) -> None:
        assert on_image is not None
        on_image(number, inside(image[channels], part))

    return {
        "on_preview": None if on_preview is None else preview,
        "on_image": None if on_image is None else finished,
    }
