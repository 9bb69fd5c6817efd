"""A server's answers become file names of the cache: only what can be one may pass."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from huggingface_hub import file_download
from huggingface_hub.errors import HfHubHTTPError

from napari_cytosynth.errors import (
    CytosynthError,
    GatedRepositoryError,
    ModelNotFoundError,
    NetworkError,
)
from napari_cytosynth.zoo import hub
from napari_cytosynth.zoo.transfer.answers import check_answer, checked_answers
from napari_cytosynth.zoo.transfer.download import Download
from napari_cytosynth.zoo.transfer.errors import explain, explain_upload


def answer(etag="abc", commit="0" * 40, xet=None):
    file = SimpleNamespace(file_hash=xet) if xet else None
    return SimpleNamespace(etag=etag, commit_hash=commit, xet_file_data=file)


def refusal(status, headers=None):
    response = SimpleNamespace(status_code=status, headers=headers or {}, request=None)
    return HfHubHTTPError("the server's \x1b[2J words", response=response)


@pytest.mark.parametrize(
    "bad",
    [
        {"etag": "../../escaped"},
        {"etag": "..\\escaped"},
        {"etag": "/etc/x"},
        {"etag": ".."},
        {"etag": ""},
        {"etag": "C:x"},
        {"etag": "x" * 500},
        {"etag": "a\0b"},
        {"commit": "../../escaped"},
        {"xet": "../x"},
    ],
)
def test_an_answer_that_is_a_path_is_refused(bad, monkeypatch):
    with pytest.raises(NetworkError, match="does not answer as the Hugging Face Hub does"):
        check_answer(answer(**bad))
    ask = lambda *_, **__: answer(**bad)  # noqa: E731
    monkeypatch.setattr(file_download, "get_hf_file_metadata", ask)
    with checked_answers, pytest.raises(NetworkError):
        file_download.get_hf_file_metadata("url")
    assert file_download.get_hf_file_metadata is ask


def test_the_commit_of_a_missing_file_is_checked_too(monkeypatch):
    def ask(*_, **__):
        raise refusal(404, {"X-Repo-Commit": "../../escaped"})

    monkeypatch.setattr(file_download, "get_hf_file_metadata", ask)
    with checked_answers, checked_answers, pytest.raises(NetworkError, match="HF_ENDPOINT"):
        file_download.get_hf_file_metadata("url")


def test_usual_answers_pass():
    check_answer(answer("6f3b" * 16, xet="a" * 64))
    check_answer(answer("5d8c72a5edda8d6a-gzip", commit=None))
    check_answer(answer(None))


@pytest.mark.parametrize(
    ("status", "kind", "says"),
    [
        (401, GatedRepositoryError, "does not accept your login"),
        (403, GatedRepositoryError, "not open to everybody"),
        (404, ModelNotFoundError, "does not know “org/tiny”"),
        (429, NetworkError, "asked too often"),
        (500, NetworkError, r"fault of its own \(status 500\)"),
        (503, NetworkError, r"fault of its own \(status 503\)"),
        (418, NetworkError, "Check your connection"),
    ],
)
def test_each_status_has_its_own_sentence(status, kind, says):
    error = explain(refusal(status), "org/tiny")
    assert type(error) is kind
    with pytest.raises(kind, match=says):
        raise error
    assert str(error).isprintable()


def test_each_status_of_an_upload_too():
    texts = [str(explain_upload(refusal(s), "org/tiny")) for s in (401, 403, 404, 429, 500, 418)]
    assert len(set(texts)) == len(texts)
    assert all(text.isprintable() for text in texts)


@pytest.mark.parametrize("revision", ["../../x", "a/../../x", "/x", "", "\0", "x" * 300, "a b"])
def test_a_revision_that_cannot_be_one(revision):
    with pytest.raises(CytosynthError, match="cannot be a revision"):
        hub.cached("org/tiny", revision)


def test_a_commit_that_is_a_path_writes_nothing(tmp_path, monkeypatch):
    bad = answer(commit="../../../escaped")
    bad.size = 1
    monkeypatch.setattr("huggingface_hub.get_hf_file_metadata", lambda url: bad)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(Download, "_file", lambda *_, **__: None)
    with pytest.raises(NetworkError, match="does not answer as the Hugging Face Hub does"):
        Download("org/tiny", None)._fetch()
    assert not list(tmp_path.iterdir())
