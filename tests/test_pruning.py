"""A controller without its silent neurons gives the same commands."""

import numpy as np
import pytest

from snn_control import Controller
from snn_control.analysis.episode_statistics import Watcher
from snn_control.controller.pruning import without
from snn_control.controller_file import parse_spec

SIZES = {"first": 12, "second": 9}


def described(rng, **changes):
    """A network with recurrence, delays, an int8 projection and all decoders that read spikes with one row a neuron."""
    first, second = SIZES.values()
    drive = rng.normal(0.2, 0.8, (3, first))
    drive[:, :4] = -0.5  # neurons that cannot fire for positive inputs
    between = rng.normal(0.1, 0.5, (first, second))
    between[:, :3] = -0.3

    def weights(*shape):
        return rng.normal(0, 1, shape).tolist()

    terms = {
        "rate": {"type": "linear", "from": "second", "weights": weights(second, 2), "tau": 0.02},
        "count": {"type": "spike_count", "from": "second", "weights": weights(second, 2), "window": 0.02},
        "vector": {"type": "population_vector", "from": "first", "directions": weights(first, 2), "tau": 0.02},
        "membrane": {"type": "membrane", "from": "sum", "weights": weights(2, 2)},
    }
    populations = {
        "first": {"size": first, "neuron": {"type": "lif", "tau_mem": rng.uniform(0.01, 0.03, first).tolist()},
                  "v_init": rng.uniform(0, 0.5, first).tolist()},
        "second": {"size": second, "neuron": {"type": "alif"}, "bias": rng.uniform(0, 1.5, second).tolist()},
        "sum": {"size": 2, "neuron": {"type": "li"}},
    }  # fmt: skip
    projections = [
        {"pre": "seen", "post": "first", "weights": drive.tolist()},
        {"pre": "first", "post": "first", "weights": weights(first, first),
         "delay": rng.choice([0.001, 0.002], (first, first)).tolist()},
        {"pre": "first", "post": "second", "weights": between.tolist(), "precision": "int8", "delay": 0.003},
        {"pre": "second", "post": "sum", "weights": weights(second, 2), "bias": [0.1, -0.1]},
    ]  # fmt: skip
    outputs = {name: {"size": 2, "decoder": term} for name, term in terms.items()}
    outputs["choice"] = {"decoder": {"type": "argmax", "actions": 2, "terms": [terms["rate"]]}}
    return {
        "version": 1, "period": 0.005, "dt": 0.001, "inputs": {"seen": {"kind": "value", "size": 3, "range": [0, 5]}},
        "network": {"populations": populations, "projections": projections}, "outputs": outputs,
    } | changes  # fmt: skip


def played(spec, values):
    """The commands for these inputs, and which neurons fired."""
    controller = Controller.from_spec(spec)
    watcher = Watcher(controller)
    controller.observers += (watcher,)
    commands = np.array([np.concatenate(list(controller.step({"seen": value}).values())) for value in values])
    first = spec.network.populations[0].size
    return commands, dict(zip(SIZES, np.split(watcher.take().fired > 0, [first]), strict=True))


@pytest.mark.parametrize("seed", range(4))
def test_commands_stay_the_same_to_the_bit(seed):
    rng = np.random.default_rng(seed)
    spec = parse_spec(described(rng))
    values = rng.uniform(0, 5, (200, 3))
    commands, fired = played(spec, values)
    smaller = without(spec, {name: ~seen for name, seen in fired.items()})
    assert {p.name: p.size for p in smaller.network.populations} == {
        name: int(seen.sum()) for name, seen in fired.items()
    } | {"sum": 2}
    assert sum(seen.sum() for seen in fired.values()) < sum(SIZES.values())
    again, everywhere = played(smaller, values)
    assert again.tobytes() == commands.tobytes()
    assert all(seen.all() for seen in everywhere.values())


def test_one_neuron_stays_where_all_are_silent():
    spec = parse_spec(described(np.random.default_rng(0)))
    smaller = without(spec, {"first": np.ones(12, bool), "second": np.zeros(9, bool)})
    assert [p.size for p in smaller.network.populations] == [1, 9, 2]


@pytest.mark.parametrize(
    ("of", "key", "value"),
    [
        ("populations.second", "bias", {"type": "uniform", "low": 0.0, "high": 0.1, "seed": 1}),
        ("populations.second", "neuron", {"type": "poisson"}),
        ("projections", "connection", {"type": "fixed_probability", "p": 0.5, "seed": 1}),
        ("projections", "learning", {"type": "stdp"}),
        ("outputs.rate", "decoder", {"type": "linear", "from": "second", "weights": 1.0, "tau": 0.02}),
        ("outputs.rate", "decoder", {"type": "first_spike", "from": "second", "window": 0.02}),
    ],
)
def test_a_population_whose_size_or_order_matters_stays(of, key, value):
    data = described(np.random.default_rng(0))
    part, _, name = of.partition(".")
    target = data["network"]["projections"][2] if part == "projections" else (data["network"] | data)[part][name]
    target[key] = value
    if part == "projections":
        target |= {"weights": 0.1, "precision": "float32", "delay": 0.0}
    if value.get("type") == "first_spike":
        target["size"] = 9
    spec = parse_spec(data)
    gone = {name: np.arange(size) % 2 == 0 for name, size in SIZES.items()}
    sizes = [p.size for p in without(spec, gone).network.populations]
    assert sizes == [12 if part == "projections" else 6, 9, 2]
