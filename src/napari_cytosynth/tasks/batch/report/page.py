"""The page of a batch: one HTML file with pictures, counts, doubts and failures, no network."""

from __future__ import annotations

import base64
import html
import os
from typing import TYPE_CHECKING
from urllib.parse import quote

from napari_cytosynth.console import shown_name
from napari_cytosynth.version import __version__

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from napari_cytosynth.tasks.batch.records import BatchOutcome

__all__ = ["MOST_PICTURES", "batch_page", "by_attention"]

MOST_PICTURES = 500
"""Results that are shown with their picture: a browser has to hold them all."""
_VERBS = {"segment": "segmented", "stain": "stained", "measure": "measured"}
_STYLE = """
:root { color-scheme: light dark; }
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 1200px; padding: 0 1rem; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.1rem; margin-top: 2rem; }
.facts { color: gray; overflow-wrap: anywhere; }
.cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(240px, 1fr)); gap: 1rem; }
.card { border: 1px solid #8886; border-radius: 6px; padding: .6rem; overflow-wrap: anywhere; }
.card img { max-width: 100%; min-width: 50%; image-rendering: pixelated; display: block; margin: 0 auto .4rem;
  background: #000; }
.doubt { border-left: 4px solid #d98a00; padding-left: .5rem; margin: .4rem 0; }
.failed { border-left: 4px solid #c62828; padding-left: .5rem; margin: .6rem 0; overflow-wrap: anywhere; }
.note { color: gray; font-size: .9em; margin: .3rem 0; }
table { border-collapse: collapse; } td, th { text-align: left; padding: .15rem .8rem .15rem 0; vertical-align: top; }
"""  # noqa: E501


def by_attention(outcomes: Iterable[BatchOutcome]) -> list[BatchOutcome]:
    """Return what was done, the doubtful ones first, then those of low confidence."""
    good = [outcome for outcome in outcomes if outcome.state in ("done", "skipped")]
    return sorted(good, key=lambda outcome: outcome.attention, reverse=True)


def batch_page(
    task: str, outcomes: Sequence[BatchOutcome], facts: Sequence[tuple[str, str]]
) -> str:
    """Return the page as HTML, which holds all that it shows.

    Parameters
    ----------
    task
        ``segment``, ``stain`` or ``measure``.
    outcomes
        Of all images.
    facts
        Names and values that stand at the top: model, settings …
    """
    good = by_attention(outcomes)
    failed = [outcome for outcome in outcomes if outcome.state == "failed"]
    doubtful = sum(bool(outcome.doubt) for outcome in good)
    head = f"{len(good):,} of {len(outcomes):,} images {_VERBS[task]}"
    parts = [f"{doubtful:,} doubtful" if doubtful else "", f"{len(failed):,} failed"]
    title = ", ".join([head, *(part for part in parts if part)])
    body = [f"<h1>{html.escape(title)}</h1>", _facts(facts)]
    if failed:
        body += [f"<h2>Failed ({len(failed):,})</h2>", *map(_failure, failed)]
    if good:
        order = "the doubtful ones first" if doubtful else "those of low confidence first"
        body.append(f"<h2>Results, {order}</h2>")
        body.append(f'<div class="cards">{"".join(map(_card, good[:MOST_PICTURES]))}</div>')
    if rest := good[MOST_PICTURES:]:
        body += [f"<h2>Further results ({len(rest):,}), without pictures</h2>", _list(rest)]
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{html.escape(title)}</title><style>{_STYLE}</style></head>\n"
        f"<body>\n{chr(10).join(body)}\n</body></html>\n"
    )


def _facts(facts: Sequence[tuple[str, str]]) -> str:
    made = ("made by", f"napari-cytosynth {__version__}")
    rows = [
        f"<tr><th>{_text(name)}</th><td>{_text(value)}</td></tr>" for name, value in (*facts, made)
    ]
    return f'<table class="facts">{"".join(rows)}</table>'


def _failure(outcome: BatchOutcome) -> str:
    name, why = _text(outcome.item.title), _text(outcome.sentence)
    return f'<div class="failed"><b>{name}</b><br>{why}</div>'


def _card(outcome: BatchOutcome) -> str:
    name = _text(outcome.item.title)
    lines = [f"<b>{_linked(outcome, name)}</b>", _text(_numbers(outcome))]
    if outcome.doubt:
        lines.append(f'<div class="doubt">{_text(outcome.doubt)}</div>')
    notes = [outcome.sentence, *outcome.messages]
    lines += [f'<div class="note">{_text(n)}</div>' for n in notes if n and n != outcome.doubt]
    picture = ""
    if outcome.thumbnail:
        data = base64.b64encode(outcome.thumbnail).decode()
        picture = f'<img alt="{name}" src="data:image/png;base64,{data}">'
    return f'<div class="card">{picture}{"<br>".join(lines[:2])}{"".join(lines[2:])}</div>\n'


def _linked(outcome: BatchOutcome, name: str) -> str:
    """Return the name as a link to the result beside the page."""
    files = [file for file in outcome.files if file.endswith((".tif", "-table.csv"))]
    shown = [file for file in files if file.endswith(("-labels.tif", "-mean.tif"))] or files
    if not shown:
        return name
    # with a leading ./, a name with a colon is no address
    return f'<a href="./{html.escape(quote(os.fsencode(shown[0])))}">{name}</a>'


def _numbers(outcome: BatchOutcome) -> str:
    parts = [] if outcome.count is None else [f"{outcome.count:,} objects"]
    if outcome.confidence is not None:
        parts.append(f"mean confidence {outcome.confidence:.2f}")
    parts += ["done earlier"] if outcome.state == "skipped" else []
    return ", ".join(parts)


def _list(outcomes: Sequence[BatchOutcome]) -> str:
    rows = [
        f"<tr><td>{_linked(one, _text(one.item.title))}</td><td>{_text(_numbers(one))}</td></tr>"
        for one in outcomes
    ]
    return f"<table>{''.join(rows)}</table>"


def _text(text: object) -> str:
    """Return a text of any origin as HTML; halves of characters, as in file names, are replaced."""
    clean = str(text).encode("utf-8", "replace").decode()
    return html.escape(shown_name(clean, keep="\n"))
