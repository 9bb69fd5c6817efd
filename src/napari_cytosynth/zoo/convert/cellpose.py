"""Models of Cellpose, versions 1 to 3: which files are such, and what their cards say.

References
----------
Stringer et al. 2021, Nature Methods 18; Pachitariu and Stringer 2022, Nature Methods 19. Defaults
are those of Cellpose 3: percentiles 1 and 99, a flow error of 0.4, objects of at least 15 px.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from napari_cytosynth.errors import InputError, UnknownArchitectureError
from napari_cytosynth.zoo.card import FlowDecoding

from .foreign import FileFacts, NetworkLayout, Shapes, listed

if TYPE_CHECKING:
    from collections.abc import Mapping

    import torch

    from .settings import ConvertSettings

    Tensors = dict[str, torch.Tensor]

__all__ = ["ARCHITECTURE", "cellpose", "only_for_cellpose", "read_facts"]

ARCHITECTURE = "CPnet"
_OUTPUTS = ["flow y", "flow x", "cell probability"]
_FLOW_SCALE, _FLOW_ERROR, _MIN_SIZE = 5.0, 0.4, 15
_EMPTY = 0.01  # variance of the second channel, in that of the first: less was nothing
_OWN = ("min_size", "flow_error", "diameter", "mean_diameter")
_MEANINGLESS = (
    *("activation", "object_channel"),
    *("output_channels", "task", "offset", "scale", "output_unit", "tanh", "stem"),
    *("dropout", "dropout_blocks", "dropout_at"),
)
_WINDOW = 224  # px that an output pixel depends on
_FIRST = "downsample.down.res_down_0.conv.conv_0"


def cellpose(shapes: Shapes) -> NetworkLayout:
    """Read the layout of Cellpose's network of the versions 1 to 3.

    Raises
    ------
    UnknownArchitectureError
        If it is another network, or a variant that ours does not represent.
    """
    first = shapes.get(f"{_FIRST}.2.weight", ())
    if len(first) == 5:
        raise UnknownArchitectureError(
            "This network of Cellpose convolves in 3-D; the one here does so in 2-D, and links "
            "planes afterwards: it cannot be represented."
        )
    if len(first) != 4 or "output.2.weight" not in shapes:
        raise UnknownArchitectureError(_what_else(shapes))
    outputs = shapes["output.2.weight"][0]
    if outputs != len(_OUTPUTS):
        raise UnknownArchitectureError(
            f"This network of Cellpose has {outputs} output channels, not the 3 of a segmentation "
            "(flows along Y and X, cell probability): it restores images, or is a variant that "
            "cannot be represented."
        )
    pattern = re.compile(r"downsample\.down\.res_down_(\d{1,2})\.conv\.conv_0\.2\.weight")
    levels = sorted((int(hit[1]), name) for name in shapes if (hit := pattern.fullmatch(name)))
    arguments = {
        "in_channels": first[1],
        "out_channels": outputs,
        "channels": first[1],
        "widths": [shapes[name][0] for _, name in levels],
        "kernel": first[-1],
    }
    return NetworkLayout(ARCHITECTURE, arguments, title="Cellpose 1 to 3")


def _what_else(shapes: Shapes) -> str:
    """Return a sentence on weights that are not of this network."""
    if any(name.startswith("encoder.patch_embed") or name == "W2" for name in shapes):
        return (
            "These are the weights of Cellpose-SAM (Cellpose 4), a transformer that is not among "
            "the networks here. Models of Cellpose 1 to 3 can be converted."
        )
    if any(name.startswith("downsample.down.") for name in shapes):
        return (
            "This network of Cellpose has no residual blocks (residual_on was off in its "
            "training): it cannot be represented."
        )
    return (
        "These are not the weights of a model of Cellpose 1 to 3. The file holds "
        f"{listed(shapes, 10)}."
    )


def only_for_cellpose(settings: ConvertSettings) -> None:
    """Refuse settings that mean something for models of Cellpose only.

    Raises
    ------
    InputError
        With their names.
    """
    strange = [name for name in _OWN if name in settings.given()]
    if strange:
        raise InputError(f"Only models of Cellpose take the setting {', '.join(strange)}.")


def read_facts(name: str, tensors: Tensors, settings: ConvertSettings) -> FileFacts:
    """Complete the user's settings by what a file says, and take that out of the weights.

    Parameters
    ----------
    name
        Of the file.
    tensors
        All of it.
    settings
        The user's.

    Raises
    ------
    InputError
        If a setting has no meaning here, or a needed one is missing.
    UnknownArchitectureError
        If the name says that the network is a variant that ours does not represent.
    """
    strange = [one for one in _MEANINGLESS if one in settings.given()]
    if strange:
        raise InputError(f"A model of Cellpose takes no setting {', '.join(strange)}.")
    if variant := re.search(r"style_off|concatenation_on", name):
        raise UnknownArchitectureError(
            f"Its name says that this network of Cellpose is a variant ({variant[0]}), which the "
            "one here does not represent. If that is wrong, rename the file."
        )
    mean = settings.mean_diameter or _number(tensors, "diam_mean")
    if mean is None:
        raise InputError(
            "The file does not say to which diameter the objects were resampled in training. "
            "Please add with --set: mean_diameter=30, or 17 if it began from the model “nuclei”."
        )
    usual = settings.diameter or _number(tensors, "diam_labels")
    if settings.pixel_size_um is not None and usual is None:
        raise InputError(
            "A pixel size helps only with the diameter of the training images' objects in px, from "
            "which they were resampled: add diameter=… with --set."
        )
    inputs, said = _inputs(tensors, settings)
    weights = {one: value for one, value in tensors.items() if not one.startswith("diam_")}
    return FileFacts(
        weights,
        _completed(settings, inputs, mean, usual),
        _decoding(settings, mean, usual),
        (_diameters(mean, usual), *said, _CONFIDENCE),
    )


_CONFIDENCE = (
    "It gives no confidence in its objects: that would have to be fitted on annotated images. "
    "Objects of a flow error above the limit are left out, as in Cellpose."
)


def _number(tensors: Mapping[str, torch.Tensor], name: str) -> float | None:
    """Return a positive number of the file, rounded as it is shown; None without one."""
    tensor = tensors.get(name)
    if tensor is None or tensor.numel() != 1:
        return None
    value = float(tensor)
    return round(value, 3) if 0 < value <= 1e5 else None


def _inputs(
    tensors: Mapping[str, torch.Tensor], settings: ConvertSettings
) -> tuple[list[str], list[str]]:
    """Return the names of the input channels, and what is to be known of them.

    The first norm keeps a running variance: that of a channel which is always zero fades away.
    """
    variance = tensors.get(f"{_FIRST}.0.running_var")
    count = 0 if variance is None else int(variance.numel())
    empty = variance is not None and count == 2 and bool(variance[1] < _EMPTY * variance[0])
    chosen = settings.input_channels
    if not chosen and empty:
        said = "Its second channel was empty in training: it takes grey images, or one channel."
        return ["image"], [said]
    if not chosen:
        raise InputError(
            "In its training, this network of Cellpose saw a second channel (or it was trained too "
            "briefly to tell). Please add with --set: input_channels=image for one channel, and "
            "the second stays zero; or input_channels=cytoplasm,nuclei for two, in this order."
        )
    if not 1 <= len(chosen) <= max(count, 1):
        raise InputError(f"This network of Cellpose takes 1 to {count} input_channels.")
    if len(chosen) < count:
        return chosen, ["The second channel of the network is always zero, as for grey images."]
    if empty:
        return chosen, [
            "Its second channel was empty in training: what you give there has no known meaning."
        ]
    return chosen, []


def _completed(
    settings: ConvertSettings, inputs: list[str], mean: float, usual: float | None
) -> ConvertSettings:
    """Return the settings with Cellpose's own where the user gave none."""
    changes: dict[str, Any] = {
        "input_channels": inputs,
        "output_channels": _OUTPUTS,
        "task": "segment",
        "licence": settings.licence or "converted; the licence of the original weights applies",
    }
    if settings.normalisation is None:
        changes["normalisation"] = "percentile"
    if changes.get("normalisation", settings.normalisation) == "percentile":
        changes["low"] = 1.0 if settings.low is None else settings.low
        changes["high"] = 99.0 if settings.high is None else settings.high
    if settings.pixel_size_um is not None and usual is not None:
        changes["pixel_size_um"] = settings.pixel_size_um * usual / mean
    if settings.objects == "objects":
        changes["objects"] = "cells"
    return settings.model_copy(update=changes)


def _decoding(settings: ConvertSettings, mean: float, usual: float | None) -> dict[str, Any]:
    limit = _FLOW_ERROR if settings.flow_error is None else settings.flow_error or None
    return {
        "channel_roles": ["flow-y", "flow-x", "foreground"],
        "flows": FlowDecoding(scale=_FLOW_SCALE, error_limit=limit),
        "min_size": _MIN_SIZE if settings.min_size is None else settings.min_size,
        "diameter": mean,
        "image_diameter": usual,
        "receptive_radius": _WINDOW - 1,
    }


def _diameters(mean: float, usual: float | None) -> str:
    if usual is None:
        return (
            f"It was trained on objects of {mean:.3g} px; how large they were before is not known. "
            "Give the diameter of yours."
        )
    return (
        f"Objects of {usual:.3g} px are resampled to {mean:.3g} px, as in its training; give "
        "the diameter of yours if they are of another size."
    )
