"""The demo shows the bundled models at work and leaves files that other programs read."""

from __future__ import annotations

import subprocess
import sys

import pandas as pd
import pytest
import tifffile

from napari_cytosynth.errors import CytosynthError
from napari_cytosynth.widgets.demo import demo, generate, stain
from napari_cytosynth.zoo.catalogue import bundled_folder, read_catalogue


def bundled():
    """The names of the models that are there."""
    return {entry.name for entry in read_catalogue() if bundled_folder(entry.name) is not None}


def test_the_demo_shows_what_is_bundled():
    there, shown = bundled(), set(demo.scenes())
    assert ({"nuclei", "stack", "doubt"} <= shown) == ("fluo-nuclei-unet" in there)
    assert ({"phase", "touching"} <= shown) == ("phase-cells-unet" in there)
    assert shown <= set(demo.SCENES)


def test_a_scene_of_a_model_that_is_not_there_is_left_out(monkeypatch):
    catalogue = "napari_cytosynth.zoo.catalogue.bundled_folder"
    monkeypatch.setattr(catalogue, lambda name: name == "phase-cells-unet" or None)
    assert list(demo.scenes()) == ["phase", "touching"]
    with pytest.raises(CytosynthError, match=r"no scene “stack” .* It has: phase, touching"):
        demo.run_demo(headless=True, scene="stack")


def test_the_demo_stains_only_with_a_model_that_is_there(monkeypatch):
    assert stain.can_stain() == (bundled_folder(stain.MODEL) is not None)
    monkeypatch.setattr("napari_cytosynth.zoo.catalogue.bundled_folder", lambda name: None)
    assert not stain.can_stain()
    assert generate.generator() is None
    assert not demo.scenes()
    with pytest.raises(CytosynthError, match="no bundled weights"):
        demo.run_demo(headless=True)


def test_the_demo_generates_with_the_best_model_that_is_there(monkeypatch):
    there = {"nuclei-wgan", "cellpainting-ddpm", "em-pairs-ddpm"}
    monkeypatch.setattr(
        "napari_cytosynth.zoo.catalogue.bundled_folder", lambda name: name in there or None
    )
    assert generate.generator() == "em-pairs-ddpm"
    there.remove("em-pairs-ddpm")
    assert generate.generator() == "cellpainting-ddpm"
    there.remove("cellpainting-ddpm")
    assert generate.generator() == "nuclei-wgan"


SMALL = """
import sys
from functools import partial
from napari_cytosynth.cli import main
from napari_cytosynth.phantoms import simulate
from napari_cytosynth.widgets.demo import generate, scene, stack

def small(make):
    return lambda shape=(256, 256), count=24, seed=0, **more: make(shape, count, seed, **more)

for name in ("fluorescent_nuclei", "phase_contrast_cells", "stained_cells"):
    setattr(simulate, name, small(getattr(simulate, name)))
stack.StackScene = partial(stack.StackScene, shape=(8, 192, 192))
generate.GenerateScene = partial(generate.GenerateScene, count=2)
scene.DRAWING_S = 0.1
sys.exit(main(sys.argv[1:]))
"""


def test_the_generate_scene_leaves_pictures_images_and_a_film(viewer, tiny_generator, tmp_path):
    written = generate.GenerateScene(viewer, tiny_generator("pairs"), 2).record(tmp_path)
    assert all(path.stat().st_size for path in written)
    names = {str(path.relative_to(tmp_path)) for path in written}
    assert {"generate.png", "generate-grid.png", "generate.gif"} <= names
    assert {"generate/images.tif", "generate/masks.tif", "generate/samples.csv"} <= names
    assert pd.read_csv(tmp_path / "generate" / "samples.csv")["seed"].tolist() == [0, 1]


@pytest.mark.slow
@pytest.mark.timeout(1200)  # a minute; many on a busy machine
@pytest.mark.skipif(
    not demo.scenes(),
    reason="the demo's weights are not in this checkout",
)
def test_a_headless_demo_writes_pictures_images_and_tables(tmp_path):
    """All scenes with the bundled weights, but smaller fields and fewer images."""
    command = [sys.executable, "-c", SMALL, "demo", "--headless"]
    result = subprocess.run(
        [*command, "--out", str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=1100,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    for name in demo.scenes().keys() - {"stain", "generate"}:
        assert (tmp_path / f"{name}.png").stat().st_size > 10_000
        least = 0 if name == "doubt" else 10
        assert len(pd.read_csv(tmp_path / f"{name}-table.csv")) >= least
    if generate.generator() is not None:
        assert (tmp_path / "generate.png").stat().st_size > 10_000
        assert len(pd.read_csv(tmp_path / "generate" / "samples.csv")) == 2
    if stain.can_stain():
        for name in ("stain", "stain-trust", "stain-second-opinion", "stain-segment"):
            assert (tmp_path / f"{name}.png").stat().st_size > 10_000
        nuclei = pd.read_csv(tmp_path / "stain-table.csv")
        assert {"real", "virtual", "uncertainty"} <= set(nuclei)
        assert len(nuclei) > 10
        assert tifffile.imread(tmp_path / "stain" / "std.tif").shape == (2, 256, 256)
