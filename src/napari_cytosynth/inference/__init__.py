"""Inference on real images: normalisation, exact tiling, device and precision."""
