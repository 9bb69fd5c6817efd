"""Tensor names of other programs for the architectures of this package.

References
----------
Wang et al. 2018, arXiv:1711.11585, whose published program numbers the layers of one
sequence (“pix2pixHD's layout”; the one of Tonks et al. has a dropout layer more in every
block); Ronneberger et al. 2015, arXiv:1505.04597, in the widespread PyTorch version whose
levels are called inc, down1 … up1 … outc.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from napari_cytosynth.errors import UnknownArchitectureError
from napari_cytosynth.zoo.text import one_line

if TYPE_CHECKING:
    from collections.abc import Mapping

    import torch

    from .settings import ConvertSettings

__all__ = ["FileFacts", "NetworkLayout", "Shapes", "listed", "match_names", "pix2pixhd", "unet"]

Shapes = dict[str, tuple[int, ...]]
_NAMED = 30  # names that an error spells out


@dataclass(frozen=True)
class NetworkLayout:
    """Architecture and layer names of a foreign network, read from its tensors.

    Attributes
    ----------
    architecture, arguments
        The network of ours that can hold them.
    modules
        Our name of a layer -> the foreign one; empty if the names are ours already.
    dropout_blocks
        In how many blocks the foreign network has a dropout layer.
    title
        Name of the layout in messages.
    """

    architecture: str
    arguments: dict[str, Any]
    modules: dict[str, str] = field(default_factory=dict)
    dropout_blocks: int = 0
    title: str = ""


@dataclass(frozen=True)
class FileFacts:
    """What a file says beside the layout of its network.

    Attributes
    ----------
    tensors
        The weights.
    settings
        The user's, completed by those of the file.
    inference
        Fields of the card that replace the usual ones.
    messages
        Sentences for card and user.
    """

    tensors: dict[str, torch.Tensor]
    settings: ConvertSettings
    inference: dict[str, Any]
    messages: tuple[str, ...]


def pix2pixhd(shapes: Shapes) -> NetworkLayout:
    """Read pix2pixHD's layout: the global generator alone, or with one local enhancer.

    Raises
    ------
    UnknownArchitectureError
        If it is another layout, or a variant that our networks cannot represent.
    """
    first, blocks, slot = _blocks(shapes, "model")
    downsamplings, rest = divmod(first - 4, 3)
    if rest or downsamplings < 1:
        raise _unlike("pix2pixHD", shapes)
    modules = _global_modules(downsamplings, blocks, slot)
    width, in_channels, *_ = _shape(shapes, "model.1.weight")
    arguments: dict[str, Any] = {
        "in_channels": in_channels,
        "downsamplings": downsamplings,
        "norm": "batch" if "model.2.running_mean" in shapes else "instance",
    }
    if not any(name.startswith("model1_") for name in shapes):
        head = modules["head"] = f"model.{5 + 6 * downsamplings + blocks}"
        arguments |= {"width": width, "blocks": blocks}
        name, dropouts = "Pix2PixHDGlobal", blocks * slot
    else:
        local = _local_modules(shapes, slot)
        modules |= local
        head, local_blocks = local["head"], sum(name.endswith(".conv1") for name in local)
        enhancer_width = _shape(shapes, "model1_1.1.weight")[0]
        arguments |= {"width": enhancer_width, "global_blocks": blocks}
        arguments |= {"local_blocks": local_blocks}
        name, dropouts = "Pix2PixHD", (blocks + local_blocks) * slot
    out_channels, *_, kernel = _shape(shapes, f"{head}.weight")
    arguments |= {"out_channels": out_channels, "head_kernel": kernel}
    return NetworkLayout(name, arguments, modules, dropouts, "pix2pixHD's layout")


def _blocks(shapes: Shapes, sequence: str) -> tuple[int, int, int]:
    """Return position and number of the residual blocks, and 1 if they have dropout."""
    pattern = re.compile(rf"{sequence}\.(\d{{1,4}})\.conv_block\.")
    places = {int(found[1]) for name in shapes if (found := pattern.match(name))}
    if not places:
        raise _unlike("pix2pixHD", shapes)
    inside = f"{sequence}.{min(places)}.conv_block"
    if f"{inside}.0.weight" in shapes:
        raise UnknownArchitectureError(
            "The residual blocks of this network pad with zeros, its other layers with "
            "reflections. The networks here pad everywhere alike: it cannot be represented."
        )
    slot = len(shapes.get(f"{inside}.6.weight", ())) == 4
    return min(places), len(places), int(slot)


def _global_modules(downsamplings: int, blocks: int, slot: int) -> dict[str, str]:
    modules = {"coarse.first.conv": "model.1", "coarse.first.norm": "model.2"}
    middle = 4 + 3 * downsamplings
    for level in range(downsamplings):
        for ours, start in (("down", 4), ("up", middle + blocks)):
            modules[f"coarse.{ours}.{level}.conv"] = f"model.{start + 3 * level}"
            modules[f"coarse.{ours}.{level}.norm"] = f"model.{start + 3 * level + 1}"
    for number in range(blocks):
        modules |= _block(f"coarse.blocks.{number}", f"model.{middle + number}", slot)
    return modules


def _local_modules(shapes: Shapes, slot: int) -> dict[str, str]:
    if any(name.startswith("model2_") for name in shapes):
        raise UnknownArchitectureError(
            "This network has several local enhancers, one upon the other; the one here has a "
            "single one: it cannot be represented."
        )
    first, blocks, own_slot = _blocks(shapes, "model1_2")
    if first != 0 or own_slot != slot:
        raise _unlike("pix2pixHD", shapes)
    modules = {"first.conv": "model1_1.1", "first.norm": "model1_1.2"}
    modules |= {"down.conv": "model1_1.4", "down.norm": "model1_1.5"}
    for number in range(blocks):
        modules |= _block(f"blocks.{number}", f"model1_2.{number}", slot)
    modules |= {"up.conv": f"model1_2.{blocks}", "up.norm": f"model1_2.{blocks + 1}"}
    return modules | {"head": f"model1_2.{blocks + 4}"}


def _block(ours: str, theirs: str, slot: int) -> dict[str, str]:
    places = {"conv1": 1, "norm1": 2, "conv2": 5 + slot, "norm2": 6 + slot}
    return {f"{ours}.{name}": f"{theirs}.conv_block.{place}" for name, place in places.items()}


def unet(shapes: Shapes) -> NetworkLayout:
    """Read a U-Net's tensors: our own names, or inc, down1 … up1 … outc.

    Raises
    ------
    UnknownArchitectureError
        If it is another layout, or a variant that our network cannot represent.
    """
    if "encoder.0.conv1.weight" in shapes:
        firsts = _numbered(shapes, r"encoder\.(\d{1,4})\.conv1\.weight")
        return NetworkLayout(
            "UNet", _unet_arguments(shapes, firsts, "head.weight"), title="our own"
        )
    if "inc.double_conv.0.weight" not in shapes:
        raise _unlike("a U-Net", shapes)
    downs = _numbered(shapes, r"down(\d{1,4})\.maxpool_conv\.1\.double_conv\.0\.weight")
    ups = _numbered(shapes, r"up(\d{1,4})\.up\.weight")
    if len(ups) != len(downs):
        raise UnknownArchitectureError(
            "This U-Net doubles the size by interpolation; the one here does it by transposed "
            "convolutions: it cannot be represented."
        )
    encoders = ["inc", *(f"down{i}.maxpool_conv.1" for i in range(1, len(downs) + 1))]
    modules = {"head": "outc.conv"}
    for level, name in enumerate(encoders):
        modules |= _double(f"encoder.{level}", f"{name}.double_conv")
    for level in range(len(ups)):
        modules[f"up.{level}"] = f"up{level + 1}.up"
        modules |= _double(f"decoder.{level}", f"up{level + 1}.conv.double_conv")
    firsts = [f"{name}.double_conv.0.weight" for name in encoders]
    arguments = _unet_arguments(shapes, firsts, "outc.conv.weight")
    return NetworkLayout("UNet", arguments, modules, title="the layout inc, down1 … up1 … outc")


def _unet_arguments(shapes: Shapes, firsts: list[str], head: str) -> dict[str, Any]:
    return {
        "in_channels": _shape(shapes, firsts[0])[1],
        "out_channels": _shape(shapes, head)[0],
        "widths": [_shape(shapes, name)[0] for name in firsts],
    }


def _double(ours: str, theirs: str) -> dict[str, str]:
    places = {"conv1": 0, "norm1": 1, "conv2": 3, "norm2": 4}
    return {f"{ours}.{name}": f"{theirs}.{place}" for name, place in places.items()}


def _numbered(shapes: Shapes, pattern: str) -> list[str]:
    found = {int(hit[1]): name for name in shapes if (hit := re.fullmatch(pattern, name))}
    return [found[number] for number in sorted(found)]


def _shape(shapes: Shapes, name: str) -> tuple[int, ...]:
    shape = shapes.get(name, ())
    if len(shape) != 4:
        raise UnknownArchitectureError(
            f"A convolution's weights “{one_line(name, 100)}” were expected, which this file "
            f"does not hold; it holds {listed(shapes, 10)}."
        )
    return shape


def match_names(layout: NetworkLayout, expected: Shapes, given: Shapes) -> dict[str, str]:
    """Match the tensors of our network with those of the file, one to one.

    Parameters
    ----------
    layout
        As the function of its program returned it.
    expected, given
        Shapes of our network's tensors and of the file's.

    Returns
    -------
    dict
        Our name -> the file's, without counters that the file may lack.

    Raises
    ------
    UnknownArchitectureError
        With all names, if tensors are missing, left over, or of another shape.
    """
    names = {ours: _theirs(layout, ours) for ours in expected}
    unknown = sorted(given.keys() - set(names.values()))
    missing = sorted(set(names.values()) - given.keys())
    missing = [name for name in missing if not name.endswith("num_batches_tracked")]
    names = {ours: theirs for ours, theirs in names.items() if theirs in given}
    unlike = [t for ours, t in names.items() if expected[ours] != given[t]]
    problems = []
    if unknown:
        problems.append(
            f"{len(unknown)} tensors have no place in it: {listed(unknown)} (if they are no part "
            "of the network, leave them out with --set leave_out=NAME,NAME; * stands for any "
            "characters)"
        )
    if missing:
        problems.append(f"{len(missing)} are missing: {listed(missing)}")
    if unlike:
        problems.append(f"{len(unlike)} have another shape: {listed(unlike)}")
    if problems:
        raise UnknownArchitectureError(
            f"The weights do not fit the network {layout.architecture}: {'; '.join(problems)}."
        )
    return names


def _theirs(layout: NetworkLayout, ours: str) -> str:
    if not layout.modules:
        return ours
    module, _, parameter = ours.rpartition(".")
    return f"{layout.modules[module]}.{parameter}"


def listed(names: Mapping[str, Any] | list[str], most: int = _NAMED) -> str:
    """Format names as a text; of very many, the first."""
    first, more = list(names)[:most], len(names) - most
    return ", ".join(one_line(name, 100) for name in first) + (
        f" … and {more} more" if more > 0 else ""
    )


def _unlike(what: str, shapes: Shapes) -> UnknownArchitectureError:
    return UnknownArchitectureError(
        f"These are not the weights of {what} in a layout that is known here. The file holds "
        f"{listed(shapes, 10)}."
    )
