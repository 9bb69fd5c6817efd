#!/usr/bin/env python
"""How much a few strokes teach a mask model, beside rivals that need no training.

A simulated user paints short strokes on the objects of one window of a foreign data set, and on
its background, from the truth. Compared on images that nobody has painted: the start model, its
threshold chosen again on the strokes, its BatchNorm statistics estimated again without labels, a
random forest on filter responses, and `cytosynth.fine_tune`. The random forest needs scikit-learn.

    python scripts/fine-tuning-trial.py MODEL --data em-vnc --truth mitochondria --paint 05 \
        --test 13 14 15 --old em-epfl/test --beside --windows 5 --seeds 3 --out runs/trial.csv

With --rounds, the user paints in further windows of the image, one after the other: those that
“Where next?” proposes, and for comparison random ones. Rows that the CSV file has are not
measured again: the same call goes on where it was ended.
"""

from __future__ import annotations

import argparse
import copy
import csv
import io
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from pkgutil import resolve_name
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

import napari_cytosynth as cytosynth
from napari_cytosynth.console import echo
from napari_cytosynth.files import replace_file
from napari_cytosynth.images.reading import read_image
from napari_cytosynth.inference.normalise import normalise
from napari_cytosynth.training.recipe.settings import assign
from napari_cytosynth.training.run.fit import train
from napari_cytosynth.training.teach.task import prepare
from napari_cytosynth.training.teach.uncertainty import uncertain_window

if TYPE_CHECKING:
    from collections.abc import Iterator

Place = tuple[slice, slice]
Row = tuple[str, list[float], float]
FOREST = "sklearn.ensemble:RandomForestClassifier"  # of a package that no extra installs
CANDIDATES = np.round(np.arange(0.05, 1.0, 0.05), 2)


@dataclass
class Images:
    """Images with their masks."""

    images: list[np.ndarray]
    masks: list[np.ndarray]

    @classmethod
    def read(cls, folder: Path, truth: str, names: list[str] | None = None) -> Images:
        """Read some images of a folder, or all, in the order of their names."""
        files = {path.stem: path for path in sorted((folder / "image").iterdir())}
        masks = {path.stem: path for path in sorted((folder / truth).iterdir())}
        chosen = names or list(files)
        return cls(
            [np.squeeze(read_image(files[name]).data) for name in chosen],
            [np.squeeze(read_image(masks[name], content="mask").data) != 0 for name in chosen],
        )


def window_places(mask: np.ndarray, count: int, side: int) -> list[Place]:
    """Return the windows with the most objects, none of which covers half of another one."""
    centres = np.array(ndimage.center_of_mass(mask, *_numbered(mask)))
    corners = [range(0, size - side + 1, side // 4) for size in mask.shape]
    found = [(y, x) for y in corners[0] for x in corners[1]]
    inside = [np.all((centres >= c) & (centres < np.add(c, side)), 1).sum() for c in found]
    chosen: list[tuple[int, int]] = []
    for number in np.argsort(inside, kind="stable")[::-1]:
        y, x = found[number]
        shared = [max(side - abs(y - v), 0) * max(side - abs(x - u), 0) for v, u in chosen]
        if len(chosen) < count and all(each <= side**2 / 2 for each in shared):
            chosen.append((y, x))
    return [(slice(y, y + side), slice(x, x + side)) for y, x in chosen]


def _numbered(mask: np.ndarray) -> tuple[np.ndarray, range]:
    parts, count = ndimage.label(mask)
    return parts, range(1, count + 1)


def line(inside: np.ndarray, length: float, rng: np.random.Generator) -> np.ndarray:
    """Draw a line 3 px wide, from a random pixel of an area and as far as it stays inside."""
    places = np.argwhere(inside)
    drawn = np.zeros(inside.shape, bool)
    start, angle = places[rng.integers(len(places))], rng.uniform(0, np.pi)
    for direction in (1, -1):
        for far in np.arange(0, length / 2):
            y, x = np.round(
                start + direction * far * np.array([np.sin(angle), np.cos(angle)])
            ).astype(int)
            if not (0 <= y < inside.shape[0] and 0 <= x < inside.shape[1] and inside[y, x]):
                break
            drawn[y, x] = True
    return ndimage.binary_dilation(drawn, np.ones((3, 3)))


def strokes(
    mask: np.ndarray,
    seed: int,
    *,
    beside: bool = False,
    found: np.ndarray | None = None,
    lines: int = 14,
) -> np.ndarray:
    """Return sparse labels of a window as a user would paint them, knowing the truth.

    With what a model has `found`, every other line of background is drawn where it was wrong.
    """
    rng = np.random.default_rng(seed)
    labels = np.zeros(mask.shape, np.int32)
    parts, count = ndimage.label(mask)
    for number in range(1, count + 1):
        inside = ndimage.binary_erosion(parts == number, iterations=3)
        if inside.any():
            labels[line(inside, 40, rng)] = number + 1
    far = ndimage.distance_transform_edt(~mask)
    free = far > 4
    wrong = free if found is None else free & ndimage.binary_opening(found & ~mask, iterations=2)
    for number in range(lines):
        area = wrong if number % 2 and wrong.any() else free
        labels[line(area, 60, rng) & ~mask] = 1
    if beside:
        ring = (far > 2) & (far < 8)
        for number in range(1, count + 1):
            near = ring & ndimage.binary_dilation(parts == number, iterations=9)
            if near.any():
                labels[line(near, 60, rng) & ~mask] = 1
    return labels


def overlap(found: list[np.ndarray], masks: list[np.ndarray]) -> float:
    """Return the IoU of the foreground, pixels pooled over images."""
    both = sum(np.count_nonzero(a & b) for a, b in zip(found, masks, strict=True))
    either = sum(np.count_nonzero(a | b) for a, b in zip(found, masks, strict=True))
    return both / either


def probabilities(model: object, images: list[np.ndarray]) -> list[np.ndarray]:
    """Run a model on images."""
    return [cytosynth.segment(image, model=model).probability for image in images]


def balanced_threshold(probability: np.ndarray, labels: np.ndarray) -> float:
    """Return the threshold that tells the strokes apart best, both classes weighing the same."""
    inside, outside = probability[labels > 1], probability[labels == 1]

    def score(threshold: float) -> float:
        right, wrong = np.mean(inside >= threshold), np.mean(outside >= threshold)
        return float(right / (1 + wrong))

    scores = [score(threshold) for threshold in CANDIDATES]
    return float(np.mean(CANDIDATES[np.isclose(scores, max(scores))]))


def renewed_statistics(model: object, window: np.ndarray) -> object:
    """Return the model with BatchNorm statistics of a window."""
    import torch

    renewed = copy.deepcopy(model)
    for layer in renewed.network.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.reset_running_stats()
            layer.momentum = None
            layer.train()
    plane = normalise(window[None], model.card.inference.normalisation)
    half = len(window) // 2
    crops = [plane[:, y : y + half, x : x + half] for y in (0, half) for x in (0, half)]
    with torch.inference_mode():
        for turns in range(4):
            batch = np.stack([np.rot90(crop, turns, (1, 2)) for crop in crops])
            renewed.network(torch.from_numpy(batch.copy()))
    renewed.network.eval()
    return renewed


def forest(window: np.ndarray, labels: np.ndarray, sets: list[Images], seed: int) -> list[float]:
    """Return the IoU of a random forest on filter responses, on a tenth of the pixels."""
    from skimage.feature import multiscale_basic_features

    def features(image: np.ndarray) -> np.ndarray:
        plane = normalise(
            image[None], cytosynth.load_model(ARGUMENTS.model).card.inference.normalisation
        )
        return multiscale_basic_features(plane[0], sigma_min=1, sigma_max=16)

    trees = resolve_name(FOREST)(
        100, max_depth=12, class_weight="balanced", n_jobs=1, random_state=seed
    )
    trees.fit(features(window)[labels > 0], labels[labels > 0] > 1)
    found, rng = [], np.random.default_rng(0)
    for data in sets:
        chosen = [rng.random(mask.shape) < 0.1 for mask in data.masks]
        made = [
            trees.predict(features(image)[some])
            for image, some in zip(data.images, chosen, strict=True)
        ]
        found.append(overlap(made, [m[c] for m, c in zip(data.masks, chosen, strict=True)]))
    return found


def taught(image: np.ndarray, labels: np.ndarray, seed: int) -> tuple[object, float]:
    """Fine-tune; return the new model and the seconds of processor time that it took."""
    limits = {"minutes": ARGUMENTS.minutes, "steps": ARGUMENTS.steps, "seed": seed}
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "run"
        ready = prepare(ARGUMENTS.model, [(image, labels)], folder, **limits)
        tree = ready.recipe.model_dump(mode="json")
        for setting in ARGUMENTS.set:
            assign(tree, setting)
        recipe = type(ready.recipe).model_validate(tree)
        begun = time.process_time()
        made = train(recipe, ready.data_dir, folder, progress=lambda *_: None)
        return cytosynth.load_model(made), time.process_time() - begun


@dataclass
class Trial:
    """The images of a trial, and the start model on them."""

    start: object
    painted: Images
    sets: list[Images]

    def __post_init__(self) -> None:
        self.level = self.start.card.inference.threshold
        self.before = [probabilities(self.start, data.images) for data in self.sets]
        self.here = probabilities(self.start, self.painted.images)[0]

    def scores(self, found: list[list[np.ndarray]], level: float) -> list[float]:
        """Return the IoU on each set, from probabilities."""
        return [
            overlap([p >= level for p in own], data.masks)
            for own, data in zip(found, self.sets, strict=True)
        ]

    def measured(self, model: object, level: float | None = None) -> list[float]:
        """Return the IoU of a model on each set."""
        found = [probabilities(model, data.images) for data in self.sets]
        return self.scores(found, model.card.inference.threshold if level is None else level)

    def painted_in(self, places: list[Place], seed: int) -> np.ndarray:
        """Return the labels of the whole image, with strokes in some windows."""
        labels = np.zeros(self.here.shape, np.int32)
        for number, place in enumerate(places):
            found = self.here[place] >= self.level if ARGUMENTS.correcting else None
            mask = self.painted.masks[0][place]
            own = strokes(mask, seed + 1000 * number, beside=ARGUMENTS.beside, found=found)
            own[own > 1] += int(labels.max())
            labels[place] = np.where(labels[place] > 0, labels[place], own)
        return labels

    def methods(self, place: Place, seed: int) -> Iterator[Row]:
        """Yield method, IoU on each set and seconds, for one window and seed."""
        labels = self.painted_in([place], seed)
        image, window = self.painted.images[0], self.painted.images[0][place]
        share = np.count_nonzero(labels) / window.size
        echo(f"{share:.2%} of the window painted, {len(np.unique(labels)) - 2} objects")
        if not ARGUMENTS.only:
            yield "start", self.scores(self.before, self.level), 0.0
            own = balanced_threshold(self.here, labels)
            yield "threshold on strokes", self.scores(self.before, own), 0.0
            yield (
                "BatchNorm of the window",
                self.measured(renewed_statistics(self.start, window)),
                0.0,
            )
            yield "random forest", forest(window, labels[place], self.sets, seed), 0.0
        model, seconds = taught(image, labels, seed)
        found = [probabilities(model, data.images) for data in self.sets]
        yield "fine_tune", self.scores(found, model.card.inference.threshold), seconds
        yield "fine_tune, start's threshold", self.scores(found, self.level), seconds
        if ARGUMENTS.whole:
            model, seconds = taught(window, self.painted.masks[0][place] + 1, seed)
            yield "fine_tune, window outlined", self.measured(model), seconds

    def rounds(self, place: Place, seed: int) -> Iterator[Row]:
        """Yield the same for each round, by how the next window is chosen."""
        rng = np.random.default_rng(seed)
        for choice in ("proposed", "random"):
            places, model = [place], self.start
            for number in range(ARGUMENTS.rounds + 1):
                if number:
                    places.append(self._next(choice, model, places, seed, rng))
                model, seconds = taught(self.painted.images[0], self.painted_in(places, seed), seed)
                yield f"{choice}, round {number}", self.measured(model), seconds

    def _next(
        self, choice: str, model: object, places: list[Place], seed: int, rng: np.random.Generator
    ) -> Place:
        if choice == "proposed":
            now = probabilities(model, self.painted.images)[0]
            known = self.painted_in(places, seed) > 0
            found = uncertain_window(now, known, ARGUMENTS.side, places)
            if found is not None:
                return found[0]
        y, x = (int(rng.integers(size - ARGUMENTS.side + 1)) for size in self.here.shape)
        return slice(y, y + ARGUMENTS.side), slice(x, x + ARGUMENTS.side)


def main() -> None:
    """Run all trials; print one row each, and mean and worst of each method."""
    painted = Images.read(ARGUMENTS.data, ARGUMENTS.truth, [ARGUMENTS.paint])
    sets = [Images.read(ARGUMENTS.data, ARGUMENTS.truth, ARGUMENTS.test)]
    if ARGUMENTS.old:
        sets.append(Images.read(ARGUMENTS.old, ARGUMENTS.truth))
    places = window_places(painted.masks[0], ARGUMENTS.windows, ARGUMENTS.side)
    table = _read(ARGUMENTS.out)
    done = {(row[0], row[1]) for row in table}
    trial = Trial(cytosynth.load_model(ARGUMENTS.model), painted, sets)
    for seed in range(ARGUMENTS.seeds):
        for number, place in enumerate(places):
            if (number, seed) in done:
                continue
            rows = trial.rounds(place, seed) if ARGUMENTS.rounds else trial.methods(place, seed)
            new = []
            for name, scores, seconds in rows:
                new.append((number, seed, name, *scores, seconds))
                shown = "  ".join(f"{value:.3f}" for value in scores)
                echo(f"window {number} seed {seed}  {name:30} {shown}")
            table += new
            _write(ARGUMENTS.out, table)
    _summarise(table)


def _read(path: Path | None) -> list[tuple]:
    if path is None or not path.exists():
        return []
    with path.open(newline="") as file:
        return [(int(w), int(s), name, *map(float, v)) for w, s, name, *v in csv.reader(file)]


def _write(path: Path | None, table: list[tuple]) -> None:
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        text = io.StringIO()
        csv.writer(text).writerows(table)
        replace_file(path, text.getvalue().encode())


def _summarise(table: list[tuple]) -> None:
    names = list(dict.fromkeys(row[2] for row in table))
    echo("\nmean (worst), and seconds of processor time")
    for name in names:
        columns = np.array([row[3:] for row in table if row[2] == name])
        scores = [f"{column.mean():.3f} ({column.min():.3f})" for column in columns.T[:-1]]
        echo(f"{name:30} {'  '.join(scores)}  {columns[:, -1].mean():.0f} s, {len(columns)} trials")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", help="model to start from: masks of one grey channel")
    parser.add_argument("--data", type=Path, required=True, help="foreign data set")
    parser.add_argument("--truth", required=True, help="its folder of masks, and that of --old")
    parser.add_argument("--paint", required=True, help="name of the image that is painted on")
    parser.add_argument("--test", nargs="+", required=True, help="names of the images that test")
    parser.add_argument("--old", type=Path, help="images that the model has to remember")
    parser.add_argument("--windows", type=int, default=5)
    parser.add_argument("--side", type=int, default=512, help="of a window, in px; default: 512")
    parser.add_argument("--rounds", type=int, default=0, help="further windows; default: none")
    parser.add_argument(
        "--whole", action="store_true", help="teach all truth of the window, too: an upper limit"
    )
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--minutes", type=float)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--beside", action="store_true", help="background beside objects, too")
    parser.add_argument(
        "--correcting", action="store_true", help="half of the background where the model is wrong"
    )
    parser.add_argument("--only", action="store_true", help="leave out the rivals")
    parser.add_argument("--set", nargs="+", default=[], help="settings of the recipe")
    parser.add_argument(
        "--out", type=Path, help="CSV file of all rows, which the same call goes on from"
    )
    return parser.parse_args()


if __name__ == "__main__":
    ARGUMENTS = _arguments()
    main()
