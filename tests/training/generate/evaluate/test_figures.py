from __future__ import annotations

import numpy as np

from napari_cytosynth.training.generate.evaluate.figures import pictures_of
from napari_cytosynth.training.generate.evaluate.scores import ImageSet


def shown(channels: list[str], values: list[float], mask: np.ndarray | None = None) -> np.ndarray:
    """Return the picture of flat channels of 4 px."""
    images = np.ones((2, len(values), 4, 4), np.float32) * np.array(values)[:, None, None]
    masks = None if mask is None else np.stack([mask, mask])
    [picture] = pictures_of(ImageSet(images, masks, np.empty((2, 1))), channels, [1])
    return picture


def test_each_stain_has_its_usual_colour_and_a_single_one_is_grey() -> None:
    assert shown(["DNA"], [0.2])[0, 0].tolist() == [51, 51, 51]
    assert shown(["red", "green", "blue"], [0.2, 0.4, 1])[0, 0].tolist() == [51, 102, 255]
    both = shown(["DNA", "AGP"], [0.2, 0])
    assert both[0, 0].tolist() == [0, 51, 51]  # cyan
    assert shown(["DNA", "Mito"], [1, 1]).max() == 255  # added up, never beyond white


def test_masks_are_outlined() -> None:
    mask = np.zeros((4, 4), bool)
    mask[1:3, 1:3] = True
    picture = shown(["EM"], [0.2], mask)
    coloured = np.ptp(picture.astype(int), axis=-1) > 0
    np.testing.assert_array_equal(coloured, mask)
