"""NIR's neurons and ours: which parameter of one is which field of the other."""

from __future__ import annotations

from ..network import IF, LI, LIF, CubaLI, CubaLIF, Integrator, NeuronModel, Relay, Threshold

__all__ = ["FIELDS", "MODELS", "NEURONS", "SPIKING", "TAUS"]

LEAK = {"tau_mem": "tau", "r": "r", "v_leak": "v_leak"}
SYNAPSE = {"tau_mem": "tau_mem", "tau_syn": "tau_syn", "r": "r", "v_leak": "v_leak"}
FIRING = {"v_threshold": "v_threshold", "v_reset": "v_reset"}
#: our model -> NIR's kind, and each of our fields that it holds -> NIR's word for it
FIELDS: dict[type[NeuronModel], tuple[str, dict[str, str]]] = {
    IF: ("IF", {"r": "r", **FIRING}),
    LIF: ("LIF", LEAK | FIRING),
    CubaLIF: ("CubaLIF", SYNAPSE | FIRING),
    LI: ("LI", LEAK),
    CubaLI: ("CubaLI", SYNAPSE),
    Integrator: ("I", {"r": "r"}),
    Threshold: ("Threshold", {"v_threshold": "threshold"}),
    Relay: ("Scale", {}),  # only in files of our own
}
#: NIR's kind -> our model
MODELS = {kind: model for model, (kind, _) in FIELDS.items() if model is not Relay}
#: NIR's kind -> its words for the time constants, that of the membrane first
TAUS = {kind: tuple(word for word in held.values() if "tau" in word) for kind, held in FIELDS.values()}
SPIKING = tuple(kind for kind, model in MODELS.items() if not model.graded)
NEURONS = tuple(MODELS)
