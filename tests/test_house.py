"""Consistency of the repository: pinned versions, links that lead somewhere."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
# the extras that make and .ci/run install
INSTALLED = ("train", "distributed", "parquet", "readers", "test", "docs")
TOP = ("README.md", "CONTRIBUTING.md", "SECURITY.md")
PAGES = sorted(p.relative_to(ROOT / "docs").as_posix() for p in (ROOT / "docs").rglob("*.md"))

requires_checkout = pytest.mark.skipif(
    not (ROOT / "constraints.txt").is_file(), reason="not a checkout of the repository"
)


def _pins() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    pairs = [line.split("==") for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(name): version for name, version in pairs}


@requires_checkout
def test_every_direct_dependency_is_pinned_and_the_pin_is_allowed():
    project = PROJECT["project"]
    wanted = [*project["dependencies"], *PROJECT["dependency-groups"]["lint"]]
    for extra in INSTALLED:
        wanted += project["optional-dependencies"][extra]
    pins = _pins()
    for line in wanted:
        requirement = Requirement(line)
        assert pins[canonicalize_name(requirement.name)] in requirement.specifier, line


@requires_checkout
def test_pins_install_anywhere():
    assert not [version for version in _pins().values() if "+" in version or "@" in version]


@requires_checkout
def test_the_pages_were_found():
    assert len(PAGES) >= 10


@requires_checkout
@pytest.mark.parametrize("page", [*TOP, *(f"docs/{page}" for page in PAGES)])
def test_links_between_pages_lead_somewhere(page):
    text = (ROOT / page).read_text("utf-8")
    for target in re.findall(r"\]\(([^)#\s]+)", text):
        if "://" not in target:
            assert ((ROOT / page).parent / target).exists(), target


@requires_checkout
def test_every_page_is_in_the_menu():
    menu = (ROOT / "mkdocs.yml").read_text("utf-8")
    for page in PAGES:
        assert f": {page}" in menu


def _tracked() -> list[tuple[str, str]]:
    """Return the mode and the name of every file of the repository, as git knows them."""
    listed = subprocess.run(
        ["git", "-c", "core.quotepath=off", "ls-files", "-s", "-z"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    rows = [row.split(maxsplit=3) for row in listed.stdout.split("\0") if row]
    return [(mode, name) for mode, _, _, name in rows]


@requires_checkout
def test_no_file_was_left_by_a_test_and_no_link_leads_out():
    tracked = _tracked()
    if not tracked:
        pytest.skip("not a clone")
    assert not [name for _, name in tracked if not re.fullmatch(r"[\w./-]+", name, re.ASCII)]
    links = [name for mode, name in tracked if mode == "120000"]
    assert all((ROOT / name).resolve().is_relative_to(ROOT) for name in links)


@requires_checkout
def test_a_clone_stays_small():
    files = [ROOT / name for mode, name in _tracked() if mode.startswith("100")]
    assert sum(path.stat().st_size for path in files if path.is_file()) < 48e6
