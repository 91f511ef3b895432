"""A shipped controller on 64-bit ARM under emulation (``make arm`` runs one with every kernel)."""

import pytest

from snn_control.controller import Controller
from snn_control.engine.tick import tick
from tests.engine import aarch64


def test_a_controller_has_the_same_bits_on_arm(tmp_path):
    if lacks := aarch64.missing():
        pytest.skip(f"needs {', '.join(lacks)} (Debian: qemu-user, gcc-aarch64-linux-gnu)")
    build = aarch64.Builder(tmp_path)
    build.object(tick, "tick")
    assert aarch64.differing(Controller.load("cartpole"), 100, build, tmp_path, "cartpole") == (0, 0)
