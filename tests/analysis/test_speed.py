"""Times of ticks, and the rate that a loop keeps."""

import numpy as np
import pytest

from snn_control import Controller
from snn_control.analysis import speed
from snn_control.analysis.stimulus import default_stimulus
from snn_control.controller_file import load_spec
from snn_control.resources import shipped


@pytest.fixture(scope="module")
def spec():
    return load_spec(shipped("pan_tilt"))


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(speed, "SECONDS", 0.05)


def test_a_summary_has_the_percentiles_of_the_times():
    found = speed.summary(np.arange(1, 1001) * 1000.0)
    assert found == {"mean": 500.5, "p50": 500.0, "p99": 990.0, "p99.9": 999.0, "max": 1000.0}


@pytest.mark.timed
def test_times_of_ticks_are_in_order(spec, quick):
    stimulus, controller = default_stimulus(spec, 0.1), Controller.from_spec(spec)
    loop = speed.loop_times(controller.program, stimulus)
    call = speed.call_times(controller.program, stimulus)
    step = speed.step_times(controller, stimulus)
    for times in (loop, call, step):
        assert 0.1 < times["p50"] <= times["p99"] <= times["p99.9"] <= times["max"]
    assert loop["p50"] < step["p50"]
    assert call["p50"] < step["p50"]


def test_a_stimulus_from_ports_is_the_stimulus_from_observations(spec):
    """The loop and `Controller.step` end in the same state."""
    from snn_control.engine.tick import tick_address
    from snn_control.realtime.loop import Loop

    stimulus = default_stimulus(spec, 0.2, seed=3)
    one, other = Controller.from_spec(spec), Controller.from_spec(spec)
    ports = stimulus.log.ports(one.bound)
    Loop(tick_address(), one.bound.table, one.period_ns, ports, mode="free").run(stimulus.ticks)
    for observation in stimulus.log.observations():
        other.step(observation)
    assert one.counters() == other.counters()
    assert one.bound.array("command").tobytes() == other.bound.array("command").tobytes()
    assert one.counters()["inputs"]["camera"]["events"] > 1000


@pytest.mark.timed
def test_the_largest_rate_is_one_that_the_loop_kept(spec, monkeypatch):
    monkeypatch.setattr(speed, "LATE", 0.1)  # a noisy machine may keep no rate with the limit that `bench` has
    monkeypatch.setattr(speed, "HOPELESS", 0.2)
    controller = Controller.from_spec(spec)
    controller.step({})
    found = speed.largest_rate(controller, 2000.0, 0.2)
    assert found["hz"] <= 500
    assert found["kept"] == (found["late_share"] <= speed.LATE)
    hopeless = speed.largest_rate(controller, 0.01, 0.05)  # begins at a microsecond a tick, gives up or slows down
    assert hopeless["kept"]
    assert 1e6 / speed.LONGEST_US < hopeless["hz"] < 1e6


def test_a_rate_that_a_disturbance_spoilt_is_tried_again():
    """The first tries are late because of the machine, slightly or very much; only the latter gives the rate up."""
    given, tried = [0.01, 0.005, 0.0, 0.5, 0.0], []

    def at_rate(period):
        tried.append(period)
        late = given[len(tried) - 1]
        return {"hz": 1e9 / period, "late_share": late, "kept": late <= speed.LATE}

    assert speed.search(at_rate, 100.0)["hz"] == 1e4
    assert tried == [100_000] * 3
    assert speed.search(at_rate, 100.0)["hz"] == 8e3
    assert tried[3:] == [100_000, 125_000]


def test_a_machine_that_keeps_no_rate_ends_the_search():
    tried = []
    late = {"hz": 1.0, "late_share": 1.0, "kept": False}
    assert speed.search(lambda period: tried.append(period) or late, 2 * speed.LONGEST_US) is late
    assert len(tried) == 1  # one at least
    assert speed.search(lambda period: tried.append(period) or late, 1000.0) is late
    assert 1.25 * max(tried[1:]) > 1e3 * speed.LONGEST_US
