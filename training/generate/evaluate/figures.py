"""Figure pages of an evaluation of generators; all but ``generated-*`` show real images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cytosynth.metrics import radial_frequencies, radial_spectrum
from napari_cytosynth.tasks.common.colours import is_colour_picture, rgb_of, usual_colour
from napari_cytosynth.tasks.export.montage import montage, to_bytes, with_outline
from napari_cytosynth.training.reports.figure_pages import write_pages

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from .report import GenerateReport, GenerateScores
    from .scores import ImageSet

__all__ = ["pictures_of", "save_figures"]

_GRID = 8  # images on each side of a grid
_ROW = 10  # images in a row of the other pages
_GAP = 2  # px
_REAL, _NOISE = "black", "0.6"


def save_figures(report: GenerateReport, folder: Path) -> list[Path]:
    """Write the pages as PNG files and, all together, as ``figures.pdf``.

    ``generated-MODEL.png``, a grid, shows synthetic images only. ``comparison.png`` sets real
    images, those of every model, and noise below each other; ``statistics.png`` their spectra
    and intensities; ``nearest-MODEL.png`` the generated images that lie nearest to a training
    image beside that image.

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
        pages = {}
        for name, scores in report.models.items():
            pages[f"generated-{name}"] = _grid_page(figure_class, name, scores, report)
            pages[f"nearest-{name}"] = _nearest_page(figure_class, name, scores, report)
        pages["comparison"] = _comparison_page(figure_class, report)
        pages["statistics"] = _statistics_page(figure_class, report)
        return pages

    return write_pages(folder, "nearest", draw, together="figures.pdf")


def pictures_of(found: ImageSet, channels: Sequence[str], rows: Sequence[int]) -> NDArray[np.uint8]:
    """Render images as colour pictures, all on the same scale.

    Parameters
    ----------
    found
        The images; masks are drawn as outlines.
    channels
        Names of the channels: each in the colour that its stain is usually shown in, added
        up; a single one in grey, and red, green and blue as themselves.
    rows
        Which images.

    Returns
    -------
    ndarray
        (N, Y, X, 3).
    """
    images = found.images[list(rows)]
    if len(channels) == 1:
        canvas = np.repeat(np.moveaxis(images, 1, -1), 3, axis=-1)
    elif is_colour_picture(tuple(channels)):
        canvas = np.moveaxis(images, 1, -1)
    else:
        colours = np.stack([rgb_of(usual_colour(name)) for name in channels])
        canvas = np.einsum("ncyx,cr->nyxr", images, colours)
    pictures = to_bytes(canvas)
    if found.masks is None:
        return pictures
    return with_outline(pictures, found.masks[list(rows)].astype(np.uint8))


def _show(axis: Any, pictures: NDArray[np.uint8], columns: int, title: str) -> None:
    # the gaps of a montage are 0: in the negative of it white
    sheet = 255 - montage(255 - np.moveaxis(pictures, -1, 1), columns, _GAP)
    axis.imshow(np.moveaxis(sheet, 0, -1), interpolation="nearest")
    axis.set_title(title, fontsize="small", loc="left")
    axis.set_axis_off()


def _grid_page(figure_class: Any, name: str, scores: GenerateScores, report: GenerateReport) -> Any:
    figure = figure_class(figsize=(9, 9.3), layout="constrained")
    count = min(_GRID**2, len(scores.found.images))
    pictures = pictures_of(scores.found, report.scorer.channels, range(count))
    seed = report.options.sampling.seed
    title = f"Synthetic images by {name}, seeds {seed} to {seed + count - 1}, not selected"
    _show(figure.subplots(), pictures, _GRID, title)
    return figure


def _comparison_page(figure_class: Any, report: GenerateReport) -> Any:
    """Draw two rows of images for each origin."""
    scorer, count = report.scorer, min(2 * _ROW, len(report.scorer.real.images))
    sets = {"real, never trained on": scorer.real, "real, trained on": scorer.training}
    sets |= {f"synthetic: {name}": scores.found for name, scores in report.models.items()}
    sets["noise of the same mean, covariance and spectrum"] = report.noise
    figure = figure_class(figsize=(10, 2.3 * len(sets)), layout="constrained")
    axes = figure.subplots(len(sets), 1, squeeze=False)[:, 0]
    for axis, (title, found) in zip(axes, sets.items(), strict=True):
        _show(axis, pictures_of(found, scorer.channels, range(count)), _ROW, title)
    return figure


def _nearest_page(
    figure_class: Any, name: str, scores: GenerateScores, report: GenerateReport
) -> Any:
    """Draw the images nearest to a training image, by features and by pixels."""
    copies, scorer = scores.copies, report.scorer
    searches = {"features": copies.features, "pixels": copies.pixels}
    figure = figure_class(figsize=(13, 6), layout="constrained")
    figure.suptitle(f"{name}: the synthetic images nearest to a training image, and that image")
    axes = figure.subplots(2, 2, width_ratios=[3, 1])
    for (left, right), (by, search) in zip(axes, searches.items(), strict=True):
        nearest = np.argsort(search.relative)[:_ROW]
        pairs = (scores.found, nearest), (scorer.training, search.index[nearest])
        pictures = np.concatenate(
            [pictures_of(found, scorer.channels, rows.tolist()) for found, rows in pairs]
        )
        title = f"by {by}: synthetic above, nearest training crop below (in its own view)"
        _show(left, pictures, len(nearest), title)
        both = [search.relative, search.real_relative]
        bins = np.histogram_bin_edges(np.concatenate(both), 30)
        right.hist(both[1], bins, color=_REAL, alpha=0.4, density=True, label="unseen real")
        right.hist(both[0], bins, color="C0", alpha=0.6, density=True, label="synthetic")
        right.axvline(search.limit, color="C3", label="nearer than 99 % of real")
        right.set(xlabel="distance / distance to the next", yticks=[])
        right.legend(fontsize="x-small", loc="upper left")
    return figure


def _statistics_page(figure_class: Any, report: GenerateReport) -> Any:
    """Draw a column for each channel: power spectrum above, intensities below."""
    scorer = report.scorer
    sets = {"real, never trained on": (scorer.real.images, _REAL, "-")}
    sets["real, trained on"] = (scorer.training.images, _REAL, ":")
    for number, (name, scores) in enumerate(report.models.items()):
        sets[name] = (scores.found.images, f"C{number}", "-")
    sets["matched noise"] = (report.noise.images, _NOISE, "--")
    figure = figure_class(figsize=(3.2 * len(scorer.channels) + 1, 6), layout="constrained")
    axes = figure.subplots(2, len(scorer.channels), squeeze=False)
    frequencies = radial_frequencies(scorer.real.images.shape[-2:])
    for name, (images, colour, style) in sets.items():
        for (above, below), powers, values in zip(
            axes.T, radial_spectrum(images), np.moveaxis(images, 1, 0), strict=True
        ):
            above.plot(frequencies, powers, style, color=colour, label=name)
            density, edges = np.histogram(values, 64, (0, 1), density=True)
            below.stairs(density, edges, color=colour, linestyle=style)
    for (above, below), channel in zip(axes.T, scorer.channels, strict=True):
        above.set(title=channel, xlabel="frequency (cycles / px)", yscale="log")
        below.set(xlabel="intensity", yscale="log")
    axes[0, 0].set_ylabel("power")
    axes[1, 0].set_ylabel("density")
    axes[0, 0].legend(fontsize="x-small")
    return figure
