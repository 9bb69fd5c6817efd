"""Image and result of one file of a batch as layers of the viewer."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cytosynth.errors import InputError
from napari_cytosynth.tasks.common.provenance import KEY
from napari_cytosynth.widgets.common.canvas import camera_of

if TYPE_CHECKING:
    from pathlib import Path

    from napari_cytosynth.images.loaded import LoadedImage
    from napari_cytosynth.progress import Progress
    from napari_cytosynth.tasks.batch import BatchItem, BatchOutcome

__all__ = ["OpenedLayers", "load_layers"]

LayerData = tuple[Any, dict[str, Any], str]


def load_layers(outcome: BatchOutcome, out: Path, progress: Progress) -> list[LayerData]:
    """Read an image and its result from their files.

    Parameters
    ----------
    outcome
        Of the image.
    out
        Folder of all results.
    progress
        Called before each file.

    Returns
    -------
    list
        Data, arguments and kind of each layer, the image first.

    Raises
    ------
    InputError
        If a file is gone, cannot be read, or is of a plane too large for that.
    """
    from napari_cytosynth.images.reading import read_image
    from napari_cytosynth.tasks.export.records import read_record

    item = outcome.item
    files = {name.rpartition("/")[2].removeprefix(f"{item.stem}-"): name for name in outcome.files}
    total = len(files) + 1
    progress(0, total, f"Opening {item.title}")
    if (plane := f"{item.stem}.zarr") in files:
        raise InputError(
            f"“{plane}” was segmented in blocks and may not fit into the memory: open it, and its "
            "image, with napari's File > Open and a reader of OME-Zarr."
        )
    record = read_record(out / files["provenance.json"]) if "provenance.json" in files else None
    measured = (record or {}).get("task") == "measure"
    image = read_image(item.place, item.read_series, content="labels" if measured else "image")
    layers = [] if measured else _image_layers(image, item)
    if measured:
        layers.append(_labels(image, item, record, _table(out, files)))
    for number, kind in enumerate(("mean", "std", "probability", "labels")):
        name = files.get(f"{kind}.tif")
        if name is None:
            continue
        progress(number + 1, total, f"Opening {name}")
        found = read_image(out / name, content="labels" if kind == "labels" else "image")
        if kind == "labels":
            layers.append(_labels(found, item, record, _table(out, files)))
        elif kind == "probability":
            layers.append(_probability(found, item, record))
        else:
            layers += _stains(found, kind, _stain_names(out / name, record), item, record)
    return layers


def _placed(image: LoadedImage, axes: str) -> dict[str, Any]:
    """Return scale, units and names of some axes of an image."""
    size = image.pixel_size_um
    sides = (None, None) if size is None else (size, size) if isinstance(size, float) else size
    known = {"Z": image.z_size_um, "Y": sides[0], "X": sides[-1]}
    return {
        "scale": tuple(known.get(axis) or 1.0 for axis in axes),
        "units": tuple("µm" if known.get(axis) else "pixel" for axis in axes),
        "axis_labels": tuple(axis.lower() for axis in axes),
    }


def _split(image: LoadedImage, axes: str) -> list[Any]:
    """Return the channels of an image, each without its axis C."""
    place = axes.index("C")
    return [image.data.take(number, place) for number in range(image.data.shape[place])]


def _image_layers(image: LoadedImage, item: BatchItem) -> list[LayerData]:
    axes = (image.axes or "").upper()
    if len(axes) != image.data.ndim:
        return [(image.data, {"name": item.title}, "image")]
    if axes.endswith("C") and image.data.shape[-1] in (3, 4):
        about = {"name": item.title, "rgb": True, **_placed(image, axes[:-1])}
        return [(image.data, about, "image")]
    if "C" not in axes:
        return [(image.data, {"name": item.title, **_placed(image, axes)}, "image")]
    place = _placed(image, axes.replace("C", ""))
    return [
        (data, {"name": f"{item.title} · channel {n + 1}", "visible": n == 0, **place}, "image")
        for n, data in enumerate(_split(image, axes))
    ]


def _result(found: LoadedImage, name: str, record: Any) -> dict[str, Any]:
    axes = (found.axes or "").upper()
    place = _placed(found, axes) if len(axes) == found.data.ndim else {}
    return {"name": name, "metadata": {KEY: record or {}}, **place}


def _probability(found: LoadedImage, item: BatchItem, record: Any) -> LayerData:
    about = _result(found, f"probability – {item.title}", record)
    about |= {"contrast_limits": (0.0, 1.0), "colormap": "magma", "blending": "additive"}
    return found.data, about | {"visible": False}, "image"


def _labels(found: LoadedImage, item: BatchItem, record: Any, table: Any) -> LayerData:
    about = _result(found, f"labels – {item.title}", record)
    data = found.data.astype("int32") if found.data.dtype.kind in "fb" else found.data
    return data, about | ({} if table is None else {"features": table}), "labels"


def _stains(
    found: LoadedImage, kind: str, names: list[str], item: BatchItem, record: Any
) -> list[LayerData]:
    from napari_cytosynth.tasks.common.colours import stain_colours

    axes = (found.axes or "").upper()
    planes = _split(found, axes) if "C" in axes else [found.data]
    names = [*names, *(f"stain {n + 1}" for n in range(len(names), len(planes)))]
    colours, mean = stain_colours(names[: len(planes)]), kind == "mean"
    layers = []
    for number, data in enumerate(planes):
        stain = names[number]
        name = f"{stain if mean else f'{stain} σ'} · virtual · {item.title}"
        role = "mean" if mean else "uncertainty"
        about: dict[str, Any] = {
            "name": name,
            "metadata": {KEY: {**(record or {}), "role": role, "stain": stain}},
            "colormap": colours[number] if mean else "magma",
            "blending": "additive",
            "visible": mean and number == 0,
        }
        plain = axes.replace("C", "")
        layers.append((data, about | (_placed(found, plain) if plain else {}), "image"))
    return layers


def _stain_names(path: Path, record: Any) -> list[str]:
    """Return the names of the stains: those that were chosen, or those in the file."""
    chosen = ((record or {}).get("parameters") or {}).get("stains")
    if chosen:
        return [str(name) for name in chosen]
    import xml.etree.ElementTree as ElementTree

    import tifffile

    try:
        with tifffile.TiffFile(path) as file:
            root = ElementTree.fromstring(file.ome_metadata or "<OME/>")
    except (OSError, ValueError, ElementTree.ParseError):
        return []
    return [node.get("Name") or "" for node in root.iter() if node.tag.endswith("}Channel")]


def _table(out: Path, files: dict[str, str]) -> Any:
    """Return the table of the objects, as the features of their labels; None without one."""
    if "table.csv" not in files:
        return None
    import pandas as pd

    from napari_cytosynth.tasks.measure.table import with_index

    try:
        table = pd.read_csv(out / files["table.csv"])
        return with_index(table) if "label" in table else None
    except (OSError, ValueError) as error:
        raise InputError(f"The table “{files['table.csv']}” cannot be read: {error}.") from error


class _Opened:
    """A layer that was opened, and whether the user changed its pixels since."""

    def __init__(self, layer: Any) -> None:
        self.layer = layer
        self._data = weakref.ref(layer.data)
        self._painted = False
        paint = getattr(layer.events, "paint", None)
        if paint is not None:
            paint.connect(self._on_paint)

    @property
    def edited(self) -> bool:
        return self._painted or self.layer.data is not self._data()

    def _on_paint(self, _event: Any = None) -> None:
        self._painted = True


class OpenedLayers:
    """The layers that were opened last, in whose place the next ones come.

    Parameters
    ----------
    viewer
        The napari viewer.
    """

    def __init__(self, viewer: Any) -> None:
        self._viewer = viewer
        self._opened: list[_Opened] = []
        self._size: Any = None

    def show(self, layers: list[LayerData]) -> bool:
        """Show layers in place of the last ones; return whether edited ones were kept.

        The view stays as it is from image to image of the same size.
        """
        self.prune()
        old = [opened.layer for opened in self._opened if not opened.edited]
        kept = len(old) < len(self._opened)
        camera = camera_of(self._viewer)
        view = tuple(camera.center), camera.zoom
        for layer in old:
            self._viewer.layers.remove(layer)
        added = [getattr(self._viewer, f"add_{kind}")(data, **more) for data, more, kind in layers]
        self._opened = [_Opened(layer) for layer in added]
        size = [np.shape(layers[0][0]), layers[0][1].get("scale")]
        if old and size == self._size:
            camera.center, camera.zoom = view
        else:
            self._viewer.reset_view()
        self._size = size
        return kept

    def prune(self) -> None:
        """Release the layers that the user deleted."""
        there = self._viewer.layers
        self._opened = [opened for opened in self._opened if opened.layer in there]

    def forget(self) -> None:
        """Leave all layers to the user."""
        self._opened = []
