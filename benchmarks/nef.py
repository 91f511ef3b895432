"""The Neural Engineering Framework here and in nengo (Bekolay et al. 2014): errors of the same ensembles, and speed.

Both have the same encoders, maximal rates and intercepts, and the same LIF (tau_mem 20 ms, refractory 2 ms), at 1 ms.
Needs nengo, which is no dependency: ``pip install nengo`` into an environment of its own, then ``python -m
benchmarks.nef``. ``tests/nef`` compares with the figures that this printed with nengo 4.1.0.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from snn_control.coding import Output, ValueInput
from snn_control.controller import Controller
from snn_control.engine.build import build
from snn_control.nef import Connection, Ensemble, network

DT, TAU = 1e-3, 0.01
SEEDS = range(5)


def parameters(neurons: int, dimensions: int, seed: int) -> dict[str, np.ndarray]:
    """Return the parameters of an ensemble, for both frameworks."""
    r = np.random.default_rng(seed)
    encoders = r.standard_normal((neurons, dimensions))
    return {
        "encoders": encoders / np.linalg.norm(encoders, axis=1, keepdims=True),
        "max_rates": r.uniform(200, 400, neurons),
        "intercepts": r.uniform(-1, 0.9, neurons),
    }


def controller(connections: list[Connection], size: int, readout: Ensemble, function: Any = None) -> Controller:
    """Make a controller with one input ``x`` and one output ``u``."""
    width = len(np.atleast_1d(function(np.zeros(readout.dimensions)))) if function else readout.dimensions
    output = Output("u", (readout.decoder(TAU, function),), size=width)
    return Controller(build(network(connections), [ValueInput("x", size=size)], [output], dt=DT, period=DT))


def run(running: Controller, x: np.ndarray) -> np.ndarray:
    """Run a controller on x (steps, size of x); returns (steps, size of u)."""
    return np.array([running.step({"x": row})["u"] for row in x])


def nengo_run(
    x: np.ndarray, neurons: int, seed: int, function: Any = None, recurrent: float = 0.0, tau_ref: float = 0.002
) -> np.ndarray:
    """Feed x into one ensemble of nengo's, and read a function of it; otherwise as `our_run`."""
    import nengo

    with nengo.Network(seed=seed) as model:
        node = nengo.Node(lambda t: x[min(round(t / DT) - 1, len(x) - 1)])
        lif = nengo.LIF(tau_rc=0.02, tau_ref=tau_ref)
        a = nengo.Ensemble(neurons, x.shape[1], neuron_type=lif, **parameters(neurons, x.shape[1], seed))
        if recurrent:
            nengo.Connection(node, a, transform=recurrent, synapse=recurrent)
            nengo.Connection(a, a, synapse=recurrent)
        else:
            nengo.Connection(node, a, synapse=None)
        target = nengo.Node(size_in=len(np.atleast_1d(function(x[0]))) if function else x.shape[1])
        nengo.Connection(a, target, function=function, synapse=TAU)
        probe = nengo.Probe(target)
    with nengo.Simulator(model, dt=DT, progress_bar=False) as simulator:
        simulator.run(len(x) * DT)
    return simulator.data[probe]


def our_run(x: np.ndarray, neurons: int, seed: int, function: Any = None, recurrent: float = 0.0) -> np.ndarray:
    """Feed x into one ensemble and read it; with ``recurrent``, its synapse, it is an integrator of time constant 1
    s."""
    a = Ensemble("a", neurons, x.shape[1], seed=seed, **parameters(neurons, x.shape[1], seed))
    connections = [Connection("x", a, transform=recurrent or 1.0, synapse=recurrent)]
    connections += [Connection(a, a, synapse=recurrent)] if recurrent else []
    return run(controller(connections, x.shape[1], a, function), x)


def filtered(y: np.ndarray) -> np.ndarray:
    """Filter y like the readout."""
    z, found, decay = np.zeros(y.shape[1]), [], math.exp(-DT / TAU)
    for row in y:
        z = decay * z + (1 - decay) * row
        found.append(z)
    return np.array(found)


def rmse(u: np.ndarray, target: np.ndarray) -> float:
    """Return the rms error after 0.5 s, at the best lag, because frameworks differ in the order of operations in a
    step."""
    return min(float(np.sqrt(np.mean((u[500:] - target[500 - k : len(target) - k]) ** 2))) for k in range(4))


def signal(dimensions: int, seconds: float = 5.0) -> np.ndarray:
    """Return sines of up to 1.3 Hz, within the unit ball."""
    t = np.arange(round(seconds / DT)) * DT
    f = 0.7 + 0.6 * np.arange(dimensions) / max(1, dimensions - 1)
    return 0.9 / math.sqrt(dimensions) * np.sin(2 * np.pi * f * t[:, None] + np.arange(dimensions))


#: name -> dimensions, neurons, function
CASES: dict[str, tuple[int, int, Callable | None]] = {
    "x, 1-D, 100 neurons": (1, 100, None),
    "x, 2-D, 200 neurons": (2, 200, None),
    "x^2, 100 neurons": (1, 100, lambda x: x**2),
    "x y, 200 neurons": (2, 200, lambda x: np.array([x[0] * x[1]])),
}


def errors(simulate: Callable[..., np.ndarray], name: str) -> float:
    """Return the root mean square error of a case, averaged over the seeds."""
    dimensions, neurons, function = CASES[name]
    x = signal(dimensions)
    target = filtered(np.array([function(row) for row in x]) if function else x)
    return float(np.mean([rmse(simulate(x, neurons, s, function), target) for s in SEEDS]))


def drift(simulate: Callable[..., np.ndarray]) -> float:
    """Return how far an integrator of 300 neurons is from 0.5, 5.5 s after a ramp of 0.5 s; averaged over the seeds."""
    x = np.where(np.arange(6000) < 500, 1.0, 0.0)[:, None]
    return float(np.mean([abs(simulate(x, 300, s, recurrent=0.1)[-200:].mean() - 0.5) for s in SEEDS]))


def speed(neurons: int = 500, steps: int = 1000, rounds: int = 9) -> None:
    """Print the time per step of a communication channel of two ensembles [us], interleaved, each run as its users run
    it."""
    import nengo

    a, b = (Ensemble(name, neurons, seed=k) for k, name in enumerate("ab"))
    running = controller([Connection("x", a), Connection(a, b)], 1, b)
    with nengo.Network(seed=1) as model:
        node = nengo.Node(lambda t: math.sin(6.28 * t))
        na, nb = (nengo.Ensemble(neurons, 1) for _ in "ab")
        nengo.Connection(node, na)
        nengo.Connection(na, nb)
        nengo.Probe(nb, synapse=TAU)
    with nengo.Simulator(model, dt=DT, progress_bar=False) as simulator:
        times: list[tuple[float, float]] = []
        for _ in range(rounds):
            t0 = time.perf_counter()
            simulator.run_steps(steps, progress_bar=False)
            t1 = time.perf_counter()
            for k in range(steps):
                running.step({"x": math.sin(6.28e-3 * k)})
            times.append((t1 - t0, time.perf_counter() - t1))
    there, here = (float(np.median(side)) / steps * 1e6 for side in zip(*times, strict=True))
    ratio = float(np.median([y / x for x, y in times]))
    spikes = sum(running.counters()["spikes"].values()) / steps / rounds
    print(f"2 x {neurons} neurons, us per step: nengo {there:.1f}, here {here:.2f}, ratio {ratio:.4f}", end="")
    print(f" ({spikes:.0f} spikes per step here)")


def main() -> None:
    try:
        import nengo  # noqa: F401
    except ModuleNotFoundError as error:
        raise SystemExit(
            f"benchmarks.nef needs {error.name}: pip install nengo, into an environment of its own"
        ) from None
    sides = {
        "here": our_run,
        "nengo": nengo_run,
    }
    for name in CASES:
        print(f"{name}:", ", ".join(f"{side} {errors(call, name):.5f}" for side, call in sides.items()))
    print("integrator:", ", ".join(f"{side} {drift(call):.4f}" for side, call in sides.items()))
    speed()


if __name__ == "__main__":
    main()
