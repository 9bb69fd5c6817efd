"""Recipes of segmentation models: images with masks or labels, network and training."""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, model_validator

from napari_cytosynth.images.files import image_name
from napari_cytosynth.training.recipe.base import (
    FieldDataRecipe,
    FieldRecipe,
    NetworkRecipe,
    SettingsBlock,
)
from napari_cytosynth.zoo.card import activation_of

if TYPE_CHECKING:
    from napari_cytosynth.zoo.card import Activation, ChannelRole

__all__ = ["DataRecipe", "SegmentRecipe", "SourceRecipe", "SplitRecipe", "TargetRecipe"]

_Folder = Annotated[str, Field(min_length=1)]


class TargetRecipe(SettingsBlock):
    """One folder of truth and the output channels it is turned into."""

    folder: str = Field(description="folder of masks or labels beside the image folder")
    kind: Literal["mask", "labels"] = Field(
        "mask",
        description="mask: non-zero is foreground, one channel; labels: integer instances, "
        "foreground and what separates them",
    )
    decoder: Literal["distance", "flows"] = Field(
        "distance",
        description="what separates labels; distance: one channel, the distance to the edge, for "
        "a watershed; flows: two channels, a unit vector that leads to the object's centre",
    )
    name: str = Field("foreground", description="name of the (foreground) output channel")
    invert: bool = Field(False, description="the object is where the mask is zero")
    depth: float | None = Field(
        None,
        gt=0,
        description="largest distance in px of a masked pixel from the edge of the mask; what lies "
        "deeper, as the inside of dark cells that were painted over with their membranes, counts "
        "as not masked; null: everything masked counts",
    )
    taught: bool = Field(
        True,
        description="false: nothing is known of this target, and its folder is not read; its "
        "channel stays close to that of the model to start from",
    )
    balance: bool = Field(
        False,
        description="foreground and background weigh the same in the loss, and in the scores as "
        "prevalence says, however many pixels of each are known",
    )
    prevalence: float = Field(
        0.5,
        gt=0,
        lt=1,
        description="with balance: the part of whole images that is foreground, to which outputs "
        "are calibrated",
    )
    weight: float = Field(1.0, gt=0, description="weight of the channel in the loss")
    pos_weight: float = Field(1.0, gt=0, description="weight of foreground pixels in the BCE")

    @property
    def channel_count(self) -> int:
        """Number of output channels that it is turned into."""
        if self.kind == "mask":
            return 1
        return 3 if self.decoder == "flows" else 2


class SplitRecipe(SettingsBlock):
    """Split into training and validation; neighbours in a stack must fall on the same side."""

    kind: Literal["names", "hash", "last", "pixels"] = Field(
        "hash",
        description="names: the stems listed; hash: by a hash of the file name (a tenth "
        "validates, two tenths are left out for testing); last: the last `count` images; pixels: "
        "every image trains, but for the annotated pixels of the masks in `held_out`, which "
        "validate",
    )
    held_out: str = Field(
        "held-out", description="kind 'pixels': folder of these masks beside the truth"
    )
    validation: list[str] = Field(default_factory=list, description="stems that validate")
    test: list[str] = Field(
        default_factory=list,
        description="stems that are left out of both training and validation, whatever the kind",
    )
    count: int = Field(1, ge=1, description="number of images for kind 'last'")
    use_all: bool = Field(False, description="train on the validation images too")

    @model_validator(mode="after")
    def _named_once(self) -> SplitRecipe:
        test = {image_name(name) for name in self.test}
        if self.kind == "names" and (
            both := sorted(test & {image_name(name) for name in self.validation})
        ):
            raise ValueError(
                f"“{both[0]}” is named in both validation and test: an image that chooses the "
                "epoch cannot test the model"
            )
        return self


class SourceRecipe(SettingsBlock):
    """One of several data folders that a model learns from together."""

    folder: _Folder = Field(
        description="folder of this source, relative to --data-dir; it begins the names of its "
        "images, as in “folder/stem”"
    )
    images: _Folder | None = Field(None, description="folder of its images; null: data.images")
    truths: dict[str, _Folder] = Field(
        default_factory=dict,
        description="folders of its truth that are called otherwise: a target's folder -> the "
        "folder here",
    )
    split: SplitRecipe = Field(default_factory=lambda: SplitRecipe())
    share: float | None = Field(
        None,
        gt=0,
        description="its part of the random crops, in relation to the other sources'; null for "
        "all sources: by the pixels of their training images",
    )
    fully_annotated: bool = Field(
        False,
        description="every pixel of its truth is known: it needs no folder data.annotated, and "
        "only trains with a split of kind 'pixels'",
    )
    magnify: float = Field(
        1.0,
        gt=0,
        description="magnification of its crops, times that of data.augment.scale, for example to "
        "bring sources to one pixel size; whole validation images keep theirs",
    )

    @model_validator(mode="after")
    def _inside_data_dir(self) -> SourceRecipe:
        place = PurePath(self.folder)
        if place.is_absolute() or ".." in place.parts or not place.parts:
            raise ValueError(f"the folder “{self.folder}” should be one inside --data-dir")
        return self


class DataRecipe(FieldDataRecipe):
    """Data of a segmentation model: folders of images and truth, and crops."""

    images: str = Field("image", description="folder of the images")
    targets: list[TargetRecipe] = Field(min_length=1, description="the truth")
    annotated: _Folder | None = Field(
        None,
        description="folder of masks beside the truth that tell what is known: 0 nothing, 2 the "
        "foreground or background of this pixel but not the outline of its object, else all of "
        "it; what is unknown counts neither in the loss nor in validation. null: all is known",
    )
    split: SplitRecipe = Field(default_factory=lambda: SplitRecipe())
    sources: list[SourceRecipe] = Field(
        default_factory=list,
        description="data folders to learn from together, each with a split of its own; empty: "
        "--data-dir itself, split by data.split",
    )

    @model_validator(mode="after")
    def _known_pixels_agree(self) -> DataRecipe:
        splits = [self.split, *(source.split for source in self.sources)]
        if self.annotated is None and any(split.kind == "pixels" for split in splits):
            raise ValueError("a split of kind 'pixels' needs data.annotated")
        if self.sampling == "tiles" and self.annotated is not None:
            raise ValueError("data.annotated needs random crops: leave out sampling: tiles")
        return self

    @model_validator(mode="after")
    def _sources_agree(self) -> DataRecipe:
        if not self.sources:
            return self
        if self.split != SplitRecipe():
            raise ValueError("data.split has no effect beside sources: set the split of each")
        folders = [PurePath(source.folder) for source in self.sources]
        if twice := [str(each) for each in folders if folders.count(each) > 1]:
            raise ValueError(f"two sources have the folder “{twice[0]}”: name it once")
        targets = {target.folder for target in self.targets}
        for source in self.sources:
            if unknown := sorted(set(source.truths) - targets):
                raise ValueError(
                    f"truths of the source “{source.folder}” names “{unknown[0]}”, which is the "
                    "folder of no target"
                )
        self._check_drawing()
        return self

    def _check_drawing(self) -> None:
        shares = [source.share is not None for source in self.sources]
        if any(shares) and not all(shares):
            raise ValueError("set the share of every source, or of none")
        if any(shares) and self.sampling == "tiles":
            raise ValueError("shares are of random crops: leave them out with sampling: tiles")
        if self.augment is None and any(source.magnify != 1 for source in self.sources):
            raise ValueError(
                "magnify is part of the augmentation, which is off: set data.augment.scale=[1, 1] "
                "for no other change of size, or leave magnify out"
            )


class SegmentRecipe(FieldRecipe):
    """Recipe of a segmentation model: everything for its training but the data folder."""

    task: Literal["segment"] = "segment"
    modality: str = Field("", description="kind of microscopy of the images: it goes on the card")
    data: DataRecipe
    network: NetworkRecipe = Field(default_factory=lambda: NetworkRecipe())

    @model_validator(mode="after")
    def _first_is_taught(self) -> SegmentRecipe:
        if not self.data.targets[0].taught:
            raise ValueError("the first target must be taught")
        return self

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
    def prevalence(self) -> float | None:
        """Part of the foreground of the first target; None: as that of the known pixels."""
        first = self.data.targets[0]
        return first.prevalence if first.balance else None

    @property
    def trains_on_validation(self) -> bool:
        """Whether images that validate are trained on, too, in any of its data folders."""
        splits = [self.data.split, *(source.split for source in self.data.sources)]
        return any(split.use_all for split in splits)

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
                names += ["flow-y", "flow-x"] if target.decoder == "flows" else ["distance"]
        return names

    @property
    def taught_channels(self) -> list[bool]:
        """Whether each output channel is learned from truth."""
        return [t.taught for t in self.data.targets for _ in range(t.channel_count)]

    @property
    def channel_roles(self) -> list[ChannelRole]:
        """Roles of the output channels, for the card."""
        roles: list[ChannelRole] = []
        for target in self.data.targets:
            roles.append("other" if roles else "foreground")
            if target.kind == "labels":
                roles += ["flow-y", "flow-x"] if target.decoder == "flows" else ["seed"]
        return roles

    @property
    def activations(self) -> list[Activation]:
        """Activation of each output channel, as of the card."""
        return [activation_of(role, self.task) for role in self.channel_roles]

    @property
    def flow_channel(self) -> int | None:
        """The first of the two output channels of flows; None without them."""
        names = self.output_channels
        return names.index("flow-y") if "flow-y" in names else None
