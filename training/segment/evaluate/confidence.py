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

from .stated import stated_scores

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

    from napari_cytosynth.tasks.segment.result import Segmentation

    from .stated import StatedScores

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
_NESTED = ("curve", "fit", "left_out")


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
    left_out
        Of the combination, or of the rival alone where that is as good: the confidence in images
        that were left out of its fit.
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
    left_out: StatedScores

    @property
    def worthwhile(self) -> bool:
        """Whether all together have the lower log loss (one-sided t-test over images, 5 %)."""
        return _is_gain(self.gain, self.gain_error, self.images)

    def record(self) -> dict[str, Any]:
        """Return the scores as plain values for JSON."""
        return {
            **{key: value for key, value in vars(self).items() if key not in _NESTED},
            "worthwhile": self.worthwhile,
            "calibration error (ECE)": self.curve.error,
            "curve": self.curve.record(),
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
    error = _clustered_error(gain, numbers)
    better = together if _is_gain(float(gain.mean()), error, len(names)) else alone
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
        error,
        confidence_curve(together, flags),
        fit,
        stated_scores(better, columns, flags, numbers),
    )


def _is_gain(gain: float, error: float, images: int) -> bool:
    """Return whether a mean gain over images is beyond chance (one-sided t-test, 5 %)."""
    from scipy.stats import t

    return bool(gain > t.ppf(0.95, images - 1) * error)


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
    stated
        The confidence that the model states of each object; empty where it states none.
    """

    columns: dict[str, list[Values]] = field(default_factory=dict)
    stated: list[Values] = field(default_factory=list)
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
        known: dict[Any, NDArray[Any]] = {
            name: column.to_numpy() for name, column in result.table.items()
        }
        known |= _flow_facts(result)
        for name, (column, make) in INGREDIENTS.items():
            if column in known:
                values = make(np.asarray(known[column][count], np.float64))
                self.columns.setdefault(name, []).append(values)
        if result.confidence is not None:
            self.stated.append(result.confidence[known["label"]][count])

    def scores(self) -> ConfidenceScores | str:
        """Return the scores, or the sentence that says why there are none."""
        if not sum(map(len, self.right)):
            return "No object was found."
        try:
            return confidence_scores(self._columns(), *self._objects(), RIVAL)
        except InputError as error:
            return str(error)

    def stated_scores(self) -> StatedScores | None:
        """Return those of the model's own confidence; None where it states none, or no object."""
        if not sum(map(len, self.stated)):
            return None
        return stated_scores(np.concatenate(self.stated), self._columns(), *self._objects())

    def _columns(self) -> dict[str, Values]:
        return {name: np.concatenate(parts) for name, parts in self.columns.items()}

    def _objects(self) -> tuple[Flags, NDArray[np.int64]]:
        return np.concatenate(self.right), np.concatenate(self.image)


def _flow_facts(result: Segmentation) -> dict[str, NDArray[Any]]:
    """Return what the decoder of flows knows of each object of one plane, in the table's order.

    The confidence follows from these, and not from the table: they are those of the model's own
    threshold, whatever that of the labels.
    """
    if result.owned is None or not result.splits_by_flows:
        return {}
    labels, owner = np.asarray(result.labels), result.owned.owner
    inside = (labels > 0) & (owner > 0)
    owners = np.zeros(int(labels.max(initial=0)) + 1, np.intp)
    owners[labels[inside]] = owner[inside]
    of_objects = owners[result.table["label"].to_numpy()] - 1
    facts = result.owned.facts[()]
    return {
        "mean_probability": facts.mean_probability[of_objects],
        "area_px": np.maximum(facts.area[of_objects], 1),
        "flow_error": facts.flow_error[of_objects],
    }
