"""A card that contradicts itself is refused when it is read, not when a user runs the model."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from napari_cytosynth.zoo.card import (
    Inference,
    ModelCard,
    Normalisation,
    OutputScaling,
    Training,
    is_name,
)

STAINS = {
    "task": "stain",
    "input_channels": ["phase"],
    "output_channels": ["DNA", "AGP"],
    "activation": "linear",
}
COMPLETE = {
    "output_scaling": [{"offset": 100, "scale": 900}, {"offset": 20.5, "scale": 3}],
    "output_unit": "camera counts",
    "modality": "phase contrast",
    "sigma_scale": [1.2, 0.9],
    "sigma_floor": [0.02, 0.0],
    "sigma_samples": 16,
    "dropout": 0.2,
    "input_quantiles": {"1": (-2.1, -1.9), "50": (-0.1, 0.1)},
    "input_looks": {"p50": (0.3, 0.4), "size": (1.5, 3.0)},
    "normalisation": {"kind": "local", "sigma": 25, "std": 0.03},
}


def test_a_card_of_a_stainer_survives_json():
    record = Inference.model_validate(STAINS | COMPLETE)
    assert Inference.model_validate_json(record.model_dump_json()) == record
    assert record.output_scaling[1] == OutputScaling(offset=20.5, scale=3)
    assert record.input_quantiles["50"] == (-0.1, 0.1)
    assert record.normalisation == Normalisation(kind="local", sigma=25, std=0.03)


def test_an_old_card_means_outputs_as_they_are_and_no_calibration():
    record = Inference.model_validate(STAINS)
    assert record.output_scaling == []
    assert record.sigma_scale is record.sigma_floor is record.sigma_samples is None
    assert record.input_quantiles == record.input_looks == {}
    assert record.dropout == 0


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"output_scaling": [{"offset": 0, "scale": 1}]}, "output_scaling needs one value"),
        ({"sigma_scale": [1.0], "sigma_floor": [0, 0]}, "sigma_scale needs one value"),
        ({"sigma_floor": [0.1, 0.1, 0.1]}, "sigma_floor needs one value"),
        ({"sigma_floor": None}, "belong together"),
        ({"sigma_scale": None}, "belong together"),
        ({"sigma_samples": 1}, "sigma_samples"),
        ({"output_scaling": [{"scale": 0}, {"scale": 1}]}, "scale"),
        ({"dropout": 1.0}, "dropout"),
        ({"object_channel": "ER"}, "no output channel called ER"),
        ({"normalisation": {"kind": "local", "sigma": 0}}, "sigma"),
        ({"normalisation": {"kind": "local", "std": 0}}, "std"),
        ({"sigma_skale": [1, 1]}, "sigma_skale"),
    ],
)
def test_contradictions_are_named(change, complaint):
    with pytest.raises(ValidationError, match=complaint):
        Inference.model_validate(STAINS | COMPLETE | change)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"normalisation": {"kind": "local", "sigma": 1e9}}, "sigma"),
        ({"normalisation": {"kind": "local", "sigma": float("inf")}}, "sigma"),
        ({"normalisation": {"kind": "percentile", "low": 60, "high": 40}}, "must lie below"),
        ({"output_scaling": [{"offset": float("nan"), "scale": 1}] * 2}, "offset"),
        ({"output_scaling": [{"offset": 0, "scale": 1e300}] * 2}, "scale"),
        ({"sigma_scale": [float("nan")] * 2}, "sigma_scale"),
        ({"input_quantiles": {"a": [0, 1]}}, "input_quantiles"),
        ({"input_quantiles": {"200": [0, 1]}}, "200 %"),
        ({"input_quantiles": {"5": [1, 0]}}, "5 %"),
        ({"input_looks": {"colour": [0, 1]}}, "input_looks"),
        ({"input_looks": {"size": [4, 2]}}, "input_looks: size from 4 to 2"),
        ({"example_size": [0, 0]}, "example_size"),
        ({"example_size": [-5, 64]}, "example_size"),
        ({"example_size": [10**6, 64]}, "example_size"),
        ({"training_steps": 10**9}, "training_steps"),
        ({"total_stride": 10**6}, "total_stride"),
        ({"pixel_size_um": 1e300}, "pixel_size_um"),
        ({"output_range": [0, float("inf")]}, "output_range"),
        ({"output_channels": []}, "output_channels"),
        ({"output_channels": ["DNA", "two\nlines"]}, "one line"),
        ({"classes": ["x" * 300]}, "200 characters"),
    ],
)
def test_every_number_and_name_has_bounds(change, complaint):
    with pytest.raises(ValidationError, match=complaint):
        Inference.model_validate(STAINS | COMPLETE | change)


@pytest.mark.parametrize("text", ["\x1b]0;owned\x07", "a\rb", "\u202ecba", "\x9b2J"])
def test_control_characters_are_refused_everywhere(text):
    with pytest.raises(ValidationError, match="control characters"):
        Inference.model_validate(STAINS | {"modality": text})
    with pytest.raises(ValidationError, match="control characters"):
        Inference.model_validate(STAINS | {"input_channels": [text]})
    with pytest.raises(ValidationError, match="control characters"):
        ModelCard.model_validate(
            {"name": "x", "architecture": "UNet", "inference": STAINS, "arguments": {text: 1}}
        )
    Training(remarks="Two paragraphs.\n\nAnd\ta table.")


@pytest.mark.parametrize("name", ["", "a b", "../x", "a/b", "é", "..", "x" * 101, 'x"y', "$(x)"])
def test_a_name_that_could_be_more_than_a_name_is_refused(name):
    assert not is_name(name)
    with pytest.raises(ValidationError, match="name consists of"):
        ModelCard(name=name, architecture="UNet", inference=STAINS)


def test_usual_names_are_names():
    assert all(map(is_name, ["fluo-nuclei-unet", "My_model.v2", "pcam-ddpm-96", "x"]))
