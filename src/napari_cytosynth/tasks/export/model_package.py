"""A model as a package of the BioImage.IO model zoo."""

from __future__ import annotations

import hashlib
import io
import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np
import yaml
from scipy import ndimage

from napari_cytosynth.errors import InputError, ModelError, OutputError
from napari_cytosynth.files import replacing, user_path

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

    import numpy.typing as npt

    from napari_cytosynth.zoo.card import Inference, ModelCard
    from napari_cytosynth.zoo.loading import Model

__all__ = ["export_bioimageio"]

_SIDE = 256  # px of the example, or more where a halo asks for it
_FILES = {
    "weights": "weights.pt",
    "architecture": "network.py",
    "input": "input.npy",
    "output": "output.npy",
    "documentation": "README.md",
}


def export_bioimageio(
    model: str | os.PathLike[str] | Model,
    target: str | os.PathLike[str],
    *,
    authors: Sequence[str] = (),
    overwrite: bool = False,
) -> list[str]:
    """Write a model as a package in the format of BioImage.IO, version 0.5.

    It holds the weights as a PyTorch state dict, the source of the network, which needs nothing but
    torch, an example with its result, the page of the model, and its card. The result is the
    network's output (probabilities, flows, intensities), not objects.

    Parameters
    ----------
    model
        A model that segments or stains, as :func:`~napari_cytosynth.load_model` takes it.
    target
        The ZIP file.
    authors
        Names for the record. Default: none, which must be added before an upload.
    overwrite
        Replace the file if it is there. Default: False.

    Returns
    -------
    list of str
        What is to be known of the package.

    Raises
    ------
    InputError
        If the format has no words for the model.
    ModelError
        If the model cannot be loaded.
    OutputError
        If the file is there or cannot be written.
    """
    from napari_cytosynth.zoo.bioimageio.record import check_card
    from napari_cytosynth.zoo.loading import load_model

    path = user_path(target)
    if path.suffix.lower() != ".zip":
        raise InputError(f"A package is a ZIP file: “{path.name}” should end in .zip.")
    if path.exists() and not overwrite:
        raise OutputError(f"“{path}” is there already; choose another name, or --overwrite.")
    loaded = load_model(model, "cpu")
    check_card(loaded.card)
    files, messages = _files(loaded, authors)
    with (
        replacing(path) as scratch,
        zipfile.ZipFile(scratch, "w", zipfile.ZIP_DEFLATED) as archive,
    ):
        for name, content in files.items():
            archive.writestr(name, content)
    return messages


def _files(model: Model, authors: Sequence[str]) -> tuple[dict[str, bytes], list[str]]:
    """Return the content of the package's files, and what is to be known of it."""
    import torch

    from napari_cytosynth.zoo.bioimageio.architecture import standalone_source
    from napari_cytosynth.zoo.bioimageio.record import make_record, spdx_licence
    from napari_cytosynth.zoo.model_page import render_readme

    card = model.card
    stride, halo = _geometry(model)
    image = _example(card.inference, stride, halo)
    weights = io.BytesIO()
    torch.save(dict(model.network.state_dict()), weights)
    contents = {
        "weights": weights.getvalue(),
        "architecture": standalone_source(card.architecture).encode(),
        "input": _npy(image[None]),
        "output": _npy(_result(model, image)[None]),
        "documentation": render_readme(card).encode(),
    }
    known = {name: (_FILES[name], _sha256(content)) for name, content in contents.items()}
    record = make_record(
        card, known, stride=stride, halo=halo, torch_version=torch.__version__, authors=authors
    )
    files = {_FILES[name]: content for name, content in contents.items()}
    files["rdf.yaml"] = yaml.dump(record, Dumper=_PlainDumper, sort_keys=False).encode()
    return files, _messages(card, authors, licence=spdx_licence(card.licence), halo=halo)


class _PlainDumper(yaml.SafeDumper):
    """Writes what occurs twice twice, in place of a reference."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _messages(
    card: ModelCard, authors: Sequence[str], *, licence: str | None, halo: int
) -> list[str]:
    messages = []
    if not authors:
        messages.append("It names no authors, which the model zoo asks for: give them by --author.")
    if licence is None:
        known = f"The licence “{card.licence}” is" if card.licence else "An unknown licence is"
        messages.append(f"{known} no SPDX identifier: the record names none, the page does.")
    if card.inference.normalisation.kind == "fixed":
        messages.append("Integer images are to be divided by the range of their type before.")
    if not halo:
        messages.append(
            "Its output depends on the whole image: programs that cut it into tiles get others."
        )
    if card.inference.task == "segment":
        messages.append("It ends with the network's output: objects are found from it here only.")
    return messages


def _geometry(model: Model) -> tuple[int, int]:
    """Return stride and halo of a network; a halo of 0 if it sees the whole image."""
    from napari_cytosynth.inference.geometry import network_geometry, whole_plane_geometry

    channels = len(model.card.inference.input_channels)
    if model.card.inference.norm == "batch" and not hasattr(model.network, "window"):
        try:
            found = network_geometry(model.network, channels)
        except ModelError:
            pass
        else:
            return found.stride, found.halo
    return whole_plane_geometry(model.network, channels).stride, 0


def _example(inference: Inference, stride: int, halo: int) -> npt.NDArray[np.float32]:
    """Return an image (C, Y, X) of blurred noise, in [0, 1], of a size that the record allows."""
    from napari_cytosynth.inference.geometry import round_up

    side = round_up(max(_SIDE, 2 * halo + stride), stride)
    noise = np.random.default_rng(0).random((len(inference.input_channels), side, side))
    smooth = ndimage.gaussian_filter(noise, (0, 3, 3))
    smooth -= smooth.min()
    found: npt.NDArray[np.float32] = (smooth / smooth.max()).astype(np.float32)
    return found


def _result(model: Model, image: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return the output (K, Y, X) of the network on an image, scaled as the card says."""
    import torch

    from napari_cytosynth.inference.normalise import normalise
    from napari_cytosynth.inference.predictor import activated

    inference = model.card.inference
    pixels = torch.from_numpy(normalise(image, inference.normalisation))[None]
    with torch.inference_mode():
        found = activated(model.network(pixels)[0], inference.activations).numpy()
    if inference.output_scaling:
        gains, offsets = (
            np.array([getattr(one, name) for one in inference.output_scaling], np.float32)
            for name in ("scale", "offset")
        )
        found = found * gains[:, None, None] + offsets[:, None, None]
    return np.asarray(found, np.float32)


def _npy(array: npt.NDArray[np.float32]) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
