"""Sample data for File > Open Sample: simulated, synthetic, bundled and downloaded images."""

from __future__ import annotations

import json
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from napari_cytosynth.errors import InputError, NetworkError

if TYPE_CHECKING:
    from napari_cytosynth.phantoms.simulate import StainedCells

__all__ = [
    "histology",
    "neurons_phase",
    "nih3t3_phase",
    "open_sample",
    "phantom_nuclei",
    "phantom_phase",
    "phantom_stained",
    "phase_cell",
    "stained_layers",
    "synthetic_cells",
    "synthetic_em",
    "u2os_brightfield",
    "u2os_nuclei",
    "vnc_em",
]

LayerData = tuple[Any, dict[str, Any], str]

_CELLS, _TISSUE, _COUNT = "cellpainting-ddpm", "em-pairs-ddpm", 8
_CELL_UM = 0.107

# Files of a sample that hold object numbers or masks rather than intensities.
_LABELS = frozenset({"labels", "mitochondria"})
_COLOURS = {
    "DNA": "blue",
    "dapi": "blue",
    "ER": "green",
    "map2": "green",
    "RNA": "yellow",
    "AGP": "red",
    "nfh": "red",
    "Mito": "magenta",
    "nuclei": "blue",
    "membrane": "red",
}


def phantom_nuclei() -> list[LayerData]:
    """Return simulated fluorescent nuclei and their true labels; needs no download."""
    from napari_cytosynth.phantoms.simulate import fluorescent_nuclei

    return _phantom_layers(fluorescent_nuclei(), "simulated nuclei")


def phantom_phase() -> list[LayerData]:
    """Return simulated cells in phase contrast and their true labels; needs no download."""
    from napari_cytosynth.phantoms.simulate import phase_contrast_cells

    return _phantom_layers(phase_contrast_cells(), "simulated phase contrast")


def phantom_stained() -> list[LayerData]:
    """Return simulated cells in phase contrast, their true stains and masks; no download."""
    from napari_cytosynth.phantoms.simulate import stained_cells

    return stained_layers(stained_cells())


def stained_layers(phantom: StainedCells) -> list[LayerData]:
    """Return the layers of simulated cells: phase contrast, masks and true stains.

    Parameters
    ----------
    phantom
        The cells.

    Returns
    -------
    list of (data, attributes, layer type)
        All (Y, X) with the pixel size in µm; all but the phase contrast are hidden.
    """
    import numpy as np

    spatial = _spatial(phantom.pixel_size_um) | {"visible": False}
    phase = {"name": "phase", "visible": True}
    # haloes of rounded cells are so bright that the others would be dim
    phase |= {"contrast_limits": tuple(np.percentile(phantom.phase, (0.1, 99.5)))}
    masks = {"cells": phantom.cells, "nuclei": phantom.nuclei}
    layers: list[LayerData] = [(phantom.phase, {**spatial, **phase}, "image")]
    for name, labels in masks.items():
        layers.append((labels, {**spatial, "name": f"masks of {name}"}, "labels"))
    for name, stain in zip(phantom.channels, phantom.fluorescence, strict=True):
        look = {
            "name": f"true {name}",
            "colormap": _COLOURS[name],
            "blending": "additive",
            "contrast_limits": tuple(np.percentile(stain, (50, 99.9))),
        }
        layers.append((stain, {**spatial, **look}, "image"))
    return layers


def synthetic_cells() -> list[LayerData]:
    """Return cells in the five stains of Cell Painting, made up by a bundled model.

    Raises
    ------
    CytosynthError
        The model is neither in this copy of the package nor to be had.
    """
    return _made_up(_CELLS)


def synthetic_em() -> list[LayerData]:
    """Return electron micrographs with their mitochondria masks, made up by a bundled model.

    Raises
    ------
    CytosynthError
        The model is neither in this copy of the package nor to be had.
    """
    return _made_up(_TISSUE)


def _made_up(model: str) -> list[LayerData]:
    from napari_cytosynth.tasks.generate.task import generate

    return generate(model, count=_COUNT, seed=0).to_layers()


def histology() -> list[LayerData]:
    """Return colonic glands, stained for FHL2 and with haematoxylin (from scikit-image)."""
    from skimage.data import immunohistochemistry

    about = {
        "title": "Colonic glands: FHL2 by immunohistochemistry, haematoxylin",
        "licence": "no known copyright restrictions",
        "citation": "Center for Microscopy and Molecular Imaging (CMMI), in scikit-image",
    }
    attributes = {"name": "histology", "rgb": True, "metadata": about}
    data = immunohistochemistry()  # type: ignore[no-untyped-call]
    return [(data, _spatial(None) | attributes, "image")]


def phase_cell() -> list[LayerData]:
    """Return a single cell in quantitative phase (from scikit-image)."""
    from skimage.data import cell

    about = {
        "title": "Cell in saline: quantitative phase from a digital hologram",
        "licence": "CC0-1.0",
        "citation": "Müller et al. 2018, Optics Express 26(8) 10729, in scikit-image",
    }
    attributes = {"name": "quantitative phase", "metadata": about}
    data = cell()  # type: ignore[no-untyped-call]
    return [(data, _spatial(_CELL_UM) | attributes, "image")]


def u2os_brightfield() -> list[LayerData]:
    """Return U2OS cells in brightfield with five stains (JUMP Cell Painting)."""
    return open_sample("u2os-brightfield")


def nih3t3_phase() -> list[LayerData]:
    """Return NIH-3T3 cells in phase contrast with hand-made labels (Usiigaci)."""
    return open_sample("nih3t3-phase")


def neurons_phase() -> list[LayerData]:
    """Return rat neurons in phase contrast with three stains (in silico labeling)."""
    return open_sample("neurons-phase")


def u2os_nuclei() -> list[LayerData]:
    """Return Hoechst-stained U2OS nuclei with labels (BBBC039)."""
    return open_sample("u2os-nuclei")


def vnc_em() -> list[LayerData]:
    """Return an electron micrograph of a fly's nerve cord with mitochondria masks."""
    return open_sample("vnc-em")


def open_sample(key: str) -> list[LayerData]:
    """Download one of the open samples, once, and return its layers.

    Parameters
    ----------
    key
        Name of the sample, as in the resource ``samples.json``.

    Returns
    -------
    list of (data, attributes, layer type)
        One layer for each file, all (Y, X), with pixel size in µm where it is known and
        licence and citation in the metadata.

    Raises
    ------
    NetworkError
        The file is not in the cache and cannot be downloaded.
    InputError
        There is no sample of that name.
    """
    sample = _samples().get(key)
    if sample is None:
        raise InputError(f"There is no sample '{key}'. Known: {', '.join(_samples())}.")
    return [_file_layer(sample, channel) for channel in sample["files"]]


@lru_cache(maxsize=1)
def _samples() -> dict[str, dict[str, Any]]:
    text = resources.files(__package__).joinpath("samples.json").read_text(encoding="utf-8")
    return {sample["key"]: sample for sample in json.loads(text)}


def _file_layer(sample: dict[str, Any], channel: str) -> LayerData:
    from skimage.io import imread

    data = imread(_download(sample, channel))
    attributes = _spatial(sample["pixel_size_um"])
    attributes["name"] = f"{sample['key']} {channel}"
    attributes["metadata"] = {
        name: sample[name] for name in ("title", "licence", "citation", "repository", "commit")
    }
    if channel in _LABELS:
        return data.astype("int32"), {**attributes, "visible": False}, "labels"
    if channel in _COLOURS:
        attributes |= {"colormap": _COLOURS[channel], "blending": "additive", "visible": False}
    return data, attributes, "image"


def _download(sample: dict[str, Any], channel: str) -> str:
    import pooch

    file = sample["files"][channel]
    url = (
        f"https://raw.githubusercontent.com/{sample['repository']}/{sample['commit']}/"
        f"{quote(file['path'])}"
    )
    try:
        path: str = pooch.retrieve(
            url,
            known_hash=f"sha256:{file['sha256']}",
            fname=f"{sample['key']}-{channel}{Path(file['path']).suffix}",
            path=pooch.os_cache("napari-cytosynth") / "samples",
        )
    except (OSError, ValueError) as error:
        raise NetworkError(
            f"The sample '{sample['title']}' could not be downloaded from github.com "
            f"({type(error).__name__}). Check the network connection, or open one of the "
            "simulated samples, which need no download."
        ) from error
    return path


def _phantom_layers(phantom: Any, name: str) -> list[LayerData]:
    attributes = _spatial(phantom.pixel_size_um)
    return [
        (phantom.image, {**attributes, "name": name}, "image"),
        (
            phantom.labels.astype("int32"),
            {**attributes, "name": f"{name}, truth", "visible": False},
            "labels",
        ),
    ]


def _spatial(pixel_size_um: float | None) -> dict[str, Any]:
    attributes: dict[str, Any] = {"axis_labels": ("y", "x")}
    if pixel_size_um is not None:
        attributes |= {"scale": (pixel_size_um, pixel_size_um), "units": ("µm", "µm")}
    return attributes
