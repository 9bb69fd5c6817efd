"""Evaluation of virtual stains cell by cell, on montages of single cells, with mispaired controls.

``python -m napari_cytosynth.training.cell_study MODEL FOLDER``. Where every cell is a disc
in the middle of its own tile, the pixels of two different cells correlate nearly as well as
those of the right pair; amount and area of the stain of each cell do not.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from napari_cytosynth.console import CommandParser, echo
from napari_cytosynth.metrics import coverage, pcc
from napari_cytosynth.outcome import run_command
from napari_cytosynth.progress import silent
from napari_cytosynth.tasks.stain.task import stain
from napari_cytosynth.training.stain.evaluate.fields import find_stain_fields
from napari_cytosynth.training.stain.files import read_channels
from napari_cytosynth.zoo.loading import load_model

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["cell_study", "main", "make_parser"]


def _tiles(image: NDArray[Any], side: int) -> NDArray[np.float64]:
    """Cut (Y, X) into (N, side, side)."""
    rows, columns = (size // side for size in image.shape)
    cut = image[: rows * side, : columns * side].astype(np.float64)
    return cut.reshape(rows, side, columns, side).swapaxes(1, 2).reshape(-1, side, side)


def cell_study(model: str, folder: Path, side: int = 40, samples: int = 16) -> pd.DataFrame:
    """Compare the first virtual stain with the real one, cell by cell.

    Parameters
    ----------
    model
        Name, folder or Hub id of a stainer.
    folder
        Has ``brightfield`` and ``fluorescence`` with montages of the same names.
    side
        Side of a cell's tile in px. Default: 40.
    samples
        MC-dropout samples; 0 for none. Default: 16.

    Returns
    -------
    DataFrame
        Correlation of the pixels, of each cell's total intensity and of its area above
        the real stain's Otsu threshold, for the right pairs and for mispaired ones (each
        cell with the next); coverage of sigma over all pixels.
    """
    from skimage.filters import threshold_otsu

    loaded = load_model(model)
    real, virtual, sigma = [], [], []
    for field in find_stain_fields(folder, "brightfield", "fluorescence"):
        (path,) = field.images.values()
        image = read_channels(path, None, 1)[0]
        result = stain(image, loaded, samples=samples, axes="YX", progress=silent)
        real.append(_tiles(read_channels(field.target, [0], 1)[0], side))
        virtual.append(_tiles(result.mean[0], side))
        if result.std is not None:
            sigma.append(_tiles(result.std[0], side))
    truth, guess = np.concatenate(real), np.concatenate(virtual)
    level = float(threshold_otsu(truth))  # type: ignore[no-untyped-call]
    rows = []
    for pairs, other in (("right pairs", guess), ("mispaired", np.roll(guess, 1, axis=0))):
        rows.append(
            {
                "cells": len(truth),
                "compared": pairs,
                "PCC of pixels": pcc(other, truth),
                "PCC of total intensity": pcc(other.sum((1, 2)), truth.sum((1, 2))),
                "PCC of area": pcc((other > level).sum((1, 2)), (truth > level).sum((1, 2))),
            }
        )
    if sigma:
        error = guess - truth
        for name, factor in (("coverage of 68 %", 1.0), ("coverage of 95 %", 1.96)):
            rows[0][name] = coverage(error, np.concatenate(sigma), factor)
    return pd.DataFrame(rows)


def make_parser() -> CommandParser:
    """Return the parser of the command."""
    parser = CommandParser(
        prog="python -m napari_cytosynth.training.cell_study",
        description="Compare virtual and real stains cell by cell, and with those of other cells.",
        examples=[
            "python -m napari_cytosynth.training.cell_study "
            "runs/jurkat-brightfield-unet/jurkat-brightfield-unet jurkat/test"
        ],
    )
    parser.add_argument("model")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--samples", type=int, default=16)
    return parser


def _run(argv: Sequence[str] | None) -> int:
    arguments = make_parser().parse_args(argv)
    table = cell_study(arguments.model, arguments.folder, samples=arguments.samples)
    echo(table.T.to_string(header=False))
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status."""
    return run_command(lambda: _run(argv), prefix="")


if __name__ == "__main__":
    raise SystemExit(main())
