"""Entry of ``python -m napari_cytosynth.training``."""

from .cli import main

raise SystemExit(main())
