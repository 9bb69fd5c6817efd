"""Peak memory of a run in a process of its own, for ever larger planes."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc/self/status")

SCRIPT = """
import json, sys, threading
import numpy as np
import torch

torch.set_num_threads(1)
from napari_cytosynth.inference.predictor import Predictor
from napari_cytosynth.models.unet import UNet

folder, kind, size = sys.argv[1], sys.argv[2], int(sys.argv[3])

def open_arrays(size):
    if kind == "memmap":
        source = np.memmap(f"{folder}/in", np.uint8, "w+", shape=(1, size, size))
        out = np.memmap(f"{folder}/out", np.float32, "w+", shape=(1, size, size))
        return source, out
    import zarr
    chunks = (1, 512, 512)
    return (
        zarr.create_array(store=f"{folder}/in-{size}", shape=(1, size, size), chunks=chunks,
                          dtype="uint8", fill_value=7, overwrite=True),
        zarr.create_array(store=f"{folder}/out-{size}", shape=(1, size, size), chunks=chunks,
                          dtype="float32", compressors=None, overwrite=True),
    )

def private():  # memory that is not backed by a file, in KiB
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("RssAnon"))

class Watch(threading.Thread):
    def __init__(self):
        super().__init__(daemon=True)
        self.peak, self.over = 0, threading.Event()
    def run(self):
        while not self.over.wait(0.002):
            self.peak = max(self.peak, private())

torch.manual_seed(0)
runner = Predictor(UNet(1, 1, widths=(2,), stem=4), 1, device="cpu", precision="float32",
                   tile_size=512)
peaks = {}
runner.predict(*open_arrays(1024)[:1])  # warm up: libraries load and pools fill
for current in (1024, size):
    source, out = open_arrays(current)
    watch = Watch()
    watch.start()
    runner.predict(source, out=out)
    watch.over.set()
    watch.join()
    peaks[current] = watch.peak / 1024
print(json.dumps({"peaks": peaks, "value": float(out[0, -1, -1])}))
"""


def peaks(folder, kind, size):
    """Return the peak of private memory in MiB for a plane of 1024² and one of `size`²."""
    command = [sys.executable, "-c", SCRIPT, str(folder), kind, str(size)]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    answer = json.loads(run.stdout.splitlines()[-1])
    assert 0 < answer["value"] < 1
    return answer["peaks"]["1024"], answer["peaks"][str(size)]


@pytest.mark.slow
def test_memory_does_not_grow_with_the_plane(tmp_path):
    small, large = peaks(tmp_path, "memmap", 4096)
    # The result alone would be 64 MiB.
    assert large - small < 24


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "size"), [("memmap", 16384), ("zarr", 4096)])
def test_memory_does_not_grow_with_a_very_large_or_chunked_plane(tmp_path, kind, size, capsys):
    small, large = peaks(tmp_path, kind, size)
    with capsys.disabled():
        sys.stdout.write(f"\n{kind}: peak {small:.0f} MiB for 1024², {large:.0f} for {size}²\n")
    # The result alone would be 1024 or 64 MiB.
    assert large - small < 48
