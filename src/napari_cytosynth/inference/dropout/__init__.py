"""Monte Carlo dropout: mean and standard deviation of a network's samples, at any image size.

The network is split at its first dropout layer, so that what lies before runs once for all
samples. Masks depend on seed, sample, layer and channel alone, which makes the samples
independent of tile size and batch size.
"""
