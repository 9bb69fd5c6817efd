"""Packages of BioImage.IO: valid, with the same output, and back again as the same model."""

from __future__ import annotations

import hashlib
import io
import zipfile

import numpy as np
import pytest
import torch
import yaml

from napari_cytosynth.errors import InputError, ModelError, OutputError
from napari_cytosynth.models import ARCHITECTURES
from napari_cytosynth.tasks.export.model_package import export_bioimageio
from napari_cytosynth.zoo.bioimageio.architecture import standalone_source
from napari_cytosynth.zoo.bioimageio.record import SUPPORTED
from napari_cytosynth.zoo.card import FlowDecoding, GenerationSettings, Normalisation, OutputScaling
from napari_cytosynth.zoo.convert import conversion, convert
from napari_cytosynth.zoo.convert.worker import extract
from napari_cytosynth.zoo.loading import load_model

VALIDATOR = "bioimageio.core"  # of no extra: its versions ask for exact ones of others


@pytest.fixture(scope="module")
def model(make_model):
    """A model with a probability and flows, of two input channels."""
    channels = ["foreground", "flow-y", "flow-x"]
    return make_model(
        input_channels=["a", "b"], output_channels=channels, channel_roles=channels,
        flows=FlowDecoding(), splitting=None, normalisation=Normalisation(low=1, high=99),
    )  # fmt: skip


@pytest.fixture(scope="module")
def package(model, tmp_path_factory):
    path = tmp_path_factory.mktemp("package") / "cells.zip"
    export_bioimageio(model, path, authors=["Ada"])
    return path


@pytest.fixture
def in_process(monkeypatch):
    """Read weights without a second process, which takes seconds to begin."""

    def run(path, target):
        return extract(str(path), str(target))

    monkeypatch.setattr(conversion, "_run_reader", run)


def contents(path):
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def rewritten(path, target, **changes):
    """Return a copy of a package with some of its files changed."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in contents(path).items():
            change = changes.get(name.partition(".")[0], content)
            if change is not None:
                archive.writestr(name, change)
    return target


def record_with(path, **changes):
    return yaml.safe_dump(yaml.safe_load(contents(path)["rdf.yaml"]) | changes).encode()


def test_the_network_in_the_package_gives_the_result_in_it(package):
    files = contents(package)
    record = yaml.safe_load(files["rdf.yaml"])
    space: dict = {"__name__": "network"}
    exec(compile(files["network.py"], "network.py", "exec"), space)
    weights = record["weights"]["pytorch_state_dict"]
    network = space[weights["architecture"]["callable"]](**weights["architecture"]["kwargs"]).eval()
    network.load_state_dict(torch.load(io.BytesIO(files["weights.pt"]), weights_only=True))
    image, expected = (np.load(io.BytesIO(files[name])) for name in ("input.npy", "output.npy"))
    (scaling,) = record["inputs"][0]["preprocessing"]
    assert (scaling["id"], scaling["kwargs"]["axes"]) == ("scale_range", ["y", "x"])
    low, high = (
        np.percentile(image, scaling["kwargs"][name], axis=(2, 3), keepdims=True)
        for name in ("min_percentile", "max_percentile")
    )
    with torch.inference_mode():
        found = network(torch.from_numpy(((image - low) / (high - low)).astype(np.float32))).numpy()
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert 0 < expected[:, 0].min() < expected[:, 0].max() < 1  # probabilities
    assert expected[:, 1:].min() < 0  # and flows
    for name, entry in (("weights.pt", weights), ("network.py", weights["architecture"])):
        assert entry["sha256"] == hashlib.sha256(files[name]).hexdigest()
    assert record["outputs"][0]["axes"][2]["halo"] > 0
    assert record["license"] == "CC0-1.0"


@pytest.mark.filterwarnings("ignore", "ignore::pytest.PytestUnraisableExceptionWarning")  # theirs
@pytest.mark.parametrize("kind", ["flows", "cellpose"])
def test_it_is_valid_and_runs_elsewhere(package, cellpose_model, kind, tmp_path):
    core = pytest.importorskip(VALIDATOR, reason=f"{VALIDATOR} is not installed")
    if kind == "cellpose":
        package = tmp_path / "cellpose.zip"
        messages = export_bioimageio(cellpose_model, package)
        assert any("no SPDX identifier" in message for message in messages)
        assert any("depends on the whole image" in message for message in messages)
    found = core.test_model(package, weight_format="pytorch_state_dict", determinism="seed_only")
    assert found.status == "passed", found.display()


@pytest.mark.usefixtures("in_process")
def test_it_comes_back_as_the_same_model(package, model, tmp_path):
    convert(package, "bioimageio", tmp_path / "back")
    back = load_model(tmp_path / "back")
    assert back.card.model_copy(update={"package_version": ""}) == model.card
    for name, tensor in model.network.state_dict().items():
        assert torch.equal(back.network.state_dict()[name], tensor), name
    with pytest.raises(InputError, match="takes no setting threshold"):
        convert(package, "bioimageio", tmp_path / "other", {"threshold": 0.3})


@pytest.mark.usefixtures("in_process")
def test_weights_of_another_maker_are_taken_from_their_package(
    package, tmp_path, cellpose_state, foreign_weights
):
    target = foreign_weights(cellpose_state())
    with pytest.raises(ModelError, match="convert it with --as UNet, Pix2PixHD or Cellpose"):
        convert(target, "bioimageio", tmp_path / "out")
    done = convert(target, "Cellpose", tmp_path / "out")
    assert done.card.inference.image_diameter == 54


@pytest.fixture
def foreign_weights(package, tmp_path):
    """Return the function that makes a package without a card, of some weights."""

    def make(state):
        weights = io.BytesIO()
        torch.save(state, weights)
        entry = {"source": "weights.pt", "architecture": {"callable": "Net", "source": "net.py"}}
        record = record_with(package, config={}, weights={"pytorch_state_dict": entry})
        return rewritten(package, tmp_path / "p.zip", rdf=record, weights=weights.getvalue())

    return make


def test_what_cannot_be_read_is_refused(package, tmp_path):
    def refused(message, **changes):
        with pytest.raises(ModelError, match=message):
            convert(rewritten(package, tmp_path / "p.zip", **changes), "bioimageio", tmp_path / "o")
        assert not (tmp_path / "o").exists()

    weights = contents(package)["weights.pt"]
    refused("SHA-256 of its weights", weights=weights[:-1] + b"x")
    refused("“weights.pt” is missing", weights=None)
    refused("packed far tighter", weights=bytes(20_000_000))
    script = {"torchscript": {"source": "weights.pt"}}
    refused("TorchScript is a program", rdf=record_with(package, weights=script))
    refused("TorchScript is a program", rdf=record_with(package, weights=script, config={}))
    refused("does not describe a model", rdf=record_with(package, type="dataset"))
    for value in (b"[", b"2020-13-45", b"!!bool no-such", b"!!int ''", b"9" * 5000):
        refused("its record cannot be read", rdf=b"a: " + value)
    refused(r"references \(\*name\)", rdf=b"a: &a [1]\nb: *a")
    refused("no package of BioImage.IO", rdf=None)
    text = tmp_path / "text.zip"
    text.write_text("no archive")
    with pytest.raises(ModelError, match=r"no package of BioImage\.IO"):
        convert(text, "bioimageio", tmp_path / "o")


@pytest.mark.parametrize(("at", "value"), [(8, 1), (10, 99)])  # encrypted; packed unknown-wise
def test_an_archive_that_is_not_unpacked_is_refused(package, tmp_path, at, value):
    archive = bytearray(package.read_bytes())
    start = archive.find(b"PK\x01\x02")
    while start >= 0:
        archive[start + at] = value
        start = archive.find(b"PK\x01\x02", start + 4)
    (tmp_path / "p.zip").write_bytes(archive)
    with pytest.raises(ModelError, match="its record cannot be read"):
        convert(tmp_path / "p.zip", "bioimageio", tmp_path / "o")


@pytest.mark.usefixtures("in_process")
def test_weights_that_cannot_be_unpacked_are_damaged(package, tmp_path):
    path, files = tmp_path / "p.zip", contents(package)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_LZMA) as archive:
        for name in ("rdf.yaml", "weights.pt"):
            archive.writestr(name, files[name])
        start = archive.getinfo("weights.pt").header_offset
    damaged = bytearray(path.read_bytes())
    damaged[start + 200 : start + 600] = bytes(b ^ 0xFF for b in damaged[start + 200 : start + 600])
    path.write_bytes(damaged)
    with pytest.raises(ModelError, match="is damaged"):
        convert(path, "bioimageio", tmp_path / "o")


def test_an_archive_that_lies_about_its_size_is_not_unpacked(package, tmp_path):
    path = rewritten(package, tmp_path / "p.zip", weights=bytes(20_000_000))
    archive = bytearray(path.read_bytes())
    start = archive.find(b"weights.pt", archive.find(b"PK\x01\x02")) - 46
    archive[start + 20 : start + 24] = (15_000_000).to_bytes(4, "little")
    path.write_bytes(archive)
    with pytest.raises(ModelError, match="packed far tighter"):
        convert(path, "bioimageio", tmp_path / "o")


def test_what_the_format_has_no_words_for_is_refused(make_model, make_stainer, tmp_path):
    local = make_model(normalisation=Normalisation(kind="local"))
    with pytest.raises(InputError, match="no words"):
        export_bioimageio(local, tmp_path / "a.zip")
    generation = GenerationSettings(family="vae")
    other = make_model(task="generate", generation=generation, splitting=None, threshold=None)
    with pytest.raises(InputError, match="made to generate"):
        export_bioimageio(other, tmp_path / "a.zip")
    with pytest.raises(InputError, match=r"should end in \.zip"):
        export_bioimageio(local, tmp_path / "a")
    (tmp_path / "a.zip").write_bytes(b"mine")
    with pytest.raises(OutputError, match="there already"):
        export_bioimageio(local, tmp_path / "a.zip")
    assert (tmp_path / "a.zip").read_bytes() == b"mine"


def test_intensities_of_a_stain_are_in_its_units(make_stainer, tmp_path):
    scaling = [OutputScaling(offset=100, scale=50), OutputScaling(offset=0, scale=2)]
    stainer = make_stainer(output_scaling=scaling)
    messages = export_bioimageio(stainer, tmp_path / "stain.zip")
    assert any("names no authors" in message for message in messages)
    files = contents(tmp_path / "stain.zip")
    (post,) = yaml.safe_load(files["rdf.yaml"])["outputs"][0]["postprocessing"]
    assert (post["id"], post["kwargs"]["gain"]) == ("scale_linear", [50, 2])
    output = np.load(io.BytesIO(files["output.npy"]))[0]
    assert output[0].mean() == pytest.approx(100, abs=100)
    assert output[0].mean() > 20 > abs(output[1].mean())


@pytest.mark.parametrize("architecture", SUPPORTED)
def test_the_source_of_a_network_needs_nothing_but_torch(architecture):
    assert architecture in ARCHITECTURES
    source = standalone_source(architecture)
    imported = {line.split()[1].split(".")[0] for line in source.splitlines()
                if line.startswith(("import ", "from "))}  # fmt: skip
    assert imported <= {"__future__", "collections", "itertools", "torch", "typing"}


def test_the_source_brings_along_what_its_module_takes_from_another():
    names: dict[str, type[torch.nn.Module]] = {}
    exec(standalone_source("Pix2PixHD"), names)  # as a reader of the package does
    network = names["Exported"](width=8, downsamplings=1, global_blocks=1, smooth=2)
    plain = names["Exported"](width=8, downsamplings=1, global_blocks=1)
    plain.load_state_dict(network.state_dict())
    x = torch.rand(1, 1, 32, 32)
    assert network.eval()(x).std() < plain.eval()(x).std()
