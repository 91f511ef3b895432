"""Brian2's solutions, in a process of its own: reads a JSON request, prints spike times [s] as JSON.

It has its own process: its dependencies' warnings would be errors in our tests, and Brian2 keeps global state.
"""

import json
import sys
import warnings

import numpy as np

warnings.simplefilter("ignore")
import brian2 as b  # noqa: E402

b.prefs.codegen.target = "numpy"
b.BrianLogger.log_level_error()

LINEAR = {
    "lif": "dv/dt = ((v_leak - v) + r * drive(t, i)) / tau_mem : 1",
    "cuba_lif": """dv/dt = ((v_leak - v) + r * (isyn + drive(t, i))) / tau_mem : 1
        disyn/dt = -isyn / tau_syn : 1""",
}
ADEX = """dv/dt = ((v_leak - v) + rise + r * (current - w)) / tau_mem : 1
    rise = delta_t * exp(clip((v - v_rheobase) / delta_t, -99, 20)) : 1
    dw/dt = (a * (v - v_leak) - w) / tau_w : 1"""
IZHIKEVICH = """dv/dt = (0.04 * v**2 + 5 * v + 140 - u + r * current) / ms : 1
    du/dt = a * (b * v - u) / ms : 1"""


def times(p):
    """Parameters with Brian2's units: those named tau_* are in seconds."""
    return {k: v * b.second if k.startswith("tau_") else v for k, v in p.items() if isinstance(v, int | float)}


def run(job):
    b.start_scope()
    dt, p = job["dt"] * b.second, job["parameters"]
    space = times(p) | {"current": job.get("current", 0.0), "ms": b.ms}
    more = {}
    if job["model"] in LINEAR:
        drive = np.array(job["drive"])
        space["drive"] = b.TimedArray(drive[:, None], dt=dt)
        more = {"method": "exact", "refractory": p.get("refractory", 0.0) * b.second}
        equations = LINEAR[job["model"]].replace(" / tau_mem : 1", " / tau_mem : 1 (unless refractory)")
        reset = "v = v_reset"
    elif job["model"] == "adex":
        equations, reset, more = ADEX, "v = v_reset; w += b", {"method": "rk4"}
    else:
        equations, reset, more = IZHIKEVICH, "v = v_reset; u += d", {"method": "rk4"}
    group = b.NeuronGroup(1, equations, threshold="v >= v_threshold", reset=reset, namespace=space, dt=dt, **more)
    for key, value in job["initial"].items():
        setattr(group, key, value)
    objects = [group]
    if "spikes" in job:
        steps = np.array(job["spikes"])
        source = b.SpikeGeneratorGroup(1, np.zeros(steps.size, int), steps * dt, dt=dt)
        synapse = b.Synapses(source, group, on_pre=f"isyn += {job['weight']}", dt=dt)
        synapse.connect()
        objects += [source, synapse]
    monitor = b.SpikeMonitor(group)
    b.Network(*objects, monitor).run(job["duration"] * b.second)
    return (np.asarray(monitor.t / b.second)).tolist()


print(json.dumps([run(job) for job in json.load(sys.stdin)]))
