from __future__ import annotations

import pytest
import torch

from napari_cytosynth.models.decoder import Decoder, check_size


@pytest.mark.parametrize("channels", [1, 3, 5])
@pytest.mark.parametrize(("size", "widths"), [(16, (4, 6)), (24, (4, 4, 8)), (2, (3,))])
def test_latents_become_images_between_minus_one_and_one(alive, channels, size, widths) -> None:
    decoder = alive(Decoder(channels, size, 5, widths))
    z = 10 * torch.randn(3, 5, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        images = decoder(z)
    assert images.shape == (3, channels, size, size)
    assert -1 <= images.min() < images.max() <= 1
    assert not torch.allclose(images[0], images[1])


def test_a_latent_gives_the_same_image_in_any_batch(alive) -> None:
    decoder = alive(Decoder(1, 8, 4, (4, 4)))
    z = torch.randn(5, 4, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        torch.testing.assert_close(decoder(z)[3:4], decoder(z[3:4]))


def test_the_coarsest_side() -> None:
    assert check_size(64, (32, 64, 128, 256)) == 4
    assert check_size(96, (8, 8)) == 24


@pytest.mark.parametrize(("size", "widths"), [(20, (4, 4, 4)), (2, (4, 4)), (16, ()), (16, (4, 0))])
def test_sizes_that_cannot_be_halved_are_refused(size, widths) -> None:
    with pytest.raises(ValueError, match=f"{size} px cannot be halved"):
        Decoder(1, size, 4, widths)


def test_an_image_of_nothing_is_refused() -> None:
    for channels, latent in [(0, 4), (1, 0)]:
        with pytest.raises(ValueError, match="needs a channel"):
            Decoder(channels, 16, latent, (4, 4))
