"""What surrounds the package: dependencies, the conda recipe, the workflows of GitHub."""

from __future__ import annotations

import re
import runpy
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
QT = {"pyqt5", "pyqt6", "pyside2", "pyside6"}
CONDA_NAMES = {"huggingface-hub": "huggingface_hub", "torch": "pytorch"}

pytestmark = pytest.mark.skipif(
    not (ROOT / ".github").is_dir(), reason="not a checkout of the repository"
)
PAGES = "mkdocs"  # of the extra docs, which make does not install


def test_no_dependency_has_an_upper_bound():
    """Rivals of the benchmarks apart, which nobody installs to work."""
    lines = PROJECT["dependencies"] + [
        line for extra, names in EXTRAS.items() if extra != "bench" for line in names
    ]
    bounded = [
        line for line in lines if any(s.operator != ">=" for s in Requirement(line).specifier)
    ]
    assert len(lines) > 40
    assert not bounded


def test_no_qt_binding_is_required():
    for line in PROJECT["dependencies"]:
        requirement = Requirement(line)
        assert requirement.name.lower() not in QT
        assert not (requirement.name == "napari" and requirement.extras), line


def test_certificates_are_checked():
    without = re.compile(r"verify\s*=\s*False|CERT_NONE|_create_unverified_context|_https_context")
    sources = [*(ROOT / "src").rglob("*.py"), *(ROOT / "training").rglob("*.py")]
    assert len(sources) > 200
    assert not [path.name for path in sources if without.search(path.read_text("utf-8"))]


def test_the_conda_recipe_has_the_dependencies_of_the_package():
    recipe = yaml.safe_load((ROOT / "conda-recipe/recipe.yaml").read_text("utf-8"))
    expected = [Requirement(line) for line in PROJECT["dependencies"]]
    lines = {f"{CONDA_NAMES.get(r.name, r.name)} {r.specifier}" for r in expected}
    python, *others = recipe["requirements"]["run"]
    assert python == "python >=${{ python_min }}"
    assert f">={recipe['context']['python_min']}" == PROJECT["requires-python"]
    assert set(others) == lines
    (command,) = PROJECT["scripts"].items()
    assert recipe["build"]["python"]["entry_points"] == [" = ".join(command)]


def _workflow(name: str) -> dict[str, Any]:
    text = (ROOT / ".github/workflows" / name).read_text("utf-8")
    workflow: dict[str, Any] = yaml.safe_load(text)
    return workflow


def _commands() -> str:
    """Return all that the workflows run."""
    names = [path.name for path in sorted((ROOT / ".github/workflows").glob("*.yml"))]
    assert len(names) == 3
    jobs = [job for name in names for job in _workflow(name)["jobs"].values()]
    return "\n".join(step.get("run", "") for job in jobs for step in job.get("steps", ()))


def test_the_workflows_run_what_is_there():
    commands = _commands()
    makefile = (ROOT / "Makefile").read_text("utf-8")
    targets = re.findall(r"\bmake ([\w-]+)", commands)
    scripts = re.findall(r"(?:scripts/|\.ci/)[\w.-]+", commands)
    assert targets
    assert scripts
    for target in targets:
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
    for script in scripts:
        assert (ROOT / script).is_file(), script


def test_the_workflows_install_what_make_installs():
    extras = re.compile(r"-e '\.\[([\w,]+)\]'")
    script = (ROOT / "scripts/make-venv.sh").read_text("utf-8")
    assert extras.findall(_commands()) == extras.findall(script)


def test_nothing_is_installed_that_has_no_wheels_for_the_newest_python():
    """Readers of CZI would be compiled there, on machines without what that needs."""
    lines = [Requirement(line) for line in EXTRAS["readers"] + EXTRAS["test"]]
    czi = [line for line in lines if "czi" in line.name.lower()]
    assert len(czi) == 2
    for line in czi:
        assert line.marker is not None
        assert line.marker.evaluate({"python_version": "3.13"})
        assert not line.marker.evaluate({"python_version": "3.14"})


def test_the_workflows_cover_every_system_binding_and_python():
    matrix = _workflow("ci.yml")["jobs"]["test"]["strategy"]["matrix"]["include"]
    assert {row["os"].partition("-")[0] for row in matrix} == {"ubuntu", "macos", "windows"}
    assert {row["binding"] for row in matrix} == {"pyqt6", "pyside6"}
    assert {row["python"] for row in matrix} == {"3.11", "3.12", "3.13", "3.14"}
    assert len({tuple(row.values()) for row in matrix}) == len(matrix)


def test_the_forms_for_issues_lead_to_pages_that_are_there():
    site = PROJECT["urls"]["Documentation"]
    forms = sorted((ROOT / ".github/ISSUE_TEMPLATE").glob("*.yml"))
    assert len(forms) == 3
    text = "\n".join(path.read_text("utf-8") for path in forms)
    pages = re.findall(rf"\({re.escape(site)}/([\w-]+)/#?([\w-]*)\)", text)
    assert pages
    for page, anchor in pages:
        headings = (ROOT / "docs" / f"{page}.md").read_text("utf-8").lower()
        assert not anchor or f"# {anchor.replace('-', ' ')}\n" in headings, anchor


def test_the_page_of_the_bundled_models_has_licences_in_words_and_names_as_they_are_written():
    pytest.importorskip(PAGES, reason=f"{PAGES} is not installed")
    page = runpy.run_path(str(ROOT / "scripts/model-pages.py"))["_overview"]()
    rows = [row for row in page.splitlines() if row.startswith("| [")]
    assert len(rows) > 10
    (row,) = [row for row in rows if "(em-mitochondria-unet.md)" in row]
    assert "| research only |" in row
    assert "Stain: five Cell Painting stains" in page
    assert "U2OS" in page


def test_the_front_page_of_the_documents_names_every_dock():
    manifest = yaml.safe_load((ROOT / "napari.yaml").read_text("utf-8"))
    docks = [widget["display_name"] for widget in manifest["contributions"]["widgets"]]
    page = (ROOT / "docs/index.md").read_text("utf-8")
    rows = [row.split("|") for row in page.splitlines() if row.startswith("| ")]
    in_napari = {row[2].strip("[ *") for row in rows}
    assert len(docks) >= 8
    assert not [dock for dock in docks if not any(cell.startswith(dock) for cell in in_napari)]
