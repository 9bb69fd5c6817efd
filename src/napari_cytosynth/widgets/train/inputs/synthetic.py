"""Synthetic images with masks that a segmenter learns beside what is painted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from magicgui.widgets import FloatSlider, PushButton

from napari_cytosynth.widgets.common.parts import plain_label

if TYPE_CHECKING:
    from napari_cytosynth.training.teach.segment.synthetic import SyntheticImages

__all__ = ["FINDING", "SyntheticRows"]

FINDING = (
    "In the study, synthetic images did not help beside classic augmentation: IoU 0.79 without and "
    "0.80 with them at 2 real slices, 0.78 and 0.79 at 20; with rare objects 0.78 and 0.77 (no "
    "significant difference). Keep a real image that neither has seen, and compare."
)
"""What the study of synthetic data has found, as in docs/studies.md."""


class SyntheticRows:
    """Rows of a form: the share of synthetic images, and of those with few objects among them."""

    def __init__(self) -> None:
        self._generation: Any = None
        self._said = plain_label("synthetic_images")
        self.share = FloatSlider(
            name="synthetic_share",
            label="synthetic\nshare",
            value=0.5,
            min=0.0,
            max=0.9,
            step=0.05,
            tooltip="Part of the crops that is of synthetic images.",
        )
        self.boost = FloatSlider(
            name="rare_boost",
            label="rare-object\nboost",
            value=1.0,
            min=1.0,
            max=10.0,
            step=0.5,
            tooltip="How many times as often the third of the synthetic images in which the least "
            "is covered is drawn.",
        )
        self._finding = plain_label("finding")
        self._finding.value = FINDING
        self._leave = PushButton(text="Leave them out")
        self._leave.label = " "
        self.rows: list[Any] = [
            self._said, self.share, self.boost, self._finding, self._leave,
        ]  # fmt: skip
        self._leave.changed.connect(lambda *_: self.take(None))

    @property
    def generation(self) -> Any:
        """The result of Generate that is learned; None without one."""
        return self._generation

    def take(self, generation: Any) -> None:
        """Take the images of a result of Generate; None leaves them out and hides the rows."""
        self._generation = generation
        self.show(generation is not None)
        if generation is not None:
            count = len(generation.images)
            self._said.value = (
                f"{count} synthetic image{'s' * (count != 1)} with masks, by {generation.model}. "
                "Without labels above, they are all that is learned."
            )

    def show(self, shown: bool) -> None:
        """Show or hide the rows."""
        for row in self.rows:
            row.visible = shown

    def enable(self, enabled: bool) -> None:
        """Enable or disable the rows."""
        for row in self.rows:
            row.enabled = enabled

    def copies(self) -> SyntheticImages | None:
        """Return a copy of them with the settings; None without any.

        Raises
        ------
        InputError
            If they cannot be learned.
        """
        if self._generation is None:
            return None
        from napari_cytosynth.training.teach.segment.synthetic import SyntheticImages

        return SyntheticImages.of(self._generation, self.share.value, self.boost.value)
