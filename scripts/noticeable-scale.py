"""Print how often a wrong scale could be noticed before a run if the objects' size were known.

    python scripts/noticeable-scale.py DATA/nuclei-dsb2018/labels

The true median diameter of each image's objects is held against that of the images of the train
part of the hash split: no measure of an image's structures tells their size better. Images of
the test part are taken as they are, and at other magnifications; at most 5 % of them may be
doubted as they are. What is not noticed here, no check that goes by the objects' size can notice.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from napari_cytosynth.console import echo
from napari_cytosynth.training.data.image_files import read_plane
from napari_cytosynth.training.data.splits import hash_split

OCTAVES = (-2, -1, 1, 2)
FALSE_ALARMS = 5.0  # %, half of them at each end


def median_diameter(path: Path) -> float | None:
    """Return the median equivalent diameter in px of an image's objects; None without any."""
    areas = np.bincount(np.ravel(read_plane(path)).astype(np.int64))[1:]
    areas = areas[areas > 0]
    return float(2 * np.sqrt(np.median(areas) / np.pi)) if len(areas) else None


def main() -> None:
    """Print a line for each magnification."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("labels", type=Path, help="folder of label images")
    sizes: dict[str, list[float]] = {"train": [], "validation": [], "test": []}
    for path in sorted(parser.parse_args().labels.glob("*")):
        found = median_diameter(path)
        if found is not None:
            sizes[hash_split(path.stem)].append(np.log2(found))
    train, test = np.array(sizes["train"]), np.array(sizes["test"])
    low, high = np.percentile(train, [FALSE_ALARMS / 2, 100 - FALSE_ALARMS / 2])
    echo(f"{len(train)} training images of {2**low:.3g} to {2**high:.3g} px")
    for octaves in (0, *OCTAVES):
        moved = test + octaves
        noticed = int(((moved < low) | (moved > high)).sum())
        echo(f"× {2.0**octaves:<5g}{noticed:>4} of {len(test)} doubted")


if __name__ == "__main__":
    main()
