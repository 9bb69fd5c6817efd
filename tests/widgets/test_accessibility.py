"""Every dock by the keyboard and by ear: names, the Tab key, large letters, a small screen."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication, QWidget

import napari_cytosynth
from napari_cytosynth.tasks.measure.table import measure
from napari_cytosynth.widgets.common.accessible import inputs, name_of

TAB = Qt.FocusPolicy.TabFocus
MANIFEST = json.loads(Path(napari_cytosynth.__file__).with_name("napari.json").read_text("utf-8"))


@pytest.fixture
def docks(viewer):
    """Title of each dock -> its form, beside a layer with a table."""
    labels = np.zeros((32, 32), np.int32)
    labels[4:9, 4:9], labels[20:30, 20:30] = 1, 2
    viewer.add_image(labels.astype(np.float32), name="cells")
    viewer.add_labels(labels, name="objects", features=measure(labels, axes="YX"))
    commands = {c["id"]: c["python_name"] for c in MANIFEST["contributions"]["commands"]}
    found: dict[str, QWidget] = {}
    for widget in MANIFEST["contributions"]["widgets"]:
        module, _, name = commands[widget["command"]].partition(":")
        form = getattr(import_module(module), name)(viewer)
        viewer.window.add_dock_widget(form, name=widget["display_name"], tabify=True)
        found[widget["display_name"]] = form.native
    QApplication.processEvents()
    assert len(found) == 8
    return found


@pytest.mark.binding
def test_every_dock_can_be_used_without_a_mouse_and_is_read_out(docks, qtbot):
    nameless, unreachable = [], []
    for title, form in docks.items():
        qtbot.keyClick(inputs(form)[0], Qt.Key.Key_Tab)
        parts = [part for part in inputs(form) if part.isVisibleTo(form)]
        assert len(parts) > 5, title
        nameless += [f"{title}: {_shown(part)}" for part in parts if not name_of(part)]
        chain = _focus_chain(form)
        unreachable += [
            f"{title}: {_shown(part)}"
            for part in parts
            if part not in chain or not part.focusPolicy() & TAB
        ]
        order = [chain.index(part) for part in parts if part in chain]
        assert order == sorted(order), f"the Tab key jumps in {title}"
    assert not nameless
    assert not unreachable


def test_large_letters_on_a_small_screen_cut_nothing(docks, viewer):
    window = viewer.window._qt_window
    window.resize(1280, 720)
    for title, form in docks.items():
        usual = form.font()
        usual.setPointSizeF(1.5 * usual.pointSizeF())
        form.setFont(usual)
        for part in form.findChildren(QWidget):
            part.setFont(usual)
        QApplication.processEvents()
        assert form.minimumSizeHint().width() < 1280 / 2, title
        assert form.minimumSizeHint().height() < 720 / 2, title


def _focus_chain(form):
    """Return the parts of a form in the order in which the Tab key comes to them."""
    chain, part = [], form.nextInFocusChain()
    while part is not form:
        chain.append(part)
        part = part.nextInFocusChain()
    return chain


def _shown(part):
    return f"{type(part).__name__} “{part.toolTip()[:40]}” in {type(part.parent()).__name__}"
