from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from napari_cytosynth.errors import InputError
from napari_cytosynth.inference import precision
from napari_cytosynth.inference.predictor import Predictor
from napari_cytosynth.models.unet import UNet

CPU = torch.device("cpu")


@pytest.fixture
def cache(tmp_path, monkeypatch):
    path = tmp_path / "folder" / "precision.json"
    monkeypatch.setattr(precision, "cache_file", lambda: path)
    monkeypatch.setattr(precision, "_provisional", {})
    monkeypatch.delenv(precision.ENVIRONMENT_VARIABLE, raising=False)
    return path


@pytest.fixture
def network():
    torch.manual_seed(0)
    return UNet(1, 1, widths=(4, 8)).eval()


def choose(network, wanted="auto", device=CPU):
    return precision.choose_format(network, torch.rand(1, 1, 32, 32), device, wanted)


def test_the_measurement_is_made_once_and_remembered(cache, network, monkeypatch):
    first = choose(network)
    assert first in precision.FORMATS.values()
    assert len(json.loads(cache.read_text())) == 1
    monkeypatch.setattr(precision, "_measure", lambda *args: pytest.fail("measured again"))
    assert choose(network) == first


def test_another_network_is_measured_anew(cache, network):
    choose(network)
    choose(UNet(1, 1, widths=(4, 9)).eval())
    assert len(json.loads(cache.read_text())) == 2


def test_a_damaged_or_unwritable_cache_does_no_harm(cache, network, monkeypatch):
    monkeypatch.setattr(precision, "_measure", lambda *args: ("float32", True))
    cache.parent.mkdir()
    for content in ("{", "[]", json.dumps({precision._key(network, torch.rand(1)): "float8"})):
        cache.write_text(content)
        assert choose(network).precision == "float32"
    monkeypatch.setattr(precision, "cache_file", lambda: cache / "below-a-file" / "x.json")
    assert choose(network).precision == "float32"


def test_the_fastest_format_wins(cache, network, monkeypatch):
    monkeypatch.setattr(precision, "has_bfloat16", lambda: True)
    clock = iter(np.cumsum([0, 3, 0, 1, 0, 2] * 4).tolist())  # float32, bfloat16, contiguous
    monkeypatch.setattr(precision.time, "perf_counter", lambda: next(clock))
    assert choose(network) == precision.Format("bfloat16", True)


def test_bfloat16_must_be_clearly_faster(cache, network, monkeypatch):
    monkeypatch.setattr(precision, "has_bfloat16", lambda: True)
    clock = iter(np.cumsum([0, 3, 0, 1.95, 0, 2] * 4).tolist())
    monkeypatch.setattr(precision.time, "perf_counter", lambda: next(clock))
    assert choose(network) == precision.Format("float32", False)


def test_a_very_slow_processor_is_measured_for_one_round_only(cache, network, monkeypatch):
    monkeypatch.setattr(precision, "has_bfloat16", lambda: True)
    monkeypatch.setattr(precision, "MEASURING_LIMIT", -1.0)
    clock = iter(np.cumsum([0, 3, 0, 1, 0, 2]).tolist())  # a second round would run out of it
    monkeypatch.setattr(precision.time, "perf_counter", lambda: next(clock))
    assert choose(network) == precision.Format("bfloat16", True)
    assert not cache.exists()  # the next start of the program may find a quieter moment
    monkeypatch.setattr(precision, "_measure", lambda *args: pytest.fail("measured again"))
    assert choose(network) == precision.Format("bfloat16", True)


def test_the_first_run_of_a_format_is_not_timed(cache, network, monkeypatch):
    monkeypatch.setattr(precision, "has_bfloat16", lambda: False)
    events = []
    monkeypatch.setattr(precision.time, "perf_counter", lambda: events.append("clock") or 0.0)
    plain = UNet.forward
    monkeypatch.setattr(UNet, "forward", lambda *args: events.append("run") or plain(*args))
    choose(network)
    assert events[:5] == ["run", "run", "clock", "run", "clock"]
    assert events.count("run") == 2 * (1 + precision.TURNS)


def test_without_the_instructions_auto_is_float32(cache, network, monkeypatch):
    monkeypatch.setattr(precision, "has_bfloat16", lambda: False)
    assert choose(network).precision == "float32"


def test_the_environment_decides_over_auto_and_the_argument_over_both(cache, network, monkeypatch):
    monkeypatch.setattr(precision, "_measure", lambda *args: pytest.fail("measured"))
    monkeypatch.setenv(precision.ENVIRONMENT_VARIABLE, "bfloat16")
    assert choose(network).precision == "bfloat16"
    assert choose(network, "float32").precision == "float32"
    monkeypatch.setenv(precision.ENVIRONMENT_VARIABLE, "half")
    with pytest.raises(InputError, match="half"):
        choose(network)


def test_other_devices_stay_in_float32(cache, network):
    assert choose(network, device=torch.device("cuda")).precision == "float32"
    assert not cache.exists()


def test_bfloat16_gives_nearly_the_same_probabilities(network):
    plane = np.random.default_rng(0).random((1, 50, 40), np.float32)
    exact = Predictor(network, 1, device="cpu", precision="float32").predict(plane)
    runner = Predictor(network, 1, device="cpu", precision="bfloat16")
    rounded = runner.predict(plane)
    assert runner.precision == "bfloat16"
    assert rounded.dtype == np.float32
    assert 0 < np.abs(rounded - exact).max() < 0.03
    logits = runner.predict(plane, activation="linear")
    in_float32 = torch.from_numpy(logits).sigmoid().numpy()
    np.testing.assert_allclose(rounded, in_float32, atol=1e-7)
