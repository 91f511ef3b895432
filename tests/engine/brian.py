"""Brian2's solutions, in a process of its own: reads a JSON request, prints spike times [s] as JSON.

It has its own process: its dependencies' warnings would be errors in our tests, and Brian2 keeps global state.
"""

import json
import sys
import warnings

import numpy as np

warnings.simplefilter("ignore")
sys.modules["pylab"] = None  # imports Matplotlib, without which Brian2 starts sooner
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


def run(jobs):
    """Spike times of each of some neurons of one model and step: as one group, since equations are solved for each."""
    b.start_scope()
    dt, model = jobs[0]["dt"] * b.second, jobs[0]["model"]
    parameters = {key: [job["parameters"][key] for job in jobs] for key in jobs[0]["parameters"]}
    parameters |= {"current": [job.get("current", 0.0) for job in jobs]}
    parameters.setdefault("refractory", [0.0] * len(jobs))
    units = {key: "second" if key.startswith("tau_") or key == "refractory" else "1" for key in parameters}
    declared = "".join(f"\n{key} : {unit} (constant)" for key, unit in units.items()).replace("refractory :", "rest :")
    space, more = {"ms": b.ms}, {}
    if model in LINEAR:
        space["drive"] = b.TimedArray(np.transpose([job["drive"] for job in jobs]), dt=dt)
        more = {"method": "exact", "refractory": "rest"}
        equations = LINEAR[model].replace(" / tau_mem : 1", " / tau_mem : 1 (unless refractory)")
        reset = "v = v_reset"
    elif model == "adex":
        equations, reset, more = ADEX, "v = v_reset; w += b", {"method": "rk4"}
    else:
        equations, reset, more = IZHIKEVICH, "v = v_reset; u += d", {"method": "rk4"}
    equations, n = equations + declared, len(jobs)
    group = b.NeuronGroup(n, equations, threshold="v >= v_threshold", reset=reset, namespace=space, dt=dt, **more)
    for key, values in parameters.items():
        setattr(group, key.replace("refractory", "rest"), values * (b.second if units[key] == "second" else 1))
    for key in jobs[0]["initial"]:
        setattr(group, key, [job["initial"][key] for job in jobs])
    objects = [group]
    if "spikes" in jobs[0]:
        rows = np.repeat(np.arange(n), [len(job["spikes"]) for job in jobs])
        steps = np.concatenate([job["spikes"] for job in jobs])
        source = b.SpikeGeneratorGroup(n, rows, steps * dt, dt=dt)
        synapse = b.Synapses(source, group, "weight : 1", on_pre="isyn += weight", dt=dt)
        synapse.connect(j="i")
        synapse.weight = [job["weight"] for job in jobs]
        objects += [source, synapse]
    monitor = b.SpikeMonitor(group)
    b.Network(*objects, monitor).run(max(job["duration"] for job in jobs) * b.second)
    t, which = np.asarray(monitor.t / b.second), np.asarray(monitor.i)
    return [t[(which == k) & (t < job["duration"] - job["dt"] / 2)].tolist() for k, job in enumerate(jobs)]


asked = json.load(sys.stdin)
alike, found = {}, [None] * len(asked)
for k, job in enumerate(asked):
    alike.setdefault((job["model"], job["dt"]), []).append(k)
for places in alike.values():
    for k, times in zip(places, run([asked[k] for k in places])):
        found[k] = times
print(json.dumps(found))
