"""Calibration of the uncertainty: fitted to the errors on fields, written on the card."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from napari_cytosynth.errors import InputError
from napari_cytosynth.metrics import COVERAGE_GOALS, calibrated_sigma, coverage, ence, fit_sigma
from napari_cytosynth.progress import silent
from napari_cytosynth.zoo.model_files import read_card, update_card

from .tally import thinned

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_cytosynth.progress import Progress

    from .fields import FieldReader, Stainer, StainField

    Fold = tuple[Stainer, Sequence[StainField]]
    Pairs = dict[str, list[NDArray[np.float32]]]

__all__ = ["calibrate", "calibrate_card"]

_PIXELS = 400_000


def calibrate(
    folds: Sequence[Fold], reader: FieldReader, *, progress: Progress | None = None
) -> pd.DataFrame:
    """Fit the calibration (scale, floor, slope) of each stain, on the fields of all folds.

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

    Returns
    -------
    DataFrame
        One row for each stain: ``scale``, ``slope``, ``floor`` (in units of the network's
        output), and coverage and ENCE of these very fields before and after.

    Raises
    ------
    InputError
        If there are no fields, or a model makes no samples, or the stains differ.
    """
    names, total = _check(folds), sum(len(fields) for _, fields in folds)
    errors: Pairs = {name: [] for name in names}
    stds: Pairs = {name: [] for name in names}
    levels: Pairs = {name: [] for name in names}
    tick, done = progress or silent, 0
    tick(0, total, "Calibrating")
    for stainer, fields in folds:
        for field in fields:
            _collect(stainer, field, reader, (errors, stds, levels), _PIXELS // total)
            done += 1
            tick(done, total, f"Calibrating on {field.name}")
    return pd.DataFrame(
        [
            _row(name, *(np.concatenate(values[name]) for values in (errors, stds, levels)))
            for name in names
        ]
    )


def _check(folds: Sequence[Fold]) -> tuple[str, ...]:
    if not any(fields for _, fields in folds):
        raise InputError("There must be at least one field to calibrate on.")
    names = folds[0][0].names
    for stainer, _ in folds:
        card = stainer.model.card
        if not stainer.samples:
            raise InputError(
                f"The uncertainty of “{card.name}” cannot be calibrated: it has none, since the "
                "model was trained without dropout, or 0 samples were asked for."
            )
        if stainer.names != names:
            raise InputError("All models of a calibration must predict the same stains.")
    return names


def _collect(
    stainer: Stainer,
    field: StainField,
    reader: FieldReader,
    into: tuple[Pairs, Pairs, Pairs],
    limit: int,
) -> None:
    errors, stds, levels = into
    image = reader.image(field, stainer.channels)
    real, scales = reader.targets(field, image.shape[1:]), stainer.scales
    for name, prediction in stainer(image).items():
        if name not in real:
            raise InputError(f"The stained images have no channel called {name}.")
        assert prediction.std is not None
        error = (prediction.mean - real[name]) / scales[name]
        errors[name].append(thinned(error, limit))
        stds[name].append(thinned(prediction.std / scales[name], limit))
        level = (prediction.mean - stainer.offsets[name]) / scales[name]
        levels[name].append(thinned(level, limit))


def _row(
    name: str,
    error: NDArray[np.float32],
    std: NDArray[np.float32],
    level: NDArray[np.float32],
) -> dict[str, str | float]:
    fit = fit_sigma(error, std, level)
    sigma = calibrated_sigma(std, *fit, level)
    row: dict[str, str | float] = {"stain": name, **fit._asdict()}
    for (factor, _), size in zip(COVERAGE_GOALS, ("68", "95"), strict=True):
        row[f"coverage of {size} %"] = coverage(error, sigma, factor)
        row[f"coverage of {size} % before"] = coverage(error, std, factor)
    return row | {"ENCE": ence(error, sigma), "ENCE before": ence(error, std)}


def calibrate_card(
    folder: Path,
    folds: Sequence[Fold],
    reader: FieldReader,
    *,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Calibrate by :func:`calibrate` and write the result on a model's card.

    Coverages that were measured before leave the card: they are those of another sigma.

    Parameters
    ----------
    folder
        The model's folder: its weights stay as they are, but the file's SHA-256 changes.
    folds, reader, progress
        As for :func:`calibrate`.

    Returns
    -------
    DataFrame
        As :func:`calibrate`.

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
    table = calibrate(folds, reader, progress=progress)
    fitted = {
        "sigma_scale": [round(float(value), 5) for value in table["scale"]],
        "sigma_floor": [round(float(value), 6) for value in table["floor"]],
        "sigma_slope": [round(float(value), 5) for value in table["slope"]],
        "sigma_samples": min(stainer.samples for stainer, _ in folds),
    }
    inference = card.inference.model_copy(update=fitted)
    # they were measured with the sigma that was there before
    metrics = [metric for metric in card.metrics if "coverage" not in metric.name]
    update_card(folder, card.model_copy(update={"inference": inference, "metrics": metrics}))
    return table
