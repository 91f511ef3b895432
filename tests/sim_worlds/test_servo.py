"""The servo against its specification in closed form."""

from __future__ import annotations

import itertools
import math

import pytest

from sim_worlds.pan_tilt.robot import Servo
from snn_control.errors import InputError

DT = 1e-3


def run(command: float, steps: int, stop: float = 100.0) -> list[tuple[float, float]]:
    servo = Servo(DT, [stop])
    angle, seen = 0.0, []
    for _ in range(steps):
        (velocity,) = servo.step([command], [angle])
        angle += velocity * DT
        seen.append((velocity, angle))
    return seen


def test_a_small_step_is_a_delayed_exponential():
    velocities = [v for v, _ in run(0.5, 100)]
    for k, v in enumerate(velocities):  # velocity in the step after k steps
        assert v == pytest.approx(0.5 * (1.0 - math.exp(-max(k - 1, 0) * DT / 0.015)), abs=1e-12)
    assert velocities[:2] == [0.0, 0.0]
    assert velocities[2] > 0.0


def test_a_large_step_is_limited_in_acceleration_then_in_velocity():
    velocities = [v for v, _ in run(1e6, 400)]
    changes = [b - a for a, b in itertools.pairwise(velocities)]
    assert max(changes) == pytest.approx(60.0 * DT, abs=1e-12)
    # the lag asks for more than the limit until (6 - v)(1 - exp(-1/15)) < 0.06
    until = sum(c > 0.06 - 1e-9 for c in changes)
    assert until == math.ceil((6.0 - 0.06 / (1.0 - math.exp(-1 / 15))) / 0.06)
    assert velocities[-1] == pytest.approx(6.0, abs=1e-6)
    assert max(velocities) <= 6.0


@pytest.mark.parametrize("sign", [1, -1])
def test_it_ends_at_the_stop_and_leaves_it(sign):
    servo = Servo(DT, [0.7])
    angle = 0.0
    for _ in range(400):
        (velocity,) = servo.step([6.0 * sign], [angle])
        angle += velocity * DT
    assert angle == pytest.approx(0.7 * sign, abs=1e-12)
    assert abs(velocity) < 1e-9
    for _ in range(100):
        (velocity,) = servo.step([-1.0 * sign], [angle])
        angle += velocity * DT
    assert velocity == pytest.approx(-sign, abs=0.01)


def test_reset_forgets_what_was_commanded():
    servo = Servo(DT, [1.0, 1.0])
    servo.step([1.0, 1.0], [0.0, 0.0])
    servo.reset()
    for _ in range(5):
        assert servo.step([0.0, 0.0], [0.0, 0.0]) == [0.0, 0.0]


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_command_that_is_no_number_is_refused(value):
    with pytest.raises(InputError, match=r"action\[1\]"):
        Servo(DT, [1.0, 1.0]).step([0.0, value], [0.0, 0.0])
