"""Results that were corrected by hand: their labels, and corrections that were saved."""

from .corrected import CorrectedPlanes
from .saved import corrections_for, read_corrected_record, said_of_open

__all__ = ["CorrectedPlanes", "corrections_for", "read_corrected_record", "said_of_open"]
