"""What is known of a file without its pixels is what reading it gives."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile
import zarr
from PIL import Image

from napari_cytosynth.errors import InputError
from napari_cytosynth.images.reading import inspect_image, read_image

GREY = np.arange(20 * 24, dtype=np.uint16).reshape(20, 24)


def _zarr(path):
    group = zarr.open_group(path, mode="w", zarr_format=3)
    group.create_array("0", data=GREY)
    axes = [{"name": name, "type": "space", "unit": "nanometer"} for name in "yx"]
    scale = [{"type": "scale", "scale": [500.0, 250.0]}]
    datasets = [{"path": "0", "coordinateTransformations": scale}]
    group.attrs["ome"] = {"version": "0.5", "multiscales": [{"axes": axes, "datasets": datasets}]}


def _czi(path):
    pyczi = pytest.importorskip("pylibCZIrw.czi")
    with pyczi.create_czi(str(path)) as file:
        file.write(data=GREY[..., None], plane={"C": 0})


def _series(path):
    with tifffile.TiffWriter(path) as file:
        for number in range(1, 4):
            file.write(np.zeros((20, 20 + number), np.uint8), metadata=None)


def _picture(mode):
    return lambda path: Image.new(mode, (24, 20)).save(path)


FILES = {
    "plain.tif": lambda path: tifffile.imwrite(path, GREY),
    "pages.tif": lambda path: tifffile.imwrite(
        path, np.stack([GREY] * 3), metadata=None, photometric="minisblack"
    ),
    "colours.tif": lambda path: tifffile.imwrite(
        path, np.zeros((20, 24, 3), np.uint8), photometric="rgb"
    ),
    "imagej.tif": lambda path: tifffile.imwrite(
        path,
        np.zeros((2, 3, 20, 24), np.uint16),
        imagej=True,
        resolution=(4, 4),
        metadata={"axes": "ZCYX", "unit": "um", "spacing": 3},
    ),
    "channels.ome.tif": lambda path: tifffile.imwrite(
        path,
        np.zeros((2, 20, 24, 3), np.uint8),
        photometric="rgb",
        ome=True,
        metadata={"axes": "CYXS", "PhysicalSizeX": 0.5, "PhysicalSizeY": 0.25},
    ),
    "series.tif": _series,
    **{f"{mode}.png": _picture(mode) for mode in ("1", "L", "P", "RGB", "RGBA", "I;16")},
    "L.jpg": _picture("L"),
    "array.npy": lambda path: np.save(path, np.zeros((3, 20, 24), np.float64)),
    "image.zarr": _zarr,
    "image.czi": _czi,
}


@pytest.mark.parametrize("name", FILES)
def test_what_is_said_of_a_file_is_what_is_read(name, tmp_path) -> None:
    FILES[name](tmp_path / name)
    contents = inspect_image(tmp_path / name)
    assert len(contents.series) == (3 if name == "series.tif" else 1)
    assert contents.others == ()
    for facts in contents.series:
        image = read_image(facts.place or tmp_path / name, None if facts.place else facts.series)
        assert facts.shape == image.data.shape
        assert facts.dtype == str(image.data.dtype)
        assert facts.axes == image.axes
        assert facts.pixel_size_um == image.pixel_size_um
        assert facts.z_size_um == image.z_size_um
        channels = None if image.axes is None else 1
        if "C" in (image.axes or ""):
            channels = image.data.shape[image.axes.index("C")]
        assert facts.channels == channels


@pytest.mark.parametrize("content", [b"", b"II*\0 cut", b"no image"])
@pytest.mark.parametrize("name", ["a.tif", "a.png", "a.npy", "a.czi"])
def test_a_broken_file_is_told_in_a_sentence(content, name, tmp_path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=f"“{name}”"):
        inspect_image(tmp_path / name)
    with pytest.raises(InputError, match="There is no image file"):
        inspect_image(tmp_path / "nowhere.tif")


def test_the_overview_of_a_slide_is_no_image_of_its_own(tmp_path) -> None:
    about = "Aperio Image Library v1|AppMag = 20|MPP = 0.5"
    with tifffile.TiffWriter(tmp_path / "slide.svs") as file:
        options = {"metadata": None, "photometric": "rgb"}
        colours = np.zeros((64, 64, 3), np.uint8)
        file.write(colours, description=about, tile=(32, 32), **options)
        file.write(colours[:16, :16], description="Aperio thumbnail", **options)
        file.write(colours[:8, :8], description="Aperio label", subfiletype=1, **options)
        file.write(colours[:8, :16], description="Aperio macro", subfiletype=9, **options)
    with tifffile.TiffFile(tmp_path / "slide.svs") as file:
        assert len(file.series) > 1
    (facts,) = inspect_image(tmp_path / "slide.svs").series
    assert (facts.shape, facts.name, facts.pixel_size_um) == ((64, 64, 3), "Baseline", 0.5)
