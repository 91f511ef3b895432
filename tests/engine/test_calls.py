"""Calls of compiled code from Python: they do what `Controller.step` does, refuse what is no sample, leak nothing."""

import gc
import subprocess
import sys
import threading
import weakref

import numpy as np
import pytest

from snn_control.coding import EventsInput, MembraneDecoder, Output, SpikeDecoder, ValueInput
from snn_control.controller import Controller
from snn_control.engine.bound import Bound
from snn_control.engine.build import build
from snn_control.errors import InputError, ProgramError
from snn_control.network import LIF, Network, Population, Projection

SIZE = 5


def program():
    network = Network((Population("a", 20, LIF(tau_mem=0.01)),), (Projection("x", "a", 5.0),))
    outputs = [Output("u", (SpikeDecoder("a", 0.01, 0.01),)), Output("x1", (MembraneDecoder("x", np.eye(SIZE, 1)),))]
    inputs = [ValueInput("x", size=SIZE), EventsInput("camera", size=(16, 16), capacity=50, required=False)]
    return build(network, inputs, outputs, dt=1e-3, period=1e-3)


def samples(n=60):
    return np.random.default_rng(1).normal(size=(n, SIZE))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_stepper_gives_the_bits_of_a_step(dtype):
    controller, bound = Controller(program()), Bound(program())
    bound.io[:] = controller.bound.io  # nothing came yet, the events included
    step = bound.stepper("x")
    for x in samples().astype(dtype):
        command = controller.step({"x": x})
        assert step(x) is None
        assert bound.array("x1.command").tobytes() == command["x1"].tobytes()
        assert bound.array("u.command").tobytes() == command["u"].tobytes()
    assert bound.state.tobytes() == controller.bound.state.tobytes()
    assert controller.counters()["spikes"]["a"] > 0


def test_the_tick_takes_no_argument_and_counts():
    bound = Bound(program())
    assert bound.tick() is None
    for wrong in ((1,), (None, None)):
        with pytest.raises(TypeError, match="takes 0 positional arguments"):
            bound.tick(*wrong)
    assert bound.array("clock").tolist() == [1, 1]


class Other(np.ndarray):
    pass


GOOD = np.ones(SIZE, np.float32)
REFUSED = {
    "a list": [1.0] * SIZE,
    "a number": 1.0,
    "None": None,
    "whole numbers": np.ones(SIZE, np.int32),
    "half precision": np.ones(SIZE, np.float16),
    "long double": np.ones(SIZE, np.longdouble),
    "complex": np.ones(SIZE, np.complex64),
    "objects": np.ones(SIZE, object),
    "one too few": np.ones(SIZE - 1, np.float32),
    "one too many": np.ones(SIZE + 1),
    "none": np.ones(0),
    "two dimensions": np.ones((SIZE, 1), np.float32),
    "no dimension": np.array(1.0),
    "a subclass": np.ones(SIZE, np.float32).view(Other),
    "a masked array": np.ma.array(np.ones(SIZE)),
    "bytes": bytes(4 * SIZE),
    "a type": np.ndarray,
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_no_sample_is_refused_and_nothing_happens(what):
    bound = Bound(program())
    step = bound.stepper("x")
    step(GOOD)
    state, io = bound.state.copy(), bound.io.copy()
    with pytest.raises(InputError, match=r"input 'x': must be a \(5,\) array of float32 or float64"):
        step(REFUSED[what])
    assert bound.state.tobytes() == state.tobytes()
    assert bound.io.tobytes() == io.tobytes()
    step(GOOD)
    assert bound.array("clock").tolist() == [2, 2]


STORED = {
    "with metadata": np.full(SIZE, 2.5, np.dtype("f4", metadata={"unit": "m"})),
    "a dtype of its own": np.full(SIZE, 2.5, np.dtype("f8", copy=True)),
    "another byte order": np.full(SIZE, 2.5, ">f4"),
    "not contiguous": np.full(2 * SIZE, 2.5, np.float32)[::2],
    "not aligned": np.frombuffer(bytes(1) + np.full(SIZE, 2.5).tobytes(), np.uint8)[1:].view(np.float64),
}


@pytest.mark.parametrize("what", STORED)
def test_a_sample_is_taken_however_it_is_stored(what):
    bound = Bound(program())
    bound.stepper("x")(STORED[what])
    assert bound.array("x.held").tolist() == [2.5] * SIZE


def test_a_read_only_sample_and_the_io_block_itself_are_taken():
    bound = Bound(program())
    x = np.full(SIZE, 2.5)
    x.setflags(write=False)
    step = bound.stepper("x")
    step(x)
    step(bound.array("x.data"))
    assert bound.array("x.held").tolist() == [2.5] * SIZE


def test_only_a_value_input_has_a_stepper():
    for name in ("camera", "u", "a", "nothing"):
        with pytest.raises(ProgramError, match=f"'{name}' is not a value input"):
            Bound(program()).stepper(name)


def test_no_reference_is_lost_or_kept():
    bound = Bound(program())
    tick, step, x = bound.tick, bound.stepper("x"), GOOD.copy()
    take = Controller(program())._take["camera"]
    columns = tuple(np.zeros(3) for _ in range(4))
    step(x), take(*columns)
    counted = [None, True, False, x, tick, step, InputError, *columns]
    gc.collect()  # what compiling left behind refers to None, too, and would go in the middle
    before = [sys.getrefcount(thing) for thing in counted]
    for _ in range(1000):
        tick(), step(x), take(*columns), take(1), take(*columns[:3], x)
        with pytest.raises(InputError):
            step(None)
    gc.collect()
    after = [sys.getrefcount(thing) for thing in counted]
    assert max(abs(a - b) for a, b in zip(after, before)) < 20


def test_a_call_outlives_its_bound_and_frees_the_blocks_when_it_goes():
    one, bound = program(), Bound(program())
    blocks = [weakref.ref(block) for block in (bound.state, bound.io)]
    command, tick, step = bound.array("x1.command"), bound.tick, bound.stepper("x")
    gc.collect()
    gc.disable()
    try:
        alive = weakref.ref(bound)
        del bound
        assert alive() is None
        junk = [Bound(one) for _ in range(20)]
        step(np.full(SIZE, 7.0))
        assert command.tolist() == [7.0]
        del step, junk
        tick()
        assert all(block() is not None for block in blocks)
        del tick, command
        assert [block() for block in blocks] == [None, None]
    finally:
        gc.enable()


@pytest.mark.parametrize("way", ["tick", "stepper"])
def test_threads_may_share_it(way):
    bound = Bound(program())
    step = bound.stepper("x")
    call = bound.tick if way == "tick" else lambda: step(GOOD)
    threads = [threading.Thread(target=lambda: [call() for _ in range(2000)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert bound.array("clock")[0] == 8000


def test_a_process_that_finds_them_compiled_gets_the_same():
    code = (
        "from tests.engine.test_calls import *; b = Bound(program()); s = b.stepper('x'); c = Controller(program())\n"
        "[s(x) for x in samples()]; c.step({'x': GOOD, 'camera': np.ones((3, 4))})\n"
        "print(b.state.tobytes().hex()[-400:], c.counters()['inputs']['camera']['events'], b.tick())"
    )
    runs = [subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True) for _ in "ab"]
    assert runs[0].stdout == runs[1].stdout
    assert runs[0].stdout.endswith("3 None\n")
