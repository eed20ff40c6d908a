"""Fetches the libraries of the web page from the npm registry, as ``vendor/packages.json`` lists them.

Run it after changing a version there. It writes the files, and ``VENDORED.md`` with their digests, which a test holds.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
VENDOR = ROOT / "plugins/mistralrs_plugins/frontends/serve/page/vendor"
HEAD = """# Libraries of the web page

Taken from the npm registry by `scripts/vendor_page.py`, unchanged but for comments that name source maps, and for what
`packages.json` lists under `replace`: imports by path, and styles set so that the page's policy allows them. Each
folder has the licence of its library.

| library | version | licence | for |
| --- | --- | --- | --- |
"""


def unpack(name: str, version: str, folder: Path) -> Path:
    """The unpacked package."""
    packed = subprocess.run(
        ["npm", "pack", "--silent", f"{name}@{version}"], cwd=folder, check=True, capture_output=True, text=True
    )
    with tarfile.open(folder / packed.stdout.strip()) as archive:
        archive.extractall(folder, filter="data")
    return folder / "package"


def chosen(package: dict[str, Any], source: Path) -> Iterator[tuple[str, Path]]:
    """The wanted files: where they go, and where they are."""
    for target, pattern in package["files"].items():
        for found in sorted(source.glob(pattern)):
            name = str(PurePosixPath(target).with_name(found.name)) if "*" in target else target
            if "*.min.js" not in target or found.name.partition(".")[0] in package["only"]:
                yield name, found


def adapted(content: bytes, path: Path, package: dict[str, Any]) -> bytes:
    """A file as the page has it."""
    if path.suffix not in (".js", ".mjs"):
        return content
    text = content.decode()
    for old, new in package.get("replace", {}).items():
        text = text.replace(old, new)
    lines = [line for line in text.splitlines() if not line.startswith("//# sourceMappingURL")]
    return ("\n".join(lines) + "\n").encode()


def main() -> None:
    """Write all files anew."""
    packages = json.loads((VENDOR / "packages.json").read_text())
    about, digests = [], []
    for package in packages:
        folder = VENDOR / package.get("folder", package["name"])
        shutil.rmtree(folder, ignore_errors=True)
        with tempfile.TemporaryDirectory() as temporary:
            source = unpack(package["name"], package["version"], Path(temporary))
            for name, found in chosen(package, source):
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                content = adapted(found.read_bytes(), found, package)
                (folder / name).write_bytes(content)
                digests.append(f"{hashlib.sha256(content).hexdigest()}  {folder.name}/{name}")
        about.append(f"| {package['name']} | {package['version']} | {package['licence']} | {package['use']} |")
    listing = "\n".join(["```text", *digests, "```", ""])
    (VENDOR / "VENDORED.md").write_text(HEAD + "\n".join(about) + "\n\nSHA-256 of the files:\n\n" + listing)


if __name__ == "__main__":
    main()
