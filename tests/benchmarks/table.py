"""One table of all benchmarks: what was measured, beside what, and what is asked."""

from __future__ import annotations

import math
import os
import platform
import re
import time
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

if TYPE_CHECKING:
    from collections.abc import Callable

BEGIN, END = "<!-- table: make bench-docs -->", "<!-- end of the table -->"
HEADS = ("work", "rival", "reached", "asked", "processor's limit", "results")


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes
    ----------
    met
        None where nothing is asked or nothing could be measured.
    why
        What the profile shows where the row is missed.
    """

    work: str
    rival: str
    reached: str
    asked: str = ""
    met: bool | None = None
    limit: str = ""
    compared: str = ""
    why: str = ""

    @property
    def cells(self):
        mark = {True: "", False: " (missed)", None: ""}[self.met]
        return (
            self.work,
            self.rival,
            self.reached + mark,
            self.asked or "–",
            self.limit or "–",
            self.compared or "–",
        )


@dataclass
class Table:
    """The rows of a run."""

    rows: list[Row] = field(default_factory=list)

    def ratio(self, work, rival, ratio, asked=None, **more):
        """Add how many times as fast as a rival our own way is."""
        met = None if asked is None else ratio >= asked
        wanted = "" if asked is None else f"≥ {asked:g} ×"
        self.rows.append(Row(work, rival, f"{ratio:.2f} ×", wanted, met, **more))

    def at_most(self, work, rival, value, asked, unit="ms", **more):
        """Add a time of our own."""
        reached, wanted = f"{_digits(value)} {unit}", f"≤ {asked:g} {unit}"
        self.rows.append(Row(work, rival, reached, wanted, value <= asked, **more))

    def share(self, work, rival, value, asked, **more):
        """Add a share of what is possible, from 0 to 1."""
        self.rows.append(Row(work, rival, f"{value:.0%}", f"≥ {asked:.0%}", value >= asked, **more))

    def missing(self, work, rival, package):
        """Add that a rival is not installed."""
        self.rows.append(Row(work, rival, f"not measured: {package} is not installed"))

    def markdown(self):
        """Return the table and a sentence for each row that is missed."""
        lines = [HEADS, ("---",) * len(HEADS), *(row.cells for row in self.rows)]
        table = "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
        missed = [
            f"- {row.work}, beside {row.rival}: {row.reached} where {row.asked} is asked. {row.why}"
            for row in self.rows
            if row.met is False
        ]
        notes = "\n\nMissed:\n\n" + "\n".join(missed) if missed else ""
        return f"Measured on {processor()}, on one thread.\n\n{table}{notes}\n"

    def text(self):
        """Return the table with columns of equal width."""
        lines = [HEADS, *(row.cells for row in self.rows)]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        rows = ("  ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)) for line in lines)
        return "\n".join(row.rstrip() for row in rows)

    def write(self, path: Path):
        """Put the table between the two marks of a page."""
        page = path.read_text("utf-8")
        assert BEGIN in page, f"{path} has no place for a table"
        assert END in page
        pattern = re.compile(re.escape(BEGIN) + ".*" + re.escape(END), re.DOTALL)
        new = f"{BEGIN}\n{self.markdown()}\n{END}"
        path.write_text(pattern.sub(lambda _: new, page), "utf-8")


def _digits(value):
    """Three digits, without an exponent."""
    return f"{value:.{max(0, 2 - math.floor(math.log10(max(value, 1e-3))))}f}"


def processor():
    """Return the kind of the processor and what it can do that counts here."""
    from napari_cytosynth.inference.precision import has_bfloat16

    name = platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        name = next(line.partition(":")[2].strip() for line in lines if "model name" in line)
    except (OSError, StopIteration):
        pass
    kind = torch.backends.cpu.get_cpu_capability()
    return f"{name}, {kind}, {'with' if has_bfloat16() else 'without'} bfloat16"


def medians(tasks: dict[str, Callable[[], Any]], rounds=5, warm=True):
    """Run tasks in turns; return the median CPU time in s and the last result of each.

    Times are those of the processor, so that other programs count little; the tasks run on one
    thread (tests/conftest.py).
    """
    times: dict[str, list[float]] = {name: [] for name in tasks}
    results = {name: task() for name, task in tasks.items()} if warm else {}
    for _ in range(rounds):
        for name, task in tasks.items():
            start = time.process_time()
            results[name] = task()
            times[name].append(time.process_time() - start)
    return {name: float(np.median(taken)) for name, taken in times.items()}, results


def operations(network, image):
    """Return the operations (multiplications and additions) of all convolutions."""
    found = []

    def note(part, inputs, output):
        turned = isinstance(part, torch.nn.ConvTranspose2d)
        each = part.in_channels if turned else part.weight[0].numel()
        found.append(2 * each * output.numel())

    kinds = (torch.nn.Conv2d, torch.nn.ConvTranspose2d)
    hooks = [m.register_forward_hook(note) for m in network.modules() if isinstance(m, kinds)]
    with torch.inference_mode():
        network(image)
    for hook in hooks:
        hook.remove()
    return sum(found)


@cache
def operations_per_second(precision):
    """Return what the processor reaches in a plain convolution of many channels: its limit."""
    layer = torch.nn.Conv2d(128, 128, 3, padding=1).to(getattr(torch, precision))
    layer = layer.to(memory_format=torch.channels_last)
    image = torch.rand(1, 128, 192, 256, dtype=layer.weight.dtype)
    image = image.contiguous(memory_format=torch.channels_last)
    with torch.inference_mode():
        taken, _ = medians({"layer": lambda: layer(image)}, rounds=7)
    return 2 * 128 * 128 * 9 * 192 * 256 / taken["layer"]


ROUNDS = int(os.environ.get("CYTOSYNTH_BENCHMARK_ROUNDS", "5"))
