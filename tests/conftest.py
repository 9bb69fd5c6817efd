"""Fixtures for every test: a tiny random model and the real images, where they are."""

from __future__ import annotations

import gc
import importlib.util
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

if TYPE_CHECKING:
    from types import ModuleType

    from napari_cytosynth.zoo.card import ModelCard
    from napari_cytosynth.zoo.loading import Model

# What is imported while the tests are collected stays: until then, there is nothing to look for.
gc.disable()

torch.set_num_threads(1)
# No measuring of bfloat16 into the user's cache; the same numbers on every machine.
os.environ.setdefault("CYTOSYNTH_PRECISION", "float32")
# Nothing of the user's own models and settings; tests that write have a folder of their own.
os.environ["CYTOSYNTH_HOME"] = str(Path(tempfile.gettempdir()) / f"cytosynth-none-{os.getpid()}")


HERE = Path(__file__).parent
MARKS = {"training": "training", "benchmarks": "benchmark", "test_end_to_end": "weights"}
"""What the tests of a folder, or of files whose names begin like this, are marked as."""
FIXTURES = {
    "shared_data": "shared_data",
    "make_napari_viewer": "viewer",
    "shared_window": "viewer",
    "hub_server": "hub",
}
"""What the tests that use a fixture are marked as."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark by place and fixture what `make test-quick` leaves out."""
    for item in items:
        place = item.path.relative_to(HERE).parts[0] if item.path.is_relative_to(HERE) else ""
        for start, mark in MARKS.items():
            if place.startswith(start):
                item.add_marker(mark)
        for fixture in FIXTURES.keys() & set(getattr(item, "fixturenames", ())):
            item.add_marker(FIXTURES[fixture])


def pytest_collection_finish() -> None:
    """Spare the garbage collector what stays until the end: torch, napari, the tests.

    napari's fixture collects twice a test, which took a quarter of the widgets' tests.
    """
    gc.enable()
    gc.collect()
    gc.freeze()


# Machado, Oliveira and Fernandes 2009, severity 1, for linear red, green and blue
EYES = {
    "all cones": np.eye(3),
    "no red cones": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "no green cones": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "no blue cones": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}


@pytest.fixture(scope="session")
def seen_by_all_eyes():
    """The function that returns colours (…, 3), RGB in [0, 1], as CIELAB for each kind of eyes."""
    from skimage.color import rgb2lab

    def seen(rgb, cones):
        linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
        mixed = np.clip(linear @ np.asarray(cones).T, 0, 1)
        curved = 1.055 * mixed ** (1 / 2.4) - 0.055
        return rgb2lab(np.where(mixed <= 0.0031308, 12.92 * mixed, curved))

    return lambda rgb: {name: seen(np.asarray(rgb, float), cones) for name, cones in EYES.items()}


def make_tiny_card(**inference: object) -> ModelCard:
    """Card of a tiny U-Net with a foreground and a distance channel."""
    from napari_cytosynth.zoo.card import Inference, ModelCard, Splitting

    values: dict[str, object] = {
        "task": "segment",
        "input_channels": ["grey"],
        "output_channels": ["foreground", "distance"],
        "threshold": 0.5,
        "objects": "blobs",
        "pixel_size_um": 0.5,
        "total_stride": 2,
        "splitting": Splitting(channel="distance", seed_threshold=0.6),
    }
    values.update(inference)
    record = Inference(**values)  # type: ignore[arg-type]
    return ModelCard(
        name="tiny",
        title="A tiny random network",
        architecture="UNet",
        arguments={
            "in_channels": len(record.input_channels),
            "out_channels": len(record.output_channels),
            "widths": [4, 8],
        },
        licence="CC0-1.0",
        inference=record,
    )


def _model(card: ModelCard, network: torch.nn.Module) -> Model:
    from napari_cytosynth.zoo.loading import Model

    return Model(
        card=card,
        network=network,
        source=card.name,
        origin="path",
        sha256="0" * 64,
        revision=None,
        device="cpu",
    )


def _lively_unet(card: ModelCard) -> torch.nn.Module:
    """U-Net with fixed random weights whose output spreads over (0, 1)."""
    from napari_cytosynth.models import build_network

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        network = build_network(card.architecture, card.arguments).eval()
        noise = torch.rand(1, len(card.inference.input_channels), 64, 64)
    with torch.no_grad():
        network.head.weight.div_(network(noise).std(dim=(0, 2, 3))[:, None, None, None])
        network.head.bias.sub_(network(noise).mean(dim=(0, 2, 3)))
    return network


def make_tiny_model(**inference: object) -> Model:
    """Model with fixed random weights whose output spreads over (0, 1)."""
    card = make_tiny_card(**inference)
    return _model(card, _lively_unet(card))


@pytest.fixture
def tiny_model() -> Model:
    return make_tiny_model()


@pytest.fixture(scope="session")
def make_model():
    """Return the function that makes a tiny model with other `inference` values."""
    return make_tiny_model


VERSION_1 = HERE / "zoo" / "version_1"
"""Cards of models that shipped with version 1, of tiny networks: their text as it was written."""


@pytest.fixture
def version_1(tmp_path: Path):
    """Return the function that writes a model of version 1 and returns its folder.

    "distance" separates touching objects by seeds, "foreground" knows the foreground only.
    """
    from safetensors.torch import save

    from napari_cytosynth.zoo.card import ModelCard
    from napari_cytosynth.zoo.weights import stored_state

    def write(kind: str) -> Path:
        text = (VERSION_1 / f"{kind}.json").read_text("utf-8")
        network = _lively_unet(ModelCard.model_validate_json(text))
        folder = tmp_path / "version-1" / kind
        folder.mkdir(parents=True)
        (folder / "config.json").write_text(text, "utf-8")
        weights = save(stored_state(network, None), metadata={"card": text.strip()})
        (folder / "model.safetensors").write_bytes(weights)
        return folder

    return write


def make_tiny_stainer(*, name: str = "tiny-stainer", seed: int = 5, **inference: object) -> Model:
    """Model with fixed random weights that stains DNA and AGP, trained with dropout.

    Not all random weights are alive: with some seeds no sample differs from another.
    """
    from napari_cytosynth.models import build_network
    from napari_cytosynth.zoo.card import Inference, ModelCard, Normalisation, OutputScaling

    values: dict[str, object] = {
        "task": "stain",
        "input_channels": ["phase"],
        "output_channels": ["DNA", "AGP"],
        "activation": "linear",
        "pixel_size_um": 0.5,
        "total_stride": 4,
        "dropout": 0.2,
        "normalisation": Normalisation(kind="zscore"),
        "output_scaling": [
            OutputScaling(offset=100, scale=1000),
            OutputScaling(offset=50, scale=200),
        ],
        "output_unit": "camera counts",
        "sigma_scale": [2.0, 0.5],
        "sigma_floor": [0.1, 0.01],
    }
    values.update(inference)
    record = Inference(**values)  # type: ignore[arg-type]
    arguments = {
        "in_channels": len(record.input_channels),
        "out_channels": len(record.output_channels),
        "width": 4,
        "global_blocks": 1,
        "local_blocks": 1,
        "downsamplings": 1,
        "dropout": record.dropout,
    }
    card = ModelCard(name=name, architecture="Pix2PixHD", arguments=arguments, inference=record)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = build_network(card.architecture, card.arguments).eval()
    return _model(card, network)


@pytest.fixture
def tiny_stainer() -> Model:
    return make_tiny_stainer()


@pytest.fixture(scope="session")
def make_stainer():
    """Return the function that makes a tiny stainer with other `inference` values."""
    return make_tiny_stainer


GENERATORS = {
    "diffusion": ("DiffusionUNet", ["DNA"]),
    "latent": ("LatentDiffusion", ["EM"]),
    "vae": ("BetaVAE", ["DNA"]),
    "gan": ("WGAN", ["DNA"]),
    "classes": ("DiffusionUNet", ["red", "green", "blue"]),
    "pairs": ("DiffusionUNet", ["EM", "mask"]),
    "five": ("DiffusionUNet", ["DNA", "RNA", "ER", "AGP", "Mito"]),
}
FAMILIES = {"vae": "vae", "gan": "gan", "latent": "latent_diffusion"}


def make_tiny_generator(kind: str = "diffusion", *, seed: int = 5, **inference: object) -> Model:
    """Generator of 16 x 16 px with fixed random weights and 20 time steps.

    `kind` is a key of GENERATORS: "classes" knows two classes, "pairs" makes an image and
    its mask and is told the foreground fraction.
    """
    from napari_cytosynth.models import build_network
    from napari_cytosynth.zoo.card import Condition, GenerationSettings, Inference, ModelCard

    architecture, channels = GENERATORS[kind]
    classes = ["non-cancerous", "cancerous"] if kind == "classes" else []
    fraction = Condition(name="foreground fraction", mean=0.2, std=0.1, low=0.05, high=0.4)
    generation = GenerationSettings(
        family=FAMILIES.get(kind, "diffusion"),  # type: ignore[arg-type]
        sampler="dpm++",
        steps=4,
        guidance=1.0,
        mask_channel="mask" if kind == "pairs" else None,
        mask_objects="mitochondria" if kind == "pairs" else "objects",
        conditions=[fraction] if kind == "pairs" else [],
        unit="share of the brightest training pixels",
        real_distances=(0.1, 0.2, 0.3, 0.4, 0.5),
    )
    values: dict[str, object] = {
        "task": "generate",
        "input_channels": [],
        "output_channels": channels,
        "activation": "linear",
        "pixel_size_um": 0.5,
        "total_stride": 4,
        "classes": classes,
        "prediction_type": "v_prediction",
        "schedule": "cosine",
        "training_steps": 20,
        "generation": generation,
        "example_size": (16, 16),
    }
    values.update(inference)
    record = Inference(**values)  # type: ignore[arg-type]
    unet = {"width": 4, "dim_mults": [1, 2], "blocks": 1, "kernel": 3, "expansion": 1}
    unet |= {"attention": "none", "time_widths": [4, 8]}
    told = {"classes": len(classes), "conditions": len(generation.conditions)}
    arguments: dict[str, object] = {"channels": len(channels)}
    if architecture == "DiffusionUNet":
        arguments |= {"patch": 2, **unet, **told}
    elif architecture == "LatentDiffusion":
        small = {"widths": [4, 4], "latent_channels": 2, "groups": 2}
        arguments |= {"autoencoder": small, "denoiser": unet, **told}
    else:
        arguments |= {"size": 16, "latent": 4, "widths": [4, 4]}
    card = ModelCard(
        name=f"tiny-{kind}",
        title="A tiny random generator",
        architecture=architecture,
        arguments=arguments,
        licence="CC0-1.0",
        inference=record,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = build_network(architecture, arguments).eval().requires_grad_(False)
        # A fresh denoiser predicts nothing but 0, a fresh decoder nearly always the same.
        for part in network.modules():
            if type(part).__name__ in ("DiffusionUNet", "Decoder"):
                for parameter in part.parameters():
                    torch.nn.init.normal_(parameter, std=0.3)
    return _model(card, network)


@pytest.fixture(scope="session")
def make_generator():
    """Return the function that makes a tiny generator with other `inference` values."""
    return make_tiny_generator


@pytest.fixture
def tiny_generator(tmp_path: Path):
    """Return the function that saves a tiny generator of some kind and returns its folder."""
    from napari_cytosynth.zoo.model_files import save_model

    def save(kind: str = "diffusion", **inference: object) -> Path:
        model = make_tiny_generator(kind, **inference)
        return save_model(tmp_path / "models" / model.card.name, model.network, model.card)

    return save


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of the real images beside the checkout; the test is skipped without it."""
    folder = Path(__file__).resolve().parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"the real images are not there: {folder}")
    return folder


def _load(name: str) -> ModuleType:
    """Load a file of this folder, which is no package."""
    spec = importlib.util.spec_from_file_location(f"tests_{name}", HERE / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


_hub = _load("hub")
model_folder, hub_server, hub_client = _hub.model_folder, _hub.hub_server, _hub.hub_client
_cpnet = _load("cpnet")
make_cpnet, cellpose_state = _cpnet.make_cpnet, _cpnet.cellpose_state
cellpose_model = _cpnet.cellpose_model
shared_window = _load("window").shared_window


@pytest.fixture
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of the test's own for settings and own models."""
    monkeypatch.setenv("CYTOSYNTH_HOME", str(tmp_path / "home"))
    return tmp_path / "home"
