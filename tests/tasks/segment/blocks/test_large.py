"""A plane of 8192² px is segmented within a memory that does not hold it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[4] / "scripts" / "large-plane.py"

pytestmark = pytest.mark.skipif(not SCRIPT.is_file(), reason="not a checkout of the repository")


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_memory_and_objects_of_a_large_plane(tmp_path):
    done = subprocess.run(
        [sys.executable, SCRIPT, "2048", "8192", "--work", tmp_path],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    found = re.findall(r"([\d,]+) objects.* peak ([\d.]+) GiB", done.stdout)
    (small, _), (large, peak) = [(int(n.replace(",", "")), float(gib)) for n, gib in found]
    # the same tile in each square of 1024², but where the border of the plane cuts objects
    assert large == pytest.approx(16 * small, rel=0.02)
    assert peak < 1.5
