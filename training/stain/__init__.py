"""Training of virtual stainers on pairs of a transmitted-light image and its stains.

By regression, or adversarially as pix2pixHD. The evaluation is in `evaluate`.
"""
