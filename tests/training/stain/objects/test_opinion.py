"""Recall and precision of flags, on made-up objects."""

from __future__ import annotations

import numpy as np
import pytest

from napari_cytosynth.tasks.stain.objects.matching import DIFFER, ONLY_FIRST
from napari_cytosynth.training.stain.calibrate.doubt import ObjectTruth
from napari_cytosynth.training.stain.objects.opinion import (
    FlaggedObjects,
    flag_objects,
    opinion_scores,
)


def field(kinds, ious):
    iou = np.array(ious, float)
    truth = ObjectTruth(iou, iou < 0.1, (iou >= 0.1) & (iou < 0.5))
    return FlaggedObjects(np.array(kinds, dtype="<U32"), truth)


def test_counts_of_two_fields_are_added():
    first = field([ONLY_FIRST, ONLY_FIRST, "", ""], [0, 0.9, 0.9, 0])
    second = field([DIFFER, "", DIFFER, "", "", ""], [0.3, 0.9, 0.9, 0.9, 0.9, 0.9])
    found = opinion_scores([first, second]).set_index(["flag", "nuclei"])
    row = found.loc[("only in it", "absent")]
    assert (row["objects"], row["of this kind"], row["flagged"], row["both"]) == (10, 2, 2, 1)
    assert (row["recall"], row["precision"]) == (0.5, 0.5)
    assert (row["recall at random"], row["precision at random"]) == (0.2, 0.2)
    row = found.loc[("differ", "deformed")]
    assert (row["recall"], row["precision"], row["precision at random"]) == (1, 0.5, 0.1)
    row = found.loc[("either", "wrong")]
    assert (row["flagged"], row["of this kind"]) == (4, 3)
    assert (row["recall"], row["recall at random"]) == (pytest.approx(2 / 3), 0.4)


def test_flags_at_random_are_worth_what_stands_beside_them():
    rng = np.random.default_rng(0)
    kinds = np.where(rng.random(20_000) < 0.3, ONLY_FIRST, "")
    found = opinion_scores([field(kinds, np.where(rng.random(20_000) < 0.2, 0.0, 0.9))])
    row = found.set_index(["flag", "nuclei"]).loc[("only in it", "absent")]
    assert row["recall"] == pytest.approx(row["recall at random"], abs=0.02)
    assert row["precision"] == pytest.approx(row["precision at random"], abs=0.02)


def test_what_has_no_share_is_unknown():
    found = opinion_scores([field(["", ""], [0.9, 0.8])]).set_index(["flag", "nuclei"])
    assert found["precision"].isna().all()
    assert found["recall"].isna().all()
    assert (found["recall at random"] == 0).all()


def test_objects_of_the_second_alone_are_no_flags():
    first, second = np.zeros((20, 40), int), np.zeros((20, 40), int)
    first[2:12, 2:12], first[2:12, 20:30] = 1, 2
    second[2:12, 20:30], second[15:19, 2:8] = 5, 9
    truth = ObjectTruth(np.array([0.0, 0.9]), np.array([True, False]), np.array([False, False]))
    assert flag_objects(first, second, truth).kinds.tolist() == [ONLY_FIRST, ""]
