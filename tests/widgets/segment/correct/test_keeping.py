"""Corrections that are saved, loaded again, and not lost without a question."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import tifffile
from qtpy.QtCore import QEventLoop, QTimer
from qtpy.QtWidgets import QMenu, QMessageBox

from napari_cytosynth.widgets.segment.correct import keeping

BUTTONS = QMessageBox.StandardButton


def labels(widget):
    return widget._live.labels_layer.data


@pytest.fixture
def answers(monkeypatch):
    """The buttons that the user presses when asked, and the questions so far."""
    given, asked = [], []

    def warning(_parent, _title, text, buttons, _default):
        asked.append((text, buttons))
        return given.pop(0)

    monkeypatch.setattr(keeping.QMessageBox, "warning", warning)
    return given, asked


def test_saved_and_loaded_onto_the_next_run(ran, tmp_path):
    ran.correct("merge", [(7, 7), (33, 33)])
    ran._hand.looked_at.value = True
    ran.save_corrected(tmp_path / "made")
    assert ran.wait(20)
    corrected = labels(ran).copy()
    ran.run()
    assert ran.wait(20)
    assert "takes over" in ran.status.value
    assert not ran.segmentation.corrections
    ran.load_corrections(tmp_path / "made" / "labels.tif")
    assert ran.wait(20)
    np.testing.assert_array_equal(labels(ran), corrected)
    assert ran._hand.looked_at.value
    assert ran.status.value == "Loaded 1 correction; all apply."
    ran.undo()
    assert ran.wait(20)
    assert labels(ran)[7, 7] != labels(ran)[33, 33]


def test_those_of_an_earlier_result_are_taken_from_its_layer(viewer, ran):
    ran.correct("delete", [(33, 33)])
    kept = ran._live.labels_layer  # before its table was made
    ran.run()
    assert ran.wait(20)
    ran._hand.load.native.click()
    (menu,) = ran.native.findChildren(QMenu)
    assert [action.text() for action in menu.actions()] == [f"of “{kept.name}”", "from a file…"]
    menu.actions()[0].trigger()
    menu.close()
    assert ran.wait(20)
    assert not labels(ran)[33, 33]
    assert ran._has_corrections(kept)
    assert not ran._has_corrections(ran._live.labels_layer)


def test_what_does_not_apply_is_said(ran, tmp_path):
    ran.threshold.value = 0.2
    assert ran.wait(20)
    ran.correct("delete", [(55, 7)])
    ran.save_corrected(tmp_path / "made")
    assert ran.wait(20)
    ran.undo()
    ran.threshold.value = 0.5
    assert ran.wait(20)
    ran.load_corrections(tmp_path / "made")
    assert ran.wait(20)
    assert "1 of them does not apply" in ran.status.value


def test_of_another_image_they_are_refused(viewer, ran, blobs, tmp_path):
    ran.correct("delete", [(33, 33)])
    ran.save_corrected(tmp_path / "made")
    assert ran.wait(20)
    ran.image.value = viewer.add_image(blobs.T.copy(), name="other")
    ran.run()
    assert ran.wait(20)
    ran.load_corrections(tmp_path / "made")
    assert ran.wait(20)
    assert "“cells”" in ran.status.value
    assert "“other”" in ran.status.value
    assert not ran.segmentation.corrections
    ran.load_corrections(tmp_path / "nothing")
    assert ran.wait(20)
    assert ran.status.value.startswith("⚠ There is no file")


def test_what_is_saved_is_what_is_shown(ran, tmp_path):
    ran.correct("delete", [(33, 33)])
    layer = ran._live.labels_layer
    assert ran.wait(20)
    layer.features = layer.features.assign(kind=["mine"])
    ran.threshold.value = 0.2  # and at once, before the whole was labelled again
    ran.save_corrected(tmp_path / "made")
    assert ran.wait(20)
    saved = tifffile.imread(tmp_path / "made" / "labels.tif")
    np.testing.assert_array_equal(saved > 0, labels(ran) > 0)
    assert saved[55, 7]
    table = pd.read_csv(tmp_path / "made" / "table.csv")
    assert table["kind"].tolist()[:1] == ["mine"]


def test_another_result_does_not_replace_them(ran, tmp_path):
    ran.correct("delete", [(33, 33)])
    ran.save_corrected(tmp_path / "made")
    assert ran.wait(20)
    ran.undo()
    ran.correct("accept", [(7, 7)])
    ran.save_corrected(tmp_path / "made")
    assert ran.wait(20)
    assert "corrections by hand that this result does not have" in ran.status.value


def _close(viewer):
    """Close the window as a menu does, while Qt runs; return whether it was closed."""
    window, loop = viewer.window._qt_window, QEventLoop()
    QTimer.singleShot(0, lambda: (window.close(), loop.quit()))
    loop.exec()
    return window.isHidden()


def test_closing_asks_for_what_is_not_saved(viewer, ran, answers):
    given, asked = answers
    viewer.window._qt_window.show()
    ran.correct("delete", [(33, 33)])
    assert ran.wait(20)
    given.append(BUTTONS.Cancel)
    assert not _close(viewer)
    assert "“blobs – cells”" in asked[0][0]
    assert asked[0][1] & BUTTONS.Save
    assert ran.unsaved == ["blobs – cells"]
    ran.undo()  # there is nothing to lose
    assert ran.unsaved == []
    assert ran.wait(20)


def test_saved_on_the_way_out(ran, answers, monkeypatch, tmp_path):
    given, asked = answers
    ran.correct("delete", [(33, 33)])
    assert ran.wait(20)
    folder = str(tmp_path / "made")
    monkeypatch.setattr(keeping.QFileDialog, "getExistingDirectory", lambda *_: "")
    given.append(BUTTONS.Save)
    assert not ran._may_close()  # no folder was chosen
    monkeypatch.setattr(keeping.QFileDialog, "getExistingDirectory", lambda *_: folder)
    given.append(BUTTONS.Save)
    assert ran._may_close()
    assert (tmp_path / "made" / "labels.tif").exists()
    assert ran._may_close()  # is not asked again
    assert len(asked) == 2


def test_earlier_results_are_named_until_their_corrections_are_saved(ran, answers, tmp_path):
    given, asked = answers
    ran.correct("delete", [(33, 33)])
    assert ran.wait(20)
    kept = ran._live.labels_layer
    ran.run()
    assert ran.wait(20)
    assert ran.unsaved == [kept.name]
    given.append(BUTTONS.Discard)
    assert ran._may_close()
    assert not asked[0][1] & BUTTONS.Save
    ran.load_corrections(kept)
    assert ran.wait(20)
    ran.save_corrected(tmp_path / "made")
    assert ran.wait(20)
    assert ran.unsaved == []
