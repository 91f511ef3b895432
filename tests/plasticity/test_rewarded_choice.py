"""A choice that is learned from rewards alone: each of two cues belongs to one of two levers.

The rule remembers which synapses took part. After 100 ms, the reward minus its expectation decides how they change.
Random spikes of the population ``luck`` make the levers differ.
"""

import numpy as np

from snn_control import Model
from snn_control.coding import LinearEncoder
from snn_control.network import LIF, Bernoulli, RewardSTDP


def learn(learning_rate, trials=300):
    """Share of rewarded choices in the last hundred trials."""
    m = Model(dt=1e-3, seed=1)
    cells = np.repeat(np.eye(2), 10, axis=1)  # ten for each cue, at 50 Hz while it is shown
    cue = m.input("cue", 2, encoder=LinearEncoder(cells, neuron=Bernoulli(rate=50.0)))
    m.input("reward")
    levers = m.population("levers", 2, LIF(tau_mem=0.02))
    rule = RewardSTDP(reward="reward", learning_rate=learning_rate, a_plus=0.1, a_minus=0.0, tau_e=0.1, w_max=4.0)
    m.connect(cue, levers, 2.0, learning=rule)
    luck = m.population("luck", 2, Bernoulli(rate=100.0), bias=1.0)
    m.connect(luck, levers, 8.0, "one_to_one")
    m.connect(levers, levers, [[0.0, -20.0], [-20.0, 0.0]], delay=1e-3)  # one at a time
    m.output("pulled", levers, np.eye(2), tau=0.1, size=2)
    controller, rng, rewarded, expected = m.controller(), np.random.default_rng(1), [], 0.5
    for _ in range(trials):
        shown = rng.integers(2)
        for _ in range(100):  # ms
            pulled = controller.step({"cue": np.eye(2)[shown], "reward": 0.0})["pulled"]
        rewarded.append(int(np.argmax(pulled) != shown))  # each cue asks for the other lever
        for _ in range(50):
            controller.step({"cue": [0.0, 0.0], "reward": rewarded[-1] - expected})
        expected += 0.1 * (rewarded[-1] - expected)
    return np.mean(rewarded[-100:])


def test_the_choice_is_learned_from_rewards_and_not_without_learning():
    assert learn(10.0) > 0.9
    assert 0.35 < learn(0.0) < 0.65
