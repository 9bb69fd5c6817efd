"""The response of the threshold slider, and the model choice."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_cytosynth.widgets.common.model_choice import OTHER, ModelChoice
from napari_cytosynth.widgets.segment.histogram import (
    BINS,
    Histogram,
    confidence_histogram,
    histogram,
)
from napari_cytosynth.widgets.segment.live import Readout
from napari_cytosynth.widgets.segment.scale import position_of, threshold_of
from napari_cytosynth.widgets.segment.threshold_slider import ThresholdSlider
from napari_cytosynth.zoo.catalogue import ModelInfo


def test_low_thresholds_have_room_on_the_track():
    assert position_of(0.05) - position_of(0.01) > 0.1
    assert position_of(0.5) == pytest.approx(0.5)
    for threshold in (0.001, 0.01, 0.05, 0.5, 0.99):
        assert threshold_of(position_of(threshold)) == pytest.approx(threshold)


def test_the_histogram_counts_every_probability():
    probability = np.array([[0.0, 0.01, 0.5], [0.99, 1.0, np.nan]], np.float32)
    counts = histogram(probability)
    assert counts.shape == (BINS,)
    assert counts.sum() == 5
    assert counts[0] == 1
    assert counts[-1] == 1


def test_what_the_plot_keeps_between_steps_is_what_it_would_draw_anew(qtbot):
    counts = np.arange(BINS) ** 2

    def picture(*thresholds, counts=(counts,), width=300, margin=8):
        plot = Histogram()
        qtbot.addWidget(plot)
        plot.resize(200, 72)
        for shown in counts:
            plot.set_counts(shown)
            for threshold in thresholds:
                plot.set_threshold(threshold)
                plot.grab()
        plot.margin = margin
        plot.resize(width, 72)
        return plot.grab().toImage()

    assert picture(0.2, 0.9, 0.5) == picture(0.5)
    assert picture(0.5, counts=(counts[::-1], counts)) == picture(0.5)
    assert picture(0.5) != picture(0.5, counts=(counts, counts[::-1]))
    assert picture(0.5) != picture(0.5, width=310)
    assert picture(0.5) != picture(0.5, margin=12)


def test_confidences_are_counted_where_they_lie():
    counts = confidence_histogram(np.array([0.0, 0.51, 0.51, 1.0, np.nan]))
    assert counts.sum() == 4
    assert counts[0] == counts[-1] == 1
    assert counts[int(0.51 * len(counts))] == 2


def test_setting_the_slider_by_value_tells_nobody(qtbot):
    slider = ThresholdSlider()
    qtbot.addWidget(slider)
    seen = []
    slider.dragged.connect(seen.append)
    slider.set_threshold(0.02)
    assert seen == []
    slider.track.setValue(slider.track.value() + 1)
    assert 0.02 < seen[0] < 0.021
    slider.set_counts(histogram(np.linspace(0, 1, 100).reshape(10, 10)))
    slider.set_mark(0.3)
    assert not slider.grab().isNull()


def test_the_readout_is_a_sentence():
    assert Readout(1, 50, 200, False).sentence(1, "px") == "1 object · 25 % of the plane · 50 px"
    text = Readout(12, 5000, 10000, True).sentence(0.25, "µm²")
    assert text == "12 objects · 50 % of the stack · 1\u2009250 µm²"
    linked = Readout(12, 50, 200, False, linked=True, stack=34)
    assert linked.sentence(1, "px") == (
        "12 in this plane · 34 in the stack · 25 % of the plane · 50 px"
    )
    unknown = Readout(12, 50, 200, False, linked=True)
    assert "12 in this plane · counting … in the stack" in unknown.sentence(1, "px")
    doubted = Readout(82, 50, 200, False, doubtful=11)
    assert doubted.sentence(1, "px").startswith("82 objects, 11 of them doubtful · 25 %")
    assert "none of them" in Readout(8, 5, 20, False, doubtful=0).sentence(1, "px")
    assert "doubtful" not in Readout(0, 0, 20, False, doubtful=0).sentence(1, "px")
    without = Readout(71, 50, 200, False, doubtful=0, hidden=11)
    assert without.sentence(1, "px").startswith("71 objects · 11 doubtful hidden · 25 %")
    stack = Readout(12, 50, 200, False, linked=True, stack=34, doubtful=5)
    assert "34 in the stack, 5 of them doubtful · 25 %" in stack.sentence(1, "px")
    older = Readout(12, 50, 200, False, linked=True, stack=34, stack_threshold=0.3125)
    assert "34 in the stack (at 0.3125) · " in older.sentence(1, "px")


def test_models_are_listed_with_what_a_user_wants_to_know(qapp):
    info = ModelInfo(
        name="em-cells",
        task="segment",
        title="Cells in electron microscopy",
        source="em-cells",
        cached=True,
        size_bytes=1_900_000,
        licence="CC-BY-4.0",
        metrics=(),
        pixel_size_um=0.0046,
        path=Path("nowhere"),
    )
    box = ModelChoice(lambda task: [info])
    assert box.choices == ("em-cells", OTHER)
    text = box.details("em-cells")
    for fact in ("Cells in electron", "4.6 nm/px", "1.9 MB", "CC-BY-4.0"):
        assert fact in text
    box.value = "someone/some-model"
    assert box.value == "someone/some-model"
    assert "downloaded" in box.summary()
    box.reset_choices()
    assert box.value == "someone/some-model"
