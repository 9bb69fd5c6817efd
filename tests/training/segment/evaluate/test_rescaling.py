from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from napari_cytosynth.errors import InputError
from napari_cytosynth.training.segment.evaluate.rescaling import RescalingTally


@pytest.fixture
def truth():
    """Four squares 20 px wide, and a fifth of 6 px."""
    labels = np.zeros((120, 120), np.int32)
    for number, corner in enumerate([(5, 5), (5, 60), (60, 5), (60, 60)], start=1):
        labels[corner[0] : corner[0] + 20, corner[1] : corner[1] + 20] = number
    labels[100:106, 100:106] = 5
    return labels


def relabelled(image):
    """What a perfect model finds in a resampled copy of the labels."""
    return np.round(image).astype(np.int32)


def tally_of(truth, find, size=None, **options):
    """Tally of images that are their own truth; size: of an image, what is measured."""
    calls = []

    def run(image, by_size):
        calls.append((image.shape, by_size))
        measured = size(image) if size and by_size else {}
        labels = find(image, by_size)
        return SimpleNamespace(labels=labels, provenance={"object_size": measured})

    tally = RescalingTally(options.pop("factors"), run, knows_size=size is not None, **options)
    tally.add(truth.astype(np.float32), truth, truth)
    return tally.scores(), calls


def squares(image):
    """The image's own truth at its size; linear resampling would mix neighbouring numbers."""
    step = 120 / image.shape[0]
    places = ((np.arange(image.shape[0]) + 0.5) * step).astype(int)
    return places


def test_a_model_for_one_size_loses_and_is_helped_by_the_right_size(truth) -> None:
    def find(image, by_size):
        places = squares(image)
        found = truth[np.ix_(places, places)].astype(np.int32)
        return found if by_size or image.shape == truth.shape else np.where(found > 2, 0, found)

    def size(image):
        return {"diameter": 22.6 * image.shape[0] / 120, "model_diameter": 20.0, "scale": 0.5}

    (half, double), calls = tally_of(truth, find, size, factors=(0.6, 2))
    assert (half.objects, double.objects) == (4, 5)  # 6 px are 12 px wide only when doubled
    assert half.unscaled == double.unscaled == 1
    assert half.plain == pytest.approx(2 / 4)
    assert double.plain == pytest.approx(2 / 5)
    assert half.auto == double.auto == 1
    assert double.record()["auto / unscaled"] == 1
    assert double.record()["plain / unscaled"] == pytest.approx(2 / 5)
    assert double.sizes["right"] == 1
    assert "as it is 0.400 (40 %), measured size 1.000 (100 %); sizes: 1 right" in double.summary()
    assert calls == [((72, 72), False), ((72, 72), True), ((240, 240), False), ((240, 240), True)]


def test_objects_that_become_too_small_are_neither_right_nor_wrong(truth) -> None:
    def find(image, by_size):
        places = squares(image)
        found = truth[np.ix_(places, places)].astype(np.int32)
        return np.where(found == 5, 0, found) if image.shape[0] < 120 else found

    (scores,), _ = tally_of(truth, find, factors=(0.6,))
    assert (scores.objects, scores.plain, scores.auto) == (4, 1.0, None)
    assert "measured size" not in scores.summary()
    (scores,), _ = tally_of(truth, lambda image, _: np.zeros(image.shape, np.int32), factors=(0.2,))
    assert scores.objects == 0
    assert "no true object is 12 px wide" in scores.summary()


def test_what_is_found_where_nothing_is_counts_against_a_model(truth) -> None:
    def find(image, by_size):
        places = squares(image)
        found = truth[np.ix_(places, places)].astype(np.int32)
        found[-4:, :4] = 9
        return found

    (scores,), _ = tally_of(truth, find, factors=(2,))
    assert scores.plain == pytest.approx(5 / 6)
    (scores,), _ = tally_of(truth, find, factors=(2,), smallest=10)  # of less than 40 px there
    assert scores.plain == 1


@pytest.mark.parametrize(
    ("measured", "outcome"),
    [
        ({"diameter": 68.0, "model_diameter": 22.0, "scale": 0.33}, "right"),
        ({"diameter": 34.0, "model_diameter": 22.0, "scale": 0.65}, "wrong"),
        ({"diameter": None, "model_diameter": 22.0, "scale": 1.0}, "not offered, but needed"),
        ({"diameter": 70.0, "model_diameter": 60.0, "scale": 1.0}, "not offered"),
    ],
)
def test_offered_sizes_are_judged_by_the_true_ones(truth, measured, outcome) -> None:
    def find(image, by_size):
        return np.zeros(image.shape, np.int32)

    (scores,), _ = tally_of(truth, find, lambda image: measured, factors=(3,))
    assert {name: count for name, count in scores.sizes.items() if count} == {outcome: 1}


@pytest.mark.parametrize("factor", [0.1, 9])
def test_impossible_factors_are_named(factor) -> None:
    with pytest.raises(InputError, match="factors from 1/8 to 8"):
        RescalingTally([factor], lambda image, by_size: None, knows_size=False)  # type: ignore
