"""The Train widget: a model taught the user's images, in another process."""

from .widget import TrainWidget

__all__ = ["TrainWidget"]
