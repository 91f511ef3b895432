"""A browser for tests of the live page: chromium, driven by playwright."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome")
OPTIONS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]


@contextmanager
def chromium() -> Iterator[Any]:
    """The browser of this machine; skips the test where it or playwright is not there."""
    api = pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install -e '.[test]'")
    path = next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        pytest.skip("needs chromium: sudo apt install chromium")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=OPTIONS)
        yield browser
        browser.close()


@contextmanager
def opened(browser: Any, url: str, width: int = 1280, dark: bool = False, lost: bool = False) -> Iterator[Any]:
    """A page at an address. It must write nothing to the console, raise nothing, and ask no other server.

    lost : whether the connection may be refused meanwhile
    """
    scheme = "dark" if dark else "light"
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page, said, asked = context.new_page(), [], []
    page.set_default_timeout(20_000)
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.on("websocket", lambda socket: asked.append(socket.url))
    page.goto(url)
    yield page
    context.close()
    assert [text for text in said if not (lost and "WebSocket connection" in text)] == []
    assert {urlsplit(one).netloc for one in asked} == {urlsplit(url).netloc}


def until(page: Any, condition: str, seconds: float = 20.0) -> None:
    """Wait until a condition in JavaScript holds; ``s`` is what the page tells of itself, ``$`` finds an element."""
    program = f"(() => {{ const s = window.snn_control, $ = (q) => document.querySelector(q); return {condition}; }})()"
    end = time.monotonic() + seconds
    while not page.evaluate(program):  # the page's own policy forbids what `wait_for_function` does
        assert time.monotonic() < end, f"{condition} does not hold: {status(page)}"
        page.wait_for_timeout(10)


def press(page: Any, control: str) -> None:
    """Press a button of the page."""
    page.locator(f'button[data-control="{control}"]').click()


def status(page: Any) -> dict[str, Any]:
    """What the page tells of itself."""
    return page.evaluate("window.snn_control")


def shown(page: Any, selector: str) -> str:
    """The picture in a canvas, after what the page has got was drawn."""
    page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    return page.evaluate(f"document.querySelector({selector!r}).toDataURL()")


def band(page: Any, name: str) -> tuple[float, float]:
    """Where the name of a population is in the raster [pixels in the canvas], found by its tip."""
    canvas = page.locator('[data-panel="raster"] canvas')
    height = canvas.bounding_box()["height"]
    for y in range(20, int(height), 8):
        canvas.hover(position={"x": 60, "y": y})
        if page.locator("#tip").is_visible() and page.locator("#tip").inner_text().startswith(f"{name}:"):
            return 60, y
    raise AssertionError(f"{name} is not in the raster")
