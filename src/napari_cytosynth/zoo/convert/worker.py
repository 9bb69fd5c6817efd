"""Separate process that opens a foreign weights file.

Pickle can run code. torch's restricted reader does not, and should it ever fail at that, it
fails in here, in a process that then ends: ``python -m napari_cytosynth.zoo.convert.worker
FILE TARGET`` writes the tensors to a safetensors file and prints what else there was as JSON.
"""

from __future__ import annotations

import json
import re
import sys
from pickle import UnpicklingError
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    import torch

__all__ = ["extract"]

# What programs keep weights under, the most telling first: an averaged copy is the better one.
_WRAPPERS = (
    *("state_dict", "model_state_dict", "netG", "G", "generator", "generator_state_dict"),
    *("net", "network", "params_ema", "ema", "params", "model", "weights"),
)
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
        ``unsafe`` (with the global it refers to as ``detail``), ``unreadable`` or ``empty``.
    """
    from safetensors.torch import save_file

    try:
        content = _load(source)
    except UnpicklingError as error:
        asked = re.search(r"GLOBAL ([\w.]+)", str(error))
        kind = "unsafe" if asked else "unreadable"
        return {"error": kind, "detail": asked[1] if asked else "it is no weights file"}
    except MemoryError:
        raise
    except Exception as error:  # garbage makes the reader fail in every way there is
        return {"error": "unreadable", "detail": _first_sentence(error)}
    report: dict[str, Any] = {"wrappers": [], "beside": []}
    state = _unwrap(content, report)
    tensors = {str(name): value.detach() for name, value in state.items() if _is_dense(value)}
    report["others"] = [str(name) for name in state if str(name) not in tensors]
    if not tensors:
        return {"error": "empty", "detail": type(content).__name__}
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
    inner = [name for name, value in content.items() if _holds_tensors(value)]
    known = [name for name in _WRAPPERS if name in inner]
    if not inner or (len(inner) > 1 and not known):
        return {}
    chosen = known[0] if known else inner[0]
    report["wrappers"].append(str(chosen))
    report["beside"] += [str(name) for name in content if name != chosen]
    return _unwrap(content[chosen], report)


def _holds_tensors(value: Any) -> bool:
    if not isinstance(value, dict):
        return False
    return any(_is_dense(item) or _holds_tensors(item) for item in value.values())


def _without_prefix(
    tensors: dict[str, torch.Tensor],
) -> tuple[dict[str, torch.Tensor], str]:
    """Remove the prefix that DataParallel and others add to every name."""
    cut = ""
    while prefix := next((p for p in _PREFIXES if all(n.startswith(p) for n in tensors)), ""):
        tensors = {name.removeprefix(prefix): value for name, value in tensors.items()}
        cut += prefix
    return tensors, cut


if __name__ == "__main__":
    sys.stdout.write(json.dumps(extract(*sys.argv[1:3])))
