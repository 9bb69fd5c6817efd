"""Options and results of an evaluation of generators: tables, verdicts, the model's card."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from napari_cytosynth.errors import InputError
from napari_cytosynth.tasks.generate.features import DEFAULT_EXTRACTOR, FORMER_ENCODERS
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
    """Options of an evaluation of generators: the comparison and the sampling.

    Attributes
    ----------
    count
        Images of each kind: generated, real, noise. Most scores depend on it. Default: 500.
    extractor
        Of the features; see :func:`napari_cytosynth.tasks.features.load_features`.
    part
        Part of the data with the real images. Default: ``test``.
    sampling
        Options of the sampling. Default: those of the model's card.
    likelihood
        Real images whose bits/dim are measured; 0 for none. Default: 32.
    reference
        Training crops that are searched for copies, at least `count`; None (default): as
        many as fit.
    """

    count: int = 500
    extractor: str = DEFAULT_EXTRACTOR
    part: Part = "test"
    sampling: Sampling = field(default_factory=Sampling)
    likelihood: int = 32
    reference: int | None = None


@dataclass(eq=False)
class GenerateScores:
    """Scores of one generator.

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
        """Return the scores as plain values for JSON."""
        return model_record(self.model) | {
            "figures": self.figures,
            "distances to the nearest training image": self.copies.features.distances.tolist(),
        }


@dataclass(eq=False)
class GenerateReport:
    """Results of an evaluation of generators, several side by side.

    Attributes
    ----------
    models
        Name -> scores, in the order given.
    baselines
        ``real`` (training images) and ``noise`` -> figures.
    noise
        The noise images.
    scorer
        Compares images with the real ones; holds those and the training images.
    options
        Options of the evaluation.
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
        """Verdict on each model in words: nearer to real images or to noise, copies or not."""
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
        wanted |= {name: figures[name] for name in _CARD_SHARES}
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
        InputError
            If the features are those of a segmenter by whose name cards mean an encoder
            that was kept: the embeddings would later be compared in the wrong space.
        ModelError
            If `folder` holds no model.
        OutputError
            If it cannot be written.
        """
        kept = FORMER_ENCODERS.get(self.extractor)
        if kept is not None:
            raise InputError(
                f"A card that names “{self.extractor}” as its encoder means “{kept}”, whose "
                f"features are others: evaluate with the extractor {kept} to update a card."
            )
        replace_metrics(folder, dataset, self.card_metrics(name, dataset, command))
        card = read_card(folder)
        usual = tuple(float(f"{q:.4g}") for q in self.models[name].copies.features.usual)
        generation = card.inference.generation
        assert generation is not None
        updated = generation.model_copy(update={"encoder": self.extractor, "real_distances": usual})
        inference = card.inference.model_copy(update={"generation": updated})
        update_card(folder, card.model_copy(update={"inference": inference}))
        write_reference(folder, self.scorer.reference.tensors())

    def summary(self, command: str) -> dict[str, Any]:
        """Return the content of ``metrics.json``."""
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
