"""A training job on a cluster, and the shell command that each machine runs.

Several machines are joined by torchrun (https://docs.pytorch.org/docs/stable/elastic/run.html).
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from napari_cytosynth.errors import RecipeError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "CHECKPOINTS",
    "EXIT_NOT_RETRYABLE",
    "PORT",
    "RECIPE",
    "ClusterJob",
    "launch",
    "pod_script",
    "training",
]

CHECKPOINTS = PurePosixPath("/checkpoints")
RECIPE = PurePosixPath("/etc/cytosynth/recipe.yaml")
PORT = 29500
EXIT_NOT_RETRYABLE = 42  # status of a check whose failure no restart would mend
# Pods start at different times: images are pulled and data copied before they meet.
JOIN_TIMEOUT = 1800
_PART = r"[a-zA-Z0-9]+([._-]+[a-zA-Z0-9]+)*"
_IMAGE = rf"(?=.{{1,500}}$){_PART}(:\d+)?(/{_PART})*(:[\w][\w.-]*)?(@sha256:[0-9a-f]{{64}})?"


def _object_name(text: str) -> str:
    """Return an RFC 1035 label, short enough for what Kubernetes appends to it."""
    label = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
    label = label if label[:1].isalpha() else f"run-{label}"
    return label[:40].rstrip("-")


@dataclass(frozen=True)
class ClusterJob:
    """A training job on ``nodes`` machines (default: 1) with ``gpus`` GPUs each (default: 1).

    Raises
    ------
    RecipeError
        If a number is out of range or a name is impossible.
    """

    name: str
    """name of the recipe's model"""
    recipe: str
    """shipped recipe, or the path of a YAML file on this machine"""
    data_dir: PurePosixPath
    """folder of the data as the training sees it, inside a pod for instance"""
    settings: tuple[str, ...] = ()
    """assignments for ``--set``"""
    nodes: int = 1
    gpus: int = 1
    max_restarts: int = 3
    image: str = ""
    claim: str | None = None
    s3: str | None = None
    s3_secret: str | None = None
    service_account: str | None = None
    checkpoints: str | None = None
    job_name: str = ""
    """name of the job and its run folder; that of the model if empty"""

    def __post_init__(self) -> None:
        for what, least in (("nodes", 1), ("gpus", 0), ("max_restarts", 0)):
            if getattr(self, what) < least:
                option = what.replace("_", "-")
                raise RecipeError(f"--{option} must be {least} or more.")
        claim, _, folder = (self.claim or "a").partition("/")
        for name in (claim, self.checkpoints, self.s3_secret, self.service_account):
            if name and not re.fullmatch(r"(?=.{1,253}$)[a-z0-9]([-a-z0-9.]*[a-z0-9])?", name):
                raise RecipeError(
                    f"“{name}” cannot be the name of anything in Kubernetes: at most 253 small "
                    "letters, digits, dots and hyphens."
                )
        if not claim or (folder and {"", ".", ".."} & set(folder.removesuffix("/").split("/"))):
            raise RecipeError(f"“{self.claim}” should read claim or claim/folder/below.")
        if self.image and not re.fullmatch(_IMAGE, self.image):
            raise RecipeError(
                f"“{self.image}” cannot be the name of a container image, such as "
                "registry.example.org/lab/cytosynth:1."
            )
        if self.s3 and not re.fullmatch(r"s3://[a-z0-9][-a-z0-9.]+(/[^\s]*)?", self.s3):
            raise RecipeError(f"“{self.s3}” should read s3://bucket/prefix.")

    @property
    def label(self) -> str:
        """Name of the objects in Kubernetes."""
        return _object_name(self.job_name or self.name)

    @property
    def recipe_file(self) -> Path | None:
        """The recipe's file; None for a shipped recipe."""
        path = Path(self.recipe)
        return path if path.is_file() else None

    @property
    def container_image(self) -> str:
        """The image of the pods; by default that of this version."""
        from napari_cytosynth.version import __version__

        return self.image or f"napari-cytosynth:{re.sub('[^A-Za-z0-9_.-]', '-', __version__)}"


def training(job: ClusterJob, recipe: str, out: str) -> list[str]:
    """Return module and arguments that every process runs."""
    scale = [f"train.devices={max(job.gpus, 1)}", f"train.num_nodes={job.nodes}"]
    return [
        *("napari_cytosynth.training", recipe, "--data-dir", str(job.data_dir), "--out", out),
        *("--auto-resume", "--set", *job.settings, *scale),
    ]


def launch(job: ClusterJob, command: Sequence[str], endpoint: str, rank: str) -> str:
    """Return the shell lines by which a machine takes part.

    Parameters
    ----------
    job
        The training job.
    command
        Module and arguments that every process runs, see :func:`training`.
    endpoint, rank
        Shell expressions for the first machine's address and port, and this machine's number.
    """
    options = [f"--nproc-per-node={max(job.gpus, 1)}", f"--max-restarts={job.max_restarts}"]
    # else a restarted process may read an address of the last attempt: pytorch/pytorch#135712
    first = "export TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1\n"
    if job.nodes == 1:
        options = ["--standalone", *options]
    else:
        # no $(…) here, which Kubernetes would take for one of its own variables
        first += f'is_host=false; if [ "{rank}" = 0 ]; then is_host=true; fi\n'
        conf = f"is_host=$is_host,join_timeout={JOIN_TIMEOUT},read_timeout={JOIN_TIMEOUT}"
        options = [
            f"--nnodes={job.nodes}",
            *options,
            # c10d lets the machines meet again after a restart, in any order
            f"--rdzv-backend=c10d --rdzv-id={job.label}",
            f'--rdzv-endpoint="{endpoint}"',
            f'--rdzv-conf="{conf}"',
        ]
    return first + " \\\n  ".join(["exec torchrun", *options, f"-m {shlex.join(command)}"]) + "\n"


def pod_script(job: ClusterJob, host: str, rank: str) -> str:
    """Return the shell script of a pod: fetch the data if asked, then train or go on.

    It exits with :data:`EXIT_NOT_RETRYABLE`, the status of the check that comes first, where no
    further try would help, such as without data.
    """
    recipe = str(RECIPE) if job.recipe_file else job.recipe
    fetch = ""
    if job.s3:
        # a container that starts again in its pod copies only what is missing
        target = shlex.quote(str(job.data_dir))
        fetch = f"aws s3 sync --only-show-errors {shlex.quote(job.s3)} {target}\n"
    command = training(job, recipe, str(CHECKPOINTS / job.label))
    check = f"python -m {shlex.join([*command, '--dry-run'])}\n"
    return "set -eu\n" + fetch + check + launch(job, command, f"{host}:{PORT}", rank)
