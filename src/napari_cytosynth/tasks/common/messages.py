"""Messages of a run for the user, which say what they are about."""

from __future__ import annotations

from typing import Literal

__all__ = ["Message", "Topic", "topic_of"]

Topic = Literal["", "unlike training", "unknown depth"]


class Message(str):
    """Sentence for the user, with what it is about: not every place shows all, or in these words.

    Parameters
    ----------
    text
        The sentence, as a function says it.
    topic
        ``"unlike training"``: in what the image is unlike the model's training images.
        ``"unknown depth"``: sizes of voxels are unknown. Empty (default): anything else.
    """

    topic: Topic

    def __new__(cls, text: str, topic: Topic = "") -> Message:
        """Return the sentence with its topic."""
        message = super().__new__(cls, text)
        message.topic = topic
        return message


def topic_of(message: str) -> Topic:
    """Return what a message is about; empty for one that does not say."""
    return message.topic if isinstance(message, Message) else ""
