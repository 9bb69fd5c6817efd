"""Print how often a segmentation model's checks speak, on images of its kind and of others.

    python scripts/doubted-images.py MODEL --right 'FOLDER/image' [--split test] [--names 19,20]
        --other NAME='FOLDER/image' …

Images of the right kind must be let pass: each that is doubted is a false alarm. Doubted should be
the same images inverted and at other magnifications, photographs of scikit-image, and folders of
other kinds. Rivals: one that never speaks, and the look "p50" alone, the median brightness.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from skimage import data
from skimage.color import rgb2gray
from skimage.transform import rescale

from napari_cytosynth.console import echo
from napari_cytosynth.inference.normalise import normalise
from napari_cytosynth.progress import silent
from napari_cytosynth.tasks.common.input_check import unlike_training
from napari_cytosynth.tasks.common.looks import looks, middle
from napari_cytosynth.tasks.segment.task import segment
from napari_cytosynth.training.data.image_files import read_plane
from napari_cytosynth.training.data.splits import hash_split
from napari_cytosynth.training.segment.evaluate.doubts import doubts_of
from napari_cytosynth.zoo.loading import Model, load_model

PHOTOGRAPHS = {
    # those of "choose" may be looked at while a check is made, the others only to report it
    "report": ("camera", "coins", "astronaut", "moon", "brick", "grass", "page", "text"),
    "choose": ("chelsea", "coffee", "gravel", "rocket", "retina", "clock", "immunohistochemistry"),
}
FACTORS = (0.25, 0.5, 2.0, 4.0)
SIDE = 512  # px: of resampled images, and of those of other kinds, the middle is run

Kind = tuple[str, Iterable[np.ndarray]]


class Spoken(NamedTuple):
    """What is said of one image."""

    before: bool
    after: bool
    rival: bool


def altered(images: list[np.ndarray]) -> Iterator[Kind]:
    """Yield images with inverted contrast, and at other magnifications."""
    yield "inverted", [image.max() - image.astype(float) for image in images]
    for factor in FACTORS:
        side = int(SIDE / factor)
        cut = [middle(image, (side, side)).astype(float) for image in images]
        order, smooth = (1, True) if factor < 1 else (3, False)
        yield f"× {factor:g}", [rescale(x, factor, order=order, anti_aliasing=smooth) for x in cut]


def photographs(part: str) -> list[np.ndarray]:
    """Return the photographs of a part in grey."""
    found = [np.asarray(getattr(data, name)()) for name in PHOTOGRAPHS[part]]
    return [rgb2gray(x[..., :3]) if x.ndim == 3 else x for x in found]


def read_folder(folder: Path, split: str | None, names: list[str]) -> list[np.ndarray]:
    """Return the images of a folder, of a part of its hash split or of some names."""
    paths = [path for path in sorted(folder.glob("*")) if path.is_file()]
    if split:
        paths = [path for path in paths if hash_split(path.stem) == split]
    return [read_plane(path) for path in paths if not names or path.stem in names]


def spoken(image: np.ndarray, model: Model, looks_only: bool) -> Spoken:
    """Run the model as a user does, and return what its checks and a rival say."""
    own = model.card.inference
    if looks_only:
        before, after = unlike_training(image[np.newaxis], model.card), ""
    else:
        before, after = doubts_of(segment(image, model, axes="YX", progress=silent))
    found = looks(normalise(image[np.newaxis], own.normalisation)[0]).get("p50")
    low, high = own.input_looks.get("p50", (0.0, 1.0))
    return Spoken(bool(before), bool(after), found is not None and not low <= found <= high)


def show(name: str, images: Iterable[np.ndarray], model: Model, looks_only: bool) -> None:
    """Print a line of the table."""
    found = [spoken(image, model, looks_only) for image in images]
    if not found:
        raise SystemExit(f"There are no images of {name}.")
    before, after, rival = (sum(column) for column in zip(*found, strict=True))
    either = sum(one.before or one.after for one in found)
    echo(f"{name:<28}{len(found):>7}{before:>8}{after:>8}{either:>8}{0:>8}{rival:>8}")


def arguments() -> Any:
    """Return the arguments of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model")
    parser.add_argument("--right", type=Path, required=True, action="append", metavar="FOLDER")
    parser.add_argument("--split", choices=("train", "validation", "test"), help="of --right")
    parser.add_argument("--names", type=lambda text: text.split(","), default=[], help="of --right")
    parser.add_argument("--other", action="append", default=[], metavar="NAME=FOLDER")
    parser.add_argument("--photographs", choices=tuple(PHOTOGRAPHS), default="report")
    parser.add_argument("--each", type=int, default=8, help="images that are altered, or of a kind")
    parser.add_argument("--looks-only", action="store_true", help="do not run the model")
    return parser.parse_args()


def main() -> None:
    """Print the table."""
    given = arguments()
    model = load_model(given.model)
    echo(f"{model.card.name}: doubted images")
    echo(f"{'':<28}{'images':>7}{'before':>8}{'after':>8}{'either':>8}{'never':>8}{'median':>8}")
    right: list[np.ndarray] = []
    for folder in given.right:
        names = given.names if folder == given.right[0] else []
        found = read_folder(folder, given.split if folder == given.right[0] else None, names)
        show(f"{folder.parent.name} (right)", found, model, given.looks_only)
        right += found
    few = right[:: max(1, len(right) // given.each)][: given.each]
    for name, images in altered(few):
        show(name, images, model, given.looks_only)
    show("photographs", photographs(given.photographs), model, given.looks_only)
    for other in given.other:
        name, _, folder = other.partition("=")
        found = read_folder(Path(folder), None, [])
        few = found[:: max(1, len(found) // given.each)][: given.each]
        show(name, [middle(image, (SIDE, SIDE)) for image in few], model, given.looks_only)


if __name__ == "__main__":
    main()
