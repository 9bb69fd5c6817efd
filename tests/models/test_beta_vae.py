from __future__ import annotations

import pytest
import torch

from napari_cytosynth.errors import UnknownArchitectureError
from napari_cytosynth.models import build_network
from napari_cytosynth.models.beta_vae import BetaVAE

TINY = {"size": 16, "latent": 4, "widths": [4, 4]}


def _images(count, channels, size=16):
    return torch.rand(count, channels, size, size, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("channels", [1, 3, 5])
def test_images_go_in_and_come_out(alive, channels) -> None:
    network = alive(BetaVAE(channels, **TINY))
    with torch.inference_mode():
        image, mean, log_variance = network(_images(2, channels))
    assert image.shape == (2, channels, 16, 16)
    assert mean.shape == log_variance.shape == (2, 4)


def test_the_prior_is_decoded_without_any_image(alive) -> None:
    """What passes for generation elsewhere is the reconstruction of real images."""
    network = alive(BetaVAE(**TINY))
    network.encoder.forward = None
    z = torch.randn(3, 4, generator=torch.Generator().manual_seed(2))
    with torch.inference_mode():
        images = network.decode(z)
    assert images.shape == (3, 1, 16, 16)
    assert images.std(dim=0).max() > 1e-4


def test_a_reconstruction_is_drawn_from_the_posterior(alive) -> None:
    network, x = alive(BetaVAE(**TINY)), _images(1, 1)
    with torch.inference_mode():
        mean, log_variance = network.encode(x)
        torch.manual_seed(0)
        image = network(x)[0]
        torch.manual_seed(0)
        z = mean + torch.randn_like(mean) * log_variance.exp().sqrt()
        torch.testing.assert_close(image, network.decode(z))
        assert not torch.equal(network(x)[0], image)


def test_the_posterior_never_overflows(alive) -> None:
    network = alive(BetaVAE(**TINY))
    with torch.inference_mode():
        for scale in (1e6, -1e6):
            _, log_variance = network.encode(scale * _images(1, 1))
            assert log_variance.abs().max() <= 12
            assert log_variance.exp().isfinite().all()


def test_the_baseline_encoder_looks_at_the_image() -> None:
    torch.manual_seed(0)
    network = BetaVAE(3, encoder="resnet50", **TINY | {"size": 32}).eval()
    with torch.inference_mode():
        mean, log_variance = network.encode(_images(2, 3, 32))
    assert mean.shape == log_variance.shape == (2, 4)
    assert not torch.equal(mean[0], mean[1])
    # nothing but the encoder differs
    plain = BetaVAE(3, **TINY | {"size": 32})
    shapes = [{k: v.shape for k, v in n.decoder.state_dict().items()} for n in (network, plain)]
    assert shapes[0] == shapes[1]


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [({"encoder": "vit"}, "conv or resnet50"), ({"size": 18}, "18 px cannot be halved 2 times")],
)
def test_wrong_arguments_say_what_is_wrong(arguments, problem) -> None:
    with pytest.raises(ValueError, match=problem):
        BetaVAE(**TINY | arguments)
    with pytest.raises(UnknownArchitectureError, match=problem):
        build_network("BetaVAE", TINY | arguments)
