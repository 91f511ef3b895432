"""Each framework's files give that framework's activity, spike by spike, with the options that it needs."""
# ruff: noqa: E501  (a table of messages is read a line a case)

import nir
import numpy as np
import pytest

from snn_control.errors import DescriptionError
from snn_control.network import LIF
from snn_control.nir import import_graph
from snn_control.nir.reading import flatten
from snn_control.nir.verification import run, verify
from tests.nir.frameworks import Chain, Jelly, Leaky, Norse, Sinabs

F = np.float32


def inputs(rng, n=10, steps=200, p=0.3):
    return (rng.random((steps, n)) < p).astype(F)


def agree(chain, rng, dialect, dt=None, options=None, least=50):
    """The imported network does the same as the chain, and the chain is active."""
    imported = import_graph(flatten(chain.graph()), dialect, dt, options)
    arrays = chain.run(inputs(rng))
    verdict = verify(imported, arrays)
    assert verdict.identical, verdict
    for layer, key in zip((chain.layers[0], chain.layers[-1]), ("hidden", "output"), strict=True):
        if not getattr(layer, "graded", False):
            assert least < np.count_nonzero(arrays[key]) < arrays[key].size - least
    return imported


MECHANISMS = [(m, d) for m in ("subtract", "zero") for d in (True, False)]


@pytest.mark.parametrize(("mechanism", "delay"), MECHANISMS)
@pytest.mark.parametrize("kind", ["leaky", "synaptic", "rleaky"])
def test_snntorch(kind, mechanism, delay):
    rng = np.random.default_rng([ord(kind[0]), MECHANISMS.index((mechanism, delay))])
    how = {"mechanism": mechanism, "delay": delay}
    first = {"beta": rng.uniform(0.6, 0.95, 12), "alpha": rng.uniform(0.2, 0.7, 12) if kind == "synaptic" else None}
    recurrent = None
    if kind == "rleaky":
        recurrent = rng.uniform(-0.5, 0.5, (12, 12)).astype(F), rng.uniform(-0.1, 0.2, 12).astype(F)
    layers = Leaky(12, **first, **how, recurrent=kind == "rleaky"), Leaky(6, rng.uniform(0.5, 0.9, 6), 1.3, **how)
    options = {"reset_mechanism": mechanism, "reset_delay": delay}
    agree(Chain(rng, 10, *layers, scale=3.0, recurrent=recurrent), rng, "snntorch", None, options)


@pytest.mark.parametrize("alpha", [None, 0.6])
def test_snntorch_membranes_of_a_last_layer_without_a_reset(alpha):
    class Membranes(Leaky):
        def step(self, x):
            super().step(x)
            return self.v

    rng = np.random.default_rng(5)
    chain = Chain(rng, 10, Leaky(12, 0.8), Membranes(6, rng.uniform(0.5, 0.9, 6), 1e9, alpha=alpha))
    graph = flatten(chain.graph())
    imported = import_graph(graph, "snntorch", options={"3.reset_mechanism": "none"})
    arrays = chain.run(inputs(rng))
    got = np.array([step[0] for step in run(imported, arrays["input"], [imported.outputs["output"]])])
    np.testing.assert_allclose(got, arrays["output"], rtol=1e-6, atol=2e-6)
    assert np.abs(got).max() > 1
    with pytest.raises(
        DescriptionError, match=r"none': is only for the last layer, .* others follow '1'; give it for one: LAST"
    ):
        import_graph(graph, "snntorch", options={"reset_mechanism": "none"})


def test_snntorch_without_options_is_its_default_and_a_beta_of_one_is_no_leak():
    rng = np.random.default_rng(3)
    chain = Chain(rng, 10, Leaky(12, np.where(np.arange(12) % 3 == 0, 1.0, 0.8), 1.5), Leaky(6, 0.9), scale=2.0)
    assert np.isinf(chain.graph().nodes["1"].tau).any()
    imported = agree(chain, rng, "snntorch")
    assert imported.defaults["LIF.reset_mechanism"] == "subtract"
    assert imported.defaults["LIF.reset_delay"] is True
    assert imported.dt == 1e-4


def test_one_layer_can_have_another_reset_than_the_others():
    rng = np.random.default_rng(4)
    layers = Leaky(12, 0.8, mechanism="zero", delay=False), Leaky(6, 0.9)
    agree(Chain(rng, 10, *layers), rng, "snntorch", options={"1.reset_mechanism": "zero", "1.reset_delay": "false"})


@pytest.mark.parametrize(
    "layers",
    [
        lambda: (Norse(12, tau=8), Norse(6, tau=20, graded=True)),
        lambda: (Norse(12, tau=8, leak=0.2), Norse(6, tau=300, leak=-0.3, graded=True)),
        lambda: (Norse(12, tau=7.3, tau_syn=3.1), Norse(6, tau=11)),
        lambda: (Norse(12, threshold=2.5), Norse(6, tau=5.5, threshold=0.6)),
    ],
)
def test_norse(layers):
    rng = np.random.default_rng(5)
    agree(Chain(rng, 10, *layers(), scale=8.0, mean=0.4), rng, "norse", least=20)


def test_norse_takes_its_step_from_dt():
    rng = np.random.default_rng(6)
    layers = Norse(12, tau=8, dt=5e-4), Norse(6, tau=5, dt=5e-4)
    imported = agree(Chain(rng, 10, *layers, scale=9.0, mean=0.5), rng, "norse", dt=5e-4)
    assert imported.network.populations[0].neuron.tau_mem == pytest.approx(8 * 5e-4)


@pytest.mark.parametrize("norm", [True, False])
def test_sinabs_leaky(norm):
    rng = np.random.default_rng(7)
    layers = Sinabs(12, rng.uniform(3, 20, 12), norm, 0.8), Sinabs(6, 30.0, norm, v_min=-0.5)
    options = {"norm_input": str(norm), "3.min_v_mem": "-0.5"}
    chain = Chain(rng, 10, *layers, scale=16.0 if norm else 2.0, mean=0.6 if norm else -0.1)
    imported = agree(chain, rng, "sinabs", None, options)
    assert imported.defaults["LIF.min_v_mem"] is None


@pytest.mark.parametrize("v_min", [-1.0, None])
def test_sinabs_without_a_leak(v_min):
    rng = np.random.default_rng(8)
    chain = Chain(rng, 10, Sinabs(12, v_min=v_min), Sinabs(6, threshold=1.7, v_min=v_min), scale=4.0, mean=-0.1)
    imported = agree(chain, rng, "sinabs", None, {} if v_min else {"min_v_mem": "none"}, least=20)
    assert ("IF.min_v_mem" in imported.defaults) == (v_min is not None)
    arrays = chain.run(inputs(rng))
    assert arrays["hidden"].max() > 1


def test_sinabs_graded_readout_may_have_another_norm_and_a_bound():
    rng = np.random.default_rng(9)
    layers = Sinabs(12, 8.0), Sinabs(6, 12.0, norm=False, graded=True, v_min=-0.2)
    chain = Chain(rng, 10, *layers, scale=12.0, mean=0.3)
    chain.affine[1] = chain.affine[1][0] / F(20), chain.affine[1][1] / F(5)
    agree(chain, rng, "sinabs", options={"norm_input": True, "LI.norm_input": False, "LI.min_v_mem": -0.2}, least=0)


@pytest.mark.parametrize("decay_input", [True, False])
def test_spikingjelly_leaky(decay_input):
    rng = np.random.default_rng(10)
    layers = Jelly(12, 5.0, decay_input), Jelly(6, 3.0, decay_input, reset=-0.25, threshold=0.8)
    chain = Chain(rng, 10, *layers, scale=12.0 if decay_input else 3.0, mean=0.4 if decay_input else 0.1)
    # without decay_input the file says its step
    agree(chain, rng, "spikingjelly", 1e-3 if decay_input else None, {"decay_input": str(decay_input).lower()})


@pytest.mark.parametrize("first", [lambda: Jelly(12, threshold=1.5, reset=0.1), lambda: Jelly(12, cuba=(0.6, 0.8))])
def test_spikingjelly_without_a_leak_and_with_a_current(first):
    rng = np.random.default_rng(11)
    imported = agree(Chain(rng, 10, first(), Jelly(6), scale=2.0), rng, "spikingjelly", options={"decay_input": True})
    assert imported.dt == pytest.approx(1e-3)
    assert imported.notes == ("option decay_input affects nothing in this file",)


def test_spikingjelly_fires_at_the_threshold_and_snntorch_above_it():
    """Weights on a grid meet the threshold exactly."""
    rng = np.random.default_rng(12)
    for layers, dialect in (((Jelly(12), Jelly(6)), "spikingjelly"), ((Leaky(12, 0.5), Leaky(6, 0.5)), "snntorch")):
        chain = Chain(rng, 10, *layers)
        chain.affine = [(np.round(4 * w) / F(4), np.zeros_like(b)) for w, b in chain.affine]
        agree(chain, rng, dialect)


# NIR as it is written ----------------------------------------------------------------------------------------------
def plain(kind, rng, n, dt):
    """A node with random parameters, and its step."""
    tau, leak, r = rng.uniform(0.004, 0.02, n), rng.uniform(-0.2, 0.4, n), rng.uniform(0.5, 2, n)
    threshold, reset = rng.uniform(0.5, 1.2, n), rng.uniform(-0.3, 0.2, n)
    fire = {"v_threshold": threshold, "v_reset": reset}
    if kind == "LIF":
        return nir.LIF(tau=tau, r=r, v_leak=leak, **fire)
    if kind == "IF":
        return nir.IF(r=r / dt, **fire)
    if kind == "LI":
        return nir.LI(tau=tau, r=r, v_leak=leak)
    if kind == "I":
        return nir.I(r=r)
    if kind == "Threshold":
        return nir.Threshold(threshold)
    tau_syn, w_in = rng.uniform(0.002, 0.01, n), rng.uniform(0.5, 2, n) * tau / dt
    cuba = {"tau_mem": tau, "tau_syn": tau_syn, "r": r, "v_leak": leak, "w_in": w_in}
    tau_syn[0] = tau[0]  # equal constants
    return nir.CubaLIF(**cuba, **fire) if kind == "CubaLIF" else nir.CubaLI(**cuba)


def continuous(node, x, dt, exact):
    """(steps, n) of what a node does with (steps, n) currents, in float64."""
    kind, parts = type(node).__name__, 1 if not exact else 2000
    n, out = x.shape[1], []
    v, i = np.zeros(n), np.zeros(n)
    for now in x.astype(np.float64):
        if kind == "Threshold":
            out.append((now > node.threshold) * 1.0)
            continue
        for _ in range(parts):  # small Euler steps stand for the exact solution
            h = dt / parts
            drive = now
            if kind.startswith("Cuba"):
                i = i + h / node.tau_syn * (node.w_in * now - i)
                drive = i
            if hasattr(node, "v_leak"):
                tau = getattr(node, "tau", None) if hasattr(node, "tau") else node.tau_mem
                v = v + h / tau * ((node.v_leak - v) + node.r * drive)
            else:
                v = v + h * node.r * drive
        out.append(v)
        if hasattr(node, "v_threshold"):
            out[-1] = (v > node.v_threshold) * 1.0
            v = np.where(v > node.v_threshold, node.v_reset, v)
    return np.array(out)


@pytest.mark.parametrize("dialect", ["nir-euler", "nir-exact"])
@pytest.mark.parametrize("kind", ["LIF", "IF", "CubaLIF", "LI", "CubaLI", "I", "Threshold"])
def test_nir_as_it_is_written(kind, dialect):
    rng, n, dt = np.random.default_rng([14, len(kind)]), 8, 1e-3
    node = plain(kind, rng, n, dt)
    weights = rng.uniform(-0.5, 1, (n, 6)).astype(F)
    nodes = {"in": nir.Input(np.array([6])), "w": nir.Linear(weights), "n": node, "out": nir.Output(np.array([n]))}
    graph = flatten(nir.NIRGraph(nodes, [("in", "w"), ("w", "n"), ("n", "out")]))
    x = inputs(rng, 6, 60, 0.4)
    want = continuous(node, x @ weights.T, dt, dialect == "nir-exact")
    imported = import_graph(graph, dialect, dt)
    if imported.network.populations[-1].neuron.graded:
        got = np.array([step[0] for step in run(imported, x, ["n"])])
        tolerance = 2e-3 if dialect == "nir-exact" else 1e-6
        assert np.abs(got - want).max() < tolerance * max(1, np.abs(want).max())
        return
    verdict = verify(imported, {"input": x, "output": want})
    assert verdict.wrong <= (0.01 * want.size if dialect == "nir-exact" else 0)
    assert 20 < want.sum() < want.size - 20


def test_nir_can_be_told_to_subtract():
    rng = np.random.default_rng(15)
    chain = Chain(rng, 10, Leaky(12, 0.8), Leaky(6, 0.9))
    imported = import_graph(flatten(chain.graph()), "nir-euler", 1e-4, {"reset_mechanism": "subtract"})
    assert {p.neuron.reset for p in imported.network.populations} == {"subtract"}
    assert isinstance(imported.network.populations[0].neuron, LIF)


# what a file cannot be -----------------------------------------------------------------------------------------------
def graphs():
    rng = np.random.default_rng(16)
    return {
        "snntorch": Chain(rng, 10, Leaky(12, 0.8), Leaky(6, 0.9)),
        "norse": Chain(rng, 10, Norse(12, 8), Norse(6, 20, graded=True)),
        "leak": Chain(rng, 10, Norse(12, 8, leak=0.2), Norse(6, 20)),
        "sinabs": Chain(rng, 10, Sinabs(12, 10.0), Sinabs(6, 10.0)),
        "spikingjelly": Chain(rng, 10, Jelly(12, 5.0), Jelly(6, 3.0, reset=-0.2)),
    }


@pytest.mark.parametrize(
    ("source", "dialect", "dt", "options", "says"),
    [
        ("norse", "snntorch", None, {}, "nodes.3 = 'LI': is not written by snntorch, which has LIF, CubaLIF"),
        ("sinabs", "snntorch", None, {}, "nodes.1.r = 1.0: must be tau / 0.0001 s, as snnTorch writes it"),
        ("snntorch", "norse", None, {}, "nodes.1.r = 5.0"),
        ("sinabs", "norse", None, {}, "nodes.1.tau = 10.0: must be 0.5 to 1e6 steps of 0.001 s, and it is 1e+07; give the simulation's own --dt"),
        ("norse", "norse", 0.01, {}, "give the simulation's own --dt"),
        ("norse", "sinabs", None, {"norm_input": True}, "must count steps, as sinabs writes it"),
        ("sinabs", "sinabs", None, {}, "options.norm_input: is missing: the file does not say it"),
        ("sinabs", "spikingjelly", 20.0, {}, "nodes.1.tau = 10.0: must be longer than a step of 20 s"),
        ("leak", "snntorch", None, {}, "nodes.1.v_leak = 0.20000000298023224: must be 0: snnTorch writes nothing else"),
        ("spikingjelly", "spikingjelly", None, {}, "dt: is missing"),
        ("spikingjelly", "spikingjelly", 1e-3, {"decay_input": "false"}, "the file says decay_input=true: its r is 1"),
        ("snntorch", "nir-euler", None, {}, "give --dt, the step of the original simulation [s]"),
        ("snntorch", "nir-euler", -1.0, {}, "dt = -1.0: must be > 0 s"),
        ("snntorch", "snntorch", None, {"reset": "zero"}, "did you mean 'reset_delay'?"),
        ("snntorch", "snntorch", None, {"reset_delay": "maybe"}, "options.reset_delay = 'maybe': must be true or false"),
        ("snntorch", "snntorch", None, {"reset_mechanism": "soft"}, "must be subtract, zero or none"),
        ("snntorch", "snntorch", None, {"7.reset_delay": "true"}, "must follow the name or type of a node"),
        ("sinabs", "sinabs", None, {"min_v_mem": "1"}, "must be a number <= 0, or none"),
        ("sinabs", "sinabs", None, {"min_v_mem": "low"}, "options.min_v_mem = 'low': must be a number <= 0, or none"),
        ("norse", "norse", None, {"norm_input": "true"}, "is not an option of norse; norse has none"),
        ("norse", "norse", None, {"dt": "0.001"}, "give it as --dt"),
        ("norse", "nores", None, {}, "did you mean 'norse'?"),
        ("norse", "", None, {}, "the file does not say what its numbers mean"),
    ],
)  # fmt: skip
def test_a_contradiction_or_a_wrong_word_is_refused_with_its_reason(source, dialect, dt, options, says):
    with pytest.raises(DescriptionError) as caught:
        import_graph(flatten(graphs()[source].graph()), dialect, dt, options)
    assert says in str(caught.value)


def test_what_is_only_odd_is_a_warning():
    rng = np.random.default_rng(17)
    old = import_graph(flatten(Chain(rng, 10, Norse(12, 3000), Norse(6, 20)).graph()), "norse")
    assert "norse before 1.1 wrote the time constant itself" in old.notes[0]
    chain = Chain(rng, 10, Jelly(12, 5.0, False, dt=1e-4), Jelly(6, dt=1e-4))
    other = import_graph(flatten(chain.graph()), "spikingjelly", 1e-3)
    assert other.notes == ("the file was written with a step of 0.0001 s; a step lasts 0.001 s here",)
    assert verify(other, chain.run(inputs(rng))).identical
    slow = import_graph(flatten(graphs()["snntorch"].graph()), "nir-euler", 1.0)
    assert "the step is longer than its time constant" in slow.notes[0]
