"""The form of the Batch widget: settings, files, folder of the results, options."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from magicgui.widgets import CheckBox, ComboBox, Container, LineEdit, PushButton, SpinBox
from qtpy.QtWidgets import QFileDialog

from napari_cytosynth.widgets.common.folds import Fold
from napari_cytosynth.widgets.common.messages import Messages
from napari_cytosynth.widgets.common.parts import (
    align_captions,
    find_box,
    heading,
    make_scrollable,
    plain_label,
    plain_row,
    progress_bar,
)
from napari_cytosynth.widgets.common.remembered import recall, remember

from .file_list import FileList
from .file_order import SHOWN
from .inputs import OF_AN_IMAGE, BatchInputs
from .wording import AGAIN, DEEPER, REPLACE, describe_settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_cytosynth.tasks.batch import BatchSettings

__all__ = ["BatchForm"]

_MOST_JOBS = 64
_NONE = "None yet. Run Segment or Stain on one image, and take its settings."
_PATTERN = r"(?P<well>[A-P]\d\d)_f(?P<field>\d+)"
_REMEMBERED = "batch-folder"


class BatchForm(Container[Any]):
    """The parts of the Batch widget, and what is chosen in them.

    Attributes
    ----------
    own_facts, recursive, out, jobs, name_pattern, again, overwrite
        magicgui widgets, each with a ``value``.
    shown, find
        Which images are listed: those of some states, with some text in their name.
    status, detail, summary
        The sentences that the user reads: on the run, on the chosen file, and where table and
        page lie.
    """

    def __init__(self) -> None:
        self._settings: BatchSettings | None = None
        self._inputs: tuple[str, ...] = ()
        super().__init__(labels=False)
        self._make_choices()
        self._make_run()
        self._make_advanced()
        self._lay_out()
        self._show_settings("")

    # -- building ---------------------------------------------------------------------------

    def _make_choices(self) -> None:
        tips = (
            "Take the settings of the result in the Segment widget.",
            "Take the settings of the result in the Stain widget.",
            "Take settings that “Save settings…” has written.",
        )
        names = ("From Segment", "From Stain", "From file…")
        self._sources = tuple(
            PushButton(text=name, tooltip=tip) for name, tip in zip(names, tips, strict=True)
        )
        self._about = plain_label("about")
        self._own = CheckBox(
            text="pixel size and axes of each file",
            tooltip="Not those of the image that the settings were made with.",
            visible=False,
        )
        self._pick = (
            PushButton(text="Files…", tooltip="Choose images."),
            PushButton(text="Folder…", tooltip="Choose a folder of images."),
            PushButton(text="Clear", tooltip="Choose none."),
        )
        self._recursive = CheckBox(text=DEEPER, tooltip="Look in folders of folders, too.")
        self._chosen = plain_label("chosen")
        self._out = LineEdit(label="results in", tooltip="Folder, made if needed.")
        self._browse = PushButton(text="Choose…")

    def _make_run(self) -> None:
        self._button = PushButton(text="Start")
        self._button.native.setMinimumHeight(30)
        self._bar = progress_bar()
        self._status, self._detail = plain_label("status"), plain_label("detail")
        self._summary = plain_label("summary", visible=False)
        self._file_list = FileList()
        self._shown = ComboBox(
            choices=SHOWN, tooltip="Which images are listed. “To be looked at”: doubtful or failed."
        )
        self._find = find_box("List only images with this text in their name.")
        self._show_page = PushButton(text="Open page", tooltip="Pictures, the doubtful first.")
        self._show_folder = PushButton(text="Open folder", tooltip="The folder of the results.")

    def _make_advanced(self) -> None:
        self._jobs = SpinBox(
            value=1, min=1, max=_MOST_JOBS, label="processes",
            tooltip="Images at a time, each in a process with the model in its memory. More pay "
            "for many small images.",
        )  # fmt: skip
        self._pattern = LineEdit(
            label="name pattern",
            tooltip="Regular expression whose named groups become columns of the tables.",
        )
        self._pattern.native.setPlaceholderText(_PATTERN)
        self._again = CheckBox(
            text=AGAIN,
            tooltip="Otherwise what an earlier run did with the same settings is kept.",
        )
        self._overwrite = CheckBox(
            text=REPLACE,
            tooltip="Also results that were corrected by hand, and files that others wrote.",
        )

    def _lay_out(self) -> None:
        layout = self.native.layout()
        advanced = Fold("Advanced")
        options = (self._jobs, self._pattern, self._again, self._overwrite)
        advanced.addWidget(self._row(*options, layout="vertical", labels=True))
        for part in (
            heading("What is done"), self._row(*self._sources), self._about.native,
            self._row(self._own),
            heading("Images"), self._row(*self._pick, self._recursive), self._chosen.native,
            self._row(self._out, self._browse, labels=True), self._button.native,
            Messages(self._bar, self._status.native),
            self._row(self._shown, self._find),
            self._file_list, self._detail.native, self._summary.native,
            self._row(self._show_page, self._show_folder), advanced,
        ):  # fmt: skip
            layout.addWidget(part)
        make_scrollable(self.native)

    def _row(self, *parts: Any, layout: str = "horizontal", labels: bool = False) -> Any:
        row = plain_row(*parts, layout=layout, labels=labels)
        if labels:
            align_captions(row)
        self.__dict__.setdefault("_rows", []).append(row)
        return row.native

    # -- for scripts ------------------------------------------------------------------------

    @property
    def own_facts(self) -> Any:
        """Whether pixel size and axes are those of each file, not those of the settings."""
        return self._own

    @property
    def recursive(self) -> Any:
        """Whether folders of folders are looked in, too."""
        return self._recursive

    @property
    def out(self) -> Any:
        """Folder of the results."""
        return self._out

    @property
    def jobs(self) -> Any:
        """Number of processes that work side by side."""
        return self._jobs

    @property
    def name_pattern(self) -> Any:
        """Regular expression that fills columns of the tables from the names."""
        return self._pattern

    @property
    def again(self) -> Any:
        """Whether what is done already is done anew."""
        return self._again

    @property
    def overwrite(self) -> Any:
        """Whether files of others, and results corrected by hand, are replaced."""
        return self._overwrite

    @property
    def shown(self) -> Any:
        """Which states are listed, of :data:`~.file_order.SHOWN`."""
        return self._shown

    @property
    def find(self) -> Any:
        """Text that the names of the listed images hold."""
        return self._find

    @property
    def status(self) -> Any:
        """The sentence on the run."""
        return self._status

    @property
    def detail(self) -> Any:
        """The sentence on the file that is chosen in the list."""
        return self._detail

    @property
    def summary(self) -> Any:
        """Where the tables and the page lie."""
        return self._summary

    @property
    def settings(self) -> BatchSettings | None:
        """Task, model and arguments; None before they are chosen."""
        return self._settings

    # -- what is chosen ------------------------------------------------------------------------

    def _chosen_inputs(self) -> BatchInputs:
        return BatchInputs(
            self._settings,
            bool(self._own.value) and self._own_matters(),
            self._inputs,
            str(self._out.value),
            bool(self._recursive.value),
            str(self._pattern.value),
            bool(self._again.value),
            bool(self._overwrite.value),
            int(self._jobs.value),
        )

    def _own_matters(self) -> bool:
        given = {} if self._settings is None else self._settings.parameters
        return any(name in given for name in OF_AN_IMAGE)

    def _show_settings(self, origin: str) -> None:
        settings = self._settings
        text = _NONE if settings is None else f"{origin}: {describe_settings(settings)}"
        self._about.value = text
        self._own.visible = self._own_matters()

    def _show_inputs(self) -> None:
        names = self._inputs
        if not names:
            self._chosen.value = "None yet. Files and folders can be dropped on the list, too."
        elif len(names) == 1:
            self._chosen.value = names[0]
        else:
            self._chosen.value = f"{len(names):,} files or folders, the first {names[0]}"

    # -- dialogs ----------------------------------------------------------------------------------

    def _ask_files(self) -> Sequence[str]:
        names, _ = QFileDialog.getOpenFileNames(self.native, "Images", recall(_REMEMBERED))
        if names:
            remember(_REMEMBERED, os.path.dirname(names[0]))
        return [str(name) for name in names]

    def _ask_folder(self, title: str) -> str:
        folder = QFileDialog.getExistingDirectory(self.native, title, recall(_REMEMBERED))
        if folder:
            remember(_REMEMBERED, str(folder))
        return str(folder)

    def _ask_settings(self) -> str:
        name, _ = QFileDialog.getOpenFileName(
            self.native, "Settings", recall(_REMEMBERED), "YAML (*.yaml *.yml);;All files (*)"
        )
        return str(name)
