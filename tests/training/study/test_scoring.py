from __future__ import annotations

import numpy as np
import pytest
import yaml

from napari_cytosynth.errors import RecipeError
from napari_cytosynth.training.generate.evaluate.scores import FRECHET, KERNEL
from napari_cytosynth.training.run.fit import train
from napari_cytosynth.training.study.score_names import Score, check_scores, direction_of, measures
from napari_cytosynth.training.study.scoring import score_run
from napari_cytosynth.training.study.study import Study, load_study
from napari_cytosynth.training.tasks import task_of


@pytest.fixture
def score(tmp_path):
    """Return a function that trains a recipe for an epoch and scores it by some figures."""

    def run(recipe, data_dir, *names, **changes):
        (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(recipe.model_dump(mode="json")))
        values = {
            "name": "study",
            "recipe": "tiny.yaml",
            "set": {"train.max_epochs": 1},
            "vary": {"train.ema": [0.5]},
            "scores": [{"name": name} for name in names],
            "count": 8,
            "likelihood": 2,
        }
        (tmp_path / "study.yaml").write_text(yaml.safe_dump(values | changes))
        study = load_study(str(tmp_path / "study.yaml"))
        used = study.check()
        task_of(used).check_part(used, data_dir, study.part)
        model = train(used, data_dir, tmp_path / "run")
        found = score_run(study, used, model, data_dir)
        # what a study may ask for is what an evaluation finds
        assert {*measures(used, study.likelihood)} == {*found.figures}
        return found

    return run


def test_a_diffusion_model_is_scored_beside_real_images_and_noise(
    score, make_generate_recipe, generator_folder
) -> None:
    found = score(make_generate_recipe("diffusion"), generator_folder, FRECHET, KERNEL, "bits/dim")
    assert found.images == 8
    assert np.isfinite([found.figures[name] for name in (FRECHET, KERNEL, "bits/dim")]).all()
    assert found.baselines["real images"][FRECHET] < found.baselines["noise"][FRECHET]


def test_a_maker_of_masks_is_scored_by_them_too(
    score, make_generate_recipe, generator_folder
) -> None:
    told = {"mask": "mask", "condition_on_fraction": True}
    names = (FRECHET, "mask area distance", "mean |fraction asked − found|")
    found = score(make_generate_recipe(data=told), generator_folder, *names, likelihood=0)
    assert np.isfinite([found.figures[name] for name in names]).all()


def test_a_stainer_is_scored_by_the_mean_and_by_each_stain(
    score, make_stain_recipe, pair_folder
) -> None:
    found = score(make_stain_recipe(), pair_folder, "PCC", "NRMSE", "SSIM, mean per image")
    assert found.images == 1
    figures = found.figures
    assert figures["PCC"] == pytest.approx((figures["DNA: PCC"] + figures["AGP: PCC"]) / 2)


def test_a_segmenter_is_scored_on_its_validation_images(score, make_recipe, nuclei_folder) -> None:
    found = score(make_recipe("labels"), nuclei_folder, "foreground IoU", "AP@0.5")
    assert found.images == 1
    assert 0 <= found.figures["foreground IoU"] <= 1


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Frechet distance", "did you mean “Fréchet distance”"),
        ("FID", "“FID” is not measured. Scores of .* are Fréchet distance, kernel distance,"),
        ("PCC", "“PCC” is not measured"),
        ("bits/dim", "only diffusion models of pixels have it"),
    ],
)
def test_a_score_that_is_not_measured_is_told_before_any_training(name, words) -> None:
    tree = {"name": "mine", "recipe": "nuclei-vae", "vary": {"train.ema": [0.5]}}
    scores = [{"name": "coverage"}, {"name": name, "direction": direction_of(name) or "minimize"}]
    with pytest.raises(RecipeError, match=words):
        Study.model_validate(tree | {"scores": scores}).check()


def test_a_rectified_flow_has_no_bits_per_dimension() -> None:
    tree = {"name": "mine", "recipe": "nuclei-ddpm", "vary": {"train.ema": [0.5]}}
    tree["set"] = {"objective.prediction": "flow"}
    scores = [{"name": "bits/dim", "direction": "minimize"}]
    with pytest.raises(RecipeError, match="and rectified flows do not"):
        Study.model_validate(tree | {"scores": scores}).check()


def test_each_stain_may_be_a_score_of_its_own(make_stain_recipe) -> None:
    recipe = make_stain_recipe()
    check_scores([Score.model_validate({"name": "DNA: PCC"})], recipe, 0)
    with pytest.raises(RecipeError, match="did you mean “DNA: PCC”"):
        check_scores([Score.model_validate({"name": "DNS: PCC"})], recipe, 0)


def test_scores_know_which_way_is_better() -> None:
    names = ["foreground IoU", "DNA: PCC", "MAE", "spectrum distance, DNA", "AP@0.75", "bits/dim"]
    found = [Score.model_validate({"name": name}).direction for name in names]
    assert found == ["maximize", "maximize", "minimize", "minimize", "maximize", "minimize"]


@pytest.mark.parametrize(
    ("score", "words"),
    [
        ({"name": "foreground IoU", "direction": "minimize"}, "more of “foreground IoU” is better"),
        ({"name": "DNA: NRMSE", "direction": "maximize"}, "less of “DNA: NRMSE” is better"),
        ({"name": "foregroundIoU"}, "did you mean “foreground IoU”"),
        ({"name": "true objects"}, "say whether more or less"),
    ],
)
def test_a_score_that_would_recommend_the_worst_is_refused(score, words, tmp_path) -> None:
    tree = {"name": "mine", "recipe": "nuclei-vae", "vary": {"train.ema": [0.5]}}
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(tree | {"scores": [score]}))
    with pytest.raises(RecipeError, match=words):
        load_study(str(tmp_path / "mine.yaml"))


def test_without_images_of_the_part_nothing_is_trained(
    make_generate_recipe,
    make_stain_recipe,
    make_recipe,
    generator_folder,
    pair_folder,
    nuclei_folder,
) -> None:
    for recipe, folder in (
        (make_generate_recipe(), generator_folder),
        (make_stain_recipe(), pair_folder),
        (make_recipe(), nuclei_folder),
    ):
        task_of(recipe).check_part(recipe, folder, "validation")
        with pytest.raises(RecipeError, match="to test"):
            task_of(recipe).check_part(recipe, folder, "test")
