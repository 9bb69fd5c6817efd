from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import EpsImagePlugin, Image

from napari_cytosynth.errors import InputError
from napari_cytosynth.images import limits
from napari_cytosynth.images.reading import read_image

GREY, RGB, GREY_ALPHA, RGBA = 0, 2, 4, 6
PLANE = np.arange(8 * 9, dtype=np.uint8).reshape(8, 9)


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def write_png(path, width, height, kind, rows: bytes, depth=16) -> None:
    header = struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + body)


@pytest.mark.parametrize(("kind", "samples"), [(GREY, 1), (RGB, 3), (GREY_ALPHA, 2), (RGBA, 4)])
def test_pictures_keep_16_bits_and_all_samples(tmp_path, kind, samples) -> None:
    data = (np.arange(8 * 9 * samples).reshape(8, 9, samples) * 37).astype(">u2")
    write_png(tmp_path / "x.png", 9, 8, kind, b"".join(b"\0" + row.tobytes() for row in data))
    file = read_image(tmp_path / "x.png")
    assert file.data.dtype.itemsize == 2
    np.testing.assert_array_equal(file.data.reshape(data.shape), data)
    assert file.axes == ("YX" if samples == 1 else "YXC")


def test_a_palette_is_colours_in_an_image_and_numbers_in_labels(tmp_path) -> None:
    picture = Image.fromarray(PLANE % 3).convert("P")
    picture.putpalette([0, 0, 0, 200, 10, 10, 10, 10, 200] + [0] * 759)
    picture.save(tmp_path / "x.png")
    assert read_image(tmp_path / "x.png").data.shape == (8, 9, 3)
    for content in ("mask", "labels"):
        np.testing.assert_array_equal(
            read_image(tmp_path / "x.png", content=content).data, PLANE % 3
        )


def test_a_mask_whose_palette_begins_with_white_is_right_side_up(tmp_path) -> None:
    picture = Image.fromarray((PLANE % 2).astype(np.uint8)).convert("P")
    picture.putpalette([255, 255, 255] + [0] * 765)
    picture.save(tmp_path / "x.png")
    mask = read_image(tmp_path / "x.png", content="mask").data
    np.testing.assert_array_equal(mask > 0, PLANE % 2 == 0)


def test_of_an_animation_one_picture_is_read_and_a_sentence_says_which(tmp_path) -> None:
    first, second = (Image.fromarray(PLANE + value) for value in (0, 90))
    first.save(tmp_path / "x.gif", save_all=True, append_images=[second])
    file = read_image(tmp_path / "x.gif")
    assert "2 images" in file.messages[0]
    assert read_image(tmp_path / "x.gif", 1).data.min() > file.data.min()


def test_what_would_be_cut_to_8_bits_is_refused(tmp_path) -> None:
    (tmp_path / "x.ppm").write_bytes(b"P6 2 2 65535\n" + bytes(24))
    with pytest.raises(InputError, match="more than 8 bits"):
        read_image(tmp_path / "x.ppm")


def test_a_picture_that_another_program_would_run_is_refused(tmp_path, monkeypatch) -> None:
    ran: list[object] = []

    def run(*arguments: object, **options: object) -> object:
        ran.append(arguments)
        return Image.new("RGB", (9, 9)).im

    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", run)
    header = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n"
    (tmp_path / "x.eps").write_bytes(header)
    with pytest.raises(InputError, match="cannot be read"):
        read_image(tmp_path / "x.eps")
    assert not ran


# -- declared sizes --------------------------------------------------------------------------


def test_a_small_png_cannot_hold_a_huge_picture(tmp_path) -> None:
    write_png(tmp_path / "x.png", 40_000, 40_000, RGB, b"\0", depth=8)
    with pytest.raises(InputError, match="cannot hold"):
        read_image(tmp_path / "x.png")


def test_an_empty_mask_with_packed_greys_is_no_damaged_file(tmp_path) -> None:
    for depth in (2, 4):
        rows = bytes((1 + 1000 * depth // 8) * 1000)
        write_png(tmp_path / "x.png", 1000, 1000, GREY, rows, depth=depth)
        assert read_image(tmp_path / "x.png").data.shape == (1000, 1000)


def test_an_array_larger_than_its_file_is_refused(tmp_path) -> None:
    header = io.BytesIO()
    declared = {"descr": "<f8", "fortran_order": False, "shape": (10**6, 10**6)}
    np.lib.format.write_array_header_1_0(header, declared)
    (tmp_path / "x.npy").write_bytes(header.getvalue() + bytes(80))
    with pytest.raises(InputError, match=r"x\.npy"):
        read_image(tmp_path / "x.npy")


@pytest.mark.parametrize("suffix", [".tif", ".png", ".npy"])
def test_an_image_larger_than_the_free_memory_is_refused_with_the_figures(
    tmp_path, monkeypatch, suffix
) -> None:
    path = tmp_path / f"x{suffix}"
    if suffix == ".npy":
        np.save(path, PLANE)
    else:
        Image.fromarray(PLANE).save(path)
    monkeypatch.setattr(limits, "available_memory", lambda: 50)
    with pytest.raises(InputError, match="GB are free"):
        read_image(path)
