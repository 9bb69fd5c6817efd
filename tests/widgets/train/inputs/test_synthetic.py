"""The closed loop: synthetic images and phantoms as training sets."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from napari_cytosynth.widgets.generate import GenerateWidget
from napari_cytosynth.widgets.train.inputs.synthetic import FINDING

STUDIES = Path(__file__).resolve().parents[4] / "docs" / "studies.md"


def test_the_finding_beside_the_sliders_is_that_of_the_study():
    text = STUDIES.read_text("utf-8").partition("### Does synthetic data help?")[2]
    rows = {
        cells[1].strip(): re.findall(r"(0\.\d\d) \[", line)
        for line in text.splitlines()
        if len(cells := line.split("|")) == 6
    }
    classic, mixed, rare = (
        rows[f"real + {name}"] for name in ("classic", "synthetic", "rare synthetic")
    )
    told = re.findall(r"0\.\d\d", FINDING)
    assert told == [classic[0], mixed[0], classic[2], mixed[2], rare[0], rare[2]]


def test_what_generate_made_is_learned(
    viewer, dock, make_train_widget, make_generator, tuning, painted, monkeypatch
):
    made = GenerateWidget(viewer)
    dock(made, "Generate")
    train = make_train_widget()
    from napari_cytosynth.zoo.model_files import save_model

    model = make_generator("pairs")
    made.model.value = save_model(tuning.folder / "pairs", model.network, model.card)
    made.how_many.value, made.steps.value = 3, 2
    assert not made._panel.teach.enabled
    made.run()
    assert made.wait(60)
    opened = []
    monkeypatch.setattr(
        "napari_cytosynth.widgets.generate.widget.open_widget",
        lambda viewer, title: opened.append(title) or train,
    )
    made._panel.teach.native.click()
    assert opened == ["Train"]
    assert not train.synthetic.share.native.isHidden()
    assert train.pairs.value == [(None, None)]
    train.synthetic.share.value, train.synthetic.boost.value = 0.3, 2.0
    train.run()
    assert train.wait(20)
    (request,) = tuning.requests
    assert request.planes == ()
    assert (request.synthetic.share, request.synthetic.rare_boost) == (0.3, 2.0)
    np.testing.assert_array_equal(request.synthetic.masks, made.generation.masks)
    image, strokes = painted
    pair = viewer.add_image(image), viewer.add_labels(strokes)
    train.pairs.value = [pair]
    train.run()
    assert train.wait(20)
    assert len(tuning.requests[1].planes) == 1
    train.synthetic._leave.native.click()
    assert train.synthetic.share.native.isHidden()
    train.run()
    assert train.wait(20)
    assert tuning.requests[2].synthetic is None


def test_the_tutorial_goes_as_it_is_written(viewer, make_train_widget, tuning, start):
    """Phantom, train, keep, segment and measure, with no data at all."""
    train = make_train_widget()
    train._phantom.native.click()
    train._phantom.native.click()
    (first, true), (second, _) = train.pairs.value
    assert not np.array_equal(first.data, second.data)
    assert not train.sparse.value
    train.pairs.value = [(first, true)]
    train.run()
    assert train.wait(60)
    (plane,) = tuning.requests[0].planes
    assert (plane.annotated == 1).all()
    assert plane.objects.max() == true.data.max()
    train.keep()
    docks = viewer.window.dock_widgets
    segment = next(w for name, w in docks.items() if name.startswith("Segment"))
    segment.run()
    assert segment.wait(60)
    _, measure = viewer.window.add_plugin_dock_widget("napari-cytosynth", "Measure")
    measure.run()
    assert measure.wait(60)
    assert "⚠" not in measure.status.value
