"""Overview page: the input, the real stain and the virtual stain of each model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cytosynth.training.reports.figure_pages import grey

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from .fields import Stainer
    from .report import StainReport
    from .shown_fields import ShownField

__all__ = ["SHARE_OF_RANGE", "overview_page", "shown_limits"]

SHARE_OF_RANGE = 0.5
"""Error and sigma at their brightest, of what the real stain is shown with."""
_SIDE = 256  # px of the window: cells are large enough to compare

Window = tuple[slice, slice]


def overview_page(figure_class: Any, report: StainReport) -> Any:
    """Draw a typical window and the worst one, a row for each stain.

    The columns are the input, the real stain, the mean of every model and, where it has
    one, its uncertainty. The typical window is where the error of the first model is the
    median one of the median field, the worst where it is largest in the worst field.

    Parameters
    ----------
    figure_class
        Matplotlib's class ``Figure``.
    report
        Results of the evaluation.
    """
    stains, places = list(report.data_ranges), _places(report)
    columns = 2 + sum(_panels(scores.stainer) for scores in report.models.values())
    rows = len(stains) * len(places)
    figure = figure_class(figsize=(2.3 * columns, 2.35 * rows + 0.5), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False)
    for axis in axes.flat:
        axis.set_xticks([])
        axis.set_yticks([])
    for number, (what, shown, window) in enumerate(places):
        for k, stain in enumerate(stains):
            row = axes[number * len(stains) + k]
            row[0].set_ylabel(f"{what}: {stain}", fontsize="small")
            _draw(row, stain, shown, window, report)
    for axis, title in zip(axes[0], _titles(report), strict=True):
        axis.set_title(title, fontsize="small")
    return figure


def shown_limits(real: NDArray[Any]) -> tuple[float, float]:
    """Return the display limits of a stain, from the real one, for all images of it.

    A stain that is too dim then looks too dim.
    """
    low, high = (float(value) for value in np.percentile(real, (1, 99.7)))
    return low, high


def _panels(stainer: Stainer) -> int:
    """Return 2 for a model whose uncertainty is shown, too: a calibrated one needs no samples."""
    return 2 if stainer.calibrated or stainer.samples else 1


def _titles(report: StainReport) -> Iterator[str]:
    yield from ("input", "real stain")
    for name, scores in report.models.items():
        stainer = scores.stainer
        yield f"{name}\n{f'mean of {stainer.samples} samples' if stainer.samples else ''}".strip()
        if _panels(stainer) > 1:
            yield f"{name}\n{'uncertainty' if stainer.calibrated else 'spread, uncalibrated'}"


def _places(report: StainReport) -> list[tuple[str, ShownField, Window]]:
    """Choose the windows; of a single field both come from that one."""
    ranked = {shown.rank: shown for shown in report.shown}
    middle = ranked.get("median") or ranked.get("only") or ranked["best"]
    worst = ranked.get("worst") or middle
    return [
        ("typical", middle, _window(middle, report, 0.5)),
        ("worst", worst, _window(worst, report, 1.0)),
    ]


def _window(shown: ShownField, report: StainReport, rank: float) -> Window:
    """Return the window whose error of the first model has this rank, 0 (best) to 1."""
    first = next(iter(shown.predictions.values()))
    error = sum(
        np.abs(one.mean - shown.real[stain]) / report.data_ranges[stain]
        for stain, one in first.items()
    )
    assert isinstance(error, np.ndarray)
    starts = [_starts(size) for size in error.shape]
    windows = [(slice(y, y + _SIDE), slice(x, x + _SIDE)) for y in starts[0] for x in starts[1]]
    order = sorted(windows, key=lambda window: float(error[window].mean()))
    return order[round(rank * (len(order) - 1))]


def _starts(size: int) -> list[int]:
    return [*range(0, max(size - _SIDE, 0), _SIDE // 2), max(size - _SIDE, 0)]


def _draw(row: Any, stain: str, shown: ShownField, window: Window, report: StainReport) -> None:
    low, high = shown_limits(shown.real[stain])
    intensity = {"cmap": "gray", "vmin": low, "vmax": high}
    doubt = {"cmap": "magma", "vmin": 0, "vmax": SHARE_OF_RANGE * (high - low)}
    image = grey(shown.image)[window]
    row[0].imshow(
        image, cmap="gray", vmin=np.percentile(image, 0.5), vmax=np.percentile(image, 99.5)
    )
    row[1].imshow(shown.real[stain][window], **intensity)
    column = iter(row[2:])
    for model, scores in report.models.items():
        own = [next(column) for _ in range(_panels(scores.stainer))]
        one = shown.predictions[model].get(stain)
        if one is None:
            for axis in own:
                axis.set_visible(False)
            continue
        own[0].imshow(one.mean[window], **intensity)
        if one.uncertainty is not None:
            own[1].imshow(one.uncertainty[window], **doubt)
