"""A network of 100,000 neurons and 10 million synapses: what it costs to build, in a process of its own."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.build import BYTES_BAR, DEGREE, NEURONS, WAYS, measure
from snn_control.engine.bound import Bound
from snn_control.engine.build.layout import Layout
from snn_control.engine.program import PROGRAM, Program
from tests.engine.test_connectivity import program

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("way", WAYS)
def test_a_big_network_is_built_within_its_memory(way):
    measure(way, 200)  # what is compiled here comes from the cache there
    command = [sys.executable, "-m", "benchmarks.build", way]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=280, check=True)
    found = json.loads(done.stdout)
    print(f"{way}: {found['seconds']:.2f} s, peak {found['peak'] / 1e6:.0f} MB")
    assert found["synapses"] == NEURONS * DEGREE
    assert found["operations"] > 1e6  # it ticked, and neurons fired
    assert found["peak"] < BYTES_BAR


def test_the_constants_are_not_copied(tmp_path):
    one = program("dense")
    assert Bound(one).constants is one.constants
    one.save(tmp_path / "p.npz")
    loaded = Program.load(tmp_path / "p.npz")
    assert loaded.constants.ctypes.data % 64 == 0
    assert Bound(loaded).constants is loaded.constants
    shifted = np.zeros(one.constants.size + 1, np.uint8)[1:]
    shifted[:] = one.constants
    moved = Program(one.operations, shifted, one.initial_state, one.io_bytes, one.names, one.steps, one.facts)
    assert moved.constants.ctypes.data % 64 == 0
    assert moved.digest == one.digest
    for block in (moved.constants, loaded.constants, loaded.initial_state):
        assert not block.flags.writeable


def test_what_is_reserved_is_written_into_the_block():
    layout, seen = Layout(), []

    def fill(array):
        seen.append(array)
        array[:] = 7

    first = layout.constant("a", np.arange(3.0)[::-1])
    place = layout.reserve("b", "uint32", (5, 2), fill)
    assert not seen
    block = layout.block(PROGRAM)
    assert np.shares_memory(seen[0], block)
    assert (place.view(block) == 7).all()
    assert first.view(block).tolist() == [2, 1, 0]
    with pytest.raises(KeyError):
        layout.block(PROGRAM)
