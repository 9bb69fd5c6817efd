"""Images of several formats in a folder, and models in folders, as processes load them."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile
import zarr
from skimage.io import imsave

SHAPE = (32, 40)


def write_zarr(group, data) -> None:
    group.create_array("0", data=data)
    axes = [{"name": name, "type": "space", "unit": "micrometer"} for name in "yx"]
    scale = {"type": "scale", "scale": [0.5, 0.5]}
    datasets = [{"path": "0", "coordinateTransformations": [scale]}]
    group.attrs["ome"] = {"version": "0.5", "multiscales": [{"axes": axes, "datasets": datasets}]}


def write_plate(path, data, wells=None) -> None:
    """Write a plate; by default of two wells, with two fields in the first, one in the second."""
    root = zarr.open_group(path, mode="w", zarr_format=3)
    wells = wells or {"A/1": 2, "B/2": 1}
    root.attrs["ome"] = {
        "version": "0.5",
        "plate": {"wells": [{"path": name} for name in wells]},
    }
    for name, count in wells.items():
        well = root.create_group(name)
        images = [{"path": str(number)} for number in range(count)]
        well.attrs["ome"] = {"version": "0.5", "well": {"images": images}}
        for number in range(count):
            write_zarr(well.create_group(str(number)), data + number)


@pytest.fixture
def picture():
    """Return the function that makes a small image of random greys."""

    def make(seed=0, shape=SHAPE, dtype=np.uint16):
        return np.random.default_rng(seed).integers(0, 200, shape).astype(dtype)

    return make


@pytest.fixture
def folder(tmp_path, picture):
    """Folder of ten files of five formats, one of which is broken: the images are 11."""
    place = tmp_path / "in put #1"
    (place / "deep ü").mkdir(parents=True)
    tifffile.imwrite(place / "a.tif", picture(0))
    tifffile.imwrite(place / "b.tif", picture(1), metadata={"axes": "YX"}, ome=True)
    imsave(place / "a.png", picture(2, dtype=np.uint8), check_contrast=False)
    imsave(place / "c.png", picture(3, dtype=np.uint8), check_contrast=False)
    imsave(place / "d.jpg", picture(4, dtype=np.uint8), check_contrast=False)
    np.save(place / "e.npy", picture(5))
    write_zarr(zarr.open_group(place / "f.ome.zarr", mode="w", zarr_format=3), picture(6))
    with tifffile.TiffWriter(place / "g.tif") as file:
        for number in range(2):
            file.write(picture(7 + number, (32, 32 + number)), metadata=None)
    metadata = {"axes": "ZYX", "PhysicalSizeX": 0.5, "PhysicalSizeY": 0.5, "PhysicalSizeZ": 2}
    stack = picture(9, (2, 32, 32))
    tifffile.imwrite(place / "deep ü" / "h <x>.tif", stack, metadata=metadata, ome=True)
    (place / "broken.tif").write_bytes(b"II*\0 and then nothing")
    (place / "notes.txt").write_text("no image")
    (place / "._a.tif").write_bytes(b"left behind")
    return place


@pytest.fixture
def saved_model(tiny_model, tmp_path):
    from napari_cytosynth.zoo.model_files import save_model

    return save_model(tmp_path / "tiny", tiny_model.network, tiny_model.card)


@pytest.fixture
def write_a_plate():
    return write_plate


@pytest.fixture
def contents():
    """Return the function that gives the bytes of all files of a folder, but for the records."""

    def read(place):
        return {
            path.relative_to(place).as_posix(): path.read_bytes()
            for path in sorted(place.rglob("*"))
            if path.is_file() and path.suffix in (".csv", ".tif")
        }

    return read
