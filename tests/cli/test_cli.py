from __future__ import annotations

import json
import shutil
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import tifffile
import zarr
from skimage.io import imread, imsave

from napari_cytosynth.cli import main
from napari_cytosynth.tasks.segment.result_check import TrainingFacts
from napari_cytosynth.training.data.splits import hash_split

pytestmark = pytest.mark.slow  # in all


@pytest.fixture
def data_dir(tmp_path):
    """A data set of two fields, split in two by its folder's name."""
    folder = tmp_path / "dots" / "test"
    rng = np.random.default_rng(0)
    for name in ("a", "b"):
        labels = np.zeros((32, 32), np.uint8)
        labels[4:12, 4:12], labels[20:30, 15:25] = 1, 2
        for kind, array in (
            ("image", labels * 50 + rng.integers(0, 9, labels.shape, np.uint8)),
            ("labels", labels),
        ):
            (folder / kind).mkdir(parents=True, exist_ok=True)
            imsave(folder / kind / f"{name}.png", array, check_contrast=False)
    return folder


def test_segment_writes_probability_labels_and_table(
    saved_model, data_dir, tmp_path, capsys
) -> None:
    image, out = data_dir / "image" / "a.png", tmp_path / "out"
    arguments = ["segment", str(image), "--model", str(saved_model), "--out", str(out)]
    assert main([*arguments, "--device", "cpu"]) == 0
    probability = tifffile.imread(out / "probability.tif")
    labels = tifffile.imread(out / "labels.tif")
    table = pd.read_csv(out / "table.csv")
    assert probability.shape == labels.shape == (32, 32)
    assert 0 <= probability.min() <= probability.max() <= 1
    assert len(table) == labels.max() == len(np.unique(labels)) - 1
    assert f"{len(table)} objects at a threshold of 0.5" in capsys.readouterr().out


def test_segment_reads_the_ome_zarr_that_it_writes(saved_model, data_dir, tmp_path, capsys):
    image, out = data_dir / "image" / "a.png", tmp_path / "out.zarr"
    arguments = ["--model", str(saved_model), "--device", "cpu", "--pixel-size", "0.5", "--out"]
    assert main(["segment", str(image), *arguments, str(out)]) == 0
    for name in ("out.zarr", "out.zarr/labels/blobs"):
        assert main(["segment", str(tmp_path / name), *arguments, str(tmp_path / "again")]) == 0
        again = tifffile.imread(tmp_path / "again" / "probability.tif")
        assert again.shape == (32, 32)
        shutil.rmtree(tmp_path / "again")
    capsys.readouterr()


def test_evaluate_reads_a_plate_with_labels_inside(saved_model, data_dir, tmp_path, capsys):
    plate = zarr.open_group(tmp_path / "plate.zarr", mode="w")
    plate.attrs["ome"] = {"plate": {"wells": [{"path": "A/1"}]}}
    wells = plate.create_group("A/1")
    wells.attrs["ome"] = {"well": {"images": [{"path": "0"}, {"path": "1"}]}}
    scales = {"axes": [{"name": "y"}, {"name": "x"}], "datasets": [{"path": "0"}]}
    for number, name in enumerate("ab"):
        field = wells.create_group(str(number))
        field.create_group("labels").attrs["ome"] = {"labels": ["cells"]}
        for kind, group in (("image", field), ("labels", field.create_group("labels/cells"))):
            group.create_array("0", data=imread(data_dir / kind / f"{name}.png"))
            group.attrs["ome"] = {"multiscales": [scales]}
    arguments = ["--images", "plate.zarr", "--masks", "plate.zarr", "--kind", "labels"]
    command = ["evaluate", "segment", str(saved_model), "--data-dir", str(tmp_path), *arguments]
    assert main([*command, "--device", "cpu", "--out", str(tmp_path / "out")]) == 0
    table = pd.concat([pd.read_csv(path) for path in (tmp_path / "out").rglob("*.csv")])
    assert {"A-1-0", "A-1-1"} <= {*table.astype(str).to_numpy().ravel()}
    capsys.readouterr()


def test_segment_passes_every_setting_on(monkeypatch, data_dir, tmp_path, capsys) -> None:
    seen = {}

    def segment(image, **options):
        seen.update(options, shape=image.shape)
        return SimpleNamespace(
            messages=["Note."],
            table=[1],
            threshold=0.05,
            hidden_counts=[2, 1],
            training=TrainingFacts(),
            doubt="",
            save=lambda out: [out / "x"],
        )

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("napari_cytosynth.tasks.segment.task.segment", segment)
    stack = tmp_path / "stack.tif"
    metadata = {"axes": "ZYX", "unit": "um"}
    pixels = np.zeros((3, 8, 9), np.uint16)
    tifffile.imwrite(stack, pixels, imagej=True, resolution=(4, 4), metadata=metadata)
    line = f"segment {stack} --model m --out o --threshold 0.05 --min-size 9 --split-touching"
    assert main([*line.split(), "--fill-holes", "--drop-border", "--resample"]) == 0
    assert seen["shape"] == (3, 8, 9)
    assert (seen["axes"], seen["pixel_size"], seen["threshold"]) == ("ZYX", 0.25, 0.05)
    assert (seen["min_size"], seen["split_touching"], seen["fill_holes"]) == (9, True, True)
    assert (seen["drop_border"], seen["resample"], seen["model"]) == (True, True, "m")
    assert main([*line.split(), "--axes", "tyx", "--pixel-size", "0.7"]) == 0
    assert (seen["axes"], seen["pixel_size"]) == ("TYX", 0.7)
    assert main(["segment", str(stack), "--model", "m", "--out", "o"]) == 0
    own = ("threshold", "min_size", "split_touching", "diameter")
    assert [seen[name] for name in own] == [None, None, None, None]  # as the model's card says
    for text, value in (("31.5", 31.5), ("auto", "auto")):
        assert main([*line.split(), "--diameter", text]) == 0
        assert seen["diameter"] == value
    assert main(["segment", str(stack), "--model", "m", "--out", "o", "--no-split-touching"]) == 0
    assert seen["split_touching"] is False
    assert seen["link_planes"] is True
    assert seen["min_confidence"] == 0
    capsys.readouterr()
    assert main([*line.split(), "--min-confidence", "0.25"]) == 0
    assert seen["min_confidence"] == 0.25
    assert "1 objects at a threshold of 0.05, 3 doubtful left out" in capsys.readouterr().out
    assert main([*line.split(), "--pixel-size", "2", "0.5", "0.4", "--no-link-planes"]) == 0
    assert (seen["pixel_size"], seen["link_planes"]) == ((2, 0.5, 0.4), False)
    metadata["spacing"] = 3
    tifffile.imwrite(stack, pixels, imagej=True, resolution=(4, 4), metadata=metadata)
    for sizes, expected in (
        ([], (3, 0.25, 0.25)),
        (["0.5"], (3, 0.5, 0.5)),
        (["0.5", "0.4"], (3, 0.5, 0.4)),
        (["2", "0.5", "0.4"], (2, 0.5, 0.4)),
    ):
        assert main([*line.split(), *(["--pixel-size", *sizes] if sizes else [])]) == 0
        assert seen["pixel_size"] == expected
    with pytest.raises(SystemExit, match="2"):
        main([*line.split(), "--pixel-size", "1", "1", "1", "1"])


def test_an_unknown_distance_of_planes_names_the_option(saved_model, tmp_path, capsys) -> None:
    stack = tmp_path / "stack.tif"
    tifffile.imwrite(stack, np.zeros((5, 16, 16), np.uint16), metadata={"axes": "ZYX"})
    line = ["segment", str(stack), "--model", str(saved_model), "--overwrite"]
    line += ["--out", str(tmp_path / "out")]
    assert main(line) == 0
    told = capsys.readouterr().out
    assert "Give --pixel-size Z Y X in µm" in told
    assert "pixel_size=" not in told
    assert main([*line, "--pixel-size", "2", "0.5", "0.5"]) == 0
    assert "--pixel-size" not in capsys.readouterr().out


def test_a_record_names_its_image_and_another_image_is_announced(
    saved_model, data_dir, tmp_path, capsys
) -> None:
    for name in ("a", "b"):
        image = data_dir / "image" / f"{name}.png"
        line = ["segment", str(image), "--model", str(saved_model), "--out", str(tmp_path / "o")]
        assert main([*line, "--device", "cpu"]) == 0
        record = json.loads((tmp_path / "o" / "provenance.json").read_text())
        assert record["source"]["path"] == str(image)
    said = capsys.readouterr().out
    assert f"{data_dir / 'image' / 'a.png'}”; it was replaced by that of “{image}”" in said


@pytest.mark.parametrize(
    ("out", "reason"),
    [
        ("a.png", "cannot be written as “.png”"),
        ("mask.png", "cannot be written as “.png”"),
        ("image.tif", "is the image that the result is made from"),
        (".", "napari-cytosynth did not write it"),
        ("x.zarr", "needs the package zarr"),
        ("full", "space left"),
        ("locked", "may not write there"),
    ],
)
def test_what_cannot_be_written_is_said_before_the_network_runs(
    out, reason, monkeypatch, tmp_path, capsys
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(
        "napari_cytosynth.tasks.segment.task.segment",
        lambda *a, **k: pytest.fail("the network ran"),
    )
    tifffile.imwrite("image.tif", np.zeros((8, 9), np.uint8))
    (tmp_path / "labels.tif").write_bytes(b"mine")
    if out == "x.zarr":
        monkeypatch.setitem(sys.modules, "zarr", None)
    if out == "full":
        usage = SimpleNamespace(free=10)
        monkeypatch.setattr("napari_cytosynth.files.shutil.disk_usage", lambda path: usage)
    if out == "locked":
        locked = PermissionError(13, "Permission denied")
        monkeypatch.setattr(
            "napari_cytosynth.tasks.export.destination.tempfile.TemporaryFile",
            lambda **k: (_ for _ in ()).throw(locked),
        )
    before = sorted(tmp_path.iterdir())
    assert main(["segment", "image.tif", "--model", "m", "--out", out]) == 1
    assert reason in capsys.readouterr().err
    assert sorted(tmp_path.iterdir()) == before


def test_evaluate_keeps_tables_of_others(saved_model, data_dir, tmp_path, capsys) -> None:
    arguments = ["--data-dir", str(data_dir), "--device", "cpu", "--out", str(tmp_path / "o")]
    (tmp_path / "o").mkdir()
    (tmp_path / "o" / "table.csv").write_text("mine")
    line = ["evaluate", "segment", str(saved_model), *arguments]
    assert main(line) == 1
    assert "no evaluation wrote it" in capsys.readouterr().err
    assert (tmp_path / "o" / "table.csv").read_text() == "mine"
    assert main([*line, "--overwrite"]) == 0
    assert main(line) == 0  # the evaluation's own


@pytest.mark.parametrize("out", ["taken", "taken/below", "taken/below.tif"])
def test_a_folder_that_cannot_be_written_is_named_before_the_run(
    out, monkeypatch, data_dir, tmp_path, capsys
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "taken").write_text("a file")
    monkeypatch.setattr(
        "napari_cytosynth.tasks.segment.task.segment",
        lambda *a, **k: pytest.fail("the network ran"),
    )
    image = str(data_dir / "image" / "a.png")
    assert main(["segment", image, "--model", "m", "--out", out]) == 1
    shown = capsys.readouterr().err
    assert "“taken" in shown
    assert "in the way" in shown


def test_evaluate_checks_where_it_writes_before_the_run(
    saved_model, data_dir, tmp_path, monkeypatch, capsys
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(
        "napari_cytosynth.training.segment.evaluate.run.evaluate_segment",
        lambda *a, **k: pytest.fail("the network ran"),
    )
    (tmp_path / "taken").write_text("a file")
    arguments = ["--data-dir", str(data_dir), "--device", "cpu"]
    assert main(["evaluate", "segment", str(saved_model), *arguments, "--out", "taken"]) == 1
    assert "“taken”" in capsys.readouterr().err
    assert main(["evaluate", "segment", "a-name", *arguments, "--update-card", "dots"]) == 1
    shown = capsys.readouterr().err
    assert "--update-card needs the folder of a model" in shown
    assert "“a-name”" in shown


def test_every_part_is_evaluated_into_a_folder_of_its_own(
    saved_model, data_dir, tmp_path, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    splits = {hash_split(path.stem) for path in (data_dir / "image").iterdir()}
    for split in splits:
        command = ["evaluate", "segment", str(saved_model), "--data-dir", str(data_dir)]
        assert main([*command, "--hash-split", split, "--worst", "0", "--device", "cpu"]) == 0
    found = {path.name for path in (tmp_path / "evaluation" / "tiny").iterdir()}
    assert found == {f"dots-test-{split}" for split in splits}


def test_evaluate_writes_its_figures_and_the_command_that_repeats_it(
    saved_model, data_dir, tmp_path, monkeypatch, capsys
) -> None:
    monkeypatch.chdir(tmp_path)
    arguments = ["evaluate", "segment", str(saved_model), "--data-dir", str(data_dir)]
    assert main([*arguments, "--select", "[ab]", "--worst", "1", "--device", "cpu"]) == 0
    out = tmp_path / "evaluation" / "tiny" / "dots-test"
    summary = json.loads((out / "metrics.json").read_text(encoding="utf-8"))
    assert summary["images"] == ["a", "b"]
    assert summary["truth"] == "labels"
    assert summary["metrics"]["true objects"] == 4
    assert summary["command"] == (
        "cytosynth evaluate segment tiny --data-dir dots/test --select '[ab]'"
    )
    assert len(list(out.glob("worst-*.png"))) == 1
    assert "AP@0.5 (pooled): " in capsys.readouterr().out


def test_evaluate_replaces_the_figures_of_a_data_set_in_the_card(
    saved_model, data_dir, tmp_path, monkeypatch
) -> None:
    from napari_cytosynth.zoo.model_files import read_card

    monkeypatch.chdir(tmp_path)
    arguments = ["evaluate", "segment", str(saved_model), "--data-dir", str(data_dir)]
    for name in ("dots, test", "dots, test", "other"):
        assert main([*arguments, "--worst", "0", "--update-card", name]) == 0
    figures = [(metric.dataset, metric.name) for metric in read_card(saved_model).metrics]
    assert figures.count(("dots, test", "AP@0.5 (pooled)")) == 1
    assert figures.count(("other", "AP@0.5 (pooled)")) == 1
    assert all("--data-dir dots/test" in m.command for m in read_card(saved_model).metrics)
    assert "AP@0.5 (pooled)" in (saved_model / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("segment nowhere.tif --model m --out o", "no image file “nowhere.tif”"),
        ("models show no-such-model", "no-such-model"),
        ("models fetch no-such-model", "neither a model of the catalogue nor"),
        ("models remove me/not-here-at-all", "me/not-here-at-all"),
        ("evaluate segment no-such-model --data-dir .", "no-such-model"),
    ],
)
def test_an_error_is_one_sentence_on_stderr(line, said, monkeypatch, tmp_path, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(line.split()) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert said in captured.err
    assert "Traceback" not in captured.err
    assert len(captured.err.splitlines()) == 1


def test_a_file_that_is_no_image_is_named(tmp_path, capsys) -> None:
    (tmp_path / "text.tif").write_text("no image")
    assert main(["segment", str(tmp_path / "text.tif"), "--model", "m", "--out", "o"]) == 1
    assert "“text.tif” cannot be read as an image" in capsys.readouterr().err


def test_of_a_file_of_several_images_one_is_chosen(saved_model, tmp_path, capsys) -> None:
    path, out = tmp_path / "two.tif", tmp_path / "out"
    with tifffile.TiffWriter(path) as file:
        for side in (32, 48):
            file.write(np.zeros((side, side), np.uint8))
    line = ["segment", str(path), "--model", str(saved_model), "--out", str(out)]
    assert main(line) == 0
    assert "2 images" in capsys.readouterr().out
    assert tifffile.imread(out / "probability.tif").shape == (48, 48)
    line = [*line[:-1], str(tmp_path / "other")]
    assert main([*line, "--series", "0"]) == 0
    assert "2 images" not in capsys.readouterr().out
    assert tifffile.imread(tmp_path / "other" / "probability.tif").shape == (32, 32)
    assert main([*line, "--series", "2"]) == 1
    assert "no series" in capsys.readouterr().err


@pytest.mark.parametrize("value", ["1.5", "-1", "nan", "x"])
def test_a_threshold_outside_its_range_is_refused(value, capsys) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["segment", "i.tif", "--model", "m", "--out", "o", "--threshold", value])
    assert "--threshold" in capsys.readouterr().err


def test_ctrl_c_ends_quietly(monkeypatch, capsys) -> None:
    def interrupted(task):
        raise KeyboardInterrupt

    monkeypatch.setattr("napari_cytosynth.zoo.catalogue.list_models", interrupted)
    assert main(["models", "list"]) == 130
    assert capsys.readouterr().err == "cytosynth: stopped.\n"


def test_help_needs_neither_torch_nor_qt() -> None:
    code = (
        "import sys; from napari_cytosynth.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit as end: assert end.code == 0\n"
        "heavy = {'torch', 'qtpy', 'napari', 'lightning', 'pandas'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "evaluate" in done.stdout
