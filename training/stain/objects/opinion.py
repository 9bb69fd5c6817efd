"""What a second opinion finds: recall and precision of its flags for wrong nuclei."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from napari_cytosynth.tasks.stain.objects.matching import DIFFER, ONLY_FIRST, match_objects
from napari_cytosynth.training.stain.calibrate.doubt import WRONG_BELOW

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_cytosynth.training.stain.calibrate.doubt import ObjectTruth

    Labels = NDArray[np.integer]

__all__ = ["FLAGS", "FlaggedObjects", "flag_objects", "opinion_scores"]

FLAGS: dict[str, tuple[str, ...]] = {
    "only in it": (ONLY_FIRST,),
    "differ": (DIFFER,),
    "either": (ONLY_FIRST, DIFFER),
}
"""What the comparison says of an object -> its kinds of :func:`match_objects`."""


@dataclass(frozen=True, eq=False)
class FlaggedObjects:
    """Objects of one virtual field, what a second opinion says of each, and the truth.

    Attributes
    ----------
    kinds
        (N,) by rising label: a kind of :func:`match_objects`, or "" of an object that both have.
    truth
        What the real stain says.
    """

    kinds: NDArray[np.str_]
    truth: ObjectTruth


def flag_objects(first: Labels, second: Labels, truth: ObjectTruth) -> FlaggedObjects:
    """Compare the objects of a virtual field with those of a second opinion.

    Parameters
    ----------
    first, second
        (Y, X) objects of the model in question, numbered from 1 without gaps, and of the other.
    truth
        Of the first ones.
    """
    kinds = np.full(len(truth.iou), "", dtype="<U32")
    found = match_objects(first, second)
    own = found[found["image"] == "first"]
    kinds[own["label"].to_numpy(int) - 1] = own["kind"].to_numpy(str)
    return FlaggedObjects(kinds, truth)


def opinion_scores(fields: Sequence[FlaggedObjects]) -> pd.DataFrame:
    """Return recall and precision of the flags, over all fields.

    Parameters
    ----------
    fields
        At least one.

    Returns
    -------
    DataFrame
        One row for each flag of :data:`FLAGS` and kind of nuclei (``absent``, ``deformed``, and
        ``wrong``: an IoU below 0.5, absent and deformed ones among them): ``objects`` (all of
        them), ``of this kind``, ``flagged``, ``both``; ``recall`` and ``precision``, in [0, 1],
        and what as many flags on objects drawn at random would have (``… at random``). NaN
        where nothing is flagged, or no object is of that kind.
    """
    kinds = np.concatenate([one.kinds for one in fields])
    truth = {
        "absent": np.concatenate([one.truth.absent for one in fields]),
        "deformed": np.concatenate([one.truth.deformed for one in fields]),
        "wrong": np.concatenate([one.truth.iou < WRONG_BELOW for one in fields]),
    }
    rows = []
    for flag, used in FLAGS.items():
        flagged = np.isin(kinds, used)
        for kind, wanted in truth.items():
            both = int((flagged & wanted).sum())
            rows.append(
                {
                    "flag": flag,
                    "nuclei": kind,
                    "objects": len(kinds),
                    "of this kind": int(wanted.sum()),
                    "flagged": int(flagged.sum()),
                    "both": both,
                    "recall": _share(both, int(wanted.sum())),
                    "recall at random": _share(int(flagged.sum()), len(kinds)),
                    "precision": _share(both, int(flagged.sum())),
                    "precision at random": _share(int(wanted.sum()), len(kinds)),
                }
            )
    return pd.DataFrame(rows)


def _share(part: int, whole: int) -> float:
    return part / whole if whole else float("nan")
