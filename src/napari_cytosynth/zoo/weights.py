"""Reading and writing of the weights file, and refusal of other formats."""

from __future__ import annotations

import json
import math
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari_cytosynth.errors import (
    CorruptWeightsError,
    ModelError,
    ModelNotFoundError,
    NotSafetensorsError,
    UnknownArchitectureError,
)

from .fit import check_counts, check_use
from .opening import LARGEST_CARD, existing_path, open_regular
from .text import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    import torch
    from torch import nn

    from .card import ModelCard

__all__ = [
    "REFERENCE",
    "SCALE",
    "WEIGHTS_FILE",
    "Header",
    "check_fit",
    "fill_network",
    "find_weights",
    "load_weights",
    "read_header",
    "read_tensors",
    "read_weights",
    "stored_state",
    "stored_tensor",
]

WEIGHTS_FILE = "model.safetensors"
REFERENCE = "reference."
"""Prefix of tensors that are no weights: see `model_files.read_reference`."""
SCALE = ".scale"
"""Suffix of the factors of a weight of 8 bits: float32 (C,), one for each row of int8 (C, …)."""

_FOREIGN_SUFFIXES = frozenset(
    {".pt", ".pth", ".ckpt", ".bin", ".pkl", ".pickle", ".h5", ".hdf5", ".keras", ".onnx", ".npz"}
)
_LARGEST_HEADER = LARGEST_CARD
_LARGEST_FORMAT = 100_000_000  # the format's own limit of a header: beyond, it is none
_LARGEST_REFERENCE = 256_000_000  # bytes of the embeddings, beside the weights
_LARGEST_HALF = 65504.0
_LEVELS = 127  # of 8 bits, on either side of 0
_FEWEST = 1024  # elements of a weight that is worth 8 bits
_SIZES = {"BOOL": 1, "U8": 1, "I8": 1, "F16": 2, "BF16": 2, "I16": 2, "U16": 2, "F32": 4}
_SIZES |= {"I32": 4, "U32": 4, "F64": 8, "I64": 8, "U64": 8}


@dataclass(frozen=True)
class Header:
    """The header of a weights file, whose sizes are those of the file."""

    metadata: Mapping[str, Any]
    """The texts beside the tensors, such as the card."""
    shapes: Mapping[str, tuple[int, ...]]
    """Name of each tensor -> its shape; factors of weights of 8 bits are none of their own."""
    size: int
    """Size of the whole file in bytes."""


def find_weights(path: Path) -> Path:
    """Return the weights file in a folder, or the file itself; refuse other formats."""
    if existing_path(path) is None:
        raise ModelNotFoundError(f"There is no model at “{one_line(path, 300)}”.")
    if path.is_dir():
        weights = path / WEIGHTS_FILE
        return weights if weights.exists() else _no_weights_in(path)
    if path.suffix.lower() in _FOREIGN_SUFFIXES:
        raise _not_safetensors(path)
    return path


def read_header(path: Path) -> Header:
    """Read the header of a safetensors file; raise ModelError for any other content.

    No tensor is read, and nothing that the header says is believed that the size of the file
    does not bear out.
    """
    with open_regular(path) as (file, size):
        return _parse_header(file.read(8), file.read(_LARGEST_HEADER), size, path)


def read_weights(path: Path, header: Header) -> dict[str, torch.Tensor]:
    """Read the tensors of a file whose header was read and found to fit."""
    with open_regular(path) as (file, size):
        if size != header.size:
            raise _corrupt(path, "it changed while it was read")
        return read_tensors(file.read(size), path)


def read_tensors(content: bytes, path: Path) -> dict[str, torch.Tensor]:
    """Read the tensors of a safetensors file with a valid header."""
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        tensors: dict[str, torch.Tensor] = load(content)
    except (SafetensorError, KeyError, ValueError, RuntimeError) as error:
        raise _corrupt(path, one_line(error)) from error
    for name, tensor in tensors.items():
        levels = tensors.get(name.removesuffix(SCALE), tensor)
        largest = tensor * 128 if levels.dtype == torch.int8 else tensor  # weight that can result
        if tensor.is_floating_point() and not bool(largest.isfinite().all()):
            raise _corrupt(path, f"“{_short(name)}” holds values that are not numbers")
    return tensors


def stored_state(network: nn.Module, dtype: torch.dtype | None) -> dict[str, torch.Tensor]:
    """Return the state dict as it is stored: contiguous, unshared, on the CPU.

    With the dtype int8, large weights become int8 with a factor for each row, the rest float16.
    """
    import torch

    dtype, small = (None, True) if dtype == torch.int8 else (dtype, False)
    weights = {name for name, _ in network.named_parameters(remove_duplicate=False)}
    stored: dict[str, torch.Tensor] = {}
    for name, tensor in network.state_dict().items():
        if small and name in weights and tensor.dim() > 1 and tensor.numel() >= _FEWEST:
            stored[name], stored[name + SCALE] = _eight_bits(tensor)
        else:
            stored[name] = stored_tensor(tensor, torch.float32 if _is_statistic(name) else dtype)
    return stored


def _eight_bits(weight: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return a weight (C, …) as int8 (C, …) in -127 to 127, and its factors (C,)."""
    import torch

    rows = weight.detach().cpu().float().flatten(1)
    scale = rows.abs().amax(dim=1) / _LEVELS
    levels = (rows / scale.clamp(min=torch.finfo(torch.float32).tiny)[:, None]).round()
    return levels.to(torch.int8).reshape(weight.shape), scale


def _full_precision(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return a network's own tensors, weights of 8 bits multiplied by their factors."""
    full = {name: tensor for name, tensor in state.items() if not name.startswith(REFERENCE)}
    for name in [name for name in full if name + SCALE in full]:
        scale, levels = full.pop(name + SCALE), full[name]
        full[name] = (levels.flatten(1) * scale[:, None]).reshape(levels.shape)
    return full


def check_fit(card: ModelCard, shapes: Mapping[str, tuple[int, ...]], path: Path) -> None:
    """Check that the tensors of these shapes are all that the card's network has.

    The network is built without memory, and no further than the file has tensors for: what a
    card asks for beyond that is refused at the first layer too many.

    Raises
    ------
    ModelError
        If the arguments make no network, or another one.
    """
    import torch

    from napari_cytosynth.models import build_network, check_network

    check_network(card.architecture, card.arguments)
    check_counts(card, path)
    shapes = {name: shape for name, shape in shapes.items() if not name.startswith(REFERENCE)}
    try:
        with torch.device("meta"), _no_more_than(shapes):
            network = build_network(card.architecture, card.arguments)
    except ModelError:
        raise
    except _TooLargeError as error:
        raise _corrupt(
            path,
            f"its {len(shapes)} tensors do not fit the architecture: the card's arguments ask for "
            "a larger network",
        ) from error
    except Exception as error:  # arguments of every kind make torch fail in every way
        raise UnknownArchitectureError(
            f"The arguments of “{card.architecture}” in the model's card make no network: "
            f"{one_line(error)}."
        ) from error
    expected = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    _compare(expected, shapes, path)
    check_use(card, network, path)


def load_weights(card: ModelCard, state: dict[str, torch.Tensor]) -> nn.Module:
    """Build the card's network and fill in weights that :func:`check_fit` found to fit."""
    import torch

    from napari_cytosynth.models import build_network

    with torch.random.fork_rng(devices=[]):  # loading a model must not change random numbers
        network = build_network(card.architecture, card.arguments)
    network.load_state_dict(_full_precision(state))
    return network.float().eval().requires_grad_(False)


def fill_network(card: ModelCard, state: dict[str, torch.Tensor], path: Path) -> nn.Module:
    """Build the card's network and fill in the weights, after checking that they fit."""
    check_fit(card, {name: tuple(tensor.shape) for name, tensor in state.items()}, path)
    return load_weights(card, state)


class _TooLargeError(Exception):
    """Raised while a network is built that has more parameters than there are tensors."""


@contextmanager
def _no_more_than(shapes: Mapping[str, tuple[int, ...]]) -> Iterator[None]:
    """Stop building a network, in this thread, that has more parameters than `shapes`."""
    from torch.nn.modules.module import register_module_parameter_registration_hook

    mine = threading.get_ident()
    left = len(shapes)

    def count(_module: nn.Module, _name: str, parameter: nn.Parameter | None) -> None:
        nonlocal left
        if parameter is not None and threading.get_ident() == mine:
            left -= 1
            if left < 0:
                raise _TooLargeError

    handle = register_module_parameter_registration_hook(count)
    try:
        yield
    finally:
        handle.remove()


def _parse_header(start: bytes, content: bytes, size: int, path: Path) -> Header:
    if (start + content).startswith(b"version https://git-lfs"):
        raise _corrupt(path, "it is a Git LFS pointer, the weights themselves are missing")
    if size < 10:
        raise _corrupt(path, f"it is only {size} bytes long")
    length = int.from_bytes(start, "little")
    if content[:1] != b"{" or length > _LARGEST_FORMAT:
        raise _not_safetensors(path)
    if length > _LARGEST_HEADER:
        raise _corrupt(path, "its header is larger than the 4 MB that it may have")
    try:
        header: dict[str, Any] = json.loads(content[:length])
        metadata: dict[str, str] = dict(header.pop("__metadata__", {}))
        shapes = {str(name): _shape(entry) for name, entry in header.items()}
        end = max((int(entry["data_offsets"][1]) for entry in header.values()), default=0)
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
        raise _corrupt(path, "its header is incomplete") from error
    if size != 8 + length + end:
        raise _corrupt(path, f"{size} bytes long instead of {8 + length + end}")
    reference = (math.prod(s) for name, s in shapes.items() if name.startswith(REFERENCE))
    if sum(reference) > _LARGEST_REFERENCE:
        raise _corrupt(path, "it carries more embeddings than a model may")
    return Header(metadata, _without_factors(header, shapes, path), size)


def _without_factors(
    header: Mapping[str, Any], shapes: Mapping[str, tuple[int, ...]], path: Path
) -> dict[str, tuple[int, ...]]:
    """Return the shapes without those of the factors, after checking that each weight has them."""
    own = dict(shapes)
    for name, shape in shapes.items():
        if header[name]["dtype"] != "I8" or name.startswith(REFERENCE):
            continue
        fits = len(shape) > 1 and own.pop(name + SCALE, None) == shape[:1]
        if not fits or header[name + SCALE]["dtype"] != "F32":
            raise _corrupt(path, f"“{_short(name)}” has 8 bits, but not a factor for each row")
    return own


def _shape(entry: dict[str, Any]) -> tuple[int, ...]:
    """Return the shape of a tensor whose bytes are as many as it needs."""
    shape = tuple(int(side) for side in entry["shape"])
    begin, end = entry["data_offsets"]
    if min(shape, default=0) < 0 or end - begin != math.prod(shape) * _SIZES[entry["dtype"]]:
        raise ValueError(f"{entry['dtype']} {shape} does not take {begin} to {end}")
    return shape


def _short(name: str) -> str:
    return one_line(name, 100)


def _no_weights_in(folder: Path) -> Path:
    inside = sorted(path.parent for path in folder.glob(f"*/{WEIGHTS_FILE}"))
    if inside:  # the folder of a run of training, most often
        models = " or ".join(f"“{each}”" for each in inside[:3])
        raise ModelNotFoundError(f"The folder “{folder}” holds no model itself; choose {models}.")
    foreign = sorted(p for p in folder.glob("*") if p.suffix.lower() in _FOREIGN_SUFFIXES)
    if foreign:
        raise _not_safetensors(foreign[0])
    raise ModelNotFoundError(
        f"The folder “{folder}” holds no model: the file {WEIGHTS_FILE} is missing."
    )


def _not_safetensors(path: Path) -> NotSafetensorsError:
    return NotSafetensorsError(
        f"“{path.name}” is not a safetensors file. Other weight files can run hidden code when "
        f"they are opened, so they are never read: “cytosynth models convert” can make "
        f"a model of some, or ask the author for {WEIGHTS_FILE}."
    )


def _corrupt(path: Path, reason: str) -> CorruptWeightsError:
    return CorruptWeightsError(
        f"The weights file “{path}” is damaged ({reason}). Please download or copy it again."
    )


def stored_tensor(tensor: torch.Tensor, dtype: torch.dtype | None = None) -> torch.Tensor:
    """Return a tensor as it is stored: floats of a `dtype` (None: float16) that holds them."""
    import torch

    dtype = torch.float16 if dtype is None else dtype
    tensor = tensor.detach().cpu()
    if not tensor.is_floating_point():
        return tensor.clone(memory_format=torch.contiguous_format)
    half = dtype == torch.float16
    if half and tensor.numel() and float(tensor.abs().max()) > _LARGEST_HALF:
        dtype = torch.float32
    return tensor.to(dtype).clone(memory_format=torch.contiguous_format)


def _is_statistic(name: str) -> bool:
    return name.rpartition(".")[2] in {"running_mean", "running_var"}


def _compare(
    expected: Mapping[str, tuple[int, ...]], found: Mapping[str, tuple[int, ...]], path: Path
) -> None:
    missing, extra = expected.keys() - found.keys(), found.keys() - expected.keys()
    if missing or extra:
        name = _short(min(missing or extra))
        count = len(missing) + len(extra)
        raise _corrupt(path, f"{count} tensors do not fit the architecture, “{name}” is the first")
    for name, shape in expected.items():
        if shape != found[name]:
            raise _corrupt(path, f"“{name}” has the shape {found[name]} instead of {shape}")
