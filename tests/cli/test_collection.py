"""The command line about what a user does with models: star, search, copy, add, remove."""

from __future__ import annotations

import shutil

import pytest

from napari_cytosynth.cli import main

pytestmark = pytest.mark.usefixtures("own_home")


def run(capsys, *line):
    code = main(["models", *map(str, line)])
    shown = capsys.readouterr()
    return code, shown.out + shown.err


def test_a_star_is_shown_in_the_list_and_taken_back(capsys):
    assert run(capsys, "star") == (0, "segment: –\nstain: –\ngenerate: –\n")
    assert "segment: em-cells-unet" in run(capsys, "star", "em-cells-unet")[1]
    rows = run(capsys, "list", "--task", "segment")[1].splitlines()
    assert [row.split()[0] for row in rows if "★" in row] == ["em-cells-unet"]
    run(capsys, "star", "--clear", "segment")
    assert "★" not in run(capsys, "list")[1]
    code, said = run(capsys, "star", "my-lab/not-here")
    assert code == 1
    assert "fetch it, or add its folder first" in said


def test_what_may_be_done_with_a_model_is_shown(capsys):
    assert "May be used: research only" in run(capsys, "show", "em-ldm")[1]


def test_a_model_is_copied_added_and_removed(saved_model, tmp_path, capsys):
    code, said = run(capsys, "copy", saved_model, tmp_path / "stick")
    assert (code, str(tmp_path / "stick" / "tiny") in said) == (0, True)
    assert run(capsys, "add", tmp_path / "stick" / "tiny") == (0, "Added “tiny”.\n")
    assert run(capsys, "add", saved_model, "--name", "mine")[0] == 0
    rows = [row.split()[0] for row in run(capsys, "list")[1].splitlines()]
    assert {"tiny", "mine"} <= set(rows)
    assert "Removed mine" in run(capsys, "remove", "mine")[1]
    code, said = run(capsys, "remove", "nuclei-vae")
    assert (code, "comes with the package" in said) == (1, True)


def test_a_folder_without_a_name_is_not_the_current_one(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    code, said = run(capsys, "copy", "nuclei-vae", "")
    assert (code, "cannot be the name of a file or folder" in said) == (1, True)
    assert run(capsys, "add", "")[0] == 1
    assert list(tmp_path.iterdir()) == []


def test_a_package_is_not_added_and_the_way_is_named(tmp_path, capsys):
    (tmp_path / "cells.zip").write_bytes(b"PK\x03\x04" + b"x" * 100)
    code, said = run(capsys, "add", tmp_path / "cells.zip")
    assert (code, "“cytosynth models convert”" in said) == (1, True)


def test_the_hub_is_searched_and_a_newer_revision_named(hub_client, model_folder, capsys):
    code, said = run(capsys, "search")
    assert code == 0
    row = next(row for row in said.splitlines() if row.startswith("org/tiny"))
    assert "segment" in row
    assert "free for any use" in row
    assert run(capsys, "fetch", "org/tiny")[0] == 0
    newest = "89abcdef0123456789abcdef0123456789abcdef"
    shutil.copytree(model_folder, hub_client.root / "org" / "tiny" / newest)
    (hub_client.root / "org" / "tiny" / "main").write_text(newest)
    assert "org/tiny has a newer revision (89abcdef01)" in run(capsys, "search")[1]
    assert newest in run(capsys, "fetch", "org/tiny", "--newest")[1]
    assert "newer revision" not in run(capsys, "search")[1]
    assert "no such model" in run(capsys, "search", "nothing-like-it")[1]
    assert run(capsys, "fetch", f"org/tiny@{newest}", "--newest")[0] == 1


def test_offline_the_search_says_so(monkeypatch, capsys):
    monkeypatch.setenv("CYTOSYNTH_OFFLINE", "1")
    code, said = run(capsys, "search")
    assert code == 1
    assert "CYTOSYNTH_OFFLINE forbids the network" in said
