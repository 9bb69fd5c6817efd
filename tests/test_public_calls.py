"""Random calls of all public functions: nothing comes out but a result or one of our errors."""

from __future__ import annotations

import datetime
import os
import time
import warnings
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

import napari_cytosynth as cytosynth
from napari_cytosynth import phantoms
from napari_cytosynth.errors import Cancelled, CytosynthError
from napari_cytosynth.tasks.stain.comparison import compare
from napari_cytosynth.tasks.stain.second_opinion import second_opinion
from napari_cytosynth.training.teach.task import prepare

if TYPE_CHECKING:
    from collections.abc import Callable

CALLS = os.environ.get("CYTOSYNTH_CALLS", "")
"""Number of random calls; without it 1,000, always the same ones."""
SECONDS = 0.3  # of a call that is valid, but long


class Call:
    """A public function with arguments that work, and the names of others."""

    # no dataclass: hypothesis would print the images
    def __init__(
        self,
        function: Callable[..., Any],
        arguments: dict[str, Any],
        more: tuple[str, ...] = (),
        cancels: bool = False,
    ) -> None:
        self.function, self.arguments, self.more = function, arguments, more
        self.cancels = cancels


class Unshowable:
    """An object whose text cannot be had."""

    def __repr__(self) -> str:
        raise ValueError("no text")


class NoArray:
    """An object that only looks like an array."""

    shape = (4, 4)
    dtype = "no type"


def _layer(data: Any, **attributes: Any) -> SimpleNamespace:
    scale = np.ones(np.ndim(data))
    names = {"name": "a layer", "scale": scale, "translate": 0 * scale}
    return SimpleNamespace(data=data, **(names | attributes))


IMAGE = np.random.default_rng(0).random((24, 24)).astype(np.float32)
LABELS = np.repeat(np.repeat(np.arange(9).reshape(3, 3), 8, 0), 8, 1)

NUMBERS = [
    None, True, False, np.True_, 0, 1, 2, 3, -1, 7.0, 2.9, 0.5, -0.0, 1e-300, 1e200, 1e-6,
    float("nan"), float("inf"), -float("inf"), 2**31, 2**63 - 1, 2**63, 10**9, 10**30, 10**400,
    np.int8(3), np.uint64(2**64 - 1), np.float16(0.5), np.float32("nan"), np.longdouble(0.5),
    1 + 2j, np.complex64(1j), Decimal("0.5"), Decimal("nan"), Fraction(1, 3), Fraction(10**400),
    np.datetime64("2020-01-01"), datetime.timedelta(1), torch.tensor(2), torch.tensor(0.5),
    torch.tensor([1.0]), torch.empty((), device="meta"), np.array(3), np.array([3]), np.array(0.5),
]  # fmt: skip
WORDS = [
    "", " ", "auto", "cpu", "cuda:7", "mps", "float32", "half", "YX", "ZYX", "CYX", "yx", "Y", "XY",
    "0.5 um", "10%", "2", "DNA", "no such thing", "a" * 300, "~nosuchuser/x", "~", ".", "/", "\0",
    "\ud800", "ü\u202e\x1b[31m", "segment", "ddim", b"bytes", Path("image.tif"), Path(), "tiny.pt",
]  # fmt: skip
GROUPS = [
    [], (), [0], [1], (0, 0), (1, 2, 3), (0.5, 0.5), (1, 0.5, 0.5), [None], ["DNA"], ["Y", "X"],
    [[1, 2], [3]], [2.9], [-1], ["a", 1], {}, {"a": 1}, {1: 2}, {"area": None}, {0, 1}, range(2),
    range(10**9), frozenset(), iter([1]), (8, 8), (10**6, 10**6), [10**400], [float("nan")] * 2,
    [torch.tensor(1)], np.zeros(2), np.arange(2), np.zeros((0,)), [[0]], ("C", "Y", "X"),
]  # fmt: skip
IMAGES = [
    IMAGE, LABELS, IMAGE[0], IMAGE[None], IMAGE[None, None], np.zeros((0, 8)), np.zeros((0, 8, 8)),
    IMAGE.astype(complex), IMAGE.astype(str), IMAGE.astype(object), IMAGE.astype("M8[s]"),
    np.zeros((8, 8), [("a", int)]), np.full((8, 8), np.nan), np.full((8, 8), np.inf),
    np.full((8, 8), 1e300), np.full((8, 8), -1), np.ones((8, 8), bool), np.ones((24, 24, 3)),
    np.ma.masked_less(IMAGE, 0.5), IMAGE.view(np.recarray), np.broadcast_to(np.float32(1), (8, 8)),
    IMAGE.T, IMAGE[::-1, ::2], IMAGE.astype(">f8"), np.float64(LABELS) * 1e18, IMAGE.tolist(),
    torch.from_numpy(IMAGE), torch.rand(8, 8, requires_grad=True), torch.rand(8, 8).bfloat16(),
    torch.rand(8, 8).to_sparse(), torch.rand(8, 8, device="meta"), torch.rand(8, 8) * 1j,
    NoArray(), _layer(IMAGE), _layer(None), _layer([IMAGE], multiscale=True),
    _layer(IMAGE, rgb=True),
    _layer([[1, 2]], _type_string="points"), _layer(IMAGE, units=("um", "um"), scale=[1e200, 1]),
    _layer(IMAGE, axis_labels=("y",)), np.random.default_rng(1).integers(0, 255, (2, 24, 24)),
    LABELS.astype(np.uint64) * 2**60, -LABELS, np.ones((1, 1)), np.eye(3, 50),
]  # fmt: skip
OBJECTS = [object(), Unshowable(), lambda *_: None, Ellipsis, NotImplemented, cytosynth]

POOL = [*NUMBERS, *WORDS, *GROUPS, *IMAGES, *OBJECTS]


@dataclass
class Picked:
    """A value of the pool, whose own text may be endless."""

    number: int


values = st.one_of(
    st.integers(0, len(POOL) - 1).map(Picked),
    st.integers(0, len(POOL) - 1).map(Picked),
    st.integers(),
    st.floats(),
    # no slash: that would be a repository on the Hub
    st.text(st.characters(exclude_characters="/\\"), max_size=8),
    st.lists(st.one_of(st.integers(), st.floats(), st.none(), st.text(max_size=2)), max_size=4),
)


def _fine_tune_in(folder: Path) -> Callable[..., Any]:
    """Return all of `fine_tune` but the training, into another folder at each call."""
    numbers = count()

    def fine_tune(**arguments: Any) -> Any:
        return prepare(out=folder / str(next(numbers)), **arguments)

    return fine_tune


@pytest.fixture(scope="module")
def calls(make_model, make_stainer, make_generator, tmp_path_factory) -> list[Call]:
    folder = tmp_path_factory.mktemp("objects")
    objects = folder / "read.geojson"
    cytosynth.write_objects(objects, LABELS)
    tiny, stainer = make_model(), make_stainer()
    masks = make_model(output_channels=["foreground"], splitting=None, example_size=(16, 16))
    quiet = {"progress": lambda *_: None}
    found = cytosynth.segment(IMAGE, tiny, **quiet)
    stained = cytosynth.stain(IMAGE, stainer, samples=2, **quiet)
    made = cytosynth.generate(make_generator("pairs"), count=2, steps=2, **quiet)
    phantom = {"shape": (24, 24), "count": 2, "seed": 0, "pixel_size_um": 2.0}
    run = ("axes", "channels", "pixel_size", "resample", "planes", "device", "precision")
    run = (*run, "tile_size")
    sampling = ("conditions", "guidance", "size", "keep_trajectory", "device", "precision")
    sampling = (*sampling, "batch_size", "on_preview", "on_image", "enough", "label")
    options = ("threshold", "min_size", "fill_holes", "split_touching", "drop_border")
    wishes = ("keep_samples", "inject_dropout", "tolerance", "stains", "first_plane")
    wishes = (*wishes, "on_start", "on_update", "enough", "seed")
    return [
        Call(cytosynth.segment, {"image": IMAGE, "model": tiny}, (*options, *run, "out"), True),
        Call(
            cytosynth.stain,
            {"image": IMAGE, "model": stainer, "samples": 2},
            (*wishes, *run),
            True,
        ),
        *(
            Call(
                cytosynth.generate,
                {"model": make_generator(kind), "count": 1, "steps": 1, "seed": 0},
                (*sampling, "sampler"),
                True,
            )
            for kind in ("vae", "pairs", "classes")
        ),
        Call(
            cytosynth.vary,
            {"model": make_generator(), "seed_a": 0, "seed_b": 1, "count": 2, "steps": 1},
            sampling,
            True,
        ),
        Call(
            cytosynth.measure,
            {"labels": LABELS},
            (
                *("intensity", "pixel_size", "axes", "probability", "uncertainty", "doubt"),
                *("ratios", "neighbours", "parents", "children", "progress"),
            ),
        ),
        Call(
            cytosynth.track,
            {"labels": LABELS},
            ("max_distance", "pixel_size", "axes", "min_iou", "max_gap", "divisions", "progress"),
        ),
        Call(
            cytosynth.write_objects,
            {"path": folder / "objects.geojson", "labels": LABELS, "overwrite": True, **quiet},
            ("table", "axes", "pixel_size", "nuclei", "class_column", "object_type", "provenance"),
        ),
        Call(
            cytosynth.save_figure,
            {"path": folder / "a.svg", "image": None, "labels": LABELS, "overwrite": True, **quiet},
            (
                "table",
                "filters",
                "color_by",
                "selected",
                "histogram",
                "scatter",
                "plane",
                "region",
                "pixel_size",
            ),
        ),
        Call(
            cytosynth.read_objects,
            {"path": objects, "like": LABELS, **quiet},
            ("shape", "axes"),
        ),
        Call(cytosynth.load_model, {"source": "."}, ("device", "progress")),
        Call(cytosynth.list_models, {}, ("task",)),
        Call(found.at_threshold, {}, (*options, "progress", "no_such_option")),
        Call(found.measure, {}, ("intensity", "uncertainty", "doubt")),
        Call(made.grid, {}, ("columns",)),
        Call(compare, {"staining": stained, "channel": "DNA", "real": IMAGE}),
        Call(
            second_opinion,
            {"first": stained, "second": replace(stained, provenance={}, run=None)},
            ("sigmas", "min_area"),
        ),
        Call(phantoms.fluorescent_nuclei, phantom, ("touching", "aperture", "photons")),
        Call(phantoms.phase_contrast_cells, phantom, ("touching", "optics")),
        Call(phantoms.brightfield_cells, phantom, ("touching", "optics")),
        Call(phantoms.cell_scene, phantom, ("touching",)),
        Call(phantoms.stained_cells, phantom, ("touching",)),
        Call(
            phantoms.nuclei_stack,
            {"shape": (4, 16, 16), "count": 2, "seed": 0, "voxel_size_um": (2.0, 1.0, 1.0)},
            ("photons",),
        ),
        Call(
            phantoms.stained_field,
            {"index": 0, "shape": (24, 24), "seed": 0, "pixel_size_um": 2.0},
        ),
        Call(phantoms.transfer_function, {"optics": phantoms.Optics()}),
        Call(
            _fine_tune_in(folder),
            {"model": masks, "pairs": [(IMAGE, LABELS)], "sparse": True, "steps": 1},
            ("minutes", "seed"),
        ),
    ]


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Any text may be taken for a path, and some are written to."""
    monkeypatch.chdir(tmp_path)


def _sentence(function: Callable[..., Any], arguments: dict[str, Any]) -> str:
    """Return what the user reads, in one line: nothing after a result."""
    try:
        function(**arguments)
    except CytosynthError as error:
        return str(error).replace("\n", " ")
    return ""


@pytest.mark.slow
@settings(
    max_examples=int(CALLS or 1000),
    derandomize=not CALLS,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
@given(st.integers(0, 999), st.lists(st.tuples(st.integers(0, 99), values), min_size=1, max_size=3))
def test_any_call_ends_in_a_result_or_one_of_our_errors(calls, which, changes):
    call = calls[which % len(calls)]
    names = [*call.arguments, *call.more]
    changed = {
        names[number % len(names)]: POOL[value.number] if isinstance(value, Picked) else value
        for number, value in changes
    }
    note(f"{call.function.__name__}: {list(changed)}")
    arguments = call.arguments | changed
    end = time.monotonic() + SECONDS

    def progress(*_: Any) -> None:
        if time.monotonic() > end:
            raise Cancelled("long enough")

    if call.cancels:
        arguments["progress"] = progress
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sentence = _sentence(call.function, arguments)
    assert sentence.isprintable(), sentence
