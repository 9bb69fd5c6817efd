"""Copies for a computer without internet, models of one's own, and stars."""

from __future__ import annotations

import shutil
from pathlib import Path

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
    for name, says in (("fluo-nuclei-unet", "another"), ("../up", "cannot"), ("-x", "cannot")):
        with pytest.raises(InputError, match=says):
            add_model(second, name=name)


def test_a_corrected_card_is_not_taken_for_the_model_that_is_here(tiny, tmp_path):
    add_model(tiny)
    card = tiny / "config.json"
    card.write_text(card.read_text().replace("A tiny random network", "Of 0.5 µm, not 5"), "utf-8")
    assert add_model(tiny).name == "tiny-2"
    assert load_model("tiny-2").card != load_model("tiny").card


def test_an_own_model_of_a_bundled_name_is_known_by_its_path(tiny, own_home):
    shutil.copytree(tiny, own_home / "models" / "em-cells-unet")  # from before it was bundled
    (source,) = own()
    star(source)
    assert load_model(starred()["segment"]).card.name == "tiny"
    assert load_model("em-cells-unet").card.name == "em-cells-unet"
    assert remove_model(source) > 0
    assert own() == []
    assert starred() == {}


@pytest.mark.parametrize("folder", [False, True])
def test_what_lies_in_the_current_folder_hides_no_own_model(tiny, tmp_path, monkeypatch, folder):
    add_model(tiny)
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    other = tmp_path / "work" / "tiny"  # the weights that it was converted from, or images
    other.mkdir() if folder else other.write_bytes(b"of another program")
    assert load_model("tiny").card.name == "tiny"
    assert copy_model("tiny", tmp_path / "stick").name == "tiny"
    assert remove_model("tiny") > 0


def test_a_linked_model_is_removed_and_what_it_points_to_stays(tiny, own_home):
    add_model(tiny)
    link = own_home / "models" / "linked"
    link.symlink_to(tiny, target_is_directory=True)
    assert remove_model("linked") == 0
    assert own() == ["tiny"]
    assert load_model(tiny).card.name == "tiny"


def test_a_model_that_another_process_removes_at_the_same_time(tiny, own_home, monkeypatch):
    add_model(tiny)
    rename = Path.rename

    def late(path, target):
        shutil.rmtree(path)
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", late)
    with pytest.raises(ModelNotFoundError, match="“tiny” has been removed already"):
        remove_model("tiny")
    assert list((own_home / "models").iterdir()) == []


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
