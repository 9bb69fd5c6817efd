"""What every block of a card has: plain texts, numbers with bounds, no unknown fields."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from napari_cytosynth.zoo.text import has_control_characters

__all__ = [
    "LONGEST_NAME",
    "Factor",
    "Fraction",
    "Line",
    "Name",
    "Number",
    "Percent",
    "Positive",
    "Record",
    "Side",
    "is_name",
]

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
Fraction = Annotated[float, Field(ge=0, le=1)]
Side = Annotated[int, Field(ge=1, le=8192)]
LookName = Literal[
    "p5", "p25", "p50", "p75", "p95", "size", "asymmetry", "fine_asymmetry", "roughness", "noise"
]
Percent = Annotated[str, Field(pattern=r"^\d{1,3}(\.\d{1,6})?$")]


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


class Record(BaseModel):
    """A validated, unchangeable block of a card: no unknown fields, no infinite numbers."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _texts_are_plain(cls, values: Any) -> Any:
        _refuse_control_characters(values)
        return values
