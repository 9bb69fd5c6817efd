"""Files that are damaged, or would do harm: refused with a sentence, without running anything."""

from __future__ import annotations

import os
import sys
import zipfile
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch import nn

from napari_cytosynth.errors import CorruptWeightsError, ModelError, UnknownArchitectureError
from napari_cytosynth.zoo.convert import conversion as module
from napari_cytosynth.zoo.convert import worker
from napari_cytosynth.zoo.convert.conversion import convert

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow  # in all


def test_a_file_that_would_run_code_is_refused_and_runs_nothing(foreign, tmp_path) -> None:
    witness = tmp_path / "it-ran"

    class Evil:
        def __reduce__(self) -> tuple[Any, ...]:
            return os.system, (f"touch {witness}",)

    path = foreign.saved(tmp_path, {"state_dict": {"model.1.weight": Evil()}})
    with pytest.raises(ModelError, match=r"more than weights.*hidden code.*refused"):
        convert(path, "Pix2PixHD", tmp_path / "out", foreign.SAID)
    assert not witness.exists()
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("in_process")
def test_a_whole_network_object_is_refused_by_name(foreign, tmp_path) -> None:
    path = tmp_path / "whole.pth"
    torch.save(nn.Conv2d(1, 1, 1), path)
    with pytest.raises(ModelError, match=r"torch\.nn\.modules\.conv\.Conv2d"):
        convert(path, "Pix2PixHD", tmp_path / "out", foreign.SAID)


@pytest.mark.usefixtures("in_process")
@pytest.mark.parametrize("content", [b"", b"hello world" * 30, b"<html>404</html>", b"PK\x03\x04"])
def test_garbage_is_called_so(foreign, content, tmp_path) -> None:
    path = tmp_path / "weights.pth"
    path.write_bytes(content)
    with pytest.raises(CorruptWeightsError, match=r"damaged, or no weights file"):
        convert(path, "Pix2PixHD", tmp_path / "out", foreign.SAID)


@pytest.mark.usefixtures("in_process")
def test_half_a_file_is_called_damaged(foreign, tmp_path) -> None:
    path = foreign.saved(tmp_path, foreign.Global())
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(CorruptWeightsError, match="damaged"):
        convert(path, "Pix2PixHD", tmp_path / "out", foreign.SAID)


@pytest.mark.usefixtures("in_process")
@pytest.mark.parametrize(
    "content", [[1, 2], {"epoch": 3}, {"a": {"x": torch.ones(1)}, "b": {"x": torch.ones(1)}}]
)
def test_a_file_without_one_set_of_weights_says_so(foreign, content, tmp_path) -> None:
    with pytest.raises(CorruptWeightsError, match="holds no weights"):
        convert(foreign.saved(tmp_path, content), "Pix2PixHD", tmp_path / "out", foreign.SAID)


def test_files_beside_the_weights_are_no_modules(foreign, tmp_path, monkeypatch) -> None:
    """A folder of a download may hold a torch.py: it is not what Python imports."""
    path = foreign.saved(tmp_path, foreign.grown(foreign.UNet()))
    for name in ("json", "torch", "zipfile", "napari_cytosynth"):
        (tmp_path / f"{name}.py").write_text(
            "import pathlib; pathlib.Path(__file__).with_name('it-ran').touch()"
        )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", ".")
    convert(path, "UNet", tmp_path / "out", foreign.SAID)
    assert not (tmp_path / "it-ran").exists()


def _expanded(path: Path, *, new: bool) -> None:
    tensor = torch.zeros(1).expand(100_000, 100_000)  # 40 GB once copied
    torch.save({"a": tensor}, path, _use_new_zipfile_serialization=new)


def _compressed(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data/0", bytes(20_000_000))


@pytest.mark.usefixtures("in_process")
@pytest.mark.parametrize(
    "write", [partial(_expanded, new=True), partial(_expanded, new=False), _compressed]
)
def test_weights_larger_than_their_file_are_not_copied(foreign, write, tmp_path) -> None:
    path = tmp_path / "weights.pth"
    write(path)
    with pytest.raises(CorruptWeightsError, match="larger than the file itself"):
        convert(path, "UNet", tmp_path / "out", foreign.SAID)


@pytest.mark.usefixtures("in_process")
def test_dictionaries_within_each_other_have_an_end(foreign, tmp_path) -> None:
    content: dict[str, Any] = {}
    for _ in range(60):
        content = {"a": content, "b": content}
    with pytest.raises(CorruptWeightsError, match="no weights"):
        convert(foreign.saved(tmp_path, content), "UNet", tmp_path / "out", foreign.SAID)


def test_a_reader_without_end_is_stopped(foreign, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(module, "time_limit", lambda size: 0.01)
    with pytest.raises(ModelError, match="took longer"):
        convert(foreign.saved(tmp_path, foreign.UNet()), "UNet", tmp_path / "out", foreign.SAID)


@pytest.mark.skipif(sys.platform == "win32", reason="limits of processes are POSIX")
def test_the_reader_has_limits(monkeypatch) -> None:
    import resource

    given = {}
    monkeypatch.setattr(resource, "setrlimit", lambda kind, most: given.update({kind: most[0]}))
    worker._limit_process(1_000_000)
    assert given[resource.RLIMIT_CPU] == 300
    assert given[resource.RLIMIT_CORE] == 0
    assert given[resource.RLIMIT_FSIZE] < 3_000_000_000


@pytest.mark.usefixtures("in_process")
def test_names_of_tensors_steer_no_terminal(foreign, tmp_path) -> None:
    path = foreign.saved(
        tmp_path, {"a\x1b[2J": torch.ones(1), "encoder." + "9" * 5000: torch.ones(1)}
    )
    with pytest.raises(UnknownArchitectureError) as caught:
        convert(path, "UNet", tmp_path / "out", foreign.SAID)
    assert str(caught.value).isprintable()
