from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import tifffile

from napari_cytosynth.errors import InputError
from napari_cytosynth.metrics import AP_THRESHOLDS
from napari_cytosynth.tasks.segment.instances import LabelOptions
from napari_cytosynth.tasks.segment.result import Segmentation
from napari_cytosynth.training.segment.evaluate import run as module
from napari_cytosynth.training.segment.evaluate.run import (
    SegmentOptions,
    evaluate_segment,
    write_report,
)


def squares(*corners: tuple[int, int]) -> np.ndarray:
    labels = np.zeros((40, 40), np.uint16)
    for number, (y, x) in enumerate(corners, start=1):
        labels[y : y + 10, x : x + 10] = number
    return labels


@pytest.fixture
def data(tmp_path):
    """Two fields whose images are a bright copy of their labels."""
    images, targets = [], []
    for name, labels in (("one", squares((2, 2), (20, 20))), ("two", squares((5, 5)))):
        for kind, array, paths in (
            ("image", labels * 100, images),
            ("labels", labels, targets),
        ):
            (tmp_path / kind).mkdir(exist_ok=True)
            paths.append(tmp_path / kind / f"{name}.tif")
            tifffile.imwrite(paths[-1], array)
    return images, targets


@pytest.fixture
def oracle(monkeypatch):
    """Stand in for the network: 0.9 where the image is bright; field “two” is missed."""
    calls = []

    def segment(image, **options):
        calls.append(options)
        found = np.where(np.count_nonzero(image) == 200, image, 0)
        probability = np.where(found, 0.9, 0.1).astype(np.float32)
        return Segmentation(probability, "YX", LabelOptions(0.5))

    monkeypatch.setattr(module, "segment", segment)
    return calls


def test_pooled_and_mean_figures_differ_as_their_names_say(data, oracle, tiny_model) -> None:
    report = evaluate_segment(tiny_model, *data, SegmentOptions(kind="labels"))
    metrics = report.metrics
    assert metrics["foreground IoU"] == pytest.approx(2 / 3)
    assert metrics["foreground IoU, mean per image"] == pytest.approx(1 / 2)
    assert metrics["AP@0.5"] == pytest.approx(2 / 3)
    assert metrics["AP@0.5:0.95"] == pytest.approx(2 / 3)
    assert metrics["AP@0.5, mean per image"] == pytest.approx(1 / 2)
    assert metrics["F1@0.5"] == pytest.approx(4 / 5)
    assert metrics["AJI"] == pytest.approx(2 / 3)
    assert metrics["panoptic quality"] == pytest.approx(2 / 2.5)
    assert metrics["calibration error (ECE)"] == pytest.approx((20 + 200) / 3200)
    assert [f"AP@{t:g}" in metrics for t in AP_THRESHOLDS] == [True] * 10
    assert list(report.table["AP@0.5"]) == [1, 0]
    assert report.worst[0].name == "two"


def test_the_model_runs_as_its_card_says_unless_told_otherwise(data, oracle, tiny_model) -> None:
    report = evaluate_segment(tiny_model, *data)
    assert oracle[-1]["threshold"] == report.options.threshold == 0.5
    assert oracle[-1]["split_touching"] is True
    assert oracle[-1]["resample"] is False
    options = SegmentOptions(threshold=0.05, split_touching=False, min_size=7, pixel_size_um=0.3)
    report = evaluate_segment(tiny_model, *data, options)
    assert (oracle[-1]["threshold"], oracle[-1]["min_size"]) == (0.05, 7)
    assert oracle[-1]["split_touching"] is False
    assert oracle[-1]["resample"] is True
    assert report.metrics["recall"] == 1  # 0.1 is foreground now
    assert "AP@0.5" not in report.metrics


def test_a_mask_may_mark_the_background(data, oracle, tiny_model) -> None:
    images, targets = data
    for path in targets:
        tifffile.imwrite(path, (tifffile.imread(path) == 0).astype(np.uint8) * 255)
    report = evaluate_segment(tiny_model, images, targets, SegmentOptions(invert=True))
    assert report.metrics["foreground IoU"] == pytest.approx(2 / 3)


def test_the_report_is_written_with_the_worst_fields_first(
    data, oracle, tiny_model, tmp_path
) -> None:
    out = tmp_path / "evaluation" / "tiny"
    ticks = []
    report = evaluate_segment(
        tiny_model,
        *data,
        SegmentOptions(kind="labels"),
        progress=lambda *tick: ticks.append(tick[:2]),
    )
    write_report(report, out, command="cytosynth evaluate …")
    assert ticks == [(0, 2), (1, 2), (2, 2)]
    summary = json.loads((out / "metrics.json").read_text(encoding="utf-8"))
    assert summary["metrics"]["AP@0.5"] == pytest.approx(2 / 3)
    assert summary["images"] == ["one", "two"]
    assert summary["command"] == "cytosynth evaluate …"
    assert list(pd.read_csv(out / "table.csv")["image"]) == ["one", "two"]
    assert "precision" in pd.read_csv(out / "curve.csv")
    pages = sorted(path.name for path in out.glob("*.png"))
    assert pages == ["curves.png", "worst-01-two.png", "worst-02-one.png"]


def test_the_card_gets_each_figure_with_its_command(data, oracle, tiny_model) -> None:
    report = evaluate_segment(tiny_model, *data, SegmentOptions(kind="labels"))
    found = {m.name: m for m in report.card_metrics("blobs, test", "cytosynth …")}
    assert found["AP@0.5"].value == pytest.approx(0.6667)
    assert found["foreground IoU"].dataset == "blobs, test"
    assert found["F1@0.5"].command == "cytosynth …"


def test_what_cannot_be_evaluated_is_named(data, oracle, tiny_model, tmp_path) -> None:
    images, targets = data
    with pytest.raises(InputError, match="at least one image"):
        evaluate_segment(tiny_model, [], [])
    tifffile.imwrite(tmp_path / "small.tif", np.zeros((4, 4), np.uint8))
    with pytest.raises(InputError, match=r"small\.tif"):
        evaluate_segment(tiny_model, images[:1], [tmp_path / "small.tif"])
    tifffile.imwrite(tmp_path / "rgb.tif", np.zeros((4, 4, 3), np.uint8), photometric="rgb")
    with pytest.raises(InputError, match="one grey plane"):
        evaluate_segment(tiny_model, [tmp_path / "rgb.tif"], targets[:1])
    tifffile.imwrite(targets[0], np.zeros((40, 40), np.float32))
    with pytest.raises(InputError, match="whole numbers"):
        evaluate_segment(tiny_model, images, targets, SegmentOptions(kind="labels"))
    tifffile.imwrite(targets[0], np.full((40, 40), -1, np.int16))
    with pytest.raises(InputError, match="below 0"):
        evaluate_segment(tiny_model, images, targets, SegmentOptions(kind="labels"))


def test_a_real_network_is_evaluated_from_end_to_end(data, tiny_model) -> None:
    report = evaluate_segment(tiny_model, *data, SegmentOptions(kind="labels"))
    assert 0 <= report.metrics["foreground IoU"] <= 1
    assert report.metrics["true objects"] == 3
    assert len(report.table) == 2
