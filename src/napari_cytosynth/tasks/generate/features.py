"""Feature extractors: those that a user chooses, and those that a card may name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_cytosynth.errors import ModelError

if TYPE_CHECKING:
    from pathlib import Path

    from napari_cytosynth.inference.features import Features
    from napari_cytosynth.zoo.loading import Model

__all__ = ["DEFAULT_EXTRACTOR", "FORMER_ENCODERS", "card_features", "load_features"]

DEFAULT_EXTRACTOR = "nuclei-encoder"

FORMER_ENCODERS = {"fluo-nuclei-unet": "nuclei-encoder", "em-mitochondria-unet": "em-encoder"}
"""Segmenters that cards name as their encoder -> the encoder of the weights that these had then.

A segmenter may be trained again; the embeddings in the weights of a generator, and the distances
on its card, were measured in the space of the old one and mean nothing in that of the new one.
"""


def load_features(
    extractor: str | Path | Model = DEFAULT_EXTRACTOR, device: str = "auto"
) -> Features:
    """Load the feature extractor of distances between sets of images.

    A TorchScript file is a program: this takes what the user chose, never what a card names.

    Parameters
    ----------
    extractor
        Name of a bundled encoder (nuclei-encoder, em-encoder); name, folder, file or Hub
        repository of a segmentation model with one input channel (its encoder is used), such
        a model itself, or the path of a TorchScript file (``.pt``).
        Default: ``"nuclei-encoder"``.
    device
        Device of the extractor: auto (default), cpu, cuda, mps.

    Returns
    -------
    Features
        Its ``embed(images (N, C, Y, X) in [0, 1])`` returns (N, D) float32.

    Raises
    ------
    ModelError
        If there is no such model or file, or it cannot be used as an extractor.
    """
    from pathlib import Path

    from napari_cytosynth.inference.features import encoder_features, is_script, script_features
    from napari_cytosynth.zoo.loading import load_model

    if isinstance(extractor, (str, Path)) and is_script(str(extractor)):
        return script_features(str(extractor), device)
    model = load_model(extractor)
    return encoder_features(
        model.network, model.card.inference.normalisation, model.card.name, device
    )


def card_features(name: str, model: str, device: str = "auto") -> Features:
    """Load the feature extractor that a model's card names: a bundled model, or none.

    A card is data that came from somewhere. It chooses no file and no repository: nothing is
    fetched or opened because of it. Where it names one of :data:`FORMER_ENCODERS`, the encoder
    that was kept is meant.

    Parameters
    ----------
    name
        The card's `encoder`.
    model
        Name of the model with that card.
    device
        Device of the extractor: auto (default), cpu, cuda, mps.

    Raises
    ------
    ModelError
        If the card names none, or one that is not bundled.
    ChecksumError
        If the weights of that one are not those that the catalogue pins.
    """
    from napari_cytosynth.zoo.bundled import bundled_folder
    from napari_cytosynth.zoo.catalogue import check_pin, find_entry
    from napari_cytosynth.zoo.loading import load_model
    from napari_cytosynth.zoo.text import one_line

    if not name:
        raise ModelError(f"The card of “{model}” does not say which encoder made its embeddings.")
    entry = find_entry(name)
    if entry is not None and entry.name in FORMER_ENCODERS:
        entry = find_entry(FORMER_ENCODERS[entry.name])
    folder = None if entry is None else bundled_folder(entry.name)
    if entry is None or folder is None:
        raise ModelError(
            f"The card of “{model}” names the encoder “{one_line(name, 200)}”, which does not come "
            "with this package. A card cannot have anything loaded: if you know and trust that "
            "model, choose it yourself with nearest_training(…, encoder=…)."
        )
    found = load_model(folder)  # not by its name, which a folder of the user may have too
    check_pin(entry, found.sha256, folder)
    return load_features(found, device)
