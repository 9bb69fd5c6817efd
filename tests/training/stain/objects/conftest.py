"""Simulated nuclei, and two stainers of known faults: one paints nuclei, cuts others in half."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile
from scipy import ndimage

from napari_cytosynth import phantoms
from napari_cytosynth.tasks.stain.objects.doubt import doubt_of, doubts
from napari_cytosynth.tasks.stain.objects.features import FEATURES
from napari_cytosynth.tasks.stain.objects.numbers import measured_numbers
from napari_cytosynth.tasks.stain.result import Staining
from napari_cytosynth.training.stain.evaluate.fields import Stainer
from napari_cytosynth.zoo.card import Normalisation
from napari_cytosynth.zoo.model_files import save_model

if TYPE_CHECKING:
    from pathlib import Path

SIZE = (176, 176)
PAINTED = 2
"""Nuclei of each field that only the stainer “fooled” paints."""
PARTS = {"calibration": (0, 1, 2), "test": (3, 4, 5)}


def with_faults(image, labels, rng):
    """Return a field with nuclei painted and one cut in half, and where the painted ones are."""
    virtual, painted = image.copy(), np.zeros(SIZE, bool)
    dark, bright = np.median(image[labels == 0]), np.percentile(image[labels > 0], 60)
    inner = [n for n in np.unique(labels)[1:] if not _at_rim(labels == n)]
    rows = np.indices(SIZE)[0]
    cut = labels == rng.choice(inner)
    cut = ndimage.binary_dilation(cut, iterations=4) & (rows > np.percentile(rows[cut], 35))
    virtual[cut & ((labels == 0) | ndimage.binary_erosion(cut))] = dark
    room = ndimage.distance_transform_edt(np.pad(labels == 0, 1))[1:-1, 1:-1]
    for _ in range(PAINTED):
        place = np.unravel_index(np.argmax(room), SIZE)
        away = np.hypot(*(np.indices(SIZE) - np.array(place)[:, None, None]))
        radius = min(10.0, room[place] - 3)
        virtual += (bright - dark) / (1 + np.exp(2 * (away - radius)))
        painted |= away < radius
        room = np.minimum(room, np.maximum(away - radius, 0))
    return virtual, painted


def _at_rim(mask):
    return mask[0].any() or mask[-1].any() or mask[:, 0].any() or mask[:, -1].any()


class KnownStain(Staining):
    """A virtual stain whose objects are doubted where they were painted."""

    def objects(self, stain=None, *, progress=None):
        found = super().objects(stain, progress=progress)
        ids = np.arange(1, found.labels.max(initial=0) + 1)
        rng = np.random.default_rng(len(ids))
        features = {name: rng.normal(0, 1, len(ids)) for name in FEATURES}
        share = np.asarray(ndimage.mean(self.painted, found.labels, ids))
        features["outline_views"] = 0.9 - 0.5 * share + rng.normal(0, 0.1, len(ids))
        table = found.table
        block = doubt_of(self.inference, stain)
        if block is not None:
            table = table.assign(doubt=doubts(block, features))
        stains = dict(zip(self.channels, self.mean, strict=True))
        numbers = measured_numbers(found.labels, stains)
        return replace(found, table=table, features=features, numbers=numbers, calibration=block)


@pytest.fixture(scope="session")
def known_nuclei(tmp_path_factory: pytest.TempPathFactory):
    """A folder of fields, and of each input the real stains, those with faults, and their place."""
    folder, known = tmp_path_factory.mktemp("nuclei"), {}
    for part, seeds in PARTS.items():
        for seed in seeds:
            made = phantoms.fluorescent_nuclei(SIZE, count=14, seed=seed, touching=0)
            dna = made.image.astype(np.float32)
            virtual, painted = with_faults(dna, made.labels, np.random.default_rng(seed))
            faulty = np.stack([virtual, ndimage.gaussian_filter(virtual, 2)])
            real = np.stack([dna, ndimage.gaussian_filter(dna, 2)])
            planes = {"phase": 60000 - dna, "fluorescence": real}
            for name, plane in planes.items():
                (folder / part / name).mkdir(parents=True, exist_ok=True)
                planes[name] = plane = np.clip(plane, 0, 65535).astype(np.uint16)
                tifffile.imwrite(folder / part / name / f"f{seed}.tif", plane)
            known[planes["phase"].tobytes()] = planes["fluorescence"], faulty, painted
    return folder, known


@pytest.fixture
def nuclei(known_nuclei, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Fields of nuclei, stained by the model “fooled” with faults and by others as they are."""
    folder, known = known_nuclei

    def staining(self, image):
        real, faulty, painted = known[image.tobytes()]
        fooled = self.model.card.name == "fooled"
        rng = np.random.default_rng(0)
        mean = (faulty if fooled else real) * rng.uniform(0.95, 1.05, (2, 1, 1))
        result = KnownStain(mean.astype(np.float32), None, self.names, "CYX")
        result.painted, result.inference = painted * fooled, self.inference
        return result

    monkeypatch.setattr(Stainer, "staining", staining)
    return folder


@pytest.fixture
def save_nuclear_stainer(make_stainer, tmp_path: Path):
    """Return the function that saves a stainer of DNA and AGP."""

    def save(name: str, seed: int = 5, **inference: object) -> Path:
        model = make_stainer(
            name=name,
            seed=seed,
            dropout=0,
            pixel_size_um=None,
            normalisation=Normalisation(),
            sigma_scale=None,
            sigma_floor=None,
            **inference,
        )
        return save_model(tmp_path / "models" / name, model.network, model.card)

    return save
