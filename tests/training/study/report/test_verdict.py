from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from napari_cytosynth.errors import InputError
from napari_cytosynth.training.study.report.verdict import main_effects, verdict


def records(**arms):
    return pd.DataFrame(
        [
            {"arm": arm, "seed": seed, "iou": value}
            for arm, values in arms.items()
            for seed, value in enumerate(values)
        ]
    )


def factorial(effect):
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        [
            {"schedule": s, "attention": a, "seed": n, "fd": effect(s, a) + rng.normal(0, 0.1)}
            for s in ("linear", "cosine")
            for a in ("none", "full")
            for n in range(4)
        ]
    )


def test_arms_that_overlap_do_not_differ():
    found = verdict(records(a=[0.5, 0.6, 0.7], b=[0.52, 0.58, 0.69]), "arm", "iou", "maximize")
    assert found.sentence == "No significant difference between “a” and “b”."
    assert list(found.intervals["n"]) == [3, 3]


def test_the_better_arm_is_named_in_the_direction_that_counts():
    runs = records(a=[0.1, 0.11, 0.12], b=[0.9, 0.91, 0.92], c=[0.9, 0.93, 0.89])
    best = verdict(runs, "arm", "iou", "maximize")
    assert best.sentence == (
        "“b” is better than “a”. No significant difference between “b” and “c”."
    )
    least = verdict(runs, "arm", "iou", "minimize")
    assert least.best == "a"
    assert least.sentence == "“a” is better than “b” and “c”."


def test_an_unsteady_best_arm_does_not_hide_that_others_differ():
    runs = records(a=[-1, 1, 3], b=[3.0, 3.01, 3.02], c=[4.0, 4.01, 4.02])
    found = verdict(runs, "arm", "iou", "minimize")
    assert found.sentence == (
        "No significant difference from the best, “a”. Among the others: “b” is better than “c”."
    )
    assert list(found.comparisons["arm"]) == ["b", "c"]
    alone = verdict(
        records(a=[9], b=[3.0, 3.01, 3.02], c=[4.0, 4.01, 4.02]), "arm", "iou", "maximize"
    )
    assert alone.sentence == (
        "Cannot tell: each arm needs two runs or more. Among the others: “c” is better than “b”."
    )


def test_picking_the_best_counts_every_pair_for_the_correction():
    runs = records(a=[1.0, 1.2, 1.1], b=[1.3, 1.45, 1.2], c=[1.1, 1.3, 1.15])
    picked = verdict(runs, "arm", "iou", "maximize").comparisons.set_index("arm")
    meant = verdict(runs, "arm", "iou", "maximize", against="b").comparisons.set_index("arm")
    assert picked.loc["a", "p_holm"] == pytest.approx(3 * picked.loc["a", "p"])
    assert meant.loc["a", "p_holm"] == pytest.approx(2 * meant.loc["a", "p"])
    with pytest.raises(InputError, match="nothing"):
        verdict(runs, "arm", "iou", "maximize", against="nothing")


def test_a_reference_can_be_beaten():
    runs = records(real=[0.5, 0.51, 0.49], more=[0.7, 0.71, 0.69], less=[0.1, 0.11, 0.12])
    found = verdict(runs, "arm", "iou", "maximize", against="real")
    assert found.sentence == "“more” is better than “real”. “real” is better than “less”."


def test_pairs_of_seeds_show_what_their_common_spread_hides():
    runs = records(a=[0.1, 0.5, 0.9], b=[0.12, 0.53, 0.925])
    assert "No significant" in verdict(runs, "arm", "iou", "maximize").sentence
    assert "better" in verdict(runs, "arm", "iou", "maximize", pair="seed").sentence


def test_an_arm_whose_runs_failed_is_not_judged():
    runs = records(a=[0.1, 0.11], b=[0.9, 0.91], c=[0.5, math.nan], d=[math.nan])
    found = verdict(runs, "arm", "iou", "maximize")
    assert "Cannot tell about “c” (fewer than two runs)." in found.sentence
    assert list(found.intervals["arm"]) == ["a", "b", "c"]
    alone = verdict(records(a=[1.0], b=[2.0]), "arm", "iou", "maximize")
    assert alone.sentence.startswith("Cannot tell")
    none = verdict(records(a=[math.nan]), "arm", "iou", "maximize")
    assert none.sentence.startswith("There is nothing to compare")


def test_identical_runs_are_no_evidence():
    same = verdict(records(a=[0.1, 0.1], b=[0.9, 0.9]), "arm", "iou", "maximize")
    assert same.sentence == "Cannot tell: the runs of each arm are identical."
    runs = records(a=[0.1, 0.1], b=[0.9, 0.9], c=[0.1, 0.12], d=[0.5])
    some = verdict(runs, "arm", "iou", "maximize")
    assert "Cannot tell about “a” (identical runs)." in some.sentence
    assert "Cannot tell about “d” (fewer than two runs)." in some.sentence


def test_arms_of_several_settings_have_one_name():
    runs = factorial(lambda s, a: 5.0 * (s == "linear") + 2.0 * (a == "full"))
    found = verdict(runs, ["schedule", "attention"], "fd", "minimize")
    assert found.best == "cosine · none"
    assert list(found.intervals["attention"]) == ["none", "full", "none", "full"]
    with pytest.raises(InputError, match="attentoin"):
        verdict(runs, ["attentoin"], "fd", "minimize")


def test_main_effects_average_over_the_other_factor():
    runs = factorial(lambda s, a: 1.0 * (s == "linear"))
    found = main_effects(runs, ["schedule", "attention"], "fd", "minimize")
    assert found.factors["schedule"].sentence == "“cosine” is better than “linear”."
    assert "No significant" in found.factors["attention"].sentence
    assert found.interaction > 0.05
    assert list(found.factors["schedule"].intervals["n"]) == [4, 4]
    assert list(found.factors["schedule"].intervals["arm"]) == ["linear", "cosine"]


def test_main_effects_of_all_factors_are_one_family_of_comparisons():
    rng = np.random.default_rng(1)
    runs = pd.DataFrame(
        [
            {"width": w, "latent": k, "seed": n, "fd": (w == "wide") * 0.3 + rng.normal(0, 0.1)}
            for w in ("narrow", "wide")
            for k in (8, 24, 72)
            for n in range(3)
        ]
    )
    widths = main_effects(runs, ["width", "latent"], "fd", "minimize").factors["width"]
    # one pair of widths and three of latent sizes
    p = widths.comparisons["p"].iloc[0]
    assert p < 0.05
    assert widths.comparisons["p_holm"].iloc[0] == pytest.approx(4 * p)
    assert "No significant difference" in widths.sentence


def test_factors_that_depend_on_each_other_are_told():
    runs = factorial(lambda s, a: 1.0 * (s == "linear") * (a == "full"))
    found = main_effects(runs, ["schedule", "attention"], "fd", "minimize")
    assert found.interaction < 0.001
    assert "do not act independently" in found.sentence


def test_a_missing_combination_leaves_no_main_effects():
    runs = factorial(lambda s, a: 0.0).iloc[:-1]
    found = main_effects(runs, ["schedule", "attention"], "fd", "minimize")
    assert not found.factors
    assert "not every combination" in found.sentence
