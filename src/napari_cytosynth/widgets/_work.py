"""What the Segment widget computes in its threads: values in, values out, no Qt.

Nothing heavy is imported before a job runs, so that the widget opens at once.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from napari_cytosynth.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

    from napari_cytosynth.progress import Progress
    from napari_cytosynth.tasks.instances import LabelOptions
    from napari_cytosynth.tasks.tree import ComponentTree

__all__ = ["Answer", "LayerSnapshot", "Request", "Toolbox", "Update", "compute", "relabel"]

Plane = tuple[int, ...]

_GEOMETRY = ("scale", "translate", "rotate", "shear", "affine", "units", "axis_labels")


@dataclass(frozen=True, eq=False)
class LayerSnapshot:
    """A layer as it was when the run began, whatever the user does to it meanwhile.

    It has the attributes of a napari layer that tasks read, and no link to the viewer.
    """

    name: str
    data: Any
    rgb: bool
    multiscale: bool
    ndim: int
    scale: Any
    translate: Any
    rotate: Any
    shear: Any
    affine: Any
    units: Any
    axis_labels: Any
    metadata: dict[str, Any]

    @classmethod
    def of(cls, layer: Any) -> LayerSnapshot:
        """Copy everything but the pixels."""
        return cls(
            name=str(layer.name),
            data=layer.data,
            rgb=bool(getattr(layer, "rgb", False)),
            multiscale=bool(getattr(layer, "multiscale", False)),
            ndim=int(layer.ndim),
            metadata=dict(layer.metadata),
            **{name: _copied(getattr(layer, name)) for name in _GEOMETRY},
        )


@dataclass(frozen=True, eq=False)
class Request:
    """Everything that a run needs, read from the widget when Run was pressed."""

    image: LayerSnapshot
    model: str
    axes: str | None
    planes: Plane | None
    device: str
    threshold: float | None
    min_size: int
    fill_holes: bool
    split_touching: bool
    drop_border: bool
    resample: bool
    visible: Plane
    intensity: LayerSnapshot | None = None


@dataclass(eq=False)
class Answer:
    """What a run gives back."""

    segmentation: Any
    layers: list[tuple[Any, dict[str, Any], str]]
    trees: dict[Plane, ComponentTree]
    counts: np.ndarray
    own_threshold: float | None
    messages: list[str] = field(default_factory=list)


@dataclass(eq=False)
class Update:
    """The whole stack at another threshold."""

    segmentation: Any
    labels: np.ndarray
    table: Any


@dataclass(frozen=True)
class Toolbox:
    """The functions of `tasks` and `zoo` that a run calls; tests put others in."""

    segment: Callable[..., Any] | None = None
    load_model: Callable[..., Any] | None = None

    def resolve(self) -> tuple[Callable[..., Any], Callable[..., Any]]:
        """Return ``(segment, load_model)``, the real ones where none were given."""
        from napari_cytosynth.tasks.segment import segment
        from napari_cytosynth.zoo.loading import load_model

        return self.segment or segment, self.load_model or load_model


def compute(request: Request, progress: Progress, tools: Toolbox) -> Answer:
    """Load the model, run it, and prepare everything that the slider needs.

    Raises
    ------
    CytosynthError
        With the sentence that the user reads.
    """
    progress(0, 0, "Loading the model")
    segment, load_model = tools.resolve()
    model = load_model(request.model, request.device, progress=progress)
    if model.card.inference.task != "segment":
        raise InputError(
            f"“{model.card.name}” is a model for another task ({model.card.inference.task}). "
            "Choose one that segments."
        )
    segmentation = segment(
        request.image,
        model,
        threshold=request.threshold,
        min_size=request.min_size,
        fill_holes=request.fill_holes,
        split_touching=request.split_touching,
        drop_border=request.drop_border,
        axes=request.axes,
        planes=request.planes,
        resample=request.resample,
        device=request.device,
        progress=progress,
    )
    own = model.card.inference.threshold
    del model
    return _prepare(request, segmentation, own, progress)


def _prepare(request: Request, segmentation: Any, own: float | None, progress: Progress) -> Answer:
    from napari_cytosynth.widgets._histogram import histogram

    progress(0, 0, "Measuring the objects")
    layers = segmentation.to_layers()
    if request.intensity is not None:
        layers[1][1]["features"] = segmentation.measure(request.intensity)
    progress(0, 0, "Preparing the threshold slider")
    plane = seen_plane(segmentation, request.visible)
    trees = {plane: segmentation.tree(plane)}
    return Answer(
        segmentation,
        layers,
        trees,
        histogram(segmentation.probability),
        own,
        list(segmentation.messages),
    )


def relabel(
    segmentation: Any,
    options: LabelOptions,
    intensity: LayerSnapshot | None,
    progress: Progress,
) -> Update:
    """Label and measure the whole stack at another threshold; the network is not run."""
    new = segmentation.at_threshold(
        options.threshold,
        min_size=options.min_size,
        fill_holes=options.fill_holes,
        split_touching=options.split_touching,
        drop_border=options.drop_border,
        progress=progress,
    )
    labels = new.labels
    progress(0, 0, "Measuring the objects")
    table = new.table if intensity is None else new.measure(intensity)
    progress(0, 0, "Measured")
    return Update(new, labels, table)


def seen_plane(segmentation: Any, index: Plane) -> Plane:
    """Return the plane of a result that a position in the viewer shows.

    Parameters
    ----------
    segmentation
        The result, of the shape (…, Y, X).
    index
        Index into the leading axes of the layer that shows it.
    """
    leading = segmentation.probability.shape[:-2]
    index = index[len(index) - len(leading) :] if len(leading) <= len(index) else ()
    padded = (0,) * (len(leading) - len(index)) + index
    return tuple(min(max(i, 0), size - 1) for i, size in zip(padded, leading, strict=True))


def _copied(value: Any) -> Any:
    return value.copy() if hasattr(value, "copy") else value
