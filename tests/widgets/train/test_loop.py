"""Paint, train, keep: the new model is chosen in Segment, and better on the painted image."""

from __future__ import annotations

import numpy as np

import napari_cytosynth as cytosynth

from .conftest import tune_here


def told_apart(model, image, strokes):
    """How much more probable objects are than background, on strokes."""
    found = cytosynth.segment(image, model=model, device="cpu").probability
    return found[strokes > 1].mean() - found[strokes == 1].mean()


def test_what_is_painted_is_learned(viewer, make_train_widget, painted, start, home):
    image, strokes = painted
    layer = viewer.add_image(image, name="cells", scale=(0.5, 0.5))
    widget = make_train_widget(tune_here)
    widget.paint()
    ((chosen, drawn),) = widget.pairs.value
    assert chosen is layer
    assert (drawn.mode, drawn.selected_label) == ("paint", 1)
    np.testing.assert_array_equal(drawn.scale, layer.scale)
    drawn.data = strokes.astype(drawn.data.dtype)
    widget.steps.value = 30
    widget.new_name.value = "my nuclei"
    widget.run()
    assert widget.wait(200)
    assert "held out, before → after: score" in widget.status.value
    assert widget.curves.losses
    assert [step for step, _ in widget.curves.scores] == [0, 30]
    assert [one.name for one in viewer.layers[-3::2]] == ["before – cells", "after – cells"]
    place = widget.keep()
    assert place == home / "models" / "my-nuclei"
    assert not list((home / "training").glob("my*"))
    assert len(viewer.layers) == 2
    segment = next(
        one for name, one in viewer.window.dock_widgets.items() if name.startswith("Segment")
    )
    assert segment.model.value == place.name
    assert "my-nuclei" in [info.name for info in cytosynth.list_models("segment")]
    assert told_apart(place, image, strokes) > told_apart(start, image, strokes) + 0.004
