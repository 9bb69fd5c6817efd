"""Search for copies: the nearest training image of each synthetic one."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

import numpy as np

from napari_cytosynth.errors import InputError, ModelError

from .features import card_features, load_features
from .neighbours import Nearest
from .result import Generation

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import numpy.typing as npt

    from napari_cytosynth.inference.features import Features, Reference
    from napari_cytosynth.zoo.card import GenerationSettings
    from napari_cytosynth.zoo.loading import Model

__all__ = ["Nearest", "TrainingCrops", "nearest_training"]

_BATCH = 64  # images in a pass of the encoder


class TrainingCrops(Protocol):
    """Crops of the training images, and where each was cut."""

    @property
    def images(self) -> npt.NDArray[np.float32]:
        """(M, C, Y, X) in [-1, 1], the signed mask last."""

    @property
    def index(self) -> npt.NDArray[np.int32]:
        """(M, 4): the place of each; see :attr:`Nearest.place`."""


def nearest_training(
    images: Generation | npt.NDArray[np.floating],
    model: str | Path | Model,
    crops: Callable[[str, int], TrainingCrops] | None = None,
    *,
    device: str = "auto",
    encoder: str | Path | Model | None = None,
) -> Nearest:
    """Find the nearest training image of each synthetic image.

    The model carries embeddings of (some of) its training images, never their pixels. They
    were made by the encoder that its card names, which is loaded if it is a bundled model. An
    encoder responds to the content of an image more than to single pixels: a small distance is
    a reason to inspect both images, no proof of a copy.

    Parameters
    ----------
    images
        A result, whose attribute :attr:`Generation.nearest` is set, or images (N, C, Y, X) in
        [0, 1] without a mask's channel.
    model
        The model that made them, as :func:`~napari_cytosynth.zoo.loading.load_model` takes it.
    crops
        Function that cuts the training images again, for the neighbours themselves, such as
        ``napari_cytosynth.training.neighbours.training_crops(folder)`` returns. It is called
        with the name of the recipe on the model's card, and the number of crops. Default: None.
    device
        Device of the encoder: auto (default), cpu, cuda, mps.
    encoder
        The encoder that made the embeddings, where it is none of the bundled models: as
        :func:`~napari_cytosynth.tasks.features.load_features` takes it. None (default): the one
        that the card names.

    Raises
    ------
    InputError
        If the images do not have the model's channels, are empty outside of a region, or `crops`
        are not those that the embeddings were made of.
    ModelError
        If the model carries no embeddings, or its encoder cannot be loaded.
    """
    from napari_cytosynth.zoo.loading import load_model

    loaded = load_model(model, device)
    card = loaded.card.inference.generation
    if card is None:
        raise InputError(
            f"The model “{loaded.card.name}” does not generate images, so they cannot be copies."
        )
    reference = _reference(loaded)
    if encoder is None:
        features = card_features(card.encoder, loaded.card.name, device)
    else:
        features = load_features(encoder, device)
    pixels = images.images if isinstance(images, Generation) else np.asarray(images)
    if isinstance(images, Generation) and images.part is not None:
        images.part.require_whole("images to compare with those of the training")
    found = _nearest(pixels, features, reference, card)
    if crops is not None:
        found = _with_images(found, reference, loaded, crops)
    if isinstance(images, Generation):
        images.nearest = found
    return found


def _reference(model: Model) -> Reference:
    from napari_cytosynth.inference.features import Reference
    from napari_cytosynth.zoo.model_files import read_reference

    reference = None
    if model.path is not None:
        reference = Reference.from_tensors(read_reference(model.path))
    if reference is None:
        raise ModelError(
            f"The model “{model.card.name}” carries no embeddings of its training images, so "
            "that its nearest ones cannot be looked up. “cytosynth evaluate generate … "
            "--update-card” adds them, given the training data."
        )
    return reference


def _nearest(
    images: npt.NDArray[np.floating],
    features: Features,
    reference: Reference,
    card: GenerationSettings,
) -> Nearest:
    parts = [
        reference.nearest(features.embed(images[start : start + _BATCH]))
        for start in range(0, max(1, len(images)), _BATCH)
    ]
    distance, index = (np.concatenate(column) for column in zip(*parts, strict=True))
    usual = tuple(card.real_distances)
    return Nearest(
        distance,
        index,
        usual,
        distance < usual[0] if usual else np.zeros(len(distance), bool),
        features.name,
        None if reference.index is None else reference.index[index],
    )


def _with_images(
    found: Nearest,
    reference: Reference,
    model: Model,
    crops: Callable[[str, int], TrainingCrops],
) -> Nearest:
    """Add the neighbours, cut from the training data as they were for the embeddings."""
    cut = crops(model.card.training.recipe or "", len(reference.embeddings))
    if reference.index is not None and not np.array_equal(cut.index, reference.index):
        raise InputError(
            "These training images are not those that the embeddings of "
            f"“{model.card.name}” were made of, or the recipe is another one."
        )
    pixels = cut.images[found.index]
    return replace(found, images=np.asarray((pixels + 1) / 2, np.float32))
