"""Loading a generator with the libraries that it needs, cancellable all the way."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_cytosynth.errors import CytosynthError
from napari_cytosynth.tasks.common.defaults import check_task

if TYPE_CHECKING:
    from pathlib import Path

    from napari_cytosynth.progress import Progress
    from napari_cytosynth.zoo.card import ModelCard
    from napari_cytosynth.zoo.loading import Model

__all__ = ["load_generator"]


def load_generator(
    model: str | Path | Model, device: str, progress: Progress | None, tick: Progress
) -> Model:
    """Load a generator, and the libraries that it is sampled with.

    Parameters
    ----------
    model, device, progress
        As :func:`~napari_cytosynth.zoo.loading.load_model` takes them.
    tick
        Called while libraries are imported; may raise Cancelled.

    Raises
    ------
    InputError
        If the model does not generate.
    ModelError
        If it cannot be loaded.
    """
    from napari_cytosynth.inference.cancelling import import_diffusers
    from napari_cytosynth.zoo.loading import load_model

    if _is_diffusion(model):
        import_diffusers(tick)
    loaded = load_model(model, device, progress=progress)
    check_task(loaded.card, "generate")
    return loaded


def _is_diffusion(model: str | Path | Model) -> bool:
    """Return whether a model is sampled in steps; True if it is not known yet."""
    from napari_cytosynth.zoo.catalogue import bundled_folder
    from napari_cytosynth.zoo.loading import Model
    from napari_cytosynth.zoo.model_files import read_card
    from napari_cytosynth.zoo.opening import existing_path
    from napari_cytosynth.zoo.own import own_folder

    card: ModelCard | None
    if isinstance(model, Model):
        card = model.card
    else:
        name = str(model)
        try:
            folder = existing_path(model) or bundled_folder(name) or own_folder(name)
            card = read_card(folder) if folder else None
        except (CytosynthError, TypeError):  # loading it names what is wrong
            return False
    sampling = card.inference.generation if card else None
    return card is None or (sampling is not None and "diffusion" in sampling.family)
