from __future__ import annotations

import pytest
import yaml

from napari_cytosynth.errors import RecipeError
from napari_cytosynth.training.study.study import Study, list_studies, load_study
from napari_cytosynth.training.tasks import load_recipe

BASE = {
    "name": "widths",
    "recipe": "nuclei-vae",
    "vary": {
        "network.arguments.latent": [8, 16],
        "network.arguments.widths": {"narrow": [8, 16], "wide": [16, 32]},
    },
    "scores": [{"name": "Fréchet distance"}],
}


CROPS = {"network.arguments.latent": [8], "data.crop_size": [32, 30]}


@pytest.fixture
def study_file(tmp_path):
    def write(**changes):
        path = tmp_path / "study.yaml"
        path.write_text(yaml.safe_dump(BASE | changes))
        return str(path)

    return write


@pytest.mark.parametrize("name", list_studies())
def test_a_shipped_study_asks_a_question_that_its_recipe_can_answer(name) -> None:
    study = load_study(name)
    assert study.name == name
    assert study.question.endswith("?")
    assert len(study.seeds) >= 3
    if study.kind != "augmentation":
        study.check()
        assert study.part == "validation"  # a study never tunes on the test part


def test_the_grid_has_every_combination_under_readable_names() -> None:
    study = Study.model_validate(BASE)
    arms = [study.arm(pick) for pick in study.grid()]
    assert [arm.folder for arm in arms] == [
        "latent-8_widths-narrow",
        "latent-8_widths-wide",
        "latent-16_widths-narrow",
        "latent-16_widths-wide",
    ]
    recipe = study.recipe_of(arms[1], seed=7)
    assert recipe.network.arguments == {"latent": 8, "widths": [16, 32]}
    assert recipe.train.seed == 7
    assert str(arms[1]) == "latent 8, widths wide"


def test_settings_of_one_ending_get_longer_names_and_long_names_a_shorter_folder() -> None:
    keys = {"data.crop_size": [32, 64], "autoencoder.crop_size": [32, 64]}
    study = Study.model_validate(BASE | {"vary": keys})
    assert list(study.factors.values()) == ["data crop_size", "autoencoder crop_size"]
    many = Study.model_validate(
        BASE | {"vary": {f"train.setting{k}": ["x" * 20] for k in range(9)}}
    )
    folder = many.arm(many.grid()[0]).folder
    assert len(folder) < 100
    assert "/" not in folder


def test_settings_are_never_called_like_what_stands_beside_them() -> None:
    keys = ["train.precision", "data.images", "network.arguments.latent"]
    study = Study.model_validate(BASE | {"vary": {key: [1, 2] for key in keys}})
    assert list(study.factors.values()) == ["train precision", "data images", "latent"]


FIRST = {
    "ddpm-schedule-attention": "schedule-linear_attention-none",
    "ddpm-rectified-flow": "prediction-v_prediction",
    "pix2pixhd-width-loss": "width-4_adversarial-0.1_feature_matching-0",
    "vae-latent-width": "latent-8_widths-narrow",
    "wgan-latent-width": "latent-8_widths-narrow",
}


@pytest.mark.parametrize("name", FIRST)
def test_the_folders_of_shipped_studies_keep_their_names(name) -> None:
    study = load_study(name)
    assert study.arm(study.grid()[0]).folder == FIRST[name]


def test_the_sign_of_a_value_is_part_of_its_folder() -> None:
    study = Study.model_validate(BASE | {"vary": {"objective.beta": [-1, 1]}})
    assert [study.arm(pick).folder for pick in study.grid()] == ["beta--1", "beta-1"]


def test_a_search_plans_no_more_than_there_is_to_try() -> None:
    search = BASE | {"sampler": "tpe", "trials": 20}
    assert Study.model_validate(search).planned == 4
    whole = {"train.batch_size": {"low": 2, "high": 4}, "train.scheduler": ["cosine", "constant"]}
    assert Study.model_validate(search | {"vary": whole}).planned == 6
    real = whole | {"train.ema": {"low": 0.1, "high": 0.9}}
    assert Study.model_validate(search | {"vary": real}).planned == 20


def test_what_is_set_may_be_varied_instead(study_file) -> None:
    path = study_file(set={"train": {"ema": 0.5, "max_epochs": 2}})
    study = load_study(path, ["vary.train.ema=[0.5,0.9]"])
    assert study.set == {"train.max_epochs": 2}
    assert "train.ema" in study.vary


def test_assignments_change_the_study_or_the_recipe(study_file) -> None:
    words = ["seeds=[3]", "train.max_epochs=2", "vary.network.arguments.latent=[4]"]
    study = load_study(study_file(set={"train.batch_size": 4}), words)
    assert study.seeds == [3]
    assert study.set == {"train.batch_size": 4, "train.max_epochs": 2}
    assert study.planned == 2
    full = load_study(study_file(set={"train.batch_size": 4}), ["set={}", "train.ema=0.9"])
    assert full.set == {"train.ema": 0.9}


def test_a_block_of_settings_changes_those_that_it_names_and_no_others(study_file) -> None:
    blocks = {"train": {"max_epochs": 2, "ema": 0.5}, "network": {"arguments": {"depth": 2}}}
    dots = {"train.max_epochs": 2, "train.ema": 0.5, "network.arguments.depth": 2}
    studies = [load_study(study_file(set=spelling)) for spelling in (blocks, dots)]
    assert studies[0] == studies[1]
    study = load_study(study_file(set={"train": blocks["train"]}))
    recipe = study.recipe_of(study.arm(study.grid()[0]), 0)
    shipped = load_recipe("nuclei-vae")
    assert recipe.train == shipped.train.model_copy(update={"max_epochs": 2, "ema": 0.5})
    # a key with dots names its value as it is
    whole = {"network.arguments": {"widths": [8, 16]}}
    assert load_study(study_file(set=whole)).set == whole


def test_an_assignment_changes_one_setting_of_a_block(study_file) -> None:
    path = study_file(set={"train": {"max_epochs": 2, "ema": 0.5}})
    assert load_study(path, ["train.ema=0.9"]).set == {"train.max_epochs": 2, "train.ema": 0.9}
    assert load_study(path, ["train={ema: 0.9}"]).set == {
        "train.max_epochs": 2,
        "train.ema": 0.9,
    }
    with pytest.raises(RecipeError, match="should be a block of settings"):
        load_study(study_file(set=[1]), ["train.ema=0.9"])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"colour": "red"}, "colour"),
        ({"vary": {}}, "something to vary"),
        ({"vary": {"train.ema": []}}, "no values"),
        ({"set": {"network.arguments.latent": 3}}, "both set and varied"),
        ({"set": {"train.seed": 3}}, "follows from seeds"),
        ({"seeds": [1, 1]}, "seeds must be different"),
        ({"sampler": "tpe"}, "number of trials"),
        ({"vary": {"train.ema": {"low": 0.1, "high": 0.9}}}, "a range is for random"),
        ({"sampler": "tpe", "trials": 2, "vary": {"train.ema": {"low": 1, "high": 0}}}, "below"),
        (
            {"sampler": "random", "trials": 2, "vary": {"train.ema": {"low": 0.1, "hgh": 0.9}}},
            r"train\.ema is no valid range .*hgh: there is no such setting",
        ),
        ({"sampler": "tpe", "trials": 2, "vary": {"train.ema": {"log": True}}}, "no valid range"),
        ({"set": {"train": {"seed": 3}}}, "follows from seeds"),
        ({"trials": 5}, "a grid tries everything"),
        ({"scores": BASE["scores"] * 2}, "“Fréchet distance” is named twice"),
        ({"vary": {"train.ema": [0.5, 0.5]}}, "two values called “0.5”: give them names"),
        ({"vary": {"train.ema": [1, "1"]}}, "two values called “1”"),
        ({"vary": {"train.ema": {"<8": 0.1, ">8": 0.2}}}, "“<8” and “>8” of .* share a folder"),
        ({"vary": {"train.ema": {"Full": 0.1, "full": 0.2}}}, "would share a folder"),
        ({"vary": {"train.a": ["x", "x_b-1"], "train.b": ["1_b-1", "1"]}}, "share the folder"),
        ({"kind": "augmentation"}, "no use for vary, scores"),
    ],
)
def test_what_cannot_work_is_said_before_any_work(changes, words, study_file) -> None:
    with pytest.raises(RecipeError, match=words):
        load_study(study_file(**changes))


def test_impossible_settings_of_any_arm_are_said_before_any_work(study_file) -> None:
    with pytest.raises(RecipeError, match=r"train\.ema"):
        load_study(study_file(vary={"train.ema": [0.5, 2]})).check()
    with pytest.raises(RecipeError, match="depth"):
        load_study(study_file(set={"train.depth": 2})).check()
    with pytest.raises(RecipeError, match=r"“crop_size 30, latent 8” cannot be trained: .*30 px"):
        load_study(study_file(vary=CROPS)).check()
    with pytest.raises(RecipeError, match="“train” is a block of settings"):
        load_study(study_file(vary={"train": {"ema": [0.5, 0.9]}})).check()
    with pytest.raises(RecipeError, match="start the command several times"):
        load_study(study_file(set={"train.devices": 2})).check()
    with pytest.raises(RecipeError, match="no study called"):
        load_study("no-such-study")


def test_a_recipe_beside_the_study_is_found(study_file, tmp_path) -> None:
    (tmp_path / "mine.yaml").write_text("name: mine\n")
    assert load_study(study_file(recipe="mine.yaml")).recipe == str(tmp_path / "mine.yaml")
