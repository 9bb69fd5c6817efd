"""Feature extractors, in whose space the distances between sets of images are measured.

The default extractor is a bundled encoder, which once was that of a segmenter: it knows
microscopy, comes along and needs no network, and its weights never change. A foreign one
(Inception, DINOv2) is used where the user has it as a TorchScript file. Figures of different
extractors cannot be compared, so the name of the extractor stands beside every one of them.
"""

from __future__ import annotations

import hashlib
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from napari_cytosynth.errors import InputError, ModelError
from napari_cytosynth.models.unet import UNetEncoder

from .device import choose_device, exact_float32

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from napari_cytosynth.zoo.card import Normalisation

__all__ = ["Features", "Reference", "encoder_features", "is_script", "script_features"]

_SCRIPTS = frozenset({".pt", ".ts", ".jit", ".torchscript"})
_PIXELS_AT_ONCE = 1 << 19


@dataclass(frozen=True, eq=False)
class Features:
    """A feature extractor that maps each channel of an image to a vector.

    Attributes
    ----------
    name
        Of the extractor; stands beside every figure measured with it.
    extract
        Maps planes (N, 1, Y, X), float32 in [0, 1] on `device`, to features (N, D).
    device
        Where it runs.
    """

    name: str
    extract: Callable[[torch.Tensor], torch.Tensor]
    device: torch.device

    def embed(self, images: NDArray[np.floating]) -> NDArray[np.float32]:
        """Return the features of images.

        Parameters
        ----------
        images
            (N, C, Y, X) in [0, 1]; not rescaled image by image, so that a set that is too
            dim is found to be so. Leave a mask's channel out.

        Returns
        -------
        ndarray
            (N, C · D) float32: the channels' features one after the other.

        Raises
        ------
        InputError
            If the images have other axes, or hold what is no number.
        """
        images = np.ascontiguousarray(images, np.float32)
        if images.ndim != 4 or 0 in images.shape[1:]:
            raise InputError(f"Images have the axes (N, C, Y, X), not {images.ndim} axes.")
        if not np.isfinite(images).all():
            raise InputError("The images hold values that are not numbers.")
        count, channels, *size = images.shape
        if not count:  # none at all still has a number of features
            return self.embed(np.zeros((1, channels, *size)))[:0]
        planes = images.reshape(count * channels, 1, *size)
        step = max(1, _PIXELS_AT_ONCE // (size[0] * size[1]))
        with torch.inference_mode(), exact_float32(self.device):
            found = [
                self.extract(torch.from_numpy(planes[start : start + step]).to(self.device))
                .float()
                .cpu()
                .numpy()
                for start in range(0, len(planes), step)
            ]
        return np.concatenate(found).reshape(count, -1)


def encoder_features(
    network: nn.Module, normalisation: Normalisation, name: str, device: str = "auto"
) -> Features:
    """Build an extractor from a U-Net: the spatial means of its two deepest encoder levels.

    Parameters
    ----------
    network
        A U-Net of one input channel, or its encoder alone, in evaluation mode.
    normalisation
        Of its card. An image in [0, 1] is mapped to the numbers that the network knows by
        one fixed map for all images, not by statistics of its own.
    name
        Of the model.
    device
        Where it runs: auto, cpu, cuda, mps. Default: ``"auto"``.

    Raises
    ------
    ModelError
        If the network has no such encoder.
    """
    if not isinstance(network, UNetEncoder) or _input_channels(network) != 1:
        raise ModelError(
            f"“{name}” cannot describe images: that takes an encoder (nuclei-encoder or "
            "em-encoder), or a segmentation model (a U-Net) with one input channel."
        )
    offset, scale = _fixed_map(normalisation, name)
    place = choose_device(device)
    network = network.to(place)

    def extract(planes: torch.Tensor) -> torch.Tensor:
        return network.features(_padded((planes - offset) * scale, network.total_stride))

    return Features(name, extract, place)


def is_script(extractor: str) -> bool:
    """Return whether an extractor is a TorchScript file, by its suffix."""
    return Path(extractor).suffix.lower() in _SCRIPTS


def script_features(path: str, device: str = "auto") -> Features:
    """Load an extractor exported as TorchScript, such as Inception or DINOv2.

    Parameters
    ----------
    path
        The file. It is run: use only one that you trust. It gets float32 (N, 3, S, S) in
        [0, 1], each channel as a grey image, and returns (N, D); what it needs beyond that
        (mean and std of its training images) belongs into the file. S is 224, and 299
        for a file with “inception” in its name.
    device
        Where it runs. Default: ``"auto"``.

    Returns
    -------
    Features
        Its name is that of the file with the first digits of its SHA-256.

    Raises
    ------
    ModelError
        If the file is not there or not a TorchScript file.
    """
    file, place = Path(path).expanduser(), choose_device(device)
    try:
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        script = _load_script(file, place)
    except (OSError, RuntimeError, ValueError) as error:
        raise ModelError(
            f"“{path}” is not a TorchScript file that can be read. Export the extractor with "
            "torch.jit.trace(...).save(...), or name a segmentation model."
        ) from error
    side = 299 if "inception" in file.name.lower() else 224

    def extract(planes: torch.Tensor) -> torch.Tensor:
        large = nn.functional.interpolate(
            planes, (side, side), mode="bilinear", antialias=True, align_corners=False
        )
        found: torch.Tensor = script(large.expand(-1, 3, -1, -1))
        return found.flatten(1)

    return Features(f"{file.stem} ({digest[:8]})", extract, place)


@dataclass(frozen=True, eq=False)
class Reference:
    """Embeddings of training images, reduced to a few numbers each.

    Attributes
    ----------
    embeddings
        (M, K) float32, a row for each training image.
    mean
        (D,) of the features.
    components
        (D, K): the features' principal components, orthonormal columns.
    index
        (M, 4) int32: file number, y, x and transform of each image, as the training cut
        it; None if unknown.
    """

    embeddings: NDArray[np.float32]
    mean: NDArray[np.float32]
    components: NDArray[np.float32]
    index: NDArray[np.int32] | None = None

    @classmethod
    def from_features(
        cls, features: NDArray[np.float32], index: NDArray[np.int32] | None = None, keep: int = 32
    ) -> Reference:
        """Reduce features (M, D) of training images to their first `keep` components."""
        mean = features.mean(axis=0)
        components = np.linalg.svd(features - mean, full_matrices=False)[2][:keep].T
        # in half precision, as it is stored: what is measured now is measured again later
        kept = [part.astype(np.float16).astype(np.float32) for part in (mean, components)]
        embeddings = ((features - kept[0]) @ kept[1]).astype(np.float16).astype(np.float32)
        return cls(embeddings, kept[0], kept[1], index)

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, torch.Tensor]) -> Reference | None:
        """Rebuild a reference from :meth:`tensors`; None if there is nothing."""
        if not {"embeddings", "mean", "components"} <= tensors.keys():
            return None
        index = tensors.get("index")
        embeddings, mean, components = (
            tensors[name].float().numpy() for name in ("embeddings", "mean", "components")
        )
        return cls(embeddings, mean, components, None if index is None else index.numpy())

    def tensors(self) -> dict[str, torch.Tensor]:
        """Return the parts as they are stored with a model."""
        parts = {
            "embeddings": torch.from_numpy(self.embeddings).half(),
            "mean": torch.from_numpy(self.mean).half(),
            "components": torch.from_numpy(self.components).half(),
        }
        if self.index is not None:
            parts["index"] = torch.from_numpy(np.ascontiguousarray(self.index, np.int32))
        return parts

    def project(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Reduce features (N, D) of other images to (N, K), comparable with `embeddings`.

        Raises
        ------
        InputError
            If they are features of another extractor or of other channels.
        """
        if features.shape[1:] != self.mean.shape:
            raise InputError(
                f"These images have {features.shape[1]} features each, the model's training "
                f"images {len(self.mean)}: they differ in their channels, or in the extractor."
            )
        reduced = (features - self.mean) @ self.components
        return reduced.astype(np.float32, copy=False)

    def nearest(
        self, features: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Find the nearest training image of each image: distance (N,) and index.

        Parameters
        ----------
        features
            (N, D) of :meth:`Features.embed`.

        Returns
        -------
        tuple of ndarray
            Euclidean distances, and rows of `embeddings`.
        """
        distances = torch.cdist(
            torch.from_numpy(self.project(features)), torch.from_numpy(self.embeddings)
        )
        nearest = distances.min(dim=1)
        return nearest.values.numpy(), nearest.indices.numpy()


def _load_script(file: Path, device: torch.device) -> torch.jit.ScriptModule:
    with warnings.catch_warnings():  # deprecated, but what others' extractors come as
        warnings.simplefilter("ignore", DeprecationWarning)
        script: torch.jit.ScriptModule = torch.jit.load(str(file), map_location=device)  # type: ignore[no-untyped-call]
    return script.eval()


def _input_channels(network: UNetEncoder) -> int:
    first = network.encoder[0].get_parameter("conv1.weight")
    return first.shape[1] // network.to_channels.downscale_factor**2


def _fixed_map(normalisation: Normalisation, name: str) -> tuple[float, float]:
    """Return offset and factor from [0, 1] to the network's input range."""
    if normalisation.kind == "percentile":
        return 0.0, 1.0
    if normalisation.kind == "fixed":
        return normalisation.mean, 1 / normalisation.std
    if normalisation.kind == "zscore":
        return 0.5, 4.0
    raise ModelError(
        f"“{name}” compares every pixel with its surroundings and so cannot tell a dim image "
        "from a bright one. Use another model as the extractor, such as nuclei-encoder."
    )


def _padded(planes: torch.Tensor, stride: int) -> torch.Tensor:
    below, right = (-planes.shape[axis] % stride for axis in (2, 3))
    return nn.functional.pad(planes, (0, right, 0, below), mode="replicate")
