"""The card of a model: one typed, validated record, stored as ``config.json``.

The field descriptions feed tooltips, the documentation and ``cytosynth models show``. A card
is data that anybody may have written: names are plain, texts hold no control characters, and
every number has bounds.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from .text import has_control_characters

__all__ = [
    "FORMAT_VERSION",
    "Condition",
    "Generation",
    "GenerationSettings",
    "Inference",
    "Metric",
    "ModelCard",
    "Name",
    "Normalisation",
    "OutputScaling",
    "PredictionType",
    "SamplerName",
    "ScheduleName",
    "Splitting",
    "Training",
    "is_name",
]

SamplerName = Literal["ddpm", "ddim", "dpm++", "unipc"]
PredictionType = Literal["epsilon", "v_prediction", "sample"]
ScheduleName = Literal["linear", "scaled_linear", "cosine", "sigmoid"]

FORMAT_VERSION = 1


LONGEST_NAME = 100
"""Most characters of a model's name."""


def _name(text: str) -> str:
    if not is_name(text):
        raise ValueError(
            f"a name consists of at most {LONGEST_NAME} letters (A-Z), digits and the characters "
            "“.”, “_” and “-”, and not of dots alone"
        )
    return text


def is_name(text: str) -> bool:
    """Return whether a text can be the name of a model or a recipe, and of its folder."""
    plain = re.fullmatch(r"[A-Za-z0-9._-]+", text) is not None
    return plain and len(text) <= LONGEST_NAME and text.strip(".") != ""


def _line(text: str) -> str:
    if not text.strip() or len(text) > 200 or "\n" in text or "\t" in text:
        raise ValueError("it must be one line of 1 to 200 characters")
    return text


Name = Annotated[str, AfterValidator(_name)]
Line = Annotated[str, AfterValidator(_line)]
Number = Annotated[float, Field(ge=-1e12, le=1e12)]
Positive = Annotated[float, Field(ge=1e-12, le=1e12)]
Factor = Annotated[float, Field(ge=-1e6, le=1e6)]
Side = Annotated[int, Field(ge=1, le=8192)]
Percent = Annotated[str, Field(pattern=r"^\d{1,3}(\.\d{1,6})?$")]
LookName = Literal["p5", "p25", "p50", "p75", "p95", "size", "asymmetry", "roughness", "noise"]


def _refuse_control_characters(value: Any) -> None:
    if isinstance(value, str) and has_control_characters(value):
        raise ValueError("it holds control characters, which no text of a card needs")
    if isinstance(value, Mapping):
        for key, item in value.items():
            _refuse_control_characters(key)
            _refuse_control_characters(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            _refuse_control_characters(item)


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _texts_are_plain(cls, values: Any) -> Any:
        _refuse_control_characters(values)
        return values


class Normalisation(_Record):
    """Normalisation of a plane's intensities before the network."""

    kind: Literal["percentile", "zscore", "fixed", "local"] = Field(
        "percentile",
        description="percentile: (x - p_low) / (p_high - p_low) of the plane; zscore: "
        "(x - plane mean) / plane std; fixed: (x / range - mean) / std, with the range of "
        "the integer type (1 for floats); local: (x / local mean - 1) / std, the relative "
        "contrast of a transmitted-light image",
    )
    low: float = Field(1.0, ge=0, lt=100, description="lower percentile")
    high: float = Field(99.8, gt=0, le=100, description="upper percentile")
    mean: Number = Field(0.5, description="mean that kind 'fixed' subtracts")
    std: Positive = Field(0.5, description="number that the kinds 'fixed' and 'local' divide by")
    sigma: float = Field(
        40.0, gt=0, le=1000, description="sigma in px of the Gaussian local mean of kind 'local'"
    )

    @model_validator(mode="after")
    def _percentiles_are_in_order(self) -> Normalisation:
        if self.kind == "percentile" and self.low >= self.high:
            raise ValueError("low must lie below high: the percentiles that become 0 and 1")
        return self


class OutputScaling(_Record):
    """Linear map from a stainer's output to the intensities of the target images."""

    offset: Number = Field(0.0, description="intensity that the output 0 stands for")
    scale: Positive = Field(1.0, description="intensity per unit of output")


class Splitting(_Record):
    """Settings of the separation of touching objects: seeds, then a watershed."""

    channel: str = Field(description="output channel that marks the middle of each object")
    seed_threshold: Factor = Field(
        description="seeds are connected regions above this value of the channel"
    )
    smoothing: float = Field(
        0.0, ge=0, le=100, description="sigma in px of the Gaussian smoothing of that channel"
    )
    min_seed_size: int = Field(0, ge=0, le=10**9, description="smaller seeds are dropped, in px")


class Condition(_Record):
    """A continuous property that a generator is conditioned on."""

    name: Line = Field(description="for example: foreground fraction")
    description: str = Field("", description="what it measures, and its unit")
    mean: Number = Field(0.0, description="mean over the training images")
    std: Positive = Field(1.0, description="spread; the network is told (value - mean) / std")
    low: Number = Field(description="smallest value that the training images show often")
    high: Number = Field(description="largest value that the training images show often")

    @model_validator(mode="after")
    def _values_are_in_order(self) -> Condition:
        if self.low > self.high:
            raise ValueError("low must not be above high")
        return self


class GenerationSettings(_Record):
    """Sampling settings of a generative model."""

    family: Literal["vae", "gan", "diffusion", "latent_diffusion"] = Field(
        description="kind of generative model"
    )
    zero_terminal_snr: bool = Field(
        False, description="diffusion: betas rescaled so that the last step is pure noise"
    )
    sampler: SamplerName = Field("dpm++", description="diffusion: sampler used if none is chosen")
    steps: int = Field(
        25, ge=1, le=10_000, description="diffusion: sampling steps used if none are chosen"
    )
    guidance: float = Field(
        1.0,
        ge=0,
        le=100,
        description="diffusion: strength of the class or condition (classifier-free guidance); "
        "0: none, 1: as trained, more: exaggerated",
    )
    mask_channel: str | None = Field(
        None, description="output channel that is the signed mask, positive inside"
    )
    mask_objects: str = Field("objects", description="what the mask outlines")
    conditions: list[Condition] = Field(
        default_factory=list, description="continuous properties that can be asked for"
    )
    unit: str = Field("", description="what the intensities 0 and 1 stand for")
    encoder: str = Field(
        "", description="model whose encoder made the embeddings of the training images"
    )
    real_distances: tuple[Number, ...] = Field(
        (),
        max_length=5,
        description="distance of real images never trained on to their nearest training image: "
        "the quantiles 5, 25, 50, 75 and 95 %",
    )


Generation = GenerationSettings  # its earlier name, which scripts may import


class Inference(_Record):
    """Settings for running the network on an image and interpreting its output."""

    task: Literal["segment", "stain", "generate"] = Field(description="the verb it serves")
    input_channels: list[Line] = Field(max_length=1024, description="names of the input channels")
    output_channels: list[Line] = Field(
        min_length=1, max_length=1024, description="names of the output channels"
    )
    axes: str = Field("YX", description="axes of one input plane")
    pixel_size_um: float | None = Field(
        None,
        ge=1e-6,
        le=1e6,
        description="pixel size of the training images in µm; null if unknown",
    )
    normalisation: Normalisation = Field(
        default_factory=lambda: Normalisation(), description="scaling of the input"
    )
    activation: Literal["sigmoid", "linear"] = Field(
        "sigmoid", description="what follows the network's raw output, in float32"
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
    objects: str = Field("objects", description="what one object is called: nuclei, cells …")
    object_channel: str | None = Field(
        None, description="output channel that is thresholded (the first if null)"
    )
    splitting: Splitting | None = Field(
        None, description="how touching objects are separated; null: connected components"
    )
    classes: list[Line] = Field(
        default_factory=list, max_length=65536, description="classes of a conditional model"
    )
    prediction_type: PredictionType | None = Field(
        None, description="diffusion: what the network predicts"
    )
    schedule: ScheduleName | None = Field(
        None, description="diffusion: the beta schedule it was trained with"
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


class Metric(_Record):
    """One measured figure and the command that measures it again."""

    name: str = Field(description="for example: foreground IoU, AP@0.5")
    value: Number = Field(description="the figure")
    dataset: str = Field(description="data set and split that it was measured on")
    command: str = Field(description="the command that measures it")


class Training(_Record):
    """Provenance of the weights."""

    datasets: list[str] = Field(default_factory=list, description="training data sets")
    data_licence: str = Field("", description="licence or terms of the training data")
    citations: list[str] = Field(default_factory=list, description="what to cite")
    hardware: str = Field("", description="machine it was trained on")
    duration: str = Field("", description="wall time and steps")
    recipe: Name | Literal[""] = Field("", description="name of the shipped recipe that trains it")
    started_from: str = Field(
        "", description="model whose weights it began with, their licence and training data"
    )
    remarks: str = Field("", description="what a user should know about the limits")


class ModelCard(_Record):
    """The full description of a model; ``config.json`` holds it as JSON."""

    format_version: int = Field(FORMAT_VERSION, ge=1, description="version of this record")
    name: Name = Field(description="short name, also of its folder")
    title: str = Field("", description="one line: what it does to which images")
    architecture: str = Field(description="registered name of the network class")
    arguments: dict[str, Any] = Field(
        default_factory=dict, description="keyword arguments of the network class"
    )
    licence: str = Field("", description="licence of the weights")
    inference: Inference = Field(description="how to run it")
    training: Training = Field(default_factory=lambda: Training(), description="how it was trained")
    metrics: list[Metric] = Field(default_factory=list, description="measured figures")
    tags: list[str] = Field(default_factory=list, description="Hub tags")
    package_version: str = Field("", description="version of the package that wrote it")
