"""The choice of a model: those on this machine, a folder, or a Hub repository."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from magicgui.widgets import ComboBox
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QComboBox

from napari_cytosynth.errors import CytosynthError
from napari_cytosynth.zoo.opening import existing_path
from napari_cytosynth.zoo.text import one_line

from .parts import plain_tooltip

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from napari_cytosynth.zoo.card import ModelCard
    from napari_cytosynth.zoo.catalogue import ModelInfo

__all__ = ["CHOOSE", "OTHER", "ModelChoice"]

CHOOSE = "choose a model…"
OTHER = "folder or Hub id…"
_BEST_METRICS = 3
_LONGEST_ROW = 80  # characters of a choice that was typed in
_VALUE: Any = ComboBox.value  # the property, to be widened below


class ModelChoice(ComboBox):
    """A combobox of models that also takes the path of a folder or a Hub id as its value.

    Parameters
    ----------
    list_models
        Lists the models of a task. None (default): those on this machine.
    task
        Task of the models. Default: ``segment``.
    ask
        Begin without a model, at the row `CHOOSE`. Default: False, with the first model.
    """

    def __init__(
        self,
        list_models: Callable[[str], list[ModelInfo]] | None = None,
        *,
        task: str = "segment",
        ask: bool = False,
        **kwargs: Any,
    ) -> None:
        self._list_models = list_models
        self._task = task
        self._ask = ask
        self._extra: list[str] = []
        self._infos: dict[str, ModelInfo] = {}
        self._known: list[ModelInfo] | None = None
        self._suits: Callable[[ModelCard], bool] | None = None
        super().__init__(choices=self._model_choices, **kwargs)
        self.native.setSizeAdjustPolicy(
            QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
        )
        self.native.setMinimumContentsLength(16)

    @property
    def value(self) -> str:
        """Source of the model, as `load_model` takes it, or `OTHER` or `CHOOSE`."""
        return str(_VALUE.fget(self))

    @value.setter
    def value(self, value: str | Path) -> None:
        text = str(value).replace("\0", "").encode("utf-8", "replace").decode("utf-8")
        if text not in self.choices:
            self._extra.append(text)
            self.reset_choices()
        _VALUE.fset(self, text)

    def reset_choices(self, *_: Any) -> None:
        """List the choices again and put each one's description into its tooltip."""
        super().reset_choices()
        for row, source in enumerate(self.choices):
            tip = plain_tooltip(self.details(str(source)))
            self.native.setItemData(row, tip, Qt.ItemDataRole.ToolTipRole)

    def refresh(self) -> None:
        """Search this machine for models again; `reset_choices` keeps the last list."""
        self._known = None
        self.reset_choices()

    def limit_to(self, suits: Callable[[ModelCard], bool] | None) -> None:
        """Offer only those of this machine whose card suits; None offers all.

        What was typed in stays: it may not be on this machine.
        """
        self._suits = suits
        self.refresh()

    def offer(self, task: str) -> None:
        """Offer the models of another task, and begin without one."""
        if task != self._task:
            self._task, self._extra, self._suits = task, [], None
            self.refresh()
            self.value = CHOOSE if self._ask else str(self.choices[0])

    def card(self, source: str | None = None) -> ModelCard | None:
        """Return the card of a model, or None where it is not on this machine.

        Parameters
        ----------
        source
            As `load_model` takes it. Default: None, the chosen model.
        """
        from napari_cytosynth.zoo.model_files import read_card

        path = self._place(self.value if source is None else source)
        try:
            return read_card(path) if path is not None else None
        except CytosynthError:  # Run shows the error
            return None

    def summary(self) -> str:
        """Return one line on the chosen model: title, pixel size, file size, licence."""
        card, path = self.card(), self._place(self.value)
        if card is None or path is None:
            shown = _short(self.value)
            no_model = self.value in (OTHER, CHOOSE)
            return "" if no_model else f"{shown}: downloaded at the first run"
        size = _megabytes(_weights_size(path))
        facts = (card.title, _pixel_size(card.inference.pixel_size_um), size, card.licence)
        return " · ".join(fact for fact in facts if fact)

    def details(self, source: str) -> str:
        """Return the tooltip of a choice."""
        info = self._infos.get(source)
        if source == CHOOSE:
            return "No model yet: choose the one that was trained on images like yours."
        if info is None:
            return (
                "A folder with config.json and model.safetensors, or a repository on the "
                "Hugging Face Hub, as organisation/name"
            )
        lines = [
            info.title,
            f"Name: {info.name}",
            f"Trained at: {_pixel_size(info.pixel_size_um) or 'pixel size unknown'}",
            f"File size: {_megabytes(info.size_bytes)}",
            f"Licence: {info.licence or 'unknown'}",
        ]
        lines += [f"{m.name}: {m.value:.3g} ({m.dataset})" for m in info.metrics[:_BEST_METRICS]]
        return "\n".join(line for line in lines if line)

    def knows(self, source: str) -> bool:
        """Return whether a model can be used without asking the Hub."""
        return source in self._infos or (bool(source) and existing_path(source) is not None)

    def suited(self, kind: str) -> str | None:
        """Return the first model that was trained on a kind of microscopy; None without one."""
        from napari_cytosynth.tasks.common.looks import trained_on

        return next((s for s, card in self._cards() if trained_on(card) == kind), None)

    def _cards(self) -> Iterator[tuple[str, ModelCard]]:
        from napari_cytosynth.zoo.model_files import read_card

        for source, info in self._infos.items():
            try:
                yield source, read_card(info.path)
            except CytosynthError:  # Run shows the error
                continue

    def _place(self, source: str) -> Path | None:
        """Return where a model lies on this machine, whatever the text is."""
        if source in (OTHER, CHOOSE):
            return None
        info = self._infos.get(source)
        return existing_path(info.path if info else source)

    def _model_choices(self, _: Any = None) -> list[tuple[str, str]]:
        infos = self._known = self._suitable() if self._known is None else self._known
        self._infos = {info.source: info for info in infos}
        names = Counter(info.name for info in infos)  # a row stands for the model of its text
        rows = [(i.name if names[i.name] == 1 else i.source, i.source) for i in infos]
        rows += [(_short(text), text) for text in self._extra if text not in self._infos]
        return [*([(CHOOSE, CHOOSE)] if self._ask else []), *rows, (OTHER, OTHER)]

    def _suitable(self) -> list[ModelInfo]:
        from napari_cytosynth.zoo.model_files import read_card

        suits, infos = self._suits, self._models()
        if suits is None:
            return infos
        found = []
        for info in infos:
            try:
                found += [info] if suits(read_card(info.path)) else []
            except CytosynthError:  # Run would show the error
                continue
        return found

    def _models(self) -> list[ModelInfo]:
        if self._list_models is not None:
            return self._list_models(self._task)
        from napari_cytosynth.zoo.catalogue import list_models

        try:
            return list_models(self._task)
        except CytosynthError:  # one broken copy must not hide all the others
            return []


def _short(source: str) -> str:
    path = existing_path(source)
    return one_line(path.name if path else source, _LONGEST_ROW)


def _pixel_size(size_um: float | None) -> str:
    if size_um is None:
        return ""
    return f"{size_um * 1000:.3g} nm/px" if size_um < 0.1 else f"{size_um:.3g} µm/px"


def _weights_size(path: Path) -> int:
    file = path / "model.safetensors" if path.is_dir() else path
    return file.stat().st_size if file.is_file() else 0


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.2g} MB" if size else ""
