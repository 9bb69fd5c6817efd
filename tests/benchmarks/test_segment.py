"""Segmenting a plane beside MONAI's sliding window, with the same network and weights."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_cytosynth.inference import batchnorm_folding
from napari_cytosynth.inference.geometry import network_geometry
from napari_cytosynth.inference.precision import has_bfloat16
from napari_cytosynth.inference.predictor import Predictor
from napari_cytosynth.models.unet import UNet
from napari_cytosynth.zoo.loading import load_model

from .table import ROUNDS, medians, operations, operations_per_second

NAME, WINDOW = "em-mitochondria-unet", 256  # the size of the crops that it was trained on
FASTEST = "bfloat16" if has_bfloat16() else "float32"
SIZES = {"768 × 1024": (768, 1024), "4096²": (4096, 4096)}


@pytest.fixture(scope="module")
def model():
    return load_model(NAME)


def image(shape):
    """Noise on several scales, as the network expects: from 0 to 1."""
    random = np.random.default_rng(0)
    coarse = random.random((shape[0] // 16, shape[1] // 16), np.float32)
    plane = np.kron(coarse, np.ones((16, 16), np.float32))
    return ((plane + random.random(shape, np.float32)) / 2)[None]


@torch.inference_mode()
def whole(network, plane):
    """MONAI's best setting: a window as large as the plane."""
    from monai.inferers import sliding_window_inference

    batch = torch.from_numpy(plane)[None]
    return sliding_window_inference(batch, batch.shape[2:], 1, network).sigmoid()[0].numpy()


@torch.inference_mode()
def windows(network, plane):
    """Its defaults: windows that overlap by a quarter, averaged."""
    from monai.inferers import sliding_window_inference

    batch = torch.from_numpy(plane)[None]
    return sliding_window_inference(batch, (WINDOW, WINDOW), 4, network).sigmoid()[0].numpy()


@pytest.mark.parametrize("size", SIZES)
def test_a_plane_beside_a_sliding_window(size, model, table):
    work = f"segment {size}"
    try:
        import monai.inferers  # noqa: F401
    except ImportError:
        table.missing(work, "MONAI's sliding window", "monai")
        pytest.skip("monai is not installed")
    plane, network = image(SIZES[size]), model.network
    small = plane.size < 2**21
    exact = Predictor(network, 1, device="cpu", precision="float32")
    fast = Predictor(network, 1, device="cpu", precision=FASTEST)
    tasks = {
        "windows": lambda: windows(network, plane),
        "whole": lambda: whole(network, plane),
        "ours": lambda: fast.predict(plane),
    }
    if small and FASTEST != "float32":
        tasks["exact"] = lambda: exact.predict(plane)
    # half a minute a run, where fewer rounds do
    seconds, results = medians(tasks, ROUNDS if small else 2, warm=small)
    expected = results["whole"]
    error = np.abs(results.get("exact", expected) - expected).max()
    if "exact" not in results:
        error = np.abs(exact.predict(plane) - expected).max()
    assert error <= 1e-4
    threshold = model.card.inference.threshold
    moved = np.mean((results["ours"][0] >= threshold) != (expected[0] >= threshold))
    assert moved < 0.01
    compared = f"float32 to {error:.0e}, {FASTEST}: {moved:.2%} of pixels cross the threshold"
    needed = operations(network, torch.zeros(1, 1, 256, 256)) * plane.size / 2**16
    least = needed / operations_per_second(FASTEST)
    asked = 5 if FASTEST == "bfloat16" else 2.5
    ours = seconds["ours"]
    table.ratio(
        f"{work}, {FASTEST}", "MONAI's defaults, float32", seconds["windows"] / ours, asked,
        limit=f"{seconds['windows'] / least:.1f} ×", compared=compared,
    )  # fmt: skip
    table.share(
        f"{work}, {FASTEST}", f"the processor's limit ({seconds['whole'] / ours:.2f} × MONAI's "
        "best setting, one window, float32)", least / ours, 0.85,
        limit=f"{seconds['whole'] / least:.1f} ×", compared=compared,
        why="Convolutions take 80 to 88 %, ReLUs 6 to 11, copies and poolings the rest.",
    )  # fmt: skip
    if "exact" in seconds:
        least = needed / operations_per_second("float32")
        table.share(
            f"{work}, float32", f"the processor's limit ({seconds['whole'] / seconds['exact']:.2f} "
            "× MONAI's best setting)", least / seconds["exact"], 0.85,
            limit=f"{seconds['whole'] / least:.1f} ×", compared=f"float32 to {error:.0e}",
            why="Convolutions take 80 to 88 %, ReLUs 6 to 11, copies and poolings the rest.",
        )  # fmt: skip


def test_relus_in_convolutions(model, table, monkeypatch):
    """Convolutions that apply the ReLUs after them, beside ReLUs that run on their own."""
    plane = image(SIZES["768 × 1024"])
    fused = Predictor(model.network, 1, device="cpu", precision=FASTEST)
    monkeypatch.setattr(batchnorm_folding, "fuse_relus", lambda network, pairs: None)
    plain = Predictor(model.network, 1, device="cpu", precision=FASTEST)
    tasks = {"plain": lambda: plain.predict(plane), "fused": lambda: fused.predict(plane)}
    seconds, results = medians(tasks, 2 * ROUNDS)
    error = np.abs(results["fused"] - results["plain"]).max()
    assert error <= (1e-4 if FASTEST == "float32" else 0.02)
    table.ratio(
        f"ReLUs in convolutions, 768 × 1024, {FASTEST}", "ReLUs on their own",
        seconds["plain"] / seconds["fused"], compared=f"probabilities to {error:.0e}",
    )  # fmt: skip


def test_measuring_the_geometry(table):
    def measure():
        return network_geometry(UNet(1, 2, widths=(32, 64, 128, 256), stem=2), 1)

    seconds, results = medians({"ours": measure})
    assert results["ours"].stride == 16
    assert results["ours"].halo > 0
    table.at_most("halo and stride of a new network", "none", 1e3 * seconds["ours"], 1000)
