"""Searching, fetching, stopping: the real client of the Hub against a small Hub."""

from __future__ import annotations

import shutil
import threading
import time

NEXT = "89abcdef0123456789abcdef0123456789abcdef"


def row(widget, source):
    return next(row for row in widget.rows if row.source == source)


def test_nothing_is_asked_before_the_button_and_then_models_are_found(hub_client, models):
    assert hub_client.requests == []
    models.search()
    assert models.wait(30)
    assert models.status.value == "The Hub has 2 models for this plugin."
    assert models.chosen.source == "org/tiny"  # the first that is not here
    assert "not on this computer" in models.details.value
    assert "A tiny random network" in models.details.value
    models.fetch()
    assert models.wait(30)
    assert models.status.value == "org/tiny is on this computer now."
    assert models.chosen.place == "downloaded"
    assert "Revision: 0123456789, the newest" in models.details.value
    assert not models._actions["fetch"].enabled


def test_a_newer_revision_is_offered_and_fetched(hub_client, models, model_folder):
    models.search()
    models.wait(30)
    models.choose("org/tiny")
    models.fetch()
    models.wait(30)
    repository = hub_client.root / "org" / "tiny"
    shutil.copytree(model_folder, repository / NEXT)
    (repository / "main").write_text(NEXT)
    models.search()
    models.wait(30)
    assert "89abcdef01 is newer" in models.details.value
    models.fetch()
    models.wait(30)
    assert row(models, "org/tiny").revision == NEXT


def test_a_download_shows_bytes_stops_at_once_and_goes_on(hub_client, models, qtbot, model_folder):
    models.search()
    models.wait(30)
    models.choose("stuck/tiny")
    models.fetch()
    qtbot.waitUntil(lambda: " MB" in models.status.value and models._bar.value() > 0, timeout=20000)
    start = time.monotonic()
    models.cancel()
    assert models.wait(30)
    assert time.monotonic() - start < 5  # a second, and a busy machine
    assert models.status.value.startswith("Stopped.")
    hub_client.released.set()
    for thread in threading.enumerate():
        if thread.name.startswith("Downloading"):
            thread.join(30)
    models.refresh()
    models.wait(30)
    assert "have arrived" in models.details.value
    models.fetch()
    assert models.wait(30)
    assert row(models, "stuck/tiny").origin == "hub"
    assert any(hub_client.starts)


def test_offline_it_says_so(hub_client, models, monkeypatch):
    monkeypatch.setenv("CYTOSYNTH_OFFLINE", "1")
    models.status.value = ""
    models.refresh()
    models.wait(30)
    assert "Offline: CYTOSYNTH_OFFLINE forbids the network." in models.status.value
    models.search()
    models.wait(30)
    assert models.status.value == (
        "⚠ The Hub cannot be searched: CYTOSYNTH_OFFLINE forbids the network."
    )
    assert hub_client.requests == []
