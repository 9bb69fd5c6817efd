"""Numbers of cells and second opinions, measured by the command on nuclei of known faults."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from napari_cytosynth.cli import main
from napari_cytosynth.errors import InputError
from napari_cytosynth.training.stain.evaluate.fields import FieldReader, Stainer, find_stain_fields
from napari_cytosynth.training.stain.objects.run import evaluate_objects
from napari_cytosynth.zoo.loading import load_model
from napari_cytosynth.zoo.model_files import read_card, update_card

STAINS = ("DNA", "AGP")


def command(models, nuclei, part, *more):
    words = ["evaluate", "stain", *map(str, models), "--data-dir", str(nuclei), "--part", part]
    return [*words, "--device", "cpu", "--segmenter", "otsu", *map(str, more)]


def test_the_command_prints_the_gain_of_each_number_of_a_calibrated_model(
    nuclei, save_nuclear_stainer, tmp_path, capsys
):
    fooled, plain = save_nuclear_stainer("fooled"), save_nuclear_stainer("plain", seed=6)
    assert main(command([fooled], nuclei, "calibration", "--calibrate")) == 0
    capsys.readouterr()
    out = tmp_path / "out"
    assert main(command([fooled, plain], nuclei, "test", "--out", out)) == 0
    printed = capsys.readouterr().out
    assert "information gain in nats per cell (95 % interval: bootstrap of fields)" in printed
    assert "plain: no information gain of the numbers of cells: the card has no cal" in printed
    found = pd.read_csv(out / "information-gain.csv").set_index("number")
    assert set(found["model"]) == {"fooled"}
    assert {"area_px", "eccentricity", "mean DNA", "sum AGP"} <= set(found.index)
    assert found.loc["area_px", "low"] > 0.5  # the virtual outlines are the real ones
    assert (found["low"] <= found["gain"]).all()
    assert (found["gain"] <= found["high"]).all()
    assert found["in 68 %"].between(0, 1).all()
    assert (found["matched"] < 0.95).all()  # two of each field are painted
    assert (found["fields"] == 3).all()
    assert "second opinion" not in printed
    record = json.loads((out / "metrics.json").read_text("utf-8"))
    assert len(record["information gain"]) == len(found)
    _forget_population(fooled)
    fields = find_stain_fields(nuclei, "phase", "fluorescence", ["test"])
    older = {"older": Stainer(load_model(fooled, "cpu"))}
    scores = evaluate_objects(older, fields, FieldReader(STAINS), device="cpu")
    assert "calibrated by an earlier version" in scores.notes[0]
    assert scores.numbers.empty


def _forget_population(path):
    """Let a card be as one that was calibrated before cards knew populations."""
    card = read_card(path)
    [block] = card.inference.doubt
    assert block.numbers["area_px"].population is not None
    older = {"population": None, "constant_error": None}
    numbers = {name: one.model_copy(update=older) for name, one in block.numbers.items()}
    block = block.model_copy(update={"numbers": numbers})
    inference = card.inference.model_copy(update={"doubt": [block]})
    update_card(path, card.model_copy(update={"inference": inference}))


def test_without_objects_nothing_is_said_of_them(nuclei, save_nuclear_stainer, tmp_path, capsys):
    path, out = save_nuclear_stainer("fooled"), tmp_path / "out"
    assert main(command([path], nuclei, "test", "--out", out, "--segmenter", "none")) == 0
    assert "information gain" not in capsys.readouterr().out
    assert not (out / "information-gain.csv").exists()


def test_a_second_opinion_flags_painted_and_halved_nuclei(
    nuclei, save_nuclear_stainer, tmp_path, capsys
):
    fooled, sober = save_nuclear_stainer("fooled"), save_nuclear_stainer("sober", seed=6)
    out = tmp_path / "out"
    more = ("--second-opinion", sober, "--update-card", "nuclei, test", "--out", out)
    assert main(command([fooled], nuclei, "test", *more)) == 0
    printed = capsys.readouterr().out
    assert "second opinion of sober flags, beside flags at random" in printed
    found = pd.read_csv(out / "second-opinion.csv").set_index(["flag", "nuclei"])
    absent = found.loc[("only in it", "absent")]
    assert absent["of this kind"] == absent["both"] == absent["flagged"] == 6
    assert absent["recall"] == absent["precision"] == 1
    assert absent["recall at random"] == pytest.approx(6 / absent["objects"])
    assert absent["precision at random"] == pytest.approx(6 / absent["objects"])
    deformed = found.loc[("differ", "deformed")]
    assert deformed["of this kind"] == deformed["both"] == 3
    assert found.loc[("differ", "absent"), "recall"] == 0
    assert found.loc[("either", "wrong"), "recall"] == 1
    metrics = {metric.name: metric for metric in read_card(fooled).metrics}
    recall = metrics["second opinion of sober, “only in it”: recall for absent nuclei"]
    assert (recall.value, recall.dataset) == (1, "nuclei, test")
    assert "--second-opinion sober" in recall.command
    assert 0 < metrics["fraction of absent nuclei, the precision at random"].value < 0.3


def test_a_second_opinion_with_the_same_faults_flags_nothing(nuclei, save_nuclear_stainer):
    named = {"one": save_nuclear_stainer("fooled")}
    stainers = {name: Stainer(load_model(path, "cpu")) for name, path in named.items()}
    twin = Stainer(load_model(save_nuclear_stainer("other", seed=6), "cpu"))
    object.__setattr__(twin.model.card, "name", "fooled")  # stains as that one does
    fields = find_stain_fields(nuclei, "phase", "fluorescence", ["test"])
    reader = FieldReader(STAINS)
    found = evaluate_objects(stainers, fields, reader, second=("twin", twin), device="cpu")
    table = found.opinions.set_index(["flag", "nuclei"])
    assert (table["flagged"] == 0).all()
    assert table["precision"].isna().all()
    assert table.loc[("either", "absent"), "recall"] == 0
    assert np.isfinite(table["precision at random"]).all()


def test_what_cannot_be_a_second_opinion_is_refused_before_the_run(
    nuclei, save_nuclear_stainer, capsys
):
    path = save_nuclear_stainer("fooled")
    assert main(command([path], nuclei, "test", "--second-opinion", path)) == 1
    assert "“fooled” agrees with itself" in capsys.readouterr().err
    other = save_nuclear_stainer("other", output_channels=["ER", "AGP"])
    assert main(command([path], nuclei, "test", "--second-opinion", other)) == 1
    assert "need one stain of nuclei that both have" in capsys.readouterr().err
    none = ("--second-opinion", other, "--segmenter", "none")
    assert main(command([path], nuclei, "test", *none)) == 1
    assert "leave --segmenter none out" in capsys.readouterr().err
    assert main(command([path], nuclei, "test", "--calibrate", "--second-opinion", other)) == 1
    assert "leave it out with --calibrate" in capsys.readouterr().err


def test_a_stain_that_is_left_out_of_a_field_is_not_looked_at(nuclei, save_nuclear_stainer):
    stainer = Stainer(load_model(save_nuclear_stainer("fooled"), "cpu"))
    second = Stainer(load_model(save_nuclear_stainer("sober", seed=6), "cpu"))
    fields = find_stain_fields(nuclei, "phase", "fluorescence", ["test"])
    object.__setattr__(fields[0], "excluded", ("DNA",))
    found = evaluate_objects(
        {"fooled": stainer}, fields, FieldReader(STAINS), second=("sober", second), device="cpu"
    )
    assert found.opinions.set_index(["flag", "nuclei"]).loc[("either", "absent"), "both"] == 4
    with pytest.raises(InputError, match="agrees with itself"):
        evaluate_objects({"a": stainer}, fields, FieldReader(STAINS), second=("a", stainer))
