"""Simulated microscopy images with known truth: nuclei and cells in several contrasts.

Cells are drawn as outlines in a field (`drawing`, `scene`), stained (`stained`) and imaged with
the blur, phase shift and noise of a microscope (`optics`). Everything is made from a seed, so
that tests, samples and the demo need no data.
"""

from .optics import Optics, transfer_function
from .scene import CellScene, cell_scene
from .simulate import Phantom, brightfield_cells, fluorescent_nuclei, phase_contrast_cells
from .stack import StackPhantom, nuclei_stack
from .stained import StainedCells, stained_cells, stained_field

__all__ = [
    "CellScene",
    "Optics",
    "Phantom",
    "StackPhantom",
    "StainedCells",
    "brightfield_cells",
    "cell_scene",
    "fluorescent_nuclei",
    "nuclei_stack",
    "phase_contrast_cells",
    "stained_cells",
    "stained_field",
    "transfer_function",
]
