"""What all tests of the loop have in common."""

from __future__ import annotations

import pytest

from tests.realtime.rig import Rig


@pytest.fixture(autouse=True)
def _stop_all():
    """A test that fails leaves no loop behind to disturb the next."""
    yield
    for loop in list(Rig.loops):
        loop.stop(5)
