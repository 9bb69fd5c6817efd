"""The user's settings: what is damaged counts as not set, and nothing is lost."""

from __future__ import annotations

import json

import pytest

from napari_cytosynth.errors import OutputError
from napari_cytosynth.zoo.settings import (
    UserSettings,
    change_settings,
    default_model,
    home,
    offline_reason,
    preferred_device,
    user_settings,
)


def test_what_is_stored_is_read_again(own_home):
    assert user_settings() == UserSettings()
    change_settings(device="cpu")
    change_settings(models={"stain": "my-stainer"})
    assert (preferred_device(), default_model("stain")) == ("cpu", "my-stainer")
    assert default_model("segment") == ""


def test_variables_count_before_what_is_stored(own_home, monkeypatch):
    change_settings(device="cpu", offline=True, models={"stain": "stored"})
    monkeypatch.setenv("CYTOSYNTH_DEVICE", "mps")
    monkeypatch.setenv("CYTOSYNTH_MODEL_STAIN", "given")
    assert (preferred_device(), default_model("stain")) == ("mps", "given")
    for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    assert "preferences" in offline_reason()
    monkeypatch.setenv("CYTOSYNTH_OFFLINE", "0")
    assert offline_reason() == ""


@pytest.mark.parametrize(
    "text", ["", "[1]", "{", "[" * 100_000, '{"device": 3, "offline": "no", "models": [1]}']
)
def test_a_damaged_file_counts_as_not_set(own_home, text):
    own_home.mkdir()
    (own_home / "settings.json").write_text(text)
    assert user_settings() == UserSettings()
    change_settings(offline=True)
    assert json.loads((own_home / "settings.json").read_text())["offline"] is True


def test_where_nothing_can_be_written_it_holds_until_the_end(own_home):
    own_home.write_text("not a folder")
    with pytest.raises(OutputError):
        change_settings(offline=True)
    assert user_settings().offline
    own_home.unlink()
    change_settings(device="cpu")
    assert user_settings() == UserSettings(device="cpu", offline=True)
    assert home() == own_home
