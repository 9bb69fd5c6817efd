"""A Z stack that feeds a model of several focal planes."""

from __future__ import annotations

import json

import numpy as np
import pytest
from napari.layers import Image

import napari_cytosynth as cytosynth
from napari_cytosynth.cli import main
from napari_cytosynth.errors import Cancelled, InputError
from napari_cytosynth.tasks.common.provenance import KEY, as_python
from napari_cytosynth.tasks.stain.task import first_plane_of
from napari_cytosynth.zoo.card import FocalPlanes
from napari_cytosynth.zoo.model_files import read_card, save_model

NAMES = ["z-", "z0", "z+"]
KNOWN = FocalPlanes(contrast=[0.02, 0.01, 0.03], asymmetry=[0.5, 0.0, -0.5])
CONTRASTS = (0.04, 0.02, 0.015, 0.01, 0.018, 0.031, 0.04)  # planes 1, 3 and 5 are like the card's


def planes(contrasts=CONTRASTS, seed=0, shape=(48, 56)):
    """Planes of spots, bright below focus and dark above, on a bright ground."""
    rng = np.random.default_rng(seed)
    focus, images = int(np.argmin(contrasts)), []
    for z, contrast in enumerate(contrasts):
        values = np.clip(rng.normal(0, 1, shape), -2.5, 2.5)
        values[rng.random(shape) < 0.01] = np.sign(focus - z) * 6
        images.append(20000 * (1 + contrast * values))
    return np.stack(images).astype(np.uint16)


@pytest.fixture(scope="module")
def model(make_stainer):
    return make_stainer(input_channels=NAMES, pixel_size_um=None, focal_planes=KNOWN)


def run(image, model, **arguments):
    return cytosynth.stain(image, model, **{"precision": "float32", "samples": 0} | arguments)


def expected(image, model, chosen):
    return run(image[list(chosen)], model, axes="CYX").mean


# -- the choice --------------------------------------------------------------------------------


def test_a_stack_gives_one_result_from_the_planes_near_focus(model):
    image = planes()
    result = run(image, model, axes="ZYX")
    assert result.axes == "CYX"
    assert result.mean.shape == (2, 48, 56)
    assert result.focal_planes == ((1, 3, 5),)
    np.testing.assert_array_equal(result.mean, expected(image, model, (1, 3, 5)))
    (said,) = result.messages
    assert "chosen automatically, by their contrast: 1, 3, 5, as z-, z0, z+" in said
    assert result.provenance["focal_planes"] == {
        "chosen": "automatically",
        "planes": [[1, 3, 5]],
    }


def test_planes_can_be_chosen_by_hand(model):
    image = planes()
    result = run(image, model, axes="ZYX", focal_planes=(0, 2, 4))
    np.testing.assert_array_equal(result.mean, expected(image, model, (0, 2, 4)))
    (said,) = result.messages
    assert "chosen by hand: 0, 2, 4" in said
    assert result.provenance["focal_planes"]["chosen"] == "by hand"


def test_a_stack_of_the_other_way_is_turned_and_said_so(model):
    image = planes()
    turned = run(image[::-1], model, axes="ZYX")
    assert turned.focal_planes == ((5, 3, 1),)
    np.testing.assert_array_equal(turned.mean, run(image, model, axes="ZYX").mean)
    assert any("from the last to the first" in text for text in turned.messages)
    upwards = run(image[::-1], model, axes="ZYX", focal_planes=(1, 3, 5))
    np.testing.assert_array_equal(upwards.mean, expected(image[::-1], model, (1, 3, 5)))
    assert any("wrong order" in text for text in upwards.messages)
    assert not any("order" in text for text in run(image, model, axes="ZYX").messages)


def test_an_order_that_does_not_show_is_said(model):
    flat = np.random.default_rng(0).normal(0, 1, (48, 56))
    alike = [20000 * (1 + contrast * flat) for contrast in CONTRASTS]
    result = run(np.stack(alike), model, axes="ZYX")
    assert any("do not show whether" in text for text in result.messages)


def test_of_three_planes_all_are_taken(model):
    image = planes((0.03, 0.01, 0.05))
    result = run(image, model, axes="ZYX")
    assert result.focal_planes == ((0, 1, 2),)
    np.testing.assert_array_equal(result.mean, expected(image, model, (0, 1, 2)))


def test_each_position_has_its_own_focus_and_no_z(model):
    first, second = planes(), planes((0.02, 0.01, 0.03, 0.035, 0.036, 0.037, 0.04), seed=1)
    result = run(np.stack([first, second]), model, axes="TZYX")
    assert result.axes == "CTYX"
    assert result.focal_planes == ((1, 3, 5), (0, 1, 2))
    np.testing.assert_array_equal(result.mean[:, 0], expected(first, model, (1, 3, 5)))
    np.testing.assert_array_equal(result.mean[:, 1], expected(second, model, (0, 1, 2)))
    assert any("T 0: 1, 3, 5; T 1: 0, 1, 2" in text for text in result.messages)
    assert result.provenance["parameters"]["focal_planes"] is None
    later = run(np.stack([first, second]), model, axes="TZYX", planes=(1,))
    np.testing.assert_array_equal(later.mean, result.mean[:, 1])
    assert later.position == (1, 1)
    updates = []
    run(
        np.stack([first, second]), model, axes="TZYX", samples=2, first_plane=(1,),
        on_update=lambda index, *_: updates.append(index),
    )  # fmt: skip
    assert updates == [(1,), (1,), (0,), (0,)]


def test_one_channel_of_several_is_chosen_first(model):
    image = planes()
    other = np.random.default_rng(5).integers(0, 60000, image.shape).astype(np.uint16)
    both = np.stack([other, image], axis=1)  # Z, C
    with pytest.raises(InputError, match="needs 1 channel"):
        run(both, model, axes="ZCYX")
    result = run(both, model, axes="ZCYX", channels=[1])
    np.testing.assert_array_equal(result.mean, run(image, model, axes="ZYX").mean)


def test_lazy_stacks_are_read_plane_by_plane(model):
    dask = pytest.importorskip("dask.array")
    image = planes()
    result = run(dask.from_array(image, chunks=(1, 48, 56)), model, axes="ZYX")
    np.testing.assert_array_equal(result.mean, run(image, model, axes="ZYX").mean)


def test_planes_as_channels_work_as_for_any_model(model):
    image = planes((0.02, 0.01, 0.03))
    result = run(image, model, axes="CYX")
    assert (result.focal_planes, result.messages) == ((), [])
    # a stack of such channels: channels are given for all focal planes
    stack = np.stack([image, image[::-1]])
    each = run(stack, model, axes="ZCYX", channels=[0, 1, 2])
    assert each.axes == "CZYX"
    np.testing.assert_array_equal(each.mean[:, 0], result.mean)


def test_a_model_of_one_plane_stains_every_plane(make_stainer):
    result = run(planes(), make_stainer(pixel_size_um=None), axes="ZYX")
    assert result.axes == "CZYX"
    assert result.focal_planes == ()


# -- where it lies, and how it is made again -------------------------------------------------------


def test_the_layers_lie_across_the_whole_stack(model):
    layer = Image(planes(), name="cells", scale=(2.0, 0.5, 0.5), translate=(10, 0, 0),
                  axis_labels=("z", "y", "x"), units=("µm",) * 3)  # fmt: skip
    result = run(layer, model)
    assert result.position == (3,)
    data, attributes, _ = result.to_layers()[0]
    assert data.shape == (1, 48, 56)
    made = Image(data, **{k: v for k, v in attributes.items() if k != "metadata"})
    for z in range(7):  # whichever plane is in view, its only one is seen
        assert round(made.world_to_data((10 + 2 * z, 3.0, 3.0))[0]) == 0
    assert made.world_to_data((8.9, 0, 0))[0] < -0.5
    assert made.world_to_data((23.1, 0, 0))[0] > 0.5
    np.testing.assert_allclose(made.extent.world[:, 1:], layer.extent.world[:, 1:])
    assert attributes["metadata"][KEY]["focal_planes"]["planes"] == [[1, 3, 5]]
    bare = run(planes(), model, axes="ZYX", pixel_size=(2.0, 0.5, 0.5)).to_layers()[0][1]
    np.testing.assert_allclose(bare["scale"], (14.0, 0.5, 0.5))
    np.testing.assert_allclose(bare["translate"], (6.0, 0, 0))


def test_the_script_takes_the_same_planes(model, tmp_path):
    image = planes()
    folder = save_model(tmp_path / "model", model.network, model.card)
    assert read_card(folder).inference.focal_planes == KNOWN
    result = cytosynth.stain(image, folder, axes="ZYX", samples=2)
    script = as_python(result.provenance)
    assert "focal_planes=[1, 3, 5]" in script
    names = {"image": image}
    script = script.replace("image = ...", "").replace('result.save("result")', "")
    exec(script, names)
    np.testing.assert_array_equal(names["result"].mean, result.mean)


def test_the_command_takes_planes_and_says_what_it_took(model, tmp_path, capsys):
    from tifffile import imwrite

    imwrite(tmp_path / "stack.ome.tif", planes(), metadata={"axes": "ZYX"})
    folder = save_model(tmp_path / "model", model.network, model.card)
    words = ["stain", str(tmp_path / "stack.ome.tif"), "--model", str(folder), "--samples", "0"]
    assert main([*words, "--out", str(tmp_path / "a"), "--focal-planes", "0", "2", "4"]) == 0
    assert "chosen by hand: 0, 2, 4" in capsys.readouterr().out
    record = json.loads((tmp_path / "a" / "provenance.json").read_text())
    assert "focal_planes" in json.dumps(record)
    assert main([*words, "--out", str(tmp_path / "b")]) == 0
    assert "automatically, by their contrast: 1, 3, 5" in capsys.readouterr().out
    assert main([*words, "--out", str(tmp_path / "c"), "--focal-planes", "0", "2"]) != 0
    assert "takes 3 focal planes" in capsys.readouterr().err


def test_the_check_before_a_run_sees_the_planes_that_are_taken(model):
    image = planes()
    np.testing.assert_array_equal(first_plane_of(image, model.card, axes="ZYX"), image[[1, 3, 5]])
    given = first_plane_of(image, model.card, axes="ZYX", focal_planes=(0, 1, 2))
    np.testing.assert_array_equal(given, image[:3])


# -- what cannot be ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"focal_planes": (0, 2)}, "takes 3 focal planes in order along Z"),
        ({"focal_planes": (0, 2, 1)}, "upwards or downwards"),
        ({"focal_planes": (0, 2, 2)}, "all different"),
        ({"focal_planes": (0, 2, 7)}, "no plane 7 along Z: the stack has the planes 0 to 6"),
        ({"focal_planes": "012"}, "focal_planes"),
        ({"planes": (3,)}, "There is no plane"),
        ({"axes": "TYX"}, "They are focal planes: give a stack whose axes have Z"),
        ({"axes": "TYX", "focal_planes": (0, 1, 2)}, "has no planes along Z"),
    ],
)
def test_planes_that_cannot_be_are_refused(model, arguments, words):
    with pytest.raises(InputError, match=words):
        run(planes(), model, **{"axes": "ZYX"} | arguments)


def test_two_planes_are_too_few(model):
    with pytest.raises(InputError, match=r"takes 3 focal planes \(z-, z0, z\+\).* has 2 planes"):
        run(planes()[:2], model, axes="ZYX")


def test_a_stack_that_ends_at_focus_is_refused(model):
    with pytest.raises(InputError, match="seems to end near focus"):
        run(planes()[3:], model, axes="ZYX")
    assert run(planes()[3:], model, axes="ZYX", focal_planes=(0, 1, 2)).focal_planes


def test_other_models_take_no_focal_planes(make_stainer):
    with pytest.raises(InputError, match="takes one focal plane at a time"):
        run(planes(), make_stainer(), axes="ZYX", focal_planes=(0, 1, 2))


def test_looking_for_focus_can_be_cancelled(model):
    def stop(done, total, message):
        if "focal" in message:
            raise Cancelled("Stopped.")

    with pytest.raises(Cancelled):
        run(planes(), model, axes="ZYX", progress=stop)


@pytest.mark.parametrize(
    "changes",
    [{"input_channels": ["a", "b"]}, {"focal_planes": {"contrast": [1, 2], "asymmetry": [0]}}],
)
def test_a_card_whose_planes_are_no_channels_is_refused(make_stainer, changes):
    with pytest.raises(ValueError, match="focal"):
        make_stainer(**{"input_channels": NAMES, "focal_planes": KNOWN} | changes)
