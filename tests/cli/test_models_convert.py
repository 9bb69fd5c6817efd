from __future__ import annotations

import pytest
import torch

from napari_cytosynth.cli import main
from napari_cytosynth.models import build_network
from napari_cytosynth.zoo.model_files import load_network, read_card

pytestmark = pytest.mark.slow  # in all


@pytest.fixture
def weights(tmp_path):
    torch.manual_seed(0)
    network = build_network("UNet", {"widths": [4, 8], "out_channels": 2})
    network(torch.rand(2, 1, 16, 16))
    path = tmp_path / "best model.pth"
    torch.save({"model_state_dict": network.state_dict()}, path)
    return path, network.eval()


def test_convert_writes_a_model_that_says_what_was_set(weights, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    path, network = weights
    said = "--set input_channels=phase output_channels=dna,actin normalisation=zscore".split()
    more = "--set task=stain pixel_size_um=0.5".split()
    assert main(["models", "convert", str(path), "--as", "UNet", *said, *more]) == 0
    shown = capsys.readouterr().out
    assert "“model_state_dict”" in shown
    assert "UNet in best-model" in shown
    converted, card = load_network(tmp_path / "best-model")
    image = torch.rand(1, 1, 16, 16)
    with torch.inference_mode():
        assert torch.equal(converted(image), network(image))
    assert card.inference.task == "stain"
    assert card.inference.output_channels == ["dna", "actin"]
    assert card.inference.receptive_radius > 4  # measured
    assert main(["models", "show", "./best-model"]) == 0
    assert "SHA-256" in capsys.readouterr().out


def test_convert_asks_for_what_is_missing(weights, tmp_path, capsys):
    path, _ = weights
    line = ["models", "convert", str(path), "--as", "UNet", "--out", str(tmp_path / "out")]
    assert main(line) == 1
    assert "add with --set: input_channels=…" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    assert main([*line, "--set", "normalisation"]) == 1
    assert "KEY=VALUE" in capsys.readouterr().err


def test_a_network_that_sees_the_whole_image_says_so(tmp_path):
    from napari_cytosynth.zoo.card import Inference, ModelCard
    from napari_cytosynth.zoo.model_files import save_model

    arguments = {"width": 4, "blocks": 1, "downsamplings": 1, "norm": "instance"}
    inference = Inference(
        task="stain", input_channels=["a"], output_channels=["b"], norm="instance"
    )
    card = ModelCard(
        name="x", architecture="Pix2PixHDGlobal", arguments=arguments, inference=inference
    )
    save_model(tmp_path, build_network("Pix2PixHDGlobal", arguments), card)
    assert "the whole image" in (tmp_path / "README.md").read_text("utf-8")
    assert read_card(tmp_path).inference.norm == "instance"
