"""Random descriptions of controllers, and observations for them, to compare implementations with."""

from dataclasses import replace

import numpy as np
from hypothesis import strategies as st

from snn_control.coding import (
    ArgmaxDecoder,
    BackgroundActivity,
    DeltaEncoder,
    DirectEncoder,
    EventsInput,
    FieldsEncoder,
    FirstSpikeDecoder,
    Guard,
    HotPixels,
    LinearEncoder,
    MembraneDecoder,
    Output,
    Polarity,
    PoolEncoder,
    PopulationEncoder,
    PopulationVectorDecoder,
    RateLimit,
    Refractory,
    Region,
    SignedEncoder,
    SpikeCountDecoder,
    SpikeDecoder,
    StackEncoder,
    StepForwardEncoder,
    SurfaceEncoder,
    ValueInput,
)
from snn_control.network import (
    LI,
    PES,
    STDP,
    EProp,
    Network,
    Poisson,
    Population,
    Projection,
    RewardSTDP,
    Threshold,
)
from tests.engine.random_neurons import DT, eprop_neuron, graded, maybe_spiking, spiking, times
from tests.reference import is_pulse


def some_zeros(rng, shape):
    return np.where(rng.random(shape) < 0.4, 0.0, rng.normal(size=shape))


@st.composite
def an_input(draw, name, rng):
    stale = draw(st.sampled_from([np.inf, 2.5e-3, 8e-3]))
    common = {"name": name, "stale": stale, "required": draw(st.booleans())}
    if draw(st.booleans()):
        size = draw(st.integers(2, 6)), draw(st.integers(2, 6))
        grid = draw(st.integers(1, size[0])), draw(st.integers(1, size[1]))
        polarity = draw(st.sampled_from(["signed", "merge", "split"]))
        made_for = draw(st.sampled_from([None, None, (2 * size[0], 2 * size[1] + 3)]))
        encoder = replace(draw(an_events_encoder(grid, polarity)), made_for=made_for)
        filters = draw(st.lists(a_filter(size), max_size=3).map(tuple))
        return EventsInput(size=size, encoder=encoder, capacity=draw(st.integers(5, 20)), filters=filters, **common)
    size = draw(st.integers(1, 3))
    encoder = draw(an_encoder(size, rng))
    common["not_finite"] = draw(st.sampled_from(["reject", "reject", "high", "low", "hold"]))
    for key, values in (("rate", [20.0, 200.0]), ("jump", [0.5, 1.5]), ("frozen", [0.004, 0.02])):
        if draw(st.integers(0, 5)) == 0:
            common[key] = draw(st.sampled_from(values))
    if np.isfinite(stale) and draw(st.integers(0, 3)) == 0:
        common |= {"stop_when": draw(st.sampled_from(["nonzero", "zero"])), "latched": draw(st.booleans())}
    return ValueInput(size=size, encoder=encoder, range=(-1.0, 1.0), plausible=(-3.0, 3.0), **common)


@st.composite
def an_events_encoder(draw, grid, polarity):
    neuron = draw(maybe_spiking)
    if draw(st.integers(0, 2)) == 0:
        return SurfaceEncoder(grid, draw(times(0.002, 0.05)), polarity, neuron)
    kinds = [{}, {}, {"response": "binary"}, {"response": "saturate", "ceiling": 1.5}]
    values = draw(st.sampled_from(kinds)) | {"tau": draw(st.none() | times(0.002, 0.05))}
    return PoolEncoder(grid, polarity, on_weight=0.7, off_weight=0.4, neuron=neuron, **values)


@st.composite
def a_filter(draw, size):
    def below(n):
        return draw(st.integers(0, n - 1))

    kind = draw(st.sampled_from([Region, HotPixels, Refractory, BackgroundActivity, Polarity, RateLimit]))
    if kind is Region:
        x, y = below(size[0]), below(size[1])
        return Region(x, y, 1 + below(size[0] - x), 1 + below(size[1] - y))
    if kind is HotPixels:
        return HotPixels(pixels=[(below(size[0]), below(size[1])) for _ in range(1 + below(3))])
    if kind is Refractory:
        return Refractory(draw(times(0.0005, 0.005)), draw(st.booleans()))
    if kind is BackgroundActivity:
        return BackgroundActivity(draw(times(0.0005, 0.005)), draw(st.integers(1, 3)))
    if kind is Polarity:
        return Polarity(draw(st.sampled_from(["on", "off"])))
    return RateLimit(draw(st.sampled_from([300.0, 3000.0, 1e6])), draw(st.sampled_from([None, 1, 7.5])))


@st.composite
def an_encoder(draw, size, rng):
    """An encoder of values, or None."""

    def each(low, high):
        return draw(st.sampled_from([1.0, rng.uniform(low, high, size)]))

    kinds = [PopulationEncoder, LinearEncoder, DirectEncoder, FieldsEncoder, SignedEncoder]
    kind, neuron = draw(st.sampled_from([None, *kinds, "changes", "stack"])), draw(maybe_spiking)
    if kind is None:
        return None
    if kind == "stack":
        parts = DirectEncoder(each(-2, 2)), PopulationEncoder(3, low=-1.0, high=1.0), SignedEncoder(each(0.1, 2))
        return StackEncoder(parts[: draw(st.integers(1, 3))], neuron)
    if kind is PopulationEncoder:
        sigma, cutoff = draw(st.sampled_from([None, 0.3])), draw(st.sampled_from([0.0, 0.01]))
        return PopulationEncoder(draw(st.integers(2, 5)), sigma=sigma, cutoff=cutoff, width=0.7, neuron=neuron)
    if kind is LinearEncoder:
        m = draw(st.integers(1, 6))
        return LinearEncoder(some_zeros(rng, (size, m)), rng.normal(size=m), neuron=neuron)
    if kind is DirectEncoder:
        return DirectEncoder(each(-2, 2), each(-0.5, 0.5), neuron)
    if kind is SignedEncoder:
        return SignedEncoder(each(0.1, 2), neuron)
    if kind is FieldsEncoder:
        if draw(st.booleans()):
            return FieldsEncoder(grid=tuple(draw(st.integers(2, 3)) for _ in range(size)), neuron=neuron, drive=2.0)
        centres = rng.normal(size=(draw(st.integers(1, 6)), size))
        return FieldsEncoder(centres=centres, sigma=each(0.2, 1), cutoff=0.1, neuron=neuron)
    changes = draw(st.sampled_from([DeltaEncoder, StepForwardEncoder]))
    threshold = 0.3 * each(0.2, 1)
    return changes(threshold) if draw(st.booleans()) else changes(threshold, neuron)


def out_size(spec):
    """Neurons, or numbers, that an input gives, and whether they spike."""
    encoder = spec.encoder
    if isinstance(spec, EventsInput):
        n = encoder.grid[0] * encoder.grid[1] * (2 if encoder.polarity == "split" else 1)
    elif isinstance(encoder, PopulationEncoder):
        n = spec.size * encoder.neurons
    elif isinstance(encoder, LinearEncoder):
        n = np.shape(encoder.weights)[1]
    elif isinstance(encoder, StackEncoder):
        n = spec.size * (1, 4, 6)[len(encoder.encoders) - 1]
    elif isinstance(encoder, FieldsEncoder):
        n = len(encoder.centres) if encoder.grid is None else int(np.prod(encoder.grid))
    else:
        n = spec.size * (2 if isinstance(encoder, SignedEncoder | DeltaEncoder | StepForwardEncoder) else 1)
    neuron = getattr(encoder, "neuron", None)
    return n, neuron is not None and not neuron.graded


@st.composite
def a_term(draw, source, n, spikes, m, rng):
    """A decoder of n neurons for m numbers."""
    weights = draw(st.sampled_from([rng.normal(size=(n, m)), some_zeros(rng, (n, m))]))
    if not spikes:
        return MembraneDecoder(source, weights, draw(st.sampled_from([None, DT, 2 * DT, 5 * DT])))
    kind = draw(st.sampled_from([SpikeDecoder, PopulationVectorDecoder, SpikeCountDecoder, FirstSpikeDecoder]))
    if kind is SpikeDecoder:
        return SpikeDecoder(source, weights / 50, 0.01)
    if kind is PopulationVectorDecoder:
        return PopulationVectorDecoder(source, weights, draw(st.sampled_from([4e-4, 0.01])), draw(st.booleans()))
    window = DT * draw(st.integers(1, 7))
    if kind is SpikeCountDecoder:
        return SpikeCountDecoder(source, weights / 5, window)
    return FirstSpikeDecoder(source, window, None if m in (1, n) and draw(st.booleans()) else weights)


@st.composite
def descriptions(draw):
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    inputs = [draw(an_input(f"in{k}", rng)) for k in range(draw(st.integers(1, 2)))]
    populations = []
    for k in range(draw(st.integers(1, 3))):
        n = draw(st.integers(1, 7))
        bias, v_init = draw(st.sampled_from([0.0, 0.9, rng.normal(size=n)])), draw(st.sampled_from([None, 0.0, 0.3]))
        populations.append(Population(f"pop{k}", n, draw(spiking(n) | graded), bias, v_init))
    sources = {i.name: out_size(i) for i in inputs} | {p.name: (p.size, not p.neuron.graded) for p in populations}
    models = {p.name: p.neuron for p in populations} | {i.name: getattr(i.encoder, "neuron", None) for i in inputs}
    several = {name for name, model in models.items() if getattr(model, "several", isinstance(model, Poisson))}
    names, projections = [p.name for p in populations], []
    for _ in range(draw(st.integers(1, 5))):
        pre, post = draw(st.sampled_from(list(sources))), draw(st.sampled_from(names))
        forward = pre not in names or names.index(pre) < names.index(post)
        delay = DT * draw(st.integers(0 if forward else 1, 4))
        (n_pre, spikes), n_post = sources[pre], sources[post][0]
        kinds = ["dense", "sparse"] + ["one_to_one"] * (n_pre == n_post) + ["each", "in turn"] * (not spikes)
        kind, values = draw(st.sampled_from(kinds)), {}
        shape = {"dense": (n_pre, n_post), "sparse": (draw(st.integers(0, 12)),)}.get(kind, (n_post,))
        if kind == "sparse":
            values = {"pre_index": rng.integers(0, n_pre, shape), "post_index": rng.integers(0, n_post, shape)}
        elif kind in ("each", "in turn"):  # every target has one synapse
            index = rng.permutation(n_post)
            channel = rng.integers(0, n_pre, n_post) if kind == "each" else index % n_pre
            values = {"pre_index": channel, "post_index": index}
            kind = "sparse"
        values["bias"] = draw(st.sampled_from([None, 0.05]))
        special = draw(st.sampled_from(["", "", "", "tau_syn", "int8", "delays"]))
        if special == "tau_syn":
            values["tau_syn"] = draw(times(0.002, 0.02))
        else:
            values["receptor"] = draw(st.sampled_from(["", "current"]))
        if special == "int8" and spikes and pre not in several:
            values |= {"precision": "int8", "scale": draw(st.sampled_from([None, 0.1]))}
        if special == "delays" and spikes and kind != "one_to_one":
            delay = delay + DT * rng.integers(0, 4, shape)
        weights = draw(st.sampled_from([1.5, 0.0, rng.normal(size=shape) * 1.5, some_zeros(rng, shape)]))
        projections.append(Projection(pre, post, weights, kind, delay=delay, **values))
    outputs, steps = [], draw(st.sampled_from([1, 3]))
    raw = {i.name for i in inputs if is_pulse(i.encoder) and i.encoder.neuron is None}
    readable = [name for name in sources if steps == 1 or name not in raw]  # pulses are gone after a tick's first step
    for k in range(draw(st.integers(1, 2))):
        index = draw(st.booleans())
        m = draw(st.integers(2, 3)) if index else draw(st.integers(1, 3))
        terms = []
        for source in draw(st.lists(st.sampled_from(readable), min_size=1, max_size=2)):
            terms.append(draw(a_term(source, *sources[source], m, rng)))
        if index:
            outputs.append(Output(f"out{k}", ArgmaxDecoder(m, tuple(terms)), safe=1))
            continue
        slew = draw(st.sampled_from([np.inf, 90.0]))
        ramp = bool(np.isfinite(slew)) and draw(st.booleans())
        more = {"safe": 0.3, "ramp": ramp, "squash": draw(st.booleans())}
        if draw(st.booleans()):
            more |= {"acceleration": 2e4, "jerk": draw(st.sampled_from([np.inf, 8e6]))}
        if draw(st.booleans()):
            starts = [i.name for i in inputs if isinstance(i, ValueInput) and i.size == m and i.needed]
            more |= {"safe": draw(st.sampled_from(["hold", "none"])), "ramp": False, "start": (starts or [""])[0]}
        outputs.append(Output(f"out{k}", tuple(terms), m, 0.1, (-0.7, 0.7), slew, **more))
    guard = Guard(draw(st.integers(0, 3)))
    return Network(tuple(populations), tuple(projections)), inputs, outputs, DT, steps * DT, guard


@st.composite
def a_rule(draw, rule, n_post, n_all, weights):
    """A rule for a network with graded populations "one" and "all", of 1 and of n_all neurons."""
    least, most = np.min(weights, initial=0), np.max(weights, initial=1)
    low, high = draw(st.sampled_from([(-np.inf, np.inf), (least, most + 0.01), (least - 1, most + 1)]))
    values = {"w_min": float(low), "w_max": float(high), "enabled": draw(st.integers(0, 4)) > 0}
    if issubclass(rule, STDP):
        values |= {"a_plus": draw(st.sampled_from([0.02, 0.4])), "a_minus": draw(st.sampled_from([0.03, -0.3]))}
        values |= {"tau_plus": draw(times(0.002, 0.03)), "tau_minus": draw(times(0.002, 0.03))}
    if rule is RewardSTDP:
        values |= {"reward": "one", "tau_e": draw(times(0.005, 1)), "learning_rate": 50.0}
    if rule is PES:
        values |= {"error": "all", "learning_rate": draw(st.sampled_from([1e-4, 1e-2]))}
    if rule is EProp:
        error = draw(st.sampled_from(["one", "all"]))
        feedback = np.random.default_rng(n_post).normal(size=(n_post, 1 if error == "one" else n_all))
        values |= {"error": error, "feedback": draw(st.sampled_from([0.7, feedback])), "learning_rate": 30.0}
        values |= {"tau_out": draw(times(0.002, 0.03)), "gamma": draw(st.sampled_from([0.3, 1.0]))}
    return rule(**values)


@st.composite
def learners(draw):
    """An input that spikes and two populations, whose projections learn by rules that are drawn."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n = {name: draw(st.integers(1, 5)) for name in "xab"}
    once = spiking().filter(lambda m: not getattr(m, "several", isinstance(m, Poisson)))
    models = {name: draw(eprop_neuron() | once) for name in "ab"}
    inputs = [
        ValueInput("x", size=n["x"], encoder=LinearEncoder(np.eye(n["x"]), neuron=Threshold(0.3))),
        ValueInput("given", size=1, range=(-1.0, 1.0), required=False),
    ]
    projections = [
        Projection("given", g, rng.normal(size=(1, m)), tau_syn=0.01) for g, m in (("one", 1), ("all", n["b"]))
    ]
    for pre, post in draw(st.lists(st.sampled_from(["xa", "xb", "ab", "ba", "bb"]), min_size=1, max_size=3)):
        kinds, values = ["dense", "sparse"] + ["one_to_one"] * (n[pre] == n[post]), {}
        rules = [STDP, RewardSTDP] + [PES] * (n[post] == n["b"])
        if getattr(models[post], "reset", "") == "subtract" and not np.ndim(models[post].v_threshold):
            rules += [EProp] * 3
        rule = draw(st.sampled_from(rules))
        kind = draw(st.sampled_from(kinds)) if issubclass(rule, STDP) else "dense"
        shape = {"dense": (n[pre], n[post]), "one_to_one": (n[post],)}.get(kind, (draw(st.integers(0, 12)),))
        if kind == "sparse":
            values |= {"pre_index": rng.integers(0, n[pre], shape), "post_index": rng.integers(0, n[post], shape)}
        weights = rng.normal(size=shape) * 1.5
        delay = DT * draw(st.integers(0 if pre < post or pre == "x" else 1, 3))
        values |= draw(st.sampled_from([{}, {}, {"tau_syn": 0.007}, {"receptor": "current"}]))
        learning = draw(a_rule(rule, n[post], n["b"], weights))
        projections.append(Projection(pre, post, weights, kind, delay=delay, learning=learning, **values))
    populations = [Population(name, n[name], models[name], rng.normal(0.5, 1, n[name])) for name in "ab"]
    populations += [Population(name, m, LI(tau_mem=0.005)) for name, m in (("one", 1), ("all", n["b"]))]
    outputs = [Output("u", (SpikeDecoder("b", 1 / 50, 0.01),), 1, limits=(-1, 1))]
    steps = draw(st.sampled_from([1, 3]))
    return Network(tuple(populations), tuple(projections)), inputs, outputs, DT, steps * DT, Guard()


def observation(rng, inputs):
    given = {}
    for spec in inputs:
        arrives = rng.random()
        if arrives < 0.15:
            given[spec.name] = None
        elif isinstance(spec, EventsInput):
            n = int(rng.integers(0, 25))
            x, y = (rng.integers(0, side + 1, n) for side in spec.size)
            t = np.sort(rng.integers(0, 3000, n)) * 1e-6 + rng.choice([0.0, 0.002, 0.004])
            given[spec.name] = np.stack([t, x, y, rng.integers(0, 2, n)], 1)
        else:
            value = rng.normal(size=spec.size)
            if arrives > 0.9:
                value[0] = rng.choice([np.nan, np.inf, -np.inf, 50.0])
            given[spec.name] = value
    return given
