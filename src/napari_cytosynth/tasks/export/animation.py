"""Animated GIFs of a trajectory or a latent walk."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cytosynth.arguments import check_flag
from napari_cytosynth.errors import InputError, OutputError
from napari_cytosynth.files import replacing, user_path

from .captions import font, plain
from .destination import refuse_foreign_file
from .formats import xml_text
from .montage import column_count, composite, enlarged, montage
from .records import as_json, sealed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import numpy.typing as npt
    from PIL.Image import Image

    from .captions import SyntheticArrays, SyntheticFacts

    Bytes = npt.NDArray[np.uint8]

__all__ = ["save_animation"]

_MAX_IMAGES = 16  # in an animation of a trajectory
_GRID, _SIDE, _LINE = 480, 256, 20  # px
_STEP_MS, _WALK_MS, _END_MS = 80, 160, 1500


def save_animation(
    path: str | Path,
    arrays: SyntheticArrays,
    facts: SyntheticFacts,
    record: dict[str, Any],
    *,
    overwrite: bool = False,
) -> Path:
    """Write the animation of a trajectory, or else of a walk, and return the file.

    The record is embedded. A file that holds no record of synthetic images is replaced only
    with `overwrite`.

    Raises
    ------
    InputError
        If there is neither a trajectory nor a walk.
    OutputError
        If it cannot be written there.
    """
    path = user_path(path)
    if not path.suffix:
        path = path.with_suffix(".gif")
    if path.suffix.lower() != ".gif":
        raise OutputError(f"A film is written as GIF: give a name that ends in .gif, not “{path}”.")
    if not check_flag(overwrite, "overwrite"):
        refuse_foreign_file(path, "generate")
    comment = xml_text(f"{facts.title}; {facts.seeds_in_words()}").replace("\n", " ")
    frames = [_captioned(picture, caption) for picture, caption in _pictures(arrays, facts)]
    colours = "L" if all(_is_grey(frame) for frame in frames) else "RGB"
    first, *others = (_indexed(frame, colours) for frame in frames)
    with replacing(path) as temporary:
        first.save(
            temporary,
            format="GIF",
            save_all=True,
            append_images=others,
            duration=_durations(arrays, len(frames)),
            loop=0,
            comment=comment.encode("ascii", "replace") + b"\n" + as_json(sealed(record)),
        )
    return path


def _pictures(arrays: SyntheticArrays, facts: SyntheticFacts) -> Iterator[tuple[Bytes, str]]:
    """Yield the pictures (Y, X, 3) of the animation, each with its caption."""
    if arrays.trajectory is not None and arrays.trajectory.shape[1] > 1:
        yield from _steps(arrays.trajectory[:_MAX_IMAGES], facts)
    elif facts.walk is not None and len(arrays) > 1:
        yield from _walk(arrays.images, facts.walk, facts)
    else:
        raise InputError(
            "There is nothing to make a film of. Generate with “Keep trajectory” "
            "(keep_trajectory=True) by a diffusion model, or vary between two seeds."
        )


def _steps(states: npt.NDArray[np.floating], facts: SyntheticFacts) -> Iterator[tuple[Bytes, str]]:
    count, columns = states.shape[1], column_count(len(states))
    for step in range(count):
        pictures = enlarged(composite(states[:, step], facts), _GRID // columns)
        joined = montage(np.moveaxis(pictures, -1, 1), columns, 2)
        yield np.moveaxis(joined, 0, -1), f"state {step} of {count - 1}"


def _walk(
    images: npt.NDArray[np.floating], walk: tuple[float, ...], facts: SyntheticFacts
) -> Iterator[tuple[Bytes, str]]:
    """Yield the images there and back, so that the loop has no jump."""
    pictures = enlarged(composite(images, facts), _SIDE)
    there = list(range(len(pictures)))
    for number in there + there[-2:0:-1]:
        yield pictures[number], f"{facts.seeds_in_words()}: {walk[number]:.0%}"


def _durations(arrays: SyntheticArrays, count: int) -> list[int]:
    """Return the duration of each frame in ms."""
    if arrays.trajectory is not None:
        return [_STEP_MS] * (count - 1) + [_END_MS]
    return [_WALK_MS] * count


def _captioned(picture: Bytes, caption: str) -> Image:
    from PIL import Image, ImageDraw

    height, width = picture.shape[:2]
    frame = Image.new("RGB", (max(width, _SIDE), height + _LINE))
    frame.paste(Image.fromarray(np.ascontiguousarray(picture)), (0, 0))
    text = plain(f"synthetic, {caption}")
    ImageDraw.Draw(frame).text((4, height + 2), text, fill=(232, 232, 232), font=font(13))
    return frame


def _is_grey(frame: Image) -> bool:
    values = np.asarray(frame)
    return bool((values == values[..., :1]).all())


def _indexed(frame: Image, colours: str) -> Image:
    """Return a frame with at most 256 colours; grey ones lose nothing."""
    return frame.convert("L") if colours == "L" else frame.quantize(256)
