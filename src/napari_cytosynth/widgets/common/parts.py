"""Labels, headings, timers and scroll bars of the forms."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from magicgui.widgets import Container, FloatSpinBox, Label, LineEdit
from qtpy.QtCore import QEvent, QObject, QSize, Qt, QTimer
from qtpy.QtWidgets import (
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QFrame,
    QLabel,
    QProgressBar,
    QScrollArea,
    QSizePolicy,
    QSlider,
    QStyle,
    QStyleOptionComboBox,
    QStylePainter,
    QVBoxLayout,
    QWidget,
)

from .accessible import FocusMark, name_inputs

if TYPE_CHECKING:
    from qtpy.QtGui import QShowEvent

__all__ = [
    "Steady",
    "align_captions",
    "find_box",
    "heading",
    "make_scrollable",
    "narrow",
    "plain_label",
    "plain_row",
    "plain_tooltip",
    "progress_bar",
    "single_shot",
    "size_box",
]

_MARGIN = 4  # px
_TEXT_MARGIN = 6  # px of a combobox that its text does not use
_LEAST_HEIGHT = 200  # px of a form that scrolls
_FIELDS = (QAbstractSpinBox, QComboBox, QSlider)  # which the wheel changes


def plain_label(name: str, **kwargs: Any) -> Label:
    """Return a label that wraps, takes no markup and has no caption of its own."""
    label = Label(name=name, label=" ", value="", **kwargs)
    label.native.setWordWrap(True)
    label.native.setTextFormat(Qt.TextFormat.PlainText)
    label.native.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
    return label


class Steady:
    """Holds a label at its size, so that a new text paints the label alone.

    Qt otherwise makes the layout of a whole form anew, and paints the window a second time.

    Parameters
    ----------
    label
        That wraps its text; its own least and largest size come back in the end.
    """

    def __init__(self, label: QLabel) -> None:
        self._label = label
        self._sizes: tuple[QSize, QSize] | None = None

    def hold(self) -> None:
        """Keep the size from now on; once more has no effect."""
        if self._sizes is None and self._label.isVisible():
            self._sizes = self._label.minimumSize(), self._label.maximumSize()
            self._label.setFixedSize(self._label.size())

    def make_room(self) -> None:
        """Let go of the size if the text does not fit into it."""
        if self._label.heightForWidth(self._label.width()) > self._label.height():
            self.release()

    def release(self) -> None:
        """Let the layout decide on the size again."""
        if self._sizes is not None:
            least, largest = self._sizes
            self._sizes = None
            self._label.setMinimumSize(least)
            self._label.setMaximumSize(largest)


def plain_tooltip(text: str) -> str:
    """Return a tooltip that shows a text as it is: Qt reads anything like a tag as markup."""
    if "<" not in text:
        return text
    from napari_cytosynth.zoo.text import for_html

    return "<qt>" + "<br>".join(map(for_html, text.split("\n"))) + "</qt>"


def plain_row(*widgets: Any, layout: str = "horizontal", labels: bool = False) -> Container[Any]:
    """Return widgets of magicgui in one row (or column), without margins of its own."""
    row: Container[Any] = Container(widgets=widgets, layout=layout, labels=labels)
    row.margins = (0, 0, 0, 0)
    return row


def find_box(tooltip: str) -> LineEdit:
    """Return a line for a part of the names that a list is narrowed down to."""
    box = LineEdit(tooltip=tooltip)
    box.native.setPlaceholderText("part of the name")
    box.native.setClearButtonEnabled(True)
    return box


def progress_bar() -> QProgressBar:
    """Return a hidden bar that keeps its place."""
    bar = QProgressBar()
    kept = bar.sizePolicy()
    kept.setRetainSizeWhenHidden(True)
    bar.setSizePolicy(kept)
    bar.setVisible(False)
    return bar


def align_captions(container: Any, width: int = 78) -> None:
    """Set one width for the captions of a container's rows. Default: 78 px."""
    for part in container:
        row = part.native.parentWidget()
        if row is not None and row is not container.native and row.layout() is not None:
            row.layout().itemAt(0).widget().setMinimumWidth(width)


def narrow(box: Any, characters: int = 10) -> None:
    """Keep a combobox as narrow as its form: of a long name beginning and end are seen.

    Parameters
    ----------
    box
        The combobox of magicgui.
    characters
        Least width. Default: 10.
    """
    fit = QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
    box.native.setSizeAdjustPolicy(fit)
    box.native.setMinimumContentsLength(characters)
    box.native.installEventFilter(_Elided(box.native))


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


class _Elided(QObject):
    """Paints a combobox with the middle of a long text left out, which Qt cuts off mid-letter."""

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Paint instead of the combobox."""
        if event is None or event.type() != QEvent.Type.Paint or not isinstance(watched, QComboBox):
            return bool(super().eventFilter(watched, event))
        option = QStyleOptionComboBox()
        watched.initStyleOption(option)
        style, kind = watched.style(), QStyle.ComplexControl.CC_ComboBox
        assert style is not None
        field = QStyle.SubControl.SC_ComboBoxEditField
        room = style.subControlRect(kind, option, field, watched).width() - _TEXT_MARGIN
        metrics, middle = watched.fontMetrics(), Qt.TextElideMode.ElideMiddle
        option.currentText = metrics.elidedText(option.currentText, middle, room)
        painter = QStylePainter(watched)
        painter.drawComplexControl(kind, option)
        painter.drawControl(QStyle.ControlElement.CE_ComboBoxLabel, option)
        painter.end()
        return True


class _Scroll(QScrollArea):
    """Area as wide as its content, which scrolls where the window is too low for it."""

    def __init__(self, content: QWidget) -> None:
        super().__init__()
        self._content = content
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)  # a stop of the Tab key without a mark
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setWidget(content)
        for kind in _FIELDS:
            for part in content.findChildren(kind):
                part.setFocusPolicy(Qt.FocusPolicy.StrongFocus)  # not by the wheel
                part.installEventFilter(self)

    def sizeHint(self) -> QSize:
        """Return the size of the whole content, beside a scroll bar."""
        return self._beside_bar(self._content.sizeHint())

    def minimumSizeHint(self) -> QSize:
        """Return the width of the content, beside a scroll bar, and little height."""
        return QSize(self._beside_bar(self._content.minimumSizeHint()).width(), _LEAST_HEIGHT)

    def showEvent(self, event: QShowEvent | None) -> None:
        """Name the inputs that came since."""
        super().showEvent(event)
        name_inputs(self._content)

    def focusNextPrevChild(self, forward: bool) -> bool:
        """Go on from input to input as they stand, also those that magicgui has made anew."""
        name_inputs(self._content)
        return bool(super().focusNextPrevChild(forward))

    def _beside_bar(self, size: QSize) -> QSize:
        bar = self.verticalScrollBar()
        # napari's style sheet leaves a margin around what scrolls
        return size if bar is None else size + QSize(bar.sizeHint().width() + _MARGIN, 0)

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Leave the wheel to the scroll bar where a field or a slider is not in use."""
        kind = None if event is None else event.type()
        if kind == QEvent.Type.Wheel and isinstance(watched, _FIELDS) and not watched.hasFocus():
            assert event is not None
            QApplication.sendEvent(self.verticalScrollBar(), event)
            event.accept()
            return True
        if kind == QEvent.Type.LayoutRequest:
            self.updateGeometry()
            # the content as high as it is now, also where its least height is what it was
            QApplication.postEvent(self, QEvent(QEvent.Type.LayoutRequest))
        return bool(super().eventFilter(watched, event))


def make_scrollable(form: QWidget) -> None:
    """Let a form scroll, rather than be squeezed or make the window higher than the screen.

    Its inputs get names for screen readers when it is shown, and the one that the keyboard is at
    a frame.

    Parameters
    ----------
    form
        With all its parts in its layout, which becomes that of a widget within.
    """
    content, layout = QWidget(), form.layout()
    assert isinstance(layout, QVBoxLayout)
    layout.addStretch()
    content.setLayout(layout)  # takes it away from the form, with all that is in it
    outer = QVBoxLayout(form)
    outer.setContentsMargins(0, 0, 0, 0)
    outer.addWidget(_Scroll(content))
    FocusMark(form)
