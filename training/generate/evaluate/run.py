"""Evaluation of generators against real images that they were not trained on.

Every distance stands beside the same distance of real training images, the best that can
be reached, and of noise with the same mean, covariance and spectrum, which has no shape
at all: alone such a figure means little.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cytosynth.errors import InputError
from napari_cytosynth.inference.generation.likelihood import bits_per_dim
from napari_cytosynth.progress import silent
from napari_cytosynth.tasks.generate.features import load_features
from napari_cytosynth.training.reports.records import results_folder, write_json

from .report import BITS, GenerateOptions, GenerateReport, GenerateScores
from .sampling import Sampling, known_properties, sample_like, unit_range
from .scores import DistributionScorer, ImageSet

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_cytosynth.inference.features import Features
    from napari_cytosynth.progress import Progress
    from napari_cytosynth.training.generate.data import Crops, GenerateData
    from napari_cytosynth.training.generate.recipe import GenerateRecipe
    from napari_cytosynth.zoo.loading import Model

__all__ = [
    "GenerateOptions",
    "GenerateReport",
    "GenerateScores",
    "Sampling",
    "data_of",
    "evaluate_generate",
    "write_report",
]

_MOST_TRAINING = 2000  # training crops that are searched for copies
_MOST_PIXELS = 1 << 26
_LIKELIHOOD_STEPS = 100  # drawn for each image: the estimate stays unbiased


def data_of(models: Sequence[Model], data_dir: Path, recipe: str | None = None) -> GenerateData:
    """Return the data that models were trained on, as their recipe cuts it.

    Parameters
    ----------
    models
        Generators.
    data_dir
        Folder that the recipe's folders are in.
    recipe
        Name or path of the recipe; None (default) for those that the models' cards name,
        which must then agree on the data.

    Raises
    ------
    InputError
        If the models were trained on different data, or a card names no recipe that ships.
    RecipeError
        If a recipe or the data cannot be used.
    """
    from napari_cytosynth.training.generate.data import GenerateData
    from napari_cytosynth.training.generate.loading import load_generator
    from napari_cytosynth.training.recipe.files import list_recipes

    names = [recipe] if recipe else [model.card.training.recipe for model in models]
    if not all(names):
        raise InputError("The model's card names no recipe: name one with --recipe.")
    known = set(list_recipes())
    if own := [name for name in names if not recipe and name not in known]:
        raise InputError(
            f"The model was trained by a recipe of your own, “{own[0]}”: name its file with "
            f"--recipe, for example runs/{own[0]}/recipe.yaml."
        )
    first, *others = [load_generator(str(name)) for name in dict.fromkeys(names)]
    for other in others:
        if _what_is_cut(other) != _what_is_cut(first):
            raise InputError(
                f"“{first.name}” and “{other.name}” were not trained on the same crops, so their "
                "figures cannot stand side by side: evaluate them one by one."
            )
    return GenerateData(first, data_dir)


def _what_is_cut(recipe: GenerateRecipe) -> dict[str, Any]:
    return recipe.data.model_dump(exclude={"crops_per_epoch", "conditional", "unit"})


def evaluate_generate(
    models: Sequence[Model],
    data: GenerateData,
    options: GenerateOptions | None = None,
    *,
    progress: Progress | None = None,
) -> GenerateReport:
    """Generate images with every model and compare them with real ones.

    Parameters
    ----------
    models
        Generators of the same channels and size, trained on the same data.
    data
        The data of their recipe: real crops are cut exactly as training cut them.
    options
        What is compared; None (default) for the defaults.
    progress
        Called with the number of generated images; may raise Cancelled.

    Returns
    -------
    GenerateReport
        :func:`write_report` writes it.

    Raises
    ------
    InputError
        If there is no model, two have one name, or a model's channels or size are not
        those of the data.
    RecipeError
        If the recipe names no images of the part that is compared with.
    CytosynthError
        If sampling fails.
    """
    options = options or GenerateOptions()
    _check(models, data)
    extractor = load_features(options.extractor, options.sampling.device)
    real = data.crops(options.part, options.count, options.sampling.seed)
    training = data.crops("train", _reference_count(options, real.images))
    mask = _mask_channel(models[0])
    held_out, known = (
        ImageSet.of(unit_range(crops.images), mask, extractor) for crops in (real, training)
    )
    scorer = DistributionScorer(
        held_out, known, data.recipe.data.channels, options.sampling.seed, training.index
    )
    base = scorer.baselines(extractor)
    tick, total = progress or silent, options.count * len(models)
    scores: dict[str, GenerateScores] = {}
    for number, model in enumerate(models):

        def report(done: int, message: str, name: str = model.card.name, n: int = number) -> None:
            tick(n * options.count + done, total, f"{name}: {message}")

        scores[model.card.name] = _scores(model, real, scorer, extractor, options, report)
    return GenerateReport(
        scores,
        {name: scorer.figures(found) for name, found in base.items()},
        base["noise"],
        scorer,
        options,
        extractor.name,
    )


def write_report(report: GenerateReport, folder: Path, *, command: str = "") -> None:
    """Write ``table.csv``, ``metrics.json`` and figures.

    Parameters
    ----------
    report
        Results of the evaluation.
    folder
        Made if it does not exist; files of the same names are replaced. Some pages show
        real images: mind the licence of the data before handing them on.
    command
        The command that measures this again, kept in ``metrics.json``; empty by default.

    Raises
    ------
    OutputError
        If the folder cannot be written.
    """
    from .figures import save_figures

    with results_folder(folder):
        report.comparison().to_csv(folder / "table.csv", index=False)
        write_json(folder / "metrics.json", report.summary(command))
        save_figures(report, folder)


def _check(models: Sequence[Model], data: GenerateData) -> None:
    names = [model.card.name for model in models]
    if not models or len(set(names)) < len(names):
        raise InputError("Name at least one generator, and none twice.")
    recipe = data.recipe
    size = recipe.data.crop_size
    for model in models:
        inference = model.card.inference
        if inference.task != "generate":
            raise InputError(f"“{model.card.name}” is no generator: choose one of those.")
        if inference.output_channels != recipe.output_channels or (
            tuple(inference.example_size) != (size, size)
        ):
            raise InputError(
                f"“{model.card.name}” makes {', '.join(inference.output_channels)} of "
                f"{inference.example_size[0]} px, the recipe “{recipe.name}” describes "
                f"{', '.join(recipe.output_channels)} of {size} px: they do not belong together."
            )


def _mask_channel(model: Model) -> int | None:
    inference = model.card.inference
    name = inference.generation.mask_channel if inference.generation else None
    return None if name is None else inference.output_channels.index(name)


def _reference_count(options: GenerateOptions, images: NDArray[np.float32]) -> int:
    fitting = _MOST_PIXELS // int(np.prod(images.shape[1:]))
    wanted = _MOST_TRAINING if options.reference is None else options.reference
    return max(options.count, min(wanted, fitting))


def _scores(
    model: Model,
    real: Crops,
    scorer: DistributionScorer,
    extractor: Features,
    options: GenerateOptions,
    progress: Any,
) -> GenerateScores:
    channels, conditions = sample_like(model, real, options.sampling, progress)
    found = ImageSet.of(channels, _mask_channel(model), extractor)
    copies = scorer.copies(found)
    figures = scorer.figures(found) | copies.figures()
    figures |= _condition_error(model, found, conditions) | _likelihood(model, real, options)
    return GenerateScores(model, found, copies, figures)


def _condition_error(
    model: Model, found: ImageSet, conditions: NDArray[np.float64]
) -> dict[str, float]:
    """Return the mean absolute error between requested and measured mask fractions."""
    generation = model.card.inference.generation
    if found.masks is None or generation is None or not generation.conditions:
        return {}
    condition = generation.conditions[0]
    if "fraction" not in condition.name:
        return {}
    requested = conditions[:, 0] * condition.std + condition.mean
    area = found.masks.mean(axis=(1, 2))
    return {f"mean |{condition.name} asked − found|": float(np.abs(requested - area).mean())}


def _likelihood(model: Model, real: Crops, options: GenerateOptions) -> dict[str, float]:
    """Return the bits/dim of the first real images, of a diffusion model of pixels; not a flow."""
    inference, count = model.card.inference, options.likelihood
    generation = inference.generation
    if not count or generation is None or generation.family != "diffusion":
        return {}
    if inference.prediction_type == "flow":
        return {}
    classes, conditions = known_properties(model)
    found = bits_per_dim(
        model.network,
        inference,
        real.images[:count],
        labels=real.labels[:count] if classes else None,
        conditions=real.conditions[:count] if conditions else None,
        times=min(_LIKELIHOOD_STEPS, (inference.training_steps or 2) - 1),
        seed=options.sampling.seed,
        device=options.sampling.device,
    )
    return {BITS: found.mean, f"{BITS}, standard error": found.standard_error}
