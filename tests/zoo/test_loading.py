from __future__ import annotations

import json
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
import torch

from napari_cytosynth.errors import (
    ChecksumError,
    InputError,
    ModelNotFoundError,
    NotSafetensorsError,
)
from napari_cytosynth.zoo import bundled, catalogue, hub
from napari_cytosynth.zoo.loading import KeptModel, load_model
from napari_cytosynth.zoo.model_files import file_sha256, save_model

if TYPE_CHECKING:
    from pathlib import Path

    from napari_cytosynth.zoo.loading import Model

NAME = "em-mitochondria-unet"


@pytest.fixture
def folder(tmp_path: Path, tiny_model: Model) -> Path:
    return save_model(tmp_path / "tiny", tiny_model.network, tiny_model.card)


@pytest.fixture
def weights(tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Bundled weights with one model in them, and a Hub that nobody may ask."""
    weights = tmp_path / "weights"
    shutil.copytree(folder, weights / NAME)
    shutil.copy(bundled.weights_folder() / "index.json", weights)
    index = json.loads((weights / "index.json").read_text())
    for record in index.values():
        record.update(sha256=None, revision=None)
    (weights / "index.json").write_text(json.dumps(index))
    monkeypatch.setattr(bundled, "weights_folder", lambda: weights)
    monkeypatch.setattr(hub, "fetch", lambda *args: pytest.fail(f"asked the Hub for {args}"))
    return weights


def test_path_to_a_folder_or_a_file(folder: Path, tiny_model: Model) -> None:
    for source in (folder, str(folder), folder / "model.safetensors"):
        model = load_model(source, device="cpu")
        assert (model.origin, model.revision, model.device) == ("path", None, "cpu")
        assert model.source == str(source)
        assert model.sha256 == file_sha256(folder / "model.safetensors")
        assert model.card.inference == tiny_model.card.inference


def test_a_model_is_returned_as_it_is(tiny_model: Model) -> None:
    assert load_model(tiny_model) is tiny_model


@pytest.mark.parametrize("source", [NAME, f"napari-cytosynth/{NAME}"])
def test_bundled_model_by_name(weights: Path, source: str) -> None:
    model = load_model(source)
    assert (model.origin, model.device) == ("bundled", "auto")
    assert model.sha256 == file_sha256(weights / NAME / "model.safetensors")


def test_results_in_a_folder_of_a_models_name_do_not_hide_it(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / NAME).mkdir()
    assert load_model(NAME).origin == "bundled"
    shutil.copytree(folder, tmp_path / NAME, dirs_exist_ok=True)
    assert load_model(NAME).origin == "path"


def test_altered_bundled_weights_are_refused_with_both_hashes(
    weights: Path, tiny_model: Model
) -> None:
    pinned = catalogue.pin(NAME).sha256
    assert load_model(NAME).sha256 == pinned
    with torch.no_grad():
        tiny_model.network.head.bias.add_(1)
    save_model(weights / NAME, tiny_model.network, tiny_model.card)
    with pytest.raises(ChecksumError) as caught:
        load_model(NAME)
    assert str(pinned) in str(caught.value)
    assert file_sha256(weights / NAME / "model.safetensors") in str(caught.value)


def test_hub_copy_of_a_known_model_must_match_the_pin(
    weights: Path, folder: Path, tiny_model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalogue.pin(NAME, revision="a" * 40)
    shutil.rmtree(weights / NAME)
    asked = []

    def fetch(*args: object) -> Path:
        asked.append(args[:2])
        return folder

    monkeypatch.setattr(hub, "fetch", fetch)
    assert load_model(NAME).origin == "hub"
    assert asked == [(f"napari-cytosynth/{NAME}", "a" * 40)]
    with torch.no_grad():
        tiny_model.network.head.bias.add_(1)
    save_model(folder, tiny_model.network, tiny_model.card)
    with pytest.raises(ChecksumError, match="models remove"):
        load_model(NAME)
    load_model(f"{NAME}@other-branch")  # asked for by name: not what the pin is about


def test_names_that_are_nothing(weights: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelNotFoundError, match=f"Did you mean “{NAME}”"):
        load_model("em-mitochondria")
    with pytest.raises(ModelNotFoundError, match="organisation/name"):
        load_model("a/b/c")
    for source in ("./nothing", str(tmp_path / "nothing"), "gone/model.safetensors"):
        with pytest.raises(ModelNotFoundError, match="There is no model at"):
            load_model(source)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ModelNotFoundError, match=r"model\.safetensors is missing"):
        load_model(tmp_path / "empty")


def test_the_folder_of_a_run_leads_to_its_model(tmp_path: Path, tiny_model: Model) -> None:
    run = tmp_path / "runs"
    model = save_model(run / "mine", tiny_model.network, tiny_model.card)
    (run / "best.pt").write_bytes(b"checkpoint")
    with pytest.raises(ModelNotFoundError, match=r"holds no model itself; choose “.*mine”"):
        load_model(run)
    assert load_model(model).card.name == tiny_model.card.name


def test_pickle_by_path(tmp_path: Path) -> None:
    torch.save({}, tmp_path / "net.pth")
    with pytest.raises(NotSafetensorsError):
        load_model(tmp_path / "net.pth")


def test_list_models_tells_what_a_person_chooses_by(
    weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalogue, "cached_snapshots", list)
    [model] = catalogue.list_models()
    assert (model.name, model.task, model.source) == (NAME, "segment", NAME)
    assert model.cached
    assert model.size_bytes == (weights / NAME / "model.safetensors").stat().st_size
    assert (model.licence, model.pixel_size_um) == ("CC0-1.0", 0.5)
    assert model.path == weights / NAME
    assert catalogue.list_models("segment") == [model]
    assert catalogue.list_models("stain") == []
    with pytest.raises(ValueError, match="'segment'"):
        catalogue.list_models("segmentation")


def test_pinning_what_is_not_there(weights: Path) -> None:
    with pytest.raises(ModelNotFoundError, match="nothing to pin"):
        catalogue.pin("phase-cells-unet")


def test_catalogue_names_are_unique_and_pins_are_well_formed() -> None:
    entries = catalogue.CATALOGUE
    assert {entry.name for entry in entries} >= {
        "em-mitochondria-unet",
        "em-cells-unet",
        "phase-cells-unet",
        "fluo-nuclei-unet",
    }
    for entry in entries:
        assert entry.repository == f"napari-cytosynth/{entry.name}"
        assert entry.sha256 is None or len(entry.sha256) == 64
        assert entry.revision is None or len(entry.revision) == 40


@pytest.mark.weights
@pytest.mark.parametrize("entry", catalogue.CATALOGUE, ids=lambda entry: entry.name)
def test_bundled_weights_are_pinned_and_load(entry: catalogue.CatalogueEntry) -> None:
    if catalogue.bundled_folder(entry.name) is None:
        pytest.skip("not bundled yet")
    assert entry.sha256 is not None, "pin it: catalogue.pin(name)"
    model = load_model(entry.name)
    assert model.card.name == entry.name
    assert model.card.inference.task == entry.task
    assert model.card.licence
    assert model.card.metrics or entry.task == "encode"  # an encoder is what measures


def test_listing_models_imports_no_torch() -> None:
    code = (
        "import sys; from napari_cytosynth.zoo.catalogue import list_models; list_models(); "
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("name", ["a" * 300, "~no-such-user/model", "", "\ud800"])
def test_what_cannot_be_a_name_is_not_found(name):
    with pytest.raises(ModelNotFoundError) as caught:
        load_model(name)
    assert str(caught.value).isprintable()


def test_impossible_arguments_of_loading_are_named():
    for arguments, words in (
        ({"source": None}, "“model” must be a name or path"),
        ({"source": b"x"}, "“model” must be a name or path"),
        ({"source": "a\0b"}, "null character"),
        ({"source": "nuclei-vae", "device": None}, "“device” must be"),
        ({"source": "nuclei-vae", "progress": 1}, "“progress” must be a function"),
    ):
        with pytest.raises(InputError, match=words):
            load_model(**arguments)


def test_a_kept_model_is_read_again_only_where_its_files_changed(
    folder: Path, tmp_path: Path, tiny_model: Model
) -> None:
    kept = KeptModel()
    first = kept.load(str(folder), "cpu")
    again = kept.load(str(folder), "auto")
    assert again.network is first.network
    assert (first.device, again.device) == ("cpu", "auto")
    other = save_model(tmp_path / "other", tiny_model.network, tiny_model.card)
    assert kept.load(str(other)).network is not first.network
    assert kept.load(str(folder)).network is not first.network  # only the last one is kept
    card = tiny_model.card.model_copy(update={"title": "Another title"})
    save_model(folder, tiny_model.network, card)
    assert kept.load(str(folder)).card.title == "Another title"
    with pytest.raises(ModelNotFoundError):
        kept.load(" ")
    shutil.rmtree(folder)
    with pytest.raises(ModelNotFoundError):
        kept.load(str(folder))
