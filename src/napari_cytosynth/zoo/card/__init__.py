"""The card of a model: one typed, validated record, stored as ``config.json``.

The field descriptions feed tooltips, the documentation and ``cytosynth models show``. A card
is data that anybody may have written: names are plain, texts hold no control characters, and
every number has bounds.

Version 2 gives the output channels roles (``channel_roles``), and what validation data show
of the objects: smallest size, typical diameter, confidence. Cards of version 1 are read as
before; their roles follow from ``object_channel``, ``splitting`` and ``mask_channel``.
"""

from __future__ import annotations

from .blocks import (
    Condition,
    FocalPlanes,
    GenerationSettings,
    Normalisation,
    OutputScaling,
    SamplerName,
    Splitting,
)
from .inference import Inference, PredictionType, ScheduleName
from .model import FORMAT_VERSION, Metric, ModelCard, Training
from .objects import Confidence, ConfidenceTerm, Expected, FlowDecoding
from .record import Name, is_name
from .roles import Activation, ChannelRole, activation_of
from .stains import (
    NumberPopulation,
    ObjectDoubt,
    ObjectNumber,
    StainError,
    StainUncertainty,
    TypicalSpread,
)
from .trust import Auroc, ConfidenceTest, ReliabilityBin

Generation = GenerationSettings  # its earlier name, which scripts may import

__all__ = [
    "FORMAT_VERSION",
    "Activation",
    "Auroc",
    "ChannelRole",
    "Condition",
    "Confidence",
    "ConfidenceTerm",
    "ConfidenceTest",
    "Expected",
    "FlowDecoding",
    "FocalPlanes",
    "Generation",
    "GenerationSettings",
    "Inference",
    "Metric",
    "ModelCard",
    "Name",
    "Normalisation",
    "NumberPopulation",
    "ObjectDoubt",
    "ObjectNumber",
    "OutputScaling",
    "PredictionType",
    "ReliabilityBin",
    "SamplerName",
    "ScheduleName",
    "Splitting",
    "StainError",
    "StainUncertainty",
    "Training",
    "TypicalSpread",
    "activation_of",
    "is_name",
]
