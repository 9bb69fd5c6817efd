"""Options come from the card, and the record of a run gives what it gave."""

from __future__ import annotations

import numpy as np
import pytest
from napari.layers import Image

import napari_cytosynth as cytosynth
from napari_cytosynth.tasks.common.defaults import card_options
from napari_cytosynth.tasks.common.provenance import as_python
from napari_cytosynth.tasks.segment.instances import LabelOptions


def run(image, model, **arguments):
    return cytosynth.segment(image, model, precision="float32", **arguments)


def test_options_come_from_the_card_where_none_are_given(image, make_model):
    plain = make_model(splitting=None, pixel_size_um=None, threshold=None)
    assert run(image, plain).options == LabelOptions(0.5)
    own = make_model(threshold=0.4, min_size=9, pixel_size_um=0.5)
    result = run(image, own)
    assert result.options == LabelOptions(0.4, 9, split_touching=True)
    sizes = result.table["area_px"]
    assert sizes.min() >= 9
    given = run(image, own, threshold=0.6, min_size=0, split_touching=False)
    assert given.options == LabelOptions(0.6)
    assert given.table["area_px"].min() < 9
    assert result.at_threshold(0.6).options == LabelOptions(0.6, 9, split_touching=True)


@pytest.mark.parametrize(
    ("pixel_size", "smallest"),
    [(None, 9), (0.5, 9), (0.25, 36), ((0.25, 0.5), 18), (0.55, 7), (1e-9, 10**7)],
)
def test_the_cards_smallest_object_keeps_its_physical_size(make_model, pixel_size, smallest):
    own = make_model(min_size=9, pixel_size_um=0.5).card.inference
    size = None if pixel_size is None else np.broadcast_to(pixel_size, 2)
    assert card_options(own, size)["min_size"] == smallest
    unknown = make_model(min_size=9, pixel_size_um=None).card.inference
    assert card_options(unknown, size)["min_size"] == 9


def test_a_script_from_an_earlier_record_gives_what_it_gave(image, model):
    record = run(image, model).provenance
    # as earlier versions recorded their defaults, and as the first of all left them out
    earlier = {"threshold": 0.5, "min_size": 0, "fill_holes": False, "split_touching": False}
    for parameters in (earlier, {"threshold": 0.5}):
        script = as_python(record | {"parameters": parameters})
        calls = []
        fake = type("cytosynth", (), {"segment": lambda *a, c=calls, **k: c.append(k)})
        exec(
            script.replace("import napari", "# ").replace("result.save", "# "), {"cytosynth": fake}
        )
        calls[0].pop("model")
        again = run(image, model, **calls[0])
        expected = run(image, model, threshold=0.5, min_size=0, split_touching=False)
        np.testing.assert_array_equal(again.labels, expected.labels)
        assert again.labels.max() < run(image, model).labels.max()  # which splits
    other = as_python(record | {"task": "stain", "parameters": {}})
    assert "split_touching" not in other


def test_planes_along_z_are_linked_and_the_record_says_so(image, model):
    stack = np.stack([image] * 3)
    result = run(stack, model, axes="ZYX", pixel_size=(2, 0.5, 0.5))
    np.testing.assert_array_equal(result.labels[0], result.labels[2])
    assert (result.table["extent_z_um"] == 6).all()
    assert result.provenance["parameters"]["link_planes"] is True
    assert result.provenance["parameters"]["pixel_size"] == [2, 0.5, 0.5]
    script = as_python(result.provenance)
    assert "link_planes" not in script
    assert "pixel_size=[2.0, 0.5, 0.5]" in script
    apart = run(stack, model, axes="ZYX", link_planes=False)
    assert len(apart.table) == 3 * len(result.table)
    assert "link_planes=False" in as_python(apart.provenance)
    frames = run(stack, model, axes="TYX")
    np.testing.assert_array_equal(frames.labels, apart.labels)


def test_a_script_from_a_record_of_before_linking_links_nothing(image, model):
    old = run(np.stack([image] * 2), model, axes="ZYX", link_planes=False).provenance
    del old["parameters"]["link_planes"]
    assert "link_planes=False" in as_python(old)
    for axes in ("TYX", None):
        other = old | {"parameters": old["parameters"] | {"axes": axes}}
        assert "link_planes" not in as_python(other)


def test_a_stack_says_what_is_not_known_of_its_depth(image, model):
    stack = np.stack([image] * 3)
    unknown = "distance of the planes along Z is not known"
    assert any(unknown in text for text in run(stack, model, axes="ZYX", pixel_size=0.5).messages)
    for arguments in (
        {"pixel_size": (2, 0.5, 0.5), "axes": "ZYX"},
        {"axes": "TYX"},
        {"axes": "ZYX", "planes": (1,)},
        {"axes": "ZYX", "link_planes": False},
    ):
        assert not any("along Z" in text for text in run(stack, model, **arguments).messages)
    assert any("were taken to be ZYX" in text for text in run(stack, model).messages)
    layer = Image(stack, scale=(2, 0.5, 0.5), units="um", axis_labels="zyx")
    result = run(layer, model)
    assert not any("along Z" in text for text in result.messages)
    assert result.z_size == 2
    assert "volume_um3" in result.table


def test_a_single_plane_lies_at_its_depth(image, model):
    stack = np.stack([image] * 3)
    result = run(stack, model, axes="ZYX", pixel_size=(2, 0.5, 0.5), planes=(2,))
    (_, arguments, _), _ = result.to_layers()
    assert arguments["scale"].tolist() == [2, 0.5, 0.5]
    assert arguments["translate"].tolist() == [4, 0, 0]
    assert "area_um2" in result.table


def test_files_keep_the_distance_of_planes(image, model, tmp_path):
    from napari_cytosynth.images.reading import read_image

    result = run(np.stack([image] * 3), model, axes="ZYX", pixel_size=(2, 0.5, 0.5))
    result.save(tmp_path / "out")
    result.save(tmp_path / "out.zarr")
    for name in ("out/labels.tif", "out/probability.tif", "out.zarr"):
        file = read_image(tmp_path / name)
        assert (file.axes, file.pixel_size_um, file.z_size_um) == ("ZYX", 0.5, 2)
    assert "volume_um3" in (tmp_path / "out" / "table.csv").read_text().partition("\n")[0]
