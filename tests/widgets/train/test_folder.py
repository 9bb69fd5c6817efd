"""A folder of images and truth: looked at in place, and trained on."""

from __future__ import annotations

import numpy as np
import tifffile

from napari_cytosynth.widgets.train.form import FOLDER


def test_a_folder_is_looked_at_before_it_is_learned(make_train_widget, painted, tmp_path, tuning):
    image, strokes = painted
    place = tmp_path / "mine"
    for name in ("image", "mask"):
        (place / name).mkdir(parents=True)
    for number in range(2):
        tifffile.imwrite(place / "image" / f"{number}.tif", image)
        tifffile.imwrite(place / "mask" / f"{number}.tif", (strokes > 1).astype(np.uint8))
    widget = make_train_widget()
    widget.kind.value = FOLDER
    widget.folder.value = str(tmp_path)
    widget.check()
    assert widget._checks.wait(30)
    assert [kind for kind, _ in widget._folder.findings] == ["error"]
    widget.folder.value = str(place)
    widget.check()
    assert widget._checks.wait(30)
    kinds = {kind for kind, _ in widget._folder.findings}
    assert "error" not in kinds
    assert {"warning", "fact"} <= kinds  # two copies of one image
    assert any("1 image to train on" in sentence for _, sentence in widget._folder.findings)
    widget.from_scratch.value = True
    widget.run()
    assert widget.wait(20)
    (request,) = tuning.requests
    assert request.from_scratch
    assert (request.data_dir, request.planes) == (place, ())
    assert widget.result.after is not None
