"""Weights of 8 bits: what is stored, what is read, and files whose parts do not fit each other."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import load_file, save_file

from napari_cytosynth.errors import CorruptWeightsError
from napari_cytosynth.models import build_network
from napari_cytosynth.zoo.card import Inference, ModelCard
from napari_cytosynth.zoo.model_files import (
    load_network,
    read_card,
    read_reference,
    save_model,
    update_card,
    write_reference,
)

WEIGHT = "encoder.1.conv2.weight"  # (16, 16, 3, 3)
CARD = ModelCard(
    name="tiny",
    architecture="UNetEncoder",
    arguments={"in_channels": 1, "widths": [8, 16]},
    inference=Inference(
        task="encode", input_channels=["grey"], output_channels=["features"], total_stride=2
    ),
)


@pytest.fixture
def network():
    torch.manual_seed(0)
    network = build_network(CARD.architecture, CARD.arguments)
    with torch.no_grad():
        network.get_parameter(WEIGHT)[3] = 0  # a dead channel has no largest value
        network.get_parameter(WEIGHT)[4] *= 1e-3
    return network


@pytest.fixture
def folder(tmp_path, network):
    return save_model(tmp_path / "tiny", network, CARD, dtype=torch.int8)


def edit(folder, **changes):
    """Change tensors of a weights file, or leave them out (None)."""
    path = folder / "model.safetensors"
    tensors = load_file(path) | changes
    save_file({name: value for name, value in tensors.items() if value is not None}, path)


def test_large_weights_are_rounded_by_row_and_the_rest_stays(folder, network, tmp_path):
    stored = load_file(folder / "model.safetensors")
    assert stored[WEIGHT].dtype == torch.int8
    assert stored["encoder.0.conv1.weight"].dtype == torch.float16  # too small to gain
    loaded, card = load_network(folder)
    assert card.weight_bits == 8
    assert "8 bits" in (folder / "README.md").read_text("utf-8")
    rows, exact = (each.get_parameter(WEIGHT).flatten(1) for each in (loaded, network))
    assert torch.all((rows - exact).abs() <= exact.abs().amax(1, keepdim=True) / 253)
    bias = "encoder.1.norm2.bias"
    assert torch.equal(loaded.get_parameter(bias), network.get_parameter(bias))
    again = save_model(tmp_path / "again", loaded, card, dtype=torch.int8)
    assert torch.equal(load_file(again / "model.safetensors")[WEIGHT], stored[WEIGHT])
    assert read_card(save_model(tmp_path / "half", loaded, card)).weight_bits is None


def test_new_figures_and_embeddings_leave_8_bits_as_they_are(folder):
    before = load_file(folder / "model.safetensors")
    update_card(folder, read_card(folder).model_copy(update={"title": "new"}))
    write_reference(folder, {"embeddings": torch.ones(3, 2)})
    after = load_file(folder / "model.safetensors")
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items())
    assert read_card(folder).weight_bits == 8
    assert read_reference(folder)["embeddings"].shape == (3, 2)


SCALE = f"{WEIGHT}.scale"
WRONG = {
    "no factors": {SCALE: None},
    "too few factors": {SCALE: torch.ones(3)},
    "one factor for all": {SCALE: torch.tensor(1.0)},
    "half factors": {SCALE: torch.ones(16).half()},
    "not a number": {SCALE: torch.full((16,), float("nan"))},
    "too large": {SCALE: torch.full((16,), 3e37)},
    "factors of what is not rounded": {WEIGHT: torch.ones(16, 16, 3, 3)},
    "a bias of 8 bits": {"encoder.1.norm2.bias": torch.ones(16, dtype=torch.int8)},
    "a shape of another": {WEIGHT: torch.ones(16, 8, 3, 3, dtype=torch.int8)},
}


@pytest.mark.parametrize("changes", WRONG.values(), ids=WRONG)
def test_parts_that_do_not_fit_are_damage(folder, changes):
    edit(folder, **changes)
    with pytest.raises(CorruptWeightsError, match="is damaged"):
        load_network(folder)
