from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from napari.layers import Image

import napari_cytosynth as cytosynth
from napari_cytosynth.errors import Cancelled, InputError, ModelError
from napari_cytosynth.inference.dropout.sampler import Sampler
from napari_cytosynth.inference.normalise import normalise
from napari_cytosynth.tasks.common.provenance import KEY, as_python
from napari_cytosynth.zoo.card import Normalisation


@pytest.fixture(scope="module")
def model(make_stainer):
    return make_stainer()


@pytest.fixture(scope="module")
def image():
    return np.random.default_rng(0).integers(0, 255, (40, 56)).astype(np.uint8)


def run(image, model, **arguments):
    options = {"precision": "float32", "samples": 3} | arguments
    return cytosynth.stain(image, model, **options)


def raw(image, model, samples=3):
    """Return mean and standard deviation of the network's own output."""
    scaled = normalise(image[None], model.card.inference.normalisation)
    sampled = Sampler(model.network, 1, precision="float32").run(scaled, samples=samples)
    return sampled.mean, sampled.std


# -- values -----------------------------------------------------------------------------------


def test_mean_and_uncertainty_are_in_the_targets_units(image, model):
    result = run(image, model)
    mean, std = raw(image, model)
    assert result.axes == "CYX"
    assert result.channels == ("DNA", "AGP")
    assert (result.count, result.calibrated, result.unit) == (3, True, "camera counts")
    assert result.mean.dtype == result.std.dtype == np.float32
    np.testing.assert_allclose(result.mean[0], mean[0] * 1000 + 100, rtol=1e-5)
    np.testing.assert_allclose(result.mean[1], mean[1] * 200 + 50, rtol=1e-5)
    np.testing.assert_allclose(result.std[0], 1000 * np.sqrt((2 * std[0]) ** 2 + 0.1**2), rtol=1e-4)
    np.testing.assert_allclose(
        result.std[1], 200 * np.sqrt((0.5 * std[1]) ** 2 + 0.01**2), rtol=1e-4
    )
    assert result.messages == []


def test_without_samples_there_is_one_prediction(image, model):
    result = run(image, model, samples=0)
    assert result.std is None
    assert (result.count, result.samples, result.calibrated) == (0, None, False)
    np.testing.assert_allclose(result.mean[0], raw(image, model, 0)[0][0] * 1000 + 100, rtol=1e-5)
    assert [attributes["name"] for _, attributes, _ in result.to_layers()] == [
        "DNA · virtual",
        "AGP · virtual",
    ]


def test_the_same_seed_gives_the_same_result(image, model):
    first, again, other = (run(image, model, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.mean, again.mean)
    np.testing.assert_array_equal(first.std, again.std)
    assert not np.array_equal(first.mean, other.mean)


def test_samples_can_be_kept(image, model):
    result = run(image, model, keep_samples=True)
    assert result.samples.shape == (3, 2, *image.shape)
    np.testing.assert_allclose(result.samples.mean(0), result.mean, rtol=1e-4, atol=1e-3)


def test_only_the_wanted_stains(image, model):
    whole, part = run(image, model), run(image, model, stains=["AGP"])
    assert part.channels == ("AGP",)
    np.testing.assert_array_equal(part.mean, whole.mean[1:])
    np.testing.assert_array_equal(part.std, whole.std[1:])
    with pytest.raises(InputError, match="no stain ER: this model predicts DNA, AGP"):
        run(image, model, stains=["ER"])
    with pytest.raises(InputError, match="no stain chosen"):
        run(image, model, stains=[])


# -- honesty ----------------------------------------------------------------------------------


def test_sampling_is_refused_without_trained_dropout(image, make_stainer):
    untrained = make_stainer(dropout=0.0)
    with pytest.raises(InputError, match="trained without dropout"):
        run(image, untrained)
    assert run(image, untrained, samples=0).std is None
    forced = run(image, untrained, inject_dropout=0.3)
    assert forced.std.max() > 0
    assert not forced.calibrated
    assert any("dropout injection, uncalibrated" in text for text in forced.messages)
    record = forced.to_layers()[0][1]["metadata"][KEY]
    assert record["parameters"]["inject_dropout"] == 0.3
    assert record["calibrated"] is False


def test_an_uncalibrated_model_says_so(image, make_stainer):
    result = run(image, make_stainer(sigma_scale=None, sigma_floor=None))
    assert not result.calibrated
    assert any("not calibrated" in text for text in result.messages)


def test_fewer_samples_than_the_calibration_had_are_noisier(image, make_stainer):
    result = run(image, make_stainer(sigma_samples=16))
    assert any("calibrated with 16 samples" in text for text in result.messages)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"samples": 1}, "at least 2"),
        ({"samples": -1}, "at least 2"),
        ({"seed": -1}, "seed"),
        ({"tolerance": 0.0}, "between 0 and 1"),
        ({"tolerance": 1.0}, "between 0 and 1"),
        ({"inject_dropout": 1.0}, "between 0 and 1"),
    ],
)
def test_impossible_parameters(image, model, arguments, words):
    with pytest.raises(InputError, match=words):
        run(image, model, **arguments)


def test_model_for_another_task_is_refused(image, tiny_model):
    with pytest.raises(InputError, match="does not stain"):
        run(image, tiny_model)


# -- bad input --------------------------------------------------------------------------------


def test_nan_and_infinite_pixels_are_reported(image, model):
    values = image.astype(np.float32)
    values[3, 4], values[5, 6] = np.nan, np.inf
    result = run(values, model)
    assert np.isfinite(result.mean).all()
    assert np.isfinite(result.std).all()
    assert any("NaN" in text for text in result.messages)


def test_a_subtracted_background_is_reported(make_stainer, image):
    model = make_stainer(normalisation=Normalisation(kind="local", sigma=9, std=0.1))
    told = run(image.astype(np.int32) - int(image.mean()), model, samples=0).messages
    assert any("background was subtracted" in text for text in told)
    assert not any("background" in text for text in run(image, model, samples=0).messages)


@pytest.mark.parametrize("kind", ["zscore", "local"])
def test_a_constant_plane_is_reported(image, make_stainer, kind):
    stainer = make_stainer(normalisation=Normalisation(kind=kind, sigma=4))
    result = run(np.stack([np.full_like(image, 7), image]), stainer, axes="TYX")
    assert any("same value everywhere" in text for text in result.messages)
    assert not result.mean[:, 0].any()
    assert result.mean[:, 1].any()
    assert result.count == 3


def test_an_empty_image_has_no_samples_to_keep(image, model, tmp_path):
    result = run(np.full_like(image, 7), model, keep_samples=True)
    assert result.samples is None
    assert any("uncertainty too, which says nothing" in text for text in result.messages)
    assert "samples.tif" not in [path.name for path in result.save(tmp_path / "out")]


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (np.zeros((0, 5)), "empty"),
        (np.zeros(5), "two axes"),
        (np.zeros((5, 5), complex), "real numbers"),
        (np.zeros((20, 20, 3), np.uint8), "colour"),
        (np.zeros((64, 64, 3), np.float32), "colour"),
    ],
)
def test_images_that_cannot_be_used(model, bad, words):
    with pytest.raises(InputError, match=words):
        run(bad, model)


def test_wrong_number_of_channels(image, model):
    stack = np.stack([image, image // 2])
    with pytest.raises(InputError, match=r"needs 1 channel .* has 2"):
        run(stack, model, axes="CYX")
    chosen = run(stack, model, axes="CYX", channels=[0])
    np.testing.assert_array_equal(chosen.mean, run(image, model).mean)


# -- stacks -----------------------------------------------------------------------------------


def test_stack_is_run_plane_by_plane_in_view_first(image, model):
    stack = np.stack([image, image[::-1], image[:, ::-1]])
    seen = []
    result = run(stack, model, axes="TYX", first_plane=(1,), on_update=lambda *a: seen.append(a))
    assert result.axes == "CTYX"
    for plane, values in enumerate(stack):
        single = run(values, model)
        np.testing.assert_allclose(result.mean[:, plane], single.mean, rtol=1e-5)
        np.testing.assert_allclose(result.std[:, plane], single.std, rtol=1e-4)
    assert list(dict.fromkeys(index for index, *_ in seen)) == [(1,), (0,), (2,)]
    with pytest.raises(InputError, match="no plane"):
        run(stack, model, axes="TYX", first_plane=(3,))


@pytest.mark.parametrize("kind", ["dask", "zarr"])
def test_lazy_arrays_give_the_same(image, model, kind, tmp_path):
    stack = np.stack([image, image[::-1]])
    if kind == "dask":
        lazy = pytest.importorskip("dask.array").from_array(stack, chunks=(1, 20, 20))
    else:
        lazy = pytest.importorskip("zarr").create_array(tmp_path / "a.zarr", data=stack)
    np.testing.assert_array_equal(run(lazy, model).mean, run(stack, model).mean)


def test_layers_appear_and_sharpen(image, model):
    started, seen = [], []

    def on_update(index, count, mean, std):
        seen.append((index, count, mean.copy(), None if std is None else std.copy()))

    result = run(image, model, on_start=started.append, on_update=on_update)
    assert [layer[0].shape for layer in started[0].to_layers()] == [image.shape] * 4
    assert [layer[1]["name"] for layer in started[0].to_layers()] == [
        layer[1]["name"] for layer in result.to_layers()
    ]
    assert [(index, count) for index, count, *_ in seen] == [((), 1), ((), 2), ((), 3)]
    assert seen[0][3] is None
    np.testing.assert_allclose(seen[-1][2], result.mean, rtol=1e-5)
    np.testing.assert_allclose(seen[-1][3], result.std, rtol=1e-4)


def test_enough_keeps_what_was_drawn_and_the_script_knows(image, model):
    drawn = []
    result = run(
        np.stack([image, image[::-1]]),
        model,
        samples=20,
        axes="TYX",
        keep_samples=True,
        on_update=lambda index, count, *_: drawn.append((index, count)),
        enough=lambda: len(drawn) >= 4,
    )
    assert result.count == 4
    assert result.samples.shape[0] == 4
    assert drawn[-1] == ((1,), 4)
    assert "samples=4" in as_python(result.provenance)
    assert result.std[:, 1].min() > 0
    at_once = run(image, model, samples=20, enough=lambda: True)
    assert at_once.count == 2


def test_cancel_stops_the_run(image, model):
    def progress(done, total, message):
        if done >= total / 2:
            raise Cancelled("stop")

    with pytest.raises(Cancelled):
        run(np.stack([image] * 4), model, progress=progress)


# -- pixel size -------------------------------------------------------------------------------


def test_resampling_is_offered_never_silent(image, model):
    plain = run(image, model, pixel_size=0.2)
    assert any("resample=True" in text for text in plain.messages)
    np.testing.assert_array_equal(plain.mean, run(image, model).mean)
    seen = []
    done = run(
        image, model, pixel_size=0.2, resample=True, on_update=lambda *a: seen.append(a[2].shape)
    )
    assert done.mean.shape == done.std.shape == (2, *image.shape)
    assert set(seen) == {(2, *image.shape)}
    assert any("was resampled" in text for text in done.messages)


def test_local_contrast_is_meant_in_the_models_pixels(make_stainer):
    y, x = np.mgrid[:48, :48]
    small = 1000 + 50 * np.sin(x / 3) * np.cos(y / 4) + 3 * x
    large = np.kron(small, np.ones((2, 2)))
    stainer = make_stainer(normalisation=Normalisation(kind="local", sigma=6, std=0.05))
    whole = run(small, stainer, samples=0, pixel_size=0.5).mean[:, 8:-8, 8:-8]
    fine = run(large, stainer, samples=0, pixel_size=0.25, resample=True).mean
    fine = fine.reshape(2, 48, 2, 48, 2).mean((2, 4))[:, 8:-8, 8:-8]
    assert np.corrcoef(whole.ravel(), fine.ravel())[0, 1] > 0.99


# -- scripts --------------------------------------------------------------------------------


def test_script_makes_the_result_again(image, model):
    result = run(image, model, seed=4, stains=["AGP"])
    script = as_python(result.provenance)
    assert "cytosynth.stain(" in script
    assert "tolerance" not in script
    calls = []
    fake = type("cytosynth", (), {"stain": lambda *a, **k: calls.append(k) or result})
    body = script.replace("import napari_cytosynth as cytosynth", "")
    exec(body.replace('result.save("result")', ""), {"cytosynth": fake})
    calls[0].pop("model")
    again = run(image, model, **{k: v for k, v in calls[0].items() if k != "precision"})
    np.testing.assert_array_equal(again.mean, result.mean)
    np.testing.assert_array_equal(again.std, result.std)


# -- with the other verbs ---------------------------------------------------------------------


def test_objects_of_a_virtual_stain_know_their_uncertainty(image, model, tiny_model):
    stained = run(image, model)
    found = cytosynth.segment(stained.mean[0], tiny_model, precision="float32")
    table = found.measure(uncertainty=stained.std[0])
    for row in table.itertuples():
        expected = stained.std[0][found.labels == row.label].mean()
        assert row.mean_uncertainty == pytest.approx(expected, rel=1e-4)
    assert "mean_uncertainty" not in found.table.columns
    layer = Image(stained.std[0])
    by_hand = cytosynth.measure(found.labels, uncertainty=layer)
    np.testing.assert_allclose(by_hand["mean_uncertainty"], table["mean_uncertainty"])


def test_segment_takes_models_of_local_contrast(image, make_model):
    local = Normalisation(kind="local", sigma=5, std=0.5)
    segmenter = make_model(normalisation=local)
    whole = cytosynth.segment(image + 1, segmenter, precision="float32")
    bright = cytosynth.segment((image + 1.0) * 7, segmenter, precision="float32", tile_size=16)
    np.testing.assert_allclose(whole.probability, bright.probability, atol=1e-4)
    flat = cytosynth.segment(np.full((20, 20), 7, np.uint8), segmenter)
    assert not flat.probability.any()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"samples": "all"}, "samples must be a whole number, not all"),
        ({"samples": 2.9}, "samples must be a whole number, not 2.9"),
        ({"seed": None}, "seed must be a whole number of at least 0, not None"),
        ({"tolerance": "10%"}, "tolerance .* must be a number between 0 and 1, not 10%"),
        ({"keep_samples": "no"}, "“keep_samples” must be True or False"),
        ({"stains": 0}, "“stains” must be names"),
        ({"on_update": 1}, "“on_update” must be a function or None"),
        ({"first_plane": 0}, "“planes” must be"),
    ],
)
def test_impossible_arguments_are_named(image, model, arguments, words):
    with pytest.raises(InputError, match=words):
        run(image[None], model, axes="ZYX", **arguments)


def test_more_samples_than_the_memory_can_hold_are_refused(image, model):
    def stop(done, total, message):
        if message.startswith("Sample"):
            raise Cancelled("at the first sample")

    with pytest.raises(InputError, match=r"would need about .* fewer samples"):
        run(image, model, samples=10**9, keep_samples=True)
    with pytest.raises(Cancelled):  # they need no memory if they are not kept
        run(image, model, samples=10**9, progress=stop)


def test_a_model_that_gives_no_numbers_is_named(image, model):
    broken = copy.deepcopy(model)
    seen = []
    with torch.no_grad():
        list(broken.network.parameters())[-1].fill_(float("nan"))
    with pytest.raises(ModelError, match="“tiny-stainer” gave values that are no numbers"):
        run(image, broken, on_update=lambda *values: seen.append(values))
    assert not seen
