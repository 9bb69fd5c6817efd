"""The page of a model, rendered in a window of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt, QUrl
from qtpy.QtGui import QDesktopServices
from qtpy.QtWidgets import QDialog, QDialogButtonBox, QTextBrowser, QVBoxLayout

if TYPE_CHECKING:
    from qtpy.QtWidgets import QWidget

__all__ = ["CardPage"]

_SIZE = (760, 620)  # px: less than a small screen


class CardPage(QDialog):
    """A window with the page of a model, beside which napari can be used.

    Parameters
    ----------
    page
        Markdown.
    title
        Of the window.
    parent
        The widget that opens it.
    """

    def __init__(self, page: str, title: str, parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle(title)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.text = _Page()
        self.text.setMarkdown(page)
        self.text.anchorClicked.connect(_open_outside)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        buttons.rejected.connect(self.close)
        layout = QVBoxLayout(self)
        layout.addWidget(self.text)
        layout.addWidget(buttons)
        self.resize(*_SIZE)


class _Page(QTextBrowser):
    """Text that loads nothing, from no disk and no server, and opens links outside."""

    def __init__(self) -> None:
        super().__init__()
        self.setOpenLinks(False)

    def loadResource(self, kind: int, name: QUrl) -> Any:
        """Load nothing: a page of a model is its text."""
        return None


def _open_outside(address: QUrl) -> None:
    if address.scheme() == "https":
        QDesktopServices.openUrl(address)
