"""Feature extractors by name, path or Hub repository."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_cytosynth.inference.features import Features

__all__ = ["DEFAULT_EXTRACTOR", "load_features"]

DEFAULT_EXTRACTOR = "fluo-nuclei-unet"


def load_features(extractor: str = DEFAULT_EXTRACTOR, device: str = "auto") -> Features:
    """Load the feature extractor of distances between sets of images.

    Parameters
    ----------
    extractor
        Name, folder, file or Hub repository of a segmentation model with one input channel
        (its encoder is used), or the path of a TorchScript file (``.pt``). Default:
        ``"fluo-nuclei-unet"``.
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
    from napari_cytosynth.inference.features import encoder_features, is_script, script_features
    from napari_cytosynth.zoo.loading import load_model

    if is_script(extractor):
        return script_features(extractor, device)
    model = load_model(extractor)
    return encoder_features(
        model.network, model.card.inference.normalisation, model.card.name, device
    )
