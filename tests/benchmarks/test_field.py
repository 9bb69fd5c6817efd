"""One field to labels and a table, beside networks of Cellpose's and StarDist's size.

Their networks have random weights and only run forward; what follows them gets the flows and the
distances of the truth, and no table.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage
from torch import nn

from napari_cytosynth.inference.precision import has_bfloat16
from napari_cytosynth.tasks.segment.task import segment
from napari_cytosynth.zoo.loading import load_model

from .table import ROUNDS, medians

SIZE, NAME = 512, "fluo-nuclei-unet"
FASTEST = "bfloat16" if has_bfloat16() else "float32"
WORK, WHY = f"{SIZE}² → labels and table, {FASTEST}", "Not profiled yet."


@pytest.fixture(scope="module")
def nuclei():
    """Labels and an image of about a hundred round nuclei."""
    random = np.random.default_rng(0)
    rows, columns = np.mgrid[:SIZE, :SIZE]
    labels = np.zeros((SIZE, SIZE), np.int32)
    for number, (y, x) in enumerate(np.ndindex(10, 10), 1):
        centre = 26 + 51 * np.array([y, x]) + random.uniform(-8, 8, 2)
        far = (rows - centre[0]) ** 2 + (columns - centre[1]) ** 2
        labels[far <= random.uniform(11, 17) ** 2] = number
    bright = ndimage.gaussian_filter((labels > 0).astype(np.float32), 1.5)
    return labels, 20 + 200 * bright + random.normal(0, 4, labels.shape).astype(np.float32)


@pytest.fixture(scope="module")
def ours(nuclei):
    labels, image = nuclei
    model = load_model(NAME)

    def run():
        result = segment(image, model, precision=FASTEST, progress=lambda *_: None)
        return result.labels, result.table

    found, table = run()
    assert len(table) == found.max()
    assert found.max() == pytest.approx(labels.max(), rel=0.1)
    return run


def compare(table, rival, theirs, ours, truth):
    seconds, results = medians({"ours": ours, "theirs": theirs}, ROUNDS)
    counts = [int(results["ours"][0].max()), int(results["theirs"].max())]
    assert counts[1] == pytest.approx(truth.max(), rel=0.1)
    table.ratio(
        WORK, rival, seconds["theirs"] / seconds["ours"], 1, why=WHY,
        compared=f"{counts[0]} and {counts[1]} objects of {truth.max()}",
    )  # fmt: skip


def test_a_field_beside_cellpose(nuclei, ours, table):
    rival = "Cellpose 3: its network, flow following"
    try:
        from cellpose import dynamics
        from cellpose.resnet_torch import CPnet
    except ImportError:
        table.missing(WORK, rival, "cellpose<4")
        pytest.skip("cellpose is not installed")
    from napari_cytosynth.tasks.segment.flows.heat import flow_field

    labels, image = nuclei
    network = CPnet([2, 32, 64, 128, 256], 3, 3).eval()
    batch = torch.from_numpy(np.stack([image, np.zeros_like(image)]))[None]
    flows = 5 * flow_field(labels).astype(np.float32)
    logit = np.where(labels > 0, 5, -5).astype(np.float32)

    def theirs():
        with torch.inference_mode():
            network(batch)
        found = dynamics.compute_masks(flows, logit, device=torch.device("cpu"))
        return found[0] if isinstance(found, tuple) else found

    compare(table, rival, theirs, ours, labels)


def _convolutions(inputs, width):
    layers = []
    for channels in (inputs, width):
        layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()]
    return nn.Sequential(*layers)


class StarDistSize(nn.Module):
    """The layers of StarDist's default configuration in 2-D, with random weights.

    Two convolutions and a pooling to its grid of 2, a U-Net of three levels from 32 channels
    on, 128 features, a probability and 32 rays (stardist 0.9, Config2D).
    """

    def __init__(self):
        super().__init__()
        widths = (32, 64, 128, 256)
        self.stem = _convolutions(1, 32)
        self.down = nn.ModuleList(_convolutions(i, o) for i, o in zip((32, *widths), widths[:3]))  # noqa: B905
        self.bottom = _convolutions(128, 256)
        self.up = nn.ModuleList(
            _convolutions(i + o, o) for i, o in ((256, 128), (128, 64), (64, 32))
        )
        self.head = nn.Sequential(
            nn.Conv2d(32, 128, 3, padding=1), nn.ReLU(), nn.Conv2d(128, 33, 1)
        )
        self.pool, self.wider = nn.MaxPool2d(2), nn.Upsample(scale_factor=2)

    def forward(self, x):
        x, skips = self.pool(self.stem(x)), []
        for block in self.down:
            skips.append(block(x))
            x = self.pool(skips[-1])
        x = self.bottom(x)
        for block in self.up:
            x = block(torch.cat([self.wider(x), skips.pop()], 1))
        return self.head(x)


def test_a_field_beside_stardist(nuclei, ours, table):
    rival = "StarDist: its network's layers, its non-maximum suppression"
    try:
        from stardist.geometry import polygons_to_label, star_dist
        from stardist.nms import non_maximum_suppression
    except ImportError:
        table.missing(WORK, rival, "stardist")
        pytest.skip("stardist is not installed")
    labels, image = nuclei
    network, batch = StarDistSize().eval(), torch.from_numpy(image)[None, None]
    distances = np.ascontiguousarray(star_dist(labels, 32, grid=(2, 2)))
    inside = ndimage.distance_transform_edt(labels > 0)[::2, ::2]
    probability = (inside / inside.max()).astype(np.float32)

    def theirs():
        with torch.inference_mode():
            network(batch)
        points, scores, rays = non_maximum_suppression(
            distances, probability, grid=(2, 2), nms_thresh=0.4, prob_thresh=0.4
        )
        return polygons_to_label(rays, points, labels.shape, prob=scores)

    compare(table, rival, theirs, ours, labels)
