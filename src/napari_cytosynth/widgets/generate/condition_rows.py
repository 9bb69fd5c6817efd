"""Rows of a form for the conditions of a generator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from magicgui.widgets import CheckBox, Container, FloatSpinBox

from napari_cytosynth.errors import InputError
from napari_cytosynth.widgets.common.parts import plain_tooltip

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_cytosynth.zoo.card import Condition

__all__ = ["ConditionRows"]

_STEPS = 20


class ConditionRows(Container[Any]):
    """One row for each condition: a tick box that enables it, and its value."""

    def __init__(self) -> None:
        self._rows: dict[str, tuple[CheckBox, FloatSpinBox]] = {}
        super().__init__(labels=False, name="conditions", label="ask for", visible=False)
        self.margins = (0, 0, 0, 0)

    def offer(self, conditions: Sequence[Condition]) -> None:
        """Show the conditions of a model, all of them disabled."""
        self.clear()
        self._rows = {condition.name: _row(condition) for condition in conditions}
        for tick, value in self._rows.values():
            line: Container[Any] = Container(
                widgets=[tick, value], layout="horizontal", labels=False
            )
            line.margins = (0, 0, 0, 0)
            self.append(line)
        self.visible = bool(conditions)

    def values(self) -> dict[str, float] | None:
        """Return the enabled conditions in the units of the model's card; None without any."""
        enabled = {name: value.value for name, (tick, value) in self._rows.items() if tick.value}
        return enabled or None

    def ask_for(self, name: str, value: float | None) -> None:
        """Set and enable a condition, or disable it with None.

        Raises
        ------
        InputError
            The model does not have this condition.
        """
        if name not in self._rows:
            known = ", ".join(self._rows) or "none"
            raise InputError(f"The model knows no property “{name}”. It knows: {known}.")
        tick, box = self._rows[name]
        tick.value = value is not None
        if value is not None:
            box.value = value


def _row(condition: Condition) -> tuple[CheckBox, FloatSpinBox]:
    low, high = condition.low, condition.high
    tip = f"{condition.description or condition.name}. Usual in training: {low:.3g} to {high:.3g}."
    tick = CheckBox(text=condition.name, tooltip=plain_tooltip(f"Ask for this. {tip}"))
    middle = min(max(condition.mean, low), high)
    step = (high - low) / _STEPS or 1.0
    value = FloatSpinBox(value=middle, min=low, max=high, step=step, enabled=False)
    value.tooltip = plain_tooltip(tip)
    tick.changed.connect(lambda ticked: setattr(value, "enabled", ticked))
    return tick, value
