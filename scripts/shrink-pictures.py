"""Write screenshots with a palette of 256 colours: a fifth of the size, and hardly a difference.

What is larger than 290 kB even so, such as a sheet of grainy images, is scaled down.

Usage: shrink-pictures.py TARGET-FOLDER PICTURE...
"""

from __future__ import annotations

import sys
from pathlib import Path

from PIL import Image

LIMIT = 290_000


def shrink(source: Path, target: Path) -> None:
    """Write the picture, in steps of 9/10 until it is small enough."""
    with Image.open(source) as opened:
        picture = opened.convert("RGB")
    while True:
        picture.quantize(256, dither=Image.Dither.NONE).save(target, optimize=True)
        if target.stat().st_size <= LIMIT:
            return
        smaller = (picture.width * 9 // 10, picture.height * 9 // 10)
        picture = picture.resize(smaller, Image.Resampling.LANCZOS)


folder = Path(sys.argv[1])
for name in sys.argv[2:]:
    shrink(Path(name), folder / Path(name).name)
