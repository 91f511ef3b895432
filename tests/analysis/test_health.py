"""The judgement of commands and of inputs."""

from __future__ import annotations

import numpy as np
import pytest

from tests.analysis.judged import EACH, MOVING, STEADY, controller, health_of, lines_of, membrane


# commands -------------------------------------------------------------------------------------------------------
def commanding(command, synthetic=False, **output):
    """Health of a controller whose output equals its input."""
    values = controller({"a": {"bias": [2.0, 2.1, 2.2, 2.3]}}, [], membrane(1.0, **output))
    values["inputs"]["x"]["range"] = [-50, 50]
    return health_of(values, np.asarray(command, np.float64)[:, None], synthetic)


RAMP = np.linspace(-1, 1, 400)


def test_commands_at_a_limit_most_of_the_time():
    half = commanding(2.0 * RAMP, limits=[-1.2, 1.2])
    assert half.outputs[0].at_low == half.outputs[0].at_high == pytest.approx(0.2, abs=0.01)
    assert half.warnings() == []
    for ticks, says in ((400, True), (380, True), (378, False)):  # full speed most of the way may be meant
        most = commanding(np.where(np.arange(400) < ticks, 9.0, 0.0), limits=[-2.0, 6.0], unit="m/s")
        assert most.outputs[0].at_high == ticks / 400
        said = [f"at its limit of 6 m/s in {ticks} of 400 ticks" in line for line in map(str, most.warnings())]
        assert said == [True] * says
    silent = commanding(np.maximum(20.0 * RAMP - 18, 0.0), limits=[0.0, 6.0])  # at 0 where nothing asks for more
    assert silent.outputs[0].at_low > 0.9
    assert silent.warnings() == []
    both = commanding(10.0 * RAMP, limits=[-1.0, 1.0])
    assert "outputs.y: at its limits in 360 of 400 ticks" in str(both.warnings()[0])
    assert commanding(10.0 * RAMP, synthetic=True, limits=[-1.0, 1.0]).warnings() == []


def test_a_squashed_command_is_at_a_limit_where_it_comes_next_to_it():
    most = commanding(np.full(400, 3.0), limits=[-2.0, 2.0], squash=True)  # 1.99
    assert (most.outputs[0].at_high, most.outputs[0].rest) == (1, 0)
    (line,) = map(str, most.warnings())
    assert "outputs.y: next to its limit of 2 in 400 of 400 ticks" in line
    assert commanding(np.full(400, 1.5), limits=[-2.0, 2.0], squash=True).outputs[0].at_high == 0  # 1.81
    assert commanding(RAMP, limits=[0.0, 2.0], squash=True, bias=0.5).outputs[0].rest == pytest.approx(1.462, abs=1e-3)


@pytest.mark.parametrize(
    ("command", "swings_hz", "swing", "says"),
    [
        (np.where(np.arange(400) % 2, 2.0, -2.0), 498.75, 4.0, True),
        (2 * np.sin(2 * np.pi * np.arange(400) / 50), 20.0, 4.0, True),  # no tick of it turns round by much
        (np.round(3 * np.sin(2 * np.pi * np.arange(400) / 50)), 20.0, 4.0, True),  # nor where it stays at a limit
        (np.where(np.arange(400) % 200 < 100, 2.0, -2.0), 3.75, 4.0, False),
        (0.45 * np.sin(np.arange(400)), 0.0, 0.0, False),
        (RAMP + 0.4 * np.sin(np.arange(400)), 1.25, 2.36, False),  # a tremor on a way
    ],
)
def test_commands_that_swing(command, swings_hz, swing, says):
    """Back and forth by more than a quarter of the distance of the limits, within any number of ticks."""
    health = commanding(command, limits=[-2, 2], unit="N m")
    found = health.numbers()["outputs"][0]
    assert (found["swings_hz"], found["swing"]) == (pytest.approx(swings_hz, abs=1.3), pytest.approx(swing, abs=0.1))
    said = [line for line in map(str, health.warnings()) if "chatters" in line]
    assert [
        f"{found['swings_hz']:.3g} swings a second, each way by {found['swing']:.3g} N m" in line for line in said
    ] == [True] * says
    assert commanding(command).outputs[0].swings_hz == 0  # of what, without limits?


def test_commands_along_their_slew_limit():
    wave = np.sin(np.arange(400) / 20)
    for slew, share in ((10.0, 0.9), (45.0, 0.4), (60.0, 0.0)):
        health = commanding(wave, limits=[-2, 2], slew=slew)
        assert health.outputs[0].slewed == pytest.approx(share, abs=0.12)
        said = [line for line in map(str, health.warnings()) if "as fast as its slew limit allows in" in line]
        assert len(said) == (share > 0.5)


def test_an_output_that_is_not_finite_is_counted():
    values = controller({"a": {"bias": [2.0, 2.1, 2.2, 2.3]}}, [], membrane(3e38), range=[0, 100])
    assert health_of(values, STEADY).not_finite_ticks == 0
    health = health_of(values, np.full((400, 1), 50.0), synthetic=True)
    assert health.not_finite_ticks == health.safe_ticks == 400
    said = "\n".join(map(str, health.warnings()))
    assert "not finite in 400 of 400 ticks" in said
    assert "safe one all the time" in said


# inputs ---------------------------------------------------------------------------------------------------------
def test_inputs_beyond_their_range_and_rejected_ones():
    values = controller({"a": {}}, [{"post": "a", "weights": EACH}], plausible=[-5, 5], unit="rad")
    for x, says in (
        (
            np.where(np.arange(400)[:, None] < 260, 2.0, 0.5),
            ["inputs.x: beyond its range [0, 1] rad in 65% of 400 ticks (from 0.5 to 2)"],
        ),
        (0.6 + 0.5 * MOVING, []),  # now and then
        (np.where(np.arange(400)[:, None] % 40, MOVING, np.inf), ["inputs.x: 10 of 400 samples were rejected"]),
        (np.where(np.arange(400)[:, None] % 40, MOVING, np.nan), []),
        (np.where(np.arange(400)[:, None] % 40, MOVING, 9.0), ["inputs.x: 10 of 400 samples were rejected"]),
    ):
        said = lines_of(health_of(values, x), "inputs.x")
        assert [line[: len(text)] for line, text in zip(said, says, strict=True)] == says


def test_infinite_samples_that_the_input_replaces_are_not_beyond_its_range():
    """A beam of a laser scanner that hits nothing."""
    values = controller({"a": {}}, [{"post": "a", "weights": EACH}], not_finite="high")
    far = np.where(np.arange(400)[:, None] < 260, np.inf, MOVING)
    assert lines_of(health_of(values, far), "inputs.x") == []
    (line,) = lines_of(health_of(values, np.where(np.arange(400)[:, None] < 100, np.inf, 2.0)), "inputs.x")
    assert "beyond its range [0, 1] in 75% of 400 ticks (from 2 to 2)" in line


# what the engine takes out --------------------------------------------------------------------------------------
def test_an_overflow_that_the_engine_takes_out_is_seen():
    """A graded loop that grows to infinity: the engine sets it to 0, the command stays finite."""
    loop = {"pre": "g", "post": "g", "weights": 1e20, "delay": 0.001}
    values = controller({"g": {"size": 1, "neuron": {"type": "li", "tau_mem": 0.01}}, "a": {"bias": 2.0}},
                        [{"post": "g", "weights": 1e20}, loop], outputs={
        "y": {"decoder": {"type": "linear", "from": "a", "tau": 0.01, "weights": 1.0}}})  # fmt: skip
    health = health_of(values, STEADY, synthetic=True)
    assert health.populations[0].bad_steps > 100
    assert health.populations[1].bad_steps == 0
    assert "NaN, infinite or beyond 1e30" in lines_of(health, "network.populations.g:")[0]
    assert health.not_finite_ticks == 0


def test_a_nan_within_a_step_is_seen():
    """inf - inf in the current of a neuron, whose membrane is then 0 and shows no trace of it."""
    up, down = ({"pre": "g", "post": "a", "weights": w} for w in (3e38, -3e38))
    values = controller({"a": {}, "g": {"size": 2, "neuron": {"type": "li", "tau_mem": 0.01}}},
                        [{"post": "g", "weights": 100.0}, up, down])  # fmt: skip
    health = health_of(values, STEADY)
    assert health.populations[0].bad_steps > 300
    assert health.populations[0].largest_drive == 0.0
