"""A predictor that runs out of memory goes on with smaller tiles."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from napari_cytosynth.errors import OutOfMemoryError


class Hungry(nn.Module):
    """A network that runs out of memory on more than `limit` pixels."""

    limit = 10**9
    error: Exception = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, x):
        if x.dtype == torch.float32 and x.shape[2] * x.shape[3] > Hungry.limit:
            raise Hungry.error
        return self.inner(x)


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"),
        RuntimeError(
            "[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate"
            " memory: you tried to allocate 4294967296 bytes."
        ),
        RuntimeError("MPS backend out of memory (MPS allocated: 17 GB)"),
        MemoryError(),
    ],
)
def test_running_out_of_memory_goes_on_with_smaller_tiles(tiled, monkeypatch, error):
    plane = tiled.noise(1, 100, 90)
    runner = tiled.predictor(Hungry(tiled.NETWORKS["two levels"]), 64)
    monkeypatch.setattr(Hungry, "limit", 50 * 50)
    monkeypatch.setattr(Hungry, "error", error)
    result = runner.predict(plane, activation="linear")
    tiled.assert_same(result, tiled.predict(tiled.NETWORKS["two levels"], plane, tiled.WHOLE))
    assert runner.tile_size < 64
    assert any("Ran out of memory" in message for message in runner.messages)
    told = len(runner.messages)
    runner.predict(plane)
    assert len(runner.messages) == told  # the next plane begins with the size that worked


def test_running_out_in_the_middle_keeps_what_was_done(tiled, monkeypatch):
    plane = tiled.noise(1, 100, 90)
    runner = tiled.predictor(Hungry(tiled.NETWORKS["two levels"]), 32)
    read = []

    def progress(done, total, message):
        read.append((done, total))
        if done == 3:
            monkeypatch.setattr(Hungry, "limit", 40 * 40)

    result = runner.predict(plane, activation="linear", progress=progress)
    tiled.assert_same(result, tiled.predict(tiled.NETWORKS["two levels"], plane, tiled.WHOLE))
    assert [done for done, _ in read] == list(range(read[-1][1] + 1))


def test_a_small_plane_in_a_large_tile_is_still_cut(tiled, monkeypatch):
    runner = tiled.predictor(Hungry(tiled.NETWORKS["two levels"]), 4096)
    monkeypatch.setattr(Hungry, "limit", 30 * 30)
    assert runner.predict(tiled.noise(1, 40, 40)).shape == (2, 40, 40)


def test_no_memory_for_the_smallest_tile_is_our_own_error(tiled, monkeypatch):
    runner = tiled.predictor(Hungry(tiled.NETWORKS["two levels"]), 64)
    monkeypatch.setattr(Hungry, "limit", 3)
    with pytest.raises(OutOfMemoryError, match="not enough memory on this computer"):
        runner.predict(tiled.noise(1, 100, 90))


def test_other_errors_are_not_taken_for_a_lack_of_memory(tiled, monkeypatch):
    runner = tiled.predictor(Hungry(tiled.NETWORKS["two levels"]), 64)
    monkeypatch.setattr(Hungry, "limit", 3)
    monkeypatch.setattr(Hungry, "error", RuntimeError("shapes do not match"))
    with pytest.raises(RuntimeError, match="shapes"):
        runner.predict(tiled.noise(1, 20, 20))


def test_the_tile_size_follows_from_the_network_and_the_memory(tiled, monkeypatch):
    from napari_cytosynth.inference import predictor as engine

    chosen = {}
    for free in (10**11, 10**6, 10**3):
        monkeypatch.setattr(engine, "free_memory", lambda device, free=free: free)
        chosen[free] = tiled.predictor(tiled.NETWORKS["three levels"], None).tile_size
    assert chosen[10**11] >= 256
    assert chosen[10**11] > chosen[10**6] > chosen[10**3] >= 4
    assert all(size % 4 == 0 for size in chosen.values())
