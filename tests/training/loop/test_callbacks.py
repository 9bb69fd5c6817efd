from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from napari_cytosynth.training.loop.callbacks import ExponentialAverage, RevertToBest


class _Module(SimpleNamespace):
    device = torch.device("cpu")


def _module():
    torch.manual_seed(0)
    return _Module(network=nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2)))


def _trainer(**metrics):
    parameter = nn.Parameter(torch.zeros(1))
    return SimpleNamespace(
        global_step=0,
        current_epoch=0,
        sanity_checking=False,
        should_stop=False,
        is_global_zero=True,
        world_size=1,
        callback_metrics=metrics,
        optimizers=[torch.optim.SGD([parameter], lr=0.1)],
        lr_scheduler_configs=[],
    )


def test_the_average_carries_batchnorm_statistics_and_leaves_training_untouched():
    module, average, trainer = _module(), ExponentialAverage(0.5), _trainer()
    average.on_fit_start(trainer, module)
    module.network[1].running_mean += 1.0
    trainer.global_step = 100
    average.on_train_batch_end(trainer, module)
    average.on_validation_start(trainer, module)
    assert module.network[1].running_mean.tolist() == [0.5, 0.5]
    average.on_validation_end(trainer, module)
    assert module.network[1].running_mean.tolist() == [1.0, 1.0]


def test_batches_that_only_accumulate_do_not_move_the_average():
    module, average, trainer = _module(), ExponentialAverage(0.5), _trainer()
    average.on_fit_start(trainer, module)
    before = average.average["0.weight"].clone()
    module.network[0].weight.data += 1.0
    average.on_train_batch_end(trainer, module)
    assert torch.equal(average.average["0.weight"], before)


@pytest.mark.parametrize("maximise", [True, False])
def test_after_a_dry_spell_the_best_weights_come_back(tmp_path, maximise):
    module, trainer = _module(), _trainer()
    average = ExponentialAverage(0.5)
    average.on_fit_start(trainer, module)
    revert = RevertToBest(tmp_path, average, "m", maximise=maximise, revert_after=2, stop_after=5)
    sign = 1.0 if maximise else -1.0
    trainer.callback_metrics = {"m": torch.tensor(sign)}
    best = module.network[0].weight.detach().clone()
    revert.on_validation_end(trainer, module)
    module.network[0].weight.data += 1.0
    trainer.callback_metrics = {"m": torch.tensor(0.0)}
    revert.on_validation_end(trainer, module)
    assert not torch.equal(module.network[0].weight, best)
    revert.on_validation_end(trainer, module)
    assert torch.equal(module.network[0].weight, best)
    assert trainer.optimizers[0].param_groups[0]["lr"] == pytest.approx(0.05)
    for _ in range(3):
        revert.on_validation_end(trainer, module)
    assert trainer.should_stop


def test_a_validation_without_a_number_is_never_the_best(tmp_path):
    module, trainer, average = _module(), _trainer(), ExponentialAverage(0.5)
    average.on_fit_start(trainer, module)
    revert = RevertToBest(tmp_path, average, "m", maximise=False)
    for value, best in ((float("nan"), None), (3.0, 3.0), (float("nan"), 3.0), (2.0, 2.0)):
        trainer.callback_metrics = {"m": torch.tensor(value)}
        revert.on_validation_end(trainer, module)
        assert revert.best == best


def test_without_a_best_there_is_nothing_to_go_back_to(tmp_path):
    module, trainer, average = _module(), _trainer(), ExponentialAverage(0.5)
    average.on_fit_start(trainer, module)
    revert = RevertToBest(tmp_path, average, "m", maximise=True, revert_after=1)
    trainer.callback_metrics = {"m": torch.tensor(float("nan"))}
    revert.on_validation_end(trainer, module)
    assert revert.best is None
    assert revert.reverts == 0
