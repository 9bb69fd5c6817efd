from __future__ import annotations

import json

import numpy as np
import pytest
import tifffile
import yaml

from napari_cytosynth.cli import main
from napari_cytosynth.phantoms import fluorescent_nuclei
from napari_cytosynth.zoo.model_files import save_model


@pytest.fixture
def model(tiny_model, tmp_path):
    folder = tmp_path / "tiny"
    save_model(folder, tiny_model.network, tiny_model.card)
    return folder


@pytest.fixture(scope="module")
def nuclei_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("nuclei")
    for seed in range(4):
        phantom = fluorescent_nuclei((48, 48), count=3, seed=seed)
        mask = (phantom.labels > 0).astype(np.uint8)
        planes = {"image": phantom.image, "labels": phantom.labels.astype(np.uint16), "mask": mask}
        for kind, plane in planes.items():
            (folder / kind).mkdir(exist_ok=True)
            tifffile.imwrite(folder / kind / f"{seed:02d}.tif", plane)
    return folder


@pytest.fixture
def evaluate(model, tmp_path, capsys):
    """Return a function that runs the command and returns its record, or what it complains of."""

    def run(data_dir, *arguments):
        line = ["evaluate", "segment", str(model), "--data-dir", str(data_dir), "--device", "cpu"]
        out = tmp_path / "out"
        status = main([*line, "--worst", "0", "--out", str(out), *arguments])
        shown = capsys.readouterr()
        if status:
            return shown.err
        return json.loads((out / "metrics.json").read_text("utf-8")) | {"shown": shown.out}

    return run


@pytest.fixture
def recipe(tmp_path):
    """Return a function that writes a recipe with a split, and returns its path."""

    def write(**split):
        targets = [{"folder": "labels", "kind": "labels"}]
        tree = {"name": "mine", "data": {"targets": targets, "split": split}}
        path = tmp_path / "recipe.yaml"
        path.write_text(yaml.safe_dump(tree))
        return str(path)

    return write


def test_images_are_chosen_by_name(evaluate, nuclei_folder) -> None:
    record = evaluate(nuclei_folder, "--names", "01,03")
    assert record["images"] == ["01", "03"]
    assert "--names 01,03" in record["command"]
    assert "no image called “13”" in evaluate(nuclei_folder, "--names", "13,14")


def test_names_must_be_names(model, capsys) -> None:
    line = ["evaluate", "segment", str(model), "--data-dir", ".", "--names", "13,,14"]
    with pytest.raises(SystemExit):
        main(line)
    assert "names with commas between them" in capsys.readouterr().err


def test_the_validation_images_of_a_recipe_are_evaluated(evaluate, nuclei_folder, recipe) -> None:
    split = recipe(kind="names", validation=["02", "00"])
    record = evaluate(nuclei_folder, "--part", "validation", "--recipe", split)
    assert record["images"] == ["00", "02"]
    assert record["truth"] == "labels"
    assert "--part validation --recipe recipe.yaml" in record["command"]


def test_what_a_split_keeps_for_testing_is_evaluated(evaluate, nuclei_folder, recipe) -> None:
    from napari_cytosynth.training.data.splits import hash_split

    left = [name for name in ("00", "01", "02", "03") if hash_split(name) == "test"]
    found = evaluate(nuclei_folder, "--part", "test", "--recipe", recipe(kind="hash"))
    assert left == (found["images"] if isinstance(found, dict) else [])
    said = evaluate(nuclei_folder, "--part", "test", "--recipe", recipe(kind="last", count=1))
    assert "leaves no images to test" in said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--part", "validation"], "names no recipe: name one with --recipe"),
        (["--part", "validation", "--recipe", "nuclei-vae"], "not a recipe of a segmentation"),
        (["--recipe", "fluo-nuclei-unet"], "name the part too"),
        (["--part", "test", "--masks", "mask"], "leave out --masks"),
        (["--part", "test", "--names", "01"], "leave out --names"),
    ],
)
def test_a_part_that_cannot_be_found_is_explained(evaluate, nuclei_folder, arguments, said) -> None:
    assert said in evaluate(nuclei_folder, *arguments)


def test_validation_images_that_were_trained_on_are_refused(
    evaluate, nuclei_folder, recipe
) -> None:
    path = recipe(kind="names", validation=["02"], use_all=True)
    assert "would flatter" in evaluate(nuclei_folder, "--part", "validation", "--recipe", path)


def test_objects_of_masks_are_told_of_and_have_a_smallest_size(evaluate, nuclei_folder) -> None:
    record = evaluate(nuclei_folder, "--masks", "mask")
    assert "fewer than 64 px do not count" in record["shown"]
    assert record["smallest"] == 64
    assert "F1@0.5 (pooled)" in record["metrics"]
    record = evaluate(nuclei_folder, "--masks", "mask", "--smallest", "1000000")
    assert record["metrics"]["true objects"] == record["metrics"]["predicted objects"] == 0
    assert "--smallest 1000000" in record["command"]


def test_nothing_is_asked_of_the_model_that_no_user_asks(
    evaluate, nuclei_folder, monkeypatch
) -> None:
    from napari_cytosynth.training.segment.evaluate import run

    seen = {}
    segment = run.segment

    def watched(image, **options):
        seen.update(options)
        return segment(image, **options)

    monkeypatch.setattr(run, "segment", watched)
    assert evaluate(nuclei_folder, "--names", "01")["images"] == ["01"]
    assert seen.keys() == {"model", "progress", "device"}  # the device was named
    evaluate(nuclei_folder, "--names", "01", "--min-size", "0", "--no-split-touching")
    assert (seen["min_size"], seen["split_touching"]) == (0, False)


def test_the_same_images_are_run_at_other_magnifications(evaluate, nuclei_folder) -> None:
    record = evaluate(nuclei_folder, "--names", "01", "--rescale", "0.5", "2")
    assert [scores["factor"] for scores in record["rescaled"]] == [0.5, 2]
    assert record["doubted"]["images"] == 1
    assert "Doubted images: " in record["shown"]
    assert "--rescale 0.5 2" in record["command"]
    objects = record["rescaled"][1]["objects"]
    assert 0 < objects <= record["metrics"]["true objects"]  # some nuclei stay too small
    assert f"× 2: {objects} objects, AP@0.5" in record["shown"]
    assert "card has no diameter" in record["shown"]  # of the tiny model
    record = evaluate(nuclei_folder, "--names", "01")
    assert record["rescaled"] == []
    assert "Resampled" not in record["shown"]
    said = evaluate(nuclei_folder, "--rescale", "2", "--pixel-size", "0.5")
    assert "leave out --pixel-size, or --rescale" in said
    assert "factors from 1/8 to 8" in evaluate(nuclei_folder, "--rescale", "20")
