from __future__ import annotations

import numpy as np

from napari_cytosynth.training.segment.evaluate.score_names import DIRECTIONS, with_old_names
from napari_cytosynth.training.segment.evaluate.tally import EvaluatedField, SegmentTally

OLD = (
    *(f"AP@{percent / 100:g}" for percent in range(50, 100, 5)),
    *("AP@0.5:0.95", "F1@0.5", "AJI", "panoptic quality"),
    *("AP@0.5, mean per image", "AP@0.5:0.95, mean per image", "F1@0.5, mean per image"),
    *("AJI, mean per image", "panoptic quality, mean per image"),
    *("foreground IoU", "foreground IoU, mean per image", "Dice", "Dice, mean per image"),
    *("precision", "recall", "calibration error (ECE)", "Brier score, mean per image"),
    *("object precision@0.5", "object recall@0.5", "true objects", "predicted objects"),
)


def test_every_figure_has_a_direction_and_its_name_of_old() -> None:
    truth, found = np.zeros((2, 20, 20), np.int32)
    truth[2:8, 2:8] = found[2:8, 3:8] = found[12:18, 2:8] = 1
    found[12:18] *= 2
    tally = SegmentTally("labels", 0)
    probability = (found > 0).astype(np.float32)
    tally.add(EvaluatedField("a", truth, truth, truth, probability, found, 0.5))
    tally.add(EvaluatedField("b", truth, truth, truth, probability * 0, found * 0, 0.5))
    metrics = tally.metrics()
    both = with_old_names(metrics)
    assert both.keys() == DIRECTIONS.keys()
    assert {*OLD} <= both.keys()
    assert both["AP@0.5"] == metrics["AP@0.5 (pooled)"] == 1 / 3
    assert both["AP@0.5, mean per image"] == metrics["AP@0.5 (mean per image)"] == 1 / 4
    assert DIRECTIONS["split errors"] == DIRECTIONS["merge errors"] == "minimize"
