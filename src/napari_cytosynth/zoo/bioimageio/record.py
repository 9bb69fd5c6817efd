"""The record of a package (``rdf.yaml``), from a model's card."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from napari_cytosynth.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from napari_cytosynth.zoo.card import Inference, ModelCard, Normalisation

__all__ = ["CLASS", "KEY", "SUPPORTED", "check_card", "make_record", "spdx_licence"]

KEY, CLASS = "napari-cytosynth", "Exported"
SUPPORTED = ("CPnet", "Pix2PixHD", "Pix2PixHDGlobal", "UNet")
"""Architectures whose file needs nothing but torch, so that it can go into a package."""

_VERSION = "0.5.4"
_HOME = "https://github.com/napari-cytosynth/napari-cytosynth"
_LICENCES = (
    "Apache-2.0 BSD-2-Clause BSD-3-Clause CC-BY-3.0 CC-BY-4.0 CC-BY-NC-3.0 CC-BY-NC-4.0 "
    "CC-BY-NC-ND-4.0 CC-BY-NC-SA-3.0 CC-BY-NC-SA-4.0 CC-BY-ND-4.0 CC-BY-SA-3.0 CC-BY-SA-4.0 "
    "CC0-1.0 MIT Unlicense"
).split()
_EPS = 1e-6  # the least that the format allows to add to a divisor
_LEAST_SIDE = 64  # px


def make_record(
    card: ModelCard,
    files: Mapping[str, tuple[str, str]],
    *,
    stride: int,
    halo: int,
    torch_version: str,
    authors: Sequence[str] = (),
) -> dict[str, Any]:
    """Return the record of a model.

    Parameters
    ----------
    card
        Of a model that segments or stains.
    files
        Name and SHA-256 of the files ``weights``, ``architecture``, ``input``, ``output`` and
        ``documentation``.
    stride, halo
        Of the network, in px; a halo of 0 where it is not known.
    torch_version
        That the weights were written with.
    authors
        Names. Default: none.

    Raises
    ------
    InputError
        If the format has no words for the model.
    """
    check_card(card)
    inference = card.inference
    source = {name: {"source": file, "sha256": sha} for name, (file, sha) in files.items()}
    kwargs = {**card.arguments, "sigmoid": _probabilities(inference)}
    record = {
        "type": "model",
        "format_version": _VERSION,
        "name": _name(card),
        "description": (card.title or card.name)[:1024],
        "authors": [{"name": name} for name in authors],
        "cite": [*_citations(card), {"text": "napari-cytosynth", "url": _HOME}],
        "license": spdx_licence(card.licence),
        "tags": sorted({KEY, inference.task, "2d", "pytorch", *card.tags}),
        "documentation": source["documentation"]["source"],
        "timestamp": datetime.now(UTC).isoformat(timespec="seconds"),
        "inputs": [_input(inference, source["input"], stride, halo)],
        "outputs": [_output(inference, source["output"], halo)],
        "weights": {
            "pytorch_state_dict": {
                **source["weights"],
                "pytorch_version": torch_version.partition("+")[0],
                "architecture": {**source["architecture"], "callable": CLASS, "kwargs": kwargs},
            }
        },
        "config": {KEY: {"card": card.model_dump(mode="json")}},
    }
    return {name: value for name, value in record.items() if value not in (None, [])}


def check_card(card: ModelCard) -> None:
    """Check that the format can describe a model.

    Raises
    ------
    InputError
        With the reason.
    """
    task, kind = card.inference.task, card.inference.normalisation.kind
    reason = ""
    if task not in ("segment", "stain"):
        reason = f"is made to {task}, and a package describes what maps images to images"
    elif card.architecture not in SUPPORTED:
        reason = f"has the network {card.architecture}, whose source does not stand alone"
    elif kind == "local":
        reason = (
            "scales each pixel by its surroundings (local contrast), for which the format has no "
            "words"
        )
    if reason:
        raise InputError(f"“{card.name}” cannot be exported for BioImage.IO: it {reason}.")


def spdx_licence(licence: str) -> str | None:
    """Return the SPDX identifier of a licence; None if it is not a known one."""
    return {name.lower(): name for name in _LICENCES}.get(licence.strip().lower())


def _name(card: ModelCard) -> str:
    plain = re.sub(r"[^A-Za-z0-9_+\- ()]+", "-", card.name).strip("- ")
    return (plain if len(plain) >= 5 else f"model {plain}")[:64]


def _citations(card: ModelCard) -> list[dict[str, str]]:
    """Return the card's citations that have a DOI or a link, as the format wants."""
    found = []
    for text in card.training.citations:
        doi = re.search(r"10\.\d{4,9}/[^\s,;\"')]+", text)
        link = re.search(r"https?://[^\s,;\"')]+", text)
        if doi:
            found.append({"text": text, "doi": doi[0].rstrip(".")})
        elif link:
            found.append({"text": text, "url": link[0].rstrip(".")})
    return found


def _probabilities(inference: Inference) -> list[int]:
    """Return the output channels that a sigmoid makes probabilities."""
    return [number for number, name in enumerate(inference.activations) if name == "sigmoid"]


def _input(inference: Inference, tensor: dict[str, str], stride: int, halo: int) -> dict[str, Any]:
    least = -(-max(_LEAST_SIDE, 2 * halo + stride) // stride) * stride
    sides = [
        {"type": "space", "id": axis, "size": {"min": least, "step": stride}, **_scale(inference)}
        for axis in "yx"
    ]
    return {
        "id": "input",
        "axes": [{"type": "batch"}, _channels(inference.input_channels), *sides],
        "data": {"type": "float32"},
        "test_tensor": tensor,
        "preprocessing": [_preprocessing(inference.normalisation)],
    }


def _output(inference: Inference, tensor: dict[str, str], halo: int) -> dict[str, Any]:
    sides = [
        {
            "type": "space",
            "id": axis,
            "size": {"tensor_id": "input", "axis_id": axis},
            **({"halo": halo} if halo else {}),
            **_scale(inference),
        }
        for axis in "yx"
    ]
    scaling = []
    if inference.output_scaling:
        kwargs: dict[str, Any] = {"axis": "channel"}
        kwargs["gain"] = [one.scale for one in inference.output_scaling]
        kwargs["offset"] = [one.offset for one in inference.output_scaling]
        scaling = [{"id": "scale_linear", "kwargs": kwargs}]
    return {
        "id": "output",
        "axes": [{"type": "batch"}, _channels(inference.output_channels), *sides],
        "data": {"type": "float32"},
        "test_tensor": tensor,
        "postprocessing": scaling,
    }


def _channels(names: Sequence[str]) -> dict[str, Any]:
    return {"type": "channel", "channel_names": list(names)}


def _scale(inference: Inference) -> dict[str, Any]:
    size = inference.pixel_size_um
    return {} if size is None else {"unit": "micrometer", "scale": size}


def _preprocessing(normalisation: Normalisation) -> dict[str, Any]:
    axes = {"axes": ["y", "x"], "eps": _EPS}
    if normalisation.kind == "percentile":
        limits = {"min_percentile": normalisation.low, "max_percentile": normalisation.high}
        return {"id": "scale_range", "kwargs": {**axes, **limits}}
    if normalisation.kind == "zscore":
        return {"id": "zero_mean_unit_variance", "kwargs": axes}
    kwargs = {"mean": normalisation.mean, "std": normalisation.std}
    return {"id": "fixed_zero_mean_unit_variance", "kwargs": kwargs}
