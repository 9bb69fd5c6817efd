"""Copies for a computer without internet, models of one's own, and stars."""

from __future__ import annotations

import pytest

from napari_cytosynth.errors import (
    Cancelled,
    CorruptWeightsError,
    CytosynthError,
    InputError,
    ModelNotFoundError,
    OutputError,
)
from napari_cytosynth.zoo.catalogue import list_models
from napari_cytosynth.zoo.collection.copying import add_model, copy_model
from napari_cytosynth.zoo.collection.places import remove_model
from napari_cytosynth.zoo.collection.stars import star, starred, unstar
from napari_cytosynth.zoo.loading import load_model
from napari_cytosynth.zoo.model_files import file_sha256, save_model

pytestmark = pytest.mark.usefixtures("own_home")


@pytest.fixture
def tiny(tiny_model, tmp_path):
    return save_model(tmp_path / "tiny", tiny_model.network, tiny_model.card)


def own():
    return [info.source for info in list_models() if info.origin == "own"]


def test_a_model_goes_to_a_stick_and_from_there_to_another_computer(tiny, tmp_path, monkeypatch):
    place = copy_model(tiny, tmp_path / "stick")
    assert sorted(path.name for path in place.iterdir()) == [
        "README.md", "config.json", "model.safetensors",
    ]  # fmt: skip
    monkeypatch.setenv("CYTOSYNTH_HOME", str(tmp_path / "other"))
    assert own() == []
    assert add_model(place).name == "tiny"
    (place / "model.safetensors").unlink()  # the stick goes
    assert own() == ["tiny"]
    model = load_model("tiny")
    assert model.sha256 == file_sha256(tiny / "model.safetensors")
    assert remove_model("tiny") > 0
    assert own() == []
    with pytest.raises(ModelNotFoundError, match="no model called"):
        load_model("tiny")


def test_a_copy_is_not_written_over_what_is_there(tiny, tmp_path):
    copy_model(tiny, tmp_path / "stick")
    with pytest.raises(OutputError, match="already"):
        copy_model(tiny, tmp_path / "stick")


def test_a_cancelled_copy_leaves_nothing(tiny, tmp_path):
    def cancel(done, total, message):
        raise Cancelled

    with pytest.raises(Cancelled):
        copy_model(tiny, tmp_path / "stick", cancel)
    assert list((tmp_path / "stick").iterdir()) == []
    with pytest.raises(Cancelled):
        add_model(tiny, cancel)
    assert own() == []


def test_a_stick_that_writes_something_else_is_noticed(tiny, tmp_path, monkeypatch):
    from napari_cytosynth.zoo.collection import copying

    write = copying._copy_weights

    def damaged(source, target, *rest):
        write(source, target, *rest)
        with target.open("r+b") as file:
            file.seek(-1, 2)
            file.write(b"\x7f")

    monkeypatch.setattr(copying, "_copy_weights", damaged)
    with pytest.raises(CorruptWeightsError, match="not what was read"):
        copy_model(tiny, tmp_path / "stick")
    assert list((tmp_path / "stick").iterdir()) == []


def test_names_that_are_taken(tiny, make_model, tmp_path):
    assert add_model(tiny).message == "Added “tiny”."
    assert "here already" in add_model(tiny).message
    other = make_model(threshold=0.4)
    second = save_model(tmp_path / "second", other.network, other.card)
    assert add_model(second).name == "tiny-2"
    assert own() == ["tiny", "tiny-2"]
    for name, says in (("fluo-nuclei-unet", "another model"), ("../up", "cannot be the name")):
        with pytest.raises(InputError, match=says):
            add_model(second, name=name)


def test_what_is_no_model_is_not_added(tmp_path):
    with pytest.raises(ModelNotFoundError):
        add_model(tmp_path)
    assert own() == []


def test_a_star_is_of_the_models_verb_and_goes_with_the_model(tiny):
    assert starred() == {}
    with pytest.raises(ModelNotFoundError, match="not on this machine"):
        star("my-lab/not-here")
    with pytest.raises(InputError, match="no widget"):
        star("nuclei-encoder")
    assert star("nuclei-wgan") == "generate"
    add_model(tiny)
    star("tiny")
    assert starred() == {"generate": "nuclei-wgan", "segment": "tiny"}
    remove_model("tiny")
    assert starred() == {"generate": "nuclei-wgan"}
    unstar("generate")
    assert starred() == {}


def test_bundled_models_cannot_be_removed():
    with pytest.raises(InputError, match="comes with the package"):
        remove_model("nuclei-vae")


@pytest.mark.parametrize("source", [None, 3, b"tiny", "\0", "", "~nobody-of-this-name/x", "a\nb"])
@pytest.mark.parametrize("ask", [star, remove_model, add_model, lambda s: copy_model(s, "x")])
def test_what_names_no_model_is_a_sentence(ask, source, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CytosynthError):
        ask(source)
