"""The exceptions of the package, whose messages name the cause and a remedy.

None of them derives from :class:`RuntimeError`: napari's worker threads swallow that
one, and a swallowed error leaves a widget running for ever.
"""

from __future__ import annotations

__all__ = [
    "LABELS_BELOW_0",
    "Cancelled",
    "CardTooNewError",
    "ChecksumError",
    "CorruptWeightsError",
    "CytosynthError",
    "GatedRepositoryError",
    "InputError",
    "ModelError",
    "ModelNotFoundError",
    "NetworkError",
    "NotFiniteError",
    "NotSafetensorsError",
    "OutOfMemoryError",
    "OutputError",
    "RecipeError",
    "UnknownArchitectureError",
    "not_finite",
]


class CytosynthError(Exception):
    """Base of every error that this package raises on purpose."""


class Cancelled(CytosynthError):  # a request, not a failure
    """The user stopped a run; raise it from a ``progress`` callable."""


class InputError(CytosynthError, ValueError):
    """The image, labels or parameters cannot be used as they are."""


class OutputError(CytosynthError):
    """A result cannot be written: no space, no permission, unknown file type."""


class RecipeError(CytosynthError, ValueError):
    """A training recipe or a data folder cannot be used as it is."""


class OutOfMemoryError(CytosynthError, MemoryError):
    """Even the smallest tile does not fit into the device's memory."""


class ModelError(CytosynthError):
    """A model cannot be loaded, saved or used for this task."""


class ModelNotFoundError(ModelError):
    """No bundled model, folder or Hub repository of that name."""


class NotSafetensorsError(ModelError):
    """The weights file is a pickle or another format; only safetensors is read."""


class CorruptWeightsError(ModelError):
    """The weights file is truncated, or its tensors do not fit the architecture."""


class ChecksumError(ModelError):
    """The file's SHA-256 is not the one that the catalogue pins."""


class UnknownArchitectureError(ModelError):
    """The config names an architecture that this version does not have."""


class CardTooNewError(ModelError):
    """The model was written by a newer version of this package."""


class GatedRepositoryError(ModelError):
    """The Hub repository is private or gated: it needs an accepted licence or a token."""


class NotFiniteError(ModelError):
    """The network gives values that are no numbers, although those of the image are."""


class NetworkError(ModelError):
    """The Hub cannot be reached, and no cached copy is there."""


LABELS_BELOW_0 = (
    "Some labels are below 0, which stands for no object: set these pixels to 0, the background, "
    "or number the objects anew, for example with skimage.segmentation.relabel_sequential."
)
"""What is said of such labels, whatever is to be done with them."""


def not_finite(name: str = "") -> NotFiniteError:
    """Return the error of a model, by default of an unnamed one, whose output holds NaN."""
    model = f"The model “{name}”" if name else "The model"
    return NotFiniteError(
        f"{model} gave values that are no numbers, so that there is no result. Its weights may be "
        "damaged: fetch the model again, or choose another one or the precision float32."
    )
