"""What is said of a model's limits, before the run and after a comparison."""

from __future__ import annotations

import pytest

from napari_cytosynth.widgets.stain.remarks import CardRemarks, figure_of_test, main_sentence
from napari_cytosynth.zoo.card import Metric, Training

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
