"""The page of this plugin in napari's preferences, from napari 0.9 on.

napari keeps those values in a file of its own, which neither commands nor scripts read. Both are
compared whenever a widget opens or something changes, and what was changed last wins: a value
of napari's that is not the one last seen is the user's choice there.
"""

from __future__ import annotations

from typing import Any

from napari_cytosynth.errors import OutputError
from napari_cytosynth.zoo.settings import VERBS, UserSettings, change_settings, user_settings

__all__ = ["follow_napari"]

_PLUGIN = "napari-cytosynth"
_NAMES = ("device", "offline", *VERBS)
_followed: list[Any] = []
"""The page that is listened to."""
_at_work: list[bool] = []
"""Not empty while the two are compared: what that changes is no change of the user's."""


def follow_napari() -> None:
    """Take over what was changed in napari's preferences, show there what was changed elsewhere.

    Where napari has no such page (before 0.9), or the plugin's page is not there, nothing
    happens.
    """
    page = _page()
    if page is None:
        return
    if not any(each is page for each in _followed):
        _followed[:] = [page]
        page.events.connect(_on_change)
    _compare(page)


def _page() -> Any:
    """Return the values of napari's page for this plugin; None without one."""
    try:
        from napari.settings import get_plugin_settings
    except ImportError:  # napari before 0.9
        return None
    try:
        return get_plugin_settings(_PLUGIN).models
    except (KeyError, AttributeError):  # the plugin is disabled
        return None


def _on_change(*_: Any) -> None:
    if _followed:
        _compare(_followed[0])


def _compare(page: Any) -> None:
    if _at_work:
        return
    _at_work.append(True)
    try:
        settings, there = user_settings(), _shown(page)
        seen = _DEFAULTS | settings.in_napari
        changed = {name: value for name, value in there.items() if value != seen[name]}
        wanted = _values(settings) | changed
        for name, value in wanted.items():
            if there[name] != value:
                _show(page, name, value)
        if wanted != _values(settings) or _shown(page) != seen:
            _store(wanted, _shown(page))
    finally:
        _at_work.clear()


def _store(values: dict[str, Any], shown: dict[str, Any]) -> None:
    models = {verb: values[verb] for verb in VERBS if values[verb]}
    own = {"device": values["device"], "offline": values["offline"], "models": models}
    try:
        change_settings(**own, in_napari=shown)
    except OutputError:  # they hold until the end of this program
        return


def _shown(page: Any) -> dict[str, Any]:
    return {name: getattr(page, name) for name in _NAMES}


def _show(page: Any, name: str, value: Any) -> None:
    try:
        setattr(page, name, value)
    except ValueError:  # a device such as cuda:1 is no choice of that page
        return


def _values(settings: UserSettings) -> dict[str, Any]:
    models = {verb: settings.models.get(verb, "") for verb in VERBS}
    return {"device": settings.device, "offline": settings.offline, **models}


_DEFAULTS = _values(UserSettings())
