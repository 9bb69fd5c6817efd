"""Figure pages of evaluations: colours, scaled images, outlines, and writing them as PNG."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["FOUND", "MISSED", "SPURIOUS", "grey", "label_edges", "write_pages"]

# distinguishable with any kind of colour vision (Okabe and Ito)
FOUND, SPURIOUS, MISSED = (0.0, 0.62, 0.45), (0.9, 0.62, 0.0), (0.34, 0.71, 0.91)


def write_pages(
    folder: Path, kind: str, draw: Callable[[Any], dict[str, Any]], together: str = ""
) -> list[Path]:
    """Draw figure pages and write each as a PNG file.

    Parameters
    ----------
    folder
        An existing folder; ``KIND-*.png`` of an older evaluation are removed from it.
    kind
        Prefix of the names of the pages of single fields.
    draw
        Called with matplotlib's class ``Figure``; returns the pages by name.
    together
        Name of a PDF file with all pages; empty (default) for none.

    Returns
    -------
    list of Path
        The files; none where matplotlib is not installed.
    """
    try:
        from matplotlib.backends.backend_pdf import PdfPages
        from matplotlib.figure import Figure
    except ImportError:
        return []
    for old in folder.glob(f"{kind}-*.png"):
        old.unlink()
    paths = [folder / together] if together else []
    with PdfPages(paths[0]) if together else nullcontext() as book:
        for name, figure in draw(Figure).items():
            # fields of several folders are called folder/field
            paths.append(folder / f"{name.replace('/', '-')}.png")
            figure.savefig(paths[-1], dpi=110)
            if book is not None:
                book.savefig(figure, dpi=110)
    return paths


def grey(image: NDArray[Any]) -> NDArray[np.float32]:
    """Scale an image (Y, X) to [0, 1] for display, by its own percentiles."""
    plane = np.nan_to_num(image.astype(np.float32))
    low, high = np.percentile(plane, (0.5, 99.5))
    scaled: NDArray[np.float32] = np.clip((plane - low) / max(high - low, 1e-9), 0, 1)
    return scaled


def label_edges(labels: NDArray[Any]) -> NDArray[np.bool_]:
    """Return the pixels (Y, X) of objects that touch another label below or to the right."""
    edges = np.zeros(labels.shape, bool)
    edges[:-1] |= labels[:-1] != labels[1:]
    edges[:, :-1] |= labels[:, :-1] != labels[:, 1:]
    return edges
