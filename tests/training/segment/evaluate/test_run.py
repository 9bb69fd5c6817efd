from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import tifffile

import napari_cytosynth as cytosynth
from napari_cytosynth.errors import InputError
from napari_cytosynth.metrics import AP_THRESHOLDS, matching
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
        return Segmentation(probability, "YX", LabelOptions(options.get("threshold", 0.5)))

    monkeypatch.setattr(module, "segment", segment)
    return calls


def test_pooled_and_mean_figures_differ_as_their_names_say(data, oracle, tiny_model) -> None:
    report = evaluate_segment(tiny_model, *data, SegmentOptions(kind="labels"))
    metrics = report.metrics
    assert metrics["foreground IoU"] == pytest.approx(2 / 3)
    assert metrics["foreground IoU (mean per image)"] == pytest.approx(1 / 2)
    assert metrics["AP@0.5 (pooled)"] == pytest.approx(2 / 3)
    assert metrics["AP@0.5:0.95 (pooled)"] == pytest.approx(2 / 3)
    assert metrics["AP@0.5 (mean per image)"] == pytest.approx(1 / 2)
    assert metrics["AP@0.5:0.95 (mean per image)"] == pytest.approx(1 / 2)
    assert metrics["F1@0.5 (pooled)"] == pytest.approx(4 / 5)
    assert metrics["F1@0.5 (mean per image)"] == pytest.approx(1 / 2)
    assert metrics["AJI (pooled)"] == pytest.approx(2 / 3)
    assert metrics["panoptic quality (pooled)"] == pytest.approx(2 / 2.5)
    assert metrics["calibration error (ECE)"] == pytest.approx((20 + 200) / 3200)
    assert [f"AP@{t:g} (pooled)" in metrics for t in AP_THRESHOLDS] == [True] * 10
    assert list(report.table["AP@0.5"]) == [1, 0]
    assert report.worst[0].field.name == "two"


def test_the_model_runs_as_a_user_runs_it_unless_told_otherwise(data, oracle, tiny_model) -> None:
    report = evaluate_segment(tiny_model, *data)
    assert oracle[-1].keys() == {"model", "progress"}
    assert report.threshold == 0.5
    options = SegmentOptions(threshold=0.05, split_touching=False, min_size=0, pixel_size_um=0.3)
    report = evaluate_segment(tiny_model, *data, options)
    assert oracle[-1].items() >= {"threshold": 0.05, "min_size": 0, "resample": True}.items()
    assert oracle[-1]["split_touching"] is False
    assert report.threshold == 0.05
    assert report.metrics["recall"] == 1  # 0.1 is foreground now


def test_the_figures_are_those_of_the_users_own_labels(data, tiny_model) -> None:
    images, targets = data
    report = evaluate_segment(tiny_model, images[:1], targets[:1], SegmentOptions(kind="labels"))
    mine = cytosynth.segment(tifffile.imread(images[0]), model=tiny_model)
    assert report.labelling == mine.options
    found = matching(tifffile.imread(targets[0]), mine.labels)
    assert report.metrics["AP@0.5 (pooled)"] == found.average_precision
    assert report.metrics["predicted objects"] == mine.labels.max()


def test_the_parts_of_a_mask_are_its_objects_and_dust_is_none(data, oracle, tiny_model) -> None:
    images, targets = data
    mask = tifffile.imread(targets[0]) > 0
    mask[38, 38] = True  # dust
    mask[12:14, 2:12] = mask[12, 12] = True  # still one object, by a corner
    tifffile.imwrite(targets[0], mask.astype(np.uint8) * 255)
    report = evaluate_segment(tiny_model, images[:1], targets[:1])
    assert report.metrics["true objects"] == 2
    assert report.metrics["F1@0.5 (pooled)"] == 1
    assert report.metrics["foreground IoU"] < 1
    counted = SegmentOptions(smallest=0)
    report = evaluate_segment(tiny_model, images[:1], targets[:1], counted)
    assert report.metrics["true objects"] == 3
    assert report.metrics["F1@0.5 (pooled)"] == pytest.approx(4 / 5)
    large = SegmentOptions(kind="labels", smallest=101)
    report = evaluate_segment(tiny_model, images[1:], targets[1:], large)
    assert report.metrics["true objects"] == 0


def test_split_and_merged_objects_are_counted(data, monkeypatch, tiny_model) -> None:
    images, targets = data
    one, three = np.zeros((2, 40, 40), np.uint16)
    one[2:8, 2:32] = 1
    three[2:8, 2:32] = np.repeat([1, 2, 3], 10)

    def figures(truth, found):
        result = Segmentation((found > 0).astype(np.float32), "YX", LabelOptions(0.5))
        result.__dict__["labels"] = found.astype(np.int32)
        monkeypatch.setattr(module, "segment", lambda image, **options: result)
        tifffile.imwrite(targets[0], truth)
        options = SegmentOptions(kind="labels")
        report = evaluate_segment(tiny_model, images[:1], targets[:1], options)
        names = ["split errors", "merge errors"]
        assert list(report.table[names].iloc[0]) == [report.metrics[name] for name in names]
        return [report.metrics[name] for name in names]

    assert figures(truth=one, found=three) == [1, 0]
    assert figures(truth=three, found=one) == [0, 1]
    assert figures(truth=three, found=three) == [0, 0]


def test_images_without_objects_are_right_where_none_is_found(data, oracle, tiny_model) -> None:
    targets = data[1]
    tifffile.imwrite(targets[1], np.zeros((40, 40), np.uint16))  # where nothing is found
    metrics = evaluate_segment(tiny_model, *data, SegmentOptions(kind="labels")).metrics
    assert metrics["images without objects"] == 1
    assert metrics["AP@0.5 (mean per image)"] == metrics["AP@0.5 (pooled)"] == 1
    tifffile.imwrite(targets[0], np.zeros((40, 40), np.uint16))  # where two are
    metrics = evaluate_segment(tiny_model, *data, SegmentOptions(kind="labels")).metrics
    assert metrics["AP@0.5 (mean per image)"] == 1 / 2
    assert metrics["AP@0.5 (pooled)"] == 0


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
    assert summary["metrics"]["AP@0.5 (pooled)"] == pytest.approx(2 / 3)
    assert (summary["threshold"], summary["split_touching"]) == (0.5, False)
    assert "All 2 objects are right" in summary["confidence"]
    assert summary["images"] == ["one", "two"]
    assert summary["command"] == "cytosynth evaluate …"
    assert list(pd.read_csv(out / "table.csv")["image"]) == ["one", "two"]
    assert "precision" in pd.read_csv(out / "curve.csv")
    pages = sorted(path.name for path in out.glob("*.png"))
    assert pages == ["curves.png", "worst-01-two.png", "worst-02-one.png"]


def test_the_card_gets_each_figure_with_its_command(data, oracle, tiny_model) -> None:
    report = evaluate_segment(tiny_model, *data, SegmentOptions(kind="labels"))
    found = {m.name: m for m in report.card_metrics("blobs, test", "cytosynth …")}
    assert found["AP@0.5 (pooled)"].value == pytest.approx(0.6667)
    assert found["AP@0.5 (mean per image)"].value == 0.5
    assert {"split errors", "merge errors", "true objects"} <= found.keys()
    assert found["foreground IoU"].dataset == "blobs, test"
    assert found["F1@0.5 (pooled)"].command == "cytosynth …"


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
