"""How often the checks before and after a run speak."""

from __future__ import annotations

import numpy as np

from napari_cytosynth.tasks.segment.instances import LabelOptions
from napari_cytosynth.tasks.segment.result import Segmentation
from napari_cytosynth.tasks.segment.result_check import TrainingFacts
from napari_cytosynth.training.segment.evaluate.doubts import DoubtTally, doubts_of
from napari_cytosynth.zoo.card import Expected

USUAL = Expected(foreground=(0.1, 0.25, 0.4))


def result(side: int, unlike: str = "") -> Segmentation:
    """Return one square object of a side in 40 × 40 px."""
    probability = np.full((40, 40), 0.1, np.float32)
    probability[:side, :side] = 0.9
    training = TrainingFacts(USUAL, "fluorescence", unlike=unlike)
    return Segmentation(probability, "YX", LabelOptions(0.5), training=training)


def test_look_and_result_are_counted_apart_and_together():
    tally = DoubtTally()
    for one in (result(20), result(20, "It is unlike."), result(39), result(39, "It is unlike.")):
        tally.add(one)
    scores = tally.scores()
    assert scores.record() == {"images": 4, "before": 2, "after": 2, "either": 3}
    assert scores.summary() == (
        "Doubted images: 2 by their look before the run, 2 by their result, 3 of 4 by either"
    )


def test_a_doubt_about_the_look_is_none_about_the_result():
    before, after = doubts_of(result(20, "It is unlike."))
    assert (before, after) == ("It is unlike.", "")
    assert result(20, "It is unlike.").doubt  # but the user is told
    assert "% of the area" in doubts_of(result(39))[1]
