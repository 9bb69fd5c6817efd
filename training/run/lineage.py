"""Lineage on a model card: the model whose weights were started from, and the recipe's card."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

from napari_cytosynth.errors import RecipeError
from napari_cytosynth.training.reports.run_folder import write_recipe
from napari_cytosynth.zoo.loading import load_model
from napari_cytosynth.zoo.model_files import read_card, update_card

from .rounds import is_of_a_round

if TYPE_CHECKING:
    from pathlib import Path

    from napari_cytosynth.training.recipe.base import Recipe

__all__ = ["renew_card", "source_record"]

# fields of a recipe's block `card` on the model, and on its training
_OF_MODEL, _OF_TRAINING = ("title", "licence", "tags"), ("datasets", "data_licence", "remarks")


def source_record(recipe: Recipe) -> dict[str, Any]:
    """Return the card's entries on the model that a recipe starts from, and its citations.

    Raises
    ------
    ModelError
        If that model cannot be loaded.
    """
    source = recipe.network.start_from
    if not source:
        return {"started_from": "", "citations": []}
    card = load_model(source, "cpu").card
    training = card.training
    if is_of_a_round(source):  # of the same training
        return {"started_from": training.started_from, "citations": training.citations}
    data = ", ".join(filter(None, [*training.datasets, training.data_licence]))
    described = [card.name, f"weights: {card.licence}" * bool(card.licence)]
    described += [f"trained on: {data}" * bool(data), training.started_from]
    words = "; ".join(filter(None, described))
    return {"started_from": words, "citations": training.citations}


def renew_card(recipe: Recipe, out: Path) -> None:
    """Update the card of a finished run from the recipe's block ``card``.

    Metrics and calibrations that were added to the card since stay.

    Raises
    ------
    RecipeError
        If the objects or the pixel size differ: the model works by them.
    """
    saved = yaml.safe_load((out / "recipe.yaml").read_text("utf-8"))
    before, now = type(recipe).model_validate(saved).card, recipe.card
    if before == now:
        return
    if (before.objects, before.pixel_size_um) != (now.objects, now.pixel_size_um):
        raise RecipeError(
            f"The run in {out} is finished, with other card.objects or card.pixel_size_um: choose "
            "another --out."
        )
    folder = out / recipe.name
    card = read_card(folder)
    kept = [cited for cited in card.training.citations if cited not in before.citations]
    training = {name: getattr(now, name) for name in _OF_TRAINING}
    training["citations"] = list(dict.fromkeys([*now.citations, *kept]))
    changed = {name: getattr(now, name) for name in _OF_MODEL}
    changed["training"] = card.training.model_copy(update=training)
    update_card(folder, card.model_copy(update=changed))
    write_recipe(recipe, out)  # what the next one is compared with
