"""The numbers behind f-I and tuning curves, against closed forms."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.figure import Figure

from snn_control.analysis.response import closed_form, f_i_curve, firing_rates, parameters_of, pooled, rheobase, tuning
from snn_control.coding import (
    EventsInput,
    FieldsEncoder,
    LinearEncoder,
    PoolEncoder,
    PopulationEncoder,
    Refractory,
    SurfaceEncoder,
    ValueInput,
)
from snn_control.network import ALIF, IF, LI, LIF, AdEx, Bernoulli, CubaLIF, Izhikevich, Poisson
from snn_control.report.curves import draw_events, example_events
from tests.reference.filters import cell_along

MODELS = [
    LIF(),
    LIF(tau_mem=0.01, refractory=0.004),
    LIF(reset="subtract", v_threshold=0.5),
    LIF(v_leak=-65.0, v_reset=-70.0, v_threshold=-50.0, r=10.0),
    LIF(v_leak=2.0),
    CubaLIF(tau_syn=0.01, r=3.0),
]


@pytest.mark.parametrize("model", MODELS, ids=str)
def test_a_fine_step_gives_the_closed_form(model):
    curve = f_i_curve(model, 1e-4)
    ideal = closed_form(model, curve.current)
    assert curve.rheobase == pytest.approx((model.v_threshold - model.v_leak) / model.r, rel=1e-3)
    # at the rheobase itself the interval is without bound
    clear = np.abs(curve.current - curve.rheobase) > 0.02 * abs(curve.rheobase)
    assert curve.rate[clear] == pytest.approx(ideal[clear], rel=0.035, abs=1e-9)
    assert (curve.rate[curve.current < 0.98 * curve.rheobase] == 0).all() or curve.rheobase < 0
    assert curve.rate.max() > 50


@pytest.mark.parametrize("refractory", [0.0, 0.006])
@pytest.mark.parametrize("dt", [0.001, 0.002])
def test_a_coarse_step_gives_the_rate_of_whole_steps(dt, refractory):
    """With reset to a value the interval is the smallest n with v_inf (1 - decay^n) >= threshold, after all but the
    last step of the refractory period."""
    model = LIF(tau_mem=0.02, refractory=refractory)
    current = np.array([1.1, 1.5, 2.3, 3.7])
    n = np.ceil(np.log(1 - 1 / current) / (-dt / model.tau_mem))
    assert firing_rates(model, current, dt) == pytest.approx(1 / (n * dt + max(0.0, refractory - dt)), rel=1e-9)


def test_a_slow_neuron_is_watched_for_longer():
    slow = LIF(tau_mem=0.5)
    assert f_i_curve(slow, 0.001).seconds == 20.0
    assert firing_rates(slow, np.array([1.2]), 0.001) == pytest.approx(closed_form(slow, np.array([1.2])), rel=0.01)


def test_there_may_be_no_rheobase():
    assert math.isnan(rheobase(LIF(v_threshold=1e20), 0.001))
    assert f_i_curve(LIF(v_threshold=1e20), 0.001).rate.max() == 0


def test_other_models_have_no_closed_form():
    assert closed_form(LI(), np.ones(3)) is None


@pytest.mark.parametrize("model", [Bernoulli(40.0), Poisson(7000.0)])
def test_a_stochastic_rate_is_counted(model):
    curve = f_i_curve(model, 0.001)
    assert curve.rheobase == 0
    ideal, counted = closed_form(model, curve.current), curve.rate * curve.seconds / 2
    assert ideal.max() > 150
    assert (np.abs(counted - ideal * curve.seconds / 2) <= 4.5 * np.sqrt(ideal * curve.seconds / 2)).all()


def test_without_a_leak_any_current_will_do():
    model = IF(r=50.0, refractory=0.002)
    curve = f_i_curve(model, 1e-4)
    assert curve.rheobase == 0
    assert curve.rate.max() == pytest.approx(0.2 / 0.002, rel=0.3)
    assert curve.rate[20:] == pytest.approx(closed_form(model, curve.current)[20:], rel=0.03)


def test_several_spikes_in_a_step_are_all_counted():
    model = IF(r=1000.0, reset="subtract", several=True)
    assert firing_rates(model, np.array([0.5, 2.5, 7.0]), 0.001) == pytest.approx([500, 2500, 7000], rel=0.001)


def test_published_rheobases():
    """Izhikevich's regular spiker loses its rest at I = 3.78 (Izhikevich 2007, section 8.1); AdEx as of 2005 in a Hopf
    bifurcation (Touboul and Brette 2008, Biol. Cybern. 99:319, eq. 9)."""
    assert 3.7 < rheobase(Izhikevich(), 0.001) < 4.0
    m = AdEx()
    conductance, ratio = 1 / m.r, m.tau_mem / m.tau_w
    gap = m.v_rheobase - m.v_leak - m.delta_t + m.delta_t * math.log(1 + ratio)
    hopf = (conductance + m.a) * gap + m.delta_t * conductance * (m.a / conductance - ratio)
    assert rheobase(m, 0.0005) == pytest.approx(hopf, rel=0.01)


def test_adaptation_slows_down():
    plain, adapting = LIF(tau_mem=0.01), ALIF(tau_mem=0.01, beta=0.2, tau_adapt=0.1)
    current = np.array([1.5, 3.0])
    assert (firing_rates(adapting, current, 0.001) < 0.8 * firing_rates(plain, current, 0.001)).all()
    assert closed_form(adapting, current) is None


def test_neurons_with_parameters_of_their_own():
    many = LIF(v_threshold=np.array([1.0, 2.0, 3.0]))
    assert parameters_of(many, 1) == LIF(v_threshold=2.0)
    assert parameters_of(many, np.array([2, 0])) == LIF(v_threshold=np.array([3.0, 1.0]))
    assert parameters_of(LIF(), 5) == LIF()
    rates = firing_rates(many, np.array([4.0, 4.0, 4.0]), 0.0005)
    assert rates == pytest.approx([closed_form(parameters_of(many, k), np.array([4.0]))[0] for k in range(3)], rel=0.06)
    spec = ValueInput("x", encoder=LinearEncoder(np.full((1, 3), 4.0), neuron=many))
    (t,) = tuning(spec, 0.0005)
    onset = [t.x[np.argmax(t.response[:, k] > 0)] for k in range(3)]
    assert onset == pytest.approx([0.25, 0.5, 0.75], abs=2 * np.diff(t.x)[0])


ENCODER = PopulationEncoder(5, low=[-1.0, 0.0], high=[1.0, 8.0], drive=3.0)


def test_graded_tuning_is_the_gaussian_of_the_encoder():
    one, two = tuning(ValueInput("x", size=2, range=([-1.0, 0.0], [1.0, 8.0]), encoder=ENCODER), 0.001)
    assert one.neurons.tolist() == [0, 1, 2, 3, 4]
    assert two.neurons.tolist() == [5, 6, 7, 8, 9]
    for t, centres, sigma in ((one, np.linspace(-1, 1, 5), 0.5), (two, np.linspace(0, 8, 5), 2.0)):
        assert t.x[t.response.argmax(0)] == pytest.approx(centres, abs=np.diff(t.x)[0] / 2)
        gauss = 3.0 * np.exp(-0.5 * ((t.x[:, None] - centres) / sigma) ** 2)
        assert t.response == pytest.approx(gauss, rel=1e-5, abs=1e-6)


def test_spiking_tuning_is_the_rate_at_that_drive():
    neuron = LIF(tau_mem=0.01, refractory=0.002)
    spec = ValueInput("x", size=2, range=([-1.0, 0.0], [1.0, 8.0]), encoder=replace(ENCODER, neuron=neuron))
    for spiking, graded in zip(tuning(spec, 0.001), tuning(replace(spec, encoder=ENCODER), 0.001)):
        assert np.array_equal(spiking.neurons, graded.neurons)
        peaks = spiking.x[np.abs(spiking.response - spiking.response.max(0)).argmin(0)]
        assert peaks == pytest.approx(graded.x[graded.response.argmax(0)], abs=1.5)
        ideal = closed_form(neuron, graded.response)
        clear = np.abs(graded.response - 1.0) > 0.05
        assert spiking.response[clear] == pytest.approx(ideal[clear], rel=0.2)  # whole steps of 1 ms
        assert (spiking.response[graded.response < 0.99] == 0).all()


@pytest.mark.parametrize("more", [{"grid": (4, 4)}, {"centres": [[0.9, 0.9], [-0.8, 0.7]], "sigma": 0.1}])
def test_fields_over_all_dimensions_are_cut_at_a_centre(more):
    """In the middle of an even grid, or away from scattered centres, no neuron would fire."""
    encoder = FieldsEncoder(**more, drive=2.0, neuron=LIF(tau_mem=0.01))
    for t in tuning(ValueInput("x", size=2, range=(-1.0, 1.0), encoder=encoder), 0.001):
        assert t.response.max() > 50
        near = FieldsEncoder(**more) if encoder.grid is None else encoder
        centres = [[-1, -1 / 3, 1 / 3, 1]] * 2 if near.centres is None else np.transpose(near.centres)
        assert np.min(np.abs(t.held[1 - t.dimension] - np.array(centres[1 - t.dimension]))) < 1e-6
        assert len(t.neurons) >= 1


def test_a_linear_encoder_is_a_line_and_deaf_neurons_are_left_out():
    encoder = LinearEncoder([[2.0, 0.0, -1.0]], bias=[0.5, 1.0, 0.0])
    (t,) = tuning(ValueInput("x", encoder=encoder), 0.001)
    assert t.neurons.tolist() == [0, 2]
    assert (t.x[0], t.x[-1]) == (-1.0, 1.0)
    assert t.response == pytest.approx(np.stack([2 * t.x + 0.5, -t.x], axis=1), abs=1e-6)


def test_of_many_neurons_some_are_measured():
    encoder = PopulationEncoder(500)
    (t,) = tuning(ValueInput("x", range=(0.0, 1.0), encoder=encoder), 0.001, most=20)
    assert t.of == 500
    assert len(t.neurons) == 20
    assert (t.neurons[0], t.neurons[-1]) == (0, 499)


def test_plausibility_does_not_hide_a_tuning_curve():
    (t,) = tuning(ValueInput("x", range=(-5.0, 5.0), plausible=(-1.0, 1.0), encoder=PopulationEncoder(3)), 0.001)
    assert t.x[t.response.argmax(0)].tolist() == [-5.0, 0.0, 5.0]


def test_no_encoder_no_tuning():
    assert tuning(ValueInput("x"), 0.001) == []


@pytest.mark.parametrize("polarity", ["signed", "merge", "split"])
def test_pooled_events_are_counts_on_the_grid(polarity):
    rng = np.random.default_rng(1)
    x, y, p = rng.integers(0, 30, 500), rng.integers(0, 21, 500), rng.integers(0, 2, 500)
    spec = EventsInput("e", size=(30, 21), encoder=PoolEncoder((4, 3), polarity, on_weight=2.0, off_weight=3.0))
    on, off = np.zeros((3, 4)), np.zeros((3, 4))
    for counts, which in ((on, 1), (off, 0)):
        for one in np.flatnonzero(p == which):
            counts[cell_along(2 * y[one] + 1, 21, 3), cell_along(2 * x[one] + 1, 30, 4)] += 1
    expected = {"signed": [2 * on - 3 * off], "merge": [on + off], "split": [off, on]}[polarity]
    assert np.array_equal(pooled(spec, 0.001, x, y, p), np.array(expected))


@pytest.mark.parametrize(
    ("encoder", "caption"),
    [
        (SurfaceEncoder((4, 3), 0.02, "split"), "tau = 0.02, polarity = split"),
        (PoolEncoder((4, 3), response="binary", tau=0.1), "tau = 0.1"),
        (PoolEncoder((4, 3), "merge", response="saturate", ceiling=2), "polarity = merge"),
    ],
)
def test_the_picture_of_an_encoder_of_events_says_what_it_is(encoder, caption):
    spec = EventsInput("e", size=(30, 21), encoder=encoder, filters=(Refractory(1.0),))
    found, _ = draw_events(Figure(), spec, 0.001)
    assert caption in found
    x, y, p = example_events(spec)
    shown = pooled(spec, 0.001, x, y, p)
    assert shown.shape[1:] == (3, 4)
    assert np.count_nonzero(shown) > 3  # no filter takes the example away
