"""Inputs, encoders, decoders and outputs: their rules, and what the encoders give."""
# ruff: noqa: E501  (a table of messages is read a line a case)

import math
import time

import numpy as np
import pytest

from snn_control.coding import (
    ArgmaxDecoder,
    EventsInput,
    Guard,
    LinearEncoder,
    MembraneDecoder,
    Output,
    PoolEncoder,
    PopulationEncoder,
    SpikeDecoder,
    ValueInput,
)
from snn_control.controller import Controller
from snn_control.engine.build import build
from snn_control.errors import DescriptionError
from snn_control.network import LI, LIF, Network, Population, Projection

TERM = (MembraneDecoder("x", 1.0),)


def test_an_input_of_any_size_is_checked_at_once():
    begin = time.process_time()
    ValueInput("x", size=100_000_000, range=(-1, 1), not_finite="high")
    assert time.process_time() - begin < 0.5


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda: ValueInput("1x"), "name = '1x': must be a name"),
        (lambda: ValueInput("x", size=0), "inputs.x.size = 0: must be a whole number >= 1"),
        (lambda: ValueInput("x", stale=0.0), "inputs.x.stale = 0.0: must be > 0 s"),
        (lambda: ValueInput("x", stale=math.nan), "inputs.x.stale = nan: must be finite"),
        (lambda: ValueInput("x", size=2, range=([0, 0, 0], 1)), "inputs.x.range[0] = [0, 0, 0]: must be a number or 2 numbers"),
        (lambda: ValueInput("x", plausible=(0, math.nan)), "inputs.x.plausible[1] = nan: must be a number or 1 numbers"),
        (lambda: ValueInput("x", not_finite="high"), "inputs.x.not_finite = 'high': high needs a finite range"),
        (lambda: ValueInput("x", 1, True, 2, range=([0, -math.inf], 1), not_finite=("high", "low")), "low needs a finite range"),
        (lambda: ValueInput("x", range=(0, 3), plausible=(0.1, 9), not_finite="low"), "must hold the ends of the range [0, 3]"),
        (lambda: ValueInput("x", range=(1, 1)), "inputs.x.range = (1, 1): low must be < high"),
        (lambda: EventsInput("c", size=(0, 4)), "inputs.c.size[0] = 0: must be a whole number >= 1"),
        (lambda: EventsInput("c", size=(65537, 4)), "inputs.c.size[0] = 65537: must be a whole number >= 1, at most 65,536"),
        (lambda: EventsInput("c", size=(8, 8)), "inputs.c.encoder.grid[0] = 16: must be at most the camera's size (8)"),
        (lambda: EventsInput("c", capacity=0), "inputs.c.capacity = 0: must be a whole number >= 1"),
        (lambda: PopulationEncoder(1), "neurons = 1: must be a whole number >= 2"),
        (lambda: PopulationEncoder(4, drive=math.inf), "drive = inf: must be finite"),
        (lambda: PoolEncoder((0, 1)), "grid[0] = 0: must be a whole number >= 1"),
        (lambda: PoolEncoder((1, 1), "x"), "polarity = 'x': must be 'signed', 'merge' or 'split'"),
        (lambda: PoolEncoder((1, 1), off_weight=math.nan), "off_weight = nan: must be finite"),
        (lambda: SpikeDecoder("a", 1.0, 0), "tau = 0: must be > 0 s"),
        (lambda: SpikeDecoder("a", 1.0, math.inf), "tau = inf: must be finite"),
        (lambda: ArgmaxDecoder(1, TERM), "actions = 1: must be a whole number >= 2"),
        (lambda: ArgmaxDecoder(2, ()), "terms = (): must hold at least one decoder"),
        (lambda: Output("u", TERM, size=True), "outputs.u.size = True: must be a whole number >= 1"),
        (lambda: Output("u", TERM, bias=[1, 2]), "outputs.u.bias = [1, 2]: must be a number or 1 numbers"),
        (lambda: Output("u", TERM, limits=(2, 1)), "outputs.u.limits = [2, 1]: low must be < high"),
        (lambda: Output("u", TERM, limits=(0, 1), safe=2), "outputs.u.safe = 2: must be finite and within limits [0, 1]"),
        (lambda: Output("u", TERM, safe=math.inf), "outputs.u.safe = inf: must be finite and within limits"),
        (lambda: Output("u", TERM, slew=0), "outputs.u.slew = 0: must be > 0"),
        (lambda: Output("u", TERM, ramp=True), "outputs.u.slew = inf: must be finite with ramp; give a slew"),
        (lambda: Output("u", ArgmaxDecoder(3, TERM), safe=3), "outputs.u.safe = 3: must be an action: a whole number in [0, 3)"),
        (lambda: Output("u", ArgmaxDecoder(3, TERM), limits=(0, 1)), "outputs.u.limits[0] = 0: does not go with arg-max"),
        (lambda: Output("u", ArgmaxDecoder(3, TERM), size=2), "outputs.u.size = 2: must be 1 with arg-max"),
        (lambda: Guard(-1), "guard.release = -1: must be a whole number >= 0"),
        (lambda: Guard(True), "guard.release = True"),
    ],
)  # fmt: skip
def test_a_rule_has_its_message(make, expected):
    with pytest.raises(DescriptionError) as caught:
        make()
    assert expected in str(caught.value)


def controller(spec, network=None, output="u"):
    return Controller(
        build(network or Network(), [spec], [Output(output, (MembraneDecoder(spec.name, 1.0),))], dt=1e-3, period=1e-3)
    )


def test_population_fields_are_gaussians_over_the_range():
    spec = ValueInput("x", size=2, range=(-1.0, [1.0, 3.0]), encoder=PopulationEncoder(5, drive=2.0))
    one, x = controller(spec), np.array([0.3, 2.2])
    one.step({"x": x})
    for d, (low, high) in enumerate([(-1, 1), (-1, 3)]):
        centres = np.linspace(low, high, 5)
        expected = 2.0 * np.exp(-0.5 * ((x[d] - centres) / (centres[1] - centres[0])) ** 2)
        np.testing.assert_allclose(one.bound.array("x.drive")[5 * d : 5 * d + 5], expected, rtol=1e-5)


def test_a_linear_encoder_is_linear():
    rng = np.random.default_rng(0)
    w, b, x = rng.normal(size=(3, 7)), rng.normal(size=7), rng.normal(size=3)
    one = controller(ValueInput("x", size=3, encoder=LinearEncoder(w, b)))
    one.step({"x": x})
    np.testing.assert_allclose(one.bound.array("x.drive"), x @ w + b, rtol=1e-5)


def test_pooling_keeps_every_event():
    rng = np.random.default_rng(0)
    spec = EventsInput("camera", size=(50, 31), encoder=PoolEncoder((7, 4), "merge"))
    one = controller(spec)
    x, y = rng.integers(0, 50, 1000), rng.integers(0, 31, 1000)
    one.step({"camera": (np.zeros(1000), x, y, np.ones(1000))})
    expected = np.zeros((4, 7))
    np.add.at(expected, ((2 * y + 1) * 4 // 62, (2 * x + 1) * 7 // 100), 1)  # of the middles of pixels
    assert (one.bound.array("camera.pooled").reshape(4, 7) == expected).all()


@pytest.mark.parametrize("delay", [0, 2])
def test_an_encoder_may_have_graded_neurons(delay):
    """LI neurons behind an encoder, also through a delay: nothing outside their arrays is touched."""
    spec = ValueInput("x", encoder=LinearEncoder([[1.0, -1.0, 2.0]], neuron=LI(tau_mem=0.01)))
    network = Network(
        (Population("a", 3, LIF(v_threshold=1e9)),), (Projection("x", "a", np.eye(3), delay=delay * 1e-3),)
    )
    output = Output("u", (MembraneDecoder("x", np.eye(3)),), 3)
    one = Controller(build(network, [spec], [output], dt=1e-3, period=3e-3))
    for _ in range(4):
        u = one.step({"x": 1.0})["u"]
    rise = 1 - math.exp(-12e-3 / 0.01)
    np.testing.assert_allclose(u, [rise, -rise, 2 * rise], rtol=1e-5)
    np.testing.assert_allclose(one.bound.array("x.drive"), [1, -1, 2])
