"""Fixtures of Cellpose's network and files, loaded by conftest.py."""

from __future__ import annotations

import pytest
import torch

CPNET = {"in_channels": 2, "out_channels": 3, "channels": 2, "widths": [2, 3, 4, 4], "kernel": 3}


def make_small_cpnet(**arguments: object) -> torch.nn.Module:
    """Small network of Cellpose, of weights that every version of torch computes alike."""
    from napari_cytosynth.models import build_network

    network = build_network("CPnet", CPNET | arguments)
    for place, (name, tensor) in enumerate(network.state_dict().items()):
        if tensor.is_floating_point():
            wave = torch.sin(torch.arange(tensor.numel(), dtype=torch.float64) * 1.7 + place)
            wave = 1 + wave / 2 if name.endswith("running_var") else wave / 2
            tensor.copy_(wave.reshape(tensor.shape))
    return network.eval()


@pytest.fixture(scope="session")
def make_cpnet():
    """Return the function that makes a small network of Cellpose."""
    return make_small_cpnet


@pytest.fixture(scope="session")
def cellpose_state():
    """Return the function that makes the tensors of a file of Cellpose: grey, 54 px to 30 px."""

    def make(mean: float | None = 30.0, usual: float | None = 54.0, *, grey: bool = True):
        state = make_small_cpnet().state_dict()
        if grey:  # a channel that is always zero
            state["downsample.down.res_down_0.conv.conv_0.0.running_var"][1] = 1e-6
        numbers = {"diam_mean": mean, "diam_labels": usual}
        return state | {name: torch.tensor([n]) for name, n in numbers.items() if n is not None}

    return make


@pytest.fixture(scope="session")
def cellpose_model(cellpose_state, tmp_path_factory):
    """Folder of a model converted from a file of Cellpose."""
    from napari_cytosynth.zoo.convert import convert

    folder = tmp_path_factory.mktemp("cellpose")
    torch.save(cellpose_state(), folder / "CP_mine")
    return convert(folder / "CP_mine", "Cellpose", folder / "mine").folder
