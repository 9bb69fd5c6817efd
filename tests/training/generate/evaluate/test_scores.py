from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage

from napari_cytosynth.inference.features import Features
from napari_cytosynth.training.generate.evaluate.scores import (
    FRECHET,
    KERNEL,
    DistributionScorer,
    ImageSet,
    lies_nearer_to_real,
)

COUNT, SIDE = 40, 24


def blobs(count: int, seed: int, channels: int = 1) -> np.ndarray:
    """Return soft round spots in the dark, in [0, 1]."""
    random = np.random.default_rng(seed)
    seeds = (random.random((count, channels, SIDE, SIDE)) < 0.01).astype(np.float32)
    spots = ndimage.gaussian_filter(seeds, (0, 0, 2, 2)) * 20
    return (spots + random.normal(0, 0.01, spots.shape)).clip(0, 1).astype(np.float32)


def textures(planes: torch.Tensor) -> torch.Tensor:
    """Describe planes by random filters, as a network does."""
    generator = torch.Generator().manual_seed(0)
    filters = torch.randn(8, 1, 5, 5, generator=generator)
    maps = torch.relu(torch.nn.functional.conv2d(planes, filters))
    return torch.cat([maps.mean(dim=(2, 3)), maps.amax(dim=(2, 3))], dim=1)


EXTRACTOR = Features("textures", textures, torch.device("cpu"))


def image_set(images: np.ndarray, mask: int | None = None) -> ImageSet:
    return ImageSet.of(images, mask, EXTRACTOR)


@pytest.fixture(scope="module")
def scorer() -> DistributionScorer:
    real, training = image_set(blobs(COUNT, 0)), image_set(blobs(3 * COUNT, 1))
    index = np.arange(12 * COUNT, dtype=np.int32).reshape(-1, 4)
    return DistributionScorer(real, training, ["DNA"], index=index)


def test_real_images_are_told_from_noise_of_the_same_spectrum(scorer: DistributionScorer) -> None:
    base = scorer.baselines(EXTRACTOR)
    real, noise = (scorer.figures(base[name]) for name in ("real", "noise"))
    for distance in (FRECHET, KERNEL):
        assert abs(real[distance]) < 0.2 * noise[distance]
    assert real["coverage"] > noise["coverage"]
    # what is matched does not tell them apart
    assert noise["spectrum distance, DNA"] < 2.5
    assert base["real"].images.shape == base["noise"].images.shape == (COUNT, 1, SIDE, SIDE)


def test_the_same_images_have_no_distance(scorer: DistributionScorer) -> None:
    figures = scorer.figures(scorer.real)
    for name in (FRECHET, "spectrum distance, DNA", "intensity distance, DNA"):
        assert figures[name] == pytest.approx(0, abs=1e-6)
    assert figures["precision"] == figures["recall"] == figures["coverage"] == 1


def test_too_dim_images_are_found_too_dim(scorer: DistributionScorer) -> None:
    dim = scorer.figures(image_set(scorer.real.images / 2))
    wanted = float(scorer.real.images.mean()) / 2
    assert dim["intensity distance, DNA"] == pytest.approx(wanted, rel=1e-3)
    assert dim["spectrum distance, DNA"] > 3


def test_planted_copies_are_found_and_new_images_are_not(scorer: DistributionScorer) -> None:
    fresh = blobs(COUNT, 2)
    clean = scorer.copies(image_set(fresh))
    assert clean.features.p > 0.01
    assert clean.pixels.p > 0.01
    fresh[:8] = scorer.training.images[50:58, :, :, ::-1]
    found = scorer.copies(image_set(fresh + np.float32(0.001)))
    assert found.pixels.suspicious[:8].all()
    assert found.pixels.index[:8].tolist() == list(range(50, 58))
    figures = found.figures()
    assert figures["share nearer to training than real images, by pixels"] >= 0.2
    assert figures["probability of that share by chance, by pixels"] < 0.01


def test_masks_are_judged_by_their_area_and_not_as_images() -> None:
    images = blobs(COUNT, 3)
    pairs = np.concatenate([images, (images > 0.2).astype(np.float32)], axis=1)
    real = image_set(pairs, 1)
    assert real.images.shape[1] == 1
    assert real.features.shape == (COUNT, 16)
    scorer = DistributionScorer(real, real, ["EM"])
    empty = pairs.copy()
    empty[:, 1] = 0
    figures = scorer.figures(image_set(empty, 1))
    assert figures["mask area distance"] == pytest.approx(float((images > 0.2).mean()), rel=1e-3)
    assert figures[FRECHET] == pytest.approx(0, abs=1e-6)
    noise = scorer.baselines(EXTRACTOR)["noise"]
    assert noise.masks is not None
    assert noise.images.shape == real.images.shape


def test_the_reference_says_where_the_training_crops_were_cut(scorer: DistributionScorer) -> None:
    reference = scorer.reference
    assert reference.index is not None
    distance, nearest = reference.nearest(scorer.training.features[[3]])
    assert nearest.tolist() == [3]
    assert distance[0] < 0.05
    assert reference.index[3].tolist() == [12, 13, 14, 15]


def test_nearer_to_real_than_to_noise() -> None:
    assert lies_nearer_to_real(3.0, real=1.0, noise=10.0)
    assert lies_nearer_to_real(0.5, real=1.0, noise=10.0)
    assert not lies_nearer_to_real(6.0, real=1.0, noise=10.0)
    assert not lies_nearer_to_real(20.0, real=1.0, noise=10.0)
