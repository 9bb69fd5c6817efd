"""What an evaluation of generators found: tables, verdicts, the model's card."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from napari_cytosynth.training.reports.records import model_record, replace_metrics
from napari_cytosynth.zoo.card import Metric
from napari_cytosynth.zoo.model_files import read_card, update_card, write_reference

from .sampling import Sampling
from .scores import FRECHET, KERNEL, lies_nearer_to_real

if TYPE_CHECKING:
    from pathlib import Path

    from napari_cytosynth.training.generate.data import Part
    from napari_cytosynth.zoo.loading import Model

    from .scores import Copies, DistributionScorer, ImageSet

__all__ = ["BITS", "GenerateOptions", "GenerateReport", "GenerateScores"]

BITS = "bits/dim"
_CARD_SHARES = ("precision", "recall", "density", "coverage")


@dataclass(frozen=True)
class GenerateOptions:
    """What is compared, and how the images are drawn.

    Attributes
    ----------
    count
        Images of each kind: generated, real, noise. Most figures depend on it.
    extractor
        Of the features; see :func:`napari_cytosynth.tasks.features.load_features`.
    part
        The real images that are compared with.
    sampling
        How the images are drawn.
    likelihood
        Real images whose bits/dim are measured; 0 for none.
    reference
        Training crops that copies are looked for among, at least `count`; None: as many as fit.
    """

    count: int = 500
    extractor: str = "fluo-nuclei-unet"
    part: Part = "test"
    sampling: Sampling = field(default_factory=Sampling)
    likelihood: int = 32
    reference: int | None = None


@dataclass(eq=False)
class GenerateScores:
    """All figures of one model.

    Attributes
    ----------
    model
        The generator.
    found
        Its images.
    copies
        The search for training images among them.
    figures
        Name -> value.
    """

    model: Model
    found: ImageSet
    copies: Copies
    figures: dict[str, float]

    def record(self) -> dict[str, Any]:
        """Return everything as plain values."""
        return model_record(self.model) | {
            "figures": self.figures,
            "distances to the nearest training image": self.copies.features.distances.tolist(),
        }


@dataclass(eq=False)
class GenerateReport:
    """What an evaluation found.

    Attributes
    ----------
    models
        Name -> scores, in the order given.
    baselines
        ``real`` (training images) and ``noise`` -> figures.
    noise
        The noise images.
    scorer
        The real images, those of the training among them.
    options
        What it was evaluated with.
    extractor
        Name of the extractor of the features.
    """

    models: dict[str, GenerateScores]
    baselines: dict[str, dict[str, float]]
    noise: ImageSet
    scorer: DistributionScorer
    options: GenerateOptions
    extractor: str

    def comparison(self) -> pd.DataFrame:
        """Return one row for each figure; columns: the models, real images, noise."""
        columns = {name: scores.figures for name, scores in self.models.items()}
        columns |= {"real images": self.baselines["real"], "noise": self.baselines["noise"]}
        order = list(dict.fromkeys(name for figures in columns.values() for name in figures))
        return pd.DataFrame(columns).loc[order].rename_axis("figure").reset_index()

    @cached_property
    def verdicts(self) -> dict[str, str]:
        """For each model a sentence: nearer to real images or to noise, and whether it copies."""
        return {name: " ".join(self._verdict(name)) for name in self.models}

    def passes(self, name: str) -> bool:
        """Return whether a model lies nearer to real images than to noise, in both distances."""
        return not self._nearer_to_noise(name)

    def _nearer_to_noise(self, name: str) -> list[str]:
        figures, real, noise = (
            self.models[name].figures,
            self.baselines["real"],
            self.baselines["noise"],
        )
        return [
            distance
            for distance in (FRECHET, KERNEL)
            if not lies_nearer_to_real(figures[distance], real[distance], noise[distance])
        ]

    def _verdict(self, name: str) -> list[str]:
        failed, copies = self._nearer_to_noise(name), self.models[name].copies
        words = (
            [f"WARNING: nearer to noise than to real images ({', '.join(failed)})."]
            if failed
            else ["Nearer to real images than to noise."]
        )
        suspicious = {"features": copies.features, "pixels": copies.pixels}
        for by, found in suspicious.items():
            if found.p < 0.01:
                words.append(
                    f"WARNING: by {by} {found.fraction:.1%} of its images lie nearer to a training "
                    "image than 99 % of the unseen real ones do: look at the page of neighbours."
                )
        return words

    def card_metrics(self, name: str, dataset: str, command: str) -> list[Metric]:
        """Return the figures of one model that its card shows, with their baselines.

        Parameters
        ----------
        name
            One of :attr:`models`.
        dataset
            Data set and split.
        command
            The command that measures them again.
        """
        figures = self.models[name].figures
        wanted: dict[str, float] = {}
        for distance in (FRECHET, KERNEL):
            wanted[f"{distance} ({self.extractor})"] = figures[distance]
            wanted[f"{distance} of real training images"] = self.baselines["real"][distance]
            wanted[f"{distance} of matched noise"] = self.baselines["noise"][distance]
        wanted |= {share: figures[share] for share in _CARD_SHARES}
        wanted["MS-SSIM between images"] = figures["MS-SSIM between images"]
        real = self.baselines["real"]["MS-SSIM between images"]
        wanted["MS-SSIM between real images"] = real
        if BITS in figures:
            wanted[BITS] = figures[BITS]
        wanted |= {key: value for key, value in figures.items() if key.startswith("share nearer")}
        return [
            Metric(name=key, value=float(f"{value:.4g}"), dataset=dataset, command=command)
            for key, value in wanted.items()
            if np.isfinite(value)
        ]

    def update_card(self, name: str, folder: Path, dataset: str, command: str) -> None:
        """Write figures, and embeddings of the training images, into a model's folder.

        Parameters
        ----------
        name
            One of :attr:`models`.
        folder
            Its folder.
        dataset
            Data set and split; older figures of the same are replaced.
        command
            The command that measures them again.

        Raises
        ------
        ModelError
            If `folder` holds no model.
        OutputError
            If it cannot be written.
        """
        replace_metrics(folder, dataset, self.card_metrics(name, dataset, command))
        card = read_card(folder)
        usual = tuple(float(f"{q:.4g}") for q in self.models[name].copies.features.usual)
        generation = card.inference.generation
        assert generation is not None
        told = generation.model_copy(update={"encoder": self.extractor, "real_distances": usual})
        inference = card.inference.model_copy(update={"generation": told})
        update_card(folder, card.model_copy(update={"inference": inference}))
        write_reference(folder, self.scorer.reference.tensors())

    def summary(self, command: str) -> dict[str, Any]:
        """Return what ``metrics.json`` holds."""
        from napari_cytosynth.version import __version__

        return {
            "version": __version__,
            "command": command,
            "extractor": self.extractor,
            "options": asdict(self.options),
            "training crops": len(self.scorer.training.images),
            "baselines": self.baselines,
            "verdicts": self.verdicts,
            "real distances to the nearest training image": next(
                iter(self.models.values())
            ).copies.features.real_distances.tolist(),
            "models": {name: scores.record() for name, scores in self.models.items()},
        }
