from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import tifffile
import torch
from scipy import ndimage

from napari_cytosynth.errors import InputError
from napari_cytosynth.tasks.segment.flows.heat import flow_field
from napari_cytosynth.tasks.segment.instances import LabelOptions
from napari_cytosynth.tasks.segment.result import Segmentation
from napari_cytosynth.tasks.segment.task import segment
from napari_cytosynth.training.segment.evaluate import run as module
from napari_cytosynth.training.segment.evaluate.confidence import (
    ConfidenceTally,
    confidence_scores,
)
from napari_cytosynth.training.segment.evaluate.run import (
    SegmentOptions,
    evaluate_segment,
    write_report,
)
from napari_cytosynth.zoo.card import Confidence, ConfidenceTerm, FlowDecoding, Normalisation
from napari_cytosynth.zoo.model_files import read_card, save_model

RIVAL = "mean probability"


def objects(flow_weight, count=3000, seed=0):
    """Objects of 30 images; what is right follows the probability and, if asked, the flow."""
    rng = np.random.default_rng(seed)
    columns = {RIVAL: rng.normal(size=count), "flow error": rng.normal(size=count)}
    odds = 1 + columns[RIVAL] - flow_weight * columns["flow error"]
    right = rng.random(count) < 1 / (1 + np.exp(-odds))
    return columns, right, rng.integers(0, 30, count)


def test_an_ingredient_that_tells_is_worthwhile() -> None:
    scores = confidence_scores(*objects(flow_weight=1.5), RIVAL)
    assert scores.worthwhile
    assert scores.combined_auroc > scores.auroc[RIVAL] + 0.05
    assert scores.auroc["flow error"] < 0.4  # much error, wrong object
    assert scores.curve.error < 0.05


@pytest.mark.parametrize("seed", range(4))
def test_noise_is_not_worthwhile(seed) -> None:
    columns, right, image = objects(flow_weight=0, count=300, seed=seed)
    rng = np.random.default_rng(100 + seed)
    noise = {f"noise {n}": rng.normal(size=300) for n in range(5)}
    scores = confidence_scores(columns | noise, right, image, RIVAL)
    assert not scores.worthwhile


@pytest.mark.parametrize(
    ("images", "gain", "worthwhile"), [(30, 0.04, True), (30, 0.03, False), (2, 0.1, False)]
)
def test_a_gain_counts_if_it_is_beyond_chance(images, gain, worthwhile) -> None:
    scores = confidence_scores(*objects(flow_weight=1.5), RIVAL)
    scores = replace(scores, images=images, gain=gain, gain_error=0.02)
    assert scores.worthwhile is worthwhile


def test_copies_of_an_object_in_its_image_make_no_gain_surer() -> None:
    columns, right, _ = objects(flow_weight=0.5, count=100)
    once = confidence_scores(columns, right, np.arange(100), RIVAL)
    copies = {name: np.repeat(column, 10) for name, column in columns.items()}
    same = confidence_scores(copies, np.repeat(right, 10), np.repeat(np.arange(100), 10), RIVAL)
    assert same.gain_error == pytest.approx(once.gain_error, rel=0.02)


def test_whole_images_are_left_out() -> None:
    """What only tells one image from another tells nothing of the next image."""
    rng = np.random.default_rng(3)
    image = np.repeat(np.arange(10), 40)
    right = rng.random(400) < np.repeat(rng.random(10), 40)
    columns = {RIVAL: rng.normal(size=400)}
    columns |= {f"image {n}": (image == n).astype(float) for n in range(10)}
    scores = confidence_scores(columns, right, image, RIVAL)
    assert not scores.worthwhile
    assert scores.combined_auroc < 0.65


def test_what_cannot_be_cross_validated_is_said() -> None:
    columns, right, image = objects(1.0, count=100)
    with pytest.raises(InputError, match="at least two images"):
        confidence_scores(columns, right, np.zeros(100), RIVAL)
    with pytest.raises(InputError, match="not among the ingredients"):
        confidence_scores({"flow error": columns["flow error"]}, right, image, RIVAL)


def segmentation(found, level):
    """A segmentation whose objects have each a probability of its own."""
    probability = np.append(0, level)[found].astype(np.float32)
    result = Segmentation(probability, "YX", LabelOptions(0.1))
    result.__dict__["labels"] = found.astype(np.int32)
    return result


@pytest.fixture
def fields():
    """Truth and result of ten images; of four objects the two faint ones are not there."""
    result = []
    for number in range(10):
        truth, found = np.zeros((2, 60, 60), np.uint16)
        for n in range(4):
            found[4 : 12 + n, 15 * n : 15 * n + 10] = n + 1
        truth[found == 1] = 1
        truth[found == 2] = 2
        level = [0.9, 0.8, 0.3, 0.85 if number == 0 else 0.2]
        result.append((truth, segmentation(found, level)))
    return result


def test_a_tally_takes_what_the_table_of_objects_has(fields) -> None:
    tally = ConfidenceTally()
    assert tally.scores() == "No object was found."
    for truth, result in fields:
        tally.add(truth, result)
    scores = tally.scores()
    assert (scores.objects, scores.right) == (40, 20)
    assert scores.auroc.keys() == {RIVAL, "log area"}
    assert 0.9 < scores.auroc[RIVAL] < 1
    assert scores.auroc["log area"] == 0  # the wrong ones are the larger ones here
    assert "20 of 40 objects are right" in scores.summary()


def test_columns_that_a_decoder_adds_are_taken_too(fields) -> None:
    tally = ConfidenceTally()
    for truth, result in fields:
        result.table["flow_error"] = [0.1, 0.2, 0.5, 0.6]
        tally.add(truth, result)
    assert tally.scores().auroc["flow error"] == 0


def test_small_objects_do_not_count(fields) -> None:
    tally = ConfidenceTally()
    for truth, result in fields:
        tally.add(truth, result, smallest=90)
    assert tally.scores() != "No object was found."
    assert tally.scores().objects == 30  # all but those of 80 px


def test_objects_of_one_kind_are_said_to_teach_nothing(fields) -> None:
    tally = ConfidenceTally()
    for truth, result in fields:
        tally.add(np.zeros_like(truth), result)
    assert "All 40 objects are wrong" in tally.scores()


def test_the_report_has_a_section_and_a_page(fields, tmp_path, tiny_model, monkeypatch) -> None:
    images, targets = [], []
    for number, (truth, _) in enumerate(fields):
        for kind, paths in (("image", images), ("labels", targets)):
            (tmp_path / kind).mkdir(exist_ok=True)
            paths.append(tmp_path / kind / f"{number}.tif")
            tifffile.imwrite(paths[-1], truth)
    results = iter([result for _, result in fields])
    monkeypatch.setattr(module, "segment", lambda image, **options: next(results))
    report = evaluate_segment(tiny_model, images, targets, SegmentOptions(kind="labels"))
    write_report(report, tmp_path / "out")
    record = json.loads((tmp_path / "out" / "metrics.json").read_text("utf-8"))["confidence"]
    assert record["objects"] == 40
    assert record["fit"]["names"] == [RIVAL, "log area"]
    assert sum(record["curve"]["count"]) == 40
    assert (tmp_path / "out" / "confidence.png").is_file()


@pytest.fixture
def flow_model(make_model):
    """A tiny model with flows, whose card says how a confidence follows from their error."""
    return make_model(
        output_channels=["cells", "up", "right"],
        object_channel="cells",
        channel_roles=["foreground", "flow-y", "flow-x"],
        flows=FlowDecoding(),
        splitting=None,
        confidence=Confidence(intercept=0.3, flow_error=ConfidenceTerm(weight=-2, mean=1, std=0.5)),
        diameter=10,
    )


@pytest.fixture
def cells(flow_model):
    """Nine cells whose flows get noisier, seen by a model that hands its three channels on."""
    rows, columns = np.mgrid[:72, :72]
    truth = np.zeros((72, 72), np.int32)
    for number in range(9):
        y, x = 12 + 24 * (number // 3), 12 + 24 * (number % 3)
        truth[(rows - y) ** 2 + (columns - x) ** 2 <= 49] = number + 1
    noise = 0.05 * truth * np.random.default_rng(0).normal(size=(2, 72, 72))
    image = np.stack([np.where(truth > 0, 3.0, -4.0), *(5 * (flow_field(truth) + noise))])
    changed = {
        "input_channels": ["logit", "y", "x"],
        "normalisation": Normalisation(kind="fixed", mean=0.0, std=1.0),
    }
    inference = flow_model.card.inference.model_copy(update=changed)
    network = torch.nn.Conv2d(3, 3, 1, bias=False).eval()
    with torch.no_grad():
        network.weight[:] = torch.eye(3)[:, :, None, None]
    card = flow_model.card.model_copy(update={"inference": inference})
    model = replace(flow_model, card=card, network=network)
    return segment(image.astype(np.float32), model=model, axes="CYX", device="cpu")


def test_the_models_own_values_of_its_flows_are_measured(cells) -> None:
    result, tally, labels = cells, ConfidenceTally(), np.asarray(cells.labels)
    assert labels.max() > 5
    tally.add(np.where(labels % 2, labels, 0), result, smallest=4)
    counted = result.table["area_px"].to_numpy() >= 4
    stated, error = tally.stated[0], tally.columns["flow error"][0]
    assert list(stated) == list(result.table["confidence"][counted])
    # as the card says, from the very values that stand beside it
    assert stated == pytest.approx(1 / (1 + np.exp(-(0.3 - 2 * (error - 1) / 0.5))))
    scores = tally.stated_scores()
    assert scores.auroc["confidence"] == pytest.approx(scores.auroc["low flow error"])
    assert scores.right == np.count_nonzero(result.table["label"][counted] % 2)


def test_a_model_without_a_confidence_states_none(fields, tiny_model) -> None:
    tally = ConfidenceTally()
    for truth, result in fields:
        tally.add(truth, result)
    assert tally.stated_scores() is None
    assert tally.scores().left_out.auroc.keys() == {"confidence", RIVAL, "log area"}


def test_record_page_and_card_hold_the_stated_confidence(flow_model, tmp_path) -> None:
    image = ndimage.gaussian_filter(np.random.default_rng(0).normal(size=(64, 64)), 2)
    labels = np.asarray(segment(image, model=flow_model, device="cpu").labels)
    tifffile.imwrite(tmp_path / "a.tif", image.astype(np.float32))
    tifffile.imwrite(tmp_path / "b.tif", np.where(labels % 2, labels, 0).astype(np.uint16))
    options = SegmentOptions(kind="labels", device="cpu")
    report = evaluate_segment(flow_model, [tmp_path / "a.tif"], [tmp_path / "b.tif"], options)
    write_report(report, tmp_path / "out")
    record = json.loads((tmp_path / "out" / "metrics.json").read_text("utf-8"))
    stated = record["stated confidence"]
    assert stated["right"] + stated["wrong"] == labels.max() == sum(stated["curve"]["count"])
    assert {"confidence", "mean probability", "log area", "low flow error"} <= set(stated["auroc"])
    assert (tmp_path / "out" / "confidence.png").is_file()
    folder = save_model(tmp_path / "tiny", flow_model.network, flow_model.card)
    for name in ("blobs, test", "others, test", "blobs, test"):
        report.update_card(folder, name, "cytosynth evaluate …")
    tests = read_card(folder).confidence_tests
    assert sorted(test.dataset for test in tests) == ["blobs, test", "others, test"]
    assert "## Confidence in each object" in (folder / "README.md").read_text("utf-8")
