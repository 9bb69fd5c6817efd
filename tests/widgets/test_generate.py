"""What a user sees of the Generate widget, with a stand-in for the network."""

from __future__ import annotations

import dataclasses
import gc
import threading
import warnings
import weakref
from types import SimpleNamespace

import numpy as np
import pytest
from qtpy.QtWidgets import QFileDialog

from napari_cytosynth.errors import Cancelled, CytosynthError, InputError, ModelError
from napari_cytosynth.tasks.generation import Generation
from napari_cytosynth.tasks.nearest import Nearest

KEY = "napari-cytosynth"
NAMES = ["synthetic fake – DNA", "synthetic fake – AGP"]
SIDE = 16


class FakeGenerator:
    """Two images at a time, three steps each; image of seed s is s / 100 everywhere."""

    def __init__(self):
        self.runs = []
        self.hold_at = None
        self.gate = threading.Event()
        self.held = threading.Event()
        self.error = None
        self.masks = False

    def load_model(self, source, device, *, progress):
        progress(0, 0, "Loading the model")
        inference = SimpleNamespace(
            output_channels=["DNA", "AGP"], generation=None, pixel_size_um=0.5
        )
        return SimpleNamespace(card=SimpleNamespace(name="fake", inference=inference))

    def generate(self, model, *, count, seed, sampler, **options):
        self._note(seed=seed, sampler=sampler, count=count, **options)
        return self._make(tuple(range(seed, seed + count)), options)

    def vary(self, model, seed_a, seed_b, *, count, **options):
        self._note(seed_a=seed_a, seed_b=seed_b, count=count, **options)
        walk = tuple(np.linspace(0, 1, count))
        seeds = tuple(seed_a if place <= 0.5 else seed_b for place in walk)
        return self._make(seeds, options, walk=walk, ends=(seed_a, seed_b))

    def _note(self, **options):
        # not the callables, which hold on to the job and its result
        self.runs.append({name: value for name, value in options.items() if not callable(value)})

    def _make(self, seeds, options, **walk):
        images = np.zeros((len(seeds), 2, SIDE, SIDE), np.float32)
        images += np.array(seeds, np.float32)[:, None, None, None] / 100
        done = 0
        for start in range(0, len(seeds), 2):
            numbers = list(range(start, min(start + 2, len(seeds))))
            if not self._steps(images, numbers, len(seeds), options):
                break
            done += len(numbers)
        if not done:
            raise Cancelled("Stopped before the first image was finished.")
        states = np.stack([images * share for share in (0, 0.5, 1)], 1)[:done]
        return Generation(
            images=images[:done],
            channels=("DNA", "AGP"),
            seeds=seeds[:done],
            model="fake",
            masks=images[:done, 0] > 0.5 if self.masks else None,
            trajectory=states if options["keep_trajectory"] else None,
            pixel_size_um=0.5,
            messages=["All went well."],
            provenance={
                "task": "vary" if walk else "generate",
                "version": "0",
                "model": {"name": "fake", "source": "fake/model", "sha256": "0" * 64},
                "source": None,
                "parameters": {"count": done, "seed": seeds[0]},
            },
            **walk,
        )

    def _steps(self, images, numbers, count, options):
        """Return whether the batch was finished."""
        for step in range(1, 4):
            if self.error is not None:
                raise self.error
            options["on_preview"](step, 3, images[numbers] * step / 3, numbers)
            for _ in range(2000):
                options["progress"](numbers[0] * 3 + step, count * 3, f"step {step} of 3")
                if options["enough"]():
                    return False
                if (numbers[0], step) != self.hold_at or self.gate.is_set():
                    break
                self.held.set()
                self.gate.wait(0.01)
            else:
                raise AssertionError("the test held the generator for too long")
        for number in numbers:
            options["on_image"](number, images[number])
        return True

    def nearest_training(self, generation, model, crops, *, device):
        if model == "no/embeddings":
            raise ModelError("The model carries no embeddings.")
        count = len(generation)
        found = Nearest(
            distance=np.linspace(0.1, 1, count),
            index=np.arange(count),
            usual=(0.2, 0.3, 0.4, 0.5, 0.6),
            suspicious=np.arange(count) == 0,
            extractor="fake",
            images=None if crops is None else generation.images + 0.01,
        )
        generation.nearest = found
        return found


@pytest.fixture
def fake():
    generator = FakeGenerator()
    yield generator
    generator.gate.set()


@pytest.fixture
def make_generate_widget(viewer, fake):
    """Return a function that docks a Generate widget; by default it runs the stand-in."""
    from napari_cytosynth.widgets._generate_work import Tasks
    from napari_cytosynth.widgets.generate import GenerateWidget

    stand_in = Tasks(
        fake.load_model, fake.generate, fake.vary, fake.nearest_training, lambda folder: folder
    )

    def make(*, real=False):
        widget = GenerateWidget(viewer, None if real else stand_in)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            viewer.window.add_dock_widget(widget, name="Generate")
        if not real:
            widget.model.value = "fake/model"
            widget.how_many.value = 4
            widget.seed.value = 10
        return widget

    return make


@pytest.fixture
def ran(make_generate_widget):
    """A widget after one run of four images."""
    widget = make_generate_widget()
    widget.run()
    assert widget.wait(20)
    return widget


def names(viewer):
    return [layer.name for layer in viewer.layers]


# -- the run ----------------------------------------------------------------------------------


def test_run_adds_a_stack_for_each_channel_marked_as_synthetic(viewer, ran, fake):
    assert names(viewer) == NAMES
    layer = viewer.layers[0]
    np.testing.assert_allclose(layer.data[:, 0, 0], [0.10, 0.11, 0.12, 0.13])
    assert tuple(layer.axis_labels) == ("sample", "y", "x")
    assert tuple(layer.scale) == (1, 0.5, 0.5)
    record = layer.metadata[KEY]
    assert record["synthetic"]
    assert record["seeds"] == [10, 11, 12, 13]
    assert [layer.colormap.name for layer in viewer.layers] == ["blue", "red"]
    assert ran.status.value == "Done: 4 synthetic images. All went well."
    assert fake.runs[0]["seed"] == 10
    assert {fake.runs[0][name] for name in ("size", "steps", "sampler", "guidance")} == {None}


def test_the_sample_in_view_is_named_with_its_seed(viewer, ran):
    assert ran.in_view.value == "In view: sample 0 (0 to 3), seed 10."
    viewer.dims.set_point(0, 2)
    assert ran.in_view.value == "In view: sample 2 (0 to 3), seed 12."
    ran._panel.take_to.native.click()
    assert ran.seed_to.value == 12


def test_the_images_emerge_while_the_model_runs(viewer, make_generate_widget, fake, qtbot):
    fake.hold_at = (0, 1)
    widget = make_generate_widget()
    widget.run()
    qtbot.waitUntil(lambda: len(viewer.layers) == 2, timeout=10_000)
    assert names(viewer) == NAMES
    layer = viewer.layers[0]
    assert layer.metadata[KEY]["synthetic"]
    np.testing.assert_allclose(layer.data[:, 0, 0], [0.1 / 3, 0.11 / 3, 0, 0], rtol=1e-5)
    assert viewer.dims.point[0] == 0
    fake.hold_at = (2, 2)
    qtbot.waitUntil(lambda: layer.data[3, 0, 0] > 0.08, timeout=10_000)
    assert layer.data[1, 0, 0] == pytest.approx(0.11)
    fake.gate.set()
    assert widget.wait(20)
    assert names(viewer) == NAMES
    assert viewer.layers[0] is layer


def test_cancel_keeps_what_is_finished(viewer, make_generate_widget, fake):
    fake.hold_at = (2, 2)
    widget = make_generate_widget()
    widget._run_button.native.click()
    assert fake.held.wait(10)
    widget._run_button.native.click()
    assert widget.wait(20)
    assert len(viewer.layers[0].data) == 2
    assert widget.status.value.startswith("Stopped: 2 of 4 images are finished and kept.")
    assert widget.generation.seeds == (10, 11)
    assert widget._run_button.text == "Generate"
    assert widget._run_button.enabled


def test_cancel_before_the_first_image_leaves_all_as_it_was(
    viewer, ran, make_generate_widget, fake
):
    before = list(viewer.layers)
    fake.hold_at = (0, 2)
    ran.run()
    assert fake.held.wait(10)
    ran.cancel()
    assert ran.wait(20)
    assert list(viewer.layers) == before
    assert all(layer.visible for layer in before)
    assert ran.status.value == "Stopped. Your layers are as they were."
    assert ran.generation is not None


def test_cancel_while_the_model_is_fetched(viewer, make_generate_widget, fake):
    def fetch(source, device, *, progress):
        for _ in range(500):
            fake.held.set()
            progress(0, 0, "Fetching the model")
            fake.gate.wait(0.01)
        raise AssertionError("Cancel was not heard")

    widget = make_generate_widget()
    widget._tasks = dataclasses.replace(widget._tasks, load_model=fetch)
    widget.run()
    assert fake.held.wait(10)
    widget.cancel()
    assert widget.wait(20)
    assert widget.status.value == "Stopped. Your layers are as they were."


def test_a_second_run_lies_over_the_hidden_first(viewer, ran):
    ran.seed.value = 20
    ran.run()
    assert ran.wait(20)
    assert [layer.visible for layer in viewer.layers] == [False, False, True, True]
    assert viewer.layers[2].data[0, 0, 0] == pytest.approx(0.2)


def test_masks_become_labels_over_the_image(viewer, make_generate_widget, fake):
    fake.masks = True
    widget = make_generate_widget()
    widget.seed.value = 49
    widget.run()
    assert widget.wait(20)
    labels = viewer.layers[-1]
    assert labels._type_string == "labels"
    assert [plane.max() > 0 for plane in labels.data] == [False, False, True, True]
    assert labels.metadata[KEY]["synthetic"]


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (InputError("This model knows no classes."), "⚠ This model knows no classes."),
        (RuntimeError("shapes differ"), "RuntimeError: shapes differ"),
        (MemoryError(), "not enough memory"),
    ],
)
def test_an_error_is_a_sentence_and_leaves_nothing_behind(
    viewer, make_generate_widget, fake, error, sentence
):
    widget = make_generate_widget()
    fake.error = error
    widget.run()
    assert widget.wait(20)
    assert sentence in widget.status.value
    assert not viewer.layers
    fake.error = None
    widget.run()
    assert widget.wait(20)
    assert names(viewer) == NAMES


def test_layers_may_go_during_a_run(viewer, make_generate_widget, fake, qtbot):
    fake.hold_at = (0, 2)
    widget = make_generate_widget()
    widget.run()
    qtbot.waitUntil(lambda: len(viewer.layers) == 2, timeout=10_000)
    viewer.layers.remove(NAMES[0])
    widget.run()
    assert "under way" in widget.status.value
    fake.gate.set()
    assert widget.wait(20)
    assert names(viewer) == NAMES[1:]
    assert widget.generation is not None
    viewer.layers.clear()
    assert widget.generation is None
    assert not widget.show_as_grid.enabled


def test_closing_the_dock_during_a_run_takes_its_layers_away(
    viewer, make_generate_widget, fake, qtbot
):
    fake.hold_at = (0, 2)
    widget = make_generate_widget()
    widget.run()
    qtbot.waitUntil(lambda: len(viewer.layers) == 2, timeout=10_000)
    viewer.window.remove_dock_widget(widget.native)
    widget.wait(20)
    assert not viewer.layers


# -- what becomes of the images ----------------------------------------------------------------


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
    assert (fake.runs[-1]["seed_a"], fake.runs[-1]["seed_b"]) == (3, 5)
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
    from napari_cytosynth.widgets._generate_work import real_tasks

    def missing(name):
        raise ImportError(name)

    monkeypatch.setattr("napari_cytosynth.widgets._generate_work.import_module", missing)
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


# -- before the run ------------------------------------------------------------------------------


def test_without_any_generator_the_form_says_what_to_do(viewer, make_generate_widget, monkeypatch):
    monkeypatch.setattr("napari_cytosynth.zoo.catalogue.list_models", lambda task: [])
    widget = make_generate_widget(real=True)
    widget.run()
    assert "No generator is on this machine yet" in widget.status.value


def test_the_dice_and_the_seed(make_generate_widget, monkeypatch):
    widget = make_generate_widget()
    monkeypatch.setattr("secrets.randbelow", lambda most: most - 1)
    widget._dice.native.click()
    assert widget.seed.value == 999_999


def test_the_form_follows_the_model(make_generate_widget, tiny_generator):
    widget = make_generate_widget(real=True)
    widget.model.value = tiny_generator("classes")
    assert list(widget.class_name.choices) == [None, "non-cancerous", "cancerous"]
    assert widget.image_size.value == 16
    assert (widget.steps.value, widget.steps.max, widget.sampler.value) == (4, 20, "dpm++")
    assert widget.conditions.values() is None
    widget.class_name.value = "cancerous"
    widget.steps.value = 3
    request = widget._request()
    assert (request.label, request.steps, request.size) == ("cancerous", 3, None)
    widget.model.value = tiny_generator("vae")
    assert not widget.steps.enabled
    assert not widget.keep_trajectory.enabled
    assert widget._request().label is None
    widget.model.value = tiny_generator("pairs")
    widget.conditions.ask_for("foreground fraction", 0.3)
    assert widget._request().conditions == {"foreground fraction": pytest.approx(0.3)}
    with pytest.raises(InputError, match="no property “size”"):
        widget.conditions.ask_for("size", 1)


@pytest.mark.parametrize("kind", ["pairs", "classes", "vae"])
def test_a_model_of_each_kind_makes_images(viewer, make_generate_widget, tiny_generator, kind):
    widget = make_generate_widget(real=True)
    widget.model.value = tiny_generator(kind)
    widget.how_many.value = 2
    widget.run()
    assert widget.wait(60)
    assert widget.status.value.startswith("Done: 2 synthetic images.")
    shapes = {"classes": [(2, 16, 16, 3)], "pairs": [(2, 16, 16)] * 2, "vae": [(2, 16, 16)]}
    assert [layer.data.shape for layer in viewer.layers] == shapes[kind]


def test_a_model_of_another_task_is_refused(viewer, make_generate_widget, tiny_folder):
    widget = make_generate_widget(real=True)
    widget.model.value = tiny_folder
    widget.run()
    assert widget.wait(60)
    assert widget.status.value.startswith("⚠ ")
    assert not viewer.layers
