"""Neurons against Brian2: exact integration of linear models, fine steps of the others."""

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from snn_control.coding import Output, SpikeDecoder, ValueInput
from snn_control.controller import Controller
from snn_control.engine.build import build
from snn_control.network import LIF, AdEx, CubaLIF, Izhikevich, Network, Population, Projection, Threshold

pytestmark = pytest.mark.skipif(find_spec("brian2") is None, reason="brian2 is not installed: pip install .[test]")
RNG = np.random.default_rng(8)


def brian(*jobs):
    script = Path(__file__).with_name("brian.py")
    done = subprocess.run(
        [sys.executable, str(script)], input=json.dumps(jobs), capture_output=True, text=True, timeout=280, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return [np.array(times) for times in json.loads(done.stdout.splitlines()[-1])]


def steps_of_spikes(model, drive, dt, spikes=(), weight=0.0, v_init=None):
    """Steps in which one neuron fires, on a current a step and spikes that arrive one step after their own."""
    sources = [Population("source", 1, Threshold(0.5))]
    projections = [Projection("spikes", "source"), Projection("drive", "a", receptor="current")]
    if spikes is not None and hasattr(model, "tau_syn"):
        projections.append(Projection("source", "a", weight, delay=dt))
    network = Network((*sources, Population("a", 1, model, v_init=v_init)), tuple(projections))
    inputs = [ValueInput("drive"), ValueInput("spikes")]
    controller = Controller(build(network, inputs, [Output("u", (SpikeDecoder("a", 1.0, 0.01),))], dt=dt, period=dt))
    fired, given = [], set(np.asarray(spikes, int).tolist())
    for k, x in enumerate(drive):
        controller.step({"drive": x, "spikes": float(k in given)})
        fired += [k] * controller.spikes("a").size
    return np.array(fired)


def case(model, dt, seconds):
    n = round(seconds / dt)
    smooth = np.repeat(RNG.uniform(0.2, 2.2, -(-n // 40)), 40)[:n].astype(np.float32).astype(float)
    spikes = np.sort(RNG.choice(n - 1, round(120 * seconds), replace=False))
    kind = "cuba_lif" if isinstance(model, CubaLIF) else "lif"
    parameters = {name: getattr(model, name) for name in model.names() if isinstance(getattr(model, name), float)}
    parameters.pop("v_min")
    job = {"model": kind, "dt": dt, "duration": seconds, "drive": smooth.tolist(), "parameters": parameters}
    job["initial"] = {"v": model.v_leak}
    if kind == "cuba_lif":
        job |= {"spikes": spikes.tolist(), "weight": 0.8}
    return job, (model, smooth, dt, spikes if kind == "cuba_lif" else (), 0.8)


EXACT = [
    case(model, dt, seconds)
    for dt, seconds in ((1e-3, 1.0), (1e-4, 0.4))
    for model in (
        LIF(tau_mem=0.02, r=1.5),
        LIF(tau_mem=0.011, v_leak=0.1, v_reset=-0.2, refractory=3e-3),
        CubaLIF(tau_mem=0.02, tau_syn=0.005, refractory=2e-3),
        CubaLIF(tau_mem=0.01, tau_syn=0.013, r=1.2, v_reset=-0.1),
    )
]
FINE = 1e-5  # s
ADEX = AdEx(
    tau_mem=0.02, v_threshold=2.0, v_reset=0.1, v_leak=0.0, r=1.0, v_rheobase=0.8, delta_t=0.1, tau_w=0.1, a=0.1, b=0.05
)
#: name, model, current, and a time [s] soon after its third or fifth spike
OTHERS = {
    "adex": ("adex", ADEX, 1.5, 0.068),
    "regular": ("izhikevich", Izhikevich(), 10.0, 0.075),
    "fast": ("izhikevich", Izhikevich(a=0.1, b=0.2, v_reset=-65.0, d=2.0), 8.0, 0.045),
}


def fine(name, model, current, seconds):
    parameters = {key: getattr(model, key) for key in model.names() if isinstance(getattr(model, key), float)}
    v, b = (model.v_leak, 0.0) if name == "adex" else (model.v_reset, model.b)
    job = {"model": name, "dt": FINE, "duration": seconds, "current": current, "parameters": parameters}
    return job | {"initial": {"v": v, "w" if name == "adex" else "u": b * v}}


@pytest.fixture(scope="module")
def theirs():
    """Spike times [s] by Brian2, whose import takes longer than most cases: one process for all."""
    found = brian(*(job for job, _ in EXACT), *(fine(*other) for other in OTHERS.values()))
    return found[: len(EXACT)], dict(zip(OTHERS, found[len(EXACT) :], strict=True))


def test_exact_neurons_fire_in_the_steps_of_brian2s_exact_integration(theirs):
    for (job, ours), times in zip(EXACT, theirs[0], strict=True):
        expected = np.rint(times / job["dt"]).astype(int)
        assert expected.size > 15
        assert steps_of_spikes(*ours).tolist() == expected.tolist(), job["parameters"]


@pytest.mark.parametrize("other", OTHERS)
def test_the_others_converge_to_brian2s_fine_steps(theirs, other):
    _, model, current, seconds = OTHERS[other]
    exact, errors = theirs[1][other], []
    assert exact.size == (5 if other == "fast" else 3)
    for dt in (2e-4, 1e-4, 5e-5, 2.5e-5):
        fired = steps_of_spikes(model, np.full(round(seconds / dt), current), dt)[: exact.size] * dt
        errors.append(np.abs(fired - exact[: fired.size]).max())
    assert errors[-1] < 8e-4
    assert errors[0] / errors[-1] > 4  # first order, with the grid's own error: about 8
    assert errors == sorted(errors, reverse=True)
