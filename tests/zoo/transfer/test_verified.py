"""Weights in the cache count only when they were compared with what the Hub announced."""

from __future__ import annotations

import hashlib
from types import SimpleNamespace

import pytest

from napari_cytosynth.errors import ChecksumError, CorruptWeightsError, ModelError
from napari_cytosynth.zoo.transfer import download
from napari_cytosynth.zoo.transfer.verified import (
    check_verified,
    is_verified,
    mark_pending,
    mark_verified,
)

CONTENT = b"weights"
SHA256 = hashlib.sha256(CONTENT).hexdigest()


def cached(tmp_path, content=CONTENT, announced=SHA256):
    """Return a snapshot as the Hub's client makes one: a link to a file named by its hash."""
    blobs, snapshot = tmp_path / "blobs", tmp_path / "snapshots" / ("0" * 40)
    blobs.mkdir()
    snapshot.mkdir(parents=True)
    (blobs / announced).write_bytes(content)
    (snapshot / "model.safetensors").symlink_to(blobs / announced)
    return snapshot


def test_a_download_that_was_never_compared_does_not_count(tmp_path):
    snapshot = cached(tmp_path)
    mark_pending(snapshot)
    assert not is_verified(snapshot)
    mark_verified(snapshot, SHA256)
    assert is_verified(snapshot)


def test_weights_of_another_program_are_compared_with_their_name(tmp_path):
    snapshot = cached(tmp_path)
    assert is_verified(snapshot)
    assert (tmp_path / ".cytosynth" / snapshot.name).read_text().strip() == SHA256


def test_damaged_weights_of_another_program_do_not_count(tmp_path):
    assert not is_verified(cached(tmp_path, content=b"damaged"))


def test_weights_that_changed_afterwards_are_not_loaded(tmp_path):
    snapshot = cached(tmp_path)
    mark_verified(snapshot, SHA256)
    check_verified(snapshot, SHA256)
    with pytest.raises(ChecksumError, match="not those that were downloaded"):
        check_verified(snapshot, "0" * 64)
    check_verified(tmp_path, "0" * 64)  # a folder outside the cache has no mark


def test_what_arrives_is_compared_and_removed_if_it_differs(tmp_path):
    snapshot = cached(tmp_path)
    weights = snapshot / "model.safetensors"
    assert download._check_arrival(weights, SHA256) == SHA256
    assert download._check_arrival(weights, "no-hash") == SHA256
    with pytest.raises(CorruptWeightsError, match="damaged on its way"):
        download._check_arrival(weights, "0" * 64)
    assert not weights.exists()


def test_more_bytes_than_announced_stop_the_download():
    bar = download._bar_class(None, SimpleNamespace(is_set=lambda: False), "config.json", 10)
    counting = bar(total=5)
    counting.update(10)
    with pytest.raises(ModelError, match=r"config\.json on the Hub is larger"):
        counting.update(1)
