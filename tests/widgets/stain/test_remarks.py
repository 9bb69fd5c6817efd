"""What is said of a model's limits, before the run and after a comparison."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from napari_cytosynth.widgets.stain.remarks import (
    CardRemarks,
    figure_of_test,
    main_sentence,
    worth_of_spreads,
)
from napari_cytosynth.zoo.card import Metric, StainError, StainUncertainty, Training, TypicalSpread

FIRST = "Learned from six fields of one experiment; another microscope is unknown to it."
WORST = "Of the 138 nuclei it shows about a third are not there or not in that shape."


@pytest.fixture
def card(make_stainer):
    """Return a function that makes a card with remarks and metrics."""

    def make(remarks="", metrics=()):
        card = make_stainer().card
        return card.model_copy(
            update={"training": Training(remarks=remarks), "metrics": list(metrics)}
        )

    return make


def test_what_deceives_comes_before_what_is_unknown():
    assert main_sentence(f"{FIRST} {WORST} Ask another model.") == WORST
    assert main_sentence(f"{FIRST} Dim and fine structures (0.5 µm) are smoothed away.") == FIRST
    assert main_sentence("Short. And whole.") == "Short. And whole."
    assert main_sentence("") == ""


def test_the_rest_unfolds(card, qtbot):
    remarks = CardRemarks()
    qtbot.addWidget(remarks)
    remarks.show()
    remarks.show_card(card(f"{FIRST} {WORST}"))
    assert remarks.label.text() == f"Limits: {WORST}"
    remarks.more.click()
    assert remarks.label.text() == f"Limits: {FIRST} {WORST}"
    remarks.show_card(card("Short."))
    assert remarks.label.text() == "Limits: Short."
    assert not remarks.more.isVisible()
    remarks.show_card(card())
    assert not remarks.isVisible()
    remarks.show_card(None)
    assert not remarks.isVisible()


def test_a_figure_is_quoted_only_where_the_card_has_it(card):
    metric = Metric(name="DNA: PCC", value=0.876, dataset="fields, test", command="evaluate")
    known = card(metrics=[metric])
    assert figure_of_test(known, "DNA") == (
        "On its test images (fields, test) this model reached a PCC of 0.88 for DNA."
    )
    assert figure_of_test(known, "AGP") == ""
    assert figure_of_test(card(), "DNA") == ""
    assert figure_of_test(None, "DNA") == ""


def result(make_stainer, exponent=None, views=None, samples=None):
    """A result of a card whose spreads count with that exponent; None: an older card."""
    older = dict.fromkeys(("sigma_scale", "sigma_slope", "sigma_floor", "sigma_samples"))
    block = {}
    if exponent is not None:
        usual = TypicalSpread(usual=[1, 1], exponent=exponent)
        curve = StainError(levels=[0, 1], errors=[1, 1], spreads={"views": usual, "samples": usual})
        block = {"uncertainty": StainUncertainty(stains=[curve, curve]), **older}
    run = SimpleNamespace(model=make_stainer(**block))
    return SimpleNamespace(run=run, view_std=views, sample_std=samples)


def test_a_map_that_says_no_more_than_the_brightness_is_said_to(make_stainer):
    sigma, samples = worth_of_spreads(result(make_stainer, 0.0, views=1, samples=1))
    assert (
        sigma == "The typical error at that brightness: it says no more than the brightness does."
    )
    assert "no more about errors than the brightness" in samples


def test_a_map_that_says_more_is_not(make_stainer):
    sigma, samples = worth_of_spreads(result(make_stainer, 0.5, views=1, samples=1))
    assert "wider where views and samples differ more than usual" in sigma
    assert "errors were larger where this is larger" in samples
    sigma, _ = worth_of_spreads(result(make_stainer, 0.5))  # none was taken
    assert "no more than the brightness" in sigma


def test_what_was_not_measured_is_called_so(make_stainer):
    for one in (result(make_stainer), SimpleNamespace(run=None)):
        assert all("not measured" in sentence for sentence in worth_of_spreads(one))


def test_the_sentence_of_the_worst_bundled_model_is_the_one_before_run():
    from napari_cytosynth.zoo.bundled import bundled_folder
    from napari_cytosynth.zoo.model_files import read_card

    folder = bundled_folder("u2os-brightfield-pix2pixhd")
    if folder is None:
        pytest.skip("the weights are not here")
    assert "are not there or not in that shape" in main_sentence(read_card(folder).training.remarks)
