"""Licences in words: nobody may read more freedom than there is."""

from __future__ import annotations

import pytest

from napari_cytosynth.zoo.catalogue import list_models
from napari_cytosynth.zoo.collection.licences import licence_in_words


@pytest.mark.parametrize(
    ("licence", "data", "words"),
    [
        ("cc0-1.0", "CC0", "free for any use"),
        ("CC0-1.0", "", "free for any use"),
        ("cc-by-4.0", "CC BY 4.0", "free for any use, if you name the authors"),
        ("mit", "MIT", "free for any use, if you keep the licence's text"),
        ("gpl-3.0", "", "free for any use; what you pass on has to be open, too"),
        ("other", "LC25000: free for research, no formal licence", "research only"),
        ("", "research data (EPFL CVLab)", "research only"),
        ("research only", "", "research only"),
        ("cc-by-nc-4.0", "CC0", "not for commercial use; name the authors"),
        ("mit", "CC BY-NC 4.0", "keep the licence's text; its training data: research only"),
        ("cc-by-nc-nd-4.0", "", "unchanged"),
        ("other", "CC0", "terms of its own: see its card"),
        ("my own terms", "", "terms of its own: see its card"),
        ("Public domain for research only", "", "research only"),
        ("MIT, non-commercial only", "", "research only"),
        ("apache-2.0 (non commercial)", "", "research only"),
        ("bsd-3-clause-nc", "", "research only"),
        ("CC BY-ND-NC 1.0", "", "research only"),
        ("cc0-1.0", "not for commercial use", "its training data: research only"),
        ("cc0-1.0", "non commercial use only", "its training data: research only"),
        ("unlicensed", "", "terms of its own: see its card"),
        ("Mitutoyo proprietary", "", "terms of its own: see its card"),
        ("unlicense", "", "free for any use"),
        ("BSD-3-Clause", "", "free for any use, if you keep the licence's text"),
        ("", "", "unknown: ask its author"),
    ],
)
def test_what_may_be_done_is_said_in_words(licence, data, words):
    said = licence_in_words(licence, data)
    assert words in said
    if "free" not in words:
        assert not said.startswith("free for any use,") or "training data" in said


def test_the_bundled_models_are_free_or_for_research():
    words = {info.name: licence_in_words(info.licence, info.data_licence) for info in list_models()}
    research = {name for name, text in words.items() if text == "research only"}
    assert research == {
        "em-mitochondria-unet", "em-encoder", "em-pairs-ddpm", "em-ldm", "histology-ddpm",
    }  # fmt: skip
    assert all(words[name].startswith("free for any use") for name in words.keys() - research)
