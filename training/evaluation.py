"""What the evaluations of all tasks share: records, files and the card's figures."""

from __future__ import annotations

import json
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cytosynth.errors import OutputError, RecipeError
from napari_cytosynth.zoo.files import read_card, replace_file, update_card

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_cytosynth.zoo.card import Metric
    from napari_cytosynth.zoo.loading import Model

__all__ = [
    "FOUND",
    "MISSED",
    "SPURIOUS",
    "grey",
    "label_edges",
    "model_record",
    "read_record",
    "replace_metrics",
    "results_folder",
    "write_json",
    "write_pages",
]

# told apart with any kind of colour vision (Okabe and Ito)
FOUND, SPURIOUS, MISSED = (0.0, 0.62, 0.45), (0.9, 0.62, 0.0), (0.34, 0.71, 0.91)


def replace_metrics(folder: Path, dataset: str, metrics: Sequence[Metric]) -> None:
    """Write figures into a model's card, in place of older ones of the same data set.

    Parameters
    ----------
    folder
        The model's folder; its weights stay as they are.
    dataset
        Data set and split that the figures were measured on.
    metrics
        The figures.

    Raises
    ------
    ModelError
        If `folder` holds no model.
    OutputError
        If it cannot be written.
    """
    card = read_card(folder)
    kept = [metric for metric in card.metrics if metric.dataset != dataset]
    update_card(folder, card.model_copy(update={"metrics": [*kept, *metrics]}))


@contextmanager
def results_folder(folder: Path) -> Iterator[None]:
    """Make the folder of the results, and say what is wrong where it cannot be written.

    Raises
    ------
    OutputError
        If the folder, or a file in it, cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        raise OutputError(f"The results cannot be written to “{folder}”: {error}") from error


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write a record as JSON for people, whole or not; what is no finite number becomes null."""
    text = json.dumps(_finite(content), indent=2, ensure_ascii=False, allow_nan=False)
    replace_file(path, f"{text}\n".encode())


def read_record(path: Path, *, result: bool = False) -> dict[str, Any]:
    """Return what :func:`write_json` wrote; empty if nothing is there.

    Parameters
    ----------
    path
        The file.
    result
        Whether it holds what is found again without it, and not what a folder is bound to.

    Raises
    ------
    RecipeError
        If the file is damaged.
    """
    if not path.is_file():
        return {}
    try:
        found: dict[str, Any] = json.loads(path.read_text("utf-8"))
    except ValueError as error:  # no JSON, or no text
        cure = "delete it, so that it is made again" if result else "choose another --out"
        raise RecipeError(f"“{path}” is damaged: {cure}.") from error
    return found


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(entry) for entry in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value


def model_record(model: Model) -> dict[str, Any]:
    """Return what tells a model apart from all others."""
    return {"model": model.card.name, "revision": model.revision, "sha256": model.sha256}


def write_pages(
    folder: Path, kind: str, draw: Callable[[Any], dict[str, Any]], together: str = ""
) -> list[Path]:
    """Draw figure pages and write each as a PNG file.

    Parameters
    ----------
    folder
        An existing folder; ``KIND-*.png`` of an older evaluation are removed from it.
    kind
        What the names of the pages of single fields begin with.
    draw
        Called with matplotlib's class ``Figure``; returns the pages by name.
    together
        Name of a PDF file that all pages go into as well; empty for none.

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
    """Scale an image (Y, X) to [0, 1] for the eye, by its own percentiles."""
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
