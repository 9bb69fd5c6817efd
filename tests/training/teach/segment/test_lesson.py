"""What a segmenter's fine-tuning is told of its images."""

from __future__ import annotations

import pytest
from napari.layers import Image

from napari_cytosynth.training.teach.plan import TuningPlan, card_block
from napari_cytosynth.training.teach.segment.lesson import segment_lesson
from napari_cytosynth.training.teach.segment.pairs import read_pairs


def taught(card, painted, *layers):
    image, strokes = painted
    planes = read_pairs([(layer or image, strokes) for layer in layers], sparse=True)
    plan = segment_lesson(card, planes, TuningPlan("start", "new"))[0]
    return card_block(card, plan)["pixel_size_um"], plan.remarks


@pytest.fixture
def card(mask_model):
    card = mask_model.card
    inference = card.inference.model_copy(update={"pixel_size_um": 0.5})
    return card.model_copy(update={"inference": inference})


def test_images_of_another_pixel_size_make_a_model_of_that_size(card, painted):
    fine = Image(painted[0], scale=(0.2, 0.2), units=("um", "um"))
    size, remarks = taught(card, painted, fine)
    assert size == pytest.approx(0.2)
    assert "0.2 µm per pixel, those of the start model 0.5" in remarks


def test_the_size_stays_where_it_is_the_same_or_not_known_of_all(card, painted):
    same = Image(painted[0], scale=(510, 510), units=("nm", "nm"))
    fine = Image(painted[0], scale=(0.2, 0.2), units=("um", "um"))
    for layers in ([same], [None], [fine, None], [fine, same]):
        size, remarks = taught(card, painted, *layers)
        assert size == 0.5
        assert "per pixel" not in remarks
