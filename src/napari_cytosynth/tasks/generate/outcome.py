"""From the channels that a generator made to a :class:`Generation`, and its record."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from .result import Generation

if TYPE_CHECKING:
    import numpy.typing as npt

    from napari_cytosynth.inference.generation.generator import Generated
    from napari_cytosynth.inference.generation.request import ResolvedRequest
    from napari_cytosynth.zoo.card import Inference
    from napari_cytosynth.zoo.loading import Model

    from .part import Part

__all__ = ["image_channels", "inside", "parameters_of", "result_of", "settings_in_use"]


def _mask_channel(inference: Inference) -> str | None:
    return None if inference.generation is None else inference.generation.mask_channel


def image_channels(inference: Inference) -> list[int]:
    """Return the indices of the output channels other than the mask."""
    mask = _mask_channel(inference)
    return [index for index, name in enumerate(inference.output_channels) if name != mask]


def inside(images: npt.NDArray[Any], part: Part | None) -> npt.NDArray[Any]:
    """Return images (…, Y, X), NaN outside of a region if there is one; in place."""
    return images if part is None else part.clear(images)


def result_of(
    model: Model,
    request: ResolvedRequest,
    made: Generated,
    part: Part | None,
    provenance: dict[str, Any],
) -> Generation:
    """Return the generated channels as images and masks, with their facts."""
    inference = model.card.inference
    card = inference.generation
    assert card is not None
    names, shown, mask = inference.output_channels, image_channels(inference), card.mask_channel
    walked, states = made.positions is not None, made.trajectory
    conditions = request.options.conditions
    kept = None if states is None else np.moveaxis(states[:, :, shown], 0, 1)
    said = () if part is None else part.messages
    masks = None if mask is None else made.images[:, names.index(mask)] > 0.5
    if masks is not None and part is not None:
        masks = part.limit(masks)
    return Generation(
        images=inside(made.images[:, shown], part),
        channels=tuple(names[index] for index in shown),
        seeds=_nearer_seeds(made) if walked else made.seeds,
        model=model.card.name,
        masks=masks,
        objects=card.mask_objects,
        label=None if request.label is None else inference.classes[request.label],
        conditions=dict(conditions) if isinstance(conditions, Mapping) else {},
        walk=made.positions,
        ends=(made.seeds[0], made.seeds[1]) if walked else None,
        trajectory=None if kept is None else inside(kept, part),
        pixel_size_um=inference.pixel_size_um,
        part=part,
        messages=[*made.messages, *said],
        provenance=provenance,
    )


def _nearer_seeds(made: Generated) -> tuple[int, ...]:
    """Return the seed of the nearer end for each image of a walk."""
    return tuple(made.seeds[place > 0.5] for place in made.positions or ())


# -- the record -------------------------------------------------------------------------------


def parameters_of(request: ResolvedRequest, made: Generated, part: Part | None) -> dict[str, Any]:
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
        "size": None if part or request.options.size is None else list(request.size),
        "steps": options.steps,
        "guidance": options.guidance,
        "keep_trajectory": options.keep_trajectory,
        **({} if part is None else part.parameters),
    }


def settings_in_use(request: ResolvedRequest, inference: Inference) -> dict[str, Any]:
    """Return the sampling settings in use, for the record."""
    card = inference.generation
    if card is None or "diffusion" not in card.family:
        return {} if request.positions is None else {"sampler": request.sampler}
    names = ("sampler", "steps", "guidance")
    return {name: getattr(request, name) for name in names}
