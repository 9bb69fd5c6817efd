"""Many files on the command line: segment, stain, measure and run."""

from __future__ import annotations

import argparse

import numpy as np
import pandas as pd
import pytest
import tifffile
from skimage.io import imsave

import napari_cytosynth as cytosynth
from napari_cytosynth.cli import main, make_parser
from napari_cytosynth.cli.batch import has_many
from napari_cytosynth.tasks.batch.settings import BatchSettings, save_settings

pytestmark = pytest.mark.slow


@pytest.fixture
def images(tmp_path):
    """Three images in a folder, one of them broken, and one below."""
    folder, rng = tmp_path / "in", np.random.default_rng(0)
    (folder / "below").mkdir(parents=True)
    for path in (folder / "A01_f1.tif", folder / "below" / "B02_f2.png"):
        imsave(path, rng.integers(0, 200, (32, 40)).astype(np.uint8), check_contrast=False)
    tifffile.imwrite(folder / "A02_f1.tif", rng.random((32, 40)).astype(np.float32))
    (folder / "broken.tif").write_bytes(b"")
    return folder


@pytest.fixture
def line(images, saved_model, tmp_path):
    out = ["--out", str(tmp_path / "out"), "--device", "cpu"]
    return ["segment", str(images), "--model", str(saved_model), *out]


def test_a_folder_is_segmented_and_what_failed_is_listed(line, tmp_path, capsys) -> None:
    assert (
        main([*line, "--recursive", "--name-pattern", r"(?P<well>[A-P]\d\d)_f(?P<field>\d)"]) == 1
    )
    said = capsys.readouterr()
    assert "A01_f1.tif: done, " in said.out
    assert "4 images: 3 done, 1 failed" in said.out
    assert "The name pattern does not fit 1 of 4 names (“broken.tif”)" in said.out
    assert said.err.rstrip().endswith(
        "1 of 4 images failed:\n  broken.tif: “broken.tif” cannot be read as an image: it is empty "
        "(0 bytes). Copy it again."
    )
    table = pd.read_csv(tmp_path / "out" / "batch-table.csv", dtype={"well": str})
    assert list(table)[:6] == ["file", "series", "plane", "well", "field", "label"]
    assert {*table["well"]} == {"A01", "A02", "B02"}
    assert (tmp_path / "out" / "below" / "B02_f2-labels.tif").is_file()
    (tmp_path / "in" / "broken.tif").unlink()
    assert main([*line, "--recursive", "--resume"]) == 0
    assert "3 images: 0 done, 3 done earlier" in capsys.readouterr().out


def test_a_dry_run_lists_and_writes_nothing(line, tmp_path, capsys) -> None:
    before = sorted(tmp_path.rglob("*"))
    assert main([*line, "--dry-run"]) == 1
    said = capsys.readouterr().out
    assert "A02_f1.tif: YX 32 × 40, float32, 1 channel, pixel size unknown -> " in said
    assert "broken.tif: cannot be done: " in said
    assert "2 of 3 images would be done. Nothing was written." in said
    assert sorted(tmp_path.rglob("*")) == before


def test_two_processes_give_what_one_gives(line, tmp_path, capsys) -> None:
    assert main([*line, "--recursive"]) == 1
    one = (tmp_path / "out" / "batch-table.csv").read_bytes()
    assert main([*line, "--recursive", "--jobs", "2"]) == 1
    assert (tmp_path / "out" / "batch-table.csv").read_bytes() == one
    capsys.readouterr()


def _asked(*line):
    return make_parser().parse_args(["segment", *map(str, line), "--model", "m", "--out", "o"])


def test_one_image_is_the_form_for_one(images, tmp_path) -> None:
    one = images / "A01_f1.tif"
    assert not has_many(_asked(one))
    assert not has_many(_asked(tmp_path / "there is no such file.tif"))
    for many in ([one, images], [images], ["*.tif"], [one, "--resume"], [one, "--jobs", "1"]):
        assert has_many(_asked(*many)), many
    strange = images / "x[1].tif"
    strange.write_bytes(one.read_bytes())
    assert not has_many(_asked(strange))


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--name-pattern", "(?P<well>"], "no regular expression"),
        (["--name-pattern", "(?P<well>[a-z]+_[a-z]+)"], "fits none of the 3 names"),
        (["--out", "x.tif"], "go into a folder"),
        (["--model", "nowhere/at all"], "nowhere"),
    ],
)
def test_what_is_wrong_with_all_is_said_at_once(line, more, said, monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    assert main([*line, *more]) == 1
    error = capsys.readouterr().err
    assert said in error
    assert "A01_f1.tif: failed" not in error
    assert not (tmp_path / "out").exists()


def test_every_setting_of_the_line_reaches_the_task() -> None:
    """An option that only the form for one image knows would be forgotten silently."""
    ours = {"inputs", "out", "overwrite", "series", "run", "model", "recursive", "dry_run"}
    ours |= {"resume", "jobs", "scheduler", "plates", "in_place", "name_pattern"}
    from napari_cytosynth.cli import segment, stain

    for command in (segment, stain):
        commands = argparse.ArgumentParser().add_subparsers(parser_class=type(make_parser()))
        command.add_parser(commands)
        (parser,) = commands.choices.values()
        values = vars(parser.parse_args(["x", "--model", "m", "--out", "o"]))
        refused = {"doubt", "export", "region", "at_border"}  # which mean one image
        assert set(values) - ours - refused == set(command.SETTINGS)
        task = command.__name__.rpartition(".")[2]
        BatchSettings(task, "m", {name: values[name] for name in command.SETTINGS})


def test_labels_are_measured_one_or_many(tmp_path, capsys) -> None:
    labels = np.kron(np.arange(12).reshape(3, 4), np.ones((8, 8), int)).astype(np.uint16)
    image = np.random.default_rng(0).random(labels.shape).astype(np.float32)
    for folder in ("labels", "images"):
        (tmp_path / folder).mkdir()
    tifffile.imwrite(tmp_path / "labels" / "a-labels.tif", labels)
    tifffile.imwrite(tmp_path / "labels" / "b.tif", labels[:16])
    tifffile.imwrite(tmp_path / "images" / "a.tif", image)
    tifffile.imwrite(tmp_path / "images" / "b.tif", image[:16])
    one, out = str(tmp_path / "labels" / "a-labels.tif"), tmp_path / "out"
    more = ["--intensity", str(tmp_path / "images" / "a.tif"), "--pixel-size", "0.5"]
    assert main(["measure", one, *more, "--out", str(out)]) == 0
    assert "11 objects" in capsys.readouterr().out
    expected = cytosynth.measure(labels, image, 0.5).drop(columns="index")
    assert (out / "table.csv").read_text("utf-8") == expected.to_csv(index=False)
    assert main(["show", str(out)]) == 0
    assert "task: measure" in capsys.readouterr().out
    line = ["measure", str(tmp_path / "labels"), "--intensity", str(tmp_path / "images")]
    assert main([*line, "--pixel-size", "0.5", "--out", str(tmp_path / "many")]) == 0
    table = pd.read_csv(tmp_path / "many" / "batch-table.csv")
    assert list(table[table["file"] == "a-labels.tif"]["mean_intensity"]) == list(
        expected["mean_intensity"]
    )
    capsys.readouterr()
    assert main(["measure", str(tmp_path / "images" / "a.tif"), "--out", str(tmp_path / "x")]) == 1
    assert "Only labels can be measured" in capsys.readouterr().err


def test_saved_settings_run_on_files(images, saved_model, tmp_path, capsys) -> None:
    made = cytosynth.segment(
        tifffile.imread(images / "A02_f1.tif"), saved_model, threshold=0.4, min_size=4
    )
    settings = save_settings(made.provenance, tmp_path / "settings.yaml")
    out = tmp_path / "out"
    assert main(["run", str(settings), str(images / "A02_f1.tif"), "--out", str(out)]) == 0
    np.testing.assert_array_equal(tifffile.imread(out / "A02_f1-labels.tif"), made.labels)
    assert "1 images: 1 done" in capsys.readouterr().out
    settings.write_text("task: segment\nmodel: m\nparameters: {treshold: 1}", "utf-8")
    assert main(["run", str(settings), str(images), "--out", str(out)]) == 1
    assert "In the settings “settings.yaml”: “segment” has no setting treshold" in (
        capsys.readouterr().err
    )


def test_many_files_are_stained(images, tiny_stainer, tmp_path, capsys) -> None:
    from napari_cytosynth.zoo.model_files import save_model

    save_model(tmp_path / "stainer", tiny_stainer.network, tiny_stainer.card)
    (images / "broken.tif").unlink()
    line = ["stain", str(images), "--model", str(tmp_path / "stainer"), "--samples", "2"]
    assert main([*line, "--out", str(tmp_path / "out"), "--device", "cpu"]) == 0
    assert "2 images: 2 done" in capsys.readouterr().out
    image = tifffile.imread(images / "A02_f1.tif")
    single = cytosynth.stain(image, tmp_path / "stainer", samples=2)
    np.testing.assert_array_equal(
        tifffile.imread(tmp_path / "out" / "A02_f1-mean.tif"), single.mean
    )
