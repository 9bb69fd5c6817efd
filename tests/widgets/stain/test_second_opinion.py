"""The job of a second opinion: what the real stain says of it."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from napari.layers import Image

from napari_cytosynth import phantoms
from napari_cytosynth.errors import InputError
from napari_cytosynth.progress import silent
from napari_cytosynth.tasks.stain.result import Staining
from napari_cytosynth.widgets.common.snapshot import LayerSnapshot
from napari_cytosynth.widgets.stain.second_opinion import RealStain, compare_models


def stained(image, name):
    return Staining(image[None], None, ("DNA",), "CYX", provenance={"model": {"sha256": name}})


@pytest.fixture(scope="module")
def pair():
    """A stain with nuclei that the other one lacks, all in its upper half."""
    image = np.asarray(phantoms.fluorescent_nuclei((160, 160), count=9, seed=3).image, np.float32)
    blank = image.copy()
    blank[:80] = np.median(image)
    return stained(image, "a"), stained(blank, "b")


def ask(pair, real):
    request = SimpleNamespace(arguments=dict, image=None)
    return compare_models(pair[0], request, "other", silent, lambda *_, **__: pair[1], real)


def test_the_chosen_real_stain_says_who_is_right(pair):
    for shown, share in ((pair[0], 1.0), (pair[1], 0.0)):
        layer = Image(np.asarray(shown.mean[0]), name="Hoechst")
        found = ask(pair, RealStain(LayerSnapshot.of(layer), "DNA", None))
        alone = found.table[found.table["kind"] == "only in the first"]
        assert len(alone) >= 2
        assert ((alone["real_iou"] > 0.5).mean() == 1) == (share == 1)
        count = round(share * len(found.table))
        assert f"in one stain only, the real stain shows {count}." in found.sentence
        assert "real_iou" in next(a for *_, a, _ in found.layers if "features" in a)["features"]


def test_the_model_itself_is_refused_before_it_runs(pair):
    own = Staining(
        pair[0].mean, None, ("DNA",), "CYX", provenance={"model": {"name": "mine", "sha256": "a"}}
    )
    request = SimpleNamespace(arguments=dict, image=None)
    with pytest.raises(InputError, match="same model"):
        compare_models(own, request, "mine", silent, lambda *_, **__: pytest.fail("it ran"))


def test_without_one_or_with_one_that_lies_elsewhere_nothing_is_said(pair):
    far = Image(np.asarray(pair[0].mean[0]), name="Hoechst", translate=(9000, 0))
    for real in (None, RealStain(LayerSnapshot.of(far), "DNA", None)):
        found = ask(pair, real)
        assert "the real stain" not in found.sentence
        assert "only" in found.sentence
