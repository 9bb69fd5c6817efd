"""Imports: the manifest's names exist, and torch is imported only when needed."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from importlib import import_module
from pathlib import Path

import pytest
from npe2 import PluginManifest

import napari_cytosynth

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = Path(napari_cytosynth.__file__).parent
MANIFEST = PluginManifest.from_file(PACKAGE / "napari.json")


def _modules(folder: str) -> list[str]:
    """Return the names of the modules in a folder of the package and all folders below it."""
    paths = [path.with_suffix("") for path in (PACKAGE / folder).rglob("*.py")]
    return sorted(
        ".".join(["napari_cytosynth", *path.relative_to(PACKAGE).parts])
        for path in paths
        if path.name != "__init__"
    )


WIDGET_MODULES = _modules("widgets")


def _run(code: str) -> str:
    """Run `code` in a fresh interpreter and return what it printed."""
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.mark.parametrize("command", MANIFEST.contributions.commands, ids=lambda c: c.id)
def test_every_name_in_the_manifest_exists(command):
    module, _, attribute = command.python_name.partition(":")
    assert callable(getattr(import_module(module), attribute))


def test_every_contribution_uses_a_command_that_exists():
    contributions = MANIFEST.contributions
    commands = {command.id for command in contributions.commands}
    used = {widget.command for widget in contributions.widgets}
    used |= {sample.command for sample in contributions.sample_data}
    used |= {item.command for items in contributions.menus.values() for item in items}
    assert used <= commands


def test_the_link_at_the_top_is_the_manifest_in_the_package():
    link = ROOT / "napari.yaml"
    assert link.resolve() == (ROOT / "src" / "napari_cytosynth" / "napari.json").resolve()


def test_every_public_name_resolves():
    for name in napari_cytosynth.__all__:
        assert getattr(napari_cytosynth, name) is not None
    assert set(napari_cytosynth.__all__) == set(dir(napari_cytosynth))
    with pytest.raises(AttributeError, match=r"no attribute.*no_such_name"):
        _ = napari_cytosynth.no_such_name


def test_importing_the_package_imports_neither_torch_nor_qt():
    heavy = "{'torch', 'qtpy', 'napari', 'magicgui', 'huggingface_hub'}"
    loaded = _run(
        "import sys, napari_cytosynth\n"
        "from napari_cytosynth import errors, phantoms\n"
        "from napari_cytosynth import Segmentation, list_models, measure, segment\n"
        f"print(sorted({heavy} & set(sys.modules)))"
    )
    assert loaded.strip() == "[]"


def test_importing_the_widgets_does_not_import_torch():
    assert len(WIDGET_MODULES) >= 30, "the widgets have moved"
    imports = "\n".join(f"import {module}" for module in WIDGET_MODULES)
    heavy = "{'torch', 'diffusers', 'huggingface_hub', 'skimage.measure'}"
    loaded = _run(f"import sys\n{imports}\nprint(sorted({heavy} & set(sys.modules)))")
    assert loaded.strip() == "[]"


def test_nothing_below_the_widgets_imports_the_gui():
    modules = [name for floor in ("zoo", "tasks", "inference") for name in _modules(floor)]
    assert len(modules) >= 60, "the floors below the widgets have moved"
    imports = "\n".join(f"import {module}" for module in modules)
    loaded = _run(
        f"import sys\n{imports}\nprint(sorted({{'qtpy', 'napari', 'magicgui'}} & set(sys.modules)))"
    )
    assert loaded.strip() == "[]"


def test_every_package_is_installed():
    """A new folder must be named in pyproject.toml, or the wheel lacks it."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    found = {
        "napari_cytosynth" + "".join(f".{part}" for part in init.parent.relative_to(base).parts)
        for base in [ROOT / "src" / "napari_cytosynth"]
        for init in base.rglob("__init__.py")
    }
    found |= {
        ".".join(["napari_cytosynth", *init.parent.relative_to(ROOT).parts])
        for init in (ROOT / "training").rglob("__init__.py")
    }
    assert found == set(settings["packages"])
