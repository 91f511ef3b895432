"""The report on a controller's conduct is the same for one controller, for the rows of a batch, and by hand."""

from __future__ import annotations

import numpy as np

from snn_control import Controller, Model
from snn_control.analysis.episode_statistics import EpisodeStatistics, Watcher, command_rows, commands_of, firing_of
from snn_control.coding import ArgmaxDecoder, MembraneDecoder
from snn_control.controller import Batch
from snn_control.network import IF, LI, LIF, Normal, Threshold


def spec():
    """One number drives neurons of which some cannot fire, and one population that fires in each step."""
    m = Model(dt=0.001, period=0.004)
    x = m.input("x", 1, range=(-1, 1))
    h = m.population("h", 6, LIF(tau_mem=0.01), bias=np.array([3, 2, 1.5, 0, 0, -1.0]))
    quick = m.population("quick", 2, Threshold(), bias=2.0)
    lazy = m.population("lazy", 2, LIF(tau_mem=0.01, refractory=0.003), bias=200.0)
    v = m.population("v", 3, LI(tau_mem=0.02))
    m.connect(x, h, np.array([[1.0, -1, 2, 0, 0, 0]]))
    for one in (h, quick, lazy):
        m.connect(one, v, Normal(0, 0.3, seed=2))
    m.output("u", v, np.eye(3, 2), size=2, limits=(-0.5, 0.5))
    m.output("a", decoder=ArgmaxDecoder(3, (MembraneDecoder("v", np.eye(3)),)))
    return m.spec()


def shown(ticks, seed):
    return np.random.default_rng(seed).uniform(-1, 1, (ticks, 1))


def test_rows_of_a_batch_and_a_controller_are_watched_alike():
    one = Controller.from_spec(spec())
    watcher = Watcher(one)
    one.observers.append(watcher)
    alone, rasters = [], []
    for seed in range(3):
        one.reset()
        spikes = np.zeros(10, np.int64)
        for x in shown(50, seed):
            one.step({"x": x})
            for first, name, size in ((0, "h", 6), (6, "quick", 2), (8, "lazy", 2)):
                spikes[first : first + size] += np.bincount(one.raster(name)[1], minlength=size)
        alone.append(watcher.take())
        rasters.append(spikes)
    batch = Batch(one.program, 3)
    together = Watcher(batch)
    batch.observers.append(together)
    for x in np.stack([shown(50, seed) for seed in range(3)], axis=1):
        batch.step({"x": x})
    for k in range(3):
        found = together.take(k)
        assert (found.commands == alone[k].commands).all()
        assert (found.fired == alone[k].fired).all()
        assert (found.fired == rasters[k]).all()  # each neuron fires at most once in a step
        assert found.commands.shape == (50, 3)
    assert together.take(1).commands.shape == (0, 3), "what was taken is not taken again"


def test_every_tick_of_a_step_is_watched():
    one = Controller(Controller.from_spec(spec()).program, repeat=3)
    watcher = Watcher(one)
    one.observers.append(watcher)
    one.step({"x": [0.5]})
    found = watcher.take()
    assert len(found.commands) == 3
    assert found.fired[6:8].tolist() == [12, 12]


def test_who_never_fires_and_who_always_does():
    described = spec()
    one = Controller.from_spec(described)
    watcher = Watcher(one)
    one.observers.append(watcher)
    for x in shown(200, 0):
        one.step({"x": x})
    h, quick, lazy = firing_of(described, one.program, [watcher.take()])
    assert (h.where, h.neurons, h.never, h.always) == ("network.populations.h", 6, 3, 0)
    assert (quick.never, quick.always) == (0, 2)
    assert (lazy.never, lazy.always) == (0, 2), "as often as the refractory period lets it"


def test_chatter_is_counted_within_episodes():
    u = np.array([0.5, -0.1, 0.0, -0.2, 0.3, 0.5, 0.5, -0.5])  # signs + - 0 - + + + -: three changes
    calm = np.full(8, 0.25)  # begins with another sign than the first episode ends with
    chosen = np.array([0, 1, 1, 2, 0, 0, 0, 0])
    one = EpisodeStatistics(np.column_stack([u, calm, chosen]), np.zeros(10, np.int64))
    other = EpisodeStatistics(np.column_stack([calm, calm, np.full(8, 2)]), np.full(10, 40))
    program = Controller.from_spec(spec()).program
    found = command_rows(spec(), program, [one, other])
    seconds = 16 * 0.004
    first, second, action = found["commands"]
    assert first == {
        "where": "outputs.u[0]", "changes_hz": None, "sign_changes_hz": 3 / seconds, "at_a_limit": 4 / 16
    }  # fmt: skip
    assert (second["sign_changes_hz"], second["at_a_limit"]) == (0, 0)
    assert action == {"where": "outputs.a", "changes_hz": 3 / seconds, "sign_changes_hz": None, "at_a_limit": None}
    assert [row["never"] for row in found["neurons"]] == [0, 0, 0]
    assert commands_of(spec(), [one])[0].ticks == 8


def test_a_neuron_that_fires_several_times_a_step_is_counted_by_steps():
    m = Model(dt=0.001, period=0.002)
    x = m.input("x", 1, range=(0, 1))
    h = m.population("h", 1, IF(reset="subtract", several=True), bias=3000.0)
    m.connect(x, h, 1.0)
    m.output("u", h, 1.0, tau=0.01)
    described = m.spec()
    one = Controller.from_spec(described)
    watcher = Watcher(one)
    one.observers.append(watcher)
    one.step({"x": [0.0]})
    assert one.counters()["spikes"]["h"] == 6
    assert watcher.take().fired.tolist() == [2]
