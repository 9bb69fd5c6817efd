"""Blocks of a card: scaling of the input and output, separation of objects, sampling."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from .record import Factor, Line, Number, Positive, Record

__all__ = [
    "Condition",
    "FocalPlanes",
    "GenerationSettings",
    "Normalisation",
    "OutputScaling",
    "SamplerName",
    "Splitting",
]

SamplerName = Literal["ddpm", "ddim", "dpm++", "unipc", "euler"]


class Normalisation(Record):
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


class FocalPlanes(Record):
    """Input channels that are focal planes of one field, in order along z."""

    contrast: list[Positive] = Field(
        min_length=2,
        max_length=100,
        description="of each plane, the median over the training images: standard deviation of "
        "the local contrast, which in brightfield is least in focus",
    )
    asymmetry: list[Number] = Field(
        description="of each plane, the median over the training images: how much farther the "
        "brightest pixels are from the median than the darkest, in [-1, 1]; in brightfield it "
        "differs on the two sides of focus",
    )

    @model_validator(mode="after")
    def _planes_are_as_many(self) -> FocalPlanes:
        if len(self.asymmetry) != len(self.contrast):
            raise ValueError("contrast and asymmetry need one number for each focal plane")
        return self


class OutputScaling(Record):
    """Linear map from a stainer's output to the intensities of the target images."""

    offset: Number = Field(0.0, description="intensity that the output 0 stands for")
    scale: Positive = Field(1.0, description="intensity per unit of output")


class Splitting(Record):
    """Settings of the separation of touching objects: seeds, then a watershed."""

    channel: str = Field(description="output channel that marks the middle of each object")
    seed_threshold: Factor = Field(
        description="seeds are connected regions above this value of the channel"
    )
    smoothing: float = Field(
        0.0, ge=0, le=100, description="sigma in px of the Gaussian smoothing of that channel"
    )
    min_seed_size: int = Field(0, ge=0, le=10**9, description="smaller seeds are dropped, in px")


class Condition(Record):
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


class GenerationSettings(Record):
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
