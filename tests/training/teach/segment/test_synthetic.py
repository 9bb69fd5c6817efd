"""Synthetic images with masks are learned beside annotated ones, or alone."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import tifffile

import napari_cytosynth as cytosynth
from napari_cytosynth.errors import InputError
from napari_cytosynth.training.segment.data import SegmentationData
from napari_cytosynth.training.teach.segment.synthetic import SyntheticImages
from napari_cytosynth.training.teach.task import prepare


@pytest.fixture
def made():
    """Six images, of which each next one holds a larger object."""
    masks = np.zeros((6, 48, 48), bool)
    for number, mask in enumerate(masks):
        mask[8 : 12 + 4 * number, 8:30] = True
        mask[40:44, 40:44] = True
    images = np.where(masks, 0.8, 0.2).astype(np.float32)[:, None]
    return SimpleNamespace(images=images, masks=masks, model="pairs", part=None, pixel_size_um=None)


def test_crops_are_shared_out_as_the_sliders_say(make_model, painted, made, tmp_path):
    model = make_model(splitting=None, output_channels=["foreground"], example_size=(32, 32))
    synthetic = SyntheticImages.of(made, 0.6, 3.0)
    ready = prepare(model, [painted], tmp_path / "run", synthetic=synthetic, steps=1)
    shares = {source.folder: source.share for source in ready.recipe.data.sources}
    assert shares["own"] == pytest.approx(0.4)
    # a third of the images, three times as often
    assert shares["synthetic-rare"] == pytest.approx(0.6 * 3 / 5)
    assert shares["synthetic"] == pytest.approx(0.6 * 2 / 5)
    rare = tifffile.imread(sorted((ready.data_dir / "synthetic-rare" / "mask").iterdir()))
    np.testing.assert_array_equal(rare > 0, made.masks[:2])
    data = SegmentationData(ready.recipe, ready.data_dir)
    data.setup("fit")
    assert len(data.dataset.stacks) == 7
    assert {field.source for field in data.validation} == {"own"}
    remarks = ready.recipe.card.remarks
    assert "60% of the crops are of 6 images that “pairs” made" in remarks
    assert "few objects 3 times as often" in remarks


def test_without_others_they_are_all_that_is_learned(make_model, made, tmp_path):
    model = make_model(splitting=None, output_channels=["foreground"], example_size=(32, 32))
    new = cytosynth.fine_tune(
        model, [], tmp_path / "run", synthetic=made, steps=1, progress=lambda *_: None
    )
    remarks = cytosynth.load_model(new).card.training.remarks
    assert "All images are synthetic" in remarks
    assert "real ones was not measured" in remarks


def test_what_has_no_masks_or_no_use_for_them_is_refused(make_stainer, made, painted, tmp_path):
    with pytest.raises(InputError, match="have no masks"):
        cytosynth.fine_tune(make_stainer(), [], tmp_path, synthetic=painted)
    with pytest.raises(InputError, match="Only models that segment learn from synthetic masks"):
        cytosynth.fine_tune(make_stainer(), [], tmp_path, synthetic=made)
    with pytest.raises(InputError, match="synthetic_share"):
        cytosynth.fine_tune(make_stainer(), [], tmp_path, synthetic=made, synthetic_share=1.0)
