"""Conversion of published image pairs into the layout that the stain recipes read.

``python -m napari_cytosynth.training.prepare isl SOURCE OUT`` and ``… jurkat SOURCE OUT``
write ``train``, ``val`` and ``test`` folders, each with one folder of inputs and one of
targets. No cell and no region is in two of them.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cytosynth.console import CommandParser, echo
from napari_cytosynth.errors import RecipeError
from napari_cytosynth.images.reading import read_image
from napari_cytosynth.outcome import run_command
from napari_cytosynth.tasks.export.results import write_tiff
from napari_cytosynth.training.data.splits import hash_split

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["main", "make_parser", "prepare_isl", "prepare_jurkat"]

_ISL_COLUMNS = {"train": (0, 560), "val": (624, 752), "test": (816, 1024)}
_ISL_STAINS = ("dapi", "map2", "nfh")
_COLUMNS = ("duplicate_of_earlier", "experiment", "phase", "montage", "row", "col", "split")
_CELL, _GRID = 40, 10  # px, and cells along a side of a written montage


def _write(out: Path, part: str, folder: str, name: str, image: NDArray[Any]) -> None:
    target = out / part / folder
    target.mkdir(parents=True, exist_ok=True)
    write_tiff(target / f"{name}.tif", image, axes="CYX" if image.ndim == 3 else "YX")


def prepare_isl(source: Path, out: Path) -> int:
    """Cut the rat-neuron field of Christiansen et al. 2018 into regions with gaps between.

    Parameters
    ----------
    source
        Folder with ``phase/zNN.png``, ``dapi.png``, ``map2.png`` and ``nfh.png``.
    out
        Gets ``train``, ``val`` and ``test``: columns 0-560, 624-752 and 816-1024, each
        with ``phase`` (the middle focal plane) and ``fluorescence`` (DAPI, MAP2, NFH).

    Returns
    -------
    int
        Number of pairs written.
    """
    planes = sorted((source / "phase").glob("z*.png"))
    if not planes:
        raise RecipeError(f"There is no phase/zNN.png in {source}.")
    phase = read_image(planes[len(planes) // 2]).data
    stains = np.stack([read_image(source / f"{name}.png").data for name in _ISL_STAINS])
    for part, (start, stop) in _ISL_COLUMNS.items():
        _write(out, part, "phase", "field", phase[:, start:stop])
        _write(out, part, "fluorescence", "field", stains[:, :, start:stop])
    return len(_ISL_COLUMNS)


def prepare_jurkat(source: Path, out: Path) -> int:
    """Sort the cells of Blasi et al. 2016 by split and lay them out in new montages.

    Parameters
    ----------
    source
        Folder with ``cells.csv`` and the montages of 30 × 30 cells of 40 px.
    out
        Gets ``train``, ``val`` (a tenth of the training cells, by a hash of each cell's
        place) and ``test``, with montages of 10 × 10 cells in ``brightfield`` and
        ``fluorescence``. Cells listed as duplicates are left out.

    Returns
    -------
    int
        Number of montages written.
    """
    try:
        rows = list(csv.DictReader((source / "cells.csv").read_text("utf-8").splitlines()))
    except OSError as error:
        raise RecipeError(f"There is no cells.csv in {source}.") from error
    _check_columns(rows, source)
    cells: dict[str, list[tuple[NDArray[Any], NDArray[Any]]]] = defaultdict(list)
    montages: dict[Path, NDArray[Any]] = {}
    for row in rows:
        if int(row["duplicate_of_earlier"]):
            continue
        folder = source / row["experiment"] / row["phase"]
        top, left = int(row["row"]) * _CELL, int(row["col"]) * _CELL
        pair = []
        for channel in ("Ch3", "Ch4"):
            path = folder / f"{channel}_{row['montage']}.tif"
            if path not in montages:
                montages[path] = read_image(path).data
            pair.append(montages[path][top : top + _CELL, left : left + _CELL])
        cells[_part(row)].append((pair[0], pair[1]))
    return sum(_lay_out(out, part, found) for part, found in cells.items())


def _check_columns(rows: list[dict[str, str]], source: Path) -> None:
    first = rows[0] if rows else {}
    missing = [name for name in _COLUMNS if first.get(name) is None]
    if missing:
        raise RecipeError(
            f"The table {source / 'cells.csv'} has no column {', '.join(missing)}. See whether it "
            "is the published one."
        )


def _part(row: dict[str, str]) -> str:
    place = "-".join(row[key] for key in ("experiment", "phase", "montage", "row", "col"))
    validates = row["split"] == "train" and hash_split(place) == "validation"
    return "val" if validates else row["split"]


def _lay_out(out: Path, part: str, cells: list[tuple[NDArray[Any], NDArray[Any]]]) -> int:
    # mixed, so that each montage holds cells of all phases of the cycle
    order = np.random.default_rng(0).permutation(len(cells))
    number = len(cells) // _GRID**2
    for index in range(number):
        chosen = order[index * _GRID**2 : (index + 1) * _GRID**2]
        for folder, channel in (("brightfield", 0), ("fluorescence", 1)):
            tiles = np.stack([cells[cell][channel] for cell in chosen])
            grid = tiles.reshape(_GRID, _GRID, _CELL, _CELL).swapaxes(1, 2)
            image = grid.reshape(_GRID * _CELL, _GRID * _CELL)
            _write(out, part, folder, f"montage-{index:03d}", image)
    return number


def make_parser() -> CommandParser:
    """Return the parser of the command."""
    parser = CommandParser(
        prog="python -m napari_cytosynth.training.prepare",
        description="Bring published images into the folders that a recipe reads.",
        examples=["python -m napari_cytosynth.training.prepare jurkat DATA/bbbc048 jurkat"],
    )
    parser.add_argument("data", choices=["isl", "jurkat"])
    parser.add_argument("source", type=Path, help="the published files")
    parser.add_argument("out", type=Path, help="folder to write")
    return parser


def _run(argv: Sequence[str] | None) -> int:
    arguments = make_parser().parse_args(argv)
    prepare = {"isl": prepare_isl, "jurkat": prepare_jurkat}[arguments.data]
    count = prepare(arguments.source, arguments.out)
    echo(f"Wrote {count} pairs to {arguments.out}")
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status."""
    return run_command(lambda: _run(argv), prefix="")


if __name__ == "__main__":
    raise SystemExit(main())
