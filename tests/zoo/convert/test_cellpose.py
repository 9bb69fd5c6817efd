"""Models of Cellpose 1 to 3 become models of the package; other files get a sentence."""

from __future__ import annotations

import pytest
import torch

from napari_cytosynth.errors import InputError, ModelError, UnknownArchitectureError
from napari_cytosynth.zoo.convert.conversion import convert
from napari_cytosynth.zoo.loading import load_model
from napari_cytosynth.zoo.model_page import render_readme

pytestmark = pytest.mark.usefixtures("in_process")
FIRST = "downsample.down.res_down_0.conv.conv_0"


@pytest.fixture
def converted(foreign, tmp_path):
    """Return the function that converts tensors, as of a file of a name."""

    def run(state, name="CP_mine", **settings):
        return convert(foreign.saved(tmp_path, state, name), "Cellpose", tmp_path / "out", settings)

    return run


def test_a_file_of_cellpose_needs_no_settings(converted, cellpose_state, tmp_path, make_cpnet):
    done = converted(cellpose_state())
    model = load_model(tmp_path / "out")
    inference = model.card.inference
    assert (inference.diameter, inference.image_diameter) == (30, 54)
    assert inference.input_channels == ["image"]
    assert inference.channel_roles == ["flow-y", "flow-x", "foreground"]
    assert (inference.flows.scale, inference.flows.error_limit) == (5, 0.4)
    assert (inference.threshold, inference.min_size) == (0.5, 15)
    scaling = inference.normalisation
    assert (scaling.kind, scaling.low, scaling.high) == ("percentile", 1, 99)
    assert "licence of the original weights applies" in model.card.licence
    page = render_readme(model.card)
    for text in ("Converted from “CP_mine” (Cellpose 1 to 3", "54 px are resampled to 30 px"):
        assert text in page
    assert any("no confidence" in message for message in done.messages)
    image = torch.rand(1, 1, 16, 24)
    both = torch.cat([image, torch.zeros_like(image)], dim=1)
    original = make_cpnet()
    original.load_state_dict({k: v for k, v in cellpose_state().items() if "diam" not in k})
    with torch.inference_mode():
        assert torch.equal(model.network(image), original(both))


def test_what_went_into_two_channels_is_asked_for(converted, cellpose_state):
    state = cellpose_state(grey=False)
    with pytest.raises(InputError, match=r"channels=image .* input_channels=cytoplasm,nuclei"):
        converted(state)
    done = converted(state, input_channels="cytoplasm,nuclei")
    assert done.card.inference.input_channels == ["cytoplasm", "nuclei"]
    assert done.network.missing == 0


def test_a_second_channel_without_meaning_is_pointed_out(converted, cellpose_state):
    with pytest.raises(InputError, match="1 to 2 input_channels"):
        converted(cellpose_state(), input_channels="a,b,c")
    done = converted(cellpose_state(), input_channels="cytoplasm,nuclei")
    assert any("no known meaning" in message for message in done.messages)


def test_settings_go_before_what_the_file_says(converted, cellpose_state):
    done = converted(
        cellpose_state(), input_channels="dna", diameter="60", pixel_size_um="0.25", flow_error="0",
        min_size="40", threshold="0.4", objects="nuclei", low="0.5",
    )  # fmt: skip
    inference = done.card.inference
    assert inference.image_diameter == 60
    assert inference.pixel_size_um == 0.5  # of the images as the network sees them
    assert inference.flows.error_limit is None
    assert (inference.min_size, inference.threshold) == (40, 0.4)
    assert (inference.normalisation.low, inference.normalisation.high) == (0.5, 99)


def test_sizes_that_are_missing_are_asked_for(converted, cellpose_state):
    with pytest.raises(InputError, match="mean_diameter=30, or 17"):
        converted(cellpose_state(mean=None))
    with pytest.raises(InputError, match="add diameter"):
        converted(cellpose_state(usual=None), pixel_size_um=0.25)
    done = converted(cellpose_state(mean=None, usual=None), mean_diameter=17)
    assert done.card.inference.diameter == 17
    assert done.card.inference.image_diameter is None
    assert any("how large they were before is not known" in text for text in done.messages)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"output.2.weight": torch.ones(1, 2, 1, 1)}, "1 output channels, not the 3"),
        ({f"{FIRST}.2.weight": torch.ones(2, 2, 3, 3, 3)}, "in 3-D"),
        ({f"{FIRST}.2.bias": torch.ones(5)}, "1 have another shape"),
        ({"more.weight": torch.ones(5)}, r"no place in it: more\.weight"),
        ({f"{FIRST}.2.bias": None}, "1 are missing"),
        ({f"{FIRST}.2.weight": None, f"{FIRST}.0.weight": None}, "no residual blocks"),
    ],
)
def test_variants_are_refused(converted, cellpose_state, change, sentence):
    state = cellpose_state() | change
    with pytest.raises(UnknownArchitectureError, match=sentence):
        converted({name: value for name, value in state.items() if value is not None})


def test_other_networks_of_cellpose_are_named(converted, cellpose_state, foreign):
    state = {"encoder.patch_embed.proj.weight": torch.ones(4, 3, 8, 8), "W2": torch.ones(4)}
    with pytest.raises(UnknownArchitectureError, match=r"Cellpose-SAM \(Cellpose 4\)"):
        converted(state)
    with pytest.raises(UnknownArchitectureError, match="not the weights of a model of Cellpose"):
        converted(foreign.UNet())
    with pytest.raises(UnknownArchitectureError, match="style_off"):
        converted(cellpose_state(), "cellpose_residual_on_style_off_concatenation_off_mine")


def test_what_is_no_weights_file_is_refused(converted, tmp_path, cellpose_state):
    class Hidden:
        def __reduce__(self):
            return (print, ("ran",))

    with pytest.raises(ModelError, match="could run hidden code"):
        converted({"a": Hidden()})
    (tmp_path / "cut").write_bytes(b"PK\x03\x04" + bytes(200))
    with pytest.raises(ModelError, match="damaged, or no weights file"):
        convert(tmp_path / "cut", "Cellpose", tmp_path / "out")


def test_settings_of_other_networks_are_refused(converted, cellpose_state, foreign, tmp_path):
    with pytest.raises(InputError, match="takes no setting output_channels, tanh"):
        converted(cellpose_state(), output_channels="a", tanh="false")
    path = foreign.saved(tmp_path, foreign.grown(foreign.UNet()))
    with pytest.raises(InputError, match="Only models of Cellpose take the setting diameter"):
        convert(path, "UNet", tmp_path / "out", foreign.SAID | {"diameter": 30})
