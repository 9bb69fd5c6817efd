"""What is kept can be copied, and published after a look at what would be uploaded."""

from __future__ import annotations

import pytest
from qtpy.QtWidgets import QMessageBox

import napari_cytosynth as cytosynth
from napari_cytosynth.zoo import hub
from napari_cytosynth.zoo.hub import Publication

BUTTONS = QMessageBox.StandardButton


@pytest.fixture
def kept(filled):
    assert filled._sharing.row.native.isHidden()
    filled.run()
    assert filled.wait(200)
    filled.keep()
    assert not filled._sharing.row.native.isHidden()
    return filled


def test_a_kept_model_is_shared(kept, tmp_path, monkeypatch):
    kept._sharing.export(tmp_path)
    assert kept._sharing.jobs.wait(200)
    assert kept.status.value.startswith("Copied to")
    assert cytosynth.load_model(tmp_path / "tiny").card.inference.task == "segment"

    asked, uploads = [], []
    answers = [BUTTONS.Yes, BUTTONS.No]

    def publish(folder, repository, *, dry_run):
        uploads.append(dry_run)
        return Publication(repository, {"model.safetensors": 1234}, None if dry_run else "abc")

    def question(_parent, _title, text, *_):
        asked.append(text)
        return answers.pop()

    monkeypatch.setattr(hub, "publish", publish)
    monkeypatch.setattr(QMessageBox, "question", question)
    for said in ("Nothing was uploaded.", "Published as my-lab/tuned, commit abc."):
        kept._sharing.publish("my-lab/tuned")
        assert kept._sharing.jobs.wait(200)
        assert kept.status.value == said
    assert uploads == [True, True, False]
    assert "public as my-lab/tuned" in asked[0]
    assert "1,234 bytes" in asked[0]


def test_what_cannot_be_published_is_told(kept):
    kept._sharing.publish("no repository")
    assert kept._sharing.jobs.wait(200)
    assert "⚠" in kept.status.value
    kept.run()
    assert kept._sharing.row.native.isHidden()
    assert kept.wait(200)
