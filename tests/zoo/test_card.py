"""A card that contradicts itself is refused when it is read, not when a user runs the model."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from napari_cytosynth.zoo.card import Inference, Normalisation, OutputScaling

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
    assert record.input_quantiles == {}
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
