"""What a user sees of the Stain widget, with a stand-in for the network."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest

from napari_cytosynth.errors import InputError

KEY = "napari-cytosynth"
NAMES = [f"{n}{r} · virtual · cells" for r in ("", " σ") for n in ("DNA", "AGP")]


@pytest.fixture
def cells(viewer, blobs):
    return viewer.add_image(blobs, name="cells", scale=(0.5, 0.5), units=("µm", "µm"))


@pytest.fixture
def views(stainer, knowing_card):
    """Views that spread as the image is bright, and a card that knows what is usual."""
    stainer.card = knowing_card(doubt=False)


@pytest.fixture
def ran(cells, make_stain_widget):
    """A widget after one run of four samples."""
    widget = make_stain_widget()
    widget.samples.value = 4
    widget.run()
    assert widget.wait(20)
    return widget


def test_run_adds_mean_and_uncertainty_where_the_image_lies(viewer, ran, cells, stainer):
    assert [layer.name for layer in viewer.layers] == ["cells", *NAMES]
    mean = viewer.layers[1]
    np.testing.assert_allclose(mean.data, 100 * cells.data)
    np.testing.assert_allclose(mean.extent.world, cells.extent.world)
    assert mean.units == cells.units
    assert mean.metadata[KEY]["uncertainty_layer"] == NAMES[2]
    assert ran.status.value == "Done. 4 samples."
    assert ran.staining.count == 4
    assert (stainer.runs[0]["samples"], stainer.runs[0]["seed"]) == (4, 0)
    assert ran.image.choices == (cells,)  # not its own results


def test_without_samples_there_is_no_uncertainty(viewer, cells, make_stain_widget):
    widget = make_stain_widget()
    widget.samples.value = 0
    widget.run()
    assert widget.wait(20)
    assert [layer.name for layer in viewer.layers] == ["cells", *NAMES[:2]]


@pytest.mark.binding
def test_layers_appear_with_the_first_sample_and_sharpen(
    viewer, cells, make_stain_widget, stainer, qtbot
):
    stainer.hold_at = 1
    widget = make_stain_widget()
    widget.run()
    qtbot.waitUntil(lambda: len(viewer.layers) == 3, timeout=10_000)
    assert [layer.name for layer in viewer.layers] == ["cells", *NAMES[:2]]
    assert viewer.layers[1].data.max() == pytest.approx(90)
    stainer.hold_at = 2
    qtbot.waitUntil(lambda: len(viewer.layers) == 5, timeout=10_000)
    stainer.gate.set()
    assert widget.wait(20)
    assert [layer.name for layer in viewer.layers] == ["cells", *NAMES]


def test_every_plane_sharpens(viewer, make_stain_widget, stainer, blobs, qtbot):
    stack = viewer.add_image(np.stack([blobs, blobs + 1, blobs + 2]), name="cells")
    stainer.hold_at = 2
    widget = make_stain_widget()
    widget.run()
    qtbot.waitUntil(lambda: len(viewer.layers) == 5, timeout=10_000)
    np.testing.assert_allclose(viewer.layers[1].data, 100 * stack.data)
    np.testing.assert_allclose(viewer.layers[3].data, stack.data)
    stainer.gate.set()
    assert widget.wait(20)


def test_enough_keeps_the_samples_drawn_so_far(viewer, cells, make_stain_widget, stainer):
    stainer.hold_at = 3
    widget = make_stain_widget()
    widget.run()
    assert stainer.held.wait(10)
    assert widget._enough_button.native.isVisibleTo(widget.native)
    widget._enough_button.native.click()
    stainer.gate.set()
    assert widget.wait(20)
    assert widget.status.value == "Done. 3 samples."
    assert len(viewer.layers) == 5
    assert not widget._enough_button.native.isVisibleTo(widget.native)


def test_cancel_takes_the_unfinished_layers_away(viewer, cells, make_stain_widget, stainer, qtbot):
    stainer.hold_at = 2
    widget = make_stain_widget()
    widget._run_button.native.click()
    qtbot.waitUntil(lambda: len(viewer.layers) == 5, timeout=10_000)
    assert widget._run_button.text == "Cancel"
    widget._run_button.native.click()
    assert widget.wait(20)
    assert [layer.name for layer in viewer.layers] == ["cells"]
    assert widget.status.value == "Stopped. Your layers are as they were."
    stainer.gate.set()
    widget.run()
    assert widget.wait(20)
    assert len(viewer.layers) == 5


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (InputError("This model was not trained with dropout."), "⚠ This model was not trained"),
        (RuntimeError("shapes differ"), "RuntimeError: shapes differ"),
        (MemoryError(), "not enough memory"),
    ],
)
def test_an_error_is_a_sentence_and_leaves_nothing_behind(
    viewer, cells, make_stain_widget, stainer, error, sentence
):
    widget = make_stain_widget()
    stainer.error = error
    widget.run()
    assert widget.wait(20)
    assert sentence in widget.status.value
    assert len(viewer.layers) == 1
    stainer.error = None
    widget.run()
    assert widget.wait(20)
    assert len(viewer.layers) == 5


def test_the_image_and_a_result_may_go_during_a_run(
    viewer, cells, make_stain_widget, stainer, qtbot
):
    stainer.hold_at = 2
    widget = make_stain_widget()
    widget.run()
    qtbot.waitUntil(lambda: len(viewer.layers) == 5, timeout=10_000)
    viewer.layers.remove("cells")
    viewer.layers.remove(NAMES[1])
    widget.run()
    assert "under way" in widget.status.value
    stainer.gate.set()
    assert widget.wait(20)
    assert [layer.name for layer in viewer.layers] == [NAMES[0], *NAMES[2:]]
    widget.hide_doubtful.value = 50
    viewer.layers.clear()
    assert widget.staining is None


def test_closing_the_dock_during_a_run_takes_its_layers_away(
    viewer, cells, make_stain_widget, stainer, qtbot
):
    stainer.hold_at = 2
    widget = make_stain_widget()
    widget.run()
    qtbot.waitUntil(lambda: len(viewer.layers) == 5, timeout=10_000)
    viewer.window.remove_dock_widget(widget.native)
    widget.wait(20)
    assert [layer.name for layer in viewer.layers] == ["cells"]


def test_only_the_plane_in_view(viewer, make_stain_widget, blobs, stainer):
    viewer.add_image(np.stack([blobs * 0, blobs]), name="cells")
    viewer.dims.set_current_step(0, 1)
    widget = make_stain_widget()
    widget.planes.value = "current plane"
    widget.run()
    assert widget.wait(20)
    assert stainer.runs[0]["planes"] == (1,)
    assert viewer.layers[1].data.shape == (1, 64, 64)
    widget.planes.value = "whole stack"
    widget.run()
    assert widget.wait(20)
    assert stainer.runs[1]["first_plane"] == (1,)
    assert viewer.layers[-1].data.shape == (2, 64, 64)


# -- trust ------------------------------------------------------------------------------------


def test_hiding_is_live_and_loses_nothing(viewer, views, ran, cells):
    mean = viewer.layers[1]
    whole = mean.data.copy()
    ran.hide_doubtful.value = 4  # in the 200 brightest of 4096 pixels the views differ most
    hidden = np.isnan(mean.data)
    assert 0 < hidden.sum() <= 0.05 * hidden.size
    assert cells.data[hidden].min() == pytest.approx(0.9)
    assert ran.hidden.value == (
        "Hidden in DNA and AGP: the 4 % of the stain where the views differ most for its "
        "brightness (from 9, 9 times the usual on)."
    )
    ran.hide_doubtful.value = 100
    assert np.isnan(mean.data).all()
    assert ran.hidden.value == "Hidden: all of DNA and AGP."
    ran.hide_doubtful.value = 0
    np.testing.assert_array_equal(mean.data, whole)
    assert ran.hidden.value == "Nothing is hidden."


def test_hidden_values_come_back_when_the_dock_closes_or_a_run_follows(viewer, views, ran):
    mean = viewer.layers[1]
    ran.hide_doubtful.value = 50
    assert np.isnan(mean.data).any()
    ran.run()
    assert ran.wait(20)
    assert not np.isnan(mean.data).any()
    assert ran.hide_doubtful.value == 0
    assert len(viewer.layers) == 5
    ran.hide_doubtful.value = 50
    assert np.isnan(mean.data).any()
    viewer.window.remove_dock_widget(ran.native)
    assert not np.isnan(mean.data).any()


def test_hiding_follows_the_plane_in_view_and_the_layer_shown(
    viewer, views, make_stain_widget, blobs
):
    viewer.add_image(np.stack([blobs, blobs.T]), name="cells")
    viewer.dims.set_current_step(0, 0)
    widget = make_stain_widget()
    widget.run()
    assert widget.wait(20)
    dna, agp = viewer.layers[1], viewer.layers[2]
    agp.visible = False
    widget.hide_doubtful.value = 4
    assert [bool(np.isnan(plane).any()) for plane in dna.data] == [True, False]
    viewer.dims.set_current_step(0, 1)
    assert np.isnan(dna.data[1]).any()
    assert not np.isnan(agp.data).any()
    agp.visible = True
    assert np.isnan(agp.data[1]).any()


def test_segment_sees_what_is_hidden_and_how_certain_it_is(viewer, views, ran, make_widget):
    ran.hide_doubtful.value = 50
    segment = make_widget()
    segment.image.value = viewer.layers[1]
    segment.run()
    assert segment.wait(20)
    assert np.isfinite(segment.segmentation.probability).all()
    segment.threshold.value = 0.95
    assert segment.wait(20)
    features = next(layer.features for layer in viewer.layers if layer._type_string == "labels")
    np.testing.assert_allclose(features["mean_uncertainty"], viewer.layers["cells"].data.mean())


def test_a_real_stain_beside_the_virtual_one(viewer, ran, cells, tmp_path):
    real = viewer.add_image(100 * cells.data + 1, name="Hoechst", scale=cells.scale)
    labels = np.zeros((64, 64), np.int32)
    labels[5:15, 5:15], labels[30:40, 30:40] = 1, 2
    viewer.add_labels(labels, name="nuclei")
    ran.compare_with.value = real
    assert ran.wait(20)
    assert ran.agreement.value.startswith("DNA: PCC 1.000 · SSIM ")
    difference = viewer.layers["DNA difference · virtual − Hoechst"]
    np.testing.assert_allclose(difference.data, -1, atol=1e-4)
    ran.compare_cells.value = viewer.layers["nuclei"]
    assert ran.wait(20)
    table = ran._panel.table
    np.testing.assert_allclose(table["real"], 91, rtol=1e-5)
    np.testing.assert_allclose(table["virtual"], 90, rtol=1e-5)
    np.testing.assert_allclose(table["uncertainty"], 0.9, rtol=1e-5)
    ran.save_csv(tmp_path / "table.csv")
    assert (tmp_path / "table.csv").read_text().startswith("label,area_px,real,virtual,difference")
    assert sum(layer.name == "DNA difference · virtual − Hoechst" for layer in viewer.layers) == 1


def test_a_real_image_of_another_size_is_refused(viewer, ran):
    ran.compare_with.value = viewer.add_image(np.eye(30), name="other field")
    assert ran.wait(20)
    assert ran.agreement.value.startswith("⚠ ")


def test_a_second_opinion_marks_what_only_one_model_paints(viewer, ran, stainer):
    ran.other_model.value = "fake/rival"
    ran._panel.ask.native.click()
    assert ran.wait(20)
    assert stainer.runs[-1]["model"] == "fake/rival"
    assert stainer.runs[-1]["samples"] is None  # as the other model's card says
    assert "2 places where pixels differ more than is usual" in ran.opinion.value
    assert viewer.layers["DNA disagreement · two models"].data.max() == pytest.approx(5)
    points = viewer.layers["unusual differences"]
    np.testing.assert_allclose(points.data, [[23.5, 23.5]] * 2)
    assert list(points.features["stain"]) == ["DNA", "AGP"]


# -- before the run ---------------------------------------------------------------------------


def test_an_unusual_image_is_told_of_before_the_run(viewer, cells, make_stain_widget, tiny_folder):
    asked = []

    def check(plane, card, size):
        asked.append((plane.shape, card.name, size))
        return ["This looks unlike what the model was trained on: it is very dark."]

    widget = make_stain_widget(check=check)
    widget.model.value = tiny_folder
    assert widget.wait(20)
    assert asked[-1] == ((1, 64, 64), "tiny", (0.5, 0.5))
    assert widget._check.value.startswith("⚠ This looks unlike")
    assert widget._run_button.text == "Run anyway"
    assert widget.stains.value == ["DNA", "AGP"]
    widget.stains.value = ["AGP"]
    widget.run()
    assert widget.wait(20)
    assert [layer.name for layer in viewer.layers] == ["cells", NAMES[1], NAMES[3]]


def test_no_stain_no_run(viewer, cells, make_stain_widget, tiny_folder):
    widget = make_stain_widget()
    widget.model.value = tiny_folder
    widget.stains.value = []
    widget.run()
    assert widget.status.value.startswith("⚠ Choose at least one stain")


def test_the_script_makes_the_result_again(ran, qapp):
    ran.copy_as_python()
    assert "cytosynth.stain(" in qapp.clipboard().text()
    assert "samples=4" in qapp.clipboard().text()


def test_nothing_leaks(viewer, views, make_stain_widget):
    viewer.add_image(np.ones((257, 263), np.float32), name="cells")
    widget = make_stain_widget()
    ghosts = []
    for _ in range(3):
        widget.run()
        assert widget.wait(20)
        widget.hide_doubtful.value = 30
        ghosts += [weakref.ref(layer.data) for layer in list(viewer.layers)[1:]]
        ghosts += [weakref.ref(widget.staining), weakref.ref(widget.staining.mean)]
        for layer in list(viewer.layers)[1:]:
            viewer.layers.remove(layer)
    del layer
    gc.collect()
    assert len(ghosts) == 18
    assert sum(ghost() is not None for ghost in ghosts) == 0


def test_views_and_samples_follow_the_card_of_the_model_until_the_user_chooses(
    viewer, cells, make_stain_widget, make_stainer, tmp_path
):
    from napari_cytosynth.zoo.card import StainError, StainUncertainty
    from napari_cytosynth.zoo.model_files import save_model

    curve = StainError(levels=[0.0, 1.0], errors=[0.1, 0.2])
    older = dict.fromkeys(("sigma_scale", "sigma_slope", "sigma_floor", "sigma_samples"))
    model = make_stainer(uncertainty=StainUncertainty(stains=[curve, curve], views=4), **older)
    plain = make_stainer()
    widget = make_stain_widget()
    for one, passes in ((model, (4, 0)), (plain, (1, 16))):
        folder = save_model(tmp_path / str(passes[0]), one.network, one.card)
        widget.model.value = folder
        assert widget.wait(20)
        assert (widget.views.value, widget.samples.value) == passes
        widget.views.value, widget.samples.value = 3, 7
        widget.run()  # after which the card is looked at again
        assert widget.wait(20)
        assert (widget.views.value, widget.samples.value) == (3, 7)
    widget.views.value, widget.samples.value = 2, 5  # of an older model, the choice is kept
    widget.model.value = "fake/model"
    assert widget.wait(20)
    assert (widget.views.value, widget.samples.value) == (2, 5)
