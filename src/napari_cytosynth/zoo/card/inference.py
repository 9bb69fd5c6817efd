"""Settings of a card for running its network and interpreting the output."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from .blocks import FocalPlanes, GenerationSettings, Normalisation, OutputScaling, Splitting
from .objects import Confidence, Expected, FlowDecoding
from .record import Factor, Line, LookName, Number, Percent, Positive, Record, Side
from .roles import (
    Activation,
    ChannelRole,
    NamedChannels,
    activation_of,
    check_roles,
    derived_roles,
)
from .stains import ObjectDoubt, StainUncertainty

__all__ = ["Inference", "PredictionType", "ScheduleName", "SettingsOrigin"]

PredictionType = Literal["epsilon", "v_prediction", "sample", "flow"]
SettingsOrigin = Literal["validation", "start", "training", "given"]
ScheduleName = Literal["linear", "scaled_linear", "cosine", "sigmoid", "straight"]


class Inference(Record):
    """Settings for running the network on an image and interpreting its output."""

    task: Literal["segment", "stain", "generate", "encode"] = Field(
        description="the verb it serves; encode: describes images by features, in whose space "
        "sets of images are compared"
    )
    input_channels: list[Line] = Field(max_length=1024, description="names of the input channels")
    output_channels: list[Line] = Field(
        min_length=1, max_length=1024, description="names of the output channels"
    )
    axes: str = Field("YX", description="axes of one input plane")
    focal_planes: FocalPlanes | None = Field(
        None,
        description="the input channels are focal planes in order along z, which may come from "
        "the axis Z of an image; null: they are not",
    )
    pixel_size_um: float | None = Field(
        None,
        ge=1e-6,
        le=1e6,
        description="pixel size of the training images in µm; null if unknown",
    )
    normalisation: Normalisation = Field(
        default_factory=lambda: Normalisation(), description="scaling of the input"
    )
    channel_roles: list[ChannelRole] = Field(
        default_factory=list,
        max_length=1024,
        description="what each output channel holds, which decides on its activation; empty in "
        "cards of version 1: they follow from object_channel, splitting and mask_channel",
    )
    activation: Activation = Field(
        "sigmoid",
        description="what follows the network's raw output, in float32, on every channel of a "
        "card without channel_roles",
    )
    output_range: tuple[Number, Number] = Field(
        (0.0, 1.0), description="range of the output after the activation"
    )
    total_stride: int = Field(1, ge=1, le=1024, description="total stride of the network in px")
    receptive_radius: int = Field(0, ge=0, le=10**6, description="receptive radius in px")
    norm: Literal["batch", "instance", "group", "none"] = Field(
        "batch", description="kind of normalisation layers in the network"
    )
    dropout: float = Field(0.0, ge=0, lt=1, description="dropout probability it was trained with")
    threshold: float | None = Field(
        None, ge=0, le=1, description="threshold chosen on validation data"
    )
    min_size: int | None = Field(
        None,
        ge=0,
        le=10**7,
        description="smallest object in px of the model's pixel size, chosen on validation data; "
        "null: no object is too small",
    )
    diameter: Positive | None = Field(
        None,
        description="typical (median) diameter of the training objects, of the circle of their "
        "area, in px of the model's pixel size",
    )
    image_diameter: Positive | None = Field(
        None,
        description="typical diameter of the objects in px of the training images, where these "
        "were resampled for the training until it was `diameter`: so is an image whose own "
        "diameter or pixel size is not asked for; null: it stays as it is",
    )
    objects: str = Field("objects", description="what one object is called: nuclei, cells …")
    object_channel: str | None = Field(
        None, description="output channel that is thresholded (the first if null)"
    )
    splitting: Splitting | None = Field(
        None,
        description="how touching objects are separated by seeds; null, without flows: connected "
        "components",
    )
    flows: FlowDecoding | None = Field(
        None, description="how the flows are decoded into objects; needed where there are flows"
    )
    confidence: Confidence | None = Field(
        None, description="how the confidence in an object is computed; null: it is not"
    )
    expected: Expected | None = Field(
        None, description="what results on validation images look like; null if unknown"
    )
    settings_from: SettingsOrigin = Field(
        "validation",
        description="images that threshold, smallest object, splitting, flow limit, confidence "
        "and expected results were chosen on; validation: left out of its training; start: left "
        "out of the training of the model that it began with, whose settings it keeps; training: "
        "it was trained on them, too; given: on none, they are usual ones or a user's",
    )
    classes: list[Line] = Field(
        default_factory=list, max_length=65536, description="classes of a conditional model"
    )
    prediction_type: PredictionType | None = Field(
        None, description="diffusion: what the network predicts"
    )
    schedule: ScheduleName | None = Field(
        None,
        description="diffusion: the beta schedule it was trained with; straight of a flow",
    )
    training_steps: int | None = Field(
        None, ge=2, le=10_000, description="diffusion: number of time steps it was trained with"
    )
    generation: GenerationSettings | None = Field(
        None, description="how a generative model is sampled; null for the other tasks"
    )
    modality: str = Field("", description="kind of microscopy of the training images")
    input_quantiles: dict[Percent, tuple[Number, Number]] = Field(
        default_factory=dict,
        max_length=100,
        description="quantiles (in %) of the scaled training images: the smallest and the "
        "largest over the images; a new image is compared with them",
    )
    input_looks: dict[LookName, tuple[Number, Number]] = Field(
        default_factory=dict,
        description="limits of the looks of the training images (percentiles of brightness; size, "
        "asymmetry, roughness and noise of the structures): a new image rarely lies outside",
    )
    output_scaling: list[OutputScaling] = Field(
        default_factory=list,
        description="one for each output channel, to the target's own units; empty: as they are",
    )
    output_unit: str = Field("", description="unit of the output, for example camera counts")
    sigma_scale: list[Factor] | None = Field(
        None,
        description="one factor for each output channel that calibrates the uncertainty: "
        "sigma² = (factor · s)² + (slope · y)² + floor², s being the samples' spread and y "
        "their mean where it is positive, in units of the output; null: uncalibrated",
    )
    sigma_slope: list[Factor] | None = Field(
        None, description="the slope in that formula, one for each output channel; null: 0"
    )
    sigma_floor: list[Factor] | None = Field(
        None, description="the floor in that formula, in units of the network's output"
    )
    sigma_samples: int | None = Field(
        None, ge=2, le=10_000, description="number of samples that the calibration was fitted with"
    )
    uncertainty: StainUncertainty | None = Field(
        None,
        description="typical error of each stain, in place of sigma_scale, sigma_slope and "
        "sigma_floor; null: unknown, or of a card that has those",
    )
    doubt: list[ObjectDoubt] = Field(
        default_factory=list,
        max_length=100,
        description="how doubtful an object of a virtual stain is, of the stains with objects",
    )
    example_size: tuple[Side, Side] = Field((256, 256), description="size of an example (Y, X)")

    @model_validator(mode="after")
    def _generation_is_described(self) -> Inference:
        if self.task == "generate" and self.generation is None:
            raise ValueError("a generator's card needs the block generation")
        known = (self.prediction_type, self.schedule, self.training_steps)
        if self.generation and "diffusion" in self.generation.family and None in known:
            raise ValueError("diffusion needs prediction_type, schedule and training_steps")
        if self.generation and self.generation.zero_terminal_snr and known[0] == "epsilon":
            raise ValueError("zero_terminal_snr needs another prediction_type than epsilon")
        sampler = self.generation.sampler if self.generation else ""
        if len({known[0] == "flow", known[1] == "straight", sampler == "euler"}) == 2:
            raise ValueError(
                "prediction_type flow, schedule straight and sampler euler go together"
            )
        return self

    @model_validator(mode="after")
    def _planes_are_channels(self) -> Inference:
        if self.focal_planes is None:
            return self
        if self.task != "stain" or len(self.input_channels) % len(self.focal_planes.contrast):
            raise ValueError(
                "focal_planes belong to a model that stains, with as many input channels of each "
                "focal plane"
            )
        return self

    @model_validator(mode="after")
    def _quantiles_are_percentages(self) -> Inference:
        for name, (low, high) in self.input_quantiles.items():
            if float(name) > 100 or low > high:
                raise ValueError(f"input_quantiles: {name} % from {low:g} to {high:g} cannot be")
        for name, (low, high) in self.input_looks.items():
            if low > high:
                raise ValueError(f"input_looks: {name} from {low:g} to {high:g} cannot be")
        return self

    @model_validator(mode="after")
    def _channels_exist(self) -> Inference:
        named = {self.object_channel, self.splitting.channel if self.splitting else None}
        named.add(self.generation.mask_channel if self.generation else None)
        missing = named - {None, *self.output_channels}
        if missing:
            raise ValueError(f"no output channel called {', '.join(map(str, missing))}")
        for name in ("output_scaling", "sigma_scale", "sigma_floor", "sigma_slope"):
            values = getattr(self, name)
            if values and len(values) != len(self.output_channels):
                raise ValueError(f"{name} needs one value for each output channel")
        if (self.sigma_scale is None) != (self.sigma_floor is None):
            raise ValueError("sigma_scale and sigma_floor belong together")
        return self

    @model_validator(mode="after")
    def _one_uncertainty(self) -> Inference:
        if self.uncertainty is None:
            return self
        if self.sigma_scale is not None:
            raise ValueError("uncertainty and sigma_scale are two calibrations: give one")
        if len(self.uncertainty.stains) != len(self.output_channels):
            raise ValueError("uncertainty needs one typical error for each output channel")
        if self.uncertainty.samples and not self.dropout:
            raise ValueError("uncertainty: samples need a network with dropout")
        return self

    @model_validator(mode="after")
    def _doubts_fit(self) -> Inference:
        stains = [one.stain for one in self.doubt]
        if unknown := [name for name in stains if name not in self.output_channels]:
            raise ValueError(f"doubt: no output channel called {', '.join(unknown)}")
        if len(set(stains)) < len(stains):
            raise ValueError("doubt: a stain has two entries")
        return self

    @model_validator(mode="after")
    def _diameters_belong_together(self) -> Inference:
        if self.image_diameter is not None and self.diameter is None:
            raise ValueError("image_diameter needs diameter, which images are resampled to")
        return self

    @model_validator(mode="after")
    def _roles_agree(self) -> Inference:
        if self.channel_roles:
            check_roles(self._named(), self.channel_roles)
        if (self.flows is not None) != ("flow-y" in self.channel_roles):
            raise ValueError(
                "the block flows and channels of role flow-y and flow-x need each other"
            )
        if self.flows and self.splitting:
            raise ValueError("flows and splitting are two ways to separate objects: give one")
        return self

    def _named(self) -> NamedChannels:
        seeds = self.splitting.channel if self.splitting else None
        mask = self.generation.mask_channel if self.generation else None
        return NamedChannels(self.task, self.output_channels, self.object_channel, seeds, mask)

    @property
    def roles(self) -> list[ChannelRole]:
        """Role of each output channel, also of a card of version 1."""
        return list(self.channel_roles) or derived_roles(self._named())

    @property
    def activations(self) -> list[Activation]:
        """Activation of each output channel."""
        if not self.channel_roles:
            return [self.activation] * len(self.output_channels)
        return [activation_of(role, self.task) for role in self.channel_roles]

    @property
    def channels_of_a_plane(self) -> int:
        """Number of input channels that are of one focal plane."""
        count = len(self.focal_planes.contrast) if self.focal_planes else 1
        return len(self.input_channels) // count

    @property
    def focal_plane_names(self) -> list[str]:
        """Name of each focal plane: that of its first channel."""
        return self.input_channels[:: self.channels_of_a_plane]

    @property
    def separates_objects(self) -> bool:
        """Whether the model was made to separate touching objects, by seeds or by flows."""
        return self.splitting is not None or self.flows is not None

    def channel_of(self, role: ChannelRole) -> int | None:
        """Return the index of the first output channel of a role; None if there is none."""
        roles = self.roles
        return roles.index(role) if role in roles else None
