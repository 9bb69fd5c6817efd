"""Calibration of the uncertainty: fitted to the errors on fields, written on the card."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from napari_cytosynth.errors import InputError
from napari_cytosynth.progress import silent
from napari_cytosynth.training.stain.evaluate.tally import structure, thinned
from napari_cytosynth.zoo.card import StainError, StainUncertainty, TypicalSpread
from napari_cytosynth.zoo.model_files import read_card, update_card

from .rivals import FieldErrors, choose, judge, pooled_curve

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from napari_cytosynth.metrics.error_curve import ErrorCurve
    from napari_cytosynth.progress import Progress
    from napari_cytosynth.training.stain.evaluate.fields import FieldReader, Stainer, StainField

    Fold = tuple[Stainer, Sequence[StainField]]

__all__ = ["Calibration", "calibrate", "calibrate_card"]

_PIXELS = 400_000
_LEAST_FIELDS = 3


@dataclass(frozen=True, eq=False)
class Calibration:
    """Typical errors of all stains, and how well they and their rivals foretold errors.

    Attributes
    ----------
    uncertainty
        The block of the card.
    judged
        One row for each stain, rival and field, fitted on the other fields; empty with fewer
        than three fields.
    """

    uncertainty: StainUncertainty
    judged: pd.DataFrame

    def summary(self) -> pd.DataFrame:
        """Return one row for each stain and rival: means over the fields, and the range."""
        if self.judged.empty:
            return self.judged
        columns = [name for name in self.judged if name not in ("stain", "rival", "field")]
        grouped = self.judged.groupby(["stain", "rival"], sort=False)
        table = grouped[columns].mean()
        for name in ("AUSE inside", "coverage of 68 %", "coverage of 68 % inside"):
            table[f"least {name}"] = grouped[name].min()
            table[f"most {name}"] = grouped[name].max()
        return table.reset_index()


def calibrate(
    folds: Sequence[Fold], reader: FieldReader, *, progress: Progress | None = None
) -> Calibration:
    """Fit the typical error of each stain, on the fields of all folds.

    A spread over views or samples widens the curve of a stain only where that foretold the
    errors of left-out fields better; with fewer than three fields none does.

    Parameters
    ----------
    folds
        Models, each with fields that it did not learn from: one model with its calibration
        fields, or those of a leave-one-field-out training with the field left out of each.
        Every field weighs the same.
    reader
        Reads the fields.
    progress
        Called after each field; may raise Cancelled.

    Raises
    ------
    InputError
        If there are no fields, or the stains of the models differ.
    """
    names, total = _check(folds), sum(len(fields) for _, fields in folds)
    errors: dict[str, list[FieldErrors]] = {name: [] for name in names}
    tick, done = progress or silent, 0
    tick(0, total, "Calibrating")
    for stainer, fields in folds:
        for field in fields:
            for name, found in _collect(stainer, field, reader, _PIXELS // total).items():
                errors[name].append(found)
            done += 1
            tick(done, total, f"Calibrating on {field.name}")
    tables, stains = [], []
    for name in names:
        if not errors[name]:
            raise InputError(f"No field is left to calibrate {name} on.")
        table, curve = _fit(errors[name])
        tables.append(table.assign(stain=name))
        stains.append(_as_card(curve))
    count = len({one.group for found in errors.values() for one in found})
    return Calibration(_block(stains, folds, count), pd.concat(tables, ignore_index=True))


def _check(folds: Sequence[Fold]) -> tuple[str, ...]:
    if not any(fields for _, fields in folds):
        raise InputError("There must be at least one field to calibrate on.")
    names = folds[0][0].names
    if any(stainer.names != names for stainer, _ in folds):
        raise InputError("All models of a calibration must predict the same stains.")
    return names


def _collect(
    stainer: Stainer, field: StainField, reader: FieldReader, limit: int
) -> dict[str, FieldErrors]:
    image = reader.image(field, stainer.channels)
    real, scales = reader.targets(field, image.shape[1:]), stainer.scales
    found = {}
    for name, prediction in stainer(image).items():
        if name in field.excluded:
            continue
        if name not in real:
            raise InputError(f"The stained images have no channel called {name}.")
        unit, offset = scales[name], stainer.offsets[name]
        stds = {"views": prediction.view_std, "samples": prediction.std}
        found[name] = FieldErrors(
            str(field.target),
            thinned((prediction.mean - real[name]) / unit, limit),
            thinned((prediction.mean - offset) / unit, limit),
            thinned(structure(real[name], prediction.mean), limit) > 0,
            {key: thinned(std / unit, limit) for key, std in stds.items() if std is not None},
        )
    return found


def _fit(fields: list[FieldErrors]) -> tuple[pd.DataFrame, ErrorCurve]:
    """Return the judgement of all rivals, and the curve of the chosen one on all fields."""
    if len({one.group for one in fields}) < _LEAST_FIELDS:
        return pd.DataFrame(), pooled_curve(fields, ())
    judged = judge(fields)
    curve = pooled_curve(fields, choose(judged))
    return judged, curve


def _as_card(curve: ErrorCurve) -> StainError:
    spreads = {
        name: TypicalSpread(usual=_rounded(spread.usual), exponent=spread.exponent)
        for name, spread in curve.spreads.items()
    }
    return StainError(
        levels=_rounded(curve.levels), errors=_rounded(curve.errors), spreads=dict(spreads)
    )


def _rounded(values: Sequence[float]) -> list[float]:
    return [float(f"{value:.5g}") for value in values]


def _block(stains: list[StainError], folds: Sequence[Fold], fields: int) -> StainUncertainty:
    used = any(
        name == "samples" and spread.exponent > 0
        for stain in stains
        for name, spread in stain.spreads.items()
    )
    views = {stainer.views for stainer, _ in folds}
    samples = min(stainer.samples for stainer, _ in folds)
    what = "images" if len(folds) == 1 else f"images, by {len(folds)} models"
    return StainUncertainty(
        stains=stains,
        views=min(views),
        samples=samples if used else 0,
        fields=fields,
        fitted_on=f"{fields} left-out {what}",
    )


def calibrate_card(
    folder: Path,
    folds: Sequence[Fold],
    reader: FieldReader,
    *,
    progress: Progress | None = None,
) -> Calibration:
    """Calibrate by :func:`calibrate` and write the result on a model's card.

    It replaces an older calibration; coverages that were measured before leave the card, too:
    they are those of another sigma.

    Parameters
    ----------
    folder
        The model's folder: its weights stay as they are, but the file's SHA-256 changes.
    folds, reader, progress
        As for :func:`calibrate`.

    Raises
    ------
    InputError
        As :func:`calibrate`, or if the folds' stains are not those of the card.
    ModelError
        If there is no model in `folder`.
    OutputError
        If it cannot be written.
    """
    card = read_card(folder)
    if tuple(card.inference.output_channels) != _check(folds):
        raise InputError(f"The stains of “{card.name}” are not those of the calibration.")
    found = calibrate(folds, reader, progress=progress)
    older = ("sigma_scale", "sigma_floor", "sigma_slope", "sigma_samples")
    changes = {**dict.fromkeys(older), "uncertainty": found.uncertainty}
    inference = card.inference.model_copy(update=changes)
    # they were measured with the sigma that was there before
    metrics = [metric for metric in card.metrics if "coverage" not in metric.name]
    update_card(folder, card.model_copy(update={"inference": inference, "metrics": metrics}))
    return found
