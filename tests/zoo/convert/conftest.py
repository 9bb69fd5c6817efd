"""Networks of other programs, built as those number their layers."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch import nn

from napari_cytosynth.zoo.convert import conversion as module
from napari_cytosynth.zoo.convert.worker import extract

if TYPE_CHECKING:
    from pathlib import Path

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


@pytest.fixture(scope="session")
def foreign():
    """Foreign networks, how they are saved, and what a user says of them."""
    return SimpleNamespace(
        Global=ForeignGlobal,
        Local=ForeignLocal,
        UNet=ForeignUNet,
        grown=grown,
        saved=saved,
        SAID=SAID,
    )
