"""``python -m napari_cytosynth`` is the command ``cytosynth``."""

from __future__ import annotations

import sys

from napari_cytosynth.cli import main

if __name__ == "__main__":
    sys.exit(main())
