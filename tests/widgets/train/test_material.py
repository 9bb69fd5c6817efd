"""What is copied from layers, and what is said where it cannot be learned from."""

from __future__ import annotations

import numpy as np
import pytest
from napari.layers import Image, Labels, Shapes

from napari_cytosynth.errors import InputError
from napari_cytosynth.tasks.common.layers import Source
from napari_cytosynth.tasks.segment.instances import LabelOptions
from napari_cytosynth.tasks.segment.result import Segmentation
from napari_cytosynth.widgets.common.corrected import remember_corrected
from napari_cytosynth.widgets.train.material import annotated_planes, copy_pairs


def planes(image, labels, sparse=True):
    return annotated_planes(copy_pairs([(image, labels)], sparse=sparse), sparse=sparse)


def with_nan(image, _):
    image[3, 3] = np.nan


def one_object(_, strokes):
    strokes[:] = 0
    strokes[5, 5:9], strokes[20, 5:30] = 2, 1


def only(*labels):
    def keep(_, strokes):
        strokes[~np.isin(strokes, labels)] = 0

    return keep


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (with_nan, "without a number"),
        (only(), "Nothing is annotated"),
        (only(1), "Only background is painted"),
        (only(2, 3), "Only objects are painted"),
        (one_object, "Only one object is painted"),
    ],
)
def test_what_cannot_be_learned_from_is_told(painted, spoil, said):
    image, strokes = painted[0].astype(np.float32), painted[1].copy()
    spoil(image, strokes)
    with pytest.raises(InputError, match=said):
        planes(Image(image), Labels(strokes))


def test_shapes_and_colours_that_do_not_fit_are_told(painted):
    image, strokes = painted
    with pytest.raises(InputError, match="should have the same size"):
        planes(Image(image[:-1]), Labels(strokes))
    with pytest.raises(InputError, match="not a grey image"):
        planes(Image(np.zeros((*image.shape, 3), np.uint8)), Labels(strokes))


def test_the_pixel_size_of_the_layer_is_known(painted):
    for units, size in ((("nm", "nm"), 0.2), (("pixel", "pixel"), None)):
        image = Image(painted[0], scale=(200, 200), units=units)
        (plane,) = planes(image, Labels(painted[1]))
        assert plane.pixel_size_um == size


def test_all_is_known_where_everything_is_outlined(painted):
    image, strokes = painted
    (plane,) = planes(Image(image), Labels(strokes), sparse=False)
    assert plane.whole


@pytest.fixture
def found(painted):
    """What a model has found in the second plane of a stack: two squares."""
    image = np.stack([painted[0], painted[0] + 1])
    probability = np.zeros(image.shape[1:], np.float32)
    probability[5:15, 5:15] = probability[30:40, 30:40] = 0.9
    return Segmentation(
        probability=probability,
        axes="YX",
        options=LabelOptions(0.5),
        objects="cells",
        source=Source(image, "cells"),
        source_axes="ZYX",
        position=(1,),
    )


def test_corrections_bring_what_is_known(found):
    image = Image(found.source.data, name="cells")
    corrected = found.correct("accept", [(7, 7)]).correct("delete", [(33, 33)])
    layer = Labels(corrected.placement.placed(corrected.labels))
    assert layer.data.shape == (1, 96, 112)
    remember_corrected(layer, corrected)
    (pair,) = copy_pairs([(image, layer)], sparse=True)
    assert pair.place == (1,)
    source, labels, known = pair.arrays()
    np.testing.assert_array_equal(source.data[0], image.data[1])
    assert known[0, 33, 33]
    assert known[0, 7, 7]
    assert not known[0, 60, 60]
    assert labels[0, 33, 33] == 0
    remember_corrected(layer, found)  # all were taken back
    layer.metadata["napari-cytosynth"] = {"task": "segment"}
    with pytest.raises(InputError, match="is what a model has found"):
        copy_pairs([(image, layer)], sparse=True)


def box(*corners):
    """A Shapes layer with a rectangle from the first to the last corner."""
    (top, left), (bottom, right) = corners
    return Shapes([np.array([[top, left], [top, right], [bottom, right], [bottom, left]])])


def test_in_a_rectangle_everything_is_outlined():
    labels = np.zeros((40, 40), np.uint8)
    labels[5:10, 5:10], labels[5:10, 18:30], labels[30:33, 5:9], labels[35, 20:30] = 2, 3, 4, 1
    image, shapes = Image(np.ones((40, 40), np.float32)), box((2, 2), (20, 25))
    (plane,) = annotated_planes(
        copy_pairs([(image, Labels(labels))], sparse=True, outlined=shapes), sparse=True
    )
    known = plane.annotated
    assert (known[5:10, 5:10] == 1).all()  # an outline, for all around it is known
    assert (known[2:5, 2:26] == 1).all()
    assert not plane.objects[2:5, 2:26].any()
    assert (known[5:10, 18:30] == 2).all()  # cut by the rectangle
    assert (known[30:33, 5:9] == 2).all()
    assert not known[21:30].any()


def test_a_rectangle_counts_where_it_lies():
    stack = np.zeros((2, 40, 40), np.uint8)
    stack[1, 5:10, 5:10], stack[1, 20, 5:25], stack[0, 30:35, 5:9] = 2, 1, 3
    pairs = [(Image(np.ones(stack.shape, np.float32)), Labels(stack))]
    copy = copy_pairs(pairs, sparse=True, outlined=box((2, 2), (15, 15)))
    first, second = annotated_planes(copy, sparse=True)
    assert np.count_nonzero(first.annotated) == 20  # nothing is painted there
    assert (second.annotated[2:15, 2:15] == 1).all()
    with pytest.raises(InputError, match="lies on nothing that is painted"):
        copy_pairs(pairs, sparse=True, outlined=box((50, 50), (60, 60)))
