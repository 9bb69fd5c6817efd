"""Command-line options for training on a cluster, with Kubernetes or SLURM."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from napari_cytosynth.errors import RecipeError

from .job import ClusterJob

if TYPE_CHECKING:
    import argparse

__all__ = ["add_arguments", "from_arguments"]

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
