from __future__ import annotations

import contextlib
import json
import sys

import numpy as np
import pandas as pd
import pytest
from pyarrow import parquet

from napari_cytosynth.errors import InputError, OutputError
from napari_cytosynth.tasks.export.objects.exchange import read_objects, write_objects
from napari_cytosynth.tasks.export.objects.tables import unit_of
from napari_cytosynth.tasks.measure.table import measure

LABELS = np.array([[1, 1, 0], [0, 0, 2]])


def _table():
    table = measure(LABELS, pixel_size=0.5)
    text = ["line\n, “x”", None]
    return table.assign(**{"class": ["A", "NA"], "seen": [True, False], "note": text, "n": 2**60})


@pytest.mark.parametrize("name", ["a.csv", "a.parquet"])
def test_round_trip(tmp_path, name):
    table = _table()
    write_objects(tmp_path / name, LABELS, table, pixel_size=0.5)
    found = read_objects(tmp_path / name, LABELS)
    pd.testing.assert_frame_equal(
        found.table, table.drop(columns="index"), check_dtype=False, check_exact=True
    )
    assert found.labels is not None
    assert found.pixel_size == ((0.5, 0.5) if name == "a.parquet" else None)


def test_parquet_has_units_and_provenance(tmp_path):
    record = {"task": "segment", "model": {"name": "tiny"}}
    write_objects(tmp_path / "a.parquet", LABELS, _table(), pixel_size=0.5, provenance=record)
    schema = parquet.read_schema(tmp_path / "a.parquet")
    assert schema.field("area_um2").metadata == {b"unit": "µm²".encode()}
    assert schema.field("class").metadata is None
    note = json.loads(schema.metadata[b"napari-cytosynth"])
    assert note["provenance"] == record
    assert note["pixel_size_um"] == [0.5, 0.5]
    assert read_objects(tmp_path / "a.parquet", LABELS).provenance == record
    pd.read_parquet(tmp_path / "a.parquet")


@pytest.mark.parametrize(
    ("column", "unit"),
    [("area_px", "px"), ("area_um2", "µm²"), ("volume_um3", "µm³"), ("orientation_deg", "°"),
     ("solidity", None), ("serum", None), ("sum_intensity", None)],
)  # fmt: skip
def test_units(column, unit):
    assert unit_of(column) == unit


@pytest.mark.parametrize("name", ["a.csv", "a.parquet"])
def test_a_table_needs_its_labels(tmp_path, name):
    write_objects(tmp_path / name, LABELS, _table())
    with pytest.raises(InputError, match=r"holds a table and no pixels.*--like LABELS"):
        read_objects(tmp_path / name)


@pytest.mark.parametrize("name", ["a.csv", "a.parquet"])
def test_without_a_table_there_is_nothing_to_write(tmp_path, name):
    with pytest.raises(InputError, match="measure them first"):
        write_objects(tmp_path / name, LABELS)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b"a,b\n1,2\n", b"label\nx\n", b'"'])
def test_what_is_no_table(tmp_path, content):
    for name in ("a.csv", "a.parquet"):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError, match=r"a\.(csv|parquet)|column “label”"):
            read_objects(tmp_path / name, LABELS)


def test_values_of_any_kind(tmp_path):
    table = pd.DataFrame({"label": [1, 2], "mixed": [1, "a"], "list": [[1], None]})
    for name in ("a.csv", "a.parquet"):
        write_objects(tmp_path / name, LABELS, table)
        found = read_objects(tmp_path / name, LABELS).table
        assert list(found["mixed"]) == ["1", "a"]
        assert found["list"][0] == "[1]"


def test_without_pyarrow(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(OutputError, match=r"napari-cytosynth\[parquet\]"):
        write_objects(tmp_path / "a.parquet", LABELS, pd.DataFrame({"label": [1, 2]}))


@pytest.mark.parametrize("name", ["a.csv", "a.parquet", "a.geojson", "a.zip"])
def test_half_letters_do_not_end_an_export(tmp_path, name):
    text = pd.Series(["\ud83d", "x"], dtype=object)
    write_objects(tmp_path / name, LABELS, pd.DataFrame({"label": [1, 2]}).assign(note=text))
    assert list(read_objects(tmp_path / name, LABELS).table["note"]) == ["\ufffd", "x"]


def test_damaged_files_end_in_a_sentence(tmp_path):
    """Random bytes changed in each kind of file."""
    rng = np.random.default_rng(0)
    for name in ("a.csv", "a.parquet", "a.geojson", "a.zip"):
        write_objects(tmp_path / name, LABELS, _table(), overwrite=True)
        content = (tmp_path / name).read_bytes()
        for _ in range(60):
            changed = bytearray(content)
            for place in rng.integers(0, len(changed), rng.integers(1, 6)):
                changed[place] = rng.choice(bytearray(b'0129[]{}",.-eE \x00\xff'))
            (tmp_path / f"b{name[1:]}").write_bytes(changed)
            with contextlib.suppress(InputError):
                read_objects(tmp_path / f"b{name[1:]}", LABELS)
