"""Recipes of virtual stainers: image pairs, network, losses and discriminator."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from napari_cytosynth.training.recipe.base import (
    AugmentRecipe,
    FieldDataRecipe,
    FieldRecipe,
    NetworkRecipe,
    SettingsBlock,
)

__all__ = ["AdversarialRecipe", "LossRecipe", "PairRecipe", "PairSplitRecipe", "StainRecipe"]


class PairSplitRecipe(SettingsBlock):
    """Split into training and validation, by whole wells, fields or regions."""

    kind: Literal["folders", "names", "hash", "last"] = Field(
        "hash",
        description="folders: sub-folders of the data folder, each with the image folders; "
        "names: the stems listed validate; hash: by a hash of the file name (a tenth "
        "validates, two tenths are left out for testing); last: the last `count` fields",
    )
    train: list[str] = Field(default_factory=list, description="sub-folders to train on")
    validation: list[str] = Field(
        default_factory=list,
        description="sub-folders, or stems, that validate; of kind 'folders' also single fields "
        "of a training folder, as in train/field",
    )
    count: int = Field(1, ge=1, description="number of fields for kind 'last'")
    use_all: bool = Field(False, description="train on the validation fields too")

    @property
    def folders(self) -> list[str]:
        """Sub-folders that are read, for kind 'folders'; one empty name for the others."""
        if self.kind != "folders":
            return [""]
        whole = [name for name in self.validation if not self._is_field(name)]
        return list(dict.fromkeys([*self.train, *whole]))

    def _is_field(self, name: str) -> bool:
        return any(name.startswith(f"{folder}/") for folder in self.train)


class PairRecipe(FieldDataRecipe):
    """Data of a virtual stainer: folders, channels, scaling and crops of the pairs."""

    inputs: str | list[str] = Field(
        "phase",
        description="folder of the input images; several, in order along z: focal planes of the "
        "same fields",
    )
    planes: Literal["any", "stack"] = Field(
        "any",
        description="of several folders: any has the network see one plane at a time, drawn for "
        "each crop; stack shows it all together, as input_channels",
    )
    between: float = Field(
        0.0,
        ge=0,
        le=1,
        description="share of the crops that blend two neighbouring planes (planes: any)",
    )
    input_channels: list[str] = Field(default_factory=lambda: ["phase"], min_length=1)
    input_pick: list[int] | None = Field(
        None, description="which channels of the input files these are; null: all, in order"
    )
    targets: str = Field("fluorescence", description="folder of the stained images")
    target_channels: list[str] = Field(min_length=1, description="names of the stains")
    pick: list[int] | None = Field(
        None, description="which channels of the target files these are; null: all, in order"
    )
    low: float = Field(
        50.0, ge=0, lt=100, description="percentile of the training pixels that becomes 0"
    )
    high: float = Field(
        99.9, gt=0, le=100, description="percentile of the training pixels that becomes 1"
    )
    unit: str = Field("camera counts", description="unit of the target intensities")
    split: PairSplitRecipe = Field(default_factory=lambda: PairSplitRecipe())
    crops_per_epoch: int = Field(
        500, ge=1, le=10_000_000, description="random crops that make an epoch"
    )
    foreground_share: float = Field(
        0.5, ge=0, le=1, description="share of crops centred on a stained pixel"
    )
    foreground_level: float = Field(
        0.2, description="scaled intensity of the first stain from which a pixel is stained"
    )
    augment: AugmentRecipe | None = Field(
        default_factory=lambda: AugmentRecipe(
            rotate=False, scale=(1.0, 1.0), elastic=0.0, gamma=0.0, blur=0.5
        )
    )

    @model_validator(mode="after")
    def _planes_fit(self) -> PairRecipe:
        if not self.input_folders:
            raise ValueError("inputs needs at least one folder")
        if len(set(self.input_folders)) < len(self.input_folders):
            raise ValueError("inputs names a folder twice")
        if len(self.input_channels) % self.planes_at_once:
            raise ValueError("planes: stack needs as many input_channels as inputs has folders")
        return self

    @model_validator(mode="after")
    def _pick_fits(self) -> PairRecipe:
        if self.pick is not None and len(self.pick) != len(self.target_channels):
            raise ValueError("pick needs one index for each of target_channels")
        if self.input_pick is not None and len(self.input_pick) != self.channels_per_file:
            raise ValueError("input_pick needs one index for each of input_channels")
        if not self.low < self.high:
            raise ValueError("low must lie below high")
        return self

    @property
    def input_folders(self) -> list[str]:
        """Folders of the input images, in order along z."""
        return [self.inputs] if isinstance(self.inputs, str) else self.inputs

    @property
    def planes_at_once(self) -> int:
        """Number of focal planes that the network sees together."""
        return len(self.input_folders) if self.planes == "stack" else 1

    @property
    def planes_in_turn(self) -> int:
        """Number of focal planes of which the network sees one at a time."""
        return len(self.input_folders) // self.planes_at_once

    @property
    def channels_per_file(self) -> int:
        """Number of channels that are taken of each input file."""
        return len(self.input_channels) // self.planes_at_once


class LossRecipe(SettingsBlock):
    """Weights of the terms of the loss; a term of weight 0 is not computed."""

    l1: float = Field(1.0, ge=0, description="mean absolute error")
    ms_ssim: float = Field(1.0, ge=0, description="1 - multi-scale structural similarity")
    adversarial: float = Field(1.0, ge=0, description="least-squares GAN")
    feature_matching: float = Field(1.0, ge=0, description="L1 of the discriminators' features")
    r1: float = Field(0.0, ge=0, description="gradient penalty of the discriminator")


class AdversarialRecipe(SettingsBlock):
    """The discriminator, and the phases of the generator's training."""

    width: int = Field(64, ge=1, description="channels of the discriminator's first layer")
    layers: int = Field(3, ge=1, description="halvings in each discriminator")
    scales: int = Field(3, ge=1, description="levels of the average-pooled pyramid")
    spectral: bool = Field(False, description="spectral normalisation of the discriminator")
    learning_rate: float | None = Field(
        None, gt=0, description="of the discriminator; null: the generator's"
    )
    coarse_share: float = Field(
        0.25, ge=0, lt=1, description="share of the epochs in which G1 trains alone"
    )
    frozen_share: float = Field(
        0.1, ge=0, lt=1, description="share of the epochs after that in which G1 stays fixed"
    )
    fixed_norm_share: float = Field(
        0.1, ge=0, lt=1, description="share of the epochs, at the end, with fixed BatchNorm"
    )

    @model_validator(mode="after")
    def _room_for_both(self) -> AdversarialRecipe:
        if self.coarse_share + self.frozen_share >= 1:
            raise ValueError("coarse_share and frozen_share leave no epochs for both halves")
        return self


class StainRecipe(FieldRecipe):
    """Recipe of a virtual stainer: everything for its training but the data folder."""

    task: Literal["stain"] = "stain"
    data: PairRecipe
    network: NetworkRecipe = Field(default_factory=lambda: NetworkRecipe(architecture="Pix2PixHD"))
    loss: LossRecipe = Field(default_factory=lambda: LossRecipe())
    adversarial: AdversarialRecipe | None = Field(
        None, description="null: a regression model without a discriminator"
    )
    modality: str = Field("", description="kind of microscopy of the input images")

    @model_validator(mode="after")
    def _two_halves(self) -> StainRecipe:
        if self.adversarial and self.network.architecture != "Pix2PixHD":
            raise ValueError("adversarial training needs the architecture Pix2PixHD")
        if self.adversarial and self.train.scheduler == "plateau":
            raise ValueError("adversarial training has no plateau: choose cosine or constant")
        return self

    @model_validator(mode="after")
    def _something_to_learn(self) -> StainRecipe:
        loss = self.loss
        if self.adversarial and not loss.adversarial + loss.feature_matching:
            raise ValueError("adversarial training needs the loss adversarial or feature_matching")
        if not self.adversarial and not loss.l1 + loss.ms_ssim:
            raise ValueError("without adversarial training, the loss l1 or ms_ssim must not be 0")
        return self

    @property
    def objective_name(self) -> str:
        """Name of the objective: ``adversarial`` or ``regression``."""
        return "adversarial" if self.adversarial else "regression"

    @property
    def two_optimisers(self) -> bool:
        """Whether a discriminator learns beside the generator."""
        return self.adversarial is not None

    @property
    def input_channels(self) -> list[str]:
        """Names of the network's input channels, in order."""
        return self.data.input_channels

    @property
    def output_channels(self) -> list[str]:
        """Names of the network's output channels, in order."""
        return self.data.target_channels
