"""What cannot be trained is refused with a sentence, before any image is read."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

from napari_cytosynth.errors import RecipeError
from napari_cytosynth.training.cli import main
from napari_cytosynth.training.recipe.base import TrainRecipe
from napari_cytosynth.training.recipe.files import list_recipes
from napari_cytosynth.training.run.fit import train
from napari_cytosynth.training.run.recipe_check import check_machine, check_recipe
from napari_cytosynth.training.segment.recipe import SegmentRecipe
from napari_cytosynth.training.tasks import load_recipe


@pytest.mark.parametrize("name", [name for name in list_recipes() if "-full" not in name])
def test_every_shipped_recipe_can_be_trained(name):
    check_recipe(load_recipe(name))


PAGE = Path(__file__).parents[3] / "docs" / "own-data.md"


@pytest.mark.skipif(not PAGE.exists(), reason="the documentation is not part of the package")
def test_the_recipes_of_the_how_to_can_be_trained(tmp_path):
    recipes = re.findall(r"```yaml\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    for text in recipes:
        (tmp_path / "mine.yaml").write_text(text, "utf-8")
        check_recipe(load_recipe(str(tmp_path / "mine.yaml")))
    assert len(recipes) == 3


@pytest.mark.parametrize(
    ("name", "override", "says"),
    [
        ("fluo-nuclei-unet", "data.crop_size=190", "multiple of 16 .* 176 or 192"),
        ("fluo-nuclei-unet", "network.arguments={width: [4]}", "Is “widths” meant"),
        ("fluo-nuclei-unet", "network.arguments={widths: []}", "widths must be positive"),
        ("fluo-nuclei-unet", "network.arguments.in_channels=3", "follows from the block data"),
        (
            "fluo-nuclei-unet",
            "network.architecture=ONNX; network.arguments={}",
            "no weights to be trained",
        ),
        ("fluo-nuclei-unet", "network.architecture=VNet", "no network.architecture “VNet”"),
        ("fluo-nuclei-unet", "train.validate_every=70", "60 epochs, and a validation after every"),
        ("fluo-nuclei-unet", "data.normalisation={low: 99, high: 1}", "low must lie below high"),
        ("fluo-nuclei-unet", "data.augment.scale=[0, 0]", "largest magnification"),
        ("fluo-nuclei-unet", "name=mine/first", r"at most 100 letters \(A-Z\), digits"),
        ("phantom-phase-unet", "data.crop_size=100", "multiple of 16"),
        ("phantom-phase-pix2pixhd", "data.crop_size=260", "multiple of 8"),
        (
            "phantom-phase-pix2pixhd",
            "train.max_epochs=3; adversarial.coarse_share=0.7",
            "coarse half would train alone",
        ),
        ("phantom-phase-pix2pixhd", "adversarial.scales=9", "too many for a crop of 256 px"),
        ("nuclei-ddpm", "data.crop_size=66", "multiple of 8 .* 64 or 72"),
        ("nuclei-vae", "data.crop_size=66", "66 px cannot be halved"),
        ("nuclei-wgan", "objective.critic_widths=[4, 4, 4, 4, 4, 4, 4]", "halved 7 times"),
        ("fluo-nuclei-unet", "name=last.ckpt", "has a “last.ckpt” beside the model"),
        ("fluo-nuclei-unet", "name=Run.lock", "has a “Run.lock” beside the model"),
        ("fluo-nuclei-unet", "name=round-1", "has a “round-1” beside the model"),
        ("fluo-nuclei-unet", "data.augment.blur=90", "too much for a crop of"),
        ("fluo-nuclei-unet", "data.augment.elastic=100000", "would be made from 200,"),
        ("fluo-nuclei-unet", "data.augment.scale=[0.0001, 1]", "would be made from [23],"),
        ("fluo-nuclei-unet", "data.crop_size=100000", "less than or equal to 8192"),
        ("fluo-nuclei-unet", "data.crops_per_epoch=1000000000000", "less than or equal to"),
        ("nuclei-vae", "network.arguments.widths=[]", "network.arguments of BetaVAE"),
        ("nuclei-vae", "network.arguments.widths={a: 1}", "do not make a network"),
        ("nuclei-vae", "network.arguments.latent=-1", "do not make a network"),
        ("em-ldm", "network.arguments.autoencoder=null", "autoencoder should be a block"),
        ("em-ldm", "network.arguments.autoencoder.groups=0", "do not make a network"),
        ("em-ldm", "network.arguments.autoencoder.latent_channels=-1", "do not make a network"),
        ("em-ldm", "data.crop_size=250", "data.crop_size is 250"),
        ("em-ldm", "autoencoder.crop_size=61", "block autoencoder: data.crop_size is 61"),
    ],
)
def test_what_cannot_work_is_said_in_a_sentence(name, override, says):
    with pytest.raises(RecipeError, match=says):
        check_recipe(load_recipe(name, override.split("; ")))


def test_the_random_numbers_of_a_run_are_left_alone():
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    check_recipe(load_recipe("nuclei-ddpm"))
    assert torch.equal(torch.rand(3), expected)


def test_a_missing_device_is_named(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(RecipeError, match="no such device on this machine"):
        check_machine(TrainRecipe(accelerator="cuda"))
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(RecipeError, match="this machine has 2"):
        check_machine(TrainRecipe(devices=4))
    check_machine(TrainRecipe(accelerator="cpu", devices=4))


def test_the_command_refuses_before_it_looks_at_the_data(tmp_path, capsys):
    arguments = ["fluo-nuclei-unet", "--data-dir", str(tmp_path / "nowhere")]
    out = ["--out", str(tmp_path / "run"), "--set", "data.crop_size=190"]
    for more in ([], ["--check"]):
        assert main([*arguments, *out, *more]) == 1
        assert "multiple of 16" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_tiles_that_fit_into_no_image_are_refused(make_recipe, nuclei_folder, tmp_path):
    tree = make_recipe().model_dump()
    tree["data"] |= {"sampling": "tiles", "crop_size": 512}
    with pytest.raises(RecipeError, match="No training image is large enough for tiles"):
        train(SegmentRecipe.model_validate(tree), nuclei_folder, tmp_path / "run")


def test_images_too_small_for_the_denoiser_are_refused_before_the_autoencoder_trains(
    make_generate_recipe, generator_folder, tmp_path
):
    recipe = make_generate_recipe("latent", data={"crop_size": 128})
    with pytest.raises(RecipeError, match="smaller than a crop of 128 px"):
        train(recipe, generator_folder, tmp_path / "run")
    assert not (tmp_path / "run").exists()
