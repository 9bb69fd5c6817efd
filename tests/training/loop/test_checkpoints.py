from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest
import torch

from napari_cytosynth.errors import OutputError
from napari_cytosynth.training.loop.checkpoints import save_atomically
from napari_cytosynth.training.run.fit import train


def test_a_checkpoint_is_replaced_and_nothing_is_left_beside_it(tmp_path):
    path = tmp_path / "run/best.pt"
    for value in (1.0, 2.0):
        save_atomically({"weight": torch.tensor(value)}, path)
    assert torch.load(path, weights_only=True)["weight"] == 2.0
    assert [each.name for each in path.parent.iterdir()] == ["best.pt"]


_KILLED = """
import os, signal, sys
from pathlib import Path
import torch
from napari_cytosynth.training.loop import checkpoints

class Deadly(torch.Tensor):
    def __reduce_ex__(self, protocol):
        os.kill(os.getpid(), signal.SIGKILL)

checkpoints.save_atomically({"whole": torch.zeros(9), "then": Deadly()}, Path(sys.argv[1]))
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="Windows has no SIGKILL")
def test_a_kill_while_writing_leaves_the_old_checkpoint_whole(tmp_path):
    path = tmp_path / "last.ckpt"
    save_atomically({"weight": torch.ones(3)}, path)
    ended = subprocess.run([sys.executable, "-c", _KILLED, os.fspath(path)], check=False)
    assert ended.returncode == -signal.SIGKILL
    assert torch.load(path, weights_only=True)["weight"].tolist() == [1, 1, 1]
    save_atomically({"weight": torch.zeros(3)}, path)  # what the kill has left is no hindrance
    assert [each.name for each in tmp_path.iterdir()] == ["last.ckpt"]


def test_where_nothing_can_be_written_a_sentence_says_so(tmp_path):
    path = tmp_path / "last.ckpt"
    save_atomically({"weight": torch.ones(3)}, path)
    (tmp_path / ".last.ckpt.part").mkdir()
    with pytest.raises(OutputError, match=r"cannot be written .* go on with --resume"):
        save_atomically({}, path)
    assert torch.load(path, weights_only=True)["weight"].tolist() == [1, 1, 1]


def test_a_run_writes_its_checkpoints_beside_the_old_ones(
    make_recipe, nuclei_folder, tmp_path, monkeypatch
):
    written = []
    replace = os.replace  # what a move within a folder comes down to

    def spy(source, target, **kwargs):
        written.append((os.fspath(source), os.fspath(target)))
        return replace(source, target, **kwargs)

    monkeypatch.setattr(os, "replace", spy)
    train(make_recipe(max_epochs=1), nuclei_folder, tmp_path)
    for name in ("best.pt", "last.ckpt"):
        assert (str(tmp_path / f".{name}.part"), str(tmp_path / name)) in written
