"""The card of a converted model, from its network's layout and the user's settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import ValidationError

from napari_cytosynth.errors import InputError
from napari_cytosynth.models import build_network
from napari_cytosynth.zoo.card import Inference, ModelCard, Training
from napari_cytosynth.zoo.model_files import file_sha256
from napari_cytosynth.zoo.text import one_line

if TYPE_CHECKING:
    from pathlib import Path

    from .foreign import FileFacts, NetworkLayout
    from .settings import ConvertSettings

__all__ = ["make_card", "warnings_of"]


def make_card(
    name: str,
    path: Path,
    layout: NetworkLayout,
    chosen: ConvertSettings,
    facts: FileFacts | None,
) -> ModelCard:
    """Build the card from layout and settings.

    Raises
    ------
    InputError
        If the settings contradict each other.
    """
    task = chosen.task or ("segment" if layout.architecture == "UNet" else "stain")
    bounded = bool(layout.arguments.get("tanh"))
    file = one_line(path.name, 200)
    origin = f"Converted from “{file}” ({layout.title}, SHA-256 {file_sha256(path)})."
    try:
        return ModelCard(
            name=name,
            title=chosen.title,
            architecture=layout.architecture,
            arguments=layout.arguments,
            licence=chosen.licence,
            inference=Inference.model_validate(
                {
                    "task": task,
                    "input_channels": chosen.input_channels,
                    "output_channels": chosen.output_channels,
                    "pixel_size_um": chosen.pixel_size_um,
                    "normalisation": chosen.card_normalisation(),
                    "activation": "sigmoid" if task == "segment" else "linear",
                    "output_range": (-1.0, 1.0) if bounded else (0.0, 1.0),
                    "total_stride": _stride(layout),
                    "norm": layout.arguments.get("norm", "batch"),
                    "dropout": chosen.dropout,
                    "threshold": _threshold(task, chosen),
                    "settings_from": "given" if task == "segment" else "validation",
                    "objects": chosen.objects,
                    "modality": chosen.modality,
                    "output_scaling": chosen.output_scaling(),
                    "output_unit": chosen.output_unit,
                    **({} if facts is None else facts.inference),
                }
            ),
            training=Training(remarks=" ".join([origin, *warnings_of(layout, chosen, facts)])),
        )
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "the settings"
        raise InputError(f"The settings make no card: {place}: {first['msg']}.") from error


def _threshold(task: str, chosen: ConvertSettings) -> float | None:
    return 0.5 if task == "segment" and chosen.threshold is None else chosen.threshold


def _stride(layout: NetworkLayout) -> int:
    import torch

    with torch.device("meta"):
        network = build_network(layout.architecture, layout.arguments)
    return int(getattr(network, "total_stride", 1))


def warnings_of(
    layout: NetworkLayout, chosen: ConvertSettings, facts: FileFacts | None
) -> list[str]:
    """Return sentences on the limits of the converted model, for card and user."""
    if facts is not None:
        return list(facts.messages)
    if layout.architecture == "UNet":
        return []
    warnings = []
    if chosen.dropout:
        warnings.append(
            "It was trained with a dropout of single values; here whole channels are dropped with "
            "the same probability, so its uncertainty is uncalibrated until it is fitted: "
            "cytosynth evaluate stain --calibrate."
        )
    else:
        warnings.append(
            "Its training used no dropout, as far as is known: an uncertainty from it is dropout "
            "injection, uncalibrated."
        )
    if layout.arguments["norm"] == "instance":
        warnings.append(
            "Its instance normalisation looks at the whole image: no tiles, and a crop gives "
            "another result than the whole."
        )
    if not chosen.scale and not chosen.offset:
        warnings.append("Its output is left as the network gives it, without a unit.")
    return warnings
