"""Steps of a study of synthetic data, each run once: generator, pairs, segmenter, test."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

from napari_cytosynth.errors import Cancelled, RecipeError
from napari_cytosynth.tasks.generate.features import load_features
from napari_cytosynth.training.data.image_files import read_plane
from napari_cytosynth.training.generate.data import Crops, GenerateData
from napari_cytosynth.training.generate.evaluate.sampling import Sampling, sample_like, unit_range
from napari_cytosynth.training.generate.evaluate.scores import (
    FRECHET,
    KERNEL,
    DistributionScorer,
    ImageSet,
)
from napari_cytosynth.training.reports.records import read_record, results_folder, write_json
from napari_cytosynth.training.run.fit import train
from napari_cytosynth.training.segment.evaluate.run import SegmentOptions, evaluate_segment
from napari_cytosynth.training.study.failures import keep_failure, quiet
from napari_cytosynth.zoo.loading import load_model

from .data import copy_pairs, pair_names, write_pairs, write_part
from .plan import SyntheticArm

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_cytosynth.progress import Progress
    from napari_cytosynth.training.segment.recipe import SegmentRecipe

    from .plan import Cell, Kind, Plan

__all__ = ["AugmentationPipeline", "Step", "run_steps"]


@dataclass(frozen=True)
class Step:
    """One step of a study, run once and recorded.

    Attributes
    ----------
    name
        Description for the progress bar.
    record
        JSON file that exists once the step is finished.
    make
        Runs the step and returns the content of the record.
    """

    name: str
    record: Path
    make: Callable[[], dict[str, Any]]


def run_steps(steps: list[Step], progress: Progress, failures: dict[Path, str]) -> None:
    """Run the steps that are not finished yet, in order.

    Parameters
    ----------
    steps
        Later ones may need earlier ones.
    progress
        Called before each step; may raise Cancelled.
    failures
        Filled with the record of each step that failed -> why; the others go on.
    """
    for done, step in enumerate(steps):
        progress(done, len(steps), step.name)
        if not step.record.is_file():
            try:
                _make(step)
            except Cancelled:
                raise
            except Exception as error:  # one step must not end the study
                failures[step.record] = keep_failure(error, step.record.parent)
    progress(len(steps), len(steps), "Finished")


def _make(step: Step) -> None:
    begun = time.monotonic()
    with results_folder(step.record.parent), quiet(step.record.with_name("log.txt")):
        record = step.make()
    # of a training that was killed in between, its own clock knows more
    seconds = max(time.monotonic() - begun, float(record.get("seconds", 0)))
    write_json(step.record, record | {"seconds": round(seconds, 1)})


@dataclass(frozen=True)
class AugmentationPipeline:
    """The steps of a study and the folders of their results.

    Attributes
    ----------
    plan
        Plan of the study.
    data_dir
        The user's images.
    out
        The study's folder.
    names
        Part (``train``, ``validation``) -> names of its slices.
    """

    plan: Plan
    data_dir: Path
    out: Path
    names: dict[str, list[str]]

    def steps(self, cells: dict[int, list[Cell]]) -> Iterator[Step]:
        """Yield all steps but the tests, in an order in which they can run.

        Parameters
        ----------
        cells
            Seed -> the choices of slices that it trains on.
        """
        if self.plan.kinds:
            for cell in dict.fromkeys(cell for own in cells.values() for cell in own):
                yield Step(
                    f"generator of {len(cell.slices)} slices",
                    self._generator(cell) / "trained.json",
                    partial(self._train_generator, cell),
                )
                yield Step(
                    f"pairs like {len(cell.slices)} slices",
                    self.pairs_record(cell),
                    partial(self._generate, cell),
                )
        for seed, cell, arm in self.runs(cells):
            yield Step(
                f"{arm}, {len(cell.slices)} slices, seed {seed}",
                self.run(cell, arm, seed) / "trained.json",
                partial(self._segmenter, cell, arm, seed),
            )

    def tests(self, cells: dict[int, list[Cell]]) -> Iterator[Step]:
        """Yield the tests of all segmenters; only they read test images."""
        for seed, cell, arm in self.runs(cells):
            yield Step(
                f"test of {arm}, {len(cell.slices)} slices, seed {seed}",
                self.run(cell, arm, seed) / "tested.json",
                partial(self._test, cell, arm, seed),
            )

    def runs(self, cells: dict[int, list[Cell]]) -> Iterator[tuple[int, Cell, str]]:
        """Yield seed, slices and arm of every segmenter."""
        for seed, own in cells.items():
            for cell in own:
                for arm in self.plan.options.arms:
                    yield seed, cell, arm

    def run(self, cell: Cell, arm: str, seed: int) -> Path:
        """Return the folder of one segmenter."""
        return self._arm(cell, arm) / f"seed-{seed}"

    def pairs_record(self, cell: Cell) -> Path:
        """Return the record of a cell's generated pairs."""
        return self.out / cell.folder / "pairs" / "generated.json"

    def _arm(self, cell: Cell, arm: str) -> Path:
        return self.out / cell.folder / "segmenters" / SyntheticArm.folder(arm)

    def _generator(self, cell: Cell) -> Path:
        return self.out / cell.folder / "generator"

    def _slices(self, part: str) -> Path:
        return self.out / "slices" / part

    def _generator_data(self, cell: Cell) -> Path:
        folder = self.out / cell.folder / "slices"
        copy_pairs(self._slices("train"), list(cell.slices), folder / "train")
        copy_pairs(self._slices("validation"), self.names["validation"], folder / "validation")
        return folder

    def _train_generator(self, cell: Cell) -> dict[str, Any]:
        recipe, out = self.plan.generator(cell), self._generator(cell)
        train(recipe, self._generator_data(cell), out, resume="auto")
        return _trained(out)

    def _generate(self, cell: Cell) -> dict[str, Any]:
        recipe, folder = self.plan.generator(cell), self._generator(cell)
        if not (folder / "trained.json").is_file():
            raise RecipeError("The generator that its images would come from is missing.")
        options = self.plan.options
        model = load_model(folder / recipe.name, options.device)
        data = GenerateData(recipe, self._generator_data(cell))
        scorer = MemorisationScorer(data, options.images, options.crops, options.device)
        found = {"real": scorer.described(scorer.distribution.training.first(options.images))}
        for number, kind in enumerate(self.plan.kinds):
            requested = _requested_crops(data, kind, options.images, options.rare)
            sampling = Sampling(
                steps=options.sampling_steps,
                guidance=options.guidance,
                seed=number * options.images,
                device=options.device,
            )
            images, _ = sample_like(model, requested, sampling, lambda done, message: None)
            names = [f"{kind}-{index:04d}" for index in range(len(images))]
            grey = np.round(images[:, 0].clip(0, 1) * 255).astype(np.uint8)
            masks = images[:, -1] > 0.5
            write_pairs(self.out / cell.folder / "pairs" / kind, names, list(grey), list(masks))
            found[kind] = scorer.scores(images)
        return {"slices": list(cell.slices), "kinds": found}

    def _segmenter(self, cell: Cell, arm: str, seed: int) -> dict[str, Any]:
        plan = self.plan.options.arms[arm]
        data, pairs = self._arm(cell, arm) / "data", self.out / cell.folder / "pairs"
        sources = {"real": (self._slices("train"), list(cell.slices))} if plan.real else {}
        if plan.synthetic != "none":
            if not self.pairs_record(cell).is_file():
                raise RecipeError("The synthetic images that it would train on are missing.")
            made = pairs / plan.synthetic
            sources["synthetic"] = made, pair_names(made)
        for kind, times in _repeats(sources, self.plan.options.share).items():
            for number in range(times):
                copy_pairs(*sources[kind], data, f"{kind}-{number}-")
        copy_pairs(self._slices("validation"), self.names["validation"], data, "validation-")
        held_out = [f"validation-{name}" for name in self.names["validation"]]
        recipe, out = self.plan.segmenter(arm, seed, held_out), self.run(cell, arm, seed)
        train(recipe, data, out, resume="auto")
        return _trained(out) | _mixture(recipe, data)

    def _test(self, cell: Cell, arm: str, seed: int) -> dict[str, Any]:
        folder = self.run(cell, arm, seed)
        if not (folder / "trained.json").is_file():
            raise RecipeError("The segmenter that would be tested is missing.")
        test = self._slices("test")
        names = write_part(self.plan, self.data_dir, "test", test)
        report = evaluate_segment(
            folder / "segmenter",
            [test / "image" / f"{name}.png" for name in names],
            [test / "mask" / f"{name}.png" for name in names],
            SegmentOptions(device=self.plan.options.device),
        )
        wanted = {"foreground IoU": "IoU", "Dice": "Dice"}
        wanted |= {"precision": "precision", "recall": "recall"}
        return {short: report.metrics[name] for name, short in wanted.items()}


def _trained(out: Path) -> dict[str, Any]:
    chosen = read_record(out / "validation.json")
    record: dict[str, Any] = {
        key: chosen[key] for key in ("steps", "seconds", "threshold") if key in chosen
    }
    if "threshold" in chosen:
        record["validation IoU"] = chosen["iou"][f"{chosen['threshold']:.2f}"]
    return record


def _area(folder: Path, names: list[str]) -> int:
    return sum(read_plane(folder / "image" / f"{name}.png").size for name in names)


def _repeats(sources: dict[str, tuple[Path, list[str]]], share: float) -> dict[str, int]:
    """Return how often to repeat each kind of image, so that `share` of the area is synthetic.

    Crops are drawn by area: many generated images would leave two slices next to nothing.
    """
    areas = {kind: _area(*found) for kind, found in sources.items()}
    if len(areas) < 2:
        return dict.fromkeys(areas, 1)
    ratio = share / (1 - share) * areas["real"] / areas["synthetic"]
    return {"real": max(round(1 / ratio), 1), "synthetic": max(round(ratio), 1)}


def _mixture(recipe: SegmentRecipe, data: Path) -> dict[str, Any]:
    """Return the fraction of the training images' area that is synthetic."""
    train = [name for name in pair_names(data) if name not in recipe.data.split.validation]
    real = _area(data, [name for name in train if name.startswith("real-")])
    return {"synthetic share": round(1 - real / _area(data, train), 4)}


def _requested_crops(
    data: GenerateData, kind: Kind, count: int, rare: tuple[float, float]
) -> Crops:
    """Return crops whose conditions (not pixels) the generated images get."""
    if kind == "like":
        return data.crops("train", count)
    train_part = data.part("train")
    fractions = np.linspace(*rare, count, dtype=np.float32)
    size = data.recipe.data.crop_size
    return Crops(
        np.empty((count, len(data.recipe.output_channels), size, size), np.float32),
        np.zeros(count, np.int64),
        ((fractions - train_part.mean) / train_part.std)[:, None].astype(np.float32),
        np.zeros((count, 4), np.int32),
    )


class MemorisationScorer:
    """Scores generated pairs against their training slices and held-out ones: quality, copies."""

    def __init__(self, data: GenerateData, count: int, crops: int, device: str) -> None:
        self.mask = len(data.recipe.output_channels) - 1
        self.extractor = load_features(data.recipe.encoder, device)
        real = data.crops("validation", count)
        training = data.crops("train", max(crops, count))
        held_out, known = (self._set(unit_range(part.images)) for part in (real, training))
        self.distribution = DistributionScorer(
            held_out, known, data.recipe.data.channels, index=training.index
        )
        self.bounds = {
            name: self.distribution.figures(found)
            for name, found in self.distribution.baselines(self.extractor).items()
        }

    def _set(self, images: NDArray[np.float32]) -> ImageSet:
        return ImageSet.of(images, self.mask, self.extractor)

    def scores(self, images: NDArray[np.float32]) -> dict[str, Any]:
        """Return the distances of images to real ones, and the evidence of copies."""
        found = self._set(images)
        copies, figures = self.distribution.copies(found), self.distribution.figures(found)
        record = self.described(found)
        for distance in (FRECHET, KERNEL):
            record[distance] = figures[distance]
            record[f"{distance}, real"] = self.bounds["real"][distance]
            record[f"{distance}, noise"] = self.bounds["noise"][distance]
        for name, search in (("features", copies.features), ("pixels", copies.pixels)):
            record[f"suspicious by {name}"] = search.fraction
            record[f"chance by {name}"] = search.p
        return record

    @staticmethod
    def described(found: ImageSet) -> dict[str, Any]:
        """Return statistics of the masks: fraction covered, objects per image, median area."""
        assert found.masks is not None
        labelled = [ndimage.label(mask) for mask in found.masks]
        areas = np.concatenate([np.bincount(labels.ravel())[1:] for labels, _ in labelled])
        return {
            "images": len(found.masks),
            "covered": float(found.masks.mean()),
            "objects an image": float(np.mean([count for _, count in labelled])),
            "median area": float(np.median(areas)) if areas.size else float("nan"),
        }
