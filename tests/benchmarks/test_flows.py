"""Cost of objects from flows, against a watershed of distances on the same plane.

Run with ``pytest tests/benchmarks/test_flows.py -s`` to see the figures.
"""

from __future__ import annotations

import time

import numpy as np
import pytest
from scipy import ndimage

from napari_cytosynth.tasks.segment.flows.decoding import FlowSettings, decode_flows
from napari_cytosynth.tasks.segment.flows.heat import flow_field
from napari_cytosynth.tasks.segment.flows.objects import FlowObjects
from napari_cytosynth.tasks.segment.instances import LabelOptions, label_plane

BUDGET = 0.25  # s of two cores for a million pixels


def cells(size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels, probability and flows of round cells, a third of the plane, as a network gives."""
    random = np.random.default_rng(0)
    tile = 256
    rows, columns = np.mgrid[:tile, :tile]
    labels = np.zeros((tile, tile), np.int32)
    for number in range(1, 26):
        y, x = random.uniform(10, tile - 10, 2)
        labels[(rows - y) ** 2 + (columns - x) ** 2 <= random.uniform(8, 18) ** 2] = number
    flows = flow_field(labels)
    repeats = -(-size // tile)
    labels = np.concatenate([labels + 25 * n * (labels > 0) for n in range(repeats)])
    labels = np.concatenate([labels + 25 * repeats * n * (labels > 0) for n in range(repeats)], 1)
    flows = 5 * ndimage.gaussian_filter(np.tile(flows, (1, repeats, repeats)), (0, 1, 1))
    inside = ndimage.gaussian_filter((labels > 0).astype(np.float32), 1.5)
    logit = 20 * (inside - 0.5) + 0.3 * random.normal(size=labels.shape)
    return labels, (1 / (1 + np.exp(-logit))).astype(np.float32), flows.astype(np.float32)


def seconds(work) -> float:
    """Least CPU time of three: other jobs do not count."""
    times = []
    for _ in range(3):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return min(times)


@pytest.mark.parametrize("size", [1024, 2048])
def test_decoding_is_cheaper_than_a_watershed(size):
    labels, probability, flows = cells(size)
    settings = FlowSettings(threshold=0.5, diameter=26)
    options = LabelOptions(0.5, split_touching=True)
    owned = decode_flows(probability, flows, settings)
    objects = FlowObjects(probability, owned)
    out = np.empty(labels.shape, np.int32)
    decoding = seconds(lambda: decode_flows(probability, flows, settings))
    ready = seconds(lambda: FlowObjects(probability, owned))
    holes = seconds(lambda: FlowObjects(probability, owned).prepare_holes()) - ready
    step = seconds(lambda: objects.at(0.4, options, out=out))
    rival = seconds(lambda: label_plane(probability, None, options))
    million = size * size / 1e6
    print(  # noqa: T201 - the figures are what a benchmark is for
        f"\n{size}²: owners {decoding / million:.3f} s/Mpx, all thresholds {ready / million:.3f}, "
        f"together {(decoding + ready) / million:.3f} (aim: {BUDGET} on two cores), holes "
        f"{holes / million:.3f}; step {1e3 * step:.1f} ms; distance and watershed "
        f"{rival / million:.3f} s/Mpx: {rival / (decoding + ready):.1f}x"
    )
    assert objects.at(0.5).count == pytest.approx(labels.max(), rel=0.25)


@pytest.mark.parametrize("scene", ["faint background", "all foreground", "noise"])
def test_planes_that_are_all_followed(scene):
    _, probability, flows = cells(1024)
    random = np.random.default_rng(0)
    if scene == "faint background":
        probability = np.maximum(probability, np.float32(0.002))
    elif scene == "all foreground":
        probability = np.full_like(probability, 0.9)
    else:
        probability = random.random(probability.shape, np.float32)
        flows = random.normal(size=flows.shape).astype(np.float32)
    settings = FlowSettings(threshold=0.5, diameter=26)
    decoding = seconds(lambda: decode_flows(probability, flows, settings))
    print(f"\n{scene}: {decoding / probability.size * 1e6:.3f} s/Mpx")  # noqa: T201
    assert decode_flows(probability, flows, settings).owner.any()
