"""Whether cutting and augmenting crops holds training up, for a recipe of each verb.

Run with ``pytest tests/benchmarks/test_loading.py -s``. Crops are those of the recipes, six batches
an epoch, in the number format that training takes here; ``CYTOSYNTH_BENCHMARK_CROP`` and
``CYTOSYNTH_BENCHMARK_BATCHES`` change that, and ``CYTOSYNTH_BENCHMARK_WORKERS`` is the number of
processes that load. Without workers, times on a CPU are those of the processor, on one thread, so
that other programs do not count; with workers, or on a GPU, they are those of the clock.
"""

from __future__ import annotations

import logging
import os
import sys
import time
import warnings

import numpy as np
import pytest
import tifffile
import torch
from lightning import Callback, Trainer

from napari_cytosynth.training.loop.callbacks import ExponentialAverage
from napari_cytosynth.training.loop.precision import run_precision
from napari_cytosynth.training.tasks import load_recipe, task_of

CROP = os.environ.get("CYTOSYNTH_BENCHMARK_CROP")
BATCHES = int(os.environ.get("CYTOSYNTH_BENCHMARK_BATCHES", "6"))
FIELD = (768, 1024)  # of electron micrographs; other fields are larger
EPOCHS = 5  # the first one warms up; of the others the fastest counts
WORKERS = int(os.environ.get("CYTOSYNTH_BENCHMARK_WORKERS", "0"))
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
# folders of images and of truth, channels of the truth
LAYOUTS = {
    "em-mitochondria-unet": ("image", ("mitochondria", "mitochondria-boundary", "membrane"), 1),
    "u2os-brightfield-unet": ("brightfield", ("fluorescence",), 5),
    "nuclei-ddpm": ("image", (), 0),
}
SETTINGS = {
    "em-mitochondria-unet": ["data.split={kind: last}", "data.sources=[]"],
    "u2os-brightfield-unet": ["data.split={kind: last}", "data.inputs=brightfield"],
    "nuclei-ddpm": ["data.parts={train: [image], validation_names: ['0']}"],
}


def write_data(name, folder):
    images, truths, channels = LAYOUTS[name]
    rng = np.random.default_rng(0)
    for part, planes in ((images, 1), *((truth, channels) for truth in truths)):
        (folder / part).mkdir()
        for number in range(4):
            noise = rng.integers(0, 255, (planes, *FIELD)).astype(np.uint8)
            noise = noise if planes > 1 else noise[0]
            tifffile.imwrite(folder / part / f"{number}.tif", noise, photometric="minisblack")


def clock():
    if DEVICE == "cuda":
        torch.cuda.synchronize()
    return time.process_time() if DEVICE == "cpu" and not WORKERS else time.perf_counter()


class Stopwatch(Callback):
    """Counts the seconds of every epoch."""

    def __init__(self):
        self.seconds = []

    def on_train_epoch_start(self, trainer, pl_module):
        self.begun = clock()

    def on_train_epoch_end(self, trainer, pl_module):
        self.seconds.append(clock() - self.begun)


def loop(recipe, module, **data):
    """Return the seconds of an epoch of the real training loop."""
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    watch = Stopwatch()
    trainer = Trainer(
        accelerator=DEVICE if DEVICE == "cpu" else "gpu",
        devices=1,
        max_epochs=EPOCHS,
        precision="bf16-mixed" if recipe.train.precision == "bfloat16" else "32-true",
        limit_val_batches=0,
        callbacks=[watch, ExponentialAverage(recipe.train.ema)],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trainer.fit(module, **data)
    return min(watch.seconds[1:])


def alone(recipe, module, batches):
    """Return the seconds of forward and backward of the same batches."""
    module.to(DEVICE).train()
    module.log = module.log_dict = lambda *args, **kwargs: None
    batches = [[part.to(DEVICE) for part in batch] for batch in batches]
    half = recipe.train.precision == "bfloat16"
    taken = []
    for _ in range(EPOCHS):
        begun = clock()
        for number, batch in enumerate(batches):
            with torch.autocast(DEVICE, torch.bfloat16, enabled=half):
                loss = module.training_step(batch, number)
            loss.backward()
            module.zero_grad()
        taken.append(clock() - begun)
    return min(taken[1:])


@pytest.mark.parametrize("name", LAYOUTS)
def test_images_per_second_of_training_beside_those_of_the_network_alone(name, tmp_path, table):
    write_data(name, tmp_path)
    shipped = load_recipe(name)
    crops, size = BATCHES * shipped.train.batch_size, int(CROP or shipped.data.crop_size)
    sizes = [f"data.crop_size={size}", f"data.crops_per_epoch={crops}"]
    settings = [*sizes, *SETTINGS[name], f"train.num_workers={WORKERS}"]
    precision = run_precision(load_recipe(name, settings).train, tmp_path)
    recipe = load_recipe(name, [*settings, f"train.precision={precision}"])
    task = task_of(recipe)
    data = task.data(recipe, tmp_path, tmp_path)
    data.setup("fit")
    batches = list(data.train_dataloader())

    def module():
        made = task.module(recipe, 100)
        data.prepare_network(made.network)
        return made

    taken = [
        loop(recipe, module(), datamodule=data),
        alone(recipe, module(), batches),
    ]
    loading = clock()
    assert sum(len(batch[0]) for batch in data.train_dataloader()) == crops
    loading = clock() - loading
    whole, network = (crops / seconds for seconds in taken)
    sys.stdout.write(
        f"\n{name}, {size}², batches of {recipe.train.batch_size}, {WORKERS} workers, {DEVICE}: "
        f"{whole:.1f} images/s in training, {network:.1f} by forward and backward alone "
        f"({whole / network:.0%}); loading alone {crops / loading:.0f} images/s, which is "
        f"{loading / taken[0]:.0%} of the time of training\n"
    )
    table.share(
        f"training of {name}, {size}²", "forward + backward on cached tensors",
        whole / network, 0.9,
        why=f"Loading takes {loading / taken[0]:.0%} of the time.", compared=f"{crops} crops each",
    )  # fmt: skip
