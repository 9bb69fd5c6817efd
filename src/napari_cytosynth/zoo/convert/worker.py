"""Separate process that opens a foreign weights file.

Pickle can run code. torch's restricted reader does not, and should it ever fail at that, it
fails in here, in an isolated process with limits that then ends: :func:`main` writes the tensors
of ``FILE`` to the safetensors file ``TARGET`` and prints what else there was as JSON.
"""

from __future__ import annotations

import json
import re
import sys
import zipfile
from pathlib import Path
from pickle import UnpicklingError
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    import torch

__all__ = ["extract", "main", "time_limit"]

# What programs keep weights under, the most telling first: an averaged copy is the better one.
_WRAPPERS = (
    *("state_dict", "model_state_dict", "netG", "G", "generator", "generator_state_dict"),
    *("net", "network", "params_ema", "ema", "params", "model", "weights"),
)
_SECONDS, _BYTES_A_SECOND = 300, 10_000_000  # the patience for a file, and for its size
_SLACK = 1_000_000  # bytes that a small file may exceed its size by
_SPARE = 2_000_000_000  # bytes of memory beside some copies of the file
_PREFIXES = ("module.", "_orig_mod.", "netG.", "generator.", "network.", "net.")


def extract(source: str, target: str) -> dict[str, Any]:
    """Write the tensors of a weights file to `target`; return a report on the file.

    Parameters
    ----------
    source
        A ``.pth`` file, or any other that torch writes, or a safetensors file.
    target
        The safetensors file to write.

    Returns
    -------
    dict
        ``names`` of the tensors in their order; ``wrappers``: names of the dictionaries
        around the tensors; ``beside``: what lay beside those; ``others``: entries among the
        tensors that are none; ``prefix``: what was cut off all names. Or ``error``:
        ``unsafe`` (with the global it refers to as ``detail``), ``large`` (more than the file
        can hold), ``unreadable`` or ``empty``.
    """
    from safetensors.torch import save_file

    size = Path(source).stat().st_size
    if _unpacked(source) > 2 * size + _SLACK:
        return {"error": "large", "detail": ""}
    report: dict[str, Any] = {"wrappers": [], "beside": []}
    try:
        content = _load(source)
        state = _unwrap(content, report)
    except UnpicklingError as error:
        asked = re.search(r"GLOBAL ([\w.]+)", str(error))
        kind = "unsafe" if asked else "unreadable"
        return {"error": kind, "detail": asked[1] if asked else "it is no weights file"}
    except Exception as error:  # garbage makes the reader fail in every way there is
        if isinstance(error, MemoryError) or "allocate" in str(error):
            return {"error": "large", "detail": ""}
        return {"error": "unreadable", "detail": _first_sentence(error)}
    tensors = {str(name): value.detach() for name, value in state.items() if _is_dense(value)}
    report["others"] = [str(name) for name in state if str(name) not in tensors]
    if not tensors:
        return {"error": "empty", "detail": type(content).__name__}
    if _bytes_of(tensors) > 2 * size + _SLACK:  # a view can be larger than all that is stored
        return {"error": "large", "detail": ""}
    tensors, report["prefix"] = _without_prefix(tensors)
    report["names"] = list(tensors)
    save_file({name: value.clone().contiguous() for name, value in tensors.items()}, target)
    return report


def _load(source: str) -> Any:
    if source.lower().endswith(".safetensors"):
        from safetensors.torch import load_file

        return load_file(source)
    import torch

    return torch.load(source, map_location="cpu", weights_only=True)


def _first_sentence(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0].split(". ")[0].rstrip(".") if lines else type(error).__name__


def _is_dense(value: Any) -> bool:
    import torch

    return (
        isinstance(value, torch.Tensor)
        and value.layout == torch.strided
        and not (value.is_quantized or value.is_meta)
    )


def _unwrap(content: Any, report: dict[str, Any]) -> Mapping[Any, Any]:
    """Return the innermost dictionary of tensors; add what lies beside it to `report`."""
    if not isinstance(content, dict) or any(map(_is_dense, content.values())):
        return content if isinstance(content, dict) else {}
    inner = [name for name, value in content.items() if _holds_tensors(value, set())]
    known = [name for name in _WRAPPERS if name in inner]
    if not inner or (len(inner) > 1 and not known):
        return {}
    chosen = known[0] if known else inner[0]
    report["wrappers"].append(str(chosen))
    report["beside"] += [str(name) for name in content if name != chosen]
    return _unwrap(content[chosen], report)


def _holds_tensors(value: Any, seen: set[int]) -> bool:
    """Return whether there is a tensor somewhere in a dictionary; each is visited once."""
    if not isinstance(value, dict) or id(value) in seen:
        return False
    seen.add(id(value))
    return any(_is_dense(item) or _holds_tensors(item, seen) for item in value.values())


def _without_prefix(
    tensors: dict[str, torch.Tensor],
) -> tuple[dict[str, torch.Tensor], str]:
    """Remove the prefix that DataParallel and others add to every name."""
    cut = ""
    while prefix := next((p for p in _PREFIXES if all(n.startswith(p) for n in tensors)), ""):
        tensors = {name.removeprefix(prefix): value for name, value in tensors.items()}
        cut += prefix
    return tensors, cut


def _unpacked(source: str) -> int:
    """Return the size of the parts of an archive, as torch writes them; 0 for another file."""
    try:
        with zipfile.ZipFile(source) as archive:
            return sum(entry.file_size for entry in archive.infolist())
    except (OSError, ValueError, NotImplementedError, zipfile.BadZipFile):
        return 0


def _bytes_of(tensors: Mapping[str, torch.Tensor]) -> int:
    """Return the bytes of all tensors once copied, or of what they point into if that is more."""
    copied = sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())
    storages = {s.data_ptr(): s.nbytes() for t in tensors.values() if (s := t.untyped_storage())}
    return max(copied, sum(storages.values()))


def time_limit(size: int) -> int:
    """Return the seconds that reading a file of `size` bytes may take."""
    return _SECONDS + size // _BYTES_A_SECOND


def _limit_process(size: int) -> None:
    """Limit memory, time and written bytes of this process, where the system can."""
    try:
        import resource
    except ImportError:  # Windows
        return
    limits = {resource.RLIMIT_CORE: 0, resource.RLIMIT_CPU: time_limit(size)}
    limits[resource.RLIMIT_FSIZE] = 4 * size + _SPARE
    try:
        pages = int(Path("/proc/self/statm").read_text("ascii").split()[0])
        limits[resource.RLIMIT_AS] = pages * resource.getpagesize() + 8 * size + _SPARE
    except OSError:  # macOS, which does not keep to such a limit either
        pass
    for kind, most in limits.items():
        _, hard = resource.getrlimit(kind)
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(kind, (most, most))


def main() -> None:
    """Extract one file under limits, and print the report."""
    import torch  # noqa: F401  what it takes itself is not limited

    source, target = sys.argv[1:3]
    _limit_process(Path(source).stat().st_size)
    sys.stdout.write(json.dumps(extract(source, target)))
