"""The manifest, what opening costs, and the samples."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
from npe2 import PluginManifest

import napari_cytosynth
from napari_cytosynth.errors import InputError, NetworkError
from napari_cytosynth.widgets import samples

MANIFEST = Path(napari_cytosynth.__file__).with_name("napari.json")


def test_the_manifest_offers_the_widgets_and_their_menus():
    manifest = PluginManifest.from_file(MANIFEST)
    widgets = {w.display_name for w in manifest.contributions.widgets}
    assert widgets == {
        "Generate",
        "Segment",
        "Stain",
        "Measure",
        "Look",
        "Batch",
        "Models",
        "Train",
    }
    menus = {f"napari/layers/{name}" for name in ("segment", "filter", "measure")}
    menus.add("napari/file/new_layer")
    assert menus <= set(manifest.contributions.menus)


WIDGETS = ("Generate", "Segment", "Stain", "Batch", "Models", "Train")


@pytest.fixture(scope="module")
def loads_torch():
    """Whether torch is there after each widget was opened, in one fresh process."""
    code = (
        "import sys\n"
        "from napari.viewer import Viewer\n"
        "viewer = Viewer(show=False)\n"
        f"for name in {WIDGETS}:\n"
        "    viewer.window.add_plugin_dock_widget('napari-cytosynth', name)\n"
        "    print('torch' in sys.modules)\n"
        "viewer.close()\n"
    )
    found = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        check=True,
        timeout=200,
        stdout=subprocess.PIPE,
        text=True,
    )
    return dict(zip(WIDGETS, found.stdout.split(), strict=True))


@pytest.mark.parametrize("name", WIDGETS)
def test_opening_the_widget_leaves_torch_alone(name, loads_torch):
    assert loads_torch[name] == "False"


@pytest.mark.parametrize("sample", [samples.phantom_nuclei, samples.phantom_phase])
def test_phantoms_come_with_their_truth(sample):
    (image, attributes, kind), (labels, _, other) = sample()
    assert (kind, other) == ("image", "labels")
    assert image.shape == labels.shape
    assert labels.max() > 5
    assert attributes["units"] == ("µm", "µm")


def test_the_stained_phantom_comes_with_its_true_stains_and_masks():
    layers = samples.phantom_stained()
    assert [kind for _, _, kind in layers] == ["image", "labels", "labels", "image", "image"]
    shown = [attributes["name"] for _, attributes, _ in layers if attributes.get("visible", True)]
    assert shown == ["phase"]
    assert len({data.shape for data, _, _ in layers}) == 1
    assert {tuple(attributes["units"]) for _, attributes, _ in layers} == {("µm", "µm")}


def test_pictures_of_scikit_image_need_no_download(monkeypatch):
    monkeypatch.delattr("pooch.retrieve")
    ((colours, about, kind),) = samples.histology()
    assert (colours.shape, kind, about["rgb"]) == ((512, 512, 3), "image", True)
    ((phase, about, _),) = samples.phase_cell()
    assert phase.ndim == 2
    assert about["scale"] == (0.107, 0.107)
    assert about["metadata"]["licence"] == "CC0-1.0"


def test_synthetic_electron_micrographs_come_with_their_masks(monkeypatch, tiny_generator):
    monkeypatch.setattr(samples, "_TISSUE", str(tiny_generator("pairs")))
    (image, attributes, kind), *masks = samples.synthetic_em()
    assert (kind, image.shape) == ("image", (8, 16, 16))
    assert attributes["metadata"]["napari-cytosynth"]["synthetic"]
    assert {kind for *_, kind in masks} == {"labels"}
    assert all(mask.shape == image.shape for mask, *_ in masks)


def test_the_synthetic_sample_is_made_by_the_model_and_marked(monkeypatch, tiny_generator):
    monkeypatch.setattr(samples, "_CELLS", str(tiny_generator("five")))
    layers = samples.synthetic_cells()
    assert len(layers) == 5
    image, attributes, kind = layers[0]
    assert kind == "image"
    assert image.shape == (8, 16, 16)
    assert attributes["metadata"]["napari-cytosynth"]["synthetic"]
    assert attributes["name"].startswith("synthetic")


def test_an_open_sample_is_downloaded_by_its_hash(monkeypatch, tmp_path):
    seen = []

    def retrieve(url, known_hash, fname, path):
        seen.append((url, known_hash, fname))
        tifffile.imwrite(tmp_path / f"{fname}.tif", np.ones((4, 5), np.uint8))
        return str(tmp_path / f"{fname}.tif")

    monkeypatch.setattr("pooch.retrieve", retrieve)
    (data, attributes, kind), (_, _, other) = samples.vnc_em()
    assert data.shape == (4, 5)
    assert (kind, other) == ("image", "labels")
    np.testing.assert_allclose(attributes["scale"], 0.0046)
    assert attributes["metadata"]["licence"] == "CC-BY-4.0"
    url, known_hash, _ = seen[0]
    assert "/ddfbb1ab1d69be7162f6e491c38992d0c3c4c085/stack1/raw/00.tif" in url
    assert known_hash.startswith("sha256:b76df299")


def test_offline_the_sample_says_what_to_do(monkeypatch):
    def retrieve(*args, **kwargs):
        raise OSError("no route to host")

    monkeypatch.setattr("pooch.retrieve", retrieve)
    with pytest.raises(NetworkError, match="simulated samples, which need no download"):
        samples.u2os_nuclei()
    with pytest.raises(InputError, match="no sample 'cats'"):
        samples.open_sample("cats")
