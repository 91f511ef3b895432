"""What a controller file allows but its author may not have meant, for `snn_control check` and the nodes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from .coding import ArgmaxDecoder, Output
from .spec import ControllerSpec

__all__ = ["advice"]

#: seconds beyond which a time was probably written in ms: fast ones, slow ones (adaptation, eligibility), and others
LONG, SLOW, LONG_WAIT, LONG_PERIOD = 2.0, 5.0, 0.5, 1.0
MOST = {
    "tau_adapt": SLOW, "tau_w": SLOW, "tau_e": SLOW, "tau_out": SLOW, "refractory": LONG_WAIT, "delay": LONG_WAIT,
}  # fmt: skip


def advice(spec: ControllerSpec) -> list[str]:
    """One line a weak spot: times that look like ms, populations without any connection, and of the inputs and outputs
    on ROS topics what a fault would not stop at. Empty where there is none."""
    found = [line for path, value, most in _times(spec) for line in _too_long(path, value, most)]
    found += [
        f"network.populations.{name}: nothing reaches it and nothing reads it: connect it, or remove it"
        for name in _alone(spec)
    ]
    for one in spec.inputs:
        if one.name in spec.ros_inputs and one.required and not np.isfinite(one.stale):
            found.append(f"inputs.{one.name}: a dead sensor would not be noticed: give it a `stale` limit")
    for output in spec.outputs:
        unlimited = not all(np.isfinite(np.asarray(side, np.float64)).all() for side in output.limits)
        if output.name in spec.ros_outputs and unlimited and not isinstance(output.decoder, ArgmaxDecoder):
            found.append(f"outputs.{output.name}: the command may become any number: give it finite `limits`")
    return found


def _too_long(path: str, value: Any, most: float) -> list[str]:
    longest = float(np.max(value, initial=0.0))
    if longest <= most:
        return []
    return [f"{path} = {longest:g} s: times are in seconds; {longest:g} ms is {longest / 1e3:g}"]


def _times(spec: ControllerSpec) -> Iterator[tuple[str, Any, float]]:
    """Path, value [s] and what it should not exceed, of every time constant, filter, delay and period."""
    yield "period", spec.period, LONG_PERIOD
    for one in spec.inputs:
        neuron = getattr(getattr(one, "encoder", None), "neuron", None)
        if neuron is not None:
            yield from _of(f"inputs.{one.name}.encoder.neuron", neuron, neuron.names())
    for p in spec.network.populations:
        yield from _of(f"network.populations.{p.name}.neuron", p.neuron, p.neuron.names())
    for k, q in enumerate(spec.network.projections):
        yield from _of(f"network.projections[{k}]", q, ("delay", "tau_syn"))
        if q.learning is not None:
            yield from _of(f"network.projections[{k}].learning", q.learning, vars(q.learning))
    for o in spec.outputs:
        for k, term in enumerate(_terms(o)):
            where = f"outputs.{o.name}.decoder"
            if isinstance(o.decoder, ArgmaxDecoder):
                where += f".terms[{k}]"
            elif len(o.decoder) > 1:
                where += f"[{k}]"
            yield from _of(where, term, vars(term))


def _of(where: str, described: object, names: Any) -> Iterator[tuple[str, Any, float]]:
    """The times among the fields ``names`` of a description."""
    for name in names:
        value = getattr(described, name)
        time = name in ("refractory", "delay", "window", "pre_tau") or name.partition("_")[0] == "tau"
        if time and value is not None:
            yield f"{where}.{name}", value, MOST.get(name, LONG)


def _terms(output: Output) -> tuple[Any, ...]:
    return output.decoder.terms if isinstance(output.decoder, ArgmaxDecoder) else output.decoder


def _alone(spec: ControllerSpec) -> list[str]:
    """Populations that no projection reaches or leaves, itself aside, and that no decoder and no rule reads."""
    others = [p for p in spec.network.projections if p.pre != p.post]
    used = {name for p in others for name in (p.pre, p.post)}
    used |= {term.source for output in spec.outputs for term in _terms(output)}
    for p in spec.network.projections:
        if p.learning is not None:
            used |= {getattr(p.learning, key) for key in p.learning.texts}
    return [p.name for p in spec.network.populations if p.name not in used]
