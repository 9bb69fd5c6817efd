"""Entry of ``python -m napari_cytosynth.training.prepare``: see `datasets.prepare`."""

from napari_cytosynth.training.datasets.prepare import main, prepare_isl, prepare_jurkat

__all__ = ["main", "prepare_isl", "prepare_jurkat"]

if __name__ == "__main__":
    raise SystemExit(main())
