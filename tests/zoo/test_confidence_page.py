from __future__ import annotations

import pytest
from pydantic import ValidationError

from napari_cytosynth.zoo.card import (
    Auroc,
    ConfidenceTerm,
    ConfidenceTest,
    ModelCard,
    ObjectDoubt,
    ReliabilityBin,
)
from napari_cytosynth.zoo.confidence_page import doubt_text
from napari_cytosynth.zoo.model_page import render_readme

from .test_model_page import CARD

BINS = [
    ReliabilityBin(low=0.5, high=0.6, stated=0.55, found=0.4, count=30),
    ReliabilityBin(low=0.9, high=1, stated=0.95, found=0.98, count=170),
]
TEST = ConfidenceTest(
    dataset="Blobs, test",
    command="cytosynth evaluate segment blob-unet --data-dir blobs/test",
    images=9,
    right=170,
    wrong=30,
    auroc={
        "confidence": Auroc(value=0.871, low=0.8, high=0.93),
        "mean probability": Auroc(value=0.712, low=0.6, high=0.8),
    },
    gain=(0.159, 0.05, 0.2),
    error=0.048,
    reliability=BINS,
)

BLOCK = ObjectDoubt(
    stain="DNA",
    segmenter="fluo-nuclei-unet",
    intercept=0.0,
    terms={"outline_views": ConfidenceTerm(weight=-1.0, mean=0.8, std=0.1)},
    wrong=0.2,
    count=1000,
    fields=7,
    hidden=[(0.05, 0.9, 1.0), (0.1, 0.5, 0.9), (0.45, 0.2, 0.8), (0.5, 0.1, 0.45)],
)


def page(*tests: ConfidenceTest) -> str:
    return render_readme(CARD.model_copy(update={"confidence_tests": list(tests)}))


def test_the_page_shows_what_tells_right_objects_with_the_command() -> None:
    text = page(TEST)
    assert "| AUROC of confidence | 0.871 (0.800–0.930) |" in text
    assert "| AUROC of mean probability | 0.712 (0.600–0.800) |" in text
    assert "| 0.5–0.6 | 30 | 0.55 | 0.40 |" in text
    assert "170 of 200" in text
    assert f"Measured with:\n\n```sh\n{TEST.command}\n```" in text
    assert "tells more than the mean probability alone, in 9 images only" in text
    surer = page(TEST.model_copy(update={"images": 10}))
    assert "**Blobs, test:** The confidence tells more than the mean probability alone.\n" in surer


def test_a_page_without_tests_says_nothing_of_confidence() -> None:
    assert "Confidence in each object" not in render_readme(CARD)
    assert "AUROC" not in render_readme(CARD)


def test_validation_stands_beside_the_test_and_only_the_test_is_shown_by_bins() -> None:
    own = TEST.model_copy(
        update={"dataset": "validation images", "cross_validated": True, "command": ""}
    )
    text = page(own, TEST)
    assert "| validation images (fitted to other images of the same set) | Blobs, test |" in text
    assert text.count("| confidence | objects |") == 1
    assert "right, of Blobs, test:" in text
    alone = page(own)
    assert alone.count("| confidence | objects |") == 1
    assert "Measured with:" not in alone


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"gain": (0.01, -0.02, 0.04)}, "no more than the mean probability alone beyond what may"),
        ({"gain": (-0.1, -0.2, -0.01)}, "does not tell more than the mean probability alone"),
        ({"wrong": 19}, "Only 19 of 189 objects are wrong: too few"),
        ({"right": 3}, "Only 3 of 33 objects are right: too few"),
        ({"auroc": {}, "wrong": 0}, "All 170 objects are right"),
    ],
)
def test_the_page_does_not_boast(changed, said) -> None:
    text = page(TEST.model_copy(update=changed))
    assert said in text
    assert "The confidence tells more" not in text


def test_texts_of_a_foreign_card_stay_texts() -> None:
    evil = "<script>x</script> | [a](b)"
    changed = {"dataset": evil, "command": "a ``` b", "auroc": {evil: Auroc(value=0.5)}}
    text = page(TEST.model_copy(update=changed))
    assert "<script>" not in text
    assert "[a](b)" not in text
    assert "a ''' b" in text


def test_impossible_tests_and_older_cards_are_refused() -> None:
    with pytest.raises(ValidationError):
        ConfidenceTest(dataset="x", images=1, right=1, wrong=1, error=0, gain=(0.5, 0.6, 0.4))
    with pytest.raises(ValidationError):
        Auroc(value=1.2)
    tree = CARD.model_dump() | {"format_version": 1, "confidence_tests": [TEST.model_dump()]}
    with pytest.raises(ValidationError, match="confidence_tests needs format_version 2"):
        ModelCard.model_validate(tree)


def test_the_page_holds_what_was_stated_against_what_was_found_and_what_hiding_leaves() -> None:
    text = doubt_text([BLOCK])
    assert "Of 1000 in 7 left-out fields, 20 % were wrong" in text
    rows = [line for line in text.splitlines() if line.startswith("| 0")]
    assert rows == [
        "| 0–0.1 | 500 | 4 % | 50 % | 4 % |",  # 20 of 500 wrong
        "| 0.1–0.5 | 400 | 22 % | 90 % | 12 % |",  # 90 of 400; 110 of 900 left
        "| 0.5–1 | 100 | 90 % | 100 % | 20 % |",
    ]


def test_too_few_objects_tell_no_fraction() -> None:
    few = BLOCK.model_copy(update={"hidden": [(0.1, 0.5, 0.9), (0.9, 0.001, 0.004)]})
    assert doubt_text([few]).endswith("| 0.9–1 | 1 | – | 100 % | 20 % |")


def test_a_page_without_that_says_nothing_of_it() -> None:
    assert doubt_text([]) == doubt_text([BLOCK.model_copy(update={"hidden": []})]) == ""
    assert "Doubt of each object" not in render_readme(CARD)
    inference = CARD.inference.model_copy(update={"doubt": [BLOCK]})
    page = render_readme(CARD.model_copy(update={"inference": inference}))
    assert "## Doubt of each object" in page
