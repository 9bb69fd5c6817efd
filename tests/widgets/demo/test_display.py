"""The demo says so where no window can be opened, instead of ending in Qt."""

from __future__ import annotations

import sys

import pytest

from napari_cytosynth.cli import main
from napari_cytosynth.widgets.demo import display

pytestmark = pytest.mark.skipif(
    sys.platform in ("win32", "darwin"), reason="windows have their place there"
)


@pytest.fixture(autouse=True)
def no_display(monkeypatch) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("line", ["demo", "demo --headless"])
def test_no_display_is_a_sentence(line, capsys) -> None:
    assert main(line.split()) == 1
    shown = capsys.readouterr().err
    assert "There is no display" in shown
    assert "xvfb-run -a cytosynth demo --headless" in shown
    assert len(shown.splitlines()) == 1


def test_a_display_that_qt_cannot_use_is_a_sentence(monkeypatch, capsys) -> None:
    monkeypatch.setenv("DISPLAY", ":9753")
    assert main(["demo"]) == 1
    shown = capsys.readouterr().err
    assert "Qt cannot open a window" in shown
    assert ":9753" in shown
    assert "xvfb-run" in shown


def test_a_platform_without_a_screen_is_one_too(monkeypatch) -> None:
    monkeypatch.setenv("QT_QPA_PLATFORM", "offscreen")
    display.check_display()
