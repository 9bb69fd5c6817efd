"""Version 2 of the card: roles of channels, decoding of flows, facts about the objects."""

from __future__ import annotations

import hashlib
import json

import pytest
from pydantic import ValidationError

from napari_cytosynth.errors import ModelError
from napari_cytosynth.zoo.bundled import bundled_folder
from napari_cytosynth.zoo.card import FORMAT_VERSION, FlowDecoding, Inference, ModelCard
from napari_cytosynth.zoo.catalogue import read_catalogue
from napari_cytosynth.zoo.model_files import load_network, read_card, save_model, update_card

FLOWS = {
    "task": "segment",
    "input_channels": ["grey"],
    "output_channels": ["cells", "dy", "dx"],
    "channel_roles": ["foreground", "flow-y", "flow-x"],
    "flows": {"error_limit": 0.4},
    "threshold": 0.4,
    "min_size": 30,
    "diameter": 17.5,
    "confidence": {
        "intercept": 1.5,
        "flow_error": {"weight": -2, "mean": 0.1, "std": 0.05},
        "log_area": {"weight": 0.3, "mean": 5.5, "std": 0.4},
    },
    "expected": {
        "foreground": [0.02, 0.2, 0.6],
        "diameter": [9, 17.5, 30],
        "confidence": [0.5, 0.8, 0.95],
    },
}
STAIN = {
    "task": "stain",
    "input_channels": ["phase"],
    "output_channels": ["DNA", "DNA log-variance"],
    "activation": "linear",
}
ENCODE = {"task": "encode", "input_channels": ["grey"], "output_channels": ["features"]}
PAIRS = {
    "task": "generate",
    "input_channels": [],
    "output_channels": ["grey", "mask"],
    "generation": {"family": "vae", "mask_channel": "mask"},
}


def test_a_card_with_flows_survives_json():
    record = Inference.model_validate(FLOWS)
    assert Inference.model_validate_json(record.model_dump_json()) == record
    assert record.flows == FlowDecoding(scale=5, error_limit=0.4)
    assert record.activations == ["sigmoid", "linear", "linear"]
    assert [record.channel_of(role) for role in ("flow-x", "foreground", "seed")] == [2, 0, None]
    assert record.separates_objects


def test_each_role_has_its_activation():
    roles = ["seed", "boundary", "foreground", "other", "flow-x", "flow-y"]
    change = {"channel_roles": roles, "output_channels": list("abcdef")}
    record = Inference.model_validate(FLOWS | change)
    assert record.activations == ["sigmoid"] * 4 + ["linear"] * 2
    record = Inference.model_validate(STAIN | {"channel_roles": ["mean", "log-variance"]})
    assert record.activations == ["linear", "linear"]
    record = Inference.model_validate(PAIRS | {"channel_roles": ["image", "mask"]})
    assert record.activations == ["linear", "linear"]


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"channel_roles": ["foreground", "flow-y"]}, "one role for each output channel"),
        ({"channel_roles": ["foreground", "flow-y", "flow-y"]}, "come together"),
        ({"channel_roles": ["foreground", "flow-y", "other"]}, "come together"),
        ({"channel_roles": ["other", "flow-y", "flow-x"]}, "exactly one channel of role foregr"),
        ({"channel_roles": ["foreground", "foreground", "seed"], "flows": None}, "exactly one"),
        ({"channel_roles": ["mean", "flow-y", "flow-x"]}, "no channel of role mean"),
        ({"channel_roles": ["foreground", "flow-z", "flow-x"]}, "channel_roles"),
        ({"output_channels": ["cells", "cells", "dx"]}, "names that differ"),
        ({"object_channel": "dx"}, "its role is flow-x"),
        ({"flows": None}, "need each other"),
        ({"channel_roles": []}, "need each other"),
        ({"splitting": {"channel": "cells", "seed_threshold": 0.5}}, "two ways"),
        ({"flows": {"scale": 0}}, "flows.scale"),
        ({"flows": {"scale": float("inf")}}, "flows.scale"),
        ({"flows": {"error_limit": float("nan")}}, "flows.error_limit"),
        ({"min_size": -1}, "min_size"),
        ({"min_size": 2.5}, "min_size"),
        ({"diameter": 0}, "diameter"),
        ({"diameter": 1e300}, "diameter"),
        ({"confidence": {"intercept": 0}}, "at least one term"),
        ({"confidence": {"intercept": 1e9, "probability": {"weight": 1}}}, "intercept"),
        ({"confidence": {"intercept": 0, "probability": {"weight": 1, "std": 0}}}, "std"),
        ({"expected": {"foreground": [0.5, 0.2, 0.6]}}, "must not fall"),
        ({"expected": {"foreground": [0.5, 0.6, 1.6]}}, "expected.foreground"),
        ({"expected": {"diameter": [1, 2]}}, "expected.diameter"),
        ({"expected": {"novelty": 1}}, "novelty"),
    ],
)
def test_contradictions_are_named(change, complaint):
    with pytest.raises(ValidationError, match=complaint):
        Inference.model_validate(FLOWS | change)


@pytest.mark.parametrize(
    ("card", "complaint"),
    [
        (STAIN | {"channel_roles": ["log-variance", "log-variance"]}, "of role mean"),
        (STAIN | {"channel_roles": ["mean", "foreground"]}, "no channel of role foreground"),
        (PAIRS | {"channel_roles": ["mask", "image"]}, "the one channel of role mask"),
        (PAIRS | {"channel_roles": ["mask", "other"]}, "of role image"),
        (STAIN | {"flows": {}}, "need each other"),
        (ENCODE | {"channel_roles": ["foreground"]}, "no channel of role foreground"),
    ],
)
def test_roles_are_those_of_the_task(card, complaint):
    with pytest.raises(ValidationError, match=complaint):
        Inference.model_validate(card)


@pytest.mark.parametrize(
    ("change", "roles"),
    [
        ({}, ["foreground", "other", "other"]),
        ({"object_channel": "dx"}, ["other", "other", "foreground"]),
        ({"splitting": {"channel": "dy", "seed_threshold": 0}}, ["foreground", "seed", "other"]),
        ({"splitting": {"channel": "cells", "seed_threshold": 0}}, ["foreground"] + ["other"] * 2),
        ({"task": "stain"}, ["mean", "mean", "mean"]),
        (
            {"task": "generate", "generation": {"family": "vae", "mask_channel": "dy"}},
            ["image", "mask", "image"],
        ),
    ],
)
def test_roles_of_version_1_follow_from_its_fields(change, roles):
    plain = {name: FLOWS[name] for name in ("task", "input_channels", "output_channels")}
    for activation in ("sigmoid", "linear"):
        record = Inference.model_validate(plain | change | {"activation": activation})
        assert record.roles == roles
        assert record.activations == [activation] * 3


OLD = {  # roles of the channels, and whether touching objects are separated
    "distance": (["foreground", "seed"], True),
    "foreground": (["foreground"], False),
}


@pytest.mark.parametrize("kind", OLD)
def test_cards_of_version_1_keep_their_bytes_and_meaning(version_1, kind):
    folder = version_1(kind)
    before = [hashlib.sha256(path.read_bytes()).digest() for path in sorted(folder.iterdir())]
    network, card = load_network(folder)
    stored = json.loads((folder / "config.json").read_bytes())
    assert card.format_version == stored["format_version"] == 1
    assert card == read_card(folder / "model.safetensors")
    assert (card.inference.roles, card.inference.separates_objects) == OLD[kind]
    assert card.inference.activations == ["sigmoid"] * len(card.inference.output_channels)
    assert card.inference == Inference.model_validate(stored["inference"])
    for name in ("threshold", "object_channel", "output_channels"):
        assert getattr(card.inference, name) == stored["inference"][name]
    for name in ("min_size", "diameter", "flows", "confidence", "expected"):
        assert getattr(card.inference, name) is None
    assert not card.inference.input_quantiles
    assert not card.inference.input_looks
    after = [hashlib.sha256(path.read_bytes()).digest() for path in sorted(folder.iterdir())]
    assert before == after
    assert network is not None


def test_a_card_of_version_1_keeps_its_meaning_when_it_is_updated(version_1):
    folder = version_1("distance")
    old = read_card(folder)
    update_card(folder, old.model_copy(update={"title": "Another title"}))
    again = read_card(folder)
    assert (again.format_version, again.title) == (2, "Another title")
    assert again.inference == old.inference
    assert (again.inference.roles, again.inference.separates_objects) == OLD["distance"]


@pytest.mark.weights
@pytest.mark.parametrize("entry", read_catalogue(), ids=lambda entry: entry.name)
def test_every_bundled_card_says_which_version_it_is_of(entry):
    folder = bundled_folder(entry.name)
    card = read_card(folder)
    assert card.format_version <= FORMAT_VERSION
    assert card == read_card(folder / "model.safetensors")


def test_what_is_saved_is_of_the_present_version(make_model, tmp_path):
    model = make_model()
    old = model.card.model_copy(update={"format_version": 1})
    folder = save_model(tmp_path / "m", model.network, old)
    assert (
        read_card(folder).format_version == read_card(folder / "model.safetensors").format_version
    )
    assert json.loads((folder / "config.json").read_text())["format_version"] == FORMAT_VERSION == 2
    update_card(folder, old)
    assert read_card(folder).format_version == 2


def test_a_card_of_version_1_holds_no_fields_of_version_2(make_model, tmp_path):
    model = make_model()
    folder = save_model(tmp_path / "m", model.network, model.card)
    config = folder / "config.json"
    stored = json.loads(config.read_text()) | {"format_version": 1}
    config.write_text(json.dumps(stored))
    assert read_card(folder).inference == model.card.inference
    stored["inference"]["min_size"] = 30
    config.write_text(json.dumps(stored))
    with pytest.raises(ModelError, match=r"inference\.min_size needs format_version 2"):
        read_card(folder)
    with pytest.raises(ValidationError, match="encode needs format_version 2"):
        ModelCard(format_version=1, name="x", architecture="UNetEncoder", inference=ENCODE)
    with pytest.raises(ValidationError, match="channel_roles needs format_version 2"):
        ModelCard(format_version=1, name="x", architecture="UNet", inference=FLOWS)
