"""The contact sheet of a generation: all its images on one picture that says what they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_cytosynth.tasks._montage import (
    column_count,
    composite,
    enlarged,
    to_bytes,
    with_outline,
)
from napari_cytosynth.tasks._pictures import about, font, plain, seeds_in_words, wrapped
from napari_cytosynth.tasks._writing import replacing

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw

    from napari_cytosynth.tasks.generation import Generation

    Bytes = npt.NDArray[np.uint8]
    Colour = tuple[int, int, int]

__all__ = ["contact_sheet", "write_contact_sheet"]

_MOST = 144  # images on a sheet: more are too small to be seen
_SIDE = 128  # px of a tile, about
_MARGIN, _GAP, _LINE = 16, 8, 20  # px
_NARROWEST = 400  # px: room for the caption
_PAPER: Colour = (24, 24, 26)
_INK: Colour = (232, 232, 232)
_FAINT: Colour = (160, 160, 165)
_WARNING: Colour = (255, 120, 90)


def write_contact_sheet(result: Generation, path: Path) -> Path:
    """Write the sheet as a PNG; its text chunks say what the caption says."""
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    info.add_text("Title", about(result))
    info.add_text("Description", f"{about(result)}; {seeds_in_words(result)}")
    info.add_text("Software", "napari-cytosynth")
    with replacing(path) as temporary:
        contact_sheet(result).save(temporary, format="PNG", pnginfo=info)
    return path


def contact_sheet(result: Generation) -> Image:
    """Draw the sheet: the images, of several channels each by itself, and the masks.

    Returns
    -------
    PIL.Image.Image
        RGB; the channels by themselves are shown of the first row only.
    """
    from PIL import Image, ImageDraw

    shown = min(len(result), _MOST)
    columns = min(shown, 12) if result.walk is not None else column_count(shown)
    sections = _sections(result, shown, columns)
    tile = sections[0].pictures.shape[1:3]
    width = max(_NARROWEST, 2 * _MARGIN + columns * (tile[1] + _GAP) - _GAP)
    room = width - 2 * _MARGIN
    header = [(line, _INK) for line in wrapped(about(result), room)]
    header += [(line, _FAINT) for line in wrapped(_facts(result, shown), room)]
    height = 2 * _MARGIN + _GAP + _LINE * (len(header) + bool(result.pixel_size_um))
    height += sum(section.height(columns) for section in sections)
    sheet = Image.new("RGB", (width, height), _PAPER)
    pen = _Pen(ImageDraw.Draw(sheet), _MARGIN)
    for line, colour in header:
        pen.line(line, colour)
    pen.y += _GAP
    for section in sections:
        section.draw(sheet, pen, columns)
    _scale_bar(result, pen, tile[1] / max(1, result.images.shape[-1]))
    return sheet


@dataclass(eq=False)
class _Pen:
    """Writes lines one below the other."""

    draw: ImageDraw
    y: int

    def line(self, text: str, colour: Colour) -> None:
        self.write(_MARGIN, self.y, text, colour)
        self.y += _LINE

    def write(self, x: int, y: int, text: str, colour: Colour, size: int = 13) -> None:
        self.draw.text((x, y), plain(text), fill=colour, font=font(size))


@dataclass(frozen=True, eq=False)
class _Section:
    """Pictures (N, Y, X, 3) in rows, each with words below it, under a title."""

    title: str
    pictures: Bytes
    words: list[tuple[str, Colour]]

    def height(self, columns: int) -> int:
        rows, line = -(-len(self.pictures) // columns), _LINE if self.words else _GAP
        tile: int = self.pictures.shape[1]
        return (_LINE if self.title else 0) + rows * (tile + line) + _GAP

    def draw(self, sheet: Image, pen: _Pen, columns: int) -> None:
        from PIL import Image

        if self.title:
            pen.line(self.title, _FAINT)
        height, width = self.pictures.shape[1:3]
        line = _LINE if self.words else _GAP
        for number, picture in enumerate(self.pictures):
            row, column = divmod(number, columns)
            x, y = _MARGIN + column * (width + _GAP), pen.y + row * (height + line)
            sheet.paste(Image.fromarray(picture), (x, y))
            if self.words:
                text, colour = self.words[number]
                pen.write(x, y + height + 1, text, colour, 11)
        pen.y += self.height(columns) - (_LINE if self.title else 0)


def _sections(result: Generation, shown: int, columns: int) -> list[_Section]:
    images = result.images[:shown]
    pictures = enlarged(composite(result, images), _SIDE)
    sections = [_Section("", pictures, _words(result, shown))]
    if len(result.channels) > 1 and not result.is_rgb:
        for number, name in enumerate(result.channels):
            low, high = result.contrast_limits(number)
            grey = to_bytes((images[:columns, number] - low) / (high - low))
            single = enlarged(np.repeat(grey[..., None], 3, axis=-1), _SIDE)
            sections.append(_Section(name, single, []))
    if result.labels is not None:
        large = enlarged(result.labels[:shown], _SIDE)
        sections.append(_Section(f"with {result.objects}", with_outline(pictures, large), []))
    return sections


def _words(result: Generation, shown: int) -> list[tuple[str, Colour]]:
    words = []
    for number in range(shown):
        text, colour = f"seed {result.seeds[number]}", _FAINT
        if result.walk is not None:
            inside = 0 < result.walk[number] < 1
            text = f"{result.walk[number]:.0%}" if inside else text
        if result.nearest is not None and result.nearest.suspicious[number]:
            text, colour = f"{text}: near!", _WARNING
        words.append((text, colour))
    return words


def _facts(result: Generation, shown: int) -> str:
    """Say what was asked for, and of what size and seeds the images are."""
    rows, columns = result.images.shape[-2:]
    size = f"{rows} × {columns} px"
    if result.pixel_size_um:
        size += f" of {result.pixel_size_um:g} µm"
    told = [f"class {result.label}"] if result.label is not None else []
    told += [f"{name} {value:g}" for name, value in result.conditions.items()]
    if len(result.channels) > 1 and not result.is_rgb:
        told.append(", ".join(result.channels))
    if shown < len(result):
        told.append(f"the first {shown} of {len(result)}")
    words = seeds_in_words(result, None if result.walk else shown)
    return "; ".join([size, *told, words])


def _scale_bar(result: Generation, pen: _Pen, zoom: float) -> None:
    """Draw a bar of a round length, at most half as long as an image."""
    if not result.pixel_size_um:
        return
    longest = result.images.shape[-1] * result.pixel_size_um / 2
    power = 10.0 ** np.floor(np.log10(longest))
    length = power * max(step for step in (1, 2, 5) if step * power <= longest)
    width = round(length / result.pixel_size_um * zoom)
    middle = pen.y + _LINE // 2
    pen.draw.rectangle((_MARGIN, middle - 2, _MARGIN + width - 1, middle + 1), fill=_INK)
    pen.write(_MARGIN + width + 8, pen.y + 2, f"{length:g} µm", _INK)
