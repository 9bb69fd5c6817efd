from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest

from napari_cytosynth.training.generate.evaluate.scores import FRECHET, KERNEL
from napari_cytosynth.training.study.report.summary import summarise, write_report
from napari_cytosynth.training.study.study import Study


@pytest.fixture
def make_study():
    def make(**changes):
        values = {
            "name": "attention",
            "question": "Does it matter?",
            "recipe": "nuclei-ddpm",
            "vary": {
                "objective.schedule": ["linear", "cosine"],
                "network.arguments.attention": ["none", "full"],
            },
            "scores": [{"name": FRECHET}],
        }
        return Study.model_validate(values | changes)

    return make


def records(effect: float, noise: float = 90.0) -> pd.DataFrame:
    """Runs of two settings and three seeds; `effect` is what the schedule changes."""
    spread = np.random.default_rng(0)
    return pd.DataFrame(
        [
            {
                "schedule": schedule,
                "attention": attention,
                "seed": seed,
                FRECHET: 10 + effect * (schedule == "linear") + spread.normal(0, 0.1),
                "seconds": 30.0,
                "status": "finished",
                "message": "",
                f"{FRECHET} of real images": 1.0,
                f"{FRECHET} of noise": noise,
                "images": 200,
                "data_sha256": "abc",
            }
            for schedule in ("linear", "cosine")
            for attention in ("none", "full")
            for seed in range(3)
        ]
    )


def page(study, table, folder) -> str:
    html = write_report(study, table, folder, "cytosynth study attention").read_text("utf-8")
    return re.sub("<[^>]+>", " ", html)


def test_a_real_effect_is_told_and_a_missing_one_too(make_study, tmp_path) -> None:
    text = page(make_study(), records(effect=5), tmp_path)
    averaged = text[text.index("averaged over the others") :]
    assert "schedule: “cosine” is better than “linear”" in averaged
    assert "attention: No significant difference" in averaged
    nothing = page(make_study(), records(effect=0), tmp_path)
    assert "No significant difference" in nothing
    assert "is better than" not in nothing


def test_the_summary_has_the_interval_of_every_arm(make_study, tmp_path) -> None:
    table = summarise(make_study(), records(effect=5))
    assert table[["schedule", "attention"]].to_numpy().tolist() == [
        ["linear", "none"],
        ["linear", "full"],
        ["cosine", "none"],
        ["cosine", "full"],
    ]
    assert (table["runs"] == 3).all()
    assert (table[f"{FRECHET} low"] < table[FRECHET]).all()
    assert (table[FRECHET] < table[f"{FRECHET} high"]).all()
    page(make_study(), records(effect=5), tmp_path)
    lines = (tmp_path / "summary.md").read_text().splitlines()
    assert len(lines) == 2 + 4 + 2  # the baselines too
    assert re.search(r"\| linear \| none \| 3 \| 1\d\.\d+ \[1", lines[2])


def test_arms_that_are_no_better_than_noise_are_not_praised(make_study, tmp_path) -> None:
    text = page(make_study(), records(effect=0, noise=5.0), tmp_path)
    assert "WARNING: by the Fréchet distance, 4 of 4 arms lie nearer to shapeless noise" in text
    assert "WARNING" not in page(make_study(), records(effect=0), tmp_path)


def test_a_search_names_the_best_and_says_that_it_was_chosen(make_study, tmp_path) -> None:
    text = page(make_study(kind="search"), records(effect=5), tmp_path)
    assert re.search("The best mean Fréchet distance has schedule cosine, attention", text)
    assert "flatters itself" in text


def test_a_tie_has_no_winner(make_study, tmp_path) -> None:
    table = records(effect=0)
    table[FRECHET] = 8.5
    text = page(make_study(kind="search"), table, tmp_path)
    assert "4 arms share the best mean Fréchet distance, 8.5." in text
    assert "flatters itself" not in text


def test_what_is_missing_or_changed_is_said(make_study, tmp_path) -> None:
    table = records(effect=5)
    table.loc[0, ["status", "message", FRECHET]] = ["failed", "No memory.", np.nan]
    table.loc[1, "data_sha256"] = "other"
    text = page(make_study(), table[:-1], tmp_path)
    assert "Preliminary: 11 of 12 runs" in text
    assert (
        "1 of 11 runs failed and count nowhere below (schedule linear, attention none: 1)" in text
    )
    lines = (tmp_path / "summary.md").read_text().splitlines()
    assert lines[2].startswith("| linear | none | 2 of 3 |")
    assert "1 run failed" in text
    assert "No memory." in text
    answer = text[: text.index("The arms")]
    assert "the data changed between the runs" in answer
    assert "No main effects" in text
    assert summarise(make_study(), table)["failed"].tolist() == [1, 0, 0, 0]


def test_one_seed_cannot_tell(make_study, tmp_path) -> None:
    table = records(effect=5)
    text = page(make_study(seeds=[0]), table[table["seed"] == 0], tmp_path)
    assert "Cannot tell: each arm needs two runs or more." in text


def test_identical_runs_are_told_on_the_page(make_study, tmp_path) -> None:
    table = records(effect=5)
    table[FRECHET] = 10.0 + (table["schedule"] == "linear")
    text = page(make_study(), table, tmp_path)
    assert "Cannot tell: the runs of each arm are identical." in text
    assert "is better than" not in text
    assert "identical runs" in text[text.index("Each arm against the best") :]
    assert "untold" not in page(make_study(), records(effect=5), tmp_path)


def test_several_scores_are_not_corrected_for_each_other_and_the_page_says_so(
    make_study, tmp_path
) -> None:
    table = records(effect=5)
    table[KERNEL] = table[FRECHET] / 100
    text = page(make_study(scores=[{"name": FRECHET}, {"name": KERNEL}]), table, tmp_path)
    assert "The 2 scores are not corrected for each other" in text
    assert "weak evidence" in text
    assert "weak evidence" not in page(make_study(), table, tmp_path)


def test_a_study_of_failures_has_a_page(make_study, tmp_path) -> None:
    table = records(effect=0).drop(columns=["images", "data_sha256"])
    table["status"], table[FRECHET] = "failed", np.nan
    assert "12 runs failed" in page(make_study(), table, tmp_path)
