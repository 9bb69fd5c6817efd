"""The source of a network as one file, which needs nothing but torch."""

from __future__ import annotations

import ast
from pathlib import Path

from napari_cytosynth import models
from napari_cytosynth.models import ARCHITECTURES

from .record import CLASS

__all__ = ["standalone_source"]

_CLASS = '''

class {name}({network}):
    """The network, and a sigmoid after the channels that are probabilities.

    Parameters
    ----------
    sigmoid
        Numbers of these output channels. Default: none.
    arguments
        Of the network.
    """

    def __init__(self, sigmoid=(), **arguments):
        super().__init__(**arguments)
        self.sigmoid = tuple(sigmoid)

    def forward(self, x):
        """Map (N, C, Y, X) to (N, K, Y, X)."""
        output = super().forward(x).clone()
        for channel in self.sigmoid:
            output[:, channel] = output[:, channel].sigmoid()
        return output
'''


def standalone_source(architecture: str) -> str:
    """Return the source of a network whose class is called :data:`~.record.CLASS`.

    Parameters
    ----------
    architecture
        One of :data:`~.record.SUPPORTED`.
    """
    module, _, network = ARCHITECTURES[architecture].partition(":")
    file = Path(models.__file__).with_name(f"{module.rpartition('.')[2]}.py")
    return _with_siblings(file) + _CLASS.format(name=CLASS, network=network)


def _with_siblings(file: Path) -> str:
    """Return the source of a module, with the definitions that it imports from its siblings.

    They find what they use among the imports of the module: torch and its ``nn``.
    """
    source = file.read_text("utf-8")
    lines = source.splitlines(keepends=True)
    for node in reversed(ast.parse(source).body):
        if isinstance(node, ast.ImportFrom) and node.level == 1:
            sibling = file.with_name(f"{node.module}.py").read_text("utf-8")
            wanted = {alias.name for alias in node.names}
            found = [
                ast.get_source_segment(sibling, definition) or ""
                for definition in ast.parse(sibling).body
                if getattr(definition, "name", None) in wanted
            ]
            lines[node.lineno - 1 : node.end_lineno] = ["\n\n" + "\n\n\n".join(found) + "\n\n"]
    return "".join(lines)
