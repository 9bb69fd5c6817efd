"""What is doubtful is hidden, told of, and comes back."""

from __future__ import annotations

from time import thread_time
from types import SimpleNamespace

import numpy as np
import pytest

from napari_cytosynth.widgets.stain.doubt.sentences import about_hidden, about_nuclei
from napari_cytosynth.widgets.stain.hiding import SpreadRule

DNA, OUTLINES = "DNA · virtual · cells", "DNA · doubt of nuclei"


def test_nuclei_are_hidden_by_doubt_and_come_back_exactly(viewer, found, cells, hidden_nuclei):
    layer, lines = viewer.layers[DNA], viewer.layers[OUTLINES]
    whole, agp = layer.data, viewer.layers["AGP · virtual · cells"].data
    found.hide_doubtful.value = 33
    assert hidden_nuclei() == [True, False, False]
    assert np.isnan(layer.data[3, 9])  # its light around it goes with it
    assert layer.data[25, 25] == whole[25, 25]
    assert np.isnan(lines.data[:20, :20]).all()
    assert np.isfinite(lines.data).any()
    assert found.hidden.value.startswith(
        "Hidden: 1 of 3 nuclei in DNA (33 %), of a doubt from 0.90 on. In the calibration fields "
        "that was 15 % of the wrong nuclei. Hidden in AGP: the 33 % of the stain"
    )
    found.hide_doubtful.value = 67
    assert hidden_nuclei() == [True, False, True]
    assert "of a doubt from 0.60 on. In the calibration fields that was 63 %" in found.hidden.value
    found.hide_doubtful.value = 0
    assert layer.data is whole
    assert viewer.layers["AGP · virtual · cells"].data is agp
    assert np.isfinite(lines.data[:20, :20]).any()
    assert found.hidden.value == "Nothing is hidden."


def test_at_100_per_cent_nothing_is_left(viewer, found):
    found.hide_doubtful.value = 100
    for name in (DNA, OUTLINES):
        assert np.isnan(viewer.layers[name].data).all()
    assert "3 of 3 nuclei in DNA (100 %), and all else of DNA: nothing is left" in (
        found.hidden.value
    )
    found.hide_doubtful.value = 0
    assert np.isfinite(viewer.layers[DNA].data).all()
    np.testing.assert_array_equal(found.staining.mean[0], viewer.layers[DNA].data)


def test_a_card_without_that_figure_says_so(cells, run, knowing_card, find):
    widget = find(run(card=knowing_card(hidden=())))
    widget.hide_doubtful.value = 50
    assert "does not tell what share of the wrong nuclei" in widget.hidden.value


def test_without_nuclei_and_views_there_is_nothing_to_hide_by(cells, run):
    widget = run(views=False)
    assert not widget.hide_doubtful.enabled
    assert widget.hidden.value == (
        "DNA and AGP cannot be hidden by doubt: the model's card has no curve of typical errors."
    )


def test_one_view_and_a_card_that_knows_ask_for_the_search_first(
    cells, make_stain_widget, stainer, knowing_card, find
):
    stainer.card = knowing_card()
    one_view = lambda *args, **options: without_views(stainer.stain(*args, **options))  # noqa: E731
    widget = make_stain_widget()
    widget._stain = one_view
    widget.run()
    assert widget.wait(20)
    assert not widget.hide_doubtful.enabled
    assert widget.hidden.value == (
        "Find the nuclei first: DNA is hidden by their doubt. AGP cannot be hidden by doubt: "
        "this run had one view only."
    )
    find(widget)
    assert widget.hide_doubtful.enabled
    widget.hide_doubtful.value = 33
    assert "1 of 3 nuclei in DNA" in widget.hidden.value
    assert "AGP cannot be hidden by doubt" in widget.hidden.value


def without_views(staining):
    staining.view_std = None
    return staining


@pytest.mark.parametrize(
    ("wrong", "told"), [(0.63, "about 0.6"), (0.05, "hardly any"), (2.4, "about 2")]
)
def test_a_part_of_a_wrong_nucleus_is_not_hardly_any(wrong, told):
    found = SimpleNamespace(
        table=[1, 2, 3], objects="nuclei", stain="DNA", doubt=np.zeros(4), expected_wrong=wrong
    )
    assert f"By the sum of their doubts {told} of them are not there" in about_nuclei(found)


def test_a_spread_of_nearly_nothing_is_said_in_words():
    spread = np.linspace(0, 1e-9, 100, dtype=np.float32)
    rule = SpreadRule(np.ones(100, np.float32), spread, lambda _, own: own)
    told = about_hidden(0.99, {"AGP": rule}, [], None, "")
    assert told.endswith("(from less than 0.01 times the usual on).")


def test_data_of_the_users_own_are_left_alone(viewer, found):
    mine = np.full((64, 64), 7.0, np.float32)
    viewer.layers[DNA].data = mine
    found.hide_doubtful.value = 100
    assert viewer.layers[DNA].data is mine
    assert np.isfinite(mine).all()
    assert "DNA: not hidden, as its layer is gone or holds your own data" in found.hidden.value


def test_a_step_of_the_slider_only_looks_labels_up(viewer, make_stain_widget, run, finder, find):
    image = np.full((1024, 1024), 0.02, np.float32)
    image.reshape(64, 16, 64, 16)[:, 4:12, :, 4:12] = 0.9
    viewer.add_image(image, name="cells")
    finder.doubts = np.linspace(0, 1, 4096)
    widget = find(run())
    searches = len(finder.stains)
    took = []
    for percent in (10, 20, 30, 40, 50):
        start = thread_time()  # of this thread alone, on a busy machine too
        widget.hide_doubtful.value = percent
        took.append(thread_time() - start)
        assert f"({percent} %)" in widget.hidden.value
    assert len(finder.stains) == searches
    assert np.median(took) < 0.25
