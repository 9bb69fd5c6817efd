"""Weights of other programs: the same output afterwards, or a sentence that says why not."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from napari_cytosynth.errors import (
    InputError,
    ModelError,
    ModelNotFoundError,
    OutputError,
    UnknownArchitectureError,
)
from napari_cytosynth.zoo.convert.conversion import convert
from napari_cytosynth.zoo.loading import load_model

pytestmark = pytest.mark.slow  # in all


@pytest.mark.usefixtures("in_process")
@pytest.mark.parametrize("dropout", [False, True])
@pytest.mark.parametrize("norm", ["instance", "batch"])
@pytest.mark.parametrize("kind", ["Global", "Local"])
def test_a_pix2pixhd_generator_gives_the_same_image_afterwards(
    foreign, kind, norm, dropout, tmp_path
) -> None:
    network = foreign.grown(getattr(foreign, kind)(norm, dropout))
    path = foreign.saved(tmp_path, network)
    done = convert(path, "Pix2PixHD", tmp_path / "out", foreign.SAID)
    model = load_model(tmp_path / "out")
    image = torch.rand(1, 1, 32, 48)
    with torch.inference_mode():
        expected = network(image)
        assert expected.std() > 0.05
        torch.testing.assert_close(model.network(image), expected, rtol=0, atol=1e-6)
    assert model.card.inference.norm == norm
    assert model.card.inference.dropout == 0
    assert model.card.inference.output_channels == ["a", "b"]
    assert "dropout injection, uncalibrated" in model.card.training.remarks
    dropouts = [x for x in model.network.modules() if isinstance(x, nn.Dropout2d)]
    everywhere = 3 if kind == "Global" else 5
    assert len(dropouts) == (everywhere if dropout else 1)  # where injection can act
    assert any("uncalibrated" in message for message in done.messages)


def test_a_second_process_reads_the_file(foreign, tmp_path) -> None:
    network = foreign.grown(foreign.UNet())
    state = {f"module.{name}": value for name, value in network.state_dict().items()}
    path = foreign.saved(
        tmp_path, {"model_state_dict": state, "epoch": 7, "optimizer": {"lr": 0.1}}
    )
    done = convert(path, "UNet", tmp_path / "out", foreign.SAID)
    image = torch.rand(1, 1, 32, 32)
    with torch.inference_mode():
        torch.testing.assert_close(done.network(image), network(image), rtol=0, atol=1e-6)
    told = " ".join(done.messages)
    assert "“model_state_dict”" in told
    assert "epoch, optimizer" in told
    assert "module." in told


@pytest.mark.usefixtures("in_process")
def test_another_network_is_refused_and_its_tensors_named(foreign, tmp_path) -> None:
    path = foreign.saved(tmp_path, foreign.UNet())
    with pytest.raises(UnknownArchitectureError, match=r"inc\.double_conv\.0\.weight"):
        convert(path, "Pix2PixHD", tmp_path / "out", foreign.SAID)
    path = foreign.saved(tmp_path, foreign.Global())
    with pytest.raises(UnknownArchitectureError, match=r"model\.1\.weight"):
        convert(path, "UNet", tmp_path / "out", foreign.SAID)


@pytest.mark.usefixtures("in_process")
def test_no_tensor_is_dropped_unless_the_user_says_so(foreign, tmp_path) -> None:
    state = foreign.grown(foreign.Global()).state_dict()
    path = foreign.saved(tmp_path, state | {"extra.weight": torch.ones(2), "note": "mine"})
    with pytest.raises(ModelError, match="no tensors: note"):
        convert(path, "Pix2PixHD", tmp_path / "out", foreign.SAID)
    with pytest.raises(UnknownArchitectureError, match=r"1 tensors have no place.*extra\.weight"):
        convert(path, "Pix2PixHD", tmp_path / "out", foreign.SAID | {"leave_out": "note"})
    done = convert(
        path, "Pix2PixHD", tmp_path / "out", foreign.SAID | {"leave_out": "note,extra.*"}
    )
    assert "Left out, as you said: extra.weight, note." in done.messages
    with pytest.raises(InputError, match="names nothing"):
        convert(path, "Pix2PixHD", tmp_path / "new", foreign.SAID | {"leave_out": "nothing"})


@pytest.mark.usefixtures("in_process")
def test_missing_and_misshapen_tensors_are_named(foreign, tmp_path) -> None:
    state = foreign.grown(foreign.Global("batch")).state_dict()
    del state["model.5.bias"]
    state["model.8.weight"] = torch.ones(3)
    with pytest.raises(UnknownArchitectureError) as caught:
        convert(foreign.saved(tmp_path, state), "Pix2PixHD", tmp_path / "out", foreign.SAID)
    assert "1 are missing: model.5.bias" in str(caught.value)
    assert "1 have another shape: model.8.weight" in str(caught.value)


@pytest.mark.usefixtures("in_process")
def test_variants_that_cannot_be_represented_are_refused(foreign, tmp_path) -> None:
    path = foreign.saved(tmp_path, foreign.Global(zeros=True))
    with pytest.raises(UnknownArchitectureError, match="pad with zeros"):
        convert(path, "Pix2PixHD", tmp_path / "out", foreign.SAID)
    state = foreign.Local().state_dict()
    path = foreign.saved(tmp_path, state | {"model2_1.1.weight": torch.ones(4, 1, 7, 7)})
    with pytest.raises(UnknownArchitectureError, match="several local enhancers"):
        convert(path, "Pix2PixHD", tmp_path / "out", foreign.SAID)
    state = {n: v for n, v in foreign.UNet().state_dict().items() if not n.startswith("up1.up.")}
    with pytest.raises(UnknownArchitectureError, match="interpolation"):
        convert(foreign.saved(tmp_path, state), "UNet", tmp_path / "out", foreign.SAID)


@pytest.mark.usefixtures("in_process")
def test_dropout_counts_as_trained_with_only_if_the_user_says_so(foreign, tmp_path) -> None:
    path = foreign.saved(tmp_path, foreign.grown(foreign.Local(dropout=True)))
    done = convert(path, "Pix2PixHD", tmp_path / "out", foreign.SAID | {"dropout": "0.2"})
    assert done.card.inference.dropout == 0.2
    dropouts = [x for x in done.network.modules() if isinstance(x, nn.Dropout2d)]
    assert [layer.p for layer in dropouts] == [0.2] * 5
    assert "uncalibrated until it is fitted" in done.card.training.remarks
    path = foreign.saved(tmp_path, foreign.Local(dropout=False))
    with pytest.raises(InputError, match="without dropout layers"):
        convert(path, "Pix2PixHD", tmp_path / "new", foreign.SAID | {"dropout": 0.2})


@pytest.mark.usefixtures("in_process")
def test_what_the_weights_do_not_tell_is_asked_for(foreign, tmp_path) -> None:
    path = foreign.saved(tmp_path, foreign.grown(foreign.Global()))
    with pytest.raises(InputError) as caught:
        convert(path, "Pix2PixHD", tmp_path / "out", {})
    for wanted in ("input_channels=…", "output_channels=…", "has 2", "normalisation=…"):
        assert wanted in str(caught.value)
    said = foreign.SAID | {
        "normalisation": "fixed",
        "mean": "0.4",
        "std": "0.2",
        "pixel_size_um": "0.65",
    }
    said |= {"offset": "100,200", "scale": "50,60", "name": "their-stainer"}
    card = convert(path, "Pix2PixHD", tmp_path / "out", said).card
    assert card.name == "their-stainer"
    assert (card.inference.normalisation.mean, card.inference.normalisation.std) == (0.4, 0.2)
    assert card.inference.pixel_size_um == 0.65
    assert [scaling.offset for scaling in card.inference.output_scaling] == [100, 200]
    assert card.inference.output_range == (-1, 1)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"colour": "red"}, "no setting “colour”"),
        ({"dropout": "much"}, "dropout=much is wrong"),
        ({"pixel_size_um": "-1"}, "pixel_size_um=-1 is wrong"),
        ({"name": "größe"}, "name=größe is wrong: use letters from a to z, digits"),
        ({"normalisation": "magic"}, "normalisation=magic is wrong"),
    ],
)
def test_wrong_settings_are_named_before_the_file_is_opened(foreign, said, words, tmp_path) -> None:
    with pytest.raises(InputError, match=words):
        convert(tmp_path / "missing.pth", "Pix2PixHD", None, foreign.SAID | said)


@pytest.mark.usefixtures("in_process")
def test_places_that_do_not_work_are_named(foreign, tmp_path) -> None:
    with pytest.raises(ModelNotFoundError, match=r"missing\.pth"):
        convert(tmp_path / "missing.pth", "Pix2PixHD", None, foreign.SAID)
    with pytest.raises(InputError, match="only to Cellpose, Pix2PixHD, UNet, ONNX or bioimageio"):
        convert(tmp_path / "missing.pth", "ViT", None, foreign.SAID)
    path = foreign.saved(tmp_path, foreign.grown(foreign.Global()))
    convert(path, "Pix2PixHD", tmp_path / "out", foreign.SAID)
    with pytest.raises(OutputError, match="holds a model already"):
        convert(path, "Pix2PixHD", tmp_path / "out", foreign.SAID)


@pytest.mark.usefixtures("in_process")
def test_weights_saved_outside_the_three_files_come_back(foreign, tiny_model, tmp_path) -> None:
    path = foreign.saved(tmp_path, {"state_dict": tiny_model.network.state_dict()})
    said = foreign.SAID | {"input_channels": "grey", "output_channels": "foreground,distance"}
    done = convert(path, "UNet", tmp_path / "out", said)
    image = torch.rand(1, 1, 32, 32)
    with torch.inference_mode():
        assert torch.equal(done.network(image), tiny_model.network(image))
    assert (done.card.inference.task, done.card.inference.threshold) == ("segment", 0.5)
