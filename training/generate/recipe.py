"""Recipes of generative models: images, network, objective and sampling."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from napari_cytosynth.tasks.generate.features import DEFAULT_EXTRACTOR
from napari_cytosynth.training.recipe.base import (
    CropRecipe,
    NetworkRecipe,
    Recipe,
    SettingsBlock,
    TrainRecipe,
)

from .families import FAMILIES

__all__ = [
    "AutoencoderObjective",
    "DiffusionObjective",
    "GanObjective",
    "GenerateRecipe",
    "ImageRecipe",
    "PartsRecipe",
    "VaeObjective",
]


class PartsRecipe(SettingsBlock):
    """Split of the images into training, validation and test, without overlap."""

    train: list[str] = Field(
        default_factory=lambda: ["image"], min_length=1, description="folders (or HDF5 files)"
    )
    validation: list[str] = Field(default_factory=list, description="folders that validate")
    test: list[str] = Field(default_factory=list, description="folders that are left for testing")
    hashed: Literal["all", "validation", "none"] = Field(
        "none",
        description="all: the train folders are split by a hash of the file name (a tenth "
        "validates, two tenths are left for testing); validation: a tenth of them validates",
    )
    validation_names: list[str] = Field(
        default_factory=list, description="stems in the train folders that validate instead"
    )


class ImageRecipe(CropRecipe):
    """Data of a generator: folders, scaling and crops of the images."""

    kind: Literal["folders", "classes", "hdf5"] = Field(
        "folders",
        description="folders of images; folders with one sub-folder for each class; or "
        "PatchCamelyon's pairs of HDF5 files (…_x.h5, …_y.h5)",
    )
    parts: PartsRecipe = Field(default_factory=lambda: PartsRecipe())
    channels: list[str] = Field(min_length=1, description="names of the image channels")
    classes: list[str] = Field(default_factory=list, description="names of the classes, in order")
    conditional: bool = Field(True, description="whether the network is told the class")
    mask: str | None = Field(
        None, description="folder of masks beside the image folder; null: images only"
    )
    mask_name: str = Field("mask", description="name of the mask's channel")
    mask_softness: float = Field(
        2.0, gt=0, description="distance to the edge in px at which the signed mask reaches ±1"
    )
    condition_on_fraction: bool = Field(
        False, description="tell the network which share of the crop the mask covers"
    )
    shrink: int = Field(1, ge=1, description="pixels averaged into one, for each side")
    scaling: Literal["image", "source", "fixed"] = Field(
        "image",
        description="image: percentiles of each image become 0 and 1; source: those of the "
        "training images of the same top folder, for each channel; fixed: the integer type's range",
    )
    low: float = Field(1.0, ge=0, lt=100, description="percentile that becomes 0")
    high: float = Field(99.8, gt=0, le=100, description="percentile that becomes 1")
    crop_size: int = Field(64, ge=8, le=8192, description="side of a crop in px, after shrinking")
    crops_per_epoch: int = Field(
        4000, ge=1, le=10_000_000, description="random crops that make an epoch"
    )
    validation_crops: int = Field(256, ge=1, description="crops that validate")
    foreground_share: float = Field(
        0.0, ge=0, le=1, description="share of crops around a foreground pixel"
    )
    foreground_level: float = Field(
        0.25, description="scaled intensity of the first channel from which a pixel is foreground"
    )
    turn: bool = Field(True, description="turn and mirror crops into their eight views")
    unit: str = Field("", description="what the intensities 0 and 1 stand for")

    @model_validator(mode="after")
    def _fits(self) -> ImageRecipe:
        if self.kind != "folders" and not self.classes:
            raise ValueError(f"data of kind {self.kind} need the names of the classes")
        if self.kind != "folders" and self.mask:
            raise ValueError("masks are read from folders of images only")
        if self.condition_on_fraction and not self.mask:
            raise ValueError("condition_on_fraction needs a mask")
        if not self.low < self.high:
            raise ValueError("low must lie below high")
        return self

    @property
    def output_channels(self) -> list[str]:
        """Names of the generated channels, the mask last."""
        return [*self.channels, *([self.mask_name] if self.mask else [])]


class VaeObjective(SettingsBlock):
    """Objective of the β-VAE: mean squared error + β · KL divergence per pixel."""

    kind: Literal["vae"] = "vae"
    beta: float = Field(
        0.05,
        ge=0,
        description="weight of the KL divergence; a decoder with the standard deviation s "
        "would have β = 2 s² (of intensities in [-1, 1])",
    )
    anneal_share: float = Field(
        0.2, ge=0, le=1, description="share of the run in which β grows from 0"
    )


class GanObjective(SettingsBlock):
    """Objective of the WGAN-GP: Wasserstein distance with a gradient penalty."""

    kind: Literal["gan"] = "gan"
    penalty: float = Field(10.0, ge=0, description="weight λ of the gradient penalty")
    critic_steps: int = Field(5, ge=1, description="steps of the critic for one of the generator")
    critic_widths: list[int] = Field(
        default_factory=lambda: [32, 64, 128, 256], min_length=1, description="of the critic"
    )


class DiffusionObjective(SettingsBlock):
    """Objective of diffusion: noise schedule, prediction, loss and its weighting."""

    kind: Literal["diffusion"] = "diffusion"
    schedule: Literal["linear", "scaled_linear", "cosine", "sigmoid"] = "cosine"
    steps: int = Field(1000, ge=2, description="number of time steps T")
    zero_terminal_snr: bool = Field(False, description="make the last step pure noise")
    prediction: Literal["epsilon", "v_prediction", "sample", "flow"] = Field(
        "v_prediction",
        description="flow: rectified flow, on straight lines and by Euler's steps, whatever "
        "schedule, zero_terminal_snr and sampler say",
    )
    loss: Literal["mse", "smooth_l1"] = "mse"
    weighting: Literal["none", "min_snr"] = "none"
    min_snr_gamma: float = Field(5.0, gt=0, description="of min-SNR weighting")
    drop: float = Field(
        0.1, ge=0, le=1, description="share of images whose class and conditions are not told"
    )
    sampler: Literal["ddpm", "ddim", "dpm++", "unipc"] = "dpm++"
    sampling_steps: int = Field(25, ge=1, description="steps used if none are chosen")
    guidance: float = Field(1.0, ge=0, description="guidance used if none is chosen")

    @model_validator(mode="after")
    def _learnable(self) -> DiffusionObjective:
        if self.zero_terminal_snr and self.prediction == "epsilon":
            raise ValueError(
                "with zero_terminal_snr choose the prediction v_prediction or sample: from pure "
                "noise nothing is learned by predicting the noise"
            )
        return self


class AutoencoderObjective(SettingsBlock):
    """Objective of the autoencoder: L1 + multi-scale structural similarity + a little KL."""

    kind: Literal["autoencoder"] = "autoencoder"
    l1: float = Field(1.0, ge=0)
    ms_ssim: float = Field(0.2, ge=0)
    kl: float = Field(1e-5, ge=0)


Objective = Annotated[
    VaeObjective | GanObjective | DiffusionObjective | AutoencoderObjective,
    Field(discriminator="kind"),
]


class LatentRecipe(SettingsBlock):
    """The autoencoder of a latent diffusion model, trained first."""

    objective: AutoencoderObjective = Field(default_factory=lambda: AutoencoderObjective())
    train: TrainRecipe = Field(default_factory=lambda: TrainRecipe())
    crop_size: int = Field(128, ge=8, le=8192, description="side of the crops it learns from")
    crops_per_epoch: int = Field(1000, ge=1, le=10_000_000)
    latents: int = Field(
        4000, ge=1, description="crops that are encoded once, for the denoiser to learn from"
    )


class GenerateRecipe(Recipe):
    """Recipe of a generative model: everything for its training but the data folder."""

    task: Literal["generate"] = "generate"
    data: ImageRecipe
    network: NetworkRecipe
    objective: Objective
    autoencoder: LatentRecipe | None = None
    modality: str = ""
    encoder: str = Field(
        DEFAULT_EXTRACTOR, description="model whose encoder judges and compares the images"
    )

    @model_validator(mode="after")
    def _network_fits(self) -> GenerateRecipe:
        kind = self.objective.kind
        fitting = [name for name, family in FAMILIES.items() if family.objective == kind]
        if self.network.architecture not in fitting:
            raise ValueError(f"the objective {kind} trains {' or '.join(fitting)}")
        if (self.network.architecture == "LatentDiffusion") != (self.autoencoder is not None):
            raise ValueError("LatentDiffusion, and nothing else, needs the block autoencoder")
        if self.two_optimisers and self.train.scheduler == "plateau":
            raise ValueError("a GAN has no plateau: choose cosine or constant")
        return self

    @property
    def output_channels(self) -> list[str]:
        """Names of the generated channels, in order."""
        return self.data.output_channels

    @property
    def objective_name(self) -> str:
        """Name of the objective: ``vae``, ``gan``, ``diffusion`` or ``autoencoder``."""
        return self.objective.kind

    @property
    def two_optimisers(self) -> bool:
        """Whether a critic learns beside the generator."""
        return self.objective.kind == "gan"

    @property
    def derived_arguments(self) -> dict[str, Any]:
        """Arguments of the network that follow from the data."""
        arguments: dict[str, Any] = {"channels": len(self.output_channels)}
        if self.objective.kind in ("vae", "gan"):
            arguments["size"] = self.data.crop_size
        if self.objective.kind == "diffusion":
            arguments["classes"] = len(self.data.classes) if self.data.conditional else 0
            arguments["conditions"] = int(self.data.condition_on_fraction)
        return arguments
