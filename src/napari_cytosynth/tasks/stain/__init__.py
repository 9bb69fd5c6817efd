"""Virtual staining of an image: the task, its result, and checks of its reliability.

Predicted intensities come in the units of the stain with a calibrated uncertainty. The input is
compared with the images that the model was trained on, and the result with a measured stain or
with another model's.
"""

from .result import Staining
from .task import first_plane_of, stain

__all__ = ["Staining", "first_plane_of", "stain"]
