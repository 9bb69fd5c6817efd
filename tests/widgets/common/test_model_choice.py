"""The box of models takes any text: it may be wrong, but the box goes on working."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from qtpy.QtCore import Qt

from napari_cytosynth.widgets.common.model_choice import OTHER, ModelChoice
from napari_cytosynth.widgets.common.model_form import ModelForm
from napari_cytosynth.widgets.common.parts import plain_tooltip

TEXTS = [
    "a" * 300,
    "a/" * 3000,
    "\0",
    "x\0y",
    "\ud800",
    "~nobody-at-all/x",
    "two\nlines",
    "\x1b[2J",
    "<img src='x'>",
    "",
    " ",
    "@",
    "\u202eabc",
]


@pytest.mark.parametrize("text", TEXTS)
def test_any_text_can_be_given_and_another_choice_made_afterwards(qapp, text):
    box = ModelChoice(lambda task: [])
    box.value = text
    assert "\0" not in box.value
    box.value.encode("utf-8")
    assert box.card() is None
    box.summary()
    box.reset_choices()  # as when a layer is added
    box.value = OTHER
    assert box.value == OTHER
    assert all(box.native.itemText(row).isprintable() for row in range(box.native.count()))


@pytest.mark.parametrize("task", ["segment", "stain", "generate"])
def test_encoders_are_offered_in_no_box(qapp, task):
    shown = set(ModelChoice(task=task).choices)
    assert len(shown) > 1
    assert not shown & {"nuclei-encoder", "em-encoder"}


def test_a_box_may_offer_some_models_only(qapp):
    box = ModelChoice(task="stain")
    box.value = "phantom-phase-unet"
    box.limit_to(lambda card: "membrane" not in card.inference.output_channels)
    assert set(box.choices) >= {"u2os-brightfield-unet", OTHER}
    assert "phantom-phase-unet" not in box.choices
    assert box.value in box.choices
    box.limit_to(None)
    assert "phantom-phase-unet" in box.choices


def test_a_tooltip_shows_tags_instead_of_following_them():
    assert plain_tooltip("H&E, 2 µm\nName: x") == "H&E, 2 µm\nName: x"
    shown = plain_tooltip("<img src='//server/share'>\nsecond")
    assert shown == "<qt>&lt;img src=&#x27;//server/share&#x27;&gt;<br>second</qt>"


def test_the_box_and_the_form_show_the_tags_of_a_title_as_text(qapp, monkeypatch):
    facts = {"source": "a/b", "path": "a/b", "name": "x", "title": "<img src='x'>", "licence": ""}
    info = SimpleNamespace(**facts, pixel_size_um=None, size_bytes=1, metrics=[])
    monkeypatch.setattr("napari_cytosynth.zoo.catalogue.list_models", lambda task: [info])
    box = ModelChoice()
    assert box.native.itemData(0, Qt.ItemDataRole.ToolTipRole).startswith("<qt>&lt;img")
    form = ModelForm(None)
    form._on_model()
    assert form._model.tooltip.startswith("<qt>&lt;img")


def test_two_models_of_one_name_are_two_rows(qapp):
    facts = {"name": "cells", "title": "", "licence": "", "pixel_size_um": None, "metrics": []}
    infos = [SimpleNamespace(**facts, source=s, path=s, size_bytes=1) for s in ("cells", "a/cells")]
    box = ModelChoice(lambda task: infos)
    for source in ("cells", "a/cells"):
        box.value = source
        assert box.value == box.native.currentText() == source
