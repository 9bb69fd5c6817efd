"""Figures on disk: what is asked for is in them, as paths and text, with the settings."""

from __future__ import annotations

import json
import re
import sys
import xml.etree.ElementTree as ET
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import napari_cytosynth as cytosynth
from napari_cytosynth.errors import Cancelled, InputError, OutputError
from napari_cytosynth.tasks.export.inspection import AS_WRITTEN, find_provenance
from napari_cytosynth.tasks.export.records import embedded_record
from napari_cytosynth.tasks.look.figure.drawing import scale_bar

pytest.importorskip("matplotlib")
SVG = "{http://www.w3.org/2000/svg}"
LIT = "#ff1a99"


@pytest.fixture
def labels():
    found = np.zeros((60, 80), np.int32)
    found[5:15, 5:15], found[20:40, 30:60], found[50:58, 70:78] = 1, 2, 7
    found[25:30, 40:45] = 0  # a hole
    return found


@pytest.fixture
def image(labels):
    return np.where(labels > 0, 200.0, 10.0).astype(np.float32)


@pytest.fixture
def table():
    return pd.DataFrame(
        {"label": [1, 2, 7], "area_px": [100.0, 575.0, 64.0], "a $b$ < c & d": [1.0, np.nan, 3.0]}
    )


def texts(file):
    return [one.text for one in ET.parse(file).iter(f"{SVG}text")]


def outline_paths(file):
    group = ET.parse(file).find(f".//{SVG}g[@id='outlines']")
    defs = {p.get("id"): p.get("d") for p in group.iter(f"{SVG}path") if p.get("id")}
    uses = list(group.iter(f"{SVG}use"))
    if uses:
        link = "{http://www.w3.org/1999/xlink}href"
        return [(defs[one.get(link)[1:]], one.get("style")) for one in uses]
    return [(p.get("d"), p.get("style")) for p in group.iter(f"{SVG}path")]


def test_both_files_hold_the_settings_and_the_svg_paths_and_text(labels, image, table, tmp_path):
    written = cytosynth.save_figure(
        tmp_path / "cells", image, labels, table, filters={"area_px": (70, 600)},
        color_by="area_px", selected=[1], histogram="area_px", scatter=("area_px", "a $b$ < c & d"),
        pixel_size=0.5,
    )  # fmt: skip
    assert [file.name for file in written.files] == ["cells.png", "cells.svg"]
    assert written.messages == ()
    for file in written.files:
        record = embedded_record(file)
        assert record["filters"] == [{"column": "area_px", "between": [70.0, 600.0]}]
        assert record["color_by"] == "area_px"
        assert record["pixel_size_um"] == [0.5, 0.5]
        assert record["scatter"] == ["area_px", "a $b$ < c & d"]
        (finding,) = find_provenance(file)
        assert finding.states == {file.name: AS_WRITTEN}
    svg = written.files[1]
    said = texts(svg)
    assert "10 µm" in said
    assert "2 of 3 objects · 70 ≤ area_px ≤ 600" in said
    assert "a $b$ < c & d" in said
    assert said.count("area_px") == 3  # colour bar, and the X axis of both plots
    assert "selected" in said
    paths = outline_paths(svg)
    assert len(paths) == 2  # the third does not pass
    assert paths[0][1].count(LIT) == 1  # selected
    assert paths[1][0].count("z") == 2  # with its hole
    assert "#fde725" in paths[1][1]  # the brightest of viridis
    with Image.open(written.files[0]) as picture:
        assert picture.width == 2100
        assert json.loads(picture.info["napari-cytosynth"])["task"] == "figure"


def test_without_pixel_size_table_and_image_it_is_drawn_and_says_so(labels, tmp_path):
    written = cytosynth.save_figure(tmp_path / "plain.svg", None, labels)
    assert [file.name for file in written.files] == ["plain.svg"]
    assert written.messages == ("The pixel size is unknown: there is no scale bar.",)
    assert not [text for text in texts(written.files[0]) if "m" in text and text[0].isdigit()]
    assert len(outline_paths(written.files[0])) == 3


def test_the_image_is_where_its_objects_are(labels, image, tmp_path):
    image[39, 59] = 400  # the brightest: the object is grey, its hole black
    file = tmp_path / "part.png"
    cytosynth.save_figure(file, image, labels, region=((20, 40), (30, 60)))
    pixels = np.asarray(Image.open(file).convert("L")).astype(int)
    drawn = pixels < 250
    rows = np.flatnonzero(drawn.sum(1) > drawn.shape[1] // 2)
    columns = np.flatnonzero(drawn.sum(0) > drawn.shape[0] // 2)
    axes = pixels[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]

    def at(y, x):
        return axes[int(y / 20 * len(axes)), int(x / 30 * axes.shape[1])]

    assert at(7.5, 12.5) < 20
    for place in ((3, 12.5), (12, 12.5), (7.5, 8), (7.5, 17)):
        assert 100 < at(*place) < 150
    assert embedded_record(file)["region"] == [[20, 40], [30, 60]]


def test_a_stack_asks_for_its_plane(labels, image, tmp_path):
    stack = np.stack([labels * 0, labels])
    with pytest.raises(InputError, match="say which one"):
        cytosynth.save_figure(tmp_path / "a.svg", None, stack)
    written = cytosynth.save_figure(tmp_path / "a.svg", np.stack([image] * 2), stack, plane=(1,))
    assert "plane 1 (from 0)" in texts(written.files[0])
    assert len(outline_paths(written.files[0])) == 3
    with pytest.raises(InputError, match="no plane"):
        cytosynth.save_figure(tmp_path / "b.svg", None, stack, plane=(2,))


def test_a_large_plane_is_reduced_and_says_so(tmp_path):
    labels = np.zeros((40, 5000), np.int32)
    labels[10:20, 100:200] = 1
    written = cytosynth.save_figure(tmp_path / "wide.png", labels * 9.0, labels, pixel_size=1)
    assert written.messages == (
        "Its image is reduced by 3 in each direction; the outlines are not.",
    )


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"color_by": "nothing"}, "no column “nothing”"),
        ({"filters": {"area_px": 3}}, "two values"),
        ({"region": ((0, 90), (0, 10))}, "within 60 × 80 px"),
        ({"image": np.zeros((3, 3))}, "must be the same"),
        ({"labels": np.zeros((4, 4))}, "whole numbers"),
        ({"labels": np.zeros((0, 4), int)}, "no pixels"),
        ({"table": None, "histogram": "area_px"}, "have no table"),
    ],
)
def test_what_cannot_be_drawn_is_a_sentence(labels, image, table, tmp_path, changes, words):
    given = {"image": None, "labels": labels, "table": table} | changes
    with pytest.raises(InputError, match=re.escape(words)):
        cytosynth.save_figure(tmp_path / "a.png", **given)
    assert not list(tmp_path.iterdir())


def test_files_are_not_replaced_unasked_and_places_are_checked(labels, tmp_path):
    (tmp_path / "a.png").write_text("mine")
    with pytest.raises(OutputError, match="is there already"):
        cytosynth.save_figure(tmp_path / "a", None, labels)
    assert (tmp_path / "a.png").read_text() == "mine"
    cytosynth.save_figure(tmp_path / "a", None, labels, overwrite=True)
    assert embedded_record(tmp_path / "a.png")
    with pytest.raises(OutputError, match="in the way"):
        cytosynth.save_figure(tmp_path / "a.png" / "b.svg", None, labels)


def test_it_is_cancelled_and_leaves_nothing(labels, tmp_path):
    def stop(*_):
        raise Cancelled("Stopped.")

    with pytest.raises(Cancelled):
        cytosynth.save_figure(tmp_path / "a", None, labels, progress=stop)
    assert not list(tmp_path.iterdir())


def test_a_missing_library_is_the_line_that_installs_it(labels, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(InputError, match=re.escape('pip install "napari-cytosynth[plots]"')):
        cytosynth.save_figure(tmp_path / "a", None, labels)


@pytest.mark.parametrize(
    ("width", "size", "text", "px"),
    [
        (512, 0.5, "50 µm", 100),
        (100, 0.01, "200 nm", 20),
        (10_000, 2.0, "5 mm", 2500),
        (7, 1.0, "1 µm", 1),
        (8, 2.5, "5 µm", 2),
    ],
)
def test_the_scale_bar_is_a_round_length(width, size, text, px):
    length, said = scale_bar(width, size)
    assert said == text
    assert length == pytest.approx(px)


@dataclass
class Colormap:
    top: tuple

    def map(self, values):
        return np.asarray(values)[:, None] * np.array([*self.top, 1.0])


@dataclass
class Layer:
    """An image layer as napari has it, as far as it is read."""

    data: np.ndarray
    name: str = "layer"
    rgb: bool = False
    multiscale: bool = False
    scale: tuple = (1.0, 1.0)
    translate: tuple = (0.0, 0.0)
    metadata: dict = field(default_factory=dict)
    _type_string: str = "image"
    axis_labels: tuple = ("y", "x")
    contrast_limits: tuple = (0.0, 1.0)
    colormap: Colormap = field(default_factory=lambda: Colormap((1, 1, 1)))
    opacity: float = 1.0
    gamma: float = 1.0
    blending: str = "translucent"


def test_the_legend_says_what_was_not_measured(labels, image, tmp_path):
    stain = {"napari-cytosynth": {"task": "stain", "stain": "DNA", "role": "mean"}}
    made = {"napari-cytosynth": {"task": "generate", "synthetic": True}}
    given = [
        Layer(image, "phase"),
        Layer(image, "DNA", metadata=stain),
        Layer(image, "nuclei", metadata=made),
    ]
    written = cytosynth.save_figure(tmp_path / "a.svg", given, labels)
    assert {"phase", "DNA (virtual stain)", "nuclei (synthetic)"} <= set(texts(written.files[0]))
