"""The README of a model: a Hugging Face model card, rendered from the typed card."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import yaml

from .confidence_page import confidence_text, doubt_text
from .text import for_code, for_markdown, for_table_cell

if TYPE_CHECKING:
    from .card import Inference, Metric, ModelCard, Normalisation

__all__ = ["HUB_TAG", "render_readme"]

HUB_TAG = "napari-cytosynth"
"""Tag of every model on the Hub that this package can use."""

_PIPELINES = {
    "segment": "image-segmentation",
    "stain": "image-to-image",
    "generate": "unconditional-image-generation",
    "encode": "image-feature-extraction",
}
_HUB_LICENCES = frozenset(
    "apache-2.0 bsd-2-clause bsd-3-clause cc-by-3.0 cc-by-4.0 cc-by-nc-3.0 cc-by-nc-4.0 "
    "cc-by-nc-nd-4.0 cc-by-nc-sa-3.0 cc-by-nc-sa-4.0 cc-by-nd-4.0 cc-by-sa-3.0 cc-by-sa-4.0 "
    "cc0-1.0 gpl-3.0 mit pddl unlicense".split()
)
_PYTHON = {
    "segment": 'result = cytosynth.segment(image, model="{name}")\n'
    "result.labels  # one integer per object\n"
    "result.table  # size, shape and position of every object",
    "stain": 'result = cytosynth.stain(image, model="{name}")\nresult.mean, result.std',
    "generate": 'result = cytosynth.generate(model="{name}", count=16, seed=0)\nresult.images',
    "encode": 'features = load_features("{name}")\n'
    "features.embed(images)  # (N, C, Y, X) in [0, 1] -> (N, C · D)",
}
_COMMANDS = {
    "segment": "cytosynth segment IMAGE.tif --model {name} --out out/",
    "stain": "cytosynth stain IMAGE.tif --model {name} --out out/",
    "generate": "cytosynth generate --model {name} --count 16 --seed 0 --out out/",
    "encode": "cytosynth evaluate generate MODEL --data-dir IMAGES --extractor {name}",
}
_CHOSEN = {
    "validation": "chosen on validation data",
    "start": "chosen for the model that it began with",
    "training": "chosen on training data",
    "given": "chosen on no images",
}
_SETTINGS = {
    "validation": "",
    "start": "Threshold, smallest object, confidence and the like were chosen for the model that "
    "it began with, on images which that one had not trained on; this one may have.",
    "training": "Threshold, smallest object, confidence and the like were chosen on images that it "
    "was trained on, and may be worse than they look.",
    "given": "Threshold, smallest object and the like are usual ones, chosen on no images.",
}
_IMPORTS = {"encode": "from napari_cytosynth.tasks.features import load_features"}
_LIBRARY = "import napari_cytosynth as cytosynth"


def render_readme(card: ModelCard, place: str | None = None) -> str:
    """Render the Hub model card of a model; texts of the card cannot become markup.

    Parameters
    ----------
    card
        The typed card, which is all that is known of the model.
    place
        Name by which everybody can load the model: that of a bundled one, or
        ``organisation/name`` on the Hub. None (default): a folder of the user's.

    Returns
    -------
    str
        YAML front matter (licence, library, tags, task, data sets, metrics) and Markdown:
        use, input and output, test figures with their commands, training, limits,
        licences, citations. The same card always gives the same text.
    """
    front = yaml.safe_dump(
        _front_matter(card, place), sort_keys=False, allow_unicode=True, width=1000
    )
    sections = [
        f"# {card.name}",
        for_markdown(card.title),
        _use(card, place),
        _input_and_output(card.inference),
        _figures(card.metrics),
        _section("Confidence in each object", confidence_text(card.confidence_tests)),
        _section("Doubt of each object", doubt_text(card.inference.doubt)),
        _training(card),
        _section("Limits", _limits(card)),
        _licences(card),
        _section("Please cite", _bullets(list(map(for_markdown, card.training.citations)))),
        _origin(card),
    ]
    return f"---\n{front}---\n\n" + "\n\n".join(filter(None, sections)) + "\n"


def _front_matter(card: ModelCard, place: str | None) -> dict[str, Any]:
    found_by = {HUB_TAG} if place and "/" in place else set()
    front = _licence_tags(card.licence) | {
        "library_name": "napari-cytosynth",
        "pipeline_tag": _PIPELINES[card.inference.task],
        "tags": sorted(
            {"napari", "microscopy", "biology", card.inference.task, *card.tags} | found_by
        ),
        "datasets": [_slug(name) for name in card.training.datasets],
        "metrics": sorted({_slug(metric.name) for metric in card.metrics}),
    }
    if card.metrics:
        front["model-index"] = [{"name": card.name, "results": _results(card)}]
    return {key: value for key, value in front.items() if value}


def _licence_tags(licence: str) -> dict[str, Any]:
    """Return the Hub's licence tags; an unlisted licence is "other" with its name."""
    if licence.lower() in _HUB_LICENCES:
        return {"license": licence.lower()}
    return {"license": "other", "license_name": _slug(licence)} if licence else {}


def _results(card: ModelCard) -> list[dict[str, Any]]:
    task = {"type": _PIPELINES[card.inference.task]}
    return [
        {
            "task": task.copy(),
            "dataset": {"type": _slug(metric.dataset), "name": metric.dataset},
            "metrics": [{"type": _slug(metric.name), "name": metric.name, "value": metric.value}],
        }
        for metric in card.metrics
    ]


def _use(card: ModelCard, place: str | None) -> str:
    task = card.inference.task
    name = place or "FOLDER"
    python = f"{_IMPORTS.get(task, _LIBRARY)}\n\n{_PYTHON[task].format(name=name)}"
    command = _COMMANDS[task].format(name=name)
    where = "" if place else "\n\n`FOLDER` is the path of the folder that this file lies in."
    return _section(
        "How to use it",
        f"{_in_napari(card, place)}**In Python:**\n\n```python\n{python}\n```\n\n"
        f"**On the command line:**\n\n```sh\n{command}\n```{where}",
    )


def _in_napari(card: ModelCard, place: str | None) -> str:
    if card.inference.task == "encode":  # no widget of its own
        return ""
    choice = "and give the path of this folder to “folder or Hub id…”."
    if place == card.name:
        choice = (
            f"and the model `{place}`. Or give the path of this folder, or its Hub name, to "
            "“folder or Hub id…”."
        )
    elif place:
        choice = f"and give `{place}` to “folder or Hub id…”."
    return (
        '**In napari:** `pip install "napari-cytosynth[all]"`, open an image, then choose '
        f"*Plugins › CytoSynth › {card.inference.task.capitalize()}* {choice}\n\n"
    )


def _input_and_output(inference: Inference) -> str:
    size, chosen = inference.pixel_size_um, _CHOSEN[inference.settings_from]
    rows = [
        ("Input channels", _inputs(inference)),
        ("Pixel size", f"{size:g} µm" if size else "unknown"),
        ("Intensities", _scaling(inference.normalisation)),
        ("Output channels", ", ".join(inference.output_channels)),
        ("Roles of the output channels", ", ".join(inference.channel_roles) or None),
        ("Output range", _range(inference)),
        (f"Threshold ({chosen})", _number(inference.threshold)),
        (f"Smallest object ({chosen})", _pixels(inference.min_size, inference)),
        ("Typical diameter of an object", _pixels(inference.diameter, inference)),
        ("… before the images were resampled", _number(inference.image_diameter)),
        ("Touching objects", _splitting(inference)),
        ("Classes", ", ".join(inference.classes) or None),
        ("Receptive radius", _radius(inference)),
    ]
    lines = [f"| {name} | {for_table_cell(value)} |" for name, value in rows if value is not None]
    return _section("What goes in and what comes out", "\n".join(["| | |", "|---|---|", *lines]))


def _inputs(inference: Inference) -> str:
    names = ", ".join(inference.input_channels) or "none"
    return f"{names} (focal planes in order along z)" if inference.focal_planes else names


def _range(inference: Inference) -> str | None:
    if inference.task == "encode":  # features have no bounds
        return None
    return "{:g} to {:g}".format(*inference.output_range)


def _radius(inference: Inference) -> str:
    whole = inference.norm in ("instance", "group") and not inference.receptive_radius
    whole = whole or inference.task == "encode"  # means over the image
    return "the whole image" if whole else f"{inference.receptive_radius} px"


def _scaling(normalisation: Normalisation) -> str:
    if normalisation.kind == "percentile":
        low, high = normalisation.low, normalisation.high
        return f"each plane's percentiles {low:g} and {high:g} become 0 and 1"
    if normalisation.kind == "zscore":
        return "each plane gets mean 0 and standard deviation 1"
    if normalisation.kind == "local":
        return (
            "contrast against the surroundings (blurred by a Gaussian of "
            f"{normalisation.sigma:g} px), divided by {normalisation.std:g}"
        )
    return (
        "divided by the range of the image's type, then "
        f"minus {normalisation.mean:g} and divided by {normalisation.std:g}"
    )


def _splitting(inference: Inference) -> str | None:
    if inference.task != "segment":
        return None
    if inference.flows is not None:
        limit = inference.flows.error_limit
        dropped = (
            "" if limit is None else f"; objects with a flow error above {limit:g} are dropped"
        )
        return f"each pixel is led to its object's centre by the flows{dropped}"
    if inference.splitting is None:
        return "not separated"
    split = inference.splitting
    return f"seeds where “{split.channel}” is above {split.seed_threshold:g}, then a watershed"


def _figures(metrics: list[Metric]) -> str:
    if not metrics:
        return ""
    rows = [
        f"| {for_table_cell(metric.name)} | {metric.value:.4g} | {for_table_cell(metric.dataset)} |"
        for metric in metrics
    ]
    table = "\n".join(["| figure | value | measured on |", "|---|---:|---|", *rows])
    commands = "\n".join(dict.fromkeys(for_code(metric.command) for metric in metrics))
    return _section(
        "Test figures",
        f"{table}\n\nMeasured on images that the model never saw, with:\n\n```sh\n{commands}\n```",
    )


def _training(card: ModelCard) -> str:
    training = card.training
    rows = [
        ("Data sets", for_markdown(", ".join(training.datasets))),
        ("Began with the weights of", for_markdown(training.started_from)),
        ("Network", f"`{for_code(card.architecture)}` with {_arguments(card.arguments)}"),
        ("Weights", "stored at 8 bits each" if card.weight_bits else ""),
        ("Recipe", f"`cytosynth train {training.recipe} --data-dir FOLDER`"),
        ("Hardware", for_markdown(training.hardware)),
        ("Duration", for_markdown(training.duration)),
    ]
    known = [row for row in rows if row[1] and (row[0] != "Recipe" or training.recipe)]
    return _section("Training", _bullets([f"**{name}:** {value}" for name, value in known]))


def _arguments(arguments: dict[str, Any]) -> str:
    return (
        ", ".join(f"`{for_code(f'{name}={value}')}`" for name, value in arguments.items())
        or "its defaults"
    )


def _licences(card: ModelCard) -> str:
    lines = [f"**Weights:** {for_markdown(card.licence)}"] if card.licence else []
    if card.training.data_licence:
        lines.append(f"**Training data:** {for_markdown(card.training.data_licence)}")
    return _section("Licences", _bullets(lines))


def _origin(card: ModelCard) -> str:
    written = f" {for_markdown(card.package_version)}" if card.package_version else ""
    return (
        f"*Written by napari-cytosynth{written} from `config.json`, which holds all of this for "
        "programs.*"
    )


def _section(title: str, body: str) -> str:
    return f"## {title}\n\n{body}" if body else ""


def _bullets(lines: list[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def _limits(card: ModelCard) -> str:
    """Return remarks, and on whose images settings were chosen if not on validation images."""
    settings = _SETTINGS[card.inference.settings_from]
    return "\n\n".join(filter(None, [_paragraphs(card.training.remarks), settings]))


def _paragraphs(text: str) -> str:
    return "\n\n".join(map(for_markdown, re.split(r"\n\s*\n", text.strip())))


def _number(value: float | None) -> str | None:
    return None if value is None else f"{value:g}"


def _pixels(value: float | None, inference: Inference) -> str | None:
    if value is None:
        return None
    size = "" if inference.pixel_size_um is None else " of the pixel size above"
    return f"{round(value, 1):g} px{size}"


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9._/]+", "-", text.lower().replace("@", "-at-")).strip("-")
