from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage

from napari_cytosynth.errors import UnknownArchitectureError
from napari_cytosynth.models import build_network
from napari_cytosynth.models.unet import UNet, UNetEncoder


@pytest.mark.parametrize(
    ("widths", "stem", "stride"),
    [((4,), 1, 1), ((4,), 3, 3), ((4, 6), 1, 2), ((4, 6, 8), 2, 8)],
)
def test_every_pixel_comes_back_in_every_channel(widths, stem, stride):
    network = UNet(2, 3, widths=widths, stem=stem).eval()
    assert network.total_stride == stride
    with torch.inference_mode():
        logits = network(torch.randn(1, 2, 2 * stride, 3 * stride))
    assert logits.shape == (1, 3, 2 * stride, 3 * stride)


def test_a_shift_by_the_total_stride_shifts_the_output():
    torch.manual_seed(0)
    network = UNet(widths=(4, 6), stem=2).eval()
    image = torch.randn(1, 1, 96, 96)
    with torch.inference_mode():
        here, there = network(image), network(torch.roll(image, 4, dims=-1))
    torch.testing.assert_close(here[..., 40:50, 40:50], there[..., 40:50, 44:54])


def test_evaluation_does_not_depend_on_the_rest_of_the_batch():
    torch.manual_seed(0)
    network = UNet(widths=(4, 6), dropout=0.5).eval()
    images = torch.randn(3, 1, 16, 16)
    with torch.inference_mode():
        torch.testing.assert_close(network(images)[:1], network(images[:1]))


def test_dropout_sits_in_the_two_coarsest_levels_only():
    network = UNet(widths=(4, 6, 8), dropout=0.25)
    found = [name for name, m in network.named_modules() if isinstance(m, torch.nn.Dropout2d)]
    assert found == ["encoder.1.dropout", "encoder.2.dropout"]


def test_dropout_at_the_end_sits_in_the_last_block_only():
    network = UNet(widths=(4, 6, 8), dropout=0.25, dropout_at="last")
    found = {name: m.p for name, m in network.named_modules() if isinstance(m, torch.nn.Dropout2d)}
    assert found == {"decoder.1.dropout": 0.25}


@pytest.mark.parametrize("where", ["coarsest", "last"])
@pytest.mark.parametrize("widths", [(4, 6), (4, 6, 8)])
def test_the_two_stages_are_the_whole_network(widths, where):
    torch.manual_seed(0)
    network = UNet(widths=widths, stem=2, dropout=0.5, dropout_at=where).eval()
    image = torch.randn(1, 1, 32, 32)
    for part in network.modules():
        if isinstance(part, torch.nn.Dropout2d):
            part.train()
    with torch.inference_mode():
        features = network.before_dropout(image)
        assert torch.equal(features[0], network.before_dropout(image)[0])
        torch.manual_seed(5)
        whole = network(image)
        assert not torch.equal(network(image), whole)
        torch.manual_seed(5)
        assert torch.equal(network.after_dropout(*features), whole)


def test_where_the_dropout_sits_does_not_change_the_weights():
    early, late = (UNet(widths=(4, 6), dropout=0.2, dropout_at=w) for w in ("coarsest", "last"))
    late.load_state_dict(early.state_dict())
    image = torch.randn(1, 1, 16, 16)
    with torch.inference_mode():
        assert torch.equal(early.eval()(image), late.eval()(image))


@pytest.mark.parametrize("stem", [1, 2])
def test_an_encoder_alone_gives_the_features_of_the_whole_network(stem):
    torch.manual_seed(0)
    whole, alone = UNet(widths=(4, 6, 8), stem=stem).eval(), UNetEncoder(1, (4, 6, 8), stem).eval()
    state = whole.state_dict()
    alone.load_state_dict({name: state[name] for name in alone.state_dict()})
    image = torch.rand(2, 1, 8 * stem, 12 * stem)
    with torch.inference_mode():
        found, levels = alone(image), whole.encode(image)
        assert torch.equal(found, whole.features(image))
    assert found.shape == (2, 6 + 8)
    torch.testing.assert_close(found[:, :6], levels[1].mean(dim=(2, 3)))
    torch.testing.assert_close(found[:, 6:], levels[2].mean(dim=(2, 3)))


@pytest.mark.parametrize(
    "arguments",
    [
        {"widths": ()},
        {"stem": 0},
        {"width": 3},
        {"dropout_at": "first"},
        {"widths": (4,), "dropout_at": "last"},
        {"dropout": 1.5},
    ],
)
def test_arguments_that_do_not_fit_are_named(arguments):
    with pytest.raises(UnknownArchitectureError, match="does not fit the architecture “UNet”"):
        build_network("UNet", arguments)


def test_an_unknown_architecture_says_what_there_is():
    with pytest.raises(UnknownArchitectureError, match=r"“Transformer”.*UNet"):
        build_network("Transformer", {})


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_smooth_network_is_the_same_one_without_its_checkerboard(dtype):
    plain = UNet(1, 2, widths=(4, 6), stem=2).eval()
    smooth = UNet(1, 2, widths=(4, 6), stem=2, smooth=True).eval()
    smooth.load_state_dict(plain.state_dict())
    image = torch.rand(1, 1, 32, 48)
    with torch.inference_mode():
        before = plain.to(dtype)(image.to(dtype)).float()
        after = smooth.to(dtype)(image.to(dtype)).float()
    blurred = before.numpy()
    for axis in (2, 3):
        blurred = ndimage.convolve1d(blurred, [0.25, 0.5, 0.25], axis=axis, mode="nearest")
    np.testing.assert_allclose(
        after.numpy(), blurred, atol=1e-5 if dtype == torch.float32 else 0.02
    )


def test_each_smoothing_takes_a_pattern_of_four_pixels_to_a_quarter():
    steps = torch.tensor([1.0, 0, -1, 0]).repeat(4)
    board = steps[:, None] * steps[None]
    with torch.inference_mode():
        once, twice = (
            UNet(1, 1, widths=(4,), stem=2, smooth=times).smooth(board[None, None])
            for times in (1, 2)
        )
    inner = slice(2, -2)
    torch.testing.assert_close(once[0, 0, inner, inner], board[inner, inner] / 4)
    torch.testing.assert_close(twice[0, 0, inner, inner], board[inner, inner] / 16)


def test_a_smooth_network_has_nothing_at_the_nyquist_frequency():
    smooth = UNet(1, 1, widths=(4,), stem=2, smooth=True).eval()
    board = (torch.arange(16)[:, None] + torch.arange(16)[None]) % 2
    with torch.inference_mode():
        assert smooth.smooth(board[None, None].float())[..., 1:-1, 1:-1].std() == 0
