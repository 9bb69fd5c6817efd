"""The coarse-to-fine generator: both halves work, and its first stage is never random."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from scipy import ndimage
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from napari_cytosynth.errors import UnknownArchitectureError
from napari_cytosynth.inference.batchnorm_folding import folded_copy
from napari_cytosynth.inference.geometry import network_geometry
from napari_cytosynth.metrics import grid_power
from napari_cytosynth.models import build_network
from napari_cytosynth.models.pix2pixhd import BilinearConvolution, GlobalGenerator, Pix2PixHD
from napari_cytosynth.training.tasks import load_recipe
from napari_cytosynth.zoo.loading import load_model

TINY = {"width": 4, "downsamplings": 1, "global_blocks": 1, "local_blocks": 3}
STAGED = {"width": 4, "global_blocks": 2, "local_blocks": 2, "downsamplings": 1, "dropout": 0.5}
NETWORKS = [
    *(
        ("Pix2PixHD", STAGED | {"dropout_blocks": blocks}, min(blocks, 4))
        for blocks in (1, 2, 3, 4)
    ),
    ("Pix2PixHD", STAGED | {"dropout_blocks": 3, "upsampling": "bilinear"}, 3),
    ("Pix2PixHDGlobal", {"width": 4, "blocks": 3, "downsamplings": 1, "dropout": 0.5}, 1),
    (
        "Pix2PixHDGlobal",
        {"width": 4, "blocks": 3, "downsamplings": 1, "dropout": 0.5, "dropout_blocks": 3},
        3,
    ),
]
SHIPPED = ["u2os-brightfield-pix2pixhd", "phantom-phase-pix2pixhd"]


def tiny(**arguments):
    torch.manual_seed(0)
    return Pix2PixHD(**{**TINY, **arguments})


def shipped_arguments(name):
    return load_recipe(name).network_arguments


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"in_channels": 2, "out_channels": 5, "downsamplings": 2, "head_kernel": 3},
        {"norm": "instance", "padding": "reflect", "dropout": 0.3, "dropout_blocks": 3},
        {"norm": "none", "local_blocks": 1},
        {"upsampling": "bilinear", "downsamplings": 2},
        {"upsampling": "bilinear", "norm": "instance"},
    ],
)
def test_every_pixel_gets_every_stain(arguments):
    network = tiny(**arguments).eval()
    stride = 2 ** (arguments.get("downsamplings", 1) + 1)
    assert network.total_stride == stride
    image = torch.randn(2, arguments.get("in_channels", 1), 4 * stride, 6 * stride)
    with torch.inference_mode():
        stains = network(image)
    assert stains.shape == (2, arguments.get("out_channels", 1), *image.shape[-2:])
    assert stains.std() > 0


@pytest.fixture(params=NETWORKS, ids=lambda n: f"{n[0]}-{n[2]}-{n[1].get('upsampling', '')}")
def network(request):
    torch.manual_seed(0)
    name, arguments, blocks = request.param
    made = build_network(name, arguments).eval()
    dropouts = [layer for layer in made.modules() if isinstance(layer, nn.Dropout2d)]
    assert len(dropouts) == blocks
    return made, dropouts


def test_nothing_before_the_first_dropout_is_random_and_something_after_it_is(network) -> None:
    network, dropouts = network
    image = torch.rand(1, 1, 16, 24)
    with torch.inference_mode():
        still = network(image)
        assert still.shape == image.shape
        for layer in dropouts:
            layer.train()
        first, second = network.before_dropout(image), network.before_dropout(image)
        assert all(map(torch.equal, first, second))
        assert not torch.equal(network.after_dropout(*first), network.after_dropout(*first))
        torch.manual_seed(5)
        sample = network(image)
        torch.manual_seed(5)
        assert torch.equal(network.after_dropout(*first), sample)
        for layer in dropouts:
            layer.eval()
        assert torch.equal(network.after_dropout(*first), still)


@pytest.mark.parametrize("name", ["Pix2PixHD", "Pix2PixHDGlobal"])
def test_tanh_bounds_the_output(name) -> None:
    torch.manual_seed(0)
    key = "local_blocks" if name == "Pix2PixHD" else "blocks"
    arguments = {"width": 4, key: 1, "downsamplings": 1}
    linear = build_network(name, arguments).eval()
    bounded = build_network(name, arguments | {"tanh": True}).eval()
    bounded.load_state_dict(linear.state_dict())
    image = torch.rand(1, 1, 16, 16)
    with torch.inference_mode():
        assert torch.equal(bounded(image), torch.tanh(linear(image)))


def test_all_dropout_lies_in_the_second_stage():
    network = tiny(dropout=0.25, dropout_blocks=2)
    ran = []
    for name, part in network.named_modules():
        if isinstance(part, nn.Dropout2d):
            assert part.p == 0.25
            part.register_forward_hook(lambda *_, name=name: ran.append(name))
    features = network.before_dropout(torch.randn(1, 1, 16, 16))
    assert ran == []
    network.after_dropout(*features)
    assert ran == ["blocks.1.dropout", "blocks.2.dropout"]


def test_a_network_without_dropout_still_has_the_places_for_it():
    places = [part for part in tiny().modules() if isinstance(part, nn.Dropout2d)]
    assert [part.p for part in places] == [0.0]


@pytest.mark.parametrize("upsampling", ["transposed", "bilinear"])
def test_gradients_reach_every_weight_of_both_halves(upsampling):
    network = tiny(dropout=0.1, upsampling=upsampling)
    network(torch.randn(2, 1, 32, 32)).square().sum().backward()
    assert all(p.grad is not None for p in network.parameters())
    # a bias before BatchNorm moves nothing, but for rounding
    weights = {name: p for name, p in network.named_parameters() if name.endswith("weight")}
    assert {name for name, p in weights.items() if p.grad.abs().max() < 1e-4} == set()
    assert any(name.startswith("coarse.down") for name in weights)


@pytest.mark.parametrize("half", ["coarse", "first"])
def test_both_halves_shape_the_stain(half):
    network = tiny().eval()
    image = torch.randn(1, 1, 16, 16)
    with torch.inference_mode():
        before = network(image)
        for weights in getattr(network, half).parameters():
            weights.mul_(0.5).add_(0.01)
        change = (network(image) - before).abs().mean()
    assert change > 0.01 * before.std()


def test_the_global_generator_sees_the_image_at_half_the_resolution():
    network = tiny().eval()
    image = torch.randn(1, 1, 32, 32)
    seen = []
    network.coarse.register_forward_hook(lambda _, inputs, output: seen.append((*inputs, output)))
    with torch.inference_mode():
        features = network.coarse_features(image)
        network(image)
    pooled = nn.functional.avg_pool2d(image, 3, 2, 1, count_include_pad=False)
    for source, output in seen:
        assert torch.equal(source, pooled)
        assert torch.equal(output, features)
    assert features.shape == (1, 8, 16, 16)


def test_the_enhancer_adds_its_features_to_those_of_the_global_generator():
    network = tiny(dropout_blocks=3).eval()
    image = torch.randn(1, 1, 16, 16)
    with torch.inference_mode():
        fine = network.down(network.first(image))
        summed, _ = network.before_dropout(image)
        torch.testing.assert_close(summed, fine + network.coarse_features(image))


def test_the_global_generator_alone_returns_features_of_the_size_it_got():
    network = GlobalGenerator(2, 4, downsamplings=2, blocks=2, dropout=0.5, dropout_blocks=1)
    assert network(torch.randn(1, 2, 16, 24)).shape == (1, 4, 16, 24)
    assert sum(isinstance(part, nn.Dropout2d) for part in network.modules()) == 1


@pytest.mark.parametrize("name", SHIPPED)
def test_what_ships_is_small_and_looks_only_so_far(name):
    arguments = shipped_arguments(name)
    with torch.device("meta"):
        network = build_network("Pix2PixHD", arguments)
    assert 2 * sum(tensor.numel() for tensor in network.state_dict().values()) <= 4_000_000
    # how far a network sees does not depend on its width
    thin = build_network("Pix2PixHD", {**arguments, "width": 1})
    geometry = network_geometry(thin, arguments["in_channels"])
    assert geometry.radius <= 130
    assert geometry.stride == network.total_stride


@pytest.mark.parametrize("name", SHIPPED)
def test_what_ships_repeats_at_most_a_sixth_of_its_work_for_a_sample(name):
    arguments = shipped_arguments(name)
    assert arguments["dropout"] > 0
    with torch.device("meta"):
        network = build_network("Pix2PixHD", arguments).eval()
        image = torch.empty(1, arguments["in_channels"], 128, 128)
    with FlopCounterMode(display=False) as once:
        features = network.before_dropout(image)
    with FlopCounterMode(display=False) as each:
        network.after_dropout(*features)
    assert each.get_total_flops() * 6 <= once.get_total_flops() + each.get_total_flops()


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({"head_kernel": 4}, "head_kernel"),
        ({"head_kernel": -1}, "head_kernel"),
        ({"width": 0}, "width"),
        ({"downsamplings": 0}, "downsamplings"),
        ({"global_blocks": 0}, "blocks"),
        ({"dropout_blocks": 5}, "dropout_blocks"),
        ({"dropout_blocks": 0}, "dropout_blocks"),
        ({"norm": "group"}, "norm"),
        ({"dropout": 1.5}, "dropout"),
        ({"padding": "nothing"}, "padding"),
        ({"upsampling": "bicubic"}, "upsampling must be transposed or bilinear"),
        ({"ngf": 64}, "ngf"),
    ],
)
def test_impossible_arguments_are_named(arguments, complaint):
    with pytest.raises(UnknownArchitectureError, match=rf"“Pix2PixHD”.*{complaint}"):
        build_network("Pix2PixHD", {**TINY, **arguments})


def test_bilinear_upsampling_is_interpolation_and_a_convolution():
    torch.manual_seed(0)
    layer, image = BilinearConvolution(3, 5).double(), torch.randn(2, 3, 7, 9, dtype=torch.double)
    # input pixel i at output pixel 2i: with corners aligned, 2n - 1 pixels of an input of n
    larger = nn.functional.interpolate(image, size=(13, 17), mode="bilinear", align_corners=True)
    kernel = layer.weight.flip(2, 3).transpose(0, 1)
    expected = nn.functional.conv2d(larger, kernel, layer.bias)
    result = layer(image)
    assert result.shape == (2, 5, 14, 18)
    torch.testing.assert_close(result[:, :, 1:12, 1:16], expected, rtol=1e-12, atol=1e-12)


def test_bilinear_upsampling_keeps_a_flat_image_flat_and_the_transposed_does_not():
    for upsampling, flat in (("transposed", False), ("bilinear", True)):
        up = tiny(upsampling=upsampling).up.conv
        with torch.inference_mode():
            middle = up(torch.ones(1, 8, 9, 9))[..., 2:-2, 2:-2]
        ripple = middle.std(dim=(2, 3)).max() / middle.std()
        assert (ripple < 1e-5) == flat


def _stain_of_a_smooth_image(upsampling):
    """Return what an untrained network makes of broad spots, all its stains (1, 3, 224, 224)."""
    network = tiny(out_channels=3, downsamplings=2, norm="none", upsampling=upsampling).eval()
    image = torch.rand(1, 1, 17, 17, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        stain = network(nn.functional.interpolate(image, 256, mode="bicubic"))
    return stain[..., 16:-16, 16:-16].numpy()  # zeros beyond the border leave an edge


def test_an_untrained_network_leaves_a_checkerboard_by_transposed_convolutions_only():
    ripples = {}
    for name in ("transposed", "bilinear"):
        stain = _stain_of_a_smooth_image(name)
        ripples[name] = grid_power(stain)[:, 0].max(axis=1) / np.ptp(stain) ** 2
    assert (ripples["bilinear"] < 1e-3 * ripples["transposed"]).all()


def test_a_smooth_network_is_the_same_one_blurred_as_often_as_asked():
    plain, smooth = tiny(out_channels=2).eval(), tiny(out_channels=2, smooth=2).eval()
    smooth.load_state_dict(plain.state_dict())
    image = torch.rand(1, 1, 64, 64, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        before, after = plain(image).numpy(), smooth(image).numpy()
    blur = np.convolve([1, 2, 1], [1, 2, 1]) / 16
    expected = ndimage.convolve1d(ndimage.convolve1d(before, blur, axis=2), blur, axis=3)
    inside = (..., slice(4, -4), slice(4, -4))
    np.testing.assert_allclose(after[inside], expected[inside], atol=1e-5)


def test_the_upsampling_changes_neither_names_nor_shapes_of_weights():
    states = [tiny(upsampling=name).state_dict() for name in ("transposed", "bilinear")]
    shapes = [{name: tensor.shape for name, tensor in state.items()} for state in states]
    assert shapes[0] == shapes[1]


@pytest.mark.parametrize("name", SHIPPED)
def test_weights_whose_card_names_no_upsampling_run_as_before(name, transposed):
    """Cards that were written before the argument existed: to the bit."""
    model = load_model(name, "cpu")
    arguments = {key: value for key, value in model.card.arguments.items() if key != "upsampling"}
    network = build_network("Pix2PixHD", arguments).eval()
    network.load_state_dict(model.network.state_dict())
    before = copy.deepcopy(network)
    for stage in (before.up, *before.coarse.up):
        stage.conv = transposed(stage.conv)
    image = torch.randn(1, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        assert torch.equal(network(image), before(image))


@pytest.fixture
def transposed():
    """Return the upsampling that was the only one, with the weights of a given layer."""

    def make(layer):
        made = nn.ConvTranspose2d(
            layer.in_channels, layer.out_channels, 3, stride=2, padding=1, output_padding=1
        )
        made.load_state_dict(layer.state_dict())
        return made

    return make


@pytest.mark.parametrize("upsampling", ["transposed", "bilinear"])
def test_norms_after_the_upsampling_fold_away(upsampling):
    network = tiny(upsampling=upsampling)
    network(torch.randn(4, 1, 64, 64))  # statistics
    network.eval()
    for part in network.modules():
        if isinstance(part, nn.BatchNorm2d):
            nn.init.uniform_(part.bias, -1, 1)
    image = torch.randn(1, 1, 48, 48)
    folded = folded_copy(network, image)
    assert not [part for part in folded.modules() if isinstance(part, nn.BatchNorm2d)]
    with torch.inference_mode():
        torch.testing.assert_close(folded(image), network(image), rtol=1e-4, atol=1e-4)
