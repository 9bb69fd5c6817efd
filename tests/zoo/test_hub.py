"""The real Hub client against a small Hub on this machine.

The client reads its ``HF_*`` variables when it is imported, so each test runs its own
interpreter.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING, Any

import pytest

from napari_cytosynth.zoo.model_files import file_sha256, save_model

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari_cytosynth.zoo.loading import Model

COMMIT = "0123456789abcdef0123456789abcdef01234567"
NEXT_COMMIT = "89abcdef0123456789abcdef0123456789abcdef"

PRELUDE = """
import json, sys, time
from pathlib import Path
from napari_cytosynth import errors
from napari_cytosynth.zoo import hub, catalogue
answer = {}
def report(**values): answer.update(values)
"""
POSTLUDE = "\nprint('ANSWER' + json.dumps(answer, default=str))\n"


@pytest.fixture
def run(tmp_path: Path, hub_server: Any) -> Callable[..., dict[str, Any]]:
    """Return a function that runs code in a new interpreter with a cache of its own."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("HF_")}
    settings = {
        "HF_HOME": str(tmp_path / "home"),
        "HF_ENDPOINT": hub_server.url,
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "NO_PROXY": "127.0.0.1",
        "OMP_NUM_THREADS": "1",
    }

    def run(code: str, **variables: str) -> dict[str, Any]:
        done = subprocess.run(
            [sys.executable, "-c", PRELUDE + textwrap.dedent(code) + POSTLUDE],
            env=inherited | settings | variables,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        lines = [line for line in done.stdout.splitlines() if line.startswith("ANSWER")]
        assert lines, done.stderr
        answer: dict[str, Any] = json.loads(lines[0].removeprefix("ANSWER"))
        return answer

    return run


FETCH = """
    try:
        report(folder=hub.fetch({repo!r}, {revision!r}))
    except errors.CytosynthError as error:
        report(error=type(error).__name__, text=str(error))
"""


def fetch(run: Callable[..., Any], repo: str, revision: str | None = None, **env: str) -> Any:
    return run(FETCH.format(repo=repo, revision=revision), **env)


def test_download_reports_bytes_and_is_what_was_published(
    run: Any, hub_server: Any, model_folder: Path
) -> None:
    answer = run("""
        ticks = []
        def progress(done, total, message): ticks.append((done, total, message))
        folder = hub.fetch("org/tiny", None, progress)
        report(files=sorted(p.name for p in folder.iterdir()), commit=folder.name, ticks=ticks)
        report(sha256=__import__("napari_cytosynth.zoo.model_files").zoo.model_files.file_sha256(
            folder / "model.safetensors"))
    """)
    size = (model_folder / "model.safetensors").stat().st_size
    assert answer["files"] == ["README.md", "config.json", "model.safetensors"]
    assert answer["commit"] == COMMIT
    assert answer["sha256"] == file_sha256(model_folder / "model.safetensors")
    assert answer["ticks"][-1] == [size, size, "Downloading org/tiny"]
    counts = [done for done, _, _ in answer["ticks"]]
    assert counts == sorted(counts)
    assert counts.count(size) == 1


def test_a_cached_copy_needs_no_network(run: Any, hub_server: Any) -> None:
    first = fetch(run, "org/tiny")
    hub_server.requests.clear()
    assert fetch(run, "org/tiny") == first
    assert fetch(run, "org/tiny", COMMIT) == first
    assert fetch(run, "org/tiny", HF_HUB_OFFLINE="1") == first
    assert fetch(run, "org/tiny", HF_ENDPOINT="http://127.0.0.1:9") == first
    assert hub_server.requests == []


def test_a_new_commit_is_never_fetched_behind_the_users_back(
    run: Any, hub_server: Any, model_folder: Path
) -> None:
    old = fetch(run, "org/tiny")
    repository = hub_server.root / "org" / "tiny"
    shutil.copytree(model_folder, repository / NEXT_COMMIT)
    (repository / "main").write_text(NEXT_COMMIT)
    assert fetch(run, "org/tiny") == old
    assert fetch(run, "org/tiny", NEXT_COMMIT)["folder"].endswith(NEXT_COMMIT)


@pytest.mark.parametrize(
    ("repo", "revision", "error", "says"),
    [
        ("org/missing", None, "ModelNotFoundError", "org/missing"),
        ("org/tiny", NEXT_COMMIT, "ModelNotFoundError", "revision"),
        ("gated/tiny", None, "GatedRepositoryError", "ask for access"),
        ("not a/name", None, "ModelNotFoundError", "organisation/name"),
        ("down/tiny", None, "NetworkError", "could not be fetched"),
        ("lying/tiny", None, "CorruptWeightsError", "damaged on its way"),
        ("busy/tiny", None, "NetworkError", "asked too often"),
    ],
)
def test_each_failure_has_its_own_error(
    run: Any, repo: str, revision: str | None, error: str, says: str
) -> None:
    answer = fetch(run, repo, revision)
    assert answer.get("error") == error, answer
    assert says in answer["text"]


def test_an_etag_that_is_a_path_writes_nothing(run: Any, tmp_path: Path) -> None:
    answer = fetch(run, "escaping/tiny")
    assert answer["error"] == "NetworkError"
    assert "does not answer as the Hugging Face Hub does" in answer["text"]
    assert not list(tmp_path.rglob("*escaped*"))


def test_a_download_that_ended_before_it_was_compared_is_fetched_again(run: Any) -> None:
    answer = run("""
        from napari_cytosynth.zoo.transfer import download
        compare = download._check_arrival
        def end(*_): raise errors.ModelError("the process ends here")
        download._check_arrival = end
        try:
            hub.fetch("org/tiny")
        except errors.ModelError:
            report(half=hub.cached("org/tiny"))
        download._check_arrival = compare
        report(folder=hub.fetch("org/tiny"), whole=hub.cached("org/tiny"))
    """)
    assert answer["half"] is None
    assert answer["whole"] == answer["folder"]


def test_repository_with_pickles_only(run: Any, hub_server: Any) -> None:
    commit = hub_server.root / "org" / "tiny" / COMMIT
    (commit / "model.safetensors").rename(commit / "pytorch_model.bin")
    answer = fetch(run, "org/tiny")
    assert answer["error"] == "ModelNotFoundError"
    assert "no model.safetensors" in answer["text"]


@pytest.mark.parametrize("tells", [True, False], ids=["commit told", "commit not told"])
def test_a_lone_weights_file_is_enough(run: Any, hub_server: Any, tells: bool) -> None:
    hub_server.tells_commit_of_missing_files = tells
    for name in ("config.json", "README.md"):
        (hub_server.root / "org" / "tiny" / COMMIT / name).unlink()
    first = fetch(run, "org/tiny")
    assert first["folder"].endswith(COMMIT)
    hub_server.requests.clear()
    assert run("report(folder=hub.cached('org/tiny'))") == first
    assert fetch(run, "org/tiny") == first
    assert fetch(run, "org/tiny", HF_HUB_OFFLINE="1") == first
    assert hub_server.requests == []


def test_no_network_and_offline_mode(run: Any, hub_server: Any) -> None:
    answer = fetch(run, "org/tiny", HF_ENDPOINT="http://127.0.0.1:9")
    assert answer["error"] == "NetworkError"
    assert "connection" in answer["text"]
    answer = fetch(run, "org/tiny", HF_HUB_OFFLINE="1")
    assert answer["error"] == "NetworkError"
    assert "HF_HUB_OFFLINE" in answer["text"]
    assert hub_server.requests == []


def test_damage_on_the_way_is_not_kept(run: Any) -> None:
    fetch(run, "lying/tiny")
    assert run("report(cached=hub.cached('lying/tiny'))") == {"cached": None}


@pytest.mark.parametrize("moment", ["connecting", "between bytes"])
def test_cancel_stops_within_a_second_and_keeps_nothing_that_could_be_used(
    run: Any, hub_server: Any, moment: str
) -> None:
    answer = run(f"""
        started = None
        def progress(done, total, message):
            global started
            if {moment == "connecting"} or done:
                started = time.perf_counter()
                raise errors.Cancelled
        try:
            hub.fetch("stuck/tiny", None, progress)
        except errors.Cancelled:
            report(seconds=time.perf_counter() - started, cached=hub.cached("stuck/tiny"))
            report(listed=[m.source for m in catalogue.list_models() if "stuck" in m.source])
    """)
    assert answer["seconds"] < 1
    assert answer["cached"] is None
    assert answer["listed"] == []


@pytest.mark.skipif(sys.platform == "win32", reason="file size limits are POSIX")
def test_no_space(run: Any) -> None:
    answer = run(
        "import resource, signal\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))\n"
        + textwrap.dedent(FETCH.format(repo="org/tiny", revision=None))
    )
    assert answer["error"] == "OutputError"
    assert "space" in answer["text"]


def test_cache_that_cannot_be_written(run: Any, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    answer = fetch(run, "org/tiny", HF_HOME=str(tmp_path / "file"))
    assert answer["error"] == "OutputError", answer
    assert "permission" in answer["text"]


def test_load_model_from_the_hub_and_again_from_the_cache(
    run: Any, hub_server: Any, model_folder: Path
) -> None:
    answer = run(f"""
        from napari_cytosynth.zoo.loading import load_model
        for source in ("org/tiny", "org/tiny@{COMMIT}", "org/tiny"):
            model = load_model(source)
            report(**{{source: [model.origin, model.revision, model.sha256, model.source]}})
    """)
    sha256 = file_sha256(model_folder / "model.safetensors")
    assert answer == {
        source: ["hub", COMMIT, sha256, source] for source in ("org/tiny", f"org/tiny@{COMMIT}")
    }
    asked = [r for r in hub_server.requests if r.startswith("GET") and "safetensors" in r]
    assert len(asked) == 1


def test_downloaded_models_are_listed_and_can_be_removed(run: Any) -> None:
    fetch(run, "org/tiny")
    answer = run(
        """
        [model] = [m for m in catalogue.list_models() if "/" in m.source]
        report(name=model.name, source=model.source, cached=model.cached, size=model.size_bytes)
        report(generators=[m.source for m in catalogue.list_models("generate")])
        report(freed=hub.remove("org/tiny"), cached_now=hub.cached("org/tiny"))
        try:
            hub.remove("org/tiny")
        except errors.ModelNotFoundError as error:
            report(text=str(error))
        """,
        HF_HUB_OFFLINE="1",
    )
    assert (answer["name"], answer["source"], answer["cached"]) == ("tiny", "org/tiny", True)
    assert "org/tiny" not in answer["generators"]
    assert answer["freed"] > answer["size"] > 0
    assert answer["cached_now"] is None
    assert "no downloaded copy" in answer["text"]


def test_other_programs_models_are_not_listed(run: Any, hub_server: Any) -> None:
    config = hub_server.root / "org" / "tiny" / COMMIT / "config.json"
    config.write_text('{"model_type": "bert"}')
    fetch(run, "org/tiny")
    assert run("report(sources=[m.source for m in catalogue.list_models()])") == {
        "sources": list(run("report(s=[m.name for m in catalogue._bundled_models()])")["s"])
    }


def test_publish_uploads_the_three_files(run: Any, hub_server: Any, model_folder: Path) -> None:
    answer = run(
        f"""
        dry = hub.publish({str(model_folder)!r}, "org/new", dry_run=True)
        report(dry=dry.files, dry_commit=dry.commit)
        report(commit=hub.publish({str(model_folder)!r}, "org/new").commit)
        try:
            hub.publish({str(model_folder)!r}, "org/forbidden")
        except errors.GatedRepositoryError as error:
            report(text=str(error))
        """,
        HF_TOKEN="hf_test",
    )
    assert set(answer["dry"]) == {"README.md", "config.json", "model.safetensors"}
    assert answer["dry_commit"] is None
    assert answer["commit"] == COMMIT
    here = {path.name: path.read_bytes() for path in model_folder.iterdir()}
    there = hub_server.committed
    assert {**there, "README.md": b""} == {**here, "README.md": b""}
    # a name for everybody there, the folder's place here
    assert b'model="org/new"' in there["README.md"]
    assert b'model="FOLDER"' in here["README.md"]
    assert "may not write to “org/forbidden”" in answer["text"]


@pytest.mark.parametrize(
    ("environment", "error", "says"),
    [
        ({"HF_TOKEN": "hf_unknown"}, "GatedRepositoryError", "does not know who you are"),
        ({"HF_HUB_OFFLINE": "1"}, "NetworkError", "cannot be uploaded: HF_HUB_OFFLINE forbids"),
        ({"HF_ENDPOINT": "http://127.0.0.1:9"}, "NetworkError", "could not be uploaded to"),
    ],
)
def test_an_upload_that_fails_speaks_of_uploading(
    run: Any, model_folder: Path, environment: dict[str, str], error: str, says: str
) -> None:
    code = f"""
        try:
            hub.publish({str(model_folder)!r}, "org/new")
        except errors.CytosynthError as error:
            report(error=type(error).__name__, text=str(error))
        """
    answer = run(code, **environment)
    assert answer["error"] == error
    assert says in answer["text"]


@pytest.mark.parametrize("name", ["solo", "a/b/c", "bad name/x", "org/"])
def test_a_name_that_is_none_is_noticed_without_uploading(model_folder: Path, name: str) -> None:
    from napari_cytosynth.errors import ModelNotFoundError
    from napari_cytosynth.zoo.hub import publish

    with pytest.raises(ModelNotFoundError, match="organisation/name"):
        publish(model_folder, name, dry_run=True)


def test_publish_refuses_a_model_without_a_licence(tmp_path: Path, tiny_model: Model) -> None:
    from napari_cytosynth.errors import ModelError
    from napari_cytosynth.zoo.hub import publish

    card = tiny_model.card.model_copy(update={"licence": ""})
    folder = save_model(tmp_path / "m", tiny_model.network, card)
    with pytest.raises(ModelError, match="licence"):
        publish(folder, "org/new", dry_run=True)
