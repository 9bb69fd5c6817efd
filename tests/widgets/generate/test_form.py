"""The form of the Generate widget before a run."""

from __future__ import annotations

import pytest

from napari_cytosynth.errors import InputError


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
    options = widget._job().options
    assert (options.label, options.steps, options.size) == ("cancerous", 3, None)
    widget.model.value = tiny_generator("vae")
    assert not widget.steps.enabled
    assert not widget.keep_trajectory.enabled
    assert widget._job().options.label is None
    widget.model.value = tiny_generator("pairs")
    widget.conditions.ask_for("foreground fraction", 0.3)
    assert widget._job().options.conditions == {"foreground fraction": pytest.approx(0.3)}
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
