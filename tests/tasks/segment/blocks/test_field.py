"""A field has the objects that the whole plane will have there, and reads no more than it must."""

from __future__ import annotations

import numpy as np
import pytest

import napari_cytosynth as cytosynth
from napari_cytosynth.phantoms import fluorescent_nuclei
from napari_cytosynth.progress import silent
from napari_cytosynth.tasks.segment.blocks.field import segment_field
from napari_cytosynth.tasks.segment.blocks.run import prepare_run

SHAPE = (500, 420)
FIELDS = {
    "middle": (slice(200, 300), slice(130, 250)),
    "corner": (slice(0, 90), slice(0, 70)),
    "last corner": (slice(401, 500), slice(333, 420)),
}


@pytest.fixture(scope="module")
def plane():
    return fluorescent_nuclei(SHAPE, count=60, seed=1).image


@pytest.fixture(scope="module")
def model():
    return cytosynth.load_model("fluo-nuclei-unet", device="cpu")


def numbered(labels):
    """Return labels numbered in the order of their first pixels."""
    found, first, back = np.unique(labels, return_index=True, return_inverse=True)
    order = np.argsort(np.where(found == 0, -1, first))
    rank = np.empty(len(found), int)
    rank[order] = np.arange(len(found)) + (0 not in found)
    return rank[back].reshape(labels.shape)


@pytest.mark.parametrize("options", [{}, {"split_touching": False, "threshold": 0.3}])
def test_the_objects_are_those_of_the_whole_plane(plane, model, options):
    whole = cytosynth.segment(plane, model, axes="YX", progress=silent, **options)
    assert len(whole.table) > 30
    for name, field in FIELDS.items():
        run = prepare_run(plane, model, options, axes="YX")
        found = segment_field(run, field, silent)
        expected = whole.labels[field]
        assert found.max() > 0, name
        np.testing.assert_array_equal(numbered(found), numbered(expected), err_msg=name)


def test_only_the_field_and_what_lies_around_it_is_read_in_full(plane, model):
    read = []

    class Watched:
        shape, dtype, ndim = plane.shape, plane.dtype, plane.ndim

        def __getitem__(self, key):
            part = plane[key]
            read.append(part.size)
            return part

        def __array__(self, *arguments, **options):
            raise AssertionError("the whole plane was read")

    run = prepare_run(Watched(), model, {}, axes="YX")
    segment_field(run, FIELDS["corner"], silent)
    intensities, *others = read
    assert intensities == plane.size  # of a large plane, pixels here and there
    assert max(others) < plane.size / 2
