"""Write screenshots as WebP: a tenth of the size of a PNG, and hardly a difference.

Sharp lines on few colours are smaller without loss, photographs with it: the smaller is kept.

Usage: shrink-pictures.py TARGET-FOLDER PICTURE...
"""

from __future__ import annotations

import io
import sys
from pathlib import Path

from PIL import Image


def encode(picture: Image.Image, **options: object) -> bytes:
    """Return the picture as the bytes of a WebP file."""
    buffer = io.BytesIO()
    picture.save(buffer, "WEBP", method=6, **options)
    return buffer.getvalue()


def shrink(source: Path, target: Path) -> None:
    """Write the smaller of both kinds."""
    with Image.open(source) as opened:
        picture = opened.convert("RGB")
    kinds = encode(picture, quality=45), encode(picture, lossless=True)
    target.write_bytes(min(kinds, key=len))


folder = Path(sys.argv[1])
for name in sys.argv[2:]:
    shrink(Path(name), folder / f"{Path(name).stem}.webp")
