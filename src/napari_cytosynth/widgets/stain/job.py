"""Background job of the Stain widget: values in, values out, no Qt.

Nothing heavy is imported before a job runs, so that the widget opens at once.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from napari_cytosynth.tasks.common.provenance import KEY
from napari_cytosynth.widgets.common.snapshot import GEOMETRY

from .hiding import SpreadRule

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    import numpy as np
    import numpy.typing as npt

    from napari_cytosynth.progress import Progress
    from napari_cytosynth.tasks.common.region import Region
    from napari_cytosynth.widgets.common.preview_queue import PreviewQueue
    from napari_cytosynth.widgets.common.snapshot import LayerSnapshot

__all__ = [
    "StainPreview",
    "StainRequest",
    "StainRunResult",
    "compute",
    "layers_by_role",
    "place_of",
    "run_stainer",
]

Plane = tuple[int, ...]
LayerData = tuple[Any, dict[str, Any], str]
LayersByRole = dict[tuple[str, str], LayerData]
"""Layer data by the stain's name and by role: ``mean``, ``uncertainty`` or ``sample spread``."""


@dataclass(frozen=True, eq=False)
class StainRequest:
    """Input of a run: image, model and options, read from the widget when Run was pressed."""

    image: LayerSnapshot
    model: str
    axes: str | None
    channels: tuple[int, ...] | None
    planes: Plane | None
    device: str
    resample: bool
    pixel_size: float | None
    visible: Plane
    stains: tuple[str, ...] | None
    views: int
    samples: int
    seed: int
    tolerance: float | None
    keep_samples: bool
    inject_dropout: float | None
    focal_planes: tuple[int, ...] | None = None
    region: Region | None = None
    """To which the run is limited."""
    at_border: str = "keep"

    def arguments(self) -> dict[str, Any]:
        """Return the keyword arguments of :func:`napari_cytosynth.stain`."""
        names = (
            "views", "samples", "seed", "stains", "tolerance", "keep_samples", "inject_dropout",
            "axes", "channels", "pixel_size", "resample", "planes", "device", "focal_planes",
            "region", "at_border",
        )  # fmt: skip
        first = None if self.planes is not None else self.visible or None
        return {name: getattr(self, name) for name in names} | {"first_plane": first}


@dataclass(eq=False)
class StainPreview:
    """Mean and uncertainty of one plane from the samples drawn so far."""

    layers: LayersByRole
    planes: dict[tuple[str, str], npt.NDArray[np.float32]]
    shape: tuple[int, ...]
    """Shape of the result of one stain."""
    where: tuple[int | slice, ...]
    """Index of the plane in an array of that shape."""


@dataclass(eq=False)
class StainRunResult:
    """Result of a run: the virtual stains and their layers."""

    request: StainRequest
    staining: Any
    layers: LayersByRole
    messages: list[str] = field(default_factory=list)
    rules: dict[str, SpreadRule] = field(default_factory=dict)
    """By which the pixels of a stain can be hidden."""
    why_no_rule: str = ""
    """Why there are none; empty where there are."""


class StainPreviewBuilder:
    """Turns running means and uncertainties into previews, in the thread of the model."""

    def __init__(self, queue: PreviewQueue[StainPreview]) -> None:
        self._queue = queue
        self._layers: LayersByRole = {}
        self._names: tuple[str, ...] = ()
        self._axes = "YX"
        self._shape: tuple[int, ...] = ()

    def start(self, staining: Any) -> None:
        """Read names and geometry of the layers from a result that is still empty."""
        self._names = tuple(staining.channels)
        self._axes, self._shape = staining.axes.removeprefix("C"), staining.mean.shape[1:]
        self._layers = layers_by_role(staining)

    def update(self, index: Plane, count: int, mean: Any, std: Any) -> None:
        """Queue a preview of one plane (C, Y, X); `std` is None after one sample."""
        from napari_cytosynth.tasks.common.axes import plane_slices

        planes = {(name, "mean"): mean[i].copy() for i, name in enumerate(self._names)}
        if std is not None:
            planes |= {(name, "uncertainty"): std[i].copy() for i, name in enumerate(self._names)}
        layers = {key: self._layers[key] for key in planes}
        where = plane_slices(self._axes, tuple(index))
        self._queue.put(tuple(index), StainPreview(layers, planes, self._shape, where))


def compute(
    request: StainRequest,
    progress: Progress,
    queue: PreviewQueue[StainPreview],
    enough: threading.Event,
    stain: Callable[..., Any] | None,
) -> StainRunResult:
    """Run the model and leave a preview after each sample.

    Parameters
    ----------
    request
        Image, model and options of the run.
    progress
        Raises `Cancelled` to stop the run.
    queue
        Gets the previews.
    enough
        Set when the user wants no more samples.
    stain
        Function that runs the network. None: :func:`napari_cytosynth.stain`.

    Raises
    ------
    CytosynthError
        With the sentence that the user reads.
    """
    progress(0, 0, "Loading the model")
    builder = StainPreviewBuilder(queue)
    staining = run_stainer(stain)(
        request.image,
        request.model,
        on_start=builder.start,
        on_update=builder.update,
        enough=enough.is_set,
        progress=progress,
        **request.arguments(),
    )
    progress(0, 0, "Comparing views")
    layers = layers_by_role(staining)
    rules, why = _pixel_rules(staining, layers)
    return StainRunResult(request, staining, layers, list(staining.messages), rules, why)


def _pixel_rules(staining: Any, layers: LayersByRole) -> tuple[dict[str, SpreadRule], str]:
    """Return how the pixels of each stain can be ranked by doubt, and why not where none can."""
    from napari_cytosynth.tasks.stain.excess import views_excess, why_no_excess

    rules = {}
    for number, stain in enumerate(staining.channels):
        excess = views_excess(staining, stain)
        if excess is not None:
            mean, attributes, _ = layers[stain, "mean"]
            spread = staining.placement.placed(staining.view_std[number])
            rules[stain] = SpreadRule(mean, spread, excess, attributes.get("contrast_limits"))
    return rules, why_no_excess(staining)


def layers_by_role(staining: Any) -> LayersByRole:
    """Return the layer data of a result, keyed by stain and role."""
    layers = {}
    for data, attributes, kind in staining.to_layers():
        record = attributes["metadata"][KEY]
        layers[record["stain"], record["role"]] = (data, attributes, kind)
    return layers


def place_of(attributes: dict[str, Any]) -> dict[str, Any]:
    """Return the attributes of a layer that say where it lies."""
    return {name: attributes[name] for name in GEOMETRY if name in attributes}


def run_stainer(stain: Callable[..., Any] | None) -> Callable[..., Any]:
    """Return `stain`, or :func:`napari_cytosynth.stain` if it is None."""
    if stain is not None:
        return stain
    from napari_cytosynth.tasks.stain.task import stain as run_network

    return run_network
