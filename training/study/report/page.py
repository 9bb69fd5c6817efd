"""Page of a study: one self-contained HTML file with all figures."""

from __future__ import annotations

import base64
import io
import os
import platform
from dataclasses import dataclass, field
from functools import cached_property
from html import escape
from typing import TYPE_CHECKING

from napari_cytosynth.files import replace_file
from napari_cytosynth.training.reports.records import results_folder

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pandas as pd
    from matplotlib.figure import Figure

__all__ = [
    "Section",
    "cell",
    "hardware",
    "markdown_table",
    "versions",
    "write_page",
    "write_tables",
]

_STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1 { line-height: 1.2; } h2 { margin-top: 2.5rem; }
.answer { border-left: 4px solid #0072b2; padding: .2rem 1rem; font-size: 1.08rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .7rem; border-bottom: 1px solid #8886; text-align: right; }
th { border-bottom-width: 2px; } th:first-child, td:first-child { text-align: left; }
.scroll { overflow-x: auto; } figure { margin: 1rem 0; }
figure img { max-width: 100%; background: white; } figcaption { opacity: .8; font-size: .9rem; }
pre { overflow-x: auto; padding: .6rem .8rem; background: #8882; }
"""


@dataclass(eq=False)
class Section:
    """One section of the page.

    Attributes
    ----------
    heading
        Its title.
    paragraphs
        Plain text, above the rest.
    table
        Shown without its index; numbers to four digits.
    figures
        Matplotlib figures, each with its caption.
    code
        Shown as it is: a recipe, a command.
    """

    heading: str
    paragraphs: Sequence[str] = ()
    table: pd.DataFrame | None = None
    figures: Sequence[tuple[Figure, str]] = field(default_factory=list)
    code: str = ""

    @cached_property
    def drawn(self) -> list[str]:
        """The figures as SVG, in the page and beside it."""
        return [_svg(figure) for figure, _ in self.figures]


def write_page(
    folder: Path,
    *,
    title: str,
    question: str,
    answer: Sequence[str],
    sections: Sequence[Section],
    records: pd.DataFrame,
    command: str,
) -> Path:
    """Write ``study.html``: question, answer in words, sections, every run, the command.

    The figures are inside, and beside it as ``figure-1.svg`` and so on.

    Parameters
    ----------
    folder
        The study's folder, made if it does not exist.
    title
        Heading.
    question
        Question of the study.
    answer
        Sentences; each becomes a paragraph at the top.
    sections
        Tables, figures and text, in order.
    records
        One row for each run; shown at the end.
    command
        The command that repeats the study.

    Returns
    -------
    Path
        The page: one file that needs no other.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    parts = [
        f"<h1>{escape(title)}</h1>",
        f"<p><em>{escape(question)}</em></p>" if question else "",
        f'<div class="answer">{_paragraphs(answer)}</div>',
        *map(_section, sections),
        _section(Section("Every run", table=records)),
        _section(Section("How to repeat it", versions(), code=command)),
    ]
    body = "\n".join(part for part in parts if part)
    path = folder / "study.html"
    with results_folder(folder):
        _replace(
            path,
            f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
            f'<meta name="viewport" content="width=device-width, initial-scale=1">\n'
            f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n"
            f"<body>\n{body}\n</body>\n</html>\n",
        )
        _write_figures(folder, sections)
    return path


def _write_figures(folder: Path, sections: Sequence[Section]) -> None:
    """Write every figure as a file of its own, for example for slides."""
    drawn = [svg for section in sections for svg in section.drawn]
    for number, svg in enumerate(drawn, start=1):
        _replace(folder / f"figure-{number}.svg", svg)


def write_tables(
    folder: Path,
    records: pd.DataFrame,
    summary: pd.DataFrame,
    shown: pd.DataFrame | None = None,
) -> None:
    """Write ``results.csv``, ``summary.csv`` and ``summary.md``.

    Parameters
    ----------
    folder
        The study's folder, made if it does not exist.
    records
        One row for each run: settings, seed, scores, seconds, status.
    summary
        One row for each arm.
    shown
        The summary formatted for reading, for ``summary.md``; None (default) for `summary`.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    with results_folder(folder):
        write_records(folder, records)
        _replace(folder / "summary.csv", summary.to_csv(index=False))
        _replace(folder / "summary.md", markdown_table(summary if shown is None else shown))


def write_records(folder: Path, records: pd.DataFrame) -> None:
    """Write ``results.csv``: one row for each run."""
    _replace(folder / "results.csv", records.to_csv(index=False))


def _replace(path: Path, text: str) -> None:
    """Write a text atomically: several processes may write the same study."""
    replace_file(path, text.encode())


def markdown_table(table: pd.DataFrame) -> str:
    """Format a table as GitHub's Markdown, numbers to four digits."""
    rows = [list(map(str, table.columns)), ["---"] * len(table.columns)]
    rows += [[cell(value) for value in row] for row in table.itertuples(index=False)]
    return "".join(f"| {' | '.join(value.replace('|', '/') for value in row)} |\n" for row in rows)


def cell(value: object) -> str:
    """Format a value for a table: four digits, an en dash for none."""
    if value is None or value != value:  # NaN
        return "–"
    if isinstance(value, float):
        return f"{value:.0f}" if 1e4 <= abs(value) < 1e9 else f"{value:.4g}"
    return str(value)


def _paragraphs(texts: Sequence[str]) -> str:
    return "".join(f"<p>{escape(text)}</p>" for text in texts if text)


def _table(table: pd.DataFrame) -> str:
    head = "".join(f"<th>{escape(str(name))}</th>" for name in table.columns)
    rows = (
        "".join(f"<td>{escape(cell(value))}</td>" for value in row)
        for row in table.itertuples(index=False)
    )
    body = "\n".join(f"<tr>{row}</tr>" for row in rows)
    return f'<div class="scroll"><table>\n<tr>{head}</tr>\n{body}\n</table></div>'


def _svg(figure: Figure) -> str:
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", bbox_inches="tight")
    return buffer.getvalue()


def _image(svg: str, caption: str) -> str:
    """Return a figure as an image inside the page: of inline SVGs the ids would clash."""
    data = base64.b64encode(svg.encode()).decode()
    text = escape(caption)
    return (
        f'<figure><img alt="{text}" src="data:image/svg+xml;base64,{data}">'
        f"<figcaption>{text}</figcaption></figure>"
    )


def _section(section: Section) -> str:
    parts = [f"<h2>{escape(section.heading)}</h2>", _paragraphs(section.paragraphs)]
    if section.table is not None and len(section.table):
        parts.append(_table(section.table))
    captions = [caption for _, caption in section.figures]
    parts += map(_image, section.drawn, captions)
    if section.code:
        parts.append(f"<pre>{escape(section.code)}</pre>")
    return "\n".join(part for part in parts if part)


def hardware() -> str:
    """Return the hardware of the runs in words."""
    import torch

    if torch.cuda.is_available():
        return f"{torch.cuda.device_count()} × {torch.cuda.get_device_name()}"
    chip = platform.processor() or platform.machine()
    return f"{os.cpu_count()} CPU cores ({chip}), {torch.get_num_threads()} threads a process"


def versions() -> list[str]:
    """Return the versions of the software that the scores depend on, as one sentence."""
    import torch

    from napari_cytosynth.version import __version__

    return [
        f"Made by napari-cytosynth {__version__} with torch {torch.__version__} and Python "
        f"{platform.python_version()}."
    ]
