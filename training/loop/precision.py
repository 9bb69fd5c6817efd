"""Number format of a training: that of the recipe, of the run so far, or of the hardware."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import TYPE_CHECKING

import torch
import yaml

from napari_cytosynth.inference.precision import has_bfloat16
from napari_cytosynth.training.recipe.hardware import on_gpu
from napari_cytosynth.training.reports.records import read_record
from napari_cytosynth.training.reports.run_folder import holds_run

if TYPE_CHECKING:
    from collections.abc import Iterable

    from napari_cytosynth.training.recipe.base import TrainRecipe

__all__ = ["computes_bfloat16", "describe_precision", "latents_in_bfloat16", "run_precision"]

_FORMATS = ("float32", "bfloat16")


def run_precision(train: TrainRecipe, out: Path, before: Iterable[Path] = ()) -> str:
    """Return the number format in which a run begins, or goes on: ``float32`` or ``bfloat16``.

    Parameters
    ----------
    train
        Training block of the recipe. With ``auto``, a run goes on in the format in which it was
        begun, and begins in that of the parts before it, or else in bfloat16 where the hardware
        computes in it, which elsewhere would be several times slower than float32.
    out
        Folder of the run, or of one round of it; need not exist.
    before
        Folders of the parts before this one, the latest first. Default: none.
    """
    if train.precision != "auto":
        return train.precision
    known = _begun_in(out) or next(filter(None, map(_automatic_in, before)), None)
    return known or ("bfloat16" if computes_bfloat16(train) else "float32")


def _begun_in(out: Path) -> str | None:
    """Return the format of the run in a folder; None if there is no run."""
    if not holds_run(out):
        return None
    # runs of older versions did not record it, but their recipes always named one
    return _recorded(out) or _configured(out)


def _automatic_in(out: Path) -> str | None:
    """Return the format of an earlier part, unless its recipe names one for it alone."""
    if not holds_run(out):
        return None
    recorded = _recorded(out)
    if recorded is None:  # a run of an older version, whose recipe always named a format
        return _configured(out)
    return recorded if _configured(out) is None else None


def _recorded(out: Path) -> str | None:
    found = read_record(out / "run.json").get("precision")
    return found if found in _FORMATS else None


def _configured(out: Path) -> str | None:
    """Return the format that the recipe in a run's folder names, if it does."""
    path = out / "recipe.yaml"
    if not path.is_file():
        return None
    train = (yaml.safe_load(path.read_text("utf-8")) or {}).get("train", {})
    found = train.get("precision")
    return found if found in _FORMATS else None


def computes_bfloat16(train: TrainRecipe) -> bool:
    """Return whether the processor or GPU that trains has instructions for bfloat16."""
    if on_gpu(train):
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if train.accelerator == "mps" or (
        train.accelerator == "auto" and torch.backends.mps.is_available()
    ):
        return False  # some of Apple's GPUs emulate it, and do not report so
    return _processor_computes_bfloat16()


def _processor_computes_bfloat16() -> bool:
    """Return whether the CPU has instructions for bfloat16; of ARM only as Linux reports."""
    if platform.machine().lower() not in ("arm64", "aarch64"):
        return has_bfloat16()
    try:
        return "bf16" in Path("/proc/cpuinfo").read_text(errors="replace").split()
    except OSError:
        return False


def latents_in_bfloat16(precision: str) -> bool:
    """Return whether images are encoded in bfloat16, which happens on the CPU.

    Parameters
    ----------
    precision
        Number format of the training.
    """
    return precision == "bfloat16" and _processor_computes_bfloat16()


def describe_precision(train: TrainRecipe, out: Path, before: Iterable[Path] = ()) -> str:
    """Return a sentence on the number format of a run, and the reason for it.

    Parameters
    ----------
    train, out, before
        As of :func:`run_precision`.
    """
    chosen, native = run_precision(train, out, before), computes_bfloat16(train)
    if train.precision != "auto":
        why = "as the recipe says"
    elif _begun_in(out):
        why = "as the run was begun"
    elif (chosen == "bfloat16") != native:
        why = "as the parts before"
    else:
        why = f"the hardware has {'' if native else 'no '}instructions for bfloat16"
    if chosen == "bfloat16" and not native:
        why += "; this hardware only emulates it, which is slow"
        if train.precision == "auto":
            why += ": --set train.precision=float32 goes on in the other"
    return f"Training in {chosen} ({why})."
