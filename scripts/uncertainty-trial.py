#!/usr/bin/env python
"""Whether an ensemble or a learned scale tells more of a stain's errors than brightness.

Rivals, fitted on all fields but one and judged on that one: a constant; the typical error at a
pixel's brightness; that curve widened by the spread of views, of dropout samples, of several
models that were trained with other seeds, or by a learned scale; each of these alone. The learned
scale is a network of its own, begun with the weights of the first model and trained on its data
to tell the size of its errors (Gaussian likelihood of the residual, which is not passed back).

    python scripts/uncertainty-trial.py --data-dir DATA/stain-jump --part train val \
        --inputs brightfield-2 brightfield-3 brightfield --views 4 --samples 16 --steps 700 \
        --fold 'runs/a/MODEL,runs/a1/MODEL,runs/a2/MODEL=FIELD*' … --out runs/trial

Each --fold names models that did not learn from the fields of its pattern, the folder of each
inside that of its run. The files in --out are: judged.csv, one row for each stain, rival and
field; summary.csv, their means; and the networks of the scale, which are not trained again.
"""

from __future__ import annotations

import argparse
import copy
import itertools
import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch  # noqa: TID253 - it trains

from napari_cytosynth.console import echo
from napari_cytosynth.metrics.pixel import pcc
from napari_cytosynth.training.data.image_files import Selection
from napari_cytosynth.training.loop.precision import computes_bfloat16
from napari_cytosynth.training.recipe.loading import load_as
from napari_cytosynth.training.stain.calibrate.rivals import FieldErrors, judge
from napari_cytosynth.training.stain.data import StainData
from napari_cytosynth.training.stain.evaluate.fields import (
    FieldReader,
    Stainer,
    StainField,
    find_stain_fields,
)
from napari_cytosynth.training.stain.evaluate.tally import structure, thinned
from napari_cytosynth.training.stain.recipe import StainRecipe
from napari_cytosynth.zoo.loading import Model, load_model

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_cytosynth.training.stain.evaluate.tally import Prediction

PIXELS = 60_000  # of each field
FLOOR = math.log(1e-3)  # of the scale, in units of the network's output


@dataclass
class Fold:
    """Models, the network of the scale of the first, and fields that none of them knows."""

    members: list[Stainer]
    scale: Stainer
    fields: list[StainField]

    def errors(self, field: StainField, reader: FieldReader) -> Iterator[tuple[str, Any, Any]]:
        """Yield the name of a stain, its errors, and the PCCs of one model and of all."""
        image = reader.image(field, self.members[0].channels)
        real = reader.targets(field, image.shape[1:])
        first, *others = [stainer(image) for stainer in self.members]
        learned = self.scale(image)
        for name, found in first.items():
            means = np.stack([found.mean, *(one[name].mean for one in others)])
            spreads = self._spreads(name, found, means, learned[name])
            yield (
                name,
                self._record(name, field, found, real[name], spreads),
                (
                    pcc(found.mean, real[name]),
                    pcc(means.mean(0), real[name]),
                ),
            )

    def _spreads(
        self, name: str, found: Prediction, means: np.ndarray, learned: Prediction
    ) -> dict[str, np.ndarray]:
        unit, offset = self.members[0].scales[name], self.members[0].offsets[name]
        spreads = {"views": found.view_std, "samples": found.std}
        if len(means) > 1:
            spreads["ensemble"] = means.std(0, ddof=1)
        given = {key: one / unit for key, one in spreads.items() if one is not None}
        scale = np.exp(np.maximum((learned.mean - offset) / unit, FLOOR))
        return {**given, "learned scale": scale}

    def _record(
        self,
        name: str,
        field: StainField,
        found: Prediction,
        real: np.ndarray,
        spreads: dict[str, np.ndarray],
    ) -> FieldErrors:
        unit, offset = self.members[0].scales[name], self.members[0].offsets[name]
        return FieldErrors(
            field.target.stem,
            thinned((found.mean - real) / unit, PIXELS),
            thinned((found.mean - offset) / unit, PIXELS),
            thinned(structure(real, found.mean), PIXELS) > 0,
            {key: thinned(one, PIXELS) for key, one in spreads.items()},
        )


def likelihood(scale: torch.Tensor, residual: torch.Tensor) -> torch.Tensor:
    """Return the negative Gaussian log-likelihood of a residual, of the logarithm of a scale."""
    bounded = scale.clamp_min(FLOOR)
    return (0.5 * (residual / bounded.exp()) ** 2 + bounded).mean()


def crops(data: StainData, steps: int) -> Iterator[list[torch.Tensor]]:
    """Yield batches of training crops, of as many epochs as it takes."""
    for step in itertools.count():
        data.dataset.epoch = step
        for batch in data.train_dataloader():
            yield batch
            steps -= 1
            if not steps:
                return


def train_scale(model: Model, run: Path, data_dir: Path, steps: int) -> torch.nn.Module:
    """Train a network to tell the logarithm of the size of a model's errors."""
    recipe = load_as({"stain": StainRecipe}, str(run / "recipe.yaml"))
    data = StainData(recipe, data_dir)
    data.setup("fit")
    torch.manual_seed(0)
    network = copy.deepcopy(model.network).train().requires_grad_(True)
    optimiser = torch.optim.AdamW(network.parameters(), lr=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 1e-3, total_steps=steps)
    half, lately = computes_bfloat16(recipe.train), 0.0
    for step, (image, real) in enumerate(crops(data, steps), 1):
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            with torch.no_grad():
                residual = (model.network(image) - real).float()
            scale = network(image)
        loss = likelihood(scale.float(), residual)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        lately += (float(loss) - lately) / min(step, 50)
        if step % 50 == 0 or step == steps:
            echo(f"{run.name}: {step} of {steps} steps, loss {lately:.3f}")
    return network.eval()


def read_fold(text: str, arguments: argparse.Namespace) -> Fold:
    """Load the models of ``MODEL,MODEL=PATTERN``, and train or load the scale of the first."""
    names, _, pattern = text.rpartition("=")
    folders = [Path(name) for name in names.split(",")]
    models = [load_model(folder) for folder in folders]
    first, run = models[0], folders[0].parent
    stored = arguments.out / f"scale-{run.name}.pt"
    network = copy.deepcopy(first.network)
    if not stored.exists():
        trained = train_scale(first, run, arguments.data_dir, arguments.steps)
        torch.save(trained.state_dict(), stored)
    network.load_state_dict(torch.load(stored, weights_only=True))
    scale = Stainer(replace(first, network=network), samples=0, views=1)
    fields = find_stain_fields(
        arguments.data_dir,
        arguments.inputs,
        arguments.targets,
        arguments.part,
        Selection(pattern=pattern),
        apart=len(first.card.inference.input_channels) == 1,
    )
    members = [Stainer(first, arguments.samples, views=arguments.views)]
    members += [Stainer(model, samples=0, views=1) for model in models[1:]]
    return Fold(members, scale, fields)


def main() -> None:
    """Judge all rivals on the fields of all folds."""
    arguments = parser().parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    errors: dict[str, list[FieldErrors]] = {}
    correlations = []
    for text in arguments.fold:
        fold = read_fold(text, arguments)
        first = fold.members[0]
        reader = FieldReader(first.names, 1 if len(arguments.inputs) > 1 else first.channels)
        for field in fold.fields:
            for name, found, (one, all_of_them) in fold.errors(field, reader):
                errors.setdefault(name, []).append(found)
                correlations.append({"stain": name, "one model": one, "ensemble": all_of_them})
            echo(field.name)
    judged = pd.concat([judge(found).assign(stain=name) for name, found in errors.items()])
    judged.to_csv(arguments.out / "judged.csv", index=False)
    columns = ["loss", "AUSE inside", "rank inside", "coverage of 68 % inside"]
    summary = judged.groupby(["stain", "rival"], sort=False)[columns].mean().reset_index()
    summary.to_csv(arguments.out / "summary.csv", index=False)
    with pd.option_context("display.max_rows", None, "display.width", 200):
        echo(summary.to_string(index=False, float_format="{:.3f}".format))
        means = pd.DataFrame(correlations).groupby("stain", sort=False).mean()
        echo(f"PCC:\n{means.to_string(float_format='{:.3f}'.format)}")


def parser() -> argparse.ArgumentParser:
    """Return the parser of the arguments."""
    found = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    found.add_argument("--data-dir", type=Path, required=True)
    found.add_argument("--part", nargs="+", default=[])
    found.add_argument("--inputs", nargs="+", required=True)
    found.add_argument("--targets", default="fluorescence")
    found.add_argument("--fold", action="append", required=True, metavar="MODEL,MODEL=PATTERN")
    found.add_argument("--views", type=int, default=4)
    found.add_argument("--samples", type=int, default=16)
    found.add_argument("--steps", type=int, default=700)
    found.add_argument("--out", type=Path, required=True)
    return found


if __name__ == "__main__":
    main()
