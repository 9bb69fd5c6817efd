"""The whole card of a model: how it runs, how it was trained, what was measured."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from .inference import Inference
from .record import Name, Number, Record
from .trust import ConfidenceTest

__all__ = ["FORMAT_VERSION", "Metric", "ModelCard", "Training"]

FORMAT_VERSION = 2
"""Version that cards are written with; older ones are read too."""

SINCE_VERSION_2 = (
    "channel_roles",
    "min_size",
    "diameter",
    "image_diameter",
    "flows",
    "confidence",
    "expected",
    "settings_from",
    "input_looks",
    "uncertainty",
    "doubt",
)
"""Fields of `Inference` that version 1 did not have."""


class Metric(Record):
    """One measured figure and the command that measures it again."""

    name: str = Field(description="for example: foreground IoU, AP@0.5")
    value: Number = Field(description="the figure")
    dataset: str = Field(description="data set and split that it was measured on")
    command: str = Field(description="the command that measures it")


class Training(Record):
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


class ModelCard(Record):
    """The full description of a model; ``config.json`` holds it as JSON."""

    format_version: int = Field(FORMAT_VERSION, ge=1, description="version of this record")
    name: Name = Field(description="short name, also of its folder")
    title: str = Field("", description="one line: what it does to which images")
    architecture: str = Field(description="registered name of the network class")
    arguments: dict[str, Any] = Field(
        default_factory=dict, description="keyword arguments of the network class"
    )
    licence: str = Field("", description="licence of the weights")
    weight_bits: Literal[8] | None = Field(
        None, description="8: large weights are stored at 8 bits each; none: at 16 or 32"
    )
    inference: Inference = Field(description="how to run it")
    training: Training = Field(default_factory=lambda: Training(), description="how it was trained")
    metrics: list[Metric] = Field(default_factory=list, description="measured figures")
    confidence_tests: list[ConfidenceTest] = Field(
        default_factory=list,
        max_length=100,
        description="how far its confidence in objects can be trusted, on images of known truth",
    )
    tags: list[str] = Field(default_factory=list, description="Hub tags")
    package_version: str = Field("", description="version of the package that wrote it")

    @model_validator(mode="after")
    def _fields_are_of_its_version(self) -> ModelCard:
        """Refuse newer fields in an older card, which the version that it names cannot read."""
        if self.format_version < 2:
            if self.inference.task == "encode":
                raise ValueError("inference.task encode needs format_version 2")
            if self.weight_bits is not None:
                raise ValueError("weight_bits needs format_version 2")
            if self.confidence_tests:
                raise ValueError("confidence_tests needs format_version 2")
            fields = type(self.inference).model_fields
            for name in SINCE_VERSION_2:
                default = fields[name].get_default(call_default_factory=True)
                if getattr(self.inference, name) != default:
                    raise ValueError(f"inference.{name} needs format_version 2")
        return self
