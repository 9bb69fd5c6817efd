"""How fast the engine runs a plane, beside plain ways to do the same.

Run with ``pytest tests/benchmarks/test_engine.py -s``; set ``CYTOSYNTH_BENCHMARK_SIZE`` to a
larger plane for figures worth quoting.
"""

from __future__ import annotations

import os
import sys
import time

import numpy as np
import pytest
import torch

from napari_cytosynth.inference.geometry import network_geometry
from napari_cytosynth.inference.predictor import Predictor
from napari_cytosynth.models.unet import UNet

SIZE = int(os.environ.get("CYTOSYNTH_BENCHMARK_SIZE", "256"))
WIDTHS = (16, 32, 64, 128) if SIZE <= 256 else (32, 64, 128, 256)


def best(run, rival, rounds=3):
    """Return the best time in s of both, measured in turns."""
    times = [[], []]
    for _ in range(rounds):
        for index, task in enumerate((run, rival)):
            start = time.perf_counter()
            task()
            times[index].append(time.perf_counter() - start)
    return min(times[0]), min(times[1])


def tell(what, ours, theirs):
    sys.stdout.write(
        f"\n{what}: {ours * 1e3:.0f} ms, rival {theirs * 1e3:.0f} ms, {theirs / ours:.2f}×\n"
    )


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return UNet(1, 1, widths=WIDTHS, stem=2).eval()


@pytest.fixture(scope="module")
def plane():
    return np.random.default_rng(0).random((1, SIZE, SIZE), np.float32)


def plain(network, plane):
    with torch.inference_mode():
        return network(torch.from_numpy(plane)[None]).sigmoid()[0].numpy()


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_whole_plane_beside_the_plain_module(network, plane, precision):
    runner = Predictor(network, 1, device="cpu", precision=precision)
    ours, theirs = best(lambda: runner.predict(plane), lambda: plain(network, plane))
    tell(f"{SIZE}² in {precision} beside the plain module in float32", ours, theirs)
    error = np.abs(runner.predict(plane) - plain(network, plane)).max()
    assert error < (1e-4 if precision == "float32" else 0.05)


def test_tiles_beside_overlapping_windows(network, plane):
    """The rival blends windows that overlap by half, which leaves seams all the same."""
    core = SIZE // 4
    runner = Predictor(network, 1, device="cpu", precision="float32", tile_size=core)
    window = min(core + 2 * runner.geometry.halo, SIZE)
    starts = sorted({*range(0, SIZE - window, window // 2), SIZE - window})

    def blend():
        total, weight = np.zeros_like(plane), np.zeros_like(plane)
        for y in starts:
            for x in starts:
                part = np.s_[:, y : y + window, x : x + window]
                total[part] += plain(network, np.ascontiguousarray(plane[part]))
                weight[part] += 1
        return total / weight

    ours, theirs = best(lambda: runner.predict(plane), blend, rounds=2)
    tell(f"{SIZE}² in tiles of {core} px beside windows that overlap by half", ours, theirs)
    seams = np.abs(blend() - plain(network, plane)).max()
    exact = np.abs(runner.predict(plane) - plain(network, plane)).max()
    sys.stdout.write(f"largest error: {exact:.1e}, rival {seams:.1e}\n")
    assert exact < 1e-4


def test_measuring_the_geometry():
    network = UNet(1, 2, widths=(32, 64, 128, 256), stem=2)
    start = time.perf_counter()
    found = network_geometry(network, 1)
    sys.stdout.write(f"\n{found} in {time.perf_counter() - start:.2f} s\n")
    assert found.stride == network.total_stride
    assert found.halo > 0
