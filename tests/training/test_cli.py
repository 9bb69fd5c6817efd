"""What ``cytosynth train`` answers when another process of a training has ended."""

from __future__ import annotations

import pytest
import yaml

from napari_cytosynth.training.cli import main

GLOO = "[third_party/gloo/gloo/transport/tcp/pair.cc:537] Read error: Connection reset by peer."


@pytest.mark.parametrize(
    ("started_by", "error", "blamed"),
    [("torchrun", GLOO, False), ("torchrun", "shapes differ", True), ("hand", GLOO, True)],
)
def test_a_lost_process_is_no_mistake_of_ours(
    make_recipe, nuclei_folder, tmp_path, monkeypatch, capsys, started_by, error, blamed
):
    def train(*arguments, **options):
        raise RuntimeError(error)

    monkeypatch.setattr("napari_cytosynth.training.run.fit.train", train)
    if started_by == "torchrun":
        monkeypatch.setenv("TORCHELASTIC_RUN_ID", "here")
    recipe = tmp_path / "tiny.yaml"
    recipe.write_text(yaml.safe_dump(make_recipe().model_dump(mode="json")))
    command = [str(recipe), "--data-dir", str(nuclei_folder), "--out", str(tmp_path / "run")]
    assert main(command) != 0
    said = capsys.readouterr().err
    assert ("This is a mistake in napari-cytosynth" in said) == blamed
    assert ("Another process of this training has ended" in said) != blamed
