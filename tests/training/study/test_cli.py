from __future__ import annotations

import pytest

from napari_cytosynth.cli import main
from napari_cytosynth.training.study import run as study_run
from napari_cytosynth.training.study.study import list_studies


@pytest.fixture
def handed(monkeypatch, tmp_path):
    """Catch what the command hands on instead of doing it."""
    seen = {}

    def run(study, data_dir, out, *, progress, command):
        progress(0, 1, "schedule linear, seed 0")
        seen.update(study=study, data_dir=data_dir, out=out, command=command)
        if seen.get("stop"):
            raise KeyboardInterrupt
        return out / "study.html"

    monkeypatch.setattr(study_run, "run_study", run)
    return seen


def test_the_list_has_every_shipped_study_with_its_question(capsys) -> None:
    assert main(["study", "--list"]) == 0
    printed = capsys.readouterr().out
    assert all(name in printed for name in list_studies())
    assert printed.count("?") >= len(list_studies())


def test_the_command_is_handed_on_and_written_down_without_folders(handed, capsys, tmp_path):
    words = ["vae-latent-width", "--data-dir", str(tmp_path / "cells"), "--set", "seeds=[4]"]
    assert main(["study", *words, "train.max_epochs=1"]) == 0
    assert handed["study"].seeds == [4]
    assert handed["study"].set["train.max_epochs"] == 1
    assert handed["out"].parts == ("studies", "vae-latent-width")
    assert str(tmp_path) not in handed["command"]
    assert handed["command"].startswith("cytosynth study vae-latent-width --data-dir cells --set")
    assert main(["study", *words, "--out", str(tmp_path / "mine")]) == 0
    assert "--data-dir cells --out mine --set" in handed["command"]
    printed = capsys.readouterr().out
    assert "0/1 schedule linear, seed 0" in printed  # no terminal: a line for each run
    assert "Page written to" in printed


def test_ctrl_c_says_how_to_go_on(handed, capsys, tmp_path) -> None:
    handed["stop"] = True
    assert main(["study", "vae-latent-width", "--data-dir", str(tmp_path)]) == 130
    assert "Repeat the command to go on" in capsys.readouterr().err


@pytest.mark.parametrize(("statuses", "code"), [("failed failed", 1), ("failed finished", 0)])
def test_a_study_without_any_finished_run_is_a_failure(
    statuses, code, handed, capsys, tmp_path
) -> None:
    (tmp_path / "results.csv").write_text("\n".join(["status", *statuses.split()]))
    words = ["vae-latent-width", "--data-dir", str(tmp_path), "--out", str(tmp_path)]
    assert main(["study", *words]) == code
    assert ("No run finished" in capsys.readouterr().err) == bool(code)


def test_what_is_wrong_is_said_in_a_sentence(capsys, tmp_path) -> None:
    assert main(["study", "no-such", "--data-dir", str(tmp_path)]) == 1
    assert "There is no study called “no-such”" in capsys.readouterr().err
    assert main(["study", "vae-latent-width", "--data-dir", str(tmp_path / "no")]) == 1
    assert f"The folder {tmp_path / 'no'}" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        main(["study", "vae-latent-width"])
    assert "--data-dir" in capsys.readouterr().err
