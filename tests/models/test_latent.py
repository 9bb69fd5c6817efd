"""Latent diffusion: drawn latents decode without an encoder, and have a spread of 1."""

from __future__ import annotations

import pytest
import torch

from napari_cytosynth.errors import UnknownArchitectureError
from napari_cytosynth.models import build_network
from napari_cytosynth.models.latent import Autoencoder, LatentDiffusion

AUTOENCODER = {"widths": [4, 4], "latent_channels": 2, "groups": 2}
DENOISER = {
    "width": 4,
    "dim_mults": [1, 2],
    "blocks": 1,
    "expansion": 1,
    "kernel": 3,
    "attention": "none",
    "time_widths": [4, 8],
}


@pytest.fixture
def tiny(alive):
    arguments = {"autoencoder": AUTOENCODER, "denoiser": DENOISER}
    return lambda **more: alive(LatentDiffusion(**arguments, **more))


def _noise(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("channels", [1, 3, 5])
def test_images_become_latents_and_latents_images(tiny, channels) -> None:
    network = tiny(channels=channels)
    assert network.total_stride == 4
    assert network.autoencoder.downsampling == 2
    with torch.inference_mode():
        latents = network.encode(_noise(2, channels, 16, 24))
        assert latents.shape == (2, 2, 8, 12)
        assert network.decode(latents).shape == (2, channels, 16, 24)
        assert network(latents, torch.tensor([0, 9])).shape == latents.shape


def test_drawn_latents_are_decoded_without_the_encoder(tiny) -> None:
    network = tiny()
    network.autoencoder.kl.encoder = None
    network.autoencoder.kl.quant_conv = None
    with torch.inference_mode():
        images = network.decode(_noise(2, 2, 8, 8))
    assert images.shape == (2, 1, 16, 16)
    assert not torch.allclose(images[0], images[1])


def test_the_scale_goes_in_with_the_encoder_and_out_with_the_decoder(tiny) -> None:
    plain, scaled, x = tiny(), tiny(latent_scale=0.25), _noise(1, 1, 8, 8)
    with torch.inference_mode():
        torch.testing.assert_close(scaled.encode(x), 0.25 * plain.encode(x))
        latents = _noise(1, 2, 4, 4)
        torch.testing.assert_close(scaled.decode(0.25 * latents), plain.decode(latents))


def test_the_denoiser_hears_the_class(tiny) -> None:
    network, latents, time = tiny(classes=2, conditions=1), _noise(1, 2, 4, 4), torch.tensor([4])
    with torch.inference_mode():
        none, null, first, told = (
            network(latents, time, label, condition)
            for label, condition in (
                (None, None),
                (torch.tensor([2]), None),
                (torch.tensor([0]), None),
                (None, torch.tensor([[1.0]])),
            )
        )
    assert torch.equal(none, null)
    assert not torch.allclose(none, first)
    assert not torch.allclose(none, told)


def test_an_autoencoder_trains_on_drawn_latents(alive) -> None:
    network, x = alive(Autoencoder(3, **AUTOENCODER)), _noise(1, 3, 8, 8)
    torch.manual_seed(0)
    image, mean, log_variance = network(x)
    torch.manual_seed(0)
    z = mean + torch.randn_like(mean) * log_variance.exp().sqrt()
    torch.testing.assert_close(image, network.decode(z))
    assert image.shape == x.shape
    image.square().mean().backward()
    assert network.kl.encoder.conv_in.weight.grad.abs().max() > 0


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"latent_scale": 0}, "above 0"),
        ({"autoencoder": {"widths": []}}, "one level or more"),
        ({"autoencoder": {"widths": [6], "groups": 4}}, "divisible"),
        ({"denoiser": {"attention": "global"}}, "none, linear or full"),
    ],
)
def test_wrong_arguments_say_what_is_wrong(arguments, problem) -> None:
    arguments = {"autoencoder": AUTOENCODER, "denoiser": DENOISER, **arguments}
    with pytest.raises(ValueError, match=problem):
        LatentDiffusion(**arguments)
    with pytest.raises(UnknownArchitectureError, match=problem):
        build_network("LatentDiffusion", arguments)
