"""Memory and time of a plane that is segmented in blocks, by its size.

``scripts/large-plane.py 2048 8192 --model fluo-nuclei-unet`` segments simulated nuclei, tiled to
planes of 2048² and 8192² px, and prints for each the peak of the memory that the process had, and
seconds per megapixel (of the processor, and of the clock). Without ``--model`` the network is a
single convolution that is handed probability and flows: what is left is the cost of everything
but the network, whose own cost per pixel and memory per tile do not depend on the plane.

Each size runs in a process of its own; files lie in the folder ``--work`` and are removed.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import shutil
import tempfile
import time
from pathlib import Path

import numpy as np

TILE, COUNT, DIAMETER = 1024, 240, 26
SPREAD = 0.1  # of the values that are handed to the network: ± 5 in a byte


def main() -> None:
    """Measure the sizes that are asked for, one after the other."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("sizes", type=int, nargs="+", help="sides of the planes in px")
    parser.add_argument("--model", help="a bundled model of one channel of fluorescence")
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()))
    arguments = parser.parse_args()
    context = multiprocessing.get_context("spawn")
    for size in arguments.sizes:
        process = context.Process(target=_measure, args=(size, arguments.model, arguments.work))
        process.start()
        process.join()


def _measure(size: int, name: str | None, work: Path) -> None:
    from napari_cytosynth.tasks.segment.blocks import segment_in_blocks
    from napari_cytosynth.zoo.loading import load_model

    folder = Path(tempfile.mkdtemp(dir=work))
    try:
        image = _plane(folder / "image.zarr", _fluorescence() if name else _values(), size)
        model = load_model(name) if name else _handed_through()
        start, work_start = time.perf_counter(), time.process_time()
        axes = "YX" if name else "CYX"
        found = segment_in_blocks(image, folder / "out.zarr", model, axes=axes, pixel_size=0.5)
        wall, cpu = time.perf_counter() - start, time.process_time() - work_start
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        pixels = size * size / 1e6
        print(  # noqa: T201 - the figures are what it is for
            f"{size}² px, {name or 'without a network'}: {len(found.table):,} objects, "
            f"{cpu / pixels:.3f} s/Mpx of the processor, {wall / pixels:.3f} of the clock, "
            f"peak {peak:.2f} GiB",
            flush=True,
        )
    finally:
        shutil.rmtree(folder)


def _plane(path: Path, tile: np.ndarray, size: int):
    """Return an array in a file: the tile again and again, along the last two axes."""
    import zarr

    shape = (*tile.shape[:-2], size, size)
    chunks = (1,) * (len(shape) - 2) + (TILE, TILE)
    array = zarr.create_array(path, shape=shape, chunks=chunks, dtype=tile.dtype)
    for top in range(0, size, TILE):
        for left in range(0, size, TILE):
            part = tile[..., : size - top, : size - left]
            array[..., top : top + TILE, left : left + TILE] = part
    return zarr.open_array(path, mode="r")


def _fluorescence() -> np.ndarray:
    from napari_cytosynth.phantoms import fluorescent_nuclei

    return fluorescent_nuclei((TILE, TILE), count=COUNT, seed=1).image


def _values() -> np.ndarray:
    """Return logit and flows of simulated nuclei as bytes (3, Y, X)."""
    from napari_cytosynth.phantoms import fluorescent_nuclei
    from napari_cytosynth.tasks.segment.flows.heat import flow_field

    labels = fluorescent_nuclei((TILE, TILE), count=COUNT, seed=1).labels
    noise = np.random.default_rng(0).normal(size=(3, TILE, TILE))
    values = np.stack([np.where(labels > 0, 3.0, -4.0), *(4 * flow_field(labels))]) + noise / 2
    return np.rint(255 * np.clip(values * SPREAD + 0.5, 0, 1)).astype(np.uint8)


def _handed_through():
    """Return a model whose network gives back what it gets."""
    import torch

    from napari_cytosynth.zoo.card import FlowDecoding, Inference, ModelCard, Normalisation
    from napari_cytosynth.zoo.loading import Model

    channels = ["foreground", "flow-y", "flow-x"]
    inference = Inference(
        task="segment",
        input_channels=["logit", "y", "x"],
        output_channels=channels,
        channel_roles=channels,
        normalisation=Normalisation(kind="fixed", mean=0.5, std=SPREAD),
        threshold=0.5,
        min_size=30,
        total_stride=1,
        diameter=DIAMETER,
        flows=FlowDecoding(scale=5.0, error_limit=0.9),
    )
    card = ModelCard(
        name="handed-through",
        title="A network that gives back what it gets",
        architecture="UNet",
        arguments={},
        licence="CC0-1.0",
        inference=inference,
    )
    network = torch.nn.Conv2d(3, 3, 3, padding=1, bias=False)
    with torch.no_grad():
        network.weight.zero_()
        network.weight[range(3), range(3), 1, 1] = 1
    source = {"source": card.name, "origin": "path", "sha256": "0" * 64, "revision": None}
    return Model(card=card, network=network.eval(), device="cpu", **source)


if __name__ == "__main__":
    main()
