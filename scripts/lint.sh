#!/usr/bin/env bash
# What continuous integration lints: all of it, or the named parts (style, types, imports).
# Needs an environment with the dependency group lint (make lint sets it up).
set -euo pipefail
cd "$(dirname "$0")/.."

python=$PWD/${VENV:-.venv}/bin/python
[ -x "$python" ] || python=$(command -v python3)
config=$PWD/pyproject.toml
cache=$PWD/.mypy_cache
tree=$cache/sources

# An editable install hides the training package from tools that read the sources, so they
# read a copy of both where an installed package has them. Weights are not sources.
lay_out() {
    "$python" - "$tree/napari_cytosynth" <<'END'
import shutil, sys
from pathlib import Path

package = Path(sys.argv[1])
ignored = shutil.ignore_patterns("__pycache__", "*.safetensors")
shutil.rmtree(package, ignore_errors=True)
shutil.copytree("src/napari_cytosynth", package, ignore=ignored)
shutil.copytree("training", package / "training", ignore=ignored)
version = package / "_version.py"  # written by an install
if not version.exists():
    version.write_text('__version__ = "0"\n')
END
}

style() {
    "$python" -m ruff check .
    "$python" -m ruff format --check .
}

types() {
    lay_out
    (cd "$tree" && "$python" -m mypy --config-file "$config" --cache-dir "$cache" \
        -p napari_cytosynth)
}

imports() {
    lay_out
    (cd "$tree" && PYTHONPATH=$tree "$python" -c \
        'from importlinter.cli import lint_imports_command as run; run()' \
        --config "$config" --no-cache)
}

[ $# -gt 0 ] || set -- style types imports
for part in "$@"; do
    case $part in
        style | types | imports) "$part" ;;
        *) echo "There is no part $part: style, types, imports." >&2; exit 2 ;;
    esac
done
