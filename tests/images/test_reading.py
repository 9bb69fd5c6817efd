from __future__ import annotations

import numpy as np
import pytest
import tifffile
from skimage.io import imsave

from napari_cytosynth.errors import InputError
from napari_cytosynth.images.reading import read_image

STACK = np.arange(2 * 3 * 8 * 9, dtype=np.uint16).reshape(2, 3, 8, 9)


def test_an_ome_tiff_tells_its_axes_and_pixel_size(tmp_path) -> None:
    path = tmp_path / "x.ome.tif"
    metadata = {"axes": "ZCYX", "PhysicalSizeX": 5, "PhysicalSizeXUnit": "nm"}
    tifffile.imwrite(path, STACK, metadata=metadata)
    file = read_image(path)
    assert file.axes == "ZCYX"
    assert file.pixel_size_um == pytest.approx(0.005)
    np.testing.assert_array_equal(file.data, STACK)


def test_an_imagej_tiff_tells_its_axes_and_pixel_size(tmp_path) -> None:
    path = tmp_path / "x.tif"
    metadata = {"axes": "TCYX", "unit": "um"}
    tifffile.imwrite(path, STACK, imagej=True, resolution=(5, 5), metadata=metadata)
    file = read_image(path)
    assert (file.axes, file.pixel_size_um) == ("TCYX", pytest.approx(0.2))


def test_pixels_that_are_not_square_keep_both_sizes(tmp_path) -> None:
    metadata = {"axes": "YX", "PhysicalSizeX": 0.5, "PhysicalSizeY": 2000, "PhysicalSizeYUnit": "nm"}  # fmt: skip  # noqa: E501
    tifffile.imwrite(tmp_path / "x.ome.tif", STACK[0, 0], metadata=metadata)
    assert read_image(tmp_path / "x.ome.tif").pixel_size_um == pytest.approx((2, 0.5))
    path = tmp_path / "x.tif"
    tifffile.imwrite(
        path, STACK[0, 0], imagej=True, resolution=(5, 2), metadata={"axes": "YX", "unit": "um"}
    )
    assert read_image(path).pixel_size_um == pytest.approx((0.5, 0.2))


@pytest.mark.parametrize("shape", [(8, 9), (4, 8, 9)])
def test_a_plain_tiff_says_nothing_that_it_does_not_know(tmp_path, shape) -> None:
    tifffile.imwrite(
        tmp_path / "x.tif", np.zeros(shape, np.uint16), metadata=None, photometric="minisblack"
    )
    file = read_image(tmp_path / "x.tif")
    assert file.pixel_size_um is None
    assert file.axes in (None, "YX")


def test_png_and_npy(tmp_path) -> None:
    imsave(tmp_path / "grey.png", STACK[0, 0].astype(np.uint8), check_contrast=False)
    imsave(tmp_path / "rgb.png", np.zeros((4, 5, 3), np.uint8), check_contrast=False)
    np.save(tmp_path / "x.npy", STACK)
    assert read_image(tmp_path / "grey.png").axes == "YX"
    assert read_image(tmp_path / "rgb.png").axes == "YXC"
    assert read_image(tmp_path / "x.npy").data.shape == STACK.shape


def test_what_is_no_image_is_refused(tmp_path) -> None:
    (tmp_path / "x.png").write_bytes(b"nothing")
    np.save(tmp_path / "pickle.npy", np.array([{}], object), allow_pickle=True)
    for name in ("x.png", "pickle.npy"):
        with pytest.raises(InputError, match=name):
            read_image(tmp_path / name)
    with pytest.raises(InputError, match="no image file"):
        read_image(tmp_path / "none.tif")


def test_a_picture_may_have_any_number_of_pixels(tmp_path, monkeypatch):
    from PIL import Image

    Image.fromarray(np.zeros((8, 9), np.uint8)).save(tmp_path / "mosaic.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    assert read_image(tmp_path / "mosaic.png").data.shape == (8, 9)
    assert Image.MAX_IMAGE_PIXELS == 10
