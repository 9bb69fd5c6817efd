"""The wheel, installed without a checkout, has everything that the plugin needs."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCES = ["src", "training", "pyproject.toml", "README.md", "LICENSE"]

SMOKE = """
import napari_cytosynth as cytosynth
from importlib import metadata, resources
from pathlib import Path
import numpy as np
from npe2 import PluginManifest

package = Path(cytosynth.__file__).parent
assert package.is_relative_to({site!r}), package
manifest = PluginManifest.from_distribution("napari-cytosynth")
assert [widget.display_name for widget in manifest.contributions.widgets]
assert metadata.metadata("napari-cytosynth")["License-Expression"] == "BSD-3-Clause"
assert list((package / "training" / "recipes").glob("*.yaml"))
assert list((package / "training" / "studies").glob("*.yaml"))
assert (package / "py.typed").is_file()

phantom = cytosynth.phantoms.fluorescent_nuclei((96, 96), count=4, seed=1)
assert len(cytosynth.measure(phantom.labels)) == phantom.labels.max()
weights = sorted(path.parent.name for path in (package / "weights").glob("*/model.safetensors"))
print("bundled:", *weights)
for name in weights:
    assert cytosynth.load_model(name).origin == "bundled"
if "fluo-nuclei-unet" in weights:
    result = cytosynth.segment(phantom.image, model="fluo-nuclei-unet")
    assert result.probability.shape == phantom.image.shape
    assert result.labels.max() > 0
print("well")
"""


def _run(*command: str | Path, cwd: Path) -> str:
    """Run a command with no trace of the checkout around it and return its output."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    environment["SETUPTOOLS_SCM_PRETEND_VERSION"] = "0.1.0.dev0"
    environment["HF_HUB_OFFLINE"] = "1"
    result = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel from a copy of the sources; nothing is downloaded."""
    copy = tmp_path_factory.mktemp("sources")
    ignored = shutil.ignore_patterns("__pycache__", "*.egg-info", "_version.py")
    for name in SOURCES:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, copy / name, ignore=ignored)
        else:
            shutil.copy(ROOT / name, copy / name)
    _run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", "dist", cwd=copy)
    (built,) = (copy / "dist").glob("*.whl")
    return built


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the wheel into a fresh environment that borrows the dependencies of this one."""
    home = tmp_path_factory.mktemp("fresh") / "venv"
    venv.create(home, with_pip=False, symlinks=os.name != "nt")
    interpreter = home / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    pip = [sys.executable, "-m", "pip", "--python", str(interpreter)]
    _run(*pip, "install", "--quiet", "--no-deps", "--no-index", wheel, cwd=home)
    (borrowed,) = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    # a .pth file names the folder but does not run its .pth files: no editable install comes in
    (_site(home) / "borrowed.pth").write_text(borrowed + "\n")
    return interpreter


def _site(home: Path) -> Path:
    paths = {"base": str(home), "platbase": str(home)}
    return Path(sysconfig.get_path("purelib", scheme="venv", vars=paths))


@pytest.mark.slow
def test_the_wheel_works_outside_the_checkout(python: Path, tmp_path: Path):
    smoke = SMOKE.format(site=str(_site(python.parents[1])))
    assert _run(python, "-c", smoke, cwd=tmp_path).endswith("well\n")


@pytest.mark.slow
def test_the_command_is_installed(python: Path, tmp_path: Path):
    output = _run(python.parent / "cytosynth", "--help", cwd=tmp_path)
    for verb in ("segment", "models", "train", "evaluate", "demo"):
        assert verb in output
