"""One napari window for many tests: making one takes longer than most tests of a widget.

After each test its docks are deleted and its layers removed; dims, camera and the like are as
new. Whatever of a test still listens to the viewer then is a fault, of the widget or of the test.
"""

from __future__ import annotations

import gc
import inspect
from contextlib import ExitStack
from typing import TYPE_CHECKING
from unittest.mock import patch

import pytest
from qtpy.QtCore import QCoreApplication, QEvent
from qtpy.QtWidgets import QApplication, QWidget

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari import Viewer
    from napari.utils.events import EmitterGroup, EventedModel

MOUSE = ("mouse_drag", "mouse_move", "mouse_wheel", "mouse_double_click")


class SharedWindow:
    """The viewer that tests share, as new at the beginning of each."""

    def __init__(self) -> None:
        self._viewer: Viewer | None = None
        self._patches = ExitStack()
        self._made = 0

    def viewer(self) -> Viewer:
        """The viewer, a new one where the last test closed it."""
        if self._viewer is None:
            self._open()
        return self._viewer

    def _open(self) -> None:
        import napari
        from napari._app_model._app import NapariApplication, _napari_names
        from napari._qt._qapp_model.qactions import init_qactions
        from napari._qt.qt_viewer import QtViewer
        from napari.plugins import _initialize_plugins

        self._made += 1
        name = f"shared_app_{self._made}"
        app = NapariApplication(name)
        app.injection_store.namespace = _napari_names
        self._patches.callback(NapariApplication.destroy, name)
        for target, value in (
            (NapariApplication, {"get_app_model": lambda *_: app}),
            ("napari._qt.threads.status_checker.StatusChecker", {"start": lambda *_: None}),
            ("napari._qt.qt_viewer.QtViewer", {"_get_console": lambda *_: _console()}),
        ):
            self._patches.enter_context(patch.multiple(target, **value))
        _initialize_plugins.cache_clear()
        init_qactions.cache_clear()
        welcome = "show_welcome_screen" in inspect.signature(napari.Viewer).parameters
        own = {"show_welcome_screen": False} if welcome else {}  # not before napari 0.7
        self._viewer = napari.Viewer(show=False, **own)
        # napari's own fixture takes what it finds there for a viewer that a test has forgotten
        QtViewer._instances.clear()
        self._as_new = self._listeners()
        self._keys, self._axes = dict(self._viewer.keymap), self._viewer.dims.axis_labels
        self._theme, self._size = self._viewer.theme, self._viewer.window._qt_window.size()
        # layers that go make napari collect garbage: not among what stays
        gc.collect()
        gc.freeze()

    def clear(self) -> None:
        """Make the viewer as new, or close it; complain about who still listens to it."""
        window = getattr(self._viewer.window, "_qt_window", None)
        if window is None or window.isVisible():  # what is drawn costs every test time
            self.close()
            return
        try:
            self._clear()
        except BaseException:
            self.close()
            raise

    def _clear(self) -> None:
        self._reset()  # first: in 3-D or in a grid, layers cost more and complain
        self._remove_docks()
        self._viewer.layers.clear()
        self._viewer.dims.axis_labels = self._axes
        self._reset()
        _delete_what_is_to_be()
        self._let_go_of_what_is_closed()
        left = {
            name: strangers
            for name, found in self._listeners().items()
            if (strangers := [one for one in found if one not in self._as_new[name]])
        }
        assert not left, f"these still listen to the viewer: {left}"

    def _let_go_of_what_is_closed(self) -> None:
        """Disconnect bound methods, which are held weakly: they would go with their widgets."""
        for group, events in self._events().items():
            for name, emitter in events.emitters.items():
                known = self._as_new[f"{group}.{name}"]
                for callback in emitter.callbacks:
                    if callback not in known and isinstance(callback, tuple):
                        emitter.disconnect(callback)

    def _remove_docks(self) -> None:
        window = self._viewer.window
        older = not hasattr(window, "_wrapped_dock_widgets")  # before napari 0.6.3
        docks = window._dock_widgets if older else window._wrapped_dock_widgets
        for dock in list(docks.values()):
            widget = dock.widget()
            window.remove_dock_widget(dock)
            if widget is not None:
                widget.close()
                widget.deleteLater()

    def _reset(self) -> None:
        viewer = self._viewer
        scene = getattr(viewer, "scene", viewer)
        grid = getattr(viewer, "canvas", viewer).grid
        viewer.dims.ndisplay = 2  # which its `reset` leaves
        for model in (viewer.dims, scene.camera, viewer.cursor, grid, viewer.tooltip):
            model.reset()
        for overlay in _overlays(viewer):
            overlay.reset()
        viewer.title, viewer.status, viewer.help = "napari", "Ready", ""
        if viewer.theme != self._theme:
            viewer.theme = self._theme
        viewer.keymap.clear()
        viewer.keymap.update(self._keys)
        if viewer.window._qt_window.size() != self._size:
            viewer.window._qt_window.resize(self._size)

    def _events(self) -> dict[str, EmitterGroup]:
        viewer = self._viewer
        return {
            "viewer": viewer.events,
            "layers": viewer.layers.events,
            "selection": viewer.layers.selection.events,
            "dims": viewer.dims.events,
            "camera": getattr(viewer, "scene", viewer).camera.events,
            "cursor": viewer.cursor.events,
            "grid": getattr(viewer, "canvas", viewer).grid.events,
        }

    def _listeners(self) -> dict[str, list[object]]:
        """Every callback of the viewer's events and of its mouse, by name."""
        found = {
            f"{group}.{name}": list(emitter.callbacks)
            for group, events in self._events().items()
            for name, emitter in events.emitters.items()
        }
        for kind in MOUSE:
            found[kind] = list(getattr(self._viewer, f"{kind}_callbacks"))
        return found

    def close(self) -> None:
        """Close the window; the next viewer is in another."""
        if self._viewer is None:
            return
        if hasattr(self._viewer.window, "_qt_window"):
            with patch.object(self._viewer.window._qt_window, "_save_current_window_settings"):
                self._viewer.close()
        self._viewer = None
        self._patches.close()


def _overlays(viewer: Viewer) -> list[EventedModel]:
    if not hasattr(viewer, "canvas"):  # before napari 0.9
        return list(viewer._overlays.values())
    return [*viewer.scene.overlays.values(), *viewer.canvas.overlays.values()]


def _console() -> QWidget:
    widget = QWidget()
    widget._update_theme = lambda *_: None
    return widget


def _delete_what_is_to_be() -> None:
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete.value)
    QApplication.processEvents()


@pytest.fixture(scope="session")
def shared_window(qapp: QApplication) -> Iterator[SharedWindow]:
    """The window that the tests of this process share."""
    window = SharedWindow()
    yield window
    window.close()
