"""Settings of a conversion that the weights of a foreign network do not contain."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from napari_cytosynth.errors import InputError
from napari_cytosynth.zoo.card import Normalisation, OutputScaling

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["ConvertSettings", "read_settings"]


def _split(value: Any) -> Any:
    """Split “a,b” into a list; a list stays as it is."""
    if not isinstance(value, str):
        return value
    return [part.strip() for part in value.split(",") if part.strip()]


Names = Annotated[list[str], BeforeValidator(_split)]
Numbers = Annotated[list[float], BeforeValidator(_split)]


class ConvertSettings(BaseModel):
    """Validated settings of a conversion; the required ones default to empty or None."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    input_channels: Names = Field(default_factory=list)
    output_channels: Names = Field(default_factory=list)
    normalisation: Literal["percentile", "zscore", "fixed", "local"] | None = None
    low: float | None = None
    high: float | None = None
    mean: float | None = None
    std: float | None = None
    sigma: float | None = None
    name: str | None = Field(None, min_length=1, max_length=100, pattern=r"^[A-Za-z0-9._-]+$")
    title: str = ""
    licence: str = ""
    task: Literal["segment", "stain"] | None = None
    modality: str = ""
    objects: str = "objects"
    activation: Literal["sigmoid", "linear"] | None = None
    object_channel: str | None = None
    threshold: float | None = Field(None, ge=0, le=1)
    min_size: int | None = Field(None, ge=0, le=10**7)
    flow_error: float | None = Field(None, ge=0, le=1e3)
    diameter: float | None = Field(None, gt=0, le=1e5)
    mean_diameter: float | None = Field(None, gt=0, le=1e5)
    pixel_size_um: float | None = Field(None, gt=0)
    offset: Numbers = Field(default_factory=list)
    scale: Numbers = Field(default_factory=list)
    output_unit: str = ""
    dropout: float = Field(0.0, ge=0, lt=1)
    dropout_blocks: int | None = Field(None, ge=1)
    dropout_at: Literal["coarsest", "last"] = "coarsest"
    tanh: bool = True
    stem: int = Field(1, ge=1, le=32)
    leave_out: Names = Field(default_factory=list)

    def given(self) -> set[str]:
        """Return the names of the settings that are not their default."""
        fields = type(self).model_fields
        return {
            name
            for name in self.model_fields_set
            if getattr(self, name) != fields[name].get_default(call_default_factory=True)
        }

    def card_normalisation(self) -> Normalisation:
        """Return the normalisation for the card."""
        parts = ("low", "high", "mean", "std", "sigma")
        given = {name: value for name in parts if (value := getattr(self, name)) is not None}
        return Normalisation(kind=self.normalisation or "percentile", **given)

    def output_scaling(self) -> list[OutputScaling]:
        """Return one scaling for each output channel, or none."""
        scales = self.scale or [1.0] * len(self.offset)
        offsets = self.offset or [0.0] * len(self.scale)
        if len(scales) != len(offsets) or len(scales) not in (0, len(self.output_channels)):
            raise InputError(
                "offset and scale need one number for each output channel: "
                f"{len(offsets)} and {len(scales)} for {len(self.output_channels)} channels."
            )
        return [
            OutputScaling(offset=offset, scale=scale)
            for offset, scale in zip(offsets, scales, strict=True)
        ]

    def check_against(self, in_channels: int, out_channels: int) -> None:
        """Check that the required settings are there and the channels match the network's.

        Raises
        ------
        InputError
            If a required setting is missing, or does not fit.
        """
        wanted = []
        counts = {"input_channels": in_channels, "output_channels": out_channels}
        for name, count in counts.items():
            if len(getattr(self, name)) != count:
                wanted.append(f"{name}=… (the network has {count}: as many names, with commas)")
        if self.normalisation is None:
            wanted.append(
                "normalisation=… (how its training images were scaled: percentile with low and "
                "high, zscore, fixed with mean and std, or local with sigma and std)"
            )
        if wanted:
            raise InputError(
                "The weights do not tell what goes in and what comes out. Please add with --set: "
                f"{'; '.join(wanted)}."
            )


_LETTERS = "use letters from a to z, digits, and . _ - alone"


def read_settings(values: Mapping[str, Any]) -> ConvertSettings:
    """Validate settings from the command line or a program.

    Raises
    ------
    InputError
        If there is no setting of a name, or its value cannot be used.
    """
    try:
        return ConvertSettings.model_validate(dict(values))
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0])
        if first["type"] == "extra_forbidden":
            known = ", ".join(ConvertSettings.model_fields)
            raise InputError(f"There is no setting “{name}”; there are: {known}.") from error
        reason = _LETTERS if first["type"] == "string_pattern_mismatch" else first["msg"]
        raise InputError(f"The setting {name}={values[name]} is wrong: {reason}.") from error
