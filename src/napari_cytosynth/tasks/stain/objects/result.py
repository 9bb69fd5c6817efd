"""The objects of a virtual stain, with the doubt of each."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cytosynth.metrics.partners import partners
from napari_cytosynth.tasks.common.provenance import KEY

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from napari_cytosynth.zoo.card import ObjectDoubt

    from .source import VirtualStain

__all__ = ["DOUBTFUL", "StainedObjects"]

DOUBTFUL = 0.5
"""Objects of a higher doubt are wrong more often than right."""


@dataclass(eq=False, repr=False)
class StainedObjects:
    """Objects of a virtual stain: predicted, not measured.

    Attributes
    ----------
    labels
        int32, of the shape of one stain: 0 is background; numbers continue from plane to plane.
    table
        One row for each object: shape, size, position and intensity as
        :func:`~napari_cytosynth.tasks.measure.table.measure` gives them, ``confidence`` (the
        segmenter's) and, where the model's card knows how, ``doubt`` in [0, 1]: the
        probability that the object is not there, or that its IoU with the real one is below
        0.5, as it was on left-out images of the kind that the model was trained on.
    stain
        Name of the stain.
    features
        Name -> value of each object by rising label: the numbers that the doubt is made of, see
        :data:`~napari_cytosynth.tasks.stain.objects.features.FEATURES`.
    numbers
        Name -> value of each object: area, eccentricity, mean and sum of every stain above its
        background. Empty of a result whose network is not there.
    calibration
        The card's block that gave the doubt; None without.
    staining
        The virtual stain.
    messages
        Notes for the user.
    record
        What is added to the provenance of the virtual stain.
    """

    labels: NDArray[np.int32]
    table: pd.DataFrame
    stain: str
    features: dict[str, NDArray[np.float64]]
    numbers: dict[str, NDArray[np.float64]]
    calibration: ObjectDoubt | None
    staining: VirtualStain
    messages: list[str] = field(default_factory=list)
    record: dict[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"<{len(self.table)} {self.objects} in the virtual {self.stain}>"

    @property
    def objects(self) -> str:
        """What one object is called, in plural."""
        return self.calibration.objects if self.calibration else "nuclei"

    @property
    def axes(self) -> str:
        """Letters of the axes of :attr:`labels`."""
        return self.staining.axes.removeprefix("C")

    @property
    def doubt(self) -> NDArray[np.float64] | None:
        """Doubt of each object, by its label from 0 (NaN) on; None where it is unknown."""
        if "doubt" not in self.table:
            return None
        found = np.full(int(self.labels.max(initial=0)) + 1, np.nan)
        found[self.table["label"].to_numpy()] = self.table["doubt"].to_numpy()
        return found

    def doubt_for(self, labels: NDArray[Any]) -> NDArray[np.float64]:
        """Return the doubt of other objects of this image, such as real or edited ones.

        That of the virtual object which an object shares with an IoU of at least 0.5; NaN where
        there is none, or where the doubt is unknown.

        Parameters
        ----------
        labels
            Whole numbers of the shape of :attr:`labels`; 0 is background.

        Returns
        -------
        float64
            One value for each label, by rising label.
        """
        own = np.unique(labels[labels > 0])
        found = np.full(own.size, np.nan)
        doubt = self.doubt
        if doubt is None:
            return found
        for other, partner in partners(labels, self.labels):
            found[np.searchsorted(own, other)] = doubt[partner]
        return found

    @property
    def most_doubtful(self) -> pd.DataFrame:
        """The table, the most doubtful objects first; as it is where the doubt is unknown."""
        if "doubt" not in self.table:
            return self.table
        return self.table.sort_values("doubt", ascending=False, kind="stable")

    @property
    def expected_wrong(self) -> float | None:
        """Number of objects that are expected to be wrong: the sum of all doubts."""
        return float(self.table["doubt"].sum()) if "doubt" in self.table else None

    @property
    def summary(self) -> dict[str, Any]:
        """What a record says of them: stain, segmenter, their number, and where doubts are from."""
        known = self.calibration
        doubt = "unknown" if known is None else f"calibrated on {known.fields} left-out images"
        kept = {key: value for key, value in self.record.items() if key != "role"}
        return kept | {"objects": self.objects, "count": len(self.table), "doubt": doubt}

    def to_layer(self) -> tuple[Any, dict[str, Any], str]:
        """Return layer data of the labels, with the table as features."""
        placement = self.staining.placement
        source = f" · {self.staining.source.name}" if self.staining.source.name else ""
        what = self.objects if self.objects.casefold() != self.stain.casefold() else "objects"
        attributes = {
            "name": f"{self.stain} {what} · virtual{source}",
            "features": self.table,
            "metadata": {KEY: self.staining.provenance | self.record},
            **placement.geometry,
        }
        return placement.placed(self.labels), attributes, "labels"

    def add_to(self, viewer: Any) -> Any:
        """Add the labels to a napari viewer and return the layer (in the main thread only)."""
        data, attributes, _ = self.to_layer()
        return viewer.add_labels(data, **attributes)
