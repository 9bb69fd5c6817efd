"""``cytosynth evaluate stain --calibrate``: typical errors and doubts, from left-out fields."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_cytosynth.console import echo
from napari_cytosynth.errors import InputError
from napari_cytosynth.progress import resolve_progress

from .common import check_card, print_updated
from .stain_fields import excluding, fields_of, fold_of, reader_of, stainer_of

if TYPE_CHECKING:
    import argparse

    from napari_cytosynth.training.stain.calibrate.calibration import Calibration
    from napari_cytosynth.training.stain.calibrate.cells import CellScores
    from napari_cytosynth.training.stain.evaluate.fields import FieldReader

__all__ = ["calibrate"]

_FIELDS_FOR_DOUBT = 3


def calibrate(arguments: argparse.Namespace) -> None:
    """Calibrate one model, and write it on its card."""
    from napari_cytosynth.training.stain.calibrate.calibration import calibrate_card

    if len(arguments.models) != 1:
        raise InputError("--calibrate writes on the card of one model: name one.")
    if arguments.update_card:
        raise InputError("--update-card is for figures: leave it out with --calibrate.")
    if arguments.second_opinion is not None:
        raise InputError("--second-opinion is for figures: leave it out with --calibrate.")
    folder = Path(arguments.models[0])
    check_card(folder, "--calibrate")
    folds = [fold_of(text, arguments) for text in arguments.fold]
    if not folds:
        stainer = stainer_of(str(folder), arguments)
        folds = [(stainer, fields_of(arguments, [stainer]))]
    stainers = [stainer for stainer, _ in folds]
    reader = reader_of(arguments, stainers)
    used = excluding(arguments, [fields for _, fields in folds], reader)
    folds = list(zip(stainers, used, strict=True))
    found = calibrate_card(folder, folds, reader, progress=resolve_progress(None))
    _print_calibration(found, arguments.out)
    _calibrate_cells(folder, folds, reader, arguments)
    print_updated(folder)


def _calibrate_cells(
    folder: Path, folds: list[Any], reader: FieldReader, arguments: argparse.Namespace
) -> None:
    """Fit the doubt of the objects, where a stain shows nuclei and there are enough fields."""
    from napari_cytosynth.tasks.stain.objects.task import object_stain
    from napari_cytosynth.training.stain.calibrate.cells import (
        collect_cells,
        fit_cells,
        update_doubt,
    )

    stain = arguments.objects or object_stain(folds[0][0].names)
    if arguments.segmenter == "none" or stain is None:
        return
    progress = resolve_progress(None)
    _, cells = collect_cells(folds, reader, stain, device=arguments.device, progress=progress)
    if len({one.group for one in cells}) < _FIELDS_FOR_DOUBT:
        echo(f"Fewer than {_FIELDS_FOR_DOUBT} fields: the doubt of objects could not be judged.")
        return
    scores = fit_cells(cells, stain)
    update_doubt(folder, scores.block)
    _print_cells(scores, arguments.out)


def _print_cells(scores: CellScores, out: Path | None) -> None:
    """Print how doubt and numbers of cells did on left-out fields; write them to a folder."""
    import pandas as pd

    from napari_cytosynth.training.reports.records import results_folder

    doubt = scores.doubt
    low, high = doubt.interval()
    share = f"{100 * doubt.wrong.mean():.0f} % of them wrong"
    echo(
        f"Doubt of {len(doubt.wrong)} objects, {share}: mean AUROC {doubt.mean_auroc():.3f} "
        f"({low:.3f} to {high:.3f}), calibration error {doubt.curve.error:.3f}"
    )
    with pd.option_context("display.max_rows", None, "display.width", 250):
        echo(doubt.table.to_string(index=False, float_format="{:.3f}".format))
        echo("Numbers of cells, information gain in nats:")
        echo(scores.numbers.to_string(index=False, float_format="{:.3f}".format))
    if out is not None:
        with results_folder(out):
            doubt.table.to_csv(out / "doubt.csv", index=False)
            doubt.risk_coverage().to_csv(out / "risk-coverage.csv", index=False)
            scores.numbers.to_csv(out / "numbers.csv", index=False)


def _print_calibration(found: Calibration, out: Path | None) -> None:
    """Print how all rivals did on left-out fields; with a folder, write each field's figures."""
    import pandas as pd

    from napari_cytosynth.training.reports.records import results_folder

    if found.judged.empty:
        echo("Fewer than three fields: the curves of brightness could not be judged.")
        return
    with pd.option_context("display.max_rows", None, "display.width", 250):
        echo("Fitted on all fields but one, judged on that one; means over the fields:")
        echo(found.summary().to_string(index=False, float_format="{:.3f}".format))
    if out is not None:
        with results_folder(out):
            found.judged.to_csv(out / "judged.csv", index=False)
