"""Files that start a training on Kubernetes: manifests, a Dockerfile and instructions.

They are written without a cluster or data at hand, and start nothing by themselves.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import yaml

from napari_cytosynth.errors import RecipeError
from napari_cytosynth.training.reports.records import write_texts

from .job import CHECKPOINTS, RECIPE
from .manifests import checkpoint_claim, kubeflow, plain

if TYPE_CHECKING:
    from pathlib import Path

    from .job import ClusterJob

__all__ = ["write_kubernetes"]

_BASE_IMAGE = "pytorch/pytorch:2.8.0-cuda12.8-cudnn9-runtime"


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


class _Dumper(yaml.SafeDumper):
    """YAML dumper with indented lists and block scripts, as in hand-written manifests."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)

    def ignore_aliases(self, data: object) -> bool:
        return True


def _block(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _block)


def _check_place(data_dir: PurePosixPath) -> None:
    """Check that the data can be mounted at a path: absolute, legal and not in use."""
    here = "--data-dir is the folder inside the pods here, such as /data"
    if not data_dir.is_absolute() or {":", ".."} & {*str(data_dir), *data_dir.parts}:
        raise RecipeError(f"{here}, not “{data_dir}”.")
    for taken in (CHECKPOINTS, PurePosixPath("/dev/shm"), RECIPE.parent):
        if data_dir.is_relative_to(taken) or taken.is_relative_to(data_dir):
            raise RecipeError(f"{here}; “{data_dir}” and “{taken}”, which is needed, collide.")


def write_kubernetes(job: ClusterJob, folder: Path) -> list[Path]:
    """Write manifests, a Dockerfile and a README with instructions.

    Parameters
    ----------
    job
        The training job.
    folder
        Folder to write; made if need be.

    Returns
    -------
    list[Path]
        ``trainjob.yaml`` (Kubeflow Trainer v2), ``job.yaml`` (no Kubeflow needed),
        ``Dockerfile``, ``README.md``, and ``checkpoints.yaml`` unless a claim was named.

    Raises
    ------
    RecipeError
        If the source of the data is missing, or its path in the pods is impossible.
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
    return write_texts(folder, files)
