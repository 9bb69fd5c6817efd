"""Objects from flows of a huge plane: memory and counts. It takes minutes, so ask for it.

Run with ``CYTOSYNTH_HUGE=16384 pytest tests/benchmarks/test_huge_plane.py -s`` to see the figures.
"""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from napari_cytosynth.tasks.segment.flows.decoding import FlowSettings, decode_flows
from napari_cytosynth.tasks.segment.flows.heat import flow_field

SIZE = int(os.environ.get("CYTOSYNTH_HUGE", "0"))
TILE, DIAMETER = 256, 26
BYTES = 20  # for each pixel of the plane, at most, beside probability and flows in files


class AnonymousMemory(threading.Thread):
    """The most memory of this process, without what lies in files."""

    def __init__(self):
        super().__init__(daemon=True)
        self.most, self._over = 0, threading.Event()

    def run(self):
        while not self._over.wait(0.05):
            self.most = max(self.most, self.now())

    def now(self):
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(1024 * int(line.split()[1]) for line in lines if line.startswith("RssAnon"))

    def stop(self):
        self._over.set()
        self.join()
        return self.most


def tiled(path, tile):
    """A file with a (…, Y, X) tile again and again."""
    shape = (*tile.shape[:-2], SIZE, SIZE)
    plane = np.lib.format.open_memmap(path, "w+", tile.dtype, shape)
    rows = np.tile(tile, SIZE // TILE)
    for top in range(0, SIZE, TILE):
        plane[..., top : top + TILE, :] = rows
    plane.flush()
    return np.load(path, mmap_mode="r")


def scene():
    """Labels, probability and flows of one tile: cells, of which one crosses its border."""
    y, x = np.mgrid[:TILE, :TILE]
    labels = np.zeros((TILE, TILE), np.int32)
    for number, (row, column) in enumerate([(0, 60), (100, 90), (124, 90), (170, 200)], 1):
        down = (y - row + TILE // 2) % TILE - TILE // 2
        labels[(down**2 + (x - column) ** 2 <= 144) & (labels == 0)] = number
    rolled = np.roll(labels, TILE // 4, 0)
    flows = 5 * np.roll(flow_field(rolled), -TILE // 4, 1)
    return labels, np.where(labels > 0, 0.9, 0).astype(np.float32), flows.astype(np.float16)


@pytest.mark.skipif(not SIZE, reason="takes minutes: CYTOSYNTH_HUGE=16384 asks for it")
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads its memory from /proc")
@pytest.mark.timeout(3600)
def test_a_plane_that_does_not_fit_is_decoded_in_bands(tmp_path):
    labels, probability, flows = scene()
    probability, flows = tiled(tmp_path / "p.npy", probability), tiled(tmp_path / "f.npy", flows)
    memory = AnonymousMemory()
    before, start = memory.now(), time.process_time()
    memory.start()
    owned = decode_flows(probability, flows, FlowSettings(threshold=0.5, diameter=DIAMETER))
    used, seconds = memory.stop() - before, time.process_time() - start
    count, area = int(owned.owner.max()), np.bincount(labels.ravel())[1:]
    print(  # noqa: T201 - the figures are what a benchmark is for
        f"\n{SIZE}²: {count} objects, {seconds / SIZE**2 * 1e6:.3f} s/Mpx, "
        f"{used / 2**30:.2f} GiB, {used / SIZE**2:.1f} bytes for each pixel"
    )
    across = SIZE // TILE
    # cells that the plane cuts at its end have their middle outside, and may fall into pieces
    cut = np.count_nonzero(np.unique(owned.owner[-1]))
    assert count - cut == 4 * across**2
    assert owned.facts.area.sum() == across**2 * area.sum()
    for top in range(0, SIZE, 1024):
        assert np.array_equal(owned.owner[top : top + 1024] > 0, probability[top : top + 1024] > 0)
    assert used < BYTES * SIZE**2
