"""What becomes of generated images: grid, film, files, walk, nearest training image."""

from __future__ import annotations

import gc
import sys
import weakref

import numpy as np
import pytest
from qtpy.QtWidgets import QFileDialog

from napari_cytosynth.errors import CytosynthError

KEY = "napari-cytosynth"
NAMES = ["synthetic fake – DNA", "synthetic fake – AGP"]
SIDE = 16


def names(viewer):
    return [layer.name for layer in viewer.layers]


def test_all_samples_side_by_side_and_back(viewer, ran):
    ran.show_as_grid.value = True
    shown = [layer for layer in viewer.layers if layer.visible]
    assert [layer.name for layer in shown] == [f"{name}, grid" for name in NAMES]
    assert shown[0].data.shape == (2 * SIDE + 2, 2 * SIDE + 2)
    assert shown[0].metadata[KEY]["synthetic"]
    assert ran.in_view.value == ""
    ran.show_as_grid.value = False
    assert names(viewer) == NAMES
    assert all(layer.visible for layer in viewer.layers)


def test_the_trajectory_is_a_second_slider_and_a_film(
    viewer, make_generate_widget, tmp_path, monkeypatch
):
    widget = make_generate_widget()
    widget.keep_trajectory.value = True
    widget.run()
    assert widget.wait(20)
    assert names(viewer) == NAMES + [f"{name}, steps" for name in NAMES]
    layer = viewer.layers[NAMES[0]]
    assert tuple(layer.axis_labels) == ("sample", "step", "y", "x")
    assert tuple(viewer.dims.point[:2]) == (0, 2)
    assert widget.in_view.value.startswith("In view: sample 0")
    path = tmp_path / "film.gif"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(path), ""))
    widget._panel.save_animation.native.click()
    assert widget.wait(20)
    assert path.read_bytes().startswith(b"GIF")
    assert widget.status.value == f"Saved {path}"


def test_samples_that_move_with_the_slider_of_an_earlier_run_say_so(viewer, make_generate_widget):
    widget = make_generate_widget()
    widget.keep_trajectory.value = True
    widget.run()
    assert widget.wait(20)
    assert "remove those layers" not in widget.status.value
    viewer.dims.set_current_step(1, viewer.dims.nsteps[1] - 1)
    widget.keep_trajectory.value = False
    widget.run()
    assert widget.wait(20)
    assert "remove those layers" in widget.status.value
    assert viewer.dims.current_step[1] == 0  # the first sample, not a place beyond them


def test_images_without_steps_have_no_film(ran, tmp_path):
    assert not ran._panel.save_animation.enabled
    ran.save_animation(tmp_path / "film.gif")
    assert ran.wait(20)
    assert ran.status.value.startswith("⚠ There is nothing to make a film of")


def test_what_is_saved_is_marked(ran, tmp_path):
    ran.save(tmp_path / "out")
    assert ran.wait(20)
    assert "13" in (tmp_path / "out" / "samples.csv").read_text()
    assert (tmp_path / "out" / "contact-sheet.png").stat().st_size > 0
    file = tmp_path / "out" / "images.tif"
    assert b"SYNTHETIC" in file.read_bytes().upper()


def test_a_walk_between_two_seeds(viewer, ran, fake):
    ran.seed_from.value, ran.seed_to.value, ran.walk_images.value = 3, 5, 5
    ran._panel.walk.native.click()
    assert ran.wait(20)
    assert (fake.runs[-1]["seed"], fake.runs[-1]["walk_to"]) == (3, 5)
    assert len(viewer.layers[-1].data) == 5
    viewer.dims.set_point(0, 1)
    assert ran.in_view.value == "In view: sample 1 (0 to 4), 25% of the way from seed 3 to 5."
    assert ran._panel.save_animation.enabled


def test_the_nearest_training_image(viewer, ran, tmp_path):
    ran.look_up_nearest()
    assert ran.wait(20)
    assert "Unusually near, as one real image in twenty is: sample 0." in ran.distances.value
    assert "0.4 (0.2 to 0.6)" in ran.distances.value
    assert "nearest training image" in ran.in_view.value
    assert names(viewer) == NAMES
    ran.training_data.value = str(tmp_path)
    for _ in range(2):
        ran.look_up_nearest()
        assert ran.wait(20)
    real = viewer.layers["nearest training image – DNA"]
    np.testing.assert_allclose(real.data, viewer.layers[0].data + 0.01)
    assert real.translate[-1] > viewer.layers[0].extent.world[1][-1]
    assert "synthetic" not in real.metadata[KEY]
    assert len(viewer.layers) == 4


def test_the_neighbours_share_the_sliders_of_a_trajectory(viewer, make_generate_widget, tmp_path):
    widget = make_generate_widget()
    widget.keep_trajectory.value = True
    widget.run()
    assert widget.wait(20)
    widget.training_data.value = str(tmp_path)
    widget.look_up_nearest()
    assert widget.wait(20)
    made, real = viewer.layers[NAMES[1]], viewer.layers["nearest training image – AGP"]
    assert real.axis_labels == made.axis_labels == ("sample", "step", "y", "x")
    np.testing.assert_allclose(real.data, made.data + 0.01)
    assert tuple(real.translate[:3]) == tuple(made.translate[:3]) == (0, 2, 0)
    assert real.translate[-1] > made.extent.world[1][-1]
    assert real.contrast_limits == made.contrast_limits


def test_without_the_training_packages_the_neighbour_is_not_shown(monkeypatch, tmp_path):
    from napari_cytosynth.widgets.generate.job import real_tasks

    monkeypatch.setitem(
        sys.modules, "napari_cytosynth.training.generate.evaluate.training_crops", None
    )
    with pytest.raises(CytosynthError, match=r"napari-cytosynth\[train\]"):
        real_tasks().training_crops(tmp_path)


def test_no_embeddings_no_distance(make_generate_widget):
    widget = make_generate_widget()
    widget.model.value = "no/embeddings"
    widget.run()
    assert widget.wait(20)
    widget.look_up_nearest()
    assert widget.wait(20)
    assert widget.distances.value == "⚠ The model carries no embeddings."


def test_the_script_makes_the_result_again(ran, qapp):
    ran.copy_as_python()
    assert "cytosynth.generate(" in qapp.clipboard().text()
    assert "seed=10" in qapp.clipboard().text()


def test_synthetic_images_can_be_segmented(viewer, ran, make_widget):
    assert [layer.name for layer in make_widget().image.choices] == NAMES[::-1]


def test_nothing_leaks(viewer, make_generate_widget):
    widget = make_generate_widget()
    ghosts = []
    for _ in range(3):
        widget.run()
        assert widget.wait(20)
        ghosts += [weakref.ref(layer.data) for layer in viewer.layers]
        ghosts += [weakref.ref(widget.generation), weakref.ref(widget.generation.images)]
        viewer.layers.clear()
    gc.collect()
    assert len(ghosts) == 12
    assert sum(ghost() is not None for ghost in ghosts) == 0
