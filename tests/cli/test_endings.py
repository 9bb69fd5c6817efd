"""The commands in processes of their own: statuses, encodings, pipes; no traceback."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from napari_cytosynth.cli import main

pytestmark = pytest.mark.slow  # in all

CYTOSYNTH = [sys.executable, "-m", "napari_cytosynth"]


def _run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    done = subprocess.run(
        [*CYTOSYNTH, *arguments],
        capture_output=True,
        env={**os.environ, **environment},
        timeout=120,
        check=False,
    )
    assert b"Traceback" not in done.stderr
    return done


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("evaluate segment fluo-nuclei-unet --data-dir nothing", "file or folder “nothing”"),
        ("evaluate segment fluo-nuclei-unet --data-dir a.txt", "“a.txt” is not a folder"),
        (f"evaluate segment fluo-nuclei-unet --data-dir {'a' * 300}", "too long"),
        ("segment i.npy --out o --model ~nosuchuser/m", "~"),
    ],
)
def test_ordinary_mistakes_are_one_sentence(line, said, tmp_path, monkeypatch, capsys) -> None:
    import numpy as np

    monkeypatch.chdir(tmp_path)
    np.save(tmp_path / "i.npy", np.zeros((8, 8), np.uint8))
    (tmp_path / "a.txt").write_text("no folder")
    assert main(line.split()) == 1
    shown = capsys.readouterr().err
    assert said in shown
    assert len(shown.splitlines()) == 1


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read all")
def test_a_folder_without_permission_is_one_sentence(tmp_path, capsys) -> None:
    (tmp_path / "image").mkdir()
    tmp_path.chmod(0)
    try:
        line = f"evaluate segment fluo-nuclei-unet --data-dir {tmp_path}"
        assert main(line.split()) == 1
    finally:
        tmp_path.chmod(0o755)
    assert "You may not open" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["[" * 50_000, "{a: " * 5000 + "1" + "}" * 5000])
def test_a_recipe_without_an_end_is_one_sentence(text, tmp_path, capsys) -> None:
    recipe = tmp_path / "deep.yaml"
    recipe.write_text(text)
    for command in ("train", "study"):
        assert main([command, str(recipe), "--data-dir", str(tmp_path)]) == 1
        assert "nested too deeply" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--threshold", "x", "must be a number, not “x”"),
        ("--min-size", "1.5", "must be a whole number"),
        ("--pixel-size", "1e300", "between 1e-6 and 1e6 µm"),
        ("--pixel-size", "1e-300", "between 1e-6 and 1e6 µm"),
    ],
)
def test_numbers_that_cannot_be_are_refused(option, value, said, capsys) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["segment", "i.tif", "--model", "m", "--out", "o", option, value])
    assert said in capsys.readouterr().err


SEVERAL = """
import json, sys
from napari_cytosynth.cli import main

for line in json.loads(sys.argv[1]):
    try:
        status = main(line)
    except SystemExit as end:
        status = end.code
    print(f"[status {status}]", flush=True)
"""
"""Runs commands one after the other: for each, a process would import everything anew."""


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "cp932"])
def test_any_encoding_of_the_console_will_do(encoding) -> None:
    fails = ["segment", "nöthing.tif", "--model", "m", "--out", "o"]
    lines = [["segment", "--help"], ["study", "--list"], ["models", "list"], fails]
    done = subprocess.run(
        [sys.executable, "-c", SEVERAL, json.dumps(lines)],
        capture_output=True,
        env={**os.environ, "PYTHONIOENCODING": encoding},
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    said = re.split(r"\[status (\d)\]", done.stdout.decode(encoding))
    assert said[1::2] == ["0", "0", "0", "1"]
    assert all(len(text) > 100 for text in said[:6:2])
    (sentence,) = done.stderr.decode(encoding).splitlines()
    assert "thing.tif" in sentence


@pytest.fixture
def odd_model(tiny_model, tmp_path) -> Path:
    """Return the folder of a model whose title is in no small alphabet."""
    from napari_cytosynth.zoo.model_files import save_model

    folder = tmp_path / "odd"
    save_model(folder, tiny_model.network, tiny_model.card)
    card = json.loads((folder / "config.json").read_text("utf-8"))
    card["title"] = "“β”: 核"
    (folder / "config.json").write_text(json.dumps(card), encoding="utf-8")
    return folder


def test_a_card_stays_json_in_ascii(odd_model) -> None:
    done = _run("models", "show", str(odd_model), "--json", PYTHONIOENCODING="ascii")
    assert json.loads(done.stdout)["title"].startswith("“β”")


def test_a_card_does_not_steer_the_terminal(monkeypatch, capsys) -> None:
    from types import SimpleNamespace

    title = "x\x1b]0;owned\x07\x1b[2J\nfluo-nuclei-unet"
    info = SimpleNamespace(
        source="a/b", task="segment", size_bytes=1, licence="\r", data_licence="", title=title
    )
    monkeypatch.setattr("napari_cytosynth.zoo.catalogue.list_models", lambda task: [info])
    assert main(["models", "list"]) == 0
    shown = capsys.readouterr().out
    assert len(shown.splitlines()) == 2
    assert not {"\x1b", "\x07", "\r"} & set(shown)
    assert r"\x1b[2J" in shown


@pytest.mark.skipif(sys.platform == "win32", reason="pipes of Windows end otherwise")
@pytest.mark.parametrize("arguments", [["models", "list"], ["segment", "--help"]])
def test_a_reader_that_goes_is_no_error(arguments) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run(
            [*CYTOSYNTH, *arguments],
            stdout=writer,
            stderr=subprocess.PIPE,
            timeout=120,
            check=False,
        )
    finally:
        os.close(writer)
    assert done.stderr == b""
    assert done.returncode == 0


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
def test_output_to_a_full_disk_is_told_of() -> None:
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [*CYTOSYNTH, "models", "list"],
            stdout=full,
            stderr=subprocess.PIPE,
            timeout=120,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr.decode().startswith("cytosynth: The output cannot be written: ")
    assert len(done.stderr.splitlines()) == 1
