"""Confidence in single objects: whether anything known of an object tells if it is right."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cytosynth.errors import InputError
from napari_cytosynth.metrics import (
    ConfidenceCurve,
    ConfidenceFit,
    auroc,
    best_iou,
    confidence_curve,
    fit_confidence,
    log_losses,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

    from napari_cytosynth.tasks.segment.result import Segmentation

    Values = NDArray[np.float64]
    Flags = NDArray[np.bool_]

__all__ = ["INGREDIENTS", "RIVAL", "ConfidenceScores", "ConfidenceTally", "confidence_scores"]

RIVAL = "mean probability"
INGREDIENTS: dict[str, tuple[str, Callable[[Values], Values]]] = {
    RIVAL: ("mean_probability", np.asarray),
    "log area": ("area_px", np.log),
    "flow error": ("flow_error", np.asarray),
}
"""Ingredient -> column of the table of objects, and what is made of its values."""
IOU = 0.5
"""Least IoU of a right object with a true one."""


@dataclass(frozen=True, eq=False)
class ConfidenceScores:
    """How well ingredients, alone and together, tell right objects from wrong ones.

    Every probability is of a fit that has not seen the object's image (cross-validation).

    Attributes
    ----------
    objects, right, images
        Numbers of all objects, of those that are right, and of images with objects.
    auroc
        Of each ingredient as it is; below 0.5, high values speak for wrong objects.
    combined_auroc, combined_loss
        AUROC and log loss of all ingredients together.
    rival
        The ingredient that the others must improve upon.
    rival_loss
        Log loss of the fit to the rival alone.
    gain, gain_error
        Mean loss of the rival minus that of all together, and its standard error over images.
    curve
        Reliability of all together.
    fit
        All ingredients together, fitted to all objects.
    """

    objects: int
    right: int
    images: int
    auroc: dict[str, float]
    combined_auroc: float
    combined_loss: float
    rival: str
    rival_loss: float
    gain: float
    gain_error: float
    curve: ConfidenceCurve
    fit: ConfidenceFit

    @property
    def worthwhile(self) -> bool:
        """Whether all together have the lower log loss (one-sided t-test over images, 5 %)."""
        from scipy.stats import t

        return bool(self.gain > t.ppf(0.95, self.images - 1) * self.gain_error)

    def record(self) -> dict[str, Any]:
        """Return the scores as plain values for JSON."""
        curve = {key: values.tolist() for key, values in vars(self.curve).items()}
        return {
            **{key: value for key, value in vars(self).items() if key not in ("curve", "fit")},
            "worthwhile": self.worthwhile,
            "calibration error (ECE)": self.curve.error,
            "curve": curve,
            "fit": asdict(self.fit),
        }

    def summary(self) -> str:
        """Return the scores as a sentence or two."""
        single = ", ".join(f"{name} {value:.3f}" for name, value in self.auroc.items())
        verdict = "tell more than" if self.worthwhile else "tell no more, for all we know, than"
        return (
            f"{self.right} of {self.objects} objects are right (IoU ≥ {IOU:g} with a true one). "
            f"AUROC: {single}, all together {self.combined_auroc:.3f}. All together {verdict} the "
            f"{self.rival} alone (log loss {self.combined_loss:.3f} against {self.rival_loss:.3f}, "
            f"gain {self.gain:.3f} ± {self.gain_error:.3f} on images left out)."
        )


def confidence_scores(
    ingredients: Mapping[str, ArrayLike],
    right: ArrayLike,
    image: Sequence[str] | ArrayLike,
    rival: str,
    folds: int = 5,
) -> ConfidenceScores:
    """Measure by cross-validation whether ingredients tell right objects from wrong ones.

    Objects of one image are alike, so that whole images are left out of a fit, never single
    objects: the n-th image by name belongs to fold n modulo `folds`.

    Parameters
    ----------
    ingredients, right
        As for :func:`fit_confidence`.
    image
        (N,): name or number of each object's image.
    rival
        The ingredient to be improved upon, such as the mean probability.
    folds
        Number of parts that are left out in turn, or the number of images if that is smaller.
        Default: 5.

    Raises
    ------
    InputError
        As :func:`fit_confidence`, for the objects of all images but those of a fold too; or if
        there is only one image, `folds` is below 2, or `rival` is not among the ingredients.
    """
    flags = np.asarray(right)
    fit = fit_confidence(ingredients, flags)
    columns = {name: np.asarray(column, np.float64) for name, column in ingredients.items()}
    if rival not in columns:
        raise InputError(f"“{rival}” is not among the ingredients {', '.join(columns)}.")
    names, numbers = np.unique(np.asarray(image), return_inverse=True)
    if numbers.shape != flags.shape or len(names) < 2 or folds < 2:
        raise InputError(
            "What tells right objects from wrong ones is measured on images left out of the fit: "
            "it needs objects in at least two images, and the image of each object."
        )
    fold = numbers % min(folds, len(names))
    together = _left_out(columns, flags, fold)
    alone = _left_out({rival: columns[rival]}, flags, fold)
    losses = {"all": log_losses(together, flags), "rival": log_losses(alone, flags)}
    gain = losses["rival"] - losses["all"]
    return ConfidenceScores(
        len(flags),
        int(flags.sum()),
        len(names),
        {name: auroc(column, flags) for name, column in columns.items()},
        auroc(together, flags),
        float(losses["all"].mean()),
        rival,
        float(losses["rival"].mean()),
        float(gain.mean()),
        _clustered_error(gain, numbers),
        confidence_curve(together, flags),
        fit,
    )


def _left_out(columns: dict[str, Values], flags: Flags, fold: NDArray[np.intp]) -> Values:
    """Return the probability of each object from the fit to the other folds."""
    result = np.zeros(len(flags))
    for number in np.unique(fold):
        out = fold == number
        fit = fit_confidence({name: c[~out] for name, c in columns.items()}, flags[~out])
        result[out] = fit({name: c[out] for name, c in columns.items()})
    return result


def _clustered_error(values: Values, image: NDArray[np.intp]) -> float:
    """Return the standard error of the mean of values that are alike within an image.

    Not below that of independent values: the sums of two or three images may agree by chance.
    """
    sums = np.bincount(image, values - values.mean())
    images = len(sums)
    clustered = np.sqrt(images / (images - 1) * (sums**2).sum()) / len(values)
    return float(max(clustered, values.std() / np.sqrt(len(values))))


@dataclass(eq=False)
class ConfidenceTally:
    """Ingredients of all predicted objects, gathered image by image.

    Attributes
    ----------
    columns
        Ingredient -> values of each image's objects.
    right
        For each image, which of its objects have an IoU of at least 0.5 with a true one.
    image
        Number of each object's image.
    """

    columns: dict[str, list[Values]] = field(default_factory=dict)
    right: list[Flags] = field(default_factory=list)
    image: list[NDArray[np.int64]] = field(default_factory=list)

    def add(self, truth: NDArray[Any], result: Segmentation, smallest: int = 0) -> None:
        """Add the objects that were found in one image.

        Parameters
        ----------
        truth
            Labels (Y, X) of the true objects, 0 is background.
        result
            The segmentation of the image.
        smallest
            Found objects of fewer pixels are left out. Default: 0.
        """
        count = result.table["area_px"].to_numpy() >= smallest
        right = best_iou(truth, result.labels)[count] >= IOU
        self.image.append(np.full(len(right), len(self.right)))
        self.right.append(right)
        for name, (column, make) in INGREDIENTS.items():
            if column in result.table:
                values = make(result.table[column].to_numpy(np.float64)[count])
                self.columns.setdefault(name, []).append(values)

    def scores(self) -> ConfidenceScores | str:
        """Return the scores, or the sentence that says why there are none."""
        if not sum(map(len, self.right)):
            return "No object was found."
        columns = {name: np.concatenate(parts) for name, parts in self.columns.items()}
        try:
            return confidence_scores(
                columns, np.concatenate(self.right), np.concatenate(self.image), RIVAL
            )
        except InputError as error:
            return str(error)
