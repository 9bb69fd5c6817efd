"""Base classes of recipes: validated blocks of settings that all tasks share."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from napari_cytosynth.zoo.card import Name, Normalisation

__all__ = [
    "HARDWARE",
    "AugmentRecipe",
    "CardRecipe",
    "CropRecipe",
    "FieldDataRecipe",
    "FieldRecipe",
    "NetworkRecipe",
    "Recipe",
    "Rounds",
    "SettingsBlock",
    "TrainRecipe",
]


class SettingsBlock(BaseModel):
    """Immutable block of settings, validated on construction; unknown settings are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class AugmentRecipe(SettingsBlock):
    """Settings of the augmentation of crops, drawn from (seed, epoch, index)."""

    rotate: bool = Field(True, description="any angle; otherwise multiples of 90 degrees")
    scale: tuple[float, float] = Field((0.8, 1.25), description="range of the magnification")
    elastic: float = Field(4.0, ge=0, description="largest elastic displacement in px")
    gamma: float = Field(0.3, ge=0, lt=1, description="spread of log2 gamma")
    contrast: float = Field(0.2, ge=0, lt=1, description="relative spread of the contrast")
    brightness: float = Field(0.1, ge=0, description="spread of the offset (scaled units)")
    noise: float = Field(0.05, ge=0, description="largest sigma of added noise")
    blur: float = Field(1.0, ge=0, description="largest sigma of a Gaussian blur in px")
    invert: float = Field(0.0, ge=0, le=1, description="probability of an inverted contrast")
    curve: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="spread of the contrast of middle greys (values between 0 and 1), on an "
        "S-shaped curve that keeps black and white",
    )
    shading: float = Field(
        0.0, ge=0, lt=1, description="largest relative change of uneven illumination"
    )
    coarsen: float = Field(
        0.0,
        ge=0,
        le=7,
        description="largest loss of resolution: 1 has up to two pixels averaged into one, and "
        "enlarged again",
    )
    sharpen: float = Field(
        0.0, ge=0, description="largest weight of the fine structure that unsharp masking adds"
    )


class NetworkRecipe(SettingsBlock):
    """Settings of the network; its channels follow from the data."""

    architecture: str = Field("UNet", description="registered name")
    arguments: dict[str, Any] = Field(default_factory=dict, description="keyword arguments")
    start_from: str | None = Field(
        None, description="fine-tune: a model's name, folder or Hub id whose weights to start with"
    )


class TrainRecipe(SettingsBlock):
    """Settings of optimiser, schedule, stopping and hardware."""

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
    minutes: float | None = Field(
        None,
        gt=0,
        description="end after this time of training and validation, to which the schedule is "
        "fitted; null: max_epochs alone",
    )
    keep: float = Field(
        0.0,
        ge=0,
        description="weight of the squared distance from the weights that training begins with "
        "(L2-SP, Li et al. 2018); 0: off",
    )
    freeze_statistics: bool = Field(
        False, description="BatchNorm layers keep the statistics that training begins with"
    )
    self_train: float = Field(
        0.0,
        ge=0,
        description="with data.annotated: weight of the loss against what the averaged network is "
        "certain of, where nothing is known (mean teacher, Tarvainen and Valpola 2017); 0: off",
    )
    validate_start: bool = Field(
        False,
        description="validate the weights that training begins with, too, and keep them if no "
        "epoch is better",
    )
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
"""Settings of :class:`TrainRecipe` that concern the machine and do not change the result."""

Rounds = Annotated[
    list[dict[str, Any]],
    Field(
        description="rounds of training before the one that the recipe describes: what each "
        "changes, dotted key: value. A round starts from the weights of the one before, and "
        "draws other crops"
    ),
]


class CardRecipe(SettingsBlock):
    """Fields of the exported model card that cannot be measured."""

    title: str = ""
    objects: str = "objects"
    pixel_size_um: float | None = None
    licence: str = ""
    datasets: list[str] = Field(default_factory=list)
    data_licence: str = ""
    citations: list[str] = Field(default_factory=list)
    tags: list[str] = Field(default_factory=list)
    remarks: str = ""


class CropRecipe(SettingsBlock):
    """Settings of the crops that are cut from the images of any task."""

    crop_size: int = Field(256, ge=8, le=8192, description="side of a crop in px")
    crops_per_epoch: int = Field(
        1000, ge=1, le=10_000_000, description="random crops that make an epoch"
    )
    foreground_share: float = Field(
        0.0, ge=0, le=1, description="share of random crops centred on a foreground pixel"
    )
    foreground_level: float = Field(
        0.5, description="value of the first target channel from which a pixel is foreground"
    )


class FieldDataRecipe(CropRecipe):
    """Settings of scaling, cropping and augmentation, of the tasks that learn from whole fields."""

    normalisation: Normalisation = Field(default_factory=lambda: Normalisation())
    sampling: Literal["random", "tiles"] = Field(
        "random", description="random crops, or the grid of non-overlapping tiles"
    )
    crop_size: int = Field(256, ge=16, le=8192, description="side of a crop in px")
    augment: AugmentRecipe | None = Field(default_factory=lambda: AugmentRecipe())


class Recipe(SettingsBlock):
    """Settings of a training run, of any task.

    The recipe of a task adds its own blocks, and derives the network's arguments from them.
    """

    name: Name  # also of the model and its folder
    task: str
    data: CropRecipe
    network: NetworkRecipe
    train: TrainRecipe = Field(default_factory=lambda: TrainRecipe())
    rounds: Rounds = Field(default_factory=list)
    card: CardRecipe = Field(default_factory=lambda: CardRecipe())

    @property
    def objective_name(self) -> str:
        """Name of the objective, which selects one of its task's Lightning modules."""
        raise NotImplementedError

    @property
    def output_channels(self) -> list[str]:
        """Names of the network's output channels, in order."""
        raise NotImplementedError

    @property
    def derived_arguments(self) -> dict[str, Any]:
        """Arguments of the network that follow from the data."""
        raise NotImplementedError

    @property
    def network_arguments(self) -> dict[str, Any]:
        """All arguments of the network: the recipe's own, and those that follow from the data."""
        return {**self.network.arguments, **self.derived_arguments}

    @property
    def two_optimisers(self) -> bool:
        """Whether two networks are trained, each by its own optimiser. Default: False."""
        return False


class FieldRecipe(Recipe):
    """Recipe of a network that maps the channels of an image to others of the same size."""

    data: FieldDataRecipe

    @property
    def input_channels(self) -> list[str]:
        """Names of the network's input channels, in order."""
        return ["grey"]

    @property
    def derived_arguments(self) -> dict[str, Any]:
        """Arguments of the network that follow from the data."""
        return {
            "in_channels": len(self.input_channels),
            "out_channels": len(self.output_channels),
        }
