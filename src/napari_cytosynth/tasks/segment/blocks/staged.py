"""Blocks of a plane that several processes work on, kept on the disk until they are joined."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from napari_cytosynth.errors import OutputError
from napari_cytosynth.files import replace_file, replacing

from .grid import plan_blocks
from .seams import BlockObjects

if TYPE_CHECKING:
    from pathlib import Path

    from napari_cytosynth.progress import Progress

    from .decoding import BlockDecoder
    from .grid import Block

__all__ = ["Stage", "StagedBlocks"]

Stage = Literal["network", "objects"]
_KEY = "cytosynth-blocks.json"


@dataclass(eq=False)
class StagedBlocks:
    """Output of the network, and objects, of the blocks of a plane in a folder.

    Each block is written by one process, in chunks of its own; a file says that it is done, once
    it is. So what was killed leaves whole blocks, and nothing is done again.

    Attributes
    ----------
    folder
        Where it lies.
    shape
        Of the plane, (Y, X).
    by_flows
        Whether there are flows.
    block
        Side of a block in px, even.
    """

    folder: Path
    shape: tuple[int, int]
    by_flows: bool
    block: int

    def prepare(self, key: str) -> None:
        """Make the folder; what is there stays if it was made under the same key.

        Raises
        ------
        OutputError
            If there is a folder of that name that this class did not make.
        """
        mark = self.folder / _KEY
        if mark.is_file() and mark.read_text("utf-8") == key:
            return
        if self.folder.exists() and not mark.is_file():
            raise OutputError(
                f"“{self.folder}” is in the way: blocks are kept there until they are joined. Move "
                "it, or choose another name for the result."
            )
        self.remove()
        self.folder.mkdir(parents=True)
        mark.touch()
        self._create("probability", self.shape)
        if self.by_flows:
            self._create("flows", (2, *self.shape))
        for stage in ("network", "objects"):
            (self.folder / stage).mkdir()
        replace_file(mark, key.encode())  # the last thing: without it, all of this is made anew

    def remove(self) -> None:
        """Remove all of it."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def blocks(self, decoder: BlockDecoder | None = None) -> list[Block]:
        """Return all blocks, row by row, with the windows that a decoder reads."""
        margin, align = (0, 1) if decoder is None else (decoder.margin, decoder.align)
        return list(plan_blocks(self.shape, margin, align, self.block))

    @property
    def probability(self) -> Any:
        """Array float32 (Y, X)."""
        return self._open("probability")

    @property
    def flows(self) -> Any:
        """Array float32 (2, Y, X); None without flows."""
        return self._open("flows") if self.by_flows else None

    def pending(self, stage: Stage) -> list[int]:
        """Return the numbers of the blocks that are still to be done."""
        done = {path.stem for path in (self.folder / stage).iterdir() if path.suffix == ".npz"}
        return [number for number in range(len(self.blocks())) if str(number) not in done]

    def mark(self, stage: Stage, number: int, **arrays: Any) -> None:
        """Say that a block is done, and keep what was found in it."""
        place = self.folder / stage / f"{number}.npz"
        # of a name that no other process takes, should two do the same block
        with replacing(place) as temporary, temporary.open("wb") as file:
            np.savez_compressed(file, **arrays)

    def save_objects(self, number: int, found: BlockObjects) -> None:
        """Keep the objects of a block."""
        arrays = {name: value for name, value in vars(found).items() if value is not None}
        if np.array_equal(found.labels, found.order):
            del arrays["order"]
        self.mark("objects", number, **arrays)

    def objects(self, number: int) -> BlockObjects:
        """Return the objects of a block."""
        with np.load(self.folder / "objects" / f"{number}.npz") as kept:
            arrays = dict(kept)
        return BlockObjects(**{"order": arrays["labels"], **arrays})

    def copy_probability(self, target: Any, progress: Progress) -> None:
        """Copy the probability of all blocks to another array."""
        source, blocks = self.probability, self.blocks()
        for done, block in enumerate(blocks):
            progress(done, len(blocks), "copying the probability")
            target[block.rows, block.columns] = np.asarray(source[block.rows, block.columns])
        progress(len(blocks), len(blocks), "copying the probability")

    def known(self, decoder: BlockDecoder) -> BlockDecoder:
        """Return a decoder that gives back the objects that are kept."""
        numbers = {(b.rows.start, b.columns.start): n for n, b in enumerate(self.blocks())}
        return _KnownObjects(decoder, self, numbers)

    def _create(self, name: str, shape: tuple[int, ...]) -> None:
        import zarr

        # chunks never lie in two blocks
        chunks = (1,) * (len(shape) - 2) + (self.block // 2,) * 2
        place = self.folder / f"{name}.zarr"
        zarr.create_array(place, shape=shape, chunks=chunks, dtype=np.float32, compressors=None)

    def _open(self, name: str) -> Any:
        import zarr

        return zarr.open_array(self.folder / f"{name}.zarr", mode="r+")


class _KnownObjects:
    """Gives the objects that are kept, where a decoder would find them."""

    def __init__(
        self, decoder: BlockDecoder, staged: StagedBlocks, numbers: dict[tuple[int, int], int]
    ) -> None:
        self.margin, self.align = decoder.margin, decoder.align
        self.majority = decoder.majority
        self._staged, self._numbers = staged, numbers

    def decode(self, block: Block) -> BlockObjects:
        """Return the objects in the window of a block."""
        return self._staged.objects(self._numbers[block.rows.start, block.columns.start])
