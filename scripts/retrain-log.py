"""Write the logs of retrained models into docs/retrained.md.

python scripts/retrain-log.py DATA/em-vnc=runs/seed-1 DATA/em-vnc=runs/seed-2 …

Each argument is the data folder as a reader would name it, and the folder of a finished run.
"""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path

import yaml

PAGE = Path(__file__).parents[1] / "docs" / "retrained.md"
HEAD = """# Logs of retrained models

What `cytosynth train` wrote when models of the catalogue were trained again, with other seeds than
those that ship: commands, versions, and what validation found. What the results reached on test
images stands [beside the figures of the cards](training.md#retrain-what-ships). Made by
`python scripts/retrain-log.py DATA-FOLDER=RUN-FOLDER …`
"""


def columns(folder: Path) -> list[dict[str, str]]:
    """Return one row for each epoch that was validated, of all parts of an interrupted run."""
    rows: dict[int, dict[str, str]] = {}
    for path in sorted(folder.glob("csv/version_*/metrics.csv")):
        for row in csv.DictReader(path.read_text("utf-8").splitlines()):
            found = {k: v for k, v in row.items() if k.startswith("validation/") and v}
            if found:
                rows.setdefault(int(row["epoch"]), {}).update(found)
    return [{"epoch": str(epoch + 1), **rows[epoch]} for epoch in sorted(rows)]


def table(rows: list[dict[str, str]]) -> list[str]:
    """Return the rows as aligned text."""
    names = [name for name in rows[-1] if "verdict" not in name]
    shown = [[name.removeprefix("validation/") for name in names]]
    for row in rows:
        numbers = [f"{float(row.get(name, 'nan')):.4g}" for name in names[1:]]
        shown.append([row["epoch"], *numbers])
    widths = [max(map(len, column)) for column in zip(*shown, strict=True)]
    return ["  ".join(c.rjust(w) for c, w in zip(row, widths, strict=True)) for row in shown]


def section(data: str, folder: Path) -> list[str]:
    """Return what the page says of one run."""
    recipe = yaml.safe_load((folder / "recipe.yaml").read_text("utf-8"))
    facts = json.loads((folder / "run.json").read_text("utf-8"))
    chosen = json.loads((folder / "validation.json").read_text("utf-8"))
    name, seed = recipe["name"], recipe["train"]["seed"]
    lines = ["", f"## `{name}`, seed {seed}", "", "```console"]
    lines += [f"cytosynth train {name} --data-dir {data} --set train.seed={seed}", "```", ""]
    lines += [
        f"{chosen['seconds'] / 60:.0f} min, {chosen['steps']} steps, weights of epoch "
        f"{chosen['best_epoch'] + 1}; torch {facts['torch']}, lightning {facts['lightning']}, "
        f"Python {facts['python']}; {len(facts['train_images'])} training images, SHA-256 of the "
        f"data {facts['data_sha256'][:12]}…"
    ]
    parts = [*sorted(folder.glob("round-*")), folder]
    for number, part in enumerate(parts, 1):
        title = f"Validation, round {number}:" if len(parts) > 1 else "Validation:"
        lines += ["", title, "", "```text", *table(columns(part)), "```"]
    return lines


def main(arguments: list[str]) -> None:
    """Write the page."""
    lines = [HEAD.rstrip()]
    for argument in arguments:
        data, _, folder = argument.partition("=")
        lines += section(data, Path(folder))
    PAGE.write_text("\n".join(lines) + "\n", "utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
