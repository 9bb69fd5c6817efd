"""Stainers and generators in the Train widget, with a stand-in for its process."""

from __future__ import annotations

import numpy as np
import pytest

from napari_cytosynth.phantoms import stained_cells
from napari_cytosynth.zoo.model_files import save_model

SPACE = {"scale": (0.5, 0.5), "units": ("µm", "µm")}


@pytest.fixture(scope="module")
def cells():
    return stained_cells((256, 256), count=20, seed=3)


@pytest.fixture
def stainer(make_stainer, tmp_path):
    model = make_stainer(example_size=(32, 32))
    return save_model(tmp_path / "stainer", model.network, model.card)


@pytest.fixture
def generator(make_generator, tmp_path):
    model = make_generator("classes")
    return save_model(tmp_path / "generator", model.network, model.card)


def shown(widget):
    parts = ("_pairs", "_painting", "_stains", "_images", "_folder", "_shift")
    return [name[1:] for name in parts if not getattr(widget, name).native.isHidden()]


@pytest.mark.parametrize("moved", [False, True])
def test_stains_are_learned_where_they_lie_and_a_shift_is_offered(
    viewer, make_train_widget, tuning, cells, stainer, moved, home
):
    dna = np.roll(cells.fluorescence[0], (9, -6), (0, 1)) if moved else cells.fluorescence[0]
    phase = viewer.add_image(cells.phase, name="phase", **SPACE)
    layer = viewer.add_image(dna, name="my dna", **SPACE)
    widget = make_train_widget()
    assert shown(widget) == ["pairs", "painting"]
    widget.teaches.value = "stain"
    widget.model.value = stainer
    assert shown(widget) == ["stains"]
    assert widget.stains.value[1] == {"DNA": layer}  # by its name
    widget.stains.value = (phase, {"DNA": layer})
    widget.run()
    assert widget.wait(20)
    if moved:
        assert not tuning.requests
        assert "“DNA”" in widget.status.value
        assert "lower" in widget.status.value
        assert shown(widget) == ["stains", "shift"]
        np.testing.assert_array_equal(layer.translate, (0, 0))
        widget._shift.native.click()
        np.testing.assert_allclose(layer.translate, (-4.5, 3.0), atol=1.0)
        assert "Moved “my dna”" in widget.status.value
        widget.run()
        assert widget.wait(20)
    (plane,) = tuning.requests[0].planes
    assert plane.names == ("DNA",)
    true = _part(cells.fluorescence[0], plane)
    assert np.corrcoef(plane.stains[0].ravel(), true.ravel())[0, 1] > 0.9
    assert "before → after: PCC 0.400 → 0.600" in widget.status.value
    names = [one.name for one in viewer.layers]
    assert "before – DNA" in names
    assert "after – AGP" in names
    place = widget.keep()
    assert place.parent == home / "models"
    assert "chosen in Stain" in widget.status.value
    stain = next(w for n, w in viewer.window.dock_widgets.items() if n.startswith("Stain"))
    assert stain.model.value == place.name


def _part(true, plane):
    """What of the true stain lies on the plane: where the moved one was cut away, it is too."""
    height, width = plane.stains.shape[1:]
    return true[:height, true.shape[1] - width :]


def test_nothing_begins_without_a_stain(viewer, make_train_widget, tuning, cells, stainer):
    viewer.add_image(cells.phase, name="phase", **SPACE)
    widget = make_train_widget()
    widget.teaches.value = "stain"
    widget.run()
    assert "Choose a model first" in widget.status.value
    widget.model.value = stainer
    widget.run()
    assert "the layer of one stain at least" in widget.status.value
    assert not tuning.requests


def test_a_generator_takes_stacks_of_each_class(viewer, make_train_widget, tuning, generator):
    rng = np.random.default_rng(0)
    stacks = [
        viewer.add_image(rng.integers(0, 255, (5, 24, 24, 3), np.uint8), name=n, rgb=True)
        for n in "ab"
    ]
    widget = make_train_widget()
    widget.teaches.value = "generate"
    widget.model.value = generator
    assert shown(widget) == ["images"]
    widget.images.value = [(stacks[0], "cancerous"), (stacks[1], "non-cancerous")]
    tuning.before, tuning.after = {"loss": 0.5}, {"loss": 0.4}
    widget.run()
    assert widget.wait(60)
    assert tuning.requests, widget.status.value
    labels = [plane.label for plane in tuning.requests[0].planes]
    assert labels == ["cancerous"] * 5 + ["non-cancerous"] * 5
    np.testing.assert_array_equal(
        tuning.requests[0].planes[0].image, np.moveaxis(stacks[0].data[0], -1, 0)
    )
    assert "loss 0.500 → 0.400" in widget.status.value
    after = viewer.layers["after"]
    assert after.rgb
    assert after.translate[-1] > after.data.shape[1]
    widget.keep()
    assert "chosen in Generate" in widget.status.value
