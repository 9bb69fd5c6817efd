"""The settings of a widget's present result, for many files: saved as YAML, or handed over."""

from __future__ import annotations

import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any

from magicgui.widgets import Container, PushButton
from qtpy.QtWidgets import QFileDialog

from napari_cytosynth.errors import CytosynthError, InputError

from .opening import open_widget

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_cytosynth.tasks.batch.settings import BatchSettings

__all__ = ["ResultSettings", "settings_in"]

_NO_RESULT = "There is no result yet: press Run first."
_open: weakref.WeakSet[ResultSettings] = weakref.WeakSet()


class ResultSettings(Container[Any]):
    """The buttons “Save settings…” and “Apply to files…”.

    The settings are those of the script that makes the present result again.

    Parameters
    ----------
    viewer
        The viewer, in which the Batch widget is opened.
    title
        Title of the widget with the result, such as “Segment”.
    record
        Returns the record of the present result; None if there is none.
    show
        Shows a sentence to the user.
    """

    def __init__(
        self,
        viewer: Any,
        title: str,
        record: Callable[[], dict[str, Any] | None],
        show: Callable[[str], None],
    ) -> None:
        self.viewer, self.title = viewer, title
        self._record, self._show = record, show
        self._save = PushButton(
            name="save_settings",
            text="Save settings…",
            tooltip="Save what made this result, for “cytosynth run” on other images.",
        )
        self._apply = PushButton(
            name="apply_to_files",
            text="Apply to files…",
            tooltip="Do the same with many files, in the widget Batch.",
        )
        super().__init__(widgets=[self._save, self._apply], layout="horizontal", labels=False)
        self.margins = (0, 0, 0, 0)
        self._save.changed.connect(lambda *_: self.save())
        self._apply.changed.connect(lambda *_: self.apply())
        _open.add(self)
        # a bound method: see `JobRunner`
        self.native.destroyed.connect(self._forget)

    def _forget(self, *_: Any) -> None:
        _open.discard(self)

    def enable(self, there: bool) -> None:
        """Enable the buttons if there is a result."""
        self._save.enabled = self._apply.enabled = there

    @property
    def has_result(self) -> bool:
        """Whether there is a result."""
        return self._record() is not None

    def settings(self) -> BatchSettings:
        """Return the settings of the present result.

        Raises
        ------
        InputError
            If there is none.
        """
        record = self._record()
        if record is None:
            raise InputError(_NO_RESULT)
        from napari_cytosynth.tasks.batch.settings import settings_of

        return settings_of(record)

    @property
    def left_out(self) -> str:
        """A sentence on what of the present result is not in its settings; empty if nothing."""
        from napari_cytosynth.tasks.batch.settings import left_out

        return left_out(self._record() or {})

    def save(self, path: str | Path | None = None) -> None:
        """Save the settings as YAML; without a path, ask for one."""
        try:
            settings = self.settings()
            if path is None:
                name = f"{settings.task}-settings.yaml"
                path, _ = QFileDialog.getSaveFileName(
                    self.native, "Save settings", name, "YAML (*.yaml *.yml)"
                )
                if not path:
                    return
                if not Path(path).suffix:
                    path = f"{path}.yaml"
            from napari_cytosynth.tasks.batch.settings import save_settings

            written = save_settings(settings, path)
        except CytosynthError as error:
            self._show(f"⚠ {error}")
        else:
            text = f"Saved {written}: “cytosynth run” does the same with other images."
            self._show(f"{text} {self.left_out}".strip())

    def apply(self) -> Any:
        """Hand the settings to the Batch widget, which is opened if needed; return that."""
        try:
            settings = self.settings()
            batch = open_widget(self.viewer, "Batch")
            batch.take_settings(settings, self.title, self.left_out)
        except CytosynthError as error:
            self._show(f"⚠ {error}")
            return None
        return batch


def settings_in(viewer: Any, title: str) -> ResultSettings | None:
    """Return the settings of the open widget of a title; None if it is not open.

    Of several, that with a result comes first.
    """
    wanted = _bare(viewer)
    found = [one for one in _open if _bare(one.viewer) is wanted and one.title == title]
    return max(found, key=lambda one: one.has_result, default=None)


def _bare(viewer: Any) -> Any:
    """Return the viewer itself: napari gives each plugin's widget a wrapper of its own."""
    return getattr(viewer, "__wrapped__", viewer)
