"""Figure pages of an evaluation of virtual stainers: fields, uncertainty, populations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cytosynth.metrics import Reliability, Sparsification
from napari_cytosynth.training.reports.figure_pages import grey, write_pages

from .overview import SHARE_OF_RANGE, overview_page, shown_limits

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from .report import StainReport
    from .shown_fields import ShownField

__all__ = ["save_figures"]

_SIDE = 540


def save_figures(report: StainReport, folder: Path) -> list[Path]:
    """Write the pages as PNG files and, all together, as ``figures.pdf``.

    ``field-RANK-NAME.png`` for the best, the median and the worst field; ``overview.png``
    with all models side by side; ``uncertainty.png``; ``populations.png`` where objects were
    measured.

    Parameters
    ----------
    report
        Results of the evaluation.
    folder
        An existing folder.

    Returns
    -------
    list of Path
        The files; none where matplotlib is not installed.
    """

    def draw(figure_class: Any) -> dict[str, Any]:
        pages = {
            f"field-{shown.rank}-{shown.name}": _field_page(figure_class, shown, report)
            for shown in report.shown
        }
        pages["overview"] = overview_page(figure_class, report)
        pages["uncertainty"] = _uncertainty_page(figure_class, report)
        if any(scores.objects for scores in report.models.values()):
            pages["populations"] = _population_page(figure_class, report)
        return pages

    return write_pages(folder, "field", draw, together="figures.pdf")


def _small(plane: NDArray[Any]) -> NDArray[Any]:
    """Return every n-th pixel, so that a page stays small."""
    step = max(1, max(plane.shape) // _SIDE)
    return plane[::step, ::step]


def _field_page(figure_class: Any, shown: ShownField, report: StainReport) -> Any:
    """Draw a row for each stain: input, real, and of each model mean, error and sigma."""
    stains = list(report.data_ranges)
    columns = 2 + 3 * len(report.models)
    figure = figure_class(figsize=(2.4 * columns, 2.5 * len(stains) + 0.7), layout="constrained")
    figure.suptitle(f"{shown.rank} field: {shown.name} · mean PCC {shown.score:.3f}")
    axes = figure.subplots(len(stains), columns, squeeze=False)
    for row, stain in zip(axes, stains, strict=True):
        _stain_row(row, stain, shown)
    for axis in axes.flat:
        axis.set_xticks([])
        axis.set_yticks([])
    return figure


def _stain_row(row: Any, stain: str, shown: ShownField) -> None:
    real = shown.real[stain]
    low, high = shown_limits(real)
    limits = {"cmap": "gray", "vmin": low, "vmax": high}
    doubt = {"cmap": "magma", "vmin": 0, "vmax": SHARE_OF_RANGE * (high - low)}
    row[0].imshow(_small(grey(shown.image)), cmap="gray")
    row[0].set(title="input", ylabel=stain)
    row[1].imshow(_small(real), **limits)
    row[1].set_title(f"real {stain}")
    for number, (model, predicted) in enumerate(shown.predictions.items()):
        place = row[2 + 3 * number : 5 + 3 * number]
        if stain not in predicted:
            for axis in place:
                axis.set_visible(False)
            continue
        one = predicted[stain]
        place[0].imshow(_small(one.mean), **limits)
        place[0].set_title(model, fontsize="small")
        place[1].imshow(_small(np.abs(one.mean - real)), **doubt)
        place[1].set_title("|error|")
        if one.uncertainty is None:
            place[2].set_visible(False)
            continue
        place[2].imshow(_small(one.uncertainty), **doubt)
        place[2].set_title("sigma" if one.sigma is not None else "spread, uncalibrated")


def _uncertainty_page(figure_class: Any, report: StainReport) -> Any:
    """Draw a column for each stain: sparsification above, reliability below."""
    stains = list(report.data_ranges)
    figure = figure_class(figsize=(3.6 * len(stains), 7), layout="constrained")
    figure.suptitle("Does the uncertainty know where the errors are, and how large?")
    axes = figure.subplots(2, len(stains), squeeze=False)
    for column, stain in enumerate(stains):
        above, below = axes[:, column]
        areas = []
        for number, (model, scores) in enumerate(report.models.items()):
            if stain in scores.channels:
                curves = scores.channels[stain].curves()
                areas.append(_draw_curves((above, below), model, f"C{number}", curves))
        above.set_title("\n".join([f"{stain}: AUSE of sigma, of intensity", *areas]), fontsize=9)
        above.set(xlabel="share left out", ylabel="remaining error", xlim=(0, 1), ylim=(0, 1.3))
        below.set(xlabel="sigma", ylabel="root mean squared error")
        if below.lines:
            below.set(xscale="log", yscale="log")
            ends = [*below.get_xlim(), *below.get_ylim()]
            below.plot([min(ends), max(ends)], [min(ends), max(ends)], color="0.7", zorder=0)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2, fontsize="small")
    return figure


def _draw_curves(
    axes: tuple[Any, Any],
    model: str,
    colour: str,
    curves: dict[str, Sparsification | Reliability],
) -> str:
    """Draw one model's curves of one stain; return its AUSEs in words."""
    styles, areas = {"sigma": "-", "predicted intensity": ":"}, {}
    for name, curve in curves.items():
        if isinstance(curve, Reliability):
            axes[1].plot(curve.predicted, curve.found, color=colour, marker="o", markersize=3)
            continue
        areas[name] = f"{curve.ause:.3f}"
        label = f"{model}: {name} left out first"
        axes[0].plot(curve.removed, curve.remaining, styles[name], color=colour, label=label)
        if name == "predicted intensity":
            label = f"{model}: the errors themselves left out first"
            axes[0].plot(curve.removed, curve.oracle, "--", color=colour, alpha=0.4, label=label)
    return f"{model}: {areas.get('sigma', '–')}, {areas['predicted intensity']}"


def _population_page(figure_class: Any, report: StainReport) -> Any:
    """Draw the cumulative distribution of every feature, real and virtual."""
    found = {
        name: scores.objects.populations()
        for name, scores in report.models.items()
        if scores.objects is not None
    }
    features = list(dict.fromkeys(name for real, _ in found.values() for name in real))
    rows = -(-len(features) // 4)
    figure = figure_class(figsize=(13, 3 * rows + 0.6), layout="constrained")
    figure.suptitle(f"Objects in {report.options.object_stain}: real (black) and virtual")
    axes = figure.subplots(rows, 4, squeeze=False).ravel()
    for axis, feature in zip(axes, features, strict=False):
        for number, (model, (real, virtual)) in enumerate(found.items()):
            # the real objects are the same for all models, their features may not be
            for values, colour in ((real, "black"), (virtual, f"C{number}")):
                ranked = np.sort(values.get(feature, np.empty(0)))
                fraction = np.arange(1, ranked.size + 1) / max(ranked.size, 1)
                axis.plot(
                    ranked, fraction, color=colour, label=model if colour != "black" else None
                )
        axis.set(xlabel=feature, ylim=(0, 1))
    for axis in axes[len(features) :]:
        axis.set_visible(False)
    axes[0].legend(fontsize="x-small")
    return figure
