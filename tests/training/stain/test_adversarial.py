from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from napari_cytosynth.training.run.fit import train
from napari_cytosynth.training.stain.adversarial import AdversarialModule
from napari_cytosynth.zoo.model_files import load_network

# epoch 0: G1 alone; 1: G1 fixed; 2: both; 3: both, with fixed BatchNorm
PLAN = {"coarse_share": 0.25, "frozen_share": 0.25, "fixed_norm_share": 0.25}


@pytest.fixture(scope="module")
def recipe(make_stain_recipe):
    return make_stain_recipe(adversarial=PLAN, train={"max_epochs": 4}, loss={"ms_ssim": 0.5})


@pytest.fixture(scope="module")
def run(recipe, pair_folder, tmp_path_factory):
    """A run with all phases: (folder, model, tensors before and after each epoch)."""
    states = []

    def note(module):
        tensors = {**module.generator.state_dict(), **prefixed(module, "discriminator")}
        tensors |= prefixed(module, "coarse_head")
        states.append({key: value.detach().clone() for key, value in tensors.items()})

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(AdversarialModule, "on_train_start", note)
        patch.setattr(AdversarialModule, "on_train_epoch_end", note)
        out = tmp_path_factory.mktemp("adversarial") / "run"
        folder = train(recipe, pair_folder, out)
    return out, folder, states


def prefixed(module, name):
    return {f"{name}.{key}": value for key, value in getattr(module, name).state_dict().items()}


def changed(states, epoch):
    """Names of the tensors that an epoch changed, buffers too."""
    before, after = states[epoch], states[epoch + 1]
    return {key for key in before if not torch.equal(before[key], after[key])}


def part(states, *prefixes):
    return {key for key in states[0] if key.startswith(prefixes)}


def is_statistic(name):
    return name.endswith(("running_mean", "running_var", "num_batches_tracked"))


def test_first_the_global_generator_learns_alone(run):
    states = run[2]
    moved = changed(states, 0)
    assert moved <= part(states, "coarse.", "coarse_head.", "discriminator.")
    assert moved >= part(states, "coarse.", "coarse_head.")


def test_then_it_stays_fixed_with_its_statistics_while_the_enhancer_learns(run):
    states = run[2]
    moved = changed(states, 1)
    assert not moved & part(states, "coarse.", "coarse_head.")
    assert moved >= part(states, "first.", "down.", "blocks.", "up.", "head.")


def test_then_both_learn(run):
    states = run[2]
    expected = part(states, "coarse.", "first.", "down.", "blocks.", "up.", "head.")
    assert changed(states, 2) >= expected


def test_at_the_end_the_statistics_of_batchnorm_stay_fixed(run):
    states = run[2]
    moved = changed(states, 3)
    assert not any(is_statistic(name) for name in moved)
    assert moved >= {name for name in part(states, "coarse.", "first.") if not is_statistic(name)}


def test_statistics_that_gpus_share_stay_fixed_too(recipe):
    module = AdversarialModule(recipe, total_steps=4)
    module.network = nn.SyncBatchNorm.convert_sync_batchnorm(module.network)
    data = SimpleNamespace(dataset=SimpleNamespace(epoch=0))
    for epoch, fixed in ((2, False), (3, True)):
        module._trainer = SimpleNamespace(current_epoch=epoch, datamodule=data)
        module.train()
        module.on_train_epoch_start()
        norms = [part for part in module.network.modules() if isinstance(part, nn.SyncBatchNorm)]
        assert norms
        assert {part.training for part in norms} == {not fixed}


def test_the_discriminators_learn_in_every_phase(run):
    states = run[2]
    for epoch in range(4):
        moved = changed(states, epoch)
        for level in range(2):
            assert moved & part(states, f"discriminator.levels.{level}.")


def test_verdicts_all_loss_terms_and_panels_are_logged(run, logged):
    scalars, images = logged(run[0])
    terms = {"loss", "l1", "ms_ssim", "adversarial", "feature_matching", "discriminator"}
    verdicts = {"verdict_real", "verdict_virtual"}
    expected = {f"train/{name}" for name in terms | verdicts}
    expected |= {f"validation/{name}" for name in {"loss", "l1", "ms_ssim", "score"} | verdicts}
    assert expected <= set(scalars)
    # nothing to validate before the local enhancer has begun to learn
    assert len(scalars["validation/loss"]) == len(scalars["validation/verdict_real"]) == 3
    assert images == ["validation: input, real, virtual"]


def test_the_exported_model_says_how_it_was_trained(run, recipe):
    network, card = load_network(run[1])
    record = card.inference
    assert card.architecture == "Pix2PixHD"
    assert record.dropout == 0.2
    assert {m.p for m in network.modules() if isinstance(m, nn.Dropout2d)} == {0.2}
    assert len(record.output_scaling) == 2
    assert len(record.input_quantiles) == 9
    assert (record.norm, record.total_stride) == ("batch", 4)
    assert record.receptive_radius > 0
    with torch.inference_mode():
        assert torch.isfinite(network(torch.randn(1, 1, 16, 24))).all()
    # 4 batches in each of 4 epochs, although two optimisers step
    assert json.loads((run[0] / "validation.json").read_text())["steps"] == 16
    assert card.training.duration.endswith("16 optimiser steps")


def test_the_loss_falls(make_stain_recipe, pair_folder, tmp_path, logged):
    recipe = make_stain_recipe(
        adversarial={"coarse_share": 0.2, "frozen_share": 0.1}, train={"max_epochs": 10}
    )
    train(recipe, pair_folder, tmp_path / "run")
    scalars, _ = logged(tmp_path / "run")
    assert scalars["validation/l1"][-1] < 0.8 * scalars["validation/l1"][0]
    assert scalars["validation/score"][-1] > 0.5


@pytest.mark.parametrize("kept", [1, 3])
def test_a_resumed_run_ends_with_the_weights_of_an_unbroken_one(
    recipe, run, kept, pair_folder, tmp_path, weights_of
):
    train(recipe, pair_folder, tmp_path, stop_at_epoch=kept)  # after 1, nothing was validated yet
    torch.manual_seed(99)  # another process draws other numbers
    resumed = train(recipe, pair_folder, tmp_path, resume=True)
    assert torch.equal(weights_of(resumed), weights_of(run[1]))


def test_the_last_partial_accumulation_is_a_step_of_both(
    make_stain_recipe, pair_folder, tmp_path, monkeypatch
):
    recipe = make_stain_recipe(
        adversarial={"coarse_share": 0, "frozen_share": 0}, train={"max_epochs": 1, "accumulate": 3}
    )
    stepped = []
    advance = AdversarialModule._advance

    def note(module, optimiser, *networks):
        stepped.append(networks[0] is module.discriminator)
        assert any(p.grad is not None for p in networks[0].parameters())
        advance(module, optimiser, *networks)

    monkeypatch.setattr(AdversarialModule, "_advance", note)
    train(recipe, pair_folder, tmp_path / "run")
    assert stepped == [True, False, True, False]
    assert json.loads((tmp_path / "run" / "validation.json").read_text())["steps"] == 2


def test_the_generators_step_leaves_the_discriminator_alone(make_stain_recipe):
    recipe = make_stain_recipe(adversarial=PLAN, loss={"r1": 1.0})
    module = AdversarialModule(recipe, total_steps=4)
    module.manual_backward = lambda loss: loss.backward()
    module.log = module.log_dict = lambda *args, **kwargs: None
    source, real = torch.randn(2, 1, 32, 32), torch.randn(2, 2, 32, 32)
    features = module._train_discriminator(source, real, torch.randn(2, 2, 32, 32), 1.0)
    before = [p.grad.clone() for p in module.discriminator.parameters()]
    module._train_generator(source, real, module(source), features, 1.0)
    after = [p.grad for p in module.discriminator.parameters()]
    assert all(torch.equal(*pair) for pair in zip(before, after, strict=True))
    assert module.generator.head.weight.grad.abs().sum() > 0
    assert not real.requires_grad


@pytest.mark.parametrize(
    ("changes", "term"),
    [
        ({"adversarial": {"spectral": True, "learning_rate": 1e-3}}, None),
        ({"adversarial": {}, "loss": {"r1": 1.0}}, "train/r1"),
        (
            {"adversarial": {"spectral": True, "learning_rate": 1e-3}, "loss": {"r1": 1.0}},
            "train/r1",
        ),
        ({"adversarial": {}, "loss": {"l1": 0, "adversarial": 0}}, "train/feature_matching"),
        ({"adversarial": {}, "train": {"optimiser": "sgd", "gradient_clip": 0}}, None),
    ],
)
def test_other_choices_run_too(make_stain_recipe, pair_folder, tmp_path, changes, term, logged):
    changes = {key: dict(value) for key, value in changes.items()}
    changes["adversarial"] |= {"coarse_share": 0.5, "frozen_share": 0}
    changes["train"] = {"max_epochs": 2, "batch_size": 2, **changes.get("train", {})}
    folder = train(make_stain_recipe(**changes), pair_folder, tmp_path / "run")
    network, _ = load_network(folder)
    assert all(torch.isfinite(value).all() for value in network.state_dict().values())
    scalars, _ = logged(tmp_path / "run")
    assert ("train/r1" in scalars) == (term == "train/r1")
    assert term is None or all(value >= 0 for value in scalars[term])
    weights = changes.get("loss", {})
    assert ("train/adversarial" in scalars) == bool(weights.get("adversarial", 1))


def test_instance_norm_is_on_the_card(make_stain_recipe, pair_folder, tmp_path):
    arguments = {"width": 4, "downsamplings": 1, "global_blocks": 1, "local_blocks": 1}
    recipe = make_stain_recipe(
        adversarial={"coarse_share": 0, "frozen_share": 0},
        network={"arguments": arguments | {"norm": "instance"}},
        train={"max_epochs": 1},
    )
    _, card = load_network(train(recipe, pair_folder, tmp_path / "run"))
    assert card.inference.norm == "instance"
    assert card.inference.receptive_radius == 0
    assert card.inference.dropout == 0
