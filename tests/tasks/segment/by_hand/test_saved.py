"""Corrections that were saved: loaded again, refused, and never replaced without asking."""

from __future__ import annotations

import json

import numpy as np
import pytest

import napari_cytosynth as cytosynth
from napari_cytosynth.errors import InputError, OutputError


@pytest.fixture
def segment(model):
    def run(image, **options):
        return cytosynth.segment(image, model, precision="float32", threshold=0.55, **options)

    return run


@pytest.fixture
def result(segment, image):
    return segment(image)


def _middle(result, label: int) -> tuple[int, int]:
    y, x = np.argwhere(result.labels == label)[0]
    return int(y), int(x)


@pytest.fixture
def corrected(result):
    made = result.correct("merge", [_middle(result, 1), _middle(result, 2)])
    made = made.correct("delete", [_middle(result, 3)])
    return made.corrected(made.corrections.mark(()))


@pytest.mark.parametrize(
    ("saved", "chosen"),
    [("one", "one"), ("one", "one/provenance.json"), ("one", "one/labels.tif"),
     ("one.zarr", "one.zarr"), ("one.zarr", "one.zarr/zarr.json")],
)  # fmt: skip
def test_saved_corrections_come_again_with_their_marks(
    corrected, segment, image, tmp_path, saved, chosen
):
    corrected.save(tmp_path / saved)
    again = segment(image.copy()).load_corrections(tmp_path / chosen)
    np.testing.assert_array_equal(again.labels, corrected.labels)
    assert again.corrections == corrected.corrections
    assert again.messages[-1] == "Loaded 2 corrections; all apply."


def test_those_that_no_longer_apply_are_counted(corrected, result, tmp_path):
    corrected.save(tmp_path / "one")
    again = result.at_threshold(1.0).load_corrections(tmp_path / "one")
    assert "2 of them do not apply" in again.messages[-1]
    assert again.without_effect == 2
    assert "2 of them" not in "".join(result.messages)


def test_they_come_after_those_that_there_are(corrected, result, tmp_path):
    corrected.save(tmp_path / "one")
    own = result.correct("accept", [_middle(result, 4)])
    both = own.load_corrections(tmp_path / "one")
    assert [one.kind for one in both.corrections.done] == ["accept", "merge", "delete"]
    assert both.load_corrections(tmp_path / "one").corrections == both.corrections


def test_those_of_another_image_are_refused(corrected, segment, image, tmp_path):
    corrected.save(tmp_path / "one")
    other = segment(image[::-1].copy())
    with pytest.raises(InputError, match="other pixels"):
        other.load_corrections(tmp_path / "one")
    with pytest.raises(InputError, match="other planes"):
        segment(np.stack([image, image]), axes="TYX", planes=(1,)).load_corrections(
            _as_if_of(tmp_path / "one", segment(np.stack([image, image]), axes="TYX", planes=(0,)))
        )
    with pytest.raises(InputError, match="another shape"):
        segment(image[:20]).corrected(corrected.corrections)


def _as_if_of(path, result):
    """Save a correction of another result, and return where."""
    made = result.correct("delete", [_middle(result, 1)])
    made.save(path.with_name("other"))
    return path.with_name("other")


def test_what_holds_none_is_refused(result, tmp_path):
    result.save(tmp_path / "plain")
    with pytest.raises(InputError, match="no corrections by hand"):
        result.load_corrections(tmp_path / "plain")
    (tmp_path / "x.json").write_text(json.dumps({"corrections": 3}))
    with pytest.raises(InputError, match="no provenance"):
        result.load_corrections(tmp_path / "x.json")
    with pytest.raises(InputError, match="There is no file"):
        result.load_corrections(tmp_path / "nowhere")


def test_saved_corrections_are_not_replaced_by_a_result_without_them(corrected, result, tmp_path):
    corrected.save(tmp_path / "one")
    with pytest.raises(OutputError, match="corrections by hand that this result does not have"):
        result.save(tmp_path / "one")
    fewer = result.correct("delete", [_middle(result, 3)])
    with pytest.raises(OutputError, match="corrections by hand"):
        fewer.save(tmp_path / "one")
    more = corrected.correct("accept", [_middle(corrected, 1)])
    more.save(tmp_path / "one")
    result.save(tmp_path / "one", overwrite=True)
    result.save(tmp_path / "one")
