"""The shares of a score, and where they fall below a half."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snn_control.analysis.robustness import GRID, NEUTRAL, UNITS, Robustness, Sweep
from snn_control.controller_file.perturbations import Perturbations


def found(name, values, scores, nominal=90.0, chance=-10.0):
    sweep = Sweep(name, values, {"controller": scores})
    return Robustness("a in b", 3, chance, {"controller": nominal}, [sweep]), sweep


def test_shares_are_those_of_the_way_from_chance():
    one, sweep = found("action_delay", (1, 2, 4), (90.0, 65.0, -60.0))
    assert one.shares(sweep, "controller") == [1.0, 0.75, -0.5]
    assert one.below_half(sweep, "controller") == (None, pytest.approx(2.4))
    told = one.as_json()["perturbations"]["action_delay"]
    assert told["unit"] == "steps"
    assert told["actors"]["controller"]["falls_below_half"] == {"below": None, "above": pytest.approx(2.4)}


def test_a_factor_falls_on_both_sides():
    one, sweep = found("mass", (0.5, 0.8, 1.2, 2.0), (-10.0, 90.0, 90.0, 10.0))
    assert one.below_half(sweep, "controller") == pytest.approx((0.65, 1.7))
    one, sweep = found("rate", (0.1, 0.5), (-10.0, 90.0))
    assert one.below_half(sweep, "controller") == (pytest.approx(0.3), None)


def test_twice_the_cost_is_half_the_score():
    one, sweep = found("mass", (0.5, 1.1, 2.0), (-200.0, -50.0, 0.0), nominal=-100.0, chance=-9000.0)
    assert one.shares(sweep, "controller") == [0.5, 2.0, math.inf]


def test_who_is_not_better_than_chance_has_no_share():
    one, sweep = found("bias", (0.1,), (3.0,), nominal=-200.0)
    assert one.shares(sweep, "controller") is None
    assert one.below_half(sweep, "controller") == (None, None)


@given(st.lists(st.floats(0, 2), min_size=2, max_size=6))
def test_the_value_lies_between_those_that_were_tried(shares):
    values = tuple(range(1, len(shares) + 1))
    one, sweep = found("action_delay", values, [-10.0 + 100 * share for share in shares])
    _, above = one.below_half(sweep, "controller")
    first = next((k for k, share in enumerate(one.shares(sweep, "controller")) if share < 0.5), None)
    assert (above is None) == (first is None)
    assert above is None or first <= above <= first + 1


def test_the_grid_has_every_perturbation_and_its_values_are_allowed():
    assert list(GRID) == list(UNITS) == Perturbations.names()
    for name, values in GRID.items():
        assert list(values) == sorted(set(values))
        assert NEUTRAL.get(name, 0.0) not in values
        assert all(Perturbations.of({name: value}) for value in values)
