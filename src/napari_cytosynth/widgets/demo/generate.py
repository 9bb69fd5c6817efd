"""Generate scene of the demonstration: synthetic images of a bundled model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_cytosynth.errors import CytosynthError

from .scene import dock, screenshot, settle, show_scale_bar

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["GenerateScene", "generator"]

_PREFERRED = ("em-pairs-ddpm", "cellpainting-ddpm", "nuclei-ddpm", "histology-ddpm", "nuclei-wgan")
_COUNT, _SEED = 9, 0


def generator() -> str | None:
    """Return the name of the preferred bundled generator, or None without any."""
    from napari_cytosynth.zoo.catalogue import bundled_folder

    return next((name for name in _PREFERRED if bundled_folder(name) is not None), None)


class GenerateScene:
    """Scene that generates synthetic images and shows them as a stack and as a grid.

    Parameters
    ----------
    viewer
        A napari viewer without layers.
    model
        Source of the model, as `load_model` takes it.
    count
        Number of images. Default: 9.
    """

    def __init__(self, viewer: Any, model: str, count: int = _COUNT) -> None:
        self._viewer = viewer
        self._dock, self.widget = dock(viewer, "Generate")
        self.widget.model.value = model
        self.widget.how_many.value = count
        self.widget.seed.value = _SEED

    def run(self) -> None:
        """Generate the images, with their trajectory if the model is a diffusion model.

        Raises
        ------
        CytosynthError
            If that fails.
        """
        widget = self.widget
        widget.keep_trajectory.value = widget.keep_trajectory.enabled
        widget.run()
        settle(widget)
        if widget.generation is None:
            raise CytosynthError(f"The demo could not generate: {widget.status.value}")
        show_scale_bar(self._viewer)
        self._viewer.reset_view()

    def show(self) -> None:
        """Generate the images."""
        self.run()

    def record(self, folder: Path) -> list[Path]:
        """Run everything; write screenshots, the images with their seeds, and a film."""
        self.run()
        widget = self.widget
        written = [self._picture(folder / "generate.png")]
        widget.show_as_grid.value = True
        written.append(self._picture(folder / "generate-grid.png"))
        widget.show_as_grid.value = False
        generation = widget.generation
        written += generation.save(folder / "generate")
        if generation.trajectory is not None:
            written.append(generation.save_animation(folder / "generate.gif"))
        return written

    def _picture(self, path: Path) -> Path:
        settle(self.widget)
        return screenshot(self._viewer, path)
