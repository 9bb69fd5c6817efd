"""Labelled objects with their table, and their outlines on the way to and from a file."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pandas as pd

from napari_cytosynth.errors import LABELS_BELOW_0, InputError
from napari_cytosynth.tasks.common.axes import PlaneReader, guess_axes, parse_axes
from napari_cytosynth.tasks.common.layers import known_voxel_size, read_source, voxel_size
from napari_cytosynth.tasks.common.provenance import KEY

from .outlines import trace
from .rows import ObjectRows, as_text
from .space import Description, Space, check_planes

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy.typing as npt

    from napari_cytosynth.progress import Progress
    from napari_cytosynth.tasks.common.layers import Source

    from .outlines import Polygon

__all__ = ["Colours", "FileContent", "LabelledObjects", "OutlinedObject", "prepare"]

Colours = dict[str, tuple[int, int, int]]
"""Red, green and blue, 0 to 255, of each class."""


@dataclass(eq=False)
class LabelledObjects:
    """Labels and the table of their objects.

    Attributes
    ----------
    labels
        Whole numbers, 0 is background.
    table
        One row for each object; ``label`` is its number.
    axes
        One letter for each axis of the labels.
    pixel_size
        In µm along Y and X, or along Z, Y and X; None if unknown.
    nuclei
        Of the labels' shape: the nucleus of each cell, with the cell's number. Default: None.
    class_colors
        Colour of each class. Default: none.
    provenance
        Provenance record of the labels. Default: empty.
    messages
        Sentences for the user about what was changed or left out. Default: none.
    """

    labels: npt.NDArray[np.integer]
    table: pd.DataFrame
    axes: str
    pixel_size: tuple[float, ...] | None = None
    nuclei: npt.NDArray[np.integer] | None = None
    class_colors: Colours = field(default_factory=dict)
    provenance: dict[str, Any] = field(default_factory=dict)
    messages: list[str] = field(default_factory=list)

    def __repr__(self) -> str:
        shape = " × ".join(map(str, self.labels.shape))
        return f"<LabelledObjects: {len(self.table)} in {self.axes} {shape}>"


@dataclass(eq=False)
class OutlinedObject:
    """Outlines of an object in one plane, and what is known of the object.

    Attributes
    ----------
    polygons
        Its pieces.
    place
        Index of the plane along Z and T, by small letter; what is missing stands for all.
    label
        Its number. Default: None, to be found.
    values
        Values of its row. Default: none.
    nucleus
        Pieces of its nucleus. Default: none.
    """

    polygons: list[Polygon]
    place: dict[str, int] = field(default_factory=dict)
    label: int | None = None
    values: dict[str, Any] = field(default_factory=dict)
    nucleus: list[Polygon] = field(default_factory=list)


class FileContent:
    """Objects that a file of another program holds.

    Attributes
    ----------
    objects
        Those that have an area.
    description
        What this package noted there.
    colours
        Colours of the classes.
    messages
        Sentences about what was left out.
    """

    words: ClassVar[dict[str, str]] = {}
    """What was left out -> how a message calls it, with ``{s}`` where several take an s."""

    def __init__(self, description: Description) -> None:
        self.objects: list[OutlinedObject] = []
        self.description = description
        self.colours: Colours = {}
        self.messages: list[str] = []
        self._skipped: Counter[str] = Counter()

    def place(self, leading: dict[str, int]) -> None:
        """Set the planes of all objects where they depend on the image's planes by axis."""

    def close(self) -> None:
        """Write the messages."""
        for kind, count in sorted(self._skipped.items()):
            what = self.words.get(kind, kind + "{s}").format(s="s" * (count > 1))
            were = "were" if count > 1 else "was"
            self.messages.append(f"{count:,} {what} {were} left out: labels need areas.")


@dataclass(eq=False)
class Prepared:
    """Labels and their table, checked and ready to be written.

    Attributes
    ----------
    source
        The labels.
    space
        Their shape and axes.
    rows
        Their table.
    table
        The same as it was given; None if there is none.
    classes
        Column that becomes the class.
    nuclei
        Labels or mask of nuclei within the objects. Default: None.
    provenance
        Provenance record of the labels. Default: empty.
    """

    source: Source
    space: Space
    rows: ObjectRows
    table: pd.DataFrame | None
    classes: str
    nuclei: Any = None
    provenance: dict[str, Any] = field(default_factory=dict)

    @property
    def description(self) -> Description:
        """What is noted in the file beside the objects."""
        keys, kinds = tuple(self.rows.keys), self.rows.kinds
        return Description(self.space, keys, kinds, self.classes, self.provenance)

    def frame(self) -> pd.DataFrame:
        """Return the table without napari's column ``index``, its texts as texts.

        Raises
        ------
        InputError
            If there is none.
        """
        if self.table is None:
            raise InputError(
                "There is no table of the objects to write: measure them first (Measure, or "
                "cytosynth.measure), and give the table."
            )
        frame = self.table.drop(columns="index", errors="ignore")
        frame = frame.set_axis([as_text(name) for name in frame.columns], axis=1)
        texts = [name for name, kind in self.rows.kinds.items() if kind == "text"]
        return frame.assign(
            **{name: frame[name].map(as_text, na_action="ignore") for name in texts}
        )

    @property
    def planes(self) -> list[tuple[int, ...]]:
        """Index of each plane into the leading axes."""
        return list(np.ndindex(*self.space.shape[:-2]))

    def read(self, index: tuple[int, ...]) -> npt.NDArray[np.integer]:
        """Return the labels of one plane, of a type with a sign that holds them.

        Raises
        ------
        InputError
            If a label is negative, or beyond 64 bits with a sign.
        """
        plane: npt.NDArray[np.integer] = PlaneReader(self.source.data, self.space.axes).read(index)[
            0
        ]
        if plane.dtype == np.uint64 and plane.max(initial=0) > np.iinfo(np.int64).max:
            raise InputError(
                "Some labels are larger than 9,223,372,036,854,775,807. Number them anew, for "
                "example with skimage.segmentation.relabel_sequential."
            )
        if plane.min(initial=0) < 0:
            raise InputError(LABELS_BELOW_0)
        return plane if plane.dtype.kind == "i" else plane.astype(np.int64)

    def outlined(self, progress: Progress) -> Iterator[OutlinedObject]:
        """Yield every object of every plane with its outlines and its row."""
        planes = self.planes
        for done, index in enumerate(planes):
            progress(done, len(planes), "Tracing outlines")
            place = dict(zip(self.space.axes[:-2].lower(), index, strict=True))
            labels = self.read(index)
            nuclei = self._nuclei(index, labels)
            for found in trace(labels):
                values = self.rows.of(found.label, place)
                nucleus = nuclei.get(found.label, [])
                yield OutlinedObject(found.polygons, place, found.label, values, nucleus)
        progress(len(planes), len(planes), "Tracing outlines")

    def _nuclei(
        self, index: tuple[int, ...], labels: npt.NDArray[np.integer]
    ) -> dict[int, list[Polygon]]:
        if self.nuclei is None:
            return {}
        inside = PlaneReader(self.nuclei, self.space.axes).read(index)[0] != 0
        return {found.label: found.polygons for found in trace(np.where(inside, labels, 0))}


def prepare(
    labels: Any,
    table: pd.DataFrame | None,
    *,
    axes: str | None = None,
    pixel_size: float | Sequence[float] | None = None,
    nuclei: Any = None,
    classes: str = "class",
    provenance: dict[str, Any] | None = None,
) -> Prepared:
    """Check labels and their table.

    Parameters
    ----------
    labels, table, axes, pixel_size, nuclei, classes, provenance
        As :func:`~napari_cytosynth.tasks.export.objects.exchange.write_objects` takes them.

    Raises
    ------
    InputError
        If they are none.
    """
    source = read_source(labels, "labels")
    if np.dtype(source.data.dtype).kind not in "iub":
        raise InputError("Only labels can be exported: whole numbers, 0 for the background.")
    if axes is None:
        axes = guess_axes(source.data.ndim, source.axis_labels, shape=source.shape)
    axes = check_planes(parse_axes(axes, source.data.ndim))
    z_size, size = known_voxel_size(source, axes, pixel_size)
    space = Space(source.shape, axes, voxel_size(size, z_size))
    if table is None:
        table = _features(labels)
    if nuclei is not None:
        nuclei = read_source(nuclei, "nuclei").data
        if tuple(nuclei.shape) != source.shape:
            raise InputError(
                f"The nuclei have the shape {tuple(nuclei.shape)}, but the cells have "
                f"{source.shape}: give the nuclei of the same image."
            )
    if provenance is None:
        metadata = getattr(labels, "metadata", None)
        provenance = metadata.get(KEY) if isinstance(metadata, dict) else None
    rows = ObjectRows(table, axes[:-2])
    return Prepared(source, space, rows, table, classes, nuclei, provenance or {})


def _features(layer: Any) -> pd.DataFrame | None:
    """Return the table of a Labels layer: of its features those rows that are objects."""
    table = getattr(layer, "features", None)
    if not isinstance(table, pd.DataFrame):
        return None
    if "label" not in table:
        if "index" not in table:
            return None
        table = table.assign(label=table["index"])
    try:
        return table[table["label"] > 0]
    except TypeError:
        return table
