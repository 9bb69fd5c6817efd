#!/usr/bin/env python
"""How much a few strokes teach a mask model, beside rivals that need no training.

A simulated user paints short strokes on the objects of one window of a foreign data set, and on
its background, from the truth. Compared on images that nobody has painted: the start model, its
threshold chosen again on the strokes, its BatchNorm statistics estimated again without labels, a
random forest on filter responses, and `cytosynth.fine_tune`. The random forest needs scikit-learn.

    python scripts/fine-tuning-trial.py MODEL --data em-vnc --truth mitochondria --paint 05 \
        --test 13 14 15 --old em-epfl/test --windows 5 --seeds 3
"""

from __future__ import annotations

import argparse
import copy
import csv
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from pkgutil import resolve_name

import numpy as np
from scipy import ndimage

import napari_cytosynth as cytosynth
from napari_cytosynth.console import echo
from napari_cytosynth.images.reading import read_image
from napari_cytosynth.inference.normalise import normalise
from napari_cytosynth.training.run.fit import train
from napari_cytosynth.training.teach.task import prepare

SIDE = 512
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


def window_places(shape: tuple[int, int]) -> list[tuple[slice, slice]]:
    """Return the four corners and the middle of an image, as windows."""
    starts = [(y, x) for y in (0, shape[0] - SIDE) for x in (0, shape[1] - SIDE)]
    starts.append(((shape[0] - SIDE) // 2, (shape[1] - SIDE) // 2))
    return [(slice(y, y + SIDE), slice(x, x + SIDE)) for y, x in starts]


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
    half = SIDE // 2
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


def taught(window: np.ndarray, labels: np.ndarray, seed: int, folder: Path) -> tuple[object, float]:
    """Fine-tune; return the new model and the seconds that it took."""
    limits = {"minutes": ARGUMENTS.minutes, "steps": ARGUMENTS.steps, "seed": seed}
    ready = prepare(ARGUMENTS.model, [(window, labels)], folder, **limits)
    recipe = ready.recipe
    if ARGUMENTS.set:
        from napari_cytosynth.training.recipe.settings import assign

        tree = recipe.model_dump(mode="json")
        for setting in ARGUMENTS.set:
            assign(tree, setting)
        recipe = type(recipe).model_validate(tree)
    begun = time.process_time()
    made = train(recipe, ready.data_dir, folder, progress=lambda *_: None)
    return cytosynth.load_model(made), time.process_time() - begun


def trial(start: object, place: tuple, seed: int, painted: Images, sets: list[Images]) -> list:
    """Return the rows of one window and seed: method, IoU on each set, seconds."""
    window, mask = painted.images[0][place], painted.masks[0][place]
    found = None
    if ARGUMENTS.correcting:
        found = probabilities(start, [window])[0] >= start.card.inference.threshold
    labels = strokes(mask, seed, beside=ARGUMENTS.beside, found=found)
    rows = []

    def add(name: str, model: object, threshold: float | None, seconds: float = 0.0) -> None:
        level = model.card.inference.threshold if threshold is None else threshold
        scores = [
            overlap([p >= level for p in probabilities(model, data.images)], data.masks)
            for data in sets
        ]
        rows.append([name, *scores, seconds])

    if not ARGUMENTS.only:
        add("start", start, None)
        own = balanced_threshold(probabilities(start, [window])[0], labels)
        add("threshold on strokes", start, own)
        add("BatchNorm of the window", renewed_statistics(start, window), None)
        rows.append(["random forest", *forest(window, labels, sets, seed), 0.0])
    with tempfile.TemporaryDirectory() as folder:
        model, seconds = taught(window, labels, seed, Path(folder) / "run")
        add("fine_tune", model, None, seconds)
        add("fine_tune, threshold 0.5", model, 0.5, seconds)
        add("fine_tune, start's threshold", model, start.card.inference.threshold, seconds)
    share = np.count_nonzero(labels) / labels.size
    echo(f"{share:.2%} of the window painted, {len(np.unique(labels)) - 2} objects")
    return rows


def main() -> None:
    """Run all trials; print one row each, and mean and worst of each method."""
    start = cytosynth.load_model(ARGUMENTS.model)
    painted = Images.read(ARGUMENTS.data, ARGUMENTS.truth, [ARGUMENTS.paint])
    sets = [Images.read(ARGUMENTS.data, ARGUMENTS.truth, ARGUMENTS.test)]
    if ARGUMENTS.old:
        sets.append(Images.read(ARGUMENTS.old, ARGUMENTS.truth))
    places = window_places(painted.images[0].shape)
    chosen = [places[number] for number in ARGUMENTS.only_windows or range(ARGUMENTS.windows)]
    table: dict[str, list[list[float]]] = {}
    for number, place in enumerate(chosen):
        for seed in range(ARGUMENTS.seeds):
            for name, *values in trial(start, place, seed, painted, sets):
                table.setdefault(name, []).append(values)
                shown = "  ".join(f"{value:.3f}" for value in values)
                echo(f"window {number} seed {seed}  {name:30} {shown}")
    echo("\nmean (worst), and seconds of processor time")
    for name, rows in table.items():
        columns = np.array(rows)
        scores = [f"{column.mean():.3f} ({column.min():.3f})" for column in columns.T[:-1]]
        echo(f"{name:30} {'  '.join(scores)}  {columns[:, -1].mean():.0f} s")
    if ARGUMENTS.out:
        with ARGUMENTS.out.open("w", newline="") as file:
            csv.writer(file).writerows([n, *row] for n, rows in table.items() for row in rows)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", help="model to start from: masks of one grey channel")
    parser.add_argument("--data", type=Path, required=True, help="foreign data set")
    parser.add_argument("--truth", required=True, help="its folder of masks, and that of --old")
    parser.add_argument("--paint", required=True, help="name of the image that is painted on")
    parser.add_argument("--test", nargs="+", required=True, help="names of the images that test")
    parser.add_argument("--old", type=Path, help="images that the model has to remember")
    parser.add_argument("--windows", type=int, default=5)
    parser.add_argument("--only-windows", type=int, nargs="+", help="numbers from 0")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--minutes", type=float)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--beside", action="store_true", help="background beside objects, too")
    parser.add_argument(
        "--correcting", action="store_true", help="half of the background where the model is wrong"
    )
    parser.add_argument("--only", action="store_true", help="leave out the rivals")
    parser.add_argument("--set", nargs="+", default=[], help="settings of the recipe")
    parser.add_argument("--out", type=Path, help="CSV file of all rows")
    return parser.parse_args()


if __name__ == "__main__":
    ARGUMENTS = _arguments()
    main()
