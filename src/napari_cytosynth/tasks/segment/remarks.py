"""What a user ought to know of a segmentation: where confidences or the depth are unknown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_cytosynth.tasks.common.axes import axes_from_labels
from napari_cytosynth.tasks.common.messages import Message

if TYPE_CHECKING:
    from napari_cytosynth.tasks.common.planes import PlaneRun

    from .flows.planes import OwnedPlanes
    from .instances import LabelOptions

__all__ = ["about_confidence", "about_depth"]


def about_confidence(options: LabelOptions, owned: OwnedPlanes | None) -> list[str]:
    """Return that confidences were asked for where there are none."""
    known = owned is not None and owned.gives_confidence
    if not options.min_confidence or (known and options.split_touching):
        return []
    if known:
        return ["Without split_touching, objects have no confidence: min_confidence hides none."]
    return ["This model gives no confidence in its objects: min_confidence hides none."]


def about_depth(run: PlaneRun, options: LabelOptions, *, guessed: bool) -> list[str]:
    """Return what the user ought to know where planes along Z are linked."""
    if "Z" not in run.axes or not options.link_planes:
        return []
    messages: list[str] = []
    if guessed and not axes_from_labels(run.source.axis_labels):
        messages.append(
            f"The axes were taken to be {run.reader.axes}, so that objects of neighbouring planes "
            "along Z are one object. If Z is another axis, such as time, give the axes; "
            "link_planes=False links none."
        )
    if run.z_size is None or run.pixel_size is None:
        unknown = (
            "The distance of the planes along Z is not known: volumes and surfaces are in voxels "
            "only. Give pixel_size=(z, y, x) in µm for physical ones."
        )
        messages.append(Message(unknown, "unknown depth"))
    return messages
