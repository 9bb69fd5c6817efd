"""What samples cost, beside one deterministic pass and beside a naive loop.

Run with ``pytest tests/benchmarks/test_sampling.py -s``; set ``CYTOSYNTH_BENCHMARK_SIZE`` to a
larger plane for figures worth quoting. Times are those of the processor, on one thread, so that
other programs do not count.
"""

from __future__ import annotations

import os
import sys
import time

import numpy as np
import pytest
import torch

from napari_cytosynth.inference.dropout.masks import sampling, with_shared_dropout
from napari_cytosynth.inference.dropout.sampler import Sampler
from napari_cytosynth.inference.precision import has_bfloat16
from napari_cytosynth.models import build_network
from napari_cytosynth.zoo.loading import load_model

from .table import ROUNDS, medians

SIZE = int(os.environ.get("CYTOSYNTH_BENCHMARK_SIZE", "128"))
SAMPLES = 16
STAINERS = {
    "u2os-brightfield-pix2pixhd": {
        "width": 16,
        "out_channels": 5,
        "downsamplings": 2,
        "global_blocks": 5,
        "local_blocks": 4,
        "head_kernel": 3,
        "dropout": 0.2,
    },
    "phantom-phase-pix2pixhd": {
        "width": 8,
        "out_channels": 2,
        "downsamplings": 2,
        "global_blocks": 5,
        "local_blocks": 4,
        "head_kernel": 3,
        "dropout": 0.2,
    },
}


def timed(task):
    start = time.process_time()
    result = task()
    return time.process_time() - start, result


def best(tasks, rounds=3):
    """Return for each task its best time in s, measured in turns, and its result."""
    found = [[timed(task) for task in tasks] for _ in range(rounds)]
    return [(min(turn[n][0] for turn in found), found[-1][n][1]) for n in range(len(tasks))]


def naive(runner, plane):
    """Run the whole network for each sample, and keep all the samples.

    The network is the sampler's own (BatchNorms folded, same layout), so that what is won
    is won by running the shared part once and by nothing else.
    """
    image, images = runner._to_device(plane), []
    for number in range(SAMPLES):
        with torch.inference_mode(), sampling(runner._network, 0, [number]):
            images.append(runner._network(image)[0].float().numpy())
    return np.stack(images)


def plain_naive(network, plane):
    """Do the same with the network as it was trained."""
    network = with_shared_dropout(network).eval()
    image, images = torch.from_numpy(plane)[None], []
    for number in range(SAMPLES):
        with torch.inference_mode(), sampling(network, 0, [number]):
            images.append(network(image)[0].numpy())
    return np.stack(images)


@pytest.mark.parametrize("name", STAINERS)
def test_samples_beside_one_pass_and_a_naive_loop(name):
    torch.manual_seed(0)
    network = build_network("Pix2PixHD", STAINERS[name]).eval()
    plane = np.random.default_rng(0).random((1, SIZE, SIZE), np.float32)
    runner = Sampler(network, 1, device="cpu", precision="float32", tile_size=SIZE)
    runner.run(plane, samples=2)  # warm up
    (one, _), (ours, result), (theirs, stack), (plain, unfolded) = best(
        [
            lambda: runner.run(plane, samples=0),
            lambda: runner.run(plane, samples=SAMPLES),
            lambda: naive(runner, plane),
            lambda: plain_naive(network, plane),
        ]
    )
    span = np.abs(stack).max()
    for images in (stack, unfolded):
        assert np.abs(result.mean - images.mean(0)).max() <= 2e-5 * span
        assert np.abs(result.std - images.std(0, ddof=1)).max() <= 2e-5 * span
    error = np.abs(result.std - stack.std(0, ddof=1)).max() / stack.std(0, ddof=1).max()
    sys.stdout.write(
        f"\n{name}, {SIZE}², {SAMPLES} samples: {ours * 1e3:.0f} ms = {ours / one:.1f} × one "
        f"deterministic pass ({one * 1e3:.0f} ms); naive loop {theirs / one:.1f} ×, with the "
        f"network as trained {plain / one:.1f} ×; same mean and std (std to {error:.0e})\n"
    )


FIELD, NAME = 1024, "u2os-brightfield-pix2pixhd"
FASTEST = "bfloat16" if has_bfloat16() else "float32"


def test_a_field_with_samples_beside_as_many_passes(table):
    """Each pass of the rival takes as long: their median, times the number of samples."""
    network = with_shared_dropout(load_model(NAME).network).eval()
    plane = np.random.default_rng(0).standard_normal((1, FIELD, FIELD)).astype(np.float32)
    image, images, numbers = torch.from_numpy(plane)[None], {}, iter(range(SAMPLES))
    runner = Sampler(load_model(NAME).network, 1, device="cpu", precision=FASTEST)

    def one_pass():
        number = next(numbers)
        with torch.inference_mode(), sampling(network, 0, [number]):
            images[number] = network(image)[0].numpy()

    tasks = {f"pass {n}": one_pass for n in range(SAMPLES // ROUNDS)}
    tasks["ours"] = lambda: runner.run(plane, samples=SAMPLES)
    seconds, results = medians(tasks, ROUNDS, warm=False)
    while len(images) < SAMPLES:
        one_pass()
    ours, stack = results["ours"], np.stack([images[n] for n in range(SAMPLES)])
    error = np.abs(ours.mean - stack.mean(0))
    monte_carlo = stack.std(0, ddof=1) / np.sqrt(SAMPLES)
    within = float(np.median(error) / np.median(monte_carlo))
    assert within < 1
    theirs = SAMPLES * float(np.median([t for name, t in seconds.items() if name != "ours"]))
    table.ratio(
        f"stain {FIELD}², {SAMPLES} samples, {FASTEST}", f"{SAMPLES} passes, float32",
        theirs / seconds["ours"], 10 if FASTEST == "bfloat16" else 7,
        compared=f"the means differ by {within:.2f} standard errors of {SAMPLES} samples",
        why="Not profiled yet.",
    )  # fmt: skip
