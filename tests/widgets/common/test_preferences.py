"""The page in napari's preferences and the settings of this package are one."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

import pytest
from npe2 import PluginManifest
from packaging.version import Version

import napari_cytosynth
from napari_cytosynth.widgets import samples
from napari_cytosynth.widgets.common import preferences
from napari_cytosynth.zoo.collection.stars import star, unstar
from napari_cytosynth.zoo.settings import UserSettings, change_settings, user_settings

MANIFEST = Path(napari_cytosynth.__file__).with_name("napari.json")
NEW = Version(version("napari")) >= Version("0.9")
follow = preferences.follow_napari
find_page = preferences._page  # before the fixture of all widgets' tests replaces it


@pytest.fixture
def page(request, monkeypatch):
    """napari's values, in a folder of the test's own."""
    if not NEW:
        pytest.skip("napari before 0.9 has no preferences of plugins")
    request.getfixturevalue("plugin_settings")
    manager = request.getfixturevalue("npe2pm")
    monkeypatch.setattr(preferences, "_page", find_page)
    manager.register(PluginManifest.from_file(MANIFEST))
    follow()
    return find_page()


def test_what_is_changed_in_napari_holds_at_once(page):
    page.offline = True
    page.segment = "em-cells-unet"
    page.device = "cpu"
    assert user_settings().offline
    assert user_settings().models == {"segment": "em-cells-unet"}
    assert user_settings().device == "cpu"
    page.offline, page.segment = False, ""
    assert (user_settings().offline, user_settings().models) == (False, {})


def test_what_is_changed_elsewhere_is_shown_in_napari(page):
    star("nuclei-wgan")
    change_settings(offline=True)
    follow()
    assert (page.generate, page.offline) == ("nuclei-wgan", True)
    unstar("generate")
    follow()
    assert (page.generate, page.offline) == ("", True)


def test_a_change_in_napari_while_no_widget_listens_is_not_lost(page):
    star("nuclei-wgan")
    follow()
    page.events.disconnect(preferences._on_change)
    preferences._followed.clear()
    page.generate = "nuclei-vae"
    page.segment = "em-cells-unet"
    follow()
    assert user_settings().models == {"generate": "nuclei-vae", "segment": "em-cells-unet"}


def test_a_device_that_the_page_does_not_offer_stays(page):
    change_settings(device="cuda:1")
    follow()
    follow()
    assert user_settings().device == "cuda:1"
    assert page.device == "auto"


def test_without_such_a_page_nothing_happens(monkeypatch):
    monkeypatch.setattr("napari.settings.get_plugin_settings", lambda *_: {}[0], raising=False)
    assert find_page() is None
    monkeypatch.delattr("napari.settings.get_plugin_settings")
    assert find_page() is None
    follow()
    assert user_settings() == UserSettings()


def test_offline_no_sample_is_downloaded(monkeypatch, tmp_path):
    from napari_cytosynth.errors import NetworkError

    monkeypatch.setattr("pooch.os_cache", lambda _: tmp_path)
    monkeypatch.setattr("pooch.retrieve", lambda *_, **__: pytest.fail("it was asked for"))
    change_settings(offline=True)
    with pytest.raises(NetworkError, match="“offline” in the preferences forbids the network"):
        samples.vnc_em()
