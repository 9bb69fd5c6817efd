"""Synthetic images that fill a region: size, place, what is empty, and objects that it cuts."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest
import tifffile
from napari.layers import Shapes

import napari_cytosynth as cytosynth
from napari_cytosynth.errors import InputError
from napari_cytosynth.tasks.common.provenance import as_python
from napari_cytosynth.tasks.generate.part import find_part

BOX = np.array([[10, 20], [10, 30], [16, 30], [16, 20]], float)
TRIANGLE = BOX[:3]
UM = {"units": ("um", "um")}


def card_of(pixel_size=0.5, family="diffusion"):
    generation = SimpleNamespace(family=family)
    return SimpleNamespace(pixel_size_um=pixel_size, example_size=(16, 16), generation=generation)


def shapes(*drawn, **place):
    return Shapes([*drawn], shape_type="polygon", name="part", **place)


def test_images_fill_the_box_in_the_models_pixels_and_come_back(make_generator, tmp_path):
    drawn = shapes(TRIANGLE, scale=(1, 1), translate=(100, 0), **UM)
    model = make_generator("pairs")
    result = cytosynth.generate(model, count=2, region=drawn, keep_trajectory=True)
    assert result.images.shape == (2, 1, 13, 21)
    inside = result.part.mask
    assert inside[0, 20]
    assert not inside[12, 0]
    for pixels in (result.images, result.trajectory):
        assert np.isfinite(pixels[..., inside]).all()
        assert np.isnan(pixels[..., ~inside]).all()
    assert not result.masks[:, ~inside].any()
    assert any("empty (NaN) outside" in text for text in result.messages)
    for _, attributes, _ in result.to_layers():
        assert attributes["name"].startswith("synthetic")
        assert attributes["scale"][-2:] == (0.5, 0.5)
        assert attributes["translate"][-2:] == (110, 20)
        assert attributes["units"][-2:] == ("micrometer", "micrometer")
    result.save(tmp_path / "out")
    np.testing.assert_array_equal(
        np.isnan(tifffile.imread(tmp_path / "out" / "images.tif")[0]), ~inside
    )
    record = json.loads((tmp_path / "out" / "provenance.json").read_text())
    assert record["place"]["translate"] == [110, 20]
    script = as_python(record).replace(f"model={record['model']['source']!r}", "model=MODEL")
    names = {"MODEL": model}
    exec(script.partition("result.save")[0], names)
    np.testing.assert_array_equal(names["result"].images, result.images)
    assert names["result"].part.place == result.part.place


def test_colours_are_transparent_outside(make_generator):
    result = cytosynth.generate(make_generator("classes"), count=1, region=TRIANGLE, label=0)
    (data, _, _), *_ = result.to_layers()
    assert data.shape == (1, 7, 11, 4)
    np.testing.assert_array_equal(data[0, ..., 3] == 1, result.part.mask)
    assert np.isfinite(data).all()


def test_a_turned_layer_counts_where_it_is_seen():
    drawn = shapes(BOX, rotate=30, scale=(2, 2), **UM)
    part = find_part(drawn, card_of(0.25))
    rows, columns = np.nonzero(part.mask)
    middle = np.mean([rows, columns], axis=1) * part.scale + part.place["translate"]
    np.testing.assert_allclose(middle, drawn.data_to_world(BOX.mean(axis=0)), atol=0.05)
    area = part.mask.sum() * 0.25**2
    assert area == pytest.approx(12 * 20, rel=0.06)


@pytest.mark.parametrize(
    ("pixel_size", "place", "scale", "said"),
    [
        (0.5, {}, (1, 1), "no unit of length, the model's pixels are 0.5 µm"),
        (None, {"scale": (250, 250), "units": ("nm", "nm")}, (250, 250), "0.25 × 0.25 µm"),
    ],
)
def test_unknown_lengths_are_said(pixel_size, place, scale, said):
    part = find_part(shapes(BOX, **place), card_of(pixel_size))
    assert part.size == (7, 11)
    assert part.scale == pytest.approx(scale)
    assert said in " ".join(part.messages)


def test_the_units_of_the_shapes_are_those_of_the_images():
    """napari shows numbers alone where the units of some axis differ between layers."""
    part = find_part(shapes(BOX, scale=(500, 500), units=("nm", "nm")), card_of(0.25))
    assert part.place["scale"] == (250, 250)
    assert part.place["translate"] == (5000, 10000)
    assert part.place["units"] == ("nanometer", "nanometer")


def test_shapes_of_several_planes_are_one_region():
    flat = [np.insert(BOX + 20 * plane, 0, plane, axis=1) for plane in (0, 1)]
    part = find_part(shapes(*flat, units=("um",) * 3), card_of(1.0))
    assert part.size == (27, 31)
    assert "in 2 planes and were taken together" in " ".join(part.messages)


def test_objects_that_the_border_cuts_are_dropped_or_marked():
    part = find_part(BOX * 2, card_of(), "drop")
    masks = np.zeros((1, *part.size), bool)
    masks[0, 4:6, 4:6] = True  # whole
    masks[0, 8:, 8:12] = True  # cut
    kept = part.limit(masks)
    assert kept[0, 4, 4]
    assert kept.sum() == 4
    labels = masks[0] * 1
    labels[8:] *= 2
    assert part.cut_labels(labels).tolist() == [2]


def test_marked_objects_stand_in_the_table_and_the_layer(make_generator):
    result = cytosynth.generate(make_generator("pairs"), count=1, region=BOX, at_border="mark")
    marked = [int(label) for label in result.table["at_region_border"][0].split()]
    assert marked
    features = result.to_layers()[-1][1]["features"]
    assert features.loc[features["at_region_border"], "label"].tolist() == marked


@pytest.mark.parametrize(
    ("region", "family", "sentence"),
    [
        (BOX, "gan", "only makes images of 16 × 16 (8 × 8 µm): choose a diffusion model"),
        (BOX * 1e6, "diffusion", "Draw smaller shapes"),
        (BOX / 1e3 + 0.1, "diffusion", "No pixel"),
        (BOX * np.inf, "diffusion", "region"),
        (shapes(np.insert(BOX, 0, [0, 0, 5, 5], axis=1)), "diffusion", "tilted"),
        (shapes(), "diffusion", "is empty"),
        ({"scale": [0, 1], "units": ["um", "um"]}, "diffusion", "not above 0"),
        ({"scale": [250] * 2, "units": ["nm"] * 2}, "diffusion", "0.25 × 0.25 µm, this model"),
    ],
)
def test_what_cannot_be_filled_is_explained(region, family, sentence):
    with pytest.raises(InputError, match=sentence.replace("(", r"\(").replace(")", r"\)")):
        find_part(region, card_of(family=family))


def test_a_layer_that_is_turned_out_of_the_planes_is_refused():
    with pytest.warns(UserWarning, match="Non-orthogonal"):  # by napari
        drawn = shapes(np.insert(BOX, 0, 1, axis=1), rotate=(0, 20, 0))
    with pytest.raises(InputError, match="tilted"):
        find_part(drawn, card_of())


def test_a_size_beside_a_region_is_refused(make_generator, tmp_path):
    model = make_generator()
    with pytest.raises(InputError, match="leave the size out"):
        cytosynth.generate(model, region=BOX, size=16)
    result = cytosynth.generate(model, count=1, region=TRIANGLE)
    with pytest.raises(InputError, match="empty outside of the region"):
        result.save(tmp_path / "out", separate=True)
    assert not (tmp_path / "out").exists()
