"""Stains of single fields that are left out."""

from __future__ import annotations

from pathlib import Path

import pytest

from napari_cytosynth.errors import InputError
from napari_cytosynth.training.stain.evaluate.exclusion import exclude_stains
from napari_cytosynth.training.stain.evaluate.fields import StainField

STAINS = ("DNA", "ER", "Mito")


def field(name, plane="near"):
    images = {"near": Path("a.tif"), "far": Path("b.tif")}
    return StainField(f"{name} ({plane})", images, Path(f"{name}.tif"), plane)


FIELDS = [[field("train/amg900-A01"), field("train/amg900-A01", "far")], [field("val/dex-B02")]]


def test_a_stain_of_the_named_field_is_left_out_at_every_plane_and_no_other():
    first, second = exclude_stains(FIELDS, ["Mito=*dex*"], STAINS)
    assert [one.excluded for one in first] == [(), ()]
    assert second[0].excluded == ("Mito",)
    assert second[0].name == FIELDS[1][0].name
    first, second = exclude_stains(FIELDS, ["Mito=amg900-A01", "ER=*A01*", "DNA=val/*"], STAINS)
    assert [one.excluded for one in first] == [("Mito", "ER")] * 2
    assert second[0].excluded == ("DNA",)


def test_without_rules_all_is_used():
    assert exclude_stains(FIELDS, [], STAINS) == FIELDS


def test_one_plane_can_be_named():
    first, _ = exclude_stains(FIELDS, ["DNA=*(far)"], STAINS)
    assert [one.excluded for one in first] == [(), ("DNA",)]


@pytest.mark.parametrize(
    ("rule", "sentence"),
    [
        ("Mito", "takes STAIN=GLOB"),
        ("=dex*", "takes STAIN=GLOB"),
        ("RNA=*dex*", "no stain “RNA”, only DNA, ER, Mito"),
        ("Mito=*DEX*", "no field is called like that; there are amg900-A01, dex-B02"),
        ("Mito=*", "leaves no field for Mito"),
    ],
)
def test_a_rule_that_means_nothing_is_refused(rule, sentence):
    with pytest.raises(InputError, match=sentence):
        exclude_stains(FIELDS, [rule], STAINS)
