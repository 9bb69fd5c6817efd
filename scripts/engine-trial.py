#!/usr/bin/env python
"""How fast other engines run a mask model, and what their number formats cost it.

    python scripts/engine-trial.py em-mitochondria-unet --data-dir DATA/em-epfl \
        --truth mitochondria --calibrate train --test test

Compared on whole images and one thread: plain PyTorch, this package, and OpenVINO, in float32 and
bfloat16, and OpenVINO with int8 (NNCF, calibrated on images of the part --calibrate). Needs the
packages openvino and nncf. Printed are medians of the processor's time in turns, as ratios to plain
PyTorch, and of the masks at the card's threshold, on the part --test, the IoU with the truth, and
the share of pixels in which they differ from those of plain PyTorch.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any

import numpy as np
import torch  # noqa: TID253 - it runs networks

from napari_cytosynth.console import echo
from napari_cytosynth.images.reading import read_image
from napari_cytosynth.inference.normalise import normalise
from napari_cytosynth.inference.precision import has_bfloat16
from napari_cytosynth.inference.predictor import Predictor
from napari_cytosynth.zoo.loading import load_model

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_cytosynth.zoo.loading import Model

    Run = Callable[[np.ndarray], np.ndarray]


OPENVINO, NNCF = "openvino", "nncf"  # of packages that no extra installs


def pairs(folder: Path, truth: str, model: Model) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return the scaled images (1, 1, Y, X), cut to the network's stride, with their masks."""
    found = []
    stride = int(model.network.total_stride)
    for path in sorted((folder / "image").iterdir()):
        plane = normalise(np.squeeze(read_image(path).data), model.card.inference.normalisation)
        mask = np.squeeze(read_image(folder / truth / path.name, content="mask").data) != 0
        high, wide = (size // stride * stride for size in plane.shape)
        found.append((plane[None, None, :high, :wide], mask[:high, :wide]))
    return found


def ours(model: Model, precision: str) -> Run:
    """Return a run of this package's engine."""
    predictor = Predictor(model.network, 1, device="cpu", precision=precision)

    def run(image: np.ndarray) -> np.ndarray:
        return predictor._network(predictor._to_device(image[0])).float().numpy()

    return run


def plain(model: Model) -> Run:
    """Return a run of the network as it is."""
    return lambda image: model.network(torch.from_numpy(image)).numpy()


def openvino(converted: Any, precision: str) -> Run:
    """Return a run of a converted network."""
    settings = {"INFERENCE_PRECISION_HINT": precision, "INFERENCE_NUM_THREADS": 1}
    request = resolve_name(OPENVINO).Core().compile_model(converted, "CPU", settings)
    request = request.create_infer_request()
    return lambda image: np.array(request.infer({0: image})[0])


def engines(model: Model, calibration: list[np.ndarray]) -> dict[str, Run]:
    """Return all that are compared."""
    found = {"PyTorch, float32": plain(model), "ours, float32": ours(model, "float32")}
    start = time.process_time()
    example = torch.from_numpy(calibration[0])
    converted = resolve_name(OPENVINO).convert_model(model.network, example_input=example)
    echo(f"converted for OpenVINO in {time.process_time() - start:.1f} s")
    found["OpenVINO, float32"] = openvino(converted, "f32")
    if has_bfloat16():
        found["ours, bfloat16"] = ours(model, "bfloat16")
        found["OpenVINO, bfloat16"] = openvino(converted, "bf16")
    nncf = resolve_name(NNCF)
    small = nncf.quantize(converted, nncf.Dataset(calibration), subset_size=len(calibration))
    found["OpenVINO, int8"] = openvino(small, "bf16" if has_bfloat16() else "f32")
    return found


def masks(run: Run, images: list[np.ndarray], threshold: float) -> list[np.ndarray]:
    """Return what lies above a probability in each image."""
    limit = np.log(threshold / (1 - threshold))
    return [run(image)[0, 0] >= limit for image in images]


def iou(found: list[np.ndarray], truth: list[np.ndarray]) -> float:
    """Return the IoU over all images together."""
    both = sum(np.count_nonzero(one & two) for one, two in zip(found, truth, strict=True))
    either = sum(np.count_nonzero(one | two) for one, two in zip(found, truth, strict=True))
    return both / either


def main() -> None:
    """Compare the engines."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("model")
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--truth", required=True)
    parser.add_argument("--calibrate", required=True)
    parser.add_argument("--test", required=True)
    parser.add_argument("--turns", type=int, default=5)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    model = load_model(arguments.model, "cpu")
    known = pairs(arguments.data_dir / arguments.calibrate, arguments.truth, model)[:20]
    tested = pairs(arguments.data_dir / arguments.test, arguments.truth, model)
    images, truth = [image for image, _ in tested], [mask for _, mask in tested]
    with torch.inference_mode():
        runs = engines(model, [image for image, _ in known])
        seconds: dict[str, list[float]] = {name: [] for name in runs}
        for turn in range(arguments.turns + 1):
            for name, run in runs.items():
                start = time.process_time()
                run(images[0])
                if turn:
                    seconds[name].append(time.process_time() - start)
        base = np.median(seconds["PyTorch, float32"])
        threshold = model.card.inference.threshold
        exact = masks(runs["PyTorch, float32"], images, threshold)
        for name, run in runs.items():
            ratio, found = base / np.median(seconds[name]), masks(run, images, threshold)
            other = np.mean([one ^ two for one, two in zip(found, exact, strict=True)])
            echo(f"{name:20} {ratio:5.2f} ×  IoU {iou(found, truth):.4f}  other mask {other:.3%}")


if __name__ == "__main__":
    main()
