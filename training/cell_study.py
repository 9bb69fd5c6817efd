"""Entry of ``python -m napari_cytosynth.training.cell_study``: see `datasets.cell_study`."""

from napari_cytosynth.training.datasets.cell_study import cell_study, main

__all__ = ["cell_study", "main"]

if __name__ == "__main__":
    raise SystemExit(main())
