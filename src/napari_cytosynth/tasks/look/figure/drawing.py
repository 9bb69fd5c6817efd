"""Drawing of a figure by matplotlib: outlines are paths and texts are text, also in SVG."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cytosynth.errors import InputError
from napari_cytosynth.tasks.export.formats import xml_text
from napari_cytosynth.tasks.look.colours import LIT

from .objects import scale_colours

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    import numpy.typing as npt

    from .images import ShownImage
    from .objects import Outline, ShownObjects

__all__ = ["Content", "Plots", "draw", "load_library", "scale_bar"]

_WIDTH = 7.0  # inches: two columns of most journals
_HIGHEST, _LOWEST = 8.0, 1.5  # inches of the image
_BAR = 1.2  # inches of the colour bar with its numbers
_PLOTS = 2.4  # inches
_BELOW = 0.7  # inches of title and legend
_BINS = 40
_FILL = (240 / 255, 161 / 255, 60 / 255)
_SMALL = 8  # points
_MOST_POINTS = 5000  # of a scatter that are drawn as paths
_SHARE = 0.25  # of the width, at most, for the scale bar


@dataclass(frozen=True)
class Plots:
    """Columns that are plotted.

    Attributes
    ----------
    histogram
        Its column. Default: None, no histogram.
    scatter
        Columns along X and Y. Default: None, no scatter.
    """

    histogram: Hashable = None
    scatter: tuple[Hashable, Hashable] | None = None


@dataclass(frozen=True, eq=False)
class Content:
    """What a figure holds.

    Attributes
    ----------
    picture
        RGB in [0, 1] of shape (Y, X, 3).
    extent
        Rows and columns of the labels that it is of.
    pixel_size
        In µm along Y and X; None if unknown.
    images
        What the picture is made of, for the legend.
    objects, outlines
        The objects, and their outlines.
    plots
        What is plotted.
    title
        The sentence above.
    """

    picture: npt.NDArray[np.float32]
    extent: tuple[int, int]
    pixel_size: tuple[float, ...] | None
    images: Sequence[ShownImage]
    objects: ShownObjects
    outlines: Sequence[Outline]
    plots: Plots
    title: str


def load_library() -> Any:
    """Return matplotlib.

    Raises
    ------
    InputError
        If it is missing.
    """
    try:
        import matplotlib.figure
    except ImportError as error:
        raise InputError(
            'Figures need the package matplotlib: pip install "napari-cytosynth[plots]".'
        ) from error
    return matplotlib


def scale_bar(width_px: int, pixel_size: float) -> tuple[float, str]:
    """Return the length of a scale bar in px, and its text.

    Parameters
    ----------
    width_px
        Of the image.
    pixel_size
        Along X, in µm.
    """
    most = width_px * pixel_size * _SHARE
    power = 10.0 ** math.floor(math.log10(most))
    length = max(factor * power for factor in (1, 2, 5) if factor * power <= most)
    for unit, size in (("mm", 1000.0), ("µm", 1.0), ("nm", 0.001)):
        if length >= size:
            return length / pixel_size, f"{length / size:.6g} {unit}"
    return length / pixel_size, f"{length:.3g} µm"


def draw(content: Content) -> Any:
    """Return the figure, of matplotlib."""
    library = load_library()
    rows, columns = content.extent
    aspect = 1.0 if content.pixel_size is None else content.pixel_size[-2] / content.pixel_size[-1]
    width = _WIDTH - (_BAR if content.objects.column is not None else 0)
    height = min(max(width * rows * aspect / columns, _LOWEST), _HIGHEST)
    plots = [p for p in (content.plots.histogram, content.plots.scatter) if p is not None]
    below = _PLOTS if plots else 0.0
    figure = library.figure.Figure((_WIDTH, height + below + _BELOW), layout="constrained")
    grid = figure.add_gridspec(
        2 if plots else 1, max(len(plots), 1), height_ratios=[height, below] if plots else None
    )
    _draw_image(figure, figure.add_subplot(grid[0, :]), content, aspect)
    places = iter(range(len(plots)))
    if content.plots.histogram is not None:
        _draw_histogram(figure.add_subplot(grid[1, next(places)]), content)
    if content.plots.scatter is not None:
        _draw_scatter(figure.add_subplot(grid[1, next(places)]), content)
    return figure


def _draw_image(figure: Any, axes: Any, content: Content, aspect: float) -> None:
    rows, columns = content.extent
    axes.imshow(content.picture, extent=(0, columns, rows, 0), interpolation="none", aspect=aspect)
    axes.add_collection(_paths(content.outlines), autolim=False)
    axes.set(xlim=(0, columns), ylim=(rows, 0), xticks=[], yticks=[])
    axes.set_title(_plain(content.title), fontsize=_SMALL, wrap=True)
    if content.pixel_size is not None:
        _draw_scale_bar(axes, columns, rows, content.pixel_size[-1])
    if content.objects.column is not None:
        _draw_colour_bar(figure, axes, content.objects)
    handles = _legend(content)
    figure.legend(
        handles=handles, loc="outside lower center", ncols=min(len(handles), 3), fontsize=_SMALL,
        frameon=False,
    )  # fmt: skip


def _paths(outlines: Sequence[Outline]) -> Any:
    """Return one path for each object: rings of its pieces and holes."""
    from matplotlib.collections import PathCollection
    from matplotlib.path import Path

    paths = []
    for one in outlines:
        rings = [Path(_closed(ring), closed=True) for rings in one.polygons for ring in rings]
        paths.append(Path.make_compound_path(*rings))
    return PathCollection(
        paths, facecolors="none", edgecolors=[one.colour for one in outlines], linewidths=1.0,
        gid="outlines",
    )  # fmt: skip


def _closed(ring: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return np.concatenate([ring, ring[:1]])


def _draw_scale_bar(axes: Any, columns: int, rows: int, pixel_size: float) -> None:
    from mpl_toolkits.axes_grid1.anchored_artists import AnchoredSizeBar

    length, text = scale_bar(columns, pixel_size)
    bar = AnchoredSizeBar(
        axes.transData, length, text, "lower right", color="white", label_top=True, pad=0.4,
        size_vertical=rows / 100,
    )  # fmt: skip
    bar.patch.set(facecolor="black", alpha=0.5, linewidth=0)
    bar.set_gid("scale-bar")
    axes.add_artist(bar)


def _draw_colour_bar(figure: Any, axes: Any, objects: ShownObjects) -> None:
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import ListedColormap, Normalize

    assert objects.table is not None
    low, high = objects.table.limits(objects.column)
    if low == high:  # all are in the middle
        low, high = low - 0.5, high + 0.5
    scale = ScalarMappable(Normalize(low, high), ListedColormap(scale_colours()))
    bar = figure.colorbar(scale, ax=axes, shrink=0.8)
    bar.set_label(_plain(objects.column), fontsize=_SMALL)
    bar.ax.tick_params(labelsize=_SMALL)


def _legend(content: Content) -> list[Any]:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    handles: list[Any] = [
        Patch(
            facecolor="0.7" if image.rgb else tuple(image.colours[-1]), edgecolor="0.4",
            label=_plain(image.name),
        )
        for image in content.images
    ]  # fmt: skip
    objects = content.objects
    name = _plain(objects.name)
    usual: Any = next((one.colour for one in content.outlines if one.colour != tuple(LIT)), "0.4")
    plain = objects.column is None
    handles.append(Line2D([], [], color=usual if plain else "0.4", label=f"outlines: {name}"))
    if any(one.label in objects.selected for one in content.outlines):
        handles.append(Line2D([], [], color=tuple(LIT), label="selected"))
    return handles


def _shown_values(content: Content, column: Hashable) -> npt.NDArray[np.float64]:
    assert content.objects.table is not None
    return content.objects.table.values(column)[content.objects.passing]


def _lit_rows(content: Content) -> npt.NDArray[np.bool_]:
    objects = content.objects
    assert objects.table is not None
    return np.isin(objects.table.labels[objects.passing], list(objects.selected))


def _draw_histogram(axes: Any, content: Content) -> None:
    values, lit = _shown_values(content, content.plots.histogram), _lit_rows(content)
    known = np.isfinite(values)
    edges = np.histogram_bin_edges(values[known], _BINS) if known.any() else np.array([0.0, 1.0])
    axes.hist(values[known], edges, color=_FILL)
    if (lit & known).any():
        axes.hist(values[lit & known], edges, color=tuple(LIT))
    _label(axes, content.plots.histogram, "objects")


def _draw_scatter(axes: Any, content: Content) -> None:
    assert content.plots.scatter is not None
    x, y = (_shown_values(content, column) for column in content.plots.scatter)
    objects, lit = content.objects, _lit_rows(content)
    assert objects.table is not None
    colours = np.tile(np.array([*_FILL, 1.0], np.float32), (len(x), 1))
    if objects.column is not None:
        colours = objects.colours_of_rows()[objects.passing]
    colours[lit] = LIT
    order = np.argsort(lit, kind="stable")  # lit ones on top
    axes.scatter(
        x[order], y[order], s=np.where(lit, 16, 6)[order], c=colours[order], linewidths=0,
        rasterized=len(x) > _MOST_POINTS, gid="scatter",
    )  # fmt: skip
    _label(axes, *content.plots.scatter)


def _label(axes: Any, x: Hashable, y: Hashable) -> None:
    axes.set_xlabel(_plain(x), fontsize=_SMALL)
    axes.set_ylabel(_plain(y), fontsize=_SMALL)
    axes.tick_params(labelsize=_SMALL)


def _plain(text: Any) -> str:
    """Return a text that is drawn as it is: no formula, and no letter that XML cannot hold."""
    return xml_text(str(text)).replace("$", r"\$")
