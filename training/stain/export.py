"""Export of a stainer's best checkpoint to the three-file format."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_cytosynth.training.data.input_record import start_inputs, widened
from napari_cytosynth.training.reports.model_export import network_facts, save_trained
from napari_cytosynth.training.reports.records import write_json
from napari_cytosynth.training.reports.run_folder import CHOSEN
from napari_cytosynth.zoo.card import Inference
from napari_cytosynth.zoo.loading import load_model

if TYPE_CHECKING:
    from pathlib import Path

    import torch

    from .data import StainData
    from .module import StainModule
    from .recipe import StainRecipe

__all__ = ["export_stainer", "settings_record"]


def settings_record(recipe: StainRecipe) -> dict[str, Any]:
    """Return what the card says of images, of a model whose weights a run stays near to.

    Raises
    ------
    ModelError
        If that model cannot be loaded.
    """
    start = recipe.network.start_from
    if not start or not recipe.train.keep:
        return {}
    return {"start_inputs": start_inputs(load_model(start, "cpu").card)}


def export_stainer(
    recipe: StainRecipe,
    module: StainModule,
    data: StainData,
    checkpoint: Path,
    folder: Path,
    summary: dict[str, Any],
) -> Path:
    """Write the three-file model of the best averaged weights.

    Its uncertainty is not calibrated yet: ``cytosynth evaluate stain --calibrate`` does
    that, on fields that the model has not seen.

    Parameters
    ----------
    recipe, module, data
        The run that ends.
    checkpoint
        ``best.pt`` of :class:`~napari_cytosynth.training.loop.callbacks.RevertToBest`.
    folder
        Destination; ``validation.json`` is written one level up.
    summary
        ``steps``, ``seconds``, ``best_epoch`` and ``precision`` of the run, and its
        :func:`settings_record`.
    """
    figures = {
        name: float(value)
        for name, value in module.trainer.callback_metrics.items()
        if name.startswith("validation/")
    }
    write_json(folder.parent / CHOSEN, {**summary, "last_validation": figures})

    def inference(network: torch.nn.Module) -> Inference:
        return Inference(
            task="stain",
            input_channels=recipe.data.input_channels,
            activation="linear",
            modality=recipe.modality,
            input_quantiles=widened(data.quantiles, summary, "quantiles"),
            input_looks=widened(data.looks, summary, "looks"),
            focal_planes=data.focal_planes,
            output_scaling=data.scaling,
            output_unit=recipe.data.unit,
            **network_facts(recipe, network),
        )

    return save_trained(recipe, checkpoint, folder, summary, inference)
