"""Cells that a fooled network paints although the image does not show them: doubt must find them.

The network copies the nuclei that it sees, and paints one more wherever a faint texture, a tenth
of a nucleus in contrast, happens to match its filters, as bright as the others and in all stains.
Where it paints follows the image, not its corner: a view turns the texture with all the rest.
With filters that have a direction, as those of a trained network, the match may fail in some of
the views; with round ones it never does, and contrast alone can tell: the hard case.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import ndimage
from torch.nn import functional

import napari_cytosynth as cytosynth
from napari_cytosynth import phantoms
from napari_cytosynth.progress import silent
from napari_cytosynth.training.stain.calibrate.cells import TERMS
from napari_cytosynth.training.stain.calibrate.doubt import (
    VirtualObjects,
    judge_doubt,
    object_truth,
)

SHAPE, FIELDS = (160, 160), 3
LEVEL = 3.0
"""Brightness of a painted nucleus, in standard deviations of the image."""


def blurred(x: torch.Tensor, sigma: float) -> torch.Tensor:
    reach = int(3 * sigma)
    line = torch.exp(-0.5 * (torch.arange(-reach, reach + 1.0) / sigma) ** 2)
    kernel = line[:, None] * line[None, :]
    return functional.conv2d(x, (kernel / kernel.sum())[None, None].to(x), padding="same")


class Fooled(torch.nn.Module):
    """Copies nuclei, and paints one where the energy of its filters exceeds a threshold."""

    total_stride = 1

    def __init__(self, kernels: torch.Tensor, threshold: float) -> None:
        super().__init__()
        self.kernels, self.threshold = kernels, threshold

    def energy(self, x: torch.Tensor) -> torch.Tensor:
        smooth = blurred(x, 2.5)
        found = functional.conv2d(x - smooth, self.kernels.to(x), padding="same")
        energy = blurred((found**2).mean(1, True), 3.0)
        return energy * (smooth < 0.3)  # it knows what a nucleus is

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        match = torch.sigmoid(8 * (self.energy(x) / self.threshold - 1))
        painted = blurred(LEVEL * match, 1.0)
        return (x + painted).repeat(1, 2, 1, 1)


def filters(directed: bool) -> torch.Tensor:
    rng = np.random.default_rng(3)
    found = rng.normal(0, 1, (3, 1, 9, 9))
    y, x = np.indices((9, 9)) - 4
    found = ndimage.gaussian_filter(found, (0, 0, 0.7, 0.7)) * np.exp(-(y**2 + x**2) / 14)
    if not directed:  # the same along every circle
        radius = np.rint(np.hypot(y, x)).astype(int)
        for kernel in found[:, 0]:
            kernel[:] = ndimage.mean(kernel, radius, np.arange(radius.max() + 1))[radius]
    found -= found.mean((2, 3), keepdims=True)
    found /= np.sqrt((found**2).sum((2, 3), keepdims=True))
    return torch.tensor(found, dtype=torch.float32)


def scene(seed: int):
    """Return nuclei with faint textures between them, their labels, and where the textures are."""
    made = phantoms.fluorescent_nuclei(SHAPE, count=9, seed=seed, touching=0.2)
    image = made.image.astype(np.float32)
    rng = np.random.default_rng(seed)
    nuclei = made.labels > 0
    contrast = image[nuclei].mean() - np.median(image[~nuclei])
    texture = ndimage.gaussian_filter(rng.normal(0, 1, SHAPE), 0.8)
    texture *= 0.1 * contrast / texture.std()
    room = ndimage.distance_transform_edt(~nuclei)
    planted = np.zeros(SHAPE, np.float32)
    for _ in range(400):
        y, x = rng.integers(14, SHAPE[0] - 14, 2)
        radius, strength = rng.uniform(8.5, 12), rng.uniform(1.0, 1.8)
        away = np.hypot(*(np.indices(SHAPE) - np.array([y, x])[:, None, None]))
        if room[y, x] > radius + 5 and not planted[away < 26].any():
            planted += strength / (1 + np.exp(2 * (away - radius)))
            planted[planted < 1e-3] = 0
    return image + planted * texture, made.labels, planted


def judged(make_stainer, directed: bool):
    kernels = filters(directed)
    plain = make_stainer(dropout=0, receptive_radius=0, norm="instance")
    scenes = [scene(seed) for seed in range(FIELDS)]
    probe = Fooled(kernels, 1.0)
    levels = []
    for image, _, planted in scenes:
        scaled = torch.tensor((image - image.mean()) / image.std())[None, None].float()
        levels.append(probe.energy(scaled)[0, 0].numpy()[planted > 0.9])
    network = Fooled(kernels, float(np.median(np.concatenate(levels))) / 1.5)
    found = []
    for number, (image, labels, _) in enumerate(scenes):
        result = cytosynth.stain(
            image, replace(plain, network=network), samples=0, precision="float32", progress=silent
        )
        objects = result.objects("DNA", progress=silent)
        truth = object_truth(objects.labels, labels, image)
        found.append(VirtualObjects(str(number), objects.features, truth))
    return found


@pytest.mark.slow
@pytest.mark.parametrize("directed", [True, False], ids=["directed", "round"])
def test_cells_that_only_the_network_sees_are_doubted(make_stainer, directed):
    found = judged(make_stainer, directed)
    absent = np.concatenate([one.truth.iou < 0.1 for one in found])
    right = np.concatenate([~one.wrong for one in found])
    assert absent.sum() >= 12
    assert right.sum() >= 20
    scores = judge_doubt(found, TERMS)
    assert scores.mean_auroc() >= 0.8
    assert scores.mean_auroc() > scores.mean_auroc("size and brightness")
    assert np.median(scores.doubt[absent]) > 0.5 > np.median(scores.doubt[right])
