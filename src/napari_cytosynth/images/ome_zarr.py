"""OME-Zarr of the versions 0.1 to 0.5: images, plates, labels, and bioformats2raw collections.

yaozarrs knows the metadata, zarr the pixels. What older versions leave out is filled in first,
and every part is checked by itself: an image with more axes than the specification allows (this
package writes such ones) can be read all the same.
"""

from __future__ import annotations

import math
import warnings
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cytosynth.errors import InputError

from .facts import ImageContents, SeriesFacts
from .limits import check_memory
from .loaded import LoadedImage
from .series import chosen_number
from .units import axis_lengths

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

__all__ = ["is_zarr", "read_ome_zarr", "zarr_contents", "zarr_images", "zarr_labels"]

_MARKS = ("zarr.json", ".zgroup", ".zattrs", ".zarray")
_KINDS = {"t": "time", "c": "channel", "z": "space", "y": "space", "x": "space"}


def is_zarr(path: Path) -> bool:
    """Return whether a path is a folder that holds a Zarr group or array."""
    return path.is_dir() and (
        path.suffix.lower() == ".zarr" or any((path / mark).is_file() for mark in _MARKS)
    )


def read_ome_zarr(
    path: Path, series: int | str | None = None, *, lazy: bool = False
) -> LoadedImage:
    """Read an image of an OME-Zarr, or a bare Zarr array.

    Parameters
    ----------
    path
        The Zarr, or an image, field or label image inside it.
    series
        Which image of a plate or of a collection: its number, counted from 0, or its name, such
        as ``A/1/0``. None (default) takes the first field of a plate, and else the largest image.
    lazy
        Read no pixel: the data are arrays of zarr, of all levels. Default: False.

    Raises
    ------
    InputError
        If it cannot be read, is damaged, or has no such image.
    """
    images = zarr_images(path)
    names = list(images)
    default, why = 0, "the first"
    if series is None and len(names) > 1 and "/" not in names[0]:  # a plate's are of one size
        sizes = [math.prod(_array(place)[0].shape) for place in images.values()]
        default, why = sizes.index(max(sizes)), "the largest"
    number, messages = chosen_number(path.name, names, series, default, why)
    place = images[names[number]]
    array, axes, scale = _array(place)
    letters = _letters(axes, array.ndim)
    lengths = axis_lengths(letters, axes, scale)
    levels = (array, *_lower_levels(place, array)) if lazy else ()
    data = array if lazy else _pixels(place, array)
    return LoadedImage(data, letters, _pixel_size(lengths), messages, lengths.get("Z"), levels)


def zarr_images(path: Path, unreadable: dict[str, str] | None = None) -> dict[str, Path]:
    """Return the images inside a Zarr by name: those of a plate, a collection or of its labels.

    Parameters
    ----------
    path
        The Zarr; if it is an image itself, it is the only one, and its name is empty.
    unreadable
        Takes wells that cannot be read, with the reason. Default: None, these are an error.

    Raises
    ------
    InputError
        If it is no OME-Zarr, or names what is not inside it.
    """
    bare = (path / ".zarray").is_file() or _node_type(path) == "array"
    attributes = {} if bare else _attributes(path)
    if "plate" in attributes:
        return _plate(path, attributes, unreadable)
    if bare or "multiscales" in attributes:
        return {"": path}
    if "well" in attributes:
        return {field: _inside(path, field) for field in _fields(path, attributes)}
    if "labels" in attributes:
        return {name: _inside(path, name) for name in _strings(path, attributes["labels"])}
    if found := _collection(path, attributes):
        return found
    raise _unreadable(path, "its metadata lack “multiscales”")


def zarr_contents(path: Path) -> ImageContents:
    """Return the images of a Zarr (all fields of a plate) without reading their pixels.

    Raises
    ------
    InputError
        If it cannot be read as OME-Zarr, or no image in it can; one of several is but named.
    """
    found: list[SeriesFacts] = []
    unreadable: dict[str, str] = {}
    for name, place in zarr_images(path, unreadable).items():
        try:
            found.append(_facts(name, place))
        except InputError as error:
            unreadable[name] = str(error)
    if not found:
        raise InputError(next(iter(unreadable.values())))
    return ImageContents(tuple(found), unreadable=unreadable)


def _facts(name: str, place: Path) -> SeriesFacts:
    array, axes, scale = _array(place)
    letters = _letters(axes, array.ndim)
    sizes = axis_lengths(letters, axes, scale)
    return SeriesFacts(
        shape=tuple(array.shape),
        dtype=str(np.dtype(array.dtype)),
        axes=letters,
        pixel_size_um=_pixel_size(sizes),
        z_size_um=sizes.get("Z"),
        series=name or None,
        name=name,
        place=place,
    )


def zarr_labels(path: Path) -> dict[str, Path]:
    """Return the label images that lie in an image's group ``labels``, by name.

    Parameters
    ----------
    path
        An image of an OME-Zarr.

    Raises
    ------
    InputError
        If their list cannot be read.
    """
    return zarr_images(path / "labels") if is_zarr(path / "labels") else {}


# -- what lies where -------------------------------------------------------------------------


def _plate(path: Path, attributes: dict[str, Any], unreadable: Any) -> dict[str, Path]:
    plate = attributes["plate"]
    if not isinstance(plate, dict) or not isinstance(plate.get("wells"), list):
        raise _unreadable(path, "its plate lists no wells")
    found = dict[str, Path]()
    wells = [well.get("path") if isinstance(well, dict) else None for well in plate["wells"]]
    for well in _strings(path, wells):
        place = _inside(path, well)  # what leads out of the plate is no missing well
        try:
            fields = _fields(place, _attributes(place))
        except InputError as error:
            if unreadable is None:
                raise
            unreadable[well] = str(error)
            continue
        found |= {f"{well}/{field}": _inside(path, f"{well}/{field}") for field in fields}
    if not found and not unreadable:
        raise _unreadable(path, "its plate has no images")
    return dict(sorted(found.items()))


def _fields(path: Path, attributes: dict[str, Any]) -> list[str]:
    from yaozarrs import v05

    if "well" not in attributes:
        raise _unreadable(path, "its metadata lack “well”")
    return [image.path for image in _checked(path, v05.WellDef, attributes["well"]).images]


def _collection(path: Path, attributes: dict[str, Any]) -> dict[str, Path]:
    """Return the images as bioformats2raw lays them out: listed, or numbered from 0."""
    from yaozarrs import v05

    if attributes.get("bioformats2raw.layout") is None and "series" not in attributes:
        return {}
    listed = attributes
    if "series" not in listed and is_zarr(path / "OME"):
        listed = _attributes(path / "OME")
    if "series" in listed:
        names = _checked(path, v05.Series, {"series": listed["series"]}).series
    else:
        names = []
        while is_zarr(path / str(len(names))):
            names.append(str(len(names)))
    if not names:
        raise _unreadable(path, "the collection has no images")
    return {name: _inside(path, name) for name in names}


def _strings(path: Path, values: Any) -> list[str]:
    if not isinstance(values, list) or not values:
        raise _unreadable(path, "its list of images is empty")
    if wrong := [value for value in values if not isinstance(value, str) or not value]:
        raise _unreadable(path, f"{wrong[0]!r} is no path of an image")
    return values


def _inside(root: Path, name: str) -> Path:
    """Return the folder of that relative path; what leads out of the Zarr is refused."""
    kinds = (PurePosixPath(name), PureWindowsPath(name))
    outside = any(kind.anchor or kind.drive or ".." in kind.parts for kind in kinds)
    place = root / name
    try:
        outside = outside or not place.resolve().is_relative_to(root.resolve())
        place.exists()
    except (OSError, ValueError, RuntimeError) as error:  # too long, or no text of a path
        raise _unreadable(root, f"it names “{name[:60]}”, which cannot be a path") from error
    if outside:
        raise _unreadable(root, f"it names “{name}”, which lies outside of it")
    return place


# -- metadata --------------------------------------------------------------------------------


def _node_type(path: Path) -> Any:
    """Return “group” or “array” for Zarr 3; None for anything else."""
    import json

    try:
        found = json.loads((path / "zarr.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return found.get("node_type") if isinstance(found, dict) else None


def _attributes(path: Path) -> dict[str, Any]:
    import zarr

    try:
        attributes: Any = dict(zarr.open_group(path, mode="r").attrs)
    except Exception as error:  # zarr's own, and whatever damaged JSON makes of it
        raise _unreadable(path, str(error) or type(error).__name__) from error
    attributes = attributes.get("ome", attributes)  # where 0.5 keeps everything
    if not isinstance(attributes, dict):
        raise _unreadable(path, "its metadata are damaged")
    return dict(attributes)


def _checked(path: Path, kind: Any, values: Any) -> Any:
    """Return metadata as a class, or list of a class, of yaozarrs."""
    from pydantic import TypeAdapter, ValidationError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of units and names that are unusual
            return TypeAdapter(kind).validate_python(values)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise _unreadable(path, f"its metadata are wrong at “{where}”: {first['msg']}") from error


def _unreadable(path: Path, reason: str) -> InputError:
    return InputError(f"{path} cannot be read as OME-Zarr: {reason.rstrip('.')}.")


# -- pixels ----------------------------------------------------------------------------------


def _pixels(path: Path, array: Any) -> NDArray[Any]:
    # a chunk is decoded as a whole, however little of it the image shows
    most = max(array.shape, array.chunks, key=math.prod)
    check_memory(path.name, most, np.dtype(array.dtype).itemsize)
    try:
        return np.asarray(array[...])
    except Exception as error:  # each codec has errors of its own
        raise _unreadable(path, f"its pixels are damaged ({error})") from error


def _lower_levels(path: Path, finest: Any) -> list[Any]:
    """Return the arrays of the coarser levels, up to the first that is not there or not coarser."""
    import zarr

    if (path / ".zarray").is_file() or _node_type(path) == "array":
        return []
    found = [finest]
    for level in _attributes(path)["multiscales"][0]["datasets"][1:]:
        try:
            array = zarr.open_array(_inside(path, str(level.get("path"))), mode="r")
            before = found[-1].shape
            smaller = array.ndim == len(before) and math.prod(array.shape) < math.prod(before)
        except Exception:  # damaged metadata, or no such array: the finest level is enough
            break
        if not smaller or any(a > b for a, b in zip(array.shape, before, strict=True)):
            break
        found.append(array)
    return found[1:]


def _array(path: Path) -> tuple[Any, list[Any] | None, list[float]]:
    """Return the array of the finest level, its axes and its scale; nothing is read yet."""
    import zarr
    from yaozarrs import v05

    if (path / ".zarray").is_file() or _node_type(path) == "array":
        return _opened(path, lambda: zarr.open_array(path, mode="r")), None, []
    blocks = _attributes(path).get("multiscales")
    if not isinstance(blocks, list) or not blocks or not isinstance(blocks[0], dict):
        raise _unreadable(path, "its metadata lack “multiscales”")
    axes, level, common = _upgraded(path, blocks[0])
    own = _scale(level.get("coordinateTransformations"))
    filled = [{"type": "scale", "scale": own if len(own) > 1 else [1.0, 1.0]}]
    level = level | {"coordinateTransformations": filled}
    place = _inside(path, str(level.get("path")))
    _checked(path, v05.Dataset, level)
    array = _opened(path, lambda: zarr.open_array(place, mode="r"))
    if axes is None and array.ndim == len(_KINDS):
        axes = [{"name": name, "type": kind} for name, kind in _KINDS.items()]
    if axes is not None and len(axes) != array.ndim:
        raise _unreadable(path, f"it names {len(axes)} axes, but its pixels have {array.ndim}")
    parsed = None if axes is None else _checked(path, list[v05.Axis], axes)
    common = common or [1.0] * array.ndim
    if len(own) != array.ndim or len(common) != array.ndim:
        return array, parsed, []
    return array, parsed, [a * b for a, b in zip(own, common, strict=True)]


def _opened(path: Path, opening: Any) -> Any:
    try:
        array = opening()
    except Exception as error:
        raise _unreadable(path, f"its pixels are not there or damaged ({error})") from error
    if np.dtype(array.dtype).kind not in "buif":
        raise _unreadable(path, f"its pixels are {array.dtype}, and no numbers")
    return array


def _upgraded(
    path: Path, block: dict[str, Any]
) -> tuple[list[dict[str, Any]] | None, dict[str, Any], list[float]]:
    """Return axes, finest level and common scale of an image.

    0.1 and 0.2 have no axes (they are always TCZYX), 0.3 has their names alone, and none of these
    has a scale.
    """
    levels, axes = block.get("datasets"), block.get("axes")
    if not isinstance(levels, list) or not levels or not isinstance(levels[0], dict):
        raise _unreadable(path, "its metadata list no datasets")
    if axes is not None and not isinstance(axes, list):
        raise _unreadable(path, "its axes are no list")
    named = None if axes is None else [_axis(path, axis) for axis in axes]
    return named, levels[0], _scale(block.get("coordinateTransformations"))


def _axis(path: Path, axis: Any) -> dict[str, Any]:
    axis = {"name": axis} if isinstance(axis, str) else axis
    if not isinstance(axis, dict):
        raise _unreadable(path, f"{axis!r} is no axis")
    return {"type": _KINDS.get(str(axis.get("name")).lower()), **axis}


def _scale(transforms: Any) -> list[float]:
    """Return the numbers of the first scale; none where there is none, or none in the list."""
    for entry in transforms if isinstance(transforms, list) else ():
        scale = entry.get("scale") if isinstance(entry, dict) else None
        if isinstance(scale, list) and all(isinstance(size, int | float) for size in scale):
            return [float(size) for size in scale]
    return []


def _letters(axes: Iterable[Any] | None, count: int) -> str | None:
    """Return one letter for each axis; None where these are no names of axes."""
    kinds = {"time": "T", "channel": "C"}
    letters = "".join(kinds.get(axis.type) or axis.name[:1].upper() for axis in axes or ())
    sound = letters.isascii() and letters.isalpha() and len(set(letters)) == count
    ordered = "Y" in letters and "X" in letters[letters.index("Y") :] if letters else False
    return letters if sound and ordered else None


def _pixel_size(sizes: dict[str, float]) -> float | tuple[float, float] | None:
    if "Y" not in sizes or "X" not in sizes:
        return None
    y, x = sizes["Y"], sizes["X"]
    return x if math.isclose(x, y, rel_tol=1e-6) else (y, x)
