"""What runs over whole planes and over blocks of one share: options, flows and the network."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from napari_cytosynth.tasks.common.defaults import DEFAULT_THRESHOLD, card_options
from napari_cytosynth.tasks.common.region import RegionalRun
from napari_cytosynth.tasks.segment.instances import LabelOptions

if TYPE_CHECKING:
    from napari_cytosynth.inference.predictor import Predictor
    from napari_cytosynth.tasks.segment.flows.decoding import FlowSettings

__all__ = ["ModelRun"]


@dataclass(eq=False)
class ModelRun(RegionalRun):
    """A run of a segmentation model."""

    options: LabelOptions = field(default_factory=lambda: LabelOptions(DEFAULT_THRESHOLD))

    def __post_init__(self) -> None:
        super().__post_init__()
        inference = self.model.card.inference
        found = (inference.channel_of("flow-y"), inference.channel_of("flow-x"))
        self.flow_channels = [channel for channel in found if channel is not None]

    def make_predictor(self, device: str, precision: str, tile_size: int | None) -> None:
        """Make what runs the network; the arguments are those of the predictor."""
        from napari_cytosynth.inference.windowed import make_predictor

        self.predictor: Predictor = make_predictor(
            self.model.network,
            len(self.model.card.inference.input_channels),
            device=device,
            precision=precision,
            tile_size=tile_size,
        )

    def flow_settings(self, zoom: float = 1.0) -> FlowSettings:
        """Return how flows are decoded, down to the lowest threshold that is asked for.

        Parameters
        ----------
        zoom
            Pixels of the image in one of the model. Default: 1.
        """
        from napari_cytosynth.tasks.segment.flows.decoding import LOWEST, FlowSettings

        inference = self.model.card.inference
        # planes are linked, and facts measured, at the model's own threshold
        lowest = min(LOWEST, self.options.threshold, card_options(inference)["threshold"])
        return FlowSettings.from_card(inference, zoom=zoom, lowest=lowest)

    def add_nothing_to_find(self) -> None:
        """Tell of a plane without contrast: the network's response to it is no finding."""
        self.add_messages("A plane has the same value everywhere: nothing can be found in it.")
