"""Controllers in threads, in forked processes, and their copies."""

import copy
import os
import pickle
import signal
import sys
import threading

import numpy as np
import pytest

from snn_control import Controller
from snn_control.coding import (
    MembraneDecoder,
    Output,
    ValueInput,
)
from tests.test_controller import controller, two_values


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_process_steps_a_controller_that_another_thread_was_stepping():
    one, within, go_on = two_values(), threading.Event(), threading.Event()
    one.observers.append(lambda: within.set() or go_on.wait())
    thread = threading.Thread(target=one.step, args=({"a": [1, 2], "b": 1},))
    thread.start()
    within.wait()
    child = os.fork()
    if child == 0:
        signal.alarm(5)
        one.observers.clear()
        os._exit(int(one.step({"a": [1, 2], "b": 3})["tilt"][0]))
    go_on.set()
    thread.join()
    assert os.waitpid(child, 0)[1] == 3 << 8


def test_threads_that_share_a_controller_each_get_the_answer_to_their_own_step():
    one = controller(
        [ValueInput("a", size=2), ValueInput("b")],
        [Output("y", (MembraneDecoder("a", [1.0, 0.0]), MembraneDecoder("b", 1.0)))],
    )
    wrong, gate = [], threading.Barrier(4)

    def use(k):
        gate.wait()
        for i in range(300):
            x = float(100 * k + i % 7)
            given = {"a": np.array([x, 0.0]), "b": [x]} if k % 2 else {"a": (x, 0.0), "b": np.float32([x])}
            y = one.step(given)["y"][0]
            if y != 2 * x:
                wrong.append((k, x, y))
            if i % 50 == 0:
                one.restore(one.state())
                one.counters()

    threads = [threading.Thread(target=use, args=(k,)) for k in range(4)]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert wrong == []
    assert one.counters()["ticks"] <= 4 * 300  # a restore takes back what others did since its state was read


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))])
def test_a_copy_goes_on_from_the_state_in_memory_of_its_own(copied):
    """The bound Program refers to blocks by their addresses, which a copy must not share."""
    one = Controller.load("cartpole")
    for k in range(30):
        one.predict([0.1, k / 30, 0.1, 0.0])
    state, other, bound = one.state(), copied(one), copied(one.bound)
    assert np.array_equal(other.state(), state)
    for _ in range(5):
        other.predict([0.2, 0.1, -0.1, 0.0])
        bound.tick()
    assert np.array_equal(one.state(), state)
    assert not np.array_equal(other.state(), state)
    assert not np.array_equal(bound.state, one.bound.state)
    for _ in range(5):
        one.predict([0.2, 0.1, -0.1, 0.0])
    assert np.array_equal(one.state(), other.state())
    constants = other.program.constants
    assert (constants.ctypes.data % 64, constants.flags.writeable) == (0, False)
