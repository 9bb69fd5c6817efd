"""Files that start a training elsewhere: on Kubernetes, or on a cluster with SLURM.

They are written without a cluster or data at hand, and start nothing by themselves.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import yaml

from napari_cytosynth.errors import RecipeError
from napari_cytosynth.training.reports.records import results_folder

from .job import CHECKPOINTS, RECIPE, ClusterJob, launch, training
from .manifests import checkpoint_claim, kubeflow, plain

if TYPE_CHECKING:
    import argparse

__all__ = ["add_arguments", "from_arguments", "write_kubernetes", "write_slurm"]

_BASE_IMAGE = "pytorch/pytorch:2.8.0-cuda12.8-cudnn9-runtime"

# argparse keeps None for what was not given, so that a stray option is noticed
_OPTIONS: dict[str, tuple[type, str, str]] = {
    "nodes": (int, "N", "machines (default: 1)"),
    "gpus": (int, "M", "GPUs of each machine; 0 trains on the CPU (default: 1)"),
    "max_restarts": (int, "K", "times that a failed training goes on by itself (default: 3)"),
    "image": (str, "IMAGE", "container image that the Dockerfile is built and pushed as"),
    "claim": (str, "PVC[/FOLDER]", "volume claim with the data, mounted at --data-dir"),
    "s3": (str, "S3://BUCKET/PREFIX", "copy the data from here to --data-dir first"),
    "s3_secret": (str, "SECRET", "secret with AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"),
    "service_account": (str, "NAME", "service account of the pods, such as one that may read S3"),
    "job_name": (str, "NAME", "of the job and its run folder (default: that of the model)"),
    "checkpoints": (str, "PVC", "claim that keeps the run folder (default: one is written)"),
}
_KUBERNETES_ONLY = (
    "image",
    "claim",
    "s3",
    "s3_secret",
    "service_account",
    "checkpoints",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options that write files for a cluster instead of training here."""
    group = parser.add_argument_group(
        "elsewhere", "write files that start the training on a cluster; --data-dir lies there"
    )
    where = group.add_mutually_exclusive_group()
    where.add_argument("--kubernetes", type=Path, metavar="OUTDIR", help="write manifests")
    where.add_argument("--slurm", type=Path, metavar="OUTDIR", help="write a batch script")
    for name, (kind, metavar, text) in _OPTIONS.items():
        group.add_argument(f"--{name.replace('_', '-')}", type=kind, metavar=metavar, help=text)


def from_arguments(arguments: argparse.Namespace, name: str) -> ClusterJob | None:
    """Return the job that the options describe; None if the training is to run here.

    Raises
    ------
    RecipeError
        If options contradict each other.
    """
    given = {key: value for key in _OPTIONS if (value := getattr(arguments, key)) is not None}
    foreign = set(given) if not (arguments.kubernetes or arguments.slurm) else set()
    if arguments.slurm:
        foreign = set(given) & set(_KUBERNETES_ONLY)
    if foreign:
        options = ", ".join(f"--{key.replace('_', '-')}" for key in _OPTIONS if key in foreign)
        if arguments.slurm:
            raise RecipeError(f"{options}: this is for --kubernetes, not for --slurm.")
        raise RecipeError(
            f"{options}: this is for --kubernetes or --slurm. To train here on several GPUs, use "
            "--set train.devices=2."
        )
    if not (arguments.kubernetes or arguments.slurm):
        return None
    if arguments.kubernetes and arguments.out:
        raise RecipeError("In pods the run folder is on the checkpoint volume: leave --out away.")
    data_dir = PurePosixPath(arguments.data_dir.as_posix())
    return ClusterJob(name, arguments.recipe, data_dir, tuple(arguments.set), **given)


def _dockerfile() -> str:
    from napari_cytosynth.version import __version__ as release

    pinned = release if re.fullmatch(r"[0-9.]+", release) else ""
    return f"""# The image of the pods. A wheel beside this file is preferred to the package index:
#   python -m build --wheel --outdir FOLDER-OF-THIS-FILE CHECKOUT
FROM {_BASE_IMAGE}
ARG VERSION={pinned}
COPY . /build
RUN cd /build && wheel="$(ls *.whl 2>/dev/null | head -n 1)" && \\
    if [ -n "$wheel" ]; then pip install --no-cache-dir "./$wheel[train]" awscli; \\
    else pip install --no-cache-dir "napari-cytosynth[train]${{VERSION:+==$VERSION}}" awscli; \\
    fi && rm -rf /build
# pods of careful clusters run as any user, without a home
ENV HOME=/tmp PYTHONUNBUFFERED=1
WORKDIR /tmp
"""


def _kubernetes_readme(job: ClusterJob) -> str:
    image, label = job.container_image, job.label
    volume = "" if job.checkpoints else "kubectl apply -f checkpoints.yaml  # once\n"
    shared = " All nodes write to it (ReadWriteMany)." if job.nodes > 1 else ""
    return f"""# {job.name} on {job.nodes} × {job.gpus} GPUs

```console
docker build -t {image} . && docker push {image}
{volume}kubectl apply -f trainjob.yaml     # a cluster with Kubeflow Trainer 2.2 or later
kubectl apply -f job.yaml          # or: any other cluster
```

Watch it with `kubectl logs -f -l jobset.sigs.k8s.io/jobset-name={label}` (Kubeflow) or
`kubectl logs -f -l job-name={label}` (the other). The run folder is `{CHECKPOINTS / label}` on the
checkpoint volume.{shared}

A pod that fails or is evicted starts again, and the training goes on from the last epoch. To go
on by hand, delete the job and apply it again. The model is the folder `{job.name}` there.
"""


def _write(folder: Path, files: dict[str, str]) -> list[Path]:
    with results_folder(folder):
        for name, text in files.items():
            (folder / name).write_text(text, "utf-8", newline="\n")
    return [folder / name for name in files]


class _Dumper(yaml.SafeDumper):
    """Lists inside mappings indented and scripts in blocks, as people write manifests."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)

    def ignore_aliases(self, data: object) -> bool:
        return True


def _block(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _block)


def _check_place(data_dir: PurePosixPath) -> None:
    """See that the data can be mounted there: nothing else is, and Kubernetes takes the path."""
    here = "--data-dir is the folder inside the pods here, such as /data"
    if not data_dir.is_absolute() or {":", ".."} & {*str(data_dir), *data_dir.parts}:
        raise RecipeError(f"{here}, not “{data_dir}”.")
    for taken in (CHECKPOINTS, PurePosixPath("/dev/shm"), RECIPE.parent):
        if data_dir.is_relative_to(taken) or taken.is_relative_to(data_dir):
            raise RecipeError(f"{here}; “{data_dir}” and “{taken}”, which is needed, collide.")


def write_kubernetes(job: ClusterJob, folder: Path) -> list[Path]:
    """Write manifests, a Dockerfile and what to do with them.

    Parameters
    ----------
    job
        What is to run.
    folder
        Where to; made if need be.

    Returns
    -------
    list[Path]
        ``trainjob.yaml`` (Kubeflow Trainer v2), ``job.yaml`` (no Kubeflow needed),
        ``Dockerfile``, ``README.md``, and ``checkpoints.yaml`` unless a claim was named.

    Raises
    ------
    RecipeError
        If it is not said where pods find the data.
    """
    _check_place(job.data_dir)
    if bool(job.claim) == bool(job.s3):
        raise RecipeError(
            "Say where the pods find the data: either --claim PVC (a volume that holds them) or "
            "--s3 s3://bucket/prefix."
        )
    documents = {"trainjob.yaml": kubeflow(job), "job.yaml": plain(job)}
    if not job.checkpoints:
        documents["checkpoints.yaml"] = [checkpoint_claim(job)]
    files = {
        name: yaml.dump_all(parts, Dumper=_Dumper, sort_keys=False, width=1000, allow_unicode=True)
        for name, parts in documents.items()
    }
    files |= {"Dockerfile": _dockerfile(), "README.md": _kubernetes_readme(job)}
    return _write(folder, files)


def _from_here(path: PurePosixPath) -> PurePosixPath:
    """Return a path that is the same wherever the script is submitted."""
    return path if path.is_absolute() else PurePosixPath(Path(path).absolute().as_posix())


def write_slurm(job: ClusterJob, folder: Path, out: Path | None = None) -> list[Path]:
    """Write a batch script for SLURM.

    Parameters
    ----------
    job
        What is to run; the recipe's file and the data lie on a shared disk.
    folder
        Where to; made if need be.
    out
        Run folder; by default ``runs/<name>``, of the job or else of the model. It and the data
        are named from the folder that the script is written from, wherever it is submitted.

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
    return _write(folder, {"train.sbatch": text})
