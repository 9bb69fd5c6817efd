"""The Hub is searched by its real client, against a small Hub on this machine."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path

import pytest

from napari_cytosynth.errors import Cancelled, NetworkError, OutputError
from napari_cytosynth.zoo import hub
from napari_cytosynth.zoo.catalogue import list_models
from napari_cytosynth.zoo.collection.places import remove_model
from napari_cytosynth.zoo.collection.searching import search_hub
from napari_cytosynth.zoo.settings import change_settings
from napari_cytosynth.zoo.transfer.partial import kept_bytes

pytestmark = pytest.mark.usefixtures("own_home")

NEXT = "89abcdef0123456789abcdef0123456789abcdef"


def test_models_with_the_tag_are_found_and_nothing_is_kept(hub_client, model_folder, tmp_path):
    found = search_hub()
    assert [model.source for model in found.models] == ["org/tiny", "stuck/tiny"]
    tiny = found.models[0]
    assert tiny.card is not None
    assert tiny.card.title == "A tiny random network"
    assert tiny.size_bytes == (model_folder / "model.safetensors").stat().st_size
    assert [model.source for model in search_hub("stuck").models] == ["stuck/tiny"]
    assert search_hub(task="stain").models == ()
    assert not (tmp_path / "cache").exists()


def test_a_newer_revision_is_told_and_fetched_only_when_asked(hub_client, model_folder):
    old = hub.fetch("org/tiny")
    assert search_hub().newest == {"org/tiny": old.name}
    repository = hub_client.root / "org" / "tiny"
    shutil.copytree(model_folder, repository / NEXT)
    (repository / "main").write_text(NEXT)  # without the tag: asked by its name
    assert search_hub().newest == {"org/tiny": NEXT}
    assert hub.fetch("org/tiny") == old
    assert hub.update("org/tiny").name == NEXT
    sources = {info.revision: info.source for info in list_models() if info.origin == "hub"}
    assert sources == {NEXT: "org/tiny", old.name: f"org/tiny@{old.name}"}


def test_a_card_that_cannot_be_read_is_a_sentence(hub_client):
    [commit] = [path for path in (hub_client.root / "org" / "tiny").iterdir() if path.is_dir()]
    (commit / "config.json").write_text("{}")
    broken, whole = search_hub().models
    assert broken.card is None
    assert "cannot be used" in broken.problem
    assert whole.card is not None


def test_a_download_that_was_stopped_goes_on(hub_client, model_folder):
    size = (model_folder / "model.safetensors").stat().st_size

    def stop(done, total, message):
        if done:
            raise Cancelled

    with pytest.raises(Cancelled):
        hub.fetch("stuck/tiny", None, stop)
    hub_client.released.set()  # the line is well again
    for thread in threading.enumerate():
        if thread.name.startswith("Downloading"):
            thread.join(30)
    kept = kept_bytes("stuck/tiny")
    assert 0 < kept < size
    assert hub.cached("stuck/tiny") is None
    hub_client.starts.clear()
    counts = []
    folder = hub.fetch("stuck/tiny", None, lambda done, *_: counts.append(done))
    assert kept in hub_client.starts
    assert counts[-1] == size
    assert (folder / "model.safetensors").read_bytes() == (
        model_folder / "model.safetensors"
    ).read_bytes()
    assert kept_bytes("stuck/tiny") == 0


def test_what_half_arrived_can_be_removed(hub_client, tmp_path):
    from napari_cytosynth.zoo.transfer.partial import Resuming

    with (tmp_path / "file").open("w+b") as file:
        file.write(b"half")
        Resuming("org/tiny", "e" * 64).keep(file)
    assert kept_bytes("org/tiny") == 4
    assert remove_model("org/tiny") == 4
    assert kept_bytes("org/tiny") == 0
    hub.fetch("org/tiny")
    assert remove_model("org/tiny") > 4
    assert hub.cached("org/tiny") is None


def test_what_half_arrived_but_may_not_be_deleted_is_a_sentence(hub_client, tmp_path, monkeypatch):
    from napari_cytosynth.zoo.transfer.partial import Resuming

    with (tmp_path / "file").open("w+b") as file:
        file.write(b"half")
        Resuming("org/tiny", "e" * 64).keep(file)

    def refuse(path, missing_ok=False):
        raise PermissionError(13, "Permission denied", str(path))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", refuse)
        with pytest.raises(OutputError, match="you may not write there"):
            remove_model("org/tiny")
    assert kept_bytes("org/tiny") == 4


@pytest.mark.parametrize("by", ["preferences", "CYTOSYNTH_OFFLINE", "HF_HUB_OFFLINE"])
def test_offline_nothing_is_asked_and_a_sentence_says_so(hub_client, monkeypatch, by):
    if by == "preferences":
        change_settings(offline=True)
    else:
        monkeypatch.setenv(by, "1")
    for ask in (search_hub, lambda: hub.fetch("org/tiny"), lambda: hub.update("org/tiny")):
        with pytest.raises(NetworkError, match=f"{by}.* the network"):
            ask()
    assert hub_client.requests == []


def test_a_hub_that_cannot_be_reached_is_a_sentence(hub_client, monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(NetworkError, match=r"could not be searched at .*: .*Check your connection"):
        search_hub()
