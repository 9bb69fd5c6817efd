"""Training and evaluation of segmentation networks.

Masks or instance labels become target maps; thresholds are chosen on validation images. The
evaluation is in `evaluate`.
"""
