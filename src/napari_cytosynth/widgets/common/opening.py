"""Widgets of this plugin that open each other."""

from __future__ import annotations

from typing import Any

__all__ = ["open_widget"]

_PLUGIN = "napari-cytosynth"


def open_widget(viewer: Any, title: str) -> Any:
    """Return the widget of a title, in front of those that it shares its place with.

    The one that stands in the window already is taken, whichever way it was opened: napari titles
    those of its menu in another way than those that a script opens, and would open a second one.

    Parameters
    ----------
    viewer
        The napari viewer.
    title
        As in the menu, such as “Look”.
    """
    window = viewer.window
    found = next(
        (w for name, w in window.dock_widgets.items() if name.startswith(f"{title} (")), None
    )
    dock = None if found is None else found.native.parent()
    if dock is None:
        return window.add_plugin_dock_widget(_PLUGIN, title, tabify=True)[1]
    dock.show()
    dock.raise_()
    return found
