"""Write screenshots with a palette of 256 colours: a fifth of the size, and hardly a difference.

Usage: shrink-pictures.py TARGET-FOLDER PICTURE...
"""

from __future__ import annotations

import sys
from pathlib import Path

from PIL import Image

target = Path(sys.argv[1])
for name in sys.argv[2:]:
    with Image.open(name) as picture:
        small = picture.convert("RGB").quantize(256, dither=Image.Dither.NONE)
    small.save(target / Path(name).name, optimize=True)
