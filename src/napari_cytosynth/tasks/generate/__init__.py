"""Synthetic images from a generative model: the task, its request, its result.

A request is checked against the model's card and turned into the network's terms; the result
holds images, masks, seeds and, where asked for, the nearest training images in the space of an
encoder.
"""

from .result import Generation
from .task import SamplingOptions, generate, sample, vary

__all__ = ["Generation", "SamplingOptions", "generate", "sample", "vary"]
