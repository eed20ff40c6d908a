"""The files of the page: whole, small, of known origin, and sent with what keeps strangers out."""

from __future__ import annotations

import json
import re
from hashlib import sha256
from pathlib import Path

import pytest

from mistralrs_plugins.frontends.serve.page import assets
from mistralrs_plugins.frontends.serve.page.assets import INDEX
from tests.serve.running import RunningServer

PAGE = Path(assets.__file__).parent
VENDOR = PAGE / "vendor"
OWN = [path for path in PAGE.rglob("*") if path.suffix in (".js", ".css", ".html") and VENDOR not in path.parents]
MAX_LINES = 300


@pytest.mark.parametrize("path", OWN, ids=lambda path: path.name)
def test_own_files_are_short_and_speak_to_nobody_else(path: Path) -> None:
    text = path.read_text(encoding="ascii")
    assert len(text.splitlines()) < MAX_LINES
    assert not re.search(r"https?://|innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|Function\(", text)
    assert path.suffix != ".js" or text.startswith("/*")
    for name in re.findall(r'(?:from|import\() ?["`]([^"`$]+)["`]', text):
        assert name.startswith("."), name
        assert (path.parent / name).is_file(), name


def test_libraries_are_the_ones_that_were_taken() -> None:
    listed = dict(reversed(line.split()) for line in re.findall(r"^[0-9a-f]{64}  .+$", _about(), re.MULTILINE))
    found = {path.relative_to(VENDOR).as_posix(): path for path in VENDOR.rglob("*") if path.is_file()}
    assert set(found) - {"VENDORED.md", "packages.json"} == set(listed)
    for name, digest in listed.items():
        assert sha256(found[name].read_bytes()).hexdigest() == digest, name


def test_libraries_have_their_licences() -> None:
    for package in json.loads((VENDOR / "packages.json").read_text()):
        assert f"| {package['name']} | {package['version']} | {package['licence']} |" in _about()
        licence = (VENDOR / package.get("folder", package["name"]) / "LICENSE").read_text()
        assert "copyright" in licence.lower()


def _about() -> str:
    return (VENDOR / "VENDORED.md").read_text()


def test_the_page_is_sent_with_its_policy(letters: RunningServer) -> None:
    assert letters.get("/ui").headers["location"] == "ui/"
    reply = letters.get("/ui/")
    assert reply.status == 200
    policy = reply.headers["content-security-policy"]
    assert policy.startswith("default-src 'self';")
    assert "unsafe" not in policy
    assert "data:" not in policy
    assert "frame-ancestors 'none'" in policy
    assert reply.headers["x-content-type-options"] == "nosniff"
    assert reply.headers["referrer-policy"] == "no-referrer"
    assert "<script>" not in reply.body.decode()
    for source in re.findall(r'(?:src|href)="([^"]+)"', reply.body.decode()):
        assert letters.get(f"/ui/{source}").status == 200


def test_files_are_sent_once_and_by_name_only(letters: RunningServer) -> None:
    found = letters.get("/ui/js/main.js")
    assert found.headers["content-type"] == "text/javascript; charset=utf-8"
    again = letters.get("/ui/js/main.js", if_none_match=found.headers["etag"])
    assert (again.status, again.body) == (304, b"")
    for name in (
        "nope.js",
        "assets.py",
        "js",
        "../guard.py",
        "js/../index.html",
        "%2e%2e/guard.py",
        "vendor/VENDORED.md",
    ):
        assert letters.get(f"/ui/{name}").status == 404
    assert letters.post("/ui/", {}).status == 405
    assert INDEX in assets.assets()
