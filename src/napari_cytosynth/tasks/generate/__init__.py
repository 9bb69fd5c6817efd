"""Synthetic images from a generative model: the task, its options, its result.

Sampling options are validated against the model's card; the result holds images, masks, seeds
and, once looked up, the nearest training images in the space of an encoder.
"""

from .result import Generation
from .task import SamplingOptions, generate, sample, vary

__all__ = ["Generation", "SamplingOptions", "generate", "sample", "vary"]
