"""Plan of a study of synthetic data: numbers of slices, arms, and their two recipes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, cast

from pydantic import Field, ValidationError, field_validator, model_validator

from napari_cytosynth.errors import RecipeError
from napari_cytosynth.training.recipe.base import SettingsBlock
from napari_cytosynth.training.recipe.files import in_words
from napari_cytosynth.training.recipe.settings import dotted
from napari_cytosynth.training.study.study import check_feasible, recipe_with

if TYPE_CHECKING:
    from napari_cytosynth.training.generate.recipe import GenerateRecipe
    from napari_cytosynth.training.segment.recipe import SegmentRecipe
    from napari_cytosynth.training.study.study import Study

__all__ = ["AugmentationOptions", "Cell", "Kind", "Plan", "SyntheticArm", "load_plan"]

Kind = Literal["none", "like", "rare"]

# as the study writes all images: scaled once, so that real and synthetic ones agree
_AS_WRITTEN = {"kind": "fixed", "mean": 0.0, "std": 1.0}


class SyntheticArm(SettingsBlock):
    """One mixture of real and synthetic training images, with or without augmentation."""

    real: bool = Field(True, description="train on the real slices")
    synthetic: Kind = Field(
        "none",
        description="generated pairs beside them: none; like: in the mixture of the real "
        "crops; rare: of few and small objects",
    )
    augment: bool = Field(True, description="classic augmentation, as the recipe has it")

    @staticmethod
    def folder(name: str) -> str:
        """Return the folder name of an arm."""
        return re.sub(r"[\s/\\]+", "-", name.replace(" + ", "+"))

    @model_validator(mode="after")
    def _has_images(self) -> SyntheticArm:
        if not self.real and self.synthetic == "none":
            raise ValueError("an arm needs real or synthetic images")
        return self


_ARMS = {
    "real": SyntheticArm(augment=False),
    "real + classic": SyntheticArm(),
    "real + synthetic": SyntheticArm(synthetic="like"),
    "real + rare synthetic": SyntheticArm(synthetic="rare"),
    "synthetic only": SyntheticArm(real=False, synthetic="like"),
}


class AugmentationOptions(SettingsBlock):
    """Settings of a study of synthetic data, under `options` in its file."""

    generator: str = Field("em-pairs-ddpm", description="recipe that makes images with masks")
    generator_set: dict[str, Any] = Field(
        default_factory=dict, description="changed settings of that recipe"
    )
    slices: list[int | Literal["all"]] = Field(
        [2, 5, "all"], min_length=1, description="real slices to train on"
    )
    fresh_slices: bool = Field(
        False,
        description="draw other slices for every seed, and train a generator on each draw; "
        "otherwise the seeds share one draw",
    )
    images: int = Field(200, ge=1, description="generated pairs of each kind")
    share: float = Field(
        0.5, gt=0, lt=1, description="share of the training crops that are generated ones, about"
    )
    sampling_steps: int | None = Field(None, ge=1, description="null: as the generator's recipe")
    guidance: float | None = Field(None, ge=0, description="null: as the generator's recipe")
    rare: tuple[float, float] = Field(
        (0.01, 0.06), description="share of the image that rare objects are asked to cover"
    )
    crops: int = Field(1000, ge=2, description="crops of the real slices that copies are sought in")
    arms: dict[str, SyntheticArm] = Field(default_factory=lambda: dict(_ARMS), min_length=1)
    against: str = Field("real + classic", description="arm that synthetic data should beat")
    device: str = Field("auto", description="where images are generated and the test is run")

    @field_validator("generator_set")
    @classmethod
    def _one_spelling(cls, given: dict[str, Any]) -> dict[str, Any]:
        """Flatten blocks into dotted keys, like those of the study's `set`."""
        return dotted(given)

    @model_validator(mode="after")
    def _sensible(self) -> AugmentationOptions:
        if self.against not in self.arms:
            raise ValueError(f"there is no arm called “{self.against}” to compare with")
        # some file systems take no heed of case
        if len({SyntheticArm.folder(name).casefold() for name in self.arms}) < len(self.arms):
            raise ValueError("two arms would share a folder: give them other names")
        if not 0 <= self.rare[0] <= self.rare[1] <= 1:
            raise ValueError("rare must be two shares in order, between 0 and 1")
        if any(count != "all" and count < 1 for count in self.slices):
            raise ValueError("train on at least one slice")
        if len(set(self.slices)) < len(self.slices):
            raise ValueError("a number of slices is named twice")
        return self


@dataclass(frozen=True)
class Cell:
    """One choice of real slices.

    Attributes
    ----------
    slices
        Their names.
    draw
        Seed of the order that they are the first of: more slices include the fewer.
    """

    slices: tuple[str, ...]
    draw: int

    @property
    def folder(self) -> str:
        """Name of its folder."""
        return f"draw-{self.draw}/{len(self.slices)}-slices"


@dataclass(frozen=True)
class Plan:
    """A validated study of synthetic data.

    Attributes
    ----------
    study
        The study.
    options
        Its settings.
    source
        SegmentRecipe of the generator, with the folders of the user's data.
    """

    study: Study
    options: AugmentationOptions
    source: GenerateRecipe

    @property
    def kinds(self) -> list[Kind]:
        """Kinds of synthetic images that the arms use."""
        kinds: tuple[Kind, ...] = ("like", "rare")
        return [kind for kind in kinds if any(arm.synthetic == kind for arm in self._arms)]

    @property
    def _arms(self) -> list[SyntheticArm]:
        return list(self.options.arms.values())

    def draw(self, seed: int) -> int:
        """Return the seed of the draw of slices that a run trains on."""
        return seed if self.options.fresh_slices else self.study.seeds[0]

    def generator(self, cell: Cell) -> GenerateRecipe:
        """Return the recipe of the generator that is trained on the slices of a cell."""
        parts = {"train": ["train/image"], "validation": ["validation/image"]}
        settings = self.options.generator_set | {
            "name": f"pairs-{len(cell.slices)}-slices",
            "data.parts": parts,
            "data.mask": "mask",
            "data.scaling": "fixed",
            "data.shrink": 1,
            "train.seed": cell.draw,
        }
        return cast("GenerateRecipe", recipe_with(self.options.generator, settings))

    def segmenter(self, arm: str, seed: int, validation: list[str]) -> SegmentRecipe:
        """Return the recipe of one segmenter, which reads the folders ``image`` and ``mask``."""
        settings = self.study.set | {
            "name": "segmenter",
            "data.images": "image",
            "data.sources": [],
            "data.targets": [{"folder": "mask", "name": self.source.data.mask_name}],
            "data.normalisation": _AS_WRITTEN,
            "data.split": {"kind": "names", "validation": validation},
            "data.sampling": "random",  # of as many crops in every arm
            "card.pixel_size_um": None,
            "train.seed": seed,
        }
        if not self.options.arms[arm].augment:
            settings["data.augment"] = None
        recipe = recipe_with(self.study.recipe, settings)
        if recipe.task != "segment":
            raise RecipeError(f"“{self.study.recipe}” is not a recipe of a segmentation.")
        return cast("SegmentRecipe", recipe)

    def identity(self) -> dict[str, Any]:
        """Return the settings that must not change when a study is resumed.

        Slices, arms and seeds may be added; those of an arm are in :meth:`arm_identity`.
        """
        later = {"slices", "arms", "against", "device", "crops"}
        arm = next(iter(self.options.arms))
        cell = Cell(("a",), 0)
        return {
            "options": self.options.model_dump(mode="json", exclude=later),
            "set": self.study.set,
            "source": self.source.model_dump(mode="json", include={"data"}),
            "generator": self.generator(cell).model_dump(mode="json", exclude={"card"}),
            "segmenter": self.segmenter(arm, 0, ["a"]).model_dump(
                mode="json", exclude={"card": True, "data": {"augment"}}
            ),
        }

    def arm_identity(self, arm: str) -> dict[str, Any]:
        """Return the settings of an arm that must not change when a study is resumed."""
        augment = self.segmenter(arm, 0, ["a"]).model_dump(mode="json")["data"]["augment"]
        return self.options.arms[arm].model_dump(mode="json") | {"augment": augment}


def load_plan(study: Study) -> Plan:
    """Validate a study of synthetic data before work starts.

    Raises
    ------
    RecipeError
        If a setting is unknown or impossible, or the recipes do not belong together.
    """
    try:
        options = AugmentationOptions.model_validate(study.options)
    except ValidationError as error:
        words = in_words(error, "options")
        raise RecipeError(f"The study “{study.name}” cannot be used:\n{words}") from error
    source = cast("GenerateRecipe", recipe_with(options.generator, options.generator_set))
    if source.task != "generate" or not source.data.mask:
        raise RecipeError(
            f"“{options.generator}” does not make images with masks: name a recipe with "
            "data.mask, such as em-pairs-ddpm."
        )
    if len(source.data.channels) > 1:
        raise RecipeError(f"“{options.generator}” makes images of several channels, not grey ones.")
    if not source.data.parts.test:
        raise RecipeError(f"“{options.generator}” names no test images: set data.parts.test.")
    plan = Plan(study, options, source)
    if "rare" in plan.kinds and not source.data.condition_on_fraction:
        raise RecipeError(
            f"“{options.generator}” cannot generate rare objects: set "
            "data.condition_on_fraction, or leave out the arms of rare images."
        )
    generator = plan.generator(Cell(("a",), 0))
    check_feasible(generator, "generator")
    size = generator.data.crop_size
    for arm, own in options.arms.items():
        segmenter = plan.segmenter(arm, study.seeds[0], ["a"])
        check_feasible(segmenter, arm)
        crop = segmenter.data.crop_size
        if own.synthetic != "none" and crop > size:
            raise RecipeError(
                f"The segmenter's crops of {crop} px are larger than the generated images of "
                f"{size} px: choose a data.crop_size of {size} or less."
            )
    return plan
