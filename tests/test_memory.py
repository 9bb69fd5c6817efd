from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from napari_cytosynth import memory
from napari_cytosynth.errors import InputError


def test_what_does_not_fit_is_refused_with_both_figures(monkeypatch):
    monkeypatch.setattr(memory, "available_memory", lambda: 3 * 2**30)
    memory.require_memory(2 * 2**30, "An image", "Crop it.")
    with pytest.raises(
        InputError, match=r"An image would need about 20 GB .* 3\.0 GB are free\. C"
    ):
        memory.require_memory(20 * 2**30, "An image", "Crop it.")
    with pytest.raises(InputError, match="more than a billion TB"):
        memory.require_memory(10**400, "An image", "Crop it.")


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such limits")
def test_a_limit_of_the_shell_counts(monkeypatch):
    import resource

    free = memory.available_memory()
    assert free > 0
    monkeypatch.setattr(resource, "getrlimit", lambda _: (1, 1))
    assert memory.available_memory() == 0


def test_a_limit_of_a_container_counts(tmp_path, monkeypatch):
    (tmp_path / "memory.max").write_text("1000000")
    (tmp_path / "memory.current").write_text("900000")
    (tmp_path / "memory.stat").write_text("anon 1\ninactive_file 20000\n")
    monkeypatch.setattr(
        memory, "_GROUPS", ((tmp_path, "memory.max", "memory.current"), (tmp_path, "no", "no"))
    )
    assert memory.available_memory() <= 120_000
    (tmp_path / "memory.max").write_text("max")
    assert memory.available_memory() > 120_000


HUGE = Path("/sys/kernel/mm/transparent_hugepage/enabled")
COUNT = """
import resource, sys
import napari_cytosynth, torch
faults = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_minflt
torch.zeros(8)
before = faults()
torch.ones(2**26)
print(faults() - before)
"""


@pytest.mark.skipif(
    not HUGE.exists() or "[never]" in HUGE.read_text(), reason="Linux gives no huge pages here"
)
def test_large_results_are_not_asked_for_page_by_page():
    pages = 4 * 2**26 // 4096
    environment = {k: v for k, v in os.environ.items() if k != "THP_MEM_ALLOC_ENABLE"}
    result = subprocess.run(
        [sys.executable, "-c", COUNT],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert int(result.stdout) < pages / 2
