"""Stochastic and temporal codes: statistics with fixed seeds, closed forms, and the same bits however they are run."""

import numpy as np
import pytest

from snn_control.coding import DirectEncoder, MembraneDecoder, Output, ValueInput
from snn_control.controller import Controller
from snn_control.engine.build import build
from snn_control.errors import BuildError
from snn_control.network import LI, Bernoulli, Latency, Network, Phase, Poisson, Population, Projection
from tests.rasters import DT, alone, raster

STEPS, N = 2000, 120


def chi_square_is_plausible(observed, expected, variance):
    """Squared standard scores, summed: within 4 standard deviations of their number."""
    z = (np.asarray(observed) - expected) ** 2 / variance
    assert abs(z.sum() - z.size) < 4 * np.sqrt(2 * z.size), (z.sum(), z.size)


def independent(x):
    """Spikes of neighbours in the same step, and of a neuron in successive steps, are independent."""
    for a, b in ((x[:, 1:], x[:, :-1]), (x[:, 4:], x[:, :-4]), (x[1:], x[:-1])):
        assert abs(np.corrcoef(a.reshape(-1), b.reshape(-1))[0, 1]) < 4 / np.sqrt(a.size)


@pytest.mark.parametrize("p", [0.02, 0.3, 0.9])
def test_bernoulli_has_the_binomial_s_mean_and_variance(p):
    x = raster(alone(Bernoulli(200.0), np.full(N, p / (200 * DT)), seed=11), STEPS)
    assert x.max() == 1
    assert x.mean() == pytest.approx(p, abs=4 * np.sqrt(p * (1 - p) / x.size))
    chi_square_is_plausible(x.sum(axis=0), STEPS * p, STEPS * p * (1 - p))
    chi_square_is_plausible(x.sum(axis=1), N * p, N * p * (1 - p))
    independent(x)


def test_a_probability_is_cut_to_0_and_1():
    x = raster(alone(Bernoulli(1 / DT), [-1.0, 0.0, 1.0, 7.0]), 300)
    assert x.sum(axis=0).tolist() == [0, 0, 300, 300]


@pytest.mark.parametrize("mean", [0.05, 1.0, 7.5, 64.0])
def test_poisson_has_its_mean_its_variance_and_its_distribution(mean):
    x = raster(alone(Poisson(100.0), np.full(N, mean / (100 * DT)), seed=12), STEPS)
    spread = np.sqrt(mean / x.size)
    assert x.mean() == pytest.approx(mean, abs=4 * spread)
    assert x.var() == pytest.approx(mean, abs=4 * mean * np.sqrt((2 + 1 / mean) / x.size))
    chi_square_is_plausible(x.sum(axis=0), STEPS * mean, STEPS * mean)
    independent(x)
    k = np.arange(x.max() + 1)
    log_factorial = np.concatenate([[0], np.cumsum(np.log(k[1:]))])
    expected = x.size * np.exp(k * np.log(mean) - mean - log_factorial)
    often = expected > 20
    observed = np.bincount(x.reshape(-1))
    chi_square_is_plausible(observed[often], expected[often], expected[often])


def test_poisson_counts_every_spike_and_is_bounded():
    controller = alone(Poisson(1e6), [-1.0, 0.0, 1.0, 1e30, 1e-3])
    x = raster(controller, 500)
    assert controller.counters()["spikes"]["p"] == x.sum()
    assert x[:, :2].sum() == 0
    assert x[:, 2:4].mean() == pytest.approx(64, abs=4 * np.sqrt(64 / 1000))
    assert x.max() < 200
    assert x[:, 4].mean() == pytest.approx(1, abs=4 * np.sqrt(1 / 500))


def test_each_neuron_may_have_its_own_rate():
    x = raster(alone(Bernoulli([0.0 + r for r in (10, 100, 900)]), 1.0, 3), STEPS)
    assert x.mean(axis=0) == pytest.approx([0.01, 0.1, 0.9], abs=0.03)


@pytest.mark.parametrize("neuron", [Bernoulli(300.0), Poisson(900.0), Latency(0.02), Phase(8)])
def test_reset_restore_and_the_cut_into_ticks_change_no_bit(neuron):
    current = np.linspace(0.05, 0.95, 21)
    controller = alone(neuron, current, seed=5)
    first = raster(controller, 120)
    state = controller.state()
    rest = raster(controller, 120)
    assert first.sum() > 0
    controller.restore(state)
    assert (raster(controller, 120) == rest).all()
    controller.reset()
    assert (raster(controller, 120) == first).all()
    whole = raster(alone(neuron, current, seed=5, steps_a_tick=8), 30)
    assert (whole == np.concatenate([first, rest])).all()


def test_the_numbers_are_those_of_the_seed_and_the_name_and_of_nothing_else():
    current = np.full(40, 0.5)
    one = raster(alone(Bernoulli(1e3), current, seed=5), 50)
    assert (raster(alone(Bernoulli(1e3), current, seed=6), 50) != one).any()
    assert (raster(alone(Bernoulli(1e3), current, seed=5, name="q"), 50, "q") != one).any()
    output = Output("u", (MembraneDecoder("x", 1.0),))
    others = Network((Population("a", 3, Bernoulli()), Population("p", 40, Bernoulli(1e3), bias=current)))
    beside = Controller(build(others, [ValueInput("x", required=False)], [output], dt=DT, period=DT, seed=5))
    assert (raster(beside, 50) == one).all()


def test_two_names_with_the_same_random_numbers_are_refused():
    names = ("plumless", "buckeroo")  # one CRC-32
    network = Network(tuple(Population(name, 1, Bernoulli()) for name in names))
    output = Output("u", (MembraneDecoder("x", 1.0),))
    with pytest.raises(BuildError, match="buckeroo': would draw the random numbers of plumless; rename one of them"):
        build(network, [ValueInput("x")], [output], dt=DT, period=DT)


# latency -------------------------------------------------------------------------------------------------------
def first_steps(x):
    """Step of the first spike of each neuron, -1 where there is none."""
    return np.where(x.any(axis=0), x.argmax(axis=0), -1)


def closed_form(model, x, window):
    """Step of the spike, as `snntorch.spikegen.latency_code` with clip has it, in float64; -1 for none."""
    steps, theta = round(window / DT), float(np.float32(model.threshold))
    if model.linear:
        t = (steps - 1 if model.tau is None else model.tau / DT) * (1 - x)
    else:
        tau = (steps - 1) / np.log((theta + 1e-7) / 1e-7) if model.tau is None else model.tau / DT
        above = np.maximum(x, theta + 1e-7)
        t = tau * np.log(above / (above - theta))
    return np.where((x < theta) | (np.rint(t) >= steps), -1, np.rint(t)).astype(int)


@pytest.mark.parametrize(
    "model",
    [Latency(0.05), Latency(0.05, threshold=0.2), Latency(0.05, tau=0.01), Latency(0.05, tau=0.1, threshold=0.3),
     Latency(0.05, linear=True), Latency(0.05, linear=True, tau=0.03), Latency(0.05, linear=True, tau=0.2)],
)  # fmt: skip
def test_latency_has_the_closed_form_and_one_spike_a_window(model):
    x = np.concatenate([np.linspace(0, 1, 501), model.threshold + np.array([0, 1e-7, 1e-6, 1e-5, 1e-4])])
    x = x.astype(np.float32).astype(np.float64)
    expected = closed_form(model, x, 0.05)
    sure = np.all([closed_form(model, x * (1 + s * 2e-7), 0.05) == expected for s in (-1, 1)], axis=0)
    spikes = raster(alone(model, x), 100)
    assert sure.mean() > 0.9
    assert len(set(expected)) > 3
    for window in np.split(spikes, 2):
        assert window.sum(axis=0).max() == 1
        assert (first_steps(window)[sure] == expected[sure]).all()


def test_latency_gives_the_example_of_snntorch_s_documentation():
    spikes = raster(alone(Latency(5 * DT, linear=True), [0.02, 0.5, 1.0]), 5)
    assert spikes.tolist() == [[0, 0, 1], [0, 0, 0], [0, 1, 0], [0, 0, 0], [1, 0, 0]]


def test_latency_cuts_its_current_to_0_and_1():
    spikes = raster(alone(Latency(0.02, linear=True), [-3.0, 0.0, 1.0, 5.0]), 20)
    assert first_steps(spikes).tolist() == [-1, -1, 0, 0]


def test_latency_takes_the_current_of_the_window_s_first_step():
    encoder = DirectEncoder(neuron=Latency(0.01, linear=True))
    output = Output("u", (MembraneDecoder("y", 1.0),))
    inputs = [ValueInput("x", encoder=encoder), ValueInput("y", required=False)]
    controller = Controller(build(Network(), inputs, [output], dt=DT, period=DT))
    given = [1.0] * 3 + [0.0] * 7 + [0.0] * 4 + [1.0] * 6
    spikes = raster(controller, 20, "x", lambda k: {"x": given[k]})
    assert np.flatnonzero(spikes[:, 0]).tolist() == [0]


def test_a_window_of_one_step_fires_at_the_threshold():
    for linear in (False, True):
        spikes = raster(alone(Latency(DT, threshold=0.25, linear=linear), [0.2, 0.3, 1.0]), 3)
        assert spikes.tolist() == [[0, 1, 1]] * 3


# phase ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("phases", [1, 4, 8, 24])
def test_the_phases_of_a_period_sum_to_the_current(phases):
    x = np.concatenate([np.linspace(0, 1, 257), np.random.default_rng(0).random(100)]).astype(np.float32)
    spikes = raster(alone(Phase(phases), x), 3 * phases)
    worth = 0.5 ** np.arange(1, phases + 1)
    expected = np.minimum(np.floor(x.astype(np.float64) * 2**phases), 2**phases - 1) / 2**phases
    for period in np.split(spikes, 3):
        assert (worth @ period == expected).all()


def test_the_phases_are_those_of_the_paper_s_table():
    spikes = raster(alone(Phase(8), np.array([192, 1, 128, 255]) / 256), 8)
    assert ["".join(map(str, row)) for row in spikes.T] == ["11000000", "00000001", "10000000", "11111111"]


def test_phase_cuts_its_current_to_0_and_1():
    spikes = raster(alone(Phase(3), [-1.0, 2.0]), 3)
    assert spikes.tolist() == [[0, 1]] * 3


# in a network --------------------------------------------------------------------------------------------------
def test_they_stand_in_a_network_like_any_neuron():
    network = Network(
        (Population("p", 400, Poisson(50.0), bias=2.0), Population("sum", 1, LI(tau_mem=0.5))),
        (Projection("p", "sum", 1 / 400),),
    )
    output = Output("u", (MembraneDecoder("sum", 1.0),))
    controller = Controller(build(network, [], [output], dt=DT, period=DT))
    u = [controller.step({})["u"][0] for _ in range(3000)]
    assert np.mean(u[2000:]) == pytest.approx(100 * DT, rel=0.02)
