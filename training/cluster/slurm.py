"""The batch script that starts a training on a cluster with SLURM."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from napari_cytosynth.training.reports.records import write_texts

from .job import launch, training

if TYPE_CHECKING:
    from .job import ClusterJob

__all__ = ["write_slurm"]


def _from_here(path: PurePosixPath) -> PurePosixPath:
    """Return an absolute path, valid wherever the script is submitted."""
    return path if path.is_absolute() else PurePosixPath(Path(path).absolute().as_posix())


def write_slurm(job: ClusterJob, folder: Path, out: Path | None = None) -> list[Path]:
    """Write a batch script for SLURM.

    Parameters
    ----------
    job
        The training job; the recipe's file and the data lie on a shared disk.
    folder
        Folder to write; made if need be.
    out
        Run folder; None (default) for ``runs/<name>``, of the job or else of the model. It and
        the data are relative to the folder that the script is written from, wherever it is
        submitted.

    Returns
    -------
    list[Path]
        The one file ``train.sbatch``.
    """
    recipe = str(job.recipe_file.resolve()) if job.recipe_file else job.recipe
    name = job.label if job.job_name else job.name
    run = _from_here(PurePosixPath((out or Path("runs") / name).as_posix()))
    job = replace(job, data_dir=_from_here(job.data_dir))
    command = training(job, recipe, str(run))
    script = "set -eu\n" + launch(job, command, "$ENDPOINT", "$SLURM_NODEID")
    cores = 4 * max(job.gpus, 1)
    directives = [
        f"job-name={job.label}",
        f"nodes={job.nodes}",
        "ntasks-per-node=1",
        f"cpus-per-task={cores}",
        *([f"gpus-per-node={job.gpus}"] if job.gpus else []),
        "time=24:00:00",
        "requeue",
        "open-mode=append",
        "output=%x-%j.log",
    ]
    text = "\n".join(
        [
            "#!/bin/bash",
            *(f"#SBATCH --{directive}" for directive in directives),
            "# Add what your site asks for (--partition, --account), then start it with sbatch.",
            "# A requeued job goes on from the last epoch.",
            "set -euo pipefail",
            "# source /path/to/environment/bin/activate",
            # sed reads to the end, as head does not: pipefail would end the job now and then
            'FIRST="$(scontrol show hostnames "$SLURM_JOB_NODELIST" | sed -n 1p)"',
            "# a port of its own for every job: machines may be shared",
            'export ENDPOINT="$FIRST:$((20000 + SLURM_JOB_ID % 20000))"',
            # since SLURM 22.05 srun does not take the number of cores over by itself
            f"srun --cpus-per-task={cores} bash -c {shlex.quote(script)}",
            "",
        ]
    )
    return write_texts(folder, {"train.sbatch": text})
