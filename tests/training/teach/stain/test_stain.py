"""Virtual stainers learn measured stains, from where these lie."""

from __future__ import annotations

import json
import re
from types import SimpleNamespace

import numpy as np
import pytest
import tifffile
import torch

import napari_cytosynth as cytosynth
from napari_cytosynth.errors import InputError, ModelError
from napari_cytosynth.models import build_network
from napari_cytosynth.phantoms import stained_cells
from napari_cytosynth.training.teach.stain.narrowed import narrowed
from napari_cytosynth.training.teach.stain.offset import plane_offsets
from napari_cytosynth.training.teach.stain.pairs import read_stained
from napari_cytosynth.training.teach.task import prepare
from napari_cytosynth.zoo.card import Metric

NONE = {"sigma_scale": None, "sigma_floor": None}


def silent(*_):
    pass


def layer(data, name, scale=(0.5, 0.5), translate=(0.0, 0.0), units=("µm", "µm")):
    return SimpleNamespace(data=data, name=name, scale=scale, translate=translate, units=units)


@pytest.fixture(scope="module")
def cells():
    return stained_cells((96, 160), count=6, seed=1)


@pytest.fixture
def pair(cells):
    return cells.phase, {"DNA": cells.fluorescence[0], "AGP": cells.fluorescence[1]}


def test_a_stainer_learns_and_its_card_keeps_nothing_that_was_measured_before(
    make_stainer, pair, tmp_path
):
    start = make_stainer(example_size=(32, 32))
    figure = Metric(name="PCC of DNA", value=0.9, dataset="old", command="old")
    start = type(start)(
        **{**vars(start), "card": start.card.model_copy(update={"metrics": [figure]})}
    )
    made = cytosynth.fine_tune(start, [pair], tmp_path / "mine", steps=30, progress=silent)
    record = json.loads((made.parent / "validation.json").read_text())
    assert set(record["start_scores"]) >= {"score", "loss", "pcc_DNA", "pcc_AGP"}
    better = record["best_scores"]["score"] > record["start_scores"]["score"]
    assert better == (record["best_epoch"] >= 0)  # what is worse is not taken
    card = cytosynth.load_model(made).card
    inference = card.inference
    assert card.metrics == card.confidence_tests == inference.doubt == []
    assert inference.sigma_scale is inference.sigma_floor is inference.uncertainty is None
    assert inference.output_scaling != start.card.inference.output_scaling
    assert "Neither its errors nor its objects were calibrated" in card.training.remarks
    held = tifffile.imread(made.parent / "data" / "held-out" / "image" / "001.tif")
    learned = tifffile.imread(made.parent / "data" / "learned" / "image" / "001.tif")
    assert held.shape == (1, 96, 32)
    assert learned.shape == (1, 96, 160 - 32 - 16)


@pytest.mark.parametrize("stem", [1, 2])
def test_of_stains_that_are_left_out_the_new_model_makes_none(make_stainer, pair, tmp_path, stem):
    image, stains = pair
    start = make_stainer(example_size=(32, 32))
    if stem == 2:  # several rows of the last layer are of one stain
        arguments = {"in_channels": 1, "out_channels": 2, "widths": [4, 8], "stem": 2}
        network = build_network("UNet", arguments).eval()
        card = start.card.model_copy(update={"architecture": "UNet", "arguments": arguments})
        start = type(start)(**{**vars(start), "card": card, "network": network})
    ready = prepare(start, [(image, {"AGP": stains["AGP"]})], tmp_path / "run", steps=1)
    assert ready.recipe.output_channels == ["AGP"]
    kept = cytosynth.load_model(tmp_path / "run" / "start")
    assert kept.card.inference.sigma_scale is None
    with torch.no_grad():
        x = torch.rand(1, 1, 32, 32)
        torch.testing.assert_close(kept.network(x), start.network(x)[:, 1:], atol=1e-2, rtol=0)


def test_layers_are_taken_where_they_lie(make_stainer, cells):
    card = make_stainer(example_size=(32, 32)).card
    image, dna = layer(cells.phase, "phase"), cells.fluorescence[0]
    part = layer(dna[16:, 40:], "dna", translate=(8.0, 20.0))
    (plane,) = read_stained([(image, {"DNA": part})], card)
    np.testing.assert_array_equal(plane.image[0], cells.phase[16:, 40:])
    np.testing.assert_allclose(plane.stains[0], dna[16:, 40:])
    fine = layer(np.kron(dna, np.ones((2, 2))), "dna", (0.25, 0.25), (-0.125, -0.125))
    (plane,) = read_stained([(image, {"DNA": fine})], card)
    assert "resampled to the grid of “phase”" in plane.notes[0]
    assert np.corrcoef(plane.stains[0].ravel(), dna.ravel())[0, 1] > 0.98
    small = layer(cells.phase, "phase", (0.25, 0.25)), layer(dna, "dna", (0.25, 0.25))
    (plane,) = read_stained([(small[0], {"DNA": small[1]})], card)
    assert plane.image.shape[1:] == (48, 80)
    with pytest.raises(InputError, match=r"“DNA” lies elsewhere: it does not overlap “phase”"):
        read_stained([(image, {"DNA": layer(dna, "dna", translate=(500.0, 0.0))})], card)


def test_a_shift_is_found_and_told_but_not_applied(make_stainer, tmp_path):
    cells = stained_cells((256, 256), count=20, seed=3)
    model, image = make_stainer(example_size=(32, 32)), cells.phase
    moved = np.roll(cells.fluorescence[0], (9, -6), (0, 1))
    for dna, wanted in ((cells.fluorescence[0], []), (moved, [("DNA", 9, -6)])):
        planes = read_stained([(image, {"DNA": dna})], model.card)
        found = [(one.name, one.down, one.right) for one in plane_offsets(planes)]
        assert [(n, round(d / 3), round(r / 3)) for n, d, r in found] == [
            (n, round(d / 3), round(r / 3)) for n, d, r in wanted
        ]
    ready = prepare(model, [(image, {"DNA": moved})], tmp_path / "run", steps=1)
    remarks = ready.recipe.card.remarks
    assert re.search(r"“DNA” about \d+ px lower and \d+ px further left. It was", remarks)
    stains = tifffile.imread(ready.data_dir / "learned" / "stains" / "001.tif")
    assert any(np.array_equal(stains[0], moved[rows]) for rows in (np.s_[67:], np.s_[:189]))


def test_of_images_too_small_nothing_is_validated(make_stainer, cells, tmp_path):
    model = make_stainer(example_size=(32, 32))
    cut = np.s_[:60, :60]
    pairs = [(cells.phase[cut], {"DNA": cells.fluorescence[0][cut]})]
    ready = prepare(model, pairs, tmp_path / "run", steps=1)
    assert "Not validated" in ready.recipe.card.remarks
    assert not ready.recipe.train.validate_start
    assert ready.recipe.data.split.use_all


@pytest.mark.parametrize(
    ("stains", "message"),
    [
        ({"Mito": 0}, "“Mito” is no stain of “tiny-stainer”, which makes “DNA”, “AGP”"),
        ({"DNA": None}, "Give at least one stain"),
        (0, "Name the stains"),
        ({"DNA": np.zeros((96, 160))}, "“DNA” has the same value everywhere"),
        ({"DNA": np.ones((5, 5))}, "The stain “DNA” has the shape"),
        ({"DNA": np.full((96, 160), np.nan)}, "No plane has all of its stains"),
    ],
)
def test_what_cannot_be_learned_is_said(make_stainer, cells, stains, message):
    with pytest.raises(InputError, match=message):
        read_stained([(cells.phase, stains)], make_stainer().card)


def test_networks_whose_last_layer_cannot_be_cut_are_refused(make_stainer, pair):
    start = make_stainer()
    planes = read_stained([(pair[0], {"AGP": pair[1]["AGP"]})], start.card)
    mixed = torch.nn.Sequential(start.network, torch.nn.Conv2d(2, 2, 1))
    with pytest.raises(ModelError, match="can only be taught all of its stains: DNA, AGP"):
        narrowed(type(start)(**{**vars(start), "network": mixed}), planes)


def test_what_is_learned_makes_the_held_out_part_better(make_stainer, tmp_path):
    rng = np.random.default_rng(0)
    image = rng.normal(size=(64, 160)).astype(np.float32)
    start = make_stainer(output_channels=["DNA"], output_scaling=[], example_size=(32, 32), **NONE)
    arguments = {"in_channels": 1, "out_channels": 1, "widths": [4]}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        network = build_network("UNet", arguments).eval()
    card = start.card.model_copy(update={"architecture": "UNet", "arguments": arguments})
    start = type(start)(**{**vars(start), "card": card, "network": network})
    made = cytosynth.fine_tune(start, [(image, image)], tmp_path / "run", steps=30, progress=silent)
    record = json.loads((made.parent / "validation.json").read_text())
    assert record["best_epoch"] >= 0
    assert record["best_scores"]["score"] > record["start_scores"]["score"]
    assert "before → after" in cytosynth.load_model(made).card.training.remarks
