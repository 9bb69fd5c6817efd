"""Monte Carlo dropout: the mean and spread of a network's samples, for an image of any size.

The network is split at its first dropout layer, so that what lies before runs once for all
samples. Masks depend on seed, sample, layer and channel alone, which makes the samples
independent of tile size and batch size.
"""
