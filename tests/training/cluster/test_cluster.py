from __future__ import annotations

import copy
import json
import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path, PurePosixPath

import pytest
import yaml
from jsonschema import Draft202012Validator, ValidationError
from referencing import Registry, Resource

from napari_cytosynth.errors import RecipeError
from napari_cytosynth.training.cli import main
from napari_cytosynth.training.cluster.job import ClusterJob, launch
from napari_cytosynth.training.cluster.kubernetes import write_kubernetes

SCHEMAS = Path(__file__).parent / "schemas"
pytestmark = pytest.mark.skipif(shutil.which("bash") is None, reason="needs a shell")


@pytest.fixture(scope="module")
def check():
    schemas = {path.name: json.loads(path.read_text()) for path in SCHEMAS.glob("*.json")}
    registry = Registry().with_resources(
        (name, Resource.from_contents(schema)) for name, schema in schemas.items()
    )

    def validate(manifest):
        kind = manifest["kind"]
        where = "trainjob.json" if kind == "TrainJob" else f"kubernetes.json#/$defs/{kind}"
        Draft202012Validator({"$ref": where}, registry=registry).validate(manifest)

    return validate


def _run(tmp_path, *options, data_dir="/data", recipe="em-cells-unet"):
    out = tmp_path / "out"
    command = [str(recipe), "--data-dir", data_dir, "--kubernetes", str(out), *options]
    assert main(command) == 0
    documents = [
        document for path in out.glob("*.yaml") for document in yaml.safe_load_all(path.read_text())
    ]
    return {document["kind"]: document for document in documents}


def _pods(manifests):
    """Return (container with the command, container with the mounts, volumes) of both jobs."""
    spec = manifests["TrainJob"]["spec"]
    (node,) = spec["runtimePatches"][0]["trainingRuntimeSpec"]["template"]["spec"]["replicatedJobs"]
    patched = node["template"]["spec"]["template"]["spec"]
    yield spec["trainer"], patched["containers"][0], patched["volumes"]
    pod = manifests["Job"]["spec"]["template"]["spec"]
    yield pod["containers"][0], pod["containers"][0], pod["volumes"]


def _started(tmp_path, script, **variables):
    """Run a script with stand-ins for what it calls; return the lines of their arguments."""
    script = re.sub(r"\$\$", "$", script)  # as Kubernetes does
    tools = tmp_path / "tools"
    tools.mkdir(exist_ok=True)
    for name in ("torchrun", "aws", "python"):
        (tools / name).write_text(f'#!/bin/sh\nfor word in {name} "$@"; do echo "$word"; done\n')
        (tools / name).chmod(0o755)
    (tools / "srun").write_text('#!/bin/sh\necho "$1"; shift; exec "$@"\n')
    (tools / "scontrol").write_text("#!/bin/sh\necho machine-7\necho machine-8\n")
    for name in ("srun", "scontrol"):
        (tools / name).chmod(0o755)
    environment = {"PATH": f"{tools}:{os.environ['PATH']}", **variables}
    done = subprocess.run(["bash", "-c", script], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


OPTIONS = {
    "one": ("--claim", "images"),
    "many": ("--nodes", "2", "--gpus", "4", "--claim", "images/em/cells", "--checkpoints", "runs"),
    "s3": ("--s3", "s3://lab/cells", "--s3-secret", "keys", "--service-account", "trainer"),
    "cpu": ("--gpus", "0", "--nodes", "3", "--claim", "images"),
}


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_every_manifest_has_only_documented_fields(check, tmp_path, options):
    manifests = _run(tmp_path, *options)
    claim = set() if "--checkpoints" in options else {"PersistentVolumeClaim"}
    assert set(manifests) == {"TrainJob", "Job", "Service"} | claim
    for manifest in manifests.values():
        check(manifest)
    for _, container, volumes in _pods(manifests):
        mounted = [mount["name"] for mount in container["volumeMounts"]]
        assert sorted(mounted) == sorted(volume["name"] for volume in volumes)


def test_the_schema_refuses_what_kubeflow_took_away(check, tmp_path):
    good = _run(tmp_path, *OPTIONS["one"])["TrainJob"]
    for place, field in (("trainer", "numProcPerNode"), (None, "podTemplateOverrides")):
        bad = copy.deepcopy(good)
        (bad["spec"][place] if place else bad["spec"])[field] = 1
        with pytest.raises(ValidationError, match=field):
            check(bad)
    good["spec"]["trainer"]["env"].append({"name": "PET_NNODES", "value": "2"})
    with pytest.raises(ValidationError, match="PET_NNODES"):
        check(good)


def test_nodes_and_gpus_reach_the_manifests_and_the_recipe(tmp_path):
    manifests = _run(tmp_path, *OPTIONS["many"], "--max-restarts", "5")
    trainer = manifests["TrainJob"]["spec"]["trainer"]
    assert manifests["TrainJob"]["spec"]["runtimeRef"]["name"] == "torch-distributed"
    assert trainer["numNodes"] == 2
    assert trainer["resourcesPerNode"]["limits"] == {"nvidia.com/gpu": "4"}
    job = manifests["Job"]["spec"]
    assert (job["completionMode"], job["completions"], job["parallelism"]) == ("Indexed", 2, 2)
    assert job["backoffLimit"] == 10
    name = manifests["Job"]["metadata"]["name"]
    assert job["template"]["spec"]["subdomain"] == manifests["Service"]["metadata"]["name"]
    assert manifests["Service"]["spec"]["selector"] == {"job-name": name}
    for container, mounts, _ in _pods(manifests):
        assert container["args"][0].endswith("train.devices=4 train.num_nodes=2\n")
        data = mounts["volumeMounts"][0]
        assert (data["mountPath"], data["subPath"]) == ("/data", "em/cells")


@pytest.mark.parametrize("rank", ["0", "1"])
def test_the_pods_command_starts_torchrun_and_goes_on_by_itself(tmp_path, rank):
    manifests = _run(
        tmp_path, "--nodes", "2", "--s3", "s3://lab/two-words", "--set",
        "card.title=It's $HOME $$ $$(x) $(PYTHONUNBUFFERED)", data_dir="/my data",
    )  # fmt: skip
    variables = {
        "PET_MASTER_ADDR": "first.example",
        "PET_NODE_RANK": rank,
        "JOB_COMPLETION_INDEX": rank,
    }
    hosts = ("first.example", "em-cells-unet-0.em-cells-unet")
    for (container, _, _), host in zip(_pods(manifests), hosts, strict=True):
        assert container["command"] == ["/bin/sh", "-c"]
        words = _started(tmp_path, container["args"][0], **variables)
        assert words.count("--dry-run") == 1
        assert words[:3] == ["aws", "s3", "sync"]
        assert words[4:6] == ["s3://lab/two-words", "/my data"]
        assert f"--rdzv-endpoint={host}:29500" in words
        is_host = "true" if rank == "0" else "false"
        assert any(word.startswith(f"--rdzv-conf=is_host={is_host},") for word in words)
        start = words.index("-m", words.index("torchrun"))
        assert words[start + 1 :] == [
            *("napari_cytosynth.training", "em-cells-unet", "--data-dir", "/my data", "--out"),
            *(
                "/checkpoints/em-cells-unet",
                "--auto-resume",
                "--set",
                "card.title=It's $HOME $$ $$(x) $(PYTHONUNBUFFERED)",
            ),
            *("train.devices=1", "train.num_nodes=2"),
        ]


def test_what_no_further_try_would_help_against_ends_the_job(check, tmp_path):
    manifests = _run(tmp_path, *OPTIONS["one"], data_dir=str(tmp_path / "no such data"))
    check(manifests["Job"])
    (rule, _) = manifests["Job"]["spec"]["podFailurePolicy"]["rules"]
    assert rule["action"] == "FailJob"
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    scripts = {container["args"][0] for container, _, _ in _pods(manifests)}
    (script,) = scripts  # one machine: both jobs do the same
    script = script.replace("/checkpoints", str(tmp_path))
    environment = {**os.environ, "PATH": path}
    done = subprocess.run(["sh", "-c", script], env=environment, capture_output=True, text=True)
    assert done.returncode == rule["onExitCodes"]["values"][0]
    assert "no such data" in done.stderr
    (tmp_path / "python").write_text("#!/bin/sh\nkill -9 $$\n")  # as a node without memory
    (tmp_path / "python").chmod(0o755)
    environment["PATH"] = f"{tmp_path}:{path}"
    done = subprocess.run(["sh", "-c", script], env=environment, capture_output=True)
    assert done.returncode == 137


def test_two_jobs_of_one_recipe_stand_side_by_side(check, tmp_path):
    options = ("--claim", "images", "--checkpoints", "runs")
    manifests = _run(tmp_path, *options, "--job-name", "Fast rate")
    for manifest in manifests.values():
        check(manifest)
        assert manifest["metadata"]["name"] == "fast-rate"
    for container, _, _ in _pods(manifests):
        assert "--out /checkpoints/fast-rate --auto-resume" in container["args"][0]
    assert "`em-cells-unet` there" in (tmp_path / "out" / "README.md").read_text()


@pytest.mark.parametrize("image", ["two words", "lab/", "a:b:c", "UP/../x"])
def test_an_image_that_cannot_be_is_refused(image, tmp_path, capsys):
    command = ["em-cells-unet", "--data-dir", "/data", "--claim", "images", "--image", image]
    assert main([*command, "--kubernetes", str(tmp_path / "k8s")]) == 1
    assert "cannot be the name of a container image" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--kubernetes", "--slurm"])
def test_a_file_in_place_of_the_folder_is_told_of(option, tmp_path, capsys):
    (tmp_path / "file").touch()
    claim = ["--claim", "images"] if option == "--kubernetes" else []
    command = ["em-cells-unet", "--data-dir", "/data", *claim]
    assert main([*command, option, str(tmp_path / "file")]) == 1
    assert "cannot be written" in capsys.readouterr().err


def test_a_dry_run_trains_nothing(make_recipe, nuclei_folder, tmp_path, capsys):
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(make_recipe().model_dump(mode="json")))
    command = [str(tmp_path / "mine.yaml"), "--data-dir", str(nuclei_folder), "--dry-run"]
    assert main([*command, "--out", str(tmp_path / "run")]) == 0
    assert "the images were not read" in capsys.readouterr().out
    assert not (tmp_path / "run").exists()
    assert main([*command, "--out", str(tmp_path / "run"), "--resume"]) == 42
    assert "There is no run to resume" in capsys.readouterr().err
    assert main([*command, "--set", "network.start_from=./nowhere/model"]) == 1
    assert "nowhere" in capsys.readouterr().err
    assert main([*command, "--out", str(tmp_path / "mine.yaml")]) == 1
    assert "cannot be written" in capsys.readouterr().err
    assert main([*command, "--slurm", str(tmp_path / "jobs")]) == 42
    assert "trainings on this machine" in capsys.readouterr().err
    assert not (tmp_path / "jobs").exists()


def test_a_recipe_of_ones_own_travels_in_a_config_map(check, tmp_path, make_recipe):
    recipe = tmp_path / "mine.yaml"
    tree = make_recipe().model_dump(mode="json") | {"name": "7-Muede_Zellen"}
    recipe.write_text(yaml.safe_dump(tree), "utf-8")
    manifests = _run(tmp_path, *OPTIONS["one"], recipe=recipe)
    check(manifests["ConfigMap"])
    assert yaml.safe_load(manifests["ConfigMap"]["data"]["recipe.yaml"]) == tree
    assert manifests["Job"]["metadata"]["name"] == "run-7-muede-zellen"
    for container, mounts, volumes in _pods(manifests):
        assert "training /etc/cytosynth/recipe.yaml" in container["args"][0]
        assert mounts["volumeMounts"][-1]["mountPath"] == "/etc/cytosynth"
        assert volumes[-1]["configMap"]["name"] == manifests["ConfigMap"]["metadata"]["name"]


def test_what_cannot_be_trained_is_not_written_for_a_cluster(tmp_path, capsys):
    command = ["em-cells-unet", "--data-dir", "/data", "--set", "data.crop_size=100"]
    assert main([*command, "--kubernetes", str(tmp_path / "k8s")]) == 1
    assert "must be a multiple of" in capsys.readouterr().err
    assert not (tmp_path / "k8s").exists()


def test_auto_resume_leaves_the_choice_to_the_run_folder(tmp_path, monkeypatch):
    resumed = []

    def train(recipe, data_dir, out, *, resume):
        resumed.append(resume)
        return out / recipe.name

    monkeypatch.setattr("napari_cytosynth.training.run.fit.train", train)
    command = ["em-cells-unet", "--data-dir", "data", "--out", str(tmp_path), "--auto-resume"]
    assert main(command) == 0
    assert resumed == ["auto"]


def test_one_node_needs_no_meeting_point(tmp_path):
    for container, _, _ in _pods(_run(tmp_path, *OPTIONS["one"], "--gpus", "2")):
        words = _started(tmp_path, container["args"][0])
        assert "--standalone" in words
        assert "--nproc-per-node=2" in words


def test_the_image_and_what_to_do_lie_beside_the_manifests(tmp_path):
    _run(tmp_path, *OPTIONS["one"], "--image", "registry.example.org/lab/train:3")
    text = (tmp_path / "out/README.md").read_text()
    for command in (
        "docker build -t registry.example.org/lab/train:3 .",
        "kubectl apply -f checkpoints.yaml",
        "kubectl apply -f trainjob.yaml",
        "kubectl apply -f job.yaml",
    ):
        assert command in text
    dockerfile = (tmp_path / "out/Dockerfile").read_text()
    assert dockerfile.splitlines()[2].startswith("FROM pytorch/pytorch:")
    assert "napari-cytosynth[train]" in dockerfile


def test_slurm_starts_torchrun_once_a_machine(tmp_path):
    options = ["--slurm", str(tmp_path / "out"), "--nodes", "2", "--gpus", "4"]
    assert main(["em-cells-unet", "--data-dir", "/it's/here", "--out", "/runs/a", *options]) == 0
    script = (tmp_path / "out/train.sbatch").read_text()
    for directive in ("--nodes=2", "--ntasks-per-node=1", "--gpus-per-node=4", "--requeue"):
        assert f"#SBATCH {directive}\n" in script
    words = _started(
        tmp_path, script, SLURM_NODEID="1", SLURM_JOB_NODELIST="machine-[7-8]", SLURM_JOB_ID="40123"
    )
    assert words[0] == "--cpus-per-task=16"
    assert "--rdzv-endpoint=machine-7:20123" in words
    assert "/it's/here" in words
    assert words[-4:] == ["--auto-resume", "--set", "train.devices=4", "train.num_nodes=2"]


def test_a_slurm_job_may_be_submitted_from_anywhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["em-cells-unet", "--data-dir", "data", "--slurm", "jobs"]) == 0
    script = (tmp_path / "jobs/train.sbatch").read_text()
    assert f"--data-dir {tmp_path}/data --out {tmp_path}/runs/em-cells-unet " in script


FAILS_ONCE = """
import os, signal, torch.distributed as dist
dist.init_process_group("gloo")
if dist.get_rank() == 1 and os.environ["TORCHELASTIC_RESTART_COUNT"] == "0":
    os.kill(os.getpid(), signal.SIGKILL)
dist.barrier()
open(f"done-{dist.get_rank()}-of-{dist.get_world_size()}", "w").close()
dist.destroy_process_group()
"""


@pytest.mark.slow
def test_machines_meet_again_after_a_process_of_one_was_killed(tmp_path):
    """Two launchers, each with an address of its own where the system has several loopback ones."""
    (tmp_path / "fails_once.py").write_text(FAILS_ONCE)
    job = ClusterJob("a", "em-cells-unet", PurePosixPath("/data"), nodes=2, gpus=0, max_restarts=2)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        endpoint = f"127.0.0.1:{probe.getsockname()[1]}"
    own = [{"PET_LOCAL_ADDR": f"127.0.0.{n}"} if sys.platform == "linux" else {} for n in (1, 2)]
    script = launch(job, ["fails_once"], endpoint, "$NUMBER")
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    machines = [
        subprocess.Popen(
            ["sh", "-c", script],
            cwd=tmp_path,
            env=os.environ
            | {"NUMBER": str(number), "PATH": path, "OMP_NUM_THREADS": "1"}
            | own[number],
            stderr=subprocess.DEVNULL,
        )
        for number in range(2)
    ]
    try:
        assert [machine.wait(timeout=200) for machine in machines] == [0, 0]
    finally:
        for machine in machines:
            machine.kill()
    assert sorted(tmp_path.glob("done-*")) == [tmp_path / f"done-{n}-of-2" for n in range(2)]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--kubernetes", "OUT"], "Say where the pods find the data"),
        (["--kubernetes", "OUT", "--claim", "a", "--s3", "s3://lab/x"], "Say where the pods"),
        (["--kubernetes", "OUT", "--s3", "lab/x"], "should read s3://bucket/prefix"),
        (["--kubernetes", "OUT", "--claim", "My Data"], "small letters"),
        (["--kubernetes", "OUT", "--claim", "a" * 254], "at most 253"),
        (["--kubernetes", "OUT", "--claim", "a/../b"], "claim or claim/folder"),
        (["--kubernetes", "OUT", "--claim", "/b"], "claim or claim/folder"),
        (["--kubernetes", "OUT", "--claim", "a", "--set", "network.start_from=."], "pods"),
        (["--kubernetes", "OUT", "--claim", "a", "--nodes", "0"], "--nodes must be 1 or more"),
        (["--kubernetes", "OUT", "--claim", "a", "--out", "x"], "leave --out away"),
        (["--slurm", "OUT", "--claim", "a"], "--claim: this is for --kubernetes"),
        (["--nodes", "2"], "--nodes: this is for --kubernetes or --slurm"),
        (["--kubernetes", "OUT", "--claim", "a", "--set", "train.speed=9"], "train.speed"),
    ],
)
def test_a_contradiction_is_explained_before_anything_is_written(
    tmp_path, capsys, options, sentence
):
    out = tmp_path / "out"
    options = [option.replace("OUT", str(out)) for option in options]
    assert main(["em-cells-unet", "--data-dir", "/data", *options]) == 1
    assert sentence in capsys.readouterr().err
    assert not out.exists()


@pytest.mark.parametrize(
    "place", ["data", "/", "/a:b", "/a/../b", "/dev", "/dev/shm/data", "/checkpoints"]
)
def test_the_data_lie_inside_the_pods_where_nothing_else_does(tmp_path, place):
    job = ClusterJob("a", "em-cells-unet", PurePosixPath(place), claim="images")
    with pytest.raises(RecipeError, match="inside the pods"):
        write_kubernetes(job, tmp_path)
