from __future__ import annotations

import numpy as np
import pytest

from napari_cytosynth.tasks.measure import describe_column, measure


def test_every_column_says_what_it_is_and_its_unit():
    labels = np.zeros((3, 8, 8), int)
    labels[1, 2:4, 2:4], labels[1, 5:7, 5:7] = 1, 2
    image = np.ones(labels.shape)
    more = {"pixel_size": (2, 1, 1), "neighbours": True, "parents": labels, "children": labels,
            "probability": image, "uncertainty": image}  # fmt: skip
    for by_plane in (False, True):
        for intensity in (image, {"DNA": image, "actin": image}):
            ratios = [("DNA", "actin")] if isinstance(intensity, dict) else []
            table = measure(labels, intensity, by_plane=by_plane, ratios=ratios, **more)
            silent = [name for name in table if not describe_column(name)]
            assert not silent


def test_units_are_named():
    assert describe_column("area_um2").endswith("Unit: µm².")
    assert "number of pixels" in describe_column("area_px")
    assert describe_column("orientation_deg").endswith("degrees.")
    assert "“DNA”" in describe_column("mean_DNA_intensity")


@pytest.mark.parametrize("column", ["kind", "mean_score", "sum_of_all", "my_area", "area", ""])
def test_columns_of_others_are_not_explained(column):
    assert describe_column(column) is None


def test_a_number_of_a_stain_is_known_by_its_interval():
    among = ["mean_DNA", "mean_DNA_low", "mean_DNA_high"]
    assert "virtual stain “DNA”" in describe_column("mean_DNA", among)
    assert "Low end" in describe_column("mean_DNA_low", among)
