"""Make the small pictures that the Models widget shows of bundled models, from those of the docs.

They show simulated and generated images only, as all pictures of this repository do.

Usage: model-pictures.py
"""

from __future__ import annotations

from pathlib import Path

from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
WEIGHTS = ROOT / "src" / "napari_cytosynth" / "weights"
WIDTH = 320
HEIGHT = 150


def shrink(source: Path, target: Path) -> None:
    """Write the top of a picture, with its caption, at the width of the widget."""
    with Image.open(source) as opened:
        picture = opened.convert("RGB")
    high = min(picture.height, round(HEIGHT * picture.width / WIDTH))
    top = picture.crop((0, 0, picture.width, high))
    size = (WIDTH, round(top.height * WIDTH / top.width))
    top.resize(size, Image.Resampling.LANCZOS).save(target, quality=85, optimize=True)


for sheet in sorted((ROOT / "docs" / "images").glob("generated-*.webp")):
    shrink(sheet, WEIGHTS / sheet.stem.removeprefix("generated-") / "picture.jpg")
