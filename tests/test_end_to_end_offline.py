"""Nothing is sent: with the models that come along, no connection is opened."""

from __future__ import annotations

import socket

import pytest

import napari_cytosynth as cytosynth
from napari_cytosynth.errors import ModelNotFoundError, NetworkError


@pytest.fixture
def connections(monkeypatch):
    """What was to be connected to, or looked up; every attempt fails."""
    attempts = []

    def refuse(*arguments, **options):
        attempts.append(arguments)
        raise OSError("no network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    return attempts


def test_the_verbs_open_no_connection(connections, tmp_path):
    assert cytosynth.list_models()
    nuclei = cytosynth.phantoms.fluorescent_nuclei((96, 96), count=4, seed=1)
    cytosynth.segment(nuclei.image, model="fluo-nuclei-unet").save(tmp_path / "segmented")
    phase = cytosynth.phantoms.stained_cells(seed=7).phase[:64, :64]
    cytosynth.stain(phase, model="phantom-phase-unet", samples=0).save(tmp_path / "stained")
    cytosynth.generate("nuclei-wgan", count=1, seed=0).save(tmp_path / "made")
    assert not connections


def test_a_model_that_is_not_here_would_open_one(connections, monkeypatch):
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    with pytest.raises((NetworkError, ModelNotFoundError)):
        cytosynth.load_model("napari-cytosynth-tests/not-on-this-machine")
    assert connections
