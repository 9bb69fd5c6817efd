"""A training recipe: one validated record read from YAML, before any work starts."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from napari_cytosynth.errors import RecipeError
from napari_cytosynth.zoo.card import Normalisation

from .settings import assign

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

    from .generate_recipe import GenerateRecipe
    from .stain_recipe import StainRecipe

__all__ = [
    "HARDWARE",
    "AugmentRecipe",
    "CardRecipe",
    "DataRecipe",
    "NetworkRecipe",
    "Recipe",
    "SplitRecipe",
    "TargetRecipe",
    "TrainRecipe",
    "in_words",
    "list_recipes",
    "load_recipe",
    "read_tree",
    "shipped_names",
]


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TargetRecipe(_Record):
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


class SplitRecipe(_Record):
    """Which images validate; neighbours in a stack must fall on the same side."""

    kind: Literal["names", "hash", "last"] = Field(
        "hash",
        description="names: the stems listed; hash: by a hash of the file name (a tenth "
        "validates, two tenths are left out for testing); last: the last `count` images",
    )
    validation: list[str] = Field(default_factory=list, description="stems that validate")
    count: int = Field(1, ge=1, description="number of images for kind 'last'")
    use_all: bool = Field(False, description="train on the validation images too")


class AugmentRecipe(_Record):
    """Random changes of every crop; all drawn from (seed, epoch, index)."""

    rotate: bool = Field(True, description="any angle; otherwise multiples of 90 degrees")
    scale: tuple[float, float] = Field((0.8, 1.25), description="range of the magnification")
    elastic: float = Field(4.0, ge=0, description="largest elastic displacement in px")
    gamma: float = Field(0.3, ge=0, lt=1, description="spread of log2 gamma")
    contrast: float = Field(0.2, ge=0, lt=1, description="relative spread of the contrast")
    brightness: float = Field(0.1, ge=0, description="spread of the offset (scaled units)")
    noise: float = Field(0.05, ge=0, description="largest sigma of added noise")
    blur: float = Field(1.0, ge=0, description="largest sigma of a Gaussian blur in px")
    invert: float = Field(0.0, ge=0, le=1, description="probability of an inverted contrast")


class DataRecipe(_Record):
    """Where images and truth lie, and how crops are cut from them."""

    images: str = Field("image", description="folder of the images")
    targets: list[TargetRecipe] = Field(min_length=1, description="the truth")
    normalisation: Normalisation = Field(default_factory=lambda: Normalisation())
    split: SplitRecipe = Field(default_factory=lambda: SplitRecipe())
    sampling: Literal["random", "tiles"] = Field(
        "random", description="random crops, or the grid of non-overlapping tiles"
    )
    crop_size: int = Field(256, ge=16, le=8192, description="side of a crop in px")
    crops_per_epoch: int = Field(
        1000, ge=1, le=10_000_000, description="random crops that make an epoch"
    )
    foreground_share: float = Field(
        0.0, ge=0, le=1, description="share of random crops centred on a foreground pixel"
    )
    foreground_level: float = Field(
        0.5, description="value of the first target channel from which a pixel is foreground"
    )
    augment: AugmentRecipe | None = Field(default_factory=lambda: AugmentRecipe())


class NetworkRecipe(_Record):
    """The architecture; channels follow from the data."""

    architecture: str = Field("UNet", description="registered name")
    arguments: dict[str, Any] = Field(default_factory=dict, description="keyword arguments")
    start_from: str | None = Field(
        None, description="fine-tune: a model's name, folder or Hub id whose weights to start with"
    )


class TrainRecipe(_Record):
    """Optimiser, schedule, stopping, hardware."""

    max_epochs: int = Field(30, ge=1)
    batch_size: int = Field(8, ge=1)
    accumulate: int = Field(1, ge=1, description="batches per optimiser step")
    optimiser: Literal["adam", "adamw", "sgd"] = "adam"
    learning_rate: float = Field(2e-3, gt=0)
    weight_decay: float = Field(0.0, ge=0)
    scheduler: Literal["cosine", "plateau", "constant"] = "cosine"
    warmup_steps: int = Field(100, ge=0)
    plateau_patience: int = Field(5, ge=1, description="validations before the rate is halved")
    ema: float = Field(0.99, ge=0, lt=1, description="decay of the averaged weights per step")
    monitor: Literal["loss", "score"] = Field(
        "loss", description="what picks the checkpoint: validation loss, or IoU / AP@0.5"
    )
    revert_after: int = Field(
        0, ge=0, description="validations without improvement before going back to the best; 0: off"
    )
    stop_after: int = Field(
        0, ge=0, description="validations without improvement before stopping; 0: off"
    )
    validate_every: int = Field(1, ge=1, description="epochs between validations")
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        "float32", description="auto: bfloat16 where the hardware computes in it, else float32"
    )
    gradient_clip: float = Field(1.0, ge=0)
    num_workers: int | None = Field(
        None, ge=0, description="processes that load crops; null: none on a CPU, else up to eight"
    )
    seed: int = Field(0, ge=0)
    accelerator: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    devices: int = Field(1, ge=1, description="GPUs (or processes) of each machine")
    num_nodes: int = Field(1, ge=1, description="machines")


HARDWARE = ("accelerator", "devices", "num_nodes", "num_workers")
"""Settings of :class:`TrainRecipe` that say where, not what, is learned."""

Rounds = Annotated[
    list[dict[str, Any]],
    Field(
        description="rounds of training before the one that the recipe describes: what each "
        "changes, dotted key: value. A round starts from the weights of the one before, and "
        "draws other crops"
    ),
]


class CardRecipe(_Record):
    """What the exported card says that cannot be measured."""

    title: str = ""
    objects: str = "objects"
    pixel_size_um: float | None = None
    licence: str = ""
    datasets: list[str] = Field(default_factory=list)
    data_licence: str = ""
    citations: list[str] = Field(default_factory=list)
    tags: list[str] = Field(default_factory=list)
    remarks: str = ""


class Recipe(_Record):
    """Everything that a training run needs but the folder of data."""

    name: str = Field(min_length=1)
    task: Literal["segment"] = "segment"
    data: DataRecipe
    network: NetworkRecipe = Field(default_factory=lambda: NetworkRecipe())
    train: TrainRecipe = Field(default_factory=lambda: TrainRecipe())
    rounds: Rounds = Field(default_factory=list)
    card: CardRecipe = Field(default_factory=lambda: CardRecipe())

    @model_validator(mode="after")
    def _one_labels_target(self) -> Recipe:
        kinds = [target.kind for target in self.data.targets]
        if kinds.count("labels") > 1 or ("labels" in kinds and kinds[0] != "labels"):
            raise ValueError("a target of kind 'labels' must be the first and only one of it")
        return self

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


def list_recipes() -> list[str]:
    """Names of the shipped recipes."""
    return shipped_names("recipes")


_BLOCKS = {"autoencoder", "card", "data", "network", "train"}


def shipped_names(folder: str) -> list[str]:
    """Names of the YAML files in a folder of this package, without their suffix."""
    found = (files("napari_cytosynth.training") / folder).iterdir()
    return sorted(item.name[:-5] for item in found if item.name.endswith(".yaml"))


def read_tree(name_or_path: str, folder: str = "recipes", noun: str = "recipe") -> dict[str, Any]:
    """Read a shipped YAML file by its name, or any by its path, unchecked.

    Parameters
    ----------
    name_or_path
        Name of a file in `folder`, or the path of any file.
    folder
        Folder of this package.
    noun
        What the file holds, for the sentences of the errors.

    Raises
    ------
    RecipeError
        If there is no such file, or it is no valid YAML or no mapping.
    """
    shipped = shipped_names(folder)
    if name_or_path in shipped:
        resource = files("napari_cytosynth.training") / folder / f"{name_or_path}.yaml"
        text = resource.read_text("utf-8")
    elif (path := Path(name_or_path)).is_file():
        text = _text(path)
    else:
        raise RecipeError(
            f"There is no {noun} called “{name_or_path}” and no such file. "
            f"Shipped: {', '.join(shipped)}."
        )
    try:
        tree = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise RecipeError(f"{name_or_path} is not valid YAML: {error}") from error
    if not isinstance(tree, dict):
        raise RecipeError(f"{name_or_path} does not hold a {noun} (a mapping of settings).")
    return tree


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except UnicodeDecodeError as error:
        raise RecipeError(f"{path} is not a text file in UTF-8: save it as such.") from error


def _check_block(tree: dict[str, Any], key: str) -> None:
    if key in _BLOCKS and tree[key] is not None:
        raise RecipeError(
            f"“{key}” is a block of settings, and all that are not named would be lost: name "
            "single ones of it, as in train.max_epochs=5."
        )


def load_recipe(
    name_or_path: str, overrides: list[str] | None = None
) -> Recipe | StainRecipe | GenerateRecipe:
    """Read and validate a recipe.

    Parameters
    ----------
    name_or_path
        Name of a shipped recipe, or the path of a YAML file.
    overrides
        Assignments such as ``train.max_epochs=5``. One of ``network.start_from`` leaves out the
        recipe's ``rounds``, and one of ``name`` what the card tells of data and licences,
        unless they are assigned too.

    Raises
    ------
    RecipeError
        If there is no such recipe, or a setting is unknown or impossible.
    """
    tree = read_tree(name_or_path)
    changed = set()
    for assignment in overrides or []:
        assign(tree, assignment)
        key = assignment.partition("=")[0]
        _check_block(tree, key)
        changed.add(key)
    if "name" in changed:  # a model of one's own, learned from other data than ours
        for key in ("licence", "datasets", "data_licence", "citations", "remarks"):
            if f"card.{key}" not in changed:
                tree.get("card", {}).pop(key, None)
    if "network.start_from" in changed and "rounds" not in changed:
        tree["rounds"] = []  # they are for weights that know nothing yet
    from .generate_recipe import GenerateRecipe
    from .stain_recipe import StainRecipe

    kinds: dict[str, type[Recipe | StainRecipe | GenerateRecipe]] = {
        "stain": StainRecipe,
        "generate": GenerateRecipe,
    }
    task = str(tree.get("task", "segment"))
    if task not in ("segment", *kinds):
        raise RecipeError(f"The task “{task}” should be segment, stain or generate.")
    kind = kinds.get(task, Recipe)
    try:
        return kind.model_validate(tree)
    except ValidationError as error:
        raise RecipeError(
            f"The recipe “{name_or_path}” cannot be used:\n{in_words(error)}"
        ) from error


def in_words(error: ValidationError, whole: str = "recipe") -> str:
    """Return what a record's validation found, one line for each setting."""
    return "\n".join(
        f"  {'.'.join(map(str, item['loc'])) or whole}: {_reason(item)}" for item in error.errors()
    )


def _reason(item: ErrorDetails) -> str:
    match item["type"]:
        case "extra_forbidden":
            return "there is no such setting; check its spelling and the block that it stands in"
        case "missing":
            return "this setting is missing"
        case "model_type":
            return "this should be a block of settings"
        case "union_tag_invalid":
            return f"the kind should be one of {item['ctx']['expected_tags']}"
    return item["msg"].removeprefix("Value error, ")
