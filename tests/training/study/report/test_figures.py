from __future__ import annotations

import pandas as pd
import pytest

from napari_cytosynth.training.study.report.figures import arms_figure, pair_figure
from napari_cytosynth.training.study.report.verdict import verdict
from napari_cytosynth.training.study.study import Score


@pytest.fixture
def records() -> pd.DataFrame:
    return pd.DataFrame(
        [
            {"width": width, "loss": loss, "seed": seed, "PCC": 0.5 + 0.01 * seed + 0.1 * k}
            for k, (width, loss) in enumerate([("8", "0"), ("8", "1"), ("16", "0"), ("16", "1")])
            for seed in range(3)
        ]
    )


def test_every_run_is_a_dot_and_every_arm_a_row(records) -> None:
    score = Score(name="PCC", direction="maximize")
    found = verdict(records, ["width", "loss"], "PCC", "maximize")
    base = {"near": 0.6, "far": 50.0}
    figure = arms_figure(records, ["width", "loss"], score, found.intervals, base)
    (axes,) = figure.axes
    assert [text.get_text() for text in axes.get_yticklabels()] == list(found.intervals["arm"])
    assert sum(len(line.get_xdata()) == 3 for line in axes.lines) == 4
    assert axes.get_xlabel() == "PCC (more is better)"
    # a far baseline would squeeze the runs together
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["near"]
    assert axes.get_xlim()[1] < 10


def test_two_settings_are_lines_over_each_other(records) -> None:
    figure = pair_figure(records, ["width", "loss"], Score(name="PCC"))
    (axes,) = figure.axes
    assert [text.get_text() for text in axes.get_xticklabels()] == ["8", "16"]
    assert [line.get_ydata().tolist() for line in axes.lines] == [
        pytest.approx([0.51, 0.71]),
        pytest.approx([0.61, 0.81]),
    ]
