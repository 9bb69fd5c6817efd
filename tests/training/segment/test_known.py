from __future__ import annotations

import numpy as np
import pytest
import tifffile
import torch

from napari_cytosynth.errors import RecipeError
from napari_cytosynth.phantoms.simulate import fluorescent_nuclei
from napari_cytosynth.training.segment.data import SegmentationData
from napari_cytosynth.training.segment.known import known_channels, known_objects
from napari_cytosynth.training.segment.module import SegmentationModule
from napari_cytosynth.training.segment.recipe import SegmentRecipe
from napari_cytosynth.training.segment.thresholds import (
    Predictions,
    choose_threshold,
    iou_curve,
)


def _recipe(make_recipe, kind="labels", decoder="flows", **data):
    tree = make_recipe(kind).model_dump()
    target = tree["data"]["targets"][0] | {"decoder": decoder, "balance": True}
    tree["data"] |= {"targets": [target], "annotated": "annotated"}
    tree["data"] |= {"split": {"kind": "pixels"}} | data
    return SegmentRecipe.model_validate(tree)


@pytest.fixture
def strokes_folder(tmp_path):
    """Two images: left of column 60 trains, from 80 on validates, rows from 60 on are strokes."""
    for name in ("image", "labels", "mask", "annotated", "held-out"):
        (tmp_path / name).mkdir()
    for seed in range(2):
        phantom = fluorescent_nuclei((96, 112), count=12, seed=seed)
        annotated = np.ones((96, 112), np.uint8)
        annotated[60:] = 2
        annotated[:, 60:80] = 0
        held_out = np.zeros((96, 112), np.uint8)
        held_out[:, 80:] = 1
        files = {"image": phantom.image, "labels": phantom.labels.astype(np.uint16)}
        files |= {"mask": (phantom.labels > 0).astype(np.uint8), "annotated": annotated}
        for name, array in (files | {"held-out": held_out}).items():
            tifffile.imwrite(tmp_path / name / f"{seed}.tif", array)
    return tmp_path


def test_pixels_that_validate_do_not_train_and_strokes_teach_no_outlines(
    make_recipe, strokes_folder
):
    data = SegmentationData(_recipe(make_recipe), strokes_folder)
    data.setup("fit")
    training = data.dataset.stacks[0][1 + 3 :]  # after the image and three maps
    assert training[0, :, :60].all()
    assert not training[0, :, 60:].any()
    assert training[1:, :60, :60].all()
    assert not training[1:, 60:].any()
    validating = data.validation[0]
    assert int(validating.known[0].sum()) == 96 * 32
    seen = np.unique(validating.truth[validating.truth > 0])
    assert len(seen)
    for label in seen:  # none that is cut, or has no outline
        assert validating.known[1][validating.truth == label].all()


def test_the_masks_of_what_is_known_belong_to_the_data(make_recipe, strokes_folder):
    recipe = _recipe(make_recipe)
    before = SegmentationData(recipe, strokes_folder).sha256
    path = strokes_folder / "held-out" / "1.tif"
    tifffile.imwrite(path, np.flip(tifffile.imread(path)))
    assert SegmentationData(recipe, strokes_folder).sha256 != before
    path.unlink()
    with pytest.raises(RecipeError, match=r"1 of 2 images have no truth.*“1”"):
        SegmentationData(recipe, strokes_folder)


@pytest.mark.parametrize("decoder", ["flows", "distance"])
def test_no_term_of_the_loss_looks_at_what_is_unknown(make_recipe, decoder):
    recipe = _recipe(make_recipe, decoder=decoder)
    module = SegmentationModule(recipe, total_steps=1)
    count = len(recipe.output_channels)
    torch.manual_seed(0)
    logits = torch.randn(2, count, 8, 8, requires_grad=True)
    target = torch.rand(2, count, 8, 8).round()
    known = torch.zeros(2, count, 8, 8)
    known[:, :, :4] = 1
    known[:, 1:, :2] = 0  # strokes: outlines are not known
    losses = module.channel_losses(logits, target, known)
    torch.stack(list(losses.values())).sum().backward()
    assert not logits.grad[known == 0].any()
    assert (logits.grad[known > 0] != 0).all()


def test_with_nothing_known_the_loss_is_finite(make_recipe):
    module = SegmentationModule(_recipe(make_recipe), total_steps=1)
    logits = torch.zeros(1, 3, 8, 8, requires_grad=True)
    losses = module.channel_losses(logits, torch.zeros(1, 3, 8, 8), torch.zeros(1, 3, 8, 8))
    total = torch.stack(list(losses.values())).sum()
    total.backward()
    assert torch.isfinite(total)
    assert not logits.grad.any()


def test_a_target_that_is_not_taught_needs_no_folder_and_no_loss(make_recipe, strokes_folder):
    tree = _recipe(make_recipe, "mask").model_dump()
    tree["data"]["targets"].append({"folder": "no-folder", "name": "membrane", "taught": False})
    recipe = SegmentRecipe.model_validate(tree)
    data = SegmentationData(recipe, strokes_folder)
    data.setup("fit")
    assert recipe.output_channels == ["foreground", "membrane"]
    assert not data.dataset.stacks[0][4].any()
    module = SegmentationModule(recipe, total_steps=1)
    losses = module.channel_losses(torch.zeros(1, 2, 8, 8), torch.ones(1, 2, 8, 8))
    assert list(losses) == ["foreground"]


def _prediction(known):
    """Return a prediction that is right at 0.4 where the truth is known, and at 0.8 elsewhere."""
    truth = np.zeros((1, 20, 20), np.float32)
    truth[0, :, :10] = 1
    probability = np.where(truth > 0, 0.45, 0.3).astype(np.float32)
    probability[0, 10:] = np.where(truth[0, 10:] > 0, 0.9, 0.7)
    return Predictions("a", probability, truth, truth[0], known=known)


def test_scores_and_the_threshold_are_of_known_pixels():
    known = np.zeros((1, 20, 20), bool)
    known[0, :10] = True
    item = _prediction(known)
    assert 0.3 < choose_threshold([item]) <= 0.45
    assert iou_curve([item])[0.8] == 0
    assert choose_threshold([_prediction(~known)]) > 0.7


def test_balanced_scores_do_not_depend_on_how_much_background_is_painted():
    known = np.ones((1, 20, 20), bool)
    item = _prediction(known)
    fewer = known.copy()
    fewer[0, ::2, 10:] = False  # half of the background of each kind
    half = _prediction(fewer)
    assert iou_curve([item], prevalence=0.5)[0.5] == pytest.approx(
        iou_curve([half], prevalence=0.5)[0.5]
    )
    assert iou_curve([item])[0.5] != pytest.approx(iou_curve([half])[0.5])


def test_the_curve_is_asked_for_other_thresholds():
    item = _prediction(np.ones((1, 20, 20), bool))
    assert list(iou_curve([item], 0.5, (0.42,))) == [0.42]
    assert iou_curve([item], 0.5, (0.5,))[0.5] == iou_curve([item], 0.5)[0.5]


def test_objects_are_known_by_their_pixels():
    labels = np.zeros((10, 10), np.int32)
    labels[:4, :4], labels[6:, 6:] = 1, 2
    known = np.zeros((10, 10), bool)
    known[:3] = True
    assert set(np.unique(known_objects(labels, known))) == {0, 1}
    assert set(np.unique(known_objects(labels, known, 1.0))) == {0}
    targets = _targets()
    annotated = np.array([[0, 1, 2]])
    np.testing.assert_array_equal(
        known_channels(annotated, targets)[:, 0],
        [[False, True, True], [False, True, False], [False, True, False], [False] * 3],
    )


def _targets():
    from napari_cytosynth.training.segment.recipe import TargetRecipe

    labels = TargetRecipe(folder="labels", kind="labels", decoder="flows")
    return [labels, TargetRecipe(folder="other", taught=False)]
