"""What torchrun starts in test_distributed.py: trainings one after the other, as the command's.

The argument is a JSON file: a list of jobs, each with the arguments of the command. A job that
is to be ``killed`` is so at the beginning of its second epoch, the first time.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

import torch
from lightning import Callback

from napari_cytosynth.training.cli import main
from napari_cytosynth.training.loop.callbacks import ExponentialAverage
from napari_cytosynth.training.run import fit


class Witness(Callback):
    """Notes what each process holds in the end."""

    def __init__(self, out: Path, killed: bool) -> None:
        self.out, self.killed = out, killed

    def on_train_epoch_start(self, trainer, pl_module):
        first = os.environ["TORCHELASTIC_RESTART_COUNT"] == "0"
        if self.killed and first and trainer.current_epoch == 1 and trainer.global_rank == 1:
            os.kill(os.getpid(), signal.SIGKILL)

    def on_train_end(self, trainer, pl_module):
        average = next(c for c in trainer.callbacks if isinstance(c, ExponentialAverage))
        state = {"weights": pl_module.state_dict(), "average": average.average}
        torch.save(state, self.out / f"{pl_module.recipe.name}-{trainer.global_rank}.pt")


def run(arguments: list[str], out: Path, killed: bool) -> None:
    original = fit._callbacks

    def watched(*args):
        callbacks, *rest = original(*args)
        return [*callbacks, Witness(out, killed)], *rest

    fit._callbacks = watched
    status = main(arguments)
    fit._callbacks = original
    # one that has gone before the first one's export is done would not come back if that failed
    there = (out / out.name / "README.md").is_file()
    (out / f"saw-the-model-{os.environ['RANK']}").write_text(str(there))
    if status:
        sys.exit(status)


if __name__ == "__main__":
    for job in json.loads(Path(sys.argv[1]).read_text()):
        out = Path(job["out"])
        arguments = [job["recipe"], "--data-dir", job["data_dir"], "--out", job["out"]]
        run([*arguments, "--auto-resume"], out, job["killed"])
