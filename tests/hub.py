"""A small Hub on 127.0.0.1: the routes that the real client uses, and some bad luck.

A repository is a folder ``<root>/<organisation>/<name>/<commit>/`` of files with a file
``main`` beside the commits that names the newest one. The organisation chooses the luck:
``gated``, ``stuck`` (sends half, then nothing), ``lying``
(announces a hash that the bytes do not have), ``down`` (status 500), ``busy`` (429),
``escaping`` (an ETag of the card that is a path).
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from napari_cytosynth.zoo.loading import Model

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Hub(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, root: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.root = root
        self.requests: list[str] = []
        self.starts: list[int] = []  # first byte that each answer was asked for
        self.tells_commit_of_missing_files = True  # a mirror or proxy may not
        self.released = threading.Event()
        self.committed: dict[str, bytes] = {}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *args: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self._resolve(body=False)

    def do_GET(self) -> None:
        self._resolve(body=True)

    def _list(self) -> None:
        """Tell of the models with a tag in their page, or of one."""
        address = urlsplit(self.path)
        parts = unquote(address.path).strip("/").split("/")
        asked = parse_qs(address.query)
        found = [path.parent for path in sorted(self.server.root.glob("*/*/main"))]
        if len(parts) == 4:
            found = [path for path in found if path.parts[-2:] == tuple(parts[2:])]
            return (
                self._reply(self._facts(found[0])) if found else self._refuse(401, "RepoNotFound")
            )
        text, tags = asked.get("search", [""])[0], asked.get("filter", [])
        facts = [self._facts(path) for path in found]
        return self._reply([f for f in facts if text in f["id"] and set(tags) <= set(f["tags"])])

    def _facts(self, repository: Path) -> dict[str, Any]:
        commit = (repository / "main").read_text()
        page = repository / commit / "README.md"
        lines = page.read_text("utf-8").splitlines() if page.is_file() else []
        tags = [line.removeprefix("- ") for line in lines if line.startswith("- ")]
        name = "/".join(repository.parts[-2:])
        return {"id": name, "modelId": name, "sha": commit, "tags": tags, "siblings": []}

    def _resolve(self, *, body: bool) -> None:
        self.server.requests.append(f"{self.command} {self.path}")
        if self.path.startswith("/api/models"):
            return self._list()
        parts = unquote(self.path).strip("/").split("/")
        if len(parts) != 5 or parts[2] != "resolve":
            return self._refuse(404, "EntryNotFound")
        organisation, name, _, revision, filename = parts
        repository = self.server.root / organisation / name
        if organisation == "down":
            return self._refuse(500, None)
        if organisation == "busy":
            return self._refuse(429, None)
        if organisation == "gated":
            return self._refuse(403, "GatedRepo")
        if not repository.is_dir():
            return self._refuse(401, "RepoNotFound")
        commit = (repository / "main").read_text() if revision == "main" else revision
        if not (repository / commit).is_dir():
            return self._refuse(404, "RevisionNotFound")
        file = repository / commit / filename
        if not file.is_file():
            told = commit if self.server.tells_commit_of_missing_files else None
            return self._refuse(404, "EntryNotFound", told)
        luck = "" if organisation == "escaping" and filename != "config.json" else organisation
        return self._send_file(luck, commit, file.read_bytes(), body=body)

    def _send_file(self, organisation: str, commit: str, content: bytes, *, body: bool) -> None:
        start = int((self.headers.get("Range") or "bytes=0-").partition("=")[2].split("-")[0])
        digest = hashlib.sha256(content + b"!" * (organisation == "lying")).hexdigest()
        digest = "../../../../escaped" if organisation == "escaping" else digest
        self.server.starts.append(start)
        self.send_response(206 if start else 200)
        if start:
            total = len(content)
            self.send_header("Content-Range", f"bytes {start}-{total - 1}/{total}")
        content = content[start:]
        self.send_header("Content-Length", str(len(content)))
        self.send_header("X-Repo-Commit", commit)
        self.send_header("ETag", f'"{digest}"')
        self.end_headers()
        if not body:
            return
        if organisation == "stuck" and len(content) > 100_000 and not self.server.released.is_set():
            self.wfile.write(content[: len(content) // 2])
            self.wfile.flush()
            self.server.released.wait(30)
            self.close_connection = True
            return
        self.wfile.write(content)

    def do_POST(self) -> None:
        """Speak enough of the commit protocol for an upload without large-file storage."""
        self.server.requests.append(f"POST {self.path}")
        content = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path == "/api/repos/create":
            if "hf_unknown" in self.headers.get("Authorization", ""):
                return self._refuse(401, None)
            if "forbidden" in content.decode():
                return self._refuse(403, None)
            return self._reply({"url": f"{self.server.url}/org/new"})
        if self.path == "/api/validate-yaml":
            return self._reply({"errors": [], "warnings": []})
        if "/preupload/" in self.path:
            files = [
                {"path": f["path"], "uploadMode": "regular", "shouldIgnore": False}
                for f in json.loads(content)["files"]
            ]
            return self._reply({"files": files})
        for line in content.splitlines():
            operation = json.loads(line)
            if operation["key"] == "file":
                value = operation["value"]
                self.server.committed[value["path"]] = base64.b64decode(value["content"])
        return self._reply(
            {"commitUrl": f"{self.server.url}/org/new/commit/{COMMIT}", "commitOid": COMMIT}
        )

    def _reply(self, answer: Any) -> None:
        content = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _refuse(self, status: int, code: str | None, commit: str | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Length", "0")
        if code:
            self.send_header("X-Error-Code", code)
        if commit:
            self.send_header("X-Repo-Commit", commit)
        self.end_headers()


@pytest.fixture
def model_folder(tmp_path: Path, tiny_model: Model) -> Path:
    """Folder of a model whose weights file is several blocks long."""
    from napari_cytosynth.models import build_network
    from napari_cytosynth.zoo.model_files import save_model

    arguments = {"in_channels": 1, "out_channels": 2, "widths": [48, 96]}
    card = tiny_model.card.model_copy(update={"arguments": arguments})
    return save_model(tmp_path / "model", build_network("UNet", arguments), card)


@pytest.fixture
def hub_server(tmp_path: Path, model_folder: Path) -> Iterator[Hub]:
    from napari_cytosynth.zoo.model_files import read_card
    from napari_cytosynth.zoo.model_page import render_readme

    root = tmp_path / "hub"
    for organisation in ("org", "gated", "stuck", "lying", "down", "busy", "escaping"):
        repository = root / organisation / "tiny"
        repository.mkdir(parents=True)
        shutil.copytree(model_folder, repository / COMMIT)
        (repository / "main").write_text(COMMIT)
    for name in ("org/tiny", "stuck/tiny"):  # these were published
        page = render_readme(read_card(model_folder), name)
        (root / name / COMMIT / "README.md").write_text(page, "utf-8")
    server = Hub(root)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield server
    server.released.set()
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def hub_client(hub_server: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hub:
    """The same, to which the Hub's client of this process speaks, with a cache of its own.

    The client reads its variables when it is imported: here what it made of them is replaced.
    """
    from huggingface_hub import constants

    for name in [name for name in os.environ if name.startswith("HF_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    url = hub_server.url
    template = url + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "ENDPOINT", url)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    return hub_server
