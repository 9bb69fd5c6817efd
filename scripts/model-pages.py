"""Pages of the bundled models, made from their cards while mkdocs builds the site.

A hook of mkdocs.yml: a card is written once, by a training or an evaluation, and nothing of it is
copied by hand.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mkdocs.structure.files import File

from napari_cytosynth.zoo.collection.licences import licence_in_words

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files

WEIGHTS = Path(__file__).resolve().parents[1] / "src" / "napari_cytosynth" / "weights"
FOLDER = "bundled"
TASKS = {
    "segment": "Segment",
    "stain": "Stain",
    "generate": "Generate",
    "encode": "Describe images by features",
}


def models() -> dict[str, str]:
    """Return the names of the bundled models, by verb and then by name, and their tasks."""
    index: dict[str, dict[str, Any]] = json.loads((WEIGHTS / "index.json").read_text("utf-8"))
    order = list(TASKS)
    names = sorted(index, key=lambda name: (order.index(index[name]["task"]), name))
    return {name: index[name]["task"] for name in names}


def on_config(config: MkDocsConfig) -> None:
    """Put the pages into the menu, before the reference."""
    pages = [{"All of them": f"{FOLDER}/index.md"}]
    pages += [{name: f"{FOLDER}/{name}.md"} for name in models()]
    where = next(i for i, entry in enumerate(config.nav) if "Reference" in entry)
    config.nav.insert(where, {"Models": pages})


def on_files(files: Files, config: MkDocsConfig) -> None:
    """Add a page for each card, with its picture if there is one, and one that lists them."""
    for name in models():
        text = _card(name)
        picture = f"images/generated-{name}.webp"
        if files.get_file_from_path(picture):
            text += f"\n![Images of {name}, of the first seeds, not selected](../{picture})\n"
        elif (WEIGHTS / name / "picture.jpg").is_file():
            text += f"\n![A simulated image, and what {name} makes of it]({name}.jpg)\n"
            text += "\n*Simulated cells, which are easier than real ones: what comes out, not how "
            text += "good it is. By `scripts/model-pictures.py`.*\n"
            path = str(WEIGHTS / name / "picture.jpg")
            files.append(File.generated(config, f"{FOLDER}/{name}.jpg", abs_src_path=path))
        files.append(File.generated(config, f"{FOLDER}/{name}.md", content=text))
    files.append(File.generated(config, f"{FOLDER}/index.md", content=_overview()))


def _card(name: str) -> str:
    """Return a card without the block for the Hub at its top."""
    text = (WEIGHTS / name / "README.md").read_text("utf-8")
    return text.split("\n---\n", 1)[1].lstrip() if text.startswith("---\n") else text


def _overview() -> str:
    rows = [
        "# The bundled models",
        "",
        "The pages are the models' own cards: what a model was trained on, how good it is on",
        "images that it never saw, where it fails, under which licence, and the commands that",
        "measure it again.",
        "",
        "| model | for | may be used | size |",
        "|---|---|---|---|",
    ]
    for name, task in models().items():
        card = json.loads((WEIGHTS / name / "config.json").read_text("utf-8"))
        title = card["title"][:1].lower() + card["title"][1:]  # the rest has names: U2OS, H&E
        size = (WEIGHTS / name / "model.safetensors").stat().st_size / 1e6
        rows.append(
            f"| [{name}]({name}.md) | {TASKS[task]}: {title} | "
            f"{licence_in_words(card['licence'], card['training']['data_licence'])} | "
            f"{size:.1f} MB |"
        )
    return "\n".join(rows) + "\n"
