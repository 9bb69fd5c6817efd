"""The box of models takes any text: it may be wrong, but the box goes on working."""

from __future__ import annotations

import pytest

from napari_cytosynth.widgets.common.model_choice import OTHER, ModelChoice
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
    assert box.card() is None
    box.summary()
    box.reset_choices()  # as when a layer is added
    box.value = OTHER
    assert box.value == OTHER
    assert all(box.native.itemText(row).isprintable() for row in range(box.native.count()))


def test_a_tooltip_shows_tags_instead_of_following_them():
    assert plain_tooltip("H&E, 2 µm\nName: x") == "H&E, 2 µm\nName: x"
    shown = plain_tooltip("<img src='//server/share'>\nsecond")
    assert shown == "<qt>&lt;img src=&#x27;//server/share&#x27;&gt;<br>second</qt>"
