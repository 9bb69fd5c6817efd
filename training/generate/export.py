"""Export of a generator's best checkpoint to the three-file format."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_cytosynth.training.reports.model_export import save_trained
from napari_cytosynth.training.reports.records import write_json
from napari_cytosynth.training.reports.run_folder import CHOSEN
from napari_cytosynth.zoo.card import Condition, GenerationSettings, Inference

from .families import FAMILIES
from .recipe import DiffusionObjective

if TYPE_CHECKING:
    from pathlib import Path

    import torch

    from napari_cytosynth.training.loop.module import NetworkModule

    from .data import GenerateData
    from .recipe import GenerateRecipe

__all__ = ["export_generator", "generation_facts", "generator_inference"]


def _conditions(recipe: GenerateRecipe, data: GenerateData) -> list[Condition]:
    if not recipe.data.condition_on_fraction:
        return []
    train = data.part("train")
    low, high = train.range
    return [
        Condition(
            name="fraction",
            description=f"share of the image that {recipe.card.objects} cover",
            mean=round(train.mean, 5),
            std=round(train.std, 5),
            low=round(low, 3),
            high=round(high, 3),
        )
    ]


def generation_facts(recipe: GenerateRecipe, data: GenerateData) -> dict[str, Any]:
    """Return the card's settings of sampling, as arguments of `Inference`."""
    plan = recipe.objective
    facts: dict[str, Any] = {
        "family": FAMILIES[recipe.network.architecture].sampling,
        "mask_channel": recipe.data.mask_name if recipe.data.mask else None,
        "mask_objects": recipe.card.objects,
        "conditions": _conditions(recipe, data),
        "unit": recipe.data.unit,
        "encoder": recipe.encoder,
    }
    if not isinstance(plan, DiffusionObjective):
        return {"generation": GenerationSettings(**facts)}
    flow = plan.prediction == "flow"
    generation = GenerationSettings(
        **facts,
        zero_terminal_snr=plan.zero_terminal_snr and not flow,
        sampler="euler" if flow else plan.sampler,
        steps=plan.sampling_steps,
        guidance=plan.guidance,
    )
    return {
        "generation": generation,
        "prediction_type": plan.prediction,
        "schedule": "straight" if flow else plan.schedule,
        "training_steps": plan.steps,
    }


def generator_inference(
    recipe: GenerateRecipe, data: GenerateData, network: torch.nn.Module
) -> Inference:
    """Return the card's block `inference` of a generator."""
    return Inference(
        task="generate",
        input_channels=[],
        output_channels=recipe.output_channels,
        pixel_size_um=recipe.card.pixel_size_um,
        activation="linear",
        total_stride=int(getattr(network, "total_stride", 1)),
        norm=FAMILIES[recipe.network.architecture].norm,
        objects=recipe.card.objects,
        classes=recipe.data.classes if recipe.data.conditional else [],
        modality=recipe.modality,
        example_size=(recipe.data.crop_size, recipe.data.crop_size),
        **generation_facts(recipe, data),
    )


def export_generator(
    recipe: GenerateRecipe,
    module: NetworkModule,
    data: GenerateData,
    checkpoint: Path,
    folder: Path,
    summary: dict[str, Any],
) -> Path:
    """Write the three-file model of the best averaged weights.

    Parameters
    ----------
    recipe, module, data
        The run that ends.
    checkpoint
        ``best.pt`` of :class:`~napari_cytosynth.training.loop.callbacks.RevertToBest`.
    folder
        Destination; ``validation.json`` is written one level up.
    summary
        ``steps``, ``seconds``, ``best_epoch`` and ``precision`` of the run.
    """

    def inference(network: torch.nn.Module) -> Inference:
        return generator_inference(recipe, data, network)

    saved = save_trained(recipe, checkpoint, folder, summary, inference)
    write_json(folder.parent / CHOSEN, summary)
    return saved
