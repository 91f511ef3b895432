"""The browser of the tests of the live page."""

from __future__ import annotations

import pytest

from tests.watch.browser import chromium


@pytest.fixture(scope="module")
def browser():
    """A browser for the tests of a file; it ends with them, because it keeps an event loop in this thread."""
    with chromium() as one:
        yield one
