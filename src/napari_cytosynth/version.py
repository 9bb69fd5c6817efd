"""``__version__`` of the package."""

from __future__ import annotations

try:
    from napari_cytosynth._version import __version__
except ImportError:  # a source tree that was never installed
    __version__ = "0.1.0.dev0"

__all__ = ["__version__"]
