"""Fields of an evaluation, cached on disk until the shown ones are chosen."""

from __future__ import annotations

import pickle
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from .tally import Prediction

__all__ = ["FieldCache", "ShownField"]


@dataclass(frozen=True, eq=False)
class ShownField:
    """A field for a figure page; all planes are (Y, X).

    Attributes
    ----------
    rank
        ``best``, ``median`` or ``worst``; ``only`` for a single field; empty until they are ranked.
    name, score
        Of the field; the score is the mean PCC of all models and stains.
    image
        The (first channel of the) input.
    real
        The real stains by name.
    predictions
        For each model the virtual stains by name.
    """

    rank: str
    name: str
    score: float
    image: NDArray[Any]
    real: dict[str, NDArray[np.float32]]
    predictions: dict[str, dict[str, Prediction]]


class FieldCache:
    """Cache of fields in a temporary folder, as all of them would not fit into memory.

    Parameters
    ----------
    folder
        An existing folder for temporary files.
    """

    def __init__(self, folder: str) -> None:
        self._folder = Path(folder)
        self._paths: dict[str, Path] = {}
        self._scores: dict[str, float] = {}

    def keep(self, field: ShownField) -> None:
        """Write a field to disk."""
        path = self._paths[field.name] = self._folder / f"{len(self._paths)}.pickle"
        self._scores[field.name] = field.score
        path.write_bytes(pickle.dumps(field, protocol=pickle.HIGHEST_PROTOCOL))

    def chosen(self) -> list[ShownField]:
        """Return the best, the median and the worst field by score, each field once."""
        order = sorted(self._scores, key=lambda name: -self._scores[name])
        ranks = {order[len(order) // 2]: "median", order[-1]: "worst", order[0]: "best"}
        if len(order) == 1:
            ranks = {order[0]: "only"}
        return [replace(self._read(name), rank=ranks[name]) for name in order if name in ranks]

    def _read(self, name: str) -> ShownField:
        # written by this very process, into a folder of its own
        field: ShownField = pickle.loads(self._paths[name].read_bytes())
        return field
