"""Staining in a region: what it is on the whole image, and nothing known outside."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from napari.layers import Image, Shapes

import napari_cytosynth as cytosynth
from napari_cytosynth import phantoms
from napari_cytosynth.errors import InputError
from napari_cytosynth.images.reading import read_image
from napari_cytosynth.tasks.common.provenance import as_python
from napari_cytosynth.tasks.stain.comparison import compare
from napari_cytosynth.tasks.stain.second_opinion import second_opinion
from napari_cytosynth.zoo.card import FocalPlanes, Normalisation

CORNERS = np.array([[60, 90], [60, 140], [100, 140], [100, 90]], float)
INSIDE = np.s_[..., 60:101, 90:141]


@pytest.fixture(scope="module")
def model(make_stainer):
    return make_stainer()


@pytest.fixture(scope="module")
def large():
    # sides that are no multiples of the stride, so that flipped views have another grid
    return np.random.default_rng(1).integers(0, 255, (207, 219)).astype(np.uint8)


def run(image, model, **arguments):
    return cytosynth.stain(image, model, **{"precision": "float32", "samples": 0} | arguments)


def seen(monkeypatch):
    """Return the shapes of the planes that the network gets."""
    from napari_cytosynth.inference.dropout.sampler import Sampler

    shapes, inside = [], Sampler.run
    monkeypatch.setattr(
        Sampler, "run",
        lambda self, plane, **more: shapes.append(plane.shape) or inside(self, plane, **more),
    )  # fmt: skip
    return shapes


def assert_same_inside(found, whole, atol=1e-2):
    """Compare all arrays of two results inside of the corners; outside there is nothing."""
    for name in ("mean", "std", "view_std", "sample_std", "samples"):
        own, all_of_it = getattr(found, name), getattr(whole, name)
        assert (own is None) == (all_of_it is None), name
        if own is not None:
            np.testing.assert_allclose(own[INSIDE], all_of_it[INSIDE], rtol=1e-4, atol=atol)
            assert np.isfinite(own).sum() == own[INSIDE].size, name


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"views": 8},
        {"samples": 3, "keep_samples": True, "seed": 4},
        {"views": 4, "samples": 2},
        {"pixel_size": 0.25, "resample": True, "views": 2},
        {"tile_size": 32, "views": 8},
    ],
)
def test_inside_it_is_what_it_is_on_the_whole_image(large, model, options):
    assert_same_inside(run(large, model, region=CORNERS, **options), run(large, model, **options))


@pytest.mark.parametrize("kind", ["local", "percentile"])
def test_brightness_is_scaled_by_the_whole_plane(large, make_stainer, kind):
    image = large.astype(np.float32)
    image[:50] *= 20  # far from the region
    scaling = {"sigma": 9.0} if kind == "local" else {}
    model = make_stainer(normalisation=Normalisation(kind=kind, **scaling))
    assert_same_inside(run(image, model, region=CORNERS), run(image, model))


def test_the_network_sees_no_more_than_it_has_to(large, model, monkeypatch):
    shapes, image = seen(monkeypatch), np.tile(large, (2, 2))
    run(image, model, region=CORNERS)
    ((_, rows, columns),) = shapes
    assert rows * columns < image.size / 4


def test_a_network_that_needs_the_whole_plane_sees_it(large, make_stainer, monkeypatch):
    layers = torch.nn.Conv2d(1, 2, 3, padding=1), torch.nn.InstanceNorm2d(2)
    torch.manual_seed(0)
    network = torch.nn.Sequential(*layers).eval()
    model = replace(make_stainer(dropout=0, norm="instance"), network=network)
    whole = run(large, model)
    shapes = seen(monkeypatch)
    found = run(large, model, region=CORNERS)
    assert shapes == [(1, *large.shape)]
    assert_same_inside(found, whole)


def test_an_ellipse_is_stained_and_not_its_box(large, model):
    shape = Shapes([CORNERS], shape_type="ellipse")
    known = np.isfinite(run(Image(large), model, region=shape).mean[0])
    assert not known[60, 90]
    assert known[80, 115]
    assert abs(known.sum() - np.pi * 20 * 25) < 0.05 * np.pi * 20 * 25


def test_shapes_of_a_time_series_hold_in_their_own_planes(large, model, monkeypatch):
    stack = np.stack([large[:80, :96]] * 4)
    drawn = [np.c_[np.full(4, t), CORNERS - (50, 80)] for t in (1, 3)]
    shapes = seen(monkeypatch)
    found = run(Image(stack), model, region=Shapes(drawn, shape_type="polygon"), axes="TYX")
    assert len(shapes) == 2
    assert np.isfinite(found.mean[0]).any(axis=(1, 2)).tolist() == [False, True, False, True]
    assert any("no shape in 2 of 4 planes" in text for text in found.messages)
    one = run(Image(stack), model, region=drawn, axes="TYX", planes=(3,))
    np.testing.assert_array_equal(one.mean, found.mean[:, 3])


def test_shapes_hold_in_all_of_z_where_focal_planes_are_taken_from_it(large, make_stainer):
    known = FocalPlanes(contrast=[0.02, 0.01, 0.03], asymmetry=[0.5, 0.0, -0.5])
    names = ["z-", "z0", "z+"]
    model = make_stainer(input_channels=names, pixel_size_um=None, focal_planes=known)
    stack = np.stack([np.roll(large, z, axis=0) for z in range(4)])
    drawn = [np.c_[np.full(4, z), CORNERS] for z in (0, 3)]
    options = {"axes": "ZYX", "focal_planes": (0, 1, 2)}
    found = run(stack, model, region=drawn, **options)
    assert_same_inside(found, run(stack, model, **options))


def test_previews_are_limited_too(large, model):
    started, shown = [], []
    run(
        large, model, region=CORNERS, views=2,
        on_start=lambda empty: started.append(empty.mean.copy()),
        on_update=lambda *update: shown.append(update[2]),
    )  # fmt: skip
    for values in (started[0], *shown):
        assert np.isfinite(values).sum() == values[INSIDE].size
    assert len(shown) == 2


def test_the_record_holds_the_region_and_the_script_repeats_it(large, model, tmp_path):
    found = run(large, model, region=CORNERS, at_border="mark")
    record = found.provenance["parameters"]
    assert record["at_border"] == "mark"
    again = run(large, model, region=record["region"], at_border="mark")
    np.testing.assert_array_equal(again.mean, found.mean)
    assert "region={'name'" in as_python(found.provenance)
    assert "region" not in as_python(run(large[:40, :40], model).provenance)
    found.save(tmp_path)
    np.testing.assert_array_equal(read_image(tmp_path / "mean.tif").data, found.mean)


def test_wrong_arguments(large, model):
    with pytest.raises(InputError, match="at_border"):
        run(large, model, region=CORNERS, at_border="cut")
    with pytest.raises(InputError, match="No pixel of this plane of the image lies in the region"):
        run(large, model, region=CORNERS + 1000)


# -- what is made of it ---------------------------------------------------------------------------


def test_a_real_stain_is_compared_inside(large, model):
    found = run(large, model, region=Shapes([CORNERS], shape_type="ellipse"), samples=0)
    whole = run(large, model)
    real = whole.mean[0] + np.random.default_rng(0).normal(0, 5, large.shape).astype(np.float32)
    far = real.copy()
    far[:50] = 1e6  # outside: it must not matter
    one, other = (compare(found, "DNA", image) for image in (real, far))
    assert (one.pcc, one.psnr, one.ssim) == (other.pcc, other.psnr, other.ssim)
    assert np.isfinite([one.pcc, one.psnr, one.ssim]).all()
    assert (np.isfinite(one.difference) == np.isfinite(found.mean[0])).all()
    elsewhere = np.where(np.isfinite(found.mean[0]), np.nan, real)
    with pytest.raises(InputError, match="does not reach into the region"):
        compare(found, "DNA", elsewhere)


class Local(torch.nn.Module):
    """A network that stains what it sees."""

    def __init__(self, factor: float = 1.0) -> None:
        super().__init__()
        self.factor = torch.nn.Parameter(torch.tensor(factor))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.repeat(1, 2, 1, 1) * self.factor


@pytest.fixture(scope="module")
def scene():
    found = phantoms.fluorescent_nuclei((160, 160), count=12, seed=4, touching=0)
    return np.asarray(found.image, np.float32), np.asarray(found.labels)


@pytest.fixture(scope="module")
def copying(make_stainer):
    return replace(make_stainer(dropout=0, receptive_radius=0), network=Local())


@pytest.fixture(scope="module")
def across(scene):
    """Return a rectangle that cuts a nucleus and holds another one whole."""
    _, labels = scene
    rows = [np.argwhere(labels == label)[:, 0].mean() for label in np.unique(labels)[1:]]
    row = int(min(rows, key=lambda one: abs(one - 80)))
    return np.array([[row, 0], [row, 159], [159, 159], [159, 0]], float)


@pytest.fixture(scope="module")
def all_nuclei(scene, copying):
    return run(scene[0], copying).objects("DNA")


@pytest.mark.parametrize("at_border", ["keep", "drop", "mark"])
def test_objects_lie_inside_and_cut_ones_are_kept_dropped_or_marked(
    scene, copying, all_nuclei, across, at_border
):
    whole = all_nuclei
    found = run(scene[0], copying, region=across, at_border=at_border).objects("DNA")
    row = int(across[0, 0])
    inside, edge = np.unique(whole.labels[row:])[1:], np.unique(whole.labels[row])[1:]
    assert edge.size
    assert not found.labels[:row].any()
    assert len(found.table) == len(inside) - (len(edge) if at_border == "drop" else 0)
    assert sorted(found.table["label"]) == list(range(1, len(found.table) + 1))
    assert ("at_region_border" in found.table) == (at_border == "mark")
    if at_border == "mark":
        assert found.table["at_region_border"].sum() == len(edge)
    if at_border != "drop":  # objects are separated with what lies beside the region
        same = (found.labels[row:] > 0) == (whole.labels[row:] > 0)
        assert same.mean() > 0.995
    assert any("may differ from those of the whole image" in text for text in found.messages)


def test_models_are_compared_inside_of_the_same_region(scene, copying, across):
    image, _ = scene
    other = replace(copying, network=Local(0.5), sha256="1" * 64)
    one, two = run(image, copying, region=across), run(image, other, region=across)
    found = second_opinion(one, two, stain="DNA")
    assert np.isnan(found.map[:, : int(across[0, 0])]).all()
    assert np.isfinite(found.map[:, int(across[0, 0]) :]).all()
    with pytest.raises(InputError, match="not of the same region"):
        second_opinion(one, run(image, other))
