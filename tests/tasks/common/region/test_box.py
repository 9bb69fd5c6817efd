"""What a network has to see for a box."""

from __future__ import annotations

from napari_cytosynth.inference.geometry import Geometry
from napari_cytosynth.tasks.common.region.box import box_around

GEOMETRY = Geometry(radius=10, stride=8, halo=16, out_channels=1, values_per_pixel=1)


def test_the_margin_is_added_on_the_grid_of_the_stride():
    box = slice(50, 60), slice(3, 90)
    assert box_around(box, (200, 100), (200, 100), GEOMETRY) == (slice(32, 80), slice(0, 100))
    wider = box_around(box, (200, 100), (200, 100), GEOMETRY, diameter=9.5)
    assert wider == (slice(24, 88), slice(0, 100))


def test_a_resampled_plane_has_another_grid():
    # 50 is no multiple of the stride: of flipped views the grid begins at the other end
    found = box_around((slice(50, 60), slice(0, 10)), (200, 100), (400, 50), GEOMETRY)
    assert found == (slice(72, 144), slice(0, 34))
