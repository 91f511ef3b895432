"""Exported networks are read back with the same bits, NIR's own check accepts them, and what NIR cannot hold is refused."""
# ruff: noqa: E501  (a table of messages is read a line a case)

import dataclasses

import nir
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from snn_control.coding import (
    ArgmaxDecoder,
    EventsInput,
    LinearEncoder,
    MembraneDecoder,
    Output,
    PopulationEncoder,
    SpikeDecoder,
    ValueInput,
)
from snn_control.controller import Controller
from snn_control.engine.build import build
from snn_control.errors import DescriptionError
from snn_control.network import (
    ALIF,
    IF,
    LI,
    LIF,
    STDP,
    AdEx,
    CubaLI,
    CubaLIF,
    FixedOutdegree,
    Integrator,
    Izhikevich,
    Network,
    Normal,
    Population,
    Projection,
    Relay,
    Threshold,
    Uniform,
)
from snn_control.network.convolution import Convolution, pooling
from snn_control.nir import export_graph, export_nir, import_graph, import_nir
from snn_control.nir.reading import flatten

F, DT = np.float32, 1e-3


def reader_of(network):
    """An output for each population."""
    terms = {
        p.name: MembraneDecoder if p.neuron.graded else (lambda n, w: SpikeDecoder(n, w, 0.01))
        for p in network.populations
    }
    return [Output(f"out_{name}", (make(name, 0.01),)) for name, make in terms.items()]


def assert_same(network, sizes, path, ticks=12, seed=0):
    """Written and read again: the same weights, and the same state to the bit over many steps."""
    inputs, outputs = [ValueInput(name, size=size) for name, size in sizes.items()], reader_of(network)
    export_nir(path, network, inputs, outputs, DT)
    nir.read(path)  # with the library's own checks
    again = import_nir(path)
    assert (again.dialect, again.dt, dict(again.inputs), again.notes) == ("snn_control", DT, dict(sizes), ())
    pair = [build(n, inputs, outputs, dt=DT, period=DT) for n in (network, again.network)]
    assert pair[0].initial_state.tobytes() == pair[1].initial_state.tobytes()
    for name in (n for n in pair[0].names if n.endswith(".weights")):
        was, now = (p.names[name].view(p.constants) for p in pair)
        assert was.tobytes() == now.tobytes(), name
    first, second = map(Controller, pair)
    rng = np.random.default_rng(seed)
    for tick in range(ticks):
        given = {name: rng.normal(size=size) for name, size in sizes.items()}
        first.step(given)
        second.step(given)
        for name, place in pair[0].names.items():
            if name in pair[1].names and name in first.bound.program.names and not name.endswith((".weights", ".bias")):
                assert first.bound.array(name).tobytes() == second.bound.array(name).tobytes(), (tick, name, place)
    return again, first


def numbers(draw, rng, n, low, high):
    return rng.uniform(low, high, n) if draw(st.booleans()) else float(rng.uniform(low, high))


@st.composite
def neuron(draw, rng, n):
    kind = draw(st.sampled_from([IF, LIF, LIF, CubaLIF, CubaLIF, Threshold, LI, CubaLI, Integrator, Relay]))

    def number(low, high):
        return numbers(draw, rng, n, low, high)

    if kind is Relay:
        return Relay()
    if kind is Threshold:
        return Threshold(number(0.2, 1.0), strict=draw(st.booleans()))
    if kind is Integrator:
        return Integrator(number(5, 50))
    values = {"r": number(1, 3)}
    if kind is not IF:
        values |= {"tau_mem": number(0.003, 0.03), "v_leak": number(-0.2, 0.2)}
        values["integration"] = draw(st.sampled_from(["exact", "exponential_euler", "euler"]))
    if kind in (CubaLIF, CubaLI):
        values["tau_syn"] = number(0.002, 0.01)
    if kind in (LI, CubaLI):
        return kind(**values, v_min=draw(st.sampled_from([-np.inf, -0.1])))
    values |= {"v_threshold": number(0.3, 1.2), "v_reset": number(-0.3, 0.1), "strict": draw(st.booleans())}
    values["v_min"] = draw(st.sampled_from([-np.inf, -0.5]))
    special = draw(st.sampled_from(["", "subtract", "delay", "several", "snntorch", "refractory"]))
    values |= {
        "": {}, "subtract": {"reset": "subtract"}, "delay": {"reset_delay": True}, "refractory": {"refractory": 3 * DT},
        "several": {"reset": "subtract", "several": True}, "snntorch": {"reset": "subtract_snntorch"},
    }[special]  # fmt: skip
    return kind(**values | ({"r": number(50, 300)} if kind is IF else {}))


@st.composite
def networks(draw):
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    sizes = {"x": draw(st.integers(1, 4))} | ({"z": 2} if draw(st.booleans()) else {})
    populations = []
    for k in range(draw(st.integers(1, 4))):
        n = draw(st.integers(1, 6))
        model = draw(neuron(rng, n))
        bias = numbers(draw, rng, n, 0.0, 0.5) if hasattr(model, "v_leak") and draw(st.booleans()) else 0.0
        v_init = draw(st.sampled_from([None, 0.1, Uniform(0.0, 0.2, seed=3)]))
        populations.append(Population(f"p{k}", n, model, bias, v_init))
    names, spiking = [p.name for p in populations], {p.name: not p.neuron.graded for p in populations}
    models = {p.name: p.neuron for p in populations}
    ends = sizes | {p.name: p.size for p in populations}
    projections = []
    for k in range(draw(st.integers(1, 6))):
        pre, post = "x" if k == 0 else draw(st.sampled_from(list(ends))), draw(st.sampled_from(names))
        fires, forward = spiking.get(pre, False), pre in sizes or names.index(pre) < names.index(post)
        n_pre, n_post = ends[pre], ends[post]
        kinds = ["dense"] + ["one_to_one"] * (n_pre == n_post) + ["sparse", "drawn"] * fires
        kind, values = draw(st.sampled_from(kinds)), {}
        delay = DT * draw(st.integers(0 if forward else 1, 3))
        shape = {"dense": (n_pre, n_post), "one_to_one": (n_pre,)}.get(kind)
        if kind == "sparse":
            pairs = np.argwhere(rng.random((n_pre, n_post)) < 0.5)
            pairs = rng.permutation(pairs)
            values, shape = {"pre_index": pairs[:, 0], "post_index": pairs[:, 1]}, (len(pairs),)
        several = getattr(models.get(pre), "several", False)
        if fires and not several and draw(st.integers(0, 3)) == 0:
            values |= {"precision": "int8", "scale": draw(st.sampled_from([None, 0.05]))}
        elif fires and kind in ("dense", "one_to_one", "sparse") and draw(st.integers(0, 2)) == 0:
            each = DT * rng.integers(0 if forward else 1, 4, n_pre)
            delay = {"dense": np.repeat(each[:, None], n_post, 1), "one_to_one": each}.get(kind)
            delay = each[values["pre_index"]] if kind == "sparse" else delay
        weights = draw(st.sampled_from([0.5, rng.normal(size=shape) if shape else 0.7, Normal(0.3, 0.5, seed=4)]))
        if kind == "drawn":
            kind = FixedOutdegree(draw(st.integers(1, n_post)), seed=5)
        values["receptor"] = "synaptic" if hasattr(models[post], "tau_syn") and draw(st.booleans()) else ""
        bias = draw(st.sampled_from([None, 0.05, rng.normal(size=n_post)]))
        projections.append(Projection(pre, post, weights, kind, delay=delay, bias=bias, **values))
    return Network(tuple(populations), tuple(projections)), sizes


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(drawn=networks(), seed=st.integers(0, 2**32 - 1))
def test_a_random_network_comes_back_to_the_bit(drawn, seed, tmp_path_factory):
    network, sizes = drawn
    assert_same(network, sizes, tmp_path_factory.mktemp("nir") / "net.nir", seed=seed)


def convolved(shape, kernel, values):
    """A convolution or pooling, its weights, the picture behind it, and the neurons on both sides."""
    rng = np.random.default_rng(1)
    if kernel == "pool":
        convolution, weights = pooling(shape, **values)
    else:
        convolution, weights = Convolution(shape, **values), rng.normal(size=kernel).astype(F)
    behind = convolution.output_shape(weights.shape)
    n_pre, n_post = int(np.prod(shape)), int(np.prod(behind))
    return convolution, weights, behind, n_pre, n_post


@pytest.mark.parametrize("first", ["one_to_one", "dense"])
@pytest.mark.parametrize("bias", [None, "channel", "neuron"])
@pytest.mark.parametrize(
    ("shape", "kernel", "values", "kinds"),
    [
        ((2, 6, 5), (3, 2, 3, 3), {"stride": (2, 1), "padding": 1}, {"Conv2d"}),
        ((2, 6, 5), (3, 2, 2, 2), {"padding": "same"}, {"Conv2d"}),
        ((2, 6, 5), (3, 2, 3, 2), {"dilation": 2, "padding": (1, 2)}, set()),
        ((4, 5, 5), (4, 2, 2, 2), {"groups": 2}, set()),
        ((2, 1, 9), (3, 2, 1, 4), {"stride": (1, 2), "padding": (0, 1)}, {"Conv1d"}),
        ((2, 6, 6), "pool", {"kernel": (2, 3)}, {"SumPool2d"}),
        ((2, 6, 6), "pool", {"kernel": 3, "stride": 1, "average": True}, {"AvgPool2d"}),
    ],
)  # fmt: skip
def test_a_convolution_comes_back_to_the_bit(shape, kernel, values, kinds, bias, first, tmp_path):
    convolution, weights, behind, n_pre, n_post = convolved(shape, kernel, values)
    rng = np.random.default_rng(2)
    given = None if bias is None else rng.normal(size=behind[0] if bias == "channel" else n_post)
    start = 1.0 if first == "one_to_one" else rng.normal(size=(n_pre, n_pre)) / 3
    populations = Population("a", n_pre, Threshold(0.2)), Population("b", n_post, LIF(tau_mem=0.005, v_threshold=0.3))
    projections = (
        Projection("x", "a", start, first),
        Projection("a", "b", weights, convolution, bias=given, delay=DT),
        Projection("x", "b", weights, convolution),
        Projection("b", "c", rng.normal(size=(n_post, 3))),
    )
    network = Network((*populations, Population("c", 3, LI())), projections)
    again, controller = assert_same(network, {"x": n_pre}, tmp_path / "net.nir", ticks=8)
    assert again.network.projections[1].connection == convolution
    assert controller.counters()["spikes"]["b"] > 10
    found = {type(n).__name__ for n in nir.read(tmp_path / "net.nir").nodes.values()}
    assert found & {"Conv1d", "Conv2d", "SumPool2d", "AvgPool2d"} >= kinds  # the input's is a picture
    if first == "one_to_one" and bias is None:
        assert bool(kinds) == bool(found & {"Conv1d", "Conv2d", "SumPool2d", "AvgPool2d"})


def test_another_reader_finds_the_same_equations(tmp_path):
    """Without our metadata, as plain NIR by Euler steps: a leak that holds the bias, w_in = tau_syn / dt."""
    rng = np.random.default_rng(3)
    euler = {"integration": "euler", "strict": True}
    populations = (
        Population("a", 6, LIF(tau_mem=0.008, r=1.5, v_leak=0.1, **euler), bias=0.3, v_init=0.0),
        Population("b", 4, CubaLIF(tau_mem=0.01, tau_syn=0.004, v_threshold=0.6, **euler), bias=0.2, v_init=0.0),
        Population("c", 4, Relay()),
        Population("d", 3, LI(tau_mem=0.02, integration="euler")),
    )
    projections = (
        Projection("x", "a", rng.normal(size=(3, 6)) + 0.5, bias=rng.normal(size=6) / 5),
        Projection("a", "b", rng.normal(size=(6, 4)), delay=2 * DT),
        Projection("b", "b", -0.3, "one_to_one", delay=DT),
        Projection("b", "c", 1.0, "one_to_one"),
        Projection("c", "d", rng.normal(size=(4, 3))),
    )
    network, path = Network(populations, projections), tmp_path / "net.nir"
    _, controller = assert_same(network, {"x": 3}, path)
    inputs = [ValueInput("x", size=3)]
    other = import_nir(path, "nir-euler", DT)
    plain = Controller(build(other.network, inputs, [Output("o", (MembraneDecoder("d", 1.0),))], dt=DT, period=DT))
    controller.reset()
    for _ in range(200):
        given = {"x": rng.normal(size=3)}
        controller.step(given)
        plain.step(given)
        assert controller.spikes("a").tolist() == plain.spikes("a").tolist()
        assert controller.spikes("b").tolist() == plain.spikes("b").tolist()
        np.testing.assert_allclose(controller.bound.array("d.v"), plain.bound.array("d.v"), atol=1e-5)
    assert controller.counters()["spikes"]["b"] > 20


def test_what_a_framework_wrote_goes_through_our_own_file_unchanged(tmp_path):
    from tests.nir.frameworks import Chain, Sinabs

    chain = Chain(np.random.default_rng(4), 5, Sinabs(6, 7.0), Sinabs(4, v_min=-1.0))
    found = import_graph(flatten(chain.graph()), "sinabs", options={"norm_input": True})
    assert_same(found.network, dict(found.inputs), tmp_path / "net.nir", ticks=40)


# refused -----------------------------------------------------------------------------------------------------------
def small(neuron=None, **projection):
    populations = (Population("a", 2, neuron or LIF()), Population("b", 2, LIF()))
    values = {"weights": np.ones((2, 2)), "delay": 0.0} | projection
    return Network(populations, (Projection("x", "a"), Projection("a", "b", **values)))


def exported(network, inputs=None):
    names = [p for p in network.populations if not p.neuron.graded]
    outputs = [Output("u", tuple(SpikeDecoder(p.name, 1.0, 0.01) for p in names))]
    return export_graph(network, [ValueInput("x", size=2)] if inputs is None else inputs, outputs, DT)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: exported(small(ALIF())), "populations.a.neuron = 'ALIF': NIR has no such neuron; it has IF, LIF, CubaLIF, LI"),
        (lambda: exported(small(AdEx())), "populations.a.neuron = 'AdEx': NIR has no such neuron"),
        (lambda: exported(small(Izhikevich())), "populations.a.neuron = 'Izhikevich': NIR has no such neuron"),
        (lambda: exported(small(learning=STDP())), "projections[a -> b].learning = STDP("),
        (lambda: exported(small(tau_syn=0.01)), "projections[a -> b].tau_syn = 0.01: has no place in NIR; leave it out"),
        (lambda: exported(small(delay=np.array([[0.0, DT], [0, 0]]))), "projections[a -> b].delay = 'one per synapse': NIR delays a signal before its weights; use one delay, or one for each presynaptic neuron"),
        (lambda: exported(small(weights=np.ones(2), connection="sparse", pre_index=[0, 0], post_index=[1, 1])), "NIR has one weight for two neurons, and a pair is connected twice; add up their weights"),
        (lambda: exported(Network((Population("a", 2, CubaLIF()),), (Projection("x", "a", receptor="current"),))), "projections[x -> a].receptor = 'current': all input of NIR's CubaLIF is synaptic"),
        (lambda: exported(Network((Population("a", 2, IF(), bias=0.1),), (Projection("x", "a"),))), "populations.a.bias = 0.1: NIR has no constant current into an IF; give it to a projection as its bias"),
        (lambda: exported(small(), [ValueInput("x", encoder=LinearEncoder(np.ones((1, 2))))]), "inputs.x.encoder = 'LinearEncoder': NIR has no encoders"),
        (lambda: exported(small(), [ValueInput("x", encoder=PopulationEncoder(2), range=(-1, 1))]), "inputs.x.encoder = 'PopulationEncoder': NIR has no encoders"),
        (lambda: exported(small(), [EventsInput("x")]), "inputs.x = 'EventsInput': NIR has no event streams"),
        (lambda: exported(Network((Population("a", 2, LIF(), bias=2.0),)), []), "inputs = []: a NIR graph begins at an Input"),
        (lambda: exported(small(weights=np.ones((3, 2)))), "projections[a -> b].weights = 'shape (3, 2)'"),
    ],
)  # fmt: skip
def test_what_nir_cannot_hold_is_refused(make, says):
    with pytest.raises(DescriptionError) as caught:
        make()
    assert says in str(caught.value)


def test_a_field_that_this_exporter_does_not_know_is_refused():
    @dataclasses.dataclass(frozen=True, eq=False)
    class Learning(Projection):
        rule: str = ""

    def network(rule):
        return Network((Population("a", 2, LIF()),), (Learning("x", "a", rule=rule),))

    assert "x_to_a" in exported(network("")).nodes
    with pytest.raises(DescriptionError, match=r"projections\[x -> a\].rule = 'stdp': has no place in NIR"):
        exported(network("stdp"))


def test_a_matrix_that_is_too_large_is_refused():
    network = Network(
        (Population("a", 10_000, LIF()), Population("b", 10_000, LIF())),
        (Projection("x", "a", np.ones((2, 10_000))), Projection("a", "b", 1.0, FixedOutdegree(1, seed=1))),
    )
    with pytest.raises(DescriptionError, match="NIR stores all pairs"):
        exported(network)


def test_changed_metadata_are_found(tmp_path):
    path = tmp_path / "net.nir"
    graph = exported(small())
    graph.nodes["a"].metadata["model"] = "cubalif"
    nir.write(path, graph)
    with pytest.raises(
        DescriptionError, match=r"nodes.a.metadata.model = 'cubalif': must be a model that is stored as LIF"
    ):
        import_nir(path)


def test_each_population_that_is_read_gets_an_output():
    network = small()
    outputs = [
        Output("u", (SpikeDecoder("a", 1.0, 0.01), SpikeDecoder("b", 1.0, 0.01))),
        Output("v", ArgmaxDecoder(2, (SpikeDecoder("b", np.ones((2, 2)), 0.01),))),
    ]
    graph = export_graph(network, [ValueInput("x", size=2)], outputs, DT)
    assert {e for e in graph.edges if e[1].endswith("output")} == {("a", "a_output"), ("b", "b_output")}
    assert import_graph(flatten(graph)).outputs == {"a_output": "a", "b_output": "b"}
