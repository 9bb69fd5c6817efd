"""The choice of files: by dialogs, by dropping, by a script."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from .form import BatchForm

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["ChoosingForm"]

_SETTINGS = (".yaml", ".yml")


class ChoosingForm(BatchForm):
    """The form, with files that are chosen or dropped, and filters of their list."""

    def _begin_choosing(self) -> None:
        files, folder, clear = self._pick
        files.changed.connect(lambda *_: self.choose_files())
        folder.changed.connect(lambda *_: self.choose_folder())
        clear.changed.connect(lambda *_: setattr(self, "inputs", ()))
        self._browse.changed.connect(lambda *_: self.choose_out())
        for part in (self._recursive, self._out, self._pattern):
            part.changed.connect(self._on_choice)
        order = self._file_list.order
        self._shown.changed.connect(lambda states: order.narrow(states=states))
        self._find.changed.connect(lambda name: order.narrow(name=name))
        self._file_list.dropped.connect(self.add_files)

    @property
    def inputs(self) -> tuple[str, ...]:
        """Files, folders, OME-Zarr plates and patterns of names."""
        return self._inputs

    @inputs.setter
    def inputs(self, names: Iterable[str | Path]) -> None:
        self._inputs = tuple(map(str, [names] if isinstance(names, str | Path) else names))
        self._show_inputs()
        self._on_choice()

    def add_files(self, names: Iterable[str | Path]) -> None:
        """Add files and folders to those that are chosen; a YAML is taken as settings."""
        given = list(map(str, names))
        settings = [name for name in given if Path(name).suffix.lower() in _SETTINGS]
        for name in settings[-1:]:
            self.load_settings(name)
        images = [name for name in given if name not in settings]
        if images:
            self.inputs = dict.fromkeys((*self._inputs, *images))

    def choose_files(self) -> None:
        """Ask for image files."""
        if names := self._ask_files():
            self.inputs = names

    def choose_folder(self) -> None:
        """Ask for a folder of images."""
        if folder := self._ask_folder("Folder of images"):
            self.inputs = [folder]

    def choose_out(self) -> None:
        """Ask for the folder of the results."""
        if folder := self._ask_folder("Folder for the results"):
            self._out.value = folder

    def load_settings(self, path: str | Path | None = None) -> None:
        """Use saved settings; without a path, ask for one."""
        raise NotImplementedError

    def _on_choice(self, *_: Any) -> None:
        raise NotImplementedError
