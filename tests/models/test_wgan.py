from __future__ import annotations

import pytest
import torch
from torch import nn

from napari_cytosynth.errors import UnknownArchitectureError
from napari_cytosynth.models import build_network
from napari_cytosynth.models.beta_vae import BetaVAE
from napari_cytosynth.models.wgan import WGAN, Critic

TINY = {"size": 16, "latent": 4, "widths": [4, 6]}


def _shapes(network):
    return {name: tensor.shape for name, tensor in network.state_dict().items()}


@pytest.mark.parametrize("channels", [1, 3, 5])
def test_latents_become_images_and_images_scores(alive, channels) -> None:
    network, critic = alive(WGAN(channels, **TINY)), alive(Critic(channels, 16, [4, 6]))
    z = torch.randn(3, 4, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        images = network(z)
        assert torch.equal(images, network.decode(z))
        assert critic(images).shape == (3,)
    assert images.shape == (3, channels, 16, 16)


def test_the_generator_is_built_like_the_decoder_of_the_vae() -> None:
    generator, vae = WGAN(2, **TINY), BetaVAE(2, **TINY)
    assert repr(generator.decoder) == repr(vae.decoder)
    assert _shapes(generator.decoder) == _shapes(vae.decoder)


def test_the_critic_judges_every_image_by_itself() -> None:
    """Batch statistics would make the gradient penalty one of the batch."""
    torch.manual_seed(0)
    critic = Critic(1, 16, [4, 6]).train()
    assert not [part for part in critic.modules() if isinstance(part, nn.BatchNorm2d)]
    images = torch.randn(4, 1, 16, 16, generator=torch.Generator().manual_seed(2))
    torch.testing.assert_close(critic(images)[1:2], critic(images[1:2]))


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"latent": 0}, "needs a channel"),
        ({"widths": []}, "cannot be halved 0 times"),
        ({"size": 4, "widths": [4] * 3}, "4 px cannot be halved 3 times"),
    ],
)
def test_wrong_arguments_say_what_is_wrong(arguments, problem) -> None:
    with pytest.raises(ValueError, match=problem):
        WGAN(**TINY | arguments)
    with pytest.raises(UnknownArchitectureError, match=problem):
        build_network("WGAN", TINY | arguments)
    if "latent" not in arguments:
        kept = {**TINY, **arguments}
        with pytest.raises(ValueError, match=problem):
            Critic(1, kept["size"], kept["widths"])
