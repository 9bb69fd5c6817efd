"""Weights of other programs: the same output afterwards, or a sentence that says why not."""

from __future__ import annotations

import os
import sys
import zipfile
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch import nn

from napari_cytosynth.errors import (
    CorruptWeightsError,
    InputError,
    ModelError,
    ModelNotFoundError,
    OutputError,
    UnknownArchitectureError,
)
from napari_cytosynth.zoo.convert import conversion as module
from napari_cytosynth.zoo.convert import worker
from napari_cytosynth.zoo.convert.conversion import convert
from napari_cytosynth.zoo.convert.worker import extract
from napari_cytosynth.zoo.loading import load_model

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow  # in all

SAID = {"input_channels": "brightfield", "output_channels": "a,b", "normalisation": "zscore"}


def norm_of(kind: str, channels: int) -> nn.Module:
    return nn.BatchNorm2d(channels) if kind == "batch" else nn.InstanceNorm2d(channels)


class ForeignBlock(nn.Module):
    """A residual block as the published generator numbers it."""

    def __init__(self, channels: int, norm: str, dropout: bool, zeros: bool = False) -> None:
        super().__init__()

        def half() -> list[nn.Module]:
            pad = [] if zeros else [nn.ReflectionPad2d(1)]
            convolution = nn.Conv2d(channels, channels, 3, padding=int(zeros))
            return [*pad, convolution, norm_of(norm, channels)]

        drop = [nn.Dropout(0.0)] if dropout else []
        self.conv_block = nn.Sequential(*half(), nn.ReLU(), *drop, *half())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.conv_block(x)


def foreign_global(
    width: int, downs: int, blocks: int, norm: str, dropout: bool, zeros: bool = False
) -> list[nn.Module]:
    """All layers of the global generator as one numbered sequence."""
    layers: list[nn.Module] = [nn.ReflectionPad2d(3), nn.Conv2d(1, width, 7)]
    layers += [norm_of(norm, width), nn.ReLU()]
    for _ in range(downs):
        layers += [nn.Conv2d(width, 2 * width, 3, 2, 1), norm_of(norm, 2 * width), nn.ReLU()]
        width *= 2
    layers += [ForeignBlock(width, norm, dropout, zeros) for _ in range(blocks)]
    for _ in range(downs):
        layers += [nn.ConvTranspose2d(width, width // 2, 3, 2, 1, 1)]
        layers += [norm_of(norm, width // 2), nn.ReLU()]
        width //= 2
    return [*layers, nn.ReflectionPad2d(3), nn.Conv2d(width, 2, 7), nn.Tanh()]


class ForeignGlobal(nn.Module):
    def __init__(self, norm: str = "instance", dropout: bool = False, zeros: bool = False) -> None:
        super().__init__()
        self.model = nn.Sequential(*foreign_global(4, 2, 3, norm, dropout, zeros))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.model(x)


class ForeignLocal(nn.Module):
    def __init__(self, norm: str = "instance", dropout: bool = False) -> None:
        super().__init__()
        self.model = nn.Sequential(*foreign_global(8, 1, 2, norm, dropout)[:-3])
        first = [nn.ReflectionPad2d(3), nn.Conv2d(1, 4, 7), norm_of(norm, 4), nn.ReLU()]
        down = [nn.Conv2d(4, 8, 3, 2, 1), norm_of(norm, 8), nn.ReLU()]
        self.model1_1 = nn.Sequential(*first, *down)
        blocks = [ForeignBlock(8, norm, dropout) for _ in range(3)]
        up = [nn.ConvTranspose2d(8, 4, 3, 2, 1, 1), norm_of(norm, 4), nn.ReLU()]
        head = [nn.ReflectionPad2d(3), nn.Conv2d(4, 2, 7), nn.Tanh()]
        self.model1_2 = nn.Sequential(*blocks, *up, *head)
        self.downsample = nn.AvgPool2d(3, 2, 1, count_include_pad=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.model1_2(self.model1_1(x) + self.model(self.downsample(x)))


class ForeignUNet(nn.Module):
    """Two levels of the U-Net whose parts are called inc, down1, up1, outc."""

    def __init__(self) -> None:
        super().__init__()

        def double(inputs: int, outputs: int) -> nn.Module:
            layers: list[nn.Module] = []
            for channels in (inputs, outputs):
                layers += [nn.Conv2d(channels, outputs, 3, padding=1, bias=False)]
                layers += [nn.BatchNorm2d(outputs), nn.ReLU()]
            holder = nn.Module()
            holder.double_conv = nn.Sequential(*layers)
            return holder

        self.inc = double(1, 4)
        self.down1 = nn.Module()
        self.down1.maxpool_conv = nn.Sequential(nn.MaxPool2d(2), double(4, 8))
        self.up1 = nn.Module()
        self.up1.up, self.up1.conv = nn.ConvTranspose2d(8, 4, 2, 2), double(8, 4)
        self.outc = nn.Module()
        self.outc.conv = nn.Conv2d(4, 2, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        skip = self.inc.double_conv(x)
        pooled, block = self.down1.maxpool_conv
        low = block.double_conv(pooled(skip))
        joined = torch.cat([skip, self.up1.up(low)], dim=1)
        return self.outc.conv(self.up1.conv.double_conv(joined))


def grown(network: nn.Module) -> nn.Module:
    """Give BatchNorm statistics of its own."""
    torch.manual_seed(1)
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(layer.weight, 0.0, 0.15)
    network(torch.rand(2, 1, 32, 32))
    return network.eval()


@pytest.fixture
def in_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read files without a second process: the same function, a second faster."""
    import json
    from types import SimpleNamespace

    def run(command: list[str], **_: Any) -> SimpleNamespace:
        return SimpleNamespace(stdout=json.dumps(extract(*command[-2:])), stderr="", returncode=0)

    monkeypatch.setattr(module.subprocess, "run", run)


def saved(folder: Path, content: Any, name: str = "latest_net_G.pth") -> Path:
    path = folder / name
    torch.save(content.state_dict() if isinstance(content, nn.Module) else content, path)
    return path


@pytest.mark.usefixtures("in_process")
@pytest.mark.parametrize("dropout", [False, True])
@pytest.mark.parametrize("norm", ["instance", "batch"])
@pytest.mark.parametrize("kind", [ForeignGlobal, ForeignLocal])
def test_a_pix2pixhd_generator_gives_the_same_image_afterwards(
    kind, norm, dropout, tmp_path
) -> None:
    foreign = grown(kind(norm, dropout))
    path = saved(tmp_path, foreign)
    done = convert(path, "Pix2PixHD", tmp_path / "out", SAID)
    model = load_model(tmp_path / "out")
    image = torch.rand(1, 1, 32, 48)
    with torch.inference_mode():
        expected = foreign(image)
        assert expected.std() > 0.05
        torch.testing.assert_close(model.network(image), expected, rtol=0, atol=1e-6)
    assert model.card.inference.norm == norm
    assert model.card.inference.dropout == 0
    assert model.card.inference.output_channels == ["a", "b"]
    assert "dropout injection, uncalibrated" in model.card.training.remarks
    dropouts = [x for x in model.network.modules() if isinstance(x, nn.Dropout2d)]
    everywhere = 3 if kind is ForeignGlobal else 5
    assert len(dropouts) == (everywhere if dropout else 1)  # where injection can act
    assert any("uncalibrated" in message for message in done.messages)


def test_a_second_process_reads_the_file(tmp_path) -> None:
    foreign = grown(ForeignUNet())
    state = {f"module.{name}": value for name, value in foreign.state_dict().items()}
    path = saved(tmp_path, {"model_state_dict": state, "epoch": 7, "optimizer": {"lr": 0.1}})
    done = convert(path, "UNet", tmp_path / "out", SAID)
    image = torch.rand(1, 1, 32, 32)
    with torch.inference_mode():
        torch.testing.assert_close(done.network(image), foreign(image), rtol=0, atol=1e-6)
    told = " ".join(done.messages)
    assert "“model_state_dict”" in told
    assert "epoch, optimizer" in told
    assert "module." in told


def test_a_file_that_would_run_code_is_refused_and_runs_nothing(tmp_path) -> None:
    witness = tmp_path / "it-ran"

    class Evil:
        def __reduce__(self) -> tuple[Any, ...]:
            return os.system, (f"touch {witness}",)

    path = saved(tmp_path, {"state_dict": {"model.1.weight": Evil()}})
    with pytest.raises(ModelError, match=r"more than weights.*hidden code.*refused"):
        convert(path, "Pix2PixHD", tmp_path / "out", SAID)
    assert not witness.exists()
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("in_process")
def test_a_whole_network_object_is_refused_by_name(tmp_path) -> None:
    path = tmp_path / "whole.pth"
    torch.save(nn.Conv2d(1, 1, 1), path)
    with pytest.raises(ModelError, match=r"torch\.nn\.modules\.conv\.Conv2d"):
        convert(path, "Pix2PixHD", tmp_path / "out", SAID)


@pytest.mark.usefixtures("in_process")
@pytest.mark.parametrize("content", [b"", b"hello world" * 30, b"<html>404</html>", b"PK\x03\x04"])
def test_garbage_is_called_so(content, tmp_path) -> None:
    path = tmp_path / "weights.pth"
    path.write_bytes(content)
    with pytest.raises(CorruptWeightsError, match=r"damaged, or no weights file"):
        convert(path, "Pix2PixHD", tmp_path / "out", SAID)


@pytest.mark.usefixtures("in_process")
def test_half_a_file_is_called_damaged(tmp_path) -> None:
    path = saved(tmp_path, ForeignGlobal())
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(CorruptWeightsError, match="damaged"):
        convert(path, "Pix2PixHD", tmp_path / "out", SAID)


@pytest.mark.usefixtures("in_process")
@pytest.mark.parametrize(
    "content", [[1, 2], {"epoch": 3}, {"a": {"x": torch.ones(1)}, "b": {"x": torch.ones(1)}}]
)
def test_a_file_without_one_set_of_weights_says_so(content, tmp_path) -> None:
    with pytest.raises(CorruptWeightsError, match="holds no weights"):
        convert(saved(tmp_path, content), "Pix2PixHD", tmp_path / "out", SAID)


@pytest.mark.usefixtures("in_process")
def test_another_network_is_refused_and_its_tensors_named(tmp_path) -> None:
    path = saved(tmp_path, ForeignUNet())
    with pytest.raises(UnknownArchitectureError, match=r"inc\.double_conv\.0\.weight"):
        convert(path, "Pix2PixHD", tmp_path / "out", SAID)
    path = saved(tmp_path, ForeignGlobal())
    with pytest.raises(UnknownArchitectureError, match=r"model\.1\.weight"):
        convert(path, "UNet", tmp_path / "out", SAID)


@pytest.mark.usefixtures("in_process")
def test_no_tensor_is_dropped_unless_the_user_says_so(tmp_path) -> None:
    state = grown(ForeignGlobal()).state_dict()
    path = saved(tmp_path, state | {"extra.weight": torch.ones(2), "note": "mine"})
    with pytest.raises(ModelError, match="no tensors: note"):
        convert(path, "Pix2PixHD", tmp_path / "out", SAID)
    with pytest.raises(UnknownArchitectureError, match=r"1 tensors have no place.*extra\.weight"):
        convert(path, "Pix2PixHD", tmp_path / "out", SAID | {"leave_out": "note"})
    done = convert(path, "Pix2PixHD", tmp_path / "out", SAID | {"leave_out": "note,extra.*"})
    assert "Left out, as you said: extra.weight, note." in done.messages
    with pytest.raises(InputError, match="names nothing"):
        convert(path, "Pix2PixHD", tmp_path / "new", SAID | {"leave_out": "nothing"})


@pytest.mark.usefixtures("in_process")
def test_missing_and_misshapen_tensors_are_named(tmp_path) -> None:
    state = grown(ForeignGlobal("batch")).state_dict()
    del state["model.5.bias"]
    state["model.8.weight"] = torch.ones(3)
    with pytest.raises(UnknownArchitectureError) as caught:
        convert(saved(tmp_path, state), "Pix2PixHD", tmp_path / "out", SAID)
    assert "1 are missing: model.5.bias" in str(caught.value)
    assert "1 have another shape: model.8.weight" in str(caught.value)


@pytest.mark.usefixtures("in_process")
def test_variants_that_cannot_be_represented_are_refused(tmp_path) -> None:
    path = saved(tmp_path, ForeignGlobal(zeros=True))
    with pytest.raises(UnknownArchitectureError, match="pad with zeros"):
        convert(path, "Pix2PixHD", tmp_path / "out", SAID)
    state = ForeignLocal().state_dict()
    path = saved(tmp_path, state | {"model2_1.1.weight": torch.ones(4, 1, 7, 7)})
    with pytest.raises(UnknownArchitectureError, match="several local enhancers"):
        convert(path, "Pix2PixHD", tmp_path / "out", SAID)
    state = {n: v for n, v in ForeignUNet().state_dict().items() if not n.startswith("up1.up.")}
    with pytest.raises(UnknownArchitectureError, match="interpolation"):
        convert(saved(tmp_path, state), "UNet", tmp_path / "out", SAID)


@pytest.mark.usefixtures("in_process")
def test_dropout_counts_as_trained_with_only_if_the_user_says_so(tmp_path) -> None:
    path = saved(tmp_path, grown(ForeignLocal(dropout=True)))
    done = convert(path, "Pix2PixHD", tmp_path / "out", SAID | {"dropout": "0.2"})
    assert done.card.inference.dropout == 0.2
    dropouts = [x for x in done.network.modules() if isinstance(x, nn.Dropout2d)]
    assert [layer.p for layer in dropouts] == [0.2] * 5
    assert "uncalibrated until it is fitted" in done.card.training.remarks
    path = saved(tmp_path, ForeignLocal(dropout=False))
    with pytest.raises(InputError, match="without dropout layers"):
        convert(path, "Pix2PixHD", tmp_path / "new", SAID | {"dropout": 0.2})


@pytest.mark.usefixtures("in_process")
def test_what_the_weights_do_not_tell_is_asked_for(tmp_path) -> None:
    path = saved(tmp_path, grown(ForeignGlobal()))
    with pytest.raises(InputError) as caught:
        convert(path, "Pix2PixHD", tmp_path / "out", {})
    for wanted in ("input_channels=…", "output_channels=…", "has 2", "normalisation=…"):
        assert wanted in str(caught.value)
    said = SAID | {"normalisation": "fixed", "mean": "0.4", "std": "0.2", "pixel_size_um": "0.65"}
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
        ({"normalisation": "magic"}, "normalisation=magic is wrong"),
    ],
)
def test_wrong_settings_are_named_before_the_file_is_opened(said, words, tmp_path) -> None:
    with pytest.raises(InputError, match=words):
        convert(tmp_path / "missing.pth", "Pix2PixHD", None, SAID | said)


@pytest.mark.usefixtures("in_process")
def test_places_that_do_not_work_are_named(tmp_path) -> None:
    with pytest.raises(ModelNotFoundError, match=r"missing\.pth"):
        convert(tmp_path / "missing.pth", "Pix2PixHD", None, SAID)
    with pytest.raises(InputError, match="only to Pix2PixHD or UNet"):
        convert(tmp_path / "missing.pth", "ViT", None, SAID)
    path = saved(tmp_path, grown(ForeignGlobal()))
    convert(path, "Pix2PixHD", tmp_path / "out", SAID)
    with pytest.raises(OutputError, match="holds a model already"):
        convert(path, "Pix2PixHD", tmp_path / "out", SAID)


@pytest.mark.usefixtures("in_process")
def test_weights_saved_outside_the_three_files_come_back(tiny_model, tmp_path) -> None:
    path = saved(tmp_path, {"state_dict": tiny_model.network.state_dict()})
    said = SAID | {"input_channels": "grey", "output_channels": "foreground,distance"}
    done = convert(path, "UNet", tmp_path / "out", said)
    image = torch.rand(1, 1, 32, 32)
    with torch.inference_mode():
        assert torch.equal(done.network(image), tiny_model.network(image))
    assert (done.card.inference.task, done.card.inference.threshold) == ("segment", 0.5)


def test_files_beside_the_weights_are_no_modules(tmp_path, monkeypatch) -> None:
    """A folder of a download may hold a torch.py: it is not what Python imports."""
    path = saved(tmp_path, grown(ForeignUNet()))
    for name in ("json", "torch", "zipfile", "napari_cytosynth"):
        (tmp_path / f"{name}.py").write_text(
            "import pathlib; pathlib.Path(__file__).with_name('it-ran').touch()"
        )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", ".")
    convert(path, "UNet", tmp_path / "out", SAID)
    assert not (tmp_path / "it-ran").exists()


def _expanded(path: Path, *, new: bool) -> None:
    tensor = torch.zeros(1).expand(100_000, 100_000)  # 40 GB once copied
    torch.save({"a": tensor}, path, _use_new_zipfile_serialization=new)


def _compressed(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data/0", bytes(20_000_000))


@pytest.mark.usefixtures("in_process")
@pytest.mark.parametrize(
    "write", [partial(_expanded, new=True), partial(_expanded, new=False), _compressed]
)
def test_weights_larger_than_their_file_are_not_copied(write, tmp_path) -> None:
    path = tmp_path / "weights.pth"
    write(path)
    with pytest.raises(CorruptWeightsError, match="larger than the file itself"):
        convert(path, "UNet", tmp_path / "out", SAID)


@pytest.mark.usefixtures("in_process")
def test_dictionaries_within_each_other_have_an_end(tmp_path) -> None:
    content: dict[str, Any] = {}
    for _ in range(60):
        content = {"a": content, "b": content}
    with pytest.raises(CorruptWeightsError, match="no weights"):
        convert(saved(tmp_path, content), "UNet", tmp_path / "out", SAID)


def test_a_reader_without_end_is_stopped(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(module, "time_limit", lambda size: 0.01)
    with pytest.raises(ModelError, match="took longer"):
        convert(saved(tmp_path, ForeignUNet()), "UNet", tmp_path / "out", SAID)


@pytest.mark.skipif(sys.platform == "win32", reason="limits of processes are POSIX")
def test_the_reader_has_limits(monkeypatch) -> None:
    import resource

    given = {}
    monkeypatch.setattr(resource, "setrlimit", lambda kind, most: given.update({kind: most[0]}))
    worker._limit_process(1_000_000)
    assert given[resource.RLIMIT_CPU] == 300
    assert given[resource.RLIMIT_CORE] == 0
    assert given[resource.RLIMIT_FSIZE] < 3_000_000_000


@pytest.mark.usefixtures("in_process")
def test_names_of_tensors_steer_no_terminal(tmp_path) -> None:
    path = saved(tmp_path, {"a\x1b[2J": torch.ones(1), "encoder." + "9" * 5000: torch.ones(1)})
    with pytest.raises(UnknownArchitectureError) as caught:
        convert(path, "UNet", tmp_path / "out", SAID)
    assert str(caught.value).isprintable()
