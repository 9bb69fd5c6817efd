"""What a field costs: the figures are of what was done, and nothing of it stays."""

from __future__ import annotations

import pytest
import tifffile

from napari_cytosynth.cli import main
from napari_cytosynth.errors import InputError
from napari_cytosynth.tasks.batch.cluster.cost import FieldCost, measure_cost
from napari_cytosynth.tasks.batch.settings import BatchSettings


@pytest.fixture
def plate(write_a_plate, picture, tmp_path):
    write_a_plate(tmp_path / "p.zarr", picture())
    return tmp_path / "p.zarr"


def test_the_cost_of_a_field_is_that_of_its_time_bytes_and_files(plate, tiny_model, tmp_path):
    place = tmp_path / "disk"
    place.mkdir()
    cost = measure_cost(plate, BatchSettings("segment", tiny_model), fields=4, place=place)
    assert cost.megapixels == 32 * 40 / 1e6
    assert len(cost.core_seconds) == 4
    assert min(cost.core_seconds) > 0
    # probability and labels with their metadata, table and record
    assert 8 <= cost.files <= 30
    assert cost.bytes > 4 * 32 * 40 / 2
    assert not list(place.iterdir())


def test_core_hours_are_those_of_the_median_field() -> None:
    cost = FieldCost(4.0, (1.0, 2.0, 9.0), 1, 1)
    assert (cost.per_field, cost.per_megapixel) == (2.0, 0.5)
    assert cost.core_hours(3600) == 2.0


def test_what_cannot_be_measured_is_said(tiny_model, tmp_path) -> None:
    (tmp_path / "a.tif").write_bytes(b"II*\0 and then nothing")
    with pytest.raises(InputError, match="cut off or damaged"):
        measure_cost(tmp_path / "a.tif", BatchSettings("segment", tiny_model))


def test_the_command_prints_a_plate_and_a_million_fields(
    saved_model, picture, tmp_path, capsys
) -> None:
    tifffile.imwrite(tmp_path / "a.tif", picture(0, (100, 100)))
    line = ["plate-cost", str(tmp_path / "a.tif"), "--model", str(saved_model), "--fields", "3"]
    assert main([*line, "--fields-per-well", "4", "--cores", "10"]) == 0
    said = capsys.readouterr().out
    assert "3 fields of 0.01 megapixels, on one core:" in said
    assert "384 wells of 4 fields, 1,536 fields:" in said
    assert "1,000,000 fields:" in said
    assert said.count("hours on 10 cores") == 2
