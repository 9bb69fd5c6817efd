"""Kubernetes objects of a training, as plain mappings.

The fields are those documented for Kubeflow Trainer 2.2 (``trainer.kubeflow.org/v1alpha1``) and
for Kubernetes' own ``batch/v1`` and ``v1``; only the objects that we need, no client library.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from .job import CHECKPOINTS, EXIT_NOT_RETRYABLE, PORT, RECIPE, pod_script

if TYPE_CHECKING:
    from .job import ClusterJob

__all__ = ["checkpoint_claim", "kubeflow", "plain"]

Manifest = dict[str, Any]

_MANAGER = "napari-cytosynth/train"
_RUNTIME = "torch-distributed"
# The runtime calls its replicated job and the container in it by this name.
_NODE = "node"
_TRAINING = "training"
_SECRET_KEYS = (
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_ENDPOINT_URL",
    "AWS_DEFAULT_REGION",
)


def _object(version: str, kind: str, name: str, **rest: Any) -> Manifest:
    labels = {"app.kubernetes.io/name": "napari-cytosynth"}
    metadata = {"name": name, "labels": labels}
    return {"apiVersion": version, "kind": kind, "metadata": metadata, **rest}


def _checkpoints(job: ClusterJob) -> str:
    return job.checkpoints or f"{job.label}-checkpoints"


def _recipe_map(job: ClusterJob) -> list[Manifest]:
    if job.recipe_file is None:
        return []
    data = {RECIPE.name: job.recipe_file.read_text("utf-8")}
    return [_object("v1", "ConfigMap", f"{job.label}-recipe", data=data)]


def _volumes(job: ClusterJob) -> list[Manifest]:
    claim, _, _ = (job.claim or "").partition("/")
    data: Manifest = {"emptyDir": {}}
    if claim:
        data = {"persistentVolumeClaim": {"claimName": claim}}
    volumes: list[Manifest] = [
        {"name": "data", **data},
        {"name": "checkpoints", "persistentVolumeClaim": {"claimName": _checkpoints(job)}},
        # workers hand crops over, and GPUs gradients, through shared memory: 64 MB are too few
        {"name": "shared-memory", "emptyDir": {"medium": "Memory"}},
    ]
    if job.recipe_file:
        volumes.append({"name": "recipe", "configMap": {"name": f"{job.label}-recipe"}})
    return volumes


def _mounts(job: ClusterJob) -> list[Manifest]:
    data: Manifest = {"name": "data", "mountPath": str(job.data_dir)}
    if job.claim:
        _, _, folder = job.claim.partition("/")
        data |= {"readOnly": True} | ({"subPath": folder} if folder else {})
    mounts = [
        data,
        {"name": "checkpoints", "mountPath": str(CHECKPOINTS)},
        {"name": "shared-memory", "mountPath": "/dev/shm"},
    ]
    if job.recipe_file:
        mounts.append({"name": "recipe", "mountPath": str(RECIPE.parent), "readOnly": True})
    return mounts


def _environment(job: ClusterJob) -> list[Manifest]:
    variables: list[Manifest] = [{"name": "PYTHONUNBUFFERED", "value": "1"}]
    for key in _SECRET_KEYS if job.s3_secret else ():
        reference = {"name": job.s3_secret, "key": key, "optional": key not in _SECRET_KEYS[:2]}
        variables.append({"name": key, "valueFrom": {"secretKeyRef": reference}})
    return variables


def _resources(job: ClusterJob) -> Manifest:
    processes = max(job.gpus, 1)
    resources: Manifest = {"requests": {"cpu": str(4 * processes), "memory": f"{16 * processes}Gi"}}
    if job.gpus:
        resources["limits"] = {"nvidia.com/gpu": str(job.gpus)}
    return resources


def _account(job: ClusterJob) -> Manifest:
    return {"serviceAccountName": job.service_account} if job.service_account else {}


def kubeflow(job: ClusterJob) -> list[Manifest]:
    """Return a TrainJob for Kubeflow Trainer v2, after the recipe's ConfigMap if it needs one.

    The runtime tells each pod the first one's address and its own number (``PET_MASTER_ADDR``,
    ``PET_NODE_RANK``); volumes are added by a runtime patch, the only way that the API has.
    """
    pod = {
        **_account(job),
        "volumes": _volumes(job),
        "containers": [{"name": _NODE, "volumeMounts": _mounts(job)}],
    }
    node = {"name": _NODE, "template": {"spec": {"template": {"spec": pod}}}}
    patch = {"template": {"spec": {"replicatedJobs": [node]}}}
    trainer = {
        "image": job.container_image,
        "numNodes": job.nodes,
        "resourcesPerNode": _resources(job),
        "env": _environment(job),
        "command": ["/bin/sh", "-c"],
        "args": [_literal(pod_script(job, "$PET_MASTER_ADDR", "$PET_NODE_RANK"))],
    }
    spec = {
        "runtimeRef": {
            "apiGroup": "trainer.kubeflow.org",
            "kind": "ClusterTrainingRuntime",
            "name": _RUNTIME,
        },
        "trainer": trainer,
        "runtimePatches": [{"manager": _MANAGER, "trainingRuntimeSpec": patch}],
    }
    train_job = _object("trainer.kubeflow.org/v1alpha1", "TrainJob", job.label, spec=spec)
    return [*_recipe_map(job), train_job]


def _literal(script: str) -> str:
    """Escape what Kubernetes would replace in arguments: ``$(NAME)``, and ``$$`` for ``$``."""
    return re.sub(r"\$+\(|\${2,}", lambda found: found[0].replace("$", "$$"), script)


def _pod(job: ClusterJob) -> Manifest:
    host = f"{job.label}-0.{job.label}"
    container = {
        "name": _TRAINING,
        "image": job.container_image,
        "command": ["/bin/sh", "-c"],
        "args": [_literal(pod_script(job, host, "$JOB_COMPLETION_INDEX"))],
        "env": _environment(job),
        "resources": _resources(job),
        "ports": [{"name": "rendezvous", "containerPort": PORT}],
        "volumeMounts": _mounts(job),
    }
    return {
        # with the Service of this name, pod i is called <label>-i.<label>
        "subdomain": job.label,
        "restartPolicy": "Never",
        **_account(job),
        "containers": [container],
        "volumes": _volumes(job),
    }


def plain(job: ClusterJob) -> list[Manifest]:
    """Return a headless Service and an indexed Job, for clusters without Kubeflow.

    Evicted and preempted pods are replaced without counting as failures. Any of these takes the
    other pods down with it, since they cannot go on alone, hence the limit is for all of them.
    What no further try would help against ends the Job at once.
    """
    service = {
        "clusterIP": "None",
        # the pods look each other up before they are ready
        "publishNotReadyAddresses": True,
        "selector": {"job-name": job.label},
        "ports": [{"name": "rendezvous", "port": PORT}],
    }
    not_retryable = {"containerName": _TRAINING, "operator": "In", "values": [EXIT_NOT_RETRYABLE]}
    rules: list[Manifest] = [
        {"action": "FailJob", "onExitCodes": not_retryable},
        {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget"}]},
    ]
    spec = {
        "completionMode": "Indexed",
        "completions": job.nodes,
        "parallelism": job.nodes,
        "backoffLimit": job.nodes * job.max_restarts,
        "podFailurePolicy": {"rules": rules},
        "template": {"spec": _pod(job)},
    }
    return [
        *_recipe_map(job),
        _object("v1", "Service", job.label, spec=service),
        _object("batch/v1", "Job", job.label, spec=spec),
    ]


def checkpoint_claim(job: ClusterJob) -> Manifest:
    """Return the claim of a volume that keeps the run folder; shared if there are many nodes."""
    spec = {
        "accessModes": ["ReadWriteMany" if job.nodes > 1 else "ReadWriteOnce"],
        "resources": {"requests": {"storage": "20Gi"}},
    }
    return _object("v1", "PersistentVolumeClaim", _checkpoints(job), spec=spec)
