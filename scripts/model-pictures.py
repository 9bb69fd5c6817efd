"""Make the small pictures of the bundled models, which the Models widget and the docs' pages show.

Those of generators are made of the docs' contact sheets; those of segmenters and stainers show
an image beside what the model makes of it. Images are simulated or generated, as in all pictures
of this repository, so they are easier than real ones: they show what comes out, not how good it is.

Usage: model-pictures.py [MODEL ...]      without names, all of them
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image
from skimage.segmentation import find_boundaries

import napari_cytosynth as cytosynth
from napari_cytosynth.phantoms import fluorescent_nuclei, phase_contrast_cells, stained_cells
from napari_cytosynth.tasks.common.colours import rgb_of, usual_colour

ROOT = Path(__file__).resolve().parents[1]
WEIGHTS = ROOT / "src" / "napari_cytosynth" / "weights"
WIDTH = 320
HEIGHT = 150
ORANGE = (1.0, 0.6, 0.1)

Picture = npt.NDArray[np.float32]


def shrink(source: Path, target: Path) -> None:
    """Write the top of a picture, with its caption, at the width of the widget."""
    with Image.open(source) as opened:
        picture = opened.convert("RGB")
    high = min(picture.height, round(HEIGHT * picture.width / WIDTH))
    top = picture.crop((0, 0, picture.width, high))
    size = (WIDTH, round(top.height * WIDTH / top.width))
    top.resize(size, Image.Resampling.LANCZOS).save(target, quality=85, optimize=True)


def grey(image: npt.NDArray[Any]) -> Picture:
    """Return an image as grey RGB in [0, 1]."""
    low, high = np.percentile(image, (0.5, 99.5))
    values = np.clip((image - low) / max(high - low, 1e-6), 0, 1)
    return np.repeat(values[..., None], 3, -1).astype(np.float32)


def outlined(image: npt.NDArray[Any], labels: npt.NDArray[Any]) -> Picture:
    """Return an image with the outlines of the objects that were found."""
    shown = grey(image)
    shown[find_boundaries(labels, mode="inner")] = ORANGE
    return shown


def coloured(stains: npt.NDArray[Any], names: tuple[str, ...]) -> Picture:
    """Return stains (C, Y, X) in their usual colours, on top of each other."""
    pairs = zip(stains, names, strict=True)
    light = [grey(stain) * rgb_of(usual_colour(name)) for stain, name in pairs]
    return np.clip(np.sum(light, 0), 0, 1).astype(np.float32)


def write(name: str, left: Picture, right: Picture) -> None:
    """Write two pictures side by side, each the same part of the field."""
    side = min(2 * HEIGHT, *left.shape[:2])
    gap = np.ones((side, max(side // 15, 1), 3), np.float32)
    both = np.hstack([left[:side, :side], gap, right[:side, :side]])
    size = (WIDTH, round(WIDTH * both.shape[0] / both.shape[1]))
    picture = Image.fromarray((255 * both).astype(np.uint8)).resize(size, Image.Resampling.LANCZOS)
    picture.save(WEIGHTS / name / "picture.jpg", quality=80, optimize=True)


def segment(name: str, image: npt.NDArray[Any], pixel_size: float) -> None:
    """Draw an image, and the outlines of what the model finds in it."""
    found = cytosynth.segment(image, model=name, pixel_size=pixel_size)
    write(name, grey(image), outlined(image, found.labels))


def stain(name: str) -> None:
    """Draw simulated cells in phase contrast, and their virtual stains."""
    cells = stained_cells(seed=5)
    found = cytosynth.stain(cells.phase, model=name, pixel_size=cells.pixel_size_um, samples=0)
    write(name, grey(cells.phase), coloured(found.mean, found.channels))


def draw(name: str) -> None:
    """Draw the picture of a model; of those for which no image is simulated there is none."""
    sheet = ROOT / "docs" / "images" / f"generated-{name}.webp"
    if sheet.exists():
        shrink(sheet, WEIGHTS / name / "picture.jpg")
    elif name.startswith("phantom-phase"):
        stain(name)
    elif name == "fluo-nuclei-unet":
        nuclei = fluorescent_nuclei(seed=2)
        segment(name, nuclei.image, nuclei.pixel_size_um)
    elif name == "phase-cells-unet":
        cells = phase_contrast_cells(seed=2)
        segment(name, cells.image, cells.pixel_size_um)


for model in sys.argv[1:] or sorted(path.name for path in WEIGHTS.iterdir() if path.is_dir()):
    draw(model)
