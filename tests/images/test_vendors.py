from __future__ import annotations

import sys
from types import SimpleNamespace

import numpy as np
import pytest

from napari_cytosynth.errors import InputError
from napari_cytosynth.images import vendors
from napari_cytosynth.images.reading import read_image

PLANES = np.arange(2 * 3 * 20 * 30, dtype=np.uint16).reshape(2, 3, 20, 30)


@pytest.fixture
def czi(tmp_path):
    """A file of two channels and three planes, as Zeiss's own library writes it."""
    library = pytest.importorskip("pylibCZIrw.czi")
    path = tmp_path / "cells.czi"
    with library.create_czi(str(path)) as document:
        for channel, z in np.ndindex(2, 3):
            place = {"C": channel, "Z": z, "T": 0}
            document.write(PLANES[channel, z][..., None], plane=place)
        document.write_metadata("cells", scale_x=0.2e-6, scale_y=0.2e-6)
    return path


@pytest.mark.filterwarnings("ignore")  # of bioio's own dependencies
def test_a_czi_is_read(czi):
    file = read_image(czi)
    np.testing.assert_array_equal(file.data, PLANES)
    assert (file.axes, file.pixel_size_um) == ("CZYX", pytest.approx(0.2))
    assert not file.messages
    with pytest.raises(InputError, match="there is no series 1"):
        read_image(czi, 1)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("suffix", vendors.VENDOR_SUFFIXES)
def test_what_is_none_of_these_is_explained(tmp_path, suffix):
    pytest.importorskip("bioio")
    path = tmp_path / f"x{suffix}"
    for content in (b"", b"no image", bytes(2000)):
        path.write_bytes(content)
        with pytest.raises(InputError, match=rf"“x\{suffix}” cannot be read as an image"):
            read_image(path)


@pytest.mark.parametrize("suffix", vendors.VENDOR_SUFFIXES)
def test_without_the_extra_it_is_named(tmp_path, monkeypatch, suffix):
    monkeypatch.setitem(sys.modules, "bioio", None)
    (tmp_path / f"x{suffix}").write_bytes(b"any")
    with pytest.raises(InputError, match=r'pip install "napari-cytosynth\[readers\]"'):
        read_image(tmp_path / f"x{suffix}")


class Scenes:
    """Two scenes, of colours and of grey planes, as bioio hands them out."""

    scenes = ("small", "large")
    physical_pixel_sizes = SimpleNamespace(Z=None, Y=0.5, X=0.25)
    dtype = np.dtype(np.uint8)

    def set_scene(self, number):
        shape = ((1, 1, 1, 4, 5, 3), (2, 1, 1, 8, 9))[number]
        self.data, self.shape = np.zeros(shape, np.uint8), shape
        self.dims = SimpleNamespace(order="TCZYXS"[: len(shape)])


@pytest.mark.parametrize(
    ("series", "axes", "shape"),
    [(None, "TYX", (2, 8, 9)), (0, "YXC", (4, 5, 3)), ("large", "TYX", (2, 8, 9))],
)
def test_the_largest_scene_is_read_unless_one_is_chosen(tmp_path, monkeypatch, series, axes, shape):
    monkeypatch.setattr(vendors, "_opened", lambda path: Scenes())
    file = vendors.read_vendor(tmp_path / "x.lif", series)
    assert (file.axes, file.data.shape, file.pixel_size_um) == (axes, shape, (0.5, 0.25))
    assert bool(file.messages) == (series is None)


def test_an_unknown_pixel_size_stays_unknown(tmp_path, monkeypatch):
    scenes = Scenes()
    scenes.physical_pixel_sizes = SimpleNamespace(Z=None, Y=None, X=0.0)
    monkeypatch.setattr(vendors, "_opened", lambda path: scenes)
    assert vendors.read_vendor(tmp_path / "x.lif").pixel_size_um is None
    assert vendors.read_vendor(tmp_path / "x.lif").z_size_um is None
    scenes.physical_pixel_sizes = SimpleNamespace(Z=3, Y=0.5, X=0.5)
    file = vendors.read_vendor(tmp_path / "x.lif")
    assert (file.pixel_size_um, file.z_size_um) == (0.5, 3)


def test_a_scene_beyond_the_memory_is_refused(tmp_path, monkeypatch):
    scenes = Scenes()
    monkeypatch.setattr(vendors, "_opened", lambda path: scenes)
    monkeypatch.setattr(vendors, "_shape", lambda image, number: (10**7, 10**7))
    with pytest.raises(InputError, match="GB of memory are needed"):
        vendors.read_vendor(tmp_path / "x.lif", 0)
