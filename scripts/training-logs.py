"""Write what trainings of the catalogue's models logged into docs/logs.md.

python scripts/training-logs.py --shipped DATA/em-vnc=runs/em-cells-unet \
    --again DATA/em-vnc=runs/seed-1 DATA/em-vnc=runs/seed-2 …
python scripts/training-logs.py --add DATA/em-vnc=runs/seed-3
python scripts/training-logs.py --replace DATA/em-vnc=runs/em-cells-unet

The first writes the page anew, the second puts models trained again at its end, the third gives a
model that ships with new weights its new log. Each argument is
the data folder as a reader would name it, and the folder of a finished run, or those of its rounds
in order, joined by +.
"""

from __future__ import annotations

import argparse
import csv
import json
from pathlib import Path

import yaml

from napari_cytosynth.training.recipe.settings import differing, dotted

PAGE = Path(__file__).parents[1] / "docs" / "logs.md"
HEAD = """# Logs of the trainings

Commands, versions, and what validation found; of runs in rounds, of each round (the first rounds of
diffusion models weight their loss otherwise: it cannot be compared with the second's). What the
results reached on test images stands beside the
[figures of the cards](training.md#retrain-what-ships). Made by `python scripts/training-logs.py`.

## Of the weights that ship

What differed from today's commands is told
[elsewhere](training.md#how-the-shipped-weights-were-made).
"""
AGAIN = """
## Of models trained again

With other seeds, by the commands of their time: models whose log above is of other steps have had
another recipe since.
"""


def columns(folder: Path) -> list[dict[str, str]]:
    """Return one row for each epoch that was validated, of all parts of an interrupted run."""
    rows: dict[int, dict[str, str]] = {}
    for path in sorted(folder.glob("csv/version_*/metrics.csv"), key=lambda p: p.stat().st_mtime):
        for row in csv.DictReader(path.read_text("utf-8").splitlines()):
            found = {k: v for k, v in row.items() if k.startswith("validation/") and v}
            if found:
                rows.setdefault(int(row["epoch"]), {}).update(found)
    return [{"epoch": str(epoch + 1), **rows[epoch]} for epoch in sorted(rows)]


def table(rows: list[dict[str, str]]) -> list[str]:
    """Return at most twelve of the rows, the last among them, as aligned text."""
    names = [name for name in rows[-1] if "verdict" not in name]
    every = -(-len(rows) // 12)
    rows = rows[::-1][::every][::-1]
    shown = [[name.removeprefix("validation/") for name in names]]
    for row in rows:
        numbers = [f"{float(row.get(name, 'nan')):.3g}" for name in names[1:]]
        shown.append([row["epoch"], *numbers])
    widths = [max(map(len, column)) for column in zip(*shown, strict=True)]
    return ["  ".join(c.rjust(w) for c, w in zip(row, widths, strict=True)) for row in shown]


def read(folder: Path) -> tuple[dict, dict, dict]:
    """Return recipe, facts and what was chosen of a run or a round."""
    facts = [
        json.loads((folder / f"{name}.json").read_text("utf-8")) for name in ("run", "validation")
    ]
    return yaml.safe_load((folder / "recipe.yaml").read_text("utf-8")), *facts


def commands(data: str, parts: list[Path], again: bool) -> list[str]:
    """Return the command of each training; a second one goes on from the first one's model."""
    first = read(parts[0])[0]
    lines = [f"cytosynth train {first['name']} --data-dir {data}"]
    if not again:  # what differed is told elsewhere
        return lines
    begun = [f"{lines[0]} --set train.seed={first['train']['seed']}"]
    for part in parts[1:]:
        settings = dotted(read(part)[0])
        settings["network.start_from"] = f"runs/{first['name']}/{first['name']}"
        changed = differing(first, settings | {"rounds": first["rounds"]})
        sets = " ".join(f"{key}={json.dumps(settings[key])}".replace('"', "") for key in changed)
        begun.append(f"{lines[0]} --out runs/second --set {sets}")
    return begun


def section(data: str, parts: list[Path], again: bool) -> list[str]:
    """Return what the page says of one run."""
    recipe, facts, chosen = read(parts[-1])
    within = sorted(parts[-1].glob("round-*")) if again else []  # summed up in the last one
    rounds, records = parts[:-1] or within, [read(part)[2] for part in parts[:-1]]
    stage = parts[-1] / "autoencoder"
    records += [read(stage)[2]] if stage.is_dir() else []
    minutes, steps = (sum(r[key] for r in [*records, chosen]) for key in ("seconds", "steps"))
    name, seed = recipe["name"], read(parts[0])[0]["train"]["seed"]
    title = f"`{name}`, seed {seed}" if again else f"`{name}`"
    lines = ["", f"### {title}", "", "```console"]
    lines += [*commands(data, parts, again), "```", ""]
    lines += [
        f"{minutes / 60:.0f} min, {steps} steps; torch {facts['torch']}, Lightning "
        f"{facts['lightning']}; {len(facts['train_images'])} training images; SHA-256 of the data: "
        f"{facts['data_sha256'][:12]}…"
    ]
    stages = {f"Round {number}": part for number, part in enumerate([*rounds, parts[-1]], 1)}
    stages = stages if rounds else {"": parts[-1]}
    if stage.is_dir():
        stages = {"Autoencoder": stage, **stages}
    for name, part in stages.items():
        learned = (read(part)[0]["data"].get("split") or {}).get("use_all")
        seen = " (on images that it learned from)" if learned else ""
        best = f"weights of epoch {read(part)[2]['best_epoch'] + 1}{seen}:"
        lines += ["", f"{name}, {best}" if name else best.capitalize(), "", "```text"]
        lines += [*table(columns(part)), "```"]
    return lines


def replaced(page: str, name: str, lines: list[str]) -> str:
    """Return the page with another log of a model that ships."""
    shipped, head, again = page.partition(AGAIN.splitlines()[1])
    before, title, rest = shipped.partition(f"\n### `{name}`\n")
    if not title:
        raise SystemExit(f"{PAGE} has no log of {name} among the weights that ship.")
    after = rest[rest.find("\n### ") :] if "\n### " in rest else "\n"
    return before.rstrip("\n") + "\n" + "\n".join(lines) + "\n" + after + head + again


def main() -> None:
    """Write the page."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--shipped", nargs="*", default=[])
    parser.add_argument("--again", nargs="*", default=[])
    parser.add_argument("--add", nargs="*", default=[])
    parser.add_argument("--replace", nargs="*", default=[])
    arguments = parser.parse_args()
    for run in arguments.replace:
        data, _, folders = run.partition("=")
        parts = [Path(folder) for folder in folders.split("+")]
        name = read(parts[-1])[0]["name"]
        page = replaced(PAGE.read_text("utf-8"), name, section(data, parts, again=False))
        PAGE.write_text(page, "utf-8")
    if arguments.replace:
        return
    parts = [(False, "", arguments.shipped), (True, AGAIN.rstrip(), arguments.again)]
    lines = [HEAD.rstrip()]
    if arguments.add:
        parts, lines = [(True, "", arguments.add)], [PAGE.read_text("utf-8").rstrip()]
    for again, head, runs in parts:
        lines += [head] if head and runs else []
        for run in runs:
            data, _, folders = run.partition("=")
            lines += section(data, [Path(folder) for folder in folders.split("+")], again)
    PAGE.write_text("\n".join(lines) + "\n", "utf-8")


if __name__ == "__main__":
    main()
