"""Files of a run folder, and checks that a resumed run has the same settings and images."""

from __future__ import annotations

import platform
import zipfile
from typing import TYPE_CHECKING, Any

import lightning
import torch
import yaml
from pydantic import ValidationError

from napari_cytosynth.errors import RecipeError
from napari_cytosynth.files import replace_file
from napari_cytosynth.training.recipe.base import HARDWARE
from napari_cytosynth.training.recipe.hardware import process_count
from napari_cytosynth.training.recipe.settings import differing, open_precision
from napari_cytosynth.version import __version__

from .records import CHOSEN, LAST, LOCK, RECIPE, read_record, write_json

if TYPE_CHECKING:
    from pathlib import Path

    from napari_cytosynth.training.data.crops import EpochData
    from napari_cytosynth.training.recipe.base import Recipe

__all__ = [
    "CHOSEN",
    "LAST",
    "LOCK",
    "check_data",
    "check_settings",
    "holds_run",
    "write_facts",
    "write_recipe",
]

# do not change what is learned; where a round starts from and the scale of latents follow
_FREE = (
    "card",
    "modality",
    *(f"train.{name}" for name in HARDWARE),
    "network.start_from",
    "network.arguments.latent_scale",
)
# several processes learn the same from their parts of a batch
_PARTS = ("train.batch_size", "train.accumulate")


def write_facts(
    recipe: Recipe,
    data: EpochData,
    out: Path,
    *,
    seed: int,
    precision: str,
    before: dict[str, Any],
) -> None:
    """Write ``recipe.yaml`` and ``run.json``.

    Parameters
    ----------
    recipe
        Recipe of the whole run.
    data
        Data module of the run.
    out
        Run folder; made if it does not exist.
    seed
        Seed of this round.
    precision
        Number format in which it is trained: ``float32`` or ``bfloat16``.
    before
        Steps and seconds of the rounds before this one, and the model that was started from:
        kept, so that these are not needed once this round is under way.
    """
    out.mkdir(parents=True, exist_ok=True)
    write_recipe(recipe, out)
    facts = {
        "napari_cytosynth": __version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "lightning": lightning.__version__,
        "machine": platform.processor() or platform.machine(),
        "seed": seed,
        "precision": precision,
        "data_sha256": data.sha256,
        "train_images": data.train_names,
        "validation_images": sorted(data.validation_names),
        "before": before,
    }
    write_json(out / "run.json", facts)


def write_recipe(recipe: Recipe, out: Path) -> None:
    """Write ``recipe.yaml`` into a folder that exists."""
    settings = yaml.safe_dump(recipe.model_dump(mode="json"), sort_keys=False)
    replace_file(out / RECIPE, settings.encode())


def holds_run(out: Path) -> bool:
    """Return whether a folder holds a run: a checkpoint, or the record of a finished one."""
    return any((out / name).is_file() for name in (LAST, CHOSEN))


def check_settings(recipe: Recipe, out: Path) -> None:
    """Check that a run resumes in a folder with the settings that it was begun with.

    Parameters
    ----------
    recipe
        Recipe of the run, or of a round of it.
    out
        Its folder, which need not exist. Hardware and card may differ; so may the number format, if
        one of the two leaves it open, and the parts that several processes split a batch into,
        if their number does.

    Raises
    ------
    RecipeError
        If other settings differ, or the checkpoint is damaged.
    """
    path, checkpoint = out / RECIPE, out / LAST
    if checkpoint.is_file() and not zipfile.is_zipfile(checkpoint):
        raise RecipeError(
            f"{checkpoint} is damaged, so that the run cannot go on: choose another --out."
        )
    if not holds_run(out):
        return
    if not path.is_file():
        raise RecipeError(
            f"{out} holds a run, but not its recipe.yaml, which would tell with which settings it "
            "was begun: choose another --out."
        )
    try:
        kept = type(recipe).model_validate(yaml.safe_load(path.read_text("utf-8")))
    except (ValidationError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise RecipeError(
            f"{out} holds a run whose recipe this version cannot read: choose another --out."
        ) from error
    split = process_count(kept.train) != process_count(recipe.train)
    free = _FREE + (_PARTS if split else ())
    before, after = (each.model_dump(mode="json") for each in (kept, recipe))
    if changed := differing(before, after, (*free, *open_precision(before, after))):
        raise RecipeError(
            f"{out} holds a run that was begun with other settings ({', '.join(changed)}): give "
            "those, or choose another --out."
        )


def check_data(data: EpochData, out: Path) -> None:
    """Check that the images are those that a run was begun with.

    Parameters
    ----------
    data
        Data module that the run would resume with.
    out
        Its folder.

    Raises
    ------
    RecipeError
        If files were added, removed or changed.
    """
    known = read_record(out / "run.json").get("data_sha256")
    if known is not None and known != data.sha256:
        raise RecipeError(
            f"The images are not those that the run in {out} was begun with: choose another --out."
        )
