from __future__ import annotations

import pytest

from napari_cytosynth.training.datasets.prepare import main


@pytest.mark.parametrize("table", ["", "a,b\n1,2\n", "experiment,phase\n1,2\n"])
def test_another_table_is_a_sentence(table, tmp_path, capsys) -> None:
    (tmp_path / "cells.csv").write_text(table)
    assert main(["jurkat", str(tmp_path), str(tmp_path / "out")]) == 1
    shown = capsys.readouterr().err
    assert "cells.csv has no column duplicate_of_earlier" in shown
    assert len(shown.splitlines()) == 1
