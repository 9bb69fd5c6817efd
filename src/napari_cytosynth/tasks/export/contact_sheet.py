"""The contact sheet of a generation: all its images on one captioned picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_cytosynth.files import replacing

from .captions import font, plain, wrapped
from .formats import xml_text
from .montage import column_count, composite, enlarged, to_bytes, with_outline

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw

    from .captions import SyntheticArrays, SyntheticFacts

    Bytes = npt.NDArray[np.uint8]
    Colour = tuple[int, int, int]

__all__ = ["contact_sheet", "write_contact_sheet"]

_MAX_IMAGES = 144  # images on a sheet: more are too small to be seen
_SIDE = 128  # px of a tile, about
_MARGIN, _GAP, _LINE = 16, 8, 20  # px
_MIN_WIDTH = 400  # px: room for the caption
_PAPER: Colour = (24, 24, 26)
_INK: Colour = (232, 232, 232)
_FAINT: Colour = (160, 160, 165)
_WARNING: Colour = (255, 120, 90)


def write_contact_sheet(path: Path, arrays: SyntheticArrays, facts: SyntheticFacts) -> Path:
    """Write the sheet as a PNG with the caption in its text chunks."""
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    info.add_text("Title", xml_text(facts.title))
    info.add_text("Description", xml_text(f"{facts.title}; {facts.seeds_in_words()}"))
    info.add_text("Software", "napari-cytosynth")
    with replacing(path) as temporary:
        contact_sheet(arrays, facts).save(temporary, format="PNG", pnginfo=info)
    return path


def contact_sheet(arrays: SyntheticArrays, facts: SyntheticFacts) -> Image:
    """Draw the sheet: the images, their single channels, and the masks.

    Returns
    -------
    PIL.Image.Image
        RGB; the single channels are those of the first row only.
    """
    from PIL import Image, ImageDraw

    shown = min(len(arrays), _MAX_IMAGES)
    columns = min(shown, 12) if facts.walk is not None else column_count(shown)
    sections = _sections(arrays, facts, shown, columns)
    tile = sections[0].pictures.shape[1:3]
    width = max(_MIN_WIDTH, 2 * _MARGIN + columns * (tile[1] + _GAP) - _GAP)
    room = width - 2 * _MARGIN
    header = [(line, _INK) for line in wrapped(facts.title, room)]
    header += [(line, _FAINT) for line in wrapped(_details(arrays, facts, shown), room)]
    height = 2 * _MARGIN + _GAP + _LINE * (len(header) + bool(facts.pixel_size_um))
    height += sum(section.height(columns) for section in sections)
    sheet = Image.new("RGB", (width, height), _PAPER)
    pen = _Pen(ImageDraw.Draw(sheet), _MARGIN)
    for line, colour in header:
        pen.line(line, colour)
    pen.y += _GAP
    for section in sections:
        section.draw(sheet, pen, columns)
    across = arrays.images.shape[-1]
    _scale_bar(facts, pen, across, tile[1] / max(1, across))
    return sheet


@dataclass(eq=False)
class _Pen:
    """Writer of lines of text, one below the other."""

    draw: ImageDraw
    y: int

    def line(self, text: str, colour: Colour) -> None:
        self.write(_MARGIN, self.y, text, colour)
        self.y += _LINE

    def write(self, x: int, y: int, text: str, colour: Colour, size: int = 13) -> None:
        self.draw.text((x, y), plain(text), fill=colour, font=font(size))


@dataclass(frozen=True, eq=False)
class _PictureRows:
    """Titled rows of pictures (N, Y, X, 3), each with its caption below."""

    title: str
    pictures: Bytes
    captions: list[tuple[str, Colour]]

    def height(self, columns: int) -> int:
        rows, line = -(-len(self.pictures) // columns), _LINE if self.captions else _GAP
        tile: int = self.pictures.shape[1]
        return (_LINE if self.title else 0) + rows * (tile + line) + _GAP

    def draw(self, sheet: Image, pen: _Pen, columns: int) -> None:
        from PIL import Image

        if self.title:
            pen.line(self.title, _FAINT)
        height, width = self.pictures.shape[1:3]
        line = _LINE if self.captions else _GAP
        for number, picture in enumerate(self.pictures):
            row, column = divmod(number, columns)
            x, y = _MARGIN + column * (width + _GAP), pen.y + row * (height + line)
            sheet.paste(Image.fromarray(picture), (x, y))
            if self.captions:
                text, colour = self.captions[number]
                pen.write(x, y + height + 1, text, colour, 11)
        pen.y += self.height(columns) - (_LINE if self.title else 0)


def _sections(
    arrays: SyntheticArrays, facts: SyntheticFacts, shown: int, columns: int
) -> list[_PictureRows]:
    images = arrays.images[:shown]
    pictures = enlarged(composite(images, facts), _SIDE)
    sections = [_PictureRows("", pictures, _captions(facts, shown))]
    if len(facts.channels) > 1 and not facts.is_rgb:
        for number, name in enumerate(facts.channels):
            low, high = facts.limits[number]
            grey = to_bytes((images[:columns, number] - low) / (high - low))
            single = enlarged(np.repeat(grey[..., None], 3, axis=-1), _SIDE)
            sections.append(_PictureRows(name, single, []))
    if arrays.labels is not None:
        large = enlarged(arrays.labels[:shown], _SIDE)
        sections.append(_PictureRows(f"with {facts.objects}", with_outline(pictures, large), []))
    return sections


def _captions(facts: SyntheticFacts, shown: int) -> list[tuple[str, Colour]]:
    captions = []
    for number in range(shown):
        text, colour = f"seed {facts.seeds[number]}", _FAINT
        if facts.walk is not None:
            inside = 0 < facts.walk[number] < 1
            text = f"{facts.walk[number]:.0%}" if inside else text
        if facts.suspicious and facts.suspicious[number]:
            text, colour = f"{text}: near!", _WARNING
        captions.append((text, colour))
    return captions


def _details(arrays: SyntheticArrays, facts: SyntheticFacts, shown: int) -> str:
    """Return size, class, conditions, channels and seeds of the images as text."""
    rows, columns = arrays.images.shape[-2:]
    size = f"{rows} × {columns} px"
    if facts.pixel_size_um:
        size += f" of {facts.pixel_size_um:g} µm"
    details = [f"class {facts.label}"] if facts.label is not None else []
    details += [f"{name} {value:g}" for name, value in facts.conditions.items()]
    if len(facts.channels) > 1 and not facts.is_rgb:
        details.append(", ".join(facts.channels))
    if shown < len(arrays):
        details.append(f"the first {shown} of {len(arrays)}")
    seeds = facts.seeds_in_words(None if facts.walk else shown)
    return "; ".join([size, *details, seeds])


def _scale_bar(facts: SyntheticFacts, pen: _Pen, columns: int, zoom: float) -> None:
    """Draw a bar of a round length, at most half as long as an image."""
    if not facts.pixel_size_um:
        return
    longest = columns * facts.pixel_size_um / 2
    power = 10.0 ** np.floor(np.log10(longest))
    length = power * max(step for step in (1, 2, 5) if step * power <= longest)
    width = round(length / facts.pixel_size_um * zoom)
    middle = pen.y + _LINE // 2
    pen.draw.rectangle((_MARGIN, middle - 2, _MARGIN + width - 1, middle + 1), fill=_INK)
    pen.write(_MARGIN + width + 8, pen.y + 2, f"{length:g} µm", _INK)
