"""STDP by Brian2, in a process of its own: reads a JSON request, prints the weights (delays, n, m) as JSON."""

import json
import sys
import warnings

import numpy as np

warnings.simplefilter("ignore")
sys.modules["pylab"] = None  # imports Matplotlib, without which Brian2 starts sooner
import brian2 as b  # noqa: E402

b.prefs.codegen.target = "numpy"
b.BrianLogger.log_level_error()
b.defaultclock.dt = 1 * b.ms


def train(spikes):
    """A group that fires as given by (steps, n)."""
    step, neuron = np.nonzero(np.array(spikes))
    return b.SpikeGeneratorGroup(len(spikes[0]), neuron, step * b.ms)


job = json.load(sys.stdin)
rule = job["rule"]
namespace = {key: rule[key] for key in ("a_plus", "a_minus", "w_min", "w_max")}
namespace |= {key: rule[key] * b.second for key in ("tau_plus", "tau_minus")}
pre, post = train(job["pre"]), train(job["post"])


def learned(delay):
    """Synapses between all neurons, whose spikes arrive so many ms later."""
    synapses = b.Synapses(
        pre,
        post,
        """w : 1
        dx/dt = -x / tau_plus : 1 (event-driven)
        dy/dt = -y / tau_minus : 1 (event-driven)""",
        on_pre="x += 1; w = clip(w - a_minus * y, w_min, w_max)",
        on_post="y += 1; w = clip(w + a_plus * x, w_min, w_max)",
        namespace=namespace,
    )
    synapses.connect()
    synapses.pre.delay = delay * b.ms
    synapses.w = job["w"]
    return synapses


every = [learned(delay) for delay in job["delays"]]
b.Network(pre, post, *every).run(len(job["pre"]) * b.ms)
shape = len(job["pre"][0]), len(job["post"][0])
print(json.dumps([np.reshape(one.w, shape).tolist() for one in every]))
