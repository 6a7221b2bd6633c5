"""A browser for the tests, and pages of small explanations; `make test-browser` runs them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from salience_report import make_page

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
NAMES = ("chromium", "chromium-browser", "google-chrome")

Opener = Callable[..., Page]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    path = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    assert path, "no Chromium was found; install it, or set CHROMIUM=/path/to/it"
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield started
        started.close()


@pytest.fixture
def opened(browser: Browser, tmp_path: Path) -> Iterator[Opener]:
    """Opens the report of explanations in a context of its own.

    What the page asked for and what it complained about are its attributes ``asked`` and ``said``.
    """
    contexts = []

    def open_page(explained: Any, context: dict[str, Any] | None = None, **options: Any) -> Page:
        given = explained if isinstance(explained, dict) else {"saliency": explained}
        text = explained if isinstance(explained, str) else make_page(given, **options)
        path = tmp_path / f"page {len(contexts)}.html"
        path.write_text(text, encoding="utf-8")
        settings = {"viewport": {"width": 1280, "height": 900}, **(context or {})}
        contexts.append(browser.new_context(**settings))
        page: Any = contexts[-1].new_page()
        page.asked, page.said = [], []
        page.on("request", lambda request: page.asked.append(request.url))
        page.on("console", lambda message: page.said.append(message.text))
        page.on("pageerror", lambda error: page.said.append(str(error)))
        page.goto(path.as_uri())
        if settings.get("java_script_enabled", True):
            page.wait_for_selector("html[data-ready]", state="attached")
        return page

    yield open_page
    for one in contexts:
        one.close()
