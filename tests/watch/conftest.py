"""The browser of the tests of the live page."""

from __future__ import annotations

import pytest

from tests.watch.browser import chromium


@pytest.fixture(scope="package")
def browser():
    """One browser for all tests of this folder; it ends with them, because it keeps an event loop in this thread."""
    with chromium() as one:
        yield one
