"""Measuring a label image from a file: the table, its record, and how they are saved."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from napari_cytosynth.images.reading import read_image
from napari_cytosynth.tasks.common.layers import Source
from napari_cytosynth.tasks.common.provenance import describe_source, made_now
from napari_cytosynth.tasks.common.region import find_region
from napari_cytosynth.tasks.export.destination import find_destination
from napari_cytosynth.tasks.export.saving import saving
from napari_cytosynth.tasks.link.tracking import track
from napari_cytosynth.tasks.measure.columns import describe_column
from napari_cytosynth.tasks.measure.table import checked_axes, measure

from .from_file import file_source, sizes_of

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from napari_cytosynth.images.loaded import LoadedImage
    from napari_cytosynth.tasks.link.tracks import Tracks

__all__ = ["Measurement", "measure_file"]


@dataclass(eq=False)
class Measurement:
    """The table of a label image's objects, as it is saved.

    Attributes
    ----------
    table
        See :func:`~napari_cytosynth.tasks.measure.table.measure`.
    provenance
        Record of plain values.
    sources
        The files that were read: they are never replaced.
    labels
        What was measured.
    intensity
        In what; None if in nothing.
    messages
        Notes for the user.
    tracks
        Of its objects through time. Default: None, they were not linked.
    """

    table: pd.DataFrame
    provenance: dict[str, Any]
    sources: list[Path]
    labels: LoadedImage
    intensity: LoadedImage | None
    messages: list[str]
    tracks: Tracks | None = None

    def save(self, path: str | Path, *, stem: str = "", overwrite: bool = False) -> list[Path]:
        """Write ``table.csv`` and ``provenance.json`` into a folder; return the files.

        Parameters
        ----------
        path
            The folder, made if needed.
        stem
            What the names of the files begin with. Default: "", nothing.
        overwrite
            Replace files of others, too. Default: False.

        Raises
        ------
        OutputError
            If they cannot be written there, or something else would be replaced.
        """
        destination = find_destination(path, "measure", stem=stem)
        with saving(destination, self.provenance, self.sources, overwrite=overwrite) as files:
            place = files.place(destination.others[0])
            self.table.drop(columns="index").to_csv(place, index=False)
        self.messages.extend(files.messages)
        return destination.files


def measure_file(
    path: Path,
    *,
    series: int | str | None = None,
    intensity: Path | None = None,
    axes: str | None = None,
    pixel_size: Any = None,
    by_plane: bool = False,
    parents: Path | None = None,
    children: Path | None = None,
    link_time: bool = False,
    max_distance: float | None = None,
    region: Any = None,
    at_border: Literal["keep", "drop", "mark"] = "keep",
    **more: Any,
) -> Measurement:
    """Measure the objects of a label image in a file.

    Parameters
    ----------
    path, series
        As :func:`~napari_cytosynth.images.reading.read_image` takes them.
    intensity
        File of an image of the same shape, perhaps with channels. Default: None.
    axes, pixel_size, by_plane
        See :func:`~napari_cytosynth.tasks.measure.table.measure`; None (default): as the files
        say, the labels' first.
    parents, children
        Files of other labels of the same shape. Default: None.
    link_time, max_distance
        Link the objects through time, as :func:`~napari_cytosynth.tasks.link.tracking.track`
        does. Default: no.
    region, at_border
        See :func:`~napari_cytosynth.tasks.measure.table.measure`. Default: None, all of it.
    **more
        ``ratios``, ``neighbours`` of :func:`~napari_cytosynth.tasks.measure.table.measure`.

    Raises
    ------
    InputError
        If a file cannot be read, holds no labels, or the shapes differ.
    """
    labels = read_image(path, series, content="labels")
    image = None if intensity is None else read_image(intensity)
    used = (axes or labels.axes or "").upper() or None
    size = sizes_of(labels, pixel_size, used)
    if size is None and image is not None:
        size = sizes_of(image, None, used)
    source = Source(labels.data)
    others = {"parents": parents, "children": children}
    beside: dict[str, Any] = {
        name: read_image(other, content="labels").data
        for name, other in others.items()
        if other is not None
    }
    inside = None if region is None else find_region(region, source, checked_axes(source, used))
    table = measure(
        labels.data,
        None if image is None else _with_axes(image),
        size,
        axes=used,
        by_plane=by_plane,
        region=inside,
        at_border=at_border,
        **beside,
        **more,
    )
    tracks = None
    if link_time:
        tracks = track(labels.data, max_distance, size, axes=used)
        table = tracks.join(table)
    sources = [found for found in (path, intensity, *others.values()) if found is not None]
    messages = [*labels.messages, *(() if image is None else image.messages)]
    parameters = {"axes": used, "pixel_size": size, "by_plane": by_plane, **more}
    if inside is not None:
        parameters |= {"region": inside.record(), "at_border": at_border}
    parameters |= {"link_time": True, "max_distance": max_distance} if link_time else {}
    record = _record(sources, labels, parameters) | {
        "intensity": None if intensity is None else str(intensity.absolute()),
        **{name: str(other.absolute()) for name, other in others.items() if other is not None},
        "columns": {
            name: text
            for name in table.columns.drop("index")
            if (text := describe_column(str(name), [*map(str, table)]))
        },
    }
    return Measurement(table, record, sources, labels, image, messages, tracks)


def _with_axes(image: LoadedImage) -> Source:
    """Return an image whose axes say which of them holds its channels."""
    return Source(image.data, axis_labels=tuple((image.axes or "").lower()))


def _record(sources: list[Path], labels: LoadedImage, parameters: dict[str, Any]) -> dict[str, Any]:
    return {
        **made_now(),
        "task": "measure",
        "source": describe_source(file_source(labels, sources[0])),
        "parameters": parameters,
    }
