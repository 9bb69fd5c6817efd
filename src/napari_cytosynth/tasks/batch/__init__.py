"""A task on many files: finding them, names of results, processes, resuming, tables and a page."""

from .records import BatchItem, BatchOutcome, BatchPlan
from .result import BatchResult
from .settings import BatchSettings, load_settings, save_settings
from .task import batch

__all__ = [
    "BatchItem",
    "BatchOutcome",
    "BatchPlan",
    "BatchResult",
    "BatchSettings",
    "batch",
    "load_settings",
    "save_settings",
]
