"""Training of generative models: β-VAE, WGAN-GP, diffusion and latent diffusion.

The evaluation against real images is in `evaluate`.
"""
