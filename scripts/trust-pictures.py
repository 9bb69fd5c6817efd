"""Pictures and numbers of docs/trust.md: failures of virtual stains, on simulated cells only.

Each case prints what stands in the text below its picture; --page writes it there.

Needs the extra `train`, for its figures.

Usage: trust-pictures.py OUT [--only CASE …] [--models UNET PIX2PIXHD] [--page docs/trust.md]
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import LinearSegmentedColormap
from scipy import ndimage

import napari_cytosynth as cytosynth
from napari_cytosynth import phantoms
from napari_cytosynth.metrics import auroc, best_iou, coverage, pcc, spearman
from napari_cytosynth.progress import silent
from napari_cytosynth.tasks.common.input_check import check_image
from napari_cytosynth.tasks.common.resample import at_magnification
from napari_cytosynth.tasks.stain.second_opinion import second_opinion, share_training

MODELS = ("phantom-phase-unet", "phantom-phase-pix2pixhd")
SHAPE, PIXEL = (288, 288), 0.5
CYAN = LinearSegmentedColormap.from_list("cyan", ["black", "cyan", "white"])
MAGENTA = LinearSegmentedColormap.from_list("magenta", ["black", "magenta", "white"])
LOOKS: dict[str, dict[str, Any]] = {
    "phase": {"cmap": "gray"},
    "nuclei": {"cmap": CYAN, "vmin": 400, "vmax": 4200},
    "membrane": {"cmap": MAGENTA, "vmin": 400, "vmax": 3400},
}
RIGHT, WRONG, PLANTED = "white", "tab:orange", "yellow"


SAID: dict[str, list[str]] = {}
"""Case -> lines that were printed."""


def say(text: str) -> None:
    """Print a line, and keep it for the page."""
    SAID[list(SAID)[-1]].extend(text.splitlines())
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def update(page: Path) -> None:
    """Write the lines into the blocks of the page that begin with their case's command."""
    text = page.read_text("utf-8")
    for case, lines in SAID.items():
        begin = f"$ python scripts/trust-pictures.py OUT --only {case}\n"
        before, found, after = text.partition(begin)
        if not found:
            raise SystemExit(f"“{page}” has no block that begins with “{begin.strip()}”.")
        text = before + begin + "\n".join(lines) + after[after.index("\n```") :]
    page.write_text(text, "utf-8")


@dataclass(frozen=True)
class Models:
    """The two models, loaded once."""

    names: tuple[str, str]

    @cached_property
    def unet(self) -> Any:
        """The regression model."""
        return cytosynth.load_model(self.names[0])

    @cached_property
    def pix2pixhd(self) -> Any:
        """Its rival."""
        return cytosynth.load_model(self.names[1])


def run(image: Any, model: Any, **options: Any) -> cytosynth.Staining:
    """Stain an image."""
    return cytosynth.stain(image, model, progress=silent, **{"pixel_size": PIXEL, **options})


def panel(axis: Any, image: Any, kind: str, title: str) -> None:
    """Show an image without axes."""
    axis.imshow(image, **LOOKS.get(kind, {"cmap": kind}))
    axis.set_title(title, fontsize=11)
    axis.set_axis_off()


def outline(axis: Any, mask: Any, colour: str, **style: Any) -> None:
    """Draw the outline of what is in a mask."""
    if np.any(mask):
        axis.contour(mask, [0.5], colors=colour, **{"linewidths": 1.4, **style})


def row(count: int, rows: int = 1) -> tuple[Any, Any]:
    """Return a figure with a row of panels."""
    return plt.subplots(
        rows, count, figsize=(3.4 * count, 3.6 * rows), squeeze=False, layout="constrained"
    )


def mark_doubt(axis: Any, objects: Any, limit: float = 0.5) -> None:
    """Outline objects, in orange those that the card calls doubtful."""
    doubt = objects.doubt
    high = np.zeros(objects.labels.shape, bool)
    if doubt is not None:
        high = np.nan_to_num(doubt)[objects.labels] > limit
    outline(axis, (objects.labels > 0) & ~high, RIGHT)
    outline(axis, high, WRONG)


def warned(image: Any, model: Any, pixel_size: float | None = PIXEL) -> str:
    """Return what the plugin says about an image before the run."""
    return " ".join(check_image(image, model.card, pixel_size)) or "nothing"


def absent(models: Models) -> Any:
    """Show nuclei that are not there: clumps of matter that refract as a nucleus does."""
    made = phantoms.stained_cells(SHAPE, count=9, seed=41, clumps=9)
    result = run(made.phase, models.unet)
    found = result.objects("nuclei", progress=silent)
    gone = best_iou(made.nuclei, found.labels) < 0.1
    say(f"before the run: {warned(made.phase, models.unet)}")
    say(f"{made.clumps.max()} clumps; {gone.size} nuclei painted, {gone.sum()} of them not there")
    if found.doubt is not None:
        doubt = found.doubt[1:]
        say(f"AUROC {auroc(doubt, gone):.2f}; expected wrong {found.expected_wrong:.1f}")
        say(f"doubts of those not there: {np.sort(doubt[gone]).round(2).tolist()}")
        say(f"of the others: {np.sort(doubt[~gone]).round(2).tolist()}")
    figure, axes = row(3)
    panel(axes[0, 0], made.phase, "phase", "phase contrast, clumps outlined")
    outline(axes[0, 0], made.clumps > 0, PLANTED, linestyles="dotted")
    panel(axes[0, 1], result.mean[0], "nuclei", "virtual nuclei, doubtful ones orange")
    mark_doubt(axes[0, 1], found)
    panel(axes[0, 2], made.fluorescence[0], "nuclei", "real nuclei")
    return figure


def shape(models: Models) -> Any:
    """Show nuclei in a wrong shape: chromosomes of cells that divide."""
    made = phantoms.stained_cells(SHAPE, count=22, seed=7)
    result = run(made.phase, models.unet)
    found = result.objects("nuclei", progress=silent)
    iou = best_iou(made.nuclei, found.labels)
    wrong = (iou < 0.5) & (iou >= 0.1)
    say(f"{wrong.size} nuclei painted, {wrong.sum()} in a wrong shape (IoU 0.1 to 0.5)")
    if found.doubt is not None:
        doubt = found.doubt[1:]
        say(f"doubts of these: {doubt[wrong].round(2).tolist()}; "
            f"median of the right ones: {np.median(doubt[iou >= 0.5]):.2f}")  # fmt: skip
        columns = [name for name in found.table if name.startswith("area_px")]
        say(found.table.loc[wrong, columns].round().to_string(index=False))
    figure, axes = row(3)
    panel(axes[0, 0], made.phase, "phase", "phase contrast")
    panel(axes[0, 1], result.mean[0], "nuclei", "virtual nuclei, doubtful ones orange")
    mark_doubt(axes[0, 1], found)
    panel(axes[0, 2], made.fluorescence[0], "nuclei", "real nuclei, virtual outlines of wrong ones")
    outline(axes[0, 2], np.isin(found.labels, 1 + np.flatnonzero(wrong)), WRONG)
    return figure


def membrane(models: Models) -> Any:
    """Show outlines of cells that do not show: they refract as the medium."""
    made = phantoms.stained_cells(SHAPE, count=14, seed=34, hidden=0.5)
    result = run(made.phase, models.unet, views=8)
    hidden = np.isin(made.cells, made.hidden)
    near = {
        "hidden": ndimage.binary_dilation(hidden, iterations=3),
        "visible": ndimage.binary_dilation((made.cells > 0) & ~hidden, iterations=3),
    }
    near["hidden"] &= ~near["visible"]
    say(f"before the run: {warned(made.phase, models.unet)}")
    real = made.fluorescence[1].astype(float)
    outlines = ndimage.distance_transform_edt(made.cells > 0)
    for name, where in near.items():
        edge = where & (outlines > 0) & (outlines <= 1.5)
        say(f"{name}: PCC {pcc(result.mean[1][where], real[where]):.2f}; real outline paints "
            f"{np.mean(real[edge]):.0f}, virtual {np.mean(result.mean[1][edge]):.0f}")  # fmt: skip
    painted = result.mean[1] > np.percentile(result.mean[1], 20) + 250
    both = painted & (near["hidden"] | near["visible"])
    scores = {"brightness": -result.mean[1], "spread of the views": result.view_std[1]}
    if result.std is not None:
        scores["σ"] = result.std[1]
    for name, score in scores.items():
        value = auroc(score[both], near["hidden"][both])
        say(f"what is painted at hidden cells against visible ones, {name}: AUROC {value:.2f}")
    figure, axes = row(3)
    panel(axes[0, 0], made.phase, "phase", "phase contrast, hidden outlines dotted")
    outline(axes[0, 0], hidden, PLANTED, linestyles="dotted")
    panel(axes[0, 1], result.mean[1], "membrane", "virtual membrane")
    panel(axes[0, 2], real, "membrane", "real membrane")
    return figure


def focus(models: Models) -> Any:
    """Show other focal planes of the same cells."""
    figure, axes = row(4, 2)
    for column, distance in enumerate((0.0, 2.0, 4.0, 8.0)):
        optics = phantoms.Optics(defocus_um=distance)
        made = phantoms.stained_cells(SHAPE, count=22, seed=7, optics=optics)
        result = run(made.phase, models.unet)
        value = [pcc(result.mean[k], made.fluorescence[k]) for k in (0, 1)]
        says = warned(made.phase, models.unet)
        say(f"{distance:g} µm: PCC {value[0]:.2f} (nuclei), {value[1]:.2f} (membrane); says {says}")
        panel(axes[0, column], made.phase, "phase", f"{distance:g} µm out of focus")
        title = f"virtual nuclei, PCC {value[0]:.2f}" + " · warned" * (says != "nothing")
        panel(axes[1, column], result.mean[0], "nuclei", title)
    grain = float(np.median(np.abs(np.diff(made.phase.astype(float), axis=1))))
    noisy = made.phase + np.random.default_rng(0).normal(0, grain, made.phase.shape)
    say(f"8 µm, from a noisier camera: says {warned(noisy, models.unet)}")
    return figure


def microscope(models: Models) -> Any:
    """Show another magnification, and another microscope."""
    dense = phantoms.Optics(ring_phase=np.pi / 2)
    cases: list[tuple[str, float, dict[str, Any], dict[str, Any]]] = [
        ("as in training", 0.5, {}, {}),
        ("0.25 µm, not told", 0.25, {}, {"pixel_size": None}),
        ("0.25 µm, resampled", 0.25, {}, {"pixel_size": 0.25, "resample": True}),
        ("negative phase contrast", 0.5, {"optics": dense}, {}),
    ]
    figure, axes = row(4, 2)
    for column, (title, size, drawn, options) in enumerate(cases):
        made = phantoms.stained_cells(SHAPE, round(88 * size**2), 9, size, **drawn)
        result = run(made.phase, models.unet, **options)
        value = pcc(result.mean[0], made.fluorescence[0])
        seen, given = made.phase, options.get("pixel_size", PIXEL)
        if options.get("resample"):  # what the network sees
            seen = at_magnification(seen[None], (seen.shape[0] // 2, seen.shape[1] // 2))[0]
            given = PIXEL
        says = warned(seen, models.unet, given)
        say(f"{title}: PCC {value:.2f}; says {says}")
        panel(axes[0, column], made.phase, "phase", title)
        note = f"virtual nuclei, PCC {value:.2f}" + " · warned" * (says != "nothing")
        panel(axes[1, column], result.mean[0], "nuclei", note)
    return figure


def shared(models: Models) -> Any:
    """Show errors that two models share: the second opinion is silent about them."""
    made = phantoms.stained_cells(SHAPE, count=9, seed=41, clumps=9)
    first, second = (run(made.phase, model, samples=0) for model in (models.unet, models.pix2pixhd))
    found = second_opinion(first, second, progress=silent)
    gone = best_iou(made.nuclei, found.first.labels) < 0.1
    told = found.objects[found.objects["image"] == "first"]["label"].to_numpy()
    absent_labels = 1 + np.flatnonzero(gone)
    silent_on = np.setdiff1d(absent_labels, told)
    say(f"of {absent_labels.size} nuclei that are not there, the second opinion is silent about "
        f"{silent_on.size}; same training: {share_training(first, second)}")  # fmt: skip
    say(f"it outlines {len(found.objects)} in all")
    figure, axes = row(4)
    panel(axes[0, 0], made.phase, "phase", "phase contrast, clumps outlined")
    outline(axes[0, 0], made.clumps > 0, PLANTED, linestyles="dotted")
    panel(axes[0, 1], first.mean[0], "nuclei", "regression; not there, not outlined: orange")
    outline(axes[0, 1], np.isin(found.first.labels, silent_on), WRONG)
    panel(axes[0, 2], second.mean[0], "nuclei", "pix2pixHD")
    panel(axes[0, 3], made.fluorescence[0], "nuclei", "real nuclei")
    return figure


def batch(models: Models) -> Any:
    """Show two plates: the second took up half the dye, which phase contrast does not show."""
    means: dict[str, list[float]] = {"real": [], "virtual": []}
    figure, axes = row(4)
    for plate, uptake in enumerate((1.0, 0.5)):
        made = phantoms.stained_cells(SHAPE, count=22, seed=60 + plate)
        real = 400 + uptake * (made.fluorescence[0].astype(float) - 400)
        result = run(made.phase, models.unet)
        for name, image in (("real", real), ("virtual", result.mean[0])):
            means[name].append(float(image[made.nuclei > 0].mean() - 400))
        letter = "AB"[plate]
        panel(axes[0, 2 * plate], real, "nuclei", f"plate {letter}: real")
        panel(axes[0, 2 * plate + 1], result.mean[0], "nuclei", f"plate {letter}: virtual")
    for name, (first, second) in means.items():
        say(f"{name}: mean of the nuclei above background {first:.0f} and {second:.0f}, "
            f"ratio {second / first:.2f}")  # fmt: skip
    return figure


def camera(models: Models) -> Any:
    """Show a saturated camera, and light that falls off to one side."""
    made = phantoms.stained_cells(SHAPE, count=22, seed=7)
    phase = made.phase.astype(float)
    ramp = np.linspace(0.35, 1.65, SHAPE[1])[None, :]
    top = float(np.percentile(phase, 60))
    cases = {
        "as it is": made.phase,
        "saturated": np.clip(phase / top * 255, 0, 255).astype(np.uint8),
        "light from one side": (phase * ramp).astype(np.uint16),
    }
    figure, axes = row(3, 2)
    for column, (title, image) in enumerate(cases.items()):
        result = run(image, models.unet)
        value = pcc(result.mean[0], made.fluorescence[0])
        says = warned(image, models.unet)
        say(f"{title}: PCC {value:.2f}; says {says}")
        panel(axes[0, column], image, "phase", title)
        note = f"virtual nuclei, PCC {value:.2f}" + " · warned" * (says != "nothing")
        panel(axes[1, column], result.mean[0], "nuclei", note)
    return figure


def dropout(models: Models) -> Any:
    """Show what the spread of dropout samples tells beyond the brightness of a pixel."""
    made = phantoms.stained_cells(SHAPE, count=22, seed=7)
    result = run(made.phase, models.unet, samples=16)
    spread = (result.sample_std if result.sample_std is not None else result.std)[0]
    mean, error = result.mean[0], np.abs(result.mean[0] - made.fluorescence[0].astype(float))
    inside = ndimage.binary_dilation(made.nuclei > 0, iterations=3)
    inside |= mean > np.percentile(mean, 20) + 250
    pairs = {
        "spread and brightness": (spread, mean),
        "error and brightness": (error, mean),
        "error and spread": (error, spread),
    }
    for where, name in ((np.ones_like(inside), "all pixels"), (inside, "in and around nuclei")):
        ranks = {key: spearman(a[where], b[where]) for key, (a, b) in pairs.items()}
        say(f"rank correlation, {name}: " + ", ".join(f"{k} {v:.2f}" for k, v in ranks.items()))
    figure, axes = row(3)
    panel(axes[0, 0], mean, "nuclei", "virtual nuclei")
    panel(axes[0, 1], spread, "inferno", "spread of 16 dropout samples")
    panel(axes[0, 2], error, "inferno", "error, against the real stain")
    for axis, shown in zip(axes[0, 1:], (spread, error), strict=True):
        axis.images[0].set_clim(0, np.percentile(shown, 99.5))
    return figure


def calibrated(models: Models) -> Any:
    """Show how many errors lie within one σ, on other fields and on other conditions."""
    conditions: dict[str, dict[str, Any]] = {
        "new fields": {},
        "clumps": {"clumps": 9},
        "hidden outlines": {"hidden": 0.5},
        "2 µm out of focus": {"optics": phantoms.Optics(defocus_um=2.0)},
        "8 µm out of focus": {"optics": phantoms.Optics(defocus_um=8.0)},
    }
    found: dict[str, list[tuple[float, float]]] = {}
    for name, drawn in conditions.items():
        for seed in (7, 8):
            made = phantoms.stained_cells(SHAPE, count=18, seed=seed, **drawn)
            result = run(made.phase, models.unet)
            error = result.mean - made.fluorescence.astype(np.float32)
            values = tuple(coverage(error[k], result.std[k]) for k in (0, 1))
            found.setdefault(name, []).append(values)
        nuclei, membranes = np.mean(found[name], axis=0)
        say(f"{name}: {nuclei:.0%} (nuclei), {membranes:.0%} (membrane) of the errors within 1 σ")
    figure, axis = plt.subplots(figsize=(8.5, 3.2), layout="constrained")
    heights = 100 * np.array([np.mean(values, axis=0) for values in found.values()])
    places = np.arange(len(found))
    for k, (label, colour) in enumerate((("nuclei", "tab:cyan"), ("membrane", "tab:pink"))):
        axis.bar(places + 0.38 * k - 0.19, heights[:, k], 0.36, color=colour, label=label)
    axis.axhline(68.3, color="black", linestyle="dotted", label="68 %")
    axis.set_xticks(places, list(found))
    axis.set_ylabel("errors within 1 σ, %")
    axis.legend(frameon=False, ncols=3, loc="lower left")
    return figure


CASES = {
    one.__name__: one
    for one in (
        absent, shape, membrane, focus, microscope, shared, batch, camera, dropout, calibrated,
    )
}  # fmt: skip


def main() -> None:
    """Make the pictures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--only", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--models", nargs=2, default=MODELS, metavar=("UNET", "PIX2PIXHD"))
    parser.add_argument("--page", type=Path, help="page that gets the numbers")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    models = Models(tuple(options.models))
    for name in options.only:
        SAID[name] = []
        sys.stdout.write(f"\n== {name}\n")
        figure = CASES[name](models)
        figure.savefig(options.out / f"trust-{name}.webp", dpi=76, pil_kwargs={"quality": 45})
        plt.close(figure)
    if options.page:
        update(options.page)


main()
