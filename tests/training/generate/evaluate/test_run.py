from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from napari_cytosynth.cli import main
from napari_cytosynth.errors import Cancelled, InputError
from napari_cytosynth.inference.features import Reference
from napari_cytosynth.tasks.generate.features import load_features
from napari_cytosynth.training.generate.data import GenerateData
from napari_cytosynth.training.generate.evaluate.run import (
    GenerateOptions,
    Sampling,
    data_of,
    evaluate_generate,
)
from napari_cytosynth.training.generate.evaluate.sampling import unit_range
from napari_cytosynth.zoo.loading import load_model
from napari_cytosynth.zoo.model_files import load_network, read_card, read_reference

COUNT = 12
PARTS = {"train": ["train/image"], "validation": ["held/image"], "test": ["held/image"]}


@pytest.fixture(scope="module")
def blobs_folder(generator_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four images to train on and two held out, with their masks."""
    folder = tmp_path_factory.mktemp("data") / "blobs"
    for path in generator_folder.glob("*/*.tif"):
        part = "held" if path.stem in ("4", "5") else "train"
        (folder / part / path.parent.name).mkdir(parents=True, exist_ok=True)
        shutil.copy(path, folder / part / path.parent.name)
    return folder


@pytest.fixture
def make_data(make_generate_recipe, blobs_folder: Path):
    """Return a function that makes the data of tiny generators."""

    def make(**changes: object) -> GenerateData:
        recipe = make_generate_recipe(data={"parts": PARTS, "channels": ["DNA"], **changes})
        return GenerateData(recipe, blobs_folder)

    return make


@pytest.fixture
def recipe_file(make_data, tmp_path: Path) -> Path:
    path = tmp_path / "tiny.yaml"
    path.write_text(yaml.safe_dump(make_data().recipe.model_dump(mode="json")))
    return path


def options(**changes: object) -> GenerateOptions:
    values: dict = {"count": COUNT, "likelihood": 2, "sampling": Sampling(device="cpu")}
    return GenerateOptions(**values | changes)


def as_flow(model):
    """Return a diffusion model whose card says that it is a rectified flow."""
    own = model.card.inference
    generation = own.generation.model_copy(update={"sampler": "euler"})
    update = {"prediction_type": "flow", "schedule": "straight", "generation": generation}
    inference = own.model_copy(update=update)
    card = model.card.model_copy(update={"name": "tiny-flow", "inference": inference})
    return dataclasses.replace(model, card=card)


def test_every_family_is_measured_beside_real_images_and_noise(make_generator, make_data) -> None:
    models = [make_generator(kind) for kind in ("diffusion", "vae", "gan")]
    models.append(as_flow(models[0]))
    report = evaluate_generate(models, make_data(), options())
    table = report.comparison().set_index("figure")
    names = [model.card.name for model in models]
    assert list(table) == [*names, "real images", "noise"]
    assert np.isfinite(table.loc["Fréchet distance"]).all()
    # only a diffusion model of pixels has a likelihood, and no rectified flow
    assert np.isfinite(table.loc["bits/dim"]).tolist() == [True] + [False] * 5
    assert table.loc["bits/dim, standard error", "tiny-diffusion"] > 0
    assert table.loc["Fréchet distance", "real images"] < table.loc["Fréchet distance", "noise"]
    # random weights: anything but nuclei
    for name in names:
        assert not report.passes(name)
        assert "WARNING: nearer to noise" in report.verdicts[name]


class Cheat:
    """Stands for a perfect generator: gives images of its own choice."""

    def __init__(self, images: np.ndarray) -> None:
        self.images = images

    def __call__(self, model, real, sampling, progress):
        return self.images.copy(), np.empty((len(self.images), 0))


def test_a_model_that_gives_back_its_training_images_is_found_out(
    make_generator, make_data, monkeypatch
) -> None:
    data = make_data()
    monkeypatch.setattr("napari_cytosynth.training.generate.evaluate.run._MOST_TRAINING", 40)
    copies = unit_range(data.crops("train", 40).images)[-COUNT:]
    monkeypatch.setattr(
        "napari_cytosynth.training.generate.evaluate.run.sample_like", Cheat(copies[..., ::-1])
    )
    report = evaluate_generate([make_generator("vae")], data, options())
    assert report.passes("tiny-vae")
    assert "Nearer to real images than to noise." in report.verdicts["tiny-vae"]
    assert "by pixels 100.0% of its images lie nearer" in report.verdicts["tiny-vae"]


def test_pairs_are_judged_by_the_fraction_that_was_asked_for(make_generator, make_data) -> None:
    data = make_data(mask="mask", channels=["EM"], condition_on_fraction=True)
    report = evaluate_generate([make_generator("pairs")], data, options())
    figures = report.models["tiny-pairs"].figures
    assert 0 <= figures["mean |foreground fraction asked − found|"] <= 1
    assert "mask area distance" in figures
    assert "spectrum distance, mask" not in figures
    assert report.models["tiny-pairs"].found.masks is not None


def test_what_does_not_belong_together_is_refused(make_generator, make_data, make_model) -> None:
    data = make_data()
    with pytest.raises(InputError, match="do not belong together"):
        evaluate_generate([make_generator("latent")], data, options())
    with pytest.raises(InputError, match="no generator"):
        evaluate_generate([make_model()], data, options())
    twice = [make_generator("vae")] * 2
    for models in ([], twice):
        with pytest.raises(InputError, match="none twice"):
            evaluate_generate(models, data, options())
    with pytest.raises(InputError, match="--recipe"):
        data_of([make_generator("vae")], Path("nowhere"))
    model = make_generator("vae")
    told = model.card.training.model_copy(update={"recipe": "mine"})
    own = dataclasses.replace(model, card=model.card.model_copy(update={"training": told}))
    with pytest.raises(InputError, match=r"--recipe, for example runs/mine/recipe\.yaml"):
        data_of([own], Path("nowhere"))
    with pytest.raises(InputError, match="not a recipe of a generator"):
        data_of([make_generator("vae")], Path("nowhere"), "fluo-nuclei-unet")


def test_it_can_be_cancelled(make_generator, make_data) -> None:
    def stop(done: int, total: int, message: str) -> None:
        assert total == COUNT
        if done >= COUNT // 2:
            raise Cancelled

    with pytest.raises(Cancelled):
        evaluate_generate([make_generator()], make_data(), options(), progress=stop)


def run(*words: object) -> int:
    return main(["evaluate", "generate", *map(str, words)])


def test_command_writes_tables_figures_and_the_card(
    tiny_generator, recipe_file: Path, blobs_folder: Path, tmp_path: Path, capsys
) -> None:
    folder, out = tiny_generator("diffusion"), tmp_path / "out"
    words = [folder, "--data-dir", blobs_folder, "--recipe", recipe_file, "--count", COUNT]
    words += ["--likelihood", 2, "--device", "cpu"]
    assert run(*words, "--out", out, "--update-card", "blobs, test") == 0
    printed = capsys.readouterr().out
    assert "tiny-diffusion: WARNING: nearer to noise" in printed
    assert f"{COUNT} images of each kind, seeds from 0" in printed
    assert {path.name for path in out.iterdir()} == {
        "table.csv",
        "metrics.json",
        "figures.pdf",
        "generated-tiny-diffusion.png",
        "nearest-tiny-diffusion.png",
        "comparison.png",
        "statistics.png",
    }
    table = pd.read_csv(out / "table.csv", index_col="figure")
    record = json.loads((out / "metrics.json").read_text())
    assert record["baselines"]["noise"]["Fréchet distance"] == pytest.approx(
        table.loc["Fréchet distance", "noise"]
    )
    assert str(tmp_path) not in (out / "metrics.json").read_text()
    assert record["command"].startswith("cytosynth evaluate generate tiny-diffusion --data-dir")
    assert "--recipe tiny.yaml --count 12" in record["command"]

    card = read_card(folder)
    named = {metric.name: metric.value for metric in card.metrics}
    assert named["Fréchet distance of matched noise"] == pytest.approx(
        table.loc["Fréchet distance", "noise"], rel=1e-3
    )
    generation = card.inference.generation
    assert generation is not None
    assert generation.encoder == "nuclei-encoder"
    assert sorted(generation.real_distances) == list(generation.real_distances)
    load_network(folder)


def test_the_model_then_carries_what_tells_copies(
    tiny_generator, make_data, tmp_path: Path
) -> None:
    folder, data = tiny_generator("vae"), make_data()
    report = evaluate_generate([load_model(folder)], data, options())
    report.update_card("tiny-vae", folder, "blobs, test", "cytosynth …")
    reference = Reference.from_tensors(read_reference(folder))
    assert reference is not None
    assert reference.embeddings.shape == (2000, 32)
    training = data.crops("train", 2000)
    np.testing.assert_array_equal(reference.index, training.index)
    features = load_features().embed(unit_range(training.images[40:42]))
    distance, nearest = reference.nearest(features)
    generation = read_card(folder).inference.generation
    assert generation is not None
    assert nearest.tolist() == [40, 41]
    assert distance.max() < generation.real_distances[0]


def test_a_segmenters_features_get_on_no_card_that_means_others(
    tiny_generator, make_data, tmp_path: Path
) -> None:
    folder, data = tiny_generator("vae"), make_data()
    before = (folder / "config.json").read_bytes()
    chosen = dataclasses.replace(options(), extractor="fluo-nuclei-unet")
    report = evaluate_generate([load_model(folder)], data, chosen)
    assert report.extractor == "fluo-nuclei-unet"  # to measure with it is the user's choice
    with pytest.raises(InputError, match="means “nuclei-encoder”"):
        report.update_card("tiny-vae", folder, "blobs, test", "cytosynth …")
    assert (folder / "config.json").read_bytes() == before


def test_command_refuses_before_it_runs(
    tiny_generator, recipe_file: Path, blobs_folder: Path, tmp_path: Path, capsys
) -> None:
    words = ["--data-dir", blobs_folder, "--recipe", recipe_file, "--update-card", "x"]
    assert run("nuclei-vae", *words) != 0
    assert "--update-card needs the folder" in capsys.readouterr().err
    assert run(tiny_generator("vae"), *words, "--extractor", "inception.pt") != 0
    assert "not one of the known models" in capsys.readouterr().err
    for name in ("fluo-nuclei-unet", "phase-cells-unet"):
        assert run(tiny_generator("vae"), *words, "--extractor", name) != 0
        assert "may be trained again" in capsys.readouterr().err
