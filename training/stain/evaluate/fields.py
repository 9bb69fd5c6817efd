"""Fields with known stains for an evaluation, and their virtual stains."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cytosynth.errors import InputError
from napari_cytosynth.metrics import calibrated_sigma
from napari_cytosynth.progress import silent
from napari_cytosynth.tasks.common.defaults import check_task
from napari_cytosynth.tasks.stain.plan import SamplingPlan
from napari_cytosynth.tasks.stain.task import stain
from napari_cytosynth.tasks.stain.units import error_curves, sigma_fits
from napari_cytosynth.training.data.image_files import Selection
from napari_cytosynth.training.data.wording import counted
from napari_cytosynth.training.stain.files import field_files, read_channels, read_planes

from .tally import Prediction

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_cytosynth.tasks.stain.result import Staining
    from napari_cytosynth.zoo.loading import Model

    Floats = NDArray[np.float32]

_CALIBRATIONS = ("sigma_scale", "sigma_floor", "sigma_slope", "sigma_samples", "uncertainty")

__all__ = ["FieldReader", "StainField", "Stainer", "channels_per_file", "find_stain_fields"]


@dataclass(frozen=True)
class StainField:
    """Name of a field, and the files (or OME-Zarr images) of its input and its stains.

    Attributes
    ----------
    name
        Name for tables; with a focal plane, that in brackets: ``field (plane)``.
    images
        The input, by the folder that it lies in: several are focal planes in order along z.
    target
        The stains.
    plane
        Folder of the focal plane that a model sees which takes one at a time; empty (default):
        there is one folder, or all are seen together.
    excluded
        Names of the stains that are not to be used in this field. Default: none.
    """

    name: str
    images: Mapping[str, Path]
    target: Path
    plane: str = ""
    excluded: tuple[str, ...] = ()

    def planes(self) -> list[StainField]:
        """Return a field for each focal plane; of a single folder, the field itself."""
        if len(self.images) == 1:
            return [self]
        return [replace(self, name=f"{self.name} ({key})", plane=key) for key in self.images]


def find_stain_fields(
    data_dir: Path,
    inputs: str | Sequence[str],
    targets: str,
    parts: Sequence[str] = (),
    selection: Selection | None = None,
    *,
    apart: bool = True,
) -> list[StainField]:
    """Match input and stained fields by name.

    Parameters
    ----------
    data_dir
        Folder of the data set.
    inputs, targets
        Names of the two folders (or OME-Zarr plates) inside it, or inside each part. Several
        folders of inputs are focal planes of the same fields, in order along z.
    parts
        Folders in it, such as ``test``; none: the two folders lie in `data_dir` itself.
    selection
        Selection of fields; None (default) for all.
    apart
        Make a field of each focal plane. Default: True; False leaves them together.

    Returns
    -------
    list of StainField
        At least one. With several parts the names begin with theirs: ``train/field``.

    Raises
    ------
    InputError
        If a folder is missing, empty or named twice, nothing is selected, or an input has no
        stain or is missing in one of several folders.
    """
    folders = [inputs] if isinstance(inputs, str) else list(inputs)
    if len(set(folders)) < len(folders):
        raise InputError(f"A folder of inputs is named twice: {', '.join(folders)}.")
    found: list[StainField] = []
    for part in parts or [""]:
        folder = data_dir / part
        planes = {name: field_files(folder / name) for name in folders}
        stains = field_files(folder / targets)
        taken = (selection or Selection()).apply(list(planes[folders[0]]))
        prefix = f"{part}/" if len(parts) > 1 else ""
        _check_complete(taken, stains, "stained image", folder / targets)
        for name in folders[1:]:
            _check_complete(taken, planes[name], "image", folder / name)
        for stem in taken:
            images = {name: files[stem] for name, files in planes.items()}
            found.append(StainField(prefix + stem, images, stains[stem]))
    if not found:
        raise InputError(f"No image in “{data_dir}” was selected.")
    return [plane for field in found for plane in field.planes()] if apart else found


def _check_complete(
    taken: Sequence[str], others: Mapping[str, Path], what: str, folder: Path
) -> None:
    if missing := [stem for stem in taken if stem not in others]:
        raise InputError(
            f"{len(missing)} of {len(taken)} images have no {what} of the same name "
            f"in “{folder}”, for example “{missing[0]}”."
        )


def channels_per_file(
    stainers: Sequence[Stainer], folders: int, pick: Sequence[int] | None = None
) -> int:
    """Return the number of channels that the models take of each input file.

    Parameters
    ----------
    stainers
        The models.
    folders
        Number of folders of inputs.
    pick
        Channels that are taken of each file; None (default) if not given.

    Raises
    ------
    InputError
        If a model has neither the channels of one of several folders, nor of all together.
    """
    if folders == 1:
        return stainers[0].channels
    count = len(pick) if pick else 1
    for stainer in stainers:
        if stainer.channels not in (count, folders * count):
            raise InputError(
                f"“{stainer.model.card.name}” takes {counted(stainer.channels, 'channel')}. Of "
                f"{folders} folders of inputs a model of {counted(count, 'channel')} sees one at a "
                f"time, and one of {folders * count} channels all together: name other folders."
            )
    return count


@dataclass(frozen=True)
class FieldReader:
    """Reader of the input and the real stains of fields.

    Attributes
    ----------
    stains
        Names of the channels of a stained file (of those in `pick`), in order.
    inputs
        Number of channels of an input file. Default: 1.
    pick, input_pick
        Indices of these channels in the files; None (default) for all.
    """

    stains: tuple[str, ...]
    inputs: int = 1
    pick: tuple[int, ...] | None = None
    input_pick: tuple[int, ...] | None = None

    def image(self, field: StainField, channels: int | None = None) -> NDArray[Any]:
        """Return the input (C, Y, X).

        Parameters
        ----------
        field
            The field.
        channels
            Number of channels that the model takes: of all focal planes, or of one (that of
            the field, or the first). None (default): as the field says.
        """
        pick = None if self.input_pick is None else list(self.input_pick)
        paths = list(field.images.values())
        one = bool(field.plane) if channels is None else channels == self.inputs
        if one:
            paths = [field.images[field.plane]] if field.plane else paths[:1]
        return read_planes(paths, pick, self.inputs)

    def targets(self, field: StainField, shape: tuple[int, ...]) -> dict[str, Floats]:
        """Return the real stains (Y, X) by name, in their own units.

        Raises
        ------
        InputError
            If they have not the size (Y, X) of `shape`, or pixels without a number.
        """
        pick = None if self.pick is None else list(self.pick)
        stack = read_channels(field.target, pick, len(self.stains))
        if stack.shape[1:] != shape:
            raise InputError(f"“{field.name}” has {shape} pixels, its stain {stack.shape[1:]}.")
        planes = stack.astype(np.float32)
        if not np.isfinite(planes).all():
            raise InputError(f"The stain of “{field.name}” has pixels without a number (NaN).")
        return dict(zip(self.stains, planes, strict=True))


class Stainer:
    """A model that stains fields, with uncalibrated and calibrated uncertainty.

    Parameters
    ----------
    model
        A staining model.
    samples
        Of the dropout; a model that was trained without it makes none. None: as its card says.
    seed
        Of the samples.
    pixel_size_um
        Of the fields; with it they are resampled where the model's card requires it.
    device
        Where the network runs.
    views
        Flips and rotations that a prediction is the mean of. None (default): as its card says.

    Raises
    ------
    InputError
        If the model does not stain.
    """

    def __init__(
        self,
        model: Model,
        samples: int | None = 16,
        seed: int = 0,
        pixel_size_um: float | None = None,
        device: str = "auto",
        views: int | None = None,
    ) -> None:
        inference = model.card.inference
        check_task(model.card, "stain")
        self.model, self.inference = model, inference
        self.names = tuple(inference.output_channels)
        plan = SamplingPlan.of(views, samples, seed, None, False, None).completed(inference)
        self.views, self.samples = plan.views, plan.samples if inference.dropout else 0
        bare = inference.model_copy(update=dict.fromkeys(_CALIBRATIONS))
        card = model.card.model_copy(update={"inference": bare})
        self._bare = replace(model, card=card)
        self._arguments: dict[str, Any] = {
            "views": self.views,
            "samples": self.samples,
            "seed": seed,
            "pixel_size": pixel_size_um,
            "resample": pixel_size_um is not None,
            "device": device,
        }

    @property
    def channels(self) -> int:
        """Number of channels of the model's input."""
        return len(self.inference.input_channels)

    @property
    def calibrated(self) -> bool:
        """Whether the card has a calibration that these predictions can use."""
        if self.inference.uncertainty is not None:
            return True
        return self.inference.sigma_scale is not None and self.samples > 0

    @property
    def ranges(self) -> dict[str, float]:
        """Range of the training's scaling by stain, in the stain's own units."""
        low, high = self.inference.output_range
        span = 1.0 if self.inference.output_scaling else high - low
        return {name: span * scale for name, scale in self.scales.items()}

    @property
    def scales(self) -> dict[str, float]:
        """Intensity per unit of the network's output, by stain."""
        scaling = self.inference.output_scaling
        return {name: scaling[k].scale if scaling else 1.0 for k, name in enumerate(self.names)}

    def __call__(self, image: NDArray[Any]) -> dict[str, Prediction]:
        """Stain one field (C, Y, X); return the stains by name."""
        result = self.staining(image)
        return {name: self._prediction(k, result) for k, name in enumerate(result.channels)}

    def staining(self, image: NDArray[Any]) -> Staining:
        """Stain one field (C, Y, X), without the calibrations of the card."""
        return stain(image, self._bare, axes="CYX", progress=silent, **self._arguments)

    def _prediction(self, channel: int, result: Staining) -> Prediction:
        mean = result.mean[channel]
        # of a card without calibration, the uncertainty is the samples' spread itself
        std = None if result.std is None else result.std[channel]
        view_std = None if result.view_std is None else result.view_std[channel]
        unit = self.scales[self.names[channel]]
        level = (mean - self._offset(channel)) / unit
        curves, fits = error_curves(self.inference), sigma_fits(self.inference)
        if curves is not None:
            stds = {"views": view_std, "samples": std}
            spreads = {name: one / unit for name, one in stds.items() if one is not None}
            sigma = curves[channel].sigma(level, spreads) * np.float32(unit)
            typical = curves[channel].sigma(level) * np.float32(unit)
            return Prediction(mean, std, sigma, view_std, typical)
        if fits is None or std is None:
            return Prediction(mean, std, None, view_std)
        sigma = calibrated_sigma(std / unit, *fits[channel], level) * np.float32(unit)
        return Prediction(mean, std, sigma, view_std)

    def _offset(self, channel: int) -> float:
        scaling = self.inference.output_scaling
        return scaling[channel].offset if scaling else 0.0

    @property
    def offsets(self) -> dict[str, float]:
        """Intensity at the network's output 0, by stain."""
        return {name: self._offset(k) for k, name in enumerate(self.names)}
