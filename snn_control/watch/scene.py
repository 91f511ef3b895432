"""The scene: the description of a controller for the live page, with all data that are constant during a run."""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np

from ..coding import ArgmaxDecoder, EventsInput
from ..controller import Controller
from ..controller_file import ControllerSpec
from ..engine.program import Program
from .colours import OUTPUT, colours_of

__all__ = ["scene_of"]

NUMBER = r"\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?)\s*"
ANGLES = {  # unit [rad] -> how a field selects angles
    math.pi / 180: re.compile(rf"\[{NUMBER}deg\s*:{NUMBER}deg\s*\]", re.IGNORECASE),
    1.0: re.compile(rf"\[\s*angle\s*={NUMBER}:{NUMBER}\]", re.IGNORECASE),
}


def scene_of(controller: Controller, spec: ControllerSpec, title: str) -> dict[str, Any]:
    """Return a controller as JSON data: populations, inputs, outputs, connections, rules and tunable parameters."""
    program, colours = controller.program, colours_of(spec)
    return {
        "title": title, "dt": program.facts.dt, "period": program.facts.period,
        "populations": _populations(spec, program, colours), "inputs": _inputs(spec, program, colours),
        "outputs": _outputs(spec), "edges": _edges(spec, program), "tunable": _tunable(spec, program),
        "rules": [{"title": r.title, "name": r.name, "rule": r.rule, "pre": r.pre, "post": r.post}
                  for r in program.facts.learning],
    }  # fmt: skip


def _populations(spec: ControllerSpec, program: Program, colours: dict[str, str]) -> list[dict[str, Any]]:
    """Return the populations for the page: encoders first, and presynaptic before postsynaptic populations."""
    neurons = {one.name: getattr(getattr(one, "encoder", None), "neuron", None) for one in spec.inputs}
    neurons |= {p.name: p.neuron for p in spec.network.populations}
    return [
        {
            "name": p.name, "size": p.size, "spiking": p.spiking, "colour": colours.get(p.name, OUTPUT),
            "model": type(neurons.get(p.name)).__name__ if neurons.get(p.name) is not None else "graded",
            "threshold": _threshold(neurons.get(p.name)), "input": p.name in {one.name for one in spec.inputs},
        }
        for p in program.facts.populations
    ]  # fmt: skip


def _threshold(neuron: Any) -> float | None:
    """Return the common threshold of a population's neurons; None if they have different thresholds or none."""
    value: Any = getattr(neuron, "v_threshold", None)
    return None if value is None or np.ndim(value) else float(value)


def _inputs(spec: ControllerSpec, program: Program, colours: dict[str, str]) -> list[dict[str, Any]]:
    found = []
    one: Any
    for one in spec.inputs:
        events = isinstance(one, EventsInput)
        topic = spec.ros_inputs.get(one.name)
        named = (topic.values or {}).get("name") if topic else None
        low, high = (None, None) if events or one.range is None else one.range
        found.append({
            "name": one.name, "kind": "events" if events else "value", "colour": colours[one.name],
            "size": list(one.size) if events else one.size, "unit": getattr(one, "unit", ""),
            "low": low, "high": high, "stale": one.stale, "required": one.required,
            "stop_when": getattr(one, "stop_when", ""), "type": topic.type if topic else "",
            "labels": [str(label) for label in named] if isinstance(named, list) and len(named) == one.size else [],
            "grid": list(topic.grid) if topic and topic.grid else None,
            "angles": _angles(topic.field) if topic and topic.type.endswith("/LaserScan") else None,
        })  # fmt: skip
    return found


def _angles(field: str) -> list[float] | None:
    """Return the angles [rad] of the beams that a field selects from a scan, e.g. ``ranges[-90deg:90deg]``."""
    for unit, pattern in ANGLES.items():
        if found := pattern.search(field):
            return [float(end) * unit for end in found.groups()]
    return None


def _outputs(spec: ControllerSpec) -> list[dict[str, Any]]:
    found = []
    for o in spec.outputs:
        topic = spec.ros_outputs.get(o.name)
        named = (topic.values or {}).get("name") if topic else None
        indexed = [o.name] if o.size == 1 else [f"{o.name}[{k}]" for k in range(o.size)]
        labels = named if isinstance(named, list) and len(named) == o.size else indexed
        low, high = (np.broadcast_to(np.asarray(side, np.float64), o.size) for side in o.limits)
        found.append({
            "name": o.name, "size": o.size, "unit": o.unit, "labels": [str(label) for label in labels],
            "low": low, "high": high, "safe": o.safe_numbers,
            "slew": np.broadcast_to(np.asarray(o.slew, np.float64), o.size),
            "actions": o.decoder.actions if isinstance(o.decoder, ArgmaxDecoder) else 0,
        })  # fmt: skip
    return found


def _edges(spec: ControllerSpec, program: Program) -> list[dict[str, Any]]:
    edges = []
    for projection, facts in zip(spec.network.projections, program.facts.projections, strict=True):
        weights = np.asarray(projection.weights)  # or a distribution, whose sign is not known
        number = weights.dtype.kind in "fiu" and weights.size
        edges.append({
            "pre": facts.pre, "post": facts.post, "synapses": facts.used, "delay": facts.delay_steps * program.facts.dt,
            "learns": type(projection.learning).__name__ if projection.learning else "",
            "sign": float(np.sign(weights).mean()) if number else 0.0, "signal": "",
        })  # fmt: skip
    rules = [p for p in spec.network.projections if p.learning is not None]
    signals = [(getattr(p.learning, key), p.post, key) for p in rules for key in p.learning.signals()]  # type: ignore[union-attr]
    for o in spec.outputs:
        signals += [(source, f"> {o.name}", "") for source in dict.fromkeys(term.source for term in o.terms)]
        signals += [(one.name, f"> {o.name}", "stops") for one in spec.inputs if getattr(one, "stop_when", "")]
    empty = {"synapses": 0, "delay": 0.0, "learns": "", "sign": 0.0}
    return edges + [{"pre": pre, "post": post, "signal": name, **empty} for pre, post, name in dict.fromkeys(signals)]


def _tunable(spec: ControllerSpec, program: Program) -> list[dict[str, Any]]:
    return [
        {"path": path, "value": value, "low": spec.tunable[path].low, "high": spec.tunable[path].high}
        for path, value in zip(program.facts.tunable, program.facts.tuned, strict=True)
    ]
