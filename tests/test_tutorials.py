"""The tutorials of the documentation run, line by line, in a fresh folder."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest

from napari_cytosynth.cli import main

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "tutorials"
PAGES = sorted(path.stem for path in FOLDER.glob("*.md"))

pytestmark = [
    pytest.mark.slow,
    pytest.mark.weights,
    pytest.mark.skipif(not FOLDER.is_dir(), reason="not a checkout of the repository"),
]


def blocks(page: str) -> list[tuple[str, str]]:
    text = (FOLDER / f"{page}.md").read_text("utf-8")
    return re.findall(r"```(console|python)\n(.*?)```", text, re.DOTALL)


SHORTER = {"steps=60": "steps=2", "map(field, (2, 3, 4))": "map(field, (2,))"}
"""What of the training and the scoring on a page is cut."""


@pytest.mark.parametrize("page", PAGES)
def test_a_tutorial_runs_but_for_a_shorter_training(page, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    for module in ("plan", "segment.recipe"):
        name = f"napari_cytosynth.training.teach.{module}.STEPS_OF_AN_EPOCH"
        monkeypatch.setattr(name, 2)
    for kind, text in blocks(page):
        if kind == "python":
            for long, short in SHORTER.items():
                text = text.replace(long, short)
            exec(compile(text, page, "exec"), {})
            continue
        for line in text.splitlines():
            program, *arguments = shlex.split(line)
            assert program == "cytosynth"
            assert main(arguments) == 0, line


def test_the_notebook_runs_as_it_stands(make_napari_viewer, monkeypatch) -> None:
    cells = json.loads((FOLDER / "console.ipynb").read_text("utf-8"))["cells"]
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    viewer = make_napari_viewer()
    monkeypatch.setattr("napari.Viewer", lambda: viewer)
    names: dict[str, object] = {}
    for text in code:
        exec(compile(text, "console.ipynb", "exec"), names)
    assert names["found"].labels.max() >= 3
    assert "area_um2" in names["table"]
    assert {layer.name for layer in viewer.layers} > {"phase"}
