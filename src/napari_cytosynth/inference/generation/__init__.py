"""Sampling of generative models: from a request with seeds to images, in batches.

Here live the generator that users of this package call, the families of models that it can
sample (one pass, diffusion, latent diffusion), noise schedules and samplers, denoising of
images larger than the network's window, and the likelihood bound of diffusion models.
"""
