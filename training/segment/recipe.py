"""Recipes of segmentation models: images with masks or labels, network and training."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from napari_cytosynth.training.recipe.base import (
    FieldDataRecipe,
    FieldRecipe,
    NetworkRecipe,
    SettingsBlock,
)

__all__ = ["DataRecipe", "SegmentRecipe", "SplitRecipe", "TargetRecipe"]


class TargetRecipe(SettingsBlock):
    """One folder of truth and the output channels it is turned into."""

    folder: str = Field(description="folder of masks or labels beside the image folder")
    kind: Literal["mask", "labels"] = Field(
        "mask",
        description="mask: non-zero is foreground, one channel; labels: integer instances, "
        "two channels (foreground, distance to the edge)",
    )
    name: str = Field("foreground", description="name of the (foreground) output channel")
    invert: bool = Field(False, description="the object is where the mask is zero")
    weight: float = Field(1.0, gt=0, description="weight of the channel in the loss")
    pos_weight: float = Field(1.0, gt=0, description="weight of foreground pixels in the BCE")


class SplitRecipe(SettingsBlock):
    """Split into training and validation; neighbours in a stack must fall on the same side."""

    kind: Literal["names", "hash", "last"] = Field(
        "hash",
        description="names: the stems listed; hash: by a hash of the file name (a tenth "
        "validates, two tenths are left out for testing); last: the last `count` images",
    )
    validation: list[str] = Field(default_factory=list, description="stems that validate")
    count: int = Field(1, ge=1, description="number of images for kind 'last'")
    use_all: bool = Field(False, description="train on the validation images too")


class DataRecipe(FieldDataRecipe):
    """Data of a segmentation model: folders of images and truth, and crops."""

    images: str = Field("image", description="folder of the images")
    targets: list[TargetRecipe] = Field(min_length=1, description="the truth")
    split: SplitRecipe = Field(default_factory=lambda: SplitRecipe())


class SegmentRecipe(FieldRecipe):
    """Recipe of a segmentation model: everything for its training but the data folder."""

    task: Literal["segment"] = "segment"
    modality: str = Field("", description="kind of microscopy of the images: it goes on the card")
    data: DataRecipe
    network: NetworkRecipe = Field(default_factory=lambda: NetworkRecipe())

    @model_validator(mode="after")
    def _one_labels_target(self) -> SegmentRecipe:
        kinds = [target.kind for target in self.data.targets]
        if kinds.count("labels") > 1 or ("labels" in kinds and kinds[0] != "labels"):
            raise ValueError("a target of kind 'labels' must be the first and only one of it")
        return self

    @property
    def objective_name(self) -> str:
        """Name of the only objective, ``masks``: masks, and distances of labels."""
        return "masks"

    @property
    def instances(self) -> bool:
        """Whether the first target holds instances to be separated."""
        return self.data.targets[0].kind == "labels"

    @property
    def output_channels(self) -> list[str]:
        """Names of the network's output channels, in order."""
        names = []
        for target in self.data.targets:
            names.append(target.name)
            if target.kind == "labels":
                names.append("distance")
        return names
