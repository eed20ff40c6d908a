"""A real browser, and a server for it. Nothing that the browser asks for may leave this machine."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.serve.running import RunningServer, scripted
from tests.ui.browsing import Chat, chat_in

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("there is no chromium binary on this machine: install Debian's package chromium")
    with sync_playwright() as playwright:
        # Without the sandbox it runs as root too; the pages that it shows are our own.
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture(scope="session")
def ending_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Slow answers keep their last letter back until there is this file."""
    return tmp_path_factory.mktemp("letters") / "ending"


@pytest.fixture
def ending(ending_file: Path) -> Iterator[Path]:
    """The same, for a test that makes it."""
    yield ending_file
    ending_file.unlink(missing_ok=True)


@pytest.fixture(scope="session")
def letters(ending_file: Path) -> Iterator[RunningServer]:
    """A server whose first model answers with the alphabet, and which has a second model that is not loaded."""
    with scripted({"ends_when": str(ending_file), "more": {"second": {}}}, light=True) as server:
        yield server.wait_ready()


@pytest.fixture(scope="session")
def opened_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the address is written that ``serve --ui`` opens."""
    return tmp_path_factory.mktemp("opened") / "address"


@pytest.fixture(scope="session")
def smollm2_server(smollm2_gguf: Path, opened_page: Path) -> Iterator[RunningServer]:
    arguments = ["-m", str(smollm2_gguf), "--port", "0", "--pa-context-len", "1024", "--disable-access-log", "--ui"]
    environment = {"BROWSER": f"{_browser(opened_page)} %s"}
    with RunningServer([sys.executable, "-m", "mistralrs", "serve", *arguments], environment) as server:
        yield server.wait_ready()


def _browser(told: Path) -> Path:
    """A program that is called as a browser and writes down for what."""
    script = told.with_name("browser.sh")
    script.write_text(f'#!/bin/sh\necho "$1" > {told}.new && mv {told}.new {told}\n')
    script.chmod(0o755)
    return script


@pytest.fixture
def chat(browser: Browser, letters: RunningServer) -> Iterator[Chat]:
    """The page, new in a browser that has kept nothing."""
    with chat_in(browser, letters.root) as opened:
        yield opened
