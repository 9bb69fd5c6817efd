"""Arguments of a network come from a file: none may keep the machine busy for ever."""

from __future__ import annotations

import time

import pytest

from napari_cytosynth.errors import UnknownArchitectureError
from napari_cytosynth.models import ARCHITECTURES, LARGEST_STRIDE, argument_names, build_network
from napari_cytosynth.models.limits import LIMITS, check_arguments

WORDS = {
    *("attention", "autoencoder", "denoiser", "dropout_at", "encoder", "norm", "padding", "tanh"),
    *("input_axes", "output_axes", "smooth", "upsampling"),
}


def test_every_number_of_a_registered_network_has_limits():
    names = {name for architecture in ARCHITECTURES for name in argument_names(architecture)}
    assert names - WORDS <= LIMITS.keys()


@pytest.mark.parametrize(
    ("architecture", "arguments", "named"),
    [
        ("Pix2PixHD", {"global_blocks": 10**9}, "global_blocks is 1000000000"),
        ("Pix2PixHD", {"downsamplings": 10**6}, "downsamplings"),
        ("DiffusionUNet", {"blocks": 10**30}, "more than 12 digits"),
        ("UNet", {"widths": [1] * 30_000}, "widths has 30000 items"),
        ("UNet", {"widths": [8, float("nan")]}, "widths is nan"),
        ("LatentDiffusion", {"denoiser": {"blocks": 10**9}}, "blocks is 1000000000"),
        ("LatentDiffusion", {"denoiser": {"a": {"b": {"c": 1}}}}, "nothing that a network takes"),
        ("UNet", {"dropout_at": "x" * 1000}, "dropout_at is no text"),
        ("UNet", {f"a{number}": 1 for number in range(99)}, "99 arguments"),
        ("UNet", {"widths": [1] * 10, "stem": 32}, f"more than {LARGEST_STRIDE}-fold"),
    ],
)
def test_a_network_without_end_is_refused_at_once(architecture, arguments, named):
    started = time.perf_counter()
    with pytest.raises(UnknownArchitectureError, match=named):
        build_network(architecture, arguments)
    assert time.perf_counter() - started < 5


def test_usual_arguments_pass():
    check_arguments({"widths": [16, 32, 64, 96, 128], "stem": 2, "dropout": 0.2, "tanh": True})
    check_arguments({"attention": ["none", "full"], "autoencoder": {"widths": [16, 24]}})
