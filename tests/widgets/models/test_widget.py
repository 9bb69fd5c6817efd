"""What a user does with the models of this computer."""

from __future__ import annotations

import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QMessageBox

from napari_cytosynth.widgets.common.model_form import ModelForm
from napari_cytosynth.widgets.segment.widget import SegmentWidget
from napari_cytosynth.zoo.collection.stars import star
from napari_cytosynth.zoo.settings import change_settings


def click(qtbot, widget, name):
    qtbot.mouseClick(widget._actions[name].native, Qt.MouseButton.LeftButton)
    assert widget.wait(30)


def enabled(widget):
    return {name for name, button in widget._actions.items() if button.enabled}


def shown(widget):
    order = widget._order
    return [order.index(row, 0).data() for row in range(order.rowCount())]


@pytest.mark.binding
def test_what_is_to_be_known_before_a_model_is_used(models):
    assert "come with the package" in models.status.value
    assert enabled(models) == {"add"}
    models.choose("em-mitochondria-unet")
    text = models.details.value
    assert "Licence: research only" in text
    assert "Size: " in text
    assert "Where: comes with the package" in text
    assert "foreground IoU: 0." in text
    assert "Remarks: Learned from two tissues" in text
    assert enabled(models) == {"star", "card", "copy", "add"}
    models.choose("nuclei-encoder")
    assert enabled(models) == {"card", "copy", "add"}  # no widget begins with it


def test_the_list_is_narrowed_by_task_and_name(models):
    models.choose("nuclei-vae")
    models.shown.value = "generate"
    assert "nuclei-vae" in shown(models)
    assert "em-cells-unet" not in shown(models)
    models.find.value = "EM-"
    assert shown(models) == ["em-ldm", "em-pairs-ddpm"]
    assert models.chosen is None
    assert models.details.value == "Choose a model in the list."


def test_a_star_is_what_the_widget_begins_with(models, qtbot, viewer, dock, network):
    models.choose("em-cells-unet")
    click(qtbot, models, "star")
    assert models.status.value == "Segment begins with em-cells-unet when it is opened."
    assert "★ em-cells-unet" in shown(models)
    segment = SegmentWidget(viewer, network.segment, lambda *_: [])
    dock(segment, "Segment")
    assert segment.model.value == "em-cells-unet"
    click(qtbot, models, "star")
    assert "no default model" in models.status.value
    assert "em-cells-unet" in shown(models)


def test_a_default_that_is_not_here_is_named(models):
    change_settings(models={"stain": "my-lab/gone"})
    models.status.value = ""
    models.refresh()
    models.wait(30)
    assert "Stain's default, “my-lab/gone”, is not on this computer." in models.status.value
    models.choose("my-lab/gone")
    assert models.chosen.place == "not here"
    assert "take the star away" in models.details.value
    assert enabled(models) == {"star", "add"}
    models.star()
    models.wait(30)
    assert "Stain has no default model any more." in models.status.value
    assert not any("gone" in row for row in shown(models))


class AnyForm(ModelForm):
    _task = "generate"


def test_stars_and_devices_that_are_not_there_are_passed_over(qtbot):
    star("nuclei-wgan")
    change_settings(device="cpu")
    form = AnyForm(None)
    qtbot.addWidget(form.native)
    assert (form.model.value, form.device.value) == ("nuclei-wgan", "cpu")
    change_settings(models={"generate": "gone"}, device="toaster")
    form = AnyForm(None)
    qtbot.addWidget(form.native)
    assert (form.model.value, form.device.value) == ("cellpainting-ddpm", "auto")


def test_to_a_stick_and_from_a_stick(models, qtbot, tiny, tmp_path, neighbours, monkeypatch):
    neighbours["Other"] = other = AnyForm(None)
    other._model._task = "segment"
    qtbot.addWidget(other.native)
    models.add(tiny)
    assert models.wait(30)
    assert models.status.value == "Added “tiny”."
    assert models.chosen.source == "tiny"
    assert models.chosen.place == "yours"
    assert "tiny" in other.model.choices
    models.copy(tmp_path / "other stick")
    assert models.wait(30)
    assert models.status.value.startswith("Copied to")
    assert (tmp_path / "other stick" / "tiny" / "model.safetensors").is_file()
    models.copy(tmp_path / "other stick")
    assert models.wait(30)
    assert models.status.value.startswith("⚠ There is a ")
    answers = iter([QMessageBox.StandardButton.No, QMessageBox.StandardButton.Yes])
    monkeypatch.setattr(QMessageBox, "question", lambda *_: next(answers))
    click(qtbot, models, "remove")
    assert "tiny" in shown(models)
    click(qtbot, models, "remove")
    assert models.status.value.startswith("Removed tiny")
    assert "tiny" not in shown(models)
    assert "tiny" not in other.model.choices


def test_an_error_is_a_sentence_and_the_widget_goes_on(models, tmp_path):
    models.add(tmp_path / "nothing")
    assert models.wait(30)
    assert models.status.value.startswith("⚠ There is no model at")
    assert enabled(models) == {"add"}


@pytest.mark.binding
def test_the_card_is_rendered_and_loads_nothing(models, qtbot):
    models.choose("nuclei-ddpm")
    page = models.open_card()
    qtbot.addWidget(page)
    text = page.text.toPlainText()
    assert "Test figures" in text
    assert "license:" not in text
    page.text.setMarkdown("![](file:///etc/hostname) ![](https://example.org/a.png)")
    assert page.text.loadResource(2, page.text.source()) is None


@pytest.mark.parametrize("source", ["nuclei-ddpm", "em-cells-unet"])
def test_a_picture_is_shown_where_there_is_one(models, source):
    models.choose(source)
    assert models._picture.isVisibleTo(models.native) == (source == "nuclei-ddpm")
    assert models._picture.pixmap().isNull() == (source != "nuclei-ddpm")
