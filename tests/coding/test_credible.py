"""How the numbers of an input may move: what a sensor that works would not give is rejected, and nothing else."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from snn_control.coding import MembraneDecoder, Output, ValueInput
from snn_control.controller import Controller
from snn_control.engine.build import build
from snn_control.engine.control_words import ELAPSED, WHOLE
from snn_control.errors import DescriptionError
from snn_control.network import Network

TICK = 0.01


def made(**checks):
    one = ValueInput("x", size=2, **checks)
    outputs = [Output("u", (MembraneDecoder("x", np.eye(2)),), size=2)]
    return Controller(build(Network((), ()), [one], outputs, dt=TICK, period=TICK))


def valid(controller, samples):
    """Whether the input was valid in each tick; a sample that is None does not arrive."""
    found = []
    for sample in samples:
        controller.step({"x": None if sample is None else [sample, 5.0]})
        found.append(bool(controller.bound.array("validity")[0, 0]))
    return found


def test_a_number_that_moves_too_fast_is_rejected_until_it_could_be_there():
    one = made(rate=10.0)  # 0.1 a tick, and one tick more
    assert valid(one, [0, 0.19, 0.38, 3.0, 3.0]) == [True, True, True, False, False]
    assert valid(one, [3.0] * 30).index(True) == 23  # 26 ticks and one more: 2.62 at a rate of 10
    assert one.bound.array("x.motion").tolist() == [25, 0]


def test_a_single_wild_sample_is_rejected_and_a_step_is_believed_once_it_stays():
    one = made(jump=1.0)
    assert valid(one, [0, 0.9, 9.0, 0.9, 1.0, 7.0, 7.1]) == [True, True, False, False, True, False, True]


def test_a_sensor_that_hangs_is_noticed_and_one_number_that_moves_is_life():
    one = made(frozen=0.05)
    assert valid(one, [0] * 10) == [True] * 6 + [False] * 4
    assert valid(one, [1e-6, 1e-6]) == [True, True]
    moving = made(frozen=0.05)
    for k in range(40):
        moving.step({"x": [0.0, k * 1e-6]})
        assert moving.bound.array("validity")[0, 0]
    silent = made(frozen=0.05, stale=10.0)
    assert all(valid(silent, [0.0] + [None] * 20))  # without samples its age judges


def test_what_is_not_finite_is_rejected_and_forgotten():
    one = made(rate=10.0, jump=1.0, frozen=0.05)
    assert valid(one, [0, np.nan, 0.1, np.inf, 0.2]) == [True, False, True, False, True]


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 1 << 30), st.floats(0.1, 50.0), st.floats(0.05, 5.0))
def test_a_sensor_within_its_limits_is_always_believed(seed, rate, jump):
    rng, x, samples = np.random.default_rng(seed), 0.0, [0.0]
    for _ in range(100):
        gap = int(rng.integers(1, 4))
        samples += [None] * (gap - 1)
        x += rng.uniform(-1, 1) * 0.999 * min(rate * TICK * gap, jump)
        samples.append(x)
    assert all(valid(made(rate=rate, jump=jump, frozen=1.0), samples))


@pytest.mark.parametrize(
    ("checks", "needle"),
    [
        ({"rate": 0.0}, "inputs.x.rate = 0.0: must be > 0"),
        ({"jump": [1.0, -1.0]}, "inputs.x.jump"),
        ({"frozen": 0.0}, "inputs.x.frozen = 0.0"),
        ({"rate": [1.0, 2.0, 3.0]}, "inputs.x.rate"),
    ],
)
def test_limits_that_make_no_sense_are_refused(checks, needle):
    with pytest.raises(DescriptionError, match=needle):
        made(**checks)


def test_a_first_sample_that_is_not_plausible_is_no_measure():
    one = made(rate=5.0, plausible=(-10.0, 10.0))
    assert valid(one, [9999.0, 0.0, 0.0]) == [False, True, True]


def test_time_without_ticks_counts():
    one = made(rate=10.0)
    assert valid(one, [0.0]) == [True]
    one.bound.array("control")[ELAPSED] = 100 * WHOLE  # as a loop tells after a pause of 1 s
    assert valid(one, [5.0]) == [True]
    one.bound.array("control")[ELAPSED] = 0
    assert valid(one, [10.0]) == [False]
