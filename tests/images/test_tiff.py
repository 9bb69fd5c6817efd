from __future__ import annotations

import logging

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_cytosynth.errors import InputError
from napari_cytosynth.images.reading import read_image

PLANE = np.arange(8 * 9, dtype=np.uint16).reshape(8, 9)
HALF = {"PhysicalSizeX": 0.5, "PhysicalSizeY": 0.5}


@pytest.fixture(autouse=True)
def quiet():
    logger = logging.getLogger("tifffile")
    logger.disabled = True
    yield
    logger.disabled = False


def description(data: str = "<TiffData/>", **attributes) -> str:
    sizes = {"SizeX": 9, "SizeY": 8, "SizeZ": 1, "SizeC": 1, "SizeT": 1, **attributes}
    written = " ".join(f'{name}="{value}"' for name, value in sizes.items())
    return (
        '<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" '
        f'UUID="urn:uuid:0"><Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYZCT" '
        f'Type="uint16" {written}>{data}</Pixels></Image></OME>'
    )


def write_ome(path, text: str, value: int = 0) -> None:
    tifffile.imwrite(path, PLANE + value, description=text, metadata=None)


def plane_of(number: int, file: str, place: int) -> str:
    return (
        f'<TiffData FirstZ="{place}" IFD="0" PlaneCount="1">'
        f'<UUID FileName="{file}">urn:uuid:{number}</UUID></TiffData>'
    )


# -- compression and suffix ------------------------------------------------------------------


@pytest.mark.parametrize("compression", ["lzw", "zstd", "zlib", "packbits", "jpegxl"])
def test_compressed_tiff_is_read(tmp_path, compression) -> None:
    tifffile.imwrite(tmp_path / "x.tif", PLANE, compression=compression)
    np.testing.assert_array_equal(read_image(tmp_path / "x.tif").data, PLANE)


def test_fax_float_predictor_and_jpeg_are_read(tmp_path) -> None:
    bits = PLANE % 5 > 2
    for code in ("group3", "group4"):
        Image.fromarray(bits).save(tmp_path / "fax.tif", compression=code)
        np.testing.assert_array_equal(read_image(tmp_path / "fax.tif").data, bits)
    numbers = PLANE.astype(np.float32) / 7
    tifffile.imwrite(tmp_path / "f.tif", numbers, compression="zlib", predictor=3)
    np.testing.assert_array_equal(read_image(tmp_path / "f.tif").data, numbers)
    colours = np.zeros((16, 16, 3), np.uint8)
    Image.fromarray(colours).save(tmp_path / "j.tif", compression="jpeg")
    assert read_image(tmp_path / "j.tif").axes == "YXC"


def test_twelve_packed_bits_are_read(tmp_path) -> None:
    import imagecodecs

    packed = imagecodecs.packints_encode(PLANE.ravel() % 4096, 12)
    with tifffile.TiffWriter(tmp_path / "x.tif") as file:
        file.write(
            iter([packed]), shape=(1, 72), dtype=np.uint16, bitspersample=12, metadata=None,
            compression=None,
        )  # fmt: skip
    assert read_image(tmp_path / "x.tif").data.ravel().tolist() == list(range(72))


@pytest.mark.parametrize("suffix", [".lsm", ".stk", ".btf", ".tf8", ".svs", ".flex", ".image", ""])
def test_a_tiff_is_known_by_its_header(tmp_path, suffix) -> None:
    stack = np.stack([PLANE] * 5)
    made = tmp_path / "made.ome.tif"
    tifffile.imwrite(made, stack, metadata={"axes": "ZYX", **HALF}, bigtiff=suffix == ".btf")
    file = read_image(made.rename(tmp_path / f"x{suffix}"))
    assert (file.data.shape, file.axes, file.pixel_size_um) == ((5, 8, 9), "ZYX", 0.5)


# -- axes ------------------------------------------------------------------------------------


def test_pages_of_colours_are_planes_with_channels(tmp_path) -> None:
    tifffile.imwrite(tmp_path / "x.tif", np.zeros((3, 8, 9, 3), np.uint8), photometric="rgb")
    assert read_image(tmp_path / "x.tif").axes == "ZYXC"


def test_known_letters_stay_and_unknown_axes_count_planes(tmp_path) -> None:
    data = np.zeros((2, 3, 8, 9), np.uint16)
    for written, read in (("TZYX", "TZYX"), ("RTYX", "RTYX"), ("QTYX", "ZTYX"), ("HCYX", "HCYX")):
        tifffile.imwrite(
            tmp_path / "x.tif", data, photometric="minisblack", metadata={"axes": written}
        )
        assert read_image(tmp_path / "x.tif").axes == read


def test_colours_of_several_channels_are_channels(tmp_path) -> None:
    data = np.arange(2 * 8 * 9 * 3, dtype=np.uint16).reshape(2, 8, 9, 3)
    metadata = {"axes": "CYXS"}
    tifffile.imwrite(tmp_path / "x.ome.tif", data, photometric="rgb", metadata=metadata)
    file = read_image(tmp_path / "x.ome.tif")
    assert file.axes == "CYX"
    np.testing.assert_array_equal(file.data[4], data[1, ..., 1])


# -- several images --------------------------------------------------------------------------


def test_the_largest_image_is_read_and_a_sentence_says_so(tmp_path) -> None:
    path = tmp_path / "preview.tif"
    with tifffile.TiffWriter(path) as file:
        file.write(PLANE[::2, ::2])
        file.write(PLANE)
    read = read_image(path)
    assert read.data.shape == (8, 9)
    assert "2 images" in read.messages[0]
    assert "number 1 is read, the largest" in read.messages[0]
    assert "--series" in read.messages[0]
    chosen = read_image(path, 0)
    assert (chosen.data.shape, chosen.messages) == ((4, 5), ())


def test_each_image_has_its_own_pixel_size(tmp_path) -> None:
    with tifffile.TiffWriter(tmp_path / "x.ome.tif") as file:
        for value, size in ((0, 0.5), (1, 0.25)):
            metadata = {"axes": "YX", "PhysicalSizeX": size, "PhysicalSizeY": size}
            file.write(PLANE + value, metadata=metadata)
    assert [read_image(tmp_path / "x.ome.tif", n).pixel_size_um for n in (0, "1")] == [0.5, 0.25]
    for wrong in (2, -1, True, "third"):
        with pytest.raises(InputError, match="no series"):
            read_image(tmp_path / "x.ome.tif", wrong)


# -- planes in other files -------------------------------------------------------------------


def test_files_that_are_missing_are_named(tmp_path) -> None:
    names = ["a.ome.tif", "b.ome.tif", "c.ome.tif"]
    planes = "".join(plane_of(n, name, n) for n, name in enumerate(names))
    write_ome(tmp_path / "a.ome.tif", description(planes, SizeZ=3))
    alone = read_image(tmp_path / "a.ome.tif")
    assert alone.axes == "YX"
    assert "“b.ome.tif”, “c.ome.tif”" in alone.messages[0]
    write_ome(tmp_path / "b.ome.tif", description(planes, SizeZ=3), 100)
    two = read_image(tmp_path / "a.ome.tif")
    np.testing.assert_array_equal(two.data, [PLANE, PLANE + 100, 0 * PLANE])
    assert "not in its folder: “c.ome.tif”" in two.messages[0]
    assert "1 of 3 planes are missing" in two.messages[1]
    assert "Z 2" in two.messages[1]
    write_ome(tmp_path / "c.ome.tif", description(planes, SizeZ=3), 200)
    whole = read_image(tmp_path / "a.ome.tif")
    assert (whole.axes, whole.data.shape, whole.messages) == ("ZYX", (3, 8, 9), ())
    one = read_image(tmp_path / "a.ome.tif", alone=True)
    assert (one.axes, one.data.shape, one.messages) == ("YX", (8, 9), ())


@pytest.mark.parametrize("name", ["/dev/zero", "../other.tif", "C:\\\\other.tif", "folder"])
def test_files_in_other_places_are_not_opened(tmp_path, name) -> None:
    (tmp_path / "folder").mkdir()
    planes = plane_of(0, "a.ome.tif", 0) + plane_of(1, name, 1)
    write_ome(tmp_path / "a.ome.tif", description(planes, SizeZ=2))
    file = read_image(tmp_path / "a.ome.tif")
    np.testing.assert_array_equal(file.data, PLANE)
    assert "other places" in file.messages[0]


# -- black and white -------------------------------------------------------------------------


def test_one_bit_images_are_right_side_up(tmp_path) -> None:
    white = PLANE % 3 == 0
    tifffile.imwrite(tmp_path / "x.tif", ~white, photometric="miniswhite")
    for content in ("image", "mask", "labels"):
        np.testing.assert_array_equal(read_image(tmp_path / "x.tif", content=content).data, white)


@pytest.mark.parametrize("black", [255, 1])
def test_masks_with_0_for_white_are_turned(tmp_path, black) -> None:
    white = PLANE % 3 == 0
    tifffile.imwrite(tmp_path / "x.tif", np.where(white, 0, black).astype(np.uint8), photometric="miniswhite")  # fmt: skip  # noqa: E501
    mask = read_image(tmp_path / "x.tif", content="mask").data
    np.testing.assert_array_equal(mask > 0, white)
    image = read_image(tmp_path / "x.tif")
    np.testing.assert_array_equal(image.data == 0, white)
    assert "0 is white" in image.messages[0]


def test_a_palette_whose_0_is_white_is_a_mask_the_right_way_round(tmp_path) -> None:
    white = PLANE % 3 == 0
    table = np.zeros((3, 256), np.uint16)
    table[:, 0] = 65535
    data = np.where(white, 0, 1).astype(np.uint8)
    tifffile.imwrite(tmp_path / "x.tif", data, photometric="palette", colormap=table)
    np.testing.assert_array_equal(read_image(tmp_path / "x.tif", content="mask").data > 0, white)
    np.testing.assert_array_equal(read_image(tmp_path / "x.tif", content="labels").data, data)


# -- pixel size ------------------------------------------------------------------------------


def test_imagej_has_a_unit_for_each_axis(tmp_path) -> None:
    metadata = {"unit": "um", "yunit": "nm"}
    tifffile.imwrite(tmp_path / "x.tif", PLANE, imagej=True, resolution=(2, 2), metadata=metadata)
    assert read_image(tmp_path / "x.tif").pixel_size_um == pytest.approx((0.0005, 0.5))


@pytest.mark.parametrize("unit", ["pixel", "parsec", "furlong", ""])
def test_an_unknown_unit_stays_unknown(tmp_path, unit) -> None:
    tifffile.imwrite(
        tmp_path / "x.tif", PLANE, imagej=True, resolution=(2, 2), metadata={"unit": unit}
    )
    assert read_image(tmp_path / "x.tif").pixel_size_um is None


def test_a_decimal_comma_is_no_number_and_a_sentence_says_so(tmp_path) -> None:
    write_ome(tmp_path / "x.ome.tif", description(PhysicalSizeX="0,5", PhysicalSizeY="0,5"))
    file = read_image(tmp_path / "x.ome.tif")
    assert file.pixel_size_um is None
    assert "“0,5”" in file.messages[0]


# -- hostile files ---------------------------------------------------------------------------


def test_a_description_with_entities_is_refused(tmp_path) -> None:
    text = description().replace("?>", '?><!DOCTYPE x [<!ENTITY a "b">]>', 1)
    write_ome(tmp_path / "x.ome.tif", text)
    with pytest.raises(InputError, match="entities"):
        read_image(tmp_path / "x.ome.tif")


@pytest.mark.parametrize(
    "text",
    [
        description(SizeZ=10**13),
        description('<TiffData PlaneCount="9999999999999"/>'),
        description(SizeT="many"),
    ],
)
def test_a_description_that_counts_planes_without_end_is_refused(tmp_path, text) -> None:
    write_ome(tmp_path / "x.ome.tif", text)
    with pytest.raises(InputError, match="planes"):
        read_image(tmp_path / "x.ome.tif")


@pytest.mark.parametrize("compression", [1, 5, 8])
def test_a_header_that_declares_more_than_the_file_can_hold_is_refused(
    tmp_path, compression
) -> None:
    tifffile.imwrite(tmp_path / "x.tif", PLANE, metadata=None)
    with tifffile.TiffFile(tmp_path / "x.tif", mode="r+") as file:
        tags = file.pages[0].tags
        changes = {"ImageWidth": 50_000, "ImageLength": 50_000, "RowsPerStrip": 50_000}
        for name, value in {**changes, "Compression": compression}.items():
            tags[name].overwrite(value)
    with pytest.raises(InputError, match="cut off or damaged"):
        read_image(tmp_path / "x.tif")


def test_a_file_that_is_cut_off_is_refused_before_memory_is_taken(tmp_path) -> None:
    tifffile.imwrite(tmp_path / "x.tif", np.zeros((5, 200, 300), np.uint16))
    whole = (tmp_path / "x.tif").read_bytes()
    (tmp_path / "x.tif").write_bytes(whole[: len(whole) // 3])
    with pytest.raises(InputError, match="cut off or damaged"):
        read_image(tmp_path / "x.tif")


@pytest.mark.parametrize("end", [bytes(10), b"\x08\0\0\0" + bytes(2) + b"\x08\0\0\0", b""])
def test_a_header_without_pages_is_refused(tmp_path, end) -> None:
    (tmp_path / "x.tif").write_bytes(b"II*\0" + end)
    with pytest.raises(InputError, match=r"x\.tif"):
        read_image(tmp_path / "x.tif")


def test_a_header_with_fewer_strips_than_its_size_asks_for_is_refused(tmp_path) -> None:
    tifffile.imwrite(tmp_path / "x.tif", PLANE, metadata=None)
    with tifffile.TiffFile(tmp_path / "x.tif", mode="r+") as file:
        for name, value in {"ImageLength": 5_000, "Compression": 7}.items():
            file.pages[0].tags[name].overwrite(value)
    with pytest.raises(InputError, match=r"holds only a part.*cut off or damaged"):
        read_image(tmp_path / "x.tif")
