"""Figure pages of an evaluation: the worst fields, and the scores over the threshold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cytosynth.training.reports.figure_pages import (
    FOUND,
    MISSED,
    SPURIOUS,
    grey,
    label_edges,
    write_pages,
)

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_cytosynth.metrics import ConfidenceCurve

    from .confidence import ConfidenceScores
    from .report import SegmentReport
    from .stated import StatedScores
    from .tally import EvaluatedField, WorstField

__all__ = ["save_figures"]


def save_figures(report: SegmentReport, folder: Path) -> list[Path]:
    """Write ``curves.png``, ``confidence.png`` and ``worst-NN-name.png`` for the worst fields.

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
        pages = {"curves": _curves(figure_class, report)}
        if report.stated is not None:
            pages["confidence"] = _stated(figure_class, report.stated, report)
        elif not isinstance(report.confidence, str):
            pages["confidence"] = _refitted(figure_class, report.confidence, report)
        for rank, worst in enumerate(report.worst, start=1):
            pages[f"worst-{rank:02d}-{worst.field.name}"] = _field_page(figure_class, worst, report)
        return pages

    return write_pages(folder, "worst", draw)


def _error_map(field: EvaluatedField) -> NDArray[np.float32]:
    """Render found, spurious and missed pixels over the image, (Y, X, 3)."""
    true, found = field.truth != 0, field.probability >= field.threshold
    canvas = np.repeat(grey(field.image)[..., None], 3, axis=2)
    for where, colour in (
        (true & found, FOUND),
        (~true & found, SPURIOUS),
        (true & ~found, MISSED),
    ):
        canvas[where] = 0.5 * canvas[where] + 0.5 * np.asarray(colour, np.float32)
    return canvas


def _outlines(field: EvaluatedField) -> NDArray[np.float32]:
    """Render outlines of the true objects, and of the predicted ones on top, (Y, X, 3)."""
    canvas = np.repeat(grey(field.image)[..., None], 3, axis=2)
    for labels, colour in ((field.true_objects, MISSED), (field.predicted, SPURIOUS)):
        canvas[label_edges(labels)] = colour
    return canvas


def _field_page(figure_class: Any, worst: WorstField, report: SegmentReport) -> Any:
    field = worst.field
    name = "AP@0.5" if report.options.kind == "labels" else "foreground IoU"
    figure = figure_class(figsize=(11, 9), layout="constrained")
    figure.suptitle(f"{report.model.card.name} · {field.name} · {name} {worst.score:.3f}")
    axes = figure.subplots(2, 2)
    axes[0, 0].imshow(grey(field.image), cmap="gray")
    axes[0, 0].set_title("image")
    shown = axes[0, 1].imshow(field.probability, cmap="magma", vmin=0, vmax=1)
    figure.colorbar(shown, ax=axes[0, 1], shrink=0.8)
    axes[0, 1].set_title("probability")
    axes[1, 0].imshow(_error_map(field))
    axes[1, 0].set_title(f"at {field.threshold:.3g}: green found, orange spurious, blue missed")
    axes[1, 1].imshow(_outlines(field))
    axes[1, 1].set_title("objects: blue true, orange predicted")
    for axis in axes.flat:
        axis.set_axis_off()
    return figure


def _curves(figure_class: Any, report: SegmentReport) -> Any:
    figure = figure_class(figsize=(11, 4.5), layout="constrained")
    figure.suptitle(f"{report.model.card.name} · {len(report.table)} images")
    left, right = figure.subplots(1, 2)
    for name in ("precision", "recall", "foreground IoU"):
        left.plot(report.curve["threshold"], report.curve[name], label=name)
    left.axvline(report.threshold, color="0.5", linestyle=":", label="threshold used")
    left.set(xlabel="threshold", ylabel="score over all pixels", xlim=(0, 1), ylim=(0, 1))
    left.legend()
    _reliability(right, report)
    return figure


def _reliability(axis: Any, report: SegmentReport, bins: int = 20) -> None:
    counts = report.counts
    groups = np.minimum(np.arange(counts.steps + 1) * bins // counts.steps, bins - 1)
    everything = counts.positive + counts.negative
    total, hits, predicted = (
        np.bincount(groups, weights=w, minlength=bins)
        for w in (everything, counts.positive, counts.total)
    )
    seen = total > 0
    axis.plot([0, 1], [0, 1], color="0.7", linestyle=":")
    axis.plot(predicted[seen] / total[seen], hits[seen] / total[seen], marker="o")
    error = report.metrics["calibration error (ECE)"]
    axis.set(
        xlabel="mean predicted probability",
        ylabel="fraction of true foreground",
        title=f"calibration error {error:.3f}",
        xlim=(0, 1),
        ylim=(0, 1),
    )


def _stated(figure_class: Any, scores: StatedScores, report: SegmentReport) -> Any:
    found = ", ".join(f"{name} {value:.3f}" for name, value in scores.auroc.items())
    words = f"AUROC: {found}\ncalibration error {scores.curve.error:.3f}"
    stated = "confidence that the model states"
    count = scores.right + scores.wrong
    return _curve_page(figure_class, report, scores.curve, (stated, words, count))


def _refitted(figure_class: Any, scores: ConfidenceScores, report: SegmentReport) -> Any:
    words = f"AUROC {scores.combined_auroc:.3f}, calibration error {scores.curve.error:.3f}"
    stated = "stated probability that an object is right (of images left out of the fit)"
    return _curve_page(figure_class, report, scores.curve, (stated, words, scores.objects))


def _curve_page(
    figure_class: Any, report: SegmentReport, curve: ConfidenceCurve, words: tuple[str, str, int]
) -> Any:
    """Draw a reliability curve with the number of objects in each bin; words: x, title, objects."""
    figure = figure_class(figsize=(6, 5), layout="constrained")
    figure.suptitle(f"{report.model.card.name} · {words[2]} objects")
    axis = figure.subplots()
    axis.plot([0, 1], [0, 1], color="0.7", linestyle=":")
    axis.plot(curve.stated, curve.found, marker="o")
    for x, y, count in zip(curve.stated, curve.found, curve.count, strict=True):
        axis.annotate(f"{count}", (x, y), textcoords="offset points", xytext=(4, -10), fontsize=8)
    axis.set(
        xlabel=words[0],
        ylabel="share of right objects (IoU ≥ 0.5)",
        xlim=(0, 1),
        ylim=(0, 1),
    )
    axis.set_title(words[1], fontsize=9)
    return figure
