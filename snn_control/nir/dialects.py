"""Convert NIR neuron nodes to neuron models, by the dialect: the framework's interpretation of the numbers in a file.

NIR defines continuous equations. A file states neither the time step nor how a framework integrates, resets and fires.
Each function here converts a node to a `Cell` that emits the same spikes as the framework, step by step. Except in the
two dialects for plain NIR, time is counted in steps, so time constants become multiples of the network's dt.

The equations were determined with snnTorch 1.0.0, norse 1.1.0, sinabs 3.1.3 and SpikingJelly 2.0.0 (docs/howto/nir.md).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..errors import DescriptionError
from ..network import IF, LI, LIF, CubaLI, CubaLIF, NeuronModel
from .graph import FIELDS, MODELS, NEURONS, TAUS, Graph, Node
from .options import ASK, FLAG, Choices, Option

__all__ = ["DIALECTS", "Cell", "Dialect", "Reading", "plain"]

F = np.float32
SLOWEST, FASTEST = 1e-12, 700.0  # limits of step / time constant: below, float32 has no decay; above, nothing remains


@dataclass(frozen=True)
class Cell:
    """Result of converting a neuron node: neuron model, initial membrane potentials, bias and input receptors.

    inputs : pairs (receptor, factor): the current into a receptor is the input times the factor; a factor is one
        number, or one number per neuron
    """

    neuron: NeuronModel
    v_init: Any = None
    bias: Any = 0.0
    inputs: tuple[tuple[str, Any], ...] = (("", 1.0),)


@dataclass
class Reading:
    """A graph and the settings for converting it.

    choices : values of the dialect's options
    dt : step of the network [s]
    file_dt : step for which the file's numbers were computed [s]
    """

    graph: Graph
    choices: Choices
    dt: float
    file_dt: float = 0.0


@dataclass(frozen=True)
class Dialect:
    """Declaration of a dialect: how to read the files of one framework.

    kinds : types of neuron nodes that the framework's exporter writes
    dt : default step of the network [s]; 0: the user must set the step
    file_dt : function that returns the step in a file [s], or None if the file does not state it
    step : text on the source of the step, if the user does not set it
    counts : whether neurons count time in steps, so that the length of a step has no effect on the spikes
    """

    cell: Callable[[Reading, Node], Cell]
    kinds: tuple[str, ...]
    options: Mapping[str, Option]
    dt: float = 0.0
    file_dt: Callable[[Graph], float | None] = lambda graph: None
    step: str = ""
    counts: bool = False


def plain(value: Any) -> Any:
    """Convert an array whose elements are all equal to one number; return other values unchanged."""
    if isinstance(value, np.ndarray) and value.ndim and (value == value[0]).all():
        return float(value[0])
    return value


def _model(cls: Any, **values: Any) -> Any:
    return cls(**{key: plain(value) for key, value in values.items()})


def _leaky(cls: Any, r: Reading, share: Any, gain: Any, share_syn: Any = None, **values: Any) -> Any:
    """Return a leaky neuron model for parameters in units of a step.

    cls : class of the model
    share : fraction of the membrane potential that decays in each Euler step; with integration="exact", exp(-share)
        remains
    gain : factor of the input
    share_syn : fraction of the synaptic current that decays in each step
    """
    share = np.clip(share, SLOWEST, FASTEST)
    values = {"integration": "euler", **values}
    rise = share if values["integration"] == "euler" else -np.expm1(-share)
    if share_syn is not None:
        values["tau_syn"] = r.dt / np.clip(share_syn, SLOWEST, FASTEST)
    return _model(cls, tau_mem=r.dt / share, r=gain / rise, **values)


def _firing(node: Node, **values: Any) -> dict[str, Any]:
    """Return the fields of a spiking neuron: threshold, reset and ``values``. For a graded neuron, return {}."""
    if MODELS[node.kind].graded:
        return {}
    return {"v_threshold": node.each("v_threshold"), "v_reset": node.each("v_reset"), **values}


def _one(gain: np.ndarray) -> np.ndarray:
    """Round gains like 0.99999994 to 1. Such gains are rounding errors of the exporter, from (tau / dt) dt / tau."""
    return np.where(np.abs(gain - 1) < 1e-6, 1.0, gain)


def _require(node: Node, key: str, right: Any, rule: str, fix: str = "") -> None:
    """Raise DescriptionError if a node's parameter ``key`` has values that the framework's exporter never writes.

    right : (size,) bool, true for each valid element of the parameter; the error shows the first invalid element
    """
    fits = np.broadcast_to(right, node.size)
    if not fits.all():
        raise node.wrong(key, float(node.each(key)[np.argmin(fits)]), rule, fix or "another dialect or option fits")


def _near(a: Any, b: Any) -> Any:
    return np.isclose(a, b, rtol=1e-4, atol=0)


def _no_reset(node: Node, framework: str) -> None:
    for key in ("v_leak", "v_reset"):
        if key in node.values:
            _require(node, key, node.each(key) == 0, f"must be 0: {framework} writes nothing else")


# snnTorch ----------------------------------------------------------------------------------------------------------
def _snntorch(r: Reading, node: Node) -> Cell:
    """Convert a node of snnTorch, whose membrane is mem = beta mem + x. It fires if mem is above the threshold.

    For the kind Synaptic, x is syn = alpha syn + input. If the node has no reset, its output is mem instead of spikes.
    """
    _no_reset(node, "snnTorch")
    # the exporter divided by the step in this dtype: this reproduces 1 - beta to the bit
    step = float(node.numbers("v_threshold").dtype.type(r.file_dt))
    membrane = r.choices.ask(node, "reset_mechanism") == "none"
    values = {} if membrane else _firing(node, strict=True, **_snntorch_reset(r, node))
    if membrane and any(r.graph.nodes[name].kind != "Output" for name in r.graph.after[node.name]):
        rule = f"is only for the last layer, whose membranes are the output; others follow '{node.name}'"
        raise DescriptionError("options.reset_mechanism", "none", rule, "give it for one: LAST.reset_mechanism=none")

    def part(tau: str, r_or_w: str) -> tuple[np.ndarray, np.ndarray]:
        t, gain = node.each(tau), node.each(r_or_w)
        still = np.isinf(t)  # beta = 1
        with np.errstate(invalid="ignore"):
            gain = np.where(still, 1.0, gain * step / t)
        _require(node, r_or_w, _near(gain, 1), f"must be {tau} / {r.file_dt:g} s, as snnTorch writes it")
        rule = f"must be at least {r.file_dt:g} s: beta is 1 - {r.file_dt:g} / {tau}"
        _require(node, tau, t >= step * (1 - 1e-6), rule)
        return step / t, _one(gain)

    (loss, gain), *synapse = (part(*keys) for keys in zip(TAUS[node.kind], ("r", "w_in")))
    model = {"LIF": LI, "CubaLIF": CubaLI}[node.kind] if membrane else MODELS[node.kind]
    return Cell(_leaky(model, r, loss, gain, *(loss for loss, _ in synapse), **values), v_init=0.0)


def _snntorch_reset(r: Reading, node: Node) -> dict[str, Any]:
    subtract = r.choices.ask(node, "reset_mechanism") == "subtract"
    delay = r.choices.ask(node, "reset_delay")
    if subtract:
        return {"reset": "subtract", "reset_delay": True} if delay else {"reset": "subtract_snntorch"}
    if not delay:
        return {"reset": "value"}
    if node.kind == "LIF" and not r.graph.on_a_cycle(node.name):
        return {"reset": "value", "reset_delay": True}
    # RLeaky, Synaptic and RSynaptic clear the next step's input too: an immediate reset, then a silent step
    return {"reset": "value", "refractory": 2 * r.dt}


# norse -------------------------------------------------------------------------------------------------------------
def _norse(r: Reading, node: Node) -> Cell:
    """Convert a node of norse, with v += dt / tau ((v_leak - v) + x). The file contains dt tau in place of tau.

    For the kind LIFCell, x is a synaptic current, to which the input is added.
    """
    _require(node, "r", _near(node.each("r"), 1), "must be 1, as norse writes it")
    firing = _firing(node, strict=True)
    if node.kind == "IF":
        return Cell(_model(IF, **firing, r=node.each("r") / r.dt), v_init=plain(node.each("v_reset")))
    step = float(F(r.file_dt))  # norse multiplies a float32 by it

    def loss(key: str) -> np.ndarray:
        share = step * step / node.each(key)
        rule = f"must be 0.5 to 1e6 steps of {r.file_dt:g} s, and it is {1 / np.max(share):.3g}"
        _require(node, key, (share > 1e-6) & (share < 2), rule, "give the simulation's own --dt")
        if (share < 1e-3).any() or (share > 1.0001).any():
            odd = "norse before 1.1 wrote the time constant itself: then use --dialect nir-euler"
            odd = odd if (share < 1e-3).any() else "is --dt the simulation's own?"
            r.graph.notes.append(f"{node.name}: {key} is {1 / np.min(share):.4g} steps; {odd}")
        return share

    share, *share_syn = (loss(key) for key in TAUS[node.kind])
    gain = node.each("r") * share
    return Cell(_leaky(MODELS[node.kind], r, share, gain, *share_syn, v_leak=node.each("v_leak"), **firing))


# sinabs ------------------------------------------------------------------------------------------------------------
def _sinabs(r: Reading, node: Node) -> Cell:
    """Convert a node of sinabs, with v = alpha v + x, or v = alpha v + (1 - alpha) x if ``norm_input`` is true.

    alpha is exp(-1 / tau), with tau in steps. A neuron can fire several times in a step, v / threshold times.
    """
    _require(node, "r", _near(node.each("r"), 1), "must be 1, as sinabs writes it")
    _no_reset(node, "sinabs")
    floor = r.choices.ask(node, "min_v_mem")
    values = _firing(node, reset="subtract", several=True) | {"v_min": -np.inf if floor is None else floor}
    if node.kind == "IF":
        return Cell(_model(IF, **values, r=1 / r.dt), v_init=0.0)
    tau = node.each("tau")
    _require(node, "tau", tau > 0.05, "must count steps, as sinabs writes it")
    alpha = np.exp((F(-1) / tau.astype(F)).astype(np.float64)).astype(F)  # rounded in the same places as PyTorch
    share = -np.log(np.clip(alpha.astype(np.float64), np.exp(-FASTEST), 1))
    gain = (F(1) - alpha).astype(np.float64) if r.choices.ask(node, "norm_input") else np.ones_like(share)
    return Cell(_leaky(MODELS[node.kind], r, share, gain, integration="exact", **values), v_init=0.0)


# SpikingJelly ------------------------------------------------------------------------------------------------------
def _spikingjelly_dt(graph: Graph) -> float | None:
    """Return the time step [s] that the gain r of a neuron implies; None if no gain depends on the time step.

    The gain is r = 1 / dt for IF, and r = tau / dt if the input does not decay.
    """
    for node in graph.of_kind("IF", "CubaLIF", "LIF"):
        r = node.each("r")
        if node.kind == "IF":
            return float(1 / r[0])
        if node.kind == "CubaLIF" or not _near(r, 1).all():
            return float(node.each(TAUS[node.kind][0])[0] / r[0])
    return None


def _spikingjelly(r: Reading, node: Node) -> Cell:
    """Convert a node of SpikingJelly, which fires at or above the threshold.

    If the input decays, v += (x - (v - v_reset)) / tau; otherwise v += x - (v - v_reset) / tau.
    """
    dt, reset, gain = r.file_dt, node.each("v_reset"), node.each("r")
    firing = _firing(node)
    v_init = plain(reset)
    if node.kind == "IF":
        _require(node, "r", _near(gain * dt, 1), f"must be 1 / dt, with dt = {dt:g} s, as SpikingJelly writes it")
        return Cell(_model(IF, **firing, r=_one(gain * dt) / r.dt), v_init=v_init)
    if node.kind == "CubaLIF":
        _require(node, "v_leak", node.each("v_leak") == 0, "must be 0, as SpikingJelly writes it")
        share, share_syn = dt / node.each("tau_mem"), dt / node.each("tau_syn")
        for key, value in (("r", gain * share), ("w_in", node.each("w_in") * share_syn)):
            _require(node, key, _near(value, 1), f"must be its time constant / dt, with dt = {dt:g} s")
        return Cell(_leaky(CubaLIF, r, share, _one(gain * share), share_syn, **firing), v_init=v_init)
    _require(node, "v_leak", node.each("v_leak") == reset, "must be v_reset, as SpikingJelly writes it")
    share = dt / node.each("tau")
    decays = bool(_near(gain, 1).all())
    if not decays:
        _require(node, "r", _near(gain * share, 1), f"must be 1, or tau / dt with dt = {dt:g} s")
    rule = f"must be longer than a step of {dt:g} s, as in SpikingJelly"
    _require(node, "tau", share < 1.0001, rule, "give the --dt that the exporter was given")
    said = r.choices.ask(node, "decay_input")
    if said is None:
        r.choices.defaults["LIF.decay_input"] = decays
    elif said != decays:
        rule = f"the file says decay_input={str(decays).lower()}: its r is {gain[0]:g}"
        raise DescriptionError("options.decay_input", said, rule, f"the r of '{node.name}' would be 1, or tau / dt")
    return Cell(_leaky(LIF, r, share, _one(gain * share), v_leak=reset, **firing), v_init=v_init)


# NIR as it is written ----------------------------------------------------------------------------------------------
def _as_written(r: Reading, node: Node) -> dict[str, Any]:
    """Return the fields of a node's neuron model with the file's numbers, as the NIR standard defines them."""
    model = MODELS[node.kind]
    values: dict[str, Any] = {field: node.each(word) for field, word in FIELDS[model][1].items()}
    if not model.graded:
        values["strict"] = True
    if "v_reset" in values:
        values["reset"] = "subtract" if r.choices.ask(node, "reset_mechanism") == "subtract" else "value"
    return values


def _nir_euler(r: Reading, node: Node) -> Cell:
    """Convert a node of plain NIR, to be integrated with the forward Euler method.

    The new synaptic current drives the membrane in the same step, as if an LI were connected to a LIF without delay.
    """
    values, inputs = _as_written(r, node), Cell.inputs
    if "tau_mem" in values:
        values["integration"] = "euler"
        if (r.dt > values["tau_mem"]).any():
            r.graph.notes.append(f"{node.name}: the step is longer than its time constant; the Euler step overshoots")
    if "tau_syn" in values:
        inputs = (("synaptic", plain(node.each("w_in") * r.dt / values["tau_syn"])),)
    return Cell(_model(MODELS[node.kind], **values), 0.0, inputs=inputs)


def _nir_exact(r: Reading, node: Node) -> Cell:
    """Convert a node of plain NIR for exact integration, with constant input and one threshold test per step."""
    values = _as_written(r, node)
    cell = Cell(_model(MODELS[node.kind], **values), 0.0)
    if "tau_syn" not in values:
        return cell
    tau_mem, tau_syn, w_in = values["tau_mem"], values["tau_syn"], node.each("w_in")
    decay, rise = np.exp(-r.dt / tau_mem), -np.expm1(-r.dt / tau_mem)
    decay_syn, rise_syn = np.exp(-r.dt / tau_syn), -np.expm1(-r.dt / tau_syn)
    with np.errstate(divide="ignore", invalid="ignore"):
        apart = tau_syn / (tau_syn - tau_mem) * (decay_syn - decay)
    drive = np.where(np.isclose(tau_syn, tau_mem, rtol=1e-9), r.dt / tau_mem * decay, apart)  # effect of a current on v
    # a spike is a rectangle of one step, after which isyn is w_in (1 - decay_syn); the rest of its effect is a current
    jump = w_in * rise_syn / decay_syn
    current = ((rise - drive) * w_in - drive * jump) / rise
    return replace(cell, inputs=(("synaptic", plain(jump)), ("current", plain(current))))


# the table ---------------------------------------------------------------------------------------------------------
_RESET = Option(("zero", "subtract"), "zero", ("IF", "LIF", "CubaLIF"), tried=("subtract", "zero"))
_NORM_INPUT = (
    "give --option norm_input=true for layers made with sinabs' LIF(...), whose default it is, or false for "
    "ExpLeak(...) and layers made by from_nir; for one type of node: LIF.norm_input=true; --verify finds the right one"
)
_SNNTORCH = {
    "reset_mechanism": Option(("subtract", "zero", "none"), "subtract", ("LIF", "CubaLIF"), tried=("subtract", "zero")),
    "reset_delay": Option(FLAG, True, ("LIF", "CubaLIF"), tried=FLAG),
}
_SINABS = {
    "norm_input": Option(FLAG, ASK, ("LIF", "LI"), tried=FLAG, asked=_NORM_INPUT),
    "min_v_mem": Option(
        ("none",), {"IF": -1.0, "LIF": None, "LI": None}, ("IF", "LIF", "LI"), tried=("none", "-1"), number=True
    ),
}
DIALECTS: dict[str, Dialect] = {
    "snntorch": Dialect(  # the exporter always uses this step, whatever the step of the simulation
        _snntorch, ("LIF", "CubaLIF"), _SNNTORCH, dt=1e-4, file_dt=lambda graph: 1e-4, counts=True,
        step="follows from snnTorch's exporter; --dt says how long a step lasts here",
    ),
    "norse": Dialect(
        _norse, ("LIF", "LI", "CubaLIF", "IF"), {}, dt=1e-3, step="is norse's default; --dt gives the simulation's own"
    ),
    "sinabs": Dialect(
        _sinabs, ("LIF", "IF", "LI"), _SINABS, dt=1e-3, counts=True,
        step="is taken because sinabs counts steps; --dt says how long a step lasts here",
    ),
    "spikingjelly": Dialect(
        _spikingjelly, ("LIF", "IF", "CubaLIF"), {"decay_input": Option(FLAG, None, ("LIF",))},
        file_dt=_spikingjelly_dt,
        step="is what SpikingJelly's exporter was given; --dt says how long a step lasts here",
    ),
    "nir-euler": Dialect(_nir_euler, NEURONS, {"reset_mechanism": _RESET}),
    "nir-exact": Dialect(_nir_exact, NEURONS, {"reset_mechanism": _RESET}),
}  # fmt: skip
