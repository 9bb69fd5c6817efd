"""All bundled models are published and pinned, against a small Hub on this machine."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from napari_cytosynth.errors import GatedRepositoryError, ModelNotFoundError
from napari_cytosynth.zoo import bundled
from napari_cytosynth.zoo.collection.publishing import publish_bundled
from napari_cytosynth.zoo.model_files import file_sha256

COMMIT = "0123456789abcdef0123456789abcdef01234567"
SCRIPT = Path(__file__).parents[3] / "scripts" / "publish-all"


@pytest.fixture
def package(tmp_path, model_folder, monkeypatch):
    """A package with two models and their index."""
    weights = tmp_path / "weights"
    entry = {"revision": None, "sha256": None, "task": "segment"}
    index = {}
    for name in ("first", "second"):
        shutil.copytree(model_folder, weights / name)
        index[name] = entry | {"repository": f"lab/{name}"}
    (weights / "index.json").write_text(json.dumps(index))
    monkeypatch.setattr(bundled, "weights_folder", lambda: weights)
    return weights


def pins(package):
    index = json.loads((package / "index.json").read_text())
    return {name: (entry["revision"], entry["sha256"]) for name, entry in index.items()}


def commits(hub):
    return [r.split("/")[3:5] for r in hub.requests if "/commit/" in r]


def test_without_being_asked_nothing_is_uploaded(hub_client, package):
    before = (package / "index.json").read_bytes()
    done = list(publish_bundled())
    assert [(each.name, each.revision) for each in done] == [("first", None), ("second", None)]
    assert all(each.size_bytes > 100_000 for each in done)
    assert hub_client.requests == []
    assert (package / "index.json").read_bytes() == before


def test_each_is_uploaded_once_and_pinned_by_commit_and_hash(hub_client, package, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_test")
    [*_] = publish_bundled(push=True)
    sha256 = file_sha256(package / "first" / "model.safetensors")
    assert pins(package) == {"first": (COMMIT, sha256), "second": (COMMIT, sha256)}
    assert commits(hub_client) == [["lab", "first"], ["lab", "second"]]
    assert b"- napari-cytosynth\n" in hub_client.committed["README.md"]  # by which it is found
    again = list(publish_bundled(push=True))
    assert [each.size_bytes for each in again] == [0, 0]
    assert len(commits(hub_client)) == 2


def test_what_was_published_before_an_error_stays_pinned(hub_client, package, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_test")
    index = json.loads((package / "index.json").read_text())
    index["second"]["repository"] = "lab/forbidden"
    (package / "index.json").write_text(json.dumps(index))
    with pytest.raises(GatedRepositoryError, match="may not write"):
        list(publish_bundled(push=True))
    assert [revision for revision, _ in pins(package).values()] == [COMMIT, None]


def test_a_name_that_is_none_is_refused(hub_client, package):
    with pytest.raises(ModelNotFoundError, match="third"):
        list(publish_bundled(["third"], push=True))


@pytest.mark.skipif(not SCRIPT.is_file(), reason="not a checkout of the repository")
def test_the_script_only_checks(tmp_path):
    done = subprocess.run(
        [sys.executable, SCRIPT, "nuclei-vae"], capture_output=True, text=True, timeout=200
    )
    assert done.stdout.startswith("nuclei-vae: napari-cytosynth/nuclei-vae"), done.stderr
    assert "Nothing was uploaded" in done.stdout
