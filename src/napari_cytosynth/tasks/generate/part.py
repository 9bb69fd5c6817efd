"""The part of the world that synthetic images fill: the box around a region."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cytosynth.arguments import check_choice
from napari_cytosynth.errors import InputError
from napari_cytosynth.memory import require_memory
from napari_cytosynth.tasks.common.layers import (
    Source,
    geometry_of,
    layer_geometry,
    micrometres,
    world_matrix,
)
from napari_cytosynth.tasks.common.region import AT_BORDER, Region, RegionMasks, find_region

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from napari_cytosynth.zoo.card import Inference

    Mask = npt.NDArray[np.bool_]

__all__ = ["Part", "find_part"]

_TILT = 0.5  # planes


@dataclass(frozen=True, eq=False)
class Part:
    """Where synthetic images lie, and which of their pixels lie in a region.

    Attributes
    ----------
    region
        The shapes, in px of a grid whose first pixel has its centre at the origin of the world.
    corner
        Row and column of the images' first pixel in that grid.
    mask
        (Y, X), the pixels of an image whose centres lie in the region.
    scale
        Length of a pixel along Y and X in the world.
    units
        Of `scale`, along Y and X.
    at_border
        "keep", "drop" or "mark": objects of masks that touch the border of the region.
    messages
        Sentences for the user.
    """

    region: Region
    corner: tuple[int, int]
    mask: Mask
    scale: tuple[float, float]
    units: tuple[str, str]
    at_border: str
    messages: tuple[str, ...] = ()

    @property
    def size(self) -> tuple[int, int]:
        """Rows and columns of an image."""
        return self.mask.shape[0], self.mask.shape[1]

    @property
    def place(self) -> dict[str, tuple[Any, ...]]:
        """``scale``, ``translate`` and ``units`` of a layer with the axes Y and X."""
        move = tuple(at * step for at, step in zip(self.corner, self.scale, strict=True))
        return {"scale": self.scale, "translate": move, "units": self.units}

    @property
    def parameters(self) -> dict[str, Any]:
        """The arguments that limit a run to the same part."""
        grid = {"scale": list(self.scale), "units": list(self.units)}
        return {"region": self.region.record() | grid, "at_border": self.at_border}

    def clear(self, images: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Set the pixels of images (…, Y, X) outside of the region to NaN, in place."""
        images[..., ~self.mask] = np.nan
        return images

    def limit(self, masks: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
        """Return masks (N, Y, X) inside of the region, without objects that it cuts if so asked."""
        from scipy.ndimage import label

        inside: npt.NDArray[np.bool_] = masks & self.mask
        for plane in inside if self.at_border == "drop" else ():
            objects, _ = label(plane, np.ones((3, 3)))
            plane[np.isin(objects, self.cut_labels(objects))] = False
        return inside

    def require_whole(self, what: str) -> None:
        """Raise InputError if images have empty pixels, which `what` cannot have."""
        if not self.mask.all():
            raise InputError(
                f"The images are empty outside of the region, which {what} cannot be: draw a "
                "rectangle along the axes of the view, or choose no region."
            )

    def cut_labels(self, labels: npt.NDArray[np.integer]) -> npt.NDArray[np.integer]:
        """Return the labels (Y, X) that touch the border of the region, ascending.

        Where the region ends with the image, this is its border, too.
        """
        from scipy.ndimage import binary_erosion

        edge = self.mask & ~binary_erosion(self.mask, np.ones((3, 3)))
        found = np.unique(labels[edge])
        return found[found > 0]


def find_part(region: Any, inference: Inference, at_border: str = "keep") -> Part | None:
    """Return the part of the world that a model fills in a region; None without a region.

    The images lie along the axes of the world. Their pixels are as large as the model says, where
    it and the shapes know lengths; else as large as those of the Shapes layer.

    Parameters
    ----------
    region
        A napari Shapes layer; polygons as arrays (N, 2), or a file of
        :func:`~napari_cytosynth.tasks.export.region_file.read_region`, in px of the model; the
        record of an earlier run; or a :class:`Part`, which stays as it is.
    inference
        The block of the model's card.
    at_border
        "keep", "drop" or "mark": see :class:`Part`. Default: "keep".

    Raises
    ------
    InputError
        If it is no region, has no pixel, or is of a size that the model cannot make.
    """
    check_choice(at_border, "at_border", AT_BORDER)
    if region is None or isinstance(region, Part):
        return region
    scale, units, messages = _grid(region, inference.pixel_size_um)
    geometry = {"scale": scale, "translate": (0.0, 0.0), "units": units}
    plane = Source(np.broadcast_to(0, (1, 1)), geometry=geometry)
    found = Region.from_record(find_region(region, plane, "YX").record())  # as it will be again
    corner, size = _box(found)
    _check_size(size, scale, units, inference)
    rows, columns = (slice(at, at + n) for at, n in zip(corner, size, strict=True))
    mask = RegionMasks(found, size).part((), (rows, columns))
    if not mask.any():
        raise InputError("No pixel of the images would lie in the region: draw larger shapes.")
    if not mask.all():
        messages.append("The images are empty (NaN) outside of the shapes.")
    return Part(found, corner, mask, scale, units, at_border, tuple(messages))


def _grid(
    region: Any, pixel_size: float | None
) -> tuple[tuple[float, float], tuple[str, str], list[str]]:
    """Return length and units of a pixel along Y and X in the world, and what is to be said."""
    known = (pixel_size, pixel_size) if pixel_size else None
    if isinstance(region, dict) and "scale" in region:
        return (*_recorded(region, pixel_size), [])
    if getattr(region, "_type_string", None) != "shapes":
        about = f", which are {pixel_size:g} µm" if pixel_size else ""
        text = f"The numbers of the region were taken as pixels of the synthetic images{about}."
        return known or (1.0, 1.0), _alike("um" if known else "pixel"), [text]
    messages = _flat(region)
    geometry = layer_geometry(geometry_of(region), (region.ndim - 2, region.ndim - 1))
    first, second = (str(unit) for unit in geometry.get("units", ("pixel",) * 2))
    lengths = micrometres(first), micrometres(second)
    if known and lengths[0] and lengths[1]:
        # in the units of the layer: napari ignores units where those of other axes differ
        return (known[0] / lengths[0], known[1] / lengths[1]), (first, second), messages
    edges = np.linalg.norm(world_matrix(geometry)[:-1, :-1], axis=0)
    if not (np.isfinite(edges).all() and edges.all()):
        raise InputError(f"The Shapes layer “{region.name}” has a scale of 0: correct it.")
    scale = float(edges[0]), float(edges[1])
    who = (
        f"The Shapes layer “{region.name}” has no unit of length, the model's pixels are "
        f"{pixel_size:g} µm"
        if known
        else "The model does not know how large its pixels are"
    )
    shown = _in_words(scale, (first, second)) or f"{scale[0]:g} × {scale[1]:g} of its units"
    messages.append(f"{who}: each was laid on a pixel of the Shapes layer ({shown}).")
    return scale, (first, second), messages


def _in_words(sides: Sequence[float], units: tuple[str, str]) -> str:
    """Return two sides in µm as text; empty where their units are no lengths."""
    lengths = [micrometres(unit) for unit in units]
    if not (lengths[0] and lengths[1]):
        return ""
    return f"{sides[0] * lengths[0]:g} × {sides[1] * lengths[1]:g} µm"


def _alike(unit: str) -> tuple[str, str]:
    return unit, unit


def _recorded(
    record: dict[str, Any], pixel_size: float | None
) -> tuple[tuple[float, float], tuple[str, str]]:
    try:
        (height, width), (first, second) = record["scale"], record["units"]
        scale = float(height), float(width)
    except (KeyError, TypeError, ValueError) as error:
        raise InputError("The region is no record of an earlier run: scale or units.") from error
    if not all(0 < step < np.inf for step in scale):
        raise InputError("The region is no record of an earlier run: its scale is not above 0.")
    units = str(first), str(second)
    sides = [(micrometres(unit) or np.nan) * step for unit, step in zip(units, scale, strict=True)]
    if pixel_size and any(abs(side / pixel_size - 1) > 1e-3 for side in sides):
        raise InputError(
            f"The region is recorded in pixels of {_in_words(scale, units)}, this model's are "
            f"{pixel_size:g} µm: choose the Shapes layer as the region again."
        )
    return scale, units


def _flat(layer: Any) -> list[str]:
    """Check that no shape is tilted; return what is to be said of shapes in several planes."""
    above = [np.asarray(one, float)[:, :-2] for one in layer.data]
    matrix, plane = world_matrix(geometry_of(layer))[:-1, :-1], layer.ndim - 2
    turned = np.any(matrix[plane:, :plane]) or np.any(matrix[:plane, plane:])
    if turned or any(np.ptp(one, axis=0).max(initial=0) > _TILT for one in above):
        raise InputError(
            f"A shape of “{layer.name}” is tilted against the planes: a synthetic image is flat. "
            "Draw it in one plane, in a layer that is not turned against the planes."
        )
    planes = {tuple(np.rint(one.mean(axis=0))) for one in above}
    if len(planes) < 2:
        return []
    return [f"The shapes of “{layer.name}” lie in {len(planes)} planes and were taken together."]


def _box(region: Region) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return the first pixel whose centre may lie in the region, and how many there are."""
    points = np.concatenate([area.outline for area in region.areas])
    if not (np.isfinite(points).all() and np.abs(points).max() < 2**31):
        raise InputError("The shapes of the region lie too far away, or nowhere: draw them again.")
    low, high = np.ceil(points.min(axis=0) - 1e-9), np.floor(points.max(axis=0) + 1e-9)
    size = np.maximum(high - low + 1, 1)
    return (int(low[0]), int(low[1])), (int(size[0]), int(size[1]))


def _check_size(
    size: tuple[int, int],
    scale: tuple[float, float],
    units: tuple[str, str],
    inference: Inference,
) -> None:
    """Refuse a size that the model cannot make, or that no memory holds."""
    pixels = f"{size[0]:,} × {size[1]:,} pixels"
    images = f"Images of {pixels} (the box around the region)"
    require_memory(9.0 * size[0] * size[1], images, "Draw smaller shapes.")
    generation, native = inference.generation, inference.example_size
    if generation is None or "diffusion" in generation.family or size == native:
        return
    sides = [one * step for one, step in zip(native, scale, strict=True)]
    words = _in_words(sides, units)
    what = f" ({words})" if words else ""
    raise InputError(
        f"The box around the region has {pixels} of the model, but this one only makes images of "
        f"{native[0]} × {native[1]}{what}: choose a diffusion model (ddpm or "
        "ldm), which makes any size, or no region."
    )
