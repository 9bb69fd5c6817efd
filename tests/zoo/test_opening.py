"""Of a model, only regular files of a bounded size are read."""

from __future__ import annotations

import json
import os
import struct
import sys
import tracemalloc
from pathlib import Path

import pytest

from napari_cytosynth.errors import CorruptWeightsError, ModelError, ModelNotFoundError
from napari_cytosynth.zoo.model_files import file_sha256, load_network, read_card, save_model
from napari_cytosynth.zoo.opening import existing_path, read_limited

posix = pytest.mark.skipif(sys.platform == "win32", reason="no such files there")


@posix
@pytest.mark.parametrize("read", [read_card, load_network, file_sha256])
def test_devices_and_pipes_are_refused_without_waiting(tmp_path, read):
    pipe = tmp_path / "pipe.safetensors"
    os.mkfifo(pipe)
    for path in (pipe, "/dev/zero"):
        with pytest.raises(ModelError, match="not a regular file"):
            read(path)


@posix
def test_a_device_is_not_even_opened(monkeypatch):
    monkeypatch.setattr(os, "open", lambda *_: pytest.fail("it was opened"))
    with pytest.raises(ModelError, match="not a regular file"):
        read_limited(Path("/dev/zero"))


def test_a_file_that_is_too_large_takes_no_memory(tmp_path):
    path = tmp_path / "config.json"
    with path.open("wb") as file:
        file.truncate(3_000_000_000)
    tracemalloc.start()
    try:
        with pytest.raises(ModelError, match="larger than the 4 MB"):
            read_limited(path)
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
    finally:
        tracemalloc.stop()


def test_a_large_card_is_not_read(tmp_path, tiny_model):
    folder = save_model(tmp_path / "m", tiny_model.network, tiny_model.card)
    with (folder / "config.json").open("r+b") as file:
        file.truncate(3_000_000_000)  # sparse: it takes no space
    with pytest.raises(ModelError, match="larger than the 4 MB"):
        load_network(folder)


def test_a_sparse_file_is_refused_by_its_beginning(tmp_path):
    path = tmp_path / "big.safetensors"
    with path.open("wb") as file:
        file.write(b"no weights at all")
        file.truncate(3_000_000_000)
    with pytest.raises(ModelError, match="not a safetensors file"):
        load_network(path)


def write(path, header, size=None):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        file.truncate(size or 8 + len(text))
    return path


def test_a_header_over_4_mb_is_refused(tmp_path):
    path = write(tmp_path / "m.safetensors", b"{" + b" " * 4_000_001 + b"}")
    with pytest.raises(CorruptWeightsError, match="header is larger than the 4 MB"):
        read_card(path)


def test_tensors_beyond_what_the_card_describes_are_not_read(tmp_path, tiny_model):
    """Ten gigabytes, sparse on the disk, that the network has no place for."""
    size = 10_000_000_000
    card = tiny_model.card.model_dump_json()
    tensor = {"dtype": "U8", "shape": [size], "data_offsets": [0, size]}
    header = {"__metadata__": {"card": card}, "extra": tensor}
    length = len(json.dumps(header).encode())
    path = write(tmp_path / "m.safetensors", header, 8 + length + size)
    with pytest.raises(CorruptWeightsError, match="do not fit the architecture"):
        load_network(path)


def test_a_shape_that_its_bytes_do_not_bear_out_is_damage(tmp_path, tiny_model):
    tensor = {"dtype": "F32", "shape": [10**6, 10**6], "data_offsets": [0, 4]}
    header = {"__metadata__": {"card": tiny_model.card.model_dump_json()}, "a": tensor}
    path = write(tmp_path / "m.safetensors", header)
    with path.open("ab") as file:
        file.write(bytes(4))
    with pytest.raises(CorruptWeightsError, match="header is incomplete"):
        load_network(path)


@pytest.mark.parametrize("text", ["a" * 300, "\0", "~nobody-at-all/x", "x/" * 3000, "\ud800"])
def test_any_text_may_be_asked_for_as_a_path(text):
    assert existing_path(text) is None
    with pytest.raises(ModelNotFoundError):
        load_network(text)


def test_a_file_of_just_the_limit_is_read(tmp_path):
    path = tmp_path / "x"
    path.write_bytes(b"12345")
    assert read_limited(path, 5) == b"12345"
    with pytest.raises(ModelError, match="larger"):
        read_limited(path, 4)
