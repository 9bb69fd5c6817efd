"""A card that describes another network than its own is refused before a weight is read."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time

import pytest

from napari_cytosynth.errors import CytosynthError, ModelError
from napari_cytosynth.zoo.loading import load_model
from napari_cytosynth.zoo.model_files import load_network, save_model


def saved(tmp_path, model):
    return save_model(tmp_path / "m", model.network, model.card)


def edit(folder, arguments=None, **inference):
    config = folder / "config.json"
    card = json.loads(config.read_text())
    card["arguments"].update(arguments or {})
    card["inference"].update(inference)
    config.write_text(json.dumps(card))


@pytest.mark.parametrize(
    ("arguments", "inference", "named"),
    [
        ({}, {"example_size": [15, 16]}, "multiples of 4 px"),
        ({}, {"classes": ["a", "b"]}, "classes is 0, but it names 2"),
        ({"channels": 3}, {}, "channels is 3, but it names 1"),
        ({}, {"task": "segment", "input_channels": ["a"]}, "cannot segment as the card says"),
        ({"blocks": 128, "dim_mults": [1] * 8}, {}, "ask for a larger network"),
    ],
)
def test_a_generators_card_that_is_not_its_networks(
    tmp_path, make_generator, arguments, inference, named
):
    folder = saved(tmp_path, make_generator())
    edit(folder, arguments, **inference)
    started = time.perf_counter()
    with pytest.raises(ModelError, match=named):
        load_network(folder)
    assert time.perf_counter() - started < 10


def test_a_vae_makes_images_of_one_size(tmp_path, make_generator):
    folder = saved(tmp_path, make_generator("vae"))
    load_network(folder)
    edit(folder, example_size=[32, 32])
    with pytest.raises(ModelError, match="sides of 16 px"):
        load_network(folder)


def test_channels_that_the_arguments_leave_to_their_defaults_are_counted(tmp_path, tiny_model):
    folder = saved(tmp_path, tiny_model)
    config = folder / "config.json"
    card = json.loads(config.read_text())
    del card["arguments"]["in_channels"]
    card["inference"]["input_channels"] = ["a", "b", "c"]
    config.write_text(json.dumps(card))
    with pytest.raises(CytosynthError, match="cannot segment as the card says"):
        load_network(folder)


def test_an_encoder_gives_a_vector_for_each_image(tmp_path):
    model = load_model("nuclei-encoder")
    folder = saved(tmp_path, model)
    load_network(folder)
    edit(folder, task="segment", channel_roles=[])
    with pytest.raises(ModelError, match=r"of shape \(1, 224\), but"):
        load_network(folder)


def test_a_network_that_gives_images_does_not_encode(tmp_path, tiny_model):
    folder = saved(tmp_path, tiny_model)
    edit(folder, task="encode", channel_roles=[])
    with pytest.raises(ModelError, match="returns an array of shape"):
        load_network(folder)


TRITON = """
import sys
from napari_cytosynth.zoo.model_files import load_network
load_network(sys.argv[1])
assert "torch._dynamo" in sys.modules, "the case is not given"
print("imported" if "triton" in sys.modules else "left alone")
from torch.utils._triton import has_triton_package
print(has_triton_package())
"""


def test_no_triton_is_imported_beside_the_window(tiny_model, tmp_path):
    """Beside Mesa's OpenGL its import ends napari; later it is found as before."""
    (tmp_path / "triton").mkdir()
    (tmp_path / "triton" / "__init__.py").touch()
    command = [sys.executable, "-c", TRITON, str(saved(tmp_path, tiny_model))]
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    run = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240)
    assert run.stdout.split("\n")[:2] == ["left alone", "True"], run.stderr
