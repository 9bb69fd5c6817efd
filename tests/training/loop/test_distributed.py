"""Two processes under torchrun, beside one process whose batches are twice as large.

What two processes learn equals what one learns to rounding, if every image counts for itself. It
does not with BatchNorm on a CPU (on GPUs its statistics are shared), with dropout, with the latents
that an autoencoder draws, and with the soft IoU, which pools a batch.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml

from napari_cytosynth.errors import RecipeError
from napari_cytosynth.training.loop.processes import check_processes, check_started
from napari_cytosynth.training.run.fit import train

# torchrun imports everything in four processes
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

SCRIPT = Path(__file__).with_name("torchrun_jobs.py")
EXACT = {"optimiser": "sgd", "learning_rate": 0.05, "max_epochs": 2}  # Adam magnifies rounding
BOTH = {"coarse_share": 0, "frozen_share": 0}
SMOOTH = {"width": 4, "downsamplings": 1, "global_blocks": 1, "local_blocks": 1, "norm": "instance"}


ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "CUDA_VISIBLE_DEVICES": "",
    # as the cluster's files do: those started again must not find the addresses of the dead
    "TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1",
}


def launch(jobs, folder, restarts=1):
    listed = folder / "jobs.json"
    listed.write_text(json.dumps(jobs))
    options = ["--standalone", "--nproc-per-node=2", f"--max-restarts={restarts}"]
    options.append("--monitor-interval=0.1")
    return subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", *options, str(SCRIPT), str(listed)],
        env={**os.environ, **ENVIRONMENT},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def recipes(make_recipe, make_stain_recipe, make_generate_recipe):
    """Recipes of one process."""
    generator = {"learning_rate": 0.01, "max_epochs": 2}
    in_rounds = {"rounds": [{"train.learning_rate": 0.02}]}
    return {
        "diffusion": make_generate_recipe("diffusion", train={**EXACT, "accumulate": 2}),
        "pix2pixhd": make_stain_recipe(
            adversarial=BOTH, network={"arguments": SMOOTH}, train={**EXACT, "accumulate": 2}
        ),
        "phases": make_stain_recipe(
            adversarial={"coarse_share": 0.3, "frozen_share": 0.3}, train={"max_epochs": 3}
        ),
        "gan": make_generate_recipe("gan", train=generator),
        "latent": make_generate_recipe("latent", train=generator).model_copy(update=in_rounds),
        "unet": make_recipe("labels", monitor="score", revert_after=1, max_epochs=3),
    }


@pytest.fixture(scope="module")
def folders(nuclei_folder, pair_folder, generator_folder):
    """Data of each recipe."""
    pairs = dict.fromkeys(("pix2pixhd", "phases"), pair_folder)
    return {"unet": nuclei_folder, **pairs, **dict.fromkeys(GENERATORS, generator_folder)}


GENERATORS = ("diffusion", "gan", "latent")


@pytest.fixture(scope="module")
def runs(recipes, folders, tmp_path_factory):
    """Run folders of two processes by name; that of “killed” is a run like “diffusion”."""
    folder = tmp_path_factory.mktemp("torchrun")
    jobs = []
    for name in ("killed", *recipes):
        kind = "diffusion" if name == "killed" else name
        half = recipes[kind].model_dump(mode="json")
        for part in (half, half.get("autoencoder") or {"train": {"batch_size": 4}}):
            part["train"]["batch_size"] //= 2
        half["train"]["devices"] = 2
        half["name"] = name
        written = folder / f"{name}.yaml"
        written.write_text(yaml.safe_dump(half))
        jobs.append(
            {
                "recipe": str(written),
                "data_dir": str(folders[kind]),
                "out": str(folder / name),
                "killed": name == "killed",
            }
        )
    result = launch(jobs, folder)
    assert result.returncode == 0, result.stderr[-4000:]
    return folder, result


def states(folder, name):
    """What both processes held in the end."""
    return [torch.load(folder / name / f"{name}-{rank}.pt") for rank in (0, 1)]


def distance(some, others):
    return max(float((some[key].double() - others[key].double()).abs().max()) for key in some)


@pytest.mark.parametrize("name", ["diffusion", "pix2pixhd"])
def test_two_processes_learn_what_one_learns_from_batches_twice_as_large(
    name, recipes, folders, runs, tmp_path
):
    train(recipes[name], folders[name], tmp_path, stop_at_epoch=1)
    start = torch.load(tmp_path / "last.ckpt", weights_only=True)["state_dict"]
    train(recipes[name], folders[name], tmp_path, resume=True)
    checkpoint = torch.load(tmp_path / "last.ckpt", weights_only=True)
    both, _ = states(runs[0], name)
    learned = distance(start, checkpoint["state_dict"])
    assert learned > 1e-3
    assert distance(checkpoint["state_dict"], both["weights"]) < 1e-4 * learned
    average = checkpoint["callbacks"]["ExponentialAverage"]["average"]
    assert distance(average, both["average"]) < 1e-4 * learned
    chosen = [json.loads((f / "validation.json").read_text()) for f in (tmp_path, runs[0] / name)]
    assert chosen[0]["steps"] == chosen[1]["steps"]


@pytest.mark.parametrize("name", ["diffusion", "pix2pixhd", "phases", "gan", "latent", "unet"])
def test_both_processes_hold_the_same_weights_and_averages(name, runs):
    first, second = states(runs[0], name)
    # without SyncBatchNorm, statistics are of one's own part until the next batch
    learnt = [
        {k: v for k, v in s["weights"].items() if "running_" not in k} for s in (first, second)
    ]
    assert distance(*learnt) == 0
    assert distance(first["average"], second["average"]) == 0


@pytest.mark.parametrize("name", ["killed", "diffusion", "phases", "gan", "latent", "unet"])
def test_one_process_writes_the_run_folder_and_the_model(name, runs, weights_of):
    out = runs[0] / name
    assert torch.isfinite(weights_of(out / name)).all()
    facts = json.loads((out / "run.json").read_text())
    assert {"python", "torch", "lightning", "seed", "data_sha256"} <= set(facts)
    assert yaml.safe_load((out / "recipe.yaml").read_text())["train"]["devices"] == 2
    assert {"last.ckpt", "best.pt", "validation.json"} <= {path.name for path in out.iterdir()}
    versions = 2 if name == "killed" else 1
    assert len(list((out / "csv").iterdir())) == versions
    assert len(list((out / "tensorboard").glob("events*"))) == versions
    assert runs[1].stdout.count(f"Model written to {out / name}\n") == 1


@pytest.mark.parametrize("name", ["killed", "diffusion", "phases", "gan", "latent", "unet"])
def test_no_process_leaves_before_the_model_is_there(name, runs):
    saw = [(runs[0] / name / f"saw-the-model-{rank}").read_text() for rank in (0, 1)]
    assert saw == ["True", "True"]


def test_a_killed_run_that_torchrun_starts_again_ends_as_an_unbroken_one(runs):
    folder, result = runs
    assert "exitcode: -9" in result.stderr
    (killed, _), (unbroken, _) = states(folder, "killed"), states(folder, "diffusion")
    for part in ("weights", "average"):
        assert killed[part].keys() == unbroken[part].keys()
        assert distance(killed[part], unbroken[part]) == 0


def test_all_processes_leave_with_a_sentence_where_the_model_cannot_be_written(
    recipes, folders, tmp_path
):
    half = recipes["diffusion"].model_dump(mode="json")
    half["train"] |= {"devices": 2, "batch_size": 2, "max_epochs": 1, "validate_every": 1}
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(half | {"name": "mine"}))
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "mine").touch()  # a file where the model's folder should be
    job = {"recipe": "mine.yaml", "data_dir": "diffusion", "out": "run"}
    job = {key: str(tmp_path / name) for key, name in job.items()} | {"killed": False}
    # a second try would import everything again, to end the same way
    result = launch([job | {"data_dir": str(folders["diffusion"])}], tmp_path, restarts=0)
    assert result.returncode == 1
    assert "cannot be saved" in result.stderr
    assert "The first process could not end the round; it says why." in result.stderr
    assert "Connection closed" not in result.stderr


def test_a_recipe_for_other_processes_than_torchruns_is_refused(recipes, monkeypatch):
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "here")
    monkeypatch.setenv("WORLD_SIZE", "2")
    plan = recipes["unet"].train
    with pytest.raises(RecipeError, match=r"has started 2 processes, but .* for 1 \("):
        check_started(plan)
    check_started(plan.model_copy(update={"num_nodes": 2}))
    with pytest.raises(RecipeError, match="too short for 2 processes"):
        check_processes(plan.model_copy(update={"devices": 2}), 1)
