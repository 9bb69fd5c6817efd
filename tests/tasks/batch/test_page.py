from __future__ import annotations

import base64
import io
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from napari_cytosynth.tasks.batch.records import BatchItem, BatchOutcome
from napari_cytosynth.tasks.batch.report.page import MOST_PICTURES, batch_page, by_attention
from napari_cytosynth.tasks.batch.report.thumbnails import SIDE, middle_plane, thumbnail

NASTY = "<script>alert(1)</script> & \"é\" #1 'x' \udcff\x1b.tif"
PNG = thumbnail(np.eye(8), None)


def _outcome(name, state="done", **values):
    item = BatchItem(Path(name), name, stem=name.removesuffix(".tif"))
    return BatchOutcome(item, state, thumbnail=PNG, **values)


class _Reader(HTMLParser):
    def __init__(self, text) -> None:
        super().__init__()
        self.tags, self.links, self.texts = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.links += [value for name, value in attributes if name in ("src", "href")]

    def handle_data(self, data):
        self.texts.append(data)


def test_the_page_holds_all_that_it_shows_and_nothing_runs_in_it() -> None:
    files = (f"sub #1/{NASTY}-labels.tif", "x-table.csv")
    outcomes = [_outcome(NASTY, files=files, count=3, messages=(NASTY,))]
    outcomes.append(_outcome("b.tif", "failed", sentence=f"It {NASTY} broke."))
    text = batch_page("segment", outcomes, [("model", NASTY)])
    text.encode("utf-8")
    page = _Reader(text)
    assert not {"script", "link", "iframe", "object"} & set(page.tags)
    (link, picture) = sorted(page.links)
    assert link.startswith("./sub%20%231/%3Cscript")
    assert picture.startswith("data:image/png;base64,")
    assert "//" not in re.sub(r"base64,[\w+/=]+", "", text)  # no address of any server
    shown = "".join(page.texts)
    assert "<script>alert(1)</script>" in shown
    assert "\x1b" not in text
    assert "1 of 2 images segmented, 1 failed" in shown
    assert "3 objects" in shown


def test_the_doubtful_ones_stand_first_then_those_of_low_confidence() -> None:
    outcomes = [
        _outcome("sure.tif", confidence=0.9),
        _outcome("unsure.tif", "skipped", confidence=0.3),
        _outcome("unlike.tif", confidence=0.95, doubt="It is unlike the training."),
        _outcome("lost.tif", "failed", sentence="It is broken."),
    ]
    names = [outcome.item.name for outcome in by_attention(outcomes)]
    assert names == ["unlike.tif", "unsure.tif", "sure.tif"]
    text = batch_page("stain", outcomes, [])
    places = [text.index(name) for name in ("lost.tif", *names)]
    assert places == sorted(places)
    assert "3 of 4 images stained, 1 doubtful, 1 failed" in text
    assert 'class="doubt"' in text
    quiet = batch_page("stain", outcomes[:2], [])
    assert 'class="doubt"' not in quiet
    assert 'class="failed"' not in quiet
    assert "doubtful" not in quiet


def test_a_browser_is_spared_thousands_of_pictures() -> None:
    outcomes = [_outcome(f"{n}.tif") for n in range(MOST_PICTURES + 7)]
    text = batch_page("segment", outcomes, [])
    assert text.count("<img") == MOST_PICTURES
    assert "Further results (7), without pictures" in text
    assert f"{MOST_PICTURES + 6}.tif" in text


def _opened(png):
    return np.asarray(Image.open(io.BytesIO(png)))


def test_a_thumbnail_is_small_and_shows_the_outlines() -> None:
    image = np.tile(np.linspace(0, 1, 1000), (500, 1))
    labels = np.zeros((500, 1000), int)
    labels[100:300, 200:600] = 4
    found = _opened(thumbnail(image, labels))
    assert found.shape == (100, 200, 3)
    assert max(found.shape) <= SIDE
    yellow = (found == (255, 210, 0)).all(axis=-1)
    assert yellow[30, 39]
    assert not yellow[30, 80]
    plain = _opened(thumbnail(image, None))
    assert (plain[:, 0] < plain[:, -1]).all()
    wide = _opened(thumbnail(image, labels, [image, image]))
    assert wide.shape == (100, 600, 3)


@pytest.mark.parametrize("value", [0, np.nan, np.inf, 1e30])
def test_an_image_without_contrast_has_a_thumbnail_too(value) -> None:
    assert _opened(thumbnail(np.full((8, 9), value, np.float32), None)).shape == (8, 9, 3)
    assert thumbnail(None, None) == b""
    assert thumbnail(np.zeros((0, 4)), None) == b""
    assert base64.b64encode(thumbnail(None, np.eye(5, dtype=int)))


def test_the_middle_plane_is_that_of_each_axis() -> None:
    data = np.arange(3 * 2 * 4 * 5).reshape(3, 2, 4, 5)
    np.testing.assert_array_equal(middle_plane(data, "ZCYX", 1), data[1, 1])
    np.testing.assert_array_equal(middle_plane(data, "ZCYX", 0, (2,)), data[2, 0])
    np.testing.assert_array_equal(middle_plane(data, None), data[1, 1])
    np.testing.assert_array_equal(middle_plane(data[0, 0], "YX"), data[0, 0])
    np.testing.assert_array_equal(middle_plane(np.moveaxis(data[0], 0, -1), "YXC"), data[0, 0])
