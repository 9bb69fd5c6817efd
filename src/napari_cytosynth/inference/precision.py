"""The fastest number format for a network on this computer, measured once.

bfloat16 is two to three times as fast as float32 on processors with instructions for it,
slower on others, and so is the channels-last layout: only a measurement decides. It is kept
in a small file in the user's cache folder.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import torch

from napari_cytosynth.arguments import check_text, shown
from napari_cytosynth.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import nn

__all__ = ["ENVIRONMENT_VARIABLE", "Format", "choose_format", "has_bfloat16", "prepare"]

ENVIRONMENT_VARIABLE = "CYTOSYNTH_PRECISION"
"""Environment variable with the precision of all runs at ``auto``: float32 or bfloat16."""

TURNS = 4
MEASURING_LIMIT = 2.0  # s; on a processor so slow or busy, one round must do
_provisional: dict[str, str] = {}  # results of one round: for this process only
MIN_GAIN = 1.1
"""bfloat16 must be so much faster than float32 to be worth its rounding."""


class Format(NamedTuple):
    """Number format and memory layout of weights and activations."""

    precision: str
    channels_last: bool


FORMATS = {
    "float32": Format("float32", True),
    "bfloat16": Format("bfloat16", True),
    "float32-contiguous": Format("float32", False),
}


def choose_format(
    network: nn.Module, example: torch.Tensor, device: torch.device, precision: str = "auto"
) -> Format:
    """Choose number format and memory layout.

    Parameters
    ----------
    network
        The network as it will run (folded, float32, on the CPU); not changed. One that has an
        ``own_format`` gets float32, whatever the precision.
    example
        Input (N, C, Y, X) in float32 on the CPU that a measurement runs on.
    device
        Where it will run.
    precision
        ``float32``, ``bfloat16`` or ``auto``: the value of the environment variable
        ``CYTOSYNTH_PRECISION``, else what is fastest on this processor (measured at the
        first run of a network, which takes about a second); float32 on other devices.
        Default: ``"auto"``.

    Raises
    ------
    InputError
        If the precision is not one of these.
    """
    check_text(precision, "precision", "one of auto, float32, bfloat16")
    if precision == "auto":
        precision = os.environ.get(ENVIRONMENT_VARIABLE, "") or "auto"
    if precision not in ("auto", "float32", "bfloat16"):
        raise InputError(
            f"There is no precision “{shown(precision)}”. Choose auto, float32 or bfloat16 (also "
            f"for the environment variable {ENVIRONMENT_VARIABLE})."
        )
    if getattr(network, "own_format", False):
        return FORMATS["float32-contiguous"]
    if precision != "auto":
        return Format(precision, device.type != "mps")
    if device.type != "cpu":
        return Format("float32", device.type != "mps")
    return _fastest(network, example)


def prepare(network: nn.Module, chosen: Format, device: torch.device) -> nn.Module:
    """Convert a network in place to a format and move it to a device."""
    network = network.to(device, getattr(torch, chosen.precision))
    if chosen.channels_last:
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return network


def has_bfloat16() -> bool:
    """Return whether the processor has instructions for bfloat16."""
    checks = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    found = [getattr(torch.cpu, name) for name in checks if hasattr(torch.cpu, name)]
    if any(check() for check in found):
        return True
    # On ARM, PyTorch has no such check; the measurement decides.
    return platform.machine().lower() in ("arm64", "aarch64")


def cache_file() -> Path:
    """Return the file that keeps the measurements."""
    import pooch

    return Path(pooch.os_cache("napari-cytosynth")) / "precision.json"


def _fastest(network: nn.Module, example: torch.Tensor) -> Format:
    """Return the remembered or newly measured fastest format on this processor."""
    path, key = cache_file(), _key(network, example)
    known = _load(path)
    name = known.get(key) or _provisional.get(key)
    if name not in FORMATS:
        name, certain = _measure(network, example)
        if certain:
            _save(path, {**known, key: name})
        else:
            _provisional[key] = name
    return FORMATS[name]


def _measure(network: nn.Module, example: torch.Tensor) -> tuple[str, bool]:
    """Time every format that this processor can run.

    Returns
    -------
    name : str
        The format that was the fastest.
    certain : bool
        False if the time limit was hit after one round, so that a busy moment may have decided.
    """
    import copy

    cpu = torch.device("cpu")
    runs: dict[str, Callable[[], object]] = {}
    for name, chosen in FORMATS.items():
        if chosen.precision == "float32" or has_bfloat16():
            converted = prepare(copy.deepcopy(network), chosen, cpu)
            image = example.to(getattr(torch, chosen.precision))
            if chosen.channels_last:
                image = image.contiguous(memory_format=torch.channels_last)
            runs[name] = lambda converted=converted, image=image: converted(image)  # type: ignore[misc]
    seconds = dict.fromkeys(runs, float("inf"))
    turn = 0
    with torch.inference_mode():
        for run in runs.values():  # the first run of each also chooses kernels and takes memory
            run()
        begun = time.monotonic()
        # in turns, so that a busy moment does not hit one of them alone
        while turn < TURNS and (not turn or time.monotonic() - begun <= MEASURING_LIMIT):
            turn += 1
            for name, run in runs.items():
                start = time.perf_counter()
                run()
                seconds[name] = min(seconds[name], time.perf_counter() - start)
    if "bfloat16" in seconds:
        seconds["bfloat16"] *= MIN_GAIN
    return min(seconds, key=seconds.__getitem__), turn > 1


def _key(network: nn.Module, example: torch.Tensor) -> str:
    """Return the cache key: processor, threads, PyTorch and network."""
    shapes = [(name, tuple(value.shape)) for name, value in network.state_dict().items()]
    signature = hashlib.sha256(repr((type(network).__name__, shapes)).encode()).hexdigest()
    threads = f"{torch.get_num_threads()} threads"
    return "; ".join([_processor(), threads, f"torch {torch.__version__}", signature[:16]])


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(errors="replace").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _load(path: Path) -> dict[str, str]:
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def _save(path: Path, known: dict[str, str]) -> None:
    """Write the measurements; a cache that cannot be written is no reason to fail."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        scratch = path.with_suffix(f".{os.getpid()}.tmp")
        scratch.write_text(json.dumps(known, indent=1), encoding="utf-8")
        scratch.replace(path)
    except OSError:
        pass
