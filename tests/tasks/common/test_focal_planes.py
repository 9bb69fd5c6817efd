from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import tifffile

from napari_cytosynth.errors import InputError
from napari_cytosynth.phantoms.optics import BRIGHTFIELD
from napari_cytosynth.phantoms.simulate import brightfield_cells
from napari_cytosynth.tasks.common.focal_planes import PlaneFocus, choose_planes, measure_focus
from napari_cytosynth.zoo.card import FocalPlanes, Normalisation

LOCAL = Normalisation(kind="local", sigma=40, std=0.03)
KNOWN = FocalPlanes(contrast=[2.0, 1.0, 3.0], asymmetry=[0.1, 0.0, -0.3])


def stack(*contrasts, asymmetry=None):
    """Planes of these contrasts, and of the asymmetry of the training unless another is given."""
    focus = int(np.argmin(contrasts))
    sides = [0.1 if z < focus else -0.3 if z > focus else 0.0 for z in range(len(contrasts))]
    return [PlaneFocus(*pair) for pair in zip(contrasts, asymmetry or sides, strict=True)]


# -- what is measured --------------------------------------------------------------------------


def test_contrast_is_relative_to_the_brightness_whatever_the_models_scaling():
    noise = np.random.default_rng(0).normal(0, 1, (256, 256))
    plane = 10000 * (1 + 0.02 * noise)
    found = measure_focus(plane, LOCAL)
    assert found.contrast == pytest.approx(0.02, rel=0.03)
    assert abs(found.asymmetry) < 0.1
    for normalisation in (Normalisation(kind="zscore"), Normalisation()):
        assert measure_focus(3 * plane, normalisation).contrast == pytest.approx(found.contrast)
    assert measure_focus(np.full((64, 64), 7, np.uint8), LOCAL).contrast == 0


def test_bright_and_dark_details_differ_in_asymmetry():
    spots = np.zeros((128, 128))
    spots[::8, ::8] = 1
    noise = np.random.default_rng(0).normal(0, 0.01, spots.shape)
    assert measure_focus(1000 * (1 + 0.3 * spots + noise), LOCAL).asymmetry > 0.5
    assert measure_focus(1000 * (1 - 0.3 * spots + noise), LOCAL).asymmetry < -0.5


# -- the choice --------------------------------------------------------------------------------


def test_the_least_contrast_is_focus_and_the_others_are_like_those_of_the_training():
    found = choose_planes(stack(4.0, 2.9, 2.1, 1.5, 0.9, 1.2, 2.0, 3.2, 4.0), KNOWN)
    assert found.planes == (2, 4, 7)
    assert found.order == "same"


def test_no_plane_beyond_the_one_of_most_contrast_is_taken():
    # far from focus contrast fades, and is that of the training again
    found = choose_planes(stack(2.0, 2.4, 1.5, 1.0, 2.0, 3.4, 3.0), KNOWN)
    assert found.planes == (1, 3, 5)


def test_focus_in_the_middle_is_found_where_contrast_fades_at_the_ends():
    faded = stack(0.8, 1.6, 2.0, 1.0, 3.0, 2.0, 0.7, asymmetry=[0.1] * 3 + [0] + [-0.3] * 3)
    assert choose_planes(faded, KNOWN).planes == (2, 3, 4)


@pytest.mark.parametrize(
    ("contrasts", "words"),
    [
        ((1.0, 1.5, 2.0, 3.0), r"plane 0 looks nearest.*others below it"),
        ((3.0, 2.5, 2.0, 1.0), r"plane 3 looks nearest.*others above it"),
        ((3.0, 2.0, 2.05, 1.0), "plane 3"),  # a bump of noise is no dip
    ],
)
def test_a_stack_that_ends_at_focus_says_how_to_choose(contrasts, words):
    with pytest.raises(InputError, match=words) as caught:
        choose_planes(stack(*contrasts), KNOWN)
    assert "planes 0 to 3" in str(caught.value)
    assert "focal_planes=(1, 3, 5)" in str(caught.value)
    assert "--focal-planes 1 3 5" in str(caught.value)


def test_of_just_as_many_planes_all_are_taken_whatever_they_look_like():
    assert choose_planes(stack(1.0, 2.0, 3.0), KNOWN).planes == (0, 1, 2)
    flat = [PlaneFocus(0.0, 0.0)] * 3
    assert choose_planes(flat, KNOWN).planes == (0, 1, 2)
    assert choose_planes(flat, KNOWN).order == "unknown"


def test_empty_planes_are_passed_over():
    empty = [PlaneFocus(0.0, 0.0)]
    found = choose_planes([*empty, *stack(2.0, 1.0, 3.0, 3.5), *empty], KNOWN)
    assert found.planes == (1, 2, 3)
    with pytest.raises(InputError, match="too few of them show anything"):
        choose_planes([*empty * 3, *stack(2.0, 1.0)], KNOWN)


def test_a_stack_that_runs_the_other_way_is_reversed():
    forward = stack(4.0, 2.1, 1.5, 0.9, 1.2, 3.2, 4.0)
    assert choose_planes(forward, KNOWN).planes == (1, 3, 5)
    found = choose_planes(forward[::-1], KNOWN)
    assert (found.planes, found.order) == ((5, 3, 1), "reversed")
    just = choose_planes(stack(2.0, 1.0, 3.0)[::-1], KNOWN)
    assert (just.planes, just.order) == ((2, 1, 0), "reversed")


def test_an_order_that_does_not_show_is_called_so_and_kept():
    same = stack(2.0, 1.0, 3.0, 3.5, asymmetry=[0.1, 0.1, 0.1, 0.1])
    assert choose_planes(same, KNOWN) == choose_planes(same, KNOWN)
    assert choose_planes(same, KNOWN).order == "unknown"
    alike = KNOWN.model_copy(update={"asymmetry": [0.1, 0.0, 0.1]})
    assert choose_planes(stack(2.0, 1.0, 3.0, 3.5), alike).order == "unknown"


def test_planes_chosen_by_hand_are_never_reversed():
    found = choose_planes(stack(4.0, 2.1, 1.5, 0.9, 1.2, 3.2, 4.0), KNOWN, (5, 3, 1))
    assert (found.planes, found.order) == ((5, 3, 1), "reversed")


def test_more_planes_on_a_side_keep_their_order():
    known = FocalPlanes(contrast=[3.0, 2.0, 1.0, 2.0, 3.0], asymmetry=[0.2, 0.1, 0, -0.1, -0.2])
    measured = stack(3.1, 2.6, 2.0, 1.4, 0.9, 1.1, 1.9, 2.5, 2.9)
    assert choose_planes(measured, known).planes == (0, 2, 4, 6, 8)
    # the best for each alone would be one plane twice
    measured = stack(2.4, 2.5, 0.9, 2.5, 2.45)
    assert choose_planes(measured, known).planes == (0, 1, 2, 3, 4)


def test_where_focus_has_most_contrast_that_is_looked_for():
    known = FocalPlanes(contrast=[1.0, 3.0, 1.5], asymmetry=[0.0, 0.0, 0.0])
    found = choose_planes(stack(0.5, 1.0, 2.0, 3.0, 2.0, 1.5, 1.0), known)
    assert found.planes == (1, 3, 5)


def test_a_training_without_a_plane_in_focus_cannot_choose():
    known = FocalPlanes(contrast=[1.0, 2.0, 3.0], asymmetry=[0.0, 0.0, 0.0])
    with pytest.raises(InputError, match="do not tell which one was nearest to focus"):
        choose_planes(stack(2.0, 1.0, 3.0, 4.0), known)


# -- images ------------------------------------------------------------------------------------


def phantom_stack(seed, distances):
    optics = [replace(BRIGHTFIELD, defocus_um=float(distance)) for distance in distances]
    images = [brightfield_cells((128, 160), 12, seed, optics=each).image for each in optics]
    return [measure_focus(image, LOCAL) for image in images]


def card_of(stacks):
    contrast = np.median([[plane.contrast for plane in each] for each in stacks], 0)
    asymmetry = np.median([[plane.asymmetry for plane in each] for each in stacks], 0)
    return FocalPlanes(contrast=contrast.tolist(), asymmetry=asymmetry.tolist())


def test_the_focus_of_simulated_cells_is_found_and_the_way_of_z():
    known = card_of([phantom_stack(seed, (-6, 0, 6)) for seed in range(3)])
    distances = range(-15, 16, 3)
    for seed in (10, 11, 12):
        measured = phantom_stack(seed, distances)
        found = choose_planes(measured, known)
        assert distances[found.planes[1]] == 0
        assert found.order == "same"
        mirrored = choose_planes(measured[::-1], known)
        assert mirrored.order == "reversed"
        assert [10 - plane for plane in mirrored.planes] == list(found.planes)
        with pytest.raises(InputError, match="seems to end near focus"):
            choose_planes(measured[5:], known)


def test_the_real_planes_are_told_apart_in_fields_of_other_compounds(shared_data):
    folder = shared_data / "stain-jump"
    names = ("brightfield-2", "brightfield-3", "brightfield")

    def measured(path):
        files = [path.parents[1] / name / path.name for name in names]
        return [measure_focus(tifffile.imread(file), LOCAL) for file in files]

    train = sorted((folder / "train" / "brightfield").iterdir())
    known = card_of([measured(path) for path in train])
    for part in ("val", "test"):
        for path in (folder / part / "brightfield").iterdir():
            planes = measured(path)
            assert choose_planes(planes, known).planes == (0, 1, 2)
            assert choose_planes(planes, known).order == "same"
            assert choose_planes(planes[::-1], known).planes == (2, 1, 0)
            # a longer stack, of which the outer planes have more contrast
            more = [PlaneFocus(1.5 * planes[z].contrast, planes[z].asymmetry) for z in (0, 2)]
            assert choose_planes([more[0], *planes, more[1]], known).planes == (1, 2, 3)
