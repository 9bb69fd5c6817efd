from __future__ import annotations

import numpy as np
import pytest

import napari_cytosynth as cytosynth
from napari_cytosynth.errors import InputError, OutputError
from napari_cytosynth.tasks.batch.settings import BatchSettings, load_settings, save_settings

IMAGE = np.random.default_rng(0).random((32, 32)).astype(np.float32)


def _settings(**parameters):
    return BatchSettings("segment", "m", parameters)


def test_settings_of_a_result_come_back_from_yaml(tiny_model, tmp_path) -> None:
    result = cytosynth.segment(
        IMAGE, tiny_model, threshold=0.4, min_size=3, drop_border=True, pixel_size=(0.5, 0.4)
    )
    path = save_settings(result.provenance, tmp_path / "ü settings.yaml")
    loaded = load_settings(path)
    assert (loaded.task, loaded.model, loaded.weights) == ("segment", "tiny", "0" * 64)
    again = cytosynth.segment(IMAGE, tiny_model, **loaded.parameters)
    np.testing.assert_array_equal(again.labels, result.labels)
    assert again.provenance["parameters"] == result.provenance["parameters"]
    assert "Without that line, each file's own is taken" in path.read_text("utf-8")


def test_the_result_of_one_plane_keeps_its_plane(tiny_model, tmp_path) -> None:
    stack = np.stack([IMAGE, IMAGE[::-1]])
    result = cytosynth.segment(stack, tiny_model, axes="TYX", planes=(1,))
    loaded = load_settings(save_settings(result.provenance, tmp_path / "s.yaml"))
    again = cytosynth.segment(stack, tiny_model, **loaded.parameters)
    np.testing.assert_array_equal(again.labels, result.labels)


def test_settings_of_a_stain_keep_whose_objects_were_found(tiny_stainer, tmp_path) -> None:
    result = cytosynth.stain(IMAGE, tiny_stainer, samples=2, seed=3)
    assert (
        "objects"
        not in load_settings(save_settings(result.provenance, tmp_path / "s.yaml")).parameters
    )
    record = result.provenance | {"role": "objects", "stain": "DNA"}
    loaded = load_settings(save_settings(record, tmp_path / "s.yaml"))
    assert loaded.parameters["objects"] == "DNA"
    assert (loaded.parameters["samples"], loaded.parameters["seed"]) == (2, 3)


def test_equal_settings_have_equal_digests() -> None:
    one = _settings(threshold=0.5, pixel_size=(1.0, 2)).digest("w")
    for same in (
        {"pixel_size": [1, 2.0], "threshold": 0.5},
        {"pixel_size": (1, 2), "threshold": np.float64(0.5), "device": "cpu", "min_size": None},
    ):
        assert _settings(**same).digest("w") == one
    assert _settings(threshold=0.5).digest("w") != one
    assert _settings(threshold=0.5, pixel_size=(1, 2)).digest("v") != one


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"treshold": 0.5}, "no setting treshold. Did you mean “threshold”"),
        ({"threshold": 7}, "threshold"),
        ({"diameter": "big"}, "diameter"),
        ({"out": 1}, "no setting out"),
    ],
)
def test_wrong_settings_are_refused_before_any_file(parameters, said) -> None:
    with pytest.raises(InputError, match=said):
        _settings(**parameters)


def test_a_task_has_a_model_or_none() -> None:
    with pytest.raises(InputError, match="needs a model"):
        BatchSettings("segment")
    with pytest.raises(InputError, match="has no model"):
        BatchSettings("measure", "m")
    with pytest.raises(InputError, match="task"):
        BatchSettings("generate", "m")
    with pytest.raises(InputError, match="views"):
        BatchSettings("stain", "m", {"views": 99})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "they need “task”"),
        ("- 1", "they need “task”"),
        ("task: [", "no YAML"),
        ("task: segment\nmodel: m\nthreshold: 1", "no “threshold” beside"),
        (
            "task: segment\nmodel: m\nversion: 2",
            "of version 2, and this napari-cytosynth knows version 1",
        ),
        ("task: segment\nmodel: m\nparameters: [1]", "no names"),
        ("task: segment\nmodel: m\nparameters: {treshold: 1}", "Did you mean"),
        ("task: !!python/object/apply:os.system [x]", "no YAML"),
    ],
)
def test_files_that_are_no_settings_are_told(tmp_path, text, said) -> None:
    path = tmp_path / "s.yaml"
    path.write_text(text, "utf-8")
    with pytest.raises(InputError, match=said) as caught:
        load_settings(path)
    assert "s.yaml" in str(caught.value)


def test_settings_that_cannot_be_read_or_written_are_told(tmp_path, tiny_model) -> None:
    with pytest.raises(InputError, match="cannot be read: No such file"):
        load_settings(tmp_path / "no.yaml")
    (tmp_path / "s.yaml").write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match="no YAML"):
        load_settings(tmp_path / "s.yaml")
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError):
        save_settings(BatchSettings("measure"), tmp_path / "file" / "s.yaml")
    with pytest.raises(InputError, match="Only results of"):
        save_settings({"task": "generate"}, tmp_path / "s.yaml")
    path = save_settings(BatchSettings("measure", None, {"by_plane": True}), tmp_path / "m.yaml")
    assert load_settings(path) == BatchSettings("measure", None, {"by_plane": True})
