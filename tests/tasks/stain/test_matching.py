from __future__ import annotations

import pytest

from napari_cytosynth.tasks.stain.matching import channel_names, match_channel, match_stain

FIVE = ("DNA", "ER", "RNA", "AGP", "Mito")


@pytest.mark.parametrize(
    ("name", "stain"),
    [
        ("AGP", "AGP"), ("plate_3_agp.tif", "AGP"), ("u2os-brightfield DNA", "DNA"),
        ("Hoechst", "DNA"), ("true nuclei", "DNA"), ("ER [1]", "ER"), ("mitotracker", "Mito"),
        ("layer", None), ("water", None), ("dnase", None), ("", None),
    ],
)  # fmt: skip
def test_a_name_speaks_of_a_stain_only_by_whole_words(name, stain):
    assert match_stain(name, FIVE) == stain


def test_the_longest_name_is_meant():
    assert match_stain("DNA damage", ("DNA", "DNA damage")) == "DNA damage"
    assert match_stain("DNA", ("ER", "RNA")) is None


@pytest.mark.parametrize(
    "metadata",
    [
        {"channel_names": ["DAPI", "AGP"]},
        {"channels": [{"name": "DAPI"}, {"label": "AGP"}]},
        {"omero": {"channels": [{"label": "DAPI"}, {"label": "AGP"}]}},
    ],
)
def test_channels_are_named_as_readers_leave_them(metadata):
    names = channel_names(metadata)
    assert names == ("DAPI", "AGP")
    assert (match_channel(names, "AGP"), match_channel(names, "DNA")) == (1, 0)
    assert match_channel(names, "Mito") is None


def test_without_names_nothing_is_guessed():
    assert channel_names({}) == ()
    assert channel_names({"channels": 3, "omero": None}) == ()
