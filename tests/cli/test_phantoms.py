from __future__ import annotations

import numpy as np
import pytest
import tifffile

from napari_cytosynth.cli import main
from napari_cytosynth.images.reading import read_image

KINDS = ("phase", "fluorescence", "nuclei", "cells")


def test_writes_pairs_that_say_their_axes_and_pixel_size(tmp_path, capsys) -> None:
    line = f"phantoms --out {tmp_path / 'pairs'} --count 2 --size 48 --seed 7 --pixel-size 0.65"
    assert main(line.split()) == 0
    assert "2 fields" in capsys.readouterr().out
    for kind in KINDS:
        paths = sorted((tmp_path / "pairs" / kind).glob("*.tif"))
        assert [path.stem for path in paths] == ["seed7-field0000", "seed7-field0001"]
        first, second = (read_image(path) for path in paths)
        assert first.axes == ("CYX" if kind == "fluorescence" else "YX")
        assert first.data.shape[-2:] == (48, 48)
        assert first.data.dtype == np.uint16
        assert first.pixel_size_um == pytest.approx(0.65)
        assert not np.array_equal(first.data, second.data)
    with tifffile.TiffFile(tmp_path / "pairs" / "fluorescence" / "seed7-field0000.tif") as file:
        assert 'Name="nuclei"' in (file.ome_metadata or "")
        assert 'Name="membrane"' in (file.ome_metadata or "")


def test_a_seed_gives_the_same_fields_and_another_seed_others(tmp_path) -> None:
    for folder, seed in (("a", 1), ("b", 1), ("c", 2)):
        assert (
            main(f"phantoms --out {tmp_path / folder} --count 1 --size 32 --seed {seed}".split())
            == 0
        )
    a, b, c = (tifffile.imread(next((tmp_path / folder / "phase").iterdir())) for folder in "abc")
    assert np.array_equal(a, b)
    assert not np.array_equal(a, c)


def test_nothing_that_is_there_is_overwritten(tmp_path, capsys) -> None:
    taken = tmp_path / "cells" / "seed0-field0001.tif"
    taken.parent.mkdir()
    taken.write_text("mine")
    assert main(f"phantoms --out {tmp_path} --count 2 --size 16".split()) == 1
    assert "is there already" in capsys.readouterr().err
    assert taken.read_text() == "mine"
    assert not (tmp_path / "phase").exists()
    # another seed has other names: both sets fit into one folder
    assert main(f"phantoms --out {tmp_path} --count 2 --size 16 --seed 1".split()) == 0


@pytest.mark.parametrize("wrong", ["--count 0", "--size 0", "--seed -1", "--pixel-size 0"])
def test_nonsense_is_refused(wrong, tmp_path, capsys) -> None:
    with pytest.raises(SystemExit):
        main(f"phantoms --out {tmp_path} {wrong}".split())
    assert "must" in capsys.readouterr().err


def test_faults_change_the_phase_image_alone(tmp_path) -> None:
    line = "phantoms --count 1 --size 96 --seed 3 --out"
    assert main([*line.split(), str(tmp_path / "plain")]) == 0
    faults = ["--clumps", "3", "--hidden", "0.5", "--defocus", "4"]
    assert main([*line.split(), str(tmp_path / "faulty"), *faults]) == 0
    for kind in KINDS:
        plain, faulty = (
            tifffile.imread(next((tmp_path / folder / kind).iterdir()))
            for folder in ("plain", "faulty")
        )
        assert np.array_equal(plain, faulty) == (kind != "phase")
