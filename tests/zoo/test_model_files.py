from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from napari_cytosynth.errors import (
    CardTooNewError,
    CorruptWeightsError,
    ModelError,
    ModelNotFoundError,
    NotSafetensorsError,
    OutputError,
    UnknownArchitectureError,
)
from napari_cytosynth.models import build_network
from napari_cytosynth.zoo.card import Inference, Metric, ModelCard
from napari_cytosynth.zoo.model_files import (
    file_sha256,
    load_network,
    read_card,
    read_reference,
    save_model,
    update_card,
    write_reference,
)

if TYPE_CHECKING:
    from pathlib import Path

ARGUMENTS = {"in_channels": 1, "out_channels": 2, "widths": [4, 8]}


def make_card(**changes: object) -> ModelCard:
    card = ModelCard(
        name="tiny",
        architecture="UNet",
        arguments=ARGUMENTS,
        inference=Inference(
            task="segment", input_channels=["grey"], output_channels=["foreground", "distance"]
        ),
    )
    return card.model_copy(update=changes)


@pytest.fixture
def network() -> torch.nn.Module:
    torch.manual_seed(0)
    network = build_network("UNet", ARGUMENTS)
    network(torch.rand(2, 1, 16, 16))  # gives BatchNorm statistics of its own
    return network


@pytest.fixture
def folder(tmp_path: Path, network: torch.nn.Module) -> Path:
    return save_model(tmp_path / "tiny", network, make_card())


def edit_config(folder: Path, **changes: object) -> None:
    config = folder / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | changes))


def test_loaded_network_predicts_as_the_saved_one(folder: Path, network: torch.nn.Module) -> None:
    loaded, card = load_network(folder)
    image = torch.rand(1, 1, 16, 16)
    with torch.no_grad():
        torch.testing.assert_close(loaded(image), network.eval()(image), atol=5e-3, rtol=5e-3)
    assert card.name == "tiny"
    assert card.package_version
    assert not loaded.training
    assert {p.dtype for p in loaded.parameters()} == {torch.float32}
    assert not any(p.requires_grad for p in loaded.parameters())


def test_weights_are_stored_in_half_precision_and_statistics_in_full(
    folder: Path, network: torch.nn.Module
) -> None:
    with safe_open(folder / "model.safetensors", "pt") as file:
        kinds = {name: file.get_tensor(name).dtype for name in file.keys()}
    assert kinds["encoder.0.conv1.weight"] == torch.float16
    assert kinds["encoder.0.norm1.running_var"] == torch.float32
    assert kinds["encoder.0.norm1.num_batches_tracked"] == torch.int64
    loaded, _ = load_network(folder)
    torch.testing.assert_close(
        loaded.state_dict()["encoder.0.norm1.running_var"],
        network.state_dict()["encoder.0.norm1.running_var"],
        atol=0,
        rtol=0,
    )


def test_float32_is_kept_on_request_and_large_values_are_never_lost(
    tmp_path: Path, network: torch.nn.Module
) -> None:
    with torch.no_grad():
        network.head.bias.fill_(1e6)
    for dtype in (None, torch.float32):
        loaded, _ = load_network(save_model(tmp_path / "m", network, make_card(), dtype=dtype))
        assert float(loaded.head.bias[0]) == 1e6
    torch.testing.assert_close(loaded.state_dict(), network.state_dict(), atol=0, rtol=0)


def test_channels_last_and_shared_tensors_can_be_saved(
    tmp_path: Path, network: torch.nn.Module
) -> None:
    network = network.to(memory_format=torch.channels_last)
    network.encoder[0].norm2.weight = network.encoder[0].norm1.weight
    load_network(save_model(tmp_path / "m", network, make_card()))


def test_saving_twice_gives_the_same_bytes(
    tmp_path: Path, folder: Path, network: torch.nn.Module
) -> None:
    again = save_model(tmp_path / "again", network, make_card())
    for name in ("config.json", "model.safetensors", "README.md"):
        assert file_sha256(folder / name) == file_sha256(again / name)


def test_new_figures_on_the_card_leave_every_tensor_as_it_was(folder: Path) -> None:
    weights = folder / "model.safetensors"
    before, tensors = file_sha256(weights), load_file(weights)
    metric = Metric(name="AP@0.5", value=0.8, dataset="blobs", command="cytosynth evaluate …")
    update_card(folder, read_card(folder).model_copy(update={"metrics": [metric]}))
    assert file_sha256(weights) != before
    after = load_file(weights)
    assert all(after[k].dtype == v.dtype and after[k].equal(v) for k, v in tensors.items())
    assert read_card(weights) == read_card(folder)
    assert read_card(folder).metrics == [metric]
    assert "AP@0.5" in (folder / "README.md").read_text()


def test_a_card_that_does_not_fit_is_not_written(folder: Path) -> None:
    card = read_card(folder)
    with pytest.raises(CorruptWeightsError):
        update_card(folder, card.model_copy(update={"arguments": ARGUMENTS | {"widths": [2]}}))
    assert read_card(folder) == card


def test_a_model_carries_embeddings_that_are_no_weights(folder: Path, tmp_path: Path) -> None:
    assert read_reference(folder) == {}
    before = load_network(folder)[0].state_dict()
    embeddings, index = torch.rand(7, 3), torch.arange(28, dtype=torch.int32).reshape(7, 4)
    write_reference(folder, {"embeddings": embeddings, "index": index})
    update_card(folder, read_card(folder).model_copy(update={"title": "With embeddings"}))
    lone = tmp_path / "lone.safetensors"
    lone.write_bytes((folder / "model.safetensors").read_bytes())
    for source in (folder, lone):
        found = read_reference(source)
        assert found["embeddings"].dtype == torch.float16
        torch.testing.assert_close(found["embeddings"].float(), embeddings, atol=1e-3, rtol=0)
        assert found["index"].equal(index)
        network, card = load_network(source)
        assert card.title == "With embeddings"
        torch.testing.assert_close(network.state_dict(), before, atol=0, rtol=0)
    write_reference(folder, {})
    assert read_reference(folder) == {}


def test_lone_weights_file_explains_itself(folder: Path, tmp_path: Path) -> None:
    lone = tmp_path / "renamed.safetensors"
    (folder / "model.safetensors").rename(lone)
    assert read_card(lone) == read_card(folder)
    _, card = load_network(lone)
    assert card.inference.output_channels == ["foreground", "distance"]


def test_loading_does_not_change_random_numbers(folder: Path) -> None:
    torch.manual_seed(1)
    expected = torch.rand(1)
    torch.manual_seed(1)
    load_network(folder)
    assert torch.rand(1) == expected


def test_only_the_three_files_are_left(folder: Path) -> None:
    assert {p.name for p in folder.iterdir()} == {"config.json", "model.safetensors", "README.md"}


@pytest.mark.parametrize("suffix", [".pt", ".pth", ".ckpt", ".bin", ".PTH"])
def test_pickles_are_refused_by_name(folder: Path, suffix: str) -> None:
    pickle = (folder / "model.safetensors").rename(folder / f"model{suffix}")
    for source in (pickle, folder):
        with pytest.raises(NotSafetensorsError, match="hidden code"):
            load_network(source)


@pytest.mark.parametrize("zipped", [True, False])
def test_pickles_are_refused_by_content_and_never_opened(folder: Path, zipped: bool) -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.mkdir, (str(folder / "sprung"),)

    target = folder / "model.safetensors"
    torch.save({"weight": Trap()}, target, _use_new_zipfile_serialization=zipped)
    with pytest.raises(NotSafetensorsError):
        load_network(folder)
    assert not (folder / "sprung").exists()


@pytest.mark.parametrize("kept", [0, 5, 100, -1])
def test_truncated_weights_are_named_as_such(folder: Path, kept: int) -> None:
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:kept])
    with pytest.raises(CorruptWeightsError, match="damaged"):
        load_network(folder)


def test_trailing_bytes_and_lfs_pointers_are_damage(folder: Path) -> None:
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes() + b"\0")
    with pytest.raises(CorruptWeightsError):
        load_network(folder)
    weights.write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n")
    with pytest.raises(CorruptWeightsError, match="Git LFS"):
        load_network(folder)


def test_altered_header_is_damage(folder: Path) -> None:
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes().replace(b'"F16"', b'"X16"', 1))
    with pytest.raises(CorruptWeightsError):
        load_network(folder)


def test_not_a_number_is_damage(tmp_path: Path, network: torch.nn.Module) -> None:
    with torch.no_grad():
        network.head.bias.fill_(float("nan"))
    folder = save_model(tmp_path / "m", network, make_card())
    with pytest.raises(CorruptWeightsError, match=r"head\.bias"):
        load_network(folder)


def test_weights_of_another_network_do_not_fit(folder: Path) -> None:
    edit_config(folder, arguments=ARGUMENTS | {"widths": [4, 16]})
    with pytest.raises(CorruptWeightsError, match="shape"):
        load_network(folder)
    edit_config(folder, arguments=ARGUMENTS | {"widths": [4, 8, 16]})
    with pytest.raises(CorruptWeightsError, match="do not fit the architecture"):
        load_network(folder)


def test_absurd_sizes_are_refused_before_memory_is_taken(folder: Path) -> None:
    edit_config(folder, arguments=ARGUMENTS | {"widths": [10**5, 10**6]})
    with pytest.raises((CorruptWeightsError, UnknownArchitectureError)):
        load_network(folder)
    edit_config(folder, arguments=ARGUMENTS | {"widths": [10**15, 10**15]})
    with pytest.raises((CorruptWeightsError, UnknownArchitectureError)):
        load_network(folder)


def test_unknown_architecture_and_arguments(folder: Path) -> None:
    edit_config(folder, architecture="Perceiver")
    assert read_card(folder).architecture == "Perceiver"
    with pytest.raises(UnknownArchitectureError, match="Perceiver"):
        load_network(folder)
    edit_config(folder, architecture="UNet", arguments={"wings": 2})
    with pytest.raises(UnknownArchitectureError, match="wings"):
        load_network(folder)


def test_card_of_a_newer_version_is_told_from_a_broken_one(folder: Path) -> None:
    edit_config(folder, format_version=3, novelty="yes")
    with pytest.raises(CardTooNewError, match="update"):
        load_network(folder)
    edit_config(folder, format_version=1)
    with pytest.raises(ModelError, match="novelty"):
        load_network(folder)
    (folder / "config.json").write_text("{half a ca")
    with pytest.raises(ModelError, match="JSON"):
        read_card(folder)


def test_channel_names_must_fit_the_network(tmp_path: Path, network: torch.nn.Module) -> None:
    card = make_card(arguments=ARGUMENTS | {"in_channels": 3})
    with pytest.raises(ModelError, match="in_channels is 3"):
        load_network(save_model(tmp_path / "m", network, card))


def test_foreign_safetensors_without_a_card(tmp_path: Path) -> None:
    foreign = tmp_path / "model.safetensors"
    save_file({"weight": torch.zeros(2)}, foreign)
    for source in (foreign, tmp_path):
        with pytest.raises(ModelError, match="no card"):
            load_network(source)


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFoundError, match=r"model\.safetensors is missing"):
        load_network(tmp_path)
    with pytest.raises(ModelNotFoundError):
        read_card(tmp_path / "missing")


def test_folder_that_cannot_be_written(tmp_path: Path, network: torch.nn.Module) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(OutputError, match="cannot be saved"):
        save_model(tmp_path / "file" / "model", network, make_card())


def test_weights_that_cannot_be_written_leave_no_card(tiny_model, tmp_path):
    (tmp_path / "model.safetensors").mkdir()  # in place of a full disk
    with pytest.raises(OutputError):
        save_model(tmp_path, tiny_model.network, tiny_model.card)
    assert [path.name for path in tmp_path.iterdir()] == ["model.safetensors"]
