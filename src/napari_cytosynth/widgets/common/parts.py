"""Labels, headings and timers of the forms."""

from __future__ import annotations

from typing import Any

from magicgui.widgets import FloatSpinBox, Label
from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import QFrame, QLabel, QSizePolicy

__all__ = ["align_captions", "heading", "plain_label", "plain_tooltip", "single_shot", "size_box"]


def plain_label(name: str, **kwargs: Any) -> Label:
    """Return a label that wraps, takes no markup and has no caption of its own."""
    label = Label(name=name, label=" ", value="", **kwargs)
    label.native.setWordWrap(True)
    label.native.setTextFormat(Qt.TextFormat.PlainText)
    label.native.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
    return label


def plain_tooltip(text: str) -> str:
    """Return a tooltip that shows a text as it is: Qt reads anything like a tag as markup."""
    if "<" not in text:
        return text
    from napari_cytosynth.zoo.text import for_html

    return "<qt>" + "<br>".join(map(for_html, text.split("\n"))) + "</qt>"


def align_captions(container: Any, width: int = 78) -> None:
    """Set one width for the captions of a container's rows. Default: 78 px."""
    for part in container:
        row = part.native.parentWidget()
        if row is not None and row is not container.native and row.layout() is not None:
            row.layout().itemAt(0).widget().setMinimumWidth(width)


def heading(text: str) -> QLabel:
    """Return a bold line above a group of parts."""
    label = QLabel(f"<b>{text}</b>")
    label.setFrameShape(QFrame.Shape.NoFrame)
    return label


def single_shot(owner: Any, interval_ms: int, action: Any) -> QTimer:
    """Return a timer of `owner` that calls `action` once each time it is started."""
    timer = QTimer(owner)
    timer.setSingleShot(True)
    timer.setInterval(interval_ms)
    timer.timeout.connect(action)
    return timer


def size_box(name: str, label: str, tooltip: str, largest: float = 100_000.0) -> FloatSpinBox:
    """Return a field for a length in µm, where 0 leaves it to the layer."""
    box = FloatSpinBox(
        name=name,
        label=label,
        max=largest,
        step=0.01,
        tooltip=f"{tooltip} 0: as the layer says, or unknown.",
    )
    box.native.setDecimals(5)
    box.native.setKeyboardTracking(False)
    return box
